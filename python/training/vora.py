"""The student: frozen LLM + LoRA + vision embedding, over packed rows with pictures or without."""

import torch
from torch import Tensor, nn

from training.attention_mask import packed_mask
from training.decoder import Decoder
from training.dialogue import CELL_COUNT, CONTEXT, TURNS_LENGTH
from training.vision import VisionEmbedding


class Vora(nn.Module):
    def __init__(self, decoder: Decoder, vision_width: int, rank: int, lora_layers: int) -> None:
        super().__init__()
        decoder.add_lora(rank, lora_layers)
        self.llm = decoder
        self.vision = VisionEmbedding(decoder.config.hidden_size, vision_width, decoder.config.rms_norm_eps)

    def forward(
        self, ids: Tensor, branch: Tensor, position: Tensor, patches: Tensor, causal: bool = False
    ) -> list[Tensor]:
        """Hidden states [B,L,H] of B rows, of which the first len(patches) show a picture.

        patches: f32 [P,64,588], P ≤ B; they stand where the map of the row was.
        """
        pictures, start = len(patches), image_start(ids)
        embeddings: Tensor = self.llm.model.embed_tokens(ids)
        image = torch.zeros_like(branch, dtype=torch.bool)
        if pictures:
            seen = self.vision(patches)
            head, tail = embeddings[:pictures, :start], embeddings[:pictures, start + CELL_COUNT :]
            embeddings = torch.cat((torch.cat((head, seen, tail), dim=1), embeddings[pictures:]))
            image[:pictures, start : start + CELL_COUNT] = True
        states: list[Tensor] = self.llm(embeddings, packed_mask(branch, None if causal else image), position)
        return states

    def look(self, ids: Tensor, patches: Tensor, depth: int, causal: bool = False) -> list[Tensor]:
        """States [B,64,H] of the image tokens after each of the first `depth` blocks, with no question asked."""
        start = image_start(ids)
        head: Tensor = self.llm.model.embed_tokens(ids[:, :start])
        embeddings = torch.cat((head, self.vision(patches)), dim=1)
        branch = torch.full(embeddings.shape[:2], CONTEXT, device=ids.device)
        image = torch.zeros_like(branch, dtype=torch.bool)
        image[:, start:] = True
        mask = packed_mask(branch, None if causal else image)
        position = torch.arange(embeddings.shape[1], device=ids.device).expand_as(branch)
        return [s[:, start:] for s in self.llm(embeddings, mask, position, depth)[1:]]


def image_start(ids: Tensor) -> int:
    """Place of the first image token in rows [B,L]: right after the fixed prefix."""
    return ids.shape[1] - TURNS_LENGTH - CELL_COUNT
