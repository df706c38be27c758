"""Scenes: one to three coloured shapes, each in its own quarter of the picture."""

from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

from training.grid import CELL_PX, CELLS, IMAGE_PX, is_held_out
from training.picture import IGNORED, Picture, Turn, add_noise, light_color
from training.text_picture import DESCRIBE

COLORS = {
    "red": (220, 40, 40),
    "orange": (245, 140, 20),
    "yellow": (235, 215, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 215),
    "purple": (135, 50, 165),
}
SHAPES = ("circle", "square", "triangle", "cross")
SYMBOLS = "!\"#%&'()*+,;<=>@[\\]^`{}~"
"""What stands in the map for each of the 24 things, shapes of a colour side by side: one patch shows both as well."""
PLACES = ("top left", "top right", "bottom left", "bottom right")
SHAPE_PX = (32, 46)
NOISE = 8.0
LAYOUT_ONE_IN = 6


@dataclass(frozen=True)
class Thing:
    color: str
    shape: str
    place: int

    @property
    def name(self) -> str:
        return f"{self.color} {self.shape}"

    @property
    def symbol(self) -> str:
        return SYMBOLS[list(COLORS).index(self.color) * len(SHAPES) + SHAPES.index(self.shape)]


def make_scene(rng: Random, held_out: bool, difficulty: float = 1.0) -> Picture:
    """A scene whose whole layout (shapes, colours, places) belongs to the split."""
    most = 3 if difficulty > 0.2 else 2
    while True:
        places = sorted(rng.sample(range(4), rng.randint(1, most)))
        things = [Thing(rng.choice(list(COLORS)), rng.choice(SHAPES), place) for place in places]
        if is_held_out(f"scene {things}", LAYOUT_ONE_IN) == held_out:
            break
    picture = Picture()
    for thing in things:
        _mark(picture, thing)
    picture.facts = caption(things)
    picture.turns = [Turn("caption", rng.choice(DESCRIBE), caption(things)), *questions(rng, things)]
    picture.draw_later(rng, lambda chance: _draw(chance, things))
    return picture


def caption(things: list[Thing]) -> str:
    parts = [f"{_a(thing.name)} at the {PLACES[thing.place]}" for thing in things]
    if len(parts) == 1:
        return f"{parts[0].capitalize()}."
    return f"{', '.join(parts[:-1])} and {parts[-1]}.".capitalize()


def _a(name: str) -> str:
    return f"an {name}" if name.startswith("orange") else f"a {name}"


def questions(rng: Random, things: list[Thing]) -> list[Turn]:
    """One question of every kind that has one right answer for these things.

    Answers say again what they are about before they say what was asked: the token that must be right then follows
    the word that it belongs to.
    """
    thing, shape = rng.choice(things), rng.choice(SHAPES)
    place = PLACES[thing.place] if rng.random() < 0.7 else rng.choice(PLACES)
    there = next((_a(t.name) for t in things if PLACES[t.place] == place), "nothing")
    turns = [
        Turn("count", rng.choice(("How many shapes are there?", "Count the shapes.")), str(len(things))),
        Turn("count-kind", f"How many {_plural(shape)} are there?", str(sum(t.shape == shape for t in things))),
        Turn("at", f"What is at the {place}?", f"At the {place} is {there}.", there),
    ]
    if sum(t.shape == thing.shape for t in things) == 1:
        turns.append(
            Turn("color", f"What color is the {thing.shape}?", f"The {thing.shape} is {thing.color}.", thing.color)
        )
    if sum(t.color == thing.color for t in things) == 1:
        answer = f"The {thing.color} shape is a {thing.shape}."
        turns.append(Turn("shape", f"What shape is {thing.color}?", answer, thing.shape))
    if sum(t.name == thing.name for t in things) == 1:
        corner = PLACES[thing.place]
        turns.append(Turn("where", f"Where is the {thing.name}?", f"The {thing.name} is at the {corner}.", corner))
    there, absent = rng.choice(things).name, _absent(rng, things)
    return [
        *turns,
        Turn("exists", f"Is there {_a(there)}?", f"Yes, there is {_a(there)}.", "Yes"),
        Turn("exists", f"Is there {_a(absent)}?", f"No, there is no {absent}.", "No"),
    ]


def _absent(rng: Random, things: list[Thing]) -> str:
    """A thing that is not there, most often one that shares a colour or a shape with one that is."""
    present = {t.name for t in things}
    near = [f"{t.color} {s}" for t in things for s in SHAPES] + [f"{c} {t.shape}" for t in things for c in COLORS]
    every = [f"{c} {s}" for c in COLORS for s in SHAPES]
    return rng.choice([name for name in (near if rng.random() < 0.7 else every) if name not in present])


def _plural(shape: str) -> str:
    return "crosses" if shape == "cross" else f"{shape}s"


def _corner(place: int) -> tuple[int, int]:
    """First cell (row, column) of a quarter."""
    return (place // 2) * CELLS // 2, (place % 2) * CELLS // 2


def _mark(picture: Picture, thing: Thing) -> None:
    """The four middle cells of the quarter show the thing; its rim is left out of the labels."""
    top, left = _corner(thing.place)
    for row in range(4):
        for column in range(4):
            inside = row in (1, 2) and column in (1, 2)
            if inside:
                picture.grid.put(top + row, left + column, thing.symbol)
            color = list(COLORS).index(thing.color) + 1 if inside else IGNORED
            picture.label(top + row, left + column, "color", color)
            picture.label(top + row, left + column, "shape", SHAPES.index(thing.shape) + 1 if inside else IGNORED)


def _draw(rng: Random, things: list[Thing]) -> Image.Image:
    image = Image.new("RGB", (IMAGE_PX, IMAGE_PX), light_color(rng))
    canvas = ImageDraw.Draw(image)
    for thing in things:
        row, column = _corner(thing.place)
        size = rng.randint(*SHAPE_PX)
        slack = (CELLS // 2 * CELL_PX - size) // 2
        spread = min(slack, 4)
        x = column * CELL_PX + slack + rng.randint(-spread, spread)
        y = row * CELL_PX + slack + rng.randint(-spread, spread)
        red, green, blue = (min(255, max(0, c + rng.randint(-14, 14))) for c in COLORS[thing.color])
        draw_shape(canvas, thing.shape, (x, y, size), (red, green, blue))
    return add_noise(image, rng, NOISE)


def draw_shape(canvas: ImageDraw.ImageDraw, shape: str, box: tuple[int, int, int], color: tuple[int, int, int]) -> None:
    """Fill `shape` in the square (x, y, size)."""
    x, y, size = box
    end, third = size - 1, size // 3
    if shape == "circle":
        canvas.ellipse((x, y, x + end, y + end), fill=color)
    elif shape == "square":
        canvas.rectangle((x, y, x + end, y + end), fill=color)
    elif shape == "triangle":
        canvas.polygon(((x + end / 2, y), (x, y + end), (x + end, y + end)), fill=color)
    else:
        canvas.rectangle((x + third, y, x + end - third, y + end), fill=color)
        canvas.rectangle((x, y + third, x + end, y + end - third), fill=color)
