"""Stages 3 and 4: the frozen LLM learns to see, with LoRA and the vision embedding alone."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.dataset import open_pictures, thin
from training.decoder import Decoder
from training.dialogue import CELL_COUNT
from training.distillation import DistillationHeads
from training.llm_stage import NO_MUON as LLM_NO_MUON
from training.llm_stage import answer_loss, unpack
from training.loop import train
from training.optimizer import Optimizers
from training.parallel import place
from training.recipe import Recipe
from training.teacher import Teacher, patches_to_pixels
from training.vision import to_patches
from training.vora import Vora, image_start

NO_MUON = ("vision.proj", "pos_embed", *LLM_NO_MUON)
MUON_LR, ADAM_LR = 0.006, 0.0015
SEED = 3


def load_weights(run: Path, stage: str, module: str) -> dict[str, Tensor]:
    """Weights of one module of a stage."""
    state: dict[str, Tensor] = torch.load(run / f"{stage}.pt", weights_only=True)["modules"][module]
    return state


def load_base(run: Path, recipe: Recipe) -> Decoder:
    """The trained LLM, rounded to bf16 as it will be published."""
    decoder = Decoder(recipe.decoder)
    decoder.load_state_dict({k: v.bfloat16().float() for k, v in load_weights(run, "llm", "decoder").items()})
    return decoder


def build_vora(run: Path, recipe: Recipe) -> Vora:
    """The base, frozen, with fresh LoRA and vision embedding."""
    return Vora(load_base(run, recipe), recipe.vision_width, recipe.lora_rank, recipe.lora_layers)


class Apprenticeship:
    """Student, teacher, heads and pictures: what all who learn to see share."""

    def __init__(self, run: Path, recipe: Recipe, device: torch.device, vora: Vora) -> None:
        self.pictures = open_pictures(run / "pictures")
        self.depth = recipe.teacher_depth
        self.device = device
        self.vora = vora.to(device)
        self.teacher = Teacher(recipe.teacher_width, self.depth).to(device).requires_grad_(False)
        self.teacher.load_state_dict(load_weights(run, "teacher", "teacher"))
        self.heads = DistillationHeads(recipe.decoder.hidden_size, recipe.teacher_width, self.depth).to(device)
        if recipe.compiled:
            self.vora.llm.compile_layers()

    def modules(self) -> dict[str, torch.nn.Module]:
        return {"vora": self.vora, "heads": self.heads}

    def optimizers(self, rate: float = 1.0) -> Optimizers:
        return Optimizers([self.vora, self.heads], rate * MUON_LR, rate * ADAM_LR, NO_MUON)

    def batch(self, number: int, size: int, steps: int) -> tuple[np.ndarray, Tensor]:
        """Rows i16 [size,4,L] and patches: the file thinned to `steps`, in its order, which is the curriculum."""
        rank, processes = place()
        chosen = thin(len(self.pictures["images"]), number * processes + rank, size, steps * processes)
        return self.pictures["rows"][chosen], to_patches(
            torch.from_numpy(self.pictures["images"][chosen]).to(self.device)
        )

    def distillation(self, states: list[Tensor], patches: Tensor) -> Tensor:
        """Block-wise loss of image-token states, one per teacher block."""
        with torch.no_grad():
            wanted = self.teacher(patches_to_pixels(patches))[1:]
        loss: Tensor = self.heads(states, wanted)
        return loss

    def losses(
        self, rows: np.ndarray, patches: Tensor, causal: bool = False, distilled: bool = True
    ) -> dict[str, Tensor]:
        """What `answer_losses` has, and with distillation its block-wise part, which `loss` then includes."""
        states, losses = answer_losses(self.vora, rows, patches, causal)
        if distilled:
            start = image_start(torch.from_numpy(rows[:, 0]))
            shown = [state[: len(patches), start : start + CELL_COUNT] for state in states[1 : 1 + self.depth]]
            losses["distillation"] = self.distillation(shown, patches)
            losses["loss"] = losses["loss"] + losses["distillation"]
        return losses


def answer_losses(
    vora: Vora, rows: np.ndarray, patches: Tensor, causal: bool = False
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Hidden states [B,L,H] and the LM's `loss` on answers (also `language`), with the share of answer tokens right.

    rows: i16 [B,4,L], of which the first len(patches) show a picture; patches f32 [P,64,588], P < B.
    `picture` and `text` are those shares with a picture and in text alone.
    """
    ids, branch, position, target = unpack(rows, patches.device)
    states = vora(ids, branch, position, patches, causal)
    loss, _ = answer_loss(vora.llm, states[-1], ids, branch, target)
    losses, seen = {"language": loss, "loss": loss}, len(patches)
    with torch.no_grad():
        for name, part in (("picture", slice(0, seen)), ("text", slice(seen, None))):
            hidden = states[-1][part]
            losses[name] = answer_loss(vora.llm, hidden, ids[part], branch[part], target[part])[1]
    return states, losses


def train_look(run: Path, recipe: Recipe, device: torch.device) -> None:
    """Distillation alone, through the blocks that have a teacher: cheap, since no text runs. Writes `look.pt`."""
    torch.manual_seed(SEED)
    both = Apprenticeship(run, recipe, device, build_vora(run, recipe))

    def step(number: int, _progress: float) -> dict[str, Tensor]:
        rows, patches = both.batch(number, recipe.look_batch, recipe.look_steps)
        ids = unpack(rows, device)[0]
        return {"loss": both.distillation(both.vora.look(ids, patches, both.depth), patches)}

    train(run, "look", both.modules(), both.optimizers(), step, recipe.look_steps)


def train_vora(run: Path, recipe: Recipe, device: torch.device) -> None:
    """LM loss on answers + block-wise distillation, a fifth of every batch text only. Writes `vora.pt`."""
    torch.manual_seed(SEED)
    both = Apprenticeship(run, recipe, device, build_vora(run, recipe))
    for name, module in both.modules().items():
        module.load_state_dict(load_weights(run, "look", name))
    texts = np.load(run / "texts.npy", mmap_mode="r")
    seen, read = recipe.batch - recipe.batch // 5, recipe.batch // 5
    rank, processes = place()

    def step(number: int, _progress: float) -> dict[str, Tensor]:
        text = (number * processes + rank) * read % (len(texts) - read)
        rows, patches = both.batch(number, seen, recipe.vora_steps)
        return both.losses(np.concatenate((rows, texts[text : text + read])), patches)

    train(run, "vora", both.modules(), both.optimizers(), step, recipe.vora_steps)
