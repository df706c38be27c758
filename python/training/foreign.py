"""Held-out pictures that our own drawing did not make: text and shapes by other programs."""

from collections.abc import Callable
from random import Random

from PIL import Image

from training.fonts import SIZES_PX
from training.grid import CELLS, IMAGE_PX, is_held_out
from training.picture import Picture, Turn
from training.rasterizers import Sign, by_chromium, by_imagemagick, by_resvg, sign_svg
from training.scene import COLORS, LAYOUT_ONE_IN, SHAPE_PX, SHAPES, Thing, caption, questions
from training.text_picture import DESCRIBE, READ
from training.text_picture import LAYOUT_ONE_IN as TEXT_LAYOUT_ONE_IN
from training.words import KINDS, draw_string

INKS = ("black", "navy", "darkred")


def make_signs(rng: Random, count: int, draw: Callable[[list[Sign]], list[Image.Image]]) -> list[Picture]:
    """One held-out string each, its letters at the 14 px pitch of the domain."""
    made = [_sign(rng) for _ in range(count)]
    return _pictures(draw([sign for sign, _ in made]), [turns for _, turns in made])


def make_shapes(rng: Random, count: int, draw: Callable[[list[str]], list[Image.Image]]) -> list[Picture]:
    """Held-out scenes as SVG, in named web colours."""
    made = [_shapes(rng) for _ in range(count)]
    return _pictures(draw([content for content, _ in made]), [turns for _, turns in made])


SETS: dict[str, Callable[[Random, int], list[Picture]]] = {
    "text by resvg": lambda rng, count: make_signs(rng, count, lambda signs: by_resvg([*map(sign_svg, signs)])),
    "text by Chromium": lambda rng, count: make_signs(rng, count, lambda signs: by_chromium([*map(sign_svg, signs)])),
    "text by ImageMagick": lambda rng, count: make_signs(rng, count, by_imagemagick),
    "SVG shapes by resvg": lambda rng, count: make_shapes(rng, count, by_resvg),
    "SVG shapes by Chromium": lambda rng, count: make_shapes(rng, count, by_chromium),
}
"""Makers of `count` pictures, by what drew them; they raise ToolMissing."""


def _pictures(images: list[Image.Image], turns: list[list[Turn]]) -> list[Picture]:
    if any(low == high for image in images for low, high in [image.convert("L").getextrema()]):
        raise ValueError("a program drew nothing")
    return [Picture(turns=asked, draw=image.copy) for image, asked in zip(images, turns, strict=True)]


def _sign(rng: Random) -> tuple[Sign, list[Turn]]:
    """A string and a place that no training picture has."""
    text = draw_string(rng, rng.choice(KINDS), True)
    while True:
        row, column = rng.randrange(CELLS), rng.randint(0, CELLS - len(text))
        if is_held_out(f"text {(row, column)}", TEXT_LAYOUT_ONE_IN):
            break
    sign = Sign(text, row, column, rng.choice(INKS), rng.choice(SIZES_PX))
    return sign, [Turn("read-1", rng.choice(READ), text)]


def _shapes(rng: Random) -> tuple[str, list[Turn]]:
    """The SVG of a layout that no training picture has."""
    while True:
        places = sorted(rng.sample(range(4), rng.randint(1, 3)))
        things = [Thing(rng.choice(list(COLORS)), rng.choice(SHAPES), place) for place in places]
        if is_held_out(f"scene {things}", LAYOUT_ONE_IN):
            break
    content = "".join(_svg(thing, rng.randint(*SHAPE_PX)) for thing in things)
    return content, [Turn("caption", rng.choice(DESCRIBE), caption(things)), *questions(rng, things)]


def _svg(thing: Thing, size: int) -> str:
    quarter = IMAGE_PX // 2
    x, y = (thing.place % 2) * quarter + quarter / 2, (thing.place // 2) * quarter + quarter / 2
    half, arm = size / 2, size / 6
    fill = f'fill="{thing.color}"'
    match thing.shape:
        case "circle":
            return f'<circle cx="{x}" cy="{y}" r="{half}" {fill}/>'
        case "square":
            return f'<rect x="{x - half}" y="{y - half}" width="{size}" height="{size}" {fill}/>'
        case "triangle":
            return f'<polygon points="{x},{y - half} {x - half},{y + half} {x + half},{y + half}" {fill}/>'
        case _:
            upright = f'<rect x="{x - arm}" y="{y - half}" width="{2 * arm}" height="{size}" {fill}/>'
            return upright + f'<rect x="{x - half}" y="{y - arm}" width="{size}" height="{2 * arm}" {fill}/>'
