"""Triplets of sites whose three bonds are of given shells: the motifs of three-body energies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.records import SiteGraph

__all__ = ["find_triplets"]

Int = NDArray[np.int64]
Float = NDArray[np.float64]
BLOCK = 1 << 18
"""Bonds joined at a time."""
CLOSES = 1e-6
"""How far a closed triangle may miss its start, in units of its bonds."""


def find_triplets(graph: SiteGraph, motif: Sequence[int]) -> Int:
    """Return all triplets of sites that are joined by three bonds of the given shells.

    Parameters
    ----------
    graph
        Sites and bonds. In a periodic box (with positions and ``cell``) the three bond vectors
        must close in space: a loop once around the box is no triplet, and a triplet that a small
        box meets several times has as many rows, as the infinite periodic crystal has.
    motif
        Three shells, 0-based, in any order: (0, 0, 0) is the triangle of nearest neighbours,
        (0, 0, 1) on the square lattice the corner of two bonds, (0, 0, 2) there three in a row.

    Returns
    -------
    numpy.ndarray
        int64, shape (n_triplets, 3), sites ascending in each row.

    Raises
    ------
    InputError
        For a motif that is not three shells of the graph, one of which the graph has no triplet,
        or bonds that count several times on a graph without positions and cell, where the
        triplets are ambiguous.

    Examples
    --------
    >>> from physlearn.lattice_models import triangular_lattice
    >>> len(find_triplets(triangular_lattice((6, 6)), (0, 0, 0)))   # two a site
    72
    """
    shells = check_motif(motif)
    if shells[-1] >= graph.n_shells:
        raise InputError(
            f"triplets need shell {shells[-1]}, but the graph has shells 0 to "
            f"{graph.n_shells - 1}; build the graph with more shells."
        )
    first, second, shell, vector = _bond_vectors(graph, shells)
    order = np.argsort(first * graph.n_sites + second, kind="stable")
    first, second, shell, vector = first[order], second[order], shell[order], vector[order]
    keys = first * graph.n_sites + second
    start = np.searchsorted(first, np.arange(graph.n_sites + 1))
    wanted = np.array(shells)
    scale = CLOSES * max(float(np.abs(vector).max(initial=0.0)), 1e-300)
    found = [np.empty((0, 3), np.int64)]
    for begin in range(0, len(first), BLOCK):
        one = np.arange(begin, min(begin + BLOCK, len(first)))
        one, two = _join(one, start[second[one]], start[second[one] + 1])
        closing = first[one] * graph.n_sites + second[two]
        low, high = np.searchsorted(keys, closing), np.searchsorted(keys, closing, side="right")
        pair, three = _join(np.arange(len(one)), low, high)
        one, two = one[pair], two[pair]
        kinds = np.sort(np.stack([shell[one], shell[two], shell[three]], axis=1), axis=1)
        miss = np.abs(vector[one] + vector[two] - vector[three]).max(axis=1, initial=0.0)
        keep = np.all(kinds == wanted, axis=1) & (miss <= scale)
        found.append(np.stack([first[one], second[one], second[two]], axis=1)[keep])
    rows = np.concatenate(found)
    if not len(rows):
        raise InputError(
            f"triplets name the motif {shells}, but the graph has no three sites joined by bonds "
            "of these shells; check the shells, which count from 0, or whether the graph holds "
            "enough of them."
        )
    return rows[np.lexsort(rows.T[::-1])]


def check_motif(motif: Sequence[int]) -> tuple[int, int, int]:
    """Return the motif as three ascending shells."""
    given = np.asarray(motif)
    if given.shape != (3,) or given.dtype.kind not in "iu" or given.min() < 0:
        raise InputError(
            f"triplets must name each motif by three shells such as (0, 0, 0); got {motif!r}."
        )
    low, middle, high = sorted(int(shell) for shell in given)
    return low, middle, high


def motif_pairs(triplets: Any) -> list[tuple[tuple[int, int, int], Any]]:
    """Return (motif, value) pairs of a mapping, or of such pairs, each motif ascending and once."""
    given = (
        triplets.items() if isinstance(triplets, Mapping) else () if triplets is None else triplets
    )
    try:
        pairs = [(motif, value) for motif, value in given]
    except (TypeError, ValueError):
        raise InputError(
            f"triplets must map motifs to energies, such as {{(0, 0, 0): 0.1}}; got {triplets!r}."
        ) from None
    out: dict[tuple[int, int, int], Any] = {}
    for motif, value in pairs:
        shells = check_motif(motif)
        if shells in out:
            raise InputError(f"triplets must name each motif once; {shells} comes twice.")
        out[shells] = value
    return list(out.items())


def _join(rows: Int, low: Int, high: Int) -> tuple[Int, Int]:
    """Return each row beside each number of its range low ... high - 1."""
    counts = high - low
    ends = np.cumsum(counts)
    inside = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - counts, counts)
    return np.repeat(rows, counts), np.repeat(low, counts) + inside


def _bond_vectors(graph: SiteGraph, shells: tuple[int, ...]) -> tuple[Int, Int, Int, Float]:
    """Return every bond from its lower to its higher site, once for each image, with its vector.

    On a graph without positions all vectors are empty, so that every loop of three bonds closes.
    """
    ends, shell, times = np.sort(graph.edges, axis=1), graph.shell, graph.multiplicity
    if graph.positions is None or graph.cell is None:
        if np.any(times[np.isin(shell, shells)] > 1):
            raise InputError(
                "triplets are ambiguous on this graph: bonds count several times, but positions "
                "and cell, which would tell their directions, are missing."
            )
        keep = np.isin(shell, shells)
        return ends[keep, 0], ends[keep, 1], shell[keep], np.empty((int(keep.sum()), 0))
    order = np.lexsort((shell, ends[:, 1], ends[:, 0]))
    ends, shell, times = ends[order], shell[order], times[order]
    first, second = np.repeat(ends, times, axis=0).T
    kinds = np.repeat(shell, times)
    vectors = _image_vectors(graph.positions, graph.cell, graph.shell_radii, first, second)
    lengths = np.linalg.norm(vectors, axis=1)
    for kind, radius in enumerate(graph.shell_radii):
        here = kinds == kind
        if here.any() and abs(lengths[here].mean() - radius) > 0.05 * radius:
            raise InputError(
                f"triplets need the direction of every bond, but the shortest distances of bonds "
                f"of shell {kind} average {lengths[here].mean():.4g} where shell_radii says "
                f"{radius:.4g}; keep all shells below it in the graph."
            )
    keep = np.isin(kinds, shells)
    return first[keep], second[keep], kinds[keep], vectors[keep]


def _image_vectors(
    positions: Float, cell: Float, radii: tuple[float, ...], first: Int, second: Int
) -> Float:
    """Return the vectors of bonds that are sorted by pair and shell.

    The k-th bond of a pair goes to the k-th nearest image: shells ascend with distance.
    """
    n_bonds = len(first)
    if not n_bonds:
        return np.empty((0, positions.shape[1]))
    fraction = np.linalg.solve(cell.T, (positions[second] - positions[first]).T).T
    nearest = (fraction - np.round(fraction)) @ cell
    far = float(np.linalg.norm(cell, axis=1).sum())
    longest = 1.5 * max(radii, default=far) + np.linalg.norm(nearest, axis=1).max()
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    reach = np.ceil(longest / heights).astype(int)
    shifts = np.array(list(product(*[range(-r, r + 1) for r in reach])), np.float64) @ cell
    fresh = np.ones(n_bonds, bool)
    fresh[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    rank = np.arange(n_bonds) - np.maximum.accumulate(np.where(fresh, np.arange(n_bonds), 0))
    out = np.empty_like(nearest)
    block = max(1, BLOCK // len(shifts))
    for begin in range(0, n_bonds, block):
        images = nearest[begin : begin + block, None, :] + shifts[None]
        # argsort sees the same numbers for all bonds of a pair, so that ranks take each image once
        order = np.argsort(np.linalg.norm(images, axis=2), axis=1, kind="stable")
        row = np.arange(len(images))
        out[begin : begin + block] = images[row, order[row, rank[begin : begin + block]]]
    return out
