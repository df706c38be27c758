"""Write base and adapter, apart, in the layout of published checkpoints (bf16 safetensors)."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from training.decoder import Decoder, DecoderConfig
from training.grid import CELL_PX, IMAGE_PX
from training.recipe import Recipe
from training.tokenizer import CHAT_TEMPLATE, SPECIALS, token_id
from training.vision import MEAN, STD
from training.vora import Vora
from training.vora_stage import build_vora, load_weights

LINEARS = (
    *(f"self_attn.{name}_proj" for name in ("q", "k", "v", "o")),
    *(f"mlp.{name}_proj" for name in ("up", "gate", "down")),
)


def export(run: Path, recipe: Recipe, out: Path) -> None:
    """Write `out/base` (a plain Qwen2 folder) and `out/adapter` (LoRA and vision embedding, no base weights)."""
    vora = build_vora(run, recipe)
    vora.load_state_dict(load_weights(run, "settle", "vora"))
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    special = {token: token_id(tokenizer, token) for token in SPECIALS}
    base = {name: value for name, value in vora.llm.state_dict().items() if ".lora_" not in name}
    lora = {f"llm.{name}": value for name, value in vora.llm.state_dict().items() if ".lora_" in name}
    qwen2 = qwen2_config(recipe.decoder, special)

    _write_tensors(out / "base" / "model.safetensors", base)
    _write_json(out / "base" / "config.json", qwen2)
    _write_json(out / "base" / "tokenizer_config.json", tokenizer_config())
    _write_json(out / "base" / "generation_config.json", generation_config(special))
    tokenizer.save(str(out / "base" / "tokenizer.json"))

    _write_tensors(out / "adapter" / "model.safetensors", lora | vora.vision.checkpoint())
    _write_json(out / "adapter" / "config.json", qwen2 | vora_config(recipe))
    _write_json(out / "adapter" / "preprocessor_config.json", preprocessor_config())


def load_exported(folder: Path) -> tuple[Vora, Tokenizer]:
    """The model that `export` wrote, its bf16 values in fp32, LoRA not merged."""
    facts = json.loads((folder / "adapter" / "config.json").read_text())
    fields = {name: facts[name] for name in DecoderConfig.__dataclass_fields__}
    decoder = Decoder(DecoderConfig(**fields))
    decoder.load_state_dict(_fp32(load_file(folder / "base" / "model.safetensors")))
    vora = Vora(decoder, facts["vision_embedding_intermediate_size"], facts["lora"]["r"], facts["lora"]["layers"])
    adapter = _fp32(load_file(folder / "adapter" / "model.safetensors"))
    names = dict(
        zip(
            vora.vision.checkpoint(),
            ("proj.weight", "proj.bias", "norm.weight", "pos_embed", "out_proj.weight"),
            strict=True,
        )
    )
    vision = {names[name]: adapter.pop(name) for name in names}
    vision["proj.weight"] = vision["proj.weight"].flatten(1)
    vora.vision.load_state_dict(vision)
    left = decoder.load_state_dict({name.removeprefix("llm."): value for name, value in adapter.items()}, strict=False)
    if left.unexpected_keys or any(".lora_" in name for name in left.missing_keys):
        raise ValueError(f"{folder}: adapter and model differ: {left}")
    return vora.eval(), Tokenizer.from_file(str(folder / "base" / "tokenizer.json"))


def qwen2_config(config: DecoderConfig, special: dict[str, int]) -> dict[str, Any]:
    """Both spellings of what transformers 4 and 5 name differently."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_position_embeddings,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
        "bos_token_id": special["<|endoftext|>"],
        "eos_token_id": special["<|im_end|>"],
        "pad_token_id": special["<|endoftext|>"],
        "torch_dtype": "bfloat16",
        "dtype": "bfloat16",
    }


def vora_config(recipe: Recipe) -> dict[str, Any]:
    return {
        "architectures": ["VoRAForCausalLM"],
        "model_type": "vora",
        "llm": "../base",
        "aux_vision": "",
        "skip_aux_cls": False,
        "reuse_aux_vision_embedding_layers": "",
        "image_size": IMAGE_PX,
        "patch_size": CELL_PX,
        "vision_embedding": "AIMv2Embedding",
        "vision_embedding_intermediate_size": recipe.vision_width,
        "vision_attention_mask": "bidirectional",
        "lora": {"layers": recipe.lora_layers, "r": recipe.lora_rank, "target_modules": list(LINEARS)},
    }


def tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "Qwen2Tokenizer",
        "model_max_length": 2048,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "bos_token": None,
        "unk_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "chat_template": CHAT_TEMPLATE,
    }


def generation_config(special: dict[str, int]) -> dict[str, Any]:
    return {
        "do_sample": False,
        "bos_token_id": special["<|endoftext|>"],
        "eos_token_id": [special["<|im_end|>"], special["<|endoftext|>"]],
        "pad_token_id": special["<|endoftext|>"],
    }


def preprocessor_config() -> dict[str, Any]:
    side = {"height": IMAGE_PX, "width": IMAGE_PX}
    return {
        "image_processor_type": "CLIPImageProcessor",
        "crop_size": side,
        "size": {"shortest_edge": IMAGE_PX},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
        "resample": 3,
        "rescale_factor": 1 / 255,
    }


def _write_tensors(file: Path, tensors: dict[str, Tensor]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.to(torch.bfloat16).contiguous() for name, value in tensors.items()}, file, {"format": "pt"})


def _write_json(file: Path, facts: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts, indent=2) + "\n")


def _fp32(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() for name, value in tensors.items()}
