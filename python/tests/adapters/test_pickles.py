"""A PyTorch pickle is refused, and the command in the message makes of it what merges to the same bytes."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from vora_cli import NODE, vora

from reference.paths import CHECKPOINTS, REPOSITORY


def test_the_printed_command_converts_what_deepspeed_saved(tmp_path: Path) -> None:
    source = REPOSITORY / CHECKPOINTS / "vora-aux"
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(source, checkpoint)
    tensors = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    torch.save({"module": {f"module.{name}": tensor for name, tensor in tensors.items()}}, checkpoint / "model.bin")

    merge: list[str | Path] = [NODE, "bin/vora.mjs", "merge", checkpoint, "--out", tmp_path / "merged"]
    refused = subprocess.run(merge, cwd=REPOSITORY, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "found model.bin, a PyTorch pickle, expected safetensors" in refused.stderr
    program, *arguments = shlex.split(refused.stderr.splitlines()[1])
    assert program == "python"
    subprocess.run([sys.executable, *arguments], cwd=checkpoint, check=True)

    vora("merge", checkpoint, "--out", tmp_path / "merged")
    vora("merge", source, "--out", tmp_path / "expected")
    found, expected = [(tmp_path / name / "model.safetensors").read_bytes() for name in ["merged", "expected"]]
    assert found == expected
