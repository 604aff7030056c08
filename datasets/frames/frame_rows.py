"""Rows of a frame that jump or are broken: found against the film's usual picture, and repaired."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.frames.frame_kernels import running_median

__all__ = ["repair_rows", "suspicious_rows"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_PIXELS = 16
LARGEST_SHARE = 0.2
REACH_ROWS = 9
GAP_SHARE = 0.2
LOOK_ROWS = 12
NOISE_ROWS = 4


def _limits(noise: float, count: Floats) -> Floats:
    """Smallest shift of a row's median that is taken for a jump."""
    limits: Floats = np.maximum(8 * 1.25 * noise / np.sqrt(np.maximum(count, 1.0)), 0.5 * noise)
    return limits


def suspicious_rows(rows: Floats) -> NDArray[np.int64]:
    """Rows whose sums (`scan_frame`) call for a closer look."""
    wide = np.flatnonzero(rows[:, 2] > LEAST_PIXELS)
    if not wide.size:
        return wide
    total, size, count = rows[wide].T
    shift = total / count
    shift -= _usual(shift)
    scatter = size / count
    noise = 1.2533 * float(np.median(scatter))
    suspect = np.abs(shift) > 0.6 * _limits(noise, count)
    suspect |= scatter > 1.5 * np.maximum(_usual(scatter), noise / 1.2533)
    return np.asarray(wide[suspect], dtype=np.int64)


def repair_rows(
    frame: Floats, seen: Mask, expected: Floats, suspects: NDArray[np.int64]
) -> tuple[Floats | None, int]:
    """Return the frame with jumps shifted back and broken rows interpolated, and their number.

    ``expected`` is what the film's usual picture predicts. A jump must stand out by as much from
    the nearest good rows on both sides: where a wall has moved over a row, the row is like one of
    them. None when nothing was repaired. Rows far from the ``suspects`` only tell the noise.
    """
    near = np.zeros(len(frame), bool)
    for row in suspects:
        near[max(row - LOOK_ROWS, 0) : row + LOOK_ROWS + 1] = True
    wide = seen.sum(axis=1) > LEAST_PIXELS
    noise = _row_noise(frame, seen, expected, np.flatnonzero(wide)[::NOISE_ROWS])
    n_wide = int(wide.sum())
    wide = np.flatnonzero(wide & near)
    known = np.where(seen[wide], frame[wide], np.nan)
    any_known = np.isfinite(known).any(axis=1)
    if not any_known.all():
        wide, known = wide[any_known], known[any_known]
    residual = known - expected[wide]
    shift = _row_medians(residual)
    scatter = 1.4826 * _row_medians(np.abs(residual - shift[:, None]))
    shift = shift - _usual(shift)
    limit = _limits(noise, np.isfinite(residual).sum(axis=1).astype(float))
    # rows that rough walls have moved over scatter too, but no more than the rows beside them
    bend = known.copy()
    bend[1:-1] -= 0.5 * (known[2:] + known[:-2])
    bend[0], bend[-1] = known[0] - known[1], known[-1] - known[-2]
    rough = np.median(np.abs(np.where(np.isfinite(bend), bend, 0.0)), axis=1)
    usual = _usual(rough)
    broken = (scatter > 3 * noise) & (rough > 3 * usual)
    jumps = (np.abs(shift) > limit) & ~broken
    if noise <= 0 or max(jumps.sum(), broken.sum()) > LARGEST_SHARE * n_wide:
        return None, 0
    good = ~(jumps | broken)
    for row in np.flatnonzero(jumps):
        gaps = [
            float(np.nanmedian(known[row] - known[near]))
            for near in _nearest(good, int(row))
            if np.isfinite(known[row] - known[near]).any()
        ]
        slack = GAP_SHARE * abs(shift[row]) + 0.5 * limit[row]
        jumps[row] = all(abs(gap - shift[row]) < slack for gap in gaps)
    if not (jumps | broken).any():
        return None, 0
    repaired = frame.copy()
    repaired[wide[jumps]] -= shift[jumps, None]
    for row in np.flatnonzero(broken):
        neighbours = [int(wide[near]) for near in _nearest(~broken, int(row))]
        near = np.nanmean(repaired[neighbours], axis=0)
        repaired[wide[row]] = np.where(np.isfinite(frame[wide[row]]), near, np.nan)
    return repaired, int(jumps.sum() + broken.sum())


def _usual(values: Floats) -> Floats:
    """Median over the rows about each one."""
    result = np.empty(len(values))
    running_median(np.ascontiguousarray(values), REACH_ROWS // 2, result)
    return result


def _row_noise(frame: Floats, seen: Mask, expected: Floats, rows: NDArray[np.int64]) -> float:
    """Usual scatter of a row about what is expected of it."""
    residual = np.where(seen[rows], frame[rows] - expected[rows], np.nan)
    residual = residual[np.isfinite(residual).any(axis=1)]
    if not len(residual):
        return 0.0
    shift = _row_medians(residual)
    return float(np.median(1.4826 * _row_medians(np.abs(residual - shift[:, None]))))


def _row_medians(values: Floats) -> Floats:
    """Median of every row's known values."""
    # nanmedian takes ten times as long
    middle: Floats = np.median(values, axis=1)
    gaps = np.isnan(middle)
    if gaps.any():
        middle[gaps] = np.nanmedian(values[gaps], axis=1)
    return middle


def _nearest(good: Mask, row: int) -> list[int]:
    """Nearest good row before and after, where there is one."""
    places = np.flatnonzero(good)
    before, after = places[places < row], places[places > row]
    return [int(side[index]) for side, index in ((before, -1), (after, 0)) if side.size]
