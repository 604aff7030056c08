"""Rows at which the tip changed: the atoms' place or height, or the row's own level jumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.reading.picture_frame import PictureFrame, picture_frame
from physlearn.datasets.scan.declared_lattice import index_columns
from physlearn.datasets.surfaces.level_scan import atom_picture
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["TipChanges", "find_tip_changes"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MARKS = ("place x", "place y", "height")
FEWEST_ATOMS_A_SIDE = 6
MOST_CHANGES = 40
MOST_CANDIDATES = 400
BREAK_MARGIN = 4
LEVEL_HEADROOM = 1.25
"""How far a level's jump must exceed the Gaussian limit: levels have heavier tails than Gauss."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TipChanges:
    """Where the tip changed, and what is alike between the changes.

    Attributes
    ----------
    rows
        First row after each change.
    row_uncertainty
        How many rows it may be off: 0 where the row's own level tells it, else about half the
        distance of atomic rows.
    kinds
        What jumped there: place x, place y, height, level (several joined by ``+``).
    p_values
        Chance of such a jump anywhere in the picture when the tip never changed.
    segment
        Shape (rows,): number of the stretch between changes.
    displacement, displacement_sd
        Shape (segments, 2): (x, y) of the atoms against the first stretch, in pixels; NaN where
        the atoms show no lattice.
    height_factor, height_factor_sd
        Shape (segments,): the atoms' typical height in units of the first stretch's.
    broken_rows
        Rows whose level jumps within the row.
    row_mask
        Shape (rows,): False at broken rows and where a change is placed.

    Examples
    --------
    >>> from physlearn.datasets import make_stm_image, StmSettings
    >>> scene = make_stm_image((128, 128), StmSettings(row_level_pm=2.0), rng=1)
    >>> len(find_tip_changes(scene.image, scene.truth.atoms).rows)
    0
    """

    rows: Integers
    row_uncertainty: Integers
    kinds: tuple[str, ...]
    p_values: Floats
    segment: Integers
    displacement: Floats
    displacement_sd: Floats
    height_factor: Floats
    height_factor_sd: Floats
    broken_rows: Integers
    row_mask: NDArray[np.bool_]

    __repr__ = short_repr
    _repr_html_ = html_table


def find_tip_changes(
    image: xr.DataArray | ArrayLike,
    atoms: AtomicConfiguration,
    *,
    false_alarm: float = 0.01,
) -> TipChanges:
    """Find the rows at which place, height or level of a surface's atoms jump.

    A changed tip sees the atoms displaced and higher or lower from one row on. The atoms' places
    against their own lattice and the logarithm of their heights are searched for steps (forward
    selection, score test, all three together), lattice vectors, offsets and trends free. The rows'
    own levels are searched for jumps beyond their usual random walk, and each row for a jump within
    it. The atoms' scatter from row to row (jitter) is measured and allowed for.

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
        Rows of change with kinds, stretches with place and height, broken rows and a mask.

    Raises
    ------
    InputError
        For fewer than 24 atoms, or a chance outside (0, 0.5).

    Notes
    -----
    A step of the crystal along a row (an antiphase boundary) looks the same as a changed tip.

    Examples
    --------
    >>> from physlearn.datasets import make_stm_image, StmSettings
    >>> scene = make_stm_image((128, 128), StmSettings(row_level_pm=2.0), rng=1)
    >>> find_tip_changes(scene.image, scene.truth.atoms).rows
    array([], dtype=int64)
    """
    if atoms.n < 4 * FEWEST_ATOMS_A_SIDE or atoms.intensity is None:
        raise InputError(
            f"atoms must be at least {4 * FEWEST_ATOMS_A_SIDE}, with intensity, to judge the tip "
            f"by; got {atoms.n}."
        )
    if not 0 < false_alarm < 0.5:
        raise InputError(f"false_alarm must be above 0 and below 0.5; got {false_alarm}.")
    frame = picture_frame(image)
    left = frame.values - atom_picture(atoms, frame)
    marks = _marks(atoms, frame)
    n_rows = len(left)
    steps = _steps(marks, n_rows, false_alarm / 3)
    jumps = _level_jumps(left, false_alarm / 3)
    rows, uncertainty, kinds, chances = _joined(steps, jumps, marks.row_distance)
    segment = np.searchsorted(rows, np.arange(n_rows), side="right").astype(np.int64)
    place, place_sd, height, height_sd = _stretches(marks, rows)
    broken = _broken_rows(left, false_alarm / 3)
    mask = np.ones(n_rows, dtype=np.bool_)
    mask[broken] = False
    for row, reach in zip(rows, uncertainty, strict=True):
        mask[max(0, row - 1 - reach) : row + 1 + reach] = False
    return TipChanges(
        rows, uncertainty, kinds, chances, segment, place, place_sd, height, height_sd, broken,
        mask,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Marks:
    """Of each atom: row, what may step (x, y, log height) with variances, and what is free."""

    row: Floats
    values: Floats
    variance: Floats
    free: tuple[Floats, Floats, Floats]
    has_lattice: bool
    row_distance: float
    reach: float


def _marks(atoms: AtomicConfiguration, frame: PictureFrame) -> _Marks:
    """Return the atoms' places and log heights with the parameters that stay free."""
    places = (atoms.positions - np.array(frame.origin)) / np.array(frame.pixel_size)
    intensity = np.asarray(atoms.intensity)
    log_height = np.log(np.maximum(intensity, 1e-3 * np.median(np.abs(intensity))))
    middle = float(np.median(log_height))
    spread = 1.4826 * float(np.median(np.abs(log_height - middle))) + 1e-12
    log_height = np.clip(log_height, middle - 4 * spread, middle + 4 * spread)
    row = places[:, 1]
    trend = np.column_stack([np.ones(len(row)), row - row.mean()])
    distance = float(np.sqrt(np.ptp(places[:, 0]) * np.ptp(row) / len(row)))
    width = np.full(len(row), 1.0) if atoms.width is None else np.asarray(atoms.width)
    reach = 2.0 * float(np.median(width)) / frame.pixel_size[1]
    try:
        indexed = index_columns(places, np.maximum(intensity, 0.0))
    except NotIdentified:
        values = np.column_stack([np.zeros((len(row), 2)), log_height])
        variance = np.tile([np.inf, np.inf, 1.0], (len(row), 1))
        return _scaled(row, values, variance, (trend, trend, trend), False, distance, reach)
    lattice = indexed.design(1, places)
    on = indexed.on_lattice
    values = np.column_stack([places, log_height])
    variance = np.ones((len(row), 3))
    variance[~on, :2] = np.inf
    heights = np.column_stack([lattice[:, : indexed.n_parts], trend[:, 1], ~on])
    return _scaled(row, values, variance, (lattice, lattice, heights), True, distance, reach)


def _scaled(
    row: Floats, values: Floats, variance: Floats, free: tuple[Floats, Floats, Floats],
    has_lattice: bool, distance: float, reach: float,
) -> _Marks:  # fmt: skip
    """Return marks whose variances are measured: the scatter, and its likeness within rows."""
    scale = np.ones(3)
    bins = np.floor(row / max(distance, 1.0)).astype(int)
    for k in range(3):
        good = np.isfinite(variance[:, k])
        if good.sum() < 4:
            continue
        left = (
            values[good, k]
            - free[k][good] @ np.linalg.lstsq(free[k][good], values[good, k], rcond=None)[0]
        )
        # differences of neighbouring rows' means do not feel a few steps
        count = np.bincount(bins[good] - bins.min())
        sums = np.bincount(bins[good] - bins.min(), weights=left)
        full = count >= 2
        means = sums[full] / count[full]
        own = _within(left, bins[good])
        scale[k] = own**2
        if full.sum() > 6:
            expected = own * np.sqrt(2.0 / float(np.median(count[full])))
            seen = float(np.median(np.abs(np.diff(means)))) / 0.6745
            scale[k] *= max(1.0, (seen / max(expected, 1e-300)) ** 2)
    return _Marks(row, values, variance * scale, free, has_lattice, distance, reach)


def _within(left: Floats, bins: Integers) -> float:
    """Return the spread of marks about their own row's mean, far ones pulled in."""
    apart, freedom = [left], len(left)
    groups = [left[bins == b] for b in np.unique(bins)]
    groups = [group for group in groups if len(group) > 2]
    if groups:
        apart = [group - np.median(group) for group in groups]
        freedom = sum(len(group) - 1 for group in groups)
    joined = np.concatenate(apart)
    limit = 6.0 * 1.4826 * float(np.median(np.abs(joined))) + 1e-12
    return float(np.sqrt(np.sum(np.clip(joined, -limit, limit) ** 2) / max(freedom, 1))) + 1e-12


def _steps(marks: _Marks, n_rows: int, false_alarm: float) -> list[tuple[int, float, str]]:
    """Return the rows of significant steps (row, p, kinds), by forward selection."""
    rows = np.arange(1, n_rows, max(1, n_rows // MOST_CANDIDATES))
    after = marks.row[:, None] >= rows - 0.5
    enough = np.minimum(after.sum(axis=0), (~after).sum(axis=0)) >= FEWEST_ATOMS_A_SIDE
    rows, after = rows[enough], after[:, enough].astype(np.float64)
    found: list[tuple[int, float, str]] = []
    added = np.empty((len(marks.row), 0))
    tries = max(4.0 * np.log2(max(n_rows, 2)), 1.0)
    variance = marks.variance.copy()
    used = [k for k in range(3) if np.isfinite(marks.variance[:, k]).any()]
    while len(rows) and len(found) < MOST_CHANGES:
        parts = np.zeros((3, len(rows)))
        for k in used:
            weight = 1.0 / np.sqrt(variance[:, k])
            basis = np.column_stack([marks.free[k], added]) * weight[:, None]
            basis = np.linalg.qr(basis / np.maximum(np.linalg.norm(basis, axis=0), 1e-300))[0]
            y = marks.values[:, k] * weight
            y = y - basis @ (basis.T @ y)
            steps = after * weight[:, None]
            whole = (steps**2).sum(axis=0)
            steps = steps - basis @ (basis.T @ steps)
            power = (steps**2).sum(axis=0)
            sound = power > 1e-3 * whole
            parts[k] = np.where(sound, (y @ steps) ** 2 / np.maximum(power, 1e-300), 0.0)
        score = parts.sum(axis=0)
        best = int(np.argmax(score))
        chance = float(min(1.0, tries * chi2.sf(score[best], len(used))))
        if chance > false_alarm:
            break
        alike = np.flatnonzero(score > score[best] - 4.0)
        inner = alike[np.abs(rows[alike] - rows[best]) <= 2 * marks.row_distance]
        middle = int(np.round(rows[inner].mean()))
        kinds = [MARKS[k] for k in used if parts[k, best] > chi2.isf(0.01, 1)]
        found.append((middle, chance, " + ".join(kinds)))
        added = np.column_stack([added, after[:, best]])
        # atoms that the change cuts through were seen half by each tip
        variance[np.abs(marks.row - middle) < marks.reach + 0.5 * marks.row_distance] = np.inf
    return found


def _level_jumps(left: Floats, false_alarm: float) -> list[tuple[int, float]]:
    """Return rows (row, p) whose level jumps beyond the usual random walk of levels."""
    level = np.median(left, axis=1)
    jump = np.diff(level)
    jump = jump - np.median(jump)
    spread = 1.4826 * float(np.median(np.abs(jump))) + 1e-300
    z = np.abs(jump) / spread
    limit = LEVEL_HEADROOM * norm.isf(0.5 * false_alarm / len(jump))
    where = np.flatnonzero(z > limit)
    chances = np.minimum(1.0, 2 * len(jump) * norm.sf(z[where] / LEVEL_HEADROOM))
    return [(int(row) + 1, float(p)) for row, p in zip(where, chances, strict=True)]


def _joined(
    steps: list[tuple[int, float, str]], jumps: list[tuple[int, float]], row_distance: float
) -> tuple[Integers, Integers, tuple[str, ...], Floats]:
    """Return the changes by row; a level's jump near a step is the same change and places it."""
    free = dict(jumps)
    changes: list[tuple[int, int, str, float]] = []
    for row, p, kinds in steps:
        near = [other for other in free if abs(other - row) <= 1.5 * row_distance]
        if near:
            place = min(near, key=lambda other: free[other])
            p = min(p, *(free.pop(other) for other in near))
            changes.append((place, 0, f"{kinds} + level" if kinds else "level", p))
        else:
            changes.append((row, int(np.ceil(0.5 * row_distance)), kinds, p))
    changes += [(row, 0, "level", p) for row, p in free.items()]
    changes.sort()
    return (
        np.array([c[0] for c in changes], dtype=np.int64),
        np.array([c[1] for c in changes], dtype=np.int64),
        tuple(c[2] for c in changes),
        np.array([c[3] for c in changes]),
    )


def _stretches(marks: _Marks, rows: Integers) -> tuple[Floats, Floats, Floats, Floats]:
    """Return displacement and height factor of each stretch against the first, with errors."""
    count = len(rows) + 1
    value, spread = np.zeros((count, 3)), np.zeros((count, 3))
    segment = np.searchsorted(rows - 0.5, marks.row, side="right")
    seen = [k for k in range(1, count) if (segment == k).any()]
    dummies = (
        np.stack([segment == k for k in seen], axis=1) if seen else np.empty((len(segment), 0))
    )
    cut = (np.abs(marks.row[:, None] - rows) < marks.reach).any(axis=1)
    for k in range(3):
        good = np.isfinite(marks.variance[:, k]) & ~cut
        if not good.any():
            value[:, k] = spread[:, k] = np.nan
            continue
        weight = 1.0 / np.sqrt(marks.variance[good, k])
        design = np.column_stack([dummies, marks.free[k]])[good] * weight[:, None]
        inverse = np.linalg.pinv(design.T @ design)
        found = inverse @ (design.T @ (marks.values[good, k] * weight))
        value[seen, k] = found[: len(seen)]
        spread[seen, k] = np.sqrt(np.maximum(np.diag(inverse)[: len(seen)], 0.0))
    height = np.exp(value[:, 2])
    return value[:, :2], spread[:, :2], height, height * spread[:, 2]


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
