"""Where generated files go, relative to the repository root."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

RANDOM_MODEL = Path("models/vora-random")
CHECKPOINTS = Path("test/fixtures/checkpoints")
GOLDEN = Path("test/fixtures/golden")
