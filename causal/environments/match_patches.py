"""The patches of two scans of one field brought together by their centres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import cKDTree

from physlearn.causal.columns import require_table
from physlearn.causal.spatial_layout import SpatialLayout
from physlearn.checks import InputError, NotIdentified, check_array

if TYPE_CHECKING:
    from physlearn.records import PatchTable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NEAR = 0.5
"""A partner lies within this share of the distance of neighbouring patches."""
LARGEST_SHIFT = 0.25
LEAST_GAIN = 0.1
LEAST_AGREEMENT = 0.3
CLEAR = 4.0
"""Mean correlation of the maps where they agree best, and by how much it beats the centres; in
scatters of the correlation over all shifts."""


@dataclass(frozen=True, slots=True, eq=False)
class PatchPairs:
    """Which patch of the second table shows the place of which of the first.

    Attributes
    ----------
    first, second
        Rows of the pairs.
    shift
        (x, y): where a place of the first scan has its centre in the second, in their unit.
    misfit
        Mean distance of partners after the shift, in distances of neighbouring patches.
    columns
        Columns that both hold.
    warnings
        What to know.
    """

    first: Integers
    second: Integers
    shift: tuple[float, float]
    misfit: float
    columns: tuple[str, ...]
    warnings: tuple[str, ...]


def match_patches(
    first: PatchTable, second: PatchTable, shift: Sequence[float] | None = None
) -> PatchPairs:
    """Return the pairs of patches that show one place.

    Without ``shift`` it is measured from the descriptors' maps, in whole patches, and used only
    where the maps agree clearly better there than where the centres say.

    Raises
    ------
    InputError
        For tables without a common column, or of different units.
    NotIdentified
        Where fewer than 30 patches have a partner.
    """
    require_table(first)
    require_table(second)
    if first.unit != second.unit:
        raise InputError(
            f"both tables must give centres in one unit; got {first.unit} and {second.unit}."
        )
    columns = tuple(name for name in first.columns if name in second.columns)
    if not columns:
        raise InputError("both tables must hold the same columns; they share none.")
    for name in columns:
        if first.units[name] != second.units[name]:
            raise InputError(
                f"column {name!r} must have one unit in both tables, got {first.units[name]} and "
                f"{second.units[name]}."
            )
    step = _step(first.centers)
    notes: list[str] = []
    if shift is None:
        moved = _measured_shift(first, second, columns, step)
        if moved.any():
            notes.append(
                f"the second scan was taken {moved[0]:.3g}, {moved[1]:.3g} {first.unit} aside, by "
                "its maps; its patches were matched there."
            )
    else:
        moved = check_array("shift", shift, shape=(2,))
    distance, partner = cKDTree(second.centers).query(first.centers + moved)
    near = np.flatnonzero(np.asarray(distance) <= NEAR * step)
    chosen = np.asarray(partner, dtype=np.int64)[near]
    # two patches of the first may have one partner: the nearer keeps it
    order = near[np.argsort(np.asarray(distance)[near], kind="stable")]
    _, place = np.unique(np.asarray(partner)[order], return_index=True)
    rows = np.sort(order[place])
    chosen = np.asarray(partner, dtype=np.int64)[rows]
    if len(rows) < 30:
        raise NotIdentified(
            f"only {len(rows)} patches of the two tables lie within {NEAR:g} of a patch of one "
            "another; at least 30 are needed: register the images first "
            "(physlearn.datasets.align_repeat) and cut both alike."
        )
    if len(rows) < 0.9 * first.n_patches:
        notes.append(f"{len(rows)} of {first.n_patches} patches have a partner; others were left.")
    misfit = float(np.asarray(distance)[rows].mean() / step)
    if misfit > 0.1:
        notes.append(
            f"partners lie {misfit:.2f} of a patch apart: register the images before cutting them "
            "into patches (physlearn.datasets.align_repeat)."
        )
    return PatchPairs(
        rows, chosen, (float(moved[0]), float(moved[1])), misfit, columns, tuple(notes)
    )


def _step(centers: Floats) -> float:
    return float(np.median(np.asarray(cKDTree(centers).query(centers, k=2)[0])[:, 1]))


def _measured_shift(
    first: PatchTable, second: PatchTable, columns: Sequence[str], step: float
) -> Floats:
    """Return the shift of the second scan by its maps, 0 where none is clear."""
    one, two = (SpatialLayout(table.centers).cells for table in (first, second))
    if one is None or two is None or abs(_step(second.centers) / step - 1) > 1e-3:
        return np.zeros(2)
    shape = tuple(int(k) for k in np.maximum(one.max(axis=0), two.max(axis=0)) + 1)
    padded = [fft.next_fast_len(2 * k, real=True) for k in shape]
    agreement = np.zeros((padded[0], padded[1]))
    full = [_map(place, np.ones(len(place)), shape) for place in (one, two)]
    overlap = _correlated(full[0], full[1], padded)
    for name in columns:
        maps = []
        for table, place in zip((first, second), (one, two), strict=True):
            values = table.frame[name].to_numpy(dtype=np.float64)
            spread = values.std()
            if spread > 0:
                maps.append(_map(place, (values - values.mean()) / spread, shape))
        if len(maps) == 2:
            agreement += _correlated(maps[0], maps[1], padded)
    agreement /= np.maximum(overlap, 1.0) * len(columns)
    rows, lines = (np.rint(np.fft.fftfreq(n) * n).astype(int) for n in padded)
    far = (np.abs(rows)[:, None] > LARGEST_SHIFT * shape[0]) | (
        np.abs(lines)[None, :] > LARGEST_SHIFT * shape[1]
    )
    searched = np.where(far, -np.inf, agreement)
    best = np.unravel_index(int(np.argmax(searched)), searched.shape)
    # centres may have another origin in the second table: the cells are counted from each corner
    origin = second.centers.min(axis=0) - first.centers.min(axis=0)
    lag_at_rest = np.rint(-origin / step).astype(int)
    rest = agreement[lag_at_rest[1] % padded[0], lag_at_rest[0] % padded[1]]
    scatter = float(np.std(agreement[~far]))
    highest = float(searched[best])
    if highest < max(LEAST_AGREEMENT, CLEAR * scatter) or highest - rest < LEAST_GAIN:
        return np.zeros(2)
    lag = np.array([lines[best[1]], rows[best[0]]], dtype=np.float64)
    return np.asarray(lag * step + origin)


def _map(cells: Integers, values: Floats, shape: tuple[int, ...]) -> Floats:
    picture = np.zeros(shape)
    picture[cells[:, 0], cells[:, 1]] = values
    return picture


def _correlated(first: Floats, second: Floats, padded: Sequence[int]) -> Floats:
    spectrum = np.conj(fft.rfft2(first, padded)) * fft.rfft2(second, padded)
    return np.asarray(fft.irfft2(spectrum, padded))
