"""Energies of sites with several states against loops over the bonds, and against each other."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import Ising, square_lattice, triangular_lattice
from physlearn.lattice_models.hamiltonians.state_hamiltonians import (
    BlumeCapel,
    Clock,
    PairHamiltonian,
    Potts,
)

GRAPH = square_lattice((3, 3))
OPEN = triangular_lattice((4, 4), 2, periodic=False)
RNG = np.random.default_rng(12)
BONDS = RNG.normal(size=len(OPEN.edges))
BY_SITE = RNG.normal(size=16)
COUPLINGS = (0.4, -0.3)


def loop(state, site, pair):
    """Add up sites and bonds one by one; distances decide the shells."""
    total = sum(site(i, state[i]) for i in range(16))
    number = {tuple(edge): k for k, edge in enumerate(OPEN.edges.tolist())}
    for i, j in itertools.combinations(range(16), 2):
        distance = np.linalg.norm(OPEN.positions[i] - OPEN.positions[j])
        if distance < 1.8:
            shell = int(distance > 1.1)
            total += COUPLINGS[shell] * BONDS[number[i, j]] * pair(state[i], state[j])
    return total


@pytest.mark.parametrize(
    ("model", "site", "pair"),
    [
        (
            BlumeCapel(COUPLINGS, BY_SITE, 0.3, bonds=BONDS),
            lambda i, s: BY_SITE[i] * s * s - 0.3 * s,
            lambda s, t: -s * t,
        ),
        (
            BlumeCapel(COUPLINGS, 0.7, BY_SITE, bonds=BONDS),
            lambda i, s: 0.7 * s * s - BY_SITE[i] * s,
            lambda s, t: -s * t,
        ),
        (
            Potts(5, COUPLINGS, [0.1, 0.2, 0.3, 0.4, 0.9], bonds=BONDS),
            lambda i, a: -[0.1, 0.2, 0.3, 0.4, 0.9][a],
            lambda a, b: -float(a == b),
        ),
        (
            Potts(3, COUPLINGS, np.outer(BY_SITE, [1, 2, 4]), bonds=BONDS),
            lambda i, a: -BY_SITE[i] * 2**a,
            lambda a, b: -float(a == b),
        ),
        (
            Clock(6, COUPLINGS, BY_SITE, bonds=BONDS),
            lambda i, a: -BY_SITE[i] * np.cos(np.pi * a / 3),
            lambda a, b: -np.cos(np.pi * (a - b) / 3),
        ),
    ],
)
def test_energy_equals_a_plain_loop(model, site, pair):
    for _ in range(3):
        state = np.random.default_rng(3).choice(model.state_values, 16)
        assert model.energy(state, OPEN) == pytest.approx(loop(state, site, pair), abs=1e-12)


def test_pair_tables_equal_a_plain_loop():
    rng = np.random.default_rng(4)
    tables = rng.normal(size=(2, 3, 3))
    tables += tables.swapaxes(1, 2)
    three = rng.normal(size=(3, 3, 3))
    three = sum(three.transpose(order) for order in itertools.permutations(range(3)))
    sites = rng.normal(size=(16, 3))
    values = (-5, 0, 7)
    model = PairHamiltonian(
        tables, sites, state_values=values, bonds=BONDS, triplets={(0, 0, 0): three}
    )
    codes = rng.integers(0, 3, 16)
    total = sum(sites[i, codes[i]] for i in range(16))
    for (i, j), shell, factor in zip(OPEN.edges, OPEN.shell, BONDS, strict=True):
        total += factor * tables[shell, codes[i], codes[j]]
    for i, j, k in itertools.combinations(range(16), 3):
        sides = [
            np.linalg.norm(OPEN.positions[a] - OPEN.positions[b])
            for a, b in [(i, j), (j, k), (i, k)]
        ]
        if max(sides) < 1.1:
            total += three[codes[i], codes[j], codes[k]]
    assert model.energy(np.array(values)[codes], OPEN) == pytest.approx(total, rel=1e-12)


def test_models_that_are_the_same_have_energies_that_differ_by_a_constant():
    graph = triangular_lattice((2, 4), 1)
    states = np.array(list(itertools.product([0, 1], repeat=8)))
    ising = Ising([0.3], 0.2).energy(2 * states - 1, graph)
    for same in (
        Potts(2, [0.6], [-0.2, 0.2]).energy(states, graph),
        Clock(2, [0.3], 0.2).energy(1 - states, graph),
        PairHamiltonian([[[-0.3, 0.3], [0.3, -0.3]]], [0.2, -0.2]).energy(states, graph),
    ):
        assert np.ptp(same - ising) < 1e-12
    three = np.random.default_rng(2).integers(0, 3, (50, 8))
    potts, clock = Potts(3, [0.45]).energy(three, graph), Clock(3, [0.3]).energy(three, graph)
    assert np.ptp(potts - clock) < 1e-12
    spin_one = BlumeCapel([0.3], -50.0).energy(2 * states - 1, graph)
    assert np.ptp(spin_one - Ising([0.3]).energy(2 * states - 1, graph)) < 1e-12


def test_records_survive_replacement_and_copying():
    table = np.ones((2, 2, 2))
    model = PairHamiltonian([np.eye(2)], [0.1, 0.2], triplets={(0, 0, 0): table})
    state = np.random.default_rng(3).integers(0, 2, 16)
    graph = triangular_lattice((4, 4))
    for again in (dataclasses.replace(model), copy.deepcopy(model)):
        assert again.energy(state, graph) == model.energy(state, graph)
    with pytest.raises(ValueError, match="read-only"):
        model.pair_energies[0, 0, 0] = 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Potts(128, [0.1]), "n_states must be a whole number from 2 to 127"),
        (lambda: Clock(1, [0.1]), "n_states must be a whole number from 2 to 127"),
        (lambda: Potts(3.0, [0.1]), "n_states"),
        (lambda: PairHamiltonian(np.zeros((1, 128, 128))), "from 2 to 127"),
        (lambda: Potts(3, [np.nan]), "couplings must hold finite"),
        (lambda: Potts(3, [0.1], [1.0, 2.0]), r"field must have shape \(3,\)"),
        (lambda: Potts(3, [0.1], np.zeros((4, 3))).terms(GRAPH), "9 sites of the graph"),
        (lambda: Clock(4, [0.1], [1.0, 2.0]).terms(GRAPH), r"field must .* shape \(9,\)"),
        (lambda: Clock(4, [0.1], np.inf), "field must hold finite"),
        (lambda: BlumeCapel([0.1], np.nan), "crystal_field must hold finite"),
        (lambda: BlumeCapel([0.1], [1.0]).terms(GRAPH), "crystal_field must be one number"),
        (lambda: BlumeCapel([0.1], 0.1, bonds=[1.0]).terms(GRAPH), "18 edges"),
        (lambda: BlumeCapel([0.1], 0.1).energy(np.full(9, 2), GRAPH), "only -1, 0, 1"),
        (lambda: Potts(3, [0.1, 0.1]).terms(GRAPH), "2 shells"),
        (lambda: Potts(9, [0.1]).energy(np.full(9, 9), GRAPH), r"0, 1, 2, 3, 4, 5, 6, 7, \.\.\.;"),
        (lambda: PairHamiltonian([[[0, 1], [2, 0]]]), r"symmetric .* index \(0, 0, 1\)"),
        (lambda: PairHamiltonian(np.zeros((1, 2, 3))), "from 2 to 127|n_shells, q, q"),
        (lambda: PairHamiltonian(np.zeros((2, 2))), "3 dimension"),
        (lambda: PairHamiltonian([np.eye(2)], state_values=3), "state_values must have 1 dim"),
        (lambda: PairHamiltonian([np.eye(2)], triplets=5), "triplets must map motifs"),
        (lambda: PairHamiltonian([np.eye(2)]).energy(np.ones(9), None), "must be a SiteGraph"),
        (lambda: Clock(3, [0.1]).energy(np.ones(9), None), "must be a SiteGraph"),
        (lambda: PairHamiltonian([np.eye(2)], [0.0]), r"site_energies must have shape \(2,\)"),
        (lambda: PairHamiltonian([np.eye(2)], state_values=(1, 0)), "ascending"),
        (lambda: PairHamiltonian([np.eye(2)], state_values=(0, 128)), "from -128 to 127"),
        (lambda: PairHamiltonian([np.eye(2)], state_values=(0, 1, 2)), "2 ascending"),
        (
            lambda: PairHamiltonian(
                [np.eye(2)], triplets={(0, 0, 0): np.arange(8).reshape(2, 2, 2)}
            ),
            "symmetric",
        ),
        (lambda: PairHamiltonian([np.eye(2)], triplets={(0, 0, 0): np.eye(2)}), "shape"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
