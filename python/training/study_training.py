"""One run of the study: a student as its variant wants it, and the same budget for all."""

from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.dataset import open_pictures, thin
from training.loop import train
from training.recipe import Recipe
from training.study_cost import peak_bytes, step_bytes, thread_seconds
from training.study_variant import Variant
from training.vision import to_patches
from training.vora import Vora
from training.vora_stage import Apprenticeship, load_base

WARM_STEPS = 5
"""First steps of a kind, which may compile, are not timed."""


def build_student(run: Path, recipe: Recipe, chosen: Variant) -> Vora:
    """The base LLM with fresh LoRA of the variant's rank, or with none and every weight trainable."""
    base = load_base(run, recipe)
    if chosen.full:
        return Vora(base, recipe.vision_width, rank=0, lora_layers=0).requires_grad_(True)
    return Vora(base, recipe.vision_width, chosen.rank or recipe.lora_rank, recipe.lora_layers)


class Lesson:
    """The steps of one run: `look_steps` of distillation alone, then LM loss + distillation.

    Without distillation, all steps are of the second kind. The pictures are the whole file thinned to the
    budget, in its order, since that is the curriculum; every seed gets others.
    """

    def __init__(self, run: Path, recipe: Recipe, chosen: Variant, seed: int, both: Apprenticeship) -> None:
        self.recipe, self.chosen, self.both = recipe, chosen, both
        self.shift = seed / recipe.study_seeds
        self.pictures = open_pictures(run / "pictures")
        self.texts = np.load(run / "texts.npy", mmap_mode="r")
        self.look_steps = recipe.study_look_steps if chosen.distilled else 0
        self.clock: list[float] = []

    def step(self, number: int) -> dict[str, Tensor]:
        """Losses of step `number` of the run; `loss` is minimised."""
        recipe, both = self.recipe, self.both
        if number < self.look_steps:
            rows, patches = self._shown(number, recipe.study_look_batch, self.look_steps)
            ids = torch.from_numpy(rows[:, 0].astype(np.int64)).to(both.device)
            states = both.vora.look(ids, patches, both.depth, self.chosen.causal)
            return {"loss": both.distillation(states, patches)}
        self.clock.append(thread_seconds(both.device))
        number, steps = number - self.look_steps, recipe.study_steps - self.look_steps
        read = texts_of(recipe)
        rows, patches = self._shown(number, recipe.study_batch - read, steps)
        texts = self.texts[thin(len(self.texts), number, read, steps, self.shift)]
        return both.losses(np.concatenate((rows, texts)), patches, self.chosen.causal, self.chosen.distilled)

    def seconds_per_step(self) -> float | None:
        """Median over the steps with LM loss that this process ran; None where it only ran a few."""
        seconds = np.diff(self.clock)[WARM_STEPS:].tolist()
        return median(seconds) if seconds else None

    def _shown(self, number: int, batch: int, steps: int) -> tuple[np.ndarray, Tensor]:
        """Rows i16 [batch,4,L] and patches f32 [batch,64,588]."""
        places = thin(len(self.pictures["images"]), number, batch, steps, self.shift)
        return self.pictures["rows"][places], to_patches(
            torch.from_numpy(self.pictures["images"][places]).to(self.both.device)
        )


def texts_of(recipe: Recipe) -> int:
    """Rows of text alone in a batch."""
    return max(1, recipe.study_batch // 5)


def train_student(
    run: Path, folder: Path, recipe: Recipe, chosen: Variant, seed: int, device: torch.device, student: Vora
) -> dict[str, Any]:
    """Train `student` in place; its cost. Resumes from and leaves `<variant>-<seed>.pt` in `folder`."""
    both = Apprenticeship(run, recipe, device, student)
    lesson = Lesson(run, recipe, chosen, seed, both)
    optimizers = both.optimizers(recipe.study_rate * chosen.rate)
    name = f"{chosen.name}-{seed}"
    train(folder, name, both.modules(), optimizers, lambda number, _progress: lesson.step(number), recipe.study_steps)
    facts = {
        "steps": recipe.study_steps,
        "rank": 0 if chosen.full else chosen.rank or recipe.lora_rank,
        "trainable": sum(p.numel() for p in student.parameters() if p.requires_grad),
        "parameters": sum(p.numel() for p in student.parameters()),
        "seconds_per_step": lesson.seconds_per_step(),
        "peak_bytes": peak_bytes(device),
    }
    modules, last = [student, both.heads, both.teacher], recipe.study_steps - 1
    return facts | {"step_bytes": step_bytes(modules, optimizers, lambda: lesson.step(last)["loss"])}
