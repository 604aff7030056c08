"""How replicas lie in memory: codes, sites in runs, partners in triplets, lanes of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator
from physlearn.lattice_models.graphs.site_graphs import BondTable
from physlearn.lattice_models.random_numbers import seed_words

__all__ = [
    "LARGEST_GROUP",
    "PartnerGroups",
    "Runs",
    "checked_offset",
    "checked_sites",
    "energies_by_replica",
    "fill_codes",
    "make_lanes",
    "make_runs",
    "partner_groups",
    "with_partners",
]

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
LARGEST_GROUP = 250
"""Most entries of a group: they are counted in bytes."""


class PartnerGroups(NamedTuple):
    """The other two sites of each site's triplets, in groups of one motif; see ``term_sweeps``."""

    start: Int64
    entry_start: Int64
    motif: NDArray[np.int32]
    pair: NDArray[np.uint64]


class Runs(NamedTuple):
    """Rows of sites sorted into runs of one class and multiplicity; see ``term_statistics``."""

    rows: NDArray[np.uint64]
    start: Int64
    group: Int64
    times: Int64


def checked_sites(sites: Int64 | None, n_sites: int) -> Int64:
    """Return the sites that are drawn; None stands for all.

    Raises
    ------
    InputError
        For a site that is not there.

    Examples
    --------
    >>> checked_sites(None, 3).tolist()
    [0, 1, 2]
    """
    if sites is None:
        return np.arange(n_sites)
    chosen = np.ascontiguousarray(sites, np.int64)
    if np.any((chosen < 0) | (chosen >= n_sites)):
        raise InputError(
            f"sites must lie between 0 and {n_sites - 1}; got {chosen.min()} to {chosen.max()}."
        )
    return chosen


def checked_offset(offset: ArrayLike, shape: tuple[int, int]) -> Float:
    """Return energies of every site and state, shape (n_sites, q); 0 stands for none.

    Raises
    ------
    InputError
        For another shape, NaN or infinity.

    Examples
    --------
    >>> checked_offset(0.0, (1, 2)).tolist()
    [[0.0, 0.0]]
    """
    known = np.asarray(offset, np.float64)
    if known.shape not in ((), shape) or not np.all(np.isfinite(known)):
        raise InputError(f"offset must be finite, of shape {shape}; got shape {known.shape}.")
    return np.broadcast_to(known, shape)


def fill_codes(codes: ArrayLike, n_sites: int, n_replicas: int, q: int) -> NDArray[np.uint8]:
    """Return codes 0 to q - 1 of all replicas, uint8, shape (n_sites, n_replicas).

    Raises
    ------
    InputError
        For codes of another shape than (n_sites,) or (n_sites, n_replicas), or other codes.

    Examples
    --------
    >>> fill_codes([0, 1], 2, 3, 2).tolist()
    [[0, 0, 0], [1, 1, 1]]
    """
    given = np.asarray(codes)
    if given.shape not in ((n_sites,), (n_sites, n_replicas)):
        raise InputError(
            f"start must have shape ({n_sites},) or ({n_sites}, {n_replicas}); got {given.shape}."
        )
    if given.dtype.kind in "bu":
        bad = given >= q
    elif given.dtype.kind == "i":
        bad = (given < 0) | (given >= q)
    else:
        # NaN fails both comparisons
        bad = ~((given >= 0) & (given < q)) | (np.floor(given) != given)
    if bad.any():
        wrong = np.argwhere(bad)
        raise InputError(
            f"start must hold whole numbers from 0 to {q - 1}; entry {tuple(wrong[0].tolist())} "
            f"holds {given[tuple(wrong[0])]}."
        )
    wide = np.empty((n_sites, n_replicas), np.uint8)
    wide[:] = given if given.ndim == 2 else given[:, None]
    return wide


def make_lanes(rng: int | np.random.Generator | None, width: int) -> NDArray[np.uint32]:
    """Return one lane of random numbers a replica, shape (2, width).

    Examples
    --------
    >>> make_lanes(1, 64).shape
    (2, 64)
    """
    generator = rng if isinstance(rng, np.random.Generator) else as_generator(rng)[0]
    halves = seed_words(generator, (width,)).view(np.uint32).reshape(width, 2)
    return np.ascontiguousarray(halves.T)


def energies_by_replica(
    name: str, values: ArrayLike | None, shape: tuple[int, ...], n_replicas: int, width: int
) -> Float:
    """Return energies with the replicas last, (*shape, width), zero for those that only pad.

    Parameters
    ----------
    name
        For the message.
    values
        Shape ``shape`` for all, or with n_replicas first; None stands for zeros.
    shape, n_replicas, width
        Of one replica's energies; how many count; how many there are.

    Raises
    ------
    InputError
        For another shape, NaN or infinity.

    Examples
    --------
    >>> energies_by_replica("field", [1.0], (1,), 2, 4).tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """
    given = np.zeros(shape) if values is None else np.asarray(values, np.float64)
    full = (n_replicas, *shape)
    if given.shape not in (shape, full) or not np.all(np.isfinite(given)):
        raise InputError(
            f"{name} must be finite, of shape {shape} or {full}; got shape {given.shape}."
        )
    wide = np.zeros((*shape, width))
    wide[..., :n_replicas] = np.moveaxis(np.broadcast_to(given, full), 0, -1)
    return wide


def with_partners(bonds: BondTable, triplets: Sequence[Int64], n_shells: int) -> BondTable:
    """Return a bond table to which partners in triplets were added as bonds of further shells.

    Motif m becomes shell n_shells + m; the column ``edge`` has no meaning there.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> from physlearn.lattice_models.graphs.site_graphs import bond_table
    >>> bonds = bond_table(square_lattice((4, 4)))
    >>> with_partners(bonds, [np.array([[0, 1, 5]])], 1).start[:3].tolist()
    [0, 6, 12]
    """
    n_sites = len(bonds.start) - 1
    site = [np.repeat(np.arange(n_sites), np.diff(bonds.start))]
    other, shell = [bonds.neighbour.astype(np.int64)], [bonds.shell.astype(np.int64)]
    for motif, rows in enumerate(triplets):
        for corner in range(3):
            for turn in (1, 2):
                site.append(rows[:, corner])
                other.append(rows[:, (corner + turn) % 3])
                shell.append(np.full(len(rows), n_shells + motif))
    sites = np.concatenate(site)
    order = np.argsort(sites, kind="stable")
    start = np.zeros(n_sites + 1, np.int64)
    np.cumsum(np.bincount(sites, minlength=n_sites), out=start[1:])
    times = np.ones(len(sites), np.int32)
    times[: len(bonds.times)] = bonds.times
    return BondTable(
        start, np.concatenate(other)[order].astype(np.int32),
        np.concatenate(shell)[order].astype(np.int32), times[order],
        np.full(len(sites), -1, np.int32),
    )  # fmt: skip


def partner_groups(triplets: Sequence[Int64], n_sites: int) -> PartnerGroups:
    """Return every site's pairs of partners; a group has at most 250 and an even number of rows.

    Examples
    --------
    >>> partner_groups([np.array([[0, 1, 2]])], 3).pair.tolist()[:2]
    [[1, 2], [3, 3]]
    """
    site, motif, pair = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty((0, 2), int)]
    for number, rows in enumerate(triplets):
        for corner in range(3):
            site.append(rows[:, corner])
            motif.append(np.full(len(rows), number))
            pair.append(rows[:, [(corner + 1) % 3, (corner + 2) % 3]])
    sites, motifs, pairs = (np.concatenate(part) for part in (site, motif, pair))
    order = np.lexsort((motifs, sites))
    sites, motifs, pairs = sites[order], motifs[order], pairs[order]
    first, place = _starts(np.stack([sites, motifs], axis=1), LARGEST_GROUP)
    group = np.cumsum(first) - 1
    size = np.bincount(group) if len(group) else np.zeros(0, np.int64)
    entry_start = np.zeros(len(size) + 1, np.int64)
    np.cumsum(size + size % 2, out=entry_start[1:])
    entry = np.full((entry_start[-1], 2), n_sites, np.uint64)
    entry[entry_start[group] + place] = pairs
    return PartnerGroups(
        np.searchsorted(sites[first], np.arange(n_sites + 1)).astype(np.int64), entry_start,
        motifs[first].astype(np.int32), entry,
    )  # fmt: skip


def make_runs(rows: Int64, group: Int64, times: Int64, largest: int) -> Runs:
    """Return rows of sites sorted into runs of one class and multiplicity.

    Examples
    --------
    >>> edges = np.array([[0, 1], [1, 2], [2, 3]])
    >>> make_runs(edges, np.array([0, 1, 0]), np.ones(3, int), 250).start.tolist()
    [0, 2, 3]
    """
    order = np.lexsort((times, group))
    key = np.stack([group[order], times[order]], axis=1)
    first, _ = _starts(key, largest)
    return Runs(
        np.ascontiguousarray(rows[order], np.uint64),
        np.append(np.flatnonzero(first), len(order)).astype(np.int64),
        key[first, 0].astype(np.int64), key[first, 1].astype(np.int64),
    )  # fmt: skip


def _starts(key: Int64, largest: int) -> tuple[NDArray[np.bool_], Int64]:
    """Return where runs of equal rows of ``key`` start, and each row's place in its run."""
    first = np.ones(len(key), bool)
    first[1:] = (key[1:] != key[:-1]).any(axis=1)
    place = np.arange(len(key))
    place = place - np.maximum.accumulate(np.where(first, place, 0))
    first |= place % largest == 0
    return first, place % largest
