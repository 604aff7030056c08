"""Which parameters a graph cannot tell apart, and whether it hangs together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.inference.lattices.ordered_picture import extreme_direction
from physlearn.lattice_models.graphs.site_graphs import keep_sites
from physlearn.records import SiteGraph

__all__ = ["connection_notes", "find_unidentified", "identification_flags", "order_flags"]

Float = NDArray[np.float64]
LARGEST_TRIED = 3000
FURTHER_TRIALS = 20
TOLERANCE = 1e-8


def find_unidentified(data: LatticeData) -> Float:
    """Return directions of theta that no picture on these graphs could tell, shape (n, d).

    Along such a direction v the sum v . T(s) is the same for every s: the likelihood is flat. Found
    as the null space of the covariance of T over random states, exact up to rounding; on large
    graphs a piece of the graph decides first, and all of it only where that piece finds something.

    Examples
    --------
    >>> from physlearn.inference.lattices.lattice_data import gather_snapshots
    >>> from physlearn.inference.lattices.lattice_family import lattice_family
    >>> from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
    >>> picture = simulate_lattice(Ising([0.2]), square_lattice((8, 8)), rng=1)
    >>> find_unidentified(gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))).shape
    (0, 2)
    """
    if data.n_parameters == 0:
        return np.empty((0, 0))
    if max(group.n_sites for group in data.groups) > LARGEST_TRIED:
        pieces = [_piece(group) for group in data.groups]
        if not len(_null_space(data.family, pieces)):
            return np.empty((0, data.n_parameters))
    return _null_space(data.family, list(data.groups))


def identification_flags(data: LatticeData, directions: Float) -> list[str]:
    """Return sentences that name the parameters of each direction."""
    flags = []
    for direction in _sparse_basis(directions):
        used = np.flatnonzero(np.abs(direction) > 1e-6 * np.abs(direction).max())
        names = _named(data, used)
        if len(names) == 1:
            flags.append(
                f"{names[0]} has no effect on these pictures (no such pairs, or their number is "
                "fixed): it stays at its prior"
            )
        else:
            flags.append(
                f"{', '.join(names[:-1])} and {names[-1]} can't be told apart on this graph: one "
                "combination of them stays at its prior"
            )
    return flags


def order_flags(data: LatticeData) -> list[str]:
    """Return a sentence where no picture could be more ordered: the data give a bound alone."""
    if np.count_nonzero(data.state_counts) < data.family.n_states:
        return []  # said by state_flags
    direction = extreme_direction(data)
    if direction is None:
        return []
    names = " and ".join(_named(data, np.flatnonzero(direction)))
    return [
        f"no picture could show more of what {names} favours: only a bound follows, and how far it "
        "goes beyond is the prior's"
    ]


def _named(data: LatticeData, used: NDArray[np.intp]) -> list[str]:
    """Return names of parameters, those of the variable where they have none of their own."""
    names = []
    for index in used:
        name = data.names[index]
        if name.startswith("parameter "):
            name = next(
                (
                    variable.name
                    for variable in data.variables
                    if np.any(variable.map.reshape(-1, data.n_parameters)[:, index])
                ),
                name,
            )
        names.append(name)
    return list(dict.fromkeys(names))


def _null_space(family: LatticeFamily, groups: list[PictureGroup]) -> Float:
    rng = np.random.default_rng(0)
    d = groups[0].design.shape[1]
    rows = []
    for group in groups:
        trials = np.array(
            [
                group.statistics(family, _random_codes(family, group, rng))
                for _ in range(d + FURTHER_TRIALS)
            ]
        )
        rows.append((trials - trials.mean(axis=0)) @ group.design)
    table = np.concatenate(rows)
    size = np.sqrt((table**2).mean(axis=0))
    dead = size <= TOLERANCE * max(1.0, float(size.max()))
    out = list(np.eye(d)[dead])
    live = np.flatnonzero(~dead)
    if len(live):
        _, values, vectors = np.linalg.svd(table[:, live] / size[live], full_matrices=True)
        full = np.zeros(len(live))
        full[: len(values)] = values
        for vector in vectors[full <= TOLERANCE * full.max()]:
            direction = np.zeros(d)
            direction[live] = vector / size[live]
            out.append(direction / np.linalg.norm(direction))
    return np.array(out).reshape(-1, d)


def _random_codes(
    family: LatticeFamily, group: PictureGroup, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return codes of another picture that could have been seen."""
    codes = group.codes.copy()
    if not family.fixed_composition:
        codes[group.terms] = rng.integers(family.n_states, size=len(group.terms), dtype=np.uint8)
        return codes
    picture = group.picture[group.terms]
    for number in np.unique(picture):
        here = group.terms[picture == number]
        codes[here] = rng.permutation(codes[here])
    return codes


def _piece(group: PictureGroup) -> PictureGroup:
    """Return a part of a group around its middle site number, rim included as terms."""
    first = max(0, (group.n_sites - LARGEST_TRIED) // 2)
    sites = np.arange(first, min(first + LARGEST_TRIED, group.n_sites))
    terms = np.flatnonzero(np.isin(sites, group.terms))
    return PictureGroup(
        keep_sites(group.graph, sites), group.codes[sites], terms, None, group.labelled[sites],
        group.picture[sites], group.extra[:, sites], None, group.design,
    )  # fmt: skip


def _sparse_basis(directions: Float) -> Float:
    """Return a basis of the same space with as many zeros as elimination gives."""
    table = np.array(directions, np.float64)
    row = 0
    for column in range(table.shape[1] if table.size else 0):
        if row == len(table):
            break
        pivot = row + int(np.argmax(np.abs(table[row:, column])))
        if abs(table[pivot, column]) < 1e-6:
            continue
        table[[row, pivot]] = table[[pivot, row]]
        table[row] /= table[row, column]
        others = np.arange(len(table)) != row
        table[others] -= np.outer(table[others, column], table[row])
        row += 1
    return table


def connection_notes(data: LatticeData) -> list[str]:
    """Return a sentence for pictures whose sites fall into parts, or stand alone."""
    notes = []
    reach = max(
        [data.family.n_shells, *(shell + 1 for motif in data.family.motifs for shell in motif)]
    )
    for record in data.records if reach else ():
        notes += _parts(record.graph, reach)
    return list(dict.fromkeys(notes))


def _parts(graph: SiteGraph, n_shells: int) -> list[str]:
    ends = graph.edges[graph.shell < n_shells]
    shape = (graph.n_sites, graph.n_sites)
    table = sparse.coo_matrix((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape)
    n_parts, part = connected_components(table, directed=False)
    if n_parts == 1:
        return []
    sizes = np.bincount(part)
    alone = int((sizes == 1).sum())
    notes = []
    if n_parts - alone > 1:
        notes.append(
            f"the graph falls into {n_parts - alone} parts without a bond between them: they are "
            "taken as independent pieces of one crystal"
        )
    if alone:
        notes.append(
            f"{alone} of {graph.n_sites} sites have no neighbour in the fitted shells: they tell "
            "of single sites only"
        )
    return notes
