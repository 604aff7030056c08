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
    """The slope is that of a line through true values, not that of least squares on readings."""
    rng = np.random.default_rng(4)
    noise = NoiseModel(sd=0.1, x_sd={"x": 0.5})
    found, errors, plain = [], [], []
    for _ in range(25):
        seen = X + 0.5 * rng.standard_normal(X.size)
        y = 1.0 + 2.0 * X + 0.1 * rng.standard_normal(X.size)
        one = maximise(line, np.array([0.0, 1.0]), observe({"x": seen}, y, noise), noise)
        found.append(one.constants[1])
        errors.append(np.sqrt(one.covariance[1, 1]))
        plain.append(stats.linregress(seen, y).slope)
    scatter = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - 2.0) < 4.0 * scatter
    assert np.mean(plain) < 2.0 - 4.0 * scatter
    # sd of a standard deviation of 25 is 14 %, of the mean error less
    assert 0.6 < np.mean(errors) / np.std(found) < 1.6


@pytest.mark.parametrize("slope", [-0.6, -0.02, 0.0, 0.03, 0.6])
def test_bounds_leave_the_evidence_exact(slope):
    """A line with one bounded slope: the cut normal's integral, whether it rests there or not."""
    rng = np.random.default_rng(6)
    y = 1.0 + slope * X + 0.2 * rng.standard_normal(X.size)
    noise, sd = NoiseModel(sd=0.2), np.array([2.0, 0.7])
    limits = Limits(np.array([-np.inf, 0.0]), np.full(2, np.inf), np.zeros(2), sd)
    found = maximise(line, np.array([1.0, 0.1]), observe({"x": X}, y), noise, limits)
    slopes = np.linspace(0.0, 3.0, 200_001)
    # The intercept is integrated out exactly
    covariance = 0.04 * np.eye(X.size) + sd[0] ** 2
    inverse = np.linalg.inv(covariance)
    log_norm = stats.multivariate_normal(np.zeros(X.size), covariance).logpdf(np.zeros(X.size))
    log_value = log_norm - 0.5 * (
        y @ inverse @ y - 2.0 * slopes * (X @ inverse @ y) + slopes**2 * (X @ inverse @ X)
    )
    log_value += stats.norm.logpdf(slopes, 0.0, sd[1]) + np.log(2.0)
    top = log_value.max()
    exact = top + np.log(np.trapezoid(np.exp(log_value - top), slopes))
    assert found.log_evidence == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_evidence_at_a_bound_has_no_unit(unit):
    """y = a + b x + c x**2 with c at its bound: another unit of x is another unit of b and c."""
    y = 1.0 + 2.0 * X + 0.1 * np.random.default_rng(5).standard_normal(X.size) - 0.05 * X**2
    lowest = np.array([-np.inf, -np.inf, 0.0])
    endless = np.full(3, np.inf)

    def parabola(constants, columns):
        powers = columns["x"] ** np.arange(3)[:, None]
        return constants @ powers, powers

    evidence = []
    for size in (1.0, unit):
        data, noise = observe({"x": X * size}, y), NoiseModel(sd=0.1)
        start = np.array([1.0, 2.0, 0.1]) / size ** np.arange(3)
        limits = Limits(lowest, endless, np.zeros(3), endless)
        found = maximise(parabola, start, data, noise, limits)
        assert found.at_bound.tolist() == [False, False, True]
        evidence.append(found.log_evidence)
    assert evidence[1] == pytest.approx(evidence[0], abs=1e-3)


def test_a_constant_at_a_bound_pays_for_its_prior():
    """Of two forms with the same likelihood the one with a needless constant has less evidence."""
    y = 1.0 + 0.2 * np.random.default_rng(7).standard_normal(X.size)
    data, noise = observe({"x": X}, y - 0.05 * X), NoiseModel(sd=0.2)
    limits = Limits(np.array([-np.inf, 0.0]), np.full(2, np.inf), np.zeros(2), np.full(2, np.inf))
    more = maximise(line, np.array([1.0, 0.1]), data, noise, limits)
    flat = maximise(lambda c, columns: (line(np.append(c, 0.0), columns)[0], np.ones((1, X.size))),
                    np.array([1.0]), data, noise)  # fmt: skip
    assert more.at_bound[1]
    assert more.log_likelihood == pytest.approx(flat.log_likelihood, abs=1e-6)
    assert more.log_evidence < flat.log_evidence - 1.0


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


KINDS = (
    "additive", "multiplicative", "log", "counts", "student", "outliers", "x", "censored",
    "censored log", "censored multiplicative",
)  # fmt: skip


def covered(kind, n_worlds, seed):
    """Count constants inside their 90 % intervals."""
    rng = np.random.default_rng(seed)
    inside = 0
    for _ in range(n_worlds):
        whole = kind.removeprefix("censored ")
        noise = NoiseModel("additive" if kind in ("x", "censored") else whole)
        x, marks, scale = X, {}, 1.0
        if kind == "x":
            noise = NoiseModel(x_sd={"x": 0.08})
            y, x = world("additive", rng), X + 0.08 * rng.standard_normal(X.size)
        elif kind.startswith("censored"):
            y = world("additive" if kind == whole else whole, rng)
            limit = 1.62  # three in ten lie below
            y, marks = np.maximum(y, limit), {"below": y < limit}
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
    n = 24 if kind == "x" else 40
    inside = covered(kind, n, 12) / 3  # the three constants' mean scatters less than one's count
    low, high = stats.binom.ppf([0.001, 0.999], n, 0.9)
    assert low <= inside <= high
