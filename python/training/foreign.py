"""Held-out pictures that our own drawing did not make: SVG text and shapes by resvg, and JPEG at quality 60."""

from io import BytesIO
from pathlib import Path
from random import Random

import matplotlib
import resvg_py
from PIL import Image

from training.grid import CELL_PX, CELLS, IMAGE_PX, is_held_out
from training.picture import Picture, Turn
from training.scene import COLORS, SHAPE_PX, SHAPES, Thing, caption, questions
from training.text_picture import BASELINE_PX, DESCRIBE, READ
from training.words import draw_string

FONT, FONT_FILE = "DejaVu Sans", Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
"""A family that no picture of ours uses."""
JPEG_QUALITY = 60


def draw_text(rng: Random) -> Picture:
    """One held-out string, its letters at the 14 px pitch of the domain, set by another text engine."""
    text = draw_string(rng, rng.choice(("word", "letters", "price", "code")), True)
    row, column = rng.randrange(CELLS), rng.randint(0, CELLS - len(text))
    picture = Picture()
    for index, glyph in enumerate(text):
        picture.grid.put(row, column + index, glyph)
    picture.turns = [Turn("read-1", rng.choice(READ), text)]
    centers = " ".join(str((column + index) * CELL_PX + CELL_PX // 2) for index in range(len(text)))
    color, size = rng.choice(("black", "navy", "darkred")), rng.choice((13, 14))
    picture.image = _rasterize(
        f'<text x="{centers}" y="{row * CELL_PX + BASELINE_PX}" text-anchor="middle" '
        f'font-family="{FONT}" font-size="{size}" fill="{color}">{text}</text>'
    )
    return picture


def draw_svg(rng: Random) -> Picture:
    """A scene in SVG, in named web colours."""
    while True:
        places = sorted(rng.sample(range(4), rng.randint(1, 3)))
        things = [Thing(rng.choice(list(COLORS)), rng.choice(SHAPES), place) for place in places]
        if is_held_out(f"svg {things}", 2):
            break
    picture = Picture()
    picture.turns = [Turn("caption", rng.choice(DESCRIBE), caption(things)), *questions(rng, things)]
    picture.image = _rasterize("".join(_svg(thing, rng.randint(*SHAPE_PX)) for thing in things))
    return picture


def through_jpeg(picture: Picture) -> Picture:
    """The same picture after JPEG at quality 60."""
    buffer = BytesIO()
    picture.image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    picture.image = Image.open(buffer).convert("RGB")
    return picture


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


def _rasterize(content: str) -> Image.Image:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{IMAGE_PX}" height="{IMAGE_PX}">{content}</svg>'
    png = resvg_py.svg_to_bytes(svg, background="#ffffff", skip_system_fonts=True, font_files=[str(FONT_FILE)])
    return Image.open(BytesIO(bytes(png))).convert("RGB")
