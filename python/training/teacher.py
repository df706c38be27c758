"""The teacher: a small ViT on the same 8 x 8 grid, with a convolutional stem and dense per-patch heads."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.grid import CELL_PX, CELLS
from training.picture import IGNORED, LABEL_HEADS

STEM = 96
HALF_CELL_PX = CELL_PX // 2
NONE_WEIGHT = 0.15
"""Weight of class 0 ("nothing here"), which is nine labels in ten."""


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, length, width)
        x = x + self.out(mixed)
        out: Tensor = x + self.down(F.gelu(self.up(self.norm2(x))))
        return out


class Teacher(nn.Module):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM, HALF_CELL_PX, HALF_CELL_PX),
            nn.GELU(),
            nn.Conv2d(STEM, STEM, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(STEM, width, 2, 2),
        )
        self.position = nn.Parameter(torch.randn(1, CELLS * CELLS, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, width // 32) for _ in range(depth))
        self.heads = nn.ModuleDict({name: nn.Linear(width, classes) for name, classes in LABEL_HEADS.items()})

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Normalised f32 [B,3,112,112] → states [B,64,width]: after the stem and after every block."""
        states = [self.stem(pixels).flatten(2).transpose(1, 2) + self.position]
        for block in self.blocks:
            states.append(block(states[-1]))
        return states

    def losses(self, state: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Summed cross entropy, and per head the accuracy over patches that show something; labels u8 [B,64,5]."""
        total, accuracies = torch.zeros((), device=state.device), {}
        for index, (name, head) in enumerate(self.heads.items()):
            wanted = labels[..., index].long().flatten()
            logits = head(state).flatten(0, 1).float()
            weight = torch.ones(logits.shape[1], device=state.device)
            weight[0] = NONE_WEIGHT
            total = total + F.cross_entropy(logits, wanted, weight, ignore_index=IGNORED)
            shown = (wanted > 0) & (wanted != IGNORED)
            accuracies[name] = (logits.argmax(-1) == wanted)[shown].float().mean()
        return total, accuracies


def patches_to_pixels(patches: Tensor) -> Tensor:
    """[B,64,588] → [B,3,112,112], the inverse of the layout of `to_patches`."""
    cells = patches.view(-1, CELLS, CELLS, 3, CELL_PX, CELL_PX).permute(0, 3, 1, 4, 2, 5)
    return cells.reshape(-1, 3, CELLS * CELL_PX, CELLS * CELL_PX)
