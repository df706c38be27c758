"""Several adapters in one merge: their sum against float64, TIES against PEFT's own on all of ΔW, DARE by its parts.

PEFT's `add_weighted_adapter` gives other results by design: `linear` mixes A of one adapter with B of another, and its
TIES and DARE prune A and B apart. What is compared here is the published method on ΔW = s·B·A.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft.utils.merge_utils import ties
from safetensors.torch import load_file
from tiny_peft import load_adapted, make_adapter, make_base
from vora_cli import read_shards, vora

from reference.json_file import read_json

WEIGHTS = [0.7, -0.4, 1.0]
LORA: list[dict[str, Any]] = [
    {"r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "up_proj"]},
    {"r": 7, "lora_alpha": 3, "target_modules": ["q_proj", "embed_tokens"], "use_rslora": True},
    {"r": 2, "lora_alpha": 5, "target_modules": ["q_proj", "embed_tokens"]},
]
Q = "model.layers.0.self_attn.q_proj.weight"
UP = "model.layers.1.mlp.up_proj.weight"
EMBEDDING = "model.embed_tokens.weight"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("combined")
    make_base(home / "base", "qwen2")
    for number, lora in enumerate(LORA):
        make_adapter(home / f"a{number}", home / "base", seed=number, **lora)
    return home


@pytest.fixture(scope="module")
def changes(folders: Path) -> list[dict[str, torch.Tensor]]:
    """What each adapter alone adds, by weight, in float64: PEFT's merge less the base."""
    base = {name: tensor.double() for name, tensor in load_file(folders / "base/model.safetensors").items()}
    merged = [
        load_adapted(folders / "base", folders / f"a{number}").merge_and_unload().state_dict()
        for number in range(len(LORA))
    ]
    return [{name: state[name] - base[name] for name in base} for state in merged]


def merge(folders: Path, out: Path, *options: str) -> dict[str, torch.Tensor]:
    """What was added to each weight, times its weight each, in float64."""
    adapters = [["--adapter", f"{folders}/a{number}:{weight}"] for number, weight in enumerate(WEIGHTS)]
    vora("merge", "--base", folders / "base", *sum(adapters, []), "--dtype", "f32", "--out", out, *options)
    base = load_file(folders / "base/model.safetensors")
    return {name: tensor.double() - base[name].double() for name, tensor in read_shards(out).items()}


def test_exact_is_the_weighted_sum(folders: Path, changes: list[dict[str, torch.Tensor]], tmp_path: Path) -> None:
    found = merge(folders, tmp_path / "merged")
    for name in found:
        expected = sum(weight * change[name] for weight, change in zip(WEIGHTS, changes, strict=True))
        assert (found[name] - expected).abs().max() < 1e-6, name
    assert all(found[name].abs().max() > 0.1 for name in [Q, UP, EMBEDDING])
    report = read_json(tmp_path / "merged/merge-report.json")
    norms = {tensor["tensor"]: tensor["addedNorm"] for tensor in report["tensors"]}
    assert set(norms) == {name for name, change in found.items() if change.abs().max() > 0}
    assert all(norms[name] == pytest.approx(float(found[name].norm()), rel=1e-5) for name in norms)


@pytest.mark.parametrize("density", [0.3, 1.0])
def test_ties_is_the_published_method_on_whole_changes(
    folders: Path, changes: list[dict[str, torch.Tensor]], tmp_path: Path, density: float
) -> None:
    # So little memory that thresholds are found over many blocks.
    memory = ["--memory", "30KB"]
    found = merge(folders, tmp_path / "merged", "--method", "ties", "--density", str(density), *memory)
    for name, adapters in [(Q, [0, 1, 2]), (UP, [0]), (EMBEDDING, [1, 2])]:
        expected = ties(
            [changes[number][name] for number in adapters],
            torch.tensor([WEIGHTS[number] for number in adapters], dtype=torch.float64),
            density,
        )
        assert (found[name] - expected).abs().max() < 1e-6, name
    assert found["model.norm.weight"].abs().max() == 0


def test_dare_keeps_a_seeded_share_and_scales_it(
    folders: Path, changes: list[dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    dare = ["--method", "dare", "--density", "0.6", "--seed"]
    found = merge(folders, tmp_path / "merged", *dare, "5")
    in_blocks = merge(folders, tmp_path / "blocks", *dare, "5", "--memory", "30KB")
    other = merge(folders, tmp_path / "other", *dare, "6")
    whole = [weight * change[UP] / 0.6 for weight, change in zip(WEIGHTS, changes, strict=True)][0]
    kept = found[UP].abs() > 1e-9
    assert (found[UP] - whole * kept).abs().max() < 1e-6
    assert (in_blocks[UP].abs() > 1e-9).equal(kept)
    assert not (other[UP].abs() > 1e-9).equal(kept)
    count = kept.numel()
    assert abs(int(kept.sum()) - 0.6 * count) < 4 * (0.24 * count) ** 0.5
    # Three adapters on one weight, each element of each kept or not: one of eight sums.
    parts = [weight * change[Q] / 0.6 for weight, change in zip(WEIGHTS, changes, strict=True)]
    sums = [sum(part * (choice >> number & 1) for number, part in enumerate(parts)) for choice in range(8)]
    distance = torch.stack([(found[Q] - one).abs() for one in sums]).min(dim=0)
    assert distance.values.max() < 1e-6
    assert len(set(distance.indices.flatten().tolist())) == 8
