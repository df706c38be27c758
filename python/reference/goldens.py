"""Writes test/fixtures/golden: images, their pixels and embeddings, and what the model answers about them."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

from .attention_mask import may_attend
from .config import NATIVE_MAX_PIXELS, NATIVE_MIN_PIXELS, VORA_RANDOM
from .image_files import IMAGE_FILES, ImageFile
from .json_file import write_json
from .oracle import Oracle
from .paths import GOLDEN, RANDOM_MODEL
from .pixels import Mode, NativeBounds, preprocess, smart_resize
from .prompts import PROMPTS, Prompt, assemble
from .tool_calls import tool_goldens
from .vision_embedding import patchify

GREEDY_TOKENS = 32
LARGE_IMAGE_SIZE = 448

# A greedy step closer than this could turn over between two correct f32 implementations.
MIN_MARGIN = 0.02
MIN_DISTINCT_TOKENS = 12

BOUNDS = NativeBounds(VORA_RANDOM.patch_size, NATIVE_MIN_PIXELS, NATIVE_MAX_PIXELS)

# (height, width, min pixels, max pixels): rounding to even, both bounds, and every refusal.
SMART_RESIZE_CASES = [
    (14, 14, 3136, 28224),
    (13, 100, 3136, 28224),
    (100, 13, 3136, 28224),
    (21, 35, 3136, 28224),
    (49, 63, 196, 28224),
    (35, 49, 196, 28224),
    (77, 91, 3136, 28224),
    (112, 112, 3136, 28224),
    (333, 501, 3136, 28224),
    (501, 333, 3136, 28224),
    (168, 168, 3136, 28224),
    (169, 169, 3136, 28224),
    (20, 2000, 3136, 28224),
    (14, 2800, 3136, 28224),
    (14, 2801, 3136, 28224),
    (20, 4000, 3136, 28224),
    (55, 57, 3136, 28224),
    (56, 56, 3136, 28224),
    (15, 15, 3136, 784000),
    (1080, 1920, 3136, 784000),
    (3024, 4032, 3136, 784000),
    (4032, 3024, 3136, 784000),
    (20000, 20000, 3136, 784000),
    (448, 448, 3136, 784000),
]


def sha256(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def native_error(height: int, width: int) -> str | None:
    try:
        smart_resize(height, width, BOUNDS)
    except ValueError as error:
        return str(error)
    return None


def smart_resize_case(height: int, width: int, low: int, high: int) -> dict[str, Any]:
    case = {"height": height, "width": width, "minPixels": low, "maxPixels": high}
    try:
        return {**case, "resized": list(smart_resize(height, width, NativeBounds(VORA_RANDOM.patch_size, low, high)))}
    except ValueError as error:
        return {**case, "error": str(error)}


def write_image(file: ImageFile, mode: Mode, oracle: Oracle, folder: Path) -> dict[str, Any]:
    """Tensors of one image in one mode; returns its line of images.json."""
    picture = file.load(folder / file.file)
    pixels = preprocess(picture, mode, VORA_RANDOM.image_size, BOUNDS)
    tensors = {"pixels": torch.from_numpy(pixels.copy())}
    if mode == "native" or file.full:
        tensors["patches"] = torch.from_numpy(patchify(pixels, VORA_RANDOM.patch_size))
        tensors["embeddings"] = oracle.vision(pixels)
    save_file(tensors, folder / f"{file.name}.{mode}.safetensors")
    entry: dict[str, Any] = {
        "name": file.name,
        "file": file.file,
        "format": {"jpg": "jpeg"}.get(file.extension, file.extension),
        "mode": mode,
        "width": picture.width,
        "height": picture.height,
        "grid": [edge // VORA_RANDOM.patch_size for edge in pixels.shape[:2]],
        "pixelsSha256": sha256(pixels),
        "exact": file.exact,
    }
    if mode == "square":
        entry["pixels448Sha256"] = sha256(preprocess(picture, mode, LARGE_IMAGE_SIZE, BOUNDS))
        if error := native_error(picture.height, picture.width):
            entry["nativeError"] = error
    if file.note:
        entry["note"] = file.note
    return entry


def write_images(oracle: Oracle, folder: Path) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    entries = []
    for file in IMAGE_FILES:
        (folder / file.file).write_bytes(file.encode())
        entries.append(write_image(file, "square", oracle, folder))
        if file.native:
            entries.append(write_image(file, "native", oracle, folder))
    write_json(folder / "images.json", entries)
    write_json(folder / "smart-resize.json", [smart_resize_case(*case) for case in SMART_RESIZE_CASES])


def write_prompt(prompt: Prompt, tokenizer: PreTrainedTokenizerFast, oracle: Oracle, folder: Path) -> dict[str, Any]:
    """Tensors of one prompt; returns its line of prompts.json. Refuses a prompt that would make a weak test."""
    by_file = {file.file: file for file in IMAGE_FILES}
    pixels = [
        preprocess(by_file[name].load(folder / name), prompt.mode, VORA_RANDOM.image_size, BOUNDS)
        for name in prompt.images()
    ]
    images = [oracle.vision(image) for image in pixels]
    assembled = assemble(prompt, tokenizer, oracle, images)
    greedy = oracle.greedy(assembled.embeds, assembled.runs, GREEDY_TOKENS)
    causal = oracle.greedy(assembled.embeds, [], GREEDY_TOKENS)

    # The wire carries embeddings as bf16: the words must not depend on that rounding.
    rounded = assemble(prompt, tokenizer, oracle, [image.bfloat16().float() for image in images])
    weaknesses = {
        "a step is too close to call": min(greedy.margins) < MIN_MARGIN,
        "too few different tokens": len(set(greedy.ids)) < MIN_DISTINCT_TOKENS,
        "the mask does not matter": bool(images) and greedy.ids == causal.ids,
        "bf16 embeddings change the words": oracle.greedy(rounded.embeds, rounded.runs, GREEDY_TOKENS).ids
        != greedy.ids,
    }
    if any(weaknesses.values()):
        raise ValueError(f"{prompt.name}: {[name for name, weak in weaknesses.items() if weak]}")

    length = len(assembled.embeds)
    logits = oracle.logits(assembled.embeds, assembled.runs)
    tensors = {
        "inputs_embeds": assembled.embeds,
        "mask": may_attend(assembled.runs, length).to(torch.uint8),
        "logits": logits[-1].clone(),
    }
    if prompt.all_logits:
        tensors["all_logits"] = logits
        tensors["greedy_logprobs"] = greedy.logprobs
    save_file(tensors, folder / f"prompt-{prompt.name}.safetensors")
    return {
        "name": prompt.name,
        "mode": prompt.mode,
        "messages": prompt.messages,
        "rendered": assembled.rendered,
        "ids": assembled.ids,
        "imageRuns": assembled.runs,
        "promptTokens": length,
        "greedy": greedy.ids,
        "text": tokenizer.decode(greedy.ids, skip_special_tokens=True),
        "causalGreedy": causal.ids,
    }


@torch.no_grad()
def write_goldens(root: Path) -> None:
    """test/fixtures/golden under `root`, from the checkpoint of the same `root`."""
    folder = root / GOLDEN
    oracle = Oracle(VORA_RANDOM, root / RANDOM_MODEL)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(root / RANDOM_MODEL)
    write_images(oracle, folder)
    write_json(folder / "prompts.json", [write_prompt(prompt, tokenizer, oracle, folder) for prompt in PROMPTS])
    write_json(folder / "tools.json", tool_goldens(tokenizer))
