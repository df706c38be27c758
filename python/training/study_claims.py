"""What the paper and what is written about it claim, and what the study measured of it."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np

from training.study_intervals import Estimate, SeedSpread, difference, exact, mean, pooled_spread, ratio
from training.study_results import Results
from training.study_variant import VARIANTS

PAPER = "VoRA, arXiv 2503.20680"
LORA = "LoRA, arXiv 2106.09685"
PRESS = "articles on LoRA"


@dataclass(frozen=True)
class Claim:
    """Holds where the whole interval lies between `least` and `most`, does not where it lies wholly outside."""

    says: str
    source: str
    figure: str
    measured: Estimate
    least: float = -inf
    most: float = inf

    @property
    def verdict(self) -> str:
        if self.least < self.measured.low and self.measured.high < self.most:
            return "holds here"
        if self.measured.high < self.least or self.measured.low > self.most:
            return "does not hold here"
        return "not decided here"


def spread_of(table: Callable[[str], np.ndarray]) -> SeedSpread:
    """Pooled over all variants."""
    return pooled_spread(table(one.name) for one in VARIANTS)


def task_accuracy(results: Results, variant: str, task: str) -> Estimate:
    """Accuracy of one variant in one task."""
    return mean(results.accuracy(variant, task), spread_of(lambda name: results.accuracy(name, task)))


def claims(results: Results) -> list[Claim]:
    """Every claim with its measured figure; `full` is the better of the two full fine-tunings."""
    full = results.best_full
    accuracy, seconds, text = results.accuracy, results.seconds, results.text_accuracy
    seen, timed, read = spread_of(accuracy), spread_of(seconds), spread_of(text)
    return [
        Claim(
            "trains at most 1 % of the parameters that full fine-tuning trains",
            PRESS,
            "trainable, LoRA / full",
            exact(results.trainable("default") / results.trainable(full)),
            most=0.01,
        ),
        Claim(
            "needs at most a third of the training memory",
            LORA,
            "bytes of a step, LoRA / full",
            exact(results.bytes_per_step("default") / results.bytes_per_step(full)),
            most=1 / 3,
        ),
        Claim(
            "trains 25 % faster",
            LORA,
            "seconds per step, LoRA / full",
            ratio(seconds("default"), seconds(full), timed),
            most=0.8,
        ),
        Claim(
            "reaches at least 95 % of the accuracy of full fine-tuning",
            PRESS,
            "accuracy, LoRA / full",
            ratio(accuracy("default"), accuracy(full), seen),
            least=0.95,
        ),
        Claim(
            "sees better when image tokens attend in both directions",
            PAPER,
            "accuracy, bidirectional - causal",
            difference(accuracy("default"), accuracy("causal"), seen),
            least=0.0,
        ),
        Claim(
            "learns faster with block-wise distillation",
            PAPER,
            "accuracy, with - without",
            difference(accuracy("default"), accuracy("no-distillation"), seen),
            least=0.0,
        ),
        Claim(
            "needs a high rank",
            PAPER,
            "accuracy, the recipe's rank - rank 8",
            difference(accuracy("default"), accuracy("rank-8"), seen),
            least=0.0,
        ),
        Claim(
            "keeps what the LLM could do in text, within a point",
            PAPER,
            "text accuracy, LoRA - base",
            mean(text("default") - results.base_text_accuracy(), read),
            least=-0.01,
        ),
        Claim(
            "forgets less than full fine-tuning does",
            PAPER,
            "text accuracy, LoRA - full",
            difference(text("default"), text(full), read),
            least=0.0,
        ),
    ]
