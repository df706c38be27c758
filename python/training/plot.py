"""Training curves of a run, from its logs."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

PANELS = (
    ("llm", ("loss", "accuracy"), "base LLM, text only"),
    ("teacher", ("symbol", "place", "line", "color", "shape"), "teacher, accuracy per patch"),
    ("look", ("loss",), "distillation alone"),
    ("vora", ("language", "distillation"), "VoRA, losses"),
    ("vora", ("picture", "text"), "VoRA, answer tokens right"),
    ("settle", ("picture", "text"), "settling, answer tokens right"),
)
SMOOTH = 9


def plot_curves(run: Path, out: Path) -> None:
    """One panel per entry of PANELS that has a log, each line a running mean over 9 log lines; steps on the x axis."""
    panels = [panel for panel in PANELS if (run / f"{panel[0]}.jsonl").exists()]
    size = (4 * len(panels), 3.2)
    figure, axes = pyplot.subplots(1, len(panels), figsize=size, layout="constrained", squeeze=False)
    for axis, (stage, names, title) in zip(axes[0], panels, strict=True):
        lines = read_log(run / f"{stage}.jsonl")
        steps = [line["step"] for line in lines]
        for name in names:
            axis.plot(steps, running_mean([line[name] for line in lines], SMOOTH), label=name.replace("_", " "))
        axis.set(title=title, xlabel="steps")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def read_log(file: Path) -> list[dict[str, float]]:
    """Log lines by step; of steps that ran twice, because a run was cut off before it saved, the later."""
    by_step = {line["step"]: line for line in map(json.loads, file.read_text().splitlines())}
    return [by_step[step] for step in sorted(by_step)]


def running_mean(values: list[float], width: int) -> list[float]:
    """Mean of the last `width` values at each place."""
    return [sum(values[max(0, i + 1 - width) : i + 1]) / min(width, i + 1) for i in range(len(values))]
