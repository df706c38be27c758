"""The published base as a run's own."""

from pathlib import Path

import pytest
import torch

from training.__main__ import main
from training.recipe import SMOKE
from training.vora_stage import load_base


def test_later_stages_start_from_the_published_base(folders: tuple[Path, Path], tmp_path: Path) -> None:
    run, out = folders
    main(["take-base", "--work", str(tmp_path), "--out", str(out)])
    taken, own = load_base(tmp_path, SMOKE).state_dict(), load_base(run, SMOKE).state_dict()
    assert taken.keys() == own.keys()
    assert all(torch.equal(taken[name], own[name]) for name in own)
    assert (tmp_path / "tokenizer.json").read_text() == (run / "tokenizer.json").read_text()


def test_a_run_keeps_the_base_that_it_has(folders: tuple[Path, Path]) -> None:
    run, out = folders
    with pytest.raises(FileExistsError, match="llm.pt"):
        main(["take-base", "--work", str(run), "--out", str(out)])
