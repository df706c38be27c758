"""`python -m reference [--check]`: regenerates the random model, fixture checkpoints and goldens, or compares them."""

import argparse
import sys
import tempfile
from pathlib import Path

from .compare import differences
from .generate import GENERATED, generate
from .paths import REPOSITORY


def main() -> int:
    """0: done, or nothing differs. 1: what is committed differs from what would be generated."""
    parser = argparse.ArgumentParser(prog="python -m reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="generate elsewhere and compare with what is committed")
    if not parser.parse_args().check:
        generate(REPOSITORY)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        generate(Path(temporary))
        lines = [line for folder in GENERATED for line in differences(REPOSITORY / folder, Path(temporary) / folder)]
    print("\n".join(lines) or "all generated files are as committed")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
