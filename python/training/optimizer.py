"""Muon for matrices, AdamW for the rest, on one schedule."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from training.precision import multiplies_bf16

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalize(update: Tensor, steps: int = 5) -> Tensor:
    """Nearest semi-orthogonal matrices to f32 [N,rows,columns], by the quintic Newton-Schulz iteration of Muon."""
    a, b, c = NEWTON_SCHULZ
    tall = update.shape[1] > update.shape[2]
    x = update.transpose(1, 2) if tall else update
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    if multiplies_bf16(update.device):
        x = x.bfloat16()
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    out: Tensor = x.transpose(1, 2) if tall else x
    return out.float()


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised per matrix (Jordan et al. 2024), batched over equal shapes.

    `torch.optim.Muon` takes one matrix at a time, which is slow for many small ones.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes[parameter.shape].append(parameter)
            for shape, parameters in shapes.items():
                updates = torch.stack([self._nesterov(p, group["momentum"]) for p in parameters])
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for parameter, update in zip(parameters, orthogonalize(updates), strict=True):
                    parameter.add_(update, alpha=-scale)

    def _nesterov(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(state["momentum"], momentum)


class Optimizers:
    """The two optimizers of a stage; learning rates warm up, hold, then fall linearly.

    The fall is most of the stage: what binds a word to its place in a map is learned while the rate falls.
    """

    def __init__(self, modules: list[nn.Module], muon_lr: float, adam_lr: float, no_muon: tuple[str, ...] = ()) -> None:
        matrices: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for module in modules:
            for name, parameter in module.named_parameters():
                if parameter.requires_grad:
                    hidden = parameter.dim() == 2 and not any(part in name for part in no_muon)
                    (matrices if hidden else rest).append(parameter)
        self.parameters = matrices + rest
        self.muon = Muon(matrices, muon_lr)
        self.adam = torch.optim.AdamW(rest, adam_lr, betas=(0.9, 0.98), weight_decay=0.0)
        self.peaks = (muon_lr, adam_lr)

    def step(self, progress: float, warmup: float = 0.02, fall: float = 0.85) -> None:
        """One update at `progress` (0 to 1) of the stage, gradients clipped to norm 1 and cleared."""
        factor = min(1.0, progress / warmup + 0.05, 0.02 + 0.98 * (1 - progress) / fall)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer, peak in zip((self.muon, self.adam), self.peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
