"""Data parallelism over processes, for `torchrun --nproc-per-node N -m training …`; one process needs nothing."""

import os

import torch
from torch import Tensor, distributed, nn


def join() -> None:
    """Join the group that torchrun prepared, if there is one."""
    if "WORLD_SIZE" in os.environ and not distributed.is_initialized():
        distributed.init_process_group("gloo")


def place() -> tuple[int, int]:
    """(rank, processes)."""
    if distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes, in one message."""
    size = place()[1]
    if size == 1:
        return
    gradients: list[Tensor] = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= size
    for parameter, mean in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
        parameter.grad = mean.view_as(parameter)
