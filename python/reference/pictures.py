"""Pictures made from integers alone, so that every machine makes the same: a landscape, a night, a sign with text."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def with_noise(image: Image.Image, seed: int, strength: int) -> Image.Image:
    """Adds uniform noise of ±`strength` to every channel."""
    noise = generator(seed).integers(-strength, strength + 1, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image, dtype=np.int64) + noise, 0, 255).astype(np.uint8))


def gradient(width: int, height: int, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Image.Image:
    """Vertical gradient, integer arithmetic."""
    rows = np.arange(height, dtype=np.int64)[:, None]
    colours = (np.array(top) * (height - rows) + np.array(bottom) * rows) // max(height, 1)
    return Image.fromarray(np.broadcast_to(colours[:, None, :], (height, width, 3)).astype(np.uint8))


def landscape(width: int, height: int, seed: int, noise: int = 6) -> Image.Image:
    """Sky, sun, hills, houses and trees: no symmetry, strong colours, some noise."""
    random = generator(seed)
    image = gradient(width, height, (40, 110, 210), (235, 205, 170))
    draw = ImageDraw.Draw(image)
    radius = max(min(width, height) // 8, 1)
    x, y = width * 3 // 4, height // 4
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 225, 60))
    for base, colour in ((5, (70, 130, 80)), (6, (40, 95, 50)), (7, (110, 80, 45))):
        ridge = [(width * i // 8, height * base // 9 - int(random.integers(0, height // 6 + 1))) for i in range(9)]
        draw.polygon([(0, height), *ridge, (width, height)], fill=colour)
    for _ in range(9):
        left, top = int(random.integers(0, width)), int(random.integers(height * 2 // 3, height))
        size = int(random.integers(1, max(min(width, height) // 9, 2)))
        fill = tuple(int(value) for value in random.integers(0, 256, 3))
        draw.rectangle((left, top - size, left + size, top), fill=fill)
        draw.polygon(
            [(left, top - size), (left + size // 2, top - 2 * size), (left + size, top - size)], fill=(150, 40, 30)
        )
    return with_noise(image.filter(ImageFilter.BoxBlur(max(width // 400, 0))), seed + 1, noise)


def night(width: int, height: int, seed: int) -> Image.Image:
    """Dark, blurred lights over a street."""
    random = generator(seed)
    image = gradient(width, height, (8, 8, 30), (45, 30, 55))
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        radius = int(random.integers(3, max(min(width, height) // 25, 4)))
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=tuple(int(v) for v in random.integers(60, 256, 3))
        )
    draw.polygon(
        [(0, height), (width * 2 // 5, height // 2), (width * 3 // 5, height // 2), (width, height)], fill=(60, 60, 66)
    )
    return with_noise(image.filter(ImageFilter.BoxBlur(6)), seed + 1, 2)


def sign(width: int, height: int) -> Image.Image:
    """Black text on white: hard edges, where a resize that is nearly right is seen to be wrong."""
    image = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(height // 5)
    for line, (text, colour) in enumerate(
        (("VoRA sees 42", (0, 0, 0)), ("cafe - open", (170, 0, 0)), ("No. 7, 20 C", (0, 0, 140)))
    ):
        draw.text((height // 12, height * (3 * line + 1) // 10), text, fill=colour, font=font)
    return image


def bars(width: int, height: int) -> Image.Image:
    """Saturated bars and a diagonal: chroma edges."""
    colours = np.array(
        [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255), (0, 0, 0), (255, 255, 255)]
    )
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(colours[((x + y // 3) * 8 // max(width, 1)) % 8].astype(np.uint8))


def alpha_ramp(image: Image.Image) -> Image.Image:
    """L mask of the image's size, 0 at the left to 255 at the right."""
    ramp = np.arange(image.width) * 255 // max(image.width - 1, 1)
    return Image.fromarray(np.broadcast_to(ramp, (image.height, image.width)).astype(np.uint8))
