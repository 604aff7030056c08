"""The two domain levels of a film: maps over the picture and a gain and offset for every frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import NotIdentified
from physlearn.datasets.frames.frame_level_kernels import label_inner, scale_blocks, split_in_two
from physlearn.datasets.frames.stored_frames import StoredFrames

__all__ = [
    "BLOCK_PIXEL",
    "FrameLevels",
    "FrameStore",
    "fit_levels",
    "otsu_cut",
    "smooth_known",
    "steady_scales",
]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
FrameStore = Floats | StoredFrames

BLOCK_PIXEL = 4
LEVEL_SCALES_PIXEL = ((10.0, 1.0), (40.0, 1e-3), (160.0, 1e-6))
ITERATIONS = 4
FRAMES_FOR_MAPS = 40
VALUES_AT_ONCE = 4_000_000
"""Blocks whose levels are found together: 32 MB an array."""
SMALLEST_DOMAIN_FRACTION = 2e-3
LEAST_INNER_SHARE = 5e-3
LABEL_NOISE = 0.08
"""Noise of a block's mean, as a share of the contrast, above which labels need smoother blocks."""
ONE_LEVEL_SHARE = 0.5
"""A frame whose two classes stand closer than this share of the usual shows one level only."""


@dataclass(frozen=True, slots=True)
class FrameLevels:
    """Maps of the two domain levels, and the scale of every frame: frame = offset + gain * level.

    ``errors`` (n_frames, 2): standard errors of each frame's low and high level; infinite where a
    frame does not show it.
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
    classes = np.empty((1, 3))
    split_in_two(np.clip(sample, low, high)[None], np.ones((1, sample.size), bool), classes)
    return float(classes[0, 0]) if np.isfinite(classes[0, 0]) else float(low)


def fit_levels(
    sums: FrameStore, counts: FrameStore, shape: tuple[int, int], noise: float, margin: int
) -> FrameLevels:
    """Alternate between the blocks' domains, the maps of their levels and the frames' scales.

    ``sums``, ``counts`` (n_frames, n_rows, n_columns): of the known pixels over blocks of
    ``BLOCK_PIXEL``, arrays or on the disk: every frame is by itself, and some are held at a time;
    ``shape`` that of a frame; ``noise`` of a pixel. Blocks up to ``margin`` from a wall are left
    out.
    """
    classes = _classes(sums, counts, smoothed=False)
    scales, contrast = _first_scales(classes)
    smoothed = noise / BLOCK_PIXEL > LABEL_NOISE * contrast
    if smoothed:
        scales, contrast = _first_scales(_classes(sums, counts, smoothed=True))
    n_frames = sums.shape[0]
    picked = np.unique(np.linspace(0, n_frames - 1, FRAMES_FOR_MAPS).astype(int))
    means, known, smooth = _block_means(sums[picked], counts[picked], smoothed)
    some = smooth, known, means, counts[picked]
    maps = _level_maps(*some, scales[picked], margin)
    while maps is None and margin > 1:
        margin -= 1
        maps = _level_maps(*some, scales[picked], margin)
    if maps is None:
        raise NotIdentified(
            "video shows one level only (the smaller domain covers less than 0.2 % of the view): "
            "there is no wall to track; of outlines or lines give the film they were drawn from."
        )
    low, high, middle = maps
    scales = _relative(scales, middle)
    errors = np.full((n_frames, 2), np.inf)
    for frames in _parts(sums):
        number = counts[frames]
        means, known, smooth = _block_means(sums[frames], number, smoothed)
        labels = np.zeros(known.shape, dtype=np.int8)
        own, error = scales[frames], errors[frames]
        for _ in range(2):
            label_inner(smooth, known, 0.5 * (low + high), own, margin, labels)
            scale_blocks(means, number, labels, low, high, BLOCK_PIXEL**2, own, error)
            own[:, 0] = np.maximum(own[:, 0], 1e-3)
    return FrameLevels(
        _whole(low, shape), _whole(high, shape), scales[:, 0].copy(), scales[:, 1].copy(), errors
    )


def _parts(blocks: FrameStore) -> Iterator[slice]:
    """Give slices of frames whose blocks fit into memory together."""
    step = max(1, VALUES_AT_ONCE // (blocks.shape[1] * blocks.shape[2]))
    for first in range(0, blocks.shape[0], step):
        yield slice(first, min(first + step, blocks.shape[0]))


def _block_means(sums: Floats, counts: Floats, smoothed: bool) -> tuple[Floats, Mask, Floats]:
    """Return the blocks' means, which are known, and the means by which they are labelled."""
    known = counts >= 0.5 * BLOCK_PIXEL**2
    means = np.where(known, sums / np.maximum(counts, 1.0), 0.0)
    return means, known, _smooth_labels(means, known) if smoothed else means


def _classes(sums: FrameStore, counts: FrameStore, *, smoothed: bool) -> Floats:
    """Return the cut between the two classes of every frame's blocks and their medians."""
    classes = np.empty((sums.shape[0], 3))
    for frames in _parts(sums):
        _, known, smooth = _block_means(sums[frames], counts[frames], smoothed)
        flat = len(smooth), -1
        split_in_two(smooth.reshape(flat), known.reshape(flat), classes[frames])
    return classes


def _level_maps(
    smooth: Floats, known: Mask, means: Floats, counts: Floats, scales: Floats, margin: int
) -> tuple[Floats, Floats, Floats] | None:
    """Return maps of the low and the high level and their scale; None with one level."""
    scaled = (smooth - scales[:, 1, None, None]) / scales[:, 0, None, None]
    cut = np.full(known.shape[1:], otsu_cut(scaled[known]))
    labels = np.zeros(known.shape, dtype=np.int8)
    errors = np.full((len(means), 2), np.inf)
    low = high = np.zeros(known.shape[1:])
    total = np.array([1.0, 0.0])
    least = SMALLEST_DOMAIN_FRACTION if margin == 1 else LEAST_INNER_SHARE
    for _ in range(ITERATIONS):
        label_inner(smooth, known, cut, scales, margin, labels)
        shares = [float((labels == side).sum()) / max(known.sum(), 1) for side in (-1, 1)]
        if min(shares) < least:
            return None
        raw = (means - scales[:, 1, None, None]) / scales[:, 0, None, None]
        low, high = (_level_map(raw, labels == side, counts) for side in (-1, 1))
        scale_blocks(means, counts, labels, low, high, BLOCK_PIXEL**2, scales, errors)
        scales[:, 0] = np.maximum(scales[:, 0], 1e-3)
        middle = np.median(scales[np.isfinite(errors).any(axis=1)], axis=0)
        scales = _relative(scales, middle)
        total = np.array([total[0] * middle[0], total[1] * middle[0] + middle[1]])
        cut = 0.5 * (low + high)
    return low, high, total


def _relative(scales: Floats, middle: Floats) -> Floats:
    """Gains and offsets relative to a common gain and offset."""
    gain = scales[:, 0] / middle[0]
    return np.stack([gain, scales[:, 1] - gain * middle[1]], axis=1)


def _smooth_labels(means: Floats, known: Mask) -> Floats:
    """Means over 3 x 3 blocks, the middle ones heavier, without the unknown ones."""
    taps = np.array([0.25, 0.5, 0.25])
    total, weight = means, known.astype(float)
    for axis in (1, 2):
        total = ndimage.correlate1d(total, taps, axis=axis, mode="constant")
        weight = ndimage.correlate1d(weight, taps, axis=axis, mode="constant")
    return np.ascontiguousarray(total / np.maximum(weight, 1e-9))


def _first_scales(classes: Floats) -> tuple[Floats, float]:
    """Gain and offset that bring the two classes of every frame to the usual ones; the contrast."""
    seen = np.isfinite(classes[:, 0])
    pairs = classes[:, 1:]
    apart = pairs[:, 1] - pairs[:, 0]
    usual = float(np.median(apart[seen])) if seen.any() else 0.0
    if not usual > 0:
        raise NotIdentified(
            "video shows one level only: there is no wall to track; crop it to a part with domains."
        )
    two = seen & (apart > ONE_LEVEL_SHARE * usual)
    middle = np.median(pairs[two], axis=0)
    contrast = middle[1] - middle[0]
    scales = np.tile([1.0, 0.0], (len(classes), 1))
    scales[two, 0] = np.clip(apart[two] / contrast, 0.3, 3.0)
    scales[two, 1] = pairs[two].mean(axis=1) - scales[two, 0] * middle.mean()
    return scales, float(contrast)


def _level_map(raw: Floats, members: Mask, counts: Floats) -> Floats:
    """Smooth map of one domain's level; where the domain was never seen, from ever farther away."""
    number = np.where(members, counts, 0.0)
    weight, total = number.sum(axis=0), (number * raw).sum(axis=0)
    above = np.zeros_like(total)
    below = np.zeros_like(total)
    for scale, share in LEVEL_SCALES_PIXEL:
        above += share * ndimage.gaussian_filter(total, scale / BLOCK_PIXEL, truncate=3)
        below += share * ndimage.gaussian_filter(weight, scale / BLOCK_PIXEL, truncate=3)
    result: Floats = above / np.maximum(below, 1e-300)
    return result


def _whole(coarse: Floats, shape: tuple[int, int]) -> Floats:
    """Interpolate a map of blocks to the pixels."""
    y, x = ((np.arange(n) + 0.5) / BLOCK_PIXEL - 0.5 for n in shape)
    grid = np.meshgrid(y, x, indexing="ij")
    result: Floats = ndimage.map_coordinates(coarse, grid, order=1, mode="nearest")
    return result


def steady_scales(levels: FrameLevels, low: float, high: float) -> tuple[Floats, Floats, Floats]:
    """Draw the levels of ordinary frames together; keep those of frames that jump.

    Each frame's level is known to its standard error only; scatter below that is no illumination.
    It is shrunk (empirical Bayes) unless it stands out by 4 standard errors. Returns gain, offset
    and the standard error of the zero level as a fraction of half the contrast.
    """
    found, remain = [], []
    for side, level in enumerate((low, high)):
        value = levels.offset + levels.gain * level
        unseen = ~np.isfinite(levels.errors[:, side])
        if unseen.all():
            raise NotIdentified(
                "video shows one level only in every frame: there is no wall to track."
            )
        error = np.clip(levels.errors[:, side], 1e-12, 10.0 * (high - low))
        middle = float(np.median(value[~unseen]))
        spread = (1.4826 * float(np.median(np.abs(value[~unseen] - middle)))) ** 2
        extra = max(0.0, spread - float(np.median(error[~unseen])) ** 2)
        jumps = ~unseen & (np.abs(value - middle) > 4.0 * np.sqrt(error**2 + extra))
        weight = np.where(jumps, 0.0, 1.0 / (error**2 + extra))
        if weight.sum() > 0:
            middle = float((weight * value).sum() / weight.sum())
        share = np.where(jumps, 1.0, extra / (extra + error**2))
        found.append(middle + share * (value - middle))
        remain.append(error * np.sqrt(share))
    lacking = ~np.isfinite(levels.errors)
    for side in (0, 1):
        # where one level only is seen, the other moves with it
        alone = lacking[:, side] & ~lacking[:, 1 - side]
        shift = found[1 - side] - np.median(found[1 - side][~lacking[:, 1 - side]])
        found[side] = np.where(alone, found[side] + shift, found[side])
    gain = np.maximum((found[1] - found[0]) / (high - low), 1e-3)
    offset = found[0] - gain * low
    level_error = np.hypot(*remain) / (found[1] - found[0])
    return gain, offset, level_error
