"""Two channels of one place whose brightness means different things: one told from the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import NotIdentified
from physlearn.datasets.channels.resample import fourier_shift

__all__ = ["ContrastMatch", "match_contrast", "matched_picture"]

Floats = NDArray[np.float64]
N_LEVELS = 12
RIDGE = 1e-3
SIGNIFICANT_Z = 6.0
SMALLEST_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class ContrastMatch:
    """Whole-pixel shift (x, y), share of the second picture's variance that the first tells."""

    shift: tuple[float, float]
    share: float
    z: float


def _features(values: Floats, smoothing_px: float) -> Floats:
    """Return what a picture shows whatever its contrast: soft levels and slopes, mean 0.

    None has a direction, so that none can pass for a shift.
    """
    smooth = ndimage.gaussian_filter(values, smoothing_px)
    knots = np.quantile(smooth, np.linspace(0.02, 0.98, N_LEVELS))
    knots = np.unique(knots)
    parts = [smooth]
    for low, middle, high in zip(knots[:-2], knots[1:-1], knots[2:], strict=True):
        up = (smooth - low) / (middle - low)
        down = (high - smooth) / (high - middle)
        parts.append(np.clip(np.minimum(up, down), 0.0, None))
    level = (smooth - smooth.mean()) / max(float(smooth.std()), 1e-300)
    parts += [level**2, level**3]
    slope = ndimage.gaussian_gradient_magnitude(values, smoothing_px)
    parts += [slope, slope**2]
    stack = np.stack(parts)
    stack = stack - stack.mean(axis=(1, 2), keepdims=True)
    spread = np.maximum(stack.std(axis=(1, 2), keepdims=True), 1e-300)
    return np.asarray(stack / spread)


def match_contrast(
    first: Floats, second: Floats, largest_px: float, smoothing_px: float = 1.5
) -> ContrastMatch:
    """Find the whole-pixel shift at which the first picture tells most of the second.

    The share of the second's variance that features of the first make (the correlation ratio:
    Roche et al., 1998, doi:10.1007/BFb0056301), at all shifts within ``largest_px`` at once by
    Fourier transforms.

    Raises
    ------
    NotIdentified
        Where the best shift does not stand out of the others.
    """
    window = np.outer(np.hanning(first.shape[0]), np.hanning(first.shape[1]))
    features = _features(first, smoothing_px) * window
    target = ndimage.gaussian_filter(second, smoothing_px)
    target = (target - target.mean()) / max(float(target.std()), 1e-300) * window
    shape = [2 * length for length in first.shape]
    gram = np.einsum("krc,lrc->kl", features, features)
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    spectrum = np.fft.rfft2(target, shape)
    cross = np.stack(
        [np.fft.irfft2(np.conj(np.fft.rfft2(part, shape)) * spectrum, shape) for part in features]
    )
    solved = np.linalg.solve(gram, cross.reshape(len(gram), -1)).reshape(cross.shape)
    share = np.fft.fftshift((cross * solved).sum(axis=0)) / float((target**2).sum())
    middle = [length // 2 for length in shape]
    rows, columns = np.indices(share.shape)
    rows, columns = rows - middle[0], columns - middle[1]
    away = np.hypot(rows, columns)
    inside = away <= largest_px
    best = int(np.argmax(np.where(inside, share, -np.inf)))
    row, column = np.unravel_index(best, share.shape)
    peak = float(share[row, column])
    # other shifts say how much is told by chance
    apart = np.hypot(rows - rows[row, column], columns - columns[row, column])
    rest = share[(apart > 0.25 * min(first.shape)) & (away <= 0.6 * min(first.shape))]
    level, spread = float(rest.mean()), float(rest.std())
    z = (peak - level) / max(spread, 1e-300)
    if not z > SIGNIFICANT_Z or peak < SMALLEST_SHARE:
        raise NotIdentified(
            f"the two channels have nothing in common that stands out of chance (share {peak:.3f},"
            f" {z:.1f} standard deviations): give their shift, or register them by a third one."
        )
    return ContrastMatch((float(columns[row, column]), float(rows[row, column])), peak, z)


def matched_picture(
    first: Floats, second: Floats, shift: tuple[float, float], smoothing_px: float = 1.0
) -> tuple[Floats, float]:
    """Return the first picture in the second's contrast, and the share of the second it tells.

    ``shift`` (x, y): where the first's middle lies in the second. The second at the first's places
    is fitted by the first's features (least squares with a small ridge).
    """
    features = _features(first, smoothing_px)
    there = fourier_shift(second, *shift)
    known = np.isfinite(there)
    edge = int(np.ceil(3 * smoothing_px))
    known[:edge] = known[-edge:] = False
    known[:, :edge] = known[:, -edge:] = False
    design = features[:, known]
    target = there[known]
    level = float(target.mean())
    gram = design @ design.T
    gram += RIDGE * RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    weights = np.linalg.solve(gram, design @ (target - level))
    picture = np.tensordot(weights, features, axes=1)
    left = target - level - weights @ design
    share = 1.0 - float(left.var()) / max(float(target.var()), 1e-300)
    return np.asarray(picture + level), share
