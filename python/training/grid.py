"""The 8 x 8 grid that a picture of the domain is laid out on: one cell is one 14 px patch."""

from zlib import crc32

CELLS = 8
CELL_PX = 14
IMAGE_PX = CELLS * CELL_PX

EMPTY = "_"
BAR = "|"
GLYPHS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789$.:/-"
SYMBOLS = EMPTY + BAR + GLYPHS
"""Classes of the teacher's per-patch symbol head, by index."""


class Grid:
    """A character map of one picture, 64 cells in raster order.

    The base LLM learns to read such maps as text; VoRA puts image patches in their place.
    """

    def __init__(self) -> None:
        self.cells = [EMPTY] * (CELLS * CELLS)

    def put(self, row: int, column: int, symbol: str) -> None:
        self.cells[row * CELLS + column] = symbol

    def __str__(self) -> str:
        return "".join(self.cells)


def is_held_out(key: str, one_in: int) -> bool:
    """Whether `key` (a word, a layout) belongs to the evaluation split, by its hash."""
    return crc32(key.encode()) % one_in == 0
