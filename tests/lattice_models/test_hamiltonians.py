"""Energies against loops written out by hand, and the conversions between conventions."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import Ising, LatticeGas, square_lattice, triangular_lattice
from physlearn.lattice_models.hamiltonians import coupling_from_bond_energy


def test_energy_equals_a_plain_loop():
    graph = triangular_lattice((4, 5), n_shells=2, periodic=False)
    rng = np.random.default_rng(3)
    states, field = rng.choice([-1, 1], (3, 20)), rng.normal(size=20)
    model = Ising([0.3, -0.2], field)
    for state, energy in zip(states, model.energy(states, graph), strict=True):
        total = 0.0
        for i in range(20):
            total -= field[i] * state[i]
            for j in range(i):
                distance = np.linalg.norm(graph.positions[i] - graph.positions[j])
                if distance < 1.1:
                    total -= 0.3 * state[i] * state[j]
                elif distance < 1.8:
                    total += 0.2 * state[i] * state[j]
        assert energy == pytest.approx(total)


def test_bond_energy_becomes_coupling_of_the_same_boltzmann_weight():
    graph = square_lattice((3, 4), periodic=False)
    bond_energy, thermal = 7.6, 25.7
    states = np.random.default_rng(2).choice([-1, 1], (5, 12))
    pairs = np.sum(states[:, graph.edges[:, 0]] * states[:, graph.edges[:, 1]], axis=1)
    model = Ising([coupling_from_bond_energy(bond_energy, thermal).item()])
    assert np.allclose(model.energy(states, graph), bond_energy * pairs / thermal)


@pytest.mark.parametrize("periodic", [True, False])
def test_lattice_gas_and_its_ising_form_differ_by_a_constant(periodic):
    graph = square_lattice((3, 4), n_shells=1, periodic=periodic)
    gas = LatticeGas([0.7], chemical_potential=-0.4)
    occupations = np.random.default_rng(4).integers(0, 2, (30, 12))
    difference = gas.energy(occupations, graph) - gas.to_ising(graph).energy(
        2 * occupations - 1, graph
    )
    assert np.ptp(difference) < 1e-12


def test_records_are_frozen_and_detached_from_the_users_array():
    couplings = np.array([0.1])
    model = Ising(couplings)
    couplings[0] = 9.0
    assert model.couplings[0] == 0.1
    with pytest.raises(ValueError, match="read-only"):
        model.couplings[0] = 1.0


def test_bad_input_is_refused():
    graph = square_lattice((3, 3))
    with pytest.raises(InputError, match="finite"):
        Ising([np.inf])
    with pytest.raises(InputError, match="field"):
        Ising([0.1], np.ones(4)).energy(np.ones(9), graph)
    with pytest.raises(InputError, match="2 shells"):
        Ising([0.1, 0.2]).energy(np.ones(9), graph)
    with pytest.raises(InputError, match="states"):
        Ising([0.1]).energy(np.zeros(9), graph)
