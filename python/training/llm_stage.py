"""Stage 1: the base LLM learns the language of the domain, from text alone."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.attention_mask import packed_mask
from training.decoder import Decoder
from training.dialogue import OPEN
from training.loop import train
from training.optimizer import Optimizers
from training.parallel import place
from training.recipe import Recipe

NO_MUON = ("embed_tokens", "lm_head")
REPEATED_WEIGHT = 0.2


def answer_loss(decoder: Decoder, hidden: Tensor, ids: Tensor, branch: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy and accuracy over answer tokens; hidden [B,L,H], ids, branch and target [B,L].

    A token weighs one over the root of how many of its answer are open: else a page of text outweighs ten one-word
    answers. Tokens that repeat the question weigh REPEATED_WEIGHT of that.
    """
    learned = target[:, 1:] > 0
    logits = decoder.lm_head(hidden[:, :-1][learned]).float()
    wanted = ids[:, 1:][learned]
    turn = branch.clamp(min=0)
    is_open = target == OPEN
    lengths = torch.zeros_like(turn).scatter_add_(1, turn, is_open.long()).gather(1, turn)[:, 1:][learned]
    weight = torch.where(is_open[:, 1:][learned], 1.0, REPEATED_WEIGHT) * lengths.float().rsqrt()
    loss = (F.cross_entropy(logits, wanted, reduction="none") * weight).sum() / weight.sum()
    return loss, (logits.argmax(-1) == wanted).float().mean()


def unpack(rows: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """ids, branch, position, target: i64 [B,L] each, from i16 [B,4,L]."""
    ids, branch, position, target = torch.from_numpy(rows.astype(np.int64)).to(device).unbind(1)
    return ids, branch, position, target


def train_llm(run: Path, recipe: Recipe, device: torch.device) -> None:
    """Trains on `texts.npy` of the run folder; writes `llm.pt`."""
    rows = np.load(run / "texts.npy", mmap_mode="r")
    torch.manual_seed(1)
    decoder = Decoder(recipe.decoder).to(device)
    if recipe.compiled:
        decoder.compile_layers()
    optimizers = Optimizers([decoder], muon_lr=0.01, adam_lr=0.003, no_muon=NO_MUON)

    rank, processes = place()

    def step(number: int, _progress: float) -> dict[str, Tensor]:
        start = (number * processes + rank) * recipe.batch % (len(rows) - recipe.batch)
        ids, branch, position, target = unpack(rows[start : start + recipe.batch], device)
        hidden = decoder(decoder.model.embed_tokens(ids), packed_mask(branch, None), position)[-1]
        loss, accuracy = answer_loss(decoder, hidden, ids, branch, target)
        return {"loss": loss, "accuracy": accuracy}

    train(run, "llm", {"decoder": decoder}, optimizers, step, recipe.llm_steps)
