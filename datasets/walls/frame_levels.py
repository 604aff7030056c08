"""The two domain levels of a film: maps over the picture and a gain and offset for every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import NotIdentified

__all__ = ["FrameLevels", "fit_levels", "otsu_cut", "smooth_known", "steady_scales"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LABEL_SMOOTHING_PIXEL = 1.5
WALL_MARGIN_PIXEL = 4
LEVEL_SCALES_PIXEL = ((10.0, 1.0), (40.0, 1e-3), (160.0, 1e-6))
BLOCK_PIXEL = 4
ITERATIONS = 4
SMALLEST_DOMAIN_FRACTION = 2e-3


@dataclass(frozen=True, slots=True)
class FrameLevels:
    """Maps of the two domain levels, and the scale of every frame: frame = offset + gain * level.

    ``errors`` (n_frames, 2): standard errors of each frame's low and high level.
    """

    low: Floats
    high: Floats
    gain: Floats
    offset: Floats
    errors: Floats


def smooth_known(frame: Floats, scale: float) -> Floats:
    """Gaussian smoothing that leaves out NaN; NaN stays NaN."""
    known = np.isfinite(frame)
    if known.all():
        whole: Floats = ndimage.gaussian_filter(frame, scale)
        return whole
    weight = ndimage.gaussian_filter(known.astype(float), scale)
    total = ndimage.gaussian_filter(np.where(known, frame, 0.0), scale)
    result: Floats = np.where(known, total / np.maximum(weight, 1e-9), np.nan)
    return result


def otsu_cut(sample: Floats) -> float:
    """Return the cut that best splits a sample in two (Otsu, doi:10.1109/TSMC.1979.4310076)."""
    low, high = np.percentile(sample, [0.1, 99.9])
    counts, edges = np.histogram(sample, bins=256, range=(low, max(high, low + 1e-12)))
    middle = 0.5 * (edges[1:] + edges[:-1])
    below = np.cumsum(counts)
    mass = np.cumsum(counts * middle)
    above = below[-1] - below
    with np.errstate(all="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return float(middle[int(np.nanargmax(np.where(np.isfinite(between), between, -1.0)))])


def fit_levels(values: Floats, seen: Mask) -> FrameLevels:
    """Alternate between the pixels' domains, the maps of their levels and the frames' scales."""
    smooth = np.stack([smooth_known(frame, LABEL_SMOOTHING_PIXEL) for frame in values])
    gain, offset = _first_scales(smooth[:, seen])
    scaled = (smooth - offset[:, None, None]) / gain[:, None, None]
    cut = np.full(seen.shape, otsu_cut(scaled[:, seen].ravel()))
    low = high = np.zeros(seen.shape)
    errors = np.zeros((len(values), 2))
    for _ in range(ITERATIONS):
        above = scaled > cut
        positive = np.stack([_inner(frame & seen) for frame in above])
        negative = np.stack([_inner(~frame & seen) for frame in above])
        shares = positive.sum() / positive.size, negative.sum() / negative.size
        if min(shares) < SMALLEST_DOMAIN_FRACTION:
            raise NotIdentified(
                "video shows one level only (the smaller domain covers less than 0.2 % of the "
                "view): "
                "there is no wall to track."
            )
        raw = (values - offset[:, None, None]) / gain[:, None, None]
        low, high = _level_map(raw, negative), _level_map(raw, positive)
        gain, offset, errors = _regress(values, positive, negative, low, high)
        scaled = (smooth - offset[:, None, None]) / gain[:, None, None]
        cut = 0.5 * (low + high)
    return FrameLevels(low, high, gain, offset, errors)


def _first_scales(pixels: Floats) -> tuple[Floats, Floats]:
    """Gain and offset that bring the two classes of every frame to those of the median frame."""
    pairs = np.empty((len(pixels), 2))
    for index, frame in enumerate(pixels):
        cut = otsu_cut(frame)
        lower, upper = frame[frame <= cut], frame[frame > cut]
        pairs[index] = np.median(lower), np.median(upper) if upper.size else cut
    middle = np.median(pairs, axis=0)
    contrast = middle[1] - middle[0]
    if not contrast > 0:
        raise NotIdentified("video shows one level only: there is no wall to track.")
    gain = np.clip((pairs[:, 1] - pairs[:, 0]) / contrast, 0.3, 3.0)
    offset = pairs.mean(axis=1) - gain * middle.mean()
    return gain, offset


def _inner(domain: Mask) -> Mask:
    """Return the domain without a margin along its walls."""
    size = 2 * WALL_MARGIN_PIXEL + 1
    return ndimage.minimum_filter(domain.view(np.uint8), size).astype(bool)


def _level_map(raw: Floats, members: Mask) -> Floats:
    """Smooth map of one domain's level; where the domain was never seen, from ever farther away."""
    weight = _blocks(members.sum(axis=0).astype(float))
    total = _blocks(np.where(members, raw, 0.0).sum(axis=0))
    above = np.zeros_like(total)
    below = np.zeros_like(total)
    for scale, share in LEVEL_SCALES_PIXEL:
        above += share * ndimage.gaussian_filter(total, scale / BLOCK_PIXEL, truncate=3)
        below += share * ndimage.gaussian_filter(weight, scale / BLOCK_PIXEL, truncate=3)
    coarse = above / np.maximum(below, 1e-300)
    rows, columns = members.shape[1:]
    y = (np.arange(rows) + 0.5) / BLOCK_PIXEL - 0.5
    x = (np.arange(columns) + 0.5) / BLOCK_PIXEL - 0.5
    grid = np.meshgrid(y, x, indexing="ij")
    result: Floats = ndimage.map_coordinates(coarse, grid, order=1, mode="nearest")
    return result


def _blocks(picture: Floats) -> Floats:
    """Return sums over square blocks; the last blocks are padded with zeros."""
    rows, columns = (-(-n // BLOCK_PIXEL) for n in picture.shape)
    padded = np.zeros((rows * BLOCK_PIXEL, columns * BLOCK_PIXEL))
    padded[: picture.shape[0], : picture.shape[1]] = picture
    result: Floats = padded.reshape(rows, BLOCK_PIXEL, columns, BLOCK_PIXEL).sum(axis=(1, 3))
    return result


def _regress(
    values: Floats, positive: Mask, negative: Mask, low: Floats, high: Floats
) -> tuple[Floats, Floats, Floats]:
    """Robust gain and offset of every frame against the level maps; median gain 1, offset 0.

    The third array holds the standard errors of the low and the high level.
    """
    gain = np.ones(len(values))
    offset = np.zeros(len(values))
    errors = np.zeros((len(values), 2))
    for index, frame in enumerate(values):
        upper, lower = positive[index], negative[index]
        level = np.concatenate([high[upper], low[lower]])
        value = np.concatenate([frame[upper], frame[lower]])
        keep = np.isfinite(value)
        for _ in range(5):
            if keep.sum() < 64 or np.ptp(level[keep]) == 0:
                break
            slope, constant = np.polyfit(level[keep], value[keep], 1)
            gain[index], offset[index] = slope, constant
            residual = value - constant - slope * level
            spread = 1.4826 * float(np.nanmedian(np.abs(residual)))
            keep = np.isfinite(value) & (np.abs(residual) <= 3 * spread)
        picture = frame - offset[index] - gain[index] * np.where(upper, high, low)
        for side, domain in enumerate((lower, upper)):
            errors[index, side] = _mean_error(picture, domain)
    gain = np.maximum(gain, 1e-3)
    scale = float(np.median(gain))
    shift = float(np.median(offset)) / scale
    return gain / scale, offset - gain / scale * shift, errors


def _mean_error(picture: Floats, domain: Mask) -> float:
    """Return the standard error of a domain's mean, from the scatter of block means."""
    count = _blocks(domain.astype(float))
    total = _blocks(np.where(domain, picture, 0.0))
    half = [-(-n // 2) for n in count.shape]
    padded = np.zeros((2, 2 * half[0], 2 * half[1]))
    padded[:, : count.shape[0], : count.shape[1]] = count, total
    count, total = padded.reshape(2, half[0], 2, half[1], 2).sum(axis=(2, 4))
    full = count >= 0.75 * (2 * BLOCK_PIXEL) ** 2
    if full.sum() < 6:
        known = picture[domain]
        return (
            float(known.std() / np.sqrt(max(known.size, 1)) * 2.0) if known.size else float("inf")
        )
    means = total[full] / count[full]
    spread = 1.4826 * float(np.median(np.abs(means - np.median(means))))
    return spread * float(np.sqrt((2 * BLOCK_PIXEL) ** 2 / count.sum()))


def steady_scales(levels: FrameLevels, low: float, high: float) -> tuple[Floats, Floats, Floats]:
    """Draw the levels of ordinary frames together; keep those of frames that jump.

    Each frame's level is known to its standard error only; scatter below that is no illumination.
    It is shrunk (empirical Bayes) unless it stands out by 4 standard errors. Returns gain, offset
    and the standard error of the zero level as a fraction of half the contrast.
    """
    found, remain = [], []
    for side, level in enumerate((low, high)):
        value = levels.offset + levels.gain * level
        error = np.clip(levels.errors[:, side], 1e-12, 10.0 * (high - low))
        middle = float(np.median(value))
        spread = (1.4826 * float(np.median(np.abs(value - middle)))) ** 2
        extra = max(0.0, spread - float(np.median(error)) ** 2)
        jumps = np.abs(value - middle) > 4.0 * np.sqrt(error**2 + extra)
        weight = np.where(jumps, 0.0, 1.0 / (error**2 + extra))
        if weight.sum() > 0:
            middle = float((weight * value).sum() / weight.sum())
        share = np.where(jumps, 1.0, extra / (extra + error**2))
        found.append(middle + share * (value - middle))
        remain.append(error * np.sqrt(share))
    gain = np.maximum((found[1] - found[0]) / (high - low), 1e-3)
    offset = found[0] - gain * low
    level_error = np.hypot(*remain) / (found[1] - found[0])
    return gain, offset, level_error
