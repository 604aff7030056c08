"""Which bonds every site of a crystal has: sites on cells and sublattices, from a graph alone.

Bonds of a crystal come in few vectors. Sites whose bonds leave along the same vectors are one
sublattice; sums of vectors that lead from a sublattice back to it are the translations.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError
from physlearn.records import SiteGraph

__all__ = ["CrystalStars", "crystal_stars"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
NEAR = 0.25
"""Vectors are one and the same within this share of the shortest bond."""
USUAL = 0.2
"""Share of the sites that must have a vector for it to belong to the crystal."""
MOST_MISFITS = 0.02
WHOLE = 0.2
ADVICE = "where all labels are certain, margin='rim' conditions on the rim instead"


class CrystalStars(NamedTuple):
    """The sites of a graph in a crystal.

    ``cell`` (n_sites, dim) and ``kind`` (n_sites,), the sublattice, say where each site stands;
    ``basis`` (dim, dim) and ``motif`` (n_kinds, dim) where that is: cell @ basis + motif[kind] +
    ``origin``. Steps ``first``, ``second`` (kinds), ``step`` (n, dim) and ``shell`` are the bonds
    that leave a site, each bond from both ends.
    """

    cell: Int
    kind: Int
    basis: Float
    motif: Float
    origin: Float
    first: Int
    second: Int
    step: Int
    shell: Int

    def positions(self, cell: Int, kind: Int) -> Float:
        """Return where sites stand."""
        return np.asarray(cell @ self.basis + self.motif[kind] + self.origin)


def crystal_stars(graph: SiteGraph) -> CrystalStars:
    """Return cells, sublattices and bonds of a crystal, or of a part of one of any shape.

    Parameters
    ----------
    graph
        With positions; open. Sites may be missing inside and at the rim; nearest neighbours
        connect all that are there.

    Raises
    ------
    InputError
        Without positions, for a graph in several pieces, or where bonds are not those of a crystal.

    Examples
    --------
    >>> from physlearn.lattice_models import honeycomb_lattice
    >>> stars = crystal_stars(honeycomb_lattice((5, 5), n_shells=2, periodic=False))
    >>> len(stars.motif), np.bincount(stars.shell[stars.first == 0]).tolist()
    (2, [3, 6])
    """
    if graph.positions is None:
        raise InputError(f"snapshots must have positions for a latent margin; {ADVICE}.")
    points = np.asarray(graph.positions)
    ends = np.concatenate([graph.edges, graph.edges[:, ::-1]])
    shells = np.concatenate([graph.shell, graph.shell])
    vectors = points[ends[:, 1]] - points[ends[:, 0]]
    label, centers, of_shell = _cluster(vectors, shells)
    kind = _sublattices(graph.n_sites, ends, label, of_shell)
    table = _vector_table(kind, ends, label, len(centers))
    basis, motif, steps = _translations(table, centers)
    cell = _walk(graph.n_sites, ends, label, kind, table, steps)
    first, vector = np.nonzero(table >= 0)
    origin = (points - cell @ basis - motif[kind]).mean(axis=0)
    return CrystalStars(
        cell, kind, basis, motif, origin, first, table[first, vector], steps[first, vector],
        of_shell[vector],
    )  # fmt: skip


def _cluster(vectors: Float, shells: Int) -> tuple[Int, Float, Int]:
    """Return each vector's number, and every number's mean vector and shell."""
    label = np.full(len(vectors), -1)
    nearest = shells == shells.min()
    reach = NEAR * float(np.median(np.linalg.norm(vectors[nearest], axis=1)))
    centers: list[Float] = []
    of_shell: list[int] = []
    for shell in np.unique(shells):
        here = np.flatnonzero(shells == shell)
        tree = cKDTree(vectors[here])
        left = np.ones(len(here), bool)
        while left.any():
            center = vectors[here][np.flatnonzero(left)[0]]
            for _ in range(3):
                near = np.array(tree.query_ball_point(center, reach), np.int64)
                near = near[left[near]]
                if not len(near):
                    break
                center = vectors[here][near].mean(axis=0)
            near = near if len(near) else np.flatnonzero(left)[:1]
            left[near] = False
            label[here[near]] = len(centers)
            centers.append(vectors[here[near]].mean(axis=0))
            of_shell.append(int(shell))
    return label, np.array(centers), np.array(of_shell)


def _sublattices(n_sites: int, ends: Int, label: Int, of_shell: Int) -> Int:
    """Return the sublattice of each site: usual sets of nearest bonds, carried on to the rim."""
    nearest = np.flatnonzero(of_shell == of_shell.min())
    has = np.zeros((n_sites, len(of_shell)), bool)
    has[ends[:, 0], label] = True
    has = has[:, nearest]
    patterns, pattern, counts = np.unique(has, axis=0, return_inverse=True, return_counts=True)
    size = patterns.sum(axis=1)
    # whole stars: usual sets that no other usual set contains
    usual = np.flatnonzero(counts >= max(2, 0.02 * n_sites))
    whole = [
        one for one in usual
        if not any(size[other] > size[one] and np.all(patterns[other] >= patterns[one])
                   for other in usual)
    ]  # fmt: skip
    if not whole:
        raise InputError(f"snapshots must show a crystal for a latent margin; {ADVICE}.")
    # a rim shows usual parts of stars, too: a star is contained in no other and has most bonds
    whole = [one for one in whole if size[one] == size[whole].max()]
    kind = np.full(n_sites, -1)
    for number, one in enumerate(whole):
        kind[pattern.ravel() == one] = number
    step_to = _vector_table(kind, ends, label, len(of_shell))
    bonds = np.isin(label, nearest)
    while True:
        source, target = ends[bonds, 0], ends[bonds, 1]
        ready = (kind[source] >= 0) & (kind[target] < 0)
        told = step_to[kind[source], label[bonds]]
        ready &= told >= 0
        if not ready.any():
            break
        kind[target[ready]] = told[ready]
        step_to = _vector_table(kind, ends, label, len(of_shell))
    if np.any(kind < 0):
        raise InputError(
            f"snapshots must show one crystal, connected by nearest neighbours, for a latent "
            f"margin; {int((kind < 0).sum())} of {n_sites} sites do not fit; {ADVICE}."
        )
    return kind


def _vector_table(kind: Int, ends: Int, label: Int, n_vectors: int) -> Int:
    """Return to which sublattice a vector leads from each, (n_kinds, n_vectors), or -1."""
    n_kinds = int(kind.max()) + 1
    known = (kind[ends[:, 0]] >= 0) & (kind[ends[:, 1]] >= 0)
    counts = np.zeros((n_kinds, n_vectors, n_kinds))
    np.add.at(counts, (kind[ends[known, 0]], label[known], kind[ends[known, 1]]), 1)
    sites = np.bincount(kind[kind >= 0], minlength=n_kinds)
    usual = counts.max(axis=2) >= USUAL * sites[:, None]
    return np.where(usual, counts.argmax(axis=2), -1)


def _translations(table: Int, centers: Float) -> tuple[Float, Float, Int]:
    """Return basis, motif and the whole steps of cells, (n_kinds, n_vectors, dim)."""
    n_kinds, dim = len(table), centers.shape[1]
    motif, reached, queue = np.zeros((n_kinds, dim)), {0}, [0]
    while queue:
        here = queue.pop()
        for way in np.flatnonzero(table[here] >= 0):
            other = int(table[here, way])
            if other not in reached:
                reached.add(other)
                queue.append(other)
                motif[other] = motif[here] + centers[way]
    first, vector = np.nonzero(table >= 0)
    moves = centers[vector] + motif[first] - motif[table[first, vector]]
    length = np.linalg.norm(moves, axis=1)
    shortest = length[length > 0.3 * np.linalg.norm(centers, axis=1).min()].min()
    candidates = moves[(length > 0.5 * shortest) & (length < 3.1 * shortest)]
    basis = _basis(candidates, shortest, dim)
    fraction = moves @ np.linalg.inv(basis)
    whole = np.round(fraction)
    if np.abs(fraction - whole).max() > WHOLE:
        raise InputError(f"snapshots must show a crystal for a latent margin; {ADVICE}.")
    # all moves together give the most accurate basis
    basis = np.asarray(np.linalg.lstsq(whole, moves, rcond=None)[0], np.float64)
    steps = np.zeros((*table.shape, dim), np.int64)
    steps[first, vector] = whole
    return basis, motif, steps


def _basis(moves: Float, shortest: float, dim: int) -> Float:
    """Return ``dim`` of the moves that span the smallest cell."""
    order = np.argsort(np.linalg.norm(moves, axis=1))
    distinct: list[Float] = []
    for move in moves[order]:
        if all(min(np.linalg.norm(move - m), np.linalg.norm(move + m)) > NEAR * shortest
               for m in distinct):  # fmt: skip
            distinct.append(move)
    best, size = None, np.inf
    for chosen in combinations(distinct[:10], dim):
        volume = abs(float(np.linalg.det(np.array(chosen))))
        if 0.1 * shortest**dim < volume < 0.95 * size:
            best, size = np.array(chosen), volume
    if best is None:
        raise InputError(f"snapshots must show a crystal for a latent margin; {ADVICE}.")
    return best


def _walk(n_sites: int, ends: Int, label: Int, kind: Int, table: Int, steps: Int) -> Int:
    """Return the cell of each site, by steps from site to site, checked on all bonds."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order

    good = table[kind[ends[:, 0]], label] == kind[ends[:, 1]]
    move = steps[kind[ends[:, 0]], label]
    numbers = csr_matrix(
        (np.flatnonzero(good) + 1, (ends[good, 0], ends[good, 1])), shape=(n_sites, n_sites)
    )
    order, before = breadth_first_order(numbers, 0, directed=True)
    if len(order) < n_sites:
        raise InputError(
            f"snapshots must show one connected crystal for a latent margin; "
            f"{n_sites - len(order)} sites are apart from the others; {ADVICE}."
        )
    cell = np.zeros((n_sites, steps.shape[-1]), np.int64)
    bond = np.asarray(numbers[before[order[1:]], order[1:]]).ravel() - 1
    for site, parent, number in zip(order[1:], before[order[1:]], bond, strict=True):
        cell[site] = cell[parent] + move[number]
    wrong = ~good | np.any(cell[ends[:, 1]] - cell[ends[:, 0]] != move, axis=1)
    place = np.column_stack([cell, kind])
    if wrong.mean() > MOST_MISFITS or len(np.unique(place, axis=0)) < n_sites:
        raise InputError(
            f"snapshots must show one crystal without defects but vacancies for a latent margin; "
            f"{wrong.mean():.0%} of the bonds do not fit; {ADVICE}."
        )
    return cell
