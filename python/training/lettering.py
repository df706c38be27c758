"""How one line of text is set: as the font has it, or slanted, squeezed and thickened.

A few dozen fonts are few. A line that is set otherwise looks like one of a family that nobody has drawn, and who
learns from such lines reads fonts that it never saw. Held-out pictures are always set as the font has it.
"""

from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

from training.fonts import load_font

SHARE = 0.6
"""Of the lines of training pictures, how many are set otherwise."""
SCALE = 4
"""Letters are changed at this many times their size."""
TILE_PX = 24
TILE_CENTER, TILE_BASELINE = 12, 17


@dataclass(frozen=True)
class Lettering:
    font: str
    size_px: int
    color: tuple[int, int, int]
    width: float = 1.0
    height: float = 1.0
    slant: float = 0.0
    """Columns to the right for each row up."""
    weight_px: float = 0.0

    def draw(self, image: Image.Image, glyph: str, center: float, baseline: float) -> None:
        """Draw `glyph` in place; `center` and `baseline` in px."""
        if self.width == self.height == 1.0 and not self.slant and not self.weight_px:
            font = load_font(self.font, self.size_px)
            ImageDraw.Draw(image).text((center, baseline), glyph, fill=self.color, font=font, anchor="ms")
            return
        x, y = round(center), round(baseline)
        image.paste(self.color, (x - TILE_CENTER, y - TILE_BASELINE), self._tile(glyph, center - x, baseline - y))

    def _tile(self, glyph: str, right: float, down: float) -> Image.Image:
        """Coverage L [TILE_PX, TILE_PX] of the changed glyph, moved by less than a pixel."""
        side, center, baseline = (SCALE * length for length in (TILE_PX, TILE_CENTER, TILE_BASELINE))
        plain = Image.new("L", (side, side))
        font = load_font(self.font, self.size_px * SCALE)
        where, stroke = (center, baseline), self.weight_px * SCALE
        ImageDraw.Draw(plain).text(where, glyph, fill=255, font=font, anchor="ms", stroke_width=stroke)
        # Where in `plain` the pixel (x, y) of the result comes from.
        moved = (center + right * SCALE, baseline + down * SCALE)
        rows = (0.0, 1 / self.height, baseline - moved[1] / self.height)
        columns = (1 / self.width, self.slant, center - moved[0] / self.width - self.slant * moved[1])
        return plain.transform(
            (side, side), Image.Transform.AFFINE, (*columns, *rows), Image.Resampling.BILINEAR
        ).reduce(SCALE)


def choose_lettering(rng: Random, font: str, size_px: int, color: tuple[int, int, int], as_is: bool) -> Lettering:
    """`as_is`: as the font has it; else, more often than not, changed."""
    if as_is or rng.random() > SHARE:
        return Lettering(font, size_px, color)
    return Lettering(
        font,
        size_px,
        color,
        width=rng.uniform(0.85, 1.12),
        height=rng.uniform(0.92, 1.06),
        slant=rng.uniform(-0.12, 0.2),
        weight_px=max(0.0, rng.uniform(-0.3, 0.5)),
    )
