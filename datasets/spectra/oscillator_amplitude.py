"""Harmonic oscillators behind amplitude spectra whose phase was not kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e, i1e

from physlearn.datasets.spectra.pixel_spectra import median_of_known

__all__ = ["AmplitudeFits", "fit_amplitudes", "rice_moments"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

WIDTHS = 6
"""Starts try damping of 1, 2, 4 ... 32 frequency steps."""
CUTOFF = 6.0
"""Amplitudes further off than this many of their standard deviations are passed over (bisquare)."""
NARROWEST = 0.05
"""Smallest damping, in frequency steps."""
N_ROUNDS = 60
BLOCK = 400
"""Spectra at a time."""
NORMAL = 1.4826


class AmplitudeFits(NamedTuple):
    """Parameters (n, 3), inverse covariances, noise variance, and which points were used.

    The parameters are the static amplitude, the resonance x0 and the damping b = x0 / Q.
    """

    parameters: Floats
    bread: Floats
    variance: Floats
    used: Flags


def fit_amplitudes(x: Floats, spectra: Floats) -> AmplitudeFits:
    """Fit the amplitude of every spectrum (n, m) by the mean and variance of Rice's distribution.

    They are exact for an amplitude whose two quadratures hold Gaussian noise, so the noise that
    lifts the amplitude off the resonance does not bias the fit. Quasi-likelihood steps with
    Tukey's bisquare; the noise is that of the residuals.
    """
    parts = [
        _fit_block(x, spectra[first : first + BLOCK]) for first in range(0, len(spectra), BLOCK)
    ]
    return AmplitudeFits(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _fit_block(x: Floats, y: Floats) -> AmplitudeFits:
    """Fit some spectra."""
    there = ~np.isnan(y)
    y = np.where(there, y, 0.0)
    step_x = (x[-1] - x[0]) / (len(x) - 1)
    bend = np.where(there, y, np.nan)
    bend = np.abs(bend[:, 2:] - 2.0 * bend[:, 1:-1] + bend[:, :-2])
    rough = NORMAL * np.nan_to_num(median_of_known(bend, 1)) / np.sqrt(6.0)
    variance = np.maximum(rough, 1e-9 * np.abs(y).max(axis=1) + 1e-12) ** 2
    p = _start(x, y, there, variance)
    damping = np.full(len(y), 1e-3)
    loss, step, bread, noise, used = _evaluate(p, x, y, there, variance)
    for _ in range(N_ROUNDS):
        damped = bread + damping[:, None, None] * np.eye(3) * bread + 1e-9 * np.eye(3)
        move = np.clip(np.linalg.solve(damped, step[..., None])[..., 0], -1.0, 1.0)
        trial = p + move
        trial[:, 1] = np.clip(trial[:, 1], x[0], x[-1])
        trial[:, 2] = np.clip(trial[:, 2], np.log(NARROWEST * step_x), np.log(x[-1]))
        better = _evaluate(trial, x, y, there, variance)[0] <= loss
        p = np.where(better[:, None], trial, p)
        damping = np.clip(np.where(better, 0.2 * damping, 10.0 * damping), 1e-9, 1e9)
        settled = np.abs(noise - variance) < 1e-4 * variance
        variance = noise
        loss, step, bread, noise, used = _evaluate(p, x, y, there, variance)
        still = np.abs(move).max(axis=1) < 1e-6
        if (settled & (still | ~better)).all():
            break
    return AmplitudeFits(
        np.stack([np.exp(p[:, 0]), p[:, 1], np.exp(p[:, 2])], axis=1), bread, variance, used
    )


def _response(p: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Return the height H and its derivatives by log A, x0 and log b."""
    x0, b = p[:, 1, None], np.exp(p[:, 2, None])
    off = x0**2 - x**2
    denominator = off**2 + (x * b) ** 2
    height = np.exp(p[:, 0, None]) * x0**2 / np.sqrt(denominator)
    slopes = np.stack(
        [
            height,
            height * (2.0 / x0 - 2.0 * x0 * off / denominator),
            -height * (x * b) ** 2 / denominator,
        ],
        axis=2,
    )
    return height, slopes


def rice_moments(height: Floats, s2: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean and variance of an amplitude with noise, and the mean's slope by the height."""
    q = 0.25 * height**2 / s2
    zero, one = i0e(q), i1e(q)
    s = np.sqrt(0.5 * np.pi * s2)
    mean = s * ((1.0 + 2.0 * q) * zero + 2.0 * q * one)
    slope = s * 0.5 * height / s2 * (zero + one)
    return mean, np.maximum(height**2 + 2.0 * s2 - mean**2, 0.3 * s2), slope


def _distance(mean: Floats, spread: Floats, y: Floats, there: Flags) -> Floats:
    """Return squared distances in units of the cut-off, 1 where not used."""
    u = (y - mean) ** 2 / spread / CUTOFF**2
    return np.where(there, np.minimum(u, 1.0), 1.0)


def _evaluate(
    p: Floats, x: Floats, y: Floats, there: Flags, variance: Floats
) -> tuple[Floats, Floats, Floats, Floats, Flags]:
    """Return bisquare loss, score, information, the noise that residuals show, and what is used."""
    height, slopes = _response(p, x)
    mean, spread, slope = rice_moments(height, variance[:, None])
    u = _distance(mean, spread, y, there)
    weight = (1.0 - u) ** 2
    slopes = slopes * slope[..., None]
    weighted = np.swapaxes(slopes * (weight / spread)[..., None], 1, 2)
    step = (weighted @ (y - mean)[..., None])[..., 0]
    bread = weighted @ slopes
    used = u < 1.0
    found = (used * (y - mean) ** 2 / spread).sum(axis=1)
    found *= variance / np.maximum(used.sum(axis=1) - 3.0, 1.0)
    # a bad start must not let the noise swallow the peak in one step
    noise = np.clip(found, 0.5 * variance, 2.0 * variance)
    return (1.0 - (1.0 - u) ** 3).sum(axis=1), step, bread, noise, used


def _start(x: Floats, y: Floats, there: Flags, variance: Floats) -> Floats:
    """Keep the resonance and damping of a grid that explain most points at the noise."""
    step = (x[-1] - x[0]) / (len(x) - 1)
    s2 = variance[:, None]
    best = np.full(len(y), np.inf)
    p = np.zeros((len(y), 3))
    for j in range(WIDTHS):
        b = step * 2.0**j
        for i in range(0, len(x), max(2**j // 2, 1)):
            gain = x[i] ** 4 / ((x[i] ** 2 - x**2) ** 2 + (x * b) ** 2)
            near = np.abs(x - x[i]) <= max(b, 3.0 * step)
            each = np.where(there[:, near], y[:, near] ** 2 / gain[near], np.nan)
            square = np.nan_to_num(median_of_known(each, 1), nan=1e-300)
            square = np.maximum(square, 1e-300)
            r = y - np.sqrt(square[:, None] * gain + s2)
            score = (np.minimum(r**2 / (CUTOFF**2 * s2), 1.0) * there).sum(axis=1)
            better = score < best
            best = np.where(better, score, best)
            p[better] = np.stack(
                [0.5 * np.log(square), np.full(len(y), x[i]), np.full(len(y), np.log(b))], axis=1
            )[better]
    return p
