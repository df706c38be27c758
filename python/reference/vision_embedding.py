"""VoRA's vision embedding (paper §3.1; AIMv2's patch embedding): pixels → prompt embeddings."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .config import IMAGE_MEAN, IMAGE_STD, VoraConfig


class VisionEmbedding(nn.Module):
    """Conv patchifier → RMSNorm → position table → projection, all f32. Parameter names are the checkpoint's."""

    conv: torch.Tensor
    bias: torch.Tensor
    gamma: torch.Tensor
    table: torch.Tensor
    projection: torch.Tensor

    def __init__(self, config: VoraConfig, tensors: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.patch = config.patch_size
        self.eps = config.rms_norm_eps
        for attribute, name in {
            "conv": "patchifier.proj.weight",
            "bias": "patchifier.proj.bias",
            "gamma": "patchifier.norm.weight",
            "table": "pos_embed",
            "projection": "out_proj.weight",
        }.items():
            self.register_buffer(attribute, tensors[f"vision_embedding.{name}"].float())

    def positions(self, rows: int, columns: int) -> torch.Tensor:
        """[rows·columns, D]. A grid that fits takes the table's first rows in raster order, whatever its width (the
        reference's quirk); a larger one takes the square table interpolated bilinearly."""
        count, (_, table_rows, d) = rows * columns, self.table.shape
        if count <= table_rows:
            return self.table[0, :count]
        side = int(table_rows**0.5)
        square = self.table.view(1, side, side, d).permute(0, 3, 1, 2)
        grid = functional.interpolate(square, size=(rows, columns), mode="bilinear", align_corners=False)
        return grid.flatten(2)[0].T

    def forward(self, pixels: np.ndarray) -> torch.Tensor:
        """U8 [h, w, 3] with h and w multiples of the patch → f32 [h/p·w/p, hidden]."""
        x = normalise(pixels)
        height, width = pixels.shape[:2]
        tokens = functional.conv2d(x[None], self.conv, self.bias, stride=self.patch).flatten(2)[0].T
        rms = torch.sqrt(tokens.pow(2).mean(-1, keepdim=True) + self.eps)
        tokens = tokens / rms * self.gamma
        return (tokens + self.positions(height // self.patch, width // self.patch)) @ self.projection.T


def normalise(pixels: np.ndarray) -> torch.Tensor:
    """U8 [h, w, 3] → f32 [3, h, w]: /255, CLIP mean and standard deviation."""
    x = torch.from_numpy(pixels.copy()).float().permute(2, 0, 1) / 255
    return (x - torch.tensor(IMAGE_MEAN)[:, None, None]) / torch.tensor(IMAGE_STD)[:, None, None]


def patchify(pixels: np.ndarray, patch: int) -> np.ndarray:
    """U8 [h, w, 3] → U8 [h/p·w/p, 3·p·p]; values of a patch in (channel, row, column) order."""
    height, width, _ = pixels.shape
    grid = pixels.reshape(height // patch, patch, width // patch, patch, 3)
    return np.ascontiguousarray(grid.transpose(0, 2, 4, 1, 3)).reshape(-1, 3 * patch * patch)
