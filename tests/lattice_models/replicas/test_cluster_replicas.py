"""Replicas by clusters against sums over states, Kaufman's torus and the heat bath."""

import inspect
import itertools

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.lattice_models import square_lattice, triangular_lattice
from physlearn.lattice_models.exact_answers import kaufman_torus
from physlearn.lattice_models.replicas import cluster_replica_kernels, cluster_replicas
from physlearn.lattice_models.replicas.cluster_replica_kernels import turn_table
from physlearn.lattice_models.replicas.cluster_replicas import ClusterReplicas

ISING = np.array([[-1.0, 1.0], [1.0, -1.0]])


def energies(codes, graph, site, pair, offset, extra, weight):
    total = site[codes].sum(axis=1)
    for i in range(graph.n_sites):
        total = total + offset[i, codes[:, i]] + weight * extra[0, i, codes[:, i]]
    for (a, b), k, m in zip(graph.edges, graph.shell, graph.multiplicity, strict=True):
        total = total + m * pair[k][codes[:, a], codes[:, b]]
    return total


@pytest.mark.parametrize("fields", ["uniform", "of sites", "with fixed sites"])
@pytest.mark.parametrize("heat_bath", [0, 1])
def test_each_replica_follows_its_own_distribution(fields, heat_bath, oracle, chi_square_p):
    """Couplings of both signs, two shells, uneven degrees, bonds that count twice."""
    graph = square_lattice((2, 4), n_shells=2, periodic=fields == "uniform")
    rng = np.random.default_rng(6)
    pair = rng.normal(0, 0.25, (2, 2, 2))
    pair, site = pair + pair.swapaxes(1, 2), rng.normal(0, 0.3, 2)
    offset, extra = rng.normal(0, 0.4, (8, 2)), rng.normal(0, 0.6, (1, 8, 2))
    if fields == "uniform":
        offset, extra = np.zeros((8, 2)), np.zeros((1, 8, 2))
        # no field of any site of its own either
        pair = np.array([0.3, -0.2])[:, None, None] * ISING
    sites = np.arange(6) if fields == "with fixed sites" else None
    n = 12000
    copies = ClusterReplicas(
        graph, 2, np.ones(8), n, rng, sites, None if fields == "uniform" else extra
    )
    cases = ((pair, 0.5), (-0.8 * pair, -0.7))
    tables, weight = (np.repeat(np.stack([c[i] for c in cases]), n // 2, axis=0) for i in (0, 1))
    options = {} if fields == "uniform" else {"extra_energy": weight[:, None]}
    copies.sweep(site, tables, 60, offset, heat_bath=heat_bath, **options)
    every = np.array(list(itertools.product([0, 1], repeat=8)))
    place = copies.states.T @ (1 << np.arange(8)[::-1])
    for index, (table, factor) in enumerate(cases):
        boltzmann = np.exp(-energies(every, graph, site, table, offset, extra, factor))
        if sites is not None:
            boltzmann[~every[:, 6:].all(axis=1)] = 0.0
        p = chi_square_p(place[index * n // 2 : (index + 1) * n // 2], boltzmann / boltzmann.sum())
        oracle(f"cluster replicas, {fields}, heat bath {heat_bath}, histogram {index}", p=p)


def test_energies_at_the_transition_are_kaufmans(oracle):
    """Every replica at its own coupling; 16 independent time averages each."""
    couplings = np.array([0.40, 0.4406868, 0.46, -0.43])
    graph, rng = square_lattice((16, 16)), np.random.default_rng(2)
    copies = ClusterReplicas(graph, 1, rng.integers(0, 2, (256, 64)), 64, rng)
    each = np.repeat(couplings, 16)
    pair = each[:, None, None, None] * ISING
    copies.sweep([0.0, 0.0], pair, 60)
    total = np.zeros(64)
    for _ in range(300):
        copies.sweep([0.0, 0.0], pair, 1, heat_bath=0)
        _, pairs, _, _ = copies.copies.sums()
        number, ends, both = pairs[:, 0].T
        total += number - 2 * ends + 4 * both
    means = (total / 300).reshape(4, 16)
    for coupling, mean in zip(couplings, means, strict=True):
        # an antiferromagnet on an even torus is the ferromagnet turned over on every other site
        exact = -kaufman_torus((16, 16), abs(coupling)).energy / coupling
        p = stats.ttest_1samp(mean, exact).pvalue
        oracle(f"cluster replicas, mean bond sum at J = {coupling}", p=p)


def test_clusters_forget_faster_than_the_heat_bath_at_the_transition():
    """The point of them: the magnetization's square decorrelates within a few sweeps."""
    graph, rng = square_lattice((32, 32)), np.random.default_rng(3)
    copies = ClusterReplicas(graph, 1, np.zeros(1024), 64, rng)
    pair = [0.4407 * ISING]
    memory = {}
    for name in ("clusters", "heat bath"):
        trace = []
        copies.sweep([0.0, 0.0], pair, 40)
        for _ in range(40):
            if name == "clusters":
                copies.sweep([0.0, 0.0], pair, 1)
            else:
                copies.copies.sweep([0.0, 0.0], pair, 1)
            trace.append((2 * copies.copies.sums()[0] - 1024) ** 2)
        trace = np.array(trace) - np.mean(trace)
        memory[name] = np.mean(trace[:-10] * trace[10:]) / np.mean(trace**2)
    assert memory["clusters"] < 0.3
    assert memory["heat bath"] > 0.6


@pytest.mark.parametrize("shape", [(5, 3), (130, 64), (64, 300), (1, 1)])
def test_turned_tables_are_transposes(shape):
    table = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    turned = np.zeros(shape[::-1], np.uint8)
    turn_table(table, turned)
    assert np.array_equal(turned, table.T)


def run(pieces=1):
    graph = triangular_lattice((3, 4), n_shells=2)
    rng = np.random.default_rng(8)
    extra = rng.normal(size=(1, 12, 2))
    start = rng.integers(0, 2, (12, 5))
    copies = ClusterReplicas(graph, 2, start, 5, 1, np.arange(10), extra)
    pair, offset = rng.normal(size=(5, 2, 2, 2)), rng.normal(size=(12, 2))
    for _ in range(pieces):
        copies.sweep(
            [0.1, 0.2], pair + pair.swapaxes(2, 3), 4 // pieces, offset, extra_energy=[0.3],
            heat_bath=0,
        )  # fmt: skip
    uniform = ClusterReplicas(graph, 2, start, 5, 1)
    uniform.sweep([0.1, 0.2], [ISING, -0.3 * ISING], 2, heat_bath=0)
    return copies.states, copies._words, uniform.states


def test_compiled_kernels_equal_their_python_form_and_pieces_change_nothing(monkeypatch):
    compiled, in_pieces = run(), run(2)
    for name, member in inspect.getmembers(
        cluster_replica_kernels, lambda item: hasattr(item, "py_func")
    ):
        monkeypatch.setattr(cluster_replica_kernels, name, member.py_func)
        if hasattr(cluster_replicas, name):
            monkeypatch.setattr(cluster_replicas, name, member.py_func)
    with np.errstate(over="ignore"):
        plain = run()
    for one, two, three in zip(compiled, in_pieces, plain, strict=True):
        assert np.array_equal(one, two)
        assert np.array_equal(one, three)


def test_infinite_couplings_never_break_and_bad_input_is_refused():
    graph = square_lattice((4, 4))
    copies = ClusterReplicas(graph, 1, np.zeros(16), 64, np.random.default_rng(1))
    copies.sweep([0.0, 0.0], [50.0 * ISING], 20)
    assert set(copies.states.sum(axis=0).tolist()) == {0, 16}
    copies.restart(np.arange(16) % 2)
    assert np.all(copies.states.sum(axis=0) == 8)
    rng = np.random.default_rng(1)
    with pytest.raises(InputError, match="start must have shape"):
        ClusterReplicas(graph, 1, np.zeros(15), 8, rng)
    with pytest.raises(InputError, match="n_shells has 2 shells"):
        ClusterReplicas(graph, 2, np.zeros(16), 8, rng)
    for arguments, words in (
        (([0.0], [ISING], 1), "site_energy must be finite"),
        (([0.0, 0.0], [ISING, ISING], 1), "pair_energy must be finite"),
        (([0.0, 0.0], [ISING], 1.5), "n_sweeps"),
        (([0.0, 0.0], [ISING], 1, np.zeros(3)), "offset must be finite"),
    ):
        with pytest.raises(InputError, match=words):
            copies.sweep(*arguments)
    with pytest.raises(InputError, match="heat_bath must be a whole number"):
        copies.sweep([0.0, 0.0], [ISING], 1, heat_bath=-1)
