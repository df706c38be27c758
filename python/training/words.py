"""Words and other short strings that pictures show, split into training and held-out ones."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from training.grid import CELLS, is_held_out

WORD_LIST = Path(__file__).with_name("words.txt")
"""The English list of BIP-39 (2 048 common words of 3 to 8 letters, MIT licence)."""

REFUSED = (
    "ASS",
    "CUM",
    "DIE",
    "FAG",
    "FUC",
    "FUK",
    "GUN",
    "KKK",
    "KIL",
    "NAZ",
    "NIG",
    "SEX",
    "SHI",
    "SUC",
    "TIT",
    "WAR",
    "PIS",
    "COC",
    "CUN",
    "DIC",
)
"""Letters in a row that no picture shows, in a word or by chance in a code."""

KINDS = ("word", "letters", "number", "price", "date", "time", "code")
HELD_OUT_ONE_IN = 8


@cache
def words(held_out: bool) -> tuple[str, ...]:
    """Capitalised words of one split."""
    listed = (line.strip().upper() for line in WORD_LIST.read_text().splitlines())
    return tuple(w for w in listed if w and is_clean(w) and is_held_out(w, HELD_OUT_ONE_IN) == held_out)


def is_clean(text: str) -> bool:
    return not any(part in text for part in REFUSED)


def draw_string(rng: Random, kind: str, held_out: bool) -> str:
    """One string of `kind` that belongs to the split; at most 8 characters."""
    if kind == "word":
        return rng.choice(words(held_out))
    while True:
        text = _MAKERS[kind](rng)
        if is_clean(text) and is_held_out(text, HELD_OUT_ONE_IN) == held_out:
            return text


def _letters(rng: Random, least: int, most: int) -> str:
    return "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=rng.randint(least, most)))


def _digits(rng: Random, count: int) -> str:
    return "".join(rng.choices("0123456789", k=count))


def _code(rng: Random) -> str:
    if rng.random() < 0.5:
        return f"{_letters(rng, 1, 3)}-{_digits(rng, rng.randint(1, 4))}"
    return _letters(rng, 1, 4) + _digits(rng, rng.randint(1, 4))


_MAKERS: dict[str, Callable[[Random], str]] = {
    "letters": lambda rng: _letters(rng, 2, CELLS),
    "number": lambda rng: str(rng.randint(1, 9)) + _digits(rng, rng.randint(1, 6)),
    "price": lambda rng: (
        f"${rng.choice((rng.randint(0, 9), rng.randint(10, 99), rng.randint(100, 999)))}.{_digits(rng, 2)}"
    ),
    "date": lambda rng: (
        f"{rng.randint(1, 31):02}/{rng.randint(1, 12):02}" + rng.choice(("", f"/{rng.randint(20, 39)}"))
    ),
    "time": lambda rng: f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}",
    "code": _code,
}
