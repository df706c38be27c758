"""Bar charts: three labelled bars of different heights, and one sentence about them."""

from random import Random

from PIL import Image, ImageDraw

from training.fonts import HELD_OUT_FONTS, TRAINING_FONTS
from training.grid import BAR, CELL_PX, CELLS, IMAGE_PX, SYMBOLS, is_held_out
from training.lettering import choose_lettering
from training.picture import Picture, Turn, add_noise, dark_color, light_color
from training.scene import COLORS
from training.text_picture import BASELINE_PX, DESCRIBE

LABELS = "ABCDEFGH"
COLUMNS = (2, 4, 6)
HEIGHTS = range(1, 7)
LABEL_ROW = CELLS - 1
NOISE = 6.0
LAYOUT_ONE_IN = 6


def make_chart(rng: Random, held_out: bool) -> Picture:
    """A chart whose labels and heights (in cells, all different) belong to the split."""
    while True:
        labels, heights = rng.sample(LABELS, 3), rng.sample(HEIGHTS, 3)
        if is_held_out(f"chart {labels} {heights}", LAYOUT_ONE_IN) == held_out:
            break
    picture = Picture()
    for label, height, column in zip(labels, heights, COLUMNS, strict=True):
        picture.grid.put(LABEL_ROW, column, label)
        picture.label(LABEL_ROW, column, "symbol", SYMBOLS.index(label))
        for row in range(LABEL_ROW - height, LABEL_ROW):
            picture.grid.put(row, column, BAR)
            picture.label(row, column, "symbol", SYMBOLS.index(BAR))
    highest, lowest = labels[heights.index(max(heights))], labels[heights.index(min(heights))]
    pairs = [f"{label} is {height}" for label, height in zip(labels, heights, strict=True)]
    picture.facts = f"{', '.join(pairs)}."
    summary = f"A bar chart where {highest} is the highest and {lowest} is the lowest."
    picture.turns = [
        Turn("summary", rng.choice(("Summarize the chart.", *DESCRIBE)), summary),
        Turn("highest", "Which bar is the highest?", f"The highest bar is {highest}.", highest),
        Turn("lowest", "Which bar is the lowest?", f"The lowest bar is {lowest}.", lowest),
    ]
    fonts = HELD_OUT_FONTS if held_out else TRAINING_FONTS
    picture.draw_later(rng, lambda chance: _draw(chance, labels, heights, fonts, held_out))
    return picture


def _draw(rng: Random, labels: list[str], heights: list[int], fonts: tuple[str, ...], as_is: bool) -> Image.Image:
    image = Image.new("RGB", (IMAGE_PX, IMAGE_PX), light_color(rng))
    canvas = ImageDraw.Draw(image)
    ink = dark_color(rng)
    lettering = choose_lettering(rng, rng.choice(fonts), rng.choice((13, 14)), ink, as_is)
    base = LABEL_ROW * CELL_PX
    canvas.line((CELL_PX, 4, CELL_PX, base, IMAGE_PX - 4, base), fill=ink)
    color = rng.choice(list(COLORS.values()))
    for label, height, column in zip(labels, heights, COLUMNS, strict=True):
        center = column * CELL_PX + CELL_PX // 2
        top = base - height * CELL_PX + rng.randint(-3, 3)
        half = rng.randint(7, 10)
        canvas.rectangle((center - half, top, center + half - 1, base - 1), fill=color)
        lettering.draw(image, label, center + rng.uniform(-1, 1), base + BASELINE_PX)
    return add_noise(image, rng, NOISE)
