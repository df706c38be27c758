"""A published base LLM as the run folder's own, so that the stages after it can be run without training it anew."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file


def take_base(out: Path, run: Path) -> None:
    """Write `llm.pt` and `tokenizer.json` from `out/base`; what stands in the run folder is kept.

    The weights are bf16, as every later stage rounds them. The LLM stage itself cannot go on from them: its
    optimizer state was not published.
    """
    run.mkdir(parents=True, exist_ok=True)
    weights, tokenizer = run / "llm.pt", run / "tokenizer.json"
    for file in (weights, tokenizer):
        if file.exists():
            raise FileExistsError(f"{file}: this run has a base of its own")
    shutil.copyfile(out / "base" / "tokenizer.json", tokenizer)
    torch.save({"modules": {"decoder": load_file(out / "base" / "model.safetensors")}}, weights)
