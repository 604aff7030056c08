"""The Gaussian space-time prior of a wall and the inference of its strength."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy import fft, optimize

from physlearn.checks import CREDIBLE_MASS, check_positive
from physlearn.datasets.wall_motion.space_time_kernels import log_likelihood, mode_means
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "InferredPrior",
    "ModeData",
    "WallPrior",
    "draw_heights",
    "infer_prior",
    "infer_uniform",
    "memory_spans",
    "mode_strengths",
    "pilot_prior",
    "relative_speeds",
]

Floats = NDArray[np.float64]
NAMES = ("power", "correlation_length", "falloff", "rate", "rate_growth", "rate_speed")
LOGARITHMIC = np.array([True, True, False, True, False, False])
FALLOFF, RATE_GROWTH, RATE_SPEED = (4.5, 2.0), (1.0, 1.0), (0.0, 0.7)
SLOWEST = 0.1
FORGETFUL = 1e4
LEAST_MODES = 24
LOOKS = np.array([-6.0, -4.5, -3.0, -1.5, 0.0])
NEAR_ENOUGH = 0.05
LOG_LENGTH_SD, LOG_RATE_SD, LOG_POWER_SD = 1.5, 2.0, 3.0
SMALLEST_POWER = 1e-12
"""Variance of a mode, in squared spacings, below which it only rounds."""
NORMAL_QUANTILE = NormalDist().inv_cdf(0.5 * (1.0 + CREDIBLE_MASS))


@dataclass(frozen=True, slots=True)
class WallPrior:
    """Strength of the space-time prior of a wall: a stationary Gaussian process, mode by mode.

    A mode of wave number q has the variance ``power`` b^(-falloff / 2) per length and relaxes at
    the rate ``rate`` b^(rate_growth / 2), where b = 1 + (q ``correlation_length``)^2: stiffness
    damps short waves. The Edwards-Wilkinson line has falloff = rate_growth = 2.

    Attributes
    ----------
    power
        Spectral density of the displacement at long waves, length^3.
    correlation_length
        Waves longer than 2 pi times this one have the full power; a length.
    falloff
        Exponent with which the power falls at short waves (1 + 2 x roughness exponent).
    rate
        Rate at which long waves forget where they were, 1 / time.
    rate_growth
        Exponent with which the rate grows at short waves.
    rate_speed
        Exponent with which the rates follow the wall's mean speed from frame to frame (relative to
        its root mean square): 1 for a wall whose memory is one of the distance it has gone.
    gliding
        True: displacements have a velocity (Matern process of order 3/2); False: they diffuse
        (Ornstein-Uhlenbeck process), as under thermal noise.

    Raises
    ------
    InputError
        If a number that must be positive is not.

    Examples
    --------
    >>> WallPrior(power=5.0, correlation_length=4.0, falloff=3.5, rate=0.1).gliding
    True
    """

    power: float
    correlation_length: float
    falloff: float
    rate: float
    rate_growth: float = 1.0
    rate_speed: float = 0.0
    gliding: bool = True

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for name in ("power", "correlation_length", "falloff", "rate"):
            check_positive(name, getattr(self, name))


@dataclass(frozen=True, slots=True, eq=False)
class ModeData:
    """Modes of a wall in orthonormal bases, with their noise.

    ``values`` and ``noise`` (n_modes, n_frames); ``waves`` (n_modes,) wave numbers, the first is 0;
    ``spans`` (n_frames,) time since the frame before; ``spacing`` of the nodes.
    """

    values: Floats
    noise: Floats
    waves: Floats
    spans: Floats
    spacing: float


@dataclass(frozen=True, slots=True, eq=False)
class InferredPrior:
    """A prior with the 90 % intervals of its numbers, and the uniform mode's own two numbers."""

    prior: WallPrior
    low: Floats
    high: Floats
    uniform: tuple[float, float]
    speeds: Floats


def mode_strengths(
    prior: WallPrior, waves: Floats, spacing: float, uniform: tuple[float, float] | None = None
) -> tuple[Floats, Floats]:
    """Return the variances and rates of the modes; the uniform mode may have its own."""
    base = 1.0 + (waves * prior.correlation_length) ** 2
    power = prior.power / spacing * base ** (-0.5 * prior.falloff)
    rates = prior.rate * base ** (0.5 * prior.rate_growth)
    if uniform is not None:
        power[waves == 0], rates[waves == 0] = uniform
    return np.maximum(power, SMALLEST_POWER * spacing**2), rates


def draw_heights(
    prior: WallPrior, n_points: int, times: Floats, rng: np.random.Generator
) -> Floats:
    """Draw heights (n_frames, n_points) of a line without slope at its ends from the prior."""
    waves = np.pi * np.arange(n_points) / n_points
    power, rates = mode_strengths(prior, waves, 1.0)
    lag = np.abs(np.subtract.outer(times, times))
    modes = np.empty((len(times), n_points))
    for mode, (size, rate) in enumerate(zip(power, rates, strict=True)):
        shape = np.exp(-rate * lag) * ((1 + rate * lag) if prior.gliding else 1.0)
        root = np.linalg.cholesky(shape + 1e-10 * np.eye(len(times)))
        modes[:, mode] = np.sqrt(size) * root @ rng.normal(size=len(times))
    return np.asarray(fft.idct(modes, norm="ortho", axis=1))


def memory_spans(spans: Floats, speeds: Floats, prior: WallPrior) -> Floats:
    """Return the time between frames as the wall's memory counts it.

    ``speeds`` (n_frames,): mean speed since the frame before, relative to its root mean square.
    """
    return np.asarray(spans * np.maximum(speeds, SLOWEST) ** prior.rate_speed)


def relative_speeds(data: ModeData, uniform: tuple[float, float]) -> Floats:
    """Return the mean speed since the frame before over its root mean square, (n_frames,)."""
    used = data.waves == 0
    means = np.empty((1, len(data.spans)))
    mode_means(
        data.values[used], data.noise[used], data.spans, np.array(uniform[:1]),
        np.array(uniform[1:]), True, means,
    )  # fmt: skip
    speeds = np.abs(np.diff(means[0], prepend=means[0, 0])) / np.where(
        data.spans > 0, data.spans, 1
    )
    if len(speeds) < 3 or not speeds.any():
        return np.ones(len(speeds))
    typical = float(np.sqrt(np.mean(speeds[1:] ** 2)))
    return np.asarray(np.minimum(speeds / typical, 1.0 / SLOWEST))


def infer_uniform(data: ModeData, gliding: bool) -> tuple[float, float]:
    """Return variance and rate of the mean displacement from its own likelihood."""
    used = data.waves == 0
    values, noise = data.values[used], data.noise[used]
    size = np.log(np.mean(values[noise < np.inf] ** 2) + np.nanmin(noise))
    duration = max(float(data.spans.sum()), 1e-300)
    center = np.array([size, -np.log(duration)])

    def loss(point: Floats) -> float:
        power, rate = np.exp(np.clip(point, -300.0, 300.0))
        chance = log_likelihood(
            values, noise, data.spans, np.array([power]), np.array([rate]), gliding
        )
        return float(-chance + 0.5 * (((point - center) / 3.0) ** 2).sum())

    best = optimize.minimize(loss, center, method="Nelder-Mead", options={"xatol": 0.1})
    power, rate = np.exp(best.x)
    return float(power), float(rate)


def infer_prior(data: ModeData) -> InferredPrior:
    """Return the prior that makes the modes most likely, all other modes integrated out.

    Marginal likelihood with weakly informative priors; of the kinds of motion the likelier one is
    kept. Intervals: Laplace's approximation.
    """
    center, spread = _weak_prior(data)
    uniform = infer_uniform(data, True)
    speeds = relative_speeds(data, uniform)
    used = _telling(data)
    values, noise, waves = data.values[used], data.noise[used], data.waves[used]

    def loss(point: Floats, gliding: bool) -> float:
        bounded = np.clip(point, center - 8 * spread, center + 8 * spread)
        prior = _as_prior(bounded, gliding)
        total = 0.5 * float((((point - center) / spread) ** 2).sum())
        power, rates = mode_strengths(prior, waves, data.spacing)
        spans = memory_spans(data.spans, speeds, prior)
        return total - log_likelihood(values, noise, spans, power, rates, gliding)

    best, kept = _search(lambda point: loss(point, True), center), True
    # the same wall, diffusing: worth a search of its own only where a look comes near
    looks = best.x + np.outer(LOOKS, np.eye(len(center))[3])
    look = min(looks, key=lambda point: loss(point, False))
    if loss(look, False) < best.fun + NEAR_ENOUGH * values.size:
        other = _search(lambda point: loss(point, False), look)
        if other.fun < best.fun:
            best, kept = other, False
    sds = np.sqrt(np.diag(laplace_covariance(lambda point: loss(point, kept), best.x, spread)))
    ends = [np.where(LOGARITHMIC, np.exp(best.x + side * sds), best.x + side * sds)
            for side in (-NORMAL_QUANTILE, NORMAL_QUANTILE)]  # fmt: skip
    return InferredPrior(_as_prior(best.x, kept), ends[0], ends[1], uniform, speeds)


def _search(loss: Callable[[Floats], float], start: Floats) -> optimize.OptimizeResult:
    return optimize.minimize(loss, start, method="BFGS", options={"gtol": 0.5, "maxiter": 60})


def _telling(data: ModeData) -> NDArray[np.bool_]:
    """Return the modes to infer from: up to half again the last one that stands out of the noise.

    Shorter waves hold noise only, whatever the prior; they would only take time.
    """
    seen = np.isfinite(data.noise)
    excess = np.where(seen, data.values**2 / np.where(seen, data.noise, 1.0) - 1.0, 0.0)
    counts = np.maximum(seen.sum(axis=1), 1)
    smooth = np.convolve(excess.sum(axis=1) / counts, np.ones(8) / 8, mode="same")
    level = max(4.0 * np.sqrt(2.0 / (8 * counts.max())), 0.1)
    last = int(np.flatnonzero(smooth > level).max(initial=0))
    return np.asarray((data.waves > 0) & (np.arange(len(counts)) <= max(1.5 * last, LEAST_MODES)))


def pilot_prior(data: ModeData) -> WallPrior:
    """Return a prior for a first estimate: the middle of the weak prior, each frame on its own."""
    power, length, rate = np.exp(_weak_prior(data)[0][[0, 1, 3]])
    return WallPrior(float(power), float(length), FALLOFF[0], float(rate) * FORGETFUL)


def _as_prior(point: Floats, gliding: bool) -> WallPrior:
    power, length, rate = np.exp(point[[0, 1, 3]])
    return WallPrior(
        float(power), float(length), max(float(point[2]), 0.05), float(rate), float(point[4]),
        float(point[5]), gliding,
    )  # fmt: skip


def _weak_prior(data: ModeData) -> tuple[Floats, Floats]:
    """Return centre and sd of the weak prior over the numbers (logarithms where positive).

    The wall's own size sets the scale: its mean square displacement, its nodes, its frames.
    """
    spacing = data.spacing
    step = np.median(data.spans[1:]) if len(data.spans) > 1 else 1.0
    seen = np.isfinite(data.noise[1:])
    squares = np.where(seen, data.values[1:] ** 2, 0.0).sum(axis=0) / len(data.waves)
    square = squares[np.isfinite(data.noise[0])].mean()
    length = 7.0 * spacing
    power = 4.0 * length * max(float(square), 1e-6 * spacing**2)
    rate = 0.05 / max(float(step), 1e-300)
    center = np.array(
        [np.log(power), np.log(length), FALLOFF[0], np.log(rate), RATE_GROWTH[0], RATE_SPEED[0]]
    )
    spread = np.array(
        [LOG_POWER_SD, LOG_LENGTH_SD, FALLOFF[1], LOG_RATE_SD, RATE_GROWTH[1], RATE_SPEED[1]]
    )
    return center, spread


def laplace_covariance(loss: Callable[[Floats], float], point: Floats, spread: Floats) -> Floats:
    """Return the covariance from the curvature of the loss at its minimum."""
    n, step = len(point), 0.03 * np.minimum(spread, 1.0)
    hessian = np.empty((n, n))
    middle = loss(point)
    plus = np.array([loss(point + step * row) for row in np.eye(n)])
    minus = np.array([loss(point - step * row) for row in np.eye(n)])
    for i in range(n):
        hessian[i, i] = (plus[i] + minus[i] - 2 * middle) / step[i] ** 2
        for j in range(i):
            both = loss(point + step * (np.eye(n)[i] + np.eye(n)[j]))
            hessian[i, j] = hessian[j, i] = (both - plus[i] - plus[j] + middle) / step[i] / step[j]
    if not np.isfinite(hessian).all():
        return np.diag(spread**2)
    values, vectors = np.linalg.eigh(hessian * np.outer(spread, spread))
    # the weak prior has curvature 1 here: less can only be rounding
    covariance = (vectors / np.maximum(values, 1.0)) @ vectors.T
    return np.asarray(covariance * np.outer(spread, spread))
