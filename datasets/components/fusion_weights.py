"""What each modality says by itself, and the weights that make most of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from physlearn.datasets.components.block_regression import fit_rows
from physlearn.datasets.components.few_label_models import UNKNOWN, class_log_probabilities
from physlearn.datasets.components.prepared_table import PreparedTable
from physlearn.datasets.components.signal_space import signal_space

__all__ = [
    "Loss",
    "class_loss",
    "class_opinions",
    "fit_weights",
    "line_loss",
    "line_opinions",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Pairs = list[tuple[Integers, Integers]]
LEAST_LOG_P = -20.0
"""No modality may rule a class out for ever: one that errs would decide alone."""
PRIOR_ROWS = 2.0
"""Weight of equal weights, in rows: it decides where modalities say the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """Loss of each row given fused answers (n, k); ``base`` what an empty answer means."""

    truth: NDArray[np.float64] | Integers
    base: float
    scale: float
    make: Callable[[NDArray[np.float64] | Integers, Floats, float], Floats]

    def each(self, fused: Floats) -> Floats:
        """Return the loss of every row."""
        return self.make(self.truth, fused, self.base)

    def rows(self, rows: Integers) -> Loss:
        """Return the loss of some of the rows."""
        return Loss(self.truth[rows], self.base, self.scale, self.make)


def class_loss(codes: Integers) -> Loss:
    """Return the log loss of classes."""
    return Loss(codes, 0.0, 1.0, _log_loss)


def line_loss(numbers: Floats) -> Loss:
    """Return the squared error of numbers, ``scale`` that of their mean."""
    return Loss(numbers, float(numbers.mean()), float(numbers.var()), _squared_error)


def class_opinions(
    table: PreparedTable, codes: Integers, k: int, pairs: Pairs, seed: int
) -> Floats:
    """Return ln p(class) of every patch (n, k) by one modality, held out where it is known."""
    scores = signal_space(table, "auto", seed)
    result = class_log_probabilities("discriminant", scores, codes, k)
    for learned, held in pairs:
        seen = np.full(len(codes), UNKNOWN)
        seen[learned] = codes[learned]
        result[held] = class_log_probabilities("discriminant", scores, seen, k)[held]
    return np.maximum(result, LEAST_LOG_P)


def line_opinions(table: PreparedTable, numbers: Floats, pairs: Pairs, seed: int) -> Floats:
    """Return how far above the mean one modality puts each patch (n, 1), held out where known."""
    scores = signal_space(table, "auto", seed)
    known = np.flatnonzero(np.isfinite(numbers))
    targets = numbers[:, None]
    result = np.array(fit_rows("ridge", scores[known], targets[known], seed)(scores))
    for learned, held in pairs:
        result[held] = fit_rows("ridge", scores[learned], targets[learned], seed)(scores[held])
    return np.asarray(result - numbers[known].mean())


def fit_weights(opinions: Floats, loss: Loss, classes: bool) -> Floats:
    """Return the weights (m,) of at least 0 with the least loss of fused (m, n, k) answers."""
    m, n = opinions.shape[:2]
    equal = np.full(m, 1.0 / m)
    # rows in which modalities agree do not tell them apart: a weak pull keeps their weights equal
    pull = PRIOR_ROWS * loss.scale / n

    def total(weights: Floats) -> float:
        fused = np.einsum("m,mnk->nk", weights, opinions)
        return float(loss.each(fused).mean() + pull * ((weights - weights.mean()) ** 2).sum())

    start = np.ones(m) if classes else equal
    found = optimize.minimize(total, start, bounds=[(0.0, 5.0)] * m, method="L-BFGS-B")
    return np.asarray(found.x)


def _log_loss(codes: NDArray[np.float64] | Integers, fused: Floats, _: float) -> Floats:
    """Return -ln p of the true class."""
    top = fused.max(axis=1)
    log_sum = top + np.log(np.exp(fused - top[:, None]).sum(axis=1))
    return np.asarray(log_sum - fused[np.arange(len(codes)), codes.astype(np.int64)])


def _squared_error(numbers: NDArray[np.float64] | Integers, fused: Floats, base: float) -> Floats:
    """Return the squared error of each number."""
    return np.asarray((numbers - base - fused[:, 0]) ** 2)
