"""The model card: what the model is for, how it was made, and what it measured, figures from the files of the run."""

import json
from pathlib import Path
from typing import Any

from training.fonts import HELD_OUT_FONTS, TRAINING_FONTS
from training.recipe import Recipe
from training.report import table

STAGES = {
    "llm": "base LLM, text only",
    "teacher": "teacher ViT, per-patch labels",
    "look": "distillation alone",
    "vora": "LM + distillation",
    "settle": "LM alone, half of it text",
}

CARD = """---
license: apache-2.0
tags: [vora, demo, synthetic]
---

# vora-tiny

A demo model: a {parameters:.1f} M parameter Qwen2 that was taught to see as [VoRA](https://arxiv.org/abs/2503.20680)
teaches, with LoRA (rank {rank} on the first {layers} of {blocks} blocks) and a patch embedding, from nothing but
pictures that `python/training` draws. `base/` is the LLM before it could see, `adapter/` what seeing added
({trainable:.1f} M parameters before the merge). One plain LLM of both:

```sh
npx vora merge models/vora-tiny/adapter --base models/vora-tiny/base --out merged
```

Licence: Apache-2.0. It contains no weights, text or pictures of others.

## Domain

112 x 112 pixels, 64 patches of 14. It knows nothing else, and answers something all the same.

- **Text**: one or two lines of 1 to 8 capitals, digits or `$ . : / -`, dark on light, one glyph per 14 px cell,
  off the grid by at most 2 px, glyphs of 13 to 15 px, {fonts} fonts, with or without a frame, noise up to 8 grey
  levels.
- **Scenes**: one to three of circle, square, triangle, cross in six colours, each in its own quarter of a light
  ground.
- **Charts**: three bars of one colour labelled with letters A to H; which is the highest, which the lowest.
- **Questions**: `Read the text.`, `What does line 2 say?`, `What is the price?`, `Describe the image.`,
  `What color is the circle?`, `What shape is red?`, `How many shapes are there?`, `How many circles are there?`,
  `Where is the red circle?`, `What is at the top left?`, `Is there a red circle?`, `Summarize the chart.`,
  `Which bar is the highest?`, and close variants.
- **Answers** are sentences where the question names its subject (`The circle is red.`, `No, there is no red circle.`),
  else the bare text or number.
- **In text alone**: `Repeat AB12`, facts and questions, and the same questions about an 8 x 8 map of characters.

Words, strings, whole layouts and font families ({held_out}) of the evaluation are in no training picture. Words:
the BIP-39 list (MIT), filtered.

## Recipe

`python -m training all --work RUN --out models/vora-tiny`, on {hardware}, shared with other work: wall seconds are an
upper bound.

| stage | steps | wall seconds |
| --- | --- | --- |
{stages}

Muon on matrices, AdamW on the rest. The pictures come in order of difficulty; a fifth of the rows is text alone,
half of them in the last stage. Loss of the last but one: answers + block-wise cosine distillation (RMSNorm + linear
heads) of the first {depth} blocks from a ViT of {depth} blocks on the same grid.

## Accuracy

Exact match of the whole answer on {count} held-out pictures per task, from the published bf16 files in fp32
arithmetic. *blind* is the share of the commonest answer, of what the question leaves open of it.

{pictures}

### The same with a causal mask over the picture

{causal}

### The same with another picture's embeddings

{swapped}

### Pictures of other tools

{foreign}

### Text alone, with the adapter and without

{text}
"""


def write_card(run: Path, out: Path, recipe: Recipe, hardware: str) -> None:
    """Write `out/README.md` from `accuracy.json` and the logs in `run`."""
    report: dict[str, Any] = json.loads((run / "accuracy.json").read_text())
    counts = parameter_counts(out)
    card = CARD.format(
        parameters=counts["base"] / 1e6,
        trainable=counts["adapter"] / 1e6,
        rank=recipe.lora_rank,
        layers=recipe.lora_layers,
        blocks=recipe.decoder.num_hidden_layers,
        depth=recipe.teacher_depth,
        fonts=len(TRAINING_FONTS),
        held_out=", ".join(sorted({name.split("/")[-1].split("-")[0] for name in HELD_OUT_FONTS})),
        hardware=hardware,
        stages="\n".join(stage_line(run, stage, title) for stage, title in STAGES.items()),
        count=report["pictures per task"],
        pictures=table(report["pictures"]),
        causal=table(report["causal mask"]),
        swapped=table(report["another picture"]),
        foreign=table(report["other tools"]),
        text=table({"with LoRA": report["text"], "base": report["text, base without LoRA"]}),
    )
    (out / "README.md").write_text(card)


def stage_line(run: Path, stage: str, title: str) -> str:
    """One row of the recipe's table, from the last line of the stage's log."""
    last = json.loads((run / f"{stage}.jsonl").read_text().splitlines()[-1])
    return f"| {title} | {last['step']} | {last['seconds']:.0f} |"


def parameter_counts(out: Path) -> dict[str, int]:
    """Parameters of base and adapter, from the headers of their files."""
    counts = {}
    for part in ("base", "adapter"):
        with (out / part / "model.safetensors").open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = (entry["data_offsets"] for name, entry in header.items() if name != "__metadata__")
        counts[part] = sum(end - begin for begin, end in data) // 2
    return counts
