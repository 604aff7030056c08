"""Replicas of two states with pairs, triplets and extra statistics, against sums over states."""

import inspect
import itertools

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import find_triplets, square_lattice, triangular_lattice
from physlearn.lattice_models.replicas import (
    term_replica_kernels,
    term_replicas,
    term_statistic_kernels,
)
from physlearn.lattice_models.replicas.term_replicas import TermReplicas

CORNER = (0, 0, 1)


def symmetric_cube(rng, spread):
    """A random table of three states that is the same for every order of them."""
    by_ups = rng.normal(0, spread, 4)
    return by_ups[np.indices((2, 2, 2)).sum(axis=0)]


def energies(codes, graph, motifs, tables, offset, extra, weight):
    """E of codes (n, n_sites), by plain sums over sites, bonds and triplets."""
    site, pair, triplet = tables
    n_sites = graph.n_sites
    total = site[codes].sum(axis=1)
    for i in range(n_sites):
        total = total + offset[i, codes[:, i]]
        for k, value in enumerate(weight):
            total = total + value * extra[k, i, codes[:, i]]
    for (a, b), k, m in zip(graph.edges, graph.shell, graph.multiplicity, strict=True):
        if k < len(pair):
            total = total + m * pair[k][codes[:, a], codes[:, b]]
    for number, motif in enumerate(motifs):
        for a, b, c in find_triplets(graph, motif):
            total = total + triplet[number][codes[:, a], codes[:, b], codes[:, c]]
    return total


def ising_tables(field, coupling, triplet):
    spins = np.array([-1.0, 1.0])
    return (
        -field * spins,
        -np.multiply.outer(coupling, np.multiply.outer(spins, spins)),
        -triplet * np.multiply.outer(np.multiply.outer(spins, spins), spins)[None],
    )


def gas_tables(potential, interaction, triplet):
    pair, cube = np.zeros((len(interaction), 2, 2)), np.zeros((1, 2, 2, 2))
    pair[:, 1, 1], cube[:, 1, 1, 1] = interaction, triplet
    return -potential * np.array([0.0, 1.0]), pair, cube


def general_tables(rng):
    pair = rng.normal(0, 0.3, (2, 2, 2))
    return (
        rng.normal(0, 0.3, 2), pair + pair.swapaxes(1, 2), symmetric_cube(rng, 0.3)[None]
    )  # fmt: skip


def sweeps_to_forget(every, energy):
    """Sweeps that leave 1e-3 of the slowest deviation, from the matrix of a sweep in site order.

    Of the deviations' squares, which a chi-square sums, 1e-6 is left. Never fewer than 60.
    """
    n_sites = every.shape[1]
    number, sweep = np.arange(len(every)), np.eye(len(every))
    for site in range(n_sites):
        turned = number ^ (1 << (n_sites - 1 - site))
        turn = 1 / (1 + np.exp(energy[turned] - energy))
        sweep = sweep * (1 - turn) + sweep[:, turned] * turn[turned]
    slowest = np.sort(np.abs(np.linalg.eigvals(sweep)))[-2]
    return max(60, int(np.ceil(np.log(1e-3) / np.log(slowest))))


@pytest.mark.parametrize("kind", ["ising", "lattice gas", "general"])
def test_each_replica_follows_its_own_distribution(kind, oracle, chi_square_p):
    """Open 3x3: uneven degrees; two parameter sets side by side, offsets and an extra statistic."""
    graph = square_lattice((3, 3), n_shells=2, periodic=False)
    rng = np.random.default_rng(5)
    both = {
        "ising": (ising_tables(0.1, [0.2, -0.1], 0.1), ising_tables(-0.2, [-0.1, 0.2], -0.15)),
        "lattice gas": (gas_tables(0.3, [-0.5, 0.2], 0.4), gas_tables(-0.1, [0.4, -0.4], -0.3)),
        "general": (general_tables(rng), general_tables(rng)),
    }[kind]
    offset, extra = rng.normal(0, 0.3, (9, 2)), rng.normal(0, 0.5, (2, 9, 2))
    weights = rng.normal(0, 0.5, (2, 2))
    n = 12000
    copies = TermReplicas(graph, 2, [CORNER], rng.integers(0, 2, (9, n)), n, rng, extra=extra)
    site, pair, triplet = (
        np.repeat(np.stack(two), n // 2, axis=0) for two in zip(*both, strict=True)
    )
    every = np.array(list(itertools.product([0, 1], repeat=9)))
    energy = [
        energies(every, graph, [CORNER], both[index], offset, extra, weights[index])
        for index in range(2)
    ]
    # random tables may have two deep valleys, which 60 sweeps do not join
    n_sweeps = max(sweeps_to_forget(every, one) for one in energy)
    copies.sweep(
        site, pair, n_sweeps, offset, triplet_energy=triplet,
        extra_energy=np.repeat(weights, n // 2, axis=0),
    )  # fmt: skip
    place = copies.states.T @ (1 << np.arange(9)[::-1])
    for index in range(2):
        weight = np.exp(-energy[index])
        p = chi_square_p(place[index * n // 2 : (index + 1) * n // 2], weight / weight.sum())
        oracle(f"term replicas, {kind}, histogram {index}", p=p)


def test_sums_are_those_of_plain_loops():
    graph = triangular_lattice((4, 30), n_shells=2)
    rng = np.random.default_rng(2)
    states, extra = rng.integers(0, 2, (120, 7)), rng.normal(size=(2, 120, 2))
    motifs = [(0, 0, 0), (0, 0, 1)]
    copies = TermReplicas(graph, 2, motifs, states, 7, rng, extra=extra)
    ups, pairs, triplets, further = copies.sums()
    assert np.array_equal(ups, states.sum(axis=0))
    for shell in (0, 1):
        keep = graph.shell == shell
        a, b = states[graph.edges[keep].T]
        times = graph.multiplicity[keep]
        expected = np.stack([np.full(7, times.sum()), times @ (a + b), times @ (a * b)], axis=1)
        assert np.array_equal(pairs[:, shell], expected)
    for number, motif in enumerate(motifs):
        a, b, c = states[find_triplets(graph, motif).T]
        expected = [np.full(7, len(a)), a + b + c, a * b + a * c + b * c, a * b * c]
        expected = np.stack(
            [np.broadcast_to(e, a.shape).sum(axis=0) if e.ndim == 2 else e for e in expected],
            axis=1,
        )
        assert np.array_equal(triplets[:, number], expected)
    values = np.stack([[sum(e[i, s[i]] for i in range(120)) for e in extra] for s in states.T])
    assert np.allclose(further, values, atol=1e-12)


def test_scores_are_derivatives_of_the_log_pseudolikelihood(oracle):
    """By finite differences of a log pseudolikelihood from the energies of single flips."""
    graph = square_lattice((3, 4), n_shells=2, periodic=False)
    rng = np.random.default_rng(5)
    d, n_extra = 4, 1
    site, pair = rng.normal(size=(d, 2)), rng.normal(size=(d, 2, 2, 2))
    pair = pair + pair.swapaxes(2, 3)
    triplet = np.stack([symmetric_cube(rng, 1.0) for _ in range(d)])[:, None]
    extra = rng.normal(size=(n_extra, 12, 2))
    states, terms = rng.integers(0, 2, (12, 3)), np.array([0, 2, 3, 7, 11])
    theta = rng.normal(0, 0.2, (3, d + n_extra))
    copies = TermReplicas(graph, 2, [CORNER], states, 3, rng, extra=extra)
    score, curvature = copies.scores(theta, site, pair, triplet, terms)

    def log_pseudolikelihood(codes, at):
        tables = [-np.tensordot(at[:d], table, axes=(0, 0)) for table in (site, pair, triplet)]
        total = 0.0
        for i in terms:
            both = np.repeat(codes[None], 2, axis=0)
            both[:, i] = [0, 1]
            e = energies(both, graph, [CORNER], tables, np.zeros((12, 2)), extra, -at[d:])
            total += -e[codes[i]] - np.logaddexp(-e[0], -e[1])
        return total

    step = 1e-3
    for replica in range(3):
        for k in range(d + n_extra):
            shift = step * np.eye(d + n_extra)[k]
            values = [
                log_pseudolikelihood(states[:, replica], theta[replica] + move * shift)
                for move in (-2, -1, 0, 1, 2)
            ]
            slope = np.dot([1, -8, 0, 8, -1], values) / (12 * step)
            bend = np.dot([1, -16, 30, -16, 1], values) / (12 * step**2)
            oracle(f"term scores {replica} {k}", error=score[replica, k] - slope, bound=1e-6)
            oracle(f"term bends {replica} {k}", error=curvature[replica, k, k] - bend, bound=1e-5)
    assert np.array_equal(curvature, curvature.swapaxes(1, 2))


def run_all(pieces=1):
    graph = triangular_lattice((4, 3), n_shells=2)
    rng = np.random.default_rng(8)
    extra = rng.normal(size=(1, 12, 2))
    copies = TermReplicas(graph, 2, [(0, 0, 0)], rng.integers(0, 2, (12, 5)), 5, 1, extra=extra)
    pair = rng.normal(size=(5, 2, 2, 2))
    given = (
        rng.normal(size=(5, 2)), pair + pair.swapaxes(2, 3), 2 // pieces, rng.normal(size=(12, 2))
    )  # fmt: skip
    cube = np.stack([symmetric_cube(rng, 0.5) for _ in range(5)])[:, None]
    for _ in range(pieces):
        copies.sweep(*given, triplet_energy=cube, extra_energy=[0.3])
    scores = copies.scores(
        rng.normal(size=(5, 2)), np.array([[0.0, 1.0]]), np.ones((1, 2, 2, 2)), cube[:1], None
    )
    return copies.states, copies.lanes, *copies.sums(), *scores


def test_compiled_kernels_equal_their_python_form_and_pieces_change_nothing(monkeypatch):
    compiled, in_pieces = run_all(), run_all(2)
    for module in (term_replica_kernels, term_statistic_kernels):
        for name, member in inspect.getmembers(module, lambda item: hasattr(item, "py_func")):
            monkeypatch.setattr(module, name, member.py_func)
            if hasattr(term_replicas, name):
                monkeypatch.setattr(term_replicas, name, member.py_func)
    with np.errstate(over="ignore"):
        plain = run_all()
    for one, two, three in zip(compiled, in_pieces, plain, strict=True):
        assert np.array_equal(one, two)
        # of the scores, the last two, compiled and plain exp may differ in the last place
        assert np.allclose(one, three, rtol=1e-13, atol=1e-13)
    for one, three in zip(compiled[:-2], plain[:-2], strict=True):
        assert np.array_equal(one, three)


def test_fixed_sites_stay_and_bad_input_is_refused():
    graph, rng = square_lattice((4, 4), n_shells=2), np.random.default_rng(1)
    start = rng.integers(0, 2, 16)
    copies = TermReplicas(graph, 1, [CORNER], start, 8, rng, np.arange(5))
    copies.sweep(np.zeros(2), np.zeros((1, 2, 2)), 20)
    assert np.all(copies.states[5:] == start[5:, None])
    assert np.any(copies.states[:5] != start[:5, None])
    copies.restart(1 - start)
    assert np.all(copies.states == 1 - start[:, None])
    for arguments, words in (
        ((3, [], start, 8, rng), "n_shells has 3 shells, the graph only 2"),
        ((1, [(0, 0, 5)], start, 8, rng), "triplets need shell 5"),
        ((1, [], start[:15], 8, rng), "start must have shape"),
        ((1, [], np.full(16, 2), 8, rng), r"from 0 to 1; entry \(0,\) holds 2"),
        ((1, [], np.full(16, 0.5), 8, rng), "whole numbers"),
        ((1, [], start, 0, rng), "n_replicas must be a whole number of at least 1"),
        ((1, [], start, 8, "a"), "rng"),
        ((1, [], start, 8, rng, np.array([16])), "between 0 and 15"),
        ((1, [], start, 8, rng, None, np.zeros((1, 15, 2))), "extra must have shape"),
    ):
        with pytest.raises(InputError, match=words):
            TermReplicas(graph, *arguments)
    good = (np.zeros(2), np.zeros((1, 2, 2)), 1)
    skew = np.zeros((1, 2, 2, 2))
    skew[0, 0, 1, 1] = 1.0
    for given, options, words in (
        ((np.zeros(3), *good[1:]), {}, "site_energy must be finite"),
        ((good[0], np.zeros((2, 2, 2)), 1), {}, "pair_energy must be finite"),
        ((good[0], np.arange(4.0).reshape(1, 2, 2), 1), {}, "pair_energy must be symmetric"),
        (good, {"triplet_energy": skew}, "every order"),
        (good, {"extra_energy": np.zeros(1)}, "extra_energy must be finite"),
        ((*good, np.full((16, 2), np.nan)), {}, "offset must be finite"),
        ((*good[:2], 1.5), {}, "n_sweeps"),
    ):
        with pytest.raises(InputError, match=words):
            copies.sweep(*given, **options)
