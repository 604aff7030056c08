"""Where the search for the parameters of a noisy film begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.configurations.score_matching import find_score_mode
from physlearn.inference.configurations.snapshots import Snapshot
from physlearn.inference.langevin.film import Film
from physlearn.inference.potential_families.pair_family import InteractionFamily

__all__ = ["pair_start", "snapshots_of", "step_moments"]

Float = NDArray[np.float64]
N_SNAPSHOTS = 8
INFLATION = 6.0
"""Of the start's covariance: static scores may be off, the simulations find out."""
SHARES = (0.1, 0.7)
"""Of the largest possible error variance at which the static scores are asked."""


def step_moments(film: Film) -> tuple[float, float]:
    """Return the mean square of a step along an axis, and the mean product of two in a row."""
    d = film.dimension
    steps = np.diff(film.places, axis=0)[..., :d]
    whole = film.joined.astype(bool)
    square = float((steps[whole] ** 2).mean())
    both = whole[1:] & whole[:-1]
    product = float((steps[1:][both] * steps[:-1][both]).mean()) if both.any() else 0.0
    return square, product


def snapshots_of(film: Film, n: int, error_sd: float, unit: str = "reduced") -> list[Snapshot]:
    """Return up to n frames of a film, evenly spread, as snapshots."""
    d, shots = film.dimension, []
    lengths = film.box[:d]
    for t in np.unique(np.linspace(0, len(film.places) - 1, n).astype(int)):
        here = film.seen[t].astype(bool)
        if here.sum() < 2:
            continue
        places = film.places[t, here, :d]
        if film.periodic:
            places = places - np.floor(places / lengths) * lengths
        shots.append(
            Snapshot(
                places, film.species[here], lengths if film.periodic else None,
                np.stack([np.zeros(d), lengths]), np.full(len(places), error_sd), unit,
            )
        )  # fmt: skip
    return shots


def pair_start(
    film: Film, family: InteractionFamily, largest: float, free: bool, rng: np.random.Generator
) -> tuple[Float, Float, Float]:
    """Return pair parameters, their covariance, and their slope in the error variance.

    Static scores at a small and a large share of the ``largest`` error variance; with a known
    error (``free`` false) at that error.
    """
    if not free:
        theta, covariance = _static(film, family, np.sqrt(largest), rng)
        return theta, covariance, np.zeros(len(theta))
    low, covariance = _static(film, family, np.sqrt(SHARES[0] * largest), rng)
    high, wider = _static(film, family, np.sqrt(SHARES[1] * largest), rng)
    slope = (high - low) / ((SHARES[1] - SHARES[0]) * largest)
    return 0.5 * (low + high), 0.5 * (covariance + wider), slope


def _static(
    film: Film, family: InteractionFamily, error_sd: float, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Parameters by static scores and how far they may be off, the prior's where they fail."""
    prior = family.prior_covariance
    try:
        mode = find_score_mode(snapshots_of(film, N_SNAPSHOTS, error_sd), family, rng)
    except (InputError, np.linalg.LinAlgError):
        return family.prior_mean, 0.1 * prior
    if not (np.isfinite(mode.theta).all() and np.isfinite(mode.covariance).all()):
        return family.prior_mean, 0.1 * prior
    precision = np.linalg.inv(INFLATION * mode.covariance) + np.linalg.inv(prior)
    return mode.theta, np.linalg.inv(precision)
