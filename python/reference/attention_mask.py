"""VoRA's attention mask (paper §3.3): causal for text, every image sees all of itself."""

import torch

Run = tuple[int, int]


def image_runs(is_image: list[bool]) -> list[Run]:
    """(start, length) of every contiguous run; adjacent images fuse, as in the reference."""
    runs: list[Run] = []
    for position, image in enumerate(is_image):
        if not image:
            continue
        if runs and sum(runs[-1]) == position:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((position, 1))
    return runs


def may_attend(runs: list[Run], length: int) -> torch.Tensor:
    """Bool [length, length]; row = query, column = key."""
    allowed = torch.ones(length, length, dtype=torch.bool).tril()
    for start, count in runs:
        allowed[start : start + count, start : start + count] = True
    return allowed


def additive(allowed: torch.Tensor) -> torch.Tensor:
    """Bool [L, L] → f32 [1, 1, L, L]: 0 or the lowest f32."""
    bias = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)
    return bias[None, None]
