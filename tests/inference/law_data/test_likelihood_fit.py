"""The maximum and the evidence against closed forms, the covariance by coverage."""

import numpy as np
import pytest
from scipy import stats

from physlearn.inference.law_data.likelihood_fit import Limits, maximise
from physlearn.inference.law_data.noise_models import NoiseModel, observe
from physlearn.inference.laws.expression import gradients, with_floats

X = np.linspace(0.2, 5.0, 40)
DECAY = (2.0, "x", -0.5, "mul", "exp", "mul", 1.0, "add")
TRUTH = np.array([3.0, -0.7, 1.5])
CLEAN = TRUTH[0] * np.exp(TRUTH[1] * X) + TRUTH[2]


def decay(constants, columns):
    return gradients(with_floats(DECAY, constants), columns)


def line(constants, columns):
    x = columns["x"]
    return constants[0] + constants[1] * x, np.stack([np.ones_like(x), x])


def test_a_line_under_normal_priors_has_the_evidence_of_linear_algebra():
    rng = np.random.default_rng(2)
    y = 1.0 + 0.5 * X + 0.2 * rng.standard_normal(X.size)
    data, noise = observe({"x": X}, y), NoiseModel(sd=0.2)
    mean, sd = np.array([0.5, 0.0]), np.array([2.0, 1.0])
    limits = Limits(np.full(2, -np.inf), np.full(2, np.inf), mean, sd)
    found = maximise(line, np.zeros(2), data, noise, limits)
    matrix = np.stack([np.ones_like(X), X], axis=1)
    covariance = 0.04 * np.eye(X.size) + (matrix * sd**2) @ matrix.T
    exact = stats.multivariate_normal(matrix @ mean, covariance).logpdf(y)
    assert found.log_evidence == pytest.approx(exact, abs=1e-5)
    posterior = np.linalg.inv(matrix.T @ matrix / 0.04 + np.diag(sd**-2.0))
    np.testing.assert_allclose(found.covariance, posterior, rtol=1e-5)


def test_unknown_noise_gives_the_covariance_of_least_squares():
    rng = np.random.default_rng(3)
    y = 1.0 + 0.5 * X + 0.2 * rng.standard_normal(X.size)
    found = maximise(line, np.zeros(2), observe({"x": X}, y), NoiseModel())
    fit = stats.linregress(X, y)
    np.testing.assert_allclose(found.constants, [fit.intercept, fit.slope], rtol=1e-8)
    errors = np.sqrt(np.diag(found.covariance))
    np.testing.assert_allclose(errors, [fit.intercept_stderr, fit.stderr], rtol=1e-4)


def test_errors_of_x_shrink_no_line():
    """For a line the effective variance is the whole truth: sd**2 + slope**2 x_sd**2."""
    rng = np.random.default_rng(4)
    seen = X + 0.3 * rng.standard_normal(X.size)
    y = 1.0 + 2.0 * X + 0.1 * rng.standard_normal(X.size)
    noise = NoiseModel(sd=0.1, x_sd={"x": 0.3})
    found = maximise(line, np.array([0.0, 1.0]), observe({"x": seen}, y, noise), noise)
    slopes = np.linspace(1.6, 2.4, 4001)
    best = []
    for slope in slopes:
        rest = y - slope * seen
        sd = np.sqrt(0.01 + 0.09 * slope**2)
        best.append(stats.norm.logpdf(rest - rest.mean(), 0.0, sd).sum())
    assert found.constants[1] == pytest.approx(slopes[np.argmax(best)], abs=3e-4)
    assert found.log_likelihood == pytest.approx(max(best), abs=1e-4)


def test_a_bound_holds_and_is_told():
    data = observe({"x": X}, 1.0 - 0.5 * X + 0.01 * np.sin(9.0 * X))
    limits = Limits(np.array([-np.inf, 0.0]), np.full(2, np.inf), np.zeros(2), np.full(2, np.inf))
    found = maximise(line, np.array([0.0, 1.0]), data, NoiseModel(), limits)
    assert found.constants[1] == 0.0
    assert found.at_bound.tolist() == [False, True]
    assert found.covariance[1, 1] == 0.0
    assert found.constants[0] == pytest.approx(data.y.mean(), rel=1e-6)


def test_a_start_where_the_law_is_undefined_gives_nothing():
    data = observe({"x": X}, CLEAN, NoiseModel("log"))
    assert maximise(line, np.array([-9.0, 0.0]), data, NoiseModel("log")) is None


def world(kind, rng):
    normal = rng.standard_normal(X.size)
    if kind == "additive":
        return CLEAN + 0.1 * normal
    if kind == "multiplicative":
        return CLEAN * (1.0 + 0.05 * normal)
    if kind == "log":
        return CLEAN * np.exp(0.05 * normal)
    if kind == "counts":
        return rng.poisson(100.0 * CLEAN).astype(float)
    if kind == "student":
        return CLEAN + 0.1 * rng.standard_t(4.0, X.size)
    return CLEAN + 0.1 * normal * np.where(rng.uniform(size=X.size) < 0.1, 10.0, 1.0)


KINDS = ("additive", "multiplicative", "log", "counts", "student", "outliers", "x", "censored")


def covered(kind, n_worlds, seed):
    """Count constants inside their 90 % intervals."""
    rng = np.random.default_rng(seed)
    inside = 0
    for _ in range(n_worlds):
        noise = NoiseModel("additive" if kind in ("x", "censored") else kind)
        x, marks, scale = X, {}, 1.0
        if kind == "x":
            noise = NoiseModel(x_sd={"x": 0.08})
            y, x = world("additive", rng), X + 0.08 * rng.standard_normal(X.size)
        elif kind == "censored":
            y = world("additive", rng)
            below = y < 1.6
            y, marks = np.where(below, 1.6, y), {"below": below}
        else:
            y = world(kind, rng)
            scale = 100.0 if kind == "counts" else 1.0
        data = observe({"x": x}, y, noise, **marks)
        truth = TRUTH * np.array([scale, 1.0, scale])
        found = maximise(decay, truth * 0.9, data, noise)
        free = X.size - 3
        reach = stats.norm.ppf(0.95) if kind == "counts" else stats.t.ppf(0.95, free)
        sd = np.sqrt(np.diag(found.covariance))
        inside += int((np.abs(found.constants - truth) < reach * sd).sum())
    return inside


@pytest.mark.parametrize("kind", KINDS)
def test_constants_are_covered(kind):
    n = 60
    inside = covered(kind, n, 12) / 3  # the three constants' mean scatters less than one's count
    low, high = stats.binom.ppf([0.001, 0.999], n, 0.9)
    assert low <= inside <= high
