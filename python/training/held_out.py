"""The held-out sets: which pictures and texts every accuracy is of, and their files for other programs.

The first pictures of a set are the same whatever its size, so that a smaller count is a part of a larger one.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random

from PIL import Image

from training.chart import make_chart
from training.foreign import SETS
from training.picture import Picture, Turn
from training.rasterizers import ToolMissing
from training.scene import make_scene
from training.text_picture import make_text
from training.text_tasks import make_text_task

SEED = 1
SIDE_SHARE = 4
"""Sets beside the main ones have a fourth of their pictures."""
JPEG_QUALITY = 60
TEXT_SET = "text"

TASKS: dict[str, Callable[[Random], Picture]] = {
    "one line": lambda rng: make_text(rng, True, lines=1),
    "two lines": lambda rng: make_text(rng, True, lines=2),
    "scene": lambda rng: make_scene(rng, True),
    "chart": lambda rng: make_chart(rng, True),
}


@dataclass(frozen=True)
class PictureSet:
    """Pictures as they were drawn; `jpeg` says how they are sent."""

    name: str
    pictures: list[Picture]
    jpeg: bool = False

    @property
    def suffix(self) -> str:
        return ".jpg" if self.jpeg else ".png"

    def encode(self, picture: Picture) -> bytes:
        """The bytes that a client sends."""
        buffer = BytesIO()
        if self.jpeg:
            picture.image.save(buffer, "JPEG", quality=JPEG_QUALITY)
        else:
            picture.image.save(buffer, "PNG")
        return buffer.getvalue()

    def seen(self) -> list[Picture]:
        """The pictures as a model sees them: decoded from what is sent."""
        return [replace(picture, draw=partial(decode, self.encode(picture))) for picture in self.pictures]


@dataclass(frozen=True)
class TextTask:
    """Turns about a context in words or about a map; `joint` stands between context and question."""

    context: str
    turns: list[Turn]

    @property
    def joint(self) -> str:
        return "\n" if self.context else ""


def make_pictures(task: str, count: int, seed: int = SEED) -> list[Picture]:
    """`count` held-out pictures of one of TASKS."""
    rng = Random(f"evaluation {task} {seed}")
    return [TASKS[task](rng) for _ in range(count)]


def make_texts(count: int, seed: int = SEED) -> list[TextTask]:
    """`count` maps of held-out pictures and as many tasks without a picture, in turn."""
    rng, texts = Random(f"evaluation text {seed}"), []
    for _ in range(count):
        picture = rng.choice(list(TASKS.values()))(rng)
        turns = [replace(t, kind=f"map {t.kind}") for t in picture.turns]
        texts.append(TextTask(str(picture.grid), turns))
        facts, turns = make_text_task(rng, True)
        texts.append(TextTask(facts, [replace(t, kind=f"text {t.kind}") for t in turns]))
    return texts


def main_sets(count: int) -> Iterator[PictureSet]:
    return (PictureSet(task, make_pictures(task, count)) for task in TASKS)


def foreign_sets(count: int) -> Iterator[PictureSet]:
    """Sets that our generators did not write themselves; one whose program is missing is skipped, and that is said."""
    for task in TASKS:
        yield PictureSet(f"{task}, JPEG {JPEG_QUALITY}", make_pictures(task, count), jpeg=True)
    for name, make in SETS.items():
        try:
            # The same strings and scenes for every program.
            yield PictureSet(name, make(Random(f"evaluation drawn {name.split(' by ')[0]} {SEED}"), count))
        except ToolMissing as missing:
            print(f"{name}: skipped, {missing}", flush=True)


def write_held_out(out: Path, count: int) -> None:
    """Write every set as OUT/<set>/<n>.png or .jpg and OUT/<set>/questions.jsonl.

    A line of questions.jsonl is {image, task, kind, question, answer, unknown}: unknown is what of the answer the
    question does not give away; image is null in the set of texts, which has twice `count` contexts.
    Raises FileExistsError when `out` has anything in it.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty")
    for sets in (main_sets(count), foreign_sets(max(1, count // SIDE_SHARE))):
        for pictures in sets:
            _write_pictures(out, pictures)
    tasks = make_texts(count)
    lines = [_line(None, TEXT_SET, turn, task.context + task.joint) for task in tasks for turn in task.turns]
    _write_questions(out / TEXT_SET, lines)


def _write_pictures(out: Path, pictures: PictureSet) -> None:
    folder, lines = out / pictures.name, []
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures.pictures):
        file = f"{number}{pictures.suffix}"
        (folder / file).write_bytes(pictures.encode(picture))
        lines += [_line(file, pictures.name, turn) for turn in picture.turns]
    _write_questions(folder, lines)


def _line(image: str | None, task: str, turn: Turn, context: str = "") -> dict[str, str | None]:
    question = context + turn.question
    asked = {"image": image, "task": task, "kind": turn.kind, "question": question}
    return asked | {"answer": turn.answer, "unknown": turn.guess}


def _write_questions(folder: Path, lines: list[dict[str, str | None]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    print(f"{folder.name}: {len(lines)} questions", flush=True)


def decode(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content)).convert("RGB")
