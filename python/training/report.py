"""The evaluation of a published folder: every task and kind, with and without what makes VoRA VoRA."""

import json
from pathlib import Path
from typing import Any

import torch

from training.decoder import Linear
from training.dialogue import Dialogue
from training.evaluate import Score, evaluate_pictures, evaluate_texts, score_pictures
from training.export import load_exported
from training.held_out import SEED, SIDE_SHARE, TASKS, foreign_sets
from training.vora import Vora


def write_report(model: Path, out: Path, count: int) -> None:
    """Evaluate `model` on `count` held-out pictures per task, twice as many texts; JSON to `out`, a table to stdout."""
    vora, tokenizer = load_exported(model)
    dialogue = Dialogue(tokenizer)
    side = max(1, count // SIDE_SHARE)
    report: dict[str, Any] = {"pictures per task": count, "pictures per side task": side, "seed": SEED}
    for name, many, how in (
        ("pictures", count, {}),
        ("causal mask", side, {"causal": True}),
        ("another picture", side, {"swapped": True}),
    ):
        report[name] = {task: as_json(evaluate_pictures(vora, dialogue, task, many, SEED, **how)) for task in TASKS}
    report["other tools"] = {name: as_json(s) for name, s in foreign_scores(vora, dialogue, side).items()}
    report["text"] = as_json(evaluate_texts(vora, dialogue, count, SEED))
    drop_lora(vora)
    report["text, base without LoRA"] = as_json(evaluate_texts(vora, dialogue, count, SEED))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report["pictures"]))


def foreign_scores(vora: Vora, dialogue: Dialogue, count: int) -> dict[str, list[Score]]:
    """Scores on pictures that our generators did not write themselves."""
    return {pictures.name: score_pictures(vora, dialogue, pictures.seen()) for pictures in foreign_sets(count)}


def as_json(scores: list[Score]) -> list[dict[str, Any]]:
    return [
        {
            "kind": score.kind,
            "accuracy": round(score.accuracy, 4),
            "interval": [round(bound, 4) for bound in score.interval],
            "blind": round(score.blind, 4),
            "count": score.count,
        }
        for score in scores
    ]


def table(tasks: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown, one line per task and kind."""
    lines = ["| task | kind | exact | 95 % interval | blind | n |", "| --- | --- | --- | --- | --- | --- |"]
    for task, scores in tasks.items():
        for s in scores:
            low, high = s["interval"]
            figures = f"{s['accuracy']:.3f} | {low:.3f} to {high:.3f} | {s['blind']:.3f} | {s['count']}"
            lines.append(f"| {task} | {s['kind']} | {figures} |")
    return "\n".join(lines)


def drop_lora(vora: Vora) -> None:
    """Back to the base LLM, in place."""
    for module in vora.llm.modules():
        if isinstance(module, Linear) and module.lora_B is not None:
            torch.nn.init.zeros_(module.lora_B.weight)
