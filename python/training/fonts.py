"""Open fonts from PyPI packages, split into training and held-out families."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

TRAINING_FONTS = (
    "font_roboto/Roboto-Regular.ttf",
    "font_roboto/Roboto-Medium.ttf",
    "font_roboto/Roboto-Bold.ttf",
    "font_rhd/RedHatDisplay-Medium.ttf",
    "font_rhd/RedHatDisplay-Bold.ttf",
    "font_source_sans_pro/SourceSansPro-Regular.ttf",
    "font_source_sans_pro/SourceSansPro-Semibold.ttf",
    "font_source_sans_pro/SourceSansPro-Bold.ttf",
    "font_source_serif_pro/SourceSerifPro-Regular.ttf",
    "font_source_serif_pro/SourceSerifPro-Semibold.ttf",
    "font_source_serif_pro/SourceSerifPro-Bold.ttf",
    "font_hanken_grotesk/HankenGrotesk-Regular.otf",
    "font_hanken_grotesk/HankenGrotesk-Bold.otf",
    "font_manrope/Manrope-Medium.ttf",
    "font_manrope/Manrope-Bold.ttf",
)
HELD_OUT_FONTS = (
    "font_lato/Lato-Regular.ttf",
    "font_lato/Lato-Bold.ttf",
    "font_caladea/Caladea-Regular.ttf",
    "font_caladea/Caladea-Bold.ttf",
)
SIZES_PX = (13, 14, 15)


@cache
def load_font(name: str, size_px: int) -> ImageFont.FreeTypeFont:
    """The font `package/file` at one size; ModuleNotFoundError names a package that is not installed."""
    package, file = name.split("/")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed: see python/requirements.txt")
    return ImageFont.truetype(Path(spec.origin).parent / "files" / file, size_px)
