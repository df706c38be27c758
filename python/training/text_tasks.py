"""Instructions without a picture, in the same language: repeat, add, answer from facts."""

from random import Random

from training.chart import make_chart
from training.picture import Turn
from training.scene import make_scene
from training.words import KINDS, draw_string


def make_text_task(rng: Random, held_out: bool) -> tuple[str, list[Turn]]:
    """A context (may be empty) and turns about it; facts are those of a scene or a chart, in words."""
    pick = rng.random()
    if pick < 0.4:
        picture = make_scene(rng, held_out)
        return picture.facts, [turn for turn in picture.turns if turn.kind != "caption"]
    if pick < 0.6:
        picture = make_chart(rng, held_out)
        return picture.facts, picture.turns[1:]
    return "", [_repeat(rng, held_out) if rng.random() < 0.75 else _sum(rng) for _ in range(5)]


def _repeat(rng: Random, held_out: bool) -> Turn:
    text = draw_string(rng, rng.choice(KINDS), held_out)
    return Turn("repeat", f"Repeat {text}", text)


def _sum(rng: Random) -> Turn:
    a, b = rng.randint(0, 9), rng.randint(0, 9)
    return Turn("sum", f"What is {a} + {b}?", str(a + b))
