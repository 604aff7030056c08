"""Features of few spectra that stand out of the field as spikes do, and are none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.spectra.pixel_spectra import median_of_known

__all__ = ["repeated_features", "smooth_features"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Run = tuple[int, int, int]

FLANK = 2
"""Points on either side of a run that must agree too."""
LEAST_POINTS = 3
"""A spike is one or two points."""
SMOOTH_POINTS = 5
ROUGHEST = 0.1
"""Largest usual distance of a smooth run's points from the middle of their neighbours, in heights;
a Gaussian peak of 2 points' sd has .07, a burst of independent spikes .3."""
TALLEST = 5.0
"""A smooth feature that no other pixel shares may be so many of the usual spectrum's heights."""
TALL = 0.25
"""A point belongs to a feature from this share of its height."""
LEAST_OTHERS = 3
STANDS_OUT = 5.0
"""Robust standard deviations of the field from which a spectrum stands out at one place."""
LEAST_SHARE = 0.04
"""Of many spectra that stand out at one place, some are alike by chance."""
MOST_OTHERS = 400
UNLIKE = 0.05
"""Share of a feature's variance that may differ from another pixel's, its height apart."""
HEIGHTS = 5.0
"""Largest ratio of two heights of one feature."""
NORMAL = 1.4826


def smooth_features(y: Floats, flagged: Flags) -> Flags:
    """Return flagged points of features of five or more that lie on a smooth curve."""
    result = np.zeros(flagged.shape, dtype=bool)
    noise = _noise(y)
    usual = median_of_known(y, 0)
    away = y - usual
    tallest = TALLEST * float(np.ptp(usual[~np.isnan(usual)]))
    for row, first, last in _runs(flagged & ~np.isnan(y)):
        begin, end = _whole(away[row], first, last)
        if end - begin < SMOOTH_POINTS or np.abs(away[row, first:last]).max() > tallest:
            continue
        start, stop = max(begin - 1, 1), min(end + 1, y.shape[1] - 1)
        near = y[row, start - 1 : stop + 1]
        bend = near[1:-1] - 0.5 * (near[:-2] + near[2:])
        height = float(np.ptp(near[~np.isnan(near)]))
        known = bend[~np.isnan(bend)]
        allowed = (ROUGHEST * height) ** 2 + 1.5 * noise[row] ** 2
        if len(known) >= SMOOTH_POINTS and float((known**2).mean()) < allowed:
            result[row, first:last] = True
    return result


def repeated_features(y: Floats, flagged: Flags) -> Flags:
    """Return flagged points of runs that three other spectra hold at the same place, alike.

    Alike: the run and two points on either side are another spectrum's times a factor,
    plus a constant, but for the noise and a twentieth of their variance.
    """
    result = np.zeros(flagged.shape, dtype=bool)
    flagged = flagged & ~np.isnan(y)
    away = y - median_of_known(y, 0)
    wide = STANDS_OUT * NORMAL * median_of_known(np.abs(away), 0)
    with np.errstate(invalid="ignore"):
        # a feature may be just below the mark in others
        standing = flagged | (np.abs(away) > wide)
    holders = [_thinned(np.flatnonzero(column)) for column in standing.T]
    noise = _noise(y)
    for row, first, last in _runs(flagged):
        begin, end = _whole(away[row], first, last)
        start, stop = max(begin - FLANK, 0), min(end + FLANK, y.shape[1])
        own = away[row, start:stop]
        if np.isnan(own).any():
            continue
        size = np.abs(own - np.median(own[[0, -1]]))
        if np.count_nonzero(size > TALL * size.max()) < LEAST_POINTS:
            continue
        others = holders[start + int(np.argmax(size))]
        others = others[others != row]
        needed = max(LEAST_OTHERS, LEAST_SHARE * len(others))
        if len(others) < needed:
            continue
        if _alike(own, away[others, start:stop], noise[row], noise[others]) >= needed:
            result[row, first:last] = True
    return result


def _whole(away: Floats, first: int, last: int) -> tuple[int, int]:
    """Return first and last + 1 of the feature of a run, down to a quarter of its height."""
    least = TALL * np.abs(away[first:last]).max()
    while first > 0 and abs(away[first - 1]) > least:
        first -= 1
    while last < len(away) and abs(away[last]) > least:
        last += 1
    return first, last


def _alike(own: Floats, others: Floats, own_noise: float, noise: Floats) -> int:
    """Return how many others are the run times a factor plus a constant."""
    centred = own - own.mean()
    theirs = others - others.mean(axis=1, keepdims=True)
    total = float(centred @ centred)
    factor = theirs @ centred / total
    left = ((theirs - factor[:, None] * centred) ** 2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # in units of the run itself, whose noise is multiplied too
        left = left / factor**2
        extra = len(own) * (own_noise**2 + (noise / factor) ** 2)
    close = left < UNLIKE * total + extra
    return int(np.sum(close & (factor > 1.0 / HEIGHTS) & (factor < HEIGHTS)))


def _noise(y: Floats) -> Floats:
    """Return each spectrum's noise sd from its bends."""
    bends = median_of_known(np.abs(np.diff(y, n=2, axis=1)), 1)
    return np.asarray(np.nan_to_num(NORMAL * bends / np.sqrt(6.0)))


def _thinned(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at most so many rows, evenly taken."""
    if len(rows) <= MOST_OTHERS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_OTHERS).astype(np.int64)]


def _runs(flagged: Flags) -> list[Run]:
    """Return row, first and last + 1 of the flagged runs; one point between two joins them."""
    gap = ~flagged[:, 1:-1] & flagged[:, :-2] & flagged[:, 2:]
    joined = flagged.copy()
    joined[:, 1:-1] |= gap
    edges = np.diff(np.pad(joined, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, first = np.nonzero(edges == 1)
    last = np.nonzero(edges == -1)[1]
    return list(zip(rows.tolist(), first.tolist(), last.tolist(), strict=True))
