"""Draws the sample pictures of `examples/images`: `python -m reference.example_pictures`.

They are made here, from nothing, so that the repository carries no one else's photograph.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

OUT = Path(__file__).resolve().parents[2] / "examples" / "images"


def sign() -> Image.Image:
    """A shop sign on a brick-coloured wall."""
    image = Image.new("RGB", (960, 640), (146, 74, 58))
    draw = ImageDraw.Draw(image)
    for row in range(0, 640, 40):
        draw.line([(0, row), (960, row)], fill=(120, 60, 48), width=3)
        for column in range(40 * (row // 40 % 2), 960, 80):
            draw.line([(column, row), (column, row + 40)], fill=(120, 60, 48), width=3)
    draw.rounded_rectangle([160, 180, 800, 460], radius=28, fill=(250, 246, 230), outline=(30, 60, 40), width=10)
    draw.text((480, 270), "OPEN", font=ImageFont.load_default(110), fill=(30, 60, 40), anchor="mm")
    draw.text((480, 390), "Mon - Fri   9:00 - 18:00", font=ImageFont.load_default(44), fill=(30, 60, 40), anchor="mm")
    return image


def shapes() -> Image.Image:
    """A red circle left of a blue square, above a green triangle."""
    image = Image.new("RGB", (800, 800), (240, 240, 235))
    draw = ImageDraw.Draw(image)
    draw.ellipse([80, 100, 360, 380], fill=(214, 40, 40))
    draw.rectangle([460, 110, 720, 370], fill=(38, 84, 200))
    draw.polygon([(400, 460), (600, 740), (200, 740)], fill=(40, 150, 70))
    return image


def evening() -> Image.Image:
    """A photo-like evening: sky, sun, hills, water and camera noise, 1600 x 1200."""
    width, height = 1600, 1200
    rows = np.linspace(0, 1, height)[:, None, None]
    sky = np.array([70, 90, 150]) * (1 - rows) + np.array([250, 170, 90]) * rows
    canvas = np.broadcast_to(sky, (height, width, 3)).copy()
    ys, xs = np.mgrid[0:height, 0:width]
    glow = np.exp(-((xs - 1050) ** 2 + (ys - 640) ** 2) / 40_000)[..., None]
    canvas += glow * np.array([120, 90, 20])
    for base, scale, colour in ((760, 90, (70, 70, 95)), (840, 60, (45, 55, 65))):
        ridge = base + scale * np.sin(np.arange(width) / 190 + base) + scale / 3 * np.sin(np.arange(width) / 47)
        canvas[ys > ridge[None, :]] = colour
    water = ys > 930
    canvas[water] = canvas[::-1][water] * 0.35 + np.array([20, 45, 70])
    canvas += np.random.default_rng(7).normal(0, 5, canvas.shape)
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8))


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    sign().save(OUT / "sign.png", optimize=True)
    shapes().save(OUT / "shapes.webp", lossless=True)
    evening().save(OUT / "evening.jpg", quality=80)
