"""Pre-rendered data on disk: pictures, labels and packed rows as memory-mapped arrays."""

import json
from multiprocessing import Pool
from pathlib import Path
from random import Random

import numpy as np
from numpy.lib.format import open_memmap
from tokenizers import Tokenizer

from training.chart import make_chart
from training.dialogue import Dialogue
from training.grid import IMAGE_PX
from training.picture import LABEL_HEADS, Picture
from training.scene import make_scene
from training.text_picture import make_page, make_text
from training.text_tasks import make_text_task

CHUNK = 500
ARRAYS = ("images", "labels", "rows")


PICTURE_SHARES = {"text": 0.60, "scene": 0.28, "chart": 0.12}
MAP_SHARES = {"text": 0.25, "scene": 0.45, "chart": 0.30}
"""Glyphs are what is hard to see, and questions about scenes and charts what is hard to answer."""


def make_picture(
    rng: Random, held_out: bool, difficulty: float = 1.0, shares: dict[str, float] = PICTURE_SHARES
) -> Picture:
    """A picture of the training mixture."""
    match rng.choices(list(shares), list(shares.values()))[0]:
        case "text":
            return make_text(rng, held_out, difficulty)
        case "scene":
            return make_scene(rng, held_out, difficulty)
        case _:
            return make_chart(rng, held_out)


def picture_row(dialogue: Dialogue, picture: Picture, rng: Random, joint: str = "") -> np.ndarray:
    """The packed row i16 [4, L] with the picture's map as context; its turns in random order."""
    return dialogue.row(dialogue.cells(picture), rng.sample(picture.turns, len(picture.turns)), joint).stacked()


def write_pictures(folder: Path, tokenizer_file: Path, count: int, seed: int, workers: int) -> None:
    """`count` training pictures, difficulty rising along the file: its order is the curriculum.

    Writes images u8 [N,112,112,3], labels u8 [N,64,5], rows i16 [N,4,L] (context = map); does
    nothing where a finished set of the same size and seed is there.
    """
    done = folder / "done.json"
    facts = {"count": count, "seed": seed}
    if done.exists() and json.loads(done.read_text()) == facts:
        return
    folder.mkdir(parents=True, exist_ok=True)
    length = Dialogue(Tokenizer.from_file(str(tokenizer_file))).length
    shapes: dict[str, tuple[tuple[int, ...], type]] = {
        "images": ((count, IMAGE_PX, IMAGE_PX, 3), np.uint8),
        "labels": ((count, 64, len(LABEL_HEADS)), np.uint8),
        "rows": ((count, 4, length), np.int16),
    }
    for name, (shape, dtype) in shapes.items():
        open_memmap(folder / f"{name}.npy", "w+", dtype, shape)
    jobs = [(folder, tokenizer_file, start, min(start + CHUNK, count), count, seed) for start in range(0, count, CHUNK)]
    with Pool(workers) as pool:
        for _ in pool.imap_unordered(_write_chunk, jobs):
            pass
    done.write_text(json.dumps(facts))


def _write_chunk(job: tuple[Path, Path, int, int, int, int]) -> None:
    folder, tokenizer_file, start, stop, count, seed = job
    dialogue = Dialogue(Tokenizer.from_file(str(tokenizer_file)))
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in ARRAYS}
    rng = Random(f"{seed} {start}")
    for index in range(start, stop):
        picture = make_picture(rng, False, index / count)
        arrays["images"][index] = np.asarray(picture.image)
        arrays["labels"][index] = picture.labels
        arrays["rows"][index] = picture_row(dialogue, picture, rng)


def open_pictures(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of `write_pictures`, read-only."""
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}


def write_texts(path: Path, tokenizer_file: Path, count: int, seed: int, workers: int) -> None:
    """`count` text-only rows i16 [N,4,L]: three quarters maps, the rest instructions without a picture."""
    if path.exists() and len(np.load(path, mmap_mode="r")) == count:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    jobs = [(tokenizer_file, min(CHUNK, count - start), f"{seed} {start}") for start in range(0, count, CHUNK)]
    with Pool(workers) as pool:
        chunks = pool.map(_text_chunk, jobs)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, np.concatenate(chunks))
    partial.replace(path)


def _text_chunk(job: tuple[Path, int, str]) -> np.ndarray:
    tokenizer_file, count, seed = job
    dialogue = Dialogue(Tokenizer.from_file(str(tokenizer_file)))
    rng, rows = Random(seed), np.zeros((count, 4, dialogue.length), np.int16)
    for index in range(count):
        pick = rng.random()
        if pick < 0.75:
            picture = make_page(rng, False) if pick < 0.12 else make_picture(rng, False, shares=MAP_SHARES)
            rows[index] = picture_row(dialogue, picture, rng, "\n")
        else:
            facts, turns = make_text_task(rng, False)
            asked = rng.sample(turns, len(turns))
            rows[index] = dialogue.row(dialogue.encode(facts), asked, "\n" if facts else "").stacked()
    return rows
