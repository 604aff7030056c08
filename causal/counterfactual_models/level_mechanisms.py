"""A column of levels as a function of its parents: the level of the largest noisy utility."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from physlearn.causal.counterfactual_models.model_data import ModelData
from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.checks import NotIdentified

PRIOR_SD = 10.0
"""Of a slope: keeps slopes finite where a parent tells two levels apart without a mistake."""
FEWEST_OF_A_LEVEL = 10
_STEPS = 60


@dataclass(frozen=True, slots=True, eq=False)
class LevelMechanism:
    """level = the largest of utility_j(parents) + Gumbel noise of its own.

    With two levels this is a logistic threshold. Which noise a patch has is known only within
    what its level allows (abduction); that the same noise serves every utility is an assumption
    that no data test (Oberst and Sontag, ICML 2019, arXiv:1905.05824; for two levels: no patch
    moves against the direction in which the cause moves the others).

    Attributes
    ----------
    node, parents
        Columns.
    levels
        Of the node, ascending; utilities are relative to the first.
    coefficients
        Shape (n_levels - 1, t + q): location terms, then parents.
    draws
        Shape (n_draws, n_levels - 1, t + q).
    location
        The location terms (n, t).
    reason
        Why this form.
    """

    node: str
    parents: tuple[str, ...]
    levels: tuple[float, ...]
    coefficients: Floats
    draws: Floats
    location: Floats
    reason: str
    form: str = "levels"

    def utilities(
        self, data: ModelData, state: dict[str, Floats], draw: Floats | None, rows: Integers
    ) -> Floats:
        """Return the utilities (..., n_rows, n_levels) at a state of the patches `rows`."""
        terms = data.design(self.parents, state)
        place = self.location[rows]
        used = self.coefficients if draw is None else draw
        t = place.shape[1]
        slopes = np.swapaxes(used[..., t:], -1, -2)
        rise = place @ np.swapaxes(used[..., :t], -1, -2) + terms @ slopes
        return np.concatenate([np.zeros((*rise.shape[:-1], 1)), rise], axis=-1)


def fit_levels(data: ModelData, node: str, parents: tuple[str, ...]) -> LevelMechanism:
    """Fit a multinomial logit; its spread from resampled spatial blocks.

    Parents with known measurement noise are replaced by their expected true values (regression
    calibration: Carroll et al., Measurement Error in Nonlinear Models, 2006, chapter 4).

    Raises
    ------
    NotIdentified
        For a level seen too rarely.
    """
    levels = data.levels[node]
    codes = np.searchsorted(levels, data.raw[node])
    counts = np.bincount(codes, minlength=len(levels))
    if counts.min() < FEWEST_OF_A_LEVEL:
        rare = levels[int(counts.argmin())]
        raise NotIdentified(
            f"level {rare:g} of {node} stands in {counts.min()} patches, at least "
            f"{FEWEST_OF_A_LEVEL} are needed to say what leads to it; merge it with another."
        )
    location = data.trend * math.sqrt(len(data.trend))
    terms = np.column_stack([location, _calibrated(data, parents)])
    theta, curvature, scores = _fit_logit(terms, codes, len(levels))
    sums = np.stack([np.bincount(data.blocks, column) for column in scores.T], axis=1)
    n_blocks = len(sums)
    steps = (data.weights - 1.0) @ (sums - sums.mean(axis=0)) * math.sqrt(n_blocks / (n_blocks - 1))
    draws = theta + np.linalg.solve(curvature, steps.T).T
    shape = (len(levels) - 1, terms.shape[1])
    reason = f"{len(levels)} levels: a logistic threshold" if len(levels) == 2 else (
        f"{len(levels)} levels: the largest of {len(levels)} utilities"
    )  # fmt: skip
    return LevelMechanism(
        node, parents, levels, theta.reshape(shape), draws.reshape(-1, *shape), location, reason
    )


def _calibrated(data: ModelData, parents: tuple[str, ...]) -> Floats:
    design = data.design(parents, dict(data.raw))
    noise = data.design_noise(parents).mean(axis=0)
    if not noise.any():
        return design
    mean = design.mean(axis=0)
    total = np.cov(design.T).reshape(noise.shape)
    return np.asarray(mean + (design - mean) @ np.linalg.solve(total, total - noise))


def _fit_logit(terms: Floats, codes: Integers, n_levels: int) -> tuple[Floats, Floats, Floats]:
    """Return the peak (flat), minus the second derivative there, and each row's score."""
    n, k = terms.shape
    free = n_levels - 1
    theta = np.zeros(free * k)
    seen = np.eye(n_levels)[codes][:, 1:]
    precision = np.full((free, k), PRIOR_SD**-2)
    precision[:, 0] = 1e-8  # the mean level is free
    ridge = precision.ravel()

    def value(at: Floats) -> float:
        rise = terms @ at.reshape(free, k).T
        total = logsumexp(np.column_stack([np.zeros(n), rise]), axis=1)
        return float((seen * rise).sum() - total.sum() - 0.5 * ridge @ at**2)

    best = value(theta)
    for _ in range(_STEPS):
        rise = np.column_stack([np.zeros(n), terms @ theta.reshape(free, k).T])
        chance = np.exp(rise - logsumexp(rise, axis=1, keepdims=True))[:, 1:]
        scores = ((seen - chance)[:, :, None] * terms[:, None, :]).reshape(n, -1)
        curvature = np.diag(ridge)
        for i in range(free):
            for j in range(free):
                weight = chance[:, i] * ((i == j) - chance[:, j])
                part = terms.T @ (weight[:, None] * terms)
                curvature[i * k : (i + 1) * k, j * k : (j + 1) * k] += part
        step = np.linalg.solve(curvature, scores.sum(axis=0) - ridge * theta)
        size = 1.0
        while size > 1e-6 and value(theta + size * step) < best:
            size /= 2
        theta = theta + size * step
        gained, best = value(theta) - best, value(theta)
        if abs(gained) < 1e-10 * max(n, 1):
            break
    return theta, curvature, scores


def own_noise(utilities: Floats, codes: Integers, uniform: Floats) -> Floats:
    """Return Gumbel noise that makes the observed level the largest, by the top-down rule.

    Parameters
    ----------
    utilities
        At the observed state, shape (..., n, n_levels).
    codes
        Observed level of each patch, (n,).
    uniform
        Random numbers in (0, 1), shape (..., n, n_levels).
    """
    gumbel = -np.log(-np.log(uniform))
    top = logsumexp(utilities, axis=-1, keepdims=True)
    chosen = np.broadcast_to(codes[:, None] == np.arange(utilities.shape[-1]), utilities.shape)
    # the largest of all is drawn first; the others stay below it (Maddison et al., NIPS 2014)
    largest = top + np.take_along_axis(
        gumbel, np.broadcast_to(codes[:, None], (*gumbel.shape[:-1], 1)), axis=-1
    )
    below = -np.logaddexp(-largest, -(utilities + gumbel))
    return np.asarray(np.where(chosen, largest, below) - utilities)


def level_chance(seen: Floats, changed: Floats, codes: Integers, level: int) -> Floats:
    """Return the chance that a patch of two levels would have had `level`, given what it had.

    `seen` and `changed` are utilities (..., n, 2) at the observed and at the changed state.
    """
    before = 1.0 / (1.0 + np.exp(seen[..., 0] - seen[..., 1]))
    after = 1.0 / (1.0 + np.exp(changed[..., 0] - changed[..., 1]))
    tiny = 1e-300
    up = np.where(
        codes == 1,
        np.minimum(1.0, after / np.maximum(before, tiny)),
        np.maximum(0.0, after - before) / np.maximum(1.0 - before, tiny),
    )
    return np.asarray(up if level == 1 else 1.0 - up)
