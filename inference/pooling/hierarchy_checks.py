"""What a pooling can't tell: spreads of too few samples, samples apart, shapes that are lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.inference.pooling.fit_likelihoods import Information
from physlearn.inference.pooling.hierarchy_posterior import (
    LEAST_EFFECTIVE,
    HierarchyData,
    HierarchyDraws,
    sample_hierarchy,
)

__all__ = ["judge_pooling", "outlier_p_values"]

Float = NDArray[np.float64]
FAMILY_LEVEL = 0.01
FEWEST_FOR_SPREAD = 3
MOST_REFITTED = 30
PRIOR_REPEATED, PRIOR_EXCEEDED = 0.8, 1.5
HALF_NORMAL_SD = float(np.sqrt(1 - 2 / np.pi))
"""Standard deviation of a half-normal of scale 1."""


def judge_pooling(
    found: list[Information],
    data: HierarchyData,
    draws: HierarchyDraws,
    names: list[str],
    kind: str,
) -> tuple[list[str], dict[str, Any]]:
    """Return warnings and diagnostics."""
    n, b, _ = data.sizes
    p_values = outlier_p_values(data, draws)
    order = np.argsort(p_values)
    odd: list[int] = []
    for rank, index in enumerate(order):  # Holm's steps
        if p_values[index] > FAMILY_LEVEL / (n - rank):
            break
        odd.append(int(index))
    flags = [
        f"sample {names[index]} lies outside the population of the others (p = "
        f"{p_values[index]:.1g}): check it, or pool without it; the spread grows on its account"
        for index in odd
    ]
    if n - b + 1 < FEWEST_FOR_SPREAD:
        flags.append(
            f"{n} samples with {kind} form can't tell the spread between samples: its prior is "
            "repeated; at least "
            f"{FEWEST_FOR_SPREAD + b - 1} are needed"
        )
    skewed = [names[i] for i, one in enumerate(found) if not one.gaussian]
    if skewed:
        flags.append(
            f"the posterior of sample(s) {', '.join(skewed)} is not Gaussian: only its mean and "
            "covariance are pooled"
        )
    silent = [names[i] for i, one in enumerate(found) if one.repeated]
    if silent:
        flags.append(
            f"sample(s) {', '.join(silent)} say next to nothing in some direction (their prior is "
            "repeated): their couplings follow the population there"
        )
    flags += _slope_flags(data, draws, kind)
    if draws.effective_draws < LEAST_EFFECTIVE:
        flags.append(
            f"only {draws.effective_draws:.0f} effective draws of the spread: use method='nuts'"
        )
    own_sd = np.array([np.sqrt(np.diag(one.covariance)) for one in found])
    complete = np.linalg.pinv(data.precision.sum(axis=0), hermitian=True)
    numbers = {
        "outliers": {names[index]: float(p_values[index]) for index in range(n)},
        "shrinkage": (draws.samples.std(axis=0) / own_sd).tolist(),
        "unpooled": [one.mean.tolist() for one in found],
        "unpooled_sd": own_sd.tolist(),
        "pooled_completely": (complete @ data.linear.sum(axis=0)).tolist(),
        "pooled_completely_sd": np.sqrt(np.diag(complete)).tolist(),
        "effective_draws": draws.effective_draws,
        "spread_over_prior": (
            draws.spread.std(axis=0) / (HALF_NORMAL_SD * data.spread_sd)
        ).tolist(),
    }
    return flags, numbers


def _slope_flags(data: HierarchyData, draws: HierarchyDraws, kind: str) -> list[str]:
    """Say where the slope's prior holds a trend back, which the spread then takes up."""
    if kind != "linear":
        return []
    slope, prior = draws.base[:, 1], data.base_sd[1]
    repeated = slope.std(axis=0) > PRIOR_REPEATED * prior
    held = repeated | (np.abs(slope.mean(axis=0)) > PRIOR_EXCEEDED * prior)
    found = np.flatnonzero(held & (draws.spread.mean(axis=0) > prior))
    return [
        f"the slope of element {index + 1} follows its prior (sd {prior[index]:.2g} for one "
        f"standard deviation of the covariate) while samples differ by "
        f"{draws.spread[:, index].mean():.2g} around the line: a trend may hide in the spread; "
        "raise slope_sd"
        for index in found
    ]


def outlier_p_values(data: HierarchyData, draws: HierarchyDraws) -> Float:
    """Return, for each sample, the chance of one as far from what the others predict.

    The hierarchy of the others is fitted anew: a sample that widens the spread would hide itself.
    In large libraries the draws of all are weighted instead.
    """
    n, b, _ = data.sizes
    out = np.ones(n)
    if n - 1 <= b:
        return out
    for index in range(n):
        base, spread = draws.base, draws.spread
        if n <= MOST_REFITTED:
            others = np.arange(n) != index
            rest = replace(
                data, precision=data.precision[others], linear=data.linear[others],
                design=data.design[others],
            )  # fmt: skip
            known = sample_hierarchy(rest, 400, np.random.default_rng(index), most_points=512)
            base, spread = known.base, known.spread
        sizes, axes = np.linalg.eigh(data.precision[index])
        told = sizes > 1e-9 * max(sizes.max(), 1e-300)
        if not told.any():
            continue
        estimate = (axes[:, told].T @ data.linear[index]) / sizes[told]
        means = (data.design[index] @ base) @ axes[:, told]
        total = np.einsum("ka,nk,kb->nab", axes[:, told], spread**2, axes[:, told])
        total += np.diag(1 / sizes[told])
        apart = estimate - means
        distance = (apart * np.linalg.solve(total, apart[..., None])[..., 0]).sum(axis=1)
        log_weight = np.zeros(len(base))
        if n > MOST_REFITTED:
            log_weight = 0.5 * distance + 0.5 * np.linalg.slogdet(total)[1]
        weight = np.exp(log_weight - log_weight.max())
        # a predictive p value: the mean over the others' posterior
        chance = stats.chi2.sf(distance, told.sum())
        out[index] = float(weight @ chance / weight.sum())
    return out
