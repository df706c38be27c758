"""Programs that draw what our generators describe: resvg, Chromium and ImageMagick."""

import shutil
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import resvg_py
from PIL import Image

from training.grid import CELL_PX, IMAGE_PX
from training.text_picture import BASELINE_PX

FONT, FONT_FILE = "DejaVu Sans", Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
"""A family that no picture of ours uses."""
PAGE_COLUMNS, PAGE_TILES = 10, 200
"""A page of Chromium shows this many pictures: it starts in seconds and draws in milliseconds."""
WINDOW_FRAME_PX = 200
"""More than what Chromium takes of a window's height for itself, where the page is not drawn."""
FONT_MS = 10_000
"""Of the page's own clock, which stands still while it loads: text is never caught before its font is there."""
TIMEOUT_SECONDS = 120


class ToolMissing(Exception):
    """A program that is not installed, by the name of its Debian package."""


@dataclass(frozen=True)
class Sign:
    """One line of text, a glyph to a cell; `color` is a name that SVG and ImageMagick share."""

    text: str
    row: int
    column: int
    color: str
    size_px: int

    @property
    def centers(self) -> list[int]:
        return [(self.column + index) * CELL_PX + CELL_PX // 2 for index in range(len(self.text))]

    @property
    def baseline(self) -> int:
        return self.row * CELL_PX + BASELINE_PX


def sign_svg(sign: Sign) -> str:
    return (
        f'<text x="{" ".join(map(str, sign.centers))}" y="{sign.baseline}" text-anchor="middle" '
        f'font-family="{FONT}" font-size="{sign.size_px}" fill="{sign.color}">{sign.text}</text>'
    )


def by_resvg(contents: list[str]) -> list[Image.Image]:
    """RGB [112, 112] for the content of each SVG."""
    return [_resvg(_document(content)) for content in contents]


def by_chromium(contents: list[str]) -> list[Image.Image]:
    """RGB [112, 112] for the content of each SVG, cut out of screenshots; raises ToolMissing."""
    pages = [contents[start : start + PAGE_TILES] for start in range(0, len(contents), PAGE_TILES)]
    return [tile for page in pages for tile in _tiles(_screenshot(page), len(page))]


def by_imagemagick(signs: list[Sign]) -> list[Image.Image]:
    """RGB [112, 112] for each sign, its text set by ImageMagick's own engine; raises ToolMissing."""
    program = _imagemagick()
    return [_open(_run([program, *_sign_arguments(sign), "png24:-"])) for sign in signs]


def _sign_arguments(sign: Sign) -> list[str]:
    glyphs = zip(sign.centers, sign.text, strict=True)
    drawing = " ".join(f"text {center},{sign.baseline} '{glyph}'" for center, glyph in glyphs)
    look = ["-font", str(FONT_FILE), "-pointsize", str(sign.size_px), "-fill", sign.color]
    return ["-size", f"{IMAGE_PX}x{IMAGE_PX}", "xc:white", *look, "-draw", f"text-anchor middle {drawing}"]


def _resvg(svg: str) -> Image.Image:
    png = resvg_py.svg_to_bytes(svg, background="#ffffff", skip_system_fonts=True, font_files=[str(FONT_FILE)])
    return _open(bytes(png))


def _document(content: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{IMAGE_PX}" height="{IMAGE_PX}">{content}</svg>'


def _screenshot(contents: list[str]) -> Image.Image:
    """A page with the pictures side by side, PAGE_COLUMNS in a row."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise ToolMissing("chromium is not installed")
    font = f"@font-face{{font-family:'{FONT}';src:url(data:font/ttf;base64,{_font_base64()})}}"
    style = f"{font}body{{margin:0;background:white}}svg{{display:block;float:left}}"
    rows = -(-len(contents) // PAGE_COLUMNS)
    with TemporaryDirectory() as folder:
        page, shot = Path(folder, "page.html"), Path(folder, "page.png")
        page.write_text(f"<!doctype html><style>{style}</style>{''.join(map(_document, contents))}")
        _run(
            [
                program,
                "--headless",
                # The page is our own, and Chromium's sandbox does not start for root.
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--virtual-time-budget={FONT_MS}",
                "--force-device-scale-factor=1",
                f"--user-data-dir={folder}/profile",
                f"--window-size={PAGE_COLUMNS * IMAGE_PX},{rows * IMAGE_PX + WINDOW_FRAME_PX}",
                f"--screenshot={shot}",
                str(page),
            ]
        )
        return _open(shot.read_bytes())


def _tiles(page: Image.Image, count: int) -> list[Image.Image]:
    corners = [(n % PAGE_COLUMNS * IMAGE_PX, n // PAGE_COLUMNS * IMAGE_PX) for n in range(count)]
    return [page.crop((x, y, x + IMAGE_PX, y + IMAGE_PX)) for x, y in corners]


def _imagemagick() -> str:
    """The program; other programs are called `convert` too."""
    for name in ("magick", "convert-im6.q16", "convert"):
        program = shutil.which(name)
        if program is not None and b"ImageMagick" in subprocess.run([program, "-version"], capture_output=True).stdout:
            return program
    raise ToolMissing("imagemagick is not installed")


@cache
def _font_base64() -> str:
    return b64encode(FONT_FILE.read_bytes()).decode()


def _run(command: list[str]) -> bytes:
    """What the command prints; raises CalledProcessError or TimeoutExpired."""
    return subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_SECONDS).stdout


def _open(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png)).convert("RGB")
