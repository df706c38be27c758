"""Stage 2: the teacher learns what every patch shows."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.dataset import open_pictures
from training.loop import train
from training.optimizer import Optimizers
from training.recipe import Recipe
from training.teacher import Teacher, patches_to_pixels
from training.vision import to_patches

NO_MUON = ("position", "heads")


def train_teacher(run: Path, recipe: Recipe, device: torch.device) -> None:
    """Trains on the pictures of the run folder in random order; writes `teacher.pt`."""
    pictures = open_pictures(run / "pictures")
    torch.manual_seed(2)
    teacher = Teacher(recipe.teacher_width, recipe.teacher_depth).to(device)
    optimizers = Optimizers([teacher], muon_lr=0.02, adam_lr=0.002, no_muon=NO_MUON)

    def step(number: int, _progress: float) -> dict[str, Tensor]:
        chosen = np.sort(
            np.random.default_rng(number).choice(len(pictures["images"]), recipe.teacher_batch, replace=False)
        )
        images = torch.from_numpy(pictures["images"][chosen]).to(device)
        labels = torch.from_numpy(pictures["labels"][chosen]).to(device)
        state = teacher(patches_to_pixels(to_patches(images)))[-1]
        loss, accuracies = teacher.losses(state, labels)
        return {"loss": loss} | accuracies

    train(run, "teacher", {"teacher": teacher}, optimizers, step, recipe.teacher_steps)
