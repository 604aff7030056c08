"""First guess and widest priors of the law of a thresholded film, from its smoothed contours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.binary_walls.binary_contours import BinaryContour, FrontPiece
from physlearn.inference.binary_walls.binary_likelihood import BinaryFilm

__all__ = ["first_parameters", "widest_priors"]

Floats = NDArray[np.float64]

LIKELY_MOBILITY = 0.5
LEAST_MOBILITY = 0.5
AREA_ERROR = 4.0
REWEIGHTED = 5


def first_parameters(pieces: Sequence[FrontPiece], film: BinaryFilm) -> Floats:
    """Regress the area that every wall sweeps on its length and turning, robustly."""
    columns, values = [], []
    for piece in pieces:
        for one, two in pairwise(piece.contours):
            interval = float(film.times[two.frame] - film.times[one.frame])
            steps = np.diff(film.times[one.frame : two.frame + 1])
            drive = steps @ film.design[one.frame : two.frame]
            length = 0.5 * (one.length + two.length)
            turning = 0.5 * (_turning(one) + _turning(two))
            columns.append(np.append(drive * length, -turning * interval))
            values.append(_swept(one, two))
    matrix, swept = np.array(columns), np.array(values)
    likely = LIKELY_MOBILITY / float(np.diff(film.times).mean())
    last = np.zeros(matrix.shape[1])
    last[-1] = 1.0
    weight = np.ones(len(swept))
    result = np.zeros(matrix.shape[1])
    for _ in range(REWEIGHTED):
        rows = np.concatenate([matrix * weight[:, None] / AREA_ERROR, last[None] / (2 * likely)])
        ends = np.append(swept * weight / AREA_ERROR, 0.5)
        result, *_ = np.linalg.lstsq(rows, ends, rcond=None)
        miss = np.abs(swept - matrix @ result)
        weight = 1.0 / np.sqrt(1.0 + (miss / max(2.0 * float(np.median(miss)), 0.5)) ** 2)
    result[-1] = np.clip(result[-1], LEAST_MOBILITY * likely, None)
    guess: Floats = np.asarray(result, dtype=np.float64)
    return guess


def widest_priors(pieces: Sequence[FrontPiece], film: BinaryFilm) -> Floats:
    """Wide Gaussian priors: a wall that crosses, or a circle that vanishes, within one frame."""
    interval = float(np.median(np.diff(film.times)))
    radius = float(np.mean([piece.contours[0].length for piece in pieces])) / (2 * np.pi)
    force = np.sqrt((film.design**2).sum(axis=0) / np.maximum((film.design != 0).sum(axis=0), 1))
    return np.append(radius / interval / np.maximum(force, 1e-12), radius**2 / interval)


def _turning(contour: BinaryContour) -> float:
    """Angle by which a wall turns towards its True domain, along its length."""
    points = contour.points
    if contour.closed:
        return float(2 * np.pi * np.sign(_area(points)))
    reach = min(6, len(points) // 3)
    steps = points[reach:] - points[:-reach]
    angles = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    return float(angles[-1] - angles[0])


def _area(points: Floats) -> float:
    x, y = points.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def _swept(one: BinaryContour, two: BinaryContour) -> float:
    """Area that the True domain wins from one contour to the next."""
    if one.closed:
        return _area(two.points) - _area(one.points)
    return -_area(np.concatenate([one.points, two.points[::-1]]))
