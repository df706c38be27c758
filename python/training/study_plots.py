"""The study in four panels: accuracy by rank, by mask and task, over steps, and LoRA against full fine-tuning."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot

from training.held_out import TASKS
from training.plot import running_mean
from training.study_claims import Claim, spread_of, task_accuracy
from training.study_intervals import Estimate, mean
from training.study_results import Results

RANKS = ("rank-8", "rank-32", "default")
SMOOTH = 3


def plot_study(results: Results, judged: list[Claim], out: Path) -> None:
    """Write one PNG; whiskers and bands are 95 % intervals, curves one line per seed."""
    figure, axes = pyplot.subplots(2, 2, figsize=(10, 7), layout="constrained")
    _ranks(axes[0, 0], results)
    _masks(axes[0, 1], results)
    _curves(axes[1, 0], results)
    _ratios(axes[1, 1], judged)
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def _ranks(axis: Any, results: Results) -> None:
    spread = spread_of(results.accuracy)
    ranks = [results.runs[name][0]["rank"] for name in RANKS]
    _whiskers(axis, ranks, [mean(results.accuracy(name), spread) for name in RANKS], "o-", "LoRA")
    full = mean(results.accuracy(results.best_full), spread)
    axis.axhline(full.value, color="tab:orange", label="full fine-tuning")
    axis.axhspan(full.low, full.high, color="tab:orange", alpha=0.2)
    axis.set(title="accuracy by rank", xlabel="rank", xscale="log", ylabel="answers exact")
    axis.set_xticks(ranks, [str(rank) for rank in ranks])
    axis.minorticks_off()
    axis.legend(fontsize=8)


def _masks(axis: Any, results: Results) -> None:
    for offset, (name, label) in enumerate((("default", "bidirectional"), ("causal", "causal"))):
        found = [task_accuracy(results, name, task) for task in TASKS]
        _whiskers(axis, [place + 0.2 * offset for place in range(len(TASKS))], found, "o", label)
    axis.set(title="accuracy by image mask", ylabel="answers exact")
    axis.set_xticks(range(len(TASKS)), list(TASKS))
    axis.legend(fontsize=8)


def _curves(axis: Any, results: Results) -> None:
    for name, color in (("default", "tab:blue"), ("no-distillation", "tab:orange")):
        for seed, log in enumerate(results.logs[name]):
            lines = [line for line in log if "picture" in line]
            right = running_mean([line["picture"] for line in lines], SMOOTH)
            axis.plot([line["step"] for line in lines], right, color=color, label=name if seed == 0 else None)
    axis.set(title="with and without distillation", xlabel="steps", ylabel="answer tokens right, training")
    axis.legend(fontsize=8)


def _ratios(axis: Any, judged: list[Claim]) -> None:
    """Every claim of the form LoRA / full."""
    shown = [claim for claim in judged if claim.figure.endswith("/ full")]
    places = list(range(len(shown)))
    values = np.array([claim.measured.value for claim in shown])
    axis.barh(places, values, xerr=_reach([claim.measured for claim in shown]), alpha=0.6)
    for place, claim in zip(places, shown, strict=True):
        axis.plot(min(claim.most, claim.least, key=abs), place, "k|", markersize=18)
    axis.axvline(1.0, color="black", linewidth=0.8)
    axis.set_yticks(places, [claim.figure.split(",")[0] for claim in shown])
    axis.invert_yaxis()
    axis.set(title="LoRA / full fine-tuning, with the claim marked")


def _whiskers(axis: Any, places: list[float], found: list[Estimate], style: str, label: str) -> None:
    axis.errorbar(places, [one.value for one in found], _reach(found), fmt=style, capsize=4, label=label)


def _reach(found: list[Estimate]) -> np.ndarray:
    """Lengths of the whiskers, f64 [2, N]."""
    return np.array([[one.value - one.low for one in found], [one.high - one.value for one in found]])
