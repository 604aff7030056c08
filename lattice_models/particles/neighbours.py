"""Every pair of particles that are close to each other, in a box or in open space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_positive
from physlearn.lattice_models.particles import neighbour_kernels as kernels
from physlearn.lattice_models.particles.interaction import read_particles
from physlearn.records import AtomicConfiguration

__all__ = ["neighbour_pairs"]


def neighbour_pairs(
    positions: Any, cutoff: float, cell: ArrayLike | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """List every pair of particles closer than ``cutoff``, once, in O(n) time.

    Parameters
    ----------
    positions
        Shape (n, 2) or (n, 3), or an ``AtomicConfiguration`` (its own cell is used).
    cutoff
        Distance, at most half the shortest box length: each pair then has one nearest image.
    cell
        Shape (d, d), periods on its diagonal, or the d box lengths; None: open.

    Returns
    -------
    pairs, displacement
        int64, shape (m, 2), i < j, sorted; float64, shape (m, d): from i to the image of j.

    Raises
    ------
    InputError
        For wrong shapes, NaN, a cell that is not rectangular, or a cutoff beyond half the box.

    Examples
    --------
    >>> pairs, displacement = neighbour_pairs([[0.1, 0.5], [0.9, 0.5]], 0.3, np.eye(2))
    >>> pairs.tolist(), displacement.round(6).tolist()
    ([[0, 1]], [[-0.2, 0.0]])
    """
    if cell is not None and not isinstance(positions, AtomicConfiguration):
        array = check_array("positions", positions, ndim=2)
        lengths = check_array("cell", cell)
        matrix = np.diag(lengths) if lengths.ndim == 1 else lengths
        positions = AtomicConfiguration(array, unit="reduced", cell=matrix)
    particles = read_particles(positions, "positions")
    cutoff = check_positive("cutoff", cutoff)
    box = particles.box_3
    if particles.box is not None and cutoff > 0.5 * particles.box.min():
        raise InputError(
            f"cutoff must not exceed half the shortest box length, {0.5 * particles.box.min():g}; "
            f"got {cutoff:g}."
        )
    n, d = particles.positions.shape
    places = np.zeros((n, 3))
    places[:, :d] = particles.positions
    if particles.box is not None:
        places[:, :d] -= np.floor(places[:, :d] / particles.box) * particles.box
    raw = _raw_pairs(places, box, cutoff)
    order = np.lexsort((raw[:, 1], raw[:, 0]))
    pairs = raw[order]
    displacement = (places[pairs[:, 1]] - places[pairs[:, 0]])[:, :d]
    if particles.box is not None:
        displacement -= np.round(displacement / particles.box) * particles.box
    return pairs, displacement


def _raw_pairs(places: NDArray[np.float64], box: NDArray[np.float64], cutoff: float) -> Any:
    """Pairs (m, 2), i < j, in any order, of places (n, 3) that lie inside the box."""
    n = len(places)
    n_groups = -(-n // kernels.GROUP)
    n_slots = n_groups * kernels.GROUP
    n_rows = n_slots + 27 * n + 1  # one for every possible ghost, and the filler behind them
    points = np.full((n_rows if box.any() else n_slots + 1, 4), kernels.FAR)
    points[:n, :3] = places
    names = np.zeros((n, 5), dtype=np.int64)
    names[:, 0] = np.arange(n)
    grid, frame = np.zeros(6, dtype=np.int64), np.zeros(6)
    start = np.zeros(8 * n + 66, dtype=np.int64)
    kernels.sort_particles(
        points, np.zeros((n_slots, 8)), names, box, cutoff, grid, frame, start, np.empty((n, 17))
    )
    group_start = np.zeros(n_groups + 1, dtype=np.int64)
    entries, ghosts = np.zeros(64 * n_groups, dtype=np.int32), np.zeros((2 * n, 2), dtype=np.int32)
    ghost_of = np.empty((27 if box.any() else 1, n), dtype=np.int32)
    while True:
        n_entries, n_ghosts = kernels.list_neighbours(
            points, n, box, cutoff, grid, frame, start, group_start, entries, ghosts, ghost_of,
            np.zeros(64),
        )  # fmt: skip
        if n_entries <= len(entries) and n_ghosts <= len(ghosts):
            break
        entries = np.zeros(max(n_entries, len(entries)), dtype=np.int32)
        ghosts = np.zeros((max(n_ghosts, len(ghosts)), 2), dtype=np.int32)
    shift = ghosts[:n_ghosts, 1].astype(np.int64)
    turns = np.stack([shift // 9 - 1, shift // 3 % 3 - 1, shift % 3 - 1], axis=1)
    # source slot and place of every point; the filler behind the slots and ghosts is dropped
    source = np.concatenate([np.arange(n_slots), ghosts[:n_ghosts, 0]])
    where = np.concatenate([points[:n_slots, :3], points[ghosts[:n_ghosts, 0], :3] + turns * box])
    found = []
    for group in range(n_groups):
        listed = entries[group_start[group] : group_start[group + 1]]
        listed = listed[listed < n_slots + n_ghosts]
        own = np.arange(group * kernels.GROUP, min((group + 1) * kernels.GROUP, n))
        square = ((where[own, None] - where[None, listed]) ** 2).sum(axis=2)
        one, two = np.nonzero((square < cutoff * cutoff) & (own[:, None] < source[listed]))
        found.append(names[np.stack([own[one], source[listed[two]]], axis=1), 0])
    return np.sort(np.concatenate(found), axis=1)
