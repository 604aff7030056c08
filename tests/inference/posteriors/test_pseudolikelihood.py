"""The pseudolikelihood of every model against conditional probabilities, summed over all states."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chi2

from physlearn.inference.lattices.lattice_data import gather_snapshots
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.posteriors.priors import Prior
from physlearn.inference.posteriors.pseudolikelihood import (
    Sandwich,
    combine_with_prior,
    maximize_pseudolikelihood,
    measure_sandwich,
)
from physlearn.inference.posteriors.site_features import (
    make_surroundings,
    rows_of_data,
    rows_of_group,
)
from physlearn.lattice_models import Ising, simulate_lattice, square_lattice, triangular_lattice
from physlearn.records import LatticeSnapshots

MODELS = {
    "ising": ("ising", (-1, 1), ()),
    "lattice_gas": ("lattice_gas", (0, 1), ()),
    "triplets": ("ising", (-1, 1), ((0, 0, 0),)),
    "potts": ("potts", (0, 1, 2), ()),
    "blume_capel": ("blume_capel", (-1, 0, 1), ()),
    "pair": ("pair", (0, 1, 2), ()),
    "clock": ("clock", (0, 1, 2, 3), ()),
}


def data_of(name, graph, codes, n_shells=1, **options):
    model, values, motifs = MODELS[name]
    family = lattice_family(model, values, n_shells, motifs)
    states = np.array(values, np.int8)[np.atleast_2d(codes)]
    return gather_snapshots(LatticeSnapshots(states, graph, state_values=values), family, **options)


def direct_value(data, theta, offset=None, extra=None):
    """Return the log pseudolikelihood of one picture from energies of changed pictures."""
    (group,), family = data.groups, data.family
    total = 0.0
    for site in group.terms:
        options = np.repeat(group.codes[None], family.n_states, axis=0)
        options[:, site] = np.arange(family.n_states)
        log_p = np.array([group.statistics(family, one) for one in options]) @ (
            group.design @ theta
        )
        if offset is not None:
            log_p = log_p + offset[site]
        total += log_p[group.codes[site]] - logsumexp(log_p)
    return total


@pytest.mark.parametrize("name", MODELS)
def test_value_and_gradient_are_those_of_the_conditional_probabilities(name):
    rng = np.random.default_rng(1)
    graph = triangular_lattice((4, 5), n_shells=2)
    data = data_of(name, graph, rng.integers(0, len(MODELS[name][1]), 20), 2)
    theta = rng.normal(0, 0.3, data.n_parameters)
    parts = [rows.score(theta) for rows in rows_of_data(data)]
    assert np.isclose(parts[0][0], direct_value(data, theta), rtol=1e-10)
    for index, unit in enumerate(np.eye(len(theta)) * 1e-5):
        slope = (direct_value(data, theta + unit) - direct_value(data, theta - unit)) / 2e-5
        assert np.isclose(parts[0][1][index], slope, rtol=1e-5, atol=1e-6)
    bend = [
        (
            rows_of_data(data)[0].score(theta - unit)[1]
            - rows_of_data(data)[0].score(theta + unit)[1]
        )
        / 2e-5
        for unit in np.eye(len(theta)) * 1e-5
    ]
    np.testing.assert_allclose(parts[0][2], bend, rtol=1e-5, atol=1e-6)


def test_covariates_and_known_fields_count_site_by_site():
    rng = np.random.default_rng(2)
    graph = square_lattice((6, 6), periodic=False)
    known, slope = rng.normal(0, 0.3, 36), rng.normal(0, 1.0, (36, 1))
    data = data_of("ising", graph, rng.integers(0, 2, 36), covariates=slope, site_field=known)
    theta = np.array([0.2, -0.1, 0.4])
    (rows,) = rows_of_data(data)
    offset = np.stack([-known, known], axis=1)
    assert np.isclose(rows.score(theta)[0], direct_value(data, theta, offset), rtol=1e-10)


def test_pictures_at_two_temperatures_share_parameters():
    rng = np.random.default_rng(3)
    graph = square_lattice((6, 6))
    family = lattice_family("ising", (-1, 1), 1)
    records = [
        LatticeSnapshots(
            np.where(rng.random((1, 36)) < 0.6, 1, -1).astype(np.int8), graph,
            state_values=(-1, 1), conditions={"temperature": np.array([temperature])},
        )
        for temperature in (1.0, 2.0)
    ]  # fmt: skip
    data = gather_snapshots(records, family)
    theta = np.array([0.1, 0.3])
    value = sum(rows.score(theta)[0] for rows in rows_of_data(data))
    alone = [rows_of_data(gather_snapshots(record, family))[0] for record in records]
    scales = [group.design[1, 1] for group in data.groups]
    assert sorted(scales)[0] * 2 == sorted(scales)[1]
    expected = sum(rows.score(scale * theta)[0] for rows, scale in zip(alone, scales, strict=True))
    assert np.isclose(value, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["ising", "pair", "triplets"])
def test_the_maximum_solves_its_equations(name):
    rng = np.random.default_rng(4)
    graph = triangular_lattice((8, 8))
    data = data_of(name, graph, rng.integers(0, len(MODELS[name][1]), 64))
    prior = Prior.gaussian(data.names, 0.4, 0.1)
    theta, curvature = maximize_pseudolikelihood(data, prior)
    _, score, bend = rows_of_data(data)[0].score(theta)
    np.testing.assert_allclose(score, (theta - 0.1) / 0.4**2, atol=1e-6)
    np.testing.assert_allclose(curvature, bend)


def test_all_sites_alike_end_at_a_finite_mode():
    data = data_of("ising", square_lattice((6, 6)), np.ones(36, int))
    theta, curvature = maximize_pseudolikelihood(data, Prior.gaussian(data.names, [3.0, 0.5]))
    assert np.all(np.isfinite(theta))
    assert theta[0] > 0
    assert np.all(np.isfinite(curvature))


def all_states(graph, q):
    n = graph.n_sites
    return (np.arange(q**n)[:, None] // q ** np.arange(n) % q).astype(np.uint8)


def exact_sandwich(data, theta, states):
    """Return E[H], E[score score^T] over all states, and how strongly each entry scatters."""
    (group,), family = data.groups, data.family
    log_p = family.statistics(states, group.graph) @ theta
    if group.offset is not None:
        log_p = log_p + group.offset[np.arange(states.shape[1]), states].sum(axis=1)
    weight = np.exp(log_p - logsumexp(log_p))
    around = make_surroundings(family, group.graph, group.terms)
    scores, bends = [], []
    for codes in states:
        _, score, bend = rows_of_group(family, group, around, codes).score(theta)
        scores.append(score)
        bends.append(bend)
    scores, bends = np.array(scores), np.array(bends)
    outer = scores[:, :, None] * scores[:, None, :]
    mean_h, mean_j = (np.tensordot(weight, part, 1) for part in (bends, outer))
    spread = [
        np.sqrt(np.tensordot(weight, (part - mean) ** 2, 1))
        for part, mean in ((bends, mean_h), (outer, mean_j))
    ]
    return mean_h, mean_j, spread


@pytest.mark.parametrize("way", ["kernel", "triplets", "known field"])
def test_the_sandwich_is_that_of_all_states(way, oracle):
    """Two are scored by kernels, the last by counting neighbours."""
    name = "triplets" if way == "triplets" else "ising"
    graph = triangular_lattice((3, 4)) if name == "triplets" else square_lattice((3, 4))
    states = all_states(graph, 2)
    known = np.linspace(-0.3, 0.3, 12) if way == "known field" else None
    data = data_of(name, graph, states[1234], site_field=known)
    theta = np.array([0.1, 0.15, -0.1])[: data.n_parameters]
    mean_h, mean_j, spread = exact_sandwich(data, theta, states)
    found = measure_sandwich(data, theta, np.random.default_rng(6))
    n = np.prod(found.statistics.shape[:2])
    for label, estimate, mean, scatter in (
        ("H", found.curvature, mean_h, spread[0]),
        ("J", found.variability, mean_j, spread[1]),
    ):
        z = (estimate - mean) / (scatter / np.sqrt(n))
        oracle(f"sandwich, {way}, {label}", z=float(np.abs(z).max()))


def test_prior_and_sandwich_combine_as_gaussians():
    """Where J = H the answer is the usual Gaussian posterior, whatever the prior's mean."""
    data = data_of("ising", square_lattice((8, 8)), np.random.default_rng(7).integers(0, 2, 64))
    prior = Prior.gaussian(data.names, [0.1, 0.2], [0.3, -0.1])
    theta, curvature = maximize_pseudolikelihood(data, prior)
    mean, covariance = combine_with_prior(theta, Sandwich(curvature, curvature, np.zeros(0)), prior)
    np.testing.assert_allclose(mean, theta)
    np.testing.assert_allclose(np.linalg.inv(covariance), curvature + np.diag(prior.precision))


def test_the_estimate_lies_within_its_sandwich_errors(oracle):
    """20 pictures near enough to the transition for the naive errors to be wrong."""
    graph, truth = square_lattice((32, 32)), np.array([0.02, 0.36])
    z, naive = [], []
    for seed in range(20):
        picture = simulate_lattice(Ising(truth[1:], truth[0]), graph, burn_in=400, rng=seed)
        data = gather_snapshots(picture, lattice_family("ising", (-1, 1), 1))
        prior = Prior.gaussian(data.names, 10.0)
        theta, curvature = maximize_pseudolikelihood(data, prior)
        if not seed:
            sandwich = measure_sandwich(data, truth, np.random.default_rng(8))
            covariance = combine_with_prior(truth, sandwich, prior)[1]
        z.append((theta - truth) / np.sqrt(np.diag(covariance)))
        naive.append(np.sqrt(np.diag(np.linalg.inv(curvature)) / np.diag(covariance)))
    squared = np.sum(np.array(z) ** 2, axis=0)
    for index, name in enumerate(data.names):
        oracle(f"{name}: error bars", p=2 * min(chi2.cdf(squared[index], 20),
                                                chi2.sf(squared[index], 20)))  # fmt: skip
    assert np.mean(naive, axis=0)[0] > 1.5
