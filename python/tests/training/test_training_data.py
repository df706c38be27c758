"""The generators: deterministic, true to their own map, and disjoint between splits."""

from random import Random

import numpy as np
import pytest

from training.chart import make_chart
from training.fonts import HELD_OUT_FONTS, TRAINING_FONTS
from training.grid import CELLS, EMPTY, GLYPHS
from training.picture import IGNORED
from training.scene import COLORS, SHAPES, make_scene
from training.text_picture import make_text
from training.words import KINDS, REFUSED, draw_string, words


def test_the_same_seed_draws_the_same_picture() -> None:
    first, second = (make_text(Random(7), False) for _ in range(2))
    assert np.array_equal(np.asarray(first.image), np.asarray(second.image))
    assert (str(first.grid), first.turns) == (str(second.grid), second.turns)


def test_splits_share_no_word_and_no_font_family() -> None:
    assert not set(words(True)) & set(words(False))
    families = [{name.split("/")[0] for name in fonts} for fonts in (TRAINING_FONTS, HELD_OUT_FONTS)]
    assert not families[0] & families[1]


@pytest.mark.parametrize("kind", KINDS)
def test_strings_fit_the_grid_and_are_clean(kind: str) -> None:
    rng = Random(3)
    for held_out in (True, False):
        for _ in range(300):
            text = draw_string(rng, kind, held_out)
            assert 1 <= len(text) <= CELLS
            assert set(text) <= set(GLYPHS)
            assert not any(part in text for part in REFUSED)


def test_layouts_of_scenes_are_disjoint() -> None:
    def captions(held_out: bool) -> set[str]:
        rng = Random(5)
        return {make_scene(rng, held_out).facts for _ in range(600)}

    assert not captions(True) & captions(False)


def test_map_and_answer_of_a_text_say_the_same() -> None:
    rng = Random(11)
    for _ in range(200):
        picture = make_text(rng, False)
        rows = [str(picture.grid)[i : i + CELLS].strip(EMPTY) for i in range(0, CELLS * CELLS, CELLS)]
        read = next(turn.answer for turn in picture.turns if turn.kind.startswith("read"))
        assert "\n".join(row for row in rows if row) == read


def test_ink_stands_where_the_map_says() -> None:
    """Oracle: the darkest cells of a text picture without a frame are its labelled cells."""
    rng, hits, cells = Random(2), 0, 0
    for _ in range(60):
        picture = make_text(rng, True, lines=1)
        grey = np.asarray(picture.image.convert("L"), np.float32)
        inked = np.ptp(grey.reshape(CELLS, 14, CELLS, 14)[:, 3:11, :, 3:11], axis=(1, 3)).flatten() > 70
        shown = np.array([cell not in (EMPTY, ".", "-", ":", "I", "1") for cell in picture.grid.cells])
        hits, cells = hits + int((inked & shown).sum()), cells + int(shown.sum())
    assert hits / cells > 0.9


def test_a_scene_shows_the_colour_it_labels() -> None:
    rng = Random(4)
    for _ in range(50):
        picture = make_scene(rng, False)
        pixels = np.asarray(picture.image, np.int32).reshape(CELLS, 14, CELLS, 14, 3).mean((1, 3)).reshape(64, 3)
        for cell in range(64):
            color = picture.labels[cell, 3]
            if color not in (0, IGNORED) and SHAPES[picture.labels[cell, 4] - 1] == "square":
                nearest = min(COLORS, key=lambda name: float(np.abs(pixels[cell] - COLORS[name]).sum()))
                assert nearest == list(COLORS)[color - 1]


def test_a_chart_summary_names_the_tallest_and_the_shortest_bar() -> None:
    rng = Random(6)
    for _ in range(50):
        picture = make_chart(rng, False)
        heights = {
            picture.grid.cells[7 * CELLS + column]: sum(
                picture.grid.cells[row * CELLS + column] != EMPTY for row in range(7)
            )
            for column in (2, 4, 6)
        }
        answers = {turn.kind: turn.unknown for turn in picture.turns}
        assert answers["highest"] == max(heights, key=lambda label: heights[label])
        assert answers["lowest"] == min(heights, key=lambda label: heights[label])
