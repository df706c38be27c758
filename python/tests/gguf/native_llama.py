"""ggml's and llama.cpp's own quantizers in C, from the libraries that the npm package node-llama-cpp installs."""

import ctypes
from pathlib import Path

import gguf
import numpy as np

from reference.paths import REPOSITORY

PACKAGES = REPOSITORY / "node_modules/@node-llama-cpp"


class QuantizeParams(ctypes.Structure):
    """`llama_model_quantize_params` of include/llama.h."""

    _fields_ = [
        ("threads", ctypes.c_int32),
        ("file_type", ctypes.c_int),
        ("output_tensor_type", ctypes.c_int),
        ("token_embedding_type", ctypes.c_int),
        ("allow_requantize", ctypes.c_bool),
        ("quantize_output_tensor", ctypes.c_bool),
        ("only_copy", ctypes.c_bool),
        ("pure", ctypes.c_bool),
        ("keep_split", ctypes.c_bool),
        ("dry_run", ctypes.c_bool),
        ("imatrix", ctypes.c_void_p),
        ("kv_overrides", ctypes.c_void_p),
        ("tensor_type_overrides", ctypes.c_void_p),
        ("prune_layers", ctypes.c_void_p),
        ("max_buffer_size", ctypes.c_size_t),
    ]


def library(name: str) -> ctypes.CDLL:
    """The build for this machine; a package for another processor does not load."""
    for file in sorted(PACKAGES.glob(f"*/bins/*/{name}*.so")):
        try:
            return ctypes.CDLL(str(file))
        except OSError:
            continue
    raise AssertionError(f"{PACKAGES}: no {name} loads; run npm ci at the repository root")


def quantize_rows(type_name: str, values: np.ndarray) -> np.ndarray:
    """f32 values, in whole blocks, to the bytes that ggml's reference quantizer makes of them."""
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[type_name]]
    blocks = np.zeros(values.size // elements * size, np.uint8)
    quantize = getattr(library("libggml-base"), f"quantize_row_{type_name[0].lower()}{type_name[1:]}_ref")
    quantize.restype = None
    quantize(
        values.ctypes.data_as(ctypes.c_void_p), blocks.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(values.size)
    )
    return blocks


def quantize_model(source: Path, target: Path, file_type: int) -> None:
    """What `llama-quantize SOURCE TARGET` does, on one thread."""
    llama = library("libllama.")
    defaults = llama.llama_model_quantize_default_params
    defaults.restype = QuantizeParams
    params = defaults()
    # A struct of another layout would not have the defaults where they are looked for.
    assert (params.output_tensor_type, params.quantize_output_tensor, params.pure) == (
        params.token_embedding_type,
        True,
        False,
    )
    params.threads, params.file_type = 1, file_type
    quantize = llama.llama_model_quantize
    quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(QuantizeParams)]
    quantize.restype = ctypes.c_uint32
    assert quantize(bytes(source), bytes(target), ctypes.byref(params)) == 0
