"""What the TypeScript side wrote, read by the real Python libraries. `VORA_ARTIFACTS` names the folder."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from reference.paths import GOLDEN, REPOSITORY

ARTIFACTS = Path(os.environ.get("VORA_ARTIFACTS", REPOSITORY / ".cache/artifacts"))
MERGED = ARTIFACTS / "vora-random/merged"
TORCH_TENSOR = ARTIFACTS / "torch-tensor.bin"


def require(path: Path, command: str) -> Path:
    """`path`, or a failure that says how to make it: a skipped check would look like a passed one."""
    if not path.exists():
        pytest.fail(f"{path} is missing. Build it at the repository root: {command}", pytrace=False)
    return path


def merged() -> Path:
    return require(MERGED, f"node bin/vora.mjs merge models/vora-random --dtype f32 --out {MERGED}")


def test_safetensors_package_reads_every_file() -> None:
    files = sorted(merged().rglob("*.safetensors"))
    assert files
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            assert tensors.metadata() == {"format": "pt"}, file
            names = list(tensors.keys())
            assert names, file
            for name in names:
                assert torch.isfinite(tensors.get_tensor(name).float()).all(), f"{file}: {name}"


@torch.no_grad()
def test_transformers_loads_the_merged_folder_and_says_the_same() -> None:
    loaded: Any = AutoModelForCausalLM.from_pretrained(merged(), dtype=torch.float32, output_loading_info=True)
    model, info = loaded
    assert {kind: keys for kind, keys in info.items() if keys} == {}
    assert model.config.model_type == "qwen2"
    prompts = json.loads((REPOSITORY / GOLDEN / "prompts.json").read_text(encoding="utf-8"))
    for prompt in [prompt for prompt in prompts if not prompt["imageRuns"]]:
        ids = torch.tensor([prompt["ids"]])
        output = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=len(prompt["greedy"])
        )
        assert output[0, ids.shape[1] :].tolist() == prompt["greedy"], prompt["name"]


def test_torch_loads_our_tensor_container() -> None:
    path = require(TORCH_TENSOR, "npx vitest run --project node test/core/bytes")
    tensor = torch.load(path, weights_only=True)
    expected = json.loads(require(path.with_suffix(".json"), "as above").read_text(encoding="utf-8"))
    assert tensor.dtype == torch.bfloat16
    assert list(tensor.shape) == expected["shape"] == [5, 128]
    assert torch.equal(tensor.float(), torch.tensor(expected["values"], dtype=torch.float32).view(5, 128))
