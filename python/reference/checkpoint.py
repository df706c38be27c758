"""Checkpoint folders: sharded safetensors, their index, and the JSON files beside them."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from .config import (
    VORA_AUX,
    VORA_RANDOM,
    VoraConfig,
    generation_config,
    preprocessor_config,
    qwen2_config,
    vora_config,
)
from .json_file import read_json, write_json
from .lora import merge
from .model_card import MODEL_CARD
from .paths import CHECKPOINTS, RANDOM_MODEL
from .random_weights import Normal, Tensors, aux_tensors, llm_tensors, lora_tensors, vision_tensors
from .tokenizer import END_OF_TEXT, END_OF_TURN, token_id, train_tokenizer, word_ids, write_tokenizer

SHARD_BYTES = 1_000_000


def write_shards(tensors: Tensors, folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
    """One model.safetensors, or shards in tensor order with an index when they exceed `shard_bytes`."""
    shards: list[Tensors] = [{}]
    for name, tensor in tensors.items():
        filled = sum(other.nbytes for other in shards[-1].values())
        if shards[-1] and filled + tensor.nbytes > shard_bytes:
            shards.append({})
        shards[-1][name] = tensor.contiguous()
    metadata = {"format": "pt"}
    if len(shards) == 1:
        save_file(tensors, folder / "model.safetensors", metadata)
        return
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file(shard, folder / file, metadata)
        weight_map |= dict.fromkeys(shard, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    write_json(
        folder / "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))},
    )


def read_tensors(folder: Path) -> Tensors:
    """Every tensor of a checkpoint folder, in its stored dtype."""
    index = folder / "model.safetensors.index.json"
    files = sorted(set(read_json(index)["weight_map"].values())) if index.exists() else ["model.safetensors"]
    return {name: tensor for file in files for name, tensor in load_file(folder / file).items()}


def with_llm_prefix(tensors: Tensors) -> Tensors:
    return {f"llm.{name}": tensor for name, tensor in tensors.items()}


class CheckpointWriter:
    """Writes one model's folders; holds what they share."""

    def __init__(self, config: VoraConfig, tokenizer: Tokenizer) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.eos = token_id(tokenizer, END_OF_TURN)
        self.pad = token_id(tokenizer, END_OF_TEXT)
        normal = Normal(config.seed)
        self.llm = llm_tensors(config, normal, word_ids(tokenizer))
        self.lora = lora_tensors(config, normal)
        self.vision = vision_tensors(config, normal)
        self.aux = aux_tensors(config, normal)

    def vora(self, folder: Path, tensors: Tensors, *, merged: bool = False, aux_vision: str = "") -> None:
        """A VoRA checkpoint of `tensors`, without tokenizer."""
        folder.mkdir(parents=True, exist_ok=True)
        rank = -1 if merged else self.config.lora_rank
        write_json(
            folder / "config.json",
            vora_config(self.config, self.eos, self.pad, lora_rank=rank, aux_vision=aux_vision),
        )
        write_json(folder / "preprocessor_config.json", preprocessor_config(self.config))
        write_shards(tensors, folder)

    def base(self, folder: Path) -> None:
        """The plain language model."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", qwen2_config(self.config, self.eos, self.pad))
        write_shards(self.llm, folder)
        self.text_files(folder)

    def text_files(self, folder: Path) -> None:
        """Tokenizer and generation settings."""
        write_tokenizer(self.tokenizer, self.config, folder)
        write_json(folder / "generation_config.json", generation_config(self.eos, self.pad))


def write_checkpoints(root: Path) -> None:
    """models/vora-random and test/fixtures/checkpoints/* under `root`."""
    tokenizer = train_tokenizer()

    random = CheckpointWriter(VORA_RANDOM, tokenizer)
    whole = with_llm_prefix(random.llm) | random.lora | random.vision
    random.vora(root / RANDOM_MODEL, whole)
    random.text_files(root / RANDOM_MODEL)
    (root / RANDOM_MODEL / "README.md").write_text(MODEL_CARD, encoding="utf-8")

    fixtures = root / CHECKPOINTS
    random.vora(fixtures / "vora-merged", merge(whole, torch.bfloat16), merged=True)
    random.text_files(fixtures / "vora-merged")
    random.base(fixtures / "base-and-adapter/base")
    random.vora(fixtures / "base-and-adapter/adapter", random.lora | random.vision)

    aux = CheckpointWriter(VORA_AUX, tokenizer)
    aux.vora(
        fixtures / "vora-aux",
        with_llm_prefix(aux.llm) | aux.lora | aux.vision | aux.aux,
        aux_vision="apple/aimv2-huge-patch14-448",
    )
    aux.text_files(fixtures / "vora-aux")
