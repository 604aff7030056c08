"""Engines of sites with q states on any graph: heat bath, Metropolis and both exchanges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_count
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.lattice_models.hamiltonians.energy_terms import (
    EnergyTerms,
    Hamiltonian,
    energy_of_codes,
    state_codes,
)
from physlearn.lattice_models.hamiltonians.state_hamiltonians import Clock
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.samplers.state_kernels import (
    StateTables,
    state_exchange_sweeps,
    state_heat_bath_sweeps,
    state_metropolis_sweeps,
)
from physlearn.lattice_models.samplers.two_state_engines import nearest_bonds
from physlearn.records import SiteGraph

__all__ = ["StateEngine", "bond_overlap", "state_tables"]

Float = NDArray[np.float64]


def bond_overlap(hamiltonian: Hamiltonian) -> Float:
    """Return what is summed over the bonds of each shell, for every pair of states, (q, q).

    s s' where negative states exist (Ising, Blume-Capel), cos(2 pi (a - b) / q) for clocks, else 1
    for like and 0 for unlike states.

    Examples
    --------
    >>> from physlearn.lattice_models.hamiltonians.state_hamiltonians import Potts
    >>> bond_overlap(Potts(2, [1.0])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    values = np.array(hamiltonian.state_values, np.float64)
    if values.min() < 0:
        return np.multiply.outer(values, values)
    if isinstance(hamiltonian, Clock):
        return np.asarray(np.cos(2 * np.pi / len(values) * np.subtract.outer(values, values)))
    return np.eye(len(values))


def state_tables(
    terms: EnergyTerms, graph: SiteGraph, overlap: Float, counting: bool = False
) -> StateTables:
    """Lay out the tables of a Hamiltonian for the kernels of ``state_kernels``.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> from physlearn.lattice_models.hamiltonians.state_hamiltonians import Potts
    >>> graph = square_lattice((3, 3))
    >>> len(state_tables(Potts(3, [0.5]).terms(graph), graph, np.eye(3)).weight)
    36
    """
    site = np.repeat(np.arange(graph.n_sites), np.diff(terms.triplet_start))
    corners = terms.triplets[terms.triplet_entry]
    place = np.argmax(corners == site[:, None], axis=1)
    others = np.array([[1, 2], [0, 2], [0, 1]])[place]
    table = bond_table(graph)
    keep = slice(None) if counting else slice(0)
    q = len(terms.state_values)
    return StateTables(
        terms.start,
        terms.neighbour.astype(np.uint32),
        terms.kind.astype(np.uint32),
        terms.weight,
        terms.pair_energy,
        terms.triplet_start,
        np.ascontiguousarray(np.take_along_axis(corners, others, axis=1).astype(np.uint32)),
        terms.motif[terms.triplet_entry].astype(np.uint32),
        terms.triplet_energy,
        terms.state_values.astype(np.float64),
        overlap,
        table.start,
        table.neighbour[keep].astype(np.uint32),
        (table.shell[keep] + 2 + q).astype(np.uint32),
        table.times[keep].astype(np.float64),
    )


def state_energies(tables: StateTables, site_energy: Float, codes: NDArray[np.int8]) -> Float:
    """Return the energy that every site would have in each state, shape (n_sites, q)."""
    around = site_energy.copy()
    n_sites = len(codes)
    site = np.repeat(np.arange(n_sites), np.diff(tables.start))
    near = tables.pair_energy[tables.kind, codes[tables.neighbour]]
    np.add.at(around, site, tables.weight[:, None] * near)
    site = np.repeat(np.arange(n_sites), np.diff(tables.triplet_start))
    left, right = codes[tables.triplet_others].T
    np.add.at(around, site, tables.triplet_energy[tables.motif, left, right])
    return around


class StateEngine:
    """A chain of single-site or exchange moves for any Hamiltonian; see ``state_kernels``.

    Parameters
    ----------
    hamiltonian
        Any record with ``terms`` and ``energy``.
    graph
        Sites and bonds.
    start_states
        Among the Hamiltonian's ``state_values``, shape (n_sites,).
    rng
        Seeds the chain.
    method
        ``heat_bath``, ``metropolis``, ``kawasaki`` or ``kawasaki_local``.
    counting
        Keep sums by shell (see ``bond_overlap``) in ``totals``, too.

    Raises
    ------
    InputError
        For a start that does not fit, or ``kawasaki_local`` on a graph without bonds of shell 0.

    Examples
    --------
    >>> from physlearn.lattice_models import square_lattice
    >>> from physlearn.lattice_models.hamiltonians.state_hamiltonians import Potts
    >>> rng, graph = np.random.default_rng(1), square_lattice((4, 4))
    >>> engine = StateEngine(Potts(3, [0.5]), graph, np.zeros(16), rng, "heat_bath")
    >>> engine.sweep(3)
    >>> engine.states().shape
    (16,)
    """

    def __init__(
        self,
        hamiltonian: Hamiltonian,
        graph: SiteGraph,
        start_states: NDArray[Any],
        rng: np.random.Generator,
        method: str,
        counting: bool = False,
    ) -> None:
        terms = hamiltonian.terms(graph)
        values = tuple(int(value) for value in terms.state_values)
        codes = state_codes(start_states, values, graph.n_sites)
        if codes.ndim != 1:
            raise InputError(f"start must have shape ({graph.n_sites},), got {codes.shape}.")
        overlap = bond_overlap(hamiltonian)
        self._values, self._method = terms.state_values, method
        self._codes = codes.astype(np.int8)
        self._tables = state_tables(terms, graph, overlap, counting)
        self._around = state_energies(self._tables, terms.site_energy, self._codes)
        self._chances = np.zeros(len(values))
        self._random_state = seed_words(rng, (2,))
        local = method == "kawasaki_local"
        self._ends = nearest_bonds(graph) if local else np.empty((0, 2), np.uint32)
        self.total_names: tuple[str, ...] = (
            "energy", "magnetization", *(f"count_{value}" for value in values)
        )  # fmt: skip
        sums = [
            float(energy_of_codes(terms, codes)), float(terms.state_values[codes].sum()),
            *np.bincount(codes, minlength=len(values)).tolist(),
        ]  # fmt: skip
        if counting:
            self.total_names += tuple(f"shell_{shell}" for shell in range(graph.n_shells))
            left, right = codes[graph.edges].T
            like = graph.multiplicity * overlap[left, right]
            sums += np.bincount(graph.shell, like, minlength=graph.n_shells).tolist()
        self._totals = np.array(sums, np.float64)

    def sweep(self, n: int) -> None:
        """Do ``n`` sweeps, each of as many trials as there are sites."""
        common = (self._codes, self._around, self._tables)
        rest = (check_count("n", n, 0), self._random_state, self._totals)
        if self._method.startswith("kawasaki"):
            state_exchange_sweeps(*common, self._ends, *rest)
        elif self._method == "metropolis":
            state_metropolis_sweeps(*common, *rest)
        else:
            state_heat_bath_sweeps(*common, self._chances, *rest)

    def states(self) -> NDArray[np.int8]:
        """Return the states, int8 of shape (n_sites,), as a fresh array."""
        return self._values[self._codes]

    def totals(self) -> Float:
        """Return energy, sums over sites and, where counted, over bonds; see ``total_names``."""
        return self._totals.copy()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the whole state, for a checkpoint."""
        return {
            "codes": self._codes.copy(), "around": self._around.copy(),
            "random_state": self._random_state.copy(), "totals": self._totals.copy(),
        }  # fmt: skip

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what ``arrays`` returned."""
        self._codes[:] = arrays["codes"]
        self._around[:] = arrays["around"]
        self._random_state[:] = arrays["random_state"]
        self._totals[:] = arrays["totals"]
