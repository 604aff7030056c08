"""The lattice models of the core as unit Hamiltonians: theta . T(s) = - sum_k theta_k E_k(s).

Their energies are the core's, which has oracles of its own; nothing of the fit is used.
"""

from __future__ import annotations

import numpy as np

from physlearn.lattice_models import (
    BlumeCapel,
    Ising,
    LatticeGas,
    PairHamiltonian,
    Potts,
    exact_enumeration,
)


def ising_units(n_shells=1, motifs=()):
    """Field, couplings by shell, triplets by motif."""
    zero = [0.0] * max(n_shells, 1)
    units = [Ising(zero, 1.0)]
    units += [Ising(np.eye(n_shells)[k]) for k in range(n_shells)]
    return units + [Ising(zero, triplets={motif: 1.0}) for motif in motifs]


def gas_units(n_shells=1, motifs=()):
    """Chemical potential, interactions (repulsive positive), triplets."""
    zero = [0.0] * max(n_shells, 1)
    units = [LatticeGas(zero, 1.0)]
    units += [LatticeGas(np.eye(n_shells)[k]) for k in range(n_shells)]
    return units + [LatticeGas(zero, triplets={motif: 1.0}) for motif in motifs]


def helmert(q):
    """An orthonormal basis of vectors with zero sum, shape (q - 1, q)."""
    rows = [np.r_[np.ones(k), -float(k), np.zeros(q - k - 1)] for k in range(1, q)]
    return np.array([row / np.linalg.norm(row) for row in rows])


def potts_units(q=3, n_shells=1):
    """Fields along an orthonormal zero-sum basis, then couplings by shell."""
    fields = [Potts(q, [0.0] * n_shells, row) for row in helmert(q)]
    return fields + [Potts(q, np.eye(n_shells)[k]) for k in range(n_shells)]


def blume_capel_units(n_shells=1):
    """Field, crystal field, couplings by shell."""
    zero = [0.0] * n_shells
    units = [BlumeCapel(zero, 0.0, 1.0), BlumeCapel(zero, 1.0, 0.0)]
    return units + [BlumeCapel(np.eye(n_shells)[k], 0.0) for k in range(n_shells)]


def pair_tables(q=3):
    """Orthonormal symmetric tables with zero row sums, shape (q (q - 1) / 2, q, q)."""
    tables = []
    for a, first in enumerate(helmert(q)):
        for second in helmert(q)[: a + 1]:
            table = np.outer(first, second) + np.outer(second, first)
            tables.append(table / np.linalg.norm(table))
    return np.array(tables)


def pair_units(q=3, free=False):
    """Pair tables of one shell; with ``free`` composition, fields come first."""
    none = np.zeros((1, q, q))
    fields = [PairHamiltonian(none, -row) for row in helmert(q)] if free else []
    return fields + [PairHamiltonian(-table[None]) for table in pair_tables(q)]


def statistics(units, states, graph):
    """Return T of states of shape (..., n_sites), shape (..., d)."""
    return -np.stack([unit.energy(states, graph) for unit in units], axis=-1)


def unit_energies(unit, graph):
    """Return the energy of all states, in the order of ``exact_enumeration``."""
    return exact_enumeration(unit, graph).energies
