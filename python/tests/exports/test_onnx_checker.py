"""Every graph that `vora export onnx` writes, by ONNX's own checker."""

from pathlib import Path

import onnx
import pytest
from vora_cli import merge_odd_model, merge_vora_tiny, vora

EXPORTS = [
    ["--weights", "f32"],
    ["--weights", "int8", "--group-size", "64"],
    ["--weights", "int4", "--group-size", "32"],
    ["--weights", "int4", "--group-size", "128", "--asymmetric"],
]


@pytest.fixture(scope="module", params=[merge_vora_tiny, merge_odd_model], ids=["tiny", "odd"])
def merged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = request.param(tmp_path_factory.mktemp("merged") / "merged")
    return folder


@pytest.mark.parametrize("options", EXPORTS, ids=lambda options: " ".join(options[1:]))
def test_graphs_are_valid_and_hold_no_weight_themselves(merged: Path, options: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "onnx"
    vora("export", "onnx", merged, "--out", folder, *options)
    graphs = sorted(folder.glob("*.onnx"))
    assert [graph.name for graph in graphs] == ["decoder.onnx", "embed_tokens.onnx", "patch_embed.onnx"]
    for graph in graphs:
        onnx.checker.check_model(str(graph), full_check=graph.name == "patch_embed.onnx")
    for graph in graphs[:2]:
        model = onnx.load(str(graph), load_external_data=False)
        inline = [tensor.name for tensor in model.graph.initializer if tensor.ByteSize() > 1000]
        assert inline == [], graph.name
        floats = {
            tensor.name
            for tensor in model.graph.initializer
            if tensor.data_type == onnx.TensorProto.FLOAT
            and len(tensor.dims) == 2
            and not tensor.name.endswith("scales")
        }
        tables = {"rope.cos_cache", "rope.sin_cache"}
        if options[1] != "f32":
            assert floats <= tables, graph.name
        assert graph.stat().st_size < 200_000
