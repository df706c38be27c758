"""The oracle: transformers' Qwen2 with unmerged LoRA, our vision embedding and a 4-D mask; f32, batch 1, no cache."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from .attention_mask import Run, additive, may_attend
from .checkpoint import read_tensors
from .config import VoraConfig
from .json_file import read_json
from .lora import apply_lora
from .vision_embedding import VisionEmbedding


@dataclass(frozen=True)
class Generation:
    """Greedy tokens; for each, how far its logit was above the second best, and the log-softmax it came from."""

    ids: list[int]
    margins: list[float]
    logprobs: torch.Tensor


class Oracle(nn.Module):
    """A VoRA checkpoint ready to run."""

    def __init__(self, config: VoraConfig, folder: Path) -> None:
        super().__init__()
        tensors = read_tensors(folder)
        llm_config = Qwen2Config.from_dict({**read_json(folder / "config.json"), "model_type": "qwen2"})
        llm_config._attn_implementation = "eager"
        self.llm = Qwen2ForCausalLM(llm_config).float().eval()
        weights = {
            name.removeprefix("llm."): tensor.float()
            for name, tensor in tensors.items()
            if name.startswith("llm.") and ".lora_" not in name
        }
        self.llm.load_state_dict(weights, strict=True)
        apply_lora(self.llm, tensors)
        self.vision = VisionEmbedding(config, tensors)

    def embed(self, ids: list[int]) -> torch.Tensor:
        """Token ids → f32 [n, hidden]."""
        rows: torch.Tensor = self.llm.get_input_embeddings()(torch.tensor(ids, dtype=torch.int64))
        return rows

    def logits(self, embeds: torch.Tensor, runs: list[Run]) -> torch.Tensor:
        """f32 [L, hidden] and image runs → f32 [L, vocab]."""
        length = embeds.shape[0]
        output = self.llm(
            inputs_embeds=embeds[None],
            attention_mask=additive(may_attend(runs, length)),
            position_ids=torch.arange(length)[None],
            use_cache=False,
        )
        logits: torch.Tensor = output.logits[0]
        return logits

    def greedy(self, embeds: torch.Tensor, runs: list[Run], count: int) -> Generation:
        """`count` most likely tokens, each from the whole sequence; the end of turn does not stop it."""
        ids: list[int] = []
        margins: list[float] = []
        logprobs: list[torch.Tensor] = []
        for _ in range(count):
            logits = self.logits(embeds, runs)[-1]
            logprobs.append(logits.double().log_softmax(-1).float())
            best = logits.topk(2)
            ids.append(int(best.indices[0]))
            margins.append(float(best.values[0] - best.values[1]))
            embeds = torch.cat([embeds, self.embed(ids[-1:])])
        return Generation(ids, margins, torch.stack(logprobs))

    def embed_pixels(self, pixels: np.ndarray) -> torch.Tensor:
        rows: torch.Tensor = self.vision(pixels)
        return rows
