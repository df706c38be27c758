"""llama.cpp's own quantizer, from the library that node-llama-cpp installs. Arguments: source, target, file type, threads."""

import ctypes
import sys
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[2] / "python"
sys.path += [str(PYTHON), str(PYTHON / "tests/gguf")]

from native_llama import QuantizeParams, library  # noqa: E402

source, target, file_type, threads = sys.argv[1:]
llama = library("libllama.")
defaults = llama.llama_model_quantize_default_params
defaults.restype = QuantizeParams
params = defaults()
params.threads, params.file_type = int(threads), int(file_type)
quantize = llama.llama_model_quantize
quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(QuantizeParams)]
quantize.restype = ctypes.c_uint32
sys.exit(quantize(source.encode(), target.encode(), ctypes.byref(params)))
