"""The results of the study's runs, as tables [seeds, blocks] per variant."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from training.held_out import TASKS, make_pictures
from training.plot import read_log
from training.recipe import Recipe
from training.study import BASE, FIRST_BLOCK_SEED, result_file
from training.study_variant import VARIANTS

Facts = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """`runs`: per variant the result files of its seeds, in order; `logs`: their training logs."""

    runs: dict[str, list[Facts]]
    logs: dict[str, list[list[dict[str, float]]]]
    base: Facts

    def accuracy(self, variant: str, task: str | None = None) -> np.ndarray:
        """Share of answers exact, f64 [seeds, blocks]; without a task the mean of the four tasks."""
        tasks = TASKS if task is None else (task,)
        return np.array(
            [[mean(_share(block[one]) for one in tasks) for block in run["pictures"]] for run in self.runs[variant]]
        )

    def text_accuracy(self, variant: str) -> np.ndarray:
        """Share of answers exact in text alone, f64 [seeds, blocks]."""
        return np.array([[_share(block) for block in run["text"]] for run in self.runs[variant]])

    def base_text_accuracy(self) -> np.ndarray:
        """The same of the base LLM before it could see, f64 [blocks]; it has no seeds."""
        return np.array([_share(block) for block in self.base["text"]])

    def kinds(self, variant: str, task: str) -> dict[str, tuple[int, int]]:
        """Answers right and asked of every kind of question, summed over blocks and seeds."""
        right, asked = Counter[str](), Counter[str]()
        for run in self.runs[variant]:
            for block in run["pictures"]:
                for kind, (good, count) in block[task].items():
                    right[kind] += good
                    asked[kind] += count
        return {kind: (right[kind], asked[kind]) for kind in sorted(asked)}

    def seconds(self, variant: str) -> np.ndarray:
        """Median seconds per step, f64 [seeds, 1]; a run that was cut off near its end timed none and is left out."""
        timed = [run["seconds_per_step"] for run in self.runs[variant] if run["seconds_per_step"] is not None]
        if not timed:
            raise ValueError(f"no run of {variant} timed its steps: delete one of its results and run it again")
        return np.array(timed)[:, None]

    def bytes_per_step(self, variant: str) -> int:
        """Weights, gradients, optimizer state and activations of a training step."""
        return sum(self.runs[variant][0]["step_bytes"].values())

    def trainable(self, variant: str) -> int:
        return int(self.runs[variant][0]["trainable"])

    @property
    def best_full(self) -> str:
        """The full fine-tuning with the higher accuracy: what LoRA has to be measured against."""
        return max(("full", "full-slow"), key=lambda name: float(self.accuracy(name).mean()))


def read_results(run: Path, recipe: Recipe) -> Results:
    """Everything `run_study` wrote; FileNotFoundError names the first run that is missing."""
    folder = run / "study"
    names = [one.name for one in VARIANTS]
    runs = {
        name: [json.loads(result_file(folder, name, seed).read_text()) for seed in range(recipe.study_seeds)]
        for name in names
    }
    logs = {name: [read_log(folder / f"{name}-{seed}.jsonl") for seed in range(recipe.study_seeds)] for name in names}
    return Results(runs, logs, json.loads(result_file(folder, BASE, 0).read_text()))


def blind_shares(task: str, recipe: Recipe) -> dict[str, float]:
    """Per kind the share of the commonest guess among the pictures of the study's evaluation."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for block in range(recipe.study_blocks):
        for picture in make_pictures(task, recipe.study_block, FIRST_BLOCK_SEED + block):
            for turn in picture.turns:
                answers[turn.kind][turn.guess] += 1
    return {kind: found.most_common(1)[0][1] / found.total() for kind, found in answers.items()}


def _share(counts: dict[str, list[int]]) -> float:
    return sum(right for right, _ in counts.values()) / sum(asked for _, asked in counts.values())
