"""`vora export gguf` beside llama.cpp's own quantizer, which makes the same types from our F32 file."""

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf.quants import dequantize
from native_llama import quantize_model
from transformers import Qwen2Config, Qwen2ForCausalLM
from vora_cli import merge_vora_tiny, vora

FILE_TYPES = {"f16": 1, "q4_0": 2, "q8_0": 7, "q4_k_m": 15, "bf16": 32}
K_TYPES = {gguf.GGMLQuantizationType.Q4_K, gguf.GGMLQuantizationType.Q6_K}
