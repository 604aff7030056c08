"""Products of residuals of two columns of any kind, their covariance and what p values follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from physlearn.causal.independence.basis_projection import Projection
from physlearn.causal.independence.mixed_residuals import Residuals
from physlearn.causal.spatial_layout import Floats, Integers

MOST_PRODUCTS = 16
MOST_HEAVY = 0.5
"""Products of so heavy a sum (few rows carry it) stay out of the sum of squares."""


@dataclass(frozen=True, slots=True, eq=False)
class MixedScore:
    """Sums of products of residuals and their covariance.

    Attributes
    ----------
    parts
        Sum of each product in each spatial block, shape (n_blocks, d); the product of the first
        scores, the direction, stands first.
    covariance
        Of the sums over all blocks, shape (d, d), neighbours counted as what they are.
    skew
        Of the sum of the first product.
    jump
        Least step of the first sum, 0 for continuous columns.
    scale
        Sum of the first product at a partial correlation of 1.
    freedom
        Effective rows less the functions fitted.
    n_effective
        Effective rows.
    heavy
        Third absolute moment of every sum if independent, over its variance to the power 1.5,
        shape (d,): the normal law is off by at most about half of it.
    """

    parts: Floats
    covariance: Floats
    skew: float
    jump: float
    scale: float
    freedom: float
    n_effective: float
    heavy: Floats


def mixed_score(
    first: Residuals,
    second: Residuals,
    projection: Projection,
    inflation: Floats,
    blocks: Integers,
    jump: float,
) -> MixedScore:
    """Return the sums of products of residuals, by block, with their covariance.

    Parameters
    ----------
    first, second
        Residuals of the two columns.
    projection
        What was held fixed: its leverage mends the variances, its scores weigh the first product
        so that a dependence that changes sign with a column held fixed is seen, too.
    inflation
        Variance of the mean of each product over that of independent rows, shape (n_scores of
        first, n_scores of second).
    blocks
        Block of each row.
    jump
        Least step of the first sum.

    Notes
    -----
    Generalised covariance measure: Shah and Peters, doi:10.1214/19-AOS1857; weighted with
    functions of the columns held fixed: Scheidegger, Horrmann and Buhlmann, JMLR 23(273) (2022).
    With levels only it is the generalised Cochran-Mantel-Haenszel statistic (Landis, Heyman and
    Koch, doi:10.2307/1402373). The distance of a sum's law from the normal one is at most 0.5606
    times its third absolute moment over its variance to the power 1.5 (Tyurin, arXiv:0912.0726).
    """
    n, a = first.values.shape
    b = second.values.shape[1]
    gain = 1.0 / np.maximum(1.0 - projection.leverage, 0.05)
    products = (first.values[:, :, None] * second.values[:, None, :]).reshape(n, a * b)
    weights = projection.bends
    products = np.concatenate([products, weights * products[:, :1]], axis=1)
    # cov[(j, k), (j', k')] = sum over rows of cov_first[j, j'] cov_second[k, k']
    mine = first.covariance.reshape(n, a * a)
    other = second.covariance.reshape(n, b * b) * gain[:, None]
    outer = (mine.T @ other).reshape(a, a, b, b).transpose(0, 2, 1, 3).reshape(a * b, a * b)
    lead = (first.covariance[:, 0, :, None] * second.covariance[:, 0, None, :]).reshape(n, -1)
    lead = lead * gain[:, None]
    across = weights.T @ lead
    within = (weights * lead[:, :1]).T @ weights
    covariance = np.block([[outer, across.T], [across, within]])
    root = np.sqrt(np.concatenate([inflation.ravel(), np.full(weights.shape[1], inflation[0, 0])]))
    covariance = covariance * np.outer(root, root)
    variance = np.maximum(np.diag(covariance), 1e-300)
    # moments of independent residuals: those of the products seen grow with the dependence itself
    third = float((first.third * second.third * gain).sum()) * root[0] ** 4
    theirs = second.cubes * gain[:, None]
    bent = (first.cubes[:, 0] * theirs[:, 0]) @ np.abs(weights) ** 3
    cubes = np.concatenate([(first.cubes.T @ theirs).ravel(), bent]) * root**4
    n_effective = n / float(inflation[0, 0])
    n_blocks = int(blocks.max()) + 1
    sums = np.zeros((n_blocks, products.shape[1]))
    for k, column in enumerate(products.T):
        sums[:, k] = np.bincount(blocks, column, n_blocks)
    spread = np.sqrt(first.covariance[:, 0, 0].sum() * second.covariance[:, 0, 0].sum())
    return MixedScore(
        parts=sums,
        covariance=covariance,
        skew=third / float(variance[0]) ** 1.5,
        jump=jump,
        scale=float(spread),
        freedom=max(n_effective - max(first.n_functions, second.n_functions) - 1.0, 3.0),
        n_effective=n_effective,
        heavy=cubes / variance**1.5,
    )


def direction_p(score: MixedScore, sums: Floats, share: float = 1.0, slack: float = 0.0) -> float:
    """Return the two-sided p value of the first product: the linear dependence.

    A sum that few rows carry is skew (rare events: nearly Poisson); the law of Pearson's third
    kind with the same skewness then stands for the t law where it says more.
    """
    error = float(np.sqrt(score.covariance[0, 0] * share))
    if error <= 0:
        return 1.0
    excess = max(abs(float(sums[0])) - slack - 0.5 * score.jump, 0.0) / error
    p_value = float(2.0 * stats.t.sf(excess, max(score.freedom * share, 3.0)))
    skew = score.skew / np.sqrt(share) * float(np.sign(sums[0]) or 1.0)
    if abs(skew) > 0.1:
        tail = float(stats.pearson3.sf(excess, min(skew, 8.0)) if skew > 0 else 0.0)
        p_value = min(1.0, max(p_value, 2.0 * tail))
    return p_value


def shape_p(score: MixedScore, sums: Floats, share: float = 1.0) -> float:
    """Return the p value of the sum of squares of all products: dependence of any shape."""
    variance = np.diag(score.covariance)
    usable = (variance > 1e-12 * max(float(variance.max()), 1e-300)) & (score.heavy < MOST_HEAVY)
    room = int(min(MOST_PRODUCTS, score.freedom * share / 8.0))
    kept = np.flatnonzero(usable)[: max(room, 1)]
    if not len(kept):
        return float("nan")
    scale = np.sqrt(variance[kept])
    correlation = score.covariance[np.ix_(kept, kept)] / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(correlation)
    large = values > 1e-3 * values[-1]
    turned = (vectors.T @ (sums[kept] / scale))[large]
    squares = float((turned**2 / values[large]).sum()) / share
    d = int(large.sum())
    freedom = max(score.freedom * share, d + 2.0)
    return float(stats.f.sf(squares * (freedom - d + 1.0) / (d * freedom), d, freedom - d + 1.0))
