"""Colourings of a lattice in two colours that repeat after two cells: stripes, checkerboards."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from physlearn.records import SiteGraph

__all__ = ["two_colourings"]

Float = NDArray[np.float64]
LONGEST = 1.3
"""Bond lengths over the median beyond which a bond wraps around and has no own direction."""
ALIKE = 0.9
"""Cosine of two bonds above which they count as parallel (the closest of any lattice: 1/2)."""
MOST_DIRECTIONS = 6
MOST_BROKEN = 0.15
"""Share of bonds that a colouring may break: one seam around a torus of an odd number of cells."""


def two_colourings(graph: SiteGraph) -> NDArray[np.bool_]:
    """Return the colourings in which each direction of nearest bonds keeps or changes the colour.

    Two stripes and the checkerboard of a square lattice, three stripes of a triangular one, and so
    on. Without positions all bonds count as one direction.

    Parameters
    ----------
    graph
        Sites and bonds; the first shell counts.

    Returns
    -------
    ndarray
        bool, shape (n, n_sites); none of them is of one colour.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> two_colourings(square_lattice((4, 4)))[:, :4].astype(int).tolist()
    [[0, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 1]]
    """
    ends = graph.edges[graph.shell == 0]
    ends, kind = _directions(graph, ends)
    if not len(ends):
        return np.zeros((0, graph.n_sites), bool)
    turns = _turns_to_root(graph.n_sites, ends, kind)
    found = []
    for flips in product((0, 1), repeat=int(kind.max()) + 1):
        colour = (turns @ np.array(flips)) % 2
        broken = (colour[ends[:, 0]] ^ colour[ends[:, 1]]) != np.array(flips)[kind]
        if any(flips) and broken.mean() <= MOST_BROKEN:
            found.append(colour.astype(bool))
    return np.array(found, bool).reshape(-1, graph.n_sites)


def _directions(
    graph: SiteGraph, ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bonds that have a direction, (n, 2), and which one of them, (n,)."""
    one = np.zeros(len(ends), np.int64)
    if graph.positions is None or not len(ends):
        return ends, one
    step = graph.positions[ends[:, 1]] - graph.positions[ends[:, 0]]
    if graph.cell is not None:
        step = step - np.round(step @ np.linalg.inv(graph.cell)) @ graph.cell
    length = np.linalg.norm(step, axis=1)
    usual = (length > 0) & (length < LONGEST * np.median(length))
    unit, ends = step[usual] / length[usual][:, None], ends[usual]
    kind = np.full(len(unit), -1)
    for number in range(MOST_DIRECTIONS):
        left = np.flatnonzero(kind < 0)
        if not len(left):
            return ends, kind
        kind[left[np.abs(unit[left] @ unit[left[0]]) > ALIKE]] = number
    return (ends, kind) if np.all(kind >= 0) else (ends, np.zeros(len(ends), np.int64))


def _turns_to_root(
    n_sites: int, ends: NDArray[np.int64], kind: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how often (odd or even) each direction is passed on a way to each site, (n, k)."""
    ways = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (n_sites, n_sites)).tocsr()
    turns = np.zeros((n_sites, int(kind.max()) + 1), np.int64)
    of_bond = dict(zip(map(tuple, np.sort(ends, axis=1).tolist()), kind.tolist(), strict=True))
    _, part = connected_components(ways, directed=False)
    for root in np.unique(part, return_index=True)[1]:
        order, before = breadth_first_order(ways, root, directed=False)
        for site in order[1:].tolist():
            last = int(before[site])
            turns[site] = turns[last]
            turns[site, of_bond[min(last, site), max(last, site)]] ^= 1
    return turns
