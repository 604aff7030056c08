"""A Gaussian likelihood times a prior of any shape, against sums over grids."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.posteriors.prior_weights import gaussian_times_prior
from physlearn.inference.posteriors.priors import Prior

pm = pytest.importorskip("pymc")


@pytest.mark.parametrize("center", [0.15, 0.6, -0.3])
@pytest.mark.parametrize("name", ["laplace", "uniform", "student"])
def test_any_prior_is_taken_as_it_is(name, center, oracle):
    from scipy import stats

    from physlearn.inference.posteriors.prior_shapes import marginal_of_distribution

    made, exact = {
        "laplace": (pm.Laplace.dist(0, 0.01), stats.laplace(0, 0.01)),
        "uniform": (pm.Uniform.dist(-0.1, 0.2), stats.uniform(-0.1, 0.3)),
        "student": (pm.StudentT.dist(nu=3, mu=0, sigma=0.05), stats.t(3, 0, 0.05)),
    }[name]
    shape = marginal_of_distribution("a", made)
    prior = Prior.gaussian(("a", "b"), 1.0)._with({0: shape})
    covariance = np.array([[0.04**2, 0.6 * 0.04 * 0.1], [0.6 * 0.04 * 0.1, 0.1**2]])
    rng = np.random.default_rng(1)
    draws, worth = gaussian_times_prior(np.array([center, 0.5]), covariance, prior, 20_000, rng)
    # b integrated out by hand: the likelihood of a and b is Gaussian, the prior of b N(0, 1)
    grid = np.linspace(-1.5, 1.5, 300_001)
    wide = covariance + np.diag([0.0, 1.0])
    both = np.column_stack([grid - center, np.full(len(grid), -0.5)])
    log_p = exact.logpdf(grid) - 0.5 * np.sum(both @ np.linalg.inv(wide) * both, axis=1)
    weight = np.exp(log_p - log_p.max())
    weight /= weight.sum()
    mean = weight @ grid
    sd = np.sqrt(weight @ (grid - mean) ** 2)
    assert worth > 1000
    oracle("mean", z=(draws[:, 0].mean() - mean) / sd * np.sqrt(min(worth, 20_000)))
    oracle("sd", error=abs(draws[:, 0].std() / sd - 1), bound=4 / np.sqrt(worth))


def test_a_prior_far_from_the_data_holds_its_bounds():
    from physlearn.inference.posteriors.prior_shapes import marginal_of_distribution

    shape = marginal_of_distribution("a", pm.Uniform.dist(50, 51))
    prior = Prior.gaussian(("a",), 1.0)._with({0: shape})
    rng = np.random.default_rng(1)
    draws, _ = gaussian_times_prior(np.zeros(1), 100 * np.eye(1), prior, 100, rng)
    assert draws.min() >= 50
    with pytest.raises(InputError, match="excludes"):
        gaussian_times_prior(np.zeros(1), 0.04 * np.eye(1), prior, 100, rng)


@pytest.mark.parametrize("method", ["pseudolikelihood", "statistical_distance"])
def test_gaussian_methods_keep_the_tails_of_a_prior(method, oracle):
    from physlearn.inference import fit_lattice_hamiltonian
    from physlearn.lattice_models import Ising, simulate_lattice, square_lattice

    x, shifts = np.linspace(-0.3, 0.6, 9001), []
    for seed in range(1, 5):
        truth, graph = Ising([0.2], 0.1), square_lattice((12, 12))
        picture = simulate_lattice(truth, graph, n_snapshots=2, rng=seed)
        wide, fit = (
            fit_lattice_hamiltonian(picture, 1, method=method, prior={"couplings": prior}, rng=1)
            for prior in (10.0, pm.Laplace.dist(0, 0.03))
        )
        # the field's prior is the same, so the coupling's marginal is multiplied by its prior
        center, sd = wide["couplings"].mean(), wide["couplings"].std()
        weight = np.exp(-(((x - center) / sd) ** 2) / 2 - np.abs(x) / 0.03)
        shifts.append((fit["couplings"].mean() - np.average(x, weights=weight)) / sd)
    # two fits by simulation, .13 s and 7 % of s rough, s about .045: .35 s a picture, .17 s of
    # four; moments of the prior in its place would miss by 1.5 s
    oracle("mean", error=abs(np.mean(shifts)), bound=4 * 0.17)
