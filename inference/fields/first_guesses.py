"""First guesses for a fit of a film: the noise, the first frame, the parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["EdgeMode", "estimate_noise", "first_field", "weak_guess"]

Floats = NDArray[np.float64]
EdgeMode = Literal["reflect", "wrap"]
Features = Callable[[Floats, int, float], Floats]

SMOOTHING = 1.5  # pixels, of the test functions
WINDOW_FRAMES = 7
STRIDE = 2
SECOND_DIFFERENCE_NORM = 6.0  # root of the sum of squares of (1, -2, 1) twice


def estimate_noise(values: Floats, seen: NDArray[np.bool_]) -> float:
    """Return the noise's standard deviation from differences of neighbours, robustly."""
    rough = values[:, 2:] - 2 * values[:, 1:-1] + values[:, :-2]
    rough = rough[:, :, 2:] - 2 * rough[:, :, 1:-1] + rough[:, :, :-2]
    whole = ndimage.minimum_filter(seen.view(np.uint8), size=(1, 3, 3))[:, 1:-1, 1:-1] > 0
    found = np.abs(rough[whole])
    if not found.size:
        return float(np.std(values[seen])) / 10
    # walls make the tail: the smaller half of the differences is noise
    return float(np.quantile(found, 0.4) / 0.5244) / SECOND_DIFFERENCE_NORM


def smoothed(values: Floats, seen: Floats, width: float, mode: EdgeMode) -> Floats:
    """Smooth pictures in space; pixels that were not seen take their neighbours' mean."""
    sigma = (0,) * (values.ndim - 2) + (width, width)
    total = ndimage.gaussian_filter(values * seen, sigma, mode=mode)
    share = ndimage.gaussian_filter(seen, sigma, mode=mode)
    return np.asarray(total / np.maximum(share, 1e-12))


def filled(values: Floats, seen: Floats, mode: EdgeMode) -> Floats:
    """Give pixels that were not seen the smooth of their neighbours."""
    result, width = np.where(seen > 0, values, 0.0), 1.0
    known = seen > 0
    while not known.all() and width < 4 * max(values.shape[1:]):
        # a hole wider than the kernel stays empty until the kernel is wider
        share = ndimage.gaussian_filter(seen, (0, width, width), mode=mode)
        guess = smoothed(values, seen, width, mode)
        fresh = ~known & (share > 1e-3)
        result[fresh] = guess[fresh]
        known |= fresh
        width *= 2
    return result


def first_field(values: Floats, seen: Floats, mode: EdgeMode) -> Floats:
    """Return a smooth picture of the first frame, helped by the next two."""
    chosen = np.flatnonzero(seen.any(axis=(1, 2)))[:3]
    share = seen[chosen] * np.array([1.0, 0.5, 0.25])[: chosen.size, None, None]
    total = smoothed(values[chosen], share, 0.7, mode)
    weight = ndimage.gaussian_filter(share, (0, 0.7, 0.7), mode=mode)
    mean = (total * weight).sum(0) / np.maximum(weight.sum(0), 1e-12)
    known = (weight.sum(0) > 1e-6).astype(np.float64)
    result: Floats = filled(mean[None], known[None], mode)[0]
    return result


def bump_weights(times: Floats) -> tuple[Floats, Floats]:
    """Weights of frames that integrate (f, df/dt) against a bump; exact for straight lines."""
    first, last = times[0], times[-1]
    place = 2 * (times - first) / (last - first) - 1
    quadrature = np.gradient(times)
    bump = (1 - 0.9 * place**2) * quadrature
    rate = place * (1 - place**2 * 0.5) * quadrature
    rate -= bump * (rate.sum() / bump.sum())
    return bump, rate * bump.sum() / (rate @ (times - first))


def weak_guess(
    values: Floats, seen: Floats, times: Floats, features: Features, noise_sd: float, mode: EdgeMode
) -> Floats:
    """Regress smoothed rates of change on smoothed features: a first guess, biased by noise.

    ``features(frame, index, noise_sd)`` gives what each parameter multiplies in dP/dt, corrected
    for the noise's mean, (n_terms, n_rows, n_columns).
    """
    usable = np.flatnonzero(seen.mean(axis=(1, 2)) > 0.5)
    whole = filled(values[usable], seen[usable], mode)
    still = np.stack([smooth[::STRIDE, ::STRIDE] for smooth in _blur(whole, mode)])
    made = np.stack([
        _blur(features(frame, int(index), noise_sd), mode)[:, ::STRIDE, ::STRIDE]
        for frame, index in zip(whole, usable, strict=True)
    ])  # fmt: skip
    n_terms, size = made.shape[1], min(WINDOW_FRAMES, usable.size)
    normal, right = np.zeros((n_terms, n_terms)), np.zeros(n_terms)
    for begin in range(0, usable.size - size + 1, max(size // 2, 1)):
        chosen = slice(begin, begin + size)
        bump, rate = bump_weights(times[usable[chosen]])
        target = np.tensordot(rate, still[chosen], 1).ravel()
        design = np.tensordot(bump, made[chosen], 1).reshape(n_terms, -1)
        normal += design @ design.T
        right += design @ target
    scale = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    found: Floats = np.linalg.lstsq(
        normal / np.outer(scale, scale), right / scale, rcond=1e-8
    )[0] / scale  # fmt: skip
    return found


def _blur(pictures: Floats, mode: EdgeMode) -> Floats:
    return np.asarray(ndimage.gaussian_filter(pictures, (0, SMOOTHING, SMOOTHING), mode=mode))
