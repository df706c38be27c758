"""The product's own command line, for tests of what it writes."""

import json
import subprocess
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from reference.json_file import read_json, write_json
from reference.paths import CHECKPOINTS, REPOSITORY

NODE = REPOSITORY / "node_modules/.bin/node"
VORA_TINY = REPOSITORY / "models/vora-tiny"


def node(*arguments: str | Path) -> str:
    """Runs a program of this repository on the Node it pins."""
    done = subprocess.run([NODE, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def vora(*arguments: str | Path) -> str:
    return node("bin/vora.mjs", *arguments)


def merge_vora_tiny(folder: Path) -> Path:
    """The trained demo model as f32."""
    vora("merge", VORA_TINY / "adapter", "--base", VORA_TINY / "base", "--dtype", "f32", "--out", folder)
    return folder


def merge_odd_model(folder: Path) -> Path:
    """A model whose widths are multiples of nothing, with rows that are zero, tiny, or have one large value."""
    source = REPOSITORY / CHECKPOINTS / "vora-merged"
    checkpoint = folder.with_name("odd-checkpoint")
    checkpoint.mkdir()
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]:
        (checkpoint / name).write_bytes((source / name).read_bytes())
    hidden, ffn, vision = 36, 50, 8
    config = read_json(source / "config.json") | {
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "num_hidden_layers": 2,
        "image_size": 28,
        "lora": {},
        "vision_embedding_intermediate_size": vision,
    }
    write_json(checkpoint / "config.json", config)
    write_json(checkpoint / "preprocessor_config.json", read_json(source / "preprocessor_config.json") | {"size": 28})
    random = torch.Generator().manual_seed(4)
    shapes: dict[str, tuple[int, ...]] = {
        "llm.model.embed_tokens.weight": (config["vocab_size"], hidden),
        "llm.model.norm.weight": (hidden,),
        "llm.lm_head.weight": (config["vocab_size"], hidden),
        "vision_embedding.patchifier.proj.weight": (vision, 3, 14, 14),
        "vision_embedding.patchifier.proj.bias": (vision,),
        "vision_embedding.patchifier.norm.weight": (vision,),
        "vision_embedding.pos_embed": (1, 4, vision),
        "vision_embedding.out_proj.weight": (hidden, vision),
    }
    linears = {"q": (36, hidden), "k": (12, hidden), "v": (12, hidden), "o": (hidden, 36)}
    for layer in range(2):
        block = f"llm.model.layers.{layer}"
        shapes |= {f"{block}.self_attn.{name}_proj.weight": shape for name, shape in linears.items()}
        shapes |= {f"{block}.self_attn.{name}_proj.bias": linears[name][:1] for name in "qkv"}
        shapes |= {f"{block}.mlp.{name}_proj.weight": (ffn, hidden) for name in ["gate", "up"]}
        shapes |= {f"{block}.mlp.down_proj.weight": (hidden, ffn)}
        shapes |= {f"{block}.{name}_layernorm.weight": (hidden,) for name in ["input", "post_attention"]}
    tensors = {name: torch.randn(shape, generator=random) * 0.2 for name, shape in shapes.items()}
    extreme = tensors["llm.model.layers.0.mlp.up_proj.weight"]
    extreme[0] = 0
    extreme[1] *= 1e-30
    extreme[2, 7] = 1e4
    extreme[3, ::2] = -0.0
    extreme[4] = 1e-44
    save_file(tensors, checkpoint / "model.safetensors", {"format": "pt"})
    vora("merge", checkpoint, "--dtype", "f32", "--out", folder)
    return folder


def read_shards(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a model folder."""
    index = folder / "model.safetensors.index.json"
    names = (
        sorted(set(json.loads(index.read_text())["weight_map"].values())) if index.exists() else ["model.safetensors"]
    )
    return {name: tensor for file in names for name, tensor in load_file(folder / file).items()}
