"""Networks of binary units: known truth by exact enumeration, coverage, refusals."""

import itertools

import networkx as nx
import numpy as np
import pytest
from scipy.stats import binomtest

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.networks.binary_units import (
    BinaryUnitOptions,
    fit_binary_units,
    unit_network,
)
from physlearn.inference.networks.binary_units_kernels import draw_sparse
from physlearn.inference.networks.network_likelihood import summarise_likelihood
from physlearn.records import SiteGraph

N_UNITS = 7
PAIRS = np.array(list(itertools.combinations(range(N_UNITS), 2)))
STATES = np.array(list(itertools.product([-1, 1], repeat=N_UNITS)))
OPTIONS = BinaryUnitOptions(field_sd=0.4, coupling_sd=0.3, share_present=0.3)


def draw_world(rng):
    present = rng.random(len(PAIRS)) < OPTIONS.share_present
    couplings = np.where(present, rng.normal(0, OPTIONS.coupling_sd, len(PAIRS)), 0.0)
    return rng.normal(0, OPTIONS.field_sd, N_UNITS), couplings


def observe(field, couplings, n_samples, rng, triplet=0.0):
    """Independent samples by exact enumeration of all states."""
    weight = STATES @ field + (STATES[:, PAIRS[:, 0]] * STATES[:, PAIRS[:, 1]]) @ couplings
    weight = weight + triplet * STATES[:, 0] * STATES[:, 1] * STATES[:, 2]
    chance = np.exp(weight - weight.max())
    return STATES[rng.choice(len(STATES), n_samples, p=chance / chance.sum())]


@pytest.fixture(scope="module")
def worlds():
    out = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        field, couplings = draw_world(rng)
        fit = fit_binary_units(
            observe(field, couplings, 1200, rng), options=OPTIONS, n_draws=1000, rng=seed
        )
        out.append((field, couplings, fit, rng))
    return out


def test_truth_drawn_from_the_prior_is_covered(worlds):
    ranks = {"field": [], "couplings": []}
    for field, couplings, fit, rng in worlds:
        for name, truth in (("field", field), ("couplings", couplings)):
            draws = fit[name]
            # absent couplings tie with draws that are exactly zero
            tied = rng.random(len(truth)) * (draws == truth).mean(axis=0)
            ranks[name] += list((draws < truth).mean(axis=0) + tied)
    for name, values in ranks.items():
        inside = int(np.sum(np.abs(np.array(values) - 0.5) < 0.45))
        assert binomtest(inside, len(values), 0.9).pvalue > 0.005, (name, inside / len(values))


def test_probability_of_being_coupled_is_a_frequency(worlds, oracle):
    chance = np.concatenate([fit.diagnostics["probability_present"] for _, _, fit, _ in worlds])
    there = np.concatenate([couplings != 0 for _, couplings, _, _ in worlds])
    for low, high in ((0.0, 0.3), (0.3, 0.9), (0.9, 1.01)):
        here = (chance >= low) & (chance < high)
        spread = np.sqrt(np.sum(chance[here] * (1 - chance[here])))
        gap = np.sum(there[here]) - np.sum(chance[here])
        oracle(f"pairs coupled at stated chance {low} to {high}", z=gap / max(spread, 0.5))


def test_error_bars_of_few_samples_are_as_wide_as_the_errors(oracle):
    """Four samples a parameter: the sandwich by itself would be a third too narrow in variance."""
    errors, said = [], []
    for seed in range(240):
        rng = np.random.default_rng(seed)
        field, couplings = draw_world(rng)
        spins = observe(field, couplings, 4 * 28, rng).astype(float)
        found = summarise_likelihood(spins, PAIRS, OPTIONS.field_sd, True)
        estimate = np.linalg.solve(found.information, found.linear)
        errors.append((estimate - np.concatenate([field, couplings])) ** 2)
        said.append(np.diag(np.linalg.inv(found.information)))
    ratio = np.mean(errors) / np.mean(said)
    oracle("squared errors over said variances", error=ratio - 1, bound=0.2)


def test_network_is_found_and_given_as_a_graph():
    rng = np.random.default_rng(5)
    couplings = np.where((PAIRS[:, 1] - PAIRS[:, 0]) == 1, 0.4, 0.0)  # a chain
    fit = fit_binary_units(observe(np.zeros(N_UNITS), couplings, 5000, rng), rng=1)
    graph = unit_network(fit)
    assert nx.is_isomorphic(graph, nx.path_graph(N_UNITS))
    assert all(
        abs(edge["coupling"] - 0.4) < 5 * edge["sd"] for _, _, edge in graph.edges(data=True)
    )
    assert fit.warnings == ()


def test_the_share_of_coupled_pairs_is_learnt():
    """Uniform prior, 4 of 21 pairs clearly coupled: Beta(5, 18), mean 0.217 and sd 0.084."""
    rng = np.random.default_rng(4)
    couplings = np.zeros(len(PAIRS))
    couplings[[0, 7, 12, 18]] = 0.5
    spins = observe(np.zeros(N_UNITS), couplings, 5000, rng)
    fit = fit_binary_units(spins, rng=1, n_draws=1000)
    assert np.mean(fit.diagnostics["share_present"]) == pytest.approx(5 / 23, abs=0.084)


def test_zeros_and_ones_are_the_same_units_and_a_seed_the_same_answer():
    rng = np.random.default_rng(5)
    spins = observe(*draw_world(rng), 800, rng)
    one = fit_binary_units(spins, rng=1, n_draws=400)
    two = fit_binary_units((spins + 1) // 2, rng=1, n_draws=400)
    np.testing.assert_array_equal(one["couplings"], two["couplings"])


def test_candidates_restrict_the_pairs():
    rng = np.random.default_rng(5)
    spins = observe(*draw_world(rng), 800, rng)
    few = SiteGraph(N_UNITS, [[0, 1], [2, 1], [1, 2]], [0, 0, 1], [1, 1, 1])
    fit = fit_binary_units(spins, few, rng=1, n_draws=400)
    assert fit.diagnostics["pairs"] == [[0, 1], [1, 2]]


def test_three_unit_couplings_are_noticed():
    rng = np.random.default_rng(2)
    spins = observe(np.full(N_UNITS, 0.1), np.zeros(len(PAIRS)), 6000, rng, triplet=0.8)
    fit = fit_binary_units(spins, rng=1, n_draws=400)
    assert any("three or more" in text for text in fit.warnings)


def test_samples_that_follow_each_other_widen_the_error_bars():
    rng = np.random.default_rng(3)
    field, couplings = draw_world(rng)
    slow = np.repeat(observe(field, couplings, 600, rng), 4, axis=0)
    naive = fit_binary_units(slow, options=OPTIONS, rng=1, n_draws=2000)
    honest = fit_binary_units(slow, options=OPTIONS, independent=False, rng=1, n_draws=2000)
    ratio = np.median(honest["field"].std(axis=0) / naive["field"].std(axis=0))
    assert 1.6 < ratio < 2.4  # every sample four times: errors too small by two
    assert honest.diagnostics["samples_per_time"] > 3
    assert naive.diagnostics["samples_per_time"] > 3
    assert any("independent=False" in text for text in naive.warnings)
    assert not any("independent=False" in text for text in honest.warnings)
    apart = fit_binary_units(rng.permutation(slow), options=OPTIONS, rng=1, n_draws=400)
    assert not any("independent=False" in text for text in apart.warnings)


def test_compiled_sweep_equals_python():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(5, 5))
    information, values = root @ root.T + np.eye(5), rng.normal(size=5)
    linear = rng.normal(size=5)
    results = []
    for function in (draw_sparse, draw_sparse.py_func):
        state, there = values.copy(), np.zeros(5, np.int64)
        pull = linear - information @ state
        noise = np.random.default_rng(2)
        for _ in range(20):
            function(
                state, there, pull, information, np.full(5, 2.0), np.array([np.inf, 0, 0, -1, 1]),
                noise.random(5), noise.standard_normal(5),
            )  # fmt: skip
        np.testing.assert_allclose(pull, linear - information @ state, atol=1e-10)
        results.append(state)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


def test_gibbs_draws_have_the_exact_mean_and_presence(oracle):
    """Two couplings: four networks, each a Gaussian integral that is known."""
    information, linear = np.array([[9.0, 3.0], [3.0, 6.0]]), np.array([3.0, -1.0])
    shrinkage, log_odds = np.array([2.0, 2.0]), np.array([-0.5, 0.3])
    weights, means = [], []
    for network in itertools.product([0, 1], repeat=2):
        on = np.flatnonzero(network)
        precision = information[np.ix_(on, on)] + np.diag(shrinkage[on])
        mean = np.linalg.solve(precision, linear[on]) if len(on) else np.zeros(0)
        log_weight = (
            log_odds[on].sum() + 0.5 * np.log(shrinkage[on]).sum() + 0.5 * linear[on] @ mean
        )
        log_weight -= 0.5 * np.linalg.slogdet(precision)[1] if len(on) else 0.0
        full = np.zeros(2)
        full[on] = mean
        weights.append(np.exp(log_weight))
        means.append(full)
    weights = np.array(weights) / np.sum(weights)
    exact = weights @ np.array(means)
    rng, state, there = np.random.default_rng(1), np.zeros(2), np.zeros(2, np.int64)
    pull, kept, present = linear.copy(), [], []
    for _ in range(60_000):
        draw_sparse(
            state, there, pull, information, shrinkage, log_odds,
            rng.random(2), rng.standard_normal(2),
        )  # fmt: skip
        kept.append(state.copy())
        present.append(there.copy())
    blocks = np.array(kept).reshape(60, -1, 2).mean(axis=1)
    shares = np.array(present).reshape(60, -1, 2).mean(axis=1)
    chances = [weights[2] + weights[3], weights[1] + weights[3]]
    for k in range(2):
        error = blocks[:, k].std(ddof=1) / np.sqrt(60)
        oracle(f"sparse Gibbs, mean {k}", z=(blocks[:, k].mean() - exact[k]) / error)
        error = shares[:, k].std(ddof=1) / np.sqrt(60)
        oracle(f"sparse Gibbs, presence {k}", z=(shares[:, k].mean() - chances[k]) / error)


GOOD = np.where(np.random.default_rng(1).random((300, 4)) < 0.5, 1, -1)


@pytest.mark.parametrize(
    ("states", "candidates", "error", "says"),
    [
        (np.arange(12.0).reshape(4, 3), None, InputError, "two values"),
        (GOOD[0], None, InputError, "states"),
        (np.column_stack([GOOD, np.ones(300)]), None, NotIdentified, "unit\\(s\\) 4"),
        (GOOD[:20], None, NotIdentified, "at least 30"),
        (GOOD, SiteGraph(3, [[0, 1]], [0], [1]), InputError, "4 units"),
        (np.where(GOOD == 1, np.nan, GOOD), None, InputError, "states"),
    ],
)
def test_bad_input_is_one_sentence(states, candidates, error, says):
    with pytest.raises(error, match=says):
        fit_binary_units(states, candidates, rng=1)


def test_a_fit_survives_the_disk(tmp_path):
    fit = fit_binary_units(GOOD, rng=1, n_draws=400)
    fit.save(tmp_path / "units.nc")
    again = type(fit).load(tmp_path / "units.nc")
    assert nx.utils.graphs_equal(unit_network(again), unit_network(fit))


def test_other_fits_are_refused():
    fit = fit_binary_units(GOOD, rng=1, n_draws=400)
    other = type(fit)(fit.idata, "something else")
    with pytest.raises(InputError, match="fit_binary_units"):
        unit_network(other)
