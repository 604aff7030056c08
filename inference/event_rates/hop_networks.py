"""Where hops can lead: along the bonds of a graph, or by the vectors of a lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.stats import chi2

from physlearn.checks import InputError, NotIdentified, check_array
from physlearn.inference.event_rates.walk_problems import Network
from physlearn.records import SiteGraph

__all__ = ["find_hop_vectors", "lattice_basis", "network_of_graph", "network_of_vectors"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SAME = 0.1
"""Two hops whose vectors differ by less than this share of their length are of one direction."""
SAME_LENGTH = 0.05
NEIGHBOURLY = 1.2
"""Vectors up to this times the longest of the basis are taken for single hops."""
FAR = 5.0
LONGEST_HOP, LARGEST_LENGTH = 1e3, 1e100
MOST_CLUSTERED = 3000
RESTS, MOST_MOVES = 0.25, 0.65
"""The shortest quarter of displacements tells the noise, if no more than so many are hops."""


def network_of_graph(graph: SiteGraph, by: str) -> Network:
    """Return the hops along the bonds of a graph, classes by shell or by direction."""
    if graph.positions is None:
        raise InputError("graph must have positions, so that sites can be told from coordinates.")
    if not len(graph.edges):
        raise InputError("graph must have bonds; it has none, so nothing can hop.")
    edges = np.repeat(graph.edges, graph.multiplicity, axis=0)
    shell = np.repeat(graph.shell, graph.multiplicity)
    ends = np.concatenate([edges, edges[:, ::-1]])
    shells = np.concatenate([shell, shell])
    way = graph.positions[ends[:, 1]] - graph.positions[ends[:, 0]]
    if graph.cell is not None:
        d = graph.cell.shape[0]
        part = way[:, :d] @ np.linalg.inv(graph.cell)
        way = way.copy()
        way[:, :d] -= np.round(part) @ graph.cell
    label, names, vectors = _classes(way, shells, by)
    order = np.argsort(ends[:, 0], kind="stable")
    first = ends[order, 0]
    place = np.arange(len(first)) - np.searchsorted(first, first)
    target = np.full((graph.n_sites, int(place.max()) + 1), -1, np.int64)
    kind = np.full_like(target, -1)
    target[first, place] = ends[order, 1]
    kind[first, place] = label[order]
    bonds = np.bincount(label, minlength=len(names)) / graph.n_sites
    rank = int(np.linalg.matrix_rank(way, tol=1e-6 * float(np.abs(way).max())))
    return Network(target, kind, names, vectors, bonds, rank)


def _classes(way: Floats, shells: Integers, by: str) -> tuple[Integers, tuple[str, ...], Floats]:
    """Return the class of each directed bond, their names, and a vector of each class."""
    if by == "shell":
        found, label = np.unique(shells, return_inverse=True)
        first = [int(np.flatnonzero(label == k)[0]) for k in range(len(found))]
        return label.astype(np.int64), tuple(f"shell {s + 1}" for s in found), way[first]
    label = np.full(len(way), -1, np.int64)
    names: list[str] = []
    vectors: list[Floats] = []
    length = np.linalg.norm(way, axis=1)
    angle = np.arctan2(way[:, min(1, way.shape[1] - 1)], way[:, 0])
    angle = np.round(np.mod(angle, 2 * np.pi) / np.pi, 6) % 2.0
    for k in np.lexsort((angle, way[:, -1], shells) if way.shape[1] > 2 else (angle, shells)):
        if label[k] >= 0:
            continue
        near = np.linalg.norm(way - way[k], axis=1) < SAME * length[k]
        same = near & (shells == shells[k]) & (label < 0)
        label[same] = len(names)
        vectors.append(way[same].mean(axis=0))
        names.append(_vector_name(vectors[-1]))
    return label, tuple(names), np.array(vectors)


def _vector_name(vector: Floats) -> str:
    size = np.linalg.norm(vector)
    shown = np.where(np.abs(vector) < 1e-3 * size, 0.0, vector)
    return " ".join(f"{x:+.3g}" if x else "0" for x in shown)


def lattice_basis(vectors: Floats) -> tuple[Floats, Integers]:
    """Return a basis (rank, d) of the lattice that hop vectors span, and their coefficients."""
    order = np.argsort(np.linalg.norm(vectors, axis=1))
    basis: list[Floats] = []
    for vector in vectors[order]:
        trial = np.array([*basis, vector])
        if np.linalg.svd(trial, compute_uv=False)[-1] > 0.2 * np.linalg.norm(vector):
            basis.append(vector)
        if len(basis) == vectors.shape[1]:
            break
    frame = np.array(basis)
    parts = vectors @ np.linalg.pinv(frame)
    whole = np.round(parts).astype(np.int64)
    if np.abs(parts - whole).max() > 0.25:
        raise InputError(
            "hop_vectors must be whole combinations of the shortest ones; give graph= for sites "
            "that do not form such a lattice."
        )
    frame = np.linalg.lstsq(whole.astype(float), vectors, rcond=None)[0]
    return frame, whole


def network_of_vectors(
    vectors: ArrayLike, by: str, radius: int
) -> tuple[Network, Floats, Integers]:
    """Return hops by lattice vectors, ``radius`` of them; also basis and sites' coordinates."""
    given = check_array("hop_vectors", vectors, ndim=2)
    shortest = np.abs(given).max(axis=1).min()
    if not shortest**2 > 0:
        raise InputError("hop_vectors must not hold a vector of length zero.")
    if np.abs(given).max() > min(LONGEST_HOP * shortest, LARGEST_LENGTH):
        raise InputError(
            f"hop_vectors must be single hops, none above {LONGEST_HOP:g} times the shortest or "
            f"{LARGEST_LENGTH:g}; got {np.abs(given).max():g} and {shortest:g}."
        )
    basis, whole = lattice_basis(given)
    whole = np.unique(np.concatenate([whole, -whole]), axis=0)
    way = whole @ basis
    length = np.linalg.norm(way, axis=1)
    order = np.lexsort((np.arctan2(way[:, -1], way[:, 0]), np.round(length / length.min(), 2)))
    whole, way, length = whole[order], way[order], length[order]
    shells = np.cumsum(np.diff(length, prepend=length[0]) > SAME_LENGTH * length)
    label, names, class_vectors = _classes(way, shells.astype(np.int64), by)
    number = {(0,) * whole.shape[1]: 0}
    rim = list(number)
    for _ in range(radius):
        fresh = []
        for node in rim:
            for hop in whole.tolist():
                goal = tuple(a + b for a, b in zip(node, hop, strict=True))
                if goal not in number:
                    number[goal] = len(number)
                    fresh.append(goal)
        rim = fresh
    coords = np.array(list(number), np.int64)
    target = np.array(
        [[number.get(tuple(goal), -2) for goal in (node + whole).tolist()] for node in coords]
    )
    kind = np.broadcast_to(label, target.shape).copy()
    bonds = np.bincount(label, minlength=len(names)).astype(np.float64)
    network = Network(target, kind, names, class_vectors, bonds, len(basis))
    return network, basis, coords


def find_hop_vectors(moves: Floats) -> Floats:
    """Return the single hops among displacements between successive frames, many of them rests.

    The shorter displacements tell the noise; longer ones are clustered, the shortest independent
    clusters are the basis, and lattice vectors hardly longer than it are single hops too.
    """
    size = np.linalg.norm(moves, axis=1)
    noise = float(np.quantile(size, RESTS) / np.sqrt(chi2.ppf(RESTS, moves.shape[1])))
    far = moves[size > FAR * max(noise, 1e-9 * float(size.max(initial=0.0)))]
    if not len(far):
        raise NotIdentified(
            "no displacement stands out from the usual one (nothing hopped, or nearly everything "
            "in every interval), so the lengths of hops are unknown; give graph= or hop_vectors=."
        )
    if len(far) > MOST_MOVES * len(moves):
        raise NotIdentified(
            "most particles move in every frame interval, so rests and hops cannot be told apart; "
            "give graph= or hop_vectors=."
        )
    if len(far) > MOST_CLUSTERED:
        far = far[:: len(far) // MOST_CLUSTERED + 1]
    reach = max(3.0 * noise, 0.05 * float(np.linalg.norm(far, axis=1).min()))
    pairs = cKDTree(far).query_pairs(reach, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(far), len(far)))
    _, group = connected_components(links, directed=False)
    counts = np.bincount(group)
    means = np.array([far[group == k].mean(axis=0) for k in range(len(counts))])
    least = max(1, round(0.01 * len(far)))
    means = means[counts >= least]
    means = means[np.argsort(np.linalg.norm(means, axis=1))]
    basis = _shortest_basis(means)
    whole = np.round(means @ np.linalg.pinv(basis)).astype(np.int64)
    fits = np.linalg.norm(means - whole @ basis, axis=1) < 0.25 * np.linalg.norm(basis[0])
    whole = np.unique(np.concatenate([whole[fits], -whole[fits]]), axis=0)
    whole = whole[np.any(whole != 0, axis=1)]
    basis = np.linalg.lstsq(np.round(means[fits] @ np.linalg.pinv(basis)), means[fits], rcond=None)[
        0
    ]
    way = whole @ basis
    longest = NEIGHBOURLY * float(np.linalg.norm(basis, axis=1).max())
    return np.asarray(way[np.linalg.norm(way, axis=1) <= longest])


def _shortest_basis(means: Floats) -> Floats:
    """Return the shortest independent vectors among ascending ones."""
    basis = [means[0]]
    for vector in means[1:]:
        trial = np.array([*basis, vector])
        least = np.linalg.svd(trial, compute_uv=False)[-1]
        if len(basis) < means.shape[1] and least > 0.3 * np.linalg.norm(means[0]):
            basis.append(vector)
    return np.array(basis)
