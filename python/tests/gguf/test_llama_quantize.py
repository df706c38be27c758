"""`vora export gguf` beside llama.cpp's own quantizer, which makes the same types from our F32 file."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize
from native_llama import quantize_model
from plain_models import write_plain_model
from vora_cli import vora

FILE_TYPES = {"f16": 1, "q4_0": 2, "q8_0": 7, "q4_k_m": 15, "bf16": 32}
SEARCHED = {gguf.GGMLQuantizationType.Q4_K, gguf.GGMLQuantizationType.Q6_K}


@pytest.fixture(scope="module", params=["qwen2", "mistral"])
def exports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `NAME.gguf` for each type, all made by us from one model."""
    folder = tmp_path_factory.mktemp(request.param)
    base = write_plain_model(request.param, folder).base
    for name in ["f32", *FILE_TYPES]:
        vora("export", "gguf", base, "--type", name, "--out", folder / name)
        (path,) = (folder / name).glob("*.gguf")
        path.rename(folder / f"{name}.gguf")
    return folder


def tensors(path: Path) -> dict[str, gguf.ReaderTensor]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def squared_error(tensor: gguf.ReaderTensor, original: gguf.ReaderTensor) -> float:
    values = dequantize(tensor.data, tensor.tensor_type).ravel()
    return float(((values - original.data.ravel()) ** 2).sum())


@pytest.mark.parametrize("name", FILE_TYPES)
def test_chooses_the_types_and_the_bytes_that_llama_quantize_does(exports: Path, name: str) -> None:
    quantize_model(exports / "f32.gguf", exports / f"{name}.theirs.gguf", FILE_TYPES[name])
    original, ours, theirs = (tensors(exports / f"{file}.gguf") for file in ["f32", name, f"{name}.theirs"])
    assert {tensor: found.tensor_type.name for tensor, found in ours.items()} == {
        tensor: found.tensor_type.name for tensor, found in theirs.items()
    }
    errors = np.zeros(2)
    for tensor, found in ours.items():
        if found.tensor_type in SEARCHED:
            errors += squared_error(found, original[tensor]), squared_error(theirs[tensor], original[tensor])
        else:
            assert np.array_equal(found.data, theirs[tensor].data), tensor
    if errors.any():
        print(f"{name}: squared error {errors[0] / errors[1]:.5f} of llama-quantize's")
        assert errors[0] < 1.001 * errors[1]
    sizes = [(exports / f"{file}.gguf").stat().st_size for file in [name, f"{name}.theirs"]]
    assert abs(sizes[0] - sizes[1]) < 1024
