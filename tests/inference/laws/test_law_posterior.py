"""Posterior of a law's constants against exact answers."""

import arviz
import numpy as np
import pytest
from law_worlds import X1, fit_template, laws_of, observe
from scipy.stats import binomtest, gamma, norm, t

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.law_posterior import draw_constants, unidentified_constants


def line_through(data):
    return fit_template(data, "a*x", [1.0])


@pytest.mark.parametrize("known", [True, False])
def test_a_linear_constant_has_its_exact_posterior(known):
    rng = np.random.default_rng(1)
    x = np.linspace(1.0, 2.0, 5)
    data = observe(2.0 * x, 0.3, rng, known=known, x=x)
    law = line_through(data)
    found = draw_constants(law, data, 20_000, 2)
    best = (x @ data.y) / (x @ x)
    if known:
        exact = norm(best, 0.3 / np.sqrt(x @ x))
    else:
        s2 = ((data.y - best * x) ** 2).sum() / 4
        exact = t(4, best, np.sqrt(s2 / (x @ x)))
    assert found.tail < 0.7
    for q in (0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 0.98):
        share = (found.constants[:, 0] < exact.ppf(q)).mean()
        # importance weights of three proposals a draw: at worst twice the binomial error
        assert abs(share - q) < 4 * 2 * np.sqrt(q * (1 - q) / 20_000), q


def test_a_skewed_posterior_is_that_of_a_fine_grid():
    rng = np.random.default_rng(3)
    data = observe(2 * np.exp(-3.0 / X1), 0.25, rng, known=True)
    law = fit_template(data, "a*exp(b/x)", [2.0, -1.0])
    found = draw_constants(law, data, 20_000, 4)
    a, b = np.meshgrid(np.linspace(0.2, 8, 500), np.linspace(-9, 1, 500), indexing="ij")
    misfit = sum((y - a * np.exp(b / x)) ** 2 for x, y in zip(X1, data.y, strict=True)) / 0.25**2
    prior = sum(
        ((grid - c) / width) ** 2
        for grid, c, width in zip((a, b), law.constants, found.prior_sd, strict=True)
    )
    weight = np.exp(-0.5 * (misfit + prior - (misfit + prior).min()))
    weight /= weight.sum()
    for place, grid in ((0, a), (1, b)):
        mean = (weight * grid).sum()
        sd = np.sqrt((weight * (grid - mean) ** 2).sum())
        draws = found.constants[:, place]
        # importance weights of three proposals a draw: at worst twice the error of plain draws
        assert abs(draws.mean() - mean) < 4 * 2 * sd / np.sqrt(20_000)
        assert draws.std() == pytest.approx(sd, rel=4 * 2 / np.sqrt(2 * 20_000))
        laplace = np.sqrt(law.covariance[place, place])
        assert abs(law.constants[place] - mean) > 0.1 * laplace  # else Laplace would do


@pytest.mark.parametrize("known", [True, False])
def test_intervals_of_constants_hold_the_truth_as_often_as_they_say(known):
    rng = np.random.default_rng(5)
    held = np.zeros(2, dtype=int)
    for _ in range(150):
        truth = np.array([rng.uniform(1, 4), rng.uniform(-2.5, -0.5)])
        values = truth[0] * np.exp(truth[1] / X1)
        data = observe(values, 0.1 * values.std(), rng, known=known)
        law = fit_template(data, "a*exp(b/x)", [2.0, -1.0])
        draws = draw_constants(law, data, 400, rng).constants
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        held += (low < truth) & (truth < high)
    for count in held:
        assert binomtest(int(count), 150, 0.9).pvalue > 0.01 / 4


def test_the_posterior_is_arviz_data_that_names_its_approximation():
    rng = np.random.default_rng(6)
    laws = laws_of(observe(2 * X1**0.7, 0.05, rng, known=False), units="nm")
    fit = laws.posterior(0, n_draws=500, rng=1)
    assert isinstance(fit.idata, arviz.InferenceData)
    assert fit["constants"].shape == (500, 2)
    assert "given that this law holds" in fit.model
    assert "importance" in fit.attrs["approximation"]
    assert fit.diagnostics["pareto_k"] < 0.7
    assert fit.summary().set_index("name").loc["noise_sd", "unit"] == "nm"
    low, high = fit.interval("noise_sd")
    assert low < 0.05 < high
    again = laws.posterior(0, n_draws=500, rng=1)
    np.testing.assert_array_equal(again["constants"], fit["constants"])


def test_constants_that_the_data_leave_open_are_named():
    x = np.linspace(1.0, 1.2, 12)
    rng = np.random.default_rng(8)
    data = observe(1.0 * x, 0.2, rng, x=x)
    law = fit_template(data, "a*exp(b*x)", [0.4, 0.8])
    assert unidentified_constants(law)
    laws = EquationSet((law,), ("x",), "y", np.array([[1.0, 1.2]]), 0.2, data=data)
    assert any("do not determine" in text for text in laws.notes)
    fit = laws.posterior(rng=1)
    assert any("do not determine" in text for text in fit.warnings)
    assert np.isfinite(fit["constants"]).all()


def test_two_constants_that_are_one_keep_their_prior():
    data = observe(2 * X1, 0.1, np.random.default_rng(9))
    law = Equation((Term(1.0, ("x",)), Term(1.0, ("x", 1, "mul"))), 0.0, 0.0, 2)
    found = draw_constants(law, data, 2000, 1)
    assert found.constants.sum(axis=1).std() < 0.02
    assert found.constants[:, 0].std() > 1.0


def test_without_observations_the_covariance_is_taken_and_without_both_it_is_said():
    law = Equation((Term(2.0, ("x",)),), 0.0, 0.0, 1, np.array([[0.04]]))
    ranges = np.array([[0.0, 1.0]])
    fit = EquationSet((law,), ("x",), "y", ranges, 0.1).posterior(n_draws=4000, rng=1)
    assert fit["constants"].std() == pytest.approx(0.2, rel=4 / np.sqrt(2 * 4000))
    assert "not kept" in fit.attrs["approximation"]
    bare = Equation((Term(2.0, ("x",)),), 0.0, 0.0, 1)
    with pytest.raises(NotIdentified, match="neither a covariance nor observations"):
        EquationSet((bare,), ("x",), "y", ranges, 0.1).posterior()
    exact = Equation((Term(2, ("x",)),), 0.0, 0.0, 0)
    with pytest.raises(InputError, match="no fitted constants"):
        EquationSet((exact,), ("x",), "y", ranges, 0.1).posterior()


def test_draws_where_the_law_is_undefined_have_no_weight():
    x = np.linspace(0.05, 2.0, 30)
    rng = np.random.default_rng(11)
    data = observe(np.log(x + 0.02), 0.3, rng, x=x)
    law = fit_template(data, "a*log(x + b)", [1.0, 0.1])
    found = draw_constants(law, data, 2000, 1)
    assert (found.constants[:, 1] > -0.05).all()


def test_bad_calls_get_one_sentence():
    data = SearchData(X1[None], X1, np.ones(40), False, ("x",))
    laws = laws_of(data, {"a*x": [1.0]})
    for call in (lambda: laws.posterior(3), lambda: laws.posterior(0, n_draws=5)):
        with pytest.raises(InputError, match="must be a whole number"):
            call()


def test_another_likelihood_than_the_gaussian_is_used_where_given():
    rng = np.random.default_rng(13)
    counts = rng.poisson(4.0, 25)

    def poisson(law, constants):
        rate = constants[:, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(rate > 0, counts.sum() * np.log(rate) - 25 * rate, -np.inf)

    mean = counts.mean()
    law = Equation((Term(float(mean), (1,)),), 0.0, 0.0, 1, np.array([[mean / 25]]), noise_sd=2.0)
    data = SearchData(np.arange(25.0)[None], counts.astype(float), np.ones(25), False, ("x",))
    laws = EquationSet(
        (law,), ("x",), "y", np.array([[0.0, 24.0]]), 2.0, data=data, log_likelihood=poisson
    )
    fit = laws.posterior(n_draws=4000, rng=1)
    exact = gamma(counts.sum() + 1, scale=1 / 25)
    assert fit["constants"].mean() == pytest.approx(exact.mean(), abs=8 * exact.std() / 4000**0.5)
    assert fit["constants"].std() == pytest.approx(exact.std(), rel=8 / np.sqrt(2 * 4000))
    assert fit.variables == ["constants"]
    assert "noise model" in fit.attrs["likelihood"]
    low, high = laws.predict_interval([[1.0]], rng=1)[0]
    assert (low, high) == pytest.approx(exact.ppf([0.05, 0.95]), abs=8 * exact.std() / 4000**0.5)
