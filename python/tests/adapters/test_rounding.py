"""One rounding to the output's dtype, and an honest account of what it takes from the adapter.

PEFT's default merge adds a float32 change to the bf16 weight and rounds once as well; its `safe_merge=True` rounds the
change first and the sum again.
"""

import subprocess
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from tiny_peft import load_adapted, load_base, make_adapter, make_base
from vora_cli import node, read_shards

from reference.json_file import read_json
from reference.paths import REPOSITORY


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "f16"])
def test_values_are_the_exact_ones_rounded_once(tmp_path: Path, dtype: torch.dtype) -> None:
    base = make_base(tmp_path / "base", "qwen2", dtype=dtype)
    adapter = make_adapter(tmp_path / "adapter", base, target_modules="all-linear", r=8)
    node("bin/vora.mjs", "merge", "--base", base, "--adapter", adapter, "--out", tmp_path / "merged")
    found = read_shards(tmp_path / "merged")
    exact = load_adapted(base, adapter).merge_and_unload().state_dict()
    peft = {
        safe: PeftModel.from_pretrained(load_base(base, dtype=dtype), adapter)
        .merge_and_unload(safe_merge=safe)
        .state_dict()
        for safe in [False, True]
    }
    ours, theirs, count = 0, {False: 0, True: 0}, 0
    for name, tensor in found.items():
        assert tensor.dtype == dtype
        ours += int((tensor != exact[name].to(dtype)).sum())
        for safe, state in peft.items():
            theirs[safe] += int((state[name] != exact[name].to(dtype)).sum())
        count += tensor.numel()
    print(
        f"{dtype}: {ours} of {count} values are not the exact one rounded once; "
        f"PEFT {theirs[False]}, safe {theirs[True]}"
    )
    # The sum has float32's rounding before: a tie may fall to the other side.
    assert ours <= 1e-3 * count
    assert ours < 0.01 * theirs[True]


def test_a_change_too_small_for_the_dtype_is_reported(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "qwen2", dtype=torch.bfloat16)
    adapter = make_adapter(tmp_path / "adapter", base, target_modules=["q_proj", "o_proj"], r=8, std=0.01)
    command: list[str | Path] = [
        "bin/vora.mjs",
        "merge",
        "--base",
        base,
        "--adapter",
        adapter,
        "--out",
        tmp_path / "merged",
    ]
    printed = node(*command)
    assert "least survived" in printed
    found, before = read_shards(tmp_path / "merged"), load_file(base / "model.safetensors")
    exact = load_adapted(base, adapter).merge_and_unload().state_dict()
    report = read_json(tmp_path / "merged/merge-report.json")
    assert report["dtype"] == "bf16"
    assert len(report["tensors"]) == 4
    for tensor in report["tensors"]:
        name = tensor["tensor"]
        added = exact[name] - before[name].double()
        lost = found[name].double() - exact[name]
        assert tensor["addedNorm"] == pytest.approx(float(added.norm()), rel=1e-3)
        assert tensor["baseNorm"] == pytest.approx(float(before[name].double().norm()), rel=1e-5)
        assert tensor["survived"] == pytest.approx(max(0.0, 1 - float(lost.norm() / added.norm())), abs=2e-3)
        assert tensor["survived"] < 0.95


def test_the_warning_says_what_to_do(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "qwen2", dtype=torch.bfloat16)
    adapter = make_adapter(tmp_path / "adapter", base, target_modules=["q_proj"], r=8, std=0.01)
    program: list[str | Path] = [REPOSITORY / "node_modules/.bin/node", "bin/vora.mjs", "merge"]
    options: list[str | Path] = ["--base", base, "--adapter", adapter, "--out", tmp_path / "merged"]
    done = subprocess.run([*program, *options], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0
    assert "2 of 2 merged tensors lose more than 5.00% of what the adapters add" in done.stderr
    assert "merge with --dtype f32, or quantize straight from the merge" in done.stderr
