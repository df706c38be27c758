"""Held-out pictures that another program drew: text and SVG shapes by ImageMagick, and JPEG at quality 60."""

import shutil
import subprocess
from io import BytesIO
from random import Random

from PIL import Image

from training.grid import CELL_PX, CELLS, IMAGE_PX, is_held_out
from training.picture import Picture, Turn
from training.scene import COLORS, SHAPE_PX, SHAPES, Thing, caption, questions
from training.text_picture import BASELINE_PX, DESCRIBE, READ
from training.words import draw_string

FONT, FONT_PX, ADVANCE_EM = "DejaVu-Sans-Mono", 15, 0.602
"""A family that no training picture uses; letters are spaced to the 14 px pitch of the domain."""
JPEG_QUALITY = 60


def available() -> bool:
    return shutil.which("convert") is not None


def draw_text(rng: Random) -> Picture:
    """One held-out word, set by ImageMagick."""
    text = draw_string(rng, rng.choice(("word", "letters", "price", "code")), True)
    row, column = rng.randrange(CELLS), rng.randint(0, CELLS - len(text))
    picture = Picture()
    for index, glyph in enumerate(text):
        picture.grid.put(row, column + index, glyph)
    picture.turns = [Turn("read-1", rng.choice(READ), text)]
    advance = FONT_PX * ADVANCE_EM
    x, y = column * CELL_PX + (CELL_PX - advance) / 2, row * CELL_PX + BASELINE_PX
    picture.image = _convert(
        *("-size", f"{IMAGE_PX}x{IMAGE_PX}", "xc:white", "-font", FONT, "-pointsize", str(FONT_PX)),
        *("-kerning", str(CELL_PX - advance), "-fill", rng.choice(("black", "navy", "darkred"))),
        *("-annotate", f"+{x:.1f}+{y}", text),
    )
    return picture


def draw_svg(rng: Random) -> Picture:
    """A scene in SVG, rasterised by ImageMagick, in named web colours."""
    while True:
        places = sorted(rng.sample(range(4), rng.randint(1, 3)))
        things = [Thing(rng.choice(list(COLORS)), rng.choice(SHAPES), place) for place in places]
        if is_held_out(f"svg {things}", 2):
            break
    picture = Picture()
    picture.turns = [Turn("caption", rng.choice(DESCRIBE), caption(things)), *questions(rng, things)]
    shapes = "".join(_svg(thing, rng.randint(*SHAPE_PX)) for thing in things)
    source = f'<svg xmlns="http://www.w3.org/2000/svg" width="{IMAGE_PX}" height="{IMAGE_PX}">{shapes}</svg>'
    picture.image = _convert("svg:-", stdin=source.encode())
    return picture


def through_jpeg(picture: Picture) -> Picture:
    """The same picture after JPEG at quality 60."""
    buffer = BytesIO()
    picture.image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    picture.image = Image.open(buffer).convert("RGB")
    return picture


def _svg(thing: Thing, size: int) -> str:
    quarter = IMAGE_PX // 2
    x = (thing.place % 2) * quarter + quarter / 2
    y = (thing.place // 2) * quarter + quarter / 2
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


def _convert(*arguments: str, stdin: bytes | None = None) -> Image.Image:
    made = subprocess.run(("convert", *arguments, "png:-"), input=stdin, capture_output=True, check=True)
    return Image.open(BytesIO(made.stdout)).convert("RGB")
