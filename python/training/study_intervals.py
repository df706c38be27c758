"""95 % intervals over seeds and held-out pictures.

A figure of one variant is a table [seeds, blocks]: every seed was judged on the same blocks of pictures. Its mean
errs for two reasons, which add up: few seeds, and few pictures.

- Seeds: the standard deviation between runs of one variant, pooled over all variants, since two or three runs
  alone say little of their spread; this takes it to be the same in all.
- Pictures: the standard deviation between blocks. Two variants were shown the same pictures, so when they are
  compared, only the blocks' differences count.

The interval is the mean ± Student's t for the pooled degrees of freedom times the standard error.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np
from scipy.stats import t as student

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class SeedSpread:
    """Standard deviation between runs that differ in their seed alone, and how many degrees of freedom it has."""

    deviation: float
    freedom: int

    @property
    def quantile(self) -> float:
        """Student's t for a two-sided interval."""
        return float(student.ppf((1 + LEVEL) / 2, self.freedom))


def pooled_spread(tables: Iterable[np.ndarray]) -> SeedSpread:
    """Spread of the runs' means around the mean of their variant; tables f64 [seeds, blocks], ≥ 2 seeds in one."""
    squares, freedom = 0.0, 0
    for table in tables:
        runs = table.mean(axis=1)
        squares += float(((runs - runs.mean()) ** 2).sum())
        freedom += len(runs) - 1
    if freedom == 0:
        raise ValueError("an interval over seeds needs two seeds of one variant at least")
    return SeedSpread(sqrt(squares / freedom), freedom)


def mean(table: np.ndarray, spread: SeedSpread) -> Estimate:
    """Mean of one variant; table f64 [seeds, blocks]."""
    return _estimate(
        float(table.mean()), spread.deviation**2 / len(table) + _block_variance(table.mean(axis=0)), spread
    )


def difference(first: np.ndarray, second: np.ndarray, spread: SeedSpread) -> Estimate:
    """Mean of `first` minus mean of `second`; tables f64 [seeds, blocks] of the same blocks."""
    value = float(first.mean() - second.mean())
    seeds = spread.deviation**2 * (1 / len(first) + 1 / len(second))
    return _estimate(value, seeds + _block_variance(first.mean(axis=0) - second.mean(axis=0)), spread)


def ratio(first: np.ndarray, second: np.ndarray, spread: SeedSpread) -> Estimate:
    """Mean of `first` over mean of `second`, linearised (delta method); tables as in `difference`.

    Where the mean of `second` is 0 the ratio is undefined: (nan, -inf, inf).
    """
    below = float(second.mean())
    if below == 0:
        return Estimate(nan, -inf, inf)
    value = float(first.mean()) / below
    seeds = (spread.deviation / below) ** 2 * (1 / len(first) + value**2 / len(second))
    blocks = _block_variance((first.mean(axis=0) - value * second.mean(axis=0)) / below)
    return _estimate(value, seeds + blocks, spread)


def exact(value: float) -> Estimate:
    """A figure that is counted, not sampled."""
    return Estimate(value, value, value)


def _block_variance(blocks: np.ndarray) -> float:
    """Squared standard error of the mean of [blocks]; one block alone says nothing of pictures and adds nothing."""
    return float(blocks.var(ddof=1)) / len(blocks) if len(blocks) > 1 else 0.0


def _estimate(value: float, variance: float, spread: SeedSpread) -> Estimate:
    half = spread.quantile * sqrt(variance)
    return Estimate(value, value - half, value + half)
