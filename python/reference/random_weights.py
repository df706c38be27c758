"""Deterministic random weights in VoRA's key layout, scaled so that greedy continuations stay lively."""

from collections.abc import Sequence

import numpy as np
import torch

from .config import LORA_TARGETS, VoraConfig

Tensors = dict[str, torch.Tensor]

# Standard deviations relative to 1/sqrt(fan in). Sharp attention makes the words depend on the image.
GAIN = {"q_proj": 1.2, "k_proj": 1.2, "v_proj": 1.2, "o_proj": 1.6, "gate_proj": 1.2, "up_proj": 1.2, "down_proj": 1.6}
LORA_GAIN = 0.5
LOGIT_SCALE = 6.0


def linear_shapes(config: VoraConfig) -> dict[str, tuple[int, int]]:
    """[out, in] of the seven linears of a block."""
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    return {
        "self_attn.q_proj": (queries, config.hidden),
        "self_attn.k_proj": (keys, config.hidden),
        "self_attn.v_proj": (keys, config.hidden),
        "self_attn.o_proj": (config.hidden, queries),
        "mlp.gate_proj": (config.ffn, config.hidden),
        "mlp.up_proj": (config.ffn, config.hidden),
        "mlp.down_proj": (config.hidden, config.ffn),
    }


class Normal:
    """Named source of normal numbers: each tensor's values depend on the seed and its own name alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def draw(self, name: str, shape: Sequence[int], std: float, mean: float = 0.0) -> torch.Tensor:
        """bf16 tensor of `shape`; numpy's generator, because torch's differs between CPUs."""
        random = np.random.Generator(np.random.PCG64([self.seed, *name.encode()]))
        values = mean + std * random.standard_normal(tuple(shape))
        return torch.from_numpy(values.astype(np.float32)).to(torch.bfloat16)


def llm_tensors(config: VoraConfig, normal: Normal, speakable: Sequence[int]) -> Tensors:
    """Qwen2's tensors, names as in a plain Hugging Face checkpoint (no `llm.`).

    Rows of lm_head outside `speakable` are zero: their logits are 0, far below the largest, so generation neither ends
    nor leaves the words.
    """
    tensors = {"model.embed_tokens.weight": normal.draw("embed_tokens", (config.vocab, config.hidden), 1.0)}
    for layer in range(config.layers):
        prefix = f"model.layers.{layer}"
        tensors[f"{prefix}.input_layernorm.weight"] = normal.draw(f"{prefix}.norm1", (config.hidden,), 0.1, 1.0)
        for name, (rows, columns) in linear_shapes(config).items():
            gain = GAIN[name.split(".")[-1]]
            tensors[f"{prefix}.{name}.weight"] = normal.draw(f"{prefix}.{name}", (rows, columns), gain / columns**0.5)
            if name.endswith(("q_proj", "k_proj", "v_proj")):
                tensors[f"{prefix}.{name}.bias"] = normal.draw(f"{prefix}.{name}.bias", (rows,), 0.3)
        tensors[f"{prefix}.post_attention_layernorm.weight"] = normal.draw(
            f"{prefix}.norm2", (config.hidden,), 0.1, 1.0
        )
    tensors["model.norm.weight"] = normal.draw("norm", (config.hidden,), 0.1, 1.0)
    head = normal.draw("lm_head", (config.vocab, config.hidden), LOGIT_SCALE / config.hidden**0.5)
    silent = torch.ones(config.vocab, dtype=torch.bool)
    silent[list(speakable)] = False
    head[silent] = 0
    tensors["lm_head.weight"] = head
    return tensors


def lora_tensors(config: VoraConfig, normal: Normal) -> Tensors:
    """`llm.model.layers.N.<linear>.lora_{A,B}.weight`: A [r, in], B [out, r]."""
    tensors: Tensors = {}
    shapes = linear_shapes(config)
    for layer in range(config.lora_layers):
        for name in LORA_TARGETS:
            rows, columns = shapes[name]
            prefix = f"llm.model.layers.{layer}.{name}"
            std_b = LORA_GAIN / config.lora_rank**0.5
            tensors[f"{prefix}.lora_A.weight"] = normal.draw(f"{prefix}.A", (config.lora_rank, columns), columns**-0.5)
            tensors[f"{prefix}.lora_B.weight"] = normal.draw(f"{prefix}.B", (rows, config.lora_rank), std_b)
    return tensors


def vision_tensors(config: VoraConfig, normal: Normal) -> Tensors:
    """`vision_embedding.*`; the position table is strong enough that a wrong row order shows."""
    d, patch = config.vision_hidden, config.patch_size
    fan_in = 3 * patch * patch
    prefix = "vision_embedding"
    return {
        f"{prefix}.patchifier.proj.weight": normal.draw(f"{prefix}.conv", (d, 3, patch, patch), fan_in**-0.5),
        f"{prefix}.patchifier.proj.bias": normal.draw(f"{prefix}.bias", (d,), 0.2),
        f"{prefix}.patchifier.norm.weight": normal.draw(f"{prefix}.norm", (d,), 0.1, 1.0),
        f"{prefix}.pos_embed": normal.draw(f"{prefix}.pos", (1, config.positions, d), 0.5),
        f"{prefix}.out_proj.weight": normal.draw(f"{prefix}.out", (config.hidden, d), d**-0.5),
    }


def aux_tensors(config: VoraConfig, normal: Normal) -> Tensors:
    """Small stand-ins for the distillation teacher and its heads, which pretraining checkpoints carry."""
    d = config.vision_hidden
    return {
        "aux_vision.aux_model.preprocessor.pos_embed": normal.draw("aux.pos", (1, config.positions, 16), 0.02),
        "aux_vision.aux_layer_0.0.weight": normal.draw("aux.norm", (config.hidden,), 0.1, 1.0),
        "aux_vision.aux_layer_0.1.weight": normal.draw("aux.linear", (d, config.hidden), config.hidden**-0.5),
    }
