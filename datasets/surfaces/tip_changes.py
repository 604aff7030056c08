"""Rows at which the tip changed: the atoms' height, place or the row's own level jumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm

from physlearn.checks import InputError
from physlearn.datasets.reading.pictures import picture_frame
from physlearn.datasets.surfaces.level_scan import atom_picture
from physlearn.records import AtomicConfiguration

__all__ = ["TipChanges", "find_tip_changes"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
FEWEST_ROWS_APART = 6
MARKS = ("height", "place x", "place y")
BREAK_MARGIN = 4
SMALLEST_INFORMATION = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class TipChanges:
    """Where the tip changed, and what is alike between the changes.

    Attributes
    ----------
    rows
        First row after each change.
    kinds
        What jumped there: height, place x, place y (several joined by ``+``).
    p_values
        Chance of such a jump anywhere in the picture when the tip never changed.
    segment
        Shape (rows,): number of the stretch between changes.
    height_factor, height_factor_sd
        Shape (segments,): height of the atoms in units of the picture's mean, and its error.
    displacement, displacement_sd
        Shape (segments, 2): (x, y) of the atoms against the picture's mean, in pixels.
    broken_rows
        Rows whose level jumps within the row (the change itself).
    row_mask
        Shape (rows,): False at broken rows and at rows of a change: leave them out of the fit.
    """

    rows: Integers
    kinds: tuple[str, ...]
    p_values: Floats
    segment: Integers
    height_factor: Floats
    height_factor_sd: Floats
    displacement: Floats
    displacement_sd: Floats
    broken_rows: Integers
    row_mask: NDArray[np.bool_]


def find_tip_changes(
    image: xr.DataArray | ArrayLike,
    atoms: AtomicConfiguration,
    *,
    false_alarm: float = 0.01,
) -> TipChanges:
    """Find the rows at which height, place or level of a surface's atoms jump.

    Each row is regressed on the fitted atoms' picture and its two slopes, which tells the row's
    height factor and displacement with errors. Change points of the three series are found by
    binary segmentation with a likelihood-ratio test, and a jump of the level within a row by its
    largest standardised partial sum. The rows' scatter beyond their errors (jitter, 1/f noise, its
    correlation) is measured and allowed for.

    Parameters
    ----------
    image
        The picture; rows are scan lines.
    atoms
        Its fitted atoms, in its unit.
    false_alarm
        Chance to report a change in a picture without any.

    Returns
    -------
    TipChanges
        Rows of change with kinds, stretches with height and place, broken rows and a mask.

    Raises
    ------
    InputError
        For fewer than 8 atoms, or a chance outside (0, 0.5).

    Examples
    --------
    >>> from physlearn.datasets import make_stm_image, StmSettings
    >>> scene = make_stm_image((128, 128), StmSettings(row_level_pm=2.0), rng=1)
    >>> find_tip_changes(scene.image, scene.truth.atoms).rows
    array([], dtype=int64)
    """
    if atoms.n < 8:
        raise InputError(f"atoms must be at least 8 to judge the tip by; got {atoms.n}.")
    if not 0 < false_alarm < 0.5:
        raise InputError(f"false_alarm must be above 0 and below 0.5; got {false_alarm}.")
    frame = picture_frame(image)
    picture = atom_picture(atoms, frame)
    series, variance, residual = _row_series(frame.values, picture)
    typical = np.nanmedian(variance, axis=0)
    told = (variance < typical / SMALLEST_INFORMATION).all(axis=1)
    variance = variance * _inflation(series[told], variance[told])
    cuts: list[tuple[int, float, str]] = []
    _split(series, variance, told, 0, len(series), false_alarm, cuts)
    cuts.sort()
    rows = np.array([cut[0] for cut in cuts], dtype=np.int64)
    segment = np.searchsorted(rows, np.arange(len(series)), side="right").astype(np.int64)
    broken = _broken_rows(residual, false_alarm)
    mask = np.ones(len(series), dtype=np.bool_)
    mask[broken] = False
    mask[rows] = False
    mean, spread = _segment_means(series, variance, told, segment)
    return TipChanges(
        rows, tuple(cut[2] for cut in cuts), np.array([cut[1] for cut in cuts]), segment,
        mean[:, 0], spread[:, 0], mean[:, 1:], spread[:, 1:], broken, mask,
    )  # fmt: skip


def _row_series(values: Floats, picture: Floats) -> tuple[Floats, Floats, Floats]:
    """Return height factor and displacement of each row (rows, 3), variances, and residuals."""
    slope_y, slope_x = np.gradient(picture)
    x = np.linspace(-1.0, 1.0, values.shape[1])
    n_rows = len(values)
    series, variance = np.zeros((n_rows, 3)), np.full((n_rows, 3), np.inf)
    residual = np.zeros_like(values)
    for r in range(n_rows):
        nuisance = np.column_stack([np.ones(len(x)), x])
        design = np.column_stack([picture[r], -slope_x[r], -slope_y[r], nuisance])
        matrix = design.T @ design
        diagonal = np.diag(matrix).copy()
        if diagonal[:3].min() <= 1e-9 * max(float(np.abs(picture).max()) ** 2, 1e-300):
            residual[r] = values[r] - values[r].mean()
            continue
        inverse = np.linalg.inv(matrix + np.diag(1e-9 * diagonal))
        found = inverse @ (design.T @ values[r])
        residual[r] = values[r] - design @ found
        level = float(residual[r] @ residual[r]) / max(len(x) - design.shape[1], 1)
        series[r], variance[r] = found[:3], level * np.diag(inverse)[:3]
    # a displacement is measured in units of the height factor
    series[:, 1:] /= np.where(np.abs(series[:, :1]) > 0.1, series[:, :1], 1.0)
    return series, variance, residual


def _inflation(series: Floats, variance: Floats) -> Floats:
    """Return how much rows scatter beyond their errors, correlation from row to row included.

    From differences of rows some way apart, which a few jumps do not move: the variance of means
    over stretches of rows against that of single rows.
    """
    factor = np.ones(series.shape[1])
    for k in range(series.shape[1]):
        z = series[:, k] / np.sqrt(variance[:, k])
        best = 1.0
        for length in (1, 2, 4, 8):
            count = len(z) // length
            if count < 8:
                break
            sums = z[: count * length].reshape(count, length).sum(axis=1) / np.sqrt(length)
            spread = float(np.median(np.abs(np.diff(sums)))) / (0.6745 * np.sqrt(2.0))
            best = max(best, spread**2)
        factor[k] = best
    return factor


def _split(
    series: Floats, variance: Floats, told: NDArray[np.bool_], low: int, high: int,
    false_alarm: float, cuts: list[tuple[int, float, str]],
) -> None:  # fmt: skip
    """Add the best change point of rows ``low`` to ``high``, then those on its two sides."""
    rows = np.flatnonzero(told[low:high]) + low
    if len(rows) < 2 * FEWEST_ROWS_APART:
        return
    weight = 1.0 / variance[rows]
    before = np.cumsum(weight, axis=0)[:-1]
    mass = np.cumsum(weight * series[rows], axis=0)[:-1]
    total, whole = weight.sum(axis=0), (weight * series[rows]).sum(axis=0)
    gap = mass / before - (whole - mass) / (total - before)
    square = gap**2 * before * (total - before) / total
    inner = slice(FEWEST_ROWS_APART - 1, len(rows) - FEWEST_ROWS_APART)
    score = square[inner].sum(axis=1)
    if len(score) == 0:
        return
    best = int(np.argmax(score))
    # neighbouring cuts share nearly all rows: about 4 log2(n) independent ones
    tries = max(4.0 * np.log2(len(series)), 1.0)
    p = float(min(1.0, tries * chi2.sf(score[best], 3)))
    if p > false_alarm:
        return
    parts = square[inner][best]
    kinds = [name for name, part in zip(MARKS, parts, strict=True) if part > chi2.isf(0.01, 1)]
    cut = int(rows[inner][best]) + 1
    cuts.append((cut, p, " + ".join(kinds)))
    _split(series, variance, told, low, cut, false_alarm, cuts)
    _split(series, variance, told, cut, high, false_alarm, cuts)


def _segment_means(
    series: Floats, variance: Floats, told: NDArray[np.bool_], segment: Integers
) -> tuple[Floats, Floats]:
    """Return weighted means and errors (segments, 3)."""
    count = int(segment.max()) + 1
    mean, spread = np.full((count, 3), np.nan), np.full((count, 3), np.inf)
    for k in range(count):
        rows = told & (segment == k)
        if rows.any():
            weight = 1.0 / variance[rows]
            mean[k] = (weight * series[rows]).sum(axis=0) / weight.sum(axis=0)
            spread[k] = 1.0 / np.sqrt(weight.sum(axis=0))
    return mean, spread


def _broken_rows(residual: Floats, false_alarm: float) -> Integers:
    """Return rows whose level jumps within the row."""
    n_rows, length = residual.shape
    centred = residual - residual.mean(axis=1, keepdims=True)
    before = np.arange(BREAK_MARGIN, length - BREAK_MARGIN)
    sums = np.cumsum(centred, axis=1)[:, before - 1]
    z = np.abs(sums) / np.sqrt(before * (length - before) / length)
    largest = z.max(axis=1)
    # 1/f noise wanders along a row: judge each row by its neighbours' largest sums
    middle = float(np.median(largest))
    spread = 1.4826 * float(np.median(np.abs(largest - middle)))
    limit = norm.isf(false_alarm / n_rows)
    return np.flatnonzero(largest > middle + 1.5 * limit * spread).astype(np.int64)
