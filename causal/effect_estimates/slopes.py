"""Slopes from second moments of columns: noise taken out, errors that count neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from physlearn.causal.effect_estimates.product_errors import product_variance
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import MIN_RELIABILITY, SpatialScore
from physlearn.checks import NotIdentified

STRONG_INSTRUMENT = 10.0
"""Least F value of the first stage; above it the t interval of one instrument holds."""

SCATTER_OF_SQUARES = 8.0
"""Variance of the squared product of two independent standard normal numbers."""
BEYOND_CHANCE = 1.64


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope in units of the columns given, with the t law of its error.

    `noise_shift` is how far the slope moves when the noise covariance changes by its own size,
    `residual_ratio` the sd of what is left of the outcome over that of the cause.
    """

    mean: float
    sd: float
    freedom: float
    n_effective: float
    noise_shift: float = 0.0
    residual_ratio: float = math.nan


def variance_of(spatial: SpatialScore, first: Floats, second: Floats) -> float:
    """Return the variance of the mean product of two residuals, given their weights.

    The largest of that of independent fields, which is the most certain; that of the products;
    and the first times how much larger the squared products are than those of independent fields,
    where that is more than chance makes of Gaussian ones.
    """
    left = spatial.values @ first
    products = left * (spatial.values @ second)
    plain = spatial.variance_of_product(first, second)
    independent = float(first @ spatial.gram @ first) * float(second @ spatial.gram @ second)
    n_effective = max(independent / max(plain, 1e-300), 1.0)
    # a patch far out draws the line to itself, and so hides part of its own error
    drawn = np.minimum(left**2 / max(float(left @ left), 1e-300) * (spatial.n / n_effective), 0.5)
    products = products / (1.0 - drawn)
    grown = float(products @ products) / spatial.n / max(independent, 1e-300)
    chance = math.sqrt(SCATTER_OF_SQUARES / n_effective)
    if grown < 1.0 + BEYOND_CHANCE * chance:
        grown = 1.0
    return float(max(plain * grown, product_variance(spatial.layout, products)))


def back_door_slope(
    spatial: SpatialScore, x: int, y: int, given: tuple[int, ...], names: Sequence[str]
) -> Slope:
    """Return the slope of column y on column x with the columns `given` held fixed.

    The slope of what is left of the outcome on what is left of the cause, the known noise taken
    out of both moments (Fuller 1987, doi:10.1002/9780470316665); its error counts neighbours by
    the autocovariance of the residuals (Dutilleul 1993, doi:10.2307/2532625), or by that of their
    products where it is larger: where the error grows with the cause, or the slope varies in space.

    Raises
    ------
    NotIdentified
        Where nothing of the cause varies on its own above its noise.
    """
    held = ", ".join(names[k] for k in given)
    if spatial.determined((x, *given)):
        raise NotIdentified(
            f"{names[x]} and {held} determine one another: nothing of {names[x]} varies on its own."
        )
    w_x = spatial.weights(x, given)
    observed = float(w_x @ spatial.gram @ w_x)
    true = observed - float(w_x @ spatial.noise @ w_x)
    if true < MIN_RELIABILITY * observed or spatial.reliability(given) < MIN_RELIABILITY:
        raise NotIdentified(
            f"once {held or 'nothing'} is held fixed, {names[x]} varies too little "
            "above its measurement noise; repeat the scan to lower the noise."
        )
    w_y = spatial.weights(y, given)
    slope = float(w_x @ (spatial.gram - spatial.noise) @ w_y) / true
    w_error = w_y - slope * w_x
    variance = variance_of(spatial, w_x, w_error)
    spread = float(w_error @ spatial.gram @ w_error)
    n_effective = observed * spread / max(variance, 1e-300)
    # the fitted slopes took their share of the residual's variance, out of few independent patches
    freedom = max(n_effective - 2.0 - len(given), 2.0)
    left = spread - float(w_error @ spatial.noise @ w_error)
    return Slope(
        slope,
        math.sqrt(variance * max(n_effective / freedom, 1.0)) / true,
        freedom,
        n_effective,
        float(w_x @ spatial.noise @ w_error) / true,
        math.sqrt(max(left, 0.0) / true),
    )


def front_door_slope(
    spatial: SpatialScore, x: int, y: int, between: tuple[int, ...], names: Sequence[str]
) -> Slope:
    """Return the effect of x on y carried by the columns `between` them.

    The sum over these columns of what the cause does to each times what each does to the outcome
    with the cause held fixed (Pearl 1995, doi:10.1093/biomet/82.4.669, linear case).

    Raises
    ------
    NotIdentified
        Where nothing of the cause or of the columns between varies on its own above its noise.
    """
    true = spatial.gram - spatial.noise
    joint = (*between, x)
    if spatial.determined(joint) or spatial.reliability(joint) < MIN_RELIABILITY:
        raise NotIdentified(
            f"{', '.join(names[k] for k in between)} varies too little on its own above its "
            f"measurement noise once {names[x]} is held fixed."
        )
    unit = np.eye(spatial.p)
    first = np.array([true[x, m] for m in between]) / true[x, x]
    inverse = np.linalg.inv(true[np.ix_(joint, joint)])
    coefficients = inverse @ true[list(joint), y]
    second = coefficients[: len(between)]
    error_between = second @ (unit[list(between)] - np.outer(first, unit[x]))
    error_outcome = unit[y] - coefficients @ unit[list(joint)]
    carrier = first @ inverse[: len(between)] @ unit[list(joint)]
    parts = (
        (unit[x] / true[x, x], error_between),
        (carrier, error_outcome),
    )
    variances = [variance_of(spatial, u, e) for u, e in parts]
    counts = [
        float((u @ spatial.gram @ u) * (e @ spatial.gram @ e)) / max(v, 1e-300)
        for (u, e), v in zip(parts, variances, strict=True)
    ]
    freedom = max(min(counts) - 2.0 - len(between), 2.0)
    inflated = [v * max(c / freedom, 1.0) for v, c in zip(variances, counts, strict=True)]
    return Slope(float(first @ second), math.sqrt(sum(inflated)), freedom, min(counts))


def instrument_slope(
    spatial: SpatialScore,
    x: int,
    y: int,
    instrument: int,
    given: tuple[int, ...],
    names: Sequence[str],
) -> Slope:
    """Return the slope of y on x along the variation that an instrument gives to x.

    A weak instrument is refused: above F = 10 the t interval of one instrument holds its level
    but under extreme confounding (Angrist and Kolesar 2024, doi:10.1016/j.jeconom.2023.105398).

    Raises
    ------
    NotIdentified
        For a weak instrument, saying how weak.
    """
    if spatial.determined((instrument, *given)):
        raise NotIdentified(f"{names[instrument]} does not vary on its own.")
    true = spatial.gram - spatial.noise
    w_z, w_x, w_y = (spatial.weights(k, given) for k in (instrument, x, y))
    own, shared = float(w_z @ true @ w_z), float(w_z @ true @ w_x)
    if own <= 0 or spatial.reliability(given) < MIN_RELIABILITY:
        raise NotIdentified(
            f"{names[instrument]} varies too little above its measurement noise; repeat the scan."
        )
    strength = shared**2 / max(spatial.variance_of_product(w_z, w_x - shared / own * w_z), 1e-300)
    if strength < STRONG_INSTRUMENT:
        raise NotIdentified(
            f"{names[instrument]} moves {names[x]} too weakly to serve as its instrument "
            f"(F = {strength:.1f}, at least {STRONG_INSTRUMENT:.0f} is needed): take a larger "
            "field, or a stronger instrument."
        )
    slope = float(w_z @ true @ w_y) / shared
    w_error = w_y - slope * w_x
    variance = variance_of(spatial, w_z, w_error)
    spread = float(w_error @ spatial.gram @ w_error)
    n_effective = float(w_z @ spatial.gram @ w_z) * spread / max(variance, 1e-300)
    freedom = max(n_effective - 2.0 - len(given), 2.0)
    sd = math.sqrt(variance * max(n_effective / freedom, 1.0)) / abs(shared)
    return Slope(slope, sd, freedom, n_effective, float(w_z @ spatial.noise @ w_error) / shared)


def benchmarks_of(
    spatial: SpatialScore, x: int, y: int, given: tuple[int, ...], names: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Return for each column named its partial R2 with the cause and with the outcome.

    `given` are the positions of all columns held fixed, those `names` stand for first.
    """
    true = spatial.gram - spatial.noise
    found = {}
    for z, name in zip(given, names, strict=False):
        others = tuple(k for k in given if k != z)
        with_cause = _partial_r2(true, z, x, others)
        found[name] = (with_cause, _partial_r2(true, z, y, (x, *others)))
    return found


def _partial_r2(true: Floats, first: int, second: int, given: tuple[int, ...]) -> float:
    index = [first, second, *given]
    precision = np.linalg.pinv(true[np.ix_(index, index)])
    size = precision[0, 0] * precision[1, 1]
    return float(np.clip(precision[0, 1] ** 2 / size, 0.0, 1.0)) if size > 0 else math.nan
