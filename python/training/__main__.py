"""`python -m training <stage>`: one resumable command per stage, `all` for the whole recipe."""

import argparse
import os
from pathlib import Path

import torch

from training.dataset import write_pictures, write_texts
from training.export import export
from training.llm_stage import train_llm
from training.model_card import write_card
from training.parallel import join
from training.plot import plot_curves
from training.recipe import FULL, SMOKE, Recipe
from training.report import write_report
from training.teacher_stage import train_teacher
from training.tokenizer import save_tokenizer, train_tokenizer
from training.vora_stage import train_look, train_vora

STAGES = ("tokenizer", "data", "llm", "teacher", "look", "vora", "export", "evaluate", "plot", "card")
TEXT_SEED, PICTURE_SEED = 5, 11


def run_stage(stage: str, run: Path, out: Path, recipe: Recipe, device: torch.device, workers: int) -> None:
    """Run one stage; what it needs from earlier ones is read from `run`."""
    tokenizer_file = run / "tokenizer.json"
    match stage:
        case "tokenizer":
            save_tokenizer(train_tokenizer(), tokenizer_file)
        case "data":
            write_texts(run / "texts.npy", tokenizer_file, recipe.texts, TEXT_SEED)
            write_pictures(run / "pictures", tokenizer_file, recipe.pictures, PICTURE_SEED, workers)
        case "llm":
            train_llm(run, recipe, device)
        case "teacher":
            train_teacher(run, recipe, device)
        case "look":
            train_look(run, recipe, device)
        case "vora":
            train_vora(run, recipe, device)
        case "export":
            export(run, recipe, out)
        case "evaluate":
            write_report(out, run / "accuracy.json", recipe.evaluated)
        case "plot":
            plot_curves(run, run / "curves.png")
        case "card":
            write_card(run, out, recipe, f"{os.cpu_count()} CPU cores")
        case _:
            raise ValueError(f"unknown stage {stage}, expected one of {', '.join(STAGES)}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("stage", choices=(*STAGES, "all"))
    parser.add_argument("--work", dest="run", type=Path, required=True, help="folder for data, checkpoints and logs")
    parser.add_argument("--out", type=Path, required=True, help="folder that gets base/ and adapter/")
    parser.add_argument("--smoke", action="store_true", help="every stage at toy size, in seconds")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=2, help="processes that render, threads that train")
    options = parser.parse_args(argv)
    join()
    torch.set_num_threads(options.workers)
    recipe = SMOKE if options.smoke else FULL
    for stage in STAGES if options.stage == "all" else (options.stage,):
        print(f"{stage} …", flush=True)
        run_stage(stage, options.run, options.out, recipe, torch.device(options.device), options.workers)


if __name__ == "__main__":
    main()
