"""The study as a page: what was run, every figure with its interval, and which claims hold."""

from pathlib import Path

import numpy as np

from training.held_out import TASKS
from training.recipe import Recipe
from training.study_claims import Claim, claims, spread_of, task_accuracy
from training.study_intervals import Estimate, mean
from training.study_plots import plot_study
from training.study_results import Results, blind_shares, read_results
from training.study_training import texts_of
from training.study_variant import VARIANTS

PAGE = """# The study of vora-tiny

Written by `python -m training study-report` from the runs of `python -m training study`. It shows what happens at
the size of a demo model, under a budget that leaves it unfinished; it says nothing of 7B.

## How

{variants} variants, {seeds} seeds each, every run from the same base LLM and the same teacher: {steps} steps, in a
process and a thread of its own. The first {look_steps} steps are distillation alone on {look_batch} pictures, which
cost about as much as the others; without distillation all steps are of the second kind. Those have {batch} rows,
{texts} of them text alone, and the loss of the recipe. The pictures are an even sample of the whole file, in its
order; seeds differ in their pictures and in the start of LoRA, vision embedding and heads. Causal runs are
evaluated with the causal mask too. Learning rates are {rate} times the recipe's, which were chosen for LoRA; full
fine-tuning (every weight of the LLM and the vision embedding) is tried at that rate and at a quarter of it, and
claims compare with the better one, here *{full}*.

**Accuracy** is exact match of whole answers on {blocks} blocks of {block} held-out pictures per task, the same for
all runs. **Intervals** are of 95 %, over seeds and pictures: between-seed deviation pooled over all variants
({freedom} degrees of freedom), between-block deviation of the mean over seeds (of the differences, where two
variants are compared). **Seconds per step** are the median of the CPU seconds of the run's one thread (wall seconds
on CUDA), steps with LM loss only. **Step memory** is counted from the tensors: weights of student, heads and
teacher + gradients + optimizer state + what autograd keeps for backward, without `torch.compile`; working space of
kernels is not in it. **Peak** is that of the process (resident set with libraries and mapped data; on CUDA what was
allocated).

## Claims

| claim | from | figure | measured | |
| --- | --- | --- | --- | --- |
{claims}

## Variants

| variant | accuracy | text alone | trainable | of all | s / step | step memory, MB | peak, MB |
| --- | --- | --- | --- | --- | --- | --- | --- |
{table}

The base LLM alone has {base:.3f} in text.

![Accuracy, curves and ratios]({plot})

### Accuracy by task

{tasks}

### Where the memory goes, MB

| variant | weights | gradients | optimizer | activations |
| --- | --- | --- | --- | --- |
{memory}

### Accuracy by kind of question

Over all seeds; *blind* is the share of the commonest answer.

{kinds}
"""


def write_study(run: Path, recipe: Recipe, docs: Path) -> None:
    """Write `vora-tiny-study.md` and `vora-tiny-study.png` into `docs` from the results in `run`."""
    results = read_results(run, recipe)
    judged = claims(results)
    docs.mkdir(parents=True, exist_ok=True)
    plot = docs / "vora-tiny-study.png"
    plot_study(results, judged, plot)
    accuracy, text = spread_of(results.accuracy), spread_of(results.text_accuracy)
    page = PAGE.format(
        variants=len(VARIANTS),
        seeds=recipe.study_seeds,
        steps=recipe.study_steps,
        look_steps=recipe.study_look_steps,
        look_batch=recipe.study_look_batch,
        batch=recipe.study_batch,
        texts=texts_of(recipe),
        rate=recipe.study_rate,
        full=results.best_full,
        blocks=recipe.study_blocks,
        block=recipe.study_block,
        freedom=accuracy.freedom,
        claims="\n".join(claim_row(claim) for claim in judged),
        table="\n".join(
            variant_row(
                results,
                v.name,
                v.says,
                mean(results.accuracy(v.name), accuracy),
                mean(results.text_accuracy(v.name), text),
            )
            for v in VARIANTS
        ),
        base=results.base_text_accuracy().mean(),
        plot=plot.name,
        tasks=task_table(results),
        memory="\n".join(memory_row(results, v.name) for v in VARIANTS),
        kinds=kind_table(results, recipe),
    )
    (docs / "vora-tiny-study.md").write_text(page)


def claim_row(claim: Claim) -> str:
    return f"| {claim.says} | {claim.source} | {claim.figure} | {claim.measured} | {claim.verdict} |"


def variant_row(results: Results, name: str, says: str, accuracy: Estimate, text: Estimate) -> str:
    first = results.runs[name][0]
    share = first["trainable"] / first["parameters"]
    seconds = float(np.mean(results.seconds(name)))
    peak = float(np.mean([run["peak_bytes"] for run in results.runs[name]]))
    cost = f"{seconds:.3f} | {results.bytes_per_step(name) / 1e6:.0f} | {peak / 1e6:.0f}"
    return f"| {says} | {accuracy} | {text} | {first['trainable']:,} | {share:.0%} | {cost} |"


def memory_row(results: Results, name: str) -> str:
    parts = results.runs[name][0]["step_bytes"]
    cells = (f"{parts[part] / 1e6:.1f}" for part in ("weights", "gradients", "optimizer", "activations"))
    return f"| {name} | {' | '.join(cells)} |"


def task_table(results: Results) -> str:
    lines = [f"| variant | {' | '.join(TASKS)} |", f"| --- |{' --- |' * len(TASKS)}"]
    for variant in VARIANTS:
        cells = (str(task_accuracy(results, variant.name, task)) for task in TASKS)
        lines.append(f"| {variant.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def kind_table(results: Results, recipe: Recipe) -> str:
    names = [variant.name for variant in VARIANTS]
    lines = [f"| task | kind | n | blind | {' | '.join(names)} |", f"| --- | --- | --- | --- |{' --- |' * len(names)}"]
    for task in TASKS:
        counts, blind = {name: results.kinds(name, task) for name in names}, blind_shares(task, recipe)
        for kind, (_, asked) in counts[names[0]].items():
            cells = (f"{counts[name][kind][0] / counts[name][kind][1]:.3f}" for name in names)
            lines.append(f"| {task} | {kind} | {asked} | {blind[kind]:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines)
