"""Site graphs of measured positions, of any graph of networkx, and of parts of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.lattice_models.graphs.regular_lattices import (
    merge_bonds,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.graphs.site_rows import site_rows
from physlearn.records import SiteGraph

if TYPE_CHECKING:
    import networkx as nx

__all__ = [
    "BondTable",
    "bond_table",
    "keep_sites",
    "remove_sites",
    "site_graph_from_networkx",
    "site_graph_from_positions",
    "square_lattice",
    "triangular_lattice",
]


class BondTable(NamedTuple):
    """Neighbours of every site in compressed rows: entries ``start[i]:start[i + 1]`` are site i's.

    ``neighbour`` int32, ``shell`` int32, ``times`` int32 (multiplicity) and ``edge`` int32 (the
    bond's row in ``graph.edges``) have one entry for each end of each bond.
    """

    start: NDArray[np.int64]
    neighbour: NDArray[np.int32]
    shell: NDArray[np.int32]
    times: NDArray[np.int32]
    edge: NDArray[np.int32]


def bond_table(graph: SiteGraph, n_shells: int | None = None) -> BondTable:
    """Return the neighbours of every site, for kernels.

    Parameters
    ----------
    graph
        Sites and bonds.
    n_shells
        Keep the bonds of the first shells only; None keeps all.

    Examples
    --------
    >>> bond_table(square_lattice((4, 4))).start[:3].tolist()
    [0, 4, 8]
    """
    edges = graph.edges
    if n_shells is None or n_shells >= graph.n_shells:
        start, neighbour, edge = site_rows(edges, graph.n_sites)
    else:
        keep = np.flatnonzero(graph.shell < n_shells).astype(np.int32)
        start, neighbour, edge = site_rows(edges[keep], graph.n_sites)
        edge = keep[edge]
    shell, count = (one.astype(np.int32)[edge] for one in (graph.shell, graph.multiplicity))
    return BondTable(start, neighbour, shell, count, edge)


def site_graph_from_positions(
    positions: ArrayLike,
    shell_radii: Sequence[float],
    cell: ArrayLike | None = None,
    unit: str = "pixel",
) -> SiteGraph:
    """Return the graph of sites at measured or ideal positions.

    Parameters
    ----------
    positions
        Shape (n_sites, d) in ``unit``. Vacancies are simply absent: they have no row.
    shell_radii
        Upper bound of the bond length of each shell, ascending: shell k holds pairs with
        ``shell_radii[k - 1] < distance <= shell_radii[k]``. Put the bounds into the gaps between
        shells.
    cell
        Rows are the periods of a periodic box, shape (d, d); None for an open one.
    unit
        Unit of positions and radii.

    Raises
    ------
    InputError
        For radii that do not ascend, sites on top of each other, or a box so small that a site is
        its own neighbour.

    Examples
    --------
    >>> graph = site_graph_from_positions([[0, 0], [1, 0], [0, 1], [1, 1]], [1.2, 1.6])
    >>> np.bincount(graph.shell).tolist()
    [4, 2]
    """
    from scipy.spatial import cKDTree

    points = check_array("positions", positions, ndim=2)
    radii = check_array("shell_radii", shell_radii, ndim=1, minimum=0.0)
    if np.any(np.diff(radii, prepend=0.0) <= 0):
        raise InputError(f"shell_radii must be positive and ascend; got {radii.tolist()}.")
    dimension = points.shape[1]
    periods = None if cell is None else check_array("cell", cell, shape=(dimension, dimension))
    shifts = np.zeros((1, dimension))
    if periods is not None:
        if abs(np.linalg.det(periods)) < 1e-12:
            raise InputError("cell must have periods that span the space; they are dependent.")
        fraction = np.linalg.solve(periods.T, points.T).T
        points_inside = (fraction - np.floor(fraction)) @ periods
        heights = 1.0 / np.linalg.norm(np.linalg.inv(periods), axis=0)
        reach = np.ceil(radii[-1] / heights).astype(int)
        shifts = np.array(list(product(*[range(-r, r + 1) for r in reach]))) @ periods
    else:
        points_inside = points
    images = (points_inside[None] + shifts[:, None]).reshape(-1, dimension)
    pairs = cKDTree(points_inside).sparse_distance_matrix(
        cKDTree(images), float(radii[-1]), output_type="ndarray"
    )
    site, other, distance = pairs["i"], pairs["j"] % len(points), pairs["v"]
    if np.any((site < other) & (distance == 0.0)):
        first = int(np.flatnonzero((site < other) & (distance == 0.0))[0])
        raise InputError(
            f"positions must be different; sites {site[first]} and {other[first]} coincide."
        )
    if np.any((site == other) & (distance > 0.0)):
        raise InputError(
            "cell must be larger than the last of shell_radii; a site is its own neighbour."
        )
    keep = site < other
    shell = np.searchsorted(radii, distance[keep], side="left").astype(np.int64)
    lengths = tuple(
        float(distance[keep][shell == k].mean()) if np.any(shell == k) else float(radius)
        for k, radius in enumerate(radii)
    )
    ends, kinds, counts = _by_shell(
        np.stack([site[keep], other[keep]]).astype(np.int64), shell, len(points)
    )
    return SiteGraph(
        len(points), ends, kinds, counts,
        positions=points, unit=unit, cell=periods, shell_radii=lengths,
    )  # fmt: skip


def _by_shell(
    ends: NDArray[np.int64], shell: NDArray[np.int64], n_sites: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return each bond of a shell once, its shell, and how often it came."""
    edges, kinds = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    counts = [np.empty(0, np.int64)]
    for kind in np.unique(shell):
        pairs, times = merge_bonds(ends[:, shell == kind], n_sites)
        edges.append(pairs)
        kinds.append(np.full(len(times), kind, np.int64))
        counts.append(times)
    return np.concatenate(edges), np.concatenate(kinds), np.concatenate(counts)


def remove_sites(graph: SiteGraph, sites: ArrayLike) -> SiteGraph:
    """Return the graph without some sites: vacancies on a lattice.

    Parameters
    ----------
    graph
        Sites and bonds.
    sites
        Numbers of the sites that go, each once. The others close ranks: they are numbered anew in
        the same order.

    Raises
    ------
    InputError
        For a number outside the graph, one given twice, or when no site would be left.

    Examples
    --------
    >>> remove_sites(square_lattice((4, 4)), [5]).n_sites
    15
    """
    gone = _check_sites(graph, sites, allow_empty=True)
    left = np.setdiff1d(np.arange(graph.n_sites), gone)
    if not len(left):
        raise InputError("sites must leave at least one site of the graph; all were removed.")
    return keep_sites(graph, left)


def keep_sites(graph: SiteGraph, sites: ArrayLike) -> SiteGraph:
    """Return the graph of some of the sites, in the order given, with the bonds between them.

    Parameters
    ----------
    graph
        Sites and bonds.
    sites
        Numbers of the sites that stay; site k of the result is site ``sites[k]``.

    Raises
    ------
    InputError
        For no sites, a number outside the graph, or one given twice.

    Examples
    --------
    >>> corner = keep_sites(square_lattice((4, 4)), [0, 1, 4])
    >>> corner.edges.tolist()
    [[0, 1], [0, 2]]
    """
    chosen = _check_sites(graph, sites)
    number = np.full(graph.n_sites, -1)
    number[chosen] = np.arange(len(chosen))
    edges = np.sort(number[graph.edges], axis=1)
    kept = np.all(edges >= 0, axis=1)
    return SiteGraph(
        len(chosen), edges[kept], graph.shell[kept], graph.multiplicity[kept],
        positions=None if graph.positions is None else graph.positions[chosen],
        unit=graph.unit, cell=graph.cell, shell_radii=graph.shell_radii,
    )  # fmt: skip


def _check_sites(
    graph: SiteGraph, sites: ArrayLike, allow_empty: bool = False
) -> NDArray[np.int64]:
    """Return different site numbers of the graph."""
    given = np.empty(0, np.int64) if allow_empty and np.size(sites) == 0 else sites
    chosen: NDArray[np.int64] = check_array(
        "sites", given, ndim=1, dtype=np.int64, minimum=0, allow_empty=allow_empty
    )
    if chosen.size and chosen.max() >= graph.n_sites:
        raise InputError(
            f"sites must be below {graph.n_sites}, the number of sites; got {chosen.max()}."
        )
    different, counts = np.unique(chosen, return_counts=True)
    if len(different) < len(chosen):
        raise InputError(
            f"sites must name each site once; site {different[counts > 1][0]} comes "
            f"{counts.max()} times."
        )
    return chosen


def site_graph_from_networkx(graph: nx.Graph) -> SiteGraph:
    """Return the site graph of a networkx graph.

    Parameters
    ----------
    graph
        Undirected; of a ``MultiGraph`` every edge is a bond. Edge attributes ``shell`` (0-based,
        default 0) and ``multiplicity`` (default 1), the node attribute ``position`` and the graph's
        ``unit``, ``cell`` and ``shell_radii`` are used when present, so that
        ``SiteGraph.to_networkx`` is undone. Sites are numbered in node order; bonds are sorted by
        shell, and keep the order of ``graph.edges`` within a shell.

    Raises
    ------
    InputError
        For a directed graph, one without nodes, with self-loops, or with shells or multiplicities
        that are not whole numbers.

    Examples
    --------
    >>> import networkx
    >>> site_graph_from_networkx(networkx.cycle_graph(5)).n_sites
    5
    """
    if graph.is_directed():
        raise InputError("graph must be undirected; convert with graph.to_undirected().")
    number = {node: index for index, node in enumerate(graph.nodes)}
    bonds = list(graph.edges(data=True))
    ends = np.array([(number[a], number[b]) for a, b, _ in bonds], np.int64).reshape(-1, 2)
    n = len(bonds)
    shell, multiplicity = (
        check_array(
            f"{name} of the edges", [data.get(name, usual) for _, _, data in bonds],
            shape=(n,), dtype=np.int64, allow_empty=True,
        )
        for name, usual in (("shell", 0), ("multiplicity", 1))
    )  # fmt: skip
    order = np.argsort(shell, kind="stable")
    places = [data.get("position") for _, data in graph.nodes(data=True)]
    positions = None if any(place is None for place in places) or not places else np.array(places)
    known = graph.graph
    return SiteGraph(
        len(number), np.sort(ends, axis=1)[order], shell[order], multiplicity[order],
        positions=positions, unit=known.get("unit", "reduced"), cell=known.get("cell"),
        shell_radii=tuple(known.get("shell_radii", ())),
    )  # fmt: skip
