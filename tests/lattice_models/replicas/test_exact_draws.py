"""Exact draws of ferromagnets against sums over states and Kaufman's torus."""

import inspect
import itertools

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError, NotIdentified
from physlearn.lattice_models import square_lattice
from physlearn.lattice_models.exact_answers import kaufman_torus
from physlearn.lattice_models.replicas import exact_draw_kernels, exact_draws
from physlearn.lattice_models.replicas.exact_draws import ExactReplicas

ISING = np.array([[-1.0, 1.0], [1.0, -1.0]])


@pytest.mark.parametrize("sites", [None, np.arange(6)])
def test_draws_follow_the_exact_distribution(sites, oracle, chi_square_p):
    """No burn-in, no memory: the first draw of every replica counts."""
    graph = square_lattice((2, 4), n_shells=2)
    rng = np.random.default_rng(6)
    offset, extra = rng.normal(0, 0.5, (8, 2)), rng.normal(0, 0.5, (1, 8, 2))
    site, weight = rng.normal(0, 0.3, 2), 0.7
    gas = np.array([[0.1, 0.0], [0.0, -0.5]])
    pair = np.stack([0.25 * ISING, gas])
    n = 20000
    copies = ExactReplicas(graph, 2, np.ones(8), n, rng, sites, extra)
    drawn = copies.draw(site, pair, offset, extra_energy=[weight])
    every = np.array(list(itertools.product([0, 1], repeat=8)))
    total = site[every].sum(axis=1)
    for i in range(8):
        total = total + offset[i, every[:, i]] + weight * extra[0, i, every[:, i]]
    for (a, b), k, m in zip(graph.edges, graph.shell, graph.multiplicity, strict=True):
        total = total + m * pair[k][every[:, a], every[:, b]]
    boltzmann = np.exp(-total)
    if sites is not None:
        boltzmann[~every[:, 6:].all(axis=1)] = 0.0
    p = chi_square_p(drawn.T @ (1 << np.arange(8)[::-1]), boltzmann / boltzmann.sum())
    oracle(f"exact draws, histogram, fixed sites {sites is not None}", p=p)


def test_energies_are_kaufmans_at_every_coupling(oracle):
    graph, couplings = square_lattice((8, 8)), np.array([0.1, 0.3, 0.42])
    copies = ExactReplicas(graph, 1, np.zeros(64), 768, np.random.default_rng(3))
    pair = np.repeat(couplings, 256)[:, None, None, None] * ISING
    states = 2 * copies.draw([0.0, 0.0], pair).astype(int) - 1
    assert copies.last_sweeps >= 32
    a, b = states[graph.edges.T]
    for coupling, sums in zip(couplings, (a * b).sum(axis=0).reshape(3, 256), strict=True):
        exact = -kaufman_torus((8, 8), coupling).energy / coupling
        oracle(f"exact draws, bonds at J = {coupling}", p=stats.ttest_1samp(sums, exact).pvalue)


def test_bounds_stay_ordered_and_the_present_does_not_depend_on_the_past():
    """Starting farther back with the same later numbers gives the same draw: the theorem."""
    graph, rng = square_lattice((6, 6)), np.random.default_rng(1)
    copies = ExactReplicas(graph, 1, np.zeros(36), 64, rng)
    single = copies.copies.weights([0.1, 0.0], [0.3 * ISING], 0.0, None, None)
    tables = [
        np.ascontiguousarray(table, np.float64)
        for table in (single.base, single.slope, single.field, single.offset, single.weight)
    ]
    lanes = [exact_draws.make_lanes(rng, 64) for _ in range(4)]
    found = []
    for blocks in (1, 2, 3, 4):
        copies._bound(lanes[:blocks], [4, 64, 128, 256][:blocks], *tables)
        assert np.all(copies.copies.memory <= copies._upper)
        met = np.array_equal(copies.copies.memory, copies._upper)
        found.append(copies.copies.states if met else None)
    assert found[0] is None and found[3] is not None
    met = [states for states in found if states is not None]
    assert len(met) >= 2
    assert all(np.array_equal(states, met[0]) for states in met)


def test_compiled_kernels_equal_their_python_form(monkeypatch):
    def run():
        rng = np.random.default_rng(8)
        extra, offset = rng.normal(size=(1, 6, 2)), rng.normal(size=(6, 2))
        copies = ExactReplicas(square_lattice((2, 3)), 1, np.zeros(6), 5, 1, None, extra)
        drawn = copies.draw([0.1, 0.0], [0.1 * ISING], offset, extra_energy=[0.3])
        return drawn, copies.last_sweeps

    compiled = run()
    for name, member in inspect.getmembers(
        exact_draw_kernels, lambda item: hasattr(item, "py_func")
    ):
        monkeypatch.setattr(exact_draw_kernels, name, member.py_func)
        if hasattr(exact_draws, name):
            monkeypatch.setattr(exact_draws, name, member.py_func)
    with np.errstate(over="ignore"):
        plain = run()
    assert np.array_equal(compiled[0], plain[0]) and compiled[1] == plain[1]


def test_what_cannot_be_drawn_is_refused():
    graph, rng = square_lattice((4, 4)), np.random.default_rng(1)
    copies = ExactReplicas(graph, 1, np.zeros(16), 8, rng)
    with pytest.raises(InputError, match="favours unlike states"):
        copies.draw([0.0, 0.0], [-0.1 * ISING])
    with pytest.raises(NotIdentified, match="have not met within 64 sweeps"):
        copies.draw([0.0, 0.0], [3.0 * ISING], most_sweeps=64)
    with pytest.raises(InputError, match="pair_energy must be finite"):
        copies.draw([0.0, 0.0], [0.1 * ISING, 0.1 * ISING])
    with pytest.raises(InputError, match="most_sweeps"):
        copies.draw([0.0, 0.0], [0.1 * ISING], most_sweeps=0)
