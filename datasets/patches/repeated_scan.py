"""Measurement errors of descriptors from the same place measured twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.repeat_notes import error_notes, offset_notes

__all__ = ["RepeatNoise", "difference_noise", "merge_repeat"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

FEWEST_PATCHES = 12
PATCHES_PER_COLUMN = 3  # with fewer the errors' correlations are not measured
SIGNAL_SDS = 3.1
"""The scans of a column without signal agree more than this in one of a thousand."""
USUAL_SHARE = 0.9  # of the pixels that both scans saw of most patches


@dataclass(frozen=True, slots=True, eq=False)
class RepeatNoise:
    """What two measurements of one place say of the errors.

    Attributes
    ----------
    covariance
        Of one measurement, shape (k, k): ``cov(Z1 - Z2) / 2``.
    residual
        Z1 - Z2 without offset, plane and what a shift of the second explains, shape (n, k).
    length
        Distance at which the errors' correlation has fallen to 1/e, of the column and along the
        axis where it is longest; 0 where neighbours share nothing that can be seen.
    offset
        Mean of Z1 - Z2 by column.
    correlated
        Whether the errors' correlations between columns were measured.
    reach
        That distance in patches along y and x, shape (k, 2).

    Examples
    --------
    >>> RepeatNoise(np.eye(1), np.zeros((3, 1)), 0.0, np.zeros(1), True).length
    0.0
    """

    covariance: Floats
    residual: Floats
    length: float
    offset: Floats
    correlated: bool
    reach: Floats = field(default_factory=lambda: np.zeros((1, 2)))


def difference_noise(
    first: Floats,
    second: Floats,
    places: PatchPlaces,
    *,
    periods: Sequence[float | None] | None = None,
) -> RepeatNoise:
    """Return the errors of columns measured twice, ``cov(Z1 - Z2) / 2`` for one measurement.

    An offset and a plane of the difference (drift of the signal between and along the scans) and
    what a common shift of the second scan explains (gradients of the mean; the rest of the
    registration's error) are fitted and taken out, column by column, with the fitted numbers
    counted. What both scans share (a fixed pattern) is not in the difference.

    Parameters
    ----------
    first, second
        Shape (n, k): columns of both scans; rows with NaN are passed over.
    places
        Where the patches lie.
    periods
        Period of each column that is an angle, else None.

    Raises
    ------
    InputError
        For fewer than 12 patches that both scans have.

    Examples
    --------
    >>> from physlearn.datasets.descriptors.patch_places import grid_places
    >>> places = grid_places([0, 0], [400, 400], 8.0)
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=(places.n, 1))
    >>> noise = difference_noise(*(truth + rng.normal(0, 2, truth.shape) for _ in "ab"), places)
    >>> bool(abs(noise.covariance[0, 0] - 4.0) < 0.5), noise.length
    (True, 0.0)
    """
    k = first.shape[1]
    turn = np.array([p or np.inf for p in (periods or [None] * k)])
    difference = _wrapped(first - second, turn)
    both = np.asarray(np.isfinite(difference).all(axis=1))
    if both.sum() < FEWEST_PATCHES:
        raise InputError(
            f"the repeat covers {int(both.sum())} patches of the first scan; at least "
            f"{FEWEST_PATCHES} are needed to measure errors: give scans of one place, or smaller "
            "patches."
        )
    mean = first - 0.5 * difference
    residual = np.full(difference.shape, np.nan)
    free = np.empty(k)
    place = (places.centers - places.centers.mean(axis=0)) / places.size
    for i in range(k):
        columns = [np.ones(places.n), *place.T, *_slopes(mean[:, i], turn[i], places, both)]
        design = np.stack(columns, axis=1)[both]
        left, singular, _ = np.linalg.svd(design / np.linalg.norm(design, axis=0), False)
        left = left[:, singular > 1e-8 * singular[0]]
        residual[both, i] = difference[both, i] - left @ (left.T @ difference[both, i])
        free[i] = both.sum() - left.shape[1]
    good = residual[both]
    covariance = good.T @ good / (2.0 * np.sqrt(np.outer(free, free)))
    correlated = bool(both.sum() >= PATCHES_PER_COLUMN * k)
    if not correlated:
        covariance = np.diag(np.diag(covariance))
    reach = _correlation_reach(residual, places)
    return RepeatNoise(
        covariance, residual, float(reach.max()) * places.size * (1.0 - places.overlap),
        difference[both].mean(axis=0), correlated, reach,
    )  # fmt: skip


def _wrapped(difference: Floats, period: Floats) -> Floats:
    """Return differences of angles within half a turn."""
    with np.errstate(invalid="ignore"):
        turns = np.where(np.isfinite(period), np.round(difference / period), 0.0)
    return np.asarray(
        np.where(np.isfinite(period), difference - turns * np.nan_to_num(period), difference)
    )


def _slopes(values: Floats, period: float, places: PatchPlaces, both: Mask) -> list[Floats]:
    """Return the column's slopes from patch to patch along x and y, 0 where a neighbour lacks.

    The neighbours' mean of two scans of equal error knows nothing of this patch's difference.
    """
    if places.shape is None or min(places.shape) < 3 or np.isfinite(period):
        return []
    grid = np.where(both, values, np.nan).reshape(places.shape)
    slopes = []
    for axis in (1, 0):
        slope = np.full(grid.shape, np.nan)
        inner = [slice(None), slice(None)]
        ahead, behind = list(inner), list(inner)
        inner[axis], ahead[axis], behind[axis] = slice(1, -1), slice(2, None), slice(None, -2)
        slope[tuple(inner)] = 0.5 * (grid[tuple(ahead)] - grid[tuple(behind)])
        flat = slope.ravel()
        known = np.isfinite(flat)
        if known.sum() < FEWEST_PATCHES or not np.ptp(flat[known]) > 0:
            continue
        slopes.append(np.where(known, flat, flat[known].mean()))
    return slopes


def _correlation_reach(residual: Floats, places: PatchPlaces) -> Floats:
    """Return after how many patches along y and x each column's errors agree by 1/e only.

    What scan lines have in common reaches along them and not across.
    """
    reach = np.zeros((residual.shape[1], 2))
    if places.shape is None or min(places.shape) < 3:
        return reach
    for k, column in enumerate(residual.T):
        scale = np.sqrt(np.nanmean(column**2))
        if scale > 0:
            grid = (column / scale).reshape(places.shape)
            reach[k] = _reach(grid), _reach(grid.T)
    return reach


def _reach(grid: Floats) -> float:
    """Return the rows after which the autocorrelation is 1/e; 0 where none can be seen."""
    before = 1.0
    for lag in range(1, len(grid) - 1):
        products = grid[lag:] * grid[:-lag]
        known = np.isfinite(products)
        number = known.sum(axis=1)
        rows = np.where(known, products, 0.0).sum(axis=1)[number > 0]
        number = number[number > 0]
        if number.sum() < FEWEST_PATCHES:
            return float(len(grid) - 1) if lag > 1 else 0.0
        found = float(rows.sum() / number.sum())
        if lag == 1:
            # what patches of one row have in common counts once: rows are compared, not patches
            scatter = np.sqrt(((rows - found * number) ** 2).sum()) / number.sum()
            alone = float(products[known].std() / np.sqrt(number.sum()))
            if found < 4.0 * max(float(scatter), alone):
                return 0.0
        if found < np.exp(-1.0):
            first, last = np.log(before), np.log(max(found, 1e-3))
            return float(lag - 1 + (first + 1.0) / (first - last))
        before = found
    # as alike at the far end as beside each other: an estimate may exceed 1
    return float(len(grid) - 1)


def merge_repeat(
    blocks: Sequence[ColumnBlock],
    again: Sequence[ColumnBlock],
    places: PatchPlaces,
    *,
    each: bool = False,
    seen: Floats | None = None,
    by_both: tuple[Sequence[ColumnBlock], Sequence[ColumnBlock]] | None = None,
) -> tuple[list[ColumnBlock], dict[str, object]]:
    """Return the blocks with what was measured twice averaged, and what the repeat found.

    Columns that both have become one block of means ``(Z1 + Z2) / 2`` with the covariance
    ``cov(Z1 - Z2) / 4``, the same for all patches; with ``each`` the patches' own error bars are
    scaled by column to agree with it on average, and its correlations are kept. Scans that agree
    in no column are refused (NotIdentified). Where scans have gaps, the errors come from
    the columns ``by_both`` of the pixels that both saw, in patches of which they saw as much
    (``seen``, a share of their pixels) as of most; a mean's variance grows by what was seen once.
    """
    rest, twice = _once_and_twice(blocks, again)
    names = tuple(name for block in twice for name in block.names)
    one = np.concatenate([block.values for block in twice], axis=1)
    two = _columns(again, names)
    pair = one, two
    if seen is not None and by_both is not None:
        usual = seen >= USUAL_SHARE * np.median(seen)
        parts = [np.where(usual[:, None], _columns(part, names), np.nan) for part in by_both]
        pair = parts[0], parts[1]
    units = tuple(unit for block in twice for unit in block.units)
    periods = [block.periods.get(name) for block in twice for name in block.names]
    noise = difference_noise(*pair, places, periods=periods)
    difference = _wrapped(one - two, np.array([p or np.inf for p in periods]))
    measured = np.asarray(np.isfinite(noise.residual).all(axis=1))
    own = [_own_sd(block, again, measured) for block in twice]
    covariance = 0.5 * noise.covariance[None]
    model = None if any(sd is None for sd in own) else np.concatenate(
        [cast("Floats", sd) for sd in own], axis=1
    )  # fmt: skip
    notes = error_notes(noise.covariance, noise.correlated, own, names, np.nanstd(one, axis=0))
    notes += offset_notes(noise.covariance, noise.offset, names, units)
    if each and model is None:
        notes += (
            "one scan gave no error bars of its own: all patches have the repeat's mean one.",
        )
    elif each and model is not None:
        covariance = 0.5 * _scaled(noise.covariance, model)
    if seen is not None:
        # a pixel that one scan saw counts with its own variance, one of both with half
        grown = (2.0 - seen) / (2.0 - float(np.median(seen)))
        covariance = covariance * np.maximum(grown, 1.0)[:, None, None]
    merged = _joined(twice, one - 0.5 * difference, covariance, noise.length, notes)
    flags, agree = _flags_of_signal(*pair, noise, merged, places)
    if not agree:
        raise NotIdentified(
            "the two scans agree in no descriptor beyond chance: they may not overlap, or the "
            "patches hold nothing but noise; give a repeat of the same place, or larger patches."
        )
    merged = replace(merged, flags=flags)
    found = {
        "sd_of_one_scan": _by_name(names, np.sqrt(np.diag(noise.covariance))),
        "offset": _by_name(names, noise.offset),
        "error_correlation_length": noise.length,
    }
    return [*rest, merged], found


def _once_and_twice(
    blocks: Sequence[ColumnBlock], again: Sequence[ColumnBlock]
) -> tuple[list[ColumnBlock], list[ColumnBlock]]:
    """Return the parts of the blocks that the second scan does not show, and those that it does."""
    second = {name for block in again for name in block.names}
    rest, twice = [], []
    for block in blocks:
        common = [i for i, name in enumerate(block.names) if name in second]
        if common:
            twice.append(_part(block, common))
        if len(common) < len(block.names):
            rest.append(_part(block, [i for i in range(len(block.names)) if i not in common]))
    if not twice:
        raise InputError(
            "repeat shows no column that source or channels show; measure the same place again."
        )
    return rest, twice


def _joined(
    blocks: Sequence[ColumnBlock],
    values: Floats,
    covariance: Floats,
    length: float,
    notes: tuple[str, ...],
) -> ColumnBlock:
    """Return one block with the columns of several, in their order."""
    return ColumnBlock(
        tuple(name for b in blocks for name in b.names), values,
        tuple(t for b in blocks for t in b.tiers), tuple(u for b in blocks for u in b.units),
        covariance, length,
        {name: of for b in blocks for name, of in b.derived.items()},
        {name: text for b in blocks for name, text in b.flags.items()},
        tuple(note for b in blocks for note in b.notes) + notes,
        {name: period for b in blocks for name, period in b.periods.items()},
        {name: channel for b in blocks for name, channel in b.pixels_of.items()},
    )  # fmt: skip


def _flags_of_signal(
    one: Floats, two: Floats, noise: RepeatNoise, merged: ColumnBlock, places: PatchPlaces
) -> tuple[dict[str, str], bool]:
    """Return the flags, with "no signal" decided by whether the scans agree, and if any does.

    The noise of two scans is independent, so that without a signal the correlation of the scans
    has variance ``sum_lags rho_1 rho_2 / n`` (Clifford, Richardson and Hemon, 1989).
    """
    from physlearn.datasets.channels.measure_noise import NO_SIGNAL

    flags = {name: text for name, text in merged.flags.items() if text != NO_SIGNAL}
    agree = False
    both = np.asarray(np.isfinite(noise.residual).all(axis=1))
    plane = np.column_stack([np.ones(places.n), places.centers - places.centers.mean(axis=0)])
    left = np.linalg.qr(plane[both])[0]
    parts = [part[both] - left @ (left.T @ part[both]) for part in (one, two)]
    sizes = [np.sqrt((part**2).sum(axis=0)) for part in parts]
    # what lines have in common reaches along all of them, and each line is another
    most = np.array(places.shape or (1, 1), dtype=np.float64)
    alone = np.minimum(np.sqrt(1.0 + 2.0 * np.pi * noise.reach**2), most).prod(axis=1)
    independent = len(left) / alone
    for k, name in enumerate(merged.names):
        if not (sizes[0][k] > 0 and sizes[1][k] > 0):
            continue
        alike = float(parts[0][:, k] @ parts[1][:, k] / (sizes[0][k] * sizes[1][k]))
        if alike < SIGNAL_SDS / np.sqrt(independent[k]):
            flags[name] = NO_SIGNAL
        else:
            agree = True
    return flags, agree


def _by_name(names: Sequence[str], values: Floats) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _columns(blocks: Sequence[ColumnBlock], names: Sequence[str]) -> Floats:
    """Return columns of several blocks by name, shape (n, k)."""
    held = {name: block.values[:, i] for block in blocks for i, name in enumerate(block.names)}
    return np.stack([held[name] for name in names], axis=1)


def _part(block: ColumnBlock, columns: list[int]) -> ColumnBlock:
    """Return some columns of a block."""
    if len(columns) == len(block.names):
        return block
    names = tuple(block.names[i] for i in columns)
    covariance = block.covariance
    return replace(
        block,
        names=names,
        values=block.values[:, columns],
        tiers=tuple(block.tiers[i] for i in columns),
        units=tuple(block.units[i] for i in columns),
        covariance=None if covariance is None else covariance[:, columns][:, :, columns],
        derived={name: of for name, of in block.derived.items() if name in names},
        flags={name: text for name, text in block.flags.items() if name in names},
        periods={name: period for name, period in block.periods.items() if name in names},
        pixels_of={name: of for name, of in block.pixels_of.items() if name in names},
    )


def _own_sd(block: ColumnBlock, again: Sequence[ColumnBlock], measured: Mask) -> Floats | None:
    """Return the error bars of one scan that the two gave by themselves, in root mean square.

    NaN where nothing was ``measured``, None where a scan knows nothing.
    """
    variance = np.zeros(block.values.shape)
    for name_at, name in enumerate(block.names):
        for part in (block, next(other for other in again if name in other.names)):
            if part.covariance is None:
                return None
            at = part.names.index(name)
            variance[:, name_at] += 0.5 * np.maximum(part.covariance[:, at, at], 0.0)
    if not (variance > 0).any(axis=0).all():
        return None
    return np.where(measured[:, None], np.sqrt(variance), np.nan)


def _scaled(covariance: Floats, sd: Floats) -> Floats:
    """Return covariances by patch: a single scan's error bars, scaled to the repeat's."""
    wanted = np.sqrt(np.diag(covariance))
    scaled = sd * (wanted / np.sqrt(np.nanmean(sd**2, axis=0)))
    correlation = covariance / np.maximum(np.outer(wanted, wanted), 1e-300)
    return np.asarray(np.nan_to_num(correlation * scaled[:, :, None] * scaled[:, None, :]))
