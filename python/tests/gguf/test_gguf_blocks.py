"""Our GGUF blocks beside the `gguf` package's and ggml's own, on weights as models have them and on extreme ones."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize, quantize
from native_llama import quantize_rows
from vora_cli import node

from reference.paths import REPOSITORY

SCRIPT = REPOSITORY / "python/tests/gguf/blocks.ts"
BLOCK = 256


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    random = np.random.default_rng(0)
    ordinary = [random.standard_normal(800 * BLOCK) * 0.02, random.standard_t(3, 400 * BLOCK) * 0.05]
    extreme = [
        np.zeros(BLOCK),
        np.full(BLOCK, 0.5),
        np.full(BLOCK, -0.5),
        random.standard_normal(BLOCK) * 1e-7,
        random.standard_normal(BLOCK) * 1e-30,
        np.full(BLOCK, 1e-44),
        random.uniform(0, 1, 8 * BLOCK),
        random.uniform(-1, 0, 8 * BLOCK),
        np.arange(BLOCK) / 8,
        np.r_[np.full(BLOCK - 1, 1e-3), 100],
        np.r_[60_000, np.zeros(BLOCK - 1)],
        np.tile([0.5, 1.5, 2.5, -0.5, -1.5, -127], BLOCK)[: 5 * BLOCK],
    ]
    return np.concatenate([*ordinary, *extreme]).astype(np.float32)


@pytest.fixture(scope="module")
def written(values: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blocks")
    values.tofile(folder / "values.f32")
    node(SCRIPT, folder / "values.f32", folder)
    return folder


def ours(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The blocks, and the f32 values that the scheme itself says they stand for."""
    return np.fromfile(folder / f"{name}.blocks", np.uint8), np.fromfile(folder / f"{name}.f32", np.float32)


def package_dequantize(blocks: np.ndarray, name: str) -> np.ndarray:
    return dequantize(blocks, gguf.GGMLQuantizationType[name]).ravel()


@pytest.mark.parametrize("name", ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q5_0", "Q4_K", "Q6_K"])
def test_dequantizes_every_value_as_the_gguf_package_does(written: Path, name: str) -> None:
    blocks, values = ours(written, name)
    assert np.array_equal(package_dequantize(blocks, name).view(np.uint32), values.view(np.uint32))


@pytest.mark.parametrize("name", ["F16", "BF16", "Q8_0", "Q4_0", "Q5_0"])
def test_quantizes_to_the_bytes_of_the_gguf_package(written: Path, values: np.ndarray, name: str) -> None:
    # Its 1 / scale is infinite for the smallest values, and 0 · inf no number: there it has no defined result.
    peaks = np.abs(values).reshape(-1, 32).max(axis=1)
    defined = (peaks == 0) | (peaks > 1e-35)
    blocks = ours(written, name)[0].reshape(len(defined), -1)
    with np.errstate(all="ignore"):
        expected = quantize(values, gguf.GGMLQuantizationType[name]).view(np.uint8).reshape(len(defined), -1)
    assert defined.mean() > 0.99
    assert np.array_equal(blocks[defined], expected[defined])


@pytest.mark.parametrize("name", ["Q8_0", "Q4_0", "Q5_0"])
def test_quantizes_to_the_bytes_of_ggml(written: Path, values: np.ndarray, name: str) -> None:
    ordinary = 1200 * BLOCK
    expected = quantize_rows(name, values[:ordinary])
    assert np.array_equal(ours(written, name)[0][: expected.size], expected)


@pytest.mark.parametrize("name", ["Q4_K", "Q6_K"])
def test_searches_scales_as_well_as_ggml(written: Path, values: np.ndarray, name: str) -> None:
    """Its sums are f32, ours f64: where two choices are as good, either is right."""
    for kind, first, last, more in [("normal", 0, 800, 1.0005), ("heavy-tailed", 800, 1200, 1.005)]:
        part = slice(first * BLOCK, last * BLOCK)
        size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]][1]
        expected = quantize_rows(name, values[part])
        blocks, found = ours(written, name)
        same = (blocks[first * size : last * size] == expected).reshape(-1, size).all(axis=1).mean()
        error = ((found[part] - values[part]) ** 2).mean()
        theirs = ((package_dequantize(expected, name) - values[part]) ** 2).mean()
        print(f"{name}, {kind}: {same:.3f} of the blocks equal ggml's, squared error {error / theirs:.5f} of its")
        assert same > 0.95
        assert error < more * theirs
