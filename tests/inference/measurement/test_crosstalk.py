"""Overlapping columns: the evidence is that of the measurement, and no coupling is made up."""

import numpy as np
import pytest
from exact_grids import exact_posterior, normal_prior
from exact_models import ising_units
from exact_posteriors import AllStates
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.lattices.lattice_data import gather_snapshots
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.lattices.lattice_hamiltonian import fit_lattice_hamiltonian
from physlearn.inference.measurement.crosstalk import (
    Crosstalk,
    pair_evidence,
    read_intensities,
    simulate_intensities,
)
from physlearn.inference.measurement.crosstalk_fit import PRIOR_SD, TAIL_SD, _Chart, _louis
from physlearn.inference.measurement.crosstalk_terms import CrosstalkTerms, natural_terms
from physlearn.inference.measurement.lattice_evidence import join_evidence
from physlearn.inference.measurement.lattice_measurement import hidden_problem
from physlearn.inference.measurement.measurement_effects import finish_measurement
from physlearn.inference.posteriors.lattice_posterior import sample_posterior
from physlearn.inference.posteriors.priors import make_prior
from physlearn.lattice_models import (
    Ising,
    honeycomb_lattice,
    simulate_lattice,
    square_lattice,
    triangular_lattice,
)
from physlearn.records import LatticeSnapshots

ISING = lattice_family("ising", (-1, 1), 1)
GRAPHS = {
    "open square": square_lattice((4, 5), 2, periodic=False),
    "small torus": square_lattice((3, 4), 2),
    "doubled bonds": square_lattice((2, 5), 1),
    "triangular": triangular_lattice((4, 4), 2, periodic=False),
    "honeycomb": honeycomb_lattice((3, 3), 1, periodic=False),
}


def neighbour_matrix(graph):
    matrix = np.zeros((graph.n_sites, graph.n_sites))
    near = graph.shell == 0
    for (one, two), times in zip(graph.edges[near], graph.multiplicity[near], strict=True):
        matrix[one, two] += times
        matrix[two, one] += times
    return matrix


def log_density(intensity, states, graph, crosstalk):
    """log p(intensities | states), straight from the definition."""
    level = np.where(states > 0, crosstalk.levels[1], crosstalk.levels[0])
    mean = level + crosstalk.tail * level @ neighbour_matrix(graph)
    seen = np.isfinite(intensity)
    return stats.norm.logpdf(intensity[seen], mean[..., seen], crosstalk.noise_sd).sum(axis=-1)


@pytest.mark.parametrize("name", GRAPHS)
def test_terms_are_the_density_of_the_intensities(name):
    graph, rng = GRAPHS[name], np.random.default_rng(1)
    crosstalk = Crosstalk((1.3, 2.9), 0.17, 0.6)
    intensity = rng.normal(3.0, 1.0, graph.n_sites)
    intensity[[1, 4]] = np.nan
    terms = CrosstalkTerms.of(intensity, graph)
    states = rng.choice([-1, 1], (20, graph.n_sites))
    found = terms.statistics(states.T.astype(float)) @ natural_terms(crosstalk.psi)
    found += terms.log_constant(crosstalk.psi)
    assert np.allclose(found, log_density(intensity, states, graph, crosstalk))
    # as a record hands it on: rows of single sites and tables of pairs
    record = read_intensities(intensity, graph, crosstalk=crosstalk, boundary="free")
    evidence = pair_evidence(record, 0)
    codes = (states + 1) // 2
    rows = record.label_log_likelihood[0][np.arange(graph.n_sites), codes].sum(axis=1)
    ends = codes[:, evidence.edges]
    rows += (evidence.times * evidence.tables[evidence.kind, ends[..., 0], ends[..., 1]]).sum(1)
    assert np.ptp(rows - found) < 1e-9
    assert np.array_equal(record.observed[0], np.isfinite(intensity))


def test_intensities_are_simulated_as_described():
    graph = GRAPHS["triangular"]
    states = np.random.default_rng(1).choice([-1, 1], (4000, graph.n_sites))
    crosstalk = Crosstalk((1.0, 2.0), 0.2, 0.3)
    seen = simulate_intensities(states, graph, crosstalk, rng=2)
    level = np.where(states > 0, 2.0, 1.0)
    noise = (seen - level - 0.2 * level @ neighbour_matrix(graph)) / 0.3
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-4
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 4 / np.sqrt(4000)


@pytest.mark.parametrize("seed", range(3))
def test_posteriors_are_those_of_all_states_summed(seed, oracle):
    graph = square_lattice((3, 4), periodic=False)
    world = AllStates(ising_units(1), graph)
    rng = np.random.default_rng((21, seed))
    crosstalk = Crosstalk((1.0, 2.0), 0.15, 0.5)
    states = 2 * world.draw(rng.normal(0, [0.3, 0.2]), 30, rng).astype(int) - 1
    seen = simulate_intensities(states, graph, crosstalk, rng)
    seen[rng.random(seen.shape) < 0.1] = np.nan
    record = read_intensities(seen, graph, crosstalk=crosstalk, boundary="free")
    data = gather_snapshots(record, ISING)
    problem = hidden_problem(data, make_prior({"field": 0.5, "couplings": 0.3}, data), rng, 64)
    found = sample_posterior(problem, np.zeros(2), 0.02 * np.eye(2), 8000, rng)
    assert found.converged, found.flags
    all_states = 2 * world.codes.astype(int) - 1
    weights = [
        np.bincount(
            world.place, np.exp(log - log.max()), world.count.size
        )
        for log in (log_density(one, all_states, graph, crosstalk) for one in seen)
    ]  # fmt: skip

    def log_likelihood(axes):
        free = world.log_sum(axes)
        return sum(world.log_sum(axes, weight) - free for weight in weights)

    exact = exact_posterior(log_likelihood, normal_prior([0.5, 0.3]))
    draws = found.draws
    oracle(
        "crosstalk: mean", error=np.max(np.abs(draws.mean(0) - exact.mean) / exact.sd), bound=0.1
    )
    oracle("crosstalk: sd", error=np.max(np.abs(draws.std(0) / exact.sd - 1)), bound=0.05)


def picture(coupling, crosstalk, size, seed):
    """Return intensities of a square cut out of a larger crystal, and its graph."""
    large = square_lattice((size + 8, size + 8))
    states = simulate_lattice(Ising([coupling], -0.2), large, burn_in=200, rng=seed).states[0]
    seen = simulate_intensities(states, large, crosstalk, rng=seed + 1000)
    inside = seen.reshape(size + 8, size + 8)[4:-4, 4:-4].ravel()
    return inside, square_lattice((size, size), periodic=False)


def fit_picture(record, seed):
    """Return draws of field and coupling with the measurement's uncertainty."""
    rng = np.random.default_rng(seed)
    data = gather_snapshots(record, ISING)
    problem = hidden_problem(data, make_prior(None, data), rng, 64)
    found = sample_posterior(problem, np.zeros(2), 0.01 * np.eye(2), 2000, rng)
    return finish_measurement(data, problem, found.draws, rng).theta


def mixture_record(intensity, graph):
    """What a mixture of two classes makes of the same intensities."""
    low, high = np.quantile(intensity, [0.2, 0.8])
    noise, share = intensity.std() / 2, 0.5
    for _ in range(200):
        log_up = stats.norm.logpdf(intensity, high, noise) + np.log(share)
        log_down = stats.norm.logpdf(intensity, low, noise) + np.log1p(-share)
        up = 1 / (1 + np.exp(log_down - log_up))
        share, high = up.mean(), up @ intensity / up.sum()
        low = (1 - up) @ intensity / (1 - up).sum()
        noise = np.sqrt(np.mean(up * (intensity - high) ** 2 + (1 - up) * (intensity - low) ** 2))
    table = stats.norm.logpdf(intensity[:, None], [low, high], noise)
    return LatticeSnapshots(
        np.where(up > 0.5, 1, -1)[None], graph, label_log_likelihood=table[None]
    )


def holds(draws, value):
    low, high = np.quantile(draws, [0.05, 0.95])
    return bool(low < value < high)


def coverage(n, coupling, crosstalk, size):
    hits, pulls = [], []
    for seed in range(n):
        record = read_intensities(*picture(coupling, crosstalk, size, seed), rng=seed)
        draws = fit_picture(record, seed)[:, 1]
        hits.append(holds(draws, coupling))
        pulls.append((draws.mean() - coupling) / draws.std())
    return np.array(hits), np.array(pulls)


def test_tails_of_the_probe_make_no_coupling(oracle):
    """Planted J = 0: the interval holds 0 as often as it says, a mixture's does not."""
    crosstalk = Crosstalk((1.0, 2.0), 0.12, 0.3)
    hits, pulls = coverage(40, 0.0, crosstalk, 24)
    oracle("90 % intervals that hold 0", p=stats.binomtest(int(hits.sum()), 40, 0.9).pvalue)
    oracle("mean pull", z=pulls.mean() * np.sqrt(40))
    naive = [
        fit_picture(mixture_record(*picture(0.0, crosstalk, 24, seed)), seed)[:, 1]
        for seed in range(8)
    ]
    assert np.mean([draws.mean() / draws.std() for draws in naive]) > 3
    assert sum(holds(draws, 0.0) for draws in naive) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("coupling", [-0.2, 0.0, 0.2])
@pytest.mark.parametrize(("tail", "noise"), [(0.1, 0.33), (0.15, 0.4), (0.0, 0.33)])
def test_coverage_of_couplings_under_tails(coupling, tail, noise, oracle):
    hits, pulls = coverage(200, coupling, Crosstalk((1.0, 2.0), tail, noise), 40)
    oracle("90 % intervals", p=stats.binomtest(int(hits.sum()), 200, 0.9).pvalue)
    oracle("mean pull", error=pulls.mean(), bound=0.2 + 4 / np.sqrt(200))


def test_levels_tail_and_noise_are_found(oracle):
    pulls = []
    for seed, (coupling, tail, noise) in enumerate(
        [(0.0, 0.1, 0.3), (0.25, 0.1, 0.3), (-0.2, 0.15, 0.25), (0.2, 0.2, 0.12), (0.0, 0.05, 0.3)]
    ):
        crosstalk = Crosstalk((1.0, 2.0), tail, noise)
        record = read_intensities(*picture(coupling, crosstalk, 36, seed), rng=seed)
        found = Crosstalk.from_json(record.metadata["crosstalk"])
        pulls.append((found.psi - crosstalk.psi) / np.sqrt(np.diag(found.covariance)))
    # levels and tail of one picture depend on each other; pictures do not
    oracle("pulls", p=stats.chi2.sf(np.sum(np.array(pulls)[:, 2:] ** 2), 10))
    assert np.abs(pulls).max() < 4


def test_the_fit_takes_intensities(oracle):
    crosstalk = Crosstalk((1.0, 2.0), 0.12, 0.3)
    record = read_intensities(*picture(0.2, crosstalk, 32, 5), rng=5)
    fit = fit_lattice_hamiltonian(record, 1, rng=5)
    draws = fit["couplings"][:, 0]
    oracle("coupling", z=(draws.mean() - 0.2) / draws.std())
    assert draws.std() < 0.05


def test_records_with_and_without_evidence_are_joined():
    graph = GRAPHS["open square"]
    one = read_intensities(
        np.random.default_rng(1).normal(2, 1, 20), graph, crosstalk=Crosstalk((1, 2), 0.1, 0.5),
        boundary="free",
    )  # fmt: skip
    evidence = pair_evidence(one, 0)
    both = join_evidence([None, evidence.shifted(20), evidence.shifted(40)])
    assert len(both.edges) == 2 * len(evidence.edges)
    assert len(both.tables) == len(evidence.tables)
    assert both.edges.min() == 20
    assert both.edges.max() == 59
    flat = read_intensities(
        np.random.default_rng(1).normal(2, 1, 20), graph, crosstalk=Crosstalk((1, 2), 0.0, 0.5),
        boundary="free",
    )  # fmt: skip
    assert pair_evidence(flat, 0) is None


def test_what_is_refused():
    graph = GRAPHS["open square"]
    with pytest.raises(InputError, match="shape"):
        read_intensities(np.ones(7), graph)
    with pytest.raises(InputError, match="two levels"):
        read_intensities(np.ones(20), graph)
    with pytest.raises(InputError, match="two levels"):
        read_intensities(np.full(20, np.nan), graph)
    with pytest.raises(InputError, match="boundary"):
        read_intensities(np.arange(20.0), graph, boundary="periodic")
    with pytest.raises(InputError, match="tail"):
        Crosstalk((1.0, 2.0), -0.1, 0.3)
    with pytest.raises(InputError, match="noise_sd"):
        Crosstalk((1.0, 2.0), 0.1, 0.0)


def with_moments(weights, values):
    """A few rows whose mean and covariance are those of weighted values."""
    mean = weights @ values
    sizes, ways = np.linalg.eigh((weights[:, None] * (values - mean)).T @ (values - mean))
    root = ways * np.sqrt(np.maximum(sizes, 0.0))
    size = np.sqrt((2 * len(mean) - 1) / 2)
    return np.concatenate([mean + size * root.T, mean - size * root.T])


def test_information_of_hidden_states_is_the_curvature_of_the_exact_posterior():
    graph = square_lattice((3, 4), periodic=False)
    crosstalk = Crosstalk((1.0, 2.0), 0.1, 0.2)
    intensity = [2.71, 1.99, 2.48, 1.19, 1.31, 1.56, 1.2, 1.35, 1.13, 3.06, 2.55, 2.23]
    terms = CrosstalkTerms.of(np.array(intensity), graph)
    chart = _Chart.of(terms)
    states = 1.0 - 2.0 * ((np.arange(2**12)[:, None] >> np.arange(12)) & 1)
    a, b = graph.edges.T
    energies = np.column_stack([states.sum(axis=1), (states[:, a] * states[:, b]).sum(axis=1)])
    statistics = terms.statistics(states.T)
    precision = np.array([PRIOR_SD[0] ** -2, PRIOR_SD[1] ** -2, 0.0, 0.0, TAIL_SD**-2, 0.0])

    def weights(at):
        free = energies @ at[:2]
        psi = chart.psi(at[2:])
        return free, free + statistics @ natural_terms(psi) + terms.log_constant(psi)

    def log_posterior(at):
        free, held = weights(at)
        return np.logaddexp.reduce(held) - np.logaddexp.reduce(free) - precision @ at**2 / 2

    at = np.concatenate([[0.1, 0.2], chart.coordinates(crosstalk.psi)])
    free, held = (np.exp(one - np.logaddexp.reduce(one)) for one in weights(at))
    score, information, sure = _louis(
        terms, chart, at, with_moments(free, energies),
        with_moments(held, np.hstack([energies, statistics])),
    )  # fmt: skip
    step = 1e-3 * np.eye(6)  # differences of posteriors are right to 1e-4
    slope = [(log_posterior(at + h) - log_posterior(at - h)) / 2e-3 for h in step]
    bend = [
        [(log_posterior(at + h + k) - log_posterior(at + h - k) - log_posterior(at - h + k)
          + log_posterior(at - h - k)) / 4e-6 for h in step] for k in step
    ]  # fmt: skip
    assert sure
    size = np.sqrt(np.diag(information))
    np.testing.assert_allclose(score / size, slope / size, rtol=0, atol=2e-4)
    both = np.outer(size, size)
    np.testing.assert_allclose(information / both, -np.array(bend) / both, rtol=0, atol=2e-4)
