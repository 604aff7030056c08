"""Shares of rings of unusual size in patches; their errors by redrawing the network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.checks import NotIdentified
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.atom_column import AtomColumn
from physlearn.datasets.patches.atom_errors import AtomErrors
from physlearn.datasets.patches.point_sets import point_set
from physlearn.datasets.structure.bond_search import half_edges
from physlearn.datasets.structure.find_rings import Rings, find_rings

__all__ = ["ring_columns"]

Floats = NDArray[np.float64]

N_REDRAWS = 32
SAFE_SD = 5.0
"""Pairs further than this many standard deviations from the bond cut never change sides."""
WIDEST = 1.3


def ring_columns(
    rings: Rings, places: PatchPlaces, errors: AtomErrors, notes: list[str]
) -> list[AtomColumn]:
    """Return the share of each ring size but the commonest, and the rings per area."""
    notes.extend(rings.warnings)
    if not rings.n:
        notes.append("the bonds close no ring: ring counts are left out of the patches.")
        return []
    sizes = [int(size) for size in np.unique(rings.sizes) if size != rings.normal_size]
    if not sizes:
        notes.append(f"all rings have {rings.normal_size} atoms: ring counts do not vary.")
        return []
    values = _shares(rings, sizes, places)
    covariance = np.zeros((places.n, len(sizes), len(sizes)))
    if _may_change(rings, errors):
        covariance = _redrawn(rings, sizes, places, errors)
        notes.append(
            "the errors of ring shares come from redrawn networks, each atom moved on its own: "
            "their correlation with the other columns' errors is not known and was taken as 0."
        )
    columns = []
    for k, size in enumerate(sizes):
        shared = {f"ring_share_{sizes[m]}": covariance[:, k, m] for m in range(k)}
        columns.append(
            AtomColumn(
                f"ring_share_{size}", values[:, k], 1, own=covariance[:, k, k], shared=shared,
                needs=frozenset({"position"}),
            )
        )  # fmt: skip
    return columns


def _shares(rings: Rings, sizes: list[int], places: PatchPlaces) -> Floats:
    """Return the share (n_patches, n_sizes) of each size among the rings centred in a patch."""
    points = point_set(places, rings.centers()[0], None)
    found = [points.means((rings.sizes == size).astype(np.float64)) for size in sizes]
    return np.stack(found, axis=1)


def _may_change(rings: Rings, errors: AtomErrors) -> bool:
    """Return whether position errors may make or break a bond."""
    if "position" not in errors.known:
        return False
    atoms = rings.atoms
    order, starts, targets, steps = half_edges(
        atoms.positions, atoms.cell, WIDEST * rings.longest_bond
    )
    first = order[np.repeat(np.arange(atoms.n), np.diff(starts))]
    length = np.hypot(steps[:, 0], steps[:, 1])
    row = np.repeat(np.arange(len(first)), 4)
    column = np.stack(
        [2 * first, 2 * first + 1, 2 * order[targets], 2 * order[targets] + 1], axis=1
    )
    along = steps / length[:, None]
    slope = sparse.csr_array(
        (np.concatenate([-along, along], axis=1).ravel(), (row, column.ravel())),
        shape=(len(first), errors.size),
    )
    sd = np.sqrt(errors.variances(slope))
    return bool(np.any(np.abs(length - rings.longest_bond) < SAFE_SD * sd))


def _redrawn(rings: Rings, sizes: list[int], places: PatchPlaces, errors: AtomErrors) -> Floats:
    """Return the covariance of the shares over networks with every atom moved by its error."""
    atoms = rings.atoms
    n = atoms.n
    blocks = errors.errors.blocks(errors.of_positions(sparse.csr_array(sparse.eye_array(2 * n))), 2)
    values, vectors = np.linalg.eigh(blocks)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    rng = np.random.default_rng(0)  # the error's own sampling: the same for the same input
    draws = []
    for _ in range(N_REDRAWS):
        kick = np.einsum("nij,nj->ni", root, rng.normal(size=(n, 2)))
        moved = atoms.with_changes(positions=atoms.positions + kick)
        try:
            again = find_rings(moved, bond_length=rings.longest_bond)
        except NotIdentified:
            continue
        draws.append(np.nan_to_num(_shares(again, sizes, places)))
    if len(draws) < 2:
        return np.zeros((places.n, len(sizes), len(sizes)))
    change = np.array(draws) - np.mean(draws, axis=0)
    return np.asarray(np.einsum("dpi,dpj->pij", change, change) / (len(draws) - 1))
