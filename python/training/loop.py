"""The training loop of every stage: a number of steps, a log, and a checkpoint to resume from."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from training.optimizer import Optimizers
from training.parallel import average_gradients, place
from training.precision import mixed

SAVE_EVERY_S = 120.0
LOG_EVERY_STEPS = 20

Step = Callable[[int, float], dict[str, Tensor]]
"""(step, progress) -> losses; the one named `loss` is minimised."""


def train(
    folder: Path, name: str, modules: dict[str, nn.Module], optimizers: Optimizers, step: Step, steps: int
) -> None:
    """Run `step` until `steps` are done, counting those of earlier, interrupted runs, in the machine's fast arithmetic.

    Writes `<name>.pt` (weights, optimizer state, step, seconds) and one JSON line per 20 steps to `<name>.jsonl`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.pt"
    number, spent = 0, 0.0
    if file.exists():
        state = torch.load(file, weights_only=True)
        for key, module in modules.items():
            module.load_state_dict(state["modules"][key])
        optimizers.load_state_dict(state["optimizers"])
        number, spent = state["step"], state["seconds"]
    device = optimizers.parameters[0].device
    began, saved = time.monotonic() - spent, time.monotonic()
    while number < steps:
        with mixed(device):
            losses = step(number, number / steps)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        average_gradients(optimizers.parameters)
        optimizers.step(number / steps)
        number, spent = number + 1, time.monotonic() - began
        if place()[0] != 0:
            continue
        if number % LOG_EVERY_STEPS == 0:
            line = {"step": number, "seconds": round(spent, 1)} | {
                k: round(float(v.detach()), 4) for k, v in losses.items()
            }
            with (folder / f"{name}.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
        if time.monotonic() - saved > SAVE_EVERY_S or number == steps:
            save(file, modules, optimizers, number, spent)
            saved = time.monotonic()


def save(file: Path, modules: dict[str, nn.Module], optimizers: Optimizers, step: int, seconds: float) -> None:
    """Write the checkpoint so that a kill at any moment leaves the former or the new one whole."""
    partial = file.with_suffix(".partial")
    torch.save(
        {
            "modules": {key: module.state_dict() for key, module in modules.items()},
            "optimizers": optimizers.state_dict(),
            "step": step,
            "seconds": seconds,
        },
        partial,
    )
    os.replace(partial, file)
