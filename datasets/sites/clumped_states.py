"""Whether the rarer state of a lattice lies in one place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising
from physlearn.lattice_models.simulate import simulate_lattice
from physlearn.records import SiteGraph

__all__ = ["clump_warning", "largest_clump"]

RAREST = 0.05
"""Up to this share of the sites, groups that touch by chance stay small."""
SMALLEST_CLUMP = 5
BATCHES = (20, 80, 400)
"""Patterns simulated, in turn: one with as large a group ends the search."""
SWEEPS_BETWEEN = 20
BURN_IN = 200
CHANCE_PATTERNS = 500
BY_CHANCE = 0.01
"""A group is held to be no chance below this share of patterns without attraction."""
REST_BY_CHANCE = 0.05


def largest_clump(rare: ArrayLike, graph: SiteGraph) -> int:
    """Return the size of the largest group of rare sites that touch (nearest neighbours).

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> rare = np.isin(np.arange(144), [0, 5, 40, 77, 78, 89, 90, 91, 102, 130])
    >>> largest_clump(rare, square_lattice((12, 12)))
    6
    """
    groups = _groups(np.flatnonzero(rare), graph)
    return int(np.bincount(groups).max()) if len(groups) else 0


def _bonds(sites: NDArray[np.int64], graph: SiteGraph) -> NDArray[np.int64]:
    """Return the nearest-neighbour bonds among the sites, (n_bonds, 2), by their place in them."""
    number = np.full(graph.n_sites, -1)
    number[sites] = np.arange(len(sites))
    first, second = number[graph.edges[graph.shell == 0].T]
    kept = (first >= 0) & (second >= 0)
    return np.stack([first[kept], second[kept]], axis=1)


def _groups(sites: NDArray[np.int64], graph: SiteGraph) -> NDArray[np.int64]:
    """Return the number of the group of touching sites that each site is in."""
    if not len(sites):
        return np.empty(0, dtype=np.int64)
    bonds = _bonds(sites, graph)
    links = sparse.coo_array((np.ones(len(bonds)), bonds.T), shape=(len(sites),) * 2)
    return np.asarray(connected_components(links, directed=False)[1])


def clump_warning(states: NDArray[np.int8], names: tuple[str, str], graph: SiteGraph) -> str | None:
    """Return what to say where the rarer state lies in one place, else None.

    A pattern that is alike everywhere can hold large groups too, where like neighbours attract.
    The group is therefore held against 500 patterns of as many rare sites on the same graph at the
    attraction between nearest neighbours at which the states begin to separate (the critical
    coupling, tanh K = tan(pi / 2z) of z neighbours): a weaker one makes smaller groups. Where one
    of them has a group as large, both readings are named if the other rare sites show no
    attraction, and nothing is said if they do.
    """
    rarer = -1 if (states == -1).sum() <= (states == 1).sum() else 1
    rare = states == rarer
    n = int(rare.sum())
    size = largest_clump(rare, graph) if 0 < n <= RAREST * len(states) else 0
    if size < SMALLEST_CLUMP:
        return None
    found = f"{size} of the {n} {names[0 if rarer == -1 else 1]} sites touch in one place"
    if _as_large_by_attraction(size, n, graph):
        if not _one_group_alone(np.flatnonzero(rare), graph):
            return None
        return (
            f"{found}, and the others lie as chance would have them: attraction can do that, and "
            "so can one damaged, dirty or misfitted patch. The coupling of neighbours rests on "
            "this group: look at the place before believing it."
        )
    return (
        f"{found}, more than "
        "attraction up to the onset of separation explains: a damaged, dirty or misfitted patch, "
        "or states that separate. Couplings fitted to these sites may describe that place alone."
    )


def _as_large_by_attraction(size: int, n_rare: int, graph: SiteGraph) -> bool:
    """Return whether one of the patterns at the critical coupling has a group of this size."""
    neighbours = int(np.bincount(graph.edges[graph.shell == 0].ravel()).max())
    if neighbours < 3:
        return True
    # exact for the honeycomb, square and triangular lattices
    critical = float(np.arctanh(np.tan(np.pi / (2 * neighbours))))
    model = Ising(np.array([critical]))
    rng = np.random.default_rng(0)
    start = np.ones(graph.n_sites, dtype=np.int8)
    start[rng.choice(graph.n_sites, n_rare, replace=False)] = -1
    burn_in = BURN_IN
    for n_patterns in BATCHES:
        patterns = simulate_lattice(
            model, graph, n_patterns, SWEEPS_BETWEEN, method="kawasaki", burn_in=burn_in,
            start=start, rng=rng,
        ).states  # fmt: skip
        if any(largest_clump(one == -1, graph) >= size for one in patterns):
            return True
        start, burn_in = patterns[-1], SWEEPS_BETWEEN
    return False


def _one_group_alone(sites: NDArray[np.int64], graph: SiteGraph) -> bool:
    """Return whether the largest group is no chance while the other sites touch as by chance."""
    rng = np.random.default_rng(0)
    groups = _groups(sites, graph)
    sizes = np.bincount(groups)
    rest = sites[groups != sizes.argmax()]
    members = sites[groups == sizes.argmax()]
    near = graph.edges[(graph.shell == 0) & np.isin(graph.edges, members).any(axis=1)]
    free = np.setdiff1d(np.arange(graph.n_sites), near)
    touching, as_many, patterns = len(_bonds(rest, graph)), 0, []
    for _ in range(CHANCE_PATTERNS):
        patterns.append(rng.choice(graph.n_sites, len(sites), replace=False))
        others = rng.choice(free, min(len(rest), len(free)), replace=False)
        as_many += len(_bonds(others, graph)) >= touching
    if as_many < REST_BY_CHANCE * CHANCE_PATTERNS:  # groups take longer to find than bonds
        return False
    as_large = sum(np.bincount(_groups(drawn, graph)).max() >= sizes.max() for drawn in patterns)
    return bool(as_large < BY_CHANCE * CHANCE_PATTERNS)
