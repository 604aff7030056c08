"""Engines of two-state sites on any graph: heat bath, Metropolis and both kinds of exchange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_count
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.lattice_models.hamiltonians.energy_terms import state_codes
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.samplers.kawasaki_kernels import exchange_sweeps
from physlearn.lattice_models.samplers.two_state_kernels import (
    TwoStateTables,
    chance_table,
    single_site_sweeps,
)
from physlearn.records import SiteGraph

__all__ = ["TwoStateEngine", "two_state_tables"]

Float = NDArray[np.float64]
CHANCES = {"heat_bath": (1.0, 1.0), "metropolis": (0.0, 0.875)}
EXACT_BITS = 50
"""Bits of the largest local field that its terms are rounded to: sums of doubles stay exact."""
COLD = 750.0
"""exp(-750) is 0 in double precision: beyond this a site, or the order of a pair, is certain."""
COARSEST = 1e-8
"""Largest rounding of a term, in kT or, where all terms are larger, of the smallest."""


def two_state_tables(
    ising: Ising, graph: SiteGraph, counting: bool = False, exchanging: bool = False
) -> tuple[TwoStateTables, Float]:
    """Lay out an Ising model for the kernels; return also twice the field of every site.

    Fields and couplings are rounded to the largest local field times 2^-50, about the round-off of
    one sum. All further sums are then exact in double precision, in whatever order. Fields that
    decide alone are first brought near (``fields_within_reach``), as they would coarsen the rest.

    Parameters
    ----------
    ising
        The model.
    graph
        Sites and bonds.
    counting
        Keep sums of s s' for each shell of the graph.
    exchanging
        For exchanges, where only differences of fields count.

    Raises
    ------
    InputError
        As in ``Ising``, when the model does not fit the graph, and where strengths are so far apart
        that rounding would change weak terms by more than 1e-8 kT.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> tables, field = two_state_tables(Ising([0.25]), square_lattice((4, 4)))
    >>> tables.step[:4].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    n_sites = graph.n_sites
    field, bonds = 2.0 * fields_within_reach(ising, graph, exchanging), ising.bond_couplings(graph)
    bonds = 2.0 * bonds
    members, strength = _triplets(ising, graph)
    largest = np.abs(field) + 2.0 * _summed_strength(ising, graph)
    if not np.all(np.isfinite(largest)):
        raise InputError("couplings and fields are too large: a local field overflows.")
    quantum = 2.0 ** max(np.ceil(np.log2(largest.max() or 1.0)) - EXACT_BITS, -1000.0)
    smallest = min(_smallest(one) for one in (field, bonds, strength))
    if quantum > COARSEST * max(1.0, smallest):
        raise InputError(
            f"hamiltonian must have strengths that fit double precision together; local fields up "
            f"to {largest.max() / 2:.3g} kT would drown terms of {smallest / 2:.3g} kT. Leave out "
            "the weak ones, or make the strong ones weaker: 1000 kT decide as surely."
        )
    field, bonds, strength = (quantum * np.round(v / quantum) for v in (field, bonds, strength))
    table = bond_table(graph)
    neighbour, step, start = table.neighbour.view(np.uint32), 2.0 * bonds[table.edge], table.start
    used = step != 0.0
    if not used.all():
        start = _starts(np.repeat(np.arange(n_sites), np.diff(start))[used], n_sites)
        neighbour, step = neighbour[used], step[used]
    corners = members.T.ravel()
    order = np.argsort(corners, kind="stable")
    left, right = (np.concatenate(members.T[ends])[order] for ends in ([1, 0, 0], [2, 2, 1]))
    keep = slice(None) if counting else slice(0)
    return TwoStateTables(
        start,
        neighbour,
        step,
        _starts(corners, n_sites),
        left.astype(np.uint32),
        right.astype(np.uint32),
        2.0 * np.tile(strength, 3)[order],
        table.start,
        table.neighbour.view(np.uint32)[keep],
        (table.shell[keep] + 2).astype(np.uint32),
        table.times[keep].astype(np.float64),
    ), field


def _smallest(values: Float) -> float:
    """Return the smallest size that is not 0; infinity where all are."""
    sizes = np.abs(values)
    return float(sizes.min(initial=np.inf, where=sizes > 0))


def _summed_strength(ising: Ising, graph: SiteGraph) -> Float:
    """Return sum |J| + sum |K| over the bonds and triplets of every site."""
    total, bonds = np.zeros(graph.n_sites), np.abs(ising.bond_couplings(graph))
    members, strength = _triplets(ising, graph)
    with np.errstate(over="ignore"):
        for end in range(2):
            np.add.at(total, graph.edges[:, end], bonds)
        for corner in range(3):
            np.add.at(total, members[:, corner], np.abs(strength) / 2.0)
    return total


def fields_within_reach(ising: Ising, graph: SiteGraph, exchanging: bool = False) -> Float:
    """Return fields, shape (n_sites,), that give the same chances and are not needlessly strong.

    A field that outweighs all bonds of its site by ``COLD`` is cut to that: exp(-750) is 0 for
    either. Exchanges feel differences of fields: there, gaps in the list of all fields are cut.
    """
    field, bonds = ising.site_field(graph), _summed_strength(ising, graph)
    bound = bonds + COLD
    if np.all(np.abs(field) <= bound):
        return field
    if not exchanging:
        return np.clip(field, -bound, bound)
    order = np.argsort(field)
    with np.errstate(over="ignore"):
        gaps = np.diff(field[order], prepend=field[order[0]])
    near = np.empty_like(field)
    near[order] = np.cumsum(np.minimum(gaps, 4.0 * bonds.max() + COLD))
    return np.asarray(near - near.max() / 2.0)


def _starts(site: NDArray[np.integer], n_sites: int) -> NDArray[np.int64]:
    """Return where the entries of each site begin in compressed rows."""
    start = np.zeros(n_sites + 1, np.int64)
    np.cumsum(np.bincount(site, minlength=n_sites), out=start[1:])
    return start


def _triplets(ising: Ising, graph: SiteGraph) -> tuple[NDArray[np.int64], Float]:
    """Return the sites of every triplet and 2 K."""
    if not ising.triplets:
        return np.empty((0, 3), np.int64), np.empty(0)
    terms = ising.terms(graph)
    return terms.triplets.astype(np.int64), -2.0 * terms.triplet_energy[terms.motif, 1, 1, 1]


def twice_local_fields(tables: TwoStateTables, field: Float, states: NDArray[np.int8]) -> Float:
    """Return 2 (h + sum J s' + sum K s' s'') of every site; exact, as all terms are rounded."""
    around = field.copy()
    n_sites = len(states)
    site = np.repeat(np.arange(n_sites), np.diff(tables.start))
    np.add.at(around, site, 0.5 * tables.step * states[tables.neighbour])
    site = np.repeat(np.arange(n_sites), np.diff(tables.triplet_start))
    product = states[tables.triplet_left] * states[tables.triplet_right]
    np.add.at(around, site, 0.5 * tables.triplet_step * product)
    return around


class TwoStateEngine:
    """A chain of single-site or exchange moves; see ``ising_kernels`` for how they are drawn.

    Parameters
    ----------
    hamiltonian
        An Ising model; of a lattice gas its ``to_ising(graph)``.
    graph
        Sites and bonds.
    start_states
        -1 and +1, shape (n_sites,).
    rng
        Seeds the chain.
    method
        ``heat_bath``, ``metropolis``, ``kawasaki`` or ``kawasaki_local``.
    counting
        Keep sums of s s' by shell in ``totals``, too.

    Raises
    ------
    InputError
        For a start that does not fit, ``kawasaki_local`` on a graph without bonds of shell 0, or
        strengths too far apart for double precision (``two_state_tables``).

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> engine = TwoStateEngine(
    ...     Ising([0.3]), square_lattice((4, 4)), np.ones(16), np.random.default_rng(1), "heat_bath"
    ... )
    >>> engine.sweep(3)
    >>> engine.states().shape
    (16,)
    """

    def __init__(
        self,
        hamiltonian: Ising,
        graph: SiteGraph,
        start_states: NDArray[Any],
        rng: np.random.Generator,
        method: str,
        counting: bool = False,
    ) -> None:
        codes = state_codes(start_states, (-1, 1), graph.n_sites)
        if codes.ndim != 1:
            raise InputError(f"start must have shape ({graph.n_sites},), got {codes.shape}.")
        self._states = (2 * codes - 1).astype(np.int8)
        exchanging = method.startswith("kawasaki")
        self._tables, self._field = two_state_tables(hamiltonian, graph, counting, exchanging)
        self._around = twice_local_fields(self._tables, self._field, self._states)
        self._method = method
        self._rule = CHANCES.get(method, (0.0, 1.0))
        self._chances = chance_table(*self._rule)
        self._random_state = seed_words(rng, (2,))
        up = self._states == 1
        self._order = np.concatenate([np.flatnonzero(up), np.flatnonzero(~up)]).astype(np.uint32)
        self._n_up = int(up.sum())
        self._ends, self._shared = np.empty((0, 2), np.uint32), np.empty(0)
        if method == "kawasaki_local":
            self._ends = nearest_bonds(graph)
            self._shared = self._steps_between(graph.n_sites)
        near = fields_within_reach(hamiltonian, graph, exchanging)
        # moves are charged in fields within reach; the rest of the energy is a sum over states
        self._rest = hamiltonian.site_field(graph) - near
        felt = Ising(
            hamiltonian.couplings, near, bonds=hamiltonian.bonds, triplets=hamiltonian.triplets
        )
        energy = float(felt.energy(self._states, graph))
        self.total_names: tuple[str, ...] = ("energy", "magnetization")
        sums = [energy, float(self._states.sum())]
        if counting:
            self.total_names += tuple(f"shell_{shell}" for shell in range(graph.n_shells))
            left, right = self._states[graph.edges].T.astype(np.float64)
            like = graph.multiplicity * left * right
            sums += np.bincount(graph.shell, like, minlength=graph.n_shells).tolist()
        self._totals = np.array(sums)

    def _steps_between(self, n_sites: int) -> Float:
        """Return 4 J summed over all bonds between the two ends of each bond of shell 0."""
        tables = self._tables
        site = np.repeat(np.arange(n_sites), np.diff(tables.start))
        keys, place = np.unique(site * n_sites + tables.neighbour, return_inverse=True)
        sums = np.append(np.bincount(place, tables.step, minlength=len(keys)), 0.0)
        wanted = self._ends[:, 0].astype(np.int64) * n_sites + self._ends[:, 1]
        found = np.searchsorted(keys, wanted)
        there = np.append(keys, -1)[found] == wanted
        return sums[np.where(there, found, len(keys))]

    def sweep(self, n: int) -> None:
        """Do ``n`` sweeps, each of as many trials as there are sites."""
        common = (self._states, self._around, self._tables, self._chances)
        rest = (check_count("n", n, 0), self._random_state, self._totals)
        if self._method.startswith("kawasaki"):
            pairs = (self._ends, self._shared, self._order, self._n_up)
            exchange_sweeps(*common, *pairs, *rest)
        else:
            base, top = self._rule
            single_site_sweeps(*common, base, top, *rest)

    def states(self) -> NDArray[np.int8]:
        """Return the states, int8 of shape (n_sites,), as a fresh array."""
        return self._states.copy()

    def totals(self) -> Float:
        """Return energy, sum s and, where counted, sums of s s' by shell; see ``total_names``."""
        sums = self._totals.copy()
        if np.any(self._rest):
            sums[0] -= self._rest @ self._states
        return sums

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the whole state, for a checkpoint."""
        return {
            "states": self._states.copy(), "order": self._order.copy(),
            "random_state": self._random_state.copy(), "totals": self._totals.copy(),
        }  # fmt: skip

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what ``arrays`` returned."""
        self._states[:] = arrays["states"]
        self._order[:] = arrays["order"]
        self._random_state[:] = arrays["random_state"]
        self._totals[:] = arrays["totals"]
        self._n_up = int((self._states == 1).sum())
        self._around[:] = twice_local_fields(self._tables, self._field, self._states)


def nearest_bonds(graph: SiteGraph) -> NDArray[np.uint32]:
    """Return the two ends of every bond of the first shell, along which states are exchanged."""
    ends = graph.edges[graph.shell == 0]
    if not len(ends):
        raise InputError(
            "graph must have bonds of shell 0 for kawasaki_local; it has none. Use kawasaki, "
            "which exchanges at any distance."
        )
    return np.ascontiguousarray(ends.astype(np.uint32))
