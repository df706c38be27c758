"""`vora export gguf` from a base and a PEFT adapter in one pass, in real llama.cpp, beside transformers and peft."""

import json
from pathlib import Path

import pytest
import torch
from plain_models import write_plain_model
from vora_cli import node, vora

from reference.paths import REPOSITORY

SCRIPT = REPOSITORY / "python/tests/gguf/llama_logits.ts"
# Past the 32 positions that the stretched RoPE of the llama model starts from.
IDS = [470, *range(3, 463, 7), 471]


@torch.no_grad()
@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama", "mistral"])
def test_says_what_the_merged_peft_model_says(architecture: str, tmp_path: Path) -> None:
    model = write_plain_model(architecture, tmp_path)
    vora(
        "export", "gguf", "--base", model.base, "--adapter", model.adapter, "--type", "f32", "--out", tmp_path / "gguf"
    )
    (path,) = (tmp_path / "gguf").glob("*.gguf")
    logits = torch.tensor(json.loads(node(SCRIPT, path, json.dumps(IDS))))
    expected = model.merged(torch.tensor([IDS])).logits[0]
    difference = (logits - expected).abs().max().item()
    print(f"{architecture}: largest difference of a logit {difference:.1e}, their spread {expected.std().item():.2f}")
    assert torch.equal(logits.argmax(-1), expected.argmax(-1))
    assert difference < 1e-3 * expected.std().item()
