"""One thread and deterministic kernels, as when the goldens were made."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def deterministic_torch() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
