"""A field of view cut out of a larger crystal: the sites around it that nobody saw.

Conditioning on the rim is exact where labels are certain, and wastes the rim. Where they are not,
the crystal is continued by a few layers of sites without labels, which are summed over.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import check_count
from physlearn.inference.energies.crystal_stars import CrystalStars, crystal_stars
from physlearn.records import LatticeSnapshots, SiteGraph

__all__ = ["extend_field_of_view", "rim_sites"]

Int = NDArray[np.int64]


def extend_field_of_view(snapshots: LatticeSnapshots, n_layers: int = 4) -> LatticeSnapshots:
    """Return the snapshots on a larger graph, with layers of unseen sites around the picture.

    The crystal goes on as inside: the same bond vectors in every shell. Sites missing inside
    (vacancies) are left out; a place is inside when no path of nearest neighbours leads from it to
    the far outside except over sites that are there.

    Parameters
    ----------
    snapshots
        A part of a crystal of any shape, with positions. Periodic ones have no rim and come back
        as they are.
    n_layers
        Layers of nearest neighbours; sites that any bond of the graph reaches are added in any
        case.

    Returns
    -------
    LatticeSnapshots
        The given sites first, in their order; ``observed`` is False on the new ones, and
        ``metadata`` says ``boundary = "free"`` and ``margin_sites``.

    Raises
    ------
    InputError
        Without positions, or where the bonds are not those of one connected crystal.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> seen = LatticeSnapshots(np.ones((1, 25)), square_lattice((5, 5), periodic=False))
    >>> extend_field_of_view(seen, 1).graph.n_sites
    45
    """
    layers = check_count("n_layers", n_layers, 1)
    graph = snapshots.graph
    if graph.cell is not None:
        return snapshots
    stars = crystal_stars(graph)
    cell, kind = _margin(stars, layers)
    wide = _extended(graph, stars, cell, kind)
    n_new = len(kind)
    states = np.concatenate(
        [snapshots.states, np.full((snapshots.n_snapshots, n_new), snapshots.state_values[0])],
        axis=1,
    )
    seen = np.ones(snapshots.states.shape, bool)
    observed = seen if snapshots.observed is None else snapshots.observed
    labels = snapshots.label_log_likelihood
    if labels is not None:
        labels = np.concatenate([labels, np.zeros((len(labels), n_new, labels.shape[2]))], axis=1)
    return replace(
        snapshots,
        states=states,
        graph=wide,
        observed=np.concatenate([observed, np.zeros((len(states), n_new), bool)], axis=1),
        label_log_likelihood=labels,
        metadata={**snapshots.metadata, "boundary": "free", "margin_sites": n_new},
    )


def rim_sites(graph: SiteGraph, n_shells: int) -> NDArray[np.bool_]:
    """Return which sites of a crystal have a bond of the first shells that leads outside.

    Outside is what ``extend_field_of_view`` continues: places at the far side of the rim or within
    a notch, and not vacancies.

    Parameters
    ----------
    graph
        A part of a crystal of any shape, with positions; open.
    n_shells
        Shells whose bonds count.

    Raises
    ------
    InputError
        Without positions, or where the bonds are not those of one connected crystal.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> int(rim_sites(square_lattice((6, 6), 2, periodic=False), 2).sum())
    20
    """
    stars = crystal_stars(graph)
    box = _Box(stars, int(np.abs(stars.step).max()) + 1)
    places = box.number(stars.cell, stars.kind)
    site = np.full(int(np.prod(box.shape)), -1)
    site[places] = np.arange(graph.n_sites)
    outside = _outside(box, stars, site >= 0)
    source, target, _ = box.neighbours(places, stars, np.flatnonzero(stars.shell < n_shells))
    rim = np.zeros(graph.n_sites, bool)
    rim[site[source[outside[target]]]] = True
    return rim


class _Box:
    """All places of a box of cells, numbered; the box leaves room around the picture."""

    def __init__(self, stars: CrystalStars, room: int) -> None:
        self.low = stars.cell.min(axis=0) - room
        self.shape = (*(stars.cell.max(axis=0) - self.low + room + 1), len(stars.motif))

    def number(self, cell: Int, kind: Int) -> Int:
        """Return the number of places."""
        along = [*(cell - self.low).T, kind]
        return np.asarray(np.ravel_multi_index(along, self.shape), np.int64)

    def place(self, number: Int) -> tuple[Int, Int]:
        """Return the places of numbers."""
        *along, kind = np.unravel_index(number, self.shape)
        return np.stack(along, axis=1) + self.low, np.asarray(kind, np.int64)

    def neighbours(self, number: Int, stars: CrystalStars, steps: Int) -> tuple[Int, Int, Int]:
        """Return pairs (number, neighbour) within the box along some steps, and which step."""
        cell, kind = self.place(number)
        pairs = []
        for step in steps:
            here = kind == stars.first[step]
            to = cell[here] + stars.step[step]
            inside = np.all((to >= self.low) & (to < self.low + self.shape[:-1]), axis=1)
            second = np.full(int(inside.sum()), stars.second[step])
            ways = np.full_like(second, step)
            pairs.append(np.stack([number[here][inside], self.number(to[inside], second), ways]))
        found = np.concatenate(pairs, axis=1)
        return found[0], found[1], found[2]


def _margin(stars: CrystalStars, n_layers: int) -> tuple[Int, Int]:
    """Return cells and sublattices of the unseen sites around the picture."""
    nearest = np.flatnonzero(stars.shell == stars.shell.min())
    reach = int(np.abs(stars.step).max())
    near_reach = int(np.abs(stars.step[nearest]).max())
    box = _Box(stars, max(reach, n_layers * near_reach) + 1)
    seen = np.zeros(int(np.prod(box.shape)), bool)
    seen[box.number(stars.cell, stars.kind)] = True
    outside = _outside(box, stars, seen)
    every = np.arange(len(stars.shell))
    taken = seen.copy()
    taken[_reached(box, stars, seen, every)] = True
    layer = seen.copy()
    for _ in range(n_layers):
        layer[_reached(box, stars, layer, nearest)] = True
        layer &= seen | outside
    chosen = np.flatnonzero((taken | layer) & outside)
    return box.place(chosen)


def _outside(box: _Box, stars: CrystalStars, seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the empty places that nearest neighbours join to the faces of the box."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    nearest = np.flatnonzero(stars.shell == stars.shell.min())
    empty = np.flatnonzero(~seen)
    source, target, _ = box.neighbours(empty, stars, nearest)
    keep = ~seen[target]
    size = len(seen)
    links = csr_matrix((np.ones(keep.sum()), (source[keep], target[keep])), shape=(size, size))
    piece = connected_components(links, directed=False)[1]
    cell, _ = box.place(empty)
    rim = np.any((cell == box.low) | (cell == box.low + box.shape[:-1] - np.array(1)), axis=1)
    return np.asarray(~seen & np.isin(piece, np.unique(piece[empty[rim]])))


def _reached(box: _Box, stars: CrystalStars, sites: NDArray[np.bool_], steps: Int) -> Int:
    """Return the places that some steps lead to."""
    return box.neighbours(np.flatnonzero(sites), stars, steps)[1]


def _extended(graph: SiteGraph, stars: CrystalStars, cell: Int, kind: Int) -> SiteGraph:
    """Return the graph with new sites and all bonds that they have."""
    box = _Box(stars, int(np.abs(cell - stars.cell[0]).max()) + int(np.abs(stars.step).max()))
    where = np.full(int(np.prod(box.shape)), -1)
    where[box.number(stars.cell, stars.kind)] = np.arange(graph.n_sites)
    number = box.number(cell, kind)
    where[number] = graph.n_sites + np.arange(len(kind))
    source, target, step = box.neighbours(number, stars, np.arange(len(stars.shell)))
    one, two = where[source], where[target]
    # bonds between two new sites are met from both ends
    keep = (two >= 0) & ((two < graph.n_sites) | (one < two))
    edges = np.stack([two[keep], one[keep]], axis=1)
    positions = np.concatenate([np.asarray(graph.positions), stars.positions(cell, kind)])
    return SiteGraph(
        graph.n_sites + len(kind),
        np.concatenate([graph.edges, edges]),
        np.concatenate([graph.shell, stars.shell[step[keep]]]),
        np.concatenate([graph.multiplicity, np.ones(len(edges), np.int64)]),
        positions=positions, unit=graph.unit, shell_radii=graph.shell_radii,
    )  # fmt: skip
