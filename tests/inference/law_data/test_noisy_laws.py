"""Screening weights, full likelihoods, and a search under noise that is not additive."""

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.law_data.noise_models import NoiseModel, observe
from physlearn.inference.law_data.noisy_laws import prepare, refine_law
from physlearn.inference.law_search.description_length import measure_law
from physlearn.inference.law_search.expression_search import SearchOptions, find_laws
from physlearn.inference.laws import regressor_noise
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.regressor_noise import laws_under_noise

X = np.linspace(0.5, 6.0, 60)
CLEAN = 3.0 * np.exp(-0.7 * X) + 1.5
DECAY = Equation((Term(2.5, ("x", -0.5, "mul", "exp")), Term(1.0, (1,))), 0.0, 0.0, 3)


def world(kind, seed=1):
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(X.size)
    if kind == "counts":
        return rng.poisson(300.0 * CLEAN).astype(float)
    if kind == "outliers":
        return CLEAN + 0.03 * normal * np.where(rng.uniform(size=X.size) < 0.1, 30.0, 1.0)
    return CLEAN * np.exp(0.03 * normal)


@pytest.mark.parametrize("kind", ["log", "counts", "outliers"])
def test_the_law_is_found_under_its_noise(kind):
    noise = NoiseModel(kind)
    data = observe({"x": X}, world(kind), noise)
    options = SearchOptions(highest_price=12)
    outcome, constant, _ = laws_under_noise(data, noise, lambda points: find_laws(points, options))
    best = outcome.laws[0]
    assert best.structure == DECAY.structure
    assert constant > best.description_length + 10.0
    predicted = best.predict({"x": X}) / (300.0 if kind == "counts" else 1.0)
    assert np.abs(predicted / CLEAN - 1.0).max() < 0.03  # the noise of one point


def test_additive_noise_keeps_the_numbers_of_the_search():
    y = CLEAN + 0.05 * np.random.default_rng(2).standard_normal(X.size)
    noise = NoiseModel(sd=0.05)
    data = observe({"x": X}, y, noise)
    law = refine_law(DECAY, data, noise)
    again = measure_law(prepare(data, noise), law.terms)
    assert law.description_length == again.description_length


def test_the_full_likelihood_agrees_with_the_search_where_both_hold():
    """A limit that no value comes near adds nothing; all else is the search's own formula."""
    y = CLEAN + 0.05 * np.random.default_rng(2).standard_normal(X.size)
    noise = NoiseModel(sd=0.05)
    plain = refine_law(DECAY, observe({"x": X}, y, noise), noise)
    more, far = np.append(X, 7.0), np.append(y, 9.0)
    marks = np.arange(X.size + 1) == X.size
    full = refine_law(DECAY, observe({"x": more}, far, noise, below=marks), noise)
    np.testing.assert_allclose(full.constants, plain.constants, rtol=1e-4)
    np.testing.assert_allclose(full.covariance, plain.covariance, rtol=0.1, atol=1e-6)
    assert full.log_evidence == pytest.approx(plain.log_evidence, abs=3.0)


def test_weights_of_the_screening():
    y = world("log")
    noise = NoiseModel("log", sd=0.1)
    data = observe({"x": X}, y, noise)
    assert prepare(data, noise).noise_known
    np.testing.assert_allclose(prepare(data, noise).weight, 100.0 / y**2)
    law = refine_law(DECAY, data, noise)
    at_law = prepare(data, noise, law).weight
    np.testing.assert_allclose(at_law, 100.0 / law.predict({"x": X}) ** 2, rtol=1e-9)


def test_an_outlier_is_screened_lightly():
    y = CLEAN.copy()
    y += 0.01 * np.sin(50.0 * X)
    y[30] += 5.0
    noise = NoiseModel("outliers")
    weight = prepare(observe({"x": X}, y, noise), noise).weight
    assert weight[30] < 1e-2 * np.median(weight)


def test_laws_that_are_undefined_are_left_out_and_few_points_refused():
    noise = NoiseModel("log")
    data = observe({"x": X}, world("log"), noise)
    assert refine_law(Equation((Term(-1.0, ("x",)),), 0.0, 0.0, 1), data, noise) is None
    marks = np.arange(X.size) >= 4
    few = observe({"x": X}, world("log"), noise, below=marks)
    with pytest.raises(InputError, match="4 measured points"):
        prepare(few, noise)


def test_no_saddle_is_paid_for():
    """Where the likelihood has no maximum, the constants' prior still only costs."""
    x = np.linspace(1.0, 10.0, 40)
    noise = NoiseModel("counts")
    data = observe({"x": x}, np.random.default_rng(0).poisson(30.0 * x).astype(float), noise)
    line = Equation((Term(30.2, ("x",)),), 0.0, 0.0, 1)
    # The steep term is felt by the first point alone: its exponent rises without end
    steep = Term(-3e-82, ("x", -273.6, "pow"))
    for term in (steep, Term(-0.5, ("x", -20.0, "pow")), Term(0.1, ("x", -3.0, "mul", "exp"))):
        law = refine_law(Equation((*line.terms, term), 0.0, 0.0, 3), data, noise)
        expected = law.predict(data.columns)
        log_likelihood = float(stats.poisson.logpmf(data.y, expected).sum())
        assert law.log_evidence <= log_likelihood
    plain = refine_law(line, data, noise)
    assert plain is not None
    assert refine_law(line, data, noise, only_maxima=True).constants == plain.constants
    saddle = Equation((*line.terms, steep), 0.0, 0.0, 3)
    assert refine_law(saddle, data, noise, only_maxima=True) is None


@pytest.mark.parametrize("kind", ["counts", "outliers", "multiplicative"])
def test_a_straight_line_keeps_most_of_the_weight(kind):
    x = np.linspace(1.0, 10.0, 40)
    noise = NoiseModel(kind)
    options = SearchOptions(highest_price=10, n_kept=20)
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        y = 3.0 * x + 0.3 * rng.standard_normal(x.size)
        if kind == "counts":
            y = rng.poisson(30.0 * x).astype(float)
        elif kind == "multiplicative":
            y = 3.0 * x * (1.0 + 0.05 * rng.standard_normal(x.size))
        else:
            y[::8] += 10.0
        outcome, _, _ = laws_under_noise(
            observe({"x": x}, y, noise), noise, lambda points: find_laws(points, options)
        )
        lengths = np.array([law.description_length for law in outcome.laws])
        weights = np.exp(lengths.min() - lengths)
        assert outcome.laws[0].structure == {("x",)}
        assert weights[0] > 0.5 * weights.sum()


def test_a_stop_ends_both_searches():
    noise = NoiseModel("counts")
    data = observe({"x": X}, world("counts"), noise)
    options = SearchOptions(highest_price=12, stop=lambda: True)
    calls = []

    def search(points):
        calls.append(points)
        return find_laws(points, options)

    outcome, _, _ = laws_under_noise(data, noise, search)
    assert len(calls) == 1
    assert outcome.laws
    assert any("the search was stopped" in text for text in outcome.warnings)


def test_an_interrupt_keeps_the_laws_fitted_so_far(monkeypatch):
    noise = NoiseModel("counts")
    data = observe({"x": X}, world("counts"), noise)
    fits = []

    def interrupted(*given, **named):
        fits.append(given)
        if len(fits) == 6:
            raise KeyboardInterrupt
        return refine_law(*given, **named)

    monkeypatch.setattr(regressor_noise, "refine_law", interrupted)
    options = SearchOptions(highest_price=8)
    outcome, _, _ = laws_under_noise(data, noise, lambda points: find_laws(points, options))
    assert 0 < len(outcome.laws) < 6
    assert any("stopped while laws were fitted" in text for text in outcome.warnings)
