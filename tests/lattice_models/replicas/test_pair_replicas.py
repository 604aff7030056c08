"""Replicas that each have their own parameters, against brute-force sums over all states."""

import inspect
import itertools

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.lattice_models import (
    site_graph_from_networkx,
    square_lattice,
    triangular_lattice,
)
from physlearn.lattice_models.replicas import pair_replica_kernels as kernels
from physlearn.lattice_models.replicas.pair_replicas import Replicas, pair_sums


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
    return states, weight / weight.sum()


def codes(states):
    return ((np.asarray(states) + 1) // 2) @ (1 << np.arange(states.shape[-1])[::-1])


@pytest.mark.parametrize("kind", ["none", "of sites", "of sites and replicas"])
def test_replicas_follow_the_exact_distribution_each_at_its_own_parameters(
    kind, oracle, chi_square_p
):
    graph = square_lattice((3, 3), n_shells=2, periodic=False)
    parameters = np.array([[0.2, 0.3, -0.1], [-0.1, -0.2, 0.25]])
    extra = np.linspace(-0.5, 0.5, 9)
    fields = {"none": [0.0, 0.0], "of sites": [extra, extra]}.get(kind, [extra, -2 * extra])
    rng = np.random.default_rng(9)
    n = 12000
    given = {"none": 0.0, "of sites": extra}.get(
        kind, np.repeat(np.stack(np.broadcast_arrays(*fields)), n // 2, axis=0).T
    )
    copies = Replicas(graph, 2, rng.choice([-1, 1], (9, n)), n, rng)
    copies.sweep(np.repeat(parameters, n // 2, axis=0), 60, given)
    for index, theta in enumerate(parameters):
        half = slice(index * n // 2, (index + 1) * n // 2)
        _, probabilities = brute_force(theta[1:], theta[0] + fields[index], graph)
        p = chi_square_p(codes(copies.states[:, half].T), probabilities)
        oracle(f"replicas, histogram of 3x3 open, field {kind}, parameters {index}", p=p)


def test_bonds_that_wrap_a_small_torus_count_twice(oracle, chi_square_p):
    graph = square_lattice((2, 4))
    rng = np.random.default_rng(2)
    copies = Replicas(graph, 1, rng.choice([-1, 1], (8, 8000)), 8000, rng)
    copies.sweep([0.05, -0.25], 60)
    _, probabilities = brute_force([-0.25], 0.05, graph)
    oracle(
        "replicas, histogram of a 2x4 torus", p=chi_square_p(codes(copies.states.T), probabilities)
    )


def test_replicas_are_independent_of_each_other(oracle):
    """The mean over replicas has the variance of independent ones, again and again."""
    graph = triangular_lattice((3, 3), periodic=False)
    states, probabilities = brute_force([0.3], 0.1, graph)
    pairs = (states[:, graph.edges[:, 0]] * states[:, graph.edges[:, 1]]).sum(axis=1)
    rng, n, records = np.random.default_rng(4), 192, 400
    copies = Replicas(graph, 1, np.ones(9), n, rng)
    total = np.zeros(2)
    for _ in range(records):
        copies.sweep([0.1, 0.3], 40)
        sums = copies.statistics()
        for column, exact in enumerate((states.sum(axis=1), pairs)):
            mean = probabilities @ exact
            variance = probabilities @ exact**2 - mean**2
            total[column] += n * (sums[:, column].mean() - mean) ** 2 / variance
    for name, value in zip(("sum s", "sum s s'"), total, strict=True):
        p = 2 * min(stats.chi2.cdf(value, records), stats.chi2.sf(value, records))
        oracle(f"replicas, variance of the mean of {name} over 192 replicas", p=p)


def test_probability_of_a_draw_over_the_whole_range_of_fields(oracle):
    """The words that make a site up are counted, by bisection: the decision is monotonic."""
    scale = 2 / np.log(2)
    fields = np.concatenate([np.linspace(-12, 12, 481), [-1e30, -40.0, -1e-8, 0.0, 1e-8, 40, 1e30]])
    worst, worst_relative = 0.0, 0.0
    for field in fields:
        scaled = np.float32(scale * field)
        low, high, likely = -1, 2**32, bool(scaled >= 0)  # rare words are the small ones
        while high - low > 1:
            middle = (low + high) // 2
            rare = bool(kernels.rises(np.uint32(middle), scaled)) != likely
            low, high = (middle, high) if rare else (low, middle)
        exact = 1.0 / (1.0 + 2.0 ** min(abs(float(scaled)), 1000.0))
        worst = max(worst, abs(high / 2**32 - exact))
        if exact > 1e-8:
            worst_relative = max(worst_relative, abs(high / 2**32 / exact - 1.0))
    oracle("replicas, probability of a draw given its field", error=worst, bound=2e-7)
    oracle("replicas, the rarer state, relative, down to 1e-8", error=worst_relative, bound=0.02)


def test_rare_states_keep_their_relative_accuracy():
    """Beside the step of 2 ** -32 in the probability, the error is that of single precision."""
    for field in np.linspace(0, 8, 41):
        scaled = np.float32(2 / np.log(2) * field)
        exact = 2**32 / (1.0 + 2.0 ** float(scaled))
        for share, rare in ((1 - 4e-7, True), (1 + 4e-7, False)):
            word = exact * share + (-1.0 if rare else 1.0)
            if 0 <= word < 2**32:
                rises = bool(kernels.rises(np.uint32(int(word)), scaled))
                assert rises != rare, (field, word)


def test_saturated_sites_stay():
    """At fields of +-30 kT no site is ever wrong in a million draws."""
    graph = square_lattice((8, 8))
    copies = Replicas(graph, 1, np.ones(64), 128, np.random.default_rng(1))
    field = np.where(np.arange(64) % 2, 30.0, -30.0)
    copies.sweep([0.0, 0.0], 1, field)
    for _ in range(10):
        copies.sweep([0.0, 0.0], 12, field)
        assert np.array_equal(copies.states, np.repeat(np.sign(field)[:, None], 128, axis=1))


def test_fixed_sites_never_change():
    graph = square_lattice((4, 4))
    start = np.random.default_rng(1).choice([-1, 1], 16)
    copies = Replicas(graph, 1, start, 8, np.random.default_rng(2), np.arange(5))
    copies.sweep(np.array([0.0, 0.0]), 20)
    assert np.all(copies.states[5:] == start[5:, None])
    assert np.any(copies.states[:5] != start[:5, None])


def python_form(monkeypatch):
    """Make the kernels' helpers plain Python."""
    for name, helper in inspect.getmembers(kernels, lambda member: hasattr(member, "py_func")):
        monkeypatch.setattr(kernels, name, helper.py_func)


def sweep_and_measure(theta, field):
    graph = square_lattice((3, 4), n_shells=2)
    start = np.random.default_rng(8).choice([-1, 1], (12, 5))
    copies = Replicas(graph, 2, start, 5, np.random.default_rng(1))
    from physlearn.lattice_models.replicas import pair_replicas as replicas

    for name in ("replica_sweeps", "replica_statistics", "replica_scores"):
        setattr(replicas, name, getattr(kernels, name))
    copies.sweep(theta, 2, field)
    return copies.states, copies._lanes, copies.statistics(), *copies.scores(theta, np.arange(9))


@pytest.mark.parametrize("field", [0.0, np.linspace(-1, 1, 60).reshape(12, 5)])
def test_compiled_replica_kernels_equal_their_python_form(field, monkeypatch):
    from physlearn.lattice_models.replicas import pair_replicas as replicas

    theta = np.random.default_rng(3).normal(0, 0.2, (5, 3))
    for name in ("replica_sweeps", "replica_statistics", "replica_scores"):
        monkeypatch.setattr(replicas, name, getattr(replicas, name))  # put back afterwards
    compiled = sweep_and_measure(theta, field)
    python_form(monkeypatch)
    with np.errstate(over="ignore"):
        plain = sweep_and_measure(theta, field)
    for ours, theirs in zip(compiled, plain, strict=True):
        assert np.array_equal(ours, theirs)


def test_a_restart_keeps_the_lanes_and_sets_the_states():
    graph, start = square_lattice((4, 4)), np.random.default_rng(1).choice([-1, 1], (16, 5))
    copies = Replicas(graph, 1, np.ones(16), 5, np.random.default_rng(1))
    copies.sweep([0.1, 0.3], 3)
    lanes = copies._lanes.copy()
    copies.restart(start)
    assert np.array_equal(copies.states, start)
    assert np.array_equal(copies._lanes, lanes)
    assert np.array_equal(copies.statistics(), pair_sums(start, graph, 1))
    with pytest.raises(InputError, match="start must have shape"):
        copies.restart(np.ones(15))


def test_sweeps_in_pieces_and_replicas_that_pad_change_nothing():
    graph, theta = square_lattice((5, 4), periodic=False), [0.1, 0.3]
    copies = [Replicas(graph, 1, np.ones(20), n, np.random.default_rng(1)) for n in (64, 64, 33)]
    copies[0].sweep(theta, 6)
    for _ in range(3):
        copies[1].sweep(theta, 2)
    copies[2].sweep(theta, 6)
    assert np.array_equal(copies[0].states, copies[1].states)
    assert np.array_equal(copies[0].states[:, :33], copies[2].states)
    assert not np.array_equal(copies[0].states[:, 0], copies[0].states[:, 1])


def test_a_site_with_many_neighbours_of_several_multiplicities():
    """A star: groups of 250 neighbours, odd remainders, multiplicities."""
    import networkx

    star = networkx.star_graph(601)
    networkx.set_edge_attributes(star, {(0, k): 1 + k % 3 for k in range(1, 602)}, "multiplicity")
    graph = site_graph_from_networkx(star)
    rng = np.random.default_rng(6)
    states = rng.choice([-1, 1], (602, 70))
    copies = Replicas(graph, 1, states, 70, rng, np.array([0]))
    times = 1 + np.arange(1, 602) % 3
    pull = times @ states[1:]
    copies.sweep([0.0, 30.0], 1)
    certain = pull != 0
    assert certain.sum() > 60
    assert np.array_equal(copies.states[0, certain], np.sign(pull)[certain])
    assert np.array_equal(copies.statistics()[:, 1], copies.states[0] * pull)


def test_replica_statistics_are_the_sums_they_claim():
    graph = square_lattice((2, 300), n_shells=2)
    states = np.random.default_rng(2).choice([-1, 1], (600, 7))
    copies = Replicas(graph, 2, states, 7, np.random.default_rng(0))
    sums = copies.statistics()
    assert np.array_equal(sums, pair_sums(states, graph, 2))
    assert np.array_equal(sums[:, 0], states.sum(axis=0))
    for shell in (0, 1):
        keep = graph.shell == shell
        a, b = graph.edges[keep].T
        assert np.array_equal(
            sums[:, 1 + shell], graph.multiplicity[keep] @ (states[a] * states[b])
        )


def test_scores_are_derivatives_of_the_log_pseudolikelihood(oracle):
    graph = triangular_lattice((3, 4), n_shells=2)
    rng = np.random.default_rng(5)
    states, theta = rng.choice([-1, 1], (12, 6)), rng.normal(0, [0.3, 0.2, 4.0], (6, 3))
    terms = np.array([0, 2, 3, 7, 11])
    score, curvature = Replicas(graph, 2, states, 6, rng).scores(theta, terms)
    sums = np.ones((12, 6, 3))
    for shell in (0, 1):
        matrix = np.zeros((12, 12))
        keep = graph.shell == shell
        a, b = graph.edges[keep].T
        np.add.at(matrix, (a, b), graph.multiplicity[keep])
        sums[:, :, 1 + shell] = (matrix + matrix.T) @ states
    mean = np.tanh((sums * theta).sum(axis=2))
    expected = np.einsum("ir,irk->rk", (states - mean)[terms], sums[terms])
    weight = (1 - mean[terms] ** 2)[:, :, None, None]
    bend = (weight * sums[terms][:, :, :, None] * sums[terms][:, :, None, :]).sum(axis=0)
    oracle("replicas, score", error=np.abs(score - expected).max(), bound=1e-11)
    oracle("replicas, curvature", error=np.abs(curvature - bend).max(), bound=1e-11)


def test_bad_replicas_are_refused():
    graph, rng = square_lattice((4, 4)), np.random.default_rng(1)
    with pytest.raises(InputError, match=r"-1 and \+1; entry \(3,\) holds 0"):
        Replicas(graph, 1, np.array([1, 1, 1, 0] * 4), 2, rng)
    with pytest.raises(InputError, match="start must have shape"):
        Replicas(graph, 1, np.ones(15), 2, rng)
    for wrong in (0, 1.5, True):
        with pytest.raises(InputError, match="n_replicas must be a whole number of at least 1"):
            Replicas(graph, 1, np.ones(16), wrong, rng)
    with pytest.raises(InputError, match="n_shells has 5 shells, the graph only 1"):
        Replicas(graph, 5, np.ones(16), 2, rng)
    for wrong in (-1, 1.0):
        with pytest.raises(InputError, match="n_shells must be a whole number of at least 0"):
            Replicas(graph, wrong, np.ones(16), 2, rng)
    with pytest.raises(InputError, match="rng"):
        Replicas(graph, 1, np.ones(16), 2, "a")
    with pytest.raises(InputError, match="between 0 and 15"):
        Replicas(graph, 1, np.ones(16), 2, rng, np.array([16]))
    copies = Replicas(graph, 1, np.ones(16), 2, rng)
    for wrong in ([0.1], [0.1, np.nan], np.zeros((3, 2))):
        with pytest.raises(InputError, match="parameters must be finite"):
            copies.sweep(wrong, 1)
    for wrong in (np.zeros(15), np.full(16, np.inf), np.zeros((16, 3))):
        with pytest.raises(InputError, match="site_field must be finite"):
            copies.sweep([0.0, 0.1], 1, wrong)
    for wrong in (-1, 1.5, True, "3"):
        with pytest.raises(InputError, match="n_sweeps must be a whole number of at least 0"):
            copies.sweep([0.0, 0.1], wrong)
    copies.sweep([0.0, 0.1], 0)
    assert np.all(copies.states == 1)


def test_a_seed_is_a_generator_of_that_seed():
    graph = square_lattice((4, 4))
    one, other = (Replicas(graph, 1, np.ones(16), 3, rng) for rng in (7, np.random.default_rng(7)))
    for copies in (one, other):
        copies.sweep([0.0, 0.1], 3)
    assert np.array_equal(one.states, other.states)
