"""`python -m reference`: regenerates the random model, the fixture checkpoints and every golden file."""

from .checkpoint import write_checkpoints
from .paths import REPOSITORY

write_checkpoints(REPOSITORY)
