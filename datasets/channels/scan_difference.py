"""What two aligned scans differ by: noise alone, or structure that a shift does not undo."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.signal_test import flatten_lines, pixel_signal_test

__all__ = ["difference_notes"]

LARGEST_P = 1e-3
LEAST_SHARE = 0.02
MOST_PX = 512


def difference_notes(name: str, first: xr.DataArray, second: xr.DataArray) -> list[str]:
    """Return a sentence where what differs between aligned scans holds much structure.

    The correlation of neighbouring lines of the difference times its variance is the variance of
    what is alike from line to line; it counts from a fiftieth of the scene's variance on.
    """
    if set(first.dims) != {"y", "x"} or angle_period(first) is not None:
        return []
    one, two = (
        flatten_lines(
            np.asarray(part.transpose("y", "x").data[:MOST_PX, :MOST_PX], dtype=np.float64)
        )
        for part in (first, second)
    )
    known = np.isfinite(one) & np.isfinite(two)
    if known.sum() < MOST_PX or min(one.shape) < 12:
        return []
    one, two = (np.real(part) for part in (one, two))
    middle = np.where(known, 0.5 * (one + two), 0.0)
    gain = [float((np.where(known, part, 0.0) * middle).sum()) for part in (one, two)]
    if not min(gain) > 0:
        return []
    # scans of another gain differ by their contrast, which is no shift
    difference = np.where(known, one / gain[0] - two / gain[1], np.nan) * 0.5 * sum(gain)
    likeness, p = pixel_signal_test(difference)
    alike = likeness * float(np.nanmean(difference**2))
    scene = float((middle**2).sum()) / float(known.sum())
    if not (p < LARGEST_P and alike > LEAST_SHARE * scene):
        return []
    return [
        f"the two scans of {name} differ by more than noise after the alignment (by "
        f"{alike / scene:.0%} of the scene's variance): a turn, a stretch or drift within the scan "
        "(model='affine' undoes these), or a change of the sample."
    ]
