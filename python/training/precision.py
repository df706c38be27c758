"""Which arithmetic a machine is fast in."""

import torch


def multiplies_bf16(device: torch.device) -> bool:
    """Whether matrix products in bf16 are several times as fast as in f32: on GPUs, and on CPUs with AMX tiles."""
    return device.type == "cuda" or bool(torch.cpu._is_amx_tile_supported())


def mixed(device: torch.device) -> torch.autocast:
    """Matrix products in bf16 where that is fast, everything else and every weight in f32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bf16(device))
