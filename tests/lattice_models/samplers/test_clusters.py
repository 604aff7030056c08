"""Cluster updates against sums over all states, Kaufman's torus, and their own plain Python."""

import itertools

import numpy as np
import pytest

from physlearn.lattice_models.exact_answers.elimination import exact_thermodynamics
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.lattice_models.exact_answers.torus_transfer import torus_ensemble
from physlearn.lattice_models.graphs.regular_lattices import square_lattice, triangular_lattice
from physlearn.lattice_models.hamiltonians.state_hamiltonians import (
    Clock,
    PairHamiltonian,
    Potts,
)
from physlearn.lattice_models.hamiltonians.two_state_hamiltonians import Ising, LatticeGas
from physlearn.lattice_models.samplers.cluster_tables import cluster_tables
from physlearn.lattice_models.samplers.clusters import (
    WolffEngine,
    make_swendsen_wang_engine,
    make_wolff_engine,
)
from physlearn.records import SiteGraph

MAKERS = {"wolff": make_wolff_engine, "swendsen_wang": make_swendsen_wang_engine}
CRITICAL = np.log1p(np.sqrt(2.0)) / 2
FIELD = np.array([0.5, -0.4, 0.1, -0.9, 0.3, 0.0, 0.7, -0.2, -0.3])
TORUS, SMALL = square_lattice((3, 3)), square_lattice((2, 4))
TRIANGLES = triangular_lattice((3, 3))
PATCH = square_lattice((2, 3), periodic=False)
RING = SiteGraph(4, [[0, 1], [1, 2], [2, 3], [0, 3]], [0] * 4, [1, 1, 2, 1])
GLASS = np.random.default_rng(3).normal(0.0, 0.5, len(TRIANGLES.edges))


def pair_sum(states, graph, function):
    """Return the sum over bonds of a function of (state, state, shell), by a plain loop."""
    total = np.zeros(len(states))
    for edge, ((a, b), shell, times) in enumerate(
        zip(graph.edges, graph.shell, graph.multiplicity, strict=True)
    ):
        total += times * function(states[:, a], states[:, b], shell, edge)
    return total


def ising_energy(couplings, field=0.0, bonds=None):
    def energy(states, graph):
        return -pair_sum(
            states, graph,
            lambda a, b, k, e: couplings[k] * (1.0 if bonds is None else bonds[e]) * a * b,
        ) - states @ np.broadcast_to(field, graph.n_sites)  # fmt: skip

    return energy


def potts_energy(coupling, field=0.0):
    def energy(states, graph):
        fields = np.broadcast_to(field, (graph.n_sites, 3))
        bonds = pair_sum(states, graph, lambda a, b, k, e: coupling * (a == b))
        return -bonds - fields[np.arange(graph.n_sites), states].sum(axis=1)

    return energy


def clock_energy(q, coupling, field=0.0):
    def energy(states, graph):
        angle = 2 * np.pi * states / q
        bonds = pair_sum(angle, graph, lambda a, b, k, e: coupling * np.cos(a - b))
        return -bonds - field * np.cos(angle).sum(axis=1)

    return energy


def gas_energy(states, graph):
    return 0.8 * pair_sum(states, graph, lambda a, b, k, e: a * b) - 1.1 * states.sum(axis=1)


def mixed_energy(states, graph):
    """Return 0.7 for unlike neighbours and a cost by site and state."""
    cost = np.arange(graph.n_sites * 3).reshape(-1, 3) % 4 * 0.2
    bonds = pair_sum(states, graph, lambda a, b, k, e: 0.7 * (a != b))
    return bonds + cost[np.arange(graph.n_sites), states].sum(axis=1)


UNLIKE = PairHamiltonian([0.7 * (1 - np.eye(3))], np.arange(18).reshape(6, 3) % 4 * 0.2)

# name: Hamiltonian, its energy by its formula, graph, sweeps per independent chain
MODELS = {
    "Ising": (Ising([0.4]), ising_energy([0.4]), TORUS, 12),
    "Ising, J = 0": (Ising([0.0]), ising_energy([0.0]), TORUS, 12),
    "Ising, uniform field": (Ising([0.3], 0.2), ising_energy([0.3], 0.2), TORUS, 30),
    "Ising, site field": (Ising([0.3], FIELD), ising_energy([0.3], FIELD), TORUS, 40),
    "Ising, antiferro": (Ising([-0.4]), ising_energy([-0.4]), TORUS, 20),
    "triangles, antiferro": (Ising([-0.3], 0.2), ising_energy([-0.3], 0.2), TRIANGLES, 200),
    "small torus, bonds twice": (Ising([0.3]), ising_energy([0.3]), SMALL, 12),
    "two shells": (
        Ising([0.3, -0.15]), ising_energy([0.3, -0.15]), square_lattice((3, 3), n_shells=2), 30,
    ),
    "random bonds and field": (
        Ising([1.0], FIELD, bonds=GLASS), ising_energy([1.0], FIELD, GLASS), TRIANGLES, 200,
    ),
    "lattice gas": (LatticeGas([0.8], 1.1), gas_energy, TORUS, 40),
    "Potts 3": (Potts(3, [0.8]), potts_energy(0.8), PATCH, 12),
    "Potts 3, square path": (Potts(3, [0.8]), potts_energy(0.8), TORUS, 12),
    "Potts 3, torus": (Potts(3, [0.5]), potts_energy(0.5), square_lattice((2, 3)), 12),
    "Potts 3, antiferro": (Potts(3, [-0.8]), potts_energy(-0.8), PATCH, 30),
    "Potts 3, field": (
        Potts(3, [0.6], [0.0, 0.3, -0.4]), potts_energy(0.6, [0.0, 0.3, -0.4]), PATCH, 30,
    ),
    "clock 4": (Clock(4, [0.6]), clock_energy(4, 0.6), RING, 20),
    "clock 5, field": (Clock(5, [0.6], 0.4), clock_energy(5, 0.6, 0.4), RING, 40),
    "pair table with site costs": (UNLIKE, mixed_energy, PATCH, 40),
}  # fmt: skip


@pytest.mark.parametrize("method", MAKERS)
@pytest.mark.parametrize("name", MODELS)
def test_states_of_independent_chains_follow_the_exact_distribution(
    method, name, oracle, chi_square_p
):
    hamiltonian, energy, graph, sweeps = MODELS[name]
    values = np.array(hamiltonian.state_values)
    states = np.array(list(itertools.product(values, repeat=graph.n_sites)))
    weight = np.exp(-energy(states, graph))
    rng = np.random.default_rng(17)
    engine = MAKERS[method](hamiltonian, graph, states[0], rng)
    place = len(values) ** np.arange(graph.n_sites)[::-1]
    found = np.empty(12000, np.int64)
    for chain in range(len(found)):
        engine.codes[:] = rng.integers(0, len(values), graph.n_sites)
        engine.sweep(sweeps)
        found[chain] = np.searchsorted(values, engine.states()) @ place
    oracle(f"{method}, {name}, all states", p=chi_square_p(found, weight / weight.sum()))


def test_fast_square_and_any_graph_paths_are_both_taken():
    assert cluster_tables(MODELS["Ising"][0].terms(TORUS)).square[:2] == (3, 3)
    flat = square_lattice((3, 5))
    assert cluster_tables(Potts(4, [0.3]).terms(flat)).square[:2] == (3, 5)
    two_shells = square_lattice((4, 5), n_shells=2)
    assert cluster_tables(Ising([0.3]).terms(two_shells)).square[:2] == (4, 5)
    assert cluster_tables(Ising([0.0, 0.3]).terms(two_shells)).square is None
    assert cluster_tables(Ising([0.3, 0.3]).terms(two_shells)).square is None
    assert cluster_tables(Ising([0.3], 0.1).terms(TORUS)).square is None
    assert cluster_tables(Ising([-0.3]).terms(TORUS)).square is None
    assert cluster_tables(Ising([0.3]).terms(SMALL)).square is None
    assert cluster_tables(Ising([0.3]).terms(square_lattice((5, 5), periodic=False))).square is None
    assert cluster_tables(Ising([0.3]).terms(TRIANGLES)).square is None
    twisted = SiteGraph(
        TORUS.n_sites, np.random.default_rng(1).permutation(9)[TORUS.edges], TORUS.shell,
        TORUS.multiplicity,
    )  # fmt: skip
    assert cluster_tables(Ising([0.3]).terms(twisted)).square is None


LARGER = {
    "Ising": (Ising([0.4]), (8, 8)),
    "Potts 3": (Potts(3, [0.9]), (6, 6)),
    "Potts 4": (Potts(4, [1.0]), (5, 5)),
}


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("method", MAKERS)
@pytest.mark.parametrize("name", LARGER)
def test_both_paths_agree_with_the_transfer_matrix(name, method, fast, oracle, blocked_z):
    hamiltonian, shape = LARGER[name]
    exact, graph = torus_ensemble(hamiltonian, shape), square_lattice(shape)
    start = np.full(graph.n_sites, hamiltonian.state_values[-1])
    engine = MAKERS[method](hamiltonian, graph, start, np.random.default_rng(5))
    assert engine.tables.square is not None
    if not fast:
        engine.tables = engine.tables._replace(square=None)
    engine.sweep(200)
    pictures = np.empty((8000, graph.n_sites), np.int8)
    for sample in range(len(pictures)):
        engine.sweep(2)
        pictures[sample] = engine.states()
    energies = hamiltonian.energy(pictures, graph)
    total = pictures.sum(axis=1, dtype=float)
    first, second = exact.magnetization_moments[:2]
    label = f"{method}, {'square path' if fast else 'any graph'}, {name} on {shape}"
    oracle(f"{label}, energy", z=blocked_z(energies, exact.energy))
    spread = (energies - exact.energy) ** 2
    oracle(f"{label}, variance of the energy", z=blocked_z(spread, exact.energy_variance))
    oracle(f"{label}, M", z=blocked_z(total, first))
    oracle(f"{label}, variance of M", z=blocked_z((total - first) ** 2, second - first**2))


@pytest.mark.parametrize("method", MAKERS)
@pytest.mark.parametrize("size", [32, 64])
def test_energy_at_the_critical_point(method, size, oracle, blocked_z):
    graph, hamiltonian = square_lattice((size, size)), Ising([CRITICAL])
    engine = MAKERS[method](hamiltonian, graph, np.ones(size**2), np.random.default_rng(size))
    engine.sweep(300)
    energies = np.empty(8000 if size == 32 else 3000)
    left, right = graph.edges.T
    for sample in range(len(energies)):
        engine.sweep(1)
        spins = engine.states().astype(np.int64)
        energies[sample] = -CRITICAL * np.sum(spins[left] * spins[right])
    exact = kaufman_torus((size, size), CRITICAL).energy
    oracle(f"{method}, energy of Kaufman's torus at Tc, L = {size}",
           z=blocked_z(energies, exact, 50))  # fmt: skip


@pytest.mark.parametrize("method", MAKERS)
def test_moments_and_binder_ratio_at_the_critical_point(method, oracle, blocked_z):
    """<M^2>, <M^4> and <M^4> / <M^2>^2 of the 10 x 10 torus by its transfer matrix.

    Of the ratio r its linear form about the exact moments, m4 / e2^2 - 2 e4 m2 / e2^3: its mean is
    - e4 / e2^2 without a bias.
    """
    hamiltonian, shape = Ising([CRITICAL]), (10, 10)
    _, second, _, fourth = torus_ensemble(hamiltonian, shape).magnetization_moments
    graph = square_lattice(shape)
    engine = MAKERS[method](hamiltonian, graph, np.ones(100), np.random.default_rng(10))
    engine.sweep(300)
    squares = np.empty(40_000)
    for sample in range(len(squares)):
        engine.sweep(1)
        squares[sample] = float(engine.states().sum(dtype=np.int64)) ** 2
    name = f"{method}, 10 x 10 torus at Tc"
    oracle(f"{name}, second moment", z=blocked_z(squares, second, 50))
    oracle(f"{name}, fourth moment", z=blocked_z(squares**2, fourth, 50))
    ratio = squares**2 / second**2 - 2 * fourth * squares / second**3
    oracle(f"{name}, Binder ratio", z=blocked_z(ratio, -fourth / second**2, 50))


def blocked(values):
    """Return mean and error of a long series."""
    blocks = values.reshape(50, -1).mean(axis=1)
    return blocks.mean(), blocks.std(ddof=1) / np.sqrt(50)


OPEN = square_lattice((10, 10), periodic=False)
SPREAD = np.random.default_rng(8)
MEDIUM = {
    "random ferromagnet in a random field": (
        Ising([0.5], SPREAD.normal(0, 0.2, 100), bonds=SPREAD.exponential(1.0, len(OPEN.edges))),
        OPEN,
    ),
    "antiferromagnet in a field": (Ising([-0.6], 0.3), OPEN),
    "Potts 3 in a field": (Potts(3, [0.95], [0.0, 0.02, 0.05]), square_lattice((6, 6))),
    "triangles, two shells": (
        Ising([0.2, 0.05], 0.02),
        triangular_lattice((12, 4), n_shells=2, periodic=False),
    ),
}


@pytest.mark.parametrize("method", MAKERS)
@pytest.mark.parametrize("name", MEDIUM)
def test_energy_and_its_variance_of_medium_lattices(method, name, oracle):
    hamiltonian, graph = MEDIUM[name]
    exact = exact_thermodynamics(hamiltonian, graph)
    start = np.full(graph.n_sites, hamiltonian.state_values[0])
    engine = MAKERS[method](hamiltonian, graph, start, np.random.default_rng(12))
    engine.sweep(1000)
    pictures = np.empty((20_000, graph.n_sites), np.int8)
    for sample in range(len(pictures)):
        engine.sweep(3)
        pictures[sample] = engine.states()
    energies = hamiltonian.energy(pictures, graph)
    mean, error = blocked(energies)
    oracle(f"{method}, energy, {name}", z=(mean - exact.energy) / error)
    mean, error = blocked((energies - exact.energy) ** 2)
    oracle(f"{method}, variance of the energy, {name}", z=(mean - exact.energy_variance) / error)
    mean, error = blocked(pictures.sum(axis=1).astype(float))
    oracle(f"{method}, magnetization, {name}", z=(mean - exact.magnetization) / error)


@pytest.mark.parametrize("name", ["Ising", "small torus, bonds twice"])
def test_mean_cluster_size_of_a_ferromagnet_is_its_susceptibility(name, oracle):
    hamiltonian, energy, graph, _ = MODELS[name]
    states = np.array(list(itertools.product([-1, 1], repeat=graph.n_sites)))
    weight = np.exp(-energy(states, graph))
    engine = WolffEngine(hamiltonian, graph, states[0], np.random.default_rng(6))
    assert np.isnan(engine.mean_cluster_size())
    engine.sweep(1000)
    sizes = np.empty(50)
    for block in range(50):
        engine.forget()
        engine.sweep(4000)
        sizes[block] = engine.mean_cluster_size()
    exact = weight @ states.sum(axis=1) ** 2 / weight.sum() / graph.n_sites
    oracle(f"Wolff, mean cluster size, {name}",
           z=(sizes.mean() - exact) / (sizes.std(ddof=1) / np.sqrt(50)))  # fmt: skip


def splits_of_potts(q, coupling, graph):
    """Return all ways to split the sites into sets of one state, and their probabilities.

    Rows of labels 0, 1, ... in order of appearance; k sets have q (q - 1) ... (q - k + 1)
    colourings.
    """
    labels = np.zeros((1, 1), np.int64)
    for _ in range(graph.n_sites - 1):
        highest = labels.max(axis=1)
        labels = np.concatenate([
            np.column_stack([labels[highest >= new - 1], np.full((highest >= new - 1).sum(), new)])
            for new in range(highest.max() + 2)
        ])  # fmt: skip
    n_sets = labels.max(axis=1) + 1
    colourings = np.array([np.prod(q - np.arange(k, dtype=float)) for k in range(20)])[n_sets]
    left, right = graph.edges.T
    like = (labels[:, left] == labels[:, right]) @ graph.multiplicity
    weight = colourings * np.exp(coupling * like)
    assert abs(colourings.sum() / float(q) ** graph.n_sites - 1) < 1e-12  # every state once
    return labels, weight / weight.sum()


@pytest.mark.parametrize("method", MAKERS)
def test_a_potts_model_of_many_states(method, oracle, chi_square_p):
    """127 states keep their distribution: like bonds, and that no state is preferred.

    Every chain starts with an exact draw, as the two phases at this coupling change into each
    other in thousands of sweeps only.
    """
    rng, n = np.random.default_rng(1), 6000
    engine = MAKERS[method](Potts(127, [2.4]), TORUS, np.zeros(9), rng)
    assert engine.tables.square is not None
    labels, probabilities = splits_of_potts(127, 2.4, TORUS)
    left, right = TORUS.edges.T
    like, started, states = np.empty(n, int), np.empty((n, 9), int), np.empty((n, 9), int)
    for chain, split in enumerate(rng.choice(len(labels), n, p=probabilities)):
        engine.codes[:] = rng.permutation(127)[labels[split]]
        started[chain] = engine.codes
        engine.sweep(5)
        states[chain] = engine.states()
        like[chain] = np.sum(states[chain, left] == states[chain, right])
    assert np.mean(np.all(states == started, axis=1)) < 0.2  # most moved
    of_split = np.sum(labels[:, left] == labels[:, right], axis=1)
    p = chi_square_p(like, np.bincount(of_split, probabilities))
    oracle(f"{method}, Potts 127 on 3 x 3, bonds between like sites", p=p)
    p = chi_square_p(states[:, 4], np.full(127, 1 / 127))
    oracle(f"{method}, Potts 127 on 3 x 3, states", p=p)


@pytest.mark.parametrize("method", MAKERS)
def test_sites_without_bonds(method, oracle, chi_square_p):
    """One bond, and a site by itself in a field: all eight states of independent chains."""
    lonely = SiteGraph(3, [[0, 1]], [0], [1])
    rng, found = np.random.default_rng(1), np.empty(6000, int)
    engine = MAKERS[method](Ising([0.5], [0.0, 0.0, 0.4]), lonely, np.ones(3), rng)
    for chain in range(len(found)):
        engine.codes[:] = rng.integers(0, 2, 3)
        engine.sweep(30)
        found[chain] = (engine.states() > 0) @ [4, 2, 1]
    states = np.array(list(itertools.product([-1, 1], repeat=3)))
    weight = np.exp(0.5 * states[:, 0] * states[:, 1] + 0.4 * states[:, 2])
    p = chi_square_p(found, weight / weight.sum())
    oracle(f"{method}, a bond and a site without one, all states", p=p)
