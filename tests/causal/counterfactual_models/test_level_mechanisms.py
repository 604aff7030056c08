import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from scipy.special import logsumexp

from physlearn.causal.counterfactual_models.level_mechanisms import level_chance, own_noise
from physlearn.causal.counterfactual_models.structural_model import fit_structural_model


def test_the_fit_is_the_peak_of_the_penalised_likelihood(levels):
    world = levels("three", 16, 1)
    model = fit_structural_model(world.table, world.graph, categorical=["phase", "y"], rng=0)
    found = model.mechanism("y", ["a", "phase"])
    design = model.data.design(found.parents, dict(model.data.raw))
    terms = np.column_stack([found.location, design])
    codes = world.table.frame["y"].to_numpy().astype(int)
    width = terms.shape[1]
    ridge = np.tile(np.r_[1e-8, np.full(width - 1, 0.01)], 2)

    def loss(theta):
        rise = np.column_stack([np.zeros(len(terms)), terms @ theta.reshape(2, width).T])
        fitted = rise[np.arange(len(codes)), codes] - logsumexp(rise, axis=1)
        return -fitted.sum() + 0.5 * ridge @ theta**2

    best = minimize(loss, np.zeros(2 * width), method="BFGS")
    assert loss(found.coefficients.ravel()) <= best.fun + 1e-6
    assert np.allclose(found.coefficients.ravel(), best.x, atol=2e-3)


def test_slopes_spread_as_they_do_from_world_to_world(levels):
    slopes, promised = [], []
    for seed in range(40):
        world = levels("two", 20, 700 + seed)
        model = fit_structural_model(world.table, world.graph, categorical=["phase"], rng=0)
        found = model.mechanism("y", ["a", "phase"])
        scale = model.data.columns.scale[model.data.columns.index("a")]
        slopes.append(found.coefficients[0, 3] / scale)
        promised.append(found.draws[:, 0, 3].std() / scale)
    error = np.std(slopes, ddof=1)
    # a logit's slope is 2 to 3 % too large at 400 patches: its own known bias
    assert abs(np.mean(slopes) - 0.9) < 4 * error / np.sqrt(40) + 0.03
    assert abs(np.mean(promised) / error - 1) < 3 / np.sqrt(80)


def test_own_noise_explains_what_was_seen_and_is_gumbel_on_the_whole():
    rng = np.random.default_rng(2)
    n = 40_000
    utilities = np.broadcast_to(np.array([0.0, 1.0, -0.5]), (n, 3))
    codes = (utilities + rng.gumbel(size=(n, 3))).argmax(axis=1)
    noise = own_noise(utilities, codes, rng.uniform(1e-12, 1, (n, 3)))
    assert np.array_equal((utilities + noise).argmax(axis=1), codes)
    # over patches of all levels the noise has the distribution that it was assumed to have
    for k in range(3):
        assert stats.kstest(noise[:, k], "gumbel_r").pvalue > 1e-3


@pytest.mark.parametrize("seen_level", [0, 1])
def test_the_chance_of_two_levels_is_that_of_a_threshold(seen_level):
    rng = np.random.default_rng(3)
    own = rng.logistic(size=400_000)
    before, after = 0.4, -0.7
    kept = own[(before + own > 0) == seen_level]
    share = np.mean(after + kept > 0)
    found = level_chance(
        np.array([[0.0, before]]), np.array([[0.0, after]]), np.array([seen_level]), 1
    )
    assert found[0] == pytest.approx(share, abs=4 * 0.5 / np.sqrt(len(kept)))
    other = level_chance(
        np.array([[0.0, before]]), np.array([[0.0, after]]), np.array([seen_level]), 0
    )
    assert found[0] + other[0] == pytest.approx(1.0)
