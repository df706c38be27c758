"""Instructions without a picture, in the same language: repeat, answer from facts."""

from random import Random

from training.chart import make_chart
from training.picture import Turn
from training.scene import make_scene
from training.words import KINDS, draw_string


def make_text_task(rng: Random, held_out: bool) -> tuple[str, list[Turn]]:
    """A context (may be empty) and turns about it; facts are those of a scene or a chart, in words."""
    pick = rng.random()
    if pick < 0.5:
        picture = make_scene(rng, held_out)
        return picture.facts, [turn for turn in picture.turns if turn.kind != "caption"]
    if pick < 0.8:
        picture = make_chart(rng, held_out)
        return picture.facts, picture.turns[1:]
    texts = [draw_string(rng, rng.choice(KINDS), held_out) for _ in range(5)]
    return "", [Turn("repeat", f"Repeat {text}", text) for text in texts]
