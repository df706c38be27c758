"""Small random models of every architecture that llama.cpp gets, each with a PEFT adapter, by transformers and peft."""

from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from vora_cli import VORA_TINY

TEXT_FILES = ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]
SIZES = {
    "vocab_size": 480,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "bos_token_id": 469,
    "eos_token_id": 471,
    "pad_token_id": 469,
    "tie_word_embeddings": False,
}
STRETCHED = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


@dataclass(frozen=True)
class PlainModel:
    base: Path
    adapter: Path
    # With the adapter merged in.
    merged: PreTrainedModel


def build(architecture: str) -> PreTrainedModel:
    match architecture:
        case "qwen2":
            config = Qwen2Config(**SIZES, hidden_size=256, intermediate_size=512, num_hidden_layers=9)
            return Qwen2ForCausalLM(config)
        case "qwen3":
            config = Qwen3Config(**SIZES, hidden_size=256, intermediate_size=288, num_hidden_layers=2, head_dim=128)
            return Qwen3ForCausalLM(config)
        case "llama":
            sizes = SIZES | {"tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True}
            config = LlamaConfig(
                **sizes, hidden_size=256, intermediate_size=512, num_hidden_layers=2, rope_parameters=STRETCHED
            )
            return LlamaForCausalLM(config)
        case "mistral":
            config = MistralConfig(
                **SIZES, hidden_size=224, intermediate_size=320, num_hidden_layers=2, sliding_window=None
            )
            return MistralForCausalLM(config)
    raise ValueError(architecture)


@torch.no_grad()
def write_plain_model(architecture: str, folder: Path) -> PlainModel:
    torch.manual_seed(3)
    model = build(architecture)
    for parameter in model.parameters():
        # transformers starts biases at 0, norms at 1 and all else small: too quiet to show a mistake.
        parameter.add_(torch.randn_like(parameter) * (0.1 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5))
    base, adapter = folder / "base", folder / "adapter"
    model.save_pretrained(base)
    for name in TEXT_FILES:
        (base / name).write_bytes((VORA_TINY / "base" / name).read_bytes())
    tuned = get_peft_model(
        model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "down_proj"])
    )
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    tuned.save_pretrained(adapter)
    return PlainModel(base, adapter, tuned.merge_and_unload().eval())
