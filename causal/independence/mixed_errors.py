"""What measurement errors of columns held fixed leave in products of residuals of any columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from physlearn.causal.independence.basis_projection import Projection
from physlearn.causal.independence.mixed_columns import MixedColumn
from physlearn.causal.independence.mixed_residuals import Residuals
from physlearn.causal.independence.mixed_score import MixedScore, direction_p, shape_p
from physlearn.causal.spatial_layout import Floats

PATH = (0.25, 0.5, 0.75, 1.0)
"""Shares of the largest possible errors at which a dependence must hold."""


@dataclass(frozen=True, slots=True, eq=False)
class Feigned:
    """Mean products of residuals that errors alone leave.

    Attributes
    ----------
    products
        What the linear parts leave, one for each product of a `MixedScore`, shape (d,).
    curved
        The most that the curved parts leave of the first product.
    """

    products: Floats
    curved: float


def feigned_products(
    columns: Sequence[MixedColumn],
    residuals: Sequence[Residuals],
    projection: Projection,
    given: Floats,
    errors: Floats,
    effective: float,
) -> Feigned:
    """Return what errors of the columns held fixed leave between two columns.

    With w = z + error and covariance N of the errors, two columns of slopes b on w, independent
    given z, keep the covariance b_x' N (C - N)^-1 C b_y given w, where C is that of w. Of a curved
    part of degree r, errors take the share 1 - s^r, with s the share of z in the variance of w.

    Parameters
    ----------
    columns, residuals
        The two columns and their residuals.
    projection
        What was held fixed.
    given
        Standardised columns held fixed, shape (n, k).
    errors
        Covariance of their errors, shape (k, k).
    effective
        Effective number of rows.

    Notes
    -----
    Fuller, Measurement Error Models (Wiley, 1987), doi:10.1002/9780470316665.
    """
    n = len(given)
    gram = given.T @ given / n
    slopes = [np.linalg.solve(gram, given.T @ column.scores / n) for column in columns]
    linear = slopes[0].T @ errors @ np.linalg.solve(gram - errors, gram @ slopes[1])
    shape = (residuals[0].values.shape[1], residuals[1].values.shape[1])
    found = np.zeros(shape)
    found[: linear.shape[0], : linear.shape[1]] = linear[: shape[0], : shape[1]]
    fitted = [
        projection.without_means(column.scores[:, :1] - left.values[:, :1])[:, 0]
        for column, left in zip(columns, residuals, strict=True)
    ]
    bent = float(fitted[0] @ fitted[1]) / n - float(slopes[0][:, 0] @ gram @ slopes[1][:, 0])
    root = np.linalg.inv(np.linalg.cholesky(gram))
    share = max(1.0 - float(np.linalg.eigvalsh(root @ errors @ root.T)[-1]), 0.05)
    spread = float(np.prod([(left.values[:, 0] ** 2).mean() for left in residuals]))
    # as much is bent by chance in a fit of that many functions
    chance = 2.0 * np.sqrt(spread * max(left.n_functions for left in residuals)) / effective
    if all(column.codes is None for column in columns) and min(shape) > 1:
        # a correlation r of two Gaussian columns is one of r^2 of their squares
        found[1, 1] = found[0, 0] ** 2 / max(spread, 1e-300)
    products = np.concatenate([found.ravel(), np.zeros(projection.bends.shape[1])])
    return Feigned(products, max(abs(bent) - chance, 0.0) * (1.0 - share**2) / share**2)


def outlasting_p(score: MixedScore, feigned: Sequence[Feigned], rows: int, sign: float) -> float:
    """Return the largest p value of a dependence over all errors that are possible.

    Parameters
    ----------
    score
        Sums of products of residuals.
    feigned
        What each possible size of the errors leaves.
    rows
        Rows of the table.
    sign
        Of the dependence: errors that turn it round explain it.
    """
    sums = score.parts.sum(axis=0)
    error = float(np.sqrt(score.covariance[0, 0]))
    largest = 0.0
    for one in feigned:
        left = sums - rows * one.products
        slack = rows * one.curved
        straight = direction_p(score, left, slack=slack) if left[0] * sign > 0 else 1.0
        any_shape = shape_p(score, left) if slack < 0.5 * error else 1.0
        any_shape = 1.0 if np.isnan(any_shape) else any_shape
        largest = max(largest, min(1.0, 2.0 * min(straight, any_shape)))
    return largest
