"""Everything that the reference generates, in one place."""

from pathlib import Path

import torch

from .checkpoint import write_checkpoints
from .goldens import write_goldens
from .paths import CHECKPOINTS, GOLDEN, RANDOM_MODEL

GENERATED = [RANDOM_MODEL, CHECKPOINTS, GOLDEN]


def generate(root: Path) -> None:
    """Writes random model, fixture checkpoints and goldens under `root`. One thread: sums keep their order."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    write_checkpoints(root)
    write_goldens(root)
