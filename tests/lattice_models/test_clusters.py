"""Cluster updates against sums over all states, Kaufman's torus, and their own plain Python."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.lattice_models import cluster_kernels as kernels
from physlearn.lattice_models.cluster_tables import cluster_tables
from physlearn.lattice_models.clusters import (
    SwendsenWangEngine,
    WolffEngine,
    make_swendsen_wang_engine,
    make_wolff_engine,
)
from physlearn.lattice_models.exact_answers.elimination import exact_thermodynamics
from physlearn.lattice_models.exact_answers.ising_torus import kaufman_torus
from physlearn.lattice_models.hamiltonians import Ising, LatticeGas
from physlearn.lattice_models.regular_lattices import square_lattice, triangular_lattice
from physlearn.lattice_models.state_hamiltonians import BlumeCapel, Clock, PairHamiltonian, Potts
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
    "Potts 3, torus": (Potts(3, [0.5]), potts_energy(0.5), square_lattice((2, 3)), 12),
    "Potts 3, antiferro": (Potts(3, [-0.8]), potts_energy(-0.8), PATCH, 30),
    "Potts 3, field": (
        Potts(3, [0.6], [0.0, 0.3, -0.4]), potts_energy(0.6, [0.0, 0.3, -0.4]), PATCH, 30,
    ),
    "clock 4": (Clock(4, [0.6]), clock_energy(4, 0.6), RING, 20),
    "clock 5, field": (Clock(5, [0.6], 0.4), clock_energy(5, 0.6, 0.4), RING, 40),
    "pair table with site costs": (UNLIKE, mixed_energy, PATCH, 40),
}  # fmt: skip


def chi_square_p(observed, probabilities):
    """Return the p of counted states; those expected less than 8 times share a group."""
    counts = np.bincount(observed, minlength=len(probabilities))
    order = np.argsort(probabilities)
    expected = probabilities[order] * counts.sum()
    group = np.minimum(np.cumsum(expected) // 8, expected.sum() // 8 - 1).astype(int)
    kept = np.unique(group)
    return stats.chisquare(
        np.bincount(group, counts[order])[kept], np.bincount(group, expected)[kept]
    ).pvalue


@pytest.mark.parametrize("method", MAKERS)
@pytest.mark.parametrize("name", MODELS)
def test_states_of_independent_chains_follow_the_exact_distribution(method, name, oracle):
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


@pytest.mark.parametrize("q", [2, 3])
def test_both_paths_agree_on_the_energy_of_a_larger_torus(q, oracle):
    hamiltonian = Ising([0.4]) if q == 2 else Potts(3, [0.9])
    graph = square_lattice((8, 8))
    for method, make in MAKERS.items():
        means = []
        for fast in (True, False):
            engine = make(hamiltonian, graph, np.zeros(64) if q == 3 else np.ones(64),
                          np.random.default_rng(5))  # fmt: skip
            if not fast:
                engine.tables = engine.tables._replace(square=None)
            engine.sweep(200)
            energies = np.empty(4000)
            for sample in range(4000):
                engine.sweep(2)
                energies[sample] = hamiltonian.energy(engine.states(), graph)
            blocks = energies.reshape(40, 100).mean(axis=1)
            means.append((blocks.mean(), blocks.std(ddof=1) / np.sqrt(40)))
        (a, error_a), (b, error_b) = means
        oracle(f"{method}, q = {q}, square path against any graph",
               z=(a - b) / np.hypot(error_a, error_b))  # fmt: skip


@pytest.mark.parametrize("method", MAKERS)
@pytest.mark.parametrize("size", [32, 64])
def test_energy_and_binder_ratio_at_the_critical_point(method, size, oracle):
    graph, hamiltonian = square_lattice((size, size)), Ising([CRITICAL])
    engine = MAKERS[method](hamiltonian, graph, np.ones(size**2), np.random.default_rng(size))
    engine.sweep(300)
    n = 8000 if size == 32 else 3000
    energies, squares = np.empty(n), np.empty(n)
    left, right = graph.edges.T
    for sample in range(n):
        engine.sweep(1)
        spins = engine.states().astype(np.int64)
        energies[sample] = -CRITICAL * np.sum(spins[left] * spins[right])
        squares[sample] = spins.mean() ** 2
    blocks = energies.reshape(50, -1).mean(axis=1)
    error = blocks.std(ddof=1) / np.sqrt(50)
    oracle(f"{method}, energy of Kaufman's torus at Tc, L = {size}",
           z=(blocks.mean() - kaufman_torus((size, size), CRITICAL).energy) / error)  # fmt: skip
    # <m^4> / <m^2>^2 of the infinite square at Tc: 1.1679229 (Salas & Sokal 2000,
    # doi:10.1023/A:1018611122166); corrections, of order 1 / L^2, are below the errors here
    parts = squares.reshape(50, -1)
    without = np.array([np.mean(np.delete(parts, k, 0) ** 2) / np.mean(np.delete(parts, k, 0)) ** 2
                        for k in range(50)])  # fmt: skip
    spread = np.sqrt(49 * np.var(without))
    oracle(f"{method}, Binder ratio at Tc, L = {size}", z=(without.mean() - 1.1679229) / spread)


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


def test_strong_coupling_links_all_like_neighbours_and_keeps_every_cluster_whole():
    graph = square_lattice((6, 6))
    for make in MAKERS.values():
        engine = make(Ising([60.0]), graph, np.ones(36), np.random.default_rng(2))
        seen = set()
        for _ in range(40):
            engine.sweep(1)
            seen.add(int(engine.states().sum()))
        assert seen == {-36, 36}
    table = cluster_tables(Ising([60.0]).terms(graph))
    assert table.thresholds.max() == 2**53  # certain, not 1 in 2^53 short of it
    assert table.square[2] == 2**32


@pytest.mark.parametrize("method", MAKERS)
@pytest.mark.parametrize(
    ("hamiltonian", "graph"),
    [
        (Ising([0.5]), square_lattice((5, 4))),
        (Potts(3, [0.9]), square_lattice((5, 4))),
        (Ising([0.5, -0.2], 0.1), square_lattice((5, 4), n_shells=2)),
        (Potts(3, [0.9], [0.1, 0.0, 0.0]), square_lattice((5, 4))),
        (Clock(4, [0.7]), square_lattice((5, 4))),
    ],
)
def test_kernels_equal_their_python_form_and_pieces_do_not_matter(
    method, hamiltonian, graph, monkeypatch
):
    def run(*pieces):
        engine = MAKERS[method](hamiltonian, graph, np.ones(20), np.random.default_rng(8))
        for n in pieces:
            engine.sweep(n)
        return engine.arrays()

    compiled = run(12)
    for other in (run(1, 4, 7), run(5, 7)):
        assert all(np.array_equal(compiled[name], other[name]) for name in compiled)
    for name in ("advance", "take_in", "find", "join"):
        monkeypatch.setattr(kernels, name, getattr(kernels, name).py_func)
    for name in ("wolff_square", "wolff_any", "swendsen_wang_square", "swendsen_wang_any"):
        monkeypatch.setattr(f"physlearn.lattice_models.clusters.{name}",
                            getattr(kernels, name).py_func)  # fmt: skip
    with np.errstate(over="ignore"):  # words wrap around, as they should
        plain = run(12)
    assert all(np.array_equal(compiled[name], plain[name]) for name in compiled)


@pytest.mark.parametrize("method", MAKERS)
def test_a_restored_engine_goes_on_to_the_bit(method):
    graph = triangular_lattice((6, 6))
    make, hamiltonian = MAKERS[method], Ising([0.3], 0.05)
    engine = make(hamiltonian, graph, np.ones(36), np.random.default_rng(1))
    engine.sweep(20)
    kept = engine.arrays()
    engine.sweep(15)
    other = make(hamiltonian, graph, -np.ones(36), np.random.default_rng(99))
    other.sweep(3)
    other.restore(kept)
    other.sweep(15)
    assert np.array_equal(engine.states(), other.states())
    assert all(np.array_equal(a, other.arrays()[name]) for name, a in engine.arrays().items())


@pytest.mark.parametrize("method", MAKERS)
def test_chains_on_two_threads_equal_chains_one_after_the_other(method):
    graph = square_lattice((16, 16))

    def run(seed):
        field = 0.0 if seed % 2 else 0.01  # both paths
        engine = MAKERS[method](
            Ising([CRITICAL], field), graph, np.ones(256), np.random.default_rng(seed)
        )
        engine.sweep(200)
        return engine.states()

    alone = [run(seed) for seed in range(8)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(run, range(8)))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert len({state.tobytes() for state in alone}) == 8


def test_a_wolff_sweep_visits_about_all_sites_and_its_clusters_are_fixed():
    graph = square_lattice((32, 32))
    for coupling in (0.2, CRITICAL, 0.6):
        engine = WolffEngine(Ising([coupling]), graph, np.ones(1024), np.random.default_rng(4))
        before = engine.clusters_per_sweep
        engine.sweep(2000)
        share = engine.counts[1] / 2000 / 1024
        assert engine.clusters_per_sweep == before
        assert 0.6 < share < 1.6
        # the coin: half a cluster a sweep on top
        assert abs(engine.counts[0] - 2000 * (before + 0.5)) < 4 * np.sqrt(2000 / 4)


def test_a_wolff_cluster_does_not_cost_the_whole_lattice():
    engine = WolffEngine(
        Ising([0.1]), square_lattice((512, 512)), np.ones(512**2), np.random.default_rng(4)
    )
    clusters, sites = engine.counts
    assert clusters == sites == 0  # the pilot left no trace
    engine.clusters_per_sweep = 1
    engine.sweep(1000)
    assert engine.counts[1] < 20 * engine.counts[0]  # sites looked at, of 262,144


def test_a_cluster_against_the_field_is_given_up_at_once():
    graph = square_lattice((64, 64), n_shells=2)
    engine = WolffEngine(Ising([1.0, 0.1], 0.2), graph, np.ones(4096), np.random.default_rng(4))
    engine.sweep(10)
    assert engine.counts[1] < 20 * engine.counts[0]  # about 1 / (2 h) sites, not all 4096


def test_models_without_reflections_and_triplets_are_refused():
    with pytest.raises(InputError, match="Blume-Capel has not"):
        cluster_tables(BlumeCapel([0.5], 0.2).terms(TORUS))
    with pytest.raises(InputError, match="triplets"):
        cluster_tables(Ising([0.1], triplets={(0, 0, 0): 0.1}).terms(TRIANGLES))
    with pytest.raises(InputError, match="fewer states or fewer different bonds"):
        many = Potts(100, [1.0]).terms(square_lattice((6, 6)))
        cluster_tables(many._replace(weight=np.arange(len(many.weight)) * 0.01))
    with pytest.raises(InputError, match="states"):
        SwendsenWangEngine(Ising([0.1]), TORUS, np.zeros(9), np.random.default_rng(1))


@pytest.mark.parametrize("method", MAKERS)
def test_many_states_and_sites_without_bonds(method):
    rng = np.random.default_rng(1)
    engine = MAKERS[method](Potts(127, [0.4]), square_lattice((4, 4)), np.zeros(16), rng)
    engine.sweep(200)
    assert len(np.unique(engine.states())) > 8
    lonely = SiteGraph(3, [[0, 1]], [0], [1])
    engine = MAKERS[method](Ising([0.5], [0.0, 0.0, 0.4]), lonely, np.ones(3), rng)
    seen = np.zeros(3)
    for _ in range(400):
        engine.sweep(2)
        seen += engine.states()
    assert abs(seen[2] / 400 - np.tanh(0.4)) < 0.25 and abs(seen[0]) < 200
