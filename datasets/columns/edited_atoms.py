"""What a person changed in ``atoms.csv`` goes back into the record, refitted and marked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotFound, check_array, check_positive
from physlearn.datasets.columns.given_columns import fit_given_columns
from physlearn.datasets.columns.recorded_settings import check_same_mask, recorded_options
from physlearn.records import AtomicConfiguration

__all__ = ["apply_edits", "edited_by_hand"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Report = Callable[[float, str], None]
MOST_LISTED = 200
SAME_SHARE = 0.02
"""Rows this close to an atom, in its own position errors, are that atom (rounded by a program)."""
SAME_PX = 1e-3
MOVED_SHARE = 0.5
"""An atom moved by more than this share of the distance of neighbours is another atom."""
SMALLEST_SIGNIFICANCE = 3.0
LARGEST_FLIGHT_WIDTHS = 1.0
CROWDED_WIDTHS = 2.0
LARGEST_SHIFT = 2.0


@dataclass(frozen=True, slots=True)
class _Difference:
    """Which rows of the edited table are which atoms."""

    kept: Integers
    """For each row the atom that it is, or -1 for an added one."""
    moved: NDArray[np.bool_]
    removed: Integers


def apply_edits(
    atoms: AtomicConfiguration,
    edited: pd.DataFrame | str | os.PathLike[str],
    image: xr.DataArray | ArrayLike,
    *,
    mask: ArrayLike | None = None,
    hand_error_px: float = 1.0,
    progress: Report | None = None,
) -> AtomicConfiguration:
    """Return the atoms as a person edited them: rows removed, added and moved in ``atoms.csv``.

    All columns are fitted again together, added and moved ones from where the person put them, so
    that they carry covariances like the others. Where the picture does not support one (its
    amplitude is below 3 standard deviations, or the fit leaves its place by more than a width), it
    stays where the person put it with the person's own error. What was changed is recorded, and a
    warning that the selection was made by hand goes with the record into all that is made of it.

    Parameters
    ----------
    atoms
        What ``find_atoms`` found in the picture.
    edited
        The edited CSV file, or a table with columns x and y in the atoms' unit; further columns
        are ignored, because everything is measured anew.
    image, mask
        The picture and the mask, as they were given to ``find_atoms``; its options (polarity, row
        levels, shape) and its noise are those that the atoms' metadata say.
    hand_error_px
        Standard deviation of a place pointed at by hand, in pixels.
    progress
        Called with the share done (0 to 1) and a word.

    Returns
    -------
    AtomicConfiguration
        Rows in the order of ``edited``; species must be classified anew. ``metadata``:
        ``edited_by_hand``, ``edit_added``, ``edit_moved``, ``edit_removed``, ``edit_unsupported``
        (counts), ``edit_added_rows`` and so on (rows, 0 first; removed ones as x y), and the
        file's name and SHA-256. An unedited table returns ``atoms`` itself.

    Raises
    ------
    InputError
        For a table without x and y, in another unit, with a row outside the picture or twice, and
        for another mask than that of ``find_atoms``.

    Examples
    --------
    >>> from physlearn.datasets import find_atoms, image_columns
    >>> scene = image_columns([[14.0, 20.0], [34.0, 20.0]], 200.0, (40, 48), rng=1)
    >>> atoms = find_atoms(scene.image)
    >>> one = apply_edits(atoms, atoms.to_pandas().iloc[:1], scene.image)
    >>> one.n, one.metadata["edit_removed"], apply_edits(atoms, atoms.to_pandas(), scene.image).n
    (1, 1, 2)
    """
    check_positive("hand_error_px", hand_error_px)
    check_same_mask(atoms.metadata, mask)
    places, origin = _read(edited, atoms)
    pixel = np.array(atoms.pixel_size or (1.0, 1.0))
    difference = _compare(atoms, places, pixel)
    added = difference.kept < 0
    if not (added.any() or difference.moved.any() or difference.removed.size):
        order = difference.kept
        return atoms if np.array_equal(order, np.arange(atoms.n)) else _picked(atoms, order)
    width_px = float(atoms.metadata.get("column_width_px", 0.0)) or None
    noise = str(atoms.metadata.get("noise_model", "auto"))
    start = places.copy()
    same = ~added & ~difference.moved
    start[same] = atoms.positions[difference.kept[same]]
    # light that a person calls no atom is still there: it is fitted, and left out afterwards
    aside = _apart(atoms.positions[difference.removed], places[~same], pixel, width_px)
    start = np.concatenate([start, aside])
    fitted = fit_given_columns(
        image, start, noise=noise, width=width_px, mask=mask,
        options=recorded_options(atoms.metadata), progress=progress,
    )  # fmt: skip
    fitted = _picked(fitted, np.arange(len(places)))
    fitted, unsupported = _trusted(
        fitted, start[: len(places)], added | difference.moved, hand_error_px * pixel
    )
    edited_atoms = _recorded(fitted, atoms, difference, unsupported, origin)
    return _doubted(edited_atoms, atoms, difference, same)


def edited_by_hand(atoms: AtomicConfiguration) -> bool:
    """Return whether a person added, moved or removed atoms of this record.

    Examples
    --------
    >>> edited_by_hand(AtomicConfiguration([[0.0, 0.0]]))
    False
    """
    return bool(atoms.metadata.get("edited_by_hand", False))


def _read(
    edited: pd.DataFrame | str | os.PathLike[str], atoms: AtomicConfiguration
) -> tuple[Floats, dict[str, str]]:
    """Return the table's places and what is known of its file."""
    origin: dict[str, str] = {}
    if isinstance(edited, pd.DataFrame):
        table = edited
    else:
        file = Path(edited)
        if not file.is_file():
            raise NotFound(f"no such file: {file}")
        content = file.read_bytes()
        try:
            first = content.decode("utf-8-sig").split("\n", 1)[0]
            table = pd.read_csv(file, comment="#", encoding="utf-8-sig")
        except (ValueError, UnicodeDecodeError) as error:
            said = str(error).strip()
            raise InputError(f"edited must be a CSV table; {file.name} is not: {said}.") from None
        # a spreadsheet may put quotes or commas around the line
        first = first.strip().strip('",;')
        unit = first.split(":", 1)[1].strip() if first.startswith("# unit:") else atoms.unit
        if unit != atoms.unit:
            raise InputError(
                f"edited must be in the atoms' unit, {atoms.unit}; {file.name} says {unit}."
            )
        origin = {"edit_file": file.name, "edit_sha256": hashlib.sha256(content).hexdigest()}
    missing = [name for name in ("x", "y") if name not in table]
    if missing:
        raise InputError(
            f"edited must have columns x and y; {' and '.join(missing)} missing, found "
            f"{', '.join(map(str, table.columns[:8]))}."
        )
    try:
        columns = table[["x", "y"]].to_numpy(dtype=np.float64)
    except (ValueError, TypeError):
        raise InputError("edited must hold numbers in its columns x and y.") from None
    return check_array("edited", columns, shape=(None, 2), allow_empty=True), origin


def _compare(atoms: AtomicConfiguration, places: Floats, pixel: Floats) -> _Difference:
    """Return which rows are unchanged, moved or added, and which atoms were removed."""
    _check_rows(atoms, places, pixel)
    kept = np.full(len(places), -1, dtype=np.int64)
    moved = np.zeros(len(places), dtype=np.bool_)
    if atoms.n == 0 or len(places) == 0:
        return _Difference(kept, moved, np.arange(atoms.n))
    scaled, own = places / pixel, atoms.positions / pixel
    tree = cKDTree(own)
    reach = 0.0
    if atoms.n > 1:
        reach = MOVED_SHARE * float(np.median(np.asarray(tree.query(own, k=2)[0])[:, 1]))
    pairs = cKDTree(scaled).sparse_distance_matrix(tree, max(reach, 1.0), output_type="ndarray")
    pairs = pairs[np.argsort(pairs["v"], kind="stable")]
    taken = np.zeros(atoms.n, dtype=np.bool_)
    for row, atom, _ in pairs.tolist():
        if kept[row] < 0 and not taken[atom]:
            kept[row], taken[atom] = atom, True
    mine = np.flatnonzero(kept >= 0)
    off = np.hypot(*(scaled[mine] - own[kept[mine]]).T)
    near = np.full(atoms.n, SAME_PX)
    if atoms.position_covariance is not None:
        variance = 0.5 * np.einsum("nii,i->n", atoms.position_covariance, pixel**-2.0)
        near = np.maximum(near, SAME_SHARE * np.sqrt(variance))
    moved[mine] = off > near[kept[mine]]
    return _Difference(kept, moved, np.flatnonzero(~taken))


def _check_rows(atoms: AtomicConfiguration, places: Floats, pixel: Floats) -> None:
    """Refuse rows outside the picture and rows that stand twice."""
    view = atoms.field_of_view
    if view is not None and len(places):
        low, high = np.array(view[:2]) - 0.5 * pixel, np.array(view[2:]) + 0.5 * pixel
        outside = np.flatnonzero(((places < low) | (places > high)).any(axis=1))
        if outside.size:
            x, y = places[outside[0]]
            raise InputError(
                f"edited must stay inside the picture; row {outside[0] + 1} stands at x {x:.6g}, "
                f"y {y:.6g} and {outside.size - 1} other(s) outside."
            )
    twins: Any = (
        cKDTree(places / pixel).query_pairs(SAME_PX, output_type="ndarray") if len(places) else []
    )
    if len(twins):
        first, second = np.sort(twins[0])
        raise InputError(
            f"edited must name each atom once; rows {first + 1} and {second + 1} stand in one "
            "place."
        )


def _apart(removed: Floats, edited: Floats, pixel: Floats, width_px: float | None) -> Floats:
    """Return the removed places that no edited row stands on."""
    if len(removed) == 0 or len(edited) == 0:
        return removed
    distance, _ = cKDTree(edited / pixel).query(removed / pixel)
    return np.asarray(removed[distance > CROWDED_WIDTHS * (width_px or 1.0)])


def _picked(atoms: AtomicConfiguration, order: Integers) -> AtomicConfiguration:
    """Return the same atoms in another order."""
    names = ("positions", "species", "position_covariance", "width", "intensity", "intensity_sd",
             "species_log_likelihood", "detection_probability")  # fmt: skip
    changes = {n: getattr(atoms, n)[order] for n in names if getattr(atoms, n) is not None}
    covariance = atoms.covariance
    if covariance is not None:
        size = covariance.shape[0] // max(atoms.n, 1)
        rows = (size * order[:, None] + np.arange(size)).ravel()
        covariance = covariance[rows][:, rows]
    return atoms.with_changes(**changes, covariance=covariance)


def _trusted(
    fitted: AtomicConfiguration, places: Floats, hand: NDArray[np.bool_], error: Floats
) -> tuple[AtomicConfiguration, NDArray[np.bool_]]:
    """Put atoms that the picture does not support back to where the person put them."""
    assert fitted.width is not None  # noqa: S101 -- the fit gives them
    assert fitted.intensity is not None  # noqa: S101
    assert fitted.intensity_sd is not None  # noqa: S101
    assert fitted.position_covariance is not None  # noqa: S101
    flight = np.hypot(*(fitted.positions - places).T)
    weak = np.abs(fitted.intensity) < SMALLEST_SIGNIFICANCE * fitted.intensity_sd
    view = np.array(fitted.field_of_view)
    edge = 0.5 * np.array(fitted.pixel_size)
    beyond = (fitted.positions < view[:2] - edge) | (fitted.positions > view[2:] + edge)
    outside = np.asarray(beyond.any(axis=1))
    unsupported = hand & (weak | outside | (flight > LARGEST_FLIGHT_WIDTHS * fitted.width))
    back = unsupported | outside
    if not back.any():
        return fitted, unsupported
    positions, covariance = fitted.positions.copy(), fitted.position_covariance.copy()
    positions[back] = places[back]
    covariance[unsupported] = np.diag(error**2)
    return (
        fitted.with_changes(positions=positions, position_covariance=covariance, covariance=None),
        unsupported,
    )


def _recorded(
    fitted: AtomicConfiguration,
    atoms: AtomicConfiguration,
    difference: _Difference,
    unsupported: NDArray[np.bool_],
    origin: dict[str, str],
) -> AtomicConfiguration:
    """Write what was edited into the record."""
    added, moved = np.flatnonzero(difference.kept < 0), np.flatnonzero(difference.moved)
    gone = atoms.positions[difference.removed]
    metadata = dict(atoms.metadata) | dict(fitted.metadata) | origin
    metadata |= {
        "edited_by_hand": True,
        "edit_added": len(added), "edit_moved": len(moved), "edit_removed": len(gone),
        "edit_unsupported": int(unsupported.sum()),
        "edit_added_rows": _listed(added), "edit_moved_rows": _listed(moved),
        "edit_unsupported_rows": _listed(np.flatnonzero(unsupported)),
        "edit_removed_places": "; ".join(f"{x:.6g} {y:.6g}" for x, y in gone[:MOST_LISTED]),
    }  # fmt: skip
    said = [
        f"selection by hand: a person added {len(added)}, moved {len(moved)} and removed "
        f"{len(gone)} of {atoms.n} atoms; counts, shares and tests that follow are conditional on "
        "that choice."
    ]
    if unsupported.any():
        said.append(
            f"{int(unsupported.sum())} atom(s) placed by hand are not supported by the picture and "
            "stay where the person put them, with the person's error."
        )
    return fitted.with_changes(
        row_error=atoms.row_error, thickness_columns=atoms.thickness_columns, metadata=metadata,
        warnings=tuple(dict.fromkeys((*said, *atoms.warnings, *fitted.warnings))),
    )  # fmt: skip


def _doubted(
    edited: AtomicConfiguration,
    atoms: AtomicConfiguration,
    difference: _Difference,
    same: NDArray[np.bool_],
) -> AtomicConfiguration:
    """Say when atoms that nobody touched are elsewhere after the fit."""
    if atoms.position_covariance is None or not same.any():
        return edited
    before = difference.kept[same]
    shift = edited.positions[same] - atoms.positions[before]
    sd = np.sqrt(np.einsum("nii->ni", atoms.position_covariance[before]))
    off = int((np.abs(shift) > LARGEST_SHIFT * sd).any(axis=1).sum())
    if off == 0:
        return edited
    said = (
        f"{off} atom(s) that nobody touched moved by more than {LARGEST_SHIFT:g} of their own "
        "errors when the edited columns were fitted: the picture holds light (columns cut by a "
        "mask or an edge) that these columns do not explain."
    )
    return edited.with_changes(warnings=(*edited.warnings, said))


def _listed(rows: Integers) -> str:
    """Return row numbers as one text, the first ones of many."""
    return " ".join(str(row) for row in rows[:MOST_LISTED].tolist())
