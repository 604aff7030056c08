"""Energies against loops written out by hand, and the conversions between conventions."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.lattice_models import Ising, LatticeGas, square_lattice, triangular_lattice
from physlearn.lattice_models.hamiltonians.energy_terms import energy_of_codes
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import (
    coupling_from_bond_energy,
    spin_glass,
)
from physlearn.records import SiteGraph

GRAPH = square_lattice((3, 3))


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


@pytest.mark.parametrize(
    ("graph", "motif"),
    [
        (triangular_lattice((4, 4)), (0, 0, 0)),
        (triangular_lattice((2, 2)), (0, 0, 0)),
        (square_lattice((3, 4), 2, periodic=False), (0, 1, 0)),
    ],
)
def test_random_gas_with_triplets_and_its_ising_form_differ_by_a_constant(graph, motif):
    rng = np.random.default_rng(8)
    gas = LatticeGas(
        [0.4],
        rng.normal(size=graph.n_sites),
        bonds=rng.normal(size=len(graph.edges)),
        triplets={motif: 0.6},
    )
    occupations = rng.integers(0, 2, (40, graph.n_sites))
    difference = gas.energy(occupations, graph) - gas.to_ising(graph).energy(
        2 * occupations - 1, graph
    )
    assert np.ptp(difference) < 1e-12


def test_random_bonds_and_triplets_equal_a_plain_loop():
    graph = triangular_lattice((3, 5), 2, periodic=False)
    rng = np.random.default_rng(5)
    bonds, state = rng.normal(size=len(graph.edges)), rng.choice([-1, 1], 15)
    total = 0.0
    for (i, j), shell, factor in zip(graph.edges, graph.shell, bonds, strict=True):
        total -= (0.3, -0.2)[shell] * factor * state[i] * state[j]
    for three in itertools.combinations(range(15), 3):
        sides = [
            np.linalg.norm(graph.positions[a] - graph.positions[b])
            for a, b in itertools.combinations(three, 2)
        ]
        if max(sides) < 1.1:
            total -= 0.7 * np.prod(state[list(three)])
    model = Ising([0.3, -0.2], bonds=bonds, triplets={(0, 0, 0): 0.7})
    assert model.energy(state, graph) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("make", [Ising, LatticeGas])
def test_tables_give_the_energy(make):
    rng = np.random.default_rng(6)
    for graph in (triangular_lattice((2, 3)), triangular_lattice((4, 5), 2, periodic=False)):
        model = make(
            [0.3],
            rng.normal(size=graph.n_sites),
            bonds=rng.normal(size=len(graph.edges)),
            triplets={(0, 0, 0): 0.7},
        )
        codes = rng.integers(0, 2, (3, 2, graph.n_sites))
        states = np.array(model.state_values)[codes]
        given = energy_of_codes(model.terms(graph), codes)
        assert given.shape == (3, 2)
        assert np.allclose(given, model.energy(states, graph), rtol=0, atol=1e-12)


def test_spin_glass_has_random_bonds():
    graph = square_lattice((40, 50))
    signs = spin_glass(graph, 0.8, rng=1).bond_couplings(graph)
    assert set(np.unique(signs)) == {-0.8, 0.8}
    assert abs(signs.mean() / 0.8) < 4 / np.sqrt(len(signs))
    normal = spin_glass(graph, 0.8, "normal", rng=1).bond_couplings(graph)
    assert stats.kstest(normal / 0.8, "norm").pvalue > 1e-4
    assert np.array_equal(spin_glass(graph, 0.8, rng=1).bonds, spin_glass(graph, 0.8, rng=1).bonds)


def test_replaced_and_copied_records_are_the_same_model():
    graph = triangular_lattice((3, 4))
    state = np.random.default_rng(1).choice([-1, 1], 12)
    model = Ising([0.3], 0.1, bonds=np.ones(len(graph.edges)), triplets={(0, 0, 0): 0.2})
    for again in (dataclasses.replace(model), copy.deepcopy(model)):
        assert again.energy(state, graph) == model.energy(state, graph)


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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Ising([]), "couplings must not be empty"),
        (lambda: Ising([[0.1]]), "couplings must have 1 dimension"),
        (lambda: Ising([0.1], np.nan), "field must hold finite"),
        (lambda: Ising([0.1], np.ones((3, 3))), "one number or one a site"),
        (lambda: Ising([0.1], bonds=[np.inf]), "bonds must hold finite"),
        (lambda: Ising([0.1], bonds=[1.0]).energy(np.ones(9), GRAPH), "18 edges of the graph"),
        (lambda: Ising([0.1], bonds=[1.0]).terms(GRAPH), "18 edges of the graph"),
        (lambda: Ising([0.1], [1.0]).terms(GRAPH), "field must be one number or have shape"),
        (lambda: Ising([0.1, 0.2]).terms(GRAPH), "2 shells"),
        (lambda: Ising([0.1], triplets={(0, 0): 1.0}), "three shells"),
        (lambda: Ising([0.1], triplets={(0, 0, 0): np.nan}), "finite"),
        (lambda: Ising([0.1], triplets=5), "triplets must map motifs"),
        (lambda: Ising([0.1], triplets=[1, 2]), "triplets must map motifs"),
        (lambda: Ising([0.1]).energy(np.ones(9), (3, 3)), "graph must be a SiteGraph; got tuple"),
        (lambda: Ising([0.1]).terms(None), "graph must be a SiteGraph"),
        (lambda: LatticeGas([0.1]).terms(None), "graph must be a SiteGraph"),
        (lambda: LatticeGas([0.1]).energy(np.ones(9), None), "graph must be a SiteGraph"),
        (lambda: Ising([0.1], triplets={(0, 0, 1): 1.0, (0, 1, 0): 2.0}), "comes twice"),
        (lambda: Ising([0.1], triplets={(0, 0, 0): 1.0}).terms(GRAPH), "no three sites"),
        (lambda: Ising([0.1], triplets={(0, 0, 1): 1.0}).terms(GRAPH), "shells 0 to 0"),
        (lambda: Ising([0.1]).energy(np.ones(8), GRAPH), "with shape"),
        (lambda: Ising([0.1]).energy([1, 1, 1, 1, 2, 1, 1, 1, 1], GRAPH), "2 at index .4,"),
        (lambda: LatticeGas([0.1], np.inf), "chemical_potential must hold finite"),
        (lambda: LatticeGas([0.1], [1.0]).terms(GRAPH), "chemical_potential must be one number"),
        (lambda: LatticeGas([0.1, 0.1]).terms(GRAPH), "2 shells"),
        (lambda: LatticeGas([0.1]).energy(-np.ones(9), GRAPH), "only 0, 1"),
        (lambda: spin_glass(GRAPH, distribution="cauchy"), "distribution must be one of"),
        (lambda: spin_glass(GRAPH, -1.0), "coupling"),
        (lambda: spin_glass(SiteGraph(2, [], [], [])), "must have bonds"),
    ],
)
def test_each_bad_argument_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
