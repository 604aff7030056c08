"""Rows of a frame that jump or are broken: found against the film's usual picture, and repaired."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["repair_rows", "rows_suspicious"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_PIXELS = 16
LARGEST_SHARE = 0.2
REACH_ROWS = 9
GAP_SHARE = 0.2


def _limits(noise: float, count: Floats) -> Floats:
    """Smallest shift of a row's median that is taken for a jump."""
    limits: Floats = np.maximum(8 * 1.25 * noise / np.sqrt(np.maximum(count, 1.0)), 0.5 * noise)
    return limits


def rows_suspicious(rows: Floats) -> bool:
    """Whether a frame's row sums (`scan_frame`) call for a closer look."""
    count = rows[:, 2]
    wide = count > LEAST_PIXELS
    if not wide.any():
        return False
    total, size, count = rows[wide, 0], rows[wide, 1], count[wide]
    shift = total / count
    shift -= ndimage.median_filter(shift, REACH_ROWS, mode="nearest")
    scatter = size / count
    noise = 1.2533 * float(np.median(scatter))
    usual = ndimage.median_filter(scatter, REACH_ROWS, mode="nearest")
    return bool(
        (np.abs(shift) > 0.6 * _limits(noise, count)).any()
        or (scatter > 1.5 * np.maximum(usual, noise / 1.2533)).any()
    )


def repair_rows(frame: Floats, seen: Mask, expected: Floats) -> tuple[Floats | None, int]:
    """Return the frame with jumps shifted back and broken rows interpolated, and their number.

    ``expected`` is what the film's usual picture predicts. A jump must stand out by as much from
    the nearest good rows on both sides: where a wall has moved over a row, the row is like one of
    them. None when nothing was repaired.
    """
    wide = np.flatnonzero(seen.sum(axis=1) > LEAST_PIXELS)
    known = np.where(seen, frame, np.nan)[wide]
    wide, known = wide[np.isfinite(known).any(axis=1)], known[np.isfinite(known).any(axis=1)]
    residual = known - np.where(seen, expected, np.nan)[wide]
    shift = np.nanmedian(residual, axis=1)
    scatter = 1.4826 * np.nanmedian(np.abs(residual - shift[:, None]), axis=1)
    shift = shift - ndimage.median_filter(shift, REACH_ROWS, mode="nearest")
    noise = float(np.median(scatter))
    limit = _limits(noise, np.isfinite(residual).sum(axis=1).astype(float))
    # rows that rough walls have moved over scatter too, but no more than the rows beside them
    bend = known.copy()
    bend[1:-1] -= 0.5 * (known[2:] + known[:-2])
    bend[0], bend[-1] = known[0] - known[1], known[-1] - known[-2]
    rough = np.nanmedian(np.abs(np.where(np.isfinite(bend), bend, 0.0)), axis=1)
    usual = ndimage.median_filter(rough, REACH_ROWS, mode="nearest")
    broken = (scatter > 3 * noise) & (rough > 3 * usual)
    jumps = (np.abs(shift) > limit) & ~broken
    if noise <= 0 or max(jumps.mean(), broken.mean()) > LARGEST_SHARE:
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


def _nearest(good: Mask, row: int) -> list[int]:
    """Nearest good row before and after, where there is one."""
    places = np.flatnonzero(good)
    before, after = places[places < row], places[places > row]
    return [int(side[index]) for side, index in ((before, -1), (after, 0)) if side.size]
