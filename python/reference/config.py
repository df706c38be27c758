"""Dimensions of the random models and the configuration files of a published VoRA checkpoint."""

from dataclasses import dataclass
from typing import Any

LORA_TARGETS = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.up_proj",
    "mlp.gate_proj",
    "mlp.down_proj",
]

# CLIP statistics, as in generation_files/preprocessor_config.json of the reference.
IMAGE_MEAN = [0.48145466, 0.4578275, 0.40821073]
IMAGE_STD = [0.26862954, 0.26130258, 0.27577711]

NATIVE_MIN_PIXELS = 56 * 56
NATIVE_MAX_PIXELS = 14 * 14 * 144


@dataclass(frozen=True)
class VoraConfig:
    """A VoRA model on a Qwen2 language model. Sizes in elements; `vision_hidden` is the paper's D."""

    name: str
    seed: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    vocab: int
    lora_layers: int
    lora_rank: int
    vision_hidden: int
    image_size: int
    patch_size: int = 14
    rms_norm_eps: float = 1e-6
    rope_theta: float = 1e6
    max_positions: int = 2048

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads

    @property
    def positions(self) -> int:
        """Rows of the position table."""
        return (self.image_size // self.patch_size) ** 2


# The seed was chosen so that greedy answers vary and no step is close to a tie (goldens.py refuses others).
# The tokenizer has 800 tokens; the model has more rows, as Qwen's does (151 665 of 152 064).
VORA_RANDOM = VoraConfig(
    name="vora-random",
    seed=14,
    hidden=128,
    layers=4,
    heads=4,
    kv_heads=2,
    ffn=256,
    vocab=832,
    lora_layers=3,
    lora_rank=16,
    vision_hidden=640,
    image_size=112,
)

VORA_AUX = VoraConfig(
    name="vora-aux",
    seed=2,
    hidden=64,
    layers=2,
    heads=2,
    kv_heads=1,
    ffn=96,
    vocab=832,
    lora_layers=1,
    lora_rank=8,
    vision_hidden=80,
    image_size=56,
)


def qwen2_config(config: VoraConfig, eos: int, pad: int) -> dict[str, Any]:
    """config.json of the plain language model."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": pad,
        "eos_token_id": eos,
        "hidden_act": "silu",
        "hidden_size": config.hidden,
        "initializer_range": 0.02,
        "intermediate_size": config.ffn,
        "max_position_embeddings": config.max_positions,
        "max_window_layers": config.layers,
        "model_type": "qwen2",
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.kv_heads,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": config.vocab,
    }


def vora_config(config: VoraConfig, eos: int, pad: int, *, lora_rank: int, aux_vision: str = "") -> dict[str, Any]:
    """config.json of a VoRA checkpoint: VoRAConfig's fields, then the language model's (`config.update(llm.config)`).

    `lora_rank` -1 says "already merged", as the reference writes it.
    """
    return {
        **qwen2_config(config, eos, pad),
        "architectures": ["VoRAForCausalLM"],
        "model_type": "vora",
        "llm": "Qwen/Qwen2.5-random",
        "aux_vision": aux_vision,
        "skip_aux_cls": False,
        "reuse_aux_vision_embedding_layers": "",
        "lora": {"layers": config.lora_layers, "r": lora_rank, "target_modules": LORA_TARGETS},
        "image_size": config.image_size,
        "patch_size": config.patch_size,
        "vision_embedding": "AIMv2Embedding",
        "vision_embedding_intermediate_size": config.vision_hidden,
        "vision_attention_mask": "bidirectional",
    }


def preprocessor_config(config: VoraConfig) -> dict[str, Any]:
    """preprocessor_config.json: CLIP keys, and ours for the two resize modes."""
    return {
        "crop_size": config.image_size,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": IMAGE_MEAN,
        "image_std": IMAGE_STD,
        "max_pixels": NATIVE_MAX_PIXELS,
        "min_pixels": NATIVE_MIN_PIXELS,
        "resample": 3,
        "resize_mode": "square",
        "size": config.image_size,
    }


def generation_config(eos: int, pad: int) -> dict[str, Any]:
    """generation_config.json: greedy, so that the random model's words are the same every time."""
    return {
        "bos_token_id": pad,
        "do_sample": False,
        "eos_token_id": [eos, pad],
        "pad_token_id": pad,
    }
