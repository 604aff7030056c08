"""Samplers against brute-force sums over all states, and their reversibility."""

import itertools

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.lattice_models import (
    Ising,
    LatticeGas,
    exact_enumeration,
    simulate_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models import ising_kernels as kernels
from physlearn.lattice_models.random_numbers import seed_words
from physlearn.lattice_models.site_graphs import bond_table

SIGMAS_4 = 2 * stats.norm.sf(4)


def brute_force(couplings, field, graph):
    """Return all states and their probabilities, from the formula alone."""
    states = np.array(list(itertools.product([-1, 1], repeat=graph.n_sites)))
    weight = np.exp(
        states @ np.broadcast_to(field, graph.n_sites)
        + sum(
            couplings[k] * m * states[:, a] * states[:, b]
            for (a, b), k, m in zip(graph.edges, graph.shell, graph.multiplicity, strict=True)
        )
    )
    return states, weight / weight.sum(), np.log(weight.sum())


def codes(states):
    return ((np.asarray(states) + 1) // 2) @ (1 << np.arange(states.shape[-1])[::-1])


def chi_square_p(observed_codes, probabilities):
    counts = np.bincount(observed_codes, minlength=len(probabilities))
    order = np.argsort(probabilities)
    expected = probabilities[order] * counts.sum()
    group = np.minimum(np.cumsum(expected) // 8, np.floor(expected.sum() / 8) - 1).astype(int)
    return stats.chisquare(
        np.bincount(group, counts[order])[np.unique(group)],
        np.bincount(group, expected)[np.unique(group)],
    ).pvalue


def independent_chains(method, couplings, field, graph, n, sweeps):
    table = bond_table(graph)
    coupling = np.asarray(couplings)[table.shell] * table.times
    field = np.broadcast_to(field, graph.n_sites).astype(float)
    rng = np.random.default_rng(11)
    out = np.empty((n, graph.n_sites), np.int8)
    sweep = {"heat_bath": kernels.heat_bath_sweeps, "metropolis": kernels.metropolis_sweeps}[method]
    for chain in range(n):
        states = rng.choice(np.array([-1, 1], np.int8), graph.n_sites)
        sweep(states, table.start, table.neighbour, coupling, field, sweeps, seed_words(rng, (2,)))
        out[chain] = states
    return out


@pytest.mark.parametrize("method", ["heat_bath", "metropolis"])
@pytest.mark.parametrize(("coupling", "field"), [(0.25, 0.1), (-0.3, 0.0), (0.0, 0.0)])
def test_states_of_independent_chains_follow_the_exact_distribution(method, coupling, field):
    graph = square_lattice((3, 3))
    _, probabilities, _ = brute_force([coupling], field, graph)
    sample = independent_chains(method, [coupling], field, graph, 8000, 60)
    assert chi_square_p(codes(sample), probabilities) > SIGMAS_4


def test_kawasaki_follows_the_exact_distribution_at_fixed_composition():
    graph = triangular_lattice((3, 3), periodic=False)
    states, probabilities, _ = brute_force([0.4], 0.0, graph)
    start = np.array([1, 1, 1, 1, -1, -1, -1, -1, -1], np.int8)
    allowed = states.sum(axis=1) == start.sum()
    table = bond_table(graph)
    coupling = np.full(len(table.shell), 0.4)
    rng = np.random.default_rng(5)
    sample = np.empty((6000, 9), np.int8)
    for chain in range(len(sample)):
        sites = rng.permutation(start)
        kernels.kawasaki_sweeps(
            sites, table.start, table.neighbour, coupling, np.zeros(9), 40, seed_words(rng, (2,))
        )
        sample[chain] = sites
    assert np.all(sample.sum(axis=1) == start.sum())
    place = np.full(512, -1)
    place[codes(states[allowed])] = np.arange(allowed.sum())
    exact = probabilities[allowed] / probabilities[allowed].sum()
    assert chi_square_p(place[codes(sample)], exact) > SIGMAS_4


def test_single_site_heat_bath_is_reversible():
    """pi P = P^T pi for the update of each site, with P read off the local field of the kernel."""
    graph = square_lattice((2, 3), n_shells=1)
    states, probabilities, _ = brute_force([0.37], 0.2, graph)
    table = bond_table(graph)
    coupling = 0.37 * table.times
    index = {tuple(state): k for k, state in enumerate(states)}
    for site in range(6):
        for k, state in enumerate(states):
            flipped = state.copy()
            flipped[site] = -flipped[site]
            around = kernels.local_field(
                state.astype(np.int8), site, table.start, table.neighbour, coupling, np.full(6, 0.2)
            )
            forward = probabilities[k] / (1 + np.exp(2 * state[site] * around))
            backward = probabilities[index[tuple(flipped)]] / (
                1 + np.exp(-2 * state[site] * around)
            )
            assert forward == pytest.approx(backward, rel=1e-12)


def python_form(name, monkeypatch):
    """Return a kernel's plain Python form, calling the plain forms of its helpers."""
    for helper in ("uniform", "local_field"):
        monkeypatch.setattr(kernels, helper, getattr(kernels, helper).py_func)
    return getattr(kernels, name).py_func


@pytest.mark.parametrize("name", ["heat_bath_sweeps", "metropolis_sweeps", "kawasaki_sweeps"])
def test_compiled_sweeps_equal_their_python_form(name, monkeypatch):
    graph = triangular_lattice((4, 4), n_shells=2, periodic=False)
    table = bond_table(graph)
    coupling = np.array([0.2, -0.1])[table.shell] * table.times
    rng = np.random.default_rng(3)
    start, words = rng.choice(np.array([-1, 1], np.int8), 16), seed_words(rng, (2,))
    results = []
    for sweep in (getattr(kernels, name), python_form(name, monkeypatch)):
        states, state = start.copy(), words.copy()
        with np.errstate(over="ignore"):
            sweep(states, table.start, table.neighbour, coupling, np.full(16, 0.1), 5, state)
        results.append((states, state))
    assert np.array_equal(results[0][0], results[1][0])
    assert np.array_equal(results[0][1], results[1][1])


def test_generator_is_xoroshiro128plus():
    """Against the reference recurrence in whole-number arithmetic."""
    mask = 2**64 - 1
    first, second = 12345, 678910
    state = np.array([first, second], np.uint64)
    for _ in range(50):
        word = (first + second) & mask
        second ^= first
        first = (((first << 24) | (first >> 40)) & mask) ^ second ^ ((second << 16) & mask)
        second = ((second << 37) | (second >> 27)) & mask
        assert kernels.uniform(state) == (word >> 11) / 2**53
    assert state.tolist() == [first, second]


def test_exact_enumeration_equals_brute_force():
    graph = triangular_lattice((2, 4), n_shells=2, periodic=False)
    field = np.linspace(-0.3, 0.4, 8)
    exact = exact_enumeration(Ising([0.3, -0.2], field), graph)
    states, probabilities, log_z = brute_force([0.3, -0.2], field, graph)
    assert exact.log_partition == pytest.approx(log_z)
    assert np.allclose(exact.means, probabilities @ states)
    assert np.allclose(exact.pair_means, states.T @ (states * probabilities[:, None]))
    assert exact.probabilities.sum() == pytest.approx(1)
    with pytest.raises(InputError, match="20 sites"):
        exact_enumeration(Ising([0.1]), square_lattice((5, 5)))


def test_same_seed_same_pictures_and_progress():
    graph, seen = square_lattice((6, 6)), []
    gas = LatticeGas([0.5], 0.2)
    first = simulate_lattice(gas, graph, 3, 4, burn_in=10, rng=5)
    second = simulate_lattice(
        gas, graph, 3, 4, burn_in=10, rng=5, progress=lambda done, of: seen.append((done, of))
    )
    assert np.array_equal(first.states, second.states)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert first.metadata["method"] == "heat_bath"


def test_bad_options_are_refused():
    graph = square_lattice((4, 4))
    with pytest.raises(InputError, match="start must be given"):
        simulate_lattice(Ising([0.1]), graph, method="kawasaki")
    with pytest.raises(InputError, match="n_snapshots"):
        simulate_lattice(Ising([0.1]), graph, 0)
    with pytest.raises(InputError, match="method"):
        simulate_lattice(Ising([0.1]), graph, method="gibbs")
    with pytest.raises(InputError, match="-1 and"):
        simulate_lattice(Ising([0.1]), graph, start=np.zeros(16))
