"""The exchange algorithm against exact posteriors, and what it refuses."""

import itertools

import arviz
import numpy as np
import pytest
from exact_cases import CASES

from physlearn.checks import InputError
from physlearn.inference.lattices.lattice_data import gather_snapshots
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.posteriors import auxiliary_pictures
from physlearn.inference.posteriors.auxiliary_pictures import MarkovLattices, _integrated_memory
from physlearn.inference.posteriors.exchange_algorithm import sample_exchange
from physlearn.inference.posteriors.priors import make_prior
from physlearn.lattice_models import Ising, simulate_lattice, square_lattice
from physlearn.records import LatticeSnapshots


def prepare(name, seed):
    """Pictures of an exact case, as a fit would read them."""
    world = CASES[name](seed)
    options = dict(world.options)
    family = lattice_family(
        options.get("model", "auto"), world.snapshots.state_values, world.n_shells,
        options.get("triplets", ()), fixed_composition=options.get("composition") == "fixed",
    )  # fmt: skip
    data = gather_snapshots(world.snapshots, family)
    return world, data, make_prior(options["prior"], data)


def guess(world, d):
    """A deliberately poor guess: 1 sd off, twice too wide; it must not matter."""
    truth = np.zeros(d) + np.asarray(world.truth)[:d] if len(world.truth) == d else np.zeros(d)
    return truth + 0.02, 0.05**2 * np.eye(d)


def compare(name, world, data, found, oracle):
    """z of means and of sds, by the effective draws of each number."""
    values = data.family.values(found.draws)
    shifts, ratios = world.figures(values)
    flat = np.concatenate(
        [np.reshape(values[n], (len(found.draws), -1)) for n in world.rows], axis=1
    )
    steps = len(found.draws) // 64
    for k, (shift, ratio) in enumerate(zip(shifts, ratios, strict=True)):
        chains = flat[: 64 * steps, k].reshape(steps, 64).T
        effective = float(arviz.ess(chains))
        oracle(f"exchange, {name}, mean {k}", z=shift * np.sqrt(effective))
        spread = float(arviz.ess(chains, method="sd"))
        oracle(f"exchange, {name}, sd {k}", z=np.log(ratio) * np.sqrt(2 * spread))


@pytest.mark.parametrize(
    ("name", "n_draws"),
    [
        ("vacancies", 3200), ("fixed composition", 3200),
        *(
            pytest.param(name, 12800, marks=pytest.mark.slow)
            for name in ("ising", "lattice gas", "triplets", "potts", "blume_capel", "pair table")
        ),
    ],
)  # fmt: skip
def test_posteriors_are_exact_within_their_monte_carlo_error(name, n_draws, oracle):
    world, data, prior = prepare(name, 2)
    rng = np.random.default_rng(3)
    found = sample_exchange(data, prior, *guess(world, data.n_parameters), n_draws, rng)
    assert not found.exact
    assert "asymptotic" in found.approximation and str(found.inner_sweeps) in found.approximation
    assert 0.12 < found.acceptance < 0.5
    assert found.effective_draws > n_draws / 8
    compare(name, world, data, found, oracle)


def test_exact_pictures_give_exact_posteriors(oracle):
    """Coupling from the past: no inner sweeps to worry about."""
    world, data, prior = prepare("vacancies", 1)
    mean, sd = world.exact.of(np.array([0.0, 1.0]))
    assert mean > 4 * sd  # what lies below zero, and cannot be drawn at, does not count
    start = np.array([0.0, 0.2]), 0.1**2 * np.eye(2)
    found = sample_exchange(data, prior, *start, 2560, np.random.default_rng(3), exact=True)
    assert found.exact and found.inner_sweeps == 0 and "exact" in found.approximation
    compare("coupling from the past", world, data, found, oracle)


def test_a_posterior_that_leaves_ferromagnets_is_cut_and_says_so():
    _, data, prior = prepare("vacancies", 4)
    start = np.array([0.0, 0.05]), 0.1**2 * np.eye(2)
    found = sample_exchange(data, prior, *start, 640, np.random.default_rng(3), exact=True)
    assert any("favour unlike states were refused" in flag for flag in found.flags)
    assert np.all(found.draws[:, 1] >= 0.0)
    assert found.draws[:, 1].min() < 0.01


def test_a_posterior_that_reaches_beyond_the_transition_is_exact_too(oracle):
    """All sites alike: couplings up to 1 count, where sites never turn the lattice over."""
    graph = square_lattice((4, 4))
    alike = LatticeSnapshots(np.ones((1, 16)), graph)
    data = gather_snapshots(alike, lattice_family("ising", (-1, 1), 1))
    prior = make_prior(None, data)
    codes = np.array(list(itertools.product([0, 1], repeat=16)), np.uint8)
    sums, counts = np.unique(data.family.statistics(codes, graph), axis=0, return_counts=True)
    grid = np.stack(
        np.meshgrid(np.linspace(-9, 12, 127), np.linspace(-2, 2, 81), indexing="ij"), -1
    ).reshape(-1, 2)
    log_z = np.logaddexp.reduce(grid @ sums.T + np.log(counts), axis=1)
    log_p = grid @ [16.0, 32.0] - log_z + prior.log_density(grid)
    weight = np.exp(log_p - log_p.max())
    weight /= weight.sum()
    mean = weight @ grid
    sd = np.sqrt(weight @ (grid - mean) ** 2)
    start = np.array([1.0, 0.3]), np.diag([1.0, 0.1])
    draws = sample_exchange(data, prior, *start, 12800, np.random.default_rng(3)).draws
    oracle("mean", error=np.max(np.abs(draws.mean(axis=0) - mean) / sd), bound=0.08)
    oracle("sd", error=np.max(np.abs(draws.std(axis=0) / sd - 1)), bound=0.06)


def test_without_sweeps_between_pictures_the_posterior_is_wrong():
    """The check can fail: one inner sweep near the transition is far too few."""
    rng = np.random.default_rng(1)
    picture = simulate_lattice(Ising([0.42]), square_lattice((24, 24)), rng=5, burn_in=2000)
    data = gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))
    prior = make_prior({"field": 0.05, "couplings": 0.3}, data)
    start = np.array([0.0, 0.42]), np.diag([0.01**2, 0.02**2])
    few, many = (sample_exchange(data, prior, *start, 640, rng, inner_sweeps=n) for n in (1, 100))
    assert few.draws[:, 1].std() > 1.15 * many.draws[:, 1].std()


def test_memory_is_measured_and_clusters_are_taken_where_it_is_long():
    rng = np.random.default_rng(1)
    picture = simulate_lattice(Ising([0.44]), square_lattice((32, 32)), rng=5, burn_in=2000)
    data = gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))
    near = MarkovLattices(data, 64, rng, np.array([0.0, 0.44]), None)
    assert near._populations[0].dynamics == "clusters"
    assert auxiliary_pictures.LEAST_INNER <= near.inner_sweeps < 60
    far = MarkovLattices(data, 64, rng, np.array([0.0, 0.2]), None)
    assert far._populations[0].dynamics == "heat_bath"
    assert far.inner_sweeps <= 30


def test_memory_of_a_known_series(oracle):
    """An autoregression of first order remembers (1 + a) / (1 - a) / 2 steps."""
    rng = np.random.default_rng(2)
    series = np.zeros((4000, 64))
    noise = rng.standard_normal(series.shape)
    for step in range(1, len(series)):
        series[step] = 0.8 * series[step - 1] + noise[step]
    # sums stop where autocorrelations fall below 2 %
    oracle("memory of a series", error=_integrated_memory(series[100:]) - 4.5, bound=0.3)
    assert _integrated_memory(np.ones((50, 3))) == 0.5


def test_what_it_cannot_use_is_refused():
    states = np.random.default_rng(1).choice([-1, 1], (1, 64))
    graph = square_lattice((8, 8))
    family = lattice_family("ising", (-1, 1), 1)
    data = gather_snapshots(LatticeSnapshots(states, graph), family)
    prior, rng = make_prior(None, data), np.random.default_rng(1)
    start = np.zeros(2), 0.1 * np.eye(2)
    noisy = gather_snapshots(LatticeSnapshots(states, graph), family, label_noise=0.1)
    with pytest.raises(InputError, match="certain labels"):
        sample_exchange(noisy, prior, *start, 64, rng)
    with pytest.raises(InputError, match="mean must have shape"):
        sample_exchange(data, prior, np.zeros(3), start[1], 64, rng)
    with pytest.raises(InputError, match="favours unlike states"):
        sample_exchange(data, prior, [0.0, -0.1], start[1], 64, rng, exact=True)
    with pytest.raises(InputError, match="inner_sweeps"):
        sample_exchange(data, prior, *start, 64, rng, inner_sweeps=0)
    potts = gather_snapshots(
        LatticeSnapshots(states % 3, graph, state_values=(0, 1, 2)),
        lattice_family("potts", (0, 1, 2), 1),
    )
    with pytest.raises(InputError, match="exact must be False for this model"):
        sample_exchange(potts, make_prior(None, potts), np.zeros(3), np.eye(3), 64, rng, exact=True)


def test_progress_and_seed():
    picture = simulate_lattice(Ising([0.2]), square_lattice((8, 8)), rng=1)
    data = gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))
    prior, seen = make_prior(None, data), []
    runs = [
        sample_exchange(
            data, prior, [0.0, 0.2], 0.01 * np.eye(2), 100, np.random.default_rng(4),
            inner_sweeps=5, progress=lambda done, total: seen.append((done, total)),
        )
        for _ in range(2)
    ]  # fmt: skip
    assert np.array_equal(runs[0].draws, runs[1].draws)
    assert runs[0].draws.shape == (100, 2)
    total = seen[-1][1]
    assert seen == [(k + 1, total) for k in range(total)] * 2
