"""What is committed is what the code generates, and it makes strong tests."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reference.compare import differences
from reference.generate import GENERATED, generate
from reference.paths import CHECKPOINTS, GOLDEN, RANDOM_MODEL, REPOSITORY


def test_regenerating_gives_the_committed_files(tmp_path: Path) -> None:
    generate(tmp_path)
    lines = [line for folder in GENERATED for line in differences(REPOSITORY / folder, tmp_path / folder)]
    assert lines == []


def test_comparison_sees_a_changed_value(tmp_path: Path) -> None:
    for folder, value in (("a", 1.0), ("b", 1.01)):
        (tmp_path / folder).mkdir()
        save_file({"x": torch.tensor([value])}, tmp_path / folder / "t.safetensors")
    (tmp_path / "a/only-here.json").write_text("{}")
    assert len(differences(tmp_path / "a", tmp_path / "b")) == 2


@pytest.mark.parametrize(
    ("folder", "limit"), [(RANDOM_MODEL, 4_000_000), (CHECKPOINTS, 6_291_456), (GOLDEN, 8_388_608)]
)
def test_committed_files_stay_small(folder: Path, limit: int) -> None:
    assert sum(path.stat().st_size for path in (REPOSITORY / folder).rglob("*") if path.is_file()) <= limit


def test_answers_depend_on_the_image_and_the_mask() -> None:
    prompts = json.loads((REPOSITORY / GOLDEN / "prompts.json").read_text(encoding="utf-8"))
    answers = [tuple(prompt["greedy"]) for prompt in prompts]
    assert len(set(answers)) == len(answers)
    for prompt in prompts:
        assert (prompt["greedy"] != prompt["causalGreedy"]) == bool(prompt["imageRuns"])


def test_adjacent_images_are_one_run() -> None:
    prompts = {
        prompt["name"]: prompt for prompt in json.loads((REPOSITORY / GOLDEN / "prompts.json").read_text("utf-8"))
    }
    assert [length for _, length in prompts["adjacent-images"]["imageRuns"]] == [128]
    assert prompts["adjacent-images"]["ids"].count(-200) == 2
    mask = load_file(REPOSITORY / GOLDEN / "prompt-adjacent-images.safetensors")["mask"]
    start = prompts["adjacent-images"]["imageRuns"][0][0]
    assert mask[start, start + 127] == 1
    assert mask[start, start + 128] == 0
