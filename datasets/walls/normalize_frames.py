"""Frames of a domain video brought to one scale: the negative domain at -1, the positive one at +1.

Illumination that jumps from frame to frame looks like switching, and a picture that is brighter on
one side looks like a domain. Every frame is therefore referred to the two domain levels of the
pixels that did not switch.
"""

from __future__ import annotations

import logging

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import NotIdentified
from physlearn.datasets.walls.frame_levels import (
    LABEL_SMOOTHING_PIXEL,
    fit_levels,
    otsu_cut,
    smooth_known,
    steady_scales,
)
from physlearn.records import check_video

__all__ = ["domain_fraction", "normalize_frames"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
logger = logging.getLogger(__name__)

FLATTEN_ABOVE = 0.05
SMALLEST_LOCAL_CONTRAST = 0.5


def normalize_frames(video: xr.DataArray) -> xr.DataArray:
    """Bring every frame to the same two domain levels, -1 and +1, and mark what was not in view.

    Rows that jump are shifted back and rows that are broken are interpolated. Then gain and offset
    of every frame are regressed on the levels of the pixels whose domain is known, away from the
    walls, so that switching cannot pass for illumination nor illumination for switching. Where the
    levels vary over the picture by more than 5 % of the contrast, they are flattened.

    Parameters
    ----------
    video
        DataArray (time, y, x); NaN marks pixels not seen.

    Returns
    -------
    DataArray
        Same dims and coordinates, dimensionless, NaN outside the field of view. Attributes:
        ``frame_gain`` and ``frame_offset`` (one a frame, in units of the first video),
        ``frame_level_error`` (one a frame: sd of the zero level, dimensionless),
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
    >>> from physlearn.datasets.synthetic.synthetic_walls import WallVideoOptions
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
    levels = fit_levels(values, seen)
    contrast = float(np.median((levels.high - levels.low)[seen]))
    low, high = levels.low, levels.high
    spread = max(float(np.std(low[seen])), float(np.std(high[seen]))) / contrast
    flatten = spread > FLATTEN_ABOVE
    if not flatten:
        low = np.full_like(low, np.median(low[seen]))
        high = np.full_like(high, np.median(high[seen]))
    gain, offset, level_error = steady_scales(levels, float(np.median(low)), float(np.median(high)))
    scaled = (values - offset[:, None, None]) / gain[:, None, None]
    half = np.maximum(0.5 * (high - low), SMALLEST_LOCAL_CONTRAST * 0.5 * contrast)
    result = checked.copy(data=(scaled - 0.5 * (low + high)) / half)
    result.attrs |= {
        "frame_gain": gain.tolist(),
        "frame_offset": offset.tolist(),
        "frame_level_error": level_error.tolist(),
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
    above = np.stack([smooth_known(frame, LABEL_SMOOTHING_PIXEL) > 0 for frame in values])
    seen = np.isfinite(values)
    fraction = (above & seen).sum(axis=(1, 2)) / np.maximum(seen.sum(axis=(1, 2)), 1)
    result: Floats = fraction if positive else 1.0 - fraction
    return result


def _field_of_view(values: Floats) -> Mask:
    """Pixels that are known and change; of two noise classes that stand apart, the quieter.

    A round aperture leaves a rim that is black (constant) or, after division by a flat field, much
    noisier than the picture.
    """
    known: Mask = np.asarray(np.isfinite(values).all(axis=0))
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
            "video holds fewer than 256 pixels that change in time: there is no picture to "
            "normalize."
        )
    cut = otsu_cut(inside)
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


def _repair_rows(values: Floats, seen: Mask) -> int:
    """Shift back rows that jump, interpolate rows that are broken; return their number.

    A row is judged against the same row of the other frames, after smooth changes are taken out.
    """
    n_frames = len(values)
    wide = seen.sum(axis=1) > 16
    if n_frames < 3 or not wide.any():
        return 0
    reference = np.nanmedian(np.where(seen, values, 0.0), axis=0)
    repaired = 0
    for frame in values:
        slope, constant = np.polyfit(reference[seen], frame[seen], 1)
        residual = np.where(seen, frame - constant - slope * reference, np.nan)[wide]
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
