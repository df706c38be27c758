"""Stage 5: half of every batch is text alone, at a low rate: what seeing took from the LLM's language comes back."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.dataset import open_pictures, thin
from training.loop import train
from training.optimizer import Optimizers
from training.recipe import Recipe
from training.vision import to_patches
from training.vora_stage import ADAM_LR, MUON_LR, NO_MUON, SEED, answer_losses, build_vora, load_weights


def train_settle(run: Path, recipe: Recipe, device: torch.device) -> None:
    """LM loss alone on answers, from `vora.pt`; writes `settle.pt`.

    Distillation has done its work and its heads are dropped. The pictures are of the second, harder half of the file,
    the texts the last of theirs, which the stage before has not seen.
    """
    torch.manual_seed(SEED)
    vora = build_vora(run, recipe)
    vora.load_state_dict(load_weights(run, "vora", "vora"))
    vora.to(device)
    if recipe.compiled:
        vora.llm.compile_layers()
    optimizers = Optimizers([vora], recipe.settle_rate * MUON_LR, recipe.settle_rate * ADAM_LR, NO_MUON)
    pictures, texts = open_pictures(run / "pictures"), np.load(run / "texts.npy", mmap_mode="r")
    seen = recipe.batch // 2
    half, read = len(pictures["images"]) // 2, recipe.batch - seen

    def step(number: int, _progress: float) -> dict[str, Tensor]:
        chosen = half + thin(half, number, seen, recipe.settle_steps)
        end = len(texts) - number * read % (len(texts) - read)
        patches = to_patches(torch.from_numpy(pictures["images"][chosen]).to(device))
        rows = np.concatenate((pictures["rows"][chosen], texts[end - read : end]))
        return answer_losses(vora, rows, patches)[1]

    train(run, "settle", {"vora": vora}, optimizers, step, recipe.settle_steps)
