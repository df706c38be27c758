"""Tiny models of every supported architecture, and adapters that real PEFT makes for them, all of it random."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

VOCABULARY = 61
GROWN_VOCABULARY = 67
PROMPT = torch.tensor([[3, 60, 5, 17, 5, 22, 41, 9]])
# Widths that are multiples of nothing much.
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 36,
    "intermediate_size": 50,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "eos_token_id": 1,
}


def make_config(architecture: str, tied: bool) -> PreTrainedConfig:
    match architecture:
        case "qwen2":
            return Qwen2Config(**SHAPE, tie_word_embeddings=tied)
        case "qwen3":
            return Qwen3Config(**SHAPE, tie_word_embeddings=tied, head_dim=14)
        case "llama":
            return LlamaConfig(**SHAPE, tie_word_embeddings=tied, attention_bias=True, mlp_bias=True)
        case "mistral":
            return MistralConfig(**SHAPE, tie_word_embeddings=tied, sliding_window=32)
        case _:
            raise ValueError(architecture)


def make_base(
    folder: Path, architecture: str, *, tied: bool = False, dtype: torch.dtype = torch.float32, shards: bool = False
) -> Path:
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(make_config(architecture, tied))
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, 1.0 if "norm" in name else 0.0, 0.2)
    # An older `save_pretrained` made such shards; 5 GB each is the default now.
    model.to(dtype).save_pretrained(folder, max_shard_size="20KB" if shards else "1GB")
    (folder / "tokenizer.json").write_text('{"of": "base"}')
    return folder


def load_base(folder: Path, *, grown: bool = False, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    if grown:
        torch.manual_seed(8)
        model.resize_token_embeddings(GROWN_VOCABULARY, mean_resizing=False)
    return model


def make_adapter(
    folder: Path, base: Path, *, grown: bool = False, seed: int = 1, std: float = 0.2, **lora: Any
) -> Path:
    """Every trained parameter is random: an untrained B, which is zero, would hide every mistake."""
    torch.manual_seed(seed)
    model = get_peft_model(load_base(base, grown=grown), LoraConfig(task_type="CAUSAL_LM", **lora))
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, 0.0, std)
    model.save_pretrained(folder)
    if grown:
        (folder / "tokenizer.json").write_text('{"of": "adapter"}')
    return folder


def load_adapted(base: Path, adapter: Path, *, grown: bool = False) -> PeftModel:
    """The trained function itself, in float64 and not merged."""
    model = load_base(base, grown=grown, dtype=torch.float64)
    return PeftModel.from_pretrained(model, adapter).double().eval()


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    found: torch.Tensor = model(PROMPT).logits
    return found


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double() - expected.double()).abs().max() / expected.double().abs().max())
