"""Site graphs of crystals: square, triangular, honeycomb and the three cubic lattices."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_choice
from physlearn.records import SiteGraph

__all__ = ["cubic_lattice", "honeycomb_lattice", "square_lattice", "triangular_lattice"]

Int = NDArray[np.int64]
Float = NDArray[np.float64]
SQUARE_BASIS = np.array([[1.0, 0.0], [0.0, 1.0]])
TRIANGULAR_BASIS = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
ONE_SITE = np.zeros((1, 2))
HONEYCOMB_MOTIF = np.array([[0.0, 0.0], [1 / 3, 1 / 3]])
CUBIC_MOTIFS = {
    "sc": np.zeros((1, 3)),
    "bcc": np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
    "fcc": np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]),
}
MAX_SHELLS = 30
MOST_SITES = 1 << 28
"""16 GiB of edges a shell; more is a slip of the keyboard."""


def square_lattice(shape: tuple[int, int], n_shells: int = 1, periodic: bool = True) -> SiteGraph:
    """Return a square lattice of spacing 1.

    Parameters
    ----------
    shape
        Rows and columns; site ``row * columns + column`` stands at x = column, y = row.
    n_shells
        Shells of neighbours by distance: 1, sqrt 2, 2, ... (at most 30).
    periodic
        Wrap both directions. A shell that wraps a small torus counts each bond as often as the
        infinite periodic crystal does.

    Raises
    ------
    InputError
        For a shape that is not two whole numbers, one so small that a site would be its own
        neighbour, or one of more than 2 ** 28 sites.

    Examples
    --------
    >>> int(square_lattice((2, 2)).multiplicity.sum())   # two bonds a site
    8
    """
    return _crystal(shape, n_shells, periodic, SQUARE_BASIS, ONE_SITE)


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
    return _crystal(shape, n_shells, periodic, TRIANGULAR_BASIS, ONE_SITE, staggered=not periodic)


def honeycomb_lattice(
    shape: tuple[int, int], n_shells: int = 1, periodic: bool = True
) -> SiteGraph:
    """Return a honeycomb lattice (graphene) of bond length 1.

    Parameters
    ----------
    shape
        Rows and columns of cells of two sites: sites ``2 * (row * columns + column)`` and the next
        one. Periodic lattices are a rhombus, open ones a rectangle, as in ``triangular_lattice``.
    n_shells
        Shells of neighbours by distance: 1, sqrt 3, 2, ... with 3, 6, 3, 6, 6, ... sites.
    periodic
        As in ``square_lattice``.

    Raises
    ------
    InputError
        As in ``square_lattice``.

    Examples
    --------
    >>> graph = honeycomb_lattice((4, 4))
    >>> graph.n_sites, len(graph.edges)
    (32, 48)
    """
    basis = np.sqrt(3.0) * TRIANGULAR_BASIS
    return _crystal(shape, n_shells, periodic, basis, HONEYCOMB_MOTIF, staggered=not periodic)


def cubic_lattice(
    shape: tuple[int, int, int], kind: str = "sc", n_shells: int = 1, periodic: bool = True
) -> SiteGraph:
    """Return a simple, body-centred or face-centred cubic lattice of lattice constant 1.

    Parameters
    ----------
    shape
        Layers, rows and columns of cubic cells along z, y and x. Cells hold 1, 2 or 4 sites, which
        follow each other: the sites of cell ``(layer * rows + row) * columns + column``.
    kind
        ``sc``, ``bcc`` or ``fcc``.
    n_shells
        Shells of neighbours by distance: 6, 12, 8, ... sites (sc), 8, 6, 12, ... (bcc) or
        12, 6, 24, ... (fcc).
    periodic
        As in ``square_lattice``, in all three directions.

    Raises
    ------
    InputError
        For an unknown kind, and as in ``square_lattice``.

    Examples
    --------
    >>> graph = cubic_lattice((3, 3, 3), "fcc", n_shells=2)
    >>> graph.n_sites, [round(radius, 4) for radius in graph.shell_radii]
    (108, [0.7071, 1.0])
    """
    motif = CUBIC_MOTIFS[check_choice("kind", kind, tuple(CUBIC_MOTIFS))]
    return _crystal(shape, n_shells, periodic, np.eye(3), motif)


class Steps(NamedTuple):
    """The bonds of one shell that start in one cell, each bond of the crystal once.

    ``first`` and ``second`` name the two sites of the motif, ``cells`` the steps between their
    cells along the basis, shape (n_bonds, d).
    """

    radius: float
    first: Int
    second: Int
    cells: Int


def _crystal(
    shape: tuple[int, ...],
    n_shells: int,
    periodic: bool,
    basis: Float,
    motif: Float,
    staggered: bool = False,
) -> SiteGraph:
    """Return the graph of a crystal; ``staggered`` moves each row back to make a rectangle."""
    sizes = _check_sizes(shape, len(basis))
    _check_memory(sizes, len(motif))
    shells = _shell_steps(basis, motif, n_shells)
    cells = np.indices(tuple(sizes)).reshape(len(sizes), -1)  # slowest axis first
    place = cells[::-1].copy()  # along the basis: x first
    if staggered:
        place[0] -= place[1] // 2
    edges, kinds, counts = [], [], []
    for shell, steps in enumerate(shells):
        if periodic:
            _refuse_loops(steps, sizes, shell)
        ends = [
            _bonds_of_step(place, sizes, periodic, staggered, len(motif), *step)
            for step in zip(steps.first, steps.second, steps.cells, strict=True)
        ]
        pairs, times = merge_bonds(np.concatenate(ends, axis=1), len(motif) * place.shape[1])
        edges.append(pairs)
        counts.append(times)
        kinds.append(np.full(len(times), shell))
    positions = (place.T[:, None, :] + motif) @ basis
    return SiteGraph(
        len(motif) * place.shape[1],
        np.concatenate(edges), np.concatenate(kinds), np.concatenate(counts),
        positions=positions.reshape(-1, len(basis)), unit="reduced",
        cell=sizes[::-1, None] * basis if periodic else None,
        shell_radii=tuple(steps.radius for steps in shells),
    )  # fmt: skip


def _check_sizes(shape: tuple[int, ...], n_axes: int) -> Int:
    """Return the numbers of cells along each axis, slowest first."""
    try:
        return check_array("shape", shape, shape=(n_axes,), dtype=np.int64, minimum=1)
    except InputError:
        wanted, usual = (
            ("two whole numbers (rows, columns)", "(32, 32)")
            if n_axes == 2
            else ("three whole numbers (layers, rows, columns)", "(8, 8, 8)")
        )
        raise InputError(
            f"shape must be {wanted} of at least 1, such as {usual}; got {shape!r}."
        ) from None


def _check_memory(sizes: Int, n_motif: int) -> None:
    """Refuse crystals whose list of bonds would not fit into any memory."""
    n_sites = float(np.prod(sizes.astype(np.float64))) * n_motif
    if n_sites > MOST_SITES:
        raise InputError(
            f"shape must leave at most {MOST_SITES:,} sites in a graph; "
            f"{' x '.join(str(int(size)) for size in sizes)} cells have {n_sites:.3g}. Larger "
            "Ising squares need no graph: CheckerboardIsing and MultispinIsing hold the spins only."
        )


def _bonds_of_step(
    place: Int,
    sizes: Int,
    periodic: bool,
    staggered: bool,
    n_motif: int,
    first: int,
    second: int,
    step: Int,
) -> Int:
    """Return both ends, shape (2, n), of the bonds that leave every cell by the same step."""
    target = place + step[:, None]
    if staggered:
        target[0] += target[1] // 2
    inside = np.ones(place.shape[1], bool)
    other = np.zeros(place.shape[1], np.int64)
    for axis, size in enumerate(sizes):
        along = target[len(sizes) - 1 - axis]
        if periodic:
            along = along % size
        else:
            inside &= (along >= 0) & (along < size)
        other = other * size + along
    site = np.flatnonzero(inside)
    return np.stack([site * n_motif + first, other[site] * n_motif + second])


def _refuse_loops(steps: Steps, sizes: Int, shell: int) -> None:
    """Refuse a box that a bond of the shell crosses back to its own site."""
    around = np.all(steps.cells % sizes[::-1] == 0, axis=1)
    if np.any(around & (steps.first == steps.second)):
        raise InputError(
            f"shape must be large enough for shell {shell + 1} of a periodic lattice; in "
            f"{tuple(int(size) for size in sizes)} a site is its own neighbour. Enlarge the "
            "shape, take fewer shells or periodic=False."
        )


def _shell_steps(basis: Float, motif: Float, n_shells: int) -> list[Steps]:
    """Return the bonds of the first shells of the infinite crystal."""
    legal = isinstance(n_shells, int | np.integer) and not isinstance(n_shells, bool)
    if not legal or not 1 <= n_shells <= MAX_SHELLS:
        raise InputError(
            f"n_shells must be a whole number from 1 to {MAX_SHELLS}; got {n_shells!r}."
        )
    height = float((1.0 / np.linalg.norm(np.linalg.inv(basis), axis=0)).min())
    first, second = (end.ravel() for end in np.indices((len(motif), len(motif))))
    reach = 2
    while True:
        grid = np.array(list(product(range(-reach, reach + 1), repeat=len(basis))))
        steps = np.repeat(grid, len(first), axis=0)
        one, two = np.tile(first, len(grid)), np.tile(second, len(grid))
        squared = np.round((((steps + motif[two] - motif[one]) @ basis) ** 2).sum(axis=1), 6)
        # motif offsets lie inside one cell, so that all shells up to this radius are complete
        radii = np.unique(squared[(squared > 0) & (squared < (reach * height) ** 2)])
        if len(radii) >= n_shells:
            break
        reach += 1
    # one of each bond and its reverse: ascending sites, or the step whose last entry is positive
    upward = np.zeros(len(steps), bool)
    tied = np.ones(len(steps), bool)
    for axis in reversed(range(len(basis))):
        upward |= tied & (steps[:, axis] > 0)
        tied &= steps[:, axis] == 0
    once = (one < two) | ((one == two) & upward)
    out = []
    for value in radii[:n_shells]:
        here = once & (squared == value)
        vector = (steps[here][0] + motif[two[here][0]] - motif[one[here][0]]) @ basis
        out.append(Steps(float(np.linalg.norm(vector)), one[here], two[here], steps[here]))
    return out


def merge_bonds(ends: Int, n_sites: int) -> tuple[Int, Int]:
    """Return each bond once, lower site first, and how often it came; ``ends`` is (2, n)."""
    keys = np.minimum(ends[0], ends[1]) * n_sites + np.maximum(ends[0], ends[1])
    keys.sort(kind="stable")  # which takes crystals' long ascending runs as they are
    counts = np.ones(len(keys), np.int64)
    if np.any(keys[1:] == keys[:-1]):
        keys, counts = np.unique(keys, return_counts=True)
    pairs = np.empty((len(keys), 2), np.int64)
    np.divmod(keys, n_sites, out=(pairs[:, 0], pairs[:, 1]))
    return pairs, counts
