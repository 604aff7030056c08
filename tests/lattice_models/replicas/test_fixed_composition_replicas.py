"""Replicas at fixed composition against sums over all states of that composition."""

import inspect
import itertools

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.lattice_models import find_triplets, square_lattice, triangular_lattice
from physlearn.lattice_models.replicas import fixed_composition_kernels, fixed_composition_replicas
from physlearn.lattice_models.replicas.fixed_composition_replicas import ExchangeReplicas


def numbers(codes, parts, q):
    """Numbers of each state in every part, (n, n_parts, q)."""
    return np.stack(
        [[(codes[:, parts == part] == a).sum(axis=1) for a in range(q)] for part in set(parts)]
    ).transpose(2, 0, 1)


def allowed(start, parts, q):
    """All codes with the start's numbers of each state in every part."""
    every = np.array(list(itertools.product(range(q), repeat=len(start))))
    wanted = numbers(start[None], parts, q)[0]
    return every[(numbers(every, parts, q) == wanted).all(axis=(1, 2))]


def energies(codes, graph, pair, triplets, offset, extra, weight):
    total = np.zeros(len(codes))
    for i in range(graph.n_sites):
        total += offset[i, codes[:, i]] + weight * extra[0, i, codes[:, i]]
    for (a, b), k, m in zip(graph.edges, graph.shell, graph.multiplicity, strict=True):
        total += m * pair[k][codes[:, a], codes[:, b]]
    for motif, table in triplets.items():
        for a, b, c in find_triplets(graph, motif):
            total += table[codes[:, a], codes[:, b], codes[:, c]]
    return total


def compare(name, copies, start, parts, graph, cases, q, offset, extra, oracle, chi_square_p):
    """Compare equal shares of the replicas with the exact distribution of each case."""
    every = allowed(start, parts, q)
    key = q ** np.arange(len(start))
    place = {int(code): index for index, code in enumerate(every @ key)}
    drawn = copies.states.T.astype(int) @ key
    share = len(drawn) // len(cases)
    for index, (pair, triplets, weight) in enumerate(cases):
        boltzmann = np.exp(-energies(every, graph, pair, triplets, offset, extra, weight))
        seen = [place[int(code)] for code in drawn[index * share : (index + 1) * share]]
        p = chi_square_p(seen, boltzmann / boltzmann.sum())
        oracle(f"exchange replicas, {name}, histogram {index}", p=p)


@pytest.mark.parametrize("q", [2, 3])
def test_each_replica_follows_its_own_distribution(q, oracle, chi_square_p):
    """A torus whose bonds count twice, two parts, two parameter sets side by side."""
    graph = square_lattice((2, 4))
    rng = np.random.default_rng(11)
    start = np.array([0, 1, 0, 1, 1, 0, 0, 1] if q == 2 else [0, 1, 2, 2, 0, 1, 0, 2])
    parts = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    table = rng.normal(0, 0.2, (1, q, q))  # weak: both checkerboards are reached
    table = table + table.swapaxes(1, 2)
    offset, extra = rng.normal(0, 0.4, (8, q)), rng.normal(0, 0.5, (1, 8, q))
    n = 20000
    copies = ExchangeReplicas(graph, 1, q, start, n, rng, parts=parts, extra=extra)
    cases = ((table, {}, 0.5), (-0.6 * table, {}, -0.7))
    pair, weight = (np.repeat(np.stack([c[i] for c in cases]), n // 2, axis=0) for i in (0, 2))
    copies.sweep(pair, 100, offset, extra_energy=weight[:, None])
    compare(
        f"{q} states", copies, start, parts, graph, cases, q, offset, extra, oracle, chi_square_p
    )


@pytest.mark.parametrize("kind", ["ising", "lattice gas"])
def test_triplets_at_fixed_composition(kind, oracle, chi_square_p):
    graph = triangular_lattice((3, 3), n_shells=1, periodic=False)
    rng = np.random.default_rng(3)
    one = np.array([-1.0, 1.0]) if kind == "ising" else np.array([0.0, 1.0])
    cube = np.multiply.outer(np.multiply.outer(one, one), one)
    start, parts = np.array([0, 1, 0, 1, 1, 0, 0, 0, 1]), np.zeros(9, int)
    offset, extra = rng.normal(0, 0.3, (9, 2)), np.zeros((1, 9, 2))
    pair = -0.2 * np.multiply.outer(one, one)[None]
    n = 20000
    copies = ExchangeReplicas(
        graph, 1, 2, start, n, rng, parts=parts, extra=extra, motifs=[(0, 0, 0)]
    )
    cases = tuple((pair, {(0, 0, 0): value * cube}, 0.0) for value in (0.3, -0.4))
    triplet = np.repeat([[0.3 * cube], [-0.4 * cube]], n // 2, axis=0)
    copies.sweep(pair, 60, offset, triplet_energy=triplet)
    compare(
        f"triplets {kind}", copies, start, parts, graph, cases, 2, offset, extra, oracle,
        chi_square_p,
    )  # fmt: skip


def test_replicas_forget_their_start_independently(oracle):
    """Long runs of few replicas: time averages, not only a histogram of many."""
    graph = square_lattice((3, 4), periodic=False)
    start = np.arange(12) % 2
    pair = np.array([[[-0.3, 0.3], [0.3, -0.3]]])
    copies = ExchangeReplicas(graph, 1, 2, start, 64, np.random.default_rng(4))
    every = allowed(start, np.zeros(12, int), 2)
    spins = 2 * every - 1
    bonds = (spins[:, graph.edges[:, 0]] * spins[:, graph.edges[:, 1]]).sum(axis=1)
    weight = np.exp(0.3 * bonds)
    exact = weight @ bonds / weight.sum()
    copies.sweep(pair, 50)
    series = []
    for _ in range(640):
        copies.sweep(pair, 1)
        s = 2 * copies.states.astype(int) - 1
        series.append((s[graph.edges[:, 0]] * s[graph.edges[:, 1]]).sum(axis=0))
    means = np.array(series).mean(axis=0)  # 64 independent time averages
    z = (means.mean() - exact) / (means.std(ddof=1) / 8)
    oracle("exchange replicas, mean bond of a 3x4 sheet", z=z)


@pytest.mark.parametrize("q", [2, 4])
def test_composition_is_conserved_bit_for_bit_and_fixed_sites_stay(q):
    graph = triangular_lattice((6, 6), n_shells=2)
    rng = np.random.default_rng(1)
    start = rng.integers(0, q, (36, 70))
    parts = np.arange(36) // 20
    free = np.setdiff1d(np.arange(36), [3, 17, 30])
    copies = ExchangeReplicas(graph, 2, q, start, 70, rng, free, parts=parts)
    table = rng.normal(0, 1.0, (70, 2, q, q))
    copies.sweep(table + table.swapaxes(2, 3), 50)
    after = copies.states
    assert np.array_equal(numbers(after.T, parts, q), numbers(start.T, parts, q))
    assert np.array_equal(after[[3, 17, 30]], start[[3, 17, 30]])
    assert np.mean(after != start) > 0.2


def run(q, pieces=1):
    graph = triangular_lattice((3, 4), n_shells=2)
    rng = np.random.default_rng(8)
    extra = rng.normal(size=(1, 12, q))
    motifs = [(0, 0, 0)] if q == 2 else []
    copies = ExchangeReplicas(
        graph, 2, q, rng.integers(0, q, (12, 5)), 5, 1, extra=extra, motifs=motifs
    )
    pair, cube = rng.normal(size=(5, 2, q, q)), rng.normal(size=4)[np.indices((2, 2, 2)).sum(0)]
    options = {"triplet_energy": cube[None]} if q == 2 else {}
    for _ in range(pieces):
        copies.sweep(
            pair + pair.swapaxes(2, 3), 2 // pieces, extra[0],
            extra_energy=[0.3], **options,
        )  # fmt: skip
    return copies.states, copies.copies.lanes, copies._common


@pytest.mark.parametrize("q", [2, 3])
def test_compiled_kernels_equal_their_python_form_and_pieces_change_nothing(q, monkeypatch):
    compiled, in_pieces = run(q), run(q, 2)
    for name, member in inspect.getmembers(
        fixed_composition_kernels, lambda item: hasattr(item, "py_func")
    ):
        monkeypatch.setattr(fixed_composition_kernels, name, member.py_func)
        if hasattr(fixed_composition_replicas, name):
            monkeypatch.setattr(fixed_composition_replicas, name, member.py_func)
    with np.errstate(over="ignore"):
        plain = run(q)
    for one, two, three in zip(compiled, in_pieces, plain, strict=True):
        assert np.array_equal(one, two)
        assert np.array_equal(one, three)


def test_one_state_in_a_part_stays_and_bad_input_is_refused():
    graph, rng = square_lattice((4, 4)), np.random.default_rng(1)
    copies = ExchangeReplicas(graph, 1, 2, np.ones(16), 8, rng)
    copies.sweep(np.zeros((1, 2, 2)), 5)
    assert np.all(copies.states == 1)
    copies.restart(np.arange(16) % 2)
    copies.sweep(np.zeros((1, 2, 2)), 5)
    assert np.all(copies.states.sum(axis=0) == 8)
    assert np.any(copies.states != (np.arange(16) % 2)[:, None])
    start = np.arange(16) % 3
    with pytest.raises(InputError, match="parts must have shape"):
        ExchangeReplicas(graph, 1, 3, start, 8, rng, parts=np.zeros(15))
    with pytest.raises(InputError, match="motifs need two states; got 3"):
        ExchangeReplicas(graph, 1, 3, start, 8, rng, motifs=[(0, 0, 0)])
    with pytest.raises(InputError, match="from 0 to 1"):
        ExchangeReplicas(graph, 1, 2, start, 8, rng)
    copies = ExchangeReplicas(graph, 1, 3, start, 8, rng)
    for arguments, options, words in (
        ((np.zeros((2, 3, 3)), 1), {}, "pair_energy must be finite"),
        ((np.arange(9.0).reshape(1, 3, 3), 1), {}, "symmetric"),
        ((np.zeros((1, 3, 3)), 1, np.zeros(16)), {}, "offset must be finite"),
        ((np.zeros((1, 3, 3)), -1), {}, "n_sweeps"),
        ((np.zeros((1, 3, 3)), 1), {"triplet_energy": 0.0}, "triplet_energy needs two states"),
    ):
        with pytest.raises(InputError, match=words):
            copies.sweep(*arguments, **options)
