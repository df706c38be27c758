"""What a published folder has as the run folder's own, so that the stages after it can be run without those before."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from training.export import load_exported


def take_base(out: Path, run: Path) -> None:
    """Write `llm.pt` and `tokenizer.json` from `out/base`; what stands in the run folder is kept.

    The weights are bf16, as every later stage rounds them. The LLM stage itself cannot go on from them: its
    optimizer state was not published.
    """
    weights, tokenizer = _new(run, "llm.pt"), _new(run, "tokenizer.json")
    shutil.copyfile(out / "base" / "tokenizer.json", tokenizer)
    torch.save({"modules": {"decoder": load_file(out / "base" / "model.safetensors")}}, weights)


def take_adapter(out: Path, run: Path) -> None:
    """Write `vora.pt` from `out`, for `settle` to go on from; the weights are bf16, as published."""
    weights = _new(run, "vora.pt")
    torch.save({"modules": {"vora": load_exported(out)[0].state_dict()}}, weights)


def _new(run: Path, name: str) -> Path:
    run.mkdir(parents=True, exist_ok=True)
    file = run / name
    if file.exists():
        raise FileExistsError(f"{file}: this run has one of its own")
    return file
