"""Chat turns as packed rows of token ids: one shared context, then as many turns as fit, side by side.

A row is `[context | turns]`. Turns do not see one another and each continues from the end of the
context, so that a row is exactly several chats about one picture at the price of one context.
"""

from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from training.grid import CELLS
from training.picture import Picture, Turn
from training.tokenizer import SYSTEM, token_id

CELL_COUNT = CELLS * CELLS
TURNS_LENGTH = 96
"""Token places for the turns of one row."""
PADDING = -1
CONTEXT = 0
REPEATED, OPEN = 1, 2
"""Answer tokens that say again what was asked, and those that the question leaves open."""


@dataclass(frozen=True)
class Row:
    """i16 [L] each: `ids`, `branch` (CONTEXT, 1.. per turn, PADDING), `position`, `target` (REPEATED, OPEN, 0)."""

    ids: np.ndarray
    branch: np.ndarray
    position: np.ndarray
    target: np.ndarray

    def stacked(self) -> np.ndarray:
        """i16 [4, L]."""
        return np.stack([self.ids, self.branch, self.position, self.target])


class Dialogue:
    """Turns text into rows for one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.prefix = self.encode(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n")
        self.ask = self.encode("<|im_end|>\n<|im_start|>assistant\n")
        self.end = token_id(tokenizer, "<|im_end|>")
        self.context_length = len(self.prefix) + CELL_COUNT
        self.length = self.context_length + TURNS_LENGTH

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def cells(self, picture: Picture) -> list[int]:
        """The map of a picture, one token per cell."""
        return [token_id(self.tokenizer, cell) for cell in picture.grid.cells]

    def row(self, context: list[int], turns: list[Turn], joint: str = "") -> Row:
        """Pack `turns`, in order, behind `context` (at most 64 tokens after the fixed prefix).

        `joint` stands between context and question: nothing after a picture, a line end after text.
        """
        if len(context) > CELL_COUNT:
            raise ValueError(f"context of {len(context)} tokens, at most {CELL_COUNT}")
        head = self.prefix + context
        pack = _Pack(self.length)
        pack.add(0, head, CONTEXT, 0)
        start = self.context_length
        for index, turn in enumerate(turns):
            question, (answer, target) = self.encode(joint + turn.question) + self.ask, self._answer(turn)
            if start + len(question) + len(answer) > self.length:
                continue
            pack.add(start, question + answer, index + 1, len(head))
            start += len(question) + len(answer)
            pack.target[start - len(answer) : start] = target
        return Row(pack.ids, pack.branch, pack.position, pack.target)

    def _answer(self, turn: Turn) -> tuple[list[int], list[int]]:
        """Tokens of an answer with its end, and for each whether it is REPEATED or OPEN."""
        encoding = self.tokenizer.encode(turn.answer, add_special_tokens=False)
        first = turn.answer.rindex(turn.guess)
        last = first + len(turn.guess)
        is_open = [start < last and stop > first for start, stop in encoding.offsets] + [not turn.unknown]
        return [*encoding.ids, self.end], [OPEN if one else REPEATED for one in is_open]


class _Pack:
    def __init__(self, length: int) -> None:
        self.ids = np.zeros(length, np.int16)
        self.branch = np.full(length, PADDING, np.int16)
        self.position = np.zeros(length, np.int16)
        self.target = np.zeros(length, np.int16)

    def add(self, start: int, ids: list[int], branch: int, position: int) -> None:
        """Place `ids` at `start`; `position` is the first one's."""
        stop = start + len(ids)
        self.ids[start:stop] = ids
        self.branch[start:stop] = branch
        self.position[start:stop] = np.arange(position, position + len(ids))
