"""What a training step costs: seconds of its thread, bytes of its tensors, peak memory of its process."""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from training.optimizer import Optimizers
from training.precision import mixed


def thread_seconds(device: torch.device) -> float:
    """CPU seconds of this process, which has one thread, so that other work on the machine counts little.

    On CUDA wall seconds, after all that was asked of the device.
    """
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def peak_bytes(device: torch.device) -> int:
    """Peak memory of this process so far: resident, mapped data and libraries included; on CUDA what was allocated."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated())
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024


def step_bytes(modules: list[nn.Module], optimizers: Optimizers, loss: Callable[[], Tensor]) -> dict[str, int]:
    """Bytes of the tensors of a training step; their sum bounds what it holds, since activations go as gradients come.

    `weights` of all modules; `gradients`; state of the `optimizers` (after at least one update); `activations`:
    what autograd keeps for backward, each storage once, of the step without `torch.compile`. Runs a forward and
    a backward pass and clears its gradients.
    """
    weights = {p.untyped_storage().data_ptr(): p.nbytes for module in modules for p in module.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.compiler.set_stance("force_eager"):
        with mixed(optimizers.parameters[0].device), saved_tensors_hooks(keep, lambda tensor: tensor):
            value = loss()
        activations = sum(kept.values())
        value.backward()  # type: ignore[no-untyped-call]
    gradients = sum(p.grad.nbytes for p in optimizers.parameters if p.grad is not None)
    for parameter in optimizers.parameters:
        parameter.grad = None
    states = (state for one in (optimizers.muon, optimizers.adam) for state in one.state.values())
    held = sum(value.nbytes for state in states for value in state.values() if isinstance(value, Tensor))
    return {
        "weights": sum(weights.values()),
        "gradients": gradients,
        "optimizer": held,
        "activations": activations,
    }
