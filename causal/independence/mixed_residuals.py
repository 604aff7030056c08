"""Residuals of a column of any kind given others, and the variance that they have if they fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from physlearn.causal.independence.basis_projection import Projection, orthonormal
from physlearn.causal.independence.mixed_columns import MixedColumn
from physlearn.causal.spatial_layout import Floats

MOST_LOGISTIC_LEVELS = 4
MOST_CELLS_IN_A_LINK = 12
NEWTON_STEPS = 12
Link = Callable[[Floats], tuple[Floats, Floats]]
RIDGE = 1.0
"""Penalty on standardised coefficients of a logistic or Poisson fit: one row's worth."""


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """Residuals of the scores of one column given others.

    Attributes
    ----------
    values
        Shape (n, n_scores).
    covariance
        Covariance of the scores of each row under the fit, shape (n, n_scores, n_scores).
    third
        Third moment of the first score of each row under the fit, shape (n,).
    cubes
        Third moment of the absolute value of each score, likewise, shape (n, n_scores).
    n_functions
        Functions fitted.
    """

    values: Floats
    covariance: Floats
    third: Floats
    cubes: Floats
    n_functions: int


def residuals_of(column: MixedColumn, projection: Projection) -> Residuals:
    """Return the residuals of a column given what a projection takes out.

    Levels are fitted cell by cell where only levels are held fixed; else by logistic regression
    (counts: Poisson) on the splines, and the least-squares fit on the splines and that prediction
    together is taken: it is right if either is, and its residuals are orthogonal to all functions.

    Parameters
    ----------
    column
        The column.
    projection
        What the columns held fixed explain (`project`).
    """
    extra = 0
    if column.codes is not None and column.contrasts is not None:
        wanted = np.eye(column.n_levels)[column.codes]
        if column.n_levels == 2:
            wanted = wanted[:, 1:]
        left = projection.residuals(wanted)
        linked = not projection.saturated and column.n_levels <= MOST_LOGISTIC_LEVELS
        design = _design(projection) if linked else None
        if design is not None:
            predicted = [_link_fit(design, target, _logistic) for target in wanted.T]
            for k, prediction in enumerate(predicted):
                added = _added([prediction], projection)
                left[:, k : k + 1] -= added @ (added.T @ left[:, k : k + 1])
            extra = 1
        if column.n_levels == 2:
            left = np.column_stack([-left[:, 0], left[:, 0]])
            wanted = np.column_stack([1.0 - wanted[:, 0], wanted[:, 0]])
        values = left @ column.contrasts
        if projection.saturated or design is not None:
            share = np.clip(wanted - left, 1e-4 if design is not None else 0.0, 1.0)
            share /= share.sum(axis=1, keepdims=True)
            return _with_model_moments(values, share, column.contrasts, projection, extra)
    else:
        values, extra = _continuous(column, projection)
    return Residuals(
        values,
        values[:, :, None] * values[:, None, :],
        projection.fitted(values[:, :1] ** 3)[:, 0],
        np.maximum(projection.fitted(np.abs(values) ** 3), 0.0),
        projection.n_functions + extra,
    )


def _continuous(column: MixedColumn, projection: Projection) -> tuple[Floats, int]:
    """Return residuals of a column without levels and of their squares, and the functions added.

    The square is taken of the residual, not of the column: what is left of it then varies with the
    columns held fixed only as the scatter does.
    """
    direct = column.scores[:, :1]
    left = projection.residuals(direct)
    fitted = direct - left
    predicted = []
    if projection.bends.shape[1] > 1:
        # two columns that act through one sum of theirs: its bends are bends of the fit
        spread = max(float(fitted.std()), 1e-12)
        scaled = np.clip((fitted[:, 0] - fitted.mean()) / spread, -4.0, 4.0)
        predicted += [scaled**2, scaled**3]
    design = None if column.counts is None else _design(projection)
    if design is not None and column.counts is not None:
        predicted.append(_link_fit(design, column.counts, _poisson))
    added = _added(predicted, projection)
    left = left - added @ (added.T @ left)
    spread = float(left.std())
    square = np.clip(left / max(spread, 1e-300), -4.0, 4.0) ** 2
    bend = projection.residuals(square)
    bend = bend - added @ (added.T @ bend)
    return np.concatenate([left, bend / np.sqrt(2.0)], axis=1), added.shape[1]


def _added(predicted: list[Floats], projection: Projection) -> Floats:
    """Return what predictions add to the functions of a projection, orthonormal."""
    if not predicted:
        return np.zeros((len(projection.cells), 0))
    block = np.stack(predicted, axis=1)
    left = projection.residuals(block)
    new = (left**2).sum(axis=0) > 1e-8 * (block**2).sum(axis=0)
    return orthonormal(left[:, new])


def _with_model_moments(
    values: Floats, share: Floats, contrasts: Floats, projection: Projection, extra: int
) -> Residuals:
    """Return residuals with the moments of the fitted shares of levels: less noisy than squares."""
    mean = share @ contrasts
    squares = contrasts[:, :, None] * contrasts[:, None, :]
    covariance = np.tensordot(share, squares, axes=(1, 0)) - mean[:, :, None] * mean[:, None, :]
    third = (share * (contrasts[:, 0] - mean[:, :1]) ** 3).sum(axis=1)
    cubes = np.stack(
        [
            (share * np.abs(score - mean[:, k : k + 1]) ** 3).sum(axis=1)
            for k, score in enumerate(contrasts.T)
        ],
        axis=1,
    )
    return Residuals(values, covariance, third, cubes, projection.n_functions + extra)


def _design(projection: Projection) -> Floats | None:
    """Return standardised functions for a logistic or Poisson fit, None where cells are many."""
    n, n_cells = len(projection.cells), len(projection.size)
    if n_cells > MOST_CELLS_IN_A_LINK or not projection.functions.shape[1]:
        return None
    cells = np.eye(n_cells)[projection.cells]
    return np.concatenate([cells, projection.functions * np.sqrt(n)], axis=1)


def _logistic(eta: Floats) -> tuple[Floats, Floats]:
    mean = 1.0 / (1.0 + np.exp(-np.clip(eta, -30.0, 30.0)))
    return mean, mean * (1.0 - mean)


def _poisson(eta: Floats) -> tuple[Floats, Floats]:
    mean = np.exp(np.clip(eta, -30.0, 30.0))
    return mean, mean


def _link_fit(design: Floats, target: Floats, link: Link) -> Floats:
    """Return the mean of a ridge fit with a canonical link, by Newton steps."""
    penalty = np.full(design.shape[1], RIDGE)
    penalty[(design >= 0).all(axis=0)] = 0.1  # means of cells
    share = np.clip(target.mean(), 1e-6, None)
    constant = np.log(share / (1.0 - share)) if link is _logistic else np.log(share)
    weights = np.zeros(design.shape[1])
    for _ in range(NEWTON_STEPS):
        mean, curvature = link(constant + design @ weights)
        slope = design.T @ (target - mean) - penalty * weights
        hessian = (design * curvature[:, None]).T @ design
        hessian[np.diag_indices_from(hessian)] += penalty
        step = np.linalg.solve(hessian, slope)
        # far steps of the first iterations overshoot with the exponential link
        step *= min(1.0, 2.0 / max(float(np.abs(design @ step).max()), 1e-12) * 2.0)
        weights += step
        if float(np.abs(step).max()) < 1e-5:
            break
    return np.asarray(link(constant + design @ weights)[0])
