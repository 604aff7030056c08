"""Exact answers for small lattices, by summing over all states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.lattice_models.hamiltonians.energy_terms import (
    EnergyTerms,
    Hamiltonian,
    check_graph,
    check_hamiltonian,
)
from physlearn.records import SiteGraph
from physlearn.records.storage import html_table, short_repr

__all__ = ["ExactEnsemble", "exact_enumeration"]

Float = NDArray[np.float64]
MAX_LATTICE_STATES = 1 << 20
SAME_ENERGY = 1e-9
"""Energies closer than this (in kT) are one level."""


@dataclass(frozen=True, slots=True, eq=False)
class ExactEnsemble:
    """All states of a small lattice with their probabilities.

    Attributes
    ----------
    log_partition
        log Z = log sum over states of exp(-energy).
    states
        int8, shape (q ** n_sites, n_sites), entries from ``state_values``; the digits of a state's
        number in base q are the codes of its sites, site 0 the lowest digit.
    probabilities
        float64, shape (q ** n_sites,).
    means
        float64, shape (n_sites,): mean of s.
    pair_means
        float64, shape (n_sites, n_sites): mean of s s'.
    energies
        float64, shape (q ** n_sites,): energy of each state in kT.
    site_probabilities
        float64, shape (n_sites, q): probability of each state on each site.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising, square_lattice
    >>> exact = exact_enumeration(Ising([0.3]), square_lattice((3, 3)))
    >>> round(exact.average(exact.states.sum(axis=1) ** 2), 6)   # mean of M squared
    40.668848
    """

    log_partition: float
    states: NDArray[np.int8]
    probabilities: NDArray[np.float64]
    means: NDArray[np.float64]
    pair_means: NDArray[np.float64]
    energies: NDArray[np.float64]
    site_probabilities: NDArray[np.float64]

    __repr__ = short_repr
    _repr_html_ = html_table

    def average(self, values: ArrayLike) -> float:
        """Return the mean of a quantity given for every state, shape (q ** n_sites,)."""
        given = check_array("values", values, shape=(len(self.probabilities),))
        return float(self.probabilities @ given)

    def moments(self, values: ArrayLike, most: int = 4) -> NDArray[np.float64]:
        """Return the mean of values ** k for k = 1 ... ``most``, shape (most,)."""
        given = check_array("values", values, shape=(len(self.probabilities),))
        return np.array([self.probabilities @ given**k for k in range(1, most + 1)])

    def energy_distribution(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the distinct energies in kT, ascending, and the probability of each."""
        return _distribution(self.energies, self.probabilities)

    def distribution(self, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the distinct values of a quantity of the states and their probabilities."""
        given = check_array("values", values, shape=(len(self.probabilities),))
        return _distribution(given, self.probabilities)

    def numbers(self, states: ArrayLike) -> NDArray[np.int64]:
        """Return the number (the row of ``states``) of given states of shape (..., n_sites)."""
        n_sites = self.states.shape[1]
        given = check_array("states", states, dtype=np.int8)
        if given.shape[-1:] != (n_sites,):
            raise InputError(f"states must have shape (..., {n_sites}), got {given.shape}.")
        values = np.unique(self.states[:, 0])
        codes = np.minimum(np.searchsorted(values, given), len(values) - 1)
        if not np.array_equal(values[codes], given):
            raise InputError(f"states may hold only {', '.join(map(str, values))}.")
        return np.asarray(codes @ (len(values) ** np.arange(n_sites)), np.int64)


def exact_enumeration(hamiltonian: Hamiltonian, graph: SiteGraph) -> ExactEnsemble:
    """Sum over all states of a small lattice.

    Parameters
    ----------
    hamiltonian
        Any Hamiltonian: ``Ising``, ``LatticeGas``, ``BlumeCapel``, ``Potts``, ``Clock``,
        ``PairHamiltonian``.
    graph
        Sites and bonds, with at most 2 ** 20 states of the whole (20 two-state sites, 12 sites of
        three states).

    Raises
    ------
    InputError
        For more states.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising
    >>> from physlearn.records import SiteGraph
    >>> pair = SiteGraph(2, [[0, 1]], [0], [1])
    >>> exact = exact_enumeration(Ising([0.5]), pair)
    >>> bool(np.isclose(exact.pair_means[0, 1], np.tanh(0.5)))
    True
    """
    q, n_sites = len(check_hamiltonian(hamiltonian).state_values), check_graph(graph).n_sites
    if n_sites * np.log(q) > np.log(MAX_LATTICE_STATES) + 1e-9:
        most = int(np.log(MAX_LATTICE_STATES) / np.log(q) + 1e-9)
        raise InputError(
            f"graph must have at most {most} sites of {q} states to sum over all states; got "
            f"{n_sites}. Use simulate_lattice for larger lattices."
        )
    numbers = np.arange(q**n_sites)
    codes = np.empty((n_sites, len(numbers)), np.int8)
    for site in range(n_sites):
        codes[site] = numbers // q**site % q
    terms = hamiltonian.terms(graph)
    energies = _energies(terms, codes)
    weights = np.exp(energies.min() - energies)
    log_partition = float(np.log(weights.sum()) - energies.min())
    probabilities = weights / weights.sum()
    shares = [np.bincount(code, probabilities, minlength=q) for code in codes]
    states = np.ascontiguousarray(terms.state_values[codes].T)
    weighted = states * probabilities[:, None]
    return ExactEnsemble(
        log_partition,
        states,
        probabilities,
        weighted.sum(axis=0),
        np.asarray(weighted.T @ states, np.float64),
        energies,
        np.array(shares),
    )


def _energies(terms: EnergyTerms, codes: NDArray[np.int8]) -> Float:
    """Return the energy of all states, codes of shape (n_sites, n_states), bond by bond."""
    q = len(terms.state_values)
    energies = np.zeros(codes.shape[1])
    for site, code in enumerate(codes):
        energies += terms.site_energy[site][code]
        for entry in range(terms.start[site], terms.start[site + 1]):
            other = terms.neighbour[entry]
            if site < other:
                table = terms.weight[entry] * terms.pair_energy[terms.kind[entry]]
                energies += table.ravel()[code.astype(np.intp) * q + codes[other]]
    for (a, b, c), motif in zip(terms.triplets, terms.motif, strict=True):
        energies += terms.triplet_energy[motif][codes[a], codes[b], codes[c]]
    return energies


def _distribution(values: Float, probabilities: Float) -> tuple[Float, Float]:
    """Return distinct values (up to round-off) and the probability of each."""
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    first = np.flatnonzero(np.diff(ascending, prepend=-np.inf) > SAME_ENERGY)
    return ascending[first], np.add.reduceat(probabilities[order], first)
