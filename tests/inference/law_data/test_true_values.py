"""True values of columns with errors: weights, likelihood by quadrature, bias and coverage."""

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.law_data import true_values as true_values_module
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
    seen = prior.seen.toarray()
    pull = np.random.default_rng(1).normal(size=(2, len(prior.priors[0])))

    def logs(share):
        weights = share @ seen
        for _ in prior.priors[1:]:
            each = seen * weights
            weights = share @ (each / each.sum(axis=1, keepdims=True))
        return np.log(weights / weights.sum())

    even, step = np.full(12, 1.0 / 12.0), 1e-6
    felt = prior.felt_by_readings(pull)
    expected = []
    for point in range(12):
        move = step * ((np.arange(12) == point) - 1.0 / 12.0)
        slope = (logs(even + move) - logs(even - move)) / (2.0 * step)
        expected.append(pull @ slope / 12.0)
    # Differences over 1e-6 hold 9 digits
    np.testing.assert_allclose(np.array(expected).T, felt, rtol=0.0, atol=1e-7 * abs(felt).max())


def test_many_readings_need_little_and_too_many_are_refused(monkeypatch):
    rng = np.random.default_rng(6)
    x, noise = rng.uniform(0.0, 100.0, 20_000), NoiseModel(sd=0.1, x_sd={"x": 0.2, "z": 0.2})
    one = NoiseModel(sd=0.1, x_sd={"x": 0.2})
    spread = true_values(observe({"x": x}, x, one), one)
    # A reading reaches 7 * hypot(0.2, 0.25) to both sides, in steps of 0.25
    assert spread.priors[0].seen.nnz < 20 * x.size
    np.testing.assert_allclose(spread.total(np.exp(spread.log_weight)), 1.0)
    monkeypatch.setattr(true_values_module, "MOST_ENTRIES", 10_000)
    with pytest.raises(InputError, match=r"x_sd of 'x' spreads 20000 points .* take every 3\dth"):
        true_values(observe({"x": x}, x, one), one)
    monkeypatch.setattr(true_values_module, "MOST_ENTRIES", 4_000)
    few = {"x": x[:200], "z": rng.permutation(x[:200])}
    with pytest.raises(InputError, match=r"x_sd spreads 200 points over .* of one column alone"):
        true_values(observe(few, x[:200], noise), noise)


def test_a_curved_law_is_neither_biased_nor_too_sure():
    """Taken to first order the exponent comes out 2.3 of its own errors too small."""
    n = 120
    away = []
    for seed in range(n):
        data, noise = readings(100 + seed)
        found = maximise(growth, TRUTH, data, noise)
        away.append((found.constants - TRUTH) / np.sqrt(np.diag(found.covariance)))
    away = np.array(away)
    # The median of n normals scatters by sqrt(pi / 2 n)
    assert (np.abs(np.median(away, axis=0)) < 3.0 * np.sqrt(np.pi / (2.0 * n))).all()
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
