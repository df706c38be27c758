"""Pillow and PyTorch on one thread: each picture to 1024 embeddings of 7B size, as VoRA's reference does it.

Prints the median milliseconds and CPU milliseconds of each as JSON.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

RUNS = 7
EDGE, PATCH, VISION, HIDDEN = 448, 14, 1536, 3584
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)

torch.set_num_threads(1)
generator = torch.Generator().manual_seed(1)
convolution = torch.nn.Conv2d(3, VISION, PATCH, PATCH)
norm = torch.nn.RMSNorm(VISION, eps=1e-6)
positions = torch.randn(1, (EDGE // PATCH) ** 2, VISION, generator=generator)
projection = torch.nn.Linear(VISION, HIDDEN, bias=False)


@torch.inference_mode()
def embed(path: Path) -> torch.Tensor:
    image = Image.open(path).convert("RGB")
    side = max(image.size)
    square = Image.new("RGB", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    square = square.resize((EDGE, EDGE), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1).float().div(255).sub(MEAN).div(STD)
    patches = convolution(pixels.unsqueeze(0)).flatten(2).transpose(1, 2)
    return projection(norm(patches) + positions)


def median_of(path: Path) -> dict[str, float]:
    embed(path)
    wall, cpu = [], []
    for _ in range(RUNS):
        start, start_cpu = time.perf_counter(), time.process_time()
        embed(path)
        wall.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - start_cpu) * 1000)
    return {"ms": statistics.median(wall), "cpuMs": statistics.median(cpu)}


if __name__ == "__main__":
    print(json.dumps({picture: median_of(Path(picture)) for picture in sys.argv[1:]}))
