"""`python -m training <stage>`: one resumable command per stage, `all` for the whole recipe."""

import argparse
import os
from pathlib import Path

import torch

from training.dataset import write_pictures, write_texts
from training.export import export
from training.held_out import write_held_out
from training.llm_stage import train_llm
from training.model_card import write_card
from training.parallel import join
from training.plot import plot_curves
from training.precision import multiplies_bf16
from training.published import take_adapter, take_base
from training.recipe import FULL, SMOKE, Recipe
from training.report import write_report
from training.settle_stage import train_settle
from training.study import run_study
from training.study_report import write_study
from training.teacher_stage import train_teacher
from training.tokenizer import save_tokenizer, train_tokenizer
from training.vora_stage import train_look, train_vora

STAGES = ("tokenizer", "data", "llm", "teacher", "look", "vora", "settle", "export", "evaluate", "plot", "card")
BESIDE = {
    "take-base": ("run", "out"),
    "take-adapter": ("run", "out"),
    "heldout": ("out",),
    "study": ("run",),
    "study-report": ("run", "docs"),
}
"""Commands that are no part of `all`, and the folders each needs; a stage needs run and out."""
TEXT_SEED, PICTURE_SEED = 5, 11


def run_stage(stage: str, run: Path, out: Path, recipe: Recipe, device: torch.device, workers: int) -> None:
    """Run one stage; what it needs from earlier ones is read from `run`."""
    tokenizer_file = run / "tokenizer.json"
    match stage:
        case "tokenizer":
            save_tokenizer(train_tokenizer(), tokenizer_file)
        case "data":
            write_texts(run / "texts.npy", tokenizer_file, recipe.texts, TEXT_SEED, workers)
            write_pictures(run / "pictures", tokenizer_file, recipe.pictures, PICTURE_SEED, workers)
        case "llm":
            train_llm(run, recipe, device)
        case "teacher":
            train_teacher(run, recipe, device)
        case "look":
            train_look(run, recipe, device)
        case "vora":
            train_vora(run, recipe, device)
        case "settle":
            train_settle(run, recipe, device)
        case "export":
            export(run, recipe, out)
        case "evaluate":
            write_report(out, run / "accuracy.json", recipe.evaluated)
        case "plot":
            plot_curves(run, run / "curves.png")
        case "card":
            arithmetic = "bf16" if multiplies_bf16(device) else "f32"
            write_card(run, out, recipe, f"{os.cpu_count()} CPU cores with matrix products in {arithmetic}")
        case _:
            raise ValueError(f"unknown stage {stage}, expected one of {', '.join(STAGES)}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("stage", choices=(*STAGES, "all", *BESIDE))
    parser.add_argument("--work", dest="run", type=Path, help="folder for data, checkpoints and logs")
    parser.add_argument("--out", type=Path, help="folder that gets base/ and adapter/, or held-out sets")
    parser.add_argument("--count", type=int, default=FULL.evaluated, help="heldout: pictures per task")
    parser.add_argument("--only", help="study: one variant")
    parser.add_argument("--docs", type=Path, help="study-report: folder that gets the page and its plots")
    parser.add_argument("--smoke", action="store_true", help="every stage at toy size, in seconds")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=2, help="processes that render, threads that train")
    options = parser.parse_args(argv)
    for folder in BESIDE.get(options.stage, ("run", "out")):
        if getattr(options, folder) is None:
            parser.error(f"{options.stage} needs --{'work' if folder == 'run' else folder}")
    recipe, device = SMOKE if options.smoke else FULL, torch.device(options.device)
    match options.stage:
        case "heldout":
            write_held_out(options.out, options.count)
        case "take-base":
            take_base(options.out, options.run)
        case "take-adapter":
            take_adapter(options.out, options.run)
        case "study":
            run_study(options.run, recipe, device, options.workers, options.only)
        case "study-report":
            write_study(options.run, recipe, options.docs)
        case _:
            join()
            torch.set_num_threads(options.workers)
            for stage in STAGES if options.stage == "all" else (options.stage,):
                print(f"{stage} …", flush=True)
                run_stage(stage, options.run, options.out, recipe, device, options.workers)


if __name__ == "__main__":
    main()
