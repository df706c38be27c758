"""Reference preprocessing: a file → model-ready pixels, in the reference's order, by Pillow."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

Mode = Literal["square", "native"]

MAX_ASPECT_RATIO = 200


@dataclass(frozen=True)
class NativeBounds:
    """Native-resolution mode: edges are multiples of `factor`, the area lies within the bounds, all in pixels."""

    factor: int
    min_pixels: int
    max_pixels: int


def load_rgb(path: Path) -> Image.Image:
    """Upright RGB image. Alpha and transparency are dropped, colour profiles ignored, as `convert("RGB")` does."""
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def load_grey16_high_byte(path: Path) -> Image.Image:
    """16-bit grey by its high byte, as PNG decoders with 8-bit output give it; Pillow's convert clips at 255."""
    with Image.open(path) as image:
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")


def pad_to_square(image: Image.Image) -> Image.Image:
    """The image in the middle of a black square; the smaller half of an odd margin comes first."""
    side = max(image.size)
    square = Image.new("RGB", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def smart_resize(height: int, width: int, bounds: NativeBounds) -> tuple[int, int]:
    """(height, width) of native mode; ValueError where the reference raises it or would end with an empty image."""
    if min(height, width) < bounds.factor:
        raise ValueError(f"{width}x{height}: an edge is shorter than {bounds.factor}")
    if max(height, width) / min(height, width) > MAX_ASPECT_RATIO:
        raise ValueError(f"{width}x{height}: aspect ratio over {MAX_ASPECT_RATIO}")

    def multiple(value: float) -> float:
        return value / bounds.factor

    # Python's round: halves go to the even neighbour.
    new_height, new_width = (round(multiple(edge)) * bounds.factor for edge in (height, width))
    if new_height * new_width > bounds.max_pixels:
        shrink = math.sqrt(height * width / bounds.max_pixels)
        new_height, new_width = (math.floor(multiple(edge / shrink)) * bounds.factor for edge in (height, width))
    elif new_height * new_width < bounds.min_pixels:
        grow = math.sqrt(bounds.min_pixels / (height * width))
        new_height, new_width = (math.ceil(multiple(edge * grow)) * bounds.factor for edge in (height, width))
    if min(new_height, new_width) == 0:
        raise ValueError(f"{width}x{height}: no pixels left within {bounds.max_pixels}")
    return new_height, new_width


def preprocess(image: Image.Image, mode: Mode, image_size: int, bounds: NativeBounds) -> np.ndarray:
    """Upright RGB → U8 [h, w, 3]: the padded square at `image_size`, or native size within `bounds`."""
    if mode == "square":
        return resize(pad_to_square(image), image_size, image_size)
    height, width = smart_resize(image.height, image.width, bounds)
    return resize(image, height, width)


def resize(image: Image.Image, height: int, width: int) -> np.ndarray:
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
