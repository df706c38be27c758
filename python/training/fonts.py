"""Open fonts from PyPI packages, split into training and held-out families."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from PIL import ImageFont

_MATPLOTLIB = "matplotlib/mpl-data/fonts/ttf"
TRAINING_FONTS = (
    "font_roboto/files/Roboto-Regular.ttf",
    "font_roboto/files/Roboto-Medium.ttf",
    "font_roboto/files/Roboto-Bold.ttf",
    "font_rhd/files/RedHatDisplay-Medium.ttf",
    "font_rhd/files/RedHatDisplay-Bold.ttf",
    "font_source_sans_pro/files/SourceSansPro-Regular.ttf",
    "font_source_sans_pro/files/SourceSansPro-Semibold.ttf",
    "font_source_sans_pro/files/SourceSansPro-Bold.ttf",
    "font_source_serif_pro/files/SourceSerifPro-Regular.ttf",
    "font_source_serif_pro/files/SourceSerifPro-Semibold.ttf",
    "font_source_serif_pro/files/SourceSerifPro-Bold.ttf",
    "font_hanken_grotesk/files/HankenGrotesk-Regular.otf",
    "font_hanken_grotesk/files/HankenGrotesk-Bold.otf",
    "font_manrope/files/Manrope-Medium.ttf",
    "font_manrope/files/Manrope-Bold.ttf",
    "ttf_opensans/ttf/OpenSans-Regular.ttf",
    "ttf_opensans/ttf/OpenSans-SemiBold.ttf",
    "ttf_opensans/ttf/OpenSans-Bold.ttf",
    f"{_MATPLOTLIB}/STIXGeneral.ttf",
    f"{_MATPLOTLIB}/STIXGeneralBol.ttf",
    f"{_MATPLOTLIB}/cmr10.ttf",
    f"{_MATPLOTLIB}/cmss10.ttf",
    "font_fredoka_one/files/FredokaOne-Regular.ttf",
    "pymupdf_fonts/FiraGO_Regular",
    "pymupdf_fonts/FiraGO_Bold",
    "pymupdf_fonts/FiraMono_Regular",
    "pymupdf_fonts/NotoSans_Regular",
    "pymupdf_fonts/NotoSans_Bold",
    "pymupdf_fonts/SpaceMono_Regular",
    "pymupdf_fonts/Ubuntu_Regular",
    "pymupdf_fonts/Ubuntu_Bold",
    "pymupdf_fonts/UbuntuMono_Bold",
)
"""`package/file`; in pymupdf_fonts the name of a module that holds the bytes."""
HELD_OUT_FONTS = (
    "font_lato/files/Lato-Regular.ttf",
    "font_lato/files/Lato-Bold.ttf",
    "font_caladea/files/Caladea-Regular.ttf",
    "font_caladea/files/Caladea-Bold.ttf",
)
SIZES_PX = (13, 14, 15)


@cache
def load_font(name: str, size_px: int) -> ImageFont.FreeTypeFont:
    """A font of the lists at one size; ModuleNotFoundError names a package that is not installed."""
    package, file = name.split("/", 1)
    if package == "pymupdf_fonts":
        return ImageFont.truetype(BytesIO(import_module(f"{package}.{file}").fontbuffer), size_px)
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed: see python/training/requirements.txt")
    return ImageFont.truetype(Path(spec.origin).parent / file, size_px)
