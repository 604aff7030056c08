"""Futures of a wall through the pinning field that was mapped, and through what it has not met."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.pinning.pinning_kernels import forward_line
from physlearn.inference.walls.wall_future import WallFuture
from physlearn.results import Fit

__all__ = ["pinned_future"]

Floats = NDArray[np.float64]


def pinned_future(
    fit: Fit, times: Floats, force: Floats, n_futures: int, generator: np.random.Generator
) -> WallFuture:
    """Go on from the last frame with drawn speeds, mobilities and fields.

    Where the wall has not been, a drawn field is one of the prior's: the fan widens by itself.

    Parameters
    ----------
    fit
        From `fit_pinning_map`.
    times
        The last frame's time, then those of the future frames.
    force
        Drive from each of those times on, of the same length.
    n_futures, generator
        Futures to draw, and their randomness.

    Raises
    ------
    InputError
        If the fit holds no field.
    """
    told = fit.idata["constant_data"] if "constant_data" in fit.idata.groups() else {}
    if "pinning_fields" not in told:
        raise InputError(
            "fit holds no pinning field: make it with fit_wall_dynamics(pinning=True)."
        )
    kept = {str(name): told[name].to_numpy() for name in told}
    places, heights = kept["pinning_places"], kept["pinning_heights"]
    spacing, step = float(places[1] - places[0]), float(heights[1] - heights[0])
    speeds, mobilities = kept["pinning_laws"].T
    intervals = np.diff(times)
    counts = np.ceil(intervals * 4.0 * mobilities.max() / spacing**2)
    counts = np.maximum(counts, 3).astype(np.int64)
    ends = np.cumsum(counts)
    values = np.empty((n_futures, intervals.size, places.size))
    path = np.empty((int(ends[-1]) + 1, places.size))
    chosen = generator.integers(0, len(speeds), n_futures)
    for future, draw in enumerate(chosen):
        field = np.ascontiguousarray(kept["pinning_fields"][draw], dtype=np.float64)
        start = np.ascontiguousarray(kept["pinning_last"][draw])
        forward_line(
            start, speeds[draw] * force[:-1], counts, intervals, field, float(heights[0]), step,
            float(mobilities[draw]), spacing, kept["pinning_steep"].item(), path,
        )  # fmt: skip
        values[future] = path[ends]
    lost = ~np.isfinite(values).all(axis=(1, 2))
    if lost.any() and not lost.all():
        values[lost] = values[~lost][0]
    last = kept["pinning_last"].mean(axis=0)
    rate = kept["pinning_rate"]
    steady = last + (times[1:] - times[0])[:, None] * rate
    seen = (float(kept["pinning_seen"][0]), float(kept["pinning_seen"][1]))
    return WallFuture(
        int(kept["pinning_wall"].item()), False, kept["pinning_center"], kept["pinning_axes"],
        places, values, last, steady, seen, int(lost.sum()),
    )  # fmt: skip
