"""Priors against scipy's densities, and what they refuse."""

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.lattices.lattice_data import gather_snapshots
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.posteriors.priors import LatticePrior, Prior, make_prior
from physlearn.lattice_models import square_lattice
from physlearn.records import LatticeSnapshots

GRAPH = square_lattice((6, 6), n_shells=2)


def data_of(model, values, n_shells=2):
    states = np.random.default_rng(1).choice(values, (1, 36))
    snapshots = LatticeSnapshots(states, GRAPH, state_values=values)
    return gather_snapshots(snapshots, lattice_family(model, values, n_shells))


ISING = data_of("ising", (-1, 1))
POTTS = data_of("potts", (0, 1, 2))


def test_usual_prior_is_as_wide_for_every_model_in_the_energy_of_a_pair():
    assert make_prior(None, ISING).sd.tolist() == [3.0, 0.5, 0.5]
    for model, values in [("potts", (0, 1)), ("lattice_gas", (0, 1)), ("pair", (0, 1))]:
        data = data_of(model, values, 1)
        sd = make_prior(None, data).sd[-1]
        table = data.family.pair[-1, 0]
        # what an Ising coupling is to this model: half of like minus unlike, over both like pairs
        coupling = sd * (table[0, 0] + table[1, 1] - 2 * table[0, 1]) / 4
        assert abs(coupling) == pytest.approx(0.5)


def test_names_of_whole_variables_and_of_elements():
    prior = make_prior({"couplings[2]": (0.1, 0.05), "couplings": 0.3, "field": 1.0}, ISING)
    assert prior.sd.tolist() == [1.0, 0.3, 0.05]
    assert prior.mean.tolist() == [0.0, 0.0, 0.1]
    old = make_prior({"field_sd": 2.0, "coupling_sd": 0.2}, ISING)
    assert old.sd.tolist() == make_prior(LatticePrior(2.0, 0.2), ISING).sd.tolist() == [2, 0.2, 0.2]
    assert make_prior({"field": 0.7}, POTTS).sd[:2].tolist() == [0.7, 0.7]


def test_gaussian_density_and_draws(oracle):
    prior = Prior.gaussian(("a", "b"), [0.5, 2.0], [0.1, -1.0])
    points = np.random.default_rng(1).normal(size=(20, 2))
    exact = stats.norm.logpdf(points, [0.1, -1.0], [0.5, 2.0]).sum(axis=1)
    assert np.allclose(prior.log_density(points), exact)
    draws = prior.draw(4000, np.random.default_rng(2))
    oracle("mean of draws", z=(draws[:, 1].mean() + 1) / (2 / np.sqrt(4000)))
    oracle("spread of draws", p=stats.kstest(draws[:, 0], stats.norm(0.1, 0.5).cdf).pvalue)


def pymc_cases():
    pm = pytest.importorskip("pymc")
    return {
        "normal": (pm.Normal.dist(0.3, 0.5), stats.norm(0.3, 0.5)),
        "uniform": (pm.Uniform.dist(-0.2, 0.6), stats.uniform(-0.2, 0.8)),
        "gamma": (pm.Gamma.dist(2.0, 4.0), stats.gamma(2.0, scale=0.25)),
        "half normal": (pm.HalfNormal.dist(0.4), stats.halfnorm(0, 0.4)),
        "laplace": (pm.Laplace.dist(0.1, 0.3), stats.laplace(0.1, 0.3)),
        "beta": (pm.Beta.dist(2.0, 5.0), stats.beta(2.0, 5.0)),
    }


@pytest.mark.parametrize("name", ["normal", "uniform", "gamma", "half normal", "laplace", "beta"])
def test_pymc_distributions_against_scipy(name, oracle):
    distribution, exact = pymc_cases()[name]
    prior = make_prior({"field": distribution}, ISING).restricted([0])
    low, high = exact.support()
    points = exact.ppf(np.linspace(0.001, 0.999, 41))
    assert np.allclose(prior.log_density(points[:, None]), exact.logpdf(points))
    oracle(f"mean of {name}", error=abs(prior.mean[0] - exact.mean()), bound=1e-4)
    oracle(f"sd of {name}", error=abs(prior.sd[0] / exact.std() - 1), bound=1e-3)
    assert prior.lower[0] == pytest.approx(low, abs=1e-9)
    assert prior.upper[0] == pytest.approx(high, abs=1e-9)
    draws = prior.draw(4000, np.random.default_rng(3))[:, 0]
    oracle(f"draws of {name}", p=stats.kstest(draws, exact.cdf).pvalue)
    if np.isfinite(high):
        assert prior.log_density([[high + 0.01]])[0] == -np.inf


def test_a_prior_survives_as_numbers_and_tables():
    pm = pytest.importorskip("pymc")
    prior = make_prior({"field": pm.Gamma.dist(2.0, 4.0), "couplings": (0.1, 0.2)}, ISING)
    again = Prior.from_json(prior.to_json(), prior.tables())
    points = np.column_stack([np.linspace(0.05, 3, 30), np.zeros(30), np.full(30, 0.2)])
    assert np.allclose(again.log_density(points), prior.log_density(points), atol=2e-3)
    assert again.log_density([[-0.1, 0, 0]])[0] == -np.inf
    assert again.names == prior.names
    assert np.array_equal(again.lower, prior.lower)


def test_parts_and_unions():
    prior = make_prior({"couplings[2]": 0.1}, ISING)
    both = prior.restricted([2, 0]).extended(Prior.gaussian(("more",), 4.0))
    assert both.names == ("couplings[2]", "field", "more")
    assert both.sd.tolist() == [0.1, 3.0, 4.0]
    assert both.precision.tolist() == pytest.approx([100, 1 / 9, 1 / 16])


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"width": 1.0}, "names 'width'"),
        ({"couplings[3]": 1.0}, "couplings\\[3\\]"),
        ({"couplings": -1.0}, "above 0"),
        ({"couplings": "wide"}, "standard deviation"),
        ({"couplings": True}, "standard deviation"),
        ({"couplings": (0.0, 0.0)}, "above 0"),
        ({"couplings": (np.nan, 1.0)}, "finite"),
        (0.5, "mapping"),
    ],
)
def test_bad_priors_are_refused(prior, message):
    with pytest.raises(InputError, match=message):
        make_prior(prior, ISING)


def test_a_prior_of_other_parameters_is_refused():
    with pytest.raises(InputError, match="must name the parameters"):
        make_prior(Prior.gaussian(("a",), 1.0), ISING)
    with pytest.raises(InputError, match="must have shape"):
        make_prior(None, ISING).log_density([[1.0]])


def test_gauges_have_no_means_and_no_distributions_of_their_own():
    pm = pytest.importorskip("pymc")
    with pytest.raises(InputError, match="mean 0"):
        make_prior({"field": (0.5, 1.0)}, POTTS)
    with pytest.raises(InputError, match="sum to zero"):
        make_prior({"field": pm.Normal.dist(0, 1)}, POTTS)


def test_distributions_that_are_no_prior_of_one_number():
    pm = pytest.importorskip("pymc")
    for wrong in (pm.Poisson.dist(2.0), pm.Normal.dist(0, 1, shape=2)):
        with pytest.raises(InputError, match="one continuous number"):
            make_prior({"field": wrong}, ISING)


@pytest.mark.parametrize(
    ("name", "exact"),
    [("gamma", stats.gamma(0.5)), ("beta", stats.beta(0.5, 0.5)), ("exponential", stats.expon())],
)
def test_densities_that_are_infinite_at_a_bound(name, exact, oracle):
    from physlearn.inference.posteriors.prior_shapes import marginal_of_distribution

    pm = pytest.importorskip("pymc")
    made = {
        "gamma": lambda: pm.Gamma.dist(0.5, 1.0), "beta": lambda: pm.Beta.dist(0.5, 0.5),
        "exponential": lambda: pm.Exponential.dist(1.0),
    }[name]()  # fmt: skip
    shape = marginal_of_distribution("a", made)
    oracle("mean", error=abs(shape.mean - exact.mean()), bound=0.002)
    oracle("sd", error=abs(shape.sd - exact.std()), bound=0.002)
    draws = shape.draw(20_000, np.random.default_rng(1))
    oracle("draws", p=stats.kstest(draws, exact.cdf).pvalue)
