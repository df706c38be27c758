"""`vora export vllm`, read by the compressed-tensors package and by transformers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationConfig, QuantizationScheme, preset_name_to_scheme
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from compressed_tensors.quantization.utils import calculate_qparams
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, CompressedTensorsConfig
from vora_cli import merge_odd_model, merge_vora_tiny, node, read_shards, vora

from reference.json_file import read_json

PROMPT = torch.tensor([[467, 5, 61, 17, 230, 101, 44]])

EXPORTS = {
    "tiny": [
        ["--scheme", "W4A16", "--group-size", "32"],
        ["--scheme", "W4A16", "--group-size", "64"],
        ["--scheme", "W4A16"],
        ["--scheme", "W8A16"],
        ["--scheme", "W8A8"],
        ["--scheme", "FP8_DYNAMIC"],
    ],
    "odd": [
        ["--scheme", "W4A16", "--group-size", "channel"],
        ["--scheme", "W8A16", "--group-size", "channel"],
        ["--scheme", "W8A8"],
        ["--scheme", "FP8_DYNAMIC"],
    ],
}
CASES = [(model, index) for model, exports in EXPORTS.items() for index in range(len(exports))]
NAMES = [f"{model} {' '.join(EXPORTS[model][index][1::2])}" for model, index in CASES]


@dataclass(frozen=True)
class Export:
    folder: Path
    scheme: QuantizationScheme
    format: str
    # Of the folder, and of the merged model that it was made from.
    stored: dict[str, torch.Tensor]
    merged: dict[str, torch.Tensor]

    @property
    def compressor(self) -> type[BaseCompressor]:
        found: type[BaseCompressor] = BaseCompressor.get_value_from_registry(self.format)
        return found

    def modules(self) -> Iterator[tuple[str, dict[str, torch.Tensor], torch.Tensor]]:
        """Each quantized linear: its name, what is stored of it, and its f32 weight."""
        for scale in [name for name in self.stored if name.endswith(".weight_scale")]:
            module = scale.removesuffix(".weight_scale")
            state = {
                name.removeprefix(f"{module}."): tensor
                for name, tensor in self.stored.items()
                if name.startswith(f"{module}.weight")
            }
            yield module, state, self.merged[f"{module}.weight"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    return {"tiny": merge_vora_tiny(folder / "tiny"), "odd": merge_odd_model(folder / "odd")}


@pytest.fixture(scope="module", params=CASES, ids=NAMES)
def export(
    request: pytest.FixtureRequest, sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Export:
    model, index = request.param
    folder = tmp_path_factory.mktemp("export") / "vllm"
    vora("export", "vllm", sources[model], "--out", folder, *EXPORTS[model][index])
    config = QuantizationConfig.model_validate(read_json(folder / "config.json")["quantization_config"])
    scheme = config.config_groups["group_0"]
    assert isinstance(scheme, QuantizationScheme)
    return Export(folder, scheme, config.format, read_shards(folder), read_shards(sources[model]))


def test_config_is_the_packages_own_preset(export: Export) -> None:
    name = export.folder.parent / "vllm/vora.json"
    preset = preset_name_to_scheme(read_json(name)["weights"].split("-")[0], ["Linear"])
    assert export.scheme.input_activations == preset.input_activations
    expected = preset.weights
    found = export.scheme.weights
    assert found is not None and expected is not None
    assert (found.num_bits, found.type, found.symmetric) == (expected.num_bits, expected.type, expected.symmetric)
    if found.strategy == expected.strategy and found.group_size == expected.group_size:
        assert found == expected


def test_every_linear_of_the_blocks_is_quantized_and_nothing_else(export: Export) -> None:
    quantized = {module for module, _, _ in export.modules()}
    linears = {name.removesuffix(".weight") for name in export.merged if "_proj.weight" in name}
    assert quantized == linears
    left = {name for name in export.merged if name.removesuffix(".weight") not in linears}
    for name in left:
        assert torch.equal(export.stored[name], export.merged[name].to(torch.bfloat16)), name


def test_packing_is_byte_for_byte_the_packages_at_the_same_scales(export: Export) -> None:
    for module, state, weight in export.modules():
        scale = state["weight_scale"]
        assert scale.dtype == torch.bfloat16 and (scale > 0).all(), module
        expected = export.compressor.compress({"weight": weight, "weight_scale": scale}, export.scheme)
        assert state.keys() == expected.keys(), module
        for name, tensor in expected.items():
            assert state[name].dtype == tensor.dtype and state[name].shape == tensor.shape, f"{module}.{name}"
            assert torch.equal(state[name].view(torch.uint8), tensor.view(torch.uint8)), f"{module}.{name}"


def test_dequantized_values_are_the_packages(export: Export, tmp_path: Path) -> None:
    node("python/tests/exports/dequantize.ts", export.folder, tmp_path / "f32.safetensors")
    ours = load_file(tmp_path / "f32.safetensors")
    for module, state, _ in export.modules():
        exact = export.compressor.decompress(state | {"weight_scale": state["weight_scale"].float()}, export.scheme)
        assert torch.equal(ours[f"{module}.weight"], exact["weight"]), module
        rounded = export.compressor.decompress(state, export.scheme)["weight"]
        assert torch.equal(ours[f"{module}.weight"].to(torch.bfloat16), rounded), module


def test_scales_of_whole_rows_are_the_packages(export: Export) -> None:
    if export.format == "pack-quantized":
        return
    for module, state, weight in export.modules():
        scale, _ = calculate_qparams(weight.amin(1, keepdim=True), weight.amax(1, keepdim=True), export.scheme.weights)
        # Where there is nothing to scale the package takes the epsilon of the weight's dtype: here f32, stored is bf16.
        nothing = torch.finfo(torch.float32).eps
        expected = torch.where(scale == nothing, torch.finfo(torch.bfloat16).eps, scale).to(torch.bfloat16)
        assert torch.equal(state["weight_scale"], expected), module


def test_the_clip_search_beats_plain_rounding(export: Export) -> None:
    """Against the package's own absmax scales, at the same bits and groups, on every linear."""
    if export.format != "pack-quantized":
        return
    total = {"searched": 0.0, "plain": 0.0}
    for module, state, weight in export.modules():
        scale = state["weight_scale"].float()
        groups = weight.view(weight.shape[0], scale.shape[1], -1)
        plain, _ = calculate_qparams(groups.amin(-1), groups.amax(-1), export.scheme.weights)
        error = {
            name: (fake_quantize(weight, scales, torch.zeros_like(scales), export.scheme.weights) - weight).square()
            for name, scales in {"searched": scale, "plain": plain.to(torch.bfloat16).float()}.items()
        }
        # The row with one value of 1e4 would drown the others.
        ordinary = weight.abs().amax(1) < 100
        for name, squares in error.items():
            total[name] += squares[ordinary].double().sum().item()
        if "odd" not in str(export.folder) and export.scheme.weights.num_bits == 4:
            assert error["searched"].sum() < error["plain"].sum(), module
    ratio = (total["searched"] / total["plain"]) ** 0.5
    print(f"{read_json(export.folder / 'vora.json')['weights']}: error {ratio:.3f} of plain rounding's")
    assert ratio < (0.97 if export.scheme.weights.num_bits == 4 else 1.0)


@torch.no_grad()
def test_transformers_loads_the_folder_and_continues_as_the_dequantized_model(export: Export, tmp_path: Path) -> None:
    quantized, info = AutoModelForCausalLM.from_pretrained(
        export.folder,
        dtype=torch.float32,
        quantization_config=CompressedTensorsConfig(dequantize=True),
        output_loading_info=True,
    )
    assert {kind: keys for kind, keys in info.items() if keys} == {}
    node("python/tests/exports/dequantize.ts", export.folder, tmp_path / "f32.safetensors")
    config = AutoConfig.from_pretrained(export.folder)
    del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    others = {name: tensor.float() for name, tensor in export.stored.items() if name in plain.state_dict()}
    plain.load_state_dict(others | load_file(tmp_path / "f32.safetensors"))
    for module in quantized.modules():
        # W8A8 and FP8 round activations as well, which is the runtime's business: here it is about the weights.
        module.quantization_enabled = False
    tokens = [
        model.eval().generate(PROMPT, attention_mask=torch.ones_like(PROMPT), do_sample=False, max_new_tokens=32)
        for model in (quantized, plain)
    ]
    assert tokens[0].tolist() == tokens[1].tolist()
