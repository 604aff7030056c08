"""The full likelihood's posterior against exact ones, and what it says where it cannot know."""

import numpy as np
import pytest
from exact_cases import CASES
from scipy.special import logsumexp

from physlearn.inference.lattices.lattice_data import gather_snapshots
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.measurement.lattice_measurement import free_problem, hidden_problem
from physlearn.inference.posteriors import lattice_posterior
from physlearn.inference.posteriors.lattice_population import make_population
from physlearn.inference.posteriors.lattice_posterior import sample_posterior
from physlearn.inference.posteriors.likelihood_records import LatticeProblem
from physlearn.inference.posteriors.priors import Prior, make_prior
from physlearn.inference.posteriors.pseudolikelihood import maximize_pseudolikelihood
from physlearn.inference.posteriors.replica_chains import Ensemble, chain_memory
from physlearn.lattice_models import square_lattice
from physlearn.records import LatticeSnapshots, SiteGraph

SITES = 16
ALL_CODES = (np.arange(2**SITES)[:, None] >> np.arange(SITES) & 1).astype(np.uint8)
TORUS = square_lattice((4, 4))
ISING = lattice_family("ising", (-1, 1), 1)


def exact_table():
    """Return the values of (sum s, sum s s') of all 4 x 4 states and how often each comes."""
    spins = 2.0 * ALL_CODES - 1
    pairs = sum(spins[:, a] * spins[:, b] for a, b in TORUS.edges) * TORUS.multiplicity[0]
    return np.unique(np.stack([spins.sum(axis=1), pairs], axis=1), axis=0, return_counts=True)


LEVELS, COUNTS = exact_table()


class Exact:
    """Posterior on a grid of field and coupling."""

    def __init__(self, observed, prior, low, high, n=201):
        axes = [np.linspace(a, b, n) for a, b in zip(low, high, strict=True)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        log_p = points @ observed - self.log_z(points) + prior.log_density(points)
        self.log_evidence = logsumexp(log_p) + sum(np.log(a[1] - a[0]) for a in axes)
        weight = np.exp(log_p - logsumexp(log_p))
        self.mean = weight @ points
        self.sd = np.sqrt(weight @ (points - self.mean) ** 2)

    @staticmethod
    def log_z(points):
        parts = np.array_split(points, 1 + len(points) // 20_000)
        return np.concatenate([logsumexp(p @ LEVELS.T + np.log(COUNTS), axis=1) for p in parts])


def solve(codes, prior, seed, mean=(0.0, 0.0)):
    rng = np.random.default_rng(seed)
    population = make_population(ISING, TORUS, codes, 64, rng)
    problem = LatticeProblem(
        (Ensemble(population, np.eye(2), -1.0, True),), ISING.statistics(codes, TORUS), None,
        prior, ("field", "coupling"),
    )  # fmt: skip
    return sample_posterior(problem, np.array(mean), 0.05 * np.eye(2), 4000, rng)


def assert_agrees(found, exact, oracle, name):
    shift = (found.draws.mean(axis=0) - exact.mean) / exact.sd
    ratio = found.draws.std(axis=0) / exact.sd
    oracle(f"{name}: mean", error=np.abs(shift).max(), bound=0.1)
    oracle(f"{name}: sd", error=np.abs(ratio - 1).max(), bound=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_one_small_picture_gives_the_exact_posterior_and_evidence(seed, oracle):
    rng = np.random.default_rng(seed)
    prior = Prior.gaussian(("field", "coupling"), [0.5, 0.3])
    truth = rng.normal(0, [0.3, 0.3])
    spins = 2.0 * ALL_CODES - 1
    pairs = sum(spins[:, a] * spins[:, b] for a, b in TORUS.edges) * TORUS.multiplicity[0]
    log_p = truth[0] * spins.sum(axis=1) + truth[1] * pairs
    codes = ALL_CODES[rng.choice(len(ALL_CODES), p=np.exp(log_p - logsumexp(log_p)))]
    exact = Exact(ISING.statistics(codes, TORUS), prior, (-3, -2), (3, 2), 201)
    found = solve(codes, prior, seed)
    assert found.converged
    assert not found.flags
    assert_agrees(found, exact, oracle, f"4 x 4 seed {seed}")
    evidence = found.log_evidence - Exact.log_z(found.reference[None])[0]
    oracle("evidence of one picture", error=evidence - exact.log_evidence, bound=0.1)
    surface = found.surfaces[0]
    away = (found.reference + np.array([0.2, 0.1]))[None]
    gap = surface(away)[0] - (Exact.log_z(away) - Exact.log_z(found.reference[None]))[0]
    oracle("log Z beside the reference", error=gap, bound=0.1)


def test_all_sites_alike_leave_a_proper_wide_posterior(oracle):
    prior = Prior.gaussian(("field", "coupling"), [1.0, 0.5])
    codes = np.ones(SITES, np.uint8)
    exact = Exact(ISING.statistics(codes, TORUS), prior, (-4, -2.5), (6, 4), 201)
    found = solve(codes, prior, 5)
    assert_agrees(found, exact, oracle, "all sites alike")


def test_uniform_priors_bound_the_draws(oracle):
    pymc = pytest.importorskip("pymc")
    rng = np.random.default_rng(6)
    codes = (rng.random(SITES) < 0.7).astype(np.uint8)
    data = gather_snapshots(
        LatticeSnapshots(2 * codes[None].astype(np.int8) - 1, TORUS, state_values=(-1, 1)), ISING
    )
    prior = make_prior(
        {"field": pymc.Uniform.dist(-0.1, 0.3), "couplings": pymc.Uniform.dist(-0.2, 0.1)}, data
    )
    exact = Exact(ISING.statistics(codes, TORUS), prior, (-0.0999, -0.1999), (0.2999, 0.0999), 301)
    found = solve(codes, prior, 6)
    assert np.all((found.draws > [-0.1, -0.2]) & (found.draws < [0.3, 0.1]))
    assert_agrees(found, exact, oracle, "uniform prior")


def test_below_the_transition_both_phases_count(oracle):
    """The field of a magnetized picture: a sharp edge at zero, a wide side, mass beyond it."""
    prior = Prior.gaussian(("field", "coupling"), [0.3, 0.2])
    codes = np.ones(SITES, np.uint8)
    codes[[3, 9]] = 0
    prior = Prior.gaussian(("field", "coupling"), [0.1, 0.1], [0.0, 0.7])
    exact = Exact(ISING.statistics(codes, TORUS), prior, (-1, 0.1), (1, 1.5), 301)
    found = solve(codes, prior, 7, mean=(0.05, 0.6))
    assert_agrees(found, exact, oracle, "magnetized")


def fit_world(world, seed):
    """Return the draws of every variable of a ``World``, by the engine alone."""
    options, rng = world.options, np.random.default_rng(seed)
    family = lattice_family(
        options.get("model", "auto"), world.snapshots.state_values, world.n_shells,
        options.get("triplets", ()), fixed_composition=options.get("composition") == "fixed",
    )  # fmt: skip
    data = gather_snapshots(world.snapshots, family)
    prior = make_prior(options["prior"], data)
    start, curvature = maximize_pseudolikelihood(data, prior)
    make = hidden_problem if data.uncertain else free_problem
    covariance = np.linalg.inv(curvature + np.diag(prior.precision))
    found = sample_posterior(make(data, prior, rng, 64), start, covariance, 4000, rng)
    draws = {v.name: np.tensordot(found.draws, v.map, axes=(-1, -1)) for v in data.variables}
    return found, draws


QUICK = [
    "kaufman", "ising", "one picture", "two shells", "potts", "blume_capel", "vacancies",
    "triplets", "lattice gas", "fixed composition", "pair table", "label noise",
]  # fmt: skip


@pytest.mark.parametrize("name", QUICK)
def test_posteriors_equal_exact_ones(name, oracle):
    world = CASES[name](1)
    found, draws = fit_world(world, 1)
    shifts, ratios = world.figures(draws)
    assert not found.flags
    oracle(f"{name}: mean", error=np.abs(shifts).max(), bound=0.1)
    oracle(f"{name}: sd", error=np.abs(ratios - 1).max(), bound=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
def test_ten_posteriors_of_every_world_equal_exact_ones(name, oracle):
    figures = []
    for seed in range(10):
        world = CASES[name](seed)
        figures.append(world.figures(fit_world(world, seed)[1]))
    oracle(f"{name}, 10 pictures: mean", error=max(np.abs(s).max() for s, _ in figures), bound=0.1)
    oracle(
        f"{name}, 10 pictures: sd", error=max(np.abs(r - 1).max() for _, r in figures), bound=0.05
    )


def test_the_noise_that_is_reported_is_the_scatter_between_seeds(oracle):
    rng = np.random.default_rng(8)
    codes = (rng.random(SITES) < 0.6).astype(np.uint8)
    prior = Prior.gaussian(("field", "coupling"), [0.5, 0.3])
    found = [solve(codes, prior, seed) for seed in range(16)]
    means = np.array([one.mean for one in found])
    sd = np.sqrt(np.diag(found[0].covariance))
    scatter = np.max(means.std(axis=0, ddof=1) / sd)
    reported = np.mean([one.numbers["monte_carlo_shift"] for one in found])
    # 16 means know their scatter to 1 part in sqrt(30); the larger of two parameters is compared
    assert 1 - 4 / np.sqrt(30) < scatter / reported < 1.25 + 4 / np.sqrt(30)


def test_pictures_of_opposite_phases_are_turned_over_one_by_one(oracle):
    """One population of two pictures against one picture's log Z, taken twice."""
    one, rng = square_lattice((12, 12)), np.random.default_rng(11)
    ends = np.concatenate([one.edges, one.edges + 144])
    both = SiteGraph(288, ends, np.zeros(len(ends), int), np.tile(one.multiplicity, 2))
    codes = np.repeat([1, 0], 144).astype(np.uint8)
    codes[rng.random(288) < 0.02] ^= 1
    prior = Prior.gaussian(("field", "coupling"), [0.02, 0.05], [0.0, 0.65])
    pictures = np.repeat([0, 1], 144)
    found = []
    for graph, start, power, parts in (
        (one, codes[:144], -2.0, None), (both, codes, -1.0, pictures), (both, codes, -1.0, None)
    ):  # fmt: skip
        population = make_population(ISING, graph, start, 64, rng, dynamics="heat_bath")
        ensemble = Ensemble(population, np.eye(2), power, True, parts=parts)
        problem = LatticeProblem(
            (ensemble,), ISING.statistics(codes, both), None, prior, ("field", "coupling")
        )
        found.append(sample_posterior(problem, np.array([0.0, 0.65]), 1e-3 * np.eye(2), 4000, rng))
    sds = np.array([one.draws.std(axis=0) for one in found])
    assert sds[2, 0] > 1.5 * sds[0, 0]  # without it, replicas stay in the pictures' phases
    oracle("two phases: sd", error=np.abs(sds[1] / sds[0] - 1).max(), bound=0.07)
    shift = (found[1].mean - found[0].mean) / sds[0]
    oracle("two phases: mean", error=np.abs(shift).max(), bound=0.15)


def test_memory_of_an_autoregressive_chain():
    rng = np.random.default_rng(9)
    level = rng.standard_normal((400, 1, 1)) * 5
    for share in (0.3, 0.8):
        trace = np.zeros((400, 30, 1))
        for step in range(1, 30):
            trace[:, step] = share * trace[:, step - 1] + rng.standard_normal((400, 1))
        expected = -2 / np.log(share)
        assert abs(chain_memory(trace, 2) / expected - 1) < 0.1
        assert abs(chain_memory(trace[:, 10:] + level, 2, alike=False) / expected - 1) < 0.2
    still = np.ones((400, 5, 1))
    assert chain_memory(still, 2) == 1.0


def test_replicas_that_cannot_forget_are_reported(monkeypatch):
    monkeypatch.setattr(lattice_posterior, "MOST_SECONDS", 2e-3)
    graph = square_lattice((32, 32))
    rng = np.random.default_rng(10)
    codes = np.ones(1024, np.uint8)
    codes[rng.random(1024) < 0.1] = 0
    population = make_population(ISING, graph, codes, 64, rng, dynamics="heat_bath")
    problem = LatticeProblem(
        (Ensemble(population, np.eye(2), -1.0, True),), ISING.statistics(codes, graph), None,
        Prior.gaussian(("field", "coupling"), [0.02, 0.3]), ("field", "coupling"),
    )  # fmt: skip
    found = sample_posterior(problem, np.array([0.0, 0.42]), 1e-3 * np.eye(2), 1000, rng)
    assert any("remember" in flag for flag in found.flags)
