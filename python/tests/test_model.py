"""The oracle itself: against arithmetic written out by hand."""

import math

import numpy as np
import pytest
import torch

from reference.attention_mask import additive, image_runs, may_attend
from reference.checkpoint import read_tensors
from reference.config import IMAGE_MEAN, IMAGE_STD, VORA_RANDOM
from reference.lora import merge
from reference.oracle import Oracle
from reference.paths import CHECKPOINTS, RANDOM_MODEL, REPOSITORY
from reference.random_weights import Tensors

RUNS = [(3, 5), (10, 4)]
LENGTH = 17


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(VORA_RANDOM, REPOSITORY / RANDOM_MODEL)


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return {name: tensor.double() for name, tensor in read_tensors(REPOSITORY / RANDOM_MODEL).items()}


@pytest.fixture
def embeds() -> torch.Tensor:
    return torch.randn(LENGTH, VORA_RANDOM.hidden, generator=torch.Generator().manual_seed(1))


def rms_norm(x: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + VORA_RANDOM.rms_norm_eps) * gamma


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Rotary positions 0..L-1 on [heads, L, head_dim], halves as NeoX pairs them."""
    half = VORA_RANDOM.head_dim // 2
    frequency = VORA_RANDOM.rope_theta ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(x.shape[1], dtype=torch.float64)[:, None] * frequency
    first, second = x[..., :half], x[..., half:]
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def hand_written_logits(tensors: Tensors, x: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Qwen2 with VoRA's LoRA in float64: [L, hidden] → [L, vocab]."""
    config = VORA_RANDOM
    w = {name.removeprefix("llm."): tensor for name, tensor in tensors.items()}

    def linear(name: str, value: torch.Tensor) -> torch.Tensor:
        result = value @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0)
        if f"{name}.lora_A.weight" in w:
            result = result + value @ w[f"{name}.lora_A.weight"].T @ w[f"{name}.lora_B.weight"].T
        return result

    def heads(value: torch.Tensor) -> torch.Tensor:
        return value.view(len(x), -1, config.head_dim).transpose(0, 1)

    for layer in range(config.layers):
        block = f"model.layers.{layer}"
        h = rms_norm(x, w[f"{block}.input_layernorm.weight"])
        q, k, v = (heads(linear(f"{block}.self_attn.{name}_proj", h)) for name in "qkv")
        k, v = (part.repeat_interleave(config.heads // config.kv_heads, dim=0) for part in (rotate(k), v))
        scores = rotate(q) @ k.transpose(1, 2) / math.sqrt(config.head_dim)
        attended = scores.masked_fill(~allowed, -math.inf).softmax(-1) @ v
        x = x + linear(f"{block}.self_attn.o_proj", attended.transpose(0, 1).flatten(1))
        h = rms_norm(x, w[f"{block}.post_attention_layernorm.weight"])
        gate = torch.nn.functional.silu(linear(f"{block}.mlp.gate_proj", h))
        x = x + linear(f"{block}.mlp.down_proj", gate * linear(f"{block}.mlp.up_proj", h))
    return rms_norm(x, w["model.norm.weight"]) @ w["lm_head.weight"].T


@torch.no_grad()
@pytest.mark.parametrize("runs", [[], RUNS])
def test_transformers_honours_the_mask(
    oracle: Oracle, tensors: Tensors, embeds: torch.Tensor, runs: list[tuple[int, int]]
) -> None:
    by_hand = hand_written_logits(tensors, embeds.double(), may_attend(runs, LENGTH))
    torch.testing.assert_close(oracle.logits(embeds, runs).double(), by_hand, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_mask_changes_the_logits(oracle: Oracle, embeds: torch.Tensor) -> None:
    assert (oracle.logits(embeds, RUNS) - oracle.logits(embeds, [])).abs().max() > 0.1


def test_image_runs_fuse_and_mask_is_causal_outside_them() -> None:
    flags = [False] * 3 + [True] * 5 + [False] * 2 + [True] * 4 + [False] * 3
    assert image_runs(flags) == RUNS
    allowed = may_attend(RUNS, LENGTH)
    for query in range(LENGTH):
        for key in range(LENGTH):
            same_run = any(start <= min(query, key) and max(query, key) < start + count for start, count in RUNS)
            assert allowed[query, key] == (key <= query or same_run)
    assert additive(allowed)[0, 0, 0, 1] == torch.finfo(torch.float32).min


@torch.no_grad()
@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (5, 6), (9, 14)])
def test_vision_embedding_by_hand(oracle: Oracle, tensors: Tensors, rows: int, columns: int) -> None:
    p = VORA_RANDOM.patch_size
    pixels = np.random.default_rng(3).integers(0, 256, (rows * p, columns * p, 3), dtype=np.uint8)
    w = {name.removeprefix("vision_embedding."): tensor for name, tensor in tensors.items() if "vision_" in name}
    kernel = w["patchifier.proj.weight"].flatten(1)
    mean, std = torch.tensor(IMAGE_MEAN).double(), torch.tensor(IMAGE_STD).double()
    expected = []
    for row in range(rows):
        for column in range(columns):
            patch = torch.from_numpy(pixels[row * p : (row + 1) * p, column * p : (column + 1) * p].copy()).double()
            x = ((patch / 255 - mean) / std).permute(2, 0, 1).flatten()
            token = rms_norm(kernel @ x + w["patchifier.proj.bias"], w["patchifier.norm.weight"])
            place = table_row(w["pos_embed"][0], row, column, rows, columns)
            expected.append(w["out_proj.weight"] @ (token + place))
    torch.testing.assert_close(oracle.vision(pixels).double(), torch.stack(expected), rtol=1e-4, atol=1e-4)


def table_row(table: torch.Tensor, row: int, column: int, rows: int, columns: int) -> torch.Tensor:
    """Position embedding of one patch, f64 [D]: raster slice, or bilinear with half-pixel centres, clamped."""
    if rows * columns <= len(table):
        return table[row * columns + column]
    side = math.isqrt(len(table))

    def neighbours(index: int, count: int) -> tuple[int, int, float]:
        position = max((index + 0.5) * side / count - 0.5, 0)
        low = min(int(position), side - 1)
        return low, min(low + 1, side - 1), position - low

    top, bottom, down = neighbours(row, rows)
    left, right, across = neighbours(column, columns)

    def between(line: int) -> torch.Tensor:
        return table[line * side + left] * (1 - across) + table[line * side + right] * across

    return between(top) * (1 - down) + between(bottom) * down


@torch.no_grad()
def test_merged_in_f32_equals_unmerged(oracle: Oracle, tensors: Tensors, embeds: torch.Tensor) -> None:
    merged = merge(read_tensors(REPOSITORY / RANDOM_MODEL), torch.float32)
    logits = hand_written_logits(
        {name: tensor.double() for name, tensor in merged.items()}, embeds.double(), may_attend(RUNS, LENGTH)
    )
    torch.testing.assert_close(logits, oracle.logits(embeds, RUNS).double(), rtol=1e-4, atol=2e-4)


def test_merged_fixture_is_one_rounding_away(tensors: Tensors) -> None:
    merged = read_tensors(REPOSITORY / CHECKPOINTS / "vora-merged")
    assert not any("lora" in name for name in merged)
    adapted = 0
    for name, tensor in merged.items():
        exact = tensors[name]
        prefix = name.removesuffix(".weight")
        if f"{prefix}.lora_A.weight" in tensors:
            exact = exact + tensors[f"{prefix}.lora_B.weight"] @ tensors[f"{prefix}.lora_A.weight"]
            adapted += 1
        # Half a bf16 step, and the f32 sum's own error where terms cancel.
        assert ((tensor.double() - exact).abs() <= exact.abs() * 2**-8 + 1e-7).all(), name
    assert adapted == 7 * VORA_RANDOM.lora_layers


def test_base_and_adapter_hold_the_same_values_as_the_whole(tensors: Tensors) -> None:
    folder = REPOSITORY / CHECKPOINTS / "base-and-adapter"
    base = {f"llm.{name}": tensor for name, tensor in read_tensors(folder / "base").items()}
    together = base | read_tensors(folder / "adapter")
    assert together.keys() == tensors.keys()
    assert all(torch.equal(tensor.double(), tensors[name]) for name, tensor in together.items())
