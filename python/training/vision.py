"""Pixels to embeddings: the only vision parts of VoRA that stay after training (reference `vision_embedding.py`)."""

import torch
from torch import Tensor, nn

from training.decoder import RMSNorm
from training.grid import CELL_PX, CELLS

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
PATCH_VALUES = 3 * CELL_PX * CELL_PX


def to_patches(images: Tensor) -> Tensor:
    """Normalised patches f32 [B,64,588] in (channel, row, column) order, from u8 [B,112,112,3]."""
    pixels = (images.float() / 255 - torch.tensor(MEAN, device=images.device)) / torch.tensor(STD, device=images.device)
    cells = pixels.view(-1, CELLS, CELL_PX, CELLS, CELL_PX, 3).permute(0, 1, 3, 5, 2, 4)
    return cells.reshape(-1, CELLS * CELLS, PATCH_VALUES)


class VisionEmbedding(nn.Module):
    """588 → D with bias, RMSNorm, + position, D → hidden; `proj` is the convolution of the reference as a product."""

    def __init__(self, hidden_size: int, width: int, eps: float) -> None:
        super().__init__()
        self.proj = nn.Linear(PATCH_VALUES, width)
        self.norm = RMSNorm(width, eps)
        self.pos_embed = nn.Parameter(torch.zeros(1, CELLS * CELLS, width))
        self.out_proj = nn.Linear(width, hidden_size, bias=False)
        with torch.no_grad():
            # Light grounds make every patch nearly the same vector: filters without a mean see what is drawn on them.
            filters = self.proj.weight[: width * 3 // 4].view(-1, 3, PATCH_VALUES // 3)
            filters -= filters.mean(-1, keepdim=True)

    def forward(self, patches: Tensor) -> Tensor:
        """[B,64,588] → [B,64,hidden]."""
        out: Tensor = self.out_proj(self.norm(self.proj(patches)) + self.pos_embed)
        return out

    def checkpoint(self) -> dict[str, Tensor]:
        """Tensors under the published names, the product as the convolution it is."""
        return {
            "vision_embedding.patchifier.proj.weight": self.proj.weight.view(-1, 3, CELL_PX, CELL_PX),
            "vision_embedding.patchifier.proj.bias": self.proj.bias,
            "vision_embedding.patchifier.norm.weight": self.norm.weight,
            "vision_embedding.pos_embed": self.pos_embed,
            "vision_embedding.out_proj.weight": self.out_proj.weight,
        }
