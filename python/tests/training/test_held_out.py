"""The held-out sets: always the same, apart from training, and scored as they are sent."""

import json
import shutil
from collections.abc import Callable
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from training.__main__ import main
from training.dialogue import Dialogue
from training.fonts import TRAINING_FONTS
from training.foreign import SETS
from training.grid import CELLS, GLYPHS
from training.held_out import SEED, TASKS, TEXT_SET, foreign_sets, main_sets, make_texts
from training.picture import Picture
from training.rasterizers import FONT_FILE, Sign, by_chromium, by_imagemagick, by_resvg, sign_svg
from training.scene import make_scene
from training.text_picture import make_text
from training.tokenizer import SYSTEM, train_tokenizer
from training.words import words

COUNT = 8
DRAWERS: dict[str, Callable[[list[Sign]], list[Image.Image]]] = {"resvg": lambda s: by_resvg([*map(sign_svg, s)])}
if shutil.which("chromium"):
    DRAWERS["chromium"] = lambda s: by_chromium([*map(sign_svg, s)])
if shutil.which("convert-im6.q16") or shutil.which("magick"):
    DRAWERS["imagemagick"] = by_imagemagick


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("held-out")
    main(["heldout", "--out", str(out), "--count", str(COUNT)])
    return out


def questions(folder: Path, name: str) -> list[dict[str, str | None]]:
    return [json.loads(line) for line in (folder / name / "questions.jsonl").read_text().splitlines()]


def test_every_set_is_written_with_every_question(folder: Path) -> None:
    for pictures in main_sets(COUNT):
        lines = questions(folder, pictures.name)
        assert [(line["kind"], line["question"], line["answer"]) for line in lines] == [
            (turn.kind, turn.question, turn.answer) for picture in pictures.pictures for turn in picture.turns
        ]
        assert all(set(line) == {"image", "task", "kind", "question", "answer", "unknown"} for line in lines)
        for number, picture in enumerate(pictures.pictures):
            written = np.asarray(Image.open(folder / pictures.name / f"{number}.png"))
            assert np.array_equal(written, np.asarray(picture.image))
    assert all(line["image"] is None for line in questions(folder, TEXT_SET))
    assert {path.name for path in folder.iterdir()} >= {"text", "text by resvg", "SVG shapes by resvg", *TASKS}


def test_writing_again_writes_the_same_bytes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And without the programs their sets are skipped, by name."""
    monkeypatch.setenv("PATH", "")
    main(["heldout", "--out", str(tmp_path), "--count", str(COUNT)])
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 4 * COUNT
    assert all((tmp_path / file).read_bytes() == (folder / file).read_bytes() for file in files)
    said = capsys.readouterr().out
    assert "text by ImageMagick: skipped, imagemagick is not installed" in said
    assert "SVG shapes by Chromium: skipped, chromium is not installed" in said
    with pytest.raises(FileExistsError, match="is not empty"):
        main(["heldout", "--out", str(tmp_path), "--count", "1"])


def test_a_small_set_is_the_beginning_of_a_large_one() -> None:
    assert make_texts(9)[:4] == make_texts(2)
    for small, large in zip(main_sets(2), main_sets(3), strict=True):
        assert [p.turns for p in small.pictures] == [p.turns for p in large.pictures[:2]]
    for name in ("text by resvg", "SVG shapes by resvg"):
        two, three = (SETS[name](Random(1), count) for count in (2, 3))
        assert all(same(a, b) for a, b in zip(two, three[:2], strict=True))


def same(first: Picture, second: Picture) -> bool:
    return first.turns == second.turns and np.array_equal(np.asarray(first.image), np.asarray(second.image))


def test_jpeg_is_scored_as_the_bytes_that_are_sent(folder: Path) -> None:
    tables = BytesIO()
    Image.new("RGB", (8, 8)).save(tables, "JPEG", quality=60)
    quality_60 = Image.open(tables).quantization  # type: ignore[attr-defined]
    jpegs = list(takewhile(lambda pictures: pictures.jpeg, foreign_sets(COUNT // 4)))
    assert [pictures.name for pictures in jpegs] == [f"{task}, JPEG 60" for task in TASKS]
    for pictures in jpegs:
        for number, seen in enumerate(pictures.seen()):
            sent = Image.open(folder / pictures.name / f"{number}.jpg")
            assert sent.quantization == quality_60  # type: ignore[attr-defined]
            assert np.array_equal(np.asarray(sent.convert("RGB")), np.asarray(seen.image))
            assert not np.array_equal(np.asarray(seen.image), np.asarray(pictures.pictures[number].image))


def test_foreign_text_shares_no_word_font_or_place_with_training() -> None:
    assert FONT_FILE.name not in {name.rsplit("/", 1)[1] for name in TRAINING_FONTS}
    rng, places = Random(3), set()
    for _ in range(250):
        picture = make_text(rng, False, lines=1)
        places.add(next(divmod(n, CELLS) for n, cell in enumerate(picture.grid.cells) if cell in GLYPHS))
    for picture in SETS["text by resvg"](Random(SEED), 60):
        rows, columns = np.nonzero(np.asarray(picture.image.convert("L")) < 128)
        assert (int(rows.min()) // 14, int(columns.min()) // 14) not in places
        assert picture.turns[0].answer not in words(False)


def test_foreign_scenes_share_no_layout_with_training() -> None:
    rng = Random(5)
    seen = {make_scene(rng, False).facts for _ in range(1500)}
    drawn = {picture.turns[0].answer for picture in SETS["SVG shapes by resvg"](Random(SEED), 200)}
    assert not drawn & seen


@pytest.mark.parametrize("drawer", DRAWERS)
def test_glyphs_stand_in_the_middle_of_their_cells(drawer: str) -> None:
    sign = Sign("HOT08", 3, 2, "black", 13)
    ink = 255.0 - np.asarray(DRAWERS[drawer]([sign])[0].convert("L"), np.float64)
    assert ink[42:56].sum() > 0.99 * ink.sum()
    for cell in range(CELLS):
        columns = ink[42:56, cell * 14 : cell * 14 + 14].sum(0)
        if 2 <= cell < 7:
            assert abs((columns * np.arange(14)).sum() / columns.sum() + 0.5 - 7) < 0.75
        else:
            assert columns.sum() < 0.01 * ink.sum()


def test_a_text_task_is_the_same_tokens_over_the_wire() -> None:
    """An endpoint tokenizes the whole prompt; here context and question are encoded apart."""
    dialogue = Dialogue(train_tokenizer())
    for task in make_texts(40):
        for turn in task.turns:
            row = dialogue.row(dialogue.encode(task.context), [turn], task.joint)
            user = f"<|im_start|>user\n{task.context}{task.joint}{turn.question}<|im_end|>\n"
            whole = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n{user}<|im_start|>assistant\n{turn.answer}<|im_end|>"
            assert row.ids[row.branch >= 0].tolist() == dialogue.encode(whole)
