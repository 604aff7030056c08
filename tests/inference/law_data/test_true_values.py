"""True values of columns with errors: weights, likelihood by quadrature, bias and coverage."""

import numpy as np
import pytest
from scipy import stats

from physlearn.inference.law_data.likelihood_fit import maximise
from physlearn.inference.law_data.noise_models import NoiseModel, observe
from physlearn.inference.law_data.true_values import true_values

TRUTH = np.array([0.8, 0.7])


def growth(constants, columns):
    rise = np.exp(constants[1] * columns["x"])
    return constants[0] * rise, np.stack([rise, constants[0] * columns["x"] * rise])


def readings(seed, n=60, x_sd=0.35, sd=0.3):
    """Draw readings whose errors of x are a tenth of the range."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0.5, 4.0, n)
    noise = NoiseModel(sd=sd, x_sd={"x": x_sd})
    y = TRUTH[0] * np.exp(TRUTH[1] * true) + sd * rng.standard_normal(n)
    return observe({"x": true + x_sd * rng.standard_normal(n)}, y, noise), noise


def test_without_errors_there_is_nothing_to_spread():
    data, _ = readings(1)
    assert true_values(data, NoiseModel(sd=0.3)) is None
    assert true_values(data, NoiseModel(sd=0.3, x_sd={"x": 0.0})) is None


def test_the_normals_are_the_readings_narrower():
    data, noise = readings(2, n=2000)
    spread = true_values(data, noise)
    weight = np.exp(spread.log_weight)
    np.testing.assert_allclose(spread.total(weight), 1.0)
    middle = spread.observations.x[0]
    mean = spread.total(weight * middle)
    width = dict(spread.noise.x_errors)["x"]
    variance = spread.total(weight * (width**2 + (middle - mean[spread.point]) ** 2))
    # True values are uniform over 3.5: the law of total variance gives theirs back
    assert variance.mean() + mean.var() == pytest.approx(3.5**2 / 12.0, rel=0.05)
    assert middle.min() >= data.x.min()
    assert middle.max() <= data.x.max()


def test_the_likelihood_is_the_integral():
    data, noise = readings(3, n=8)
    spread = true_values(data, noise)
    found = maximise(growth, TRUTH, data, noise)
    grid = np.linspace(-2.0, 7.0, 40_001)
    values = growth(found.constants, {"x": grid})[0]
    width = dict(spread.noise.x_errors)["x"]
    total = 0.0
    for point, y in enumerate(data.y):
        own = spread.point == point
        middle, sd, weight = spread.observations.x[0][own], width[own], spread.log_weight[own]
        density = np.exp(weight) @ stats.norm.pdf(grid, middle[:, None], sd[:, None])
        total += np.log(np.trapezoid(density * stats.norm.pdf(y, values, 0.3), grid))
    # Over one normal, 0.4 errors wide, the law is taken for straight
    assert found.log_likelihood == pytest.approx(total, abs=0.15)


def test_readings_are_felt_as_differences_say():
    data, noise = readings(4, n=12)
    prior = true_values(data, noise).priors[0]
    pull = np.random.default_rng(1).normal(size=(2, len(prior.priors[0])))

    def logs(share):
        weights = share @ prior.seen
        for _ in prior.weights:
            each = prior.seen * weights
            weights = share @ (each / each.sum(axis=1, keepdims=True))
        return np.log(weights / weights.sum())

    even, step = np.full(12, 1.0 / 12.0), 1e-6
    felt = prior.felt_by_readings(pull - pull.mean(axis=1, keepdims=True) * 0.0)
    expected = []
    for point in range(12):
        move = step * ((np.arange(12) == point) - 1.0 / 12.0)
        slope = (logs(even + move) - logs(even - move)) / (2.0 * step)
        expected.append(pull @ slope / 12.0)
    # The weights' common factor says nothing
    away = np.array(expected).T - felt
    np.testing.assert_allclose(away - away.mean(axis=1, keepdims=True), 0.0, atol=2e-3)


def test_a_curved_law_is_neither_biased_nor_too_sure():
    """Taken to first order the exponent comes out 2.3 of its own errors too small."""
    n = 40
    away = []
    for seed in range(n):
        data, noise = readings(100 + seed)
        found = maximise(growth, TRUTH, data, noise)
        away.append((found.constants - TRUTH) / np.sqrt(np.diag(found.covariance)))
    away = np.array(away)
    assert (np.abs(np.median(away, axis=0)) < 0.25 + 4.0 * 1.25 / np.sqrt(n)).all()
    inside = (np.abs(away) < stats.norm.ppf(0.95)).sum(axis=0)
    assert (inside >= stats.binom.ppf(0.005, n, 0.9)).all()


def test_two_columns_and_more_keep_a_plane():
    rng = np.random.default_rng(5)
    names = ("a", "b", "c")
    for count in (2, 3):
        true = rng.uniform(0.0, 4.0, (count, 200))
        noise = NoiseModel(sd=0.2, x_sd=dict.fromkeys(names[:count], 0.4))
        seen = true + 0.4 * rng.standard_normal(true.shape)
        data = observe(dict(zip(names, seen, strict=False)),
                       true.sum(axis=0) + 0.2 * rng.standard_normal(200), noise)  # fmt: skip

        def plane(c, columns, own=names[:count]):
            slopes = np.stack([columns[name] for name in own])
            return c @ slopes, slopes

        found = maximise(plane, np.full(count, 0.8), data, noise)
        away = (found.constants - 1.0) / np.sqrt(np.diag(found.covariance))
        assert (np.abs(away) < 4.0).all()
