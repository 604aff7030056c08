"""Replicas that each have their own parameters, against brute-force sums over all states."""

import itertools

import numpy as np
import pytest
from scipy import stats

from physlearn.lattice_models import replica_kernels as kernels
from physlearn.lattice_models import square_lattice
from physlearn.lattice_models.replicas import Replicas

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


@pytest.mark.parametrize("with_field", [False, True])
def test_replicas_follow_the_exact_distribution_each_at_its_own_parameters(with_field):
    graph = square_lattice((3, 3), n_shells=2, periodic=False)
    parameters = np.array([[0.2, 0.3, -0.1], [-0.1, -0.2, 0.25]])
    extra = np.linspace(-0.5, 0.5, 9) if with_field else np.zeros(9)
    rng = np.random.default_rng(9)
    n = 12000
    copies = Replicas(graph, 2, rng.choice([-1, 1], (9, n)), n, rng)
    copies.sweep(np.repeat(parameters, n // 2, axis=0), 60, extra if with_field else None)
    for index, theta in enumerate(parameters):
        half = slice(index * n // 2, (index + 1) * n // 2)
        _, probabilities, _ = brute_force(theta[1:], theta[0] + extra, graph)
        assert chi_square_p(codes(copies.states[:, half].T), probabilities) > SIGMAS_4


def test_fixed_sites_never_change():
    graph = square_lattice((4, 4))
    start = np.random.default_rng(1).choice([-1, 1], 16)
    copies = Replicas(graph, 1, start, 8, np.random.default_rng(2), np.arange(5))
    copies.sweep(np.array([0.0, 0.0]), 20)
    assert np.all(copies.states[5:] == start[5:, None])
    assert np.any(copies.states[:5] != start[:5, None])


def test_compiled_replica_kernels_equal_their_python_form():
    graph = square_lattice((3, 4), n_shells=2, periodic=False)
    rng = np.random.default_rng(8)
    start = rng.choice([-1, 1], (12, 5))
    theta = rng.normal(0, 0.2, (5, 3))
    copies = Replicas(graph, 2, start, 5, np.random.default_rng(1))
    lanes, table = copies._lanes.copy(), copies.bonds
    copies.sweep(theta, 3)
    plain = start.astype(np.int8)
    rows = int(np.prod(2 * copies._radices + 1))
    with np.errstate(over="ignore"):
        kernels.replica_table_sweeps.py_func(
            plain, copies.sites, table.start, table.neighbour, copies._stride,
            copies._thresholds(theta, rows), 3, lanes, np.zeros(5, np.int32),
        )  # fmt: skip
    assert np.array_equal(plain, copies.states)
    lanes = copies._lanes.copy()
    copies.sweep(theta, 2, np.linspace(-1, 1, 12))
    with np.errstate(over="ignore"):
        kernels.replica_field_sweeps.py_func(
            plain, copies.sites, table.start, table.neighbour, table.shell, table.times,
            np.ascontiguousarray(theta[:, 1:].T), theta[:, 0] + np.linspace(-1, 1, 12)[:, None], 2,
            lanes, np.zeros(5),
        )  # fmt: skip
    assert np.array_equal(plain, copies.states)


def test_replica_statistics_are_the_sums_they_claim():
    graph = square_lattice((2, 3), n_shells=2)
    states = np.random.default_rng(2).choice([-1, 1], (6, 7))
    sums = Replicas(graph, 2, states, 7, np.random.default_rng(0)).statistics()
    assert np.array_equal(sums[:, 0], states.sum(axis=0))
    for shell in (0, 1):
        keep = graph.shell == shell
        a, b = graph.edges[keep].T
        assert np.array_equal(
            sums[:, 1 + shell], graph.multiplicity[keep] @ (states[a] * states[b])
        )
