"""The study: variants of the recipe under one budget, each trained and judged in a process and a thread of its own."""

import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from training.dialogue import Dialogue
from training.evaluate import Score, evaluate_pictures, evaluate_texts
from training.held_out import TASKS
from training.recipe import Recipe
from training.study_training import build_student, train_student
from training.study_variant import VARIANTS, Variant, variant
from training.vora import Vora
from training.vora_stage import load_base

BASE = "base"
"""Name of the run that is no run: the base LLM on texts alone."""
FIRST_BLOCK_SEED = 100
SLOW_IMPORTS = ["training.__main__", "torch._dynamo"]
"""Imported once; the processes of the runs are forked from there."""


def run_study(run: Path, recipe: Recipe, device: torch.device, processes: int, only: str | None = None) -> None:
    """Train and judge every variant and seed whose result is missing; `only` one variant.

    Reads `llm.pt`, `teacher.pt`, `texts.npy` and `pictures/`; writes `study/<variant>-<seed>.json` and its log
    `.jsonl`. A run that was cut off goes on from its last checkpoint. Peak memory is stated of each, so each has
    its own process; on CUDA one at a time.
    """
    folder = run / "study"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = VARIANTS if only is None else (variant(only),)
    missing = [
        (one.name, seed)
        for seed in range(recipe.study_seeds)
        for one in chosen
        if not result_file(folder, one.name, seed).exists()
    ]
    if not result_file(folder, BASE, 0).exists():
        missing.insert(0, (BASE, 0))
    at_once = processes if device.type == "cpu" else 1
    context = get_context("forkserver")
    context.set_forkserver_preload(SLOW_IMPORTS)
    with ProcessPoolExecutor(at_once, context, max_tasks_per_child=1) as pool:
        jobs = {pool.submit(run_one, run, recipe, device.type, *one): one for one in missing}
        for job in as_completed(jobs):
            job.result()
            print(f"study {'-'.join(map(str, jobs[job]))} done", flush=True)


def result_file(folder: Path, name: str, seed: int) -> Path:
    return folder / f"{name}-{seed}.json"


def run_one(run: Path, recipe: Recipe, device: str, name: str, seed: int) -> None:
    """One run from the base to its result file."""
    torch.set_num_threads(1)
    folder = run / "study"
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    dialogue = Dialogue(tokenizer)
    if name == BASE:
        base = Vora(load_base(run, recipe), recipe.vision_width, rank=0, lora_layers=0).to(device)
        _write(result_file(folder, name, seed), {"text": _text_blocks(base, dialogue, recipe)})
        return
    chosen = variant(name)
    torch.manual_seed(seed)
    student = build_student(run, recipe, chosen)
    facts: dict[str, Any] = {"variant": name, "seed": seed}
    facts |= train_student(run, folder, recipe, chosen, seed, torch.device(device), student)
    with torch.compiler.set_stance("force_eager"):
        facts["pictures"] = _picture_blocks(student, dialogue, recipe, chosen)
        facts["text"] = _text_blocks(student, dialogue, recipe)
    _write(result_file(folder, name, seed), facts)
    (folder / f"{name}-{seed}.pt").unlink()


Counts = dict[str, list[int]]
"""Per kind: answers right, answers asked."""


def _picture_blocks(vora: Vora, dialogue: Dialogue, recipe: Recipe, chosen: Variant) -> list[dict[str, Counts]]:
    """Per block of held-out pictures and task the counts; all runs are shown the same blocks."""
    return [
        {
            task: _counts(
                evaluate_pictures(
                    vora, dialogue, task, recipe.study_block, FIRST_BLOCK_SEED + block, causal=chosen.causal
                )
            )
            for task in TASKS
        }
        for block in range(recipe.study_blocks)
    ]


def _text_blocks(vora: Vora, dialogue: Dialogue, recipe: Recipe) -> list[Counts]:
    blocks = range(FIRST_BLOCK_SEED, FIRST_BLOCK_SEED + recipe.study_blocks)
    return [_counts(evaluate_texts(vora, dialogue, recipe.study_block, seed)) for seed in blocks]


def _counts(scores: list[Score]) -> Counts:
    return {score.kind: [score.right, score.count] for score in scores}


def _write(file: Path, facts: dict[str, Any]) -> None:
    """Whole or not at all: a result that exists is finished."""
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(facts, indent=1) + "\n")
    partial.replace(file)
