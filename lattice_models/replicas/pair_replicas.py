"""Many independent replicas of one lattice, swept together: the workhorse of inference."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_count
from physlearn.lattice_models.graphs.site_graphs import BondTable, bond_table
from physlearn.lattice_models.hamiltonians.energy_terms import check_shells
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.replicas.pair_replica_kernels import (
    replica_scores,
    replica_statistics,
    replica_sweeps,
)
from physlearn.lattice_models.replicas.replica_layout import LARGEST_GROUP, checked_sites
from physlearn.records import SiteGraph
from physlearn.records.storage import short_repr

__all__ = ["Replicas", "pair_sums"]

Float = NDArray[np.float64]
TILE = 64
TO_EXPONENT = 2.0 / np.log(2.0)


class NeighbourGroups(NamedTuple):
    """Neighbours in groups of one site and one kind of bond; see ``replica_kernels``.

    ``shell`` and ``times`` (n_kinds,) say what a kind is: a shell and a multiplicity.
    """

    group_start: NDArray[np.int64]
    entry_start: NDArray[np.int64]
    kind: NDArray[np.int32]
    degree: NDArray[np.float32]
    entry: NDArray[np.uint64]
    shell: NDArray[np.int64]
    times: Float


class BondRuns(NamedTuple):
    """Bonds sorted into runs of one class and multiplicity; see ``replica_statistics``."""

    ends: NDArray[np.uint64]
    start: NDArray[np.int64]
    shell: NDArray[np.int64]
    times: NDArray[np.int64]


class Replicas:
    """Independent copies of a two-state lattice, each at its own field and couplings.

    Heat bath on any graph, site after site: p(+1) = 1 / (1 + exp(-2 f)) with the local field
    f = h + sum J s'. f is summed in single precision; given f, the probability is within 2e-7 of
    the formula, and that of the rarer state within 4e-7 of itself plus 1.2e-10, half a step.

    64 replicas cost as much as one: take multiples of 64.

    Parameters
    ----------
    graph
        Sites and bonds.
    n_shells
        Shells with a coupling.
    start
        States -1 and +1, shape (n_sites,) for all or (n_sites, n_replicas).
    n_replicas
        Number of copies.
    rng
        Seed or generator, for the lanes.
    sites
        The sites that are drawn, in this order; the others stay as they started. None draws all.

    Raises
    ------
    InputError
        For no replicas, more shells than the graph has, a start of another shape or other values,
        or sites that are not there.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> copies = Replicas(square_lattice((4, 4)), 1, np.ones(16), 8, np.random.default_rng(1))
    >>> copies.sweep(np.array([0.1, 0.2]), 10)
    >>> copies.statistics().shape
    (8, 2)
    """

    __repr__ = short_repr

    def __init__(
        self,
        graph: SiteGraph,
        n_shells: int,
        start: NDArray[np.generic],
        n_replicas: int,
        rng: int | np.random.Generator | None,
        sites: NDArray[np.int64] | None = None,
    ) -> None:
        check_shells(graph, check_count("n_shells", n_shells, 0), "n_shells")
        self.graph = graph
        self.n_shells = n_shells
        self.n_replicas = check_count("n_replicas", n_replicas, 1)
        self.bonds: BondTable = bond_table(graph, n_shells)
        self.sites = checked_sites(sites, graph.n_sites)
        self._groups = neighbour_groups(self.bonds, graph.n_sites)
        self._runs = bond_runs(graph, n_shells)
        self._states = packed_states(start, graph.n_sites, n_replicas)
        width = self._states.shape[1]
        generator = rng if isinstance(rng, np.random.Generator) else as_generator(rng)[0]
        halves = seed_words(generator, (width,)).view(np.uint32).reshape(width, 2)
        self._lanes = np.ascontiguousarray(halves.T)
        self._around = np.zeros(width, np.float32)
        self._count = np.zeros(width, np.uint8)

    @property
    def states(self) -> NDArray[np.int8]:
        """A copy of the states -1 and +1, shape (n_sites, n_replicas)."""
        return 2 * self._states[:-1, : self.n_replicas].astype(np.int8) - np.int8(1)

    def restart(self, start: NDArray[np.generic]) -> None:
        """Set the states -1 and +1, shape (n_sites,) for all or (n_sites, n_replicas)."""
        self._states[:] = packed_states(start, self.graph.n_sites, self.n_replicas)

    def sweep(self, parameters: ArrayLike, n_sweeps: int, site_field: ArrayLike = 0.0) -> None:
        """Draw every site ``n_sweeps`` times.

        Parameters
        ----------
        parameters
            Field and couplings, shape (1 + n_shells,) or (n_replicas, 1 + n_shells).
        n_sweeps
            How often.
        site_field
            Added to the field, shape (n_sites,) or (n_sites, n_replicas).

        Raises
        ------
        InputError
            For parameters or fields of another shape or that are not finite, or sweeps that are no
            whole number.
        """
        n_sweeps = check_count("n_sweeps", n_sweeps, 0)
        theta = self._wide(parameters)
        n_sites, field = self.graph.n_sites, theta[:1]
        offset = np.zeros(n_sites, np.float32)
        extra = np.asarray(0.0 if site_field is None else site_field, np.float64)
        shapes = ((), (n_sites,), (n_sites, self.n_replicas))
        if extra.shape not in shapes or not np.all(np.isfinite(extra)):
            raise InputError(
                f"site_field must be finite, of shape {shapes[1]} or {shapes[2]}; got shape "
                f"{extra.shape}."
            )
        if extra.ndim == 2:
            wide = np.zeros((n_sites, theta.shape[1]))
            wide[:, : self.n_replicas] = extra
            field = field + wide
        else:
            offset += (TO_EXPONENT * extra).astype(np.float32)
        groups = self._groups
        strength = theta[1 + groups.shell] * groups.times[:, None]
        replica_sweeps(
            self._states, self._words, self.sites, groups.group_start, groups.entry_start,
            groups.kind, groups.degree, groups.entry,
            (TO_EXPONENT * strength).astype(np.float32), (TO_EXPONENT * field).astype(np.float32),
            offset, n_sweeps, self._lanes, self._around, self._count, self._count.view(np.uint64),
        )  # fmt: skip

    @property
    def _words(self) -> NDArray[np.uint64]:
        """The memory of the states as words of eight replicas."""
        return self._states.reshape(-1).view(np.uint64)

    def _wide(self, parameters: ArrayLike) -> Float:
        """Return parameters as (1 + n_shells, width), zero for the replicas that only pad."""
        shape = (self.n_replicas, 1 + self.n_shells)
        values = np.asarray(parameters, np.float64)
        if values.shape not in (shape, shape[1:]) or not np.all(np.isfinite(values)):
            raise InputError(
                f"parameters must be finite, of shape {shape[1:]} or {shape}; got shape "
                f"{values.shape}."
            )
        wide = np.zeros((shape[1], self._states.shape[1]))
        wide[:, : self.n_replicas] = np.broadcast_to(values, shape).T
        return wide

    def statistics(self) -> Float:
        """Return sum s and the sums of s s' by shell, shape (n_replicas, 1 + n_shells)."""
        return sum_pairs(self._states, self._runs, self.n_shells)[: self.n_replicas]

    def scores(self, parameters: ArrayLike, terms: NDArray[np.int64]) -> tuple[Float, Float]:
        """Return the gradient and curvature of every replica's log pseudolikelihood.

        Shapes (n_replicas, d) and (n_replicas, d, d); ``terms`` are the sites that count.
        """
        theta = self._wide(parameters)
        d, width = theta.shape
        score, curvature = np.zeros((d, width)), np.zeros((d, d, width))
        groups = self._groups
        replica_scores(
            self._states, self._words, np.asarray(terms, np.int64), groups.group_start,
            groups.entry_start, groups.kind, groups.degree, groups.entry, groups.shell,
            groups.times, theta, score, curvature, self._count, self._count.view(np.uint64),
        )  # fmt: skip
        for k in range(d):
            curvature[:k, k] = curvature[k, :k]
        n = self.n_replicas
        return score[:, :n].T.copy(), curvature[:, :, :n].transpose(2, 0, 1).copy()


def pair_sums(states: NDArray[np.int8], graph: SiteGraph, n_classes: int) -> Float:
    """Return sum s and the sums of s s' by class of bonds, shape (n_replicas, 1 + n_classes).

    Parameters
    ----------
    states
        -1 and +1, shape (n_sites, n_replicas).
    graph
        Its bonds count with their multiplicity; its shells are the classes.
    n_classes
        Bonds of the first classes only.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> pair_sums(np.ones((16, 2), np.int8), square_lattice((4, 4)), 1).tolist()
    [[16.0, 32.0], [16.0, 32.0]]
    """
    packed = packed_states(states, graph.n_sites, states.shape[1])
    return sum_pairs(packed, bond_runs(graph, n_classes), n_classes)[: states.shape[1]]


def sum_pairs(states: NDArray[np.uint8], runs: BondRuns, n_classes: int) -> Float:
    """Return what ``pair_sums`` returns, of packed states and all the replicas that pad."""
    width = states.shape[1]
    total, count = np.zeros((1 + n_classes, width), np.int64), np.zeros(width, np.uint8)
    replica_statistics(
        states.reshape(-1).view(np.uint64), len(states) - 1, runs.ends, runs.start, runs.shell,
        runs.times, total, count, count.view(np.uint64),
    )  # fmt: skip
    return total.T.astype(np.float64)


def packed_states(start: NDArray[np.generic], n_sites: int, n_replicas: int) -> NDArray[np.uint8]:
    """Return bytes 1 (up) and 0, shape (n_sites + 1, width), the last row down."""
    values = np.asarray(start)
    if values.shape not in ((n_sites,), (n_sites, n_replicas)):
        raise InputError(
            f"start must have shape ({n_sites},) or ({n_sites}, {n_replicas}); got {values.shape}."
        )
    up = values == 1
    wrong = np.argwhere(~up & (values != -1))
    if len(wrong):
        raise InputError(
            f"start may hold only -1 and +1; entry {tuple(wrong[0].tolist())} holds "
            f"{values[tuple(wrong[0])]}."
        )
    packed = np.zeros((n_sites + 1, -(-n_replicas // TILE) * TILE), np.uint8)
    packed[:-1, :n_replicas] = up if up.ndim == 2 else up[:, None]
    return packed


def neighbour_groups(bonds: BondTable, n_sites: int) -> NeighbourGroups:
    """Return a bond table's neighbours in groups for ``replica_sweeps``."""
    site = np.repeat(np.arange(n_sites), np.diff(bonds.start))
    most = int(bonds.times.max(initial=0)) + 1
    code = bonds.shell.astype(np.int64) * most + bonds.times
    present = np.flatnonzero(np.bincount(code))
    n_kinds = len(present)
    number = np.zeros(int(code.max(initial=0)) + 1, np.int64)
    number[present] = np.arange(n_kinds)
    kind = number[code]
    counts = np.bincount(site * n_kinds + kind, minlength=n_sites * n_kinds)
    # entries are sorted by site: counting places them within their kind without another sort
    rank = np.empty(len(site), np.int64)
    for k in range(n_kinds):
        (here,) = np.nonzero(kind == k)
        own = counts[k::n_kinds]
        rank[here] = np.arange(len(here)) - (np.cumsum(own) - own)[site[here]]
    pieces = -(-counts // LARGEST_GROUP)
    first_group = np.cumsum(pieces) - pieces
    group = first_group[site * n_kinds + kind] + rank // LARGEST_GROUP
    n_groups = int(pieces.sum())
    size = np.bincount(group, minlength=n_groups)
    entry_start = np.zeros(n_groups + 1, np.int64)
    np.cumsum(size + size % 2, out=entry_start[1:])
    entry = np.full(entry_start[-1], n_sites, np.uint64)
    entry[entry_start[group] + rank % LARGEST_GROUP] = bonds.neighbour
    group_start = np.zeros(n_sites + 1, np.int64)
    np.cumsum(pieces.reshape(n_sites, n_kinds).sum(axis=1), out=group_start[1:])
    return NeighbourGroups(
        group_start, entry_start,
        np.repeat(np.tile(np.arange(n_kinds), n_sites), pieces).astype(np.int32),
        size.astype(np.float32), entry, present // most, (present % most).astype(np.float64),
    )  # fmt: skip


def bond_runs(graph: SiteGraph, n_classes: int) -> BondRuns:
    """Return the bonds of the first classes in runs for ``replica_statistics``."""
    keep = np.flatnonzero(graph.shell < n_classes)
    order = keep[np.lexsort((graph.multiplicity[keep], graph.shell[keep]))]
    shell, times = graph.shell[order], graph.multiplicity[order]
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(shell) != 0) | (np.diff(times) != 0)
    place = np.arange(len(order))
    first |= (place - np.maximum.accumulate(np.where(first, place, 0))) % LARGEST_GROUP == 0
    return BondRuns(
        graph.edges[order].astype(np.uint64),
        np.append(np.flatnonzero(first), len(order)).astype(np.int64), shell[first], times[first],
    )  # fmt: skip
