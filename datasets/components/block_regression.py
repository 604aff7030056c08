"""Many numbers from many numbers: models chosen by held-out blocks, intervals from them too."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from physlearn.checks import CREDIBLE_MASS
from physlearn.datasets.components.block_folds import BlockFolds

__all__ = [
    "MODELS",
    "Regression",
    "conformal_factor",
    "fit_rows",
    "regress_in_blocks",
    "widening_elsewhere",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MODELS = ("mean", "ridge", "gaussian_process")
PENALTIES = np.logspace(-3, 5, 17)
MOST_KERNEL_ROWS = 800
MOST_TUNED_ROWS = 250
"""Rows that a Gaussian process learns from; its cost grows with their cube."""
LEVELS = np.append(np.linspace(0.8, 0.995, 40), 1.0)
MOST_COMPARED = 1500
LEAST_AREAS = 1.7
"""Independent areas below which a field says nothing of what another would differ by."""
MOST_GROUPS = 20
"""Groups of blocks that are left out in turn to find the level of an interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Held-out predictions (n, m) by the best model, and what fits on all say of every row.

    ``comparison``: model -> mean squared error of each known row, held out (n_known,).
    """

    model: str
    held_out: Floats
    predictions: Floats
    comparison: dict[str, Floats]


def regress_in_blocks(
    inputs: Floats,
    targets: Floats,
    known: Integers,
    folds: BlockFolds,
    models: tuple[str, ...],
    weights: Floats,
    seed: int,
) -> Regression:
    """Return predictions of ``targets`` (n_known, m) from ``inputs`` (n, d) of all rows.

    ``folds`` are of the known rows. ``weights`` (m,) put the targets' errors on one scale before
    they are averaged.
    """
    held_out, errors = {}, {}
    kernel = None
    if "gaussian_process" in models:
        kernel = _tuned_kernel(inputs[known], targets, seed)
    for name in models:
        predicted = np.empty_like(targets)
        for learned, held in folds.split():
            fit = fit_rows(name, inputs[known[learned]], targets[learned], seed, kernel)
            predicted[held] = fit(inputs[known[held]])
        held_out[name] = predicted
        errors[name] = (((targets - predicted) * weights) ** 2).mean(axis=1)
    best = min(models, key=lambda name: float(errors[name].mean()))
    fit = fit_rows(best, inputs[known], targets, seed, kernel)
    return Regression(best, held_out[best], fit(inputs), errors)


def conformal_factor(wrong: Floats, blocks: Integers, mass: float = CREDIBLE_MASS) -> Floats:
    """Return for each column the width (m,) that errors (n, m) of a new block keep within.

    A quantile of the held-out |errors|, at the level at which quantiles of all but one block hold
    ``mass`` of that block's errors, on average: rows of a block go wrong together, so that the
    plain quantile of few blocks is too narrow.
    """
    _, block = np.unique(blocks, return_inverse=True)
    group = np.arange(int(block.max()) + 1) % MOST_GROUPS
    group = group[block]
    inside = np.zeros(len(LEVELS))
    for each in range(int(group.max()) + 1):
        held = group == each
        widths = np.quantile(wrong[~held], LEVELS, axis=0)
        ranks = (wrong[held][None] <= widths[:, None]).mean(axis=2)
        inside += ranks.sum(axis=1)
    enough = np.flatnonzero(inside / len(wrong) >= mass)
    level = LEVELS[enough[0]] if len(enough) else 1.0
    return np.asarray(np.quantile(wrong, level, axis=0, method="higher"))


def widening_elsewhere(
    wrong: Floats, places: Floats, length: float, seed: int
) -> tuple[Floats, float]:
    """Return by how much errors (n, m) grow in a region apart, (m,), and the independent areas.

    Errors that are alike over ``length`` spread less around their own mean, share 1 - 1 / areas of
    the variance, than around that of another region, 1 + 1 / areas, and their spread is known from
    few areas only (Student t; squares decorrelate over half an area). Areas: 1 over the mean
    correlation exp(-(d / length)^2) of two places. Only the share of a column's errors that the
    next neighbour has too grows so.
    """
    if length <= 0 or len(places) < 3:
        return np.ones(wrong.shape[1]), float(len(places))
    near = np.asarray(cKDTree(places).query(places, k=2)[1], dtype=np.int64)
    near = np.where(near[:, 0] == np.arange(len(near)), near[:, 1], near[:, 0])
    error = wrong - wrong.mean(axis=0)
    power = np.maximum((error**2).sum(axis=0), 1e-300)
    shared = np.clip((error * error[near]).sum(axis=0) / power, 0.0, 1.0)
    rows = np.arange(len(places))
    if len(rows) > MOST_COMPARED:
        rows = np.random.default_rng(seed).choice(rows, MOST_COMPARED, replace=False)
    pairs = np.exp(-((pdist(places[rows]) / length) ** 2)).mean()
    areas = max(1.0 / (float(pairs) + 1.0 / len(places)), LEAST_AREAS)
    growth = (1.0 + 1.0 / areas) / (1.0 - 1.0 / areas)
    tail = 0.5 + 0.5 * CREDIBLE_MASS
    growth *= float(stats.t.ppf(tail, 2.0 * areas - 1.0) / stats.norm.ppf(tail)) ** 2
    return np.asarray(np.sqrt(1.0 + shared * (growth - 1.0))), areas


def fit_rows(
    name: str, inputs: Floats, targets: Floats, seed: int, kernel: Any = None
) -> Callable[[Floats], Floats]:
    """Return a function that predicts rows of targets from rows of inputs."""
    scaled = _scaler(inputs)
    middle = targets.mean(axis=0)
    if name == "mean":
        return lambda rows: np.broadcast_to(middle, (len(rows), len(middle)))
    size = np.maximum(targets.std(axis=0), 1e-300)
    wanted = (targets - middle) / size
    rows = np.arange(len(inputs))
    if name == "ridge":
        from sklearn.linear_model import RidgeCV

        learner = RidgeCV(PENALTIES, alpha_per_target=True)
    else:
        from sklearn.gaussian_process import GaussianProcessRegressor

        kernel = _tuned_kernel(inputs, targets, seed) if kernel is None else kernel
        learner = GaussianProcessRegressor(kernel, optimizer=None)
        if len(rows) > MOST_KERNEL_ROWS:
            rows = np.random.default_rng(seed).choice(len(rows), MOST_KERNEL_ROWS, replace=False)
    learner.fit(scaled(inputs[rows]), wanted[rows])

    def predict(new: Floats) -> Floats:
        found = np.asarray(learner.predict(scaled(new))).reshape(len(new), -1)
        return np.asarray(found * size + middle)

    return predict


def _scaler(inputs: Floats) -> Callable[[Floats], Floats]:
    """Return a function that gives rows mean 0 and spread 1, as learned from ``inputs``."""
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0)
    spread = np.where(spread > 1e-12 * np.abs(mean), spread, 1.0)
    return lambda rows: np.asarray((rows - mean) / spread)


def _tuned_kernel(inputs: Floats, targets: Floats, seed: int) -> Any:
    """Return the kernel of a Gaussian process: a line, a smooth part and noise.

    Its four numbers are those of the largest likelihood of some rows; one kernel serves all folds.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

    d = inputs.shape[1]
    rows = np.arange(len(inputs))
    if len(rows) > MOST_TUNED_ROWS:
        rows = np.random.default_rng(seed).choice(len(rows), MOST_TUNED_ROWS, replace=False)
    smooth = ConstantKernel(0.5, (1e-3, 1e2)) * RBF(np.sqrt(d), (0.3, 100.0))
    line = ConstantKernel(0.5 / d, (1e-4, 1e2)) * DotProduct(0.0, "fixed")
    learner = GaussianProcessRegressor(smooth + line + WhiteKernel(0.3, (1e-4, 1e1)))
    size = np.maximum(targets.std(axis=0), 1e-300)
    with warnings.catch_warnings():
        # a length at the end of its range is a straight line, which is fine
        warnings.simplefilter("ignore")
        learner.fit(_scaler(inputs)(inputs[rows]), ((targets - targets.mean(axis=0)) / size)[rows])
    return learner.kernel_
