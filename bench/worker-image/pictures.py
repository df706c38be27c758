"""Writes the photos of bench/worker-image/run.ts into a folder: one golden picture, enlarged and with grain."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

Image.MAX_IMAGE_PIXELS = None
HOME = Path(__file__).resolve().parents[2]


def photo(width: int, height: int) -> Image.Image:
    source = Image.open(HOME / "test/fixtures/golden/images/photo-coast.jpg").convert("RGB")
    pixels = np.asarray(source.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    grain = np.random.default_rng(1).integers(-10, 11, (height // 2, width // 2, 1), dtype=np.int16)
    pixels = pixels + grain.repeat(2, 0).repeat(2, 1)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def main(folder: Path) -> None:
    large = photo(8064, 6048)
    large.save(folder / "48mp.jpg", quality=85)
    large.save(folder / "48mp-progressive.jpg", quality=85, progressive=True)
    phone = large.resize((4032, 3024))
    phone.save(folder / "12mp.jpg", quality=90)
    phone.save(folder / "12mp-progressive.jpg", quality=90, progressive=True)
    small = large.resize((1024, 768))
    small.save(folder / "1024.jpg", quality=90)
    small.save(folder / "1024.png")
    large.resize((16384, 12288)).save(folder / "200mp.jpg", quality=60)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
