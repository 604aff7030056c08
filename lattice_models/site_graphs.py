"""Site graphs: regular lattices, measured positions, and any graph of networkx."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.records import SiteGraph

if TYPE_CHECKING:
    import networkx as nx

__all__ = [
    "BondTable",
    "bond_table",
    "site_graph_from_networkx",
    "site_graph_from_positions",
    "square_lattice",
    "triangular_lattice",
]

SQUARE_BASIS = np.array([[1.0, 0.0], [0.0, 1.0]])
TRIANGULAR_BASIS = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
MAX_SHELLS = 30


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
    keep = np.arange(len(graph.edges))
    if n_shells is not None:
        keep = keep[graph.shell < n_shells]
    edges, shell, count = graph.edges[keep], graph.shell[keep], graph.multiplicity[keep]
    site = np.concatenate([edges[:, 0], edges[:, 1]])
    order = np.argsort(site, kind="stable")
    start = np.zeros(graph.n_sites + 1, np.int64)
    np.cumsum(np.bincount(site, minlength=graph.n_sites), out=start[1:])
    other = np.concatenate([edges[:, 1], edges[:, 0]])
    return BondTable(
        start,
        other[order].astype(np.int32),
        np.concatenate([shell, shell])[order].astype(np.int32),
        np.concatenate([count, count])[order].astype(np.int32),
        np.concatenate([keep, keep])[order].astype(np.int32),
    )


def square_lattice(shape: tuple[int, int], n_shells: int = 1, periodic: bool = True) -> SiteGraph:
    """Return a square lattice of spacing 1.

    Parameters
    ----------
    shape
        Rows and columns; site ``row * columns + column`` stands at x = column, y = row.
    n_shells
        Shells of neighbours by distance: 1, sqrt 2, 2, ...
    periodic
        Wrap both directions. A shell that wraps a small torus counts each bond as often as the
        infinite periodic crystal does.

    Raises
    ------
    InputError
        For a shape that is not two whole numbers, or one so small that a site would be its own
        neighbour.

    Examples
    --------
    >>> int(square_lattice((2, 2)).multiplicity.sum())   # two bonds a site
    8
    """
    return _regular_lattice(shape, n_shells, periodic, SQUARE_BASIS, sheared=True)


def triangular_lattice(
    shape: tuple[int, int], n_shells: int = 1, periodic: bool = True
) -> SiteGraph:
    """Return a triangular (hexagonal close-packed) lattice of spacing 1.

    Parameters
    ----------
    shape
        Rows and columns. Periodic lattices are a rhombus (rows shifted by half a spacing each);
        open ones a rectangle (every other row shifted), as a picture shows them.
    n_shells
        Shells of neighbours by distance: 1, sqrt 3, 2, ...
    periodic
        As in ``square_lattice``.

    Raises
    ------
    InputError
        As in ``square_lattice``.

    Examples
    --------
    >>> int(triangular_lattice((6, 6), n_shells=2).multiplicity.sum())   # 3 + 3 bonds a site
    216
    """
    return _regular_lattice(shape, n_shells, periodic, TRIANGULAR_BASIS, sheared=periodic)


def _regular_lattice(
    shape: tuple[int, int],
    n_shells: int,
    periodic: bool,
    basis: NDArray[np.float64],
    sheared: bool,
) -> SiteGraph:
    sizes = check_array("shape", shape, shape=(2,), dtype=np.int64, minimum=1)
    n_rows, n_columns = int(sizes[0]), int(sizes[1])
    row, column = (index.ravel() for index in np.indices((n_rows, n_columns)))
    shift = np.zeros_like(row) if sheared else row // 2
    edges, shells, radii = [], [], []
    for shell, vectors in enumerate(_shell_vectors(basis, n_shells)):
        radii.append(float(np.linalg.norm(vectors[0] @ basis)))
        for along, across in vectors:
            row_2 = row + across
            column_2 = column - shift + along + (0 if sheared else row_2 // 2)
            inside = np.ones(len(row), bool)
            if not periodic:
                inside = (row_2 >= 0) & (row_2 < n_rows)
                inside &= (column_2 >= 0) & (column_2 < n_columns)
            other = (row_2 % n_rows) * n_columns + column_2 % n_columns
            site = np.flatnonzero(inside)
            if np.any(other[site] == site):
                raise InputError(
                    f"shape must be large enough for shell {shell + 1} of a periodic lattice; in "
                    f"{(n_rows, n_columns)} a site is its own neighbour. Enlarge the shape, take "
                    "fewer shells or periodic=False."
                )
            edges.append(np.column_stack([site, other[site]]))
            shells.append(np.full(len(site), shell))
    positions = np.column_stack([column - shift, row]) @ basis
    cell = np.array([[n_columns, 0], [0, n_rows]]) @ basis if periodic else None
    ends, kinds, counts = _merge_bonds(np.concatenate(edges), np.concatenate(shells))
    return SiteGraph(
        n_rows * n_columns, ends, kinds, counts,
        positions=positions, unit="reduced", cell=cell, shell_radii=tuple(radii),
    )  # fmt: skip


def _shell_vectors(basis: NDArray[np.float64], n_shells: int) -> list[NDArray[np.int64]]:
    """Return half of the lattice vectors of each shell (one of each +v, -v pair)."""
    if not isinstance(n_shells, int | np.integer) or not 1 <= n_shells <= MAX_SHELLS:
        raise InputError(f"n_shells must be a whole number from 1 to {MAX_SHELLS}; got {n_shells}.")
    reach = n_shells + 1
    steps = range(-reach, reach + 1)
    vectors = np.array([(a, b) for a, b in product(steps, steps) if (b, a) > (0, 0)])
    squared = np.round(((vectors @ basis) ** 2).sum(axis=1), 6)
    return [vectors[squared == value] for value in np.unique(squared)[:n_shells]]


def _merge_bonds(
    edges: NDArray[np.int64], shells: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return each bond of a shell once, with how often it came."""
    if not len(edges):
        return np.empty((0, 2), np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
    keys = np.column_stack([shells, np.sort(edges, axis=1)])
    unique, counts = np.unique(keys, axis=0, return_counts=True)
    return unique[:, 1:], unique[:, 0], counts


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
    ends, kinds, counts = _merge_bonds(np.column_stack([site, other])[keep].astype(np.int64), shell)
    return SiteGraph(
        len(points), ends, kinds, counts,
        positions=points, unit=unit, cell=periods, shell_radii=lengths,
    )  # fmt: skip


def site_graph_from_networkx(graph: nx.Graph) -> SiteGraph:
    """Return the site graph of a networkx graph.

    Parameters
    ----------
    graph
        Undirected. Edge attributes ``shell`` (0-based, default 0) and ``multiplicity`` (default 1)
        and node attribute ``position`` are used when present. Sites are numbered in node order.

    Raises
    ------
    InputError
        For a directed graph, one without nodes, or with self-loops.

    Examples
    --------
    >>> import networkx
    >>> site_graph_from_networkx(networkx.cycle_graph(5)).n_sites
    5
    """
    if graph.is_directed():
        raise InputError("graph must be undirected; convert with graph.to_undirected().")
    number = {node: index for index, node in enumerate(graph.nodes)}
    rows = [
        (number[a], number[b], int(data.get("shell", 0)), int(data.get("multiplicity", 1)))
        for a, b, data in graph.edges(data=True)
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    places = [data.get("position") for _, data in graph.nodes(data=True)]
    positions = None if any(place is None for place in places) or not places else np.array(places)
    return SiteGraph(
        len(number), np.sort(table[:, :2], axis=1), table[:, 2], table[:, 3], positions=positions
    )
