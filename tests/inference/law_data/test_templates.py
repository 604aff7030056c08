"""Fixed forms against scipy's curve_fit, with ties, bounds, priors, limits and rivals."""

import re

import numpy as np
import pytest
from scipy.optimize import curve_fit

from physlearn.checks import InputError
from physlearn.inference.law_data.likelihood_fit import maximise
from physlearn.inference.law_data.noise_models import NoiseModel, observe
from physlearn.inference.law_data.template_starts import linear_constants
from physlearn.inference.law_data.templates import (
    TemplateOptions,
    compare_templates,
    fit_template,
)
from physlearn.inference.laws.equation_set import EquationSet

X = np.linspace(0.3, 6.0, 50)
CASES = {
    "a*exp(-b/x) + c": (lambda x, a, b, c: a * np.exp(-b / x) + c, (3.0, 2.0, 1.0)),
    "a*x**b": (lambda x, a, b: a * x**b, (2.0, -0.7)),
    "a*x/(b + x)": (lambda x, a, b: a * x / (b + x), (5.0, 1.5)),
    "a*exp(-b*x) + c*exp(-d*x)": (
        lambda x, a, b, c, d: a * np.exp(-b * x) + c * np.exp(-d * x), (2.0, 2.5, 1.0, 0.3),
    ),
    "a/((x - b)**2 + c**2)": (lambda x, a, b, c: a / ((x - b) ** 2 + c**2), (2.0, 3.0, 0.5)),
    "a*sin(b*x + c)": (lambda x, a, b, c: a * np.sin(b * x + c), (1.0, 2.2, 0.4)),
    "a*tanh((x - b)/c)": (lambda x, a, b, c: a * np.tanh((x - b) / c), (1.0, 3.0, 0.8)),
}  # fmt: skip


@pytest.mark.parametrize("text", list(CASES))
@pytest.mark.parametrize("known", [True, False])
def test_least_squares_is_that_of_scipy_without_a_start(text, known):
    law, truth = CASES[text]
    rng = np.random.default_rng(8)
    clean = law(X, *truth)
    y = clean + 0.02 * clean.std() * rng.standard_normal(X.size)
    sd = np.full(X.size, 0.02 * clean.std())
    noise = NoiseModel(sd=sd) if known else NoiseModel()
    fit = fit_template(text, {"x": X}, y, noise)
    best, covariance = curve_fit(law, X, y, truth, sigma=sd, absolute_sigma=known)
    values = fit.constants["value"].to_numpy()
    if text.startswith("a*exp(-b*x) + c"):  # the two decays may change places
        values = values if values[1] > values[3] else values[[2, 3, 0, 1]]
    errors = np.sqrt(np.diag(covariance))
    assert (np.abs(values - best) < 0.05 * errors).all() or np.allclose(
        law(X, *values), law(X, *best), atol=1e-5
    )
    found = np.sort(fit.constants["sd"].to_numpy())
    np.testing.assert_allclose(found, np.sort(errors), rtol=0.15)


def test_a_name_in_two_places_is_one_constant():
    y = 2.0 + 2.0 * np.exp(-0.5 * X) + 0.01 * np.cos(40.0 * X)
    fit = fit_template("a + a*exp(-b*x)", {"x": X}, y)
    assert fit.constants.index.tolist() == ["a", "b"]
    assert fit.equation.n_constants == 2
    best, covariance = curve_fit(lambda x, a, b: a + a * np.exp(-b * x), X, y, (1.0, 1.0))
    np.testing.assert_allclose(fit.constants["value"], best, rtol=1e-5)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=0.02)
    numbers = fit.laws.posterior(0, 500, 1)
    draws = numbers.idata.posterior["constants"].to_numpy().reshape(-1, 3)
    np.testing.assert_allclose(draws[:, 0], draws[:, 1], atol=1e-6)


def test_priors_pull_as_linear_algebra_says():
    y = 1.0 + 0.2 * np.sin(31.0 * X)
    prior = TemplateOptions(priors={"a": (0.0, 0.01)})
    fit = fit_template("a", {"x": X}, y, NoiseModel(sd=0.1), prior)
    precision = X.size / 0.01 + 1e4
    assert fit.constants.loc["a", "value"] == pytest.approx(y.sum() / 0.01 / precision, rel=1e-6)
    assert fit.constants.loc["a", "sd"] == pytest.approx(precision**-0.5, rel=1e-5)


def test_a_bound_that_binds_is_said():
    options = TemplateOptions(bounds={"b": (0.0, None)})
    fit = fit_template("a + b*x", {"x": X}, 1.0 - X + 0.01 * np.sin(9.0 * X), options=options)
    assert fit.constants.loc["b", "value"] == 0.0
    assert any("b stands at a bound" in said for said in fit.warnings)


def test_limits_of_detection_do_not_bias():
    rng = np.random.default_rng(4)
    y = 3.0 * np.exp(-0.8 * X) * np.exp(0.1 * rng.standard_normal(X.size))
    below = y < 0.2
    noise = NoiseModel("log")
    seen = np.where(below, 0.2, y)
    fit = fit_template("a*exp(-b*x)", {"x": X}, seen, noise, below=below)
    row = fit.constants.loc["b"]
    assert abs(row["value"] - 0.8) < 3.0 * row["sd"] < 0.1
    wrong = fit_template("a*exp(-b*x)", {"x": X}, seen, noise).constants.loc["b"]
    assert abs(wrong["value"] - 0.8) > 4.0 * row["sd"]


def test_outliers_of_an_unknown_share_do_not_move_the_constants():
    rng = np.random.default_rng(6)
    y = 2.0 * X**0.5 + 0.05 * rng.standard_normal(X.size)
    y[::7] += 4.0
    plain = fit_template("a*x**b", {"x": X}, y).constants.loc["b"]
    row = fit_template("a*x**b", {"x": X}, y, NoiseModel("outliers", widening=50.0)).constants.loc[
        "b"
    ]
    assert abs(row["value"] - 0.5) < 3.0 * row["sd"]
    assert row["sd"] < 0.2 * plain["sd"]


def test_forms_are_weighed_by_their_evidence():
    rng = np.random.default_rng(7)
    y = 2.0 * X**0.7 + 0.05 * rng.standard_normal(X.size)
    laws = compare_templates(["a + b*x", "a*x**b", "a*log(x - 9)"], {"x": X}, y, target="current")
    assert isinstance(laws, EquationSet)
    assert laws.weights[0] > 0.99
    assert "x**" in laws.table["equation"][0]
    assert laws.claims_law
    assert any("left out" in said for said in laws.warnings)
    assert len(laws.equations) == 2
    assert EquationSet.from_json(laws.to_json()).table.equals(laws.table)
    low, high = laws.predict_interval([[2.0]], rng=1)[0]
    assert low < laws.predict([[2.0]])[0] < high
    assert high - low == pytest.approx(2.0 * 1.645 * 0.05 / np.sqrt(X.size / 2), rel=0.6)


def test_noise_models_compare_on_one_scale():
    """The density of y itself: the model that made the data has the larger evidence."""
    rng = np.random.default_rng(9)
    wins, few = 0, TemplateOptions(n_starts=30)
    for _ in range(5):
        y = 5.0 * np.exp(-0.6 * X) * np.exp(0.1 * rng.standard_normal(X.size))
        log, additive = (
            fit_template("a*exp(-b*x)", {"x": X}, y, NoiseModel(kind), few).log_evidence
            for kind in ("log", "additive")
        )
        wins += log > additive + 5.0
    assert wins == 5


def test_noise_has_no_law():
    rng = np.random.default_rng(10)
    y = 1.0 + 0.1 * rng.standard_normal(X.size)
    assert not compare_templates(["a + b*x", "c"], {"x": X}, y).claims_law
    assert not compare_templates(["a + b*x"], {"x": X}, y).claims_law


def test_linear_constants_are_found():
    rng = np.random.default_rng(1)
    columns = {"x": rng.uniform(1.0, 2.0, 9)}

    def law(c, columns):
        return c[0] * columns["x"] ** c[1] + c[2] * c[3], np.zeros((4, 9))

    assert linear_constants(law, 4, columns) == [0, 2]


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("a*exp(", {}, "text"),
        ("a*pi*x", {}, "write the number"),
        ("a*gamma(x)", {}, "gamma"),
        ("a*x", {"options": TemplateOptions(start={"q": 1.0})}, "start names 'q'"),
        ("a*x", {"options": TemplateOptions(bounds={"a": (2.0, 1.0)})}, "must rise"),
        ("a*x", {"options": TemplateOptions(priors={"a": (0.0, 0.0)})}, "sd above 0"),
        ("a*log(x - 9)", {}, "undefined on these data"),
        ("__import__('os')", {}, "text"),
    ],
)
def test_what_cannot_be_fitted_is_said(text, given, said):
    with pytest.raises(InputError, match=said):
        fit_template(text, {"x": X}, X, **given)


def test_fewer_points_than_constants_are_refused():
    with pytest.raises(InputError, match="y has 3 points for 3 constants and the noise"):
        fit_template("a + b*x + c*x**2", {"x": X[:3]}, X[:3])
    stated, noise = TemplateOptions(priors={"c": (0.0, 0.1)}), NoiseModel(sd=0.1)
    x = np.array([1.0, 2.0])
    fit = fit_template("a + b*x + c*x**2", {"x": x}, x, noise, stated)
    np.testing.assert_allclose(fit.constants["value"], [0.0, 1.0, 0.0], atol=1e-4)
    # a = 2 y1 - y2 + 2 c: its variance is 5 * 0.1**2 + 4 * 0.1**2
    assert fit.constants["sd"]["a"] == pytest.approx(0.3, abs=1e-3)


def test_constants_that_only_act_together_are_told():
    fit = fit_template("a*b*x", {"x": X}, 3.0 * X + 0.1 * np.sin(20.0 * X))
    assert fit.covariance is None
    assert len(fit.warnings) == 1
    assert "a combination of the constants open (a, b): write the number" in fit.warnings[0]
    assert fit.laws.predict([[2.0]])[0] == pytest.approx(6.0, abs=0.1)


def test_every_climb_is_from_where_the_law_is_defined():
    noise = NoiseModel("log")
    data = observe({"x": X}, 1.0 / X, noise)
    text = "a*x**b"
    fit = fit_template(text, {"x": X}, 1.0 / X, noise, TemplateOptions(n_starts=20, rng=3))
    assert fit.constants["value"].round(6).tolist() == [1.0, -1.0]
    assert maximise(lambda c, _: (-X, -X[None]), np.ones(1), data, noise) is None


def test_noise_that_is_larger_than_stated_is_said():
    x = np.linspace(1.0, 4.0, 40)
    y = 2.0 * x + 0.05 * np.random.default_rng(3).standard_normal(40)
    said = "the law leaves .* times the noise"
    too_sure = fit_template("a*x", {"x": x}, y, NoiseModel(sd=0.01))
    assert any(re.match(said, text) for text in too_sure.warnings)
    honest = compare_templates(["a*x", "a*x**2"], {"x": x}, y, NoiseModel(sd=0.05))
    assert not any("times the noise" in text for text in honest.warnings)
    wrong = compare_templates(["a*x**2", "a + b*x**2"], {"x": x}, y, NoiseModel(sd=0.01))
    assert sum("times the noise" in text for text in wrong.warnings) == 1
