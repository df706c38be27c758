"""What was published as a run's own."""

from pathlib import Path

import pytest
import torch

from training.__main__ import main
from training.export import load_exported
from training.recipe import SMOKE
from training.vora_stage import build_vora, load_base, load_weights


def test_later_stages_start_from_the_published_base(folders: tuple[Path, Path], tmp_path: Path) -> None:
    run, out = folders
    main(["take-base", "--work", str(tmp_path), "--out", str(out)])
    taken, own = load_base(tmp_path, SMOKE).state_dict(), load_base(run, SMOKE).state_dict()
    assert taken.keys() == own.keys()
    assert all(torch.equal(taken[name], own[name]) for name in own)
    assert (tmp_path / "tokenizer.json").read_text() == (run / "tokenizer.json").read_text()


def test_the_last_stage_goes_on_from_the_published_adapter(folders: tuple[Path, Path], tmp_path: Path) -> None:
    _, out = folders
    main(["take-base", "--work", str(tmp_path), "--out", str(out)])
    main(["take-adapter", "--work", str(tmp_path), "--out", str(out)])
    taken = build_vora(tmp_path, SMOKE)
    taken.load_state_dict(load_weights(tmp_path, "vora", "vora"))
    published = load_exported(out)[0].state_dict()
    assert all(torch.equal(value, published[name]) for name, value in taken.state_dict().items())


def test_a_run_keeps_the_base_that_it_has(folders: tuple[Path, Path]) -> None:
    run, out = folders
    for command, file in (("take-base", "llm.pt"), ("take-adapter", "vora.pt")):
        with pytest.raises(FileExistsError, match=file):
            main([command, "--work", str(run), "--out", str(out)])
