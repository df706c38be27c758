"""Draws the sample pictures of `examples/images` as SVG, rasterised by resvg: `python -m training.example_pictures`.

They lie in the demo model's domain (an 8 x 8 grid, one glyph to a cell), but our generators did not draw them.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import resvg_py
from PIL import Image

OUT = Path(__file__).resolve().parents[2] / "examples" / "images"
FONT_FILE = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
CELL = 56
SIDE = 8 * CELL


def line(text: str, row: int, column: int, color: str) -> str:
    """`text` from one cell of the grid on, a glyph to a cell."""
    centers = " ".join(str((column + index) * CELL + CELL // 2) for index in range(len(text)))
    place = f'x="{centers}" y="{row * CELL + 48}" text-anchor="middle"'
    return f'<text {place} font-family="DejaVu Sans" font-size="54" fill="{color}">{text}</text>'


def bar(column: int, height: int) -> str:
    return f'<rect x="{column * CELL - 8}" y="{(7 - height) * CELL}" width="72" height="{height * CELL}" fill="blue"/>'


PICTURES = {
    "word.png": ("#fffaf0", line("HARBOR", 3, 1, "navy")),
    "price.jpg": ("#fbf7ee", line("$4.95", 3, 1, "#400000")),
    "scene.webp": (
        "#ffffff",
        '<circle cx="112" cy="112" r="80" fill="red"/><rect x="256" y="256" width="160" height="160" fill="blue"/>',
    ),
    "chart.png": (
        "#f4f4ff",
        '<path d="M56 16 V392 H432" fill="none" stroke="black" stroke-width="4"/>'
        + bar(2, 2)
        + bar(4, 5)
        + bar(6, 3)
        + line("B", 7, 2, "black")
        + line("F", 7, 4, "black")
        + line("C", 7, 6, "black"),
    ),
}


def rasterize(background: str, content: str) -> Image.Image:
    """RGB [448, 448]."""
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIDE}" height="{SIDE}">{content}</svg>'
    png = resvg_py.svg_to_bytes(svg, background=background, skip_system_fonts=True, font_files=[str(FONT_FILE)])
    return Image.open(BytesIO(bytes(png))).convert("RGB")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for name, (background, content) in PICTURES.items():
        options: dict[str, Any] = {"lossless": True} if name.endswith(".webp") else {}
        rasterize(background, content).save(OUT / name, **options)
