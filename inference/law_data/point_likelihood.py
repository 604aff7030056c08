"""Log density of single measurements about a law's value, with its slopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, log_expit, log_ndtr

from physlearn.inference.law_data.noise_models import NoiseModel, Observations

__all__ = ["PointTerms", "point_terms"]

Floats = NDArray[np.float64]

LOG_TWO_PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True, eq=False)
class PointTerms:
    """Log densities (n,) and their derivatives.

    ``by_law`` and ``by_variance`` (n,) are by the law's value and by the variance that errors of x
    add; ``by_nuisance`` (m, n) by the noise's own numbers; ``information`` (n,) is what a point
    says about the law's value, never negative: expected, and of a limit what that limit says.
    """

    value: Floats
    by_law: Floats
    by_variance: Floats
    by_nuisance: Floats
    information: Floats


def point_terms(
    noise: NoiseModel, observations: Observations, law: Floats, extra: Floats, nuisance: Floats
) -> PointTerms:
    """Return the log density of every measurement and its slopes; NaN where it has none.

    Parameters
    ----------
    noise
        The noise model.
    observations
        Measurements (n,).
    law
        Values of the law, shape (n,).
    extra
        Variance that errors of x add, in units of y squared, shape (n,).
    nuisance
        In the order of ``noise.nuisance``.
    """
    if noise.kind == "counts":
        return _counts(observations.y, law)
    sd = np.exp(nuisance[0]) if noise.sd is None else noise.sd
    scale = np.broadcast_to(np.asarray(sd, dtype=np.float64), law.shape)
    if noise.kind == "student":
        terms = _student(noise.degrees, observations.y - law, scale)
    elif noise.kind == "outliers":
        terms = _outliers(noise.widening, observations.y - law, scale, extra, nuisance[-1])
    else:
        terms = _normal(noise.kind, observations, law, scale, extra)
    if noise.sd is None:
        return terms
    return PointTerms(
        terms.value, terms.by_law, terms.by_variance, terms.by_nuisance[1:], terms.information
    )


def _normal(kind: str, data: Observations, law: Floats, scale: Floats, extra: Floats) -> PointTerms:
    """Measure normal errors of y or ln y; limits by the probability beyond them (Tobit)."""
    target, place, slope = data.y, law, np.ones_like(law)
    variance, by_scale = scale**2 + extra, 2.0 * scale**2
    variance_by_law, variance_by_extra = np.zeros_like(law), np.ones_like(law)
    jacobian = np.zeros_like(law)
    if kind == "log":
        positive = np.where(law > 0, law, np.nan)
        target, place, slope = np.log(data.y), np.log(positive), 1.0 / positive
        variance = scale**2 + extra * slope**2
        variance_by_law, variance_by_extra = -2.0 * extra * slope**3, slope**2
        jacobian = -target
    elif kind == "multiplicative":
        positive = np.where(law > 0, law, np.nan)
        variance = (scale * positive) ** 2 + extra
        by_scale, variance_by_law = 2.0 * (scale * law) ** 2, 2.0 * scale**2 * law
    rest = target - place
    value = -0.5 * rest**2 / variance - 0.5 * (LOG_TWO_PI + np.log(variance)) + jacobian
    by_place, by_variance = rest / variance, 0.5 * (rest**2 / variance - 1.0) / variance
    limits = data.censored != 0
    information = slope**2 / variance + 0.5 * (variance_by_law / variance) ** 2
    if limits.any():
        sign = -data.censored[limits].astype(np.float64)
        root = np.sqrt(variance[limits])
        z = sign * rest[limits] / root
        value[limits] = log_ndtr(z)
        hazard = np.exp(-0.5 * z**2 - 0.5 * LOG_TWO_PI - value[limits])
        by_place[limits] = -sign * hazard / root
        by_variance[limits] = -0.5 * hazard * z / variance[limits]
        # What a limit says grows with how near to it the law lies, and is less than a value says
        turn = slope[limits] / root + 0.5 * sign * z * variance_by_law[limits] / variance[limits]
        information[limits] = np.maximum(hazard * (hazard + z), 0.0) * turn**2
    by_law = by_place * slope + by_variance * variance_by_law
    return PointTerms(
        value, by_law, by_variance * variance_by_extra, (by_variance * by_scale)[None], information
    )


def _student(degrees: float, rest: Floats, scale: Floats) -> PointTerms:
    spread = degrees * scale**2
    norm = gammaln(0.5 * (degrees + 1)) - gammaln(0.5 * degrees) - 0.5 * np.log(np.pi * spread)
    value = norm - 0.5 * (degrees + 1) * np.log1p(rest**2 / spread)
    pull = (degrees + 1) * rest / (spread + rest**2)
    information = (degrees + 1) / (degrees + 3) / scale**2
    return PointTerms(value, pull, np.zeros_like(rest), (pull * rest - 1.0)[None], information)


def _outliers(
    widening: float, rest: Floats, scale: Floats, extra: Floats, logit: float
) -> PointTerms:
    narrow, wide = scale**2 + extra, (widening * scale) ** 2 + extra
    inside = log_expit(-logit) - 0.5 * (rest**2 / narrow + LOG_TWO_PI + np.log(narrow))
    outside = log_expit(logit) - 0.5 * (rest**2 / wide + LOG_TWO_PI + np.log(wide))
    value = np.logaddexp(inside, outside)
    out = np.exp(outside - value)
    by_narrow = (1.0 - out) * 0.5 * (rest**2 / narrow - 1.0) / narrow
    by_wide = out * 0.5 * (rest**2 / wide - 1.0) / wide
    by_scale = 2.0 * scale**2 * (by_narrow + widening**2 * by_wide)
    information = (1.0 - out) / narrow + out / wide
    return PointTerms(
        value, rest * information, by_narrow + by_wide,
        np.stack([by_scale, out - expit(logit)]), information,
    )  # fmt: skip


def _counts(y: Floats, law: Floats) -> PointTerms:
    mean = np.where(law > 0, law, np.nan)
    value = y * np.log(mean) - mean - gammaln(y + 1.0)
    return PointTerms(value, y / mean - 1.0, np.zeros_like(y), np.zeros((0, y.size)), 1.0 / mean)
