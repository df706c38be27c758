"""The image files of the goldens: one per format feature that a decoder can get wrong."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .pictures import alpha_ramp, bars, landscape, night, sign
from .pixels import load_grey16_high_byte, load_rgb
from .png_file import encode_png

ORIENTATION = 0x0112

GREY16_NOTE = "Pillow's convert clips 16-bit grey at 255 (nearly white); see png-grey16-high-byte."
CMYK_NOTE = "CMYK to RGB by Pillow's formula, no colour profile; other decoders may refuse or differ."
ALPHA_NOTE = "Alpha is dropped, not composited: hidden colours show."


@dataclass(frozen=True)
class ImageFile:
    """A file, and how it takes part in the goldens."""

    name: str
    extension: str
    encode: Callable[[], bytes]
    #: Every correct decoder gives these pixels.
    exact: bool = True
    native: bool = False
    #: Also store patches and embeddings of the square mode.
    full: bool = False
    note: str = ""
    load: Callable[[Path], Image.Image] = load_rgb
    #: Name of the entry whose file this one reads; empty: its own.
    same_file_as: str = ""

    @property
    def file(self) -> str:
        return f"images/{self.same_file_as or self.name}.{self.extension}"


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def scene() -> Image.Image:
    """Odd edges, so that chroma planes and padding margins are halved with a remainder."""
    image = landscape(161, 123, seed=11)
    image.paste(bars(60, 40), (7, 70))
    return image


def oriented(kind: str, orientation: int, **options: object) -> bytes:
    """`landscape` stored turned, with the EXIF tag that turns it upright."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return saved(landscape(97, 65, seed=21), kind, exif=exif, **options)


def ycck_jpeg() -> bytes:
    """Adobe's YCCK: a CMYK JPEG whose planes are Y, Cb, Cr, K and whose Adobe marker says so (transform 2).

    Pillow has no encoder for it, but stores inverted CMYK planes as they are. Decoders take the first three for YCbCr
    and give 255 - RGB.
    """
    cmyk = scene().convert("CMYK")
    inverted_cmy = ImageOps.invert(Image.merge("RGB", cmyk.split()[:3]))
    stored = [
        *ImageOps.invert(inverted_cmy).convert("YCbCr").split(),
        ImageOps.invert(scene().convert("L").point(lambda v: v // 2)),
    ]
    data = bytearray(saved(Image.merge("CMYK", [ImageOps.invert(plane) for plane in stored]), "JPEG", quality=90))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def grey16() -> Image.Image:
    """All 16 bits vary: the landscape in the high byte, a ramp in the low one."""
    high = np.asarray(scene().convert("L"), dtype=np.uint16)
    low = np.arange(high.size, dtype=np.uint16).reshape(high.shape) % 256
    return Image.fromarray(high * 256 + low)


def colour16(channels: int) -> bytes:
    image = landscape(64, 47, seed=12)
    image.putalpha(alpha_ramp(image))
    high = np.asarray(image, dtype=np.uint16)[..., :channels]
    low = (255 - high) ^ 0x5A
    return encode_png(high * 256 + low)


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(alpha_ramp(image))
    return image


def transparent_palette() -> bytes:
    palette = scene().quantize(60, method=Image.Quantize.MEDIANCUT)
    return saved(palette, "PNG", transparency=bytes(range(0, 240, 4)))


IMAGE_FILES = [
    ImageFile(
        "photo-coast",
        "jpg",
        lambda: saved(landscape(1280, 960, 31, noise=2), "JPEG", quality=70),
        native=True,
        full=True,
    ),
    ImageFile("photo-night", "webp", lambda: saved(night(1000, 1500, 41), "WEBP", quality=60), native=True),
    ImageFile("sign", "png", lambda: saved(sign(320, 96), "PNG"), native=True, full=True),
    ImageFile(
        "jpeg-420", "jpg", lambda: saved(scene(), "JPEG", quality=85, subsampling="4:2:0"), native=True, full=True
    ),
    ImageFile("jpeg-422", "jpg", lambda: saved(scene(), "JPEG", quality=85, subsampling="4:2:2")),
    ImageFile("jpeg-444", "jpg", lambda: saved(scene(), "JPEG", quality=85, subsampling="4:4:4")),
    ImageFile("jpeg-progressive", "jpg", lambda: saved(scene(), "JPEG", quality=85, progressive=True)),
    ImageFile("jpeg-grey", "jpg", lambda: saved(scene().convert("L"), "JPEG", quality=85)),
    ImageFile(
        "jpeg-cmyk", "jpg", lambda: saved(scene().convert("CMYK"), "JPEG", quality=90), exact=False, note=CMYK_NOTE
    ),
    ImageFile("jpeg-ycck", "jpg", ycck_jpeg, exact=False, note=CMYK_NOTE),
    ImageFile("png-rgb", "png", lambda: saved(landscape(112, 112, 51), "PNG"), native=True, full=True),
    ImageFile("png-rgba", "png", lambda: saved(with_alpha(scene()), "PNG"), note=ALPHA_NOTE),
    ImageFile("png-palette", "png", lambda: saved(scene().quantize(200, method=Image.Quantize.MEDIANCUT), "PNG")),
    ImageFile("png-palette-4-bit", "png", lambda: saved(scene().quantize(13, method=Image.Quantize.MEDIANCUT), "PNG")),
    ImageFile("png-palette-trns", "png", transparent_palette, note=ALPHA_NOTE),
    ImageFile("png-rgb-trns", "png", lambda: saved(bars(61, 40), "PNG", transparency=(255, 0, 0)), note=ALPHA_NOTE),
    ImageFile("png-rgb16", "png", lambda: colour16(3)),
    ImageFile("png-rgba16", "png", lambda: colour16(4), note=ALPHA_NOTE),
    ImageFile("png-grey", "png", lambda: saved(scene().convert("L"), "PNG")),
    ImageFile("png-grey-alpha", "png", lambda: saved(with_alpha(scene().convert("L")), "PNG"), note=ALPHA_NOTE),
    ImageFile("png-grey16", "png", lambda: saved(grey16(), "PNG"), exact=False, note=GREY16_NOTE),
    ImageFile(
        "png-grey16-high-byte",
        "png",
        lambda: saved(grey16(), "PNG"),
        load=load_grey16_high_byte,
        same_file_as="png-grey16",
        note="The same file by its high byte, not by Pillow's convert.",
    ),
    ImageFile("png-1-bit", "png", lambda: saved(sign(200, 90).convert("1"), "PNG")),
    ImageFile("png-interlaced", "png", lambda: encode_png(np.asarray(landscape(83, 59, 61)), interlaced=True)),
    ImageFile("webp-lossy", "webp", lambda: saved(scene(), "WEBP", quality=80), native=True, full=True),
    ImageFile("webp-lossless", "webp", lambda: saved(scene(), "WEBP", lossless=True)),
    ImageFile("webp-lossy-alpha", "webp", lambda: saved(with_alpha(scene()), "WEBP", quality=80), note=ALPHA_NOTE),
    ImageFile(
        "webp-lossless-alpha",
        "webp",
        lambda: saved(with_alpha(scene()), "WEBP", lossless=True, exact=True),
        note=ALPHA_NOTE,
    ),
    *(
        ImageFile(f"exif-{orientation}-jpeg", "jpg", partial(oriented, "JPEG", orientation, quality=90))
        for orientation in range(1, 9)
    ),
    ImageFile("exif-6-png", "png", lambda: oriented("PNG", 6)),
    ImageFile("exif-3-png", "png", lambda: oriented("PNG", 3)),
    ImageFile("exif-8-webp", "webp", lambda: oriented("WEBP", 8, lossless=True)),
    ImageFile("exif-5-webp", "webp", lambda: oriented("WEBP", 5, quality=80)),
    ImageFile("size-1x1", "png", lambda: saved(Image.new("RGB", (1, 1), (200, 100, 50)), "PNG")),
    ImageFile("size-3x500", "png", lambda: saved(landscape(3, 500, 71), "PNG")),
    ImageFile("size-500x3", "png", lambda: saved(landscape(500, 3, 72), "PNG")),
    ImageFile("size-501x333", "png", lambda: saved(landscape(501, 333, 73, noise=1), "PNG"), native=True, full=True),
    ImageFile("size-20x20", "png", lambda: saved(landscape(20, 20, 74), "PNG"), native=True, full=True),
    ImageFile("size-84x70", "png", lambda: saved(landscape(84, 70, 75), "PNG"), native=True, full=True),
    ImageFile("size-113x112", "png", lambda: saved(landscape(113, 112, 76), "PNG")),
]
