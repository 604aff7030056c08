"""Which known crystal the graph of a picture shows, and how many of its sites are missing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement, product

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import ConvexHull, QhullError

from physlearn.checks import InputError
from physlearn.inference.energies.periodic_crystal import KINDS, USUAL_SIZES, make_crystal
from physlearn.records import SiteGraph

__all__ = ["CrystalMatch", "check_named", "match_crystal", "recognise_crystal"]

Float = NDArray[np.float64]
RADIUS_TOLERANCE = 0.06
MOST_COMPARED_SHELLS = 3
LARGEST_WRAPPED = 1024
"""Sites of a box above which the shells of recognised crystals do not meet themselves."""

LEAST_SHARE = 0.8
MOST_ABOVE = 0.05
LEAST_OCCUPIED = 0.6


@dataclass(frozen=True, slots=True)
class CrystalMatch:
    """How a graph compares with a known crystal.

    Attributes
    ----------
    kind
        The crystal.
    above
        Share of sites with more neighbours than the crystal has.
    alike
        Share of the bonds at complete sites whose ends have the crystal's common neighbours.
    radii_agree
        Whether the shells' radii are the crystal's, True where none are known.
    complete
        Share of interior sites with all neighbours.
    empty
        Share of the places of neighbours of interior sites that hold none.
    outlined
        Whether the interior is known: from a cell, or from positions.
    """

    kind: str
    above: float
    alike: float
    radii_agree: bool
    complete: float
    empty: float
    outlined: bool

    @property
    def same(self) -> bool:
        """Whether the graph is this crystal, sites without neighbours counted as vacancies."""
        return (
            self.radii_agree
            and self.above <= MOST_ABOVE
            and self.alike >= LEAST_SHARE
            and (not self.outlined or self.empty <= 1 - LEAST_OCCUPIED)
        )


def match_crystal(graph: SiteGraph, kind: str) -> CrystalMatch | None:
    """Compare a graph with a known crystal; None when the dimensions differ.

    A site with all its neighbours sees all common neighbours of its bonds, whatever is missing
    elsewhere: so vacancies and rims are told from another crystal.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> match_crystal(square_lattice((8, 8)), "square").same
    True
    """
    sizes = USUAL_SIZES[kind]
    if graph.positions is not None and graph.positions.shape[1] != len(sizes):
        return None
    degrees = _degrees(graph)
    expected, radii = _known(kind, graph.n_shells)
    full = np.all(degrees == expected.degrees, axis=1)
    above = float(np.any(degrees > expected.degrees, axis=1).mean())
    alike = _share_alike(graph, full, expected.common)
    if alike < LEAST_SHARE and above <= MOST_ABOVE and graph.n_sites <= LARGEST_WRAPPED:
        boxes = _boxes(kind, graph.n_sites, graph.n_shells)
        alike = 1.0 if any(_same_bonds(graph, box) for box in boxes) else alike
    interior, outlined = _interior(graph)
    inside = degrees[interior]
    short = np.clip(1 - inside / expected.degrees, 0, 1).mean() if len(inside) else 0.0
    found = _radii(graph)
    agree = found is None or bool(np.all(np.abs(found / radii - 1) < RADIUS_TOLERANCE))
    return CrystalMatch(
        kind, above, alike, agree, float(full[interior].mean()) if len(inside) else float("nan"),
        float(short), outlined,
    )  # fmt: skip


def recognise_crystal(graph: SiteGraph) -> str:
    """Return the kind of crystal of a picture's graph.

    Judged by the number of neighbours in each shell, the common neighbours of bonded sites and the
    radii of the shells, from positions where the graph does not hold them.

    Raises
    ------
    InputError
        When no kind fits, or more than one does.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> recognise_crystal(square_lattice((8, 8), 2, periodic=False))
    'square'
    """
    found = [match for kind in KINDS if (match := match_crystal(graph, kind)) is not None]
    fits = [match.kind for match in found if match.same]
    if len(fits) != 1:
        named = "none of them" if not fits else " and ".join(fits)
        raise InputError(
            f"the fit's pictures must show one of the known crystals ({', '.join(KINDS)}); their "
            f"shells of {_shell_sizes(graph)} neighbours, common neighbours and radii fit {named}."
            + (" Name it: lattice=..., if its shells are those of the fit." if fits else "")
        )
    return fits[0]


def check_named(graph: SiteGraph, kind: str) -> None:
    """Refuse a named crystal that the graph of a picture does not show."""
    match = match_crystal(graph, kind)
    if match is None or not match.same:
        raise InputError(
            f"lattice={kind!r} must be the crystal of the fit's pictures, whose parameters belong "
            f"to its shells; theirs of {_shell_sizes(graph)} neighbours, common neighbours and "
            f"radii are not those of a {kind} lattice."
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """Neighbours by shell, and common neighbours of the bonds of each compared shell."""

    degrees: NDArray[np.int64]
    common: list[NDArray[np.int64]]


@cache
def _known(kind: str, n_shells: int) -> tuple[_Known, Float]:
    """Return the numbers of a crystal too large to meet itself, and its radii over the first."""
    d = len(USUAL_SIZES[kind])
    graph = make_crystal(kind, (16,) * d if d == 2 else (8,) * d, n_shells).graph
    radii = np.array(graph.shell_radii)
    return _Known(_degrees(graph)[0], _common_neighbours(graph)[1]), radii / radii[0]


def _boxes(kind: str, n_sites: int, n_shells: int) -> list[SiteGraph]:
    """Return the periodic boxes of this many sites that hold the shells."""
    d = len(USUAL_SIZES[kind])
    motif = make_crystal(kind, (2,) * d, 1).n_motif
    cells = n_sites // motif
    if n_sites % motif:
        return []
    edges = [size for size in range(2, cells + 1) if cells % size == 0]
    out = []
    for sizes in product(edges, repeat=d):
        if np.prod(sizes) == cells:
            # in a narrow box sites of far shells are their own neighbours: no picture has it
            with suppress(InputError):
                out.append(make_crystal(kind, sizes, n_shells).graph)
    return out


def _degrees(graph: SiteGraph) -> NDArray[np.int64]:
    """Return the number of neighbours of every site in every shell, (n_sites, n_shells)."""
    out = np.zeros((graph.n_sites, graph.n_shells), np.int64)
    for end in (0, 1):
        np.add.at(out, (graph.edges[:, end], graph.shell), graph.multiplicity)
    return out


def _common_neighbours(graph: SiteGraph) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Return common neighbours by pair of shells of every bond, and all that a shell has."""
    n, shells = graph.n_sites, min(graph.n_shells, MOST_COMPARED_SHELLS)
    nearer = []
    for shell in range(shells):
        here = graph.shell == shell
        start, end = graph.edges[here].T
        one = sparse.csr_matrix((graph.multiplicity[here], (start, end)), shape=(n, n))
        nearer.append((one + one.T).tocsr())
    start, end = graph.edges.T
    columns = []
    for a, b in combinations_with_replacement(range(shells), 2):
        paths = (nearer[a] @ nearer[b]).tocsr()
        both = np.asarray(paths[start, end]).ravel()
        if a != b:
            both = both + np.asarray(paths[end, start]).ravel()
        columns.append(both)
    every = np.stack(columns, axis=1).astype(np.int64)
    return every, [np.unique(every[graph.shell == shell], axis=0) for shell in range(shells)]


def _share_alike(
    graph: SiteGraph, full: NDArray[np.bool_], known: list[NDArray[np.int64]]
) -> float:
    """Return the share of bonds at complete sites with known common neighbours; 0 for none."""
    every, _ = _common_neighbours(graph)
    at_full = full[graph.edges].any(axis=1)
    judged, alike = 0, 0
    for shell, rows in enumerate(known):
        here = every[at_full & (graph.shell == shell)]
        judged += len(here)
        alike += int(np.all(here[:, None] == rows, axis=2).any(axis=1).sum())
    return alike / judged if judged else 0.0


def _same_bonds(graph: SiteGraph, other: SiteGraph) -> bool:
    """Return whether as many bonds of each shell have the same common neighbours in both."""
    both = []
    for one in (graph, other):
        rows = np.column_stack([one.shell, one.multiplicity, _common_neighbours(one)[0]])
        both.append(rows[np.lexsort(rows.T)])
    return bool(np.array_equal(both[0], both[1]))


def _steps(graph: SiteGraph) -> Float:
    """Return the lengths of all bonds, the shortest images where there is a cell."""
    assert graph.positions is not None  # noqa: S101 -- callers look
    step = graph.positions[graph.edges[:, 1]] - graph.positions[graph.edges[:, 0]]
    if graph.cell is not None:
        whole = step @ np.linalg.inv(graph.cell)
        near = (whole - np.round(whole)) @ graph.cell
        shifts = np.array(list(product((-1, 0, 1), repeat=len(graph.cell)))) @ graph.cell
        images = np.linalg.norm(near[:, None] + shifts, axis=2)
        return np.asarray(images.min(axis=1))
    return np.asarray(np.linalg.norm(step, axis=1))


def _radii(graph: SiteGraph) -> Float | None:
    """Return the radii of the shells in those of the first, or None when nothing tells them."""
    radii = np.array(graph.shell_radii)
    if len(radii) != graph.n_shells:
        if graph.positions is None:
            return None
        length = _steps(graph)
        radii = np.array([np.median(length[graph.shell == k]) for k in range(graph.n_shells)])
    return np.asarray(radii / radii[0])


def _interior(graph: SiteGraph) -> tuple[NDArray[np.bool_], bool]:
    """Return which sites lie farther from the outline than the longest bond, and if it is known."""
    everywhere = np.ones(graph.n_sites, bool)
    if graph.cell is not None:
        return everywhere, True
    if graph.positions is None:
        return everywhere, False
    try:
        outline = ConvexHull(graph.positions).equations
    except QhullError:
        return everywhere, False
    depth = -(graph.positions @ outline[:, :-1].T + outline[:, -1]).max(axis=1)
    # of bonds that wrap around without a cell the median knows nothing; rows lie off by rounding
    length = _steps(graph)
    reach = max(float(np.median(length[graph.shell == k])) for k in range(graph.n_shells))
    inside = np.asarray(depth > 0.98 * reach)
    return (inside, True) if inside.any() else (everywhere, False)


def _shell_sizes(graph: SiteGraph) -> str:
    """Return the usual number of neighbours of each shell, in words."""
    return ", ".join(str(int(np.argmax(np.bincount(column)))) for column in _degrees(graph).T)
