"""Partial pooling of what every pixel measured: a Student population behind Gaussian errors."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

__all__ = ["PooledPixels", "design_effect", "pool_pixels"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

TAILS = np.array([2.5, 4.0, 8.0, 16.0, 60.0])
"""Degrees of freedom that the population may have, equally likely beforehand."""
BURN_IN = 150
LEAST_VARIANCE = 1e-8
"""Of a pixel, in units of the population's."""
STEPS = {"few": 1500, "many": 600}
MANY = 400
NEGLIGIBLE = 2.0
"""Correlation of pixels, in standard errors, below which longer lags are not summed."""


@dataclass(frozen=True, slots=True, eq=False)
class PooledPixels:
    """Draws of the population and the pixels' values after pooling.

    Attributes
    ----------
    center, spread, tails
        Population centre (n_draws, k), scale of each column (n_draws, k), degrees of freedom.
    pixel_mean, pixel_sd
        Of every pixel given all of them, (n, k).
    """

    center: Floats
    spread: Floats
    tails: Floats
    pixel_mean: Floats
    pixel_sd: Floats


def pool_pixels(values: Floats, covariance: Floats, generator: np.random.Generator) -> PooledPixels:
    """Gibbs draws of ``values_i ~ N(theta_i, C_i)``, ``theta_i ~ Student(center, scale, tails)``.

    The centre's prior is flat, the scale matrix has an inverse-Wishart prior whose size is 1 % of
    the columns' spread (it matters where fewer than about 10 pixels are measured), the tails are
    one of five.

    Parameters
    ----------
    values, covariance
        (n, k) and (n, k, k), n at least 3.
    generator
        Of the draws.
    """
    unit = 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    own = np.sqrt(np.maximum(np.einsum("nii->ni", covariance), 0.0)).mean(axis=0)
    unit = np.where(unit > 0, unit, own + 1e-300)
    shift = np.median(values, axis=0)
    z, noise = (values - shift) / unit, covariance / unit / unit[:, None]
    n, k = z.shape
    # quantities of one loop that are nearly one number leave rounding's negative variances
    parts, axes = np.linalg.eigh(0.5 * (noise + noise.swapaxes(1, 2)))
    inverse = 1.0 / np.maximum(parts, LEAST_VARIANCE)
    precision = np.einsum("nij,nj,nkj->nik", axes, inverse, axes)
    pull = np.einsum("nij,nj->ni", precision, z)
    steps = STEPS["many" if n > MANY else "few"]
    center, scale = np.zeros(k), np.eye(k)
    weight, tail = np.ones(n), 8.0
    centers, spreads, tails = [], [], []
    mean, square = np.zeros((n, k)), np.zeros((n, k))
    for step in range(steps + BURN_IN):
        inverse = np.linalg.inv(scale)
        spread = np.linalg.inv(precision + weight[:, None, None] * inverse)
        middle = np.einsum("nij,nj->ni", spread, pull + weight[:, None] * (inverse @ center))
        root = np.linalg.cholesky(spread)
        theta = middle + np.einsum("nij,nj->ni", root, generator.standard_normal((n, k)))
        away = theta - center
        reach = np.einsum("ni,ij,nj->n", away, inverse, away)
        weight = generator.gamma(0.5 * (tail + k), 2.0 / (tail + reach))
        tail = _draw_tail(weight, generator)
        total = weight.sum()
        center = (weight @ theta) / total
        center = center + np.linalg.cholesky(scale / total) @ generator.standard_normal(k)
        away = theta - center
        scale = _inverse_wishart(
            n + k + 1, (weight[:, None] * away).T @ away + 0.01 * np.eye(k), generator
        )
        if step >= BURN_IN:
            centers.append(center)
            spreads.append(np.sqrt(np.diag(scale)))
            tails.append(tail)
            mean += middle
            square += np.einsum("nii->ni", spread) + middle**2
    mean, square = mean / steps, square / steps
    sd = np.sqrt(np.maximum(square - mean**2, 0.0))
    return PooledPixels(
        np.array(centers) * unit + shift, np.array(spreads) * unit, np.array(tails),
        mean * unit + shift, sd * unit,
    )  # fmt: skip


def _draw_tail(weight: Floats, generator: np.random.Generator) -> float:
    """Draw the degrees of freedom given the pixels' weights."""
    n = weight.size
    sums = float(np.log(weight).sum() - weight.sum())
    half = 0.5 * TAILS
    gammas = np.array([lgamma(value) for value in half])
    log_chance = n * (half * np.log(half) - gammas) + half * sums
    chance = np.exp(log_chance - log_chance.max())
    return float(generator.choice(TAILS, p=chance / chance.sum()))


def _inverse_wishart(df: int, scale: Floats, generator: np.random.Generator) -> Floats:
    """Draw an inverse-Wishart matrix (Bartlett's decomposition)."""
    k = len(scale)
    lower = np.tril(generator.standard_normal((k, k)), -1)
    lower[np.diag_indices(k)] = np.sqrt(generator.chisquare(df - np.arange(k)))
    root = np.linalg.cholesky(np.linalg.inv(scale)) @ lower
    return np.asarray(np.linalg.inv(root @ root.T))


def design_effect(values: Floats, measured: Flags) -> float:
    """Return how many pixels stand for one independent one: sum of the correlations over lags.

    Parameters
    ----------
    values
        One number a measured pixel, (n,).
    measured
        Map of measured pixels, (ny, nx).
    """
    from scipy.signal import fftconvolve

    if min(measured.shape) < 4:
        return 1.0
    centred = np.clip(values, *np.quantile(values, (0.02, 0.98)))
    picture = np.zeros(measured.shape)
    picture[measured] = centred - centred.mean()
    known = measured.astype(float)
    shared = fftconvolve(picture, picture[::-1, ::-1])
    pairs = np.maximum(np.rint(fftconvolve(known, known[::-1, ::-1])), 0.0)
    middle = (np.array(shared.shape) - 1) // 2
    away = np.hypot(*np.indices(shared.shape) - middle[:, None, None])
    variance = shared[tuple(middle)] / pairs[tuple(middle)]
    total = 1.0
    for ring in range(1, min(measured.shape) // 2):
        here = (away >= ring - 0.5) & (away < ring + 0.5)
        share = shared[here].sum() / max(pairs[here].sum(), 1.0) / variance
        if share * np.sqrt(pairs[here].sum() / 2) < NEGLIGIBLE:
            break
        total += float(share * here.sum())
    return max(total, 1.0)
