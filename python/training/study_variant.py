"""The variants of the study, as data: each differs from the first in one thing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    name: str
    says: str
    full: bool = False
    """Train every weight of the LLM, without LoRA."""
    rank: int | None = None
    """Rank of LoRA; None: the recipe's."""
    causal: bool = False
    """Image tokens see only those before them, in training and in evaluation."""
    distilled: bool = True
    rate: float = 1.0
    """Factor on the learning rates of the recipe."""


VARIANTS = (
    Variant("default", "LoRA, bidirectional, distillation"),
    Variant("causal", "causal image mask", causal=True),
    Variant("no-distillation", "no distillation", distilled=False),
    Variant("rank-8", "LoRA of rank 8", rank=8),
    Variant("rank-32", "LoRA of rank 32", rank=32),
    Variant("full", "full fine-tuning", full=True),
    Variant("full-slow", "full fine-tuning, a quarter of the rate", full=True, rate=0.25),
)


def variant(name: str) -> Variant:
    """The variant of that name; KeyError where there is none."""
    return {one.name: one for one in VARIANTS}[name]
