"""Evidence, covariance and prices against closed forms, integrals and scipy."""

import numpy as np
import pytest
from scipy import integrate
from scipy.optimize import curve_fit
from scipy.stats import multivariate_normal

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.description_length import (
    NATS_OF_A_CLAIM,
    measure_law,
    structure_length,
)
from physlearn.inference.law_search.exact_numbers import of_pure_numbers
from physlearn.inference.law_search.program_prices import NATS_OF_PRICE, price_of_program
from physlearn.inference.law_search.refinement import fit_terms, polish
from physlearn.inference.laws.equation import Term

X = np.linspace(0.5, 4.0, 40)


def data_of(y, noise=None):
    weight = np.ones(y.size) if noise is None else np.full(y.size, 1 / noise**2)
    return SearchData(X[None], y, weight, noise is not None, ("x",))


def test_evidence_of_a_line_is_the_marginal_likelihood_at_its_prior():
    noise = 0.3
    y = 2.0 * X + noise * np.random.default_rng(1).standard_normal(X.size)
    law = fit_terms(data_of(y, noise), [("x",)])
    # The prior is a normal around the fit, as wide as the slope itself or y's spread over x's rms
    slope = law.constants[0]
    width = max(abs(slope), np.std(y) / np.sqrt(np.mean(X**2)))
    exact = multivariate_normal(
        slope * X, noise**2 * np.eye(X.size) + width**2 * np.outer(X, X)
    ).logpdf(y)
    assert law.log_evidence == pytest.approx(exact, abs=1e-8)
    assert law.description_length == pytest.approx(structure_length(law.terms, 1) - exact)
    assert structure_length(law.terms, 1) == NATS_OF_A_CLAIM + NATS_OF_PRICE


def test_unknown_noise_is_integrated_out():
    y = 1.5 * X + 0.2 * np.random.default_rng(2).standard_normal(X.size)
    law = fit_terms(data_of(y), [("x",)])
    slope, n = law.constants[0], X.size
    width = max(abs(slope), np.std(y) / np.sqrt(np.mean(X**2)))

    def given(log_sd):
        sd = np.exp(log_sd)
        spread = sd**2 / (X**2).sum()
        rest = ((y - slope * X) ** 2).sum()
        likelihood = -n * log_sd - 0.5 * rest / sd**2 - 0.5 * n * np.log(2 * np.pi)
        return np.exp(likelihood - law.log_evidence) * np.sqrt(spread) / width

    total, _ = integrate.quad(given, -3.5, 0.5)
    assert np.log(total) == pytest.approx(0.0, abs=0.01)  # 1 + information for information


def test_covariance_is_that_of_curve_fit():
    y = 3 * np.exp(-0.7 * X) + 0.4 + 0.05 * np.random.default_rng(3).standard_normal(X.size)
    programs = [("x", -0.6, "mul", "exp"), (1,)]
    law = polish(data_of(y), fit_terms(data_of(y), programs))
    best, covariance = curve_fit(
        lambda x, a, b, c: a * np.exp(b * x) + c, X, y, p0=[3, -0.7, 0.4], xtol=1e-14, ftol=1e-14
    )
    np.testing.assert_allclose(law.constants, best, rtol=1e-5)
    np.testing.assert_allclose(law.covariance, covariance, rtol=1e-3)
    known = measure_law(data_of(y, 0.05), law.terms).covariance
    _, absolute = curve_fit(
        lambda x, a, b, c: a * np.exp(b * x) + c, X, y, p0=best, sigma=np.full(X.size, 0.05),
        absolute_sigma=True,
    )  # fmt: skip
    np.testing.assert_allclose(known, absolute, rtol=1e-3)


def test_intervals_of_constants_hold_the_truth_as_often_as_they_say():
    truth, noise, held = np.array([2.0, -0.8]), 0.05, []
    clean = 2.0 * np.exp(-0.8 * X)
    for seed in range(200):
        y = clean + noise * np.random.default_rng(seed).standard_normal(X.size)
        law = polish(data_of(y), fit_terms(data_of(y), [("x", -0.8, "mul", "exp")]))
        held.append(np.abs(law.constants - truth) < 1.645 * np.sqrt(np.diag(law.covariance)))
    share = np.mean(held, axis=0)
    assert (np.abs(share - 0.9) < 4 * np.sqrt(0.09 / 200)).all(), share


def test_description_does_not_depend_on_the_units_of_x_and_y():
    y = 3 * np.exp(-1.7 / X) + 0.02 * np.random.default_rng(5).standard_normal(X.size)
    laws = []
    for sx, sy in ((1.0, 1.0), (300.0, 1e-9)):
        data = SearchData(sx * X[None], sy * y, np.ones(X.size), False, ("x",))
        laws.append(polish(data, fit_terms(data, [("x", "inv", -1.7 * sx, "mul", "exp")])))
    # The density of y changes by its unit
    moved = laws[1].description_length + X.size * np.log(1e9)
    assert moved == pytest.approx(laws[0].description_length, abs=1e-4)


def test_collinear_constants_have_no_covariance():
    data = data_of(2.0 * X, 0.1)
    law = measure_law(data, [Term(1.0, ("x",)), Term(1.0, ("x",))])
    assert law.covariance is None
    assert np.isfinite(law.description_length)


@pytest.mark.parametrize(
    ("cheaper", "dearer"),
    [
        (("x", -1.0, "mul", "exp"), ("x", -1.0, "mul", "exp", "exp")),
        (("x", 2.0, "mul", "exp"), ("x", "exp")),  # only pure numbers are exponents
        (("x", "square", "x", 2.0, "mul", "add"), ("x", "square", "x", "add")),
        (("x", 2, "pow"), ("x", 7, "pow")),
        (("x", 2.0, "mul", "log"), ("x", 2.0, "mul", "exp", "log")),
        (("x", "square"), ("x", 5, 3, "div", "pow")),
    ],
)
def test_prices_follow_what_physics_uses(cheaper, dearer):
    assert price_of_program(cheaper, 1) < price_of_program(dearer, 1)
    assert price_of_program(cheaper, 2) > price_of_program(cheaper, 1)


def test_a_large_power_of_a_quotient_of_sums_is_dear():
    power = price_of_program(("x", 2.5, "pow"), 1)
    inverse = ("x", "x", 0.07, "add", "inv", "mul")
    quotient = ("x", "x", 0.07, "add", "div")
    for base in (inverse, quotient):
        low, high = (price_of_program((*base, p, "pow"), 1) for p in (2.5, 26.0))
        assert low - price_of_program(base, 1) > power - 1
        assert high > low
    low, high = (price_of_program(("x", -0.3, "add", p, "pow"), 1) for p in (1.5, 26.0))
    assert high > low
    assert power == price_of_program(("x", 26.0, "pow"), 1)  # of a variable any exponent is usual


@pytest.mark.parametrize("outer", ["sin", "cos", "exp", "tanh"])
@pytest.mark.parametrize("number", [(2,), (3,), (1, 2, "div"), (3, 2, "div"), (2, 3, "div")])
@pytest.mark.parametrize("operation", ["mul", "div", "pow"])
def test_a_number_more_is_never_cheaper_between_pure_numbers(outer, number, operation):
    data = SearchData(0.2 * X[None], np.cos(X), np.full(X.size, 100.0), True, ("x",))
    plain = measure_law(data, [Term(1, ("x", outer))])
    more = measure_law(data, [Term(1, ("x", *number, operation, outer))])
    with_number, without = (
        of_pure_numbers(one, 1).description_length + one.log_evidence for one in (more, plain)
    )
    assert with_number > without


def test_a_constant_that_the_data_hardly_feel_has_no_covariance():
    x = np.linspace(1.0, 2.0, 20)
    data = SearchData(x[None], x, np.ones(20), True, ("x",))
    # both slopes are near 1e-148 and nearly alike: the inverse would overflow
    near = ("x", 10_000_001, 10_000_000, "div", "mul", 342, "sub", "exp")
    terms = [Term(1.0, ("x", 342, "sub", "exp")), Term(1.0, near)]
    law = measure_law(data, terms)
    assert law.covariance is None
    assert np.isfinite(law.description_length)
