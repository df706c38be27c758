"""`vora merge` with every option of a PEFT LoRA, against PEFT in float64.

Two oracles: the logits of the adapted model that nobody merged, which are what was trained, and the weights of
`merge_and_unload`, wherever PEFT's own merge keeps that function. In float64 both are exact beside our float32.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_peft import (
    GROWN_VOCABULARY,
    load_adapted,
    load_base,
    logits,
    make_adapter,
    make_base,
    relative_error,
)
from vora_cli import read_shards, vora

from reference.json_file import read_json

LOGITS_ERROR_MAX = 2e-5
# A few roundings to float32, of sums that may cancel.
WEIGHT_ERROR_MAX = 2e-6


@dataclass(frozen=True)
class Case:
    lora: dict[str, Any]
    architecture: str = "qwen2"
    tied: bool = False
    grown: bool = False
    base: dict[str, Any] = field(default_factory=dict)
    # False where PEFT merges into the one tensor that embedding and head share, and so changes both.
    peft_merges: bool = True
    stays_tied: bool = False


CASES = {
    "ranks and alphas by pattern, rslora, bias of B": Case(
        {
            "r": 5,
            "lora_alpha": 7,
            "target_modules": ["q_proj", "v_proj", "k_proj"],
            "rank_pattern": {"q_proj": 9, "layers.1.self_attn.v_proj": 2},
            "alpha_pattern": {"^model.layers.0.*v_proj": 3.5, r".*\.1\.self_attn.k_proj": 11},
            "use_rslora": True,
            "lora_bias": True,
        }
    ),
    "dora, whole modules": Case(
        {"r": 4, "target_modules": "all-linear", "use_dora": True, "modules_to_save": ["lm_head", "norm"]}
    ),
    "embedding": Case({"r": 3, "target_modules": ["embed_tokens", "up_proj"]}),
    "embedding, tied": Case({"r": 3, "target_modules": ["embed_tokens"]}, tied=True, peft_merges=False),
    "embedding with dora, tied": Case(
        {"r": 3, "target_modules": ["embed_tokens", "o_proj"], "use_dora": True}, tied=True, peft_merges=False
    ),
    "embedding and head, tied on purpose": Case(
        {"r": 3, "target_modules": ["embed_tokens", "lm_head"], "ensure_weight_tying": True},
        tied=True,
        peft_merges=False,
    ),
    "head, tied": Case({"r": 3, "target_modules": ["lm_head", "q_proj"]}, tied=True, peft_merges=False),
    "whole embedding, tied": Case({"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]}, tied=True),
    "whole embedding, tied on purpose": Case(
        {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
        tied=True,
        stays_tied=True,
    ),
    "token rows, tied": Case(
        {"target_modules": ["q_proj"], "trainable_token_indices": [60, 5, 17]}, tied=True, stays_tied=True
    ),
    "token rows of both, some layers, all biases": Case(
        {
            "target_modules": ["q_proj", "down_proj"],
            "layers_to_transform": [1],
            "bias": "all",
            "trainable_token_indices": {"embed_tokens": [5, 3], "lm_head": [9]},
        }
    ),
    "added tokens": Case({"target_modules": ["q_proj"]}, grown=True),
    "added tokens, tied": Case({"target_modules": ["q_proj"]}, grown=True, tied=True, stays_tied=True),
    "added tokens with an adapted embedding": Case({"target_modules": ["embed_tokens", "lm_head"]}, grown=True),
    "added tokens, only their rows, tied": Case(
        {"target_modules": ["q_proj"], "trainable_token_indices": [5, 62, 66]}, grown=True, tied=True, stays_tied=True
    ),
    "Qwen3, fan_in_fan_out": Case(
        {"r": 4, "target_modules": ["q_proj", "k_proj", "gate_proj"], "exclude_modules": ["layers.0.self_attn.k_proj"]}
        | {"fan_in_fan_out": True, "bias": "lora_only"},
        architecture="qwen3",
        tied=True,
        stays_tied=True,
    ),
    "Llama in bf16 shards, bias of B": Case(
        {"r": 4, "target_modules": ["o_proj", "down_proj"], "lora_bias": True},
        architecture="llama",
        base={"dtype": torch.bfloat16, "shards": True},
    ),
    "Mistral in f16, targets by pattern": Case(
        {"r": 4, "target_modules": r".*\.(gate|up)_proj", "init_lora_weights": "gaussian"},
        architecture="mistral",
        base={"dtype": torch.float16},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_merged_is_the_trained_function(case: Case, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", case.architecture, tied=case.tied, **case.base)
    adapter = make_adapter(tmp_path / "adapter", base, grown=case.grown, **case.lora)
    vora("merge", "--base", base, "--adapter", adapter, "--dtype", "f32", "--out", tmp_path / "merged")
    found = read_shards(tmp_path / "merged")
    config = read_json(tmp_path / "merged/config.json")
    assert config["tie_word_embeddings"] == ("lm_head.weight" not in found)
    assert config["tie_word_embeddings"] == case.stays_tied
    assert config["vocab_size"] == (GROWN_VOCABULARY if case.grown else 61)
    assert ("adapter" in (tmp_path / "merged/tokenizer.json").read_text()) == case.grown
    assert read_json(tmp_path / "merged/vora.json")["vision"] is None

    adapted = load_adapted(base, adapter, grown=case.grown)
    trained = logits(adapted)
    # So that a merge that does nothing cannot pass.
    plain = logits(load_base(base, grown=case.grown, dtype=torch.float64))
    assert relative_error(plain, trained) > 1e-3
    merged = load_base(tmp_path / "merged", dtype=torch.float64)
    assert relative_error(logits(merged), trained) < LOGITS_ERROR_MAX

    if case.peft_merges:
        expected = adapted.merge_and_unload().state_dict()
        for name, tensor in found.items():
            assert relative_error(tensor, expected[name]) < WEIGHT_ERROR_MAX, name
