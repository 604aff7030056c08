"""Chances of linking sites into clusters, for any Hamiltonian with a reflection.

A reflection R exchanges states and leaves every pair energy as it is. Two sites in states a and b
are linked with the chance 1 - exp(-rise), where the rise U(R a, b) - U(a, b) is positive; linked
sites are reflected together (Wolff 1989, doi:10.1103/PhysRevLett.62.361; Swendsen & Wang 1987,
doi:10.1103/PhysRevLett.58.86; in this general form Niedermayer 1988,
doi:10.1103/PhysRevLett.61.2026). Ising and lattice gas have the exchange of their two states, Potts
every exchange of two colours, a clock every mirror line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.lattice_models.hamiltonians.energy_terms import EnergyTerms

__all__ = ["ClusterTables", "cluster_tables"]

Float = NDArray[np.float64]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]

HALF_WORD, LONG_WORD = 2.0**32, 2.0**53
LARGEST_TABLE = 1 << 24
LARGEST_EDGE = 1 << 16
SAME = 1e-12


class ClusterTables(NamedTuple):
    """What the kernels read; each array as in ``wolff_any`` and ``swendsen_wang_any``.

    ``square`` holds rows, columns and the threshold of a 32-bit draw where the linked sites are a
    periodic square sheet with one coupling and no field, and is None elsewhere.
    """

    start: UInt64
    neighbour: UInt32
    offset: UInt32
    thresholds: UInt64
    earlier_start: UInt64
    earlier: UInt32
    earlier_offset: UInt32
    images: Int8
    movers: Int32
    n_movers: Int64
    recolour: bool
    site_energy: Float
    with_field: bool
    one_way: bool
    square: tuple[int, int, np.uint64] | None


def cluster_tables(terms: EnergyTerms) -> ClusterTables:
    """Return the tables of cluster updates, or say why there are none.

    Parameters
    ----------
    terms
        Energies of a Hamiltonian on a graph.

    Raises
    ------
    InputError
        For triplets, for pair energies without reflections that lead from every state to every
        other (Blume-Capel: none changes which sites are 0), or for tables beyond 128 MiB.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> cluster_tables(Ising([0.3]).terms(square_lattice((4, 4)))).images.tolist()
    [[1, 0]]
    """
    if len(terms.triplets) and np.any(terms.triplet_energy):
        raise InputError(
            "hamiltonian must hold pair energies only for cluster methods; it has triplets. Use "
            "method='heat_bath'."
        )
    n_sites, q = terms.site_energy.shape
    pair_energy, site_energy = _without_slope(terms)
    images = _reflections(pair_energy)
    kinds, weights, of_entry = _classes(terms.kind, terms.weight)
    if len(kinds) * q**3 > LARGEST_TABLE:
        raise InputError(
            f"hamiltonian must have fewer states or fewer different bonds for cluster methods: "
            f"{len(kinds)} different bonds of {q} states need {len(kinds) * q**3} chances, at most "
            f"{LARGEST_TABLE} are kept. Use method='heat_bath'."
        )
    bond_energy = weights[:, None, None] * pair_energy[kinds]
    rise = bond_energy[:, None, :, :] - bond_energy[:, :, None, :]  # [class, a, a', b]
    chances = -np.expm1(-np.maximum(rise, 0.0))
    linked = np.asarray(chances.any(axis=(1, 2, 3)))[of_entry]
    site = np.repeat(np.arange(n_sites), np.diff(terms.start))[linked]
    neighbour = terms.neighbour[linked].astype(np.uint32)
    offset = (of_entry[linked] * q**3).astype(np.uint32)
    later = site > neighbour
    unlike = ~np.eye(q, dtype=bool)
    like_only = not np.any(chances.transpose(0, 2, 1, 3)[:, :, unlike])
    n_movers = (images != np.arange(q)).sum(axis=0).astype(np.int64)
    movers = np.zeros((q, int(n_movers.max())), np.int32)
    for code in range(q):
        movers[code, : n_movers[code]] = np.flatnonzero(images[:, code] != code)
    with_field = bool(np.any(np.abs(site_energy - site_energy[:, :1]) > SAME))
    recolour = like_only and len(images) == q * (q - 1) // 2
    square = None
    if recolour and not with_field and len(neighbour) and not np.ptp(of_entry[linked]):
        square = _square_sheet(n_sites, np.column_stack([site[later], neighbour[later]]))
    chance = float(chances.max(initial=0.0))
    return ClusterTables(
        _row_starts(site, n_sites), neighbour, offset,
        np.ceil(chances * LONG_WORD).astype(np.uint64).ravel(),
        _row_starts(site[later], n_sites), neighbour[later], offset[later],
        images, movers, n_movers, recolour and q > 2, site_energy, with_field,
        like_only and _one_way(site_energy),
        None if square is None else (*square, np.uint64(np.ceil(chance * HALF_WORD))),
    )  # fmt: skip


def _row_starts(site: Int64, n_sites: int) -> UInt64:
    """Return where the entries of each site start; entries are sorted by site."""
    counts = np.bincount(site, minlength=n_sites)
    # unsigned, as all that kernels index by: a sign costs them a comparison a time
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.uint64)


def _without_slope(terms: EnergyTerms) -> tuple[Float, Float]:
    """Return pair and site energies; two states get the Ising form, which alone has a reflection.

    U(s, s') = A + B (s + s') - J s s', and B moves to the sites.
    """
    pair, site = terms.pair_energy, terms.site_energy
    if site.shape[1] != 2:
        return pair, site
    slope = (pair[:, 1, 1] - pair[:, 0, 0]) / 4
    if not np.any(slope):
        return pair, site
    owner = np.repeat(np.arange(len(site)), np.diff(terms.start))
    field = np.bincount(owner, slope[terms.kind] * terms.weight, len(site))
    spins = np.array([-1.0, 1.0])
    straight = pair - slope[:, None, None] * np.add.outer(spins, spins)
    return straight, site + field[:, None] * spins


def _reflections(pair_energy: Float) -> Int8:
    """Return the reflections (n, q) that keep all pair energies and join all states."""
    q = pair_energy.shape[-1]
    codes = np.arange(q)
    scale = SAME * max(1.0, float(np.abs(pair_energy).max(initial=0.0)))
    exchanges = []
    for a in range(q):
        for b in range(a + 1, q):
            rest = (codes != a) & (codes != b)
            apart = np.abs(pair_energy[:, a, rest] - pair_energy[:, b, rest]).max(initial=0.0)
            ends = np.abs(pair_energy[:, a, a] - pair_energy[:, b, b]).max(initial=0.0)
            if max(apart, ends) <= scale:
                image = codes.copy()
                image[[a, b]] = b, a
                exchanges.append(image)
    mirrors = [
        image
        for image in ((center - codes) % q for center in range(q))
        if np.abs(pair_energy[:, image][:, :, image] - pair_energy).max(initial=0.0) <= scale
    ]
    for images in (exchanges, mirrors):
        if _joins_all(images, q):
            return np.array(images, np.int8)
    raise InputError(
        "hamiltonian must have pair energies with reflections that lead from every state to every "
        "other for cluster methods (Ising, lattice gas, Potts and clock have them; Blume-Capel has "
        "not: which sites are 0 would never change). Use method='heat_bath'."
    )


def _joins_all(images: list[NDArray[np.int64]], q: int) -> bool:
    """Return whether reflections lead from code 0 to every code."""
    reached = {0}
    fresh = [0]
    while fresh:
        code = fresh.pop()
        new = {int(image[code]) for image in images} - reached
        reached |= new
        fresh.extend(new)
    return len(reached) == q


def _classes(kind: Int32, weight: Float) -> tuple[Int64, Float, Int64]:
    """Return kind and weight of each class of equal bonds, and the class of every entry."""
    values, of_value = np.unique(weight, return_inverse=True)
    keys, of_entry = np.unique(kind.astype(np.int64) * len(values) + of_value, return_inverse=True)
    kinds, places = np.divmod(keys, max(len(values), 1))
    return kinds, values[places], of_entry


def _one_way(site_energy: Float) -> bool:
    """Return whether each change of state costs energy on all sites or on none."""
    step = site_energy[:, :, None] - site_energy[:, None, :]
    return bool(np.all((step.min(axis=0) >= 0.0) | (step.max(axis=0) <= 0.0)))


def _square_sheet(n_sites: int, edges: Int64) -> tuple[int, int] | None:
    """Return rows and columns where the edges are a periodic square lattice, row after row."""
    if n_sites < 9 or len(edges) != 2 * n_sites:
        return None
    around = np.sort(edges[edges[:, 1] == 0, 0])  # of site 0: 1, columns - 1, columns, ...
    if len(around) != 4:
        return None
    n_columns = int(around[2])
    n_rows = n_sites // n_columns
    if n_rows * n_columns != n_sites or min(n_rows, n_columns) < 3:
        return None
    if max(n_rows, n_columns) >= LARGEST_EDGE:
        return None
    row, column = np.divmod(edges, n_columns)
    down = (row[:, 1] - row[:, 0]) % n_rows
    right = (column[:, 1] - column[:, 0]) % n_columns
    seen = np.zeros((2, n_sites), bool)
    for direction, along, across, size in ((0, right, down, n_columns), (1, down, right, n_rows)):
        for step, end in ((1, 0), (size - 1, 1)):
            seen[direction, edges[(along == step) & (across == 0), end]] = True
    return (n_rows, n_columns) if seen.all() else None
