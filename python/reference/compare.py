"""Compares two trees of generated files: everything byte for byte, f32 tensors within a tolerance."""

from pathlib import Path

import torch
from safetensors.torch import load_file

# f32 results differ between CPUs in their last bits (vector width, order of sums); everything else must not.
RELATIVE_TOLERANCE = 1e-4
ABSOLUTE_TOLERANCE = 1e-4

# May stand beside generated files without being one.
BY_HAND = "README.md"


def differing_tensors(expected: Path, found: Path) -> list[str]:
    """Names of the tensors that differ or are missing on one side."""
    left, right = load_file(expected), load_file(found)

    def equal(a: torch.Tensor, b: torch.Tensor) -> bool:
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        if a.dtype == torch.float32:
            return torch.allclose(a, b, rtol=RELATIVE_TOLERANCE, atol=ABSOLUTE_TOLERANCE)
        return torch.equal(a, b)

    return [
        name for name in sorted(left | right) if not (name in left and name in right and equal(left[name], right[name]))
    ]


def differences(expected: Path, found: Path) -> list[str]:
    """One line per file of either folder that is not the same in the other."""
    files = {path.relative_to(folder) for folder in (expected, found) for path in folder.rglob("*") if path.is_file()}
    lines = []
    for file in sorted(files):
        left, right = expected / file, found / file
        if file.name == BY_HAND and not right.exists():
            continue
        if not left.exists() or not right.exists():
            lines.append(f"{file}: missing in {found if left.exists() else expected}")
        elif file.suffix == ".safetensors":
            lines += [f"{file}: tensor {name} differs" for name in differing_tensors(left, right)]
        elif left.read_bytes() != right.read_bytes():
            lines.append(f"{file}: bytes differ")
    return lines
