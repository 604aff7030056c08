"""Exact answers for small lattices, by summing over all states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from physlearn.checks import InputError
from physlearn.lattice_models.hamiltonians import Ising, LatticeGas
from physlearn.records import SiteGraph

__all__ = ["ExactEnsemble", "exact_enumeration"]

MAX_SITES = 20


@dataclass(frozen=True, slots=True, eq=False)
class ExactEnsemble:
    """All states of a small lattice with their probabilities.

    Attributes
    ----------
    log_partition
        log Z = log sum over states of exp(-energy), of the Ising form.
    states
        int8, shape (2 ** n_sites, n_sites); state ``number`` has +1 where its bit is set.
    probabilities
        float64, shape (2 ** n_sites,).
    means
        float64, shape (n_sites,): mean of s.
    pair_means
        float64, shape (n_sites, n_sites): mean of s s'.
    """

    log_partition: float
    states: NDArray[np.int8]
    probabilities: NDArray[np.float64]
    means: NDArray[np.float64]
    pair_means: NDArray[np.float64]


def exact_enumeration(hamiltonian: Ising | LatticeGas, graph: SiteGraph) -> ExactEnsemble:
    """Sum over all states of a lattice of at most 20 sites.

    Parameters
    ----------
    hamiltonian
        ``Ising``, or ``LatticeGas`` (occupied sites are +1; ``log_partition`` is then that of its
        Ising form).
    graph
        Sites and bonds.

    Raises
    ------
    InputError
        For more than 20 sites.

    Examples
    --------
    >>> from physlearn.lattice_models import Ising
    >>> from physlearn.records import SiteGraph
    >>> pair = SiteGraph(2, [[0, 1]], [0], [1])
    >>> exact = exact_enumeration(Ising([0.5]), pair)
    >>> bool(np.isclose(exact.pair_means[0, 1], np.tanh(0.5)))
    True
    """
    n_sites = graph.n_sites
    if n_sites > MAX_SITES:
        raise InputError(
            f"graph must have at most {MAX_SITES} sites to sum over all states; got {n_sites}. "
            "Use simulate_lattice for larger lattices."
        )
    ising = hamiltonian.to_ising(graph) if isinstance(hamiltonian, LatticeGas) else hamiltonian
    numbers = np.arange(2**n_sites)
    states = np.empty((len(numbers), n_sites), np.int8)
    for site in range(n_sites):
        states[:, site] = 2 * (numbers >> site & 1) - 1
    log_weight = np.zeros(len(numbers))
    field, bonds = ising.site_field(graph), ising.bond_couplings(graph)
    for site in range(n_sites):
        log_weight += field[site] * states[:, site]
    for (left, right), strength in zip(graph.edges, bonds, strict=True):
        log_weight += strength * states[:, left] * states[:, right]
    log_partition = float(logsumexp(log_weight))
    probabilities = np.exp(log_weight - log_partition)
    weighted = states * probabilities[:, None]
    return ExactEnsemble(
        log_partition,
        states,
        probabilities,
        weighted.sum(axis=0),
        np.asarray(weighted.T @ states, np.float64),
    )
