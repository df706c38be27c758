"""Exact-match accuracy per kind of question on held-out pictures, with intervals and the blind baseline.

An answer counts only whole, its end token included. Greedy decoding gives exactly the wanted answer
if and only if the argmax at every place of that answer is the wanted token, so one forward pass over
packed rows decides what generation would.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from training.dialogue import CONTEXT, PADDING, Dialogue
from training.held_out import make_pictures, make_texts
from training.llm_stage import unpack
from training.picture import Picture, Turn
from training.vision import to_patches
from training.vora import Vora

BATCH = 50


@dataclass(frozen=True)
class Score:
    kind: str
    right: int
    count: int
    blind: float
    """Share of the commonest answer, as far as the question leaves it open: what who sees nothing can reach."""

    @property
    def accuracy(self) -> float:
        return self.right / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        z, n, p = 1.96, self.count, self.accuracy
        middle, spread = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)


class Tally:
    """Counts answers per kind."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.answers: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, turn: Turn, right: bool) -> None:
        self.right[turn.kind] += right
        self.answers[turn.kind][turn.guess] += 1

    def scores(self) -> list[Score]:
        return [
            Score(kind, self.right[kind], answers.total(), answers.most_common(1)[0][1] / answers.total())
            for kind, answers in sorted(self.answers.items())
        ]


def evaluate_pictures(vora: Vora, dialogue: Dialogue, task: str, count: int, seed: int, **how: bool) -> list[Score]:
    """Scores of `count` held-out pictures of one task.

    how: `causal` masks image tokens causally; `swapped` gives every question the next picture.
    """
    return score_pictures(vora, dialogue, make_pictures(task, count, seed), **how)


@torch.no_grad()
def score_pictures(
    vora: Vora, dialogue: Dialogue, pictures: list[Picture], causal: bool = False, swapped: bool = False
) -> list[Score]:
    tally = Tally()
    for start in range(0, len(pictures), BATCH):
        chunk = pictures[start : start + BATCH]
        patches = to_patches(torch.from_numpy(np.stack([np.asarray(p.image) for p in chunk])))
        if swapped:
            patches = patches.roll(1, 0)
        asked = [Asked(dialogue.cells(picture), picture.turns) for picture in chunk]
        _judge(vora, dialogue, asked, patches, tally, causal)
    return tally.scores()


@torch.no_grad()
def evaluate_texts(vora: Vora, dialogue: Dialogue, count: int, seed: int) -> list[Score]:
    """Scores of text-only instructions: maps of held-out pictures, and tasks without a picture."""
    tally = Tally()
    asked = [Asked(dialogue.encode(task.context), task.turns, task.joint) for task in make_texts(count, seed)]
    for start in range(0, len(asked), BATCH):
        _judge(vora, dialogue, asked[start : start + BATCH], torch.zeros(0, 1), tally, causal=False)
    return tally.scores()


@dataclass
class Asked:
    """A context and the turns about it that are still to be asked; `joint` as in `Dialogue.row`."""

    context: list[int]
    turns: list[Turn]
    joint: str = ""


def _judge(vora: Vora, dialogue: Dialogue, asked: list[Asked], patches: Tensor, tally: Tally, causal: bool) -> None:
    """Ask everything, as many turns at a time as a row has room for."""
    device = next(vora.parameters()).device
    while any(one.turns for one in asked):
        rows = np.stack([dialogue.row(one.context, one.turns, one.joint).stacked() for one in asked])
        ids, branch, position, target = unpack(rows, device)
        hidden = vora(ids, branch, position, patches.to(device), causal)[-1]
        wrong = (vora.llm.lm_head(hidden[:, :-1]).argmax(-1) != ids[:, 1:]) & (target[:, 1:] > 0)
        for row, one in enumerate(asked):
            placed = set(branch[row].tolist()) - {CONTEXT, PADDING}
            if one.turns and not placed:
                raise ValueError(f"no room for {one.turns[0]}")
            for turn in placed:
                mistaken = wrong[row] & (branch[row, 1:] == turn)
                tally.add(one.turns[turn - 1], not bool(mistaken.any()))
            one.turns = [turn for k, turn in enumerate(one.turns) if k + 1 not in placed]
