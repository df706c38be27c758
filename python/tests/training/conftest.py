"""One run of every stage at toy size, for all tests of training."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from training.__main__ import main


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(run, out) of `python -m training all --smoke`."""
    run, out = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("out")
    main(["all", "--smoke", "--work", str(run), "--out", str(out), "--workers", "1"])
    return run, out


@pytest.fixture(scope="session")
def tokenizer(folders: tuple[Path, Path]) -> Tokenizer:
    return Tokenizer.from_file(str(folders[0] / "tokenizer.json"))
