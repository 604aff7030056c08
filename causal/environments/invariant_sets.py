"""Which sets of columns predict an outcome by one law in all environments."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from physlearn.causal.environments.field_moments import (
    FieldMoments,
    log_variance_error,
    mean_variance,
    score_covariance,
)

Floats = NDArray[np.float64]

LEAST_RELIABILITY = 0.15
"""Below this share of true variance a column says too little about what it measures."""
LEAST_FREEDOM = 3.0
MANY = 1e9
"""Degrees of freedom of an error that is known."""


@dataclass(frozen=True, slots=True, eq=False)
class SetTest:
    """Whether one set of predictors gives the same law in all environments.

    Attributes
    ----------
    chosen
        Places of the predictors.
    p_value
        Of all three parts together; NaN when it cannot be tested.
    p_coefficients, p_variance, p_offset
        Of each part; 1 when there is nothing to compare.
    coefficients, covariance, freedom
        Of the law over all environments.
    reason
        Why it cannot be tested.
    left_offset, left_variance
        Largest differences of the residual's mean and variance between two environments that are
        not excluded, in units of the outcome's and of its square; infinite when untestable.
    """

    chosen: tuple[int, ...]
    p_value: float
    p_coefficients: float = 1.0
    p_variance: float = 1.0
    p_offset: float = 1.0
    coefficients: Floats | None = None
    covariance: Floats | None = None
    freedom: float = np.inf
    reason: str = ""
    left_offset: float = np.inf
    left_variance: float = np.inf


@dataclass(frozen=True, slots=True, eq=False)
class _Law:
    """Coefficients in one environment."""

    slope: Floats
    covariance: Floats
    freedom: float


def agree(values: Floats, covariance: Floats, freedom: float) -> float:
    """Return the p value that correlated estimates (k,) of one number are equal, by Wald's F."""
    k = len(values)
    contrast = np.eye(k - 1, k, 1) - np.eye(k - 1, k)
    difference = contrast @ values
    spread = contrast @ covariance @ contrast.T
    statistic = float(difference @ np.linalg.solve(spread, difference)) / (k - 1)
    return float(stats.f.sf(statistic, k - 1, max(freedom, LEAST_FREEDOM)))


def log_variances_agree(true: Floats, freedom: Floats) -> float:
    """Return the p value that variances with degrees of freedom (k,) are equal."""
    half = 0.5 * np.maximum(freedom, 1.0)
    logs = np.log(true) - special.digamma(half) + np.log(half)
    return agree(logs, np.diag(special.polygamma(1, half)), MANY)


def moments_of(fields: Sequence[FieldMoments]) -> tuple[Floats, Floats, int]:
    """Return the pooled mean (p,), noise-free covariance (p, p) within fields, and patches."""
    n = sum(field.n for field in fields)
    mean = sum((field.n * field.mean for field in fields), np.zeros_like(fields[0].mean)) / n
    covariance = (
        sum(
            (field.n * (field.covariance - field.noise) for field in fields),
            np.zeros_like(fields[0].covariance),
        )
        / n
    )
    return mean, covariance, n


def environment_mean(fields: Sequence[FieldMoments], weights: Floats) -> tuple[float, float, float]:
    """Return mean, variance and freedom of ``raw @ weights`` over the fields of an environment."""
    n = sum(field.n for field in fields)
    parts = [mean_variance(field, weights) for field in fields]
    shares = np.array([field.n / n for field in fields])
    variances = shares**2 * np.array([part.variance for part in parts])
    total = float(variances.sum())
    below = float(sum(v**2 / p.freedom for v, p in zip(variances, parts, strict=True)))
    # a column that is constant has a mean without error
    freedom = total**2 / below if below > 0 else MANY
    mean = float(sum(s * (f.mean @ weights) for s, f in zip(shares, fields, strict=True)))
    return mean, total, freedom


def environment_variance(
    fields: Sequence[FieldMoments], weights: Floats, n_fitted: int
) -> tuple[float, float]:
    """Return the noise-free variance of ``values @ weights`` and its freedom."""
    found = [log_variance_error(field, weights, n_fitted) for field in fields]
    n = np.array([field.n for field in fields], dtype=np.float64)
    true = np.array([value for value, _ in found])
    mean = float((n * true).sum() / n.sum())
    freedom = np.array([freedom for _, freedom in found])
    variance = ((n / n.sum()) ** 2 * 2.0 * true**2 / np.maximum(freedom, 1e-9)).sum()
    return mean, 2.0 * mean**2 / max(float(variance), 1e-300)


def judge_set(
    environments: Sequence[Sequence[FieldMoments]],
    outcome: int,
    chosen: tuple[int, ...],
    *,
    same_offset: bool,
    alpha: float = 0.05,
) -> SetTest:
    """Test that coefficients, residual variance and offset of one set agree everywhere."""
    index = list(chosen)
    residual = np.zeros(len(environments[0][0].mean))
    residual[outcome] = 1.0
    pooled, spread, freedom, p_coefficients = np.zeros(0), np.zeros((0, 0)), np.inf, 1.0
    if index:
        start = _slope(environments, outcome, index)
        if start is None:
            return SetTest(chosen, np.nan, reason=_noisy())
        residual[index] = -start
        laws = [_law(fields, outcome, index, residual) for fields in environments]
        known = [law for law in laws if law is not None]
        if not known:
            return SetTest(chosen, np.nan, reason=_noisy())
        pooled, spread, p_coefficients = _laws_agree(known)
        freedom = float(sum(law.freedom for law in known))
        residual[index] = -pooled
    found = [environment_variance(fields, residual, len(index)) for fields in environments]
    true = np.array([value for value, _ in found])
    if true.min() <= 0:
        return SetTest(
            chosen, np.nan, reason="nothing but measurement noise is left of the outcome"
        )
    freedoms = np.array([number for _, number in found]) - len(index)
    p_variance = log_variances_agree(true, freedoms)
    p_offset, left_offset = 1.0, 0.0
    if same_offset:
        means, errors, of_mean = _offsets(environments, residual, index, spread)
        p_offset = agree(means, errors, of_mean)
        left_offset = float(np.max(_differences(means, errors, of_mean, alpha)[1]))
    errors = np.diag(2.0 * true**2 / np.maximum(freedoms, 1.0))
    left_variance = float(np.max(_differences(true, errors, MANY, alpha)[1]))
    parts = [p_variance] + [p_coefficients] * bool(index) + [p_offset] * same_offset
    p_value = min(1.0, len(parts) * min(parts))
    return SetTest(
        chosen, p_value, p_coefficients, p_variance, p_offset, pooled, spread, freedom, "",
        left_offset, left_variance,
    )  # fmt: skip


def size_of_move(
    environments: Sequence[Sequence[FieldMoments]], outcome: int, alpha: float, *, same_offset: bool
) -> float:
    """Return by how much the outcome's law moves at least: squared shift and change of variance."""
    weights = np.zeros(len(environments[0][0].mean))
    weights[outcome] = 1.0
    found = [environment_variance(fields, weights, 0) for fields in environments]
    true = np.array([value for value, _ in found])
    freedoms = np.array([number for _, number in found])
    errors = np.diag(2.0 * true**2 / np.maximum(freedoms, 1.0))
    low = _differences(true, errors, MANY, alpha)[0]
    if same_offset:
        means, errors, freedom = _offsets(environments, weights, [], np.zeros((0, 0)))
        low = low + _differences(means, errors, freedom, alpha)[0] ** 2
    return float(low.max())


def _differences(
    values: Floats, covariance: Floats, freedom: float, alpha: float
) -> tuple[Floats, Floats]:
    """Return what each difference of two of (k,) estimates is at least and at most, by size."""
    one, two = np.triu_indices(len(values), 1)
    variance = covariance[one, one] + covariance[two, two] - 2.0 * covariance[one, two]
    reach = stats.t.isf(alpha, max(freedom, LEAST_FREEDOM)) * np.sqrt(np.maximum(variance, 0.0))
    size = np.abs(values[one] - values[two])
    return np.maximum(size - reach, 0.0), size + reach


def all_sets(predictors: Sequence[int], largest: int) -> list[tuple[int, ...]]:
    """Return every set of up to ``largest`` predictors, small ones first."""
    return [
        chosen
        for size in range(min(largest, len(predictors)) + 1)
        for chosen in itertools.combinations(predictors, size)
    ]


def _noisy() -> str:
    return "too little of its columns' variance is above their measurement noise, or they repeat"


def _reliable(fields: Sequence[FieldMoments], index: list[int]) -> bool:
    """Whether the columns vary on their own, and above their noise."""
    n = sum(field.n for field in fields)
    observed = sum((f.n * f.covariance for f in fields), np.zeros_like(fields[0].covariance)) / n
    noise = sum((f.n * f.noise for f in fields), np.zeros_like(fields[0].noise)) / n
    part = np.ix_(index, index)
    size = np.sqrt(np.maximum(np.diag(observed)[index], 1e-300))
    scaled = observed[part] / np.outer(size, size)
    values, axes = np.linalg.eigh(scaled)
    if values[0] < 1e-8 * values[-1]:
        return False
    whitened = (
        (axes / np.sqrt(values)).T @ (noise[part] / np.outer(size, size)) @ (axes / np.sqrt(values))
    )
    return bool(1.0 - np.linalg.eigvalsh(whitened)[-1] >= LEAST_RELIABILITY)


def _slope(
    environments: Sequence[Sequence[FieldMoments]], outcome: int, index: list[int]
) -> Floats | None:
    """Return the slope over all environments (within fields), or None."""
    fields = [field for group in environments for field in group]
    if not _reliable(fields, index):
        return None
    _, covariance, _ = moments_of(fields)
    return np.asarray(np.linalg.solve(covariance[np.ix_(index, index)], covariance[index, outcome]))


def _law(
    fields: Sequence[FieldMoments], outcome: int, index: list[int], residual: Floats
) -> _Law | None:
    """Return the coefficients in one environment; None where its columns do not vary."""
    if not _reliable(fields, index):
        return None
    _, covariance, n = moments_of(fields)
    inverse = np.linalg.inv(covariance[np.ix_(index, index)])
    slope = inverse @ covariance[index, outcome]
    own = residual.copy()
    own[index] = -slope
    middle, effective = np.zeros((len(index),) * 2), 0.0
    for field in fields:
        part, n_effective = score_covariance(field, index, own, len(index))
        middle += (field.n / n) ** 2 * part
        effective += n_effective
    freedom = max(effective - len(index) - 1.0, LEAST_FREEDOM)
    middle *= max(effective / freedom, 1.0)
    return _Law(np.asarray(slope), np.asarray(inverse @ middle @ inverse), freedom)


def _laws_agree(laws: Sequence[_Law]) -> tuple[Floats, Floats, float]:
    """Return the pooled coefficients, their covariance, and the p value that all are equal."""
    precisions = [np.linalg.inv(law.covariance) for law in laws]
    spread = np.linalg.inv(sum(precisions, np.zeros_like(precisions[0])))
    pooled = spread @ sum(
        (p @ law.slope for p, law in zip(precisions, laws, strict=True)), np.zeros(len(spread))
    )
    if len(laws) == 1:
        return pooled, spread, 1.0
    statistic = sum(
        float((law.slope - pooled) @ p @ (law.slope - pooled))
        for p, law in zip(precisions, laws, strict=True)
    )
    k = len(pooled) * (len(laws) - 1)
    freedom = min(law.freedom for law in laws)
    # the share of Hotelling's T^2: several coefficients use up several degrees of freedom
    below = max(freedom - len(pooled) + 1.0, LEAST_FREEDOM)
    return pooled, spread, float(stats.f.sf(statistic / k * below / freedom, k, below))


def _offsets(
    environments: Sequence[Sequence[FieldMoments]],
    residual: Floats,
    index: list[int],
    spread: Floats,
) -> tuple[Floats, Floats, float]:
    """Return the mean of the residual in each environment, their covariance and its freedom."""
    found = [environment_mean(fields, residual) for fields in environments]
    means = np.array([moments_of(fields)[0] for fields in environments])
    covariance = np.diag([variance for _, variance, _ in found])
    if index:
        moved = means[:, index] - means[:, index].mean(axis=0)
        covariance = covariance + moved @ spread @ moved.T
    freedom = min(number for _, _, number in found)
    return np.array([mean for mean, _, _ in found]), covariance, freedom
