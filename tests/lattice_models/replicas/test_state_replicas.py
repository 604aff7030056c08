"""Replicas of q states, each at its own energies, against sums over all states."""

import inspect
import itertools

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.lattice_models import BlumeCapel, Potts, square_lattice
from physlearn.lattice_models.replicas import state_replica_kernels as kernels
from physlearn.lattice_models.replicas import state_replicas, state_score_kernels
from physlearn.lattice_models.replicas.state_replicas import StateReplicas


def exact(graph, site_energy, pair_energy, offset):
    """Return all codes and their probabilities, by plain sums over sites and bonds."""
    q = len(site_energy)
    codes = np.array(list(itertools.product(range(q), repeat=graph.n_sites)))
    energy = np.asarray(site_energy)[codes].sum(axis=1)
    energy = energy + sum(offset[site, codes[:, site]] for site in range(graph.n_sites))
    for (a, b), k, m in zip(graph.edges, graph.shell, graph.multiplicity, strict=True):
        energy = energy + m * np.asarray(pair_energy)[k, codes[:, a], codes[:, b]]
    weight = np.exp(-energy)
    return codes, weight / weight.sum()


def test_each_replica_follows_its_own_distribution(oracle, chi_square_p):
    """Three states on a torus whose bonds count twice; two parameter sets side by side."""
    graph = square_lattice((2, 3), n_shells=1)
    rng = np.random.default_rng(7)
    values = np.array([-1.0, 0.0, 1.0])
    blume_capel = (0.3 * values**2 - 0.1 * values, [-0.35 * np.outer(values, values)])
    general = rng.normal(0, 0.5, (3, 3))
    other = (rng.normal(0, 0.4, 3), [(general + general.T) / 2])
    offset = rng.normal(0, 0.3, (6, 3))
    n = 16000
    copies = StateReplicas(graph, 1, 3, rng.integers(0, 3, (6, n)), n, rng)
    site, pair = (
        np.repeat(np.stack([np.asarray(one), np.asarray(two)]), n // 2, axis=0)
        for one, two in zip(blume_capel, other, strict=True)
    )
    copies.sweep(site, pair, 60, offset)
    place = copies.states.T.astype(int) @ 3 ** np.arange(6)[::-1]
    for index, (site_energy, pair_energy) in enumerate((blume_capel, other)):
        _, probabilities = exact(graph, site_energy, pair_energy, offset)
        p = chi_square_p(place[index * n // 2 : (index + 1) * n // 2], probabilities)
        oracle(f"replicas of 3 states, histogram of a 2x3 torus, set {index}", p=p)


@pytest.mark.parametrize("hamiltonian", [Potts(4, [0.6]), BlumeCapel([0.4, -0.1], 0.5, 0.2)])
def test_the_tables_of_a_hamiltonian_fit(hamiltonian, oracle, chi_square_p):
    graph = square_lattice((2, 2) if hamiltonian.state_values == (0, 1, 2, 3) else (3, 2),
                           n_shells=2, periodic=False)  # fmt: skip
    terms = hamiltonian.terms(graph)
    q, n = len(terms.state_values), 8000
    rng = np.random.default_rng(3)
    start = rng.integers(0, q, (graph.n_sites, n))
    n_shells = len(terms.pair_energy)
    copies = StateReplicas(graph, n_shells, q, start, n, rng)
    copies.sweep(terms.site_energy[0], terms.pair_energy, 60)
    codes = np.array(list(itertools.product(range(q), repeat=graph.n_sites)))
    weight = np.exp(-hamiltonian.energy(terms.state_values[codes], graph))
    place = copies.states.T.astype(int) @ q ** np.arange(graph.n_sites)[::-1]
    name = type(hamiltonian).__name__
    oracle(f"replicas of {name}, histogram", p=chi_square_p(place, weight / weight.sum()))
    singles, pairs = copies.statistics()
    energy = singles @ terms.site_energy[0]
    upper = np.triu(np.ones((q, q)))
    energy += (pairs * upper * terms.pair_energy).sum(axis=(1, 2, 3))
    expected = hamiltonian.energy(terms.state_values[copies.states.T.astype(int)], graph)
    oracle(
        f"replicas of {name}, energy by statistics", error=np.abs(energy - expected).max(),
        bound=1e-11,
    )  # fmt: skip


def test_probabilities_of_states_over_a_wide_range(oracle):
    """One site without neighbours to speak of: shares of the states, from exp(-12) to 1."""
    graph = square_lattice((2, 2), periodic=False)
    n, energies = 2**16, np.array([0.0, 0.7, 3.0, 12.0, -1.0])
    copies = StateReplicas(graph, 1, 5, np.zeros(4), n, np.random.default_rng(5))
    counts = np.zeros(5)
    for _ in range(20):
        copies.sweep(energies, np.zeros((1, 5, 5)), 1)
        counts += copies.statistics()[0].sum(axis=0)
    share = np.exp(-energies) / np.exp(-energies).sum()
    p = stats.chisquare(counts, share * counts.sum()).pvalue
    oracle("replicas of 5 states, shares without bonds", p=p)
    copies.sweep([0.0, 0.0, 500.0, 0.0, 1e6], np.zeros((1, 5, 5)), 3)
    assert set(np.unique(copies.states)) == {0, 1, 3}


def test_compiled_kernels_equal_their_python_form_and_pieces_change_nothing(monkeypatch):
    graph = square_lattice((2, 3), n_shells=2)
    rng = np.random.default_rng(2)
    start = rng.integers(0, 3, (6, 3))
    site, pair = rng.normal(size=(3, 3)), rng.normal(size=(2, 3, 3))
    pair, extra = pair + pair.swapaxes(1, 2), rng.normal(size=(1, 6, 3))

    def run(pieces):
        copies = StateReplicas(graph, 2, 3, start, 3, np.random.default_rng(1), None, extra)
        for _ in range(pieces):
            copies.sweep(site, pair, 2 // pieces, extra_energy=[0.3])
        scores = copies.scores([0.1, -0.2], site[:1], pair[None], np.arange(5))
        return copies.states, copies.lanes, *copies.sums(), *scores

    compiled, in_pieces = run(1), run(2)
    for module in (kernels, state_score_kernels):
        for name, member in inspect.getmembers(module, lambda item: hasattr(item, "py_func")):
            monkeypatch.setattr(module, name, member.py_func)
            if hasattr(state_replicas, name):
                monkeypatch.setattr(state_replicas, name, member.py_func)
    with np.errstate(over="ignore"):
        plain = run(1)
    for one, two, three in zip(compiled, in_pieces, plain, strict=True):
        assert np.array_equal(one, two)
        assert np.array_equal(one, three)


def test_fixed_sites_stay_and_bad_input_is_refused():
    graph, rng = square_lattice((4, 4)), np.random.default_rng(1)
    copies = StateReplicas(graph, 1, 3, np.ones(16), 8, rng, np.arange(5))
    copies.sweep(np.zeros(3), np.zeros((1, 3, 3)), 10)
    assert np.all(copies.states[5:] == 1)
    assert np.any(copies.states[:5] != 1)
    for arguments, words in (
        ((1, 128, np.ones(16), 8), "n_states must be at most 127; got 128"),
        ((1, 1, np.ones(16), 8), "n_states must be a whole number of at least 2; got 1"),
        ((1, 2.5, np.ones(16), 8), "n_states must be a whole number of at least 2; got 2.5"),
        ((2, 3, np.ones(16), 8), "n_shells has 2 shells, the graph only 1"),
        ((0, 3, np.ones(16), 8), "n_shells must be a whole number of at least 1; got 0"),
        ((1, 3, np.ones(16), 8, "a"), "rng"),
        ((1, 3, np.ones(15), 8), "start must have shape"),
        ((1, 3, np.full(16, 3), 8), r"from 0 to 2; entry \(0,\) holds 3"),
        ((1, 3, np.full(16, 0.5), 8), "whole numbers"),
        ((1, 3, np.ones(16), 0), "at least 1"),
        ((1, 3, np.ones(16), 8, rng, np.array([-1])), "sites must lie"),
    ):
        given = arguments if len(arguments) > 4 else (*arguments, rng)
        with pytest.raises(InputError, match=words):
            StateReplicas(graph, *given)
    skew = np.arange(9.0).reshape(1, 3, 3)
    for site, pair, offset, words in (
        (np.zeros(2), np.zeros((1, 3, 3)), 0.0, "site_energy must be finite"),
        (np.full(3, np.nan), np.zeros((1, 3, 3)), 0.0, "site_energy must be finite"),
        (np.zeros(3), np.zeros((2, 3, 3)), 0.0, "pair_energy must be finite"),
        (np.zeros(3), skew, 0.0, "symmetric"),
        (np.zeros(3), np.zeros((1, 3, 3)), np.zeros(16), "offset must be finite"),
    ):
        with pytest.raises(InputError, match=words):
            copies.sweep(site, pair, 1, offset)
    for wrong in (-1, 1.5, True):
        with pytest.raises(InputError, match="n_sweeps must be a whole number of at least 0"):
            copies.sweep(np.zeros(3), np.zeros((1, 3, 3)), wrong)
    with_seed, with_generator = (
        StateReplicas(graph, 1, 3, np.ones(16), 8, seed) for seed in (7, np.random.default_rng(7))
    )
    for copies in (with_seed, with_generator):
        copies.sweep(np.zeros(3), np.zeros((1, 3, 3)), 2)
    assert np.array_equal(with_seed.states, with_generator.states)


def test_an_impossible_last_state_is_never_drawn():
    """In 67 million draws the mark never rounds up to the total weight."""
    graph = square_lattice((64, 64))
    copies = StateReplicas(graph, 1, 3, np.zeros(4096), 256, np.random.default_rng(5))
    for _ in range(4):
        copies.sweep([0.0, 0.3, 500.0], np.zeros((1, 3, 3)), 16)
        assert copies.states.max() == 1
