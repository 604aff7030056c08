"""Estimates of D at one lag, their joint errors over lags, and the posterior at one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_positive
from physlearn.inference.langevin.diffusion_spectra import Spectra, spectra_of
from physlearn.inference.langevin.simulated_posterior import (
    N_WALKERS,
    walked_draws,
    weighted_draws,
)
from physlearn.inference.langevin.tracks import Tracks

__all__ = [
    "Estimate",
    "KnownError",
    "constancy",
    "estimate_at",
    "posterior_draws",
    "read_known_error",
]

Float = NDArray[np.float64]
FEW = 30
"""Particles below which errors come from simulated tracks, not from the particles' differences."""
N_UNITS, MOST_ROWS = 300, 120_000
"""Simulated tracks behind the errors of few, and rows of them at most."""
LARGEST_K = 0.7
LOOSE = 0.25
"""Standard deviation of ln D beyond which a lag does not take part in tests."""
PRIOR_DECADES = 4.0
"""The prior of D is log-uniform over so many decades to either side of the estimate."""


@dataclass(frozen=True)
class KnownError:
    """Localisation error: ``mean`` (None: free), ``sd`` of it; ``exposure`` in time.

    ``narrowest``: width that stands for an exactly known error variance.
    """

    mean: float | None
    sd: float
    exposure: float
    narrowest: float = 0.0

    def variance(self, diffusion: float) -> float:
        """Return the error variance that a known error implies at D."""
        assert self.mean is not None  # noqa: S101 -- asked only where it is known
        return self.mean**2 - diffusion * self.exposure / 3.0

    @property
    def width(self) -> float:
        """Standard deviation of the error variance."""
        return max(2.0 * (self.mean or 0.0) * self.sd + self.sd**2, self.narrowest)


@dataclass(frozen=True, eq=False)
class Estimate:
    """Estimate at one lag.

    ``diffusion``, ``error``: D and error variance; ``influence``: (n_particles, 2) of ln D and the
    error variance; ``covariance``: (2, 2); ``adjust``: (2, 2) that gives the likelihood the
    curvature of ``covariance``.
    """

    lag: int
    diffusion: float
    error: float
    influence: Float
    covariance: Float
    adjust: Float
    spectra: Spectra
    known: KnownError


def read_known_error(given: Any, exposure: float | None, interval: float) -> KnownError:
    """Read the localisation error and the exposure."""
    if exposure is not None:
        exposure = check_positive("exposure_s", exposure, allow_zero=True)
        if exposure > interval * (1.0 + 1e-9):
            raise InputError(
                f"exposure_s must not exceed the frame interval {interval:g}; got {exposure:g}."
            )
    if given is None or given == "free":
        longest = interval if exposure is None else exposure
        return KnownError(None, 0.0, longest)
    if exposure is None:
        raise InputError(
            "exposure_s must be said where localization_sd is given: both change the shortest "
            "displacements (0 for an instantaneous picture)."
        )
    if isinstance(given, tuple):
        if len(given) != 2:
            raise InputError(f"localization_sd must be a number or (mean, sd); got {given!r}.")
        mean = check_positive("localization_sd mean", given[0], allow_zero=True)
        return KnownError(mean, check_positive("localization_sd sd", given[1]), exposure)
    return KnownError(check_positive("localization_sd", given, allow_zero=True), 0.0, exposure)


def estimate_at(
    tracks: Tracks, lag: int, known: KnownError, rng: np.random.Generator
) -> Estimate | None:
    """Maximise the likelihood at one lag; None where no track spans it."""
    spectra = spectra_of(tracks, lag)
    if len(spectra.rate) == 0:
        return None
    diffusion, error = _start(spectra, known)
    known = _with_width(known, spectra, diffusion, error)
    for _ in range(200):
        scores, information, slope = _scores(spectra, known, diffusion, error)
        step = np.linalg.solve(information, scores.sum(axis=0) + slope)
        step[0] = np.clip(step[0], -1.0, 1.0)
        share = 1.0
        before = _height(spectra, known, diffusion, error)
        while share > 1e-6:
            after = diffusion * np.exp(share * step[0])
            moved = error + share * step[1]
            if _height(spectra, known, after, moved) >= before:
                break
            share *= 0.5
        else:
            break
        done = abs(step[0]) < 1e-9 and abs(step[1]) < 1e-9 * diffusion / spectra.rate.max()
        diffusion, error = float(after), float(moved)
        if done:
            break
    scores, information, _ = _scores(spectra, known, diffusion, error)
    inverse: Float = np.asarray(np.linalg.inv(information), dtype=np.float64)
    influence = scores @ inverse
    n = len(np.unique(spectra.owner))
    covariance = (
        np.asarray(influence.T @ influence * n / (n - 1.0))
        if n >= FEW
        else _model_covariance(tracks, spectra, diffusion, error, inverse, rng)
    )
    # where a prior fixes the error, that direction has no spread of its own
    covariance = covariance + _prior_part(known, diffusion, inverse)
    lower, target = np.linalg.cholesky(information), np.linalg.cholesky(np.linalg.inv(covariance))
    adjust = np.linalg.solve(lower.T, target.T)
    return Estimate(
        spectra.lag,
        diffusion,
        error,
        influence,
        covariance,
        adjust,
        spectra,
        known,
    )


def _with_width(known: KnownError, spectra: Spectra, diffusion: float, error: float) -> KnownError:
    """Give an exactly known error a width of a twentieth of what the tracks know of it."""
    if known.mean is None:
        return known
    floor = max(error, -0.5 * diffusion / float(spectra.rate.max()))
    own = spectra.scores(diffusion, floor)[1][1, 1]
    return replace(known, narrowest=0.05 / float(np.sqrt(own)))


def _start(spectra: Spectra, known: KnownError) -> tuple[float, float]:
    """Regress the squared components on their rate: D + s rate."""
    d = spectra.dimension
    y = spectra.square / d
    columns = np.column_stack([np.ones_like(y), spectra.rate])
    found = np.linalg.lstsq(columns, y, rcond=None)[0]
    level = float(y.mean())
    diffusion = float(np.clip(found[0], 0.05 * level, 2.0 * level))
    error = float(found[1]) if len(np.unique(spectra.rate)) > 1 else 0.0
    if known.mean is not None:
        error = known.variance(diffusion)
    return diffusion, max(error, -0.5 * diffusion / spectra.rate.max())


def _height(spectra: Spectra, known: KnownError, diffusion: float, error: float) -> float:
    height = float(spectra.log_likelihood(np.array([diffusion]), np.array([error]))[0])
    return height + float(_log_prior(spectra, known, np.array([diffusion]), np.array([error]))[0])


def _log_prior(spectra: Spectra, known: KnownError, diffusion: Float, error: Float) -> Float:
    """Log prior of the error variance given D; flat where it is free."""
    if known.mean is None:
        # wide enough to matter only where a single displacement a track leaves it open
        wide = spectra.square.mean() / spectra.dimension / spectra.rate.mean()
        return np.asarray(-0.5 * (error / (30.0 * wide)) ** 2)
    mean = known.mean**2 - diffusion * known.exposure / 3.0
    sd = known.width
    return np.asarray(-0.5 * ((error - mean) / sd) ** 2)


def _scores(
    spectra: Spectra, known: KnownError, diffusion: float, error: float
) -> tuple[Float, Float, Float]:
    """Scores by particle, information with the prior's, and the prior's own score."""
    scores, information = spectra.scores(diffusion, error)
    if known.mean is None:
        wide = spectra.square.mean() / spectra.dimension / spectra.rate.mean()
        precision = (30.0 * wide) ** -2
        information = information + np.diag([0.0, precision])
        return scores, information, np.array([0.0, -error * precision])
    mean = known.variance(diffusion)
    sd = known.width
    # the mean moves with ln D: -D tau / 3
    way = np.array([diffusion * known.exposure / 3.0, 1.0])
    information = information + np.outer(way, way) / sd**2
    return scores, information, -way * (error - mean) / sd**2


def _prior_part(known: KnownError, diffusion: float, inverse: Float) -> Float:
    """Spread that the prior's own uncertainty brings: of the direction that only it fixes."""
    if known.mean is None:
        return np.asarray(1e-12 * np.diag(np.diag(inverse)))
    sd = known.width
    way = inverse @ np.array([diffusion * known.exposure / 3.0, 1.0]) / sd
    return np.asarray(np.outer(way, way) + 1e-12 * np.diag(np.diag(inverse)))


def _model_covariance(
    tracks: Tracks, spectra: Spectra, diffusion: float, error: float, inverse: Float,
    rng: np.random.Generator,
) -> Float:  # fmt: skip
    """Godambe's covariance under the model, from simulated tracks with the same frames.

    Displacements from overlapping first frames are correlated, and more so in what they say of D
    and the error together: no formula for independent ones holds beyond a lag of one frame.
    """
    if spectra.lag == 1:
        # taking the drift out leaves n - 1 of n tracks independent
        return np.asarray(inverse / spectra.independent)
    n, rows = tracks.n_particles, len(tracks.frame)
    n_copies = int(max(10, min(-(-N_UNITS // n), MOST_ROWS // rows)))
    gap = np.diff(tracks.frame, prepend=tracks.frame[0])
    first = np.diff(tracks.particle, prepend=-1) != 0
    spread = np.sqrt(2.0 * diffusion * tracks.interval * np.where(first, 0, gap))
    total = np.zeros((2, 2))
    for _ in range(n_copies):
        walk = np.cumsum(spread[:, None] * rng.standard_normal(tracks.places.shape), axis=0)
        walk += np.sqrt(max(error, 0.0)) * rng.standard_normal(walk.shape)
        copy = replace(tracks, places=walk, share=np.zeros(rows), independent=1.0)
        scores, _ = spectra_of(copy, spectra.lag).scores(diffusion, max(error, 0.0))
        total += scores.T @ scores
    return np.asarray(inverse @ (total / n_copies) @ inverse / spectra.independent)


def constancy(estimates: list[Estimate], place: int) -> float:
    """Return the p value of D being the same at this lag and at all longer ones."""
    from scipy.stats import chi2, f

    # lags that know little of D have nothing to say, and their logarithm is not Gaussian
    later = [one for one in estimates[place + 1 :] if one.covariance[0, 0] < LOOSE**2]
    if not later:
        return 1.0
    own = estimates[place]
    gap = np.array([np.log(one.diffusion / own.diffusion) for one in later])
    moved = np.stack([one.influence[:, 0] - own.influence[:, 0] for one in later], axis=1)
    alive = np.abs(moved).sum(axis=1) > 0.0
    n, q = int(alive.sum()), len(later)
    # the longest lags are nearly multiples of each other: a few directions carry the test
    noise = moved.T @ moved
    if n < FEW:
        noise = np.diag([abs(one.covariance[0, 0] - own.covariance[0, 0]) for one in later])
        noise += 1e-12 * np.eye(q) * max(noise.max(), 1e-300)
        return float(min(1.0, q * chi2.sf(gap**2 / np.diag(noise), 1).min()))
    scale = np.sqrt(np.diag(noise))
    values, vectors = np.linalg.eigh(noise / np.outer(scale, scale))
    keep = values > 0.02 * values.max()
    square = float((((gap / scale) @ vectors[:, keep]) ** 2 / values[keep]).sum())
    q = int(keep.sum())
    return float(f.sf(square * (n - q) / (n - 1.0) / q, q, n - q))


def posterior_draws(
    estimate: Estimate, n_draws: int, rng: np.random.Generator
) -> tuple[Float, float]:
    """Return draws of D and the error variance, (n, 2), and Pareto k.

    The likelihood of overlapping first frames, stretched so that its curvature is that of the
    differences between particles (Chandler & Bate 2007, doi:10.1093/biomet/asm015).
    """
    mode, known = np.array([np.log(estimate.diffusion), estimate.error]), estimate.known
    spectra = estimate.spectra.grouped()
    limit = np.log(10.0) * PRIOR_DECADES
    mean_square = spectra.square.mean() / spectra.dimension / spectra.rate.mean()

    def density(draws: Float) -> Float:
        moved = mode + (draws - mode) @ estimate.adjust.T
        diffusion = np.exp(np.clip(moved[:, 0], -700.0, 700.0))
        height = spectra.log_likelihood(diffusion, moved[:, 1])
        height += _log_prior(spectra, known, diffusion, moved[:, 1])
        # what an exposure can take away is bounded; lags beyond one frame may be smeared more
        own = np.exp(np.clip(draws[:, 0], -700.0, 700.0))
        allowed = (np.abs(draws[:, 0] - mode[0]) < limit) & (
            (spectra.lag > 1) | (draws[:, 1] > -own * known.exposure / 3.0 - 3.0 * mean_square)
        )
        return np.where(allowed, height, -np.inf)

    covariance = estimate.covariance.copy()
    # an estimate that is open over decades is searched within the prior's reach only
    covariance /= max(1.0, covariance[0, 0] / (0.25 * limit) ** 2)
    raw, shape = weighted_draws(density, mode, covariance, n_draws, rng)
    if shape > LARGEST_K:
        sound = raw[np.isfinite(density(raw))]
        if len(np.unique(sound[:, 0])) > N_WALKERS:
            raw = walked_draws(density, sound[rng.choice(len(sound), n_draws)], rng)
    return np.column_stack([np.exp(raw[:, 0]), raw[:, 1]]), shape
