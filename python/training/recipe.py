"""Every number of the recipe, in full and at smoke size."""

from dataclasses import dataclass, field

from training.decoder import DecoderConfig


@dataclass(frozen=True)
class Recipe:
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    texts: int = 120_000
    pictures: int = 240_000
    batch: int = 32
    """Rows of a step, per process."""
    llm_steps: int = 5000
    teacher_width: int = 192
    teacher_depth: int = 3
    teacher_batch: int = 64
    teacher_steps: int = 2500
    vision_width: int = 768
    lora_rank: int = 128
    lora_layers: int = 5
    look_batch: int = 64
    look_steps: int = 1200
    vora_steps: int = 3000
    settle_steps: int = 600
    settle_rate: float = 0.25
    """Factor on the rates of the stage before."""
    evaluated: int = 1000
    compiled: bool = True
    study_seeds: int = 2
    study_rate: float = 1.75
    """Factor on the rates of the last stage, for a run this short."""
    study_steps: int = 540
    """Of every run; the first of them are distillation alone."""
    study_batch: int = 8
    study_look_steps: int = 140
    study_look_batch: int = 24
    study_blocks: int = 10
    study_block: int = 16
    """Held-out pictures per block and task."""


FULL = Recipe()
SMOKE = Recipe(
    decoder=DecoderConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2
    ),
    texts=300,
    pictures=300,
    batch=10,
    llm_steps=20,
    teacher_width=64,
    teacher_depth=2,
    teacher_batch=16,
    teacher_steps=20,
    vision_width=640,
    lora_rank=16,
    lora_layers=2,
    look_batch=10,
    look_steps=20,
    vora_steps=20,
    settle_steps=20,
    evaluated=8,
    compiled=False,
    study_steps=20,
    study_batch=5,
    study_look_steps=5,
    study_look_batch=4,
    study_blocks=2,
    study_block=2,
)
