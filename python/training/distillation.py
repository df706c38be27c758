"""Block-wise distillation: every early block of the LLM looks, at image tokens, like a block of the teacher."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.decoder import RMSNorm

HEAD_EPS = 1e-5


class DistillationHeads(nn.Module):
    """One RMSNorm + linear head per teacher block (reference `aux_vision.py`); dropped after training."""

    def __init__(self, hidden_size: int, width: int, depth: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(RMSNorm(hidden_size, HEAD_EPS), nn.Linear(hidden_size, width, bias=False))
            for _ in range(depth)
        )

    def forward(self, states: list[Tensor], wanted: list[Tensor]) -> Tensor:
        """Mean over blocks and patches of 1 - cosine; states and wanted: per block [B,64,·]."""
        losses = [
            1 - F.cosine_similarity(head(state).float(), target.float(), dim=-1).mean()
            for head, state, target in zip(self.heads, states, wanted, strict=True)
        ]
        return torch.stack(losses).mean()
