"""VoRA's LoRA: y = W x + b + B (A x). No alpha, no scaling, no dropout."""

import torch
from torch import nn


class LoraLinear(nn.Module):
    """A frozen linear [out, in] with A [r, in] and B [out, r] beside it, never merged."""

    def __init__(self, base: nn.Linear, a: torch.Tensor, b: torch.Tensor) -> None:
        super().__init__()
        self.base = base
        self.a = nn.Parameter(a, requires_grad=False)
        self.b = nn.Parameter(b, requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., in] → [..., out]."""
        base: torch.Tensor = self.base(x)
        return base + (x @ self.a.T) @ self.b.T


def adapters(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Module path without `llm.` → (A, B), both f32."""
    suffix = ".lora_A.weight"
    return {
        name.removesuffix(suffix).removeprefix("llm."): (
            tensor.float(),
            tensors[name.removesuffix(suffix) + ".lora_B.weight"].float(),
        )
        for name, tensor in tensors.items()
        if name.endswith(suffix)
    }


def apply_lora(llm: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Puts a LoraLinear in place of every linear that `tensors` adapt."""
    for path, (a, b) in adapters(tensors).items():
        parent, _, child = path.rpartition(".")
        linear = llm.get_submodule(path)
        if not isinstance(linear, nn.Linear):
            raise TypeError(f"{path}: an adapter for {type(linear).__name__}, expected Linear")
        setattr(llm.get_submodule(parent), child, LoraLinear(linear, a, b))


def merge(tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """VoRA tensors → the same without LoRA: W + B·A accumulated in f32, one round-to-nearest-even to `dtype`.

    Tensors without an adapter keep their values and are only converted.
    """
    deltas = {f"llm.{path}.weight": b @ a for path, (a, b) in adapters(tensors).items()}
    merged = {}
    for name, tensor in tensors.items():
        if ".lora_" in name:
            continue
        delta = deltas.pop(name, None)
        merged[name] = tensor.to(dtype) if delta is None else (tensor.float() + delta).to(dtype)
    if deltas:
        raise ValueError(f"adapters without a base weight: {sorted(deltas)}")
    return merged
