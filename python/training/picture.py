"""What every generator of the domain makes: a picture, its map, its per-patch labels and its questions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

import numpy as np
from PIL import Image

from training.grid import CELLS, IMAGE_PX, SYMBOLS, Grid

LABEL_HEADS = {"symbol": len(SYMBOLS), "place": CELLS + 1, "line": 3, "color": 7, "shape": 5}
"""Teacher heads and their class counts; class 0 is "none" everywhere."""
IGNORED = 255


@dataclass(frozen=True)
class Turn:
    kind: str
    question: str
    answer: str
    unknown: str = ""
    """What of the answer the question does not give away; "": all of it."""

    @property
    def guess(self) -> str:
        """What who sees nothing has to guess."""
        return self.unknown or self.answer


@dataclass
class Picture:
    """`labels` is u8 [64, 5] in the order of LABEL_HEADS; `facts` says the same as the picture, in words.

    Most of what the LLM reads is a map alone, so `image`, RGB [112, 112], is drawn when it is asked for.
    """

    grid: Grid = field(default_factory=Grid)
    labels: np.ndarray = field(default_factory=lambda: np.zeros((CELLS * CELLS, len(LABEL_HEADS)), np.uint8))
    turns: list[Turn] = field(default_factory=list)
    facts: str = ""
    draw: Callable[[], Image.Image] = lambda: Image.new("RGB", (IMAGE_PX, IMAGE_PX))

    @cached_property
    def image(self) -> Image.Image:
        return self.draw()

    def draw_later(self, rng: Random, draw: Callable[[Random], Image.Image]) -> None:
        """Fix now by what chance the image will be drawn, so that `rng` goes on the same whether it is or not."""
        seed = rng.getrandbits(64)
        self.draw = lambda: draw(Random(seed))

    def label(self, row: int, column: int, head: str, value: int) -> None:
        self.labels[row * CELLS + column, list(LABEL_HEADS).index(head)] = value


def light_color(rng: Random) -> tuple[int, int, int]:
    base = rng.randint(215, 255)
    return (base - rng.randint(0, 18), base - rng.randint(0, 18), base - rng.randint(0, 18))


def dark_color(rng: Random) -> tuple[int, int, int]:
    red, green, blue = (rng.randint(0, 70) for _ in range(3))
    return (red, green, blue)


def add_noise(image: Image.Image, rng: Random, most: float) -> Image.Image:
    """Gaussian noise of a strength drawn up to `most` grey levels."""
    sigma = rng.uniform(0, most)
    if sigma < 1:
        return image
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, sigma, (IMAGE_PX, IMAGE_PX, 1))
    return Image.fromarray(np.clip(np.asarray(image, np.float32) + noise, 0, 255).astype(np.uint8))
