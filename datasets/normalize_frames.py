"""Frames of a domain video brought to one scale: the negative domain at -1, the positive one at +1.

Illumination that jumps from frame to frame looks like switching, and a picture that is brighter on one
side looks like a domain. Every frame is therefore referred to the two domain levels of the pixels that
did not switch.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import NotIdentified
from physlearn.records import check_video

__all__ = ["domain_fraction", "normalize_frames"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
logger = logging.getLogger(__name__)

LABEL_SMOOTHING_PIXEL = 1.5
WALL_MARGIN_PIXEL = 4
LEVEL_SCALES_PIXEL = ((10.0, 1.0), (40.0, 1e-3), (160.0, 1e-6))
BLOCK_PIXEL = 4
ITERATIONS = 4
FLATTEN_ABOVE = 0.05
SMALLEST_LOCAL_CONTRAST = 0.5
SMALLEST_DOMAIN_FRACTION = 2e-3


@dataclass(frozen=True, slots=True)
class _Levels:
    """Maps of the two domain levels, and the scale of every frame: frame = offset + gain * level."""

    low: Floats
    high: Floats
    gain: Floats
    offset: Floats


def normalize_frames(video: xr.DataArray) -> xr.DataArray:
    """Bring every frame to the same two domain levels, -1 and +1, and mark what was not in view.

    Rows that jump are shifted back and rows that are broken are interpolated. Then gain and offset of
    every frame are regressed on the levels of the pixels whose domain is known, away from the walls,
    so that switching cannot pass for illumination nor illumination for switching. Where the levels
    vary over the picture by more than 5 % of the contrast, they are flattened.

    Parameters
    ----------
    video
        DataArray (time, y, x); NaN marks pixels not seen.

    Returns
    -------
    DataArray
        Same dims and coordinates, dimensionless, NaN outside the field of view. Attributes:
        ``frame_gain`` and ``frame_offset`` (one a frame, in units of the first video),
        ``repaired_rows``, ``flattened`` (0 or 1), ``in_view`` (fraction of the pixels).

    Raises
    ------
    InputError
        If ``video`` is no video.
    NotIdentified
        If the frames do not show two levels.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video
    >>> from physlearn.datasets.synthetic_walls import WallVideoOptions
    >>> jumps = WallVideoOptions(illumination_jump=0.2, jump_frames=(2,))
    >>> film = normalize_frames(make_wall_video(n_frames=4, options=jumps, rng=1).video)
    >>> [round(gain, 1) for gain in film.attrs["frame_gain"]]
    [1.0, 1.0, 0.8, 1.0]
    """
    checked = check_video(video)
    values = checked.to_numpy().copy()
    seen = _field_of_view(values)
    values[:, ~seen] = np.nan
    repaired = _repair_rows(values, seen)
    levels = _fit_levels(values, seen)
    contrast = float(np.median((levels.high - levels.low)[seen]))
    low, high = levels.low, levels.high
    spread = max(float(np.std(low[seen])), float(np.std(high[seen]))) / contrast
    flatten = spread > FLATTEN_ABOVE
    if not flatten:
        low = np.full_like(low, np.median(low[seen]))
        high = np.full_like(high, np.median(high[seen]))
    scaled = (values - levels.offset[:, None, None]) / levels.gain[:, None, None]
    half = np.maximum(0.5 * (high - low), SMALLEST_LOCAL_CONTRAST * 0.5 * contrast)
    result = checked.copy(data=(scaled - 0.5 * (low + high)) / half)
    result.attrs |= {
        "frame_gain": levels.gain.tolist(),
        "frame_offset": levels.offset.tolist(),
        "repaired_rows": repaired,
        "flattened": int(flatten),
        "in_view": float(seen.mean()),
        "units": "1",
    }
    logger.info("normalized %d frames: level spread %.3f, %d rows", len(values), spread, repaired)
    return result


def domain_fraction(video: xr.DataArray, *, positive: bool = True) -> Floats:
    """Share of the field of view that is in the positive (or negative) domain, frame by frame.

    Parameters
    ----------
    video
        What `normalize_frames` returned.
    positive
        False counts the negative domain.

    Returns
    -------
    ndarray
        Shape (n_frames,), between 0 and 1.

    Raises
    ------
    InputError
        If ``video`` is no video.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video
    >>> film = make_wall_video(n_frames=3, rng=1).video
    >>> bool(0.1 < domain_fraction(film)[0] < 0.2)
    True
    """
    values = check_video(video).to_numpy()
    above = np.stack([_smooth(frame, LABEL_SMOOTHING_PIXEL) > 0 for frame in values])
    seen = np.isfinite(values)
    fraction = (above & seen).sum(axis=(1, 2)) / np.maximum(seen.sum(axis=(1, 2)), 1)
    result: Floats = fraction if positive else 1.0 - fraction
    return result


def _smooth(frame: Floats, scale: float) -> Floats:
    """Gaussian smoothing that leaves out NaN; NaN stays NaN."""
    known = np.isfinite(frame)
    if known.all():
        whole: Floats = ndimage.gaussian_filter(frame, scale)
        return whole
    weight = ndimage.gaussian_filter(known.astype(float), scale)
    total = ndimage.gaussian_filter(np.where(known, frame, 0.0), scale)
    result: Floats = np.where(known, total / np.maximum(weight, 1e-9), np.nan)
    return result


def _field_of_view(values: Floats) -> Mask:
    """Pixels that are known, change in time and, where two noise classes stand apart, the quieter one.

    A round aperture leaves a rim that is black (constant) or, after division by a flat field, much
    noisier than the picture.
    """
    known: Mask = np.isfinite(values).all(axis=0)
    with np.errstate(invalid="ignore"):
        changes: Mask = known & (np.ptp(values, axis=0) > 0)
    seen: Mask = changes | (ndimage.binary_closing(changes, iterations=2) & known)
    change = np.diff(np.where(seen, values, 0.0), axis=0)
    change -= ndimage.uniform_filter(change, (0, 7, 7))
    power = ndimage.uniform_filter(np.median(change**2, axis=0), 9)
    noise = np.log(np.maximum(power, 1e-300))
    inside = noise[seen]
    if inside.size < 256:
        raise NotIdentified(
            "video holds fewer than 256 pixels that change in time: there is no picture to normalize."
        )
    cut = _otsu(inside)
    quiet, loud = inside[inside <= cut], inside[inside > cut]
    apart = loud.size > 0 and np.median(loud) - np.median(quiet) > np.log(4.0)
    if not apart or not 0.05 < loud.size / inside.size < 0.8:
        return seen
    view = ndimage.binary_opening(seen & (noise <= cut), iterations=3)
    labels, count = ndimage.label(view)
    if count == 0:
        return seen
    largest = int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    filled = ndimage.binary_fill_holes(labels == largest)
    eroded: Mask = ndimage.binary_erosion(filled, iterations=6)
    loud_rim = (~filled)[[0, -1]].mean() > 0.5 or (~filled)[:, [0, -1]].mean() > 0.5
    return eroded & seen if loud_rim else seen


def _otsu(sample: Floats) -> float:
    """The cut that best splits a sample in two classes (Otsu 1979, doi:10.1109/TSMC.1979.4310076)."""
    low, high = np.percentile(sample, [0.1, 99.9])
    counts, edges = np.histogram(sample, bins=256, range=(low, max(high, low + 1e-12)))
    middle = 0.5 * (edges[1:] + edges[:-1])
    below = np.cumsum(counts)
    mass = np.cumsum(counts * middle)
    above = below[-1] - below
    with np.errstate(all="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return float(middle[int(np.nanargmax(np.where(np.isfinite(between), between, -1.0)))])


def _repair_rows(values: Floats, seen: Mask) -> int:
    """Shift back rows that jump and interpolate rows that are broken, in place; return their number.

    A row is judged against the same row of the other frames, after smooth changes are taken out.
    """
    n_frames = len(values)
    wide = seen.sum(axis=1) > 16
    if n_frames < 3 or not wide.any():
        return 0
    reference = np.nanmedian(np.where(seen, values, 0.0), axis=0)
    repaired = 0
    for frame in values:
        residual = np.where(seen, frame - reference, np.nan)[wide]
        shift = np.nanmedian(residual, axis=1)
        shift -= ndimage.median_filter(shift, 9, mode="nearest")
        scatter = np.nanmedian(np.abs(residual - np.nanmedian(residual, axis=1)[:, None]), axis=1)
        noise = float(np.median(scatter)) * 1.4826
        count = seen.sum(axis=1)[wide]
        limit = np.maximum(8 * 1.25 * noise / np.sqrt(count), 0.5 * noise)
        broken = scatter * 1.4826 > 3 * noise
        rows = np.flatnonzero(wide)
        jumps = (np.abs(shift) > limit) & ~broken
        if noise <= 0 or jumps.mean() > 0.2 or broken.mean() > 0.2:
            continue
        frame[rows[jumps]] -= shift[jumps, None]
        good = np.setdiff1d(rows, rows[broken])
        for row in rows[broken]:
            frame[row] = _interpolate_row(frame, good, int(row))
        repaired += int(jumps.sum() + broken.sum())
    return repaired


def _interpolate_row(frame: Floats, good: NDArray[np.int64], row: int) -> Floats:
    before, after = good[good < row], good[good > row]
    neighbours = [int(side[index]) for side, index in ((before, -1), (after, 0)) if side.size]
    near: Floats = np.nanmean(frame[neighbours], axis=0)
    return np.where(np.isfinite(frame[row]), near, np.nan)


def _fit_levels(values: Floats, seen: Mask) -> _Levels:
    """Alternate between the domains of the pixels, the maps of their levels and the frames' scales."""
    smooth = np.stack([_smooth(frame, LABEL_SMOOTHING_PIXEL) for frame in values])
    gain, offset = _first_scales(smooth[:, seen])
    scaled = (smooth - offset[:, None, None]) / gain[:, None, None]
    cut = np.full(seen.shape, _otsu(scaled[:, seen].ravel()))
    low = high = np.zeros(seen.shape)
    for _ in range(ITERATIONS):
        above = scaled > cut
        positive = np.stack([_inner(frame & seen) for frame in above])
        negative = np.stack([_inner(~frame & seen) for frame in above])
        shares = positive.sum() / positive.size, negative.sum() / negative.size
        if min(shares) < SMALLEST_DOMAIN_FRACTION:
            raise NotIdentified(
                "video shows one level only (the smaller domain covers less than 0.2 % of the view): "
                "there is no wall to track."
            )
        raw = (values - offset[:, None, None]) / gain[:, None, None]
        low, high = _level_map(raw, negative), _level_map(raw, positive)
        gain, offset = _regress(values, positive, negative, low, high)
        scaled = (smooth - offset[:, None, None]) / gain[:, None, None]
        cut = 0.5 * (low + high)
    return _Levels(low, high, gain, offset)


def _first_scales(pixels: Floats) -> tuple[Floats, Floats]:
    """Gain and offset that bring the two classes of every frame to those of the median frame."""
    pairs = np.empty((len(pixels), 2))
    for index, frame in enumerate(pixels):
        cut = _otsu(frame)
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
    """The domain without a margin along its walls."""
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
    """Sums over square blocks; the last blocks are padded with zeros."""
    rows, columns = (-(-n // BLOCK_PIXEL) for n in picture.shape)
    padded = np.zeros((rows * BLOCK_PIXEL, columns * BLOCK_PIXEL))
    padded[: picture.shape[0], : picture.shape[1]] = picture
    result: Floats = padded.reshape(rows, BLOCK_PIXEL, columns, BLOCK_PIXEL).sum(axis=(1, 3))
    return result


def _regress(
    values: Floats, positive: Mask, negative: Mask, low: Floats, high: Floats
) -> tuple[Floats, Floats]:
    """Robust gain and offset of every frame against the level maps; mean gain 1, mean offset 0."""
    gain = np.ones(len(values))
    offset = np.zeros(len(values))
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
    scale = float(np.exp(np.mean(np.log(np.maximum(gain, 1e-3)))))
    shift = float(np.mean(offset)) / scale
    return np.maximum(gain, 1e-3) / scale, offset - np.maximum(gain, 1e-3) / scale * shift
