"""Pictures of rendered text: one or two lines of capitals and digits, one glyph to a 14 px cell."""

from random import Random

from PIL import Image, ImageDraw

from training.fonts import HELD_OUT_FONTS, SIZES_PX, TRAINING_FONTS
from training.grid import CELL_PX, CELLS, IMAGE_PX, SYMBOLS, is_held_out
from training.lettering import choose_lettering
from training.picture import Picture, Turn, add_noise, dark_color, light_color
from training.words import KINDS, draw_string

BASELINE_PX = 12
"""Baseline inside a cell: capitals of 9 to 11 px then stand in its middle."""
JITTER_PX = (2.0, 1.0)
"""How far a line stands off the grid at most, across and down: a tail of a Q shall not leave its patch."""
NOISE = 8.0
LAYOUT_ONE_IN = 6

READ = ("Read the text.", "What does it say?", "What does the sign say?", "What is written here?")
DESCRIBE = ("Describe the image.", "Describe the picture.", "What is in the picture?", "What is in this image?")
LINE = ("What does line {} say?", "Read line {}.")
SPECIAL = {"price": "What is the price?", "date": "What is the date?", "time": "What time is it?"}


def make_text(rng: Random, held_out: bool, difficulty: float = 1.0, lines: int | None = None) -> Picture:
    """One or two lines; a training picture of low `difficulty` (0 to 1) has one line and less jitter."""
    count = lines or (2 if rng.random() < 0.5 * min(1.0, 2 * difficulty) else 1)
    kinds = [rng.choices(KINDS, (6, 4, 1, 2, 1, 1, 3))[0] for _ in range(count)]
    texts = [draw_string(rng, kind, held_out) for kind in kinds]
    places = _places(rng, texts, held_out)
    picture = Picture()
    for line, (text, (row, column)) in enumerate(zip(texts, places, strict=True)):
        for index, glyph in enumerate(text):
            picture.grid.put(row, column + index, glyph)
            picture.label(row, column + index, "symbol", SYMBOLS.index(glyph))
            picture.label(row, column + index, "place", index + 1)
            picture.label(row, column + index, "line", line + 1)
    picture.turns = _turns(rng, kinds, texts)
    fonts = HELD_OUT_FONTS if held_out else TRAINING_FONTS
    picture.draw_later(rng, lambda chance: _draw(chance, texts, places, fonts, difficulty, held_out))
    return picture


def make_page(rng: Random, held_out: bool) -> Picture:
    """A map of three to six lines, never drawn: most of what the base LLM learns of reading, a page at a time."""
    texts = [draw_string(rng, rng.choice(KINDS), held_out) for _ in range(rng.randint(3, 6))]
    rows = sorted(rng.sample(range(CELLS), len(texts)))
    picture = Picture()
    for row, text in zip(rows, texts, strict=True):
        column = rng.randint(0, CELLS - len(text))
        for index, glyph in enumerate(text):
            picture.grid.put(row, column + index, glyph)
    picture.turns = [Turn("page", rng.choice(READ), "\n".join(texts))]
    if len(texts) < 5:
        picture.turns.append(Turn("page-line", rng.choice(LINE).format(2), texts[1]))
    return picture


def _places(rng: Random, texts: list[str], held_out: bool) -> list[tuple[int, int]]:
    """First cell (row, column) of each line; whole layouts are held out."""
    while True:
        rows = sorted(rng.sample(range(CELLS), len(texts)))
        if len(rows) == 2 and rows[1] - rows[0] < 2:
            continue
        places = [(row, rng.randint(0, CELLS - len(text))) for row, text in zip(rows, texts, strict=True)]
        if is_held_out(f"text {places[0]}", LAYOUT_ONE_IN) == held_out:
            return places


def _turns(rng: Random, kinds: list[str], texts: list[str]) -> list[Turn]:
    both = " and ".join(texts)
    turns = [
        Turn(f"read-{len(texts)}", rng.choice(READ), "\n".join(texts)),
        Turn(f"describe-text-{len(texts)}", rng.choice(DESCRIBE), f"A sign that says {both}."),
    ]
    if len(texts) == 1 and kinds[0] in SPECIAL:
        turns.append(Turn(kinds[0], SPECIAL[kinds[0]], texts[0]))
    if len(texts) == 2:
        turns += [Turn("line", rng.choice(LINE).format(k + 1), text) for k, text in enumerate(texts)]
    return turns


def _draw(
    rng: Random,
    texts: list[str],
    places: list[tuple[int, int]],
    fonts: tuple[str, ...],
    difficulty: float,
    as_is: bool,
) -> Image.Image:
    image = Image.new("RGB", (IMAGE_PX, IMAGE_PX), light_color(rng))
    canvas = ImageDraw.Draw(image)
    if rng.random() < 0.5 and all(_is_inside(text, place) for text, place in zip(texts, places, strict=True)):
        canvas.rounded_rectangle((1, 1, IMAGE_PX - 2, IMAGE_PX - 2), rng.randint(2, 14), outline=dark_color(rng))
    ease = min(1.0, 0.3 + 2 * difficulty)
    for text, (row, column) in zip(texts, places, strict=True):
        lettering = choose_lettering(rng, rng.choice(fonts), rng.choice(SIZES_PX), dark_color(rng), as_is)
        x, y = (rng.uniform(-most, most) * ease for most in JITTER_PX)
        x = min(x, 0) if column + len(text) == CELLS else x
        x = max(x, 0) if column == 0 else x
        for index, glyph in enumerate(text):
            center = (column + index) * CELL_PX + CELL_PX // 2 + x
            lettering.draw(image, glyph, center, row * CELL_PX + BASELINE_PX + y)
    return add_noise(image, rng, NOISE)


def _is_inside(text: str, place: tuple[int, int]) -> bool:
    """Whether a line stays off the rim, where a frame would cross it."""
    row, column = place
    return 0 < row < CELLS - 1 and column > 0 and column + len(text) < CELLS
