"""Who may attend to whom in a packed row."""

import torch
from torch import Tensor

from training.dialogue import CONTEXT, PADDING


def packed_mask(branch: Tensor, image: Tensor | None) -> Tensor:
    """bool [B,L,L] from `branch` i64 [B,L] and, where pictures are, `image` bool [B,L].

    Causal; a turn sees the context and itself; image tokens of a row see one another (the
    bidirectional run of VoRA `models/attention_mask.py`). Padding sees only itself.
    """
    length = branch.shape[1]
    order = torch.arange(length, device=branch.device)
    causal = order[None, :] <= order[:, None]
    rows, columns = branch[:, :, None], branch[:, None, :]
    allowed = causal & ((columns == CONTEXT) | (columns == rows)) & (columns != PADDING) & (rows != PADDING)
    if image is not None:
        allowed = allowed | (image[:, :, None] & image[:, None, :])
    return allowed | torch.eye(length, dtype=torch.bool, device=branch.device)
