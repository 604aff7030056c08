"""The noise of pixels: planted variances, gains and correlations come back."""

import numpy as np
import pytest
from scipy import ndimage

from physlearn.datasets.columns import noise

TYPICAL = (2.5, 60.0, 10.0)


def ramp():
    return np.linspace(5.0, 200.0, 240)[None, :] + np.zeros((200, 1))


def test_gain_and_offset_come_back():
    rng = np.random.default_rng(0)
    mean = ramp()
    residual = rng.normal(size=mean.shape) * np.sqrt(30.0 + 2.5 * mean)
    offset, gain, _ = noise.fit_pixel_variance(residual, mean, "gain", 0)
    # quasi-likelihood information of a variance: 1 / (2 v^2) a pixel
    variance = 30.0 + 2.5 * mean.ravel()
    design = np.stack([np.ones(mean.size), mean.ravel()])
    bound = np.linalg.inv((design / (2 * variance**2)) @ design.T)
    assert abs(offset - 30.0) < 4 * np.sqrt(bound[0, 0])
    assert abs(gain - 2.5) < 4 * np.sqrt(bound[1, 1])


def test_poisson_counts_have_gain_one_and_constant_noise_none():
    rng = np.random.default_rng(1)
    mean = ramp()
    assert noise.fit_pixel_variance(rng.poisson(mean) - mean, mean, "gain", 0)[1] == pytest.approx(
        1.0, abs=0.03
    )
    flat = noise.fit_pixel_variance(rng.normal(0, 3, mean.shape), mean, "gaussian", 0)
    assert flat[0] == pytest.approx(9.0, rel=4 * np.sqrt(2 / mean.size))
    assert flat[1] == 0
    assert noise.fit_pixel_variance(mean, mean, "poisson", 0)[:2].tolist() == [0.0, 1.0]


def test_fitted_parameters_give_their_freedom_back():
    residual = np.random.default_rng(2).normal(size=(100, 100))
    one = noise.fit_pixel_variance(residual, residual, "gaussian", 0)[0]
    two = noise.fit_pixel_variance(residual, residual, "gaussian", 1000)[0]
    assert two / one == pytest.approx(1 / 0.9)


def test_pixel_noise_variance_ignores_slopes():
    y, x = np.mgrid[:200, :200]
    picture = 3.0 * x - 2.0 * y + np.random.default_rng(3).normal(0, 1.5, (200, 200))
    assert noise.pixel_noise_variance(picture) == pytest.approx(2.25, rel=0.05)


def test_white_residuals_have_no_correlation_and_no_inflation():
    white = np.random.default_rng(4).normal(size=(256, 256))
    flags = np.array([1.0, 0.0, 0.01])
    correlation, level = noise.residual_autocorrelation(white, 0, TYPICAL, flags)
    assert level == pytest.approx(1.0, abs=4 * np.sqrt(2 / white.size))
    assert correlation[correlation.shape[0] // 2, correlation.shape[0] // 2] == 1.0
    assert np.count_nonzero(correlation) == 1
    assert np.allclose(noise.variance_inflation(correlation, TYPICAL, flags), 1.0)


def test_planted_correlation_comes_back_and_inflates_as_simulated():
    rng = np.random.default_rng(5)
    flags = np.array([1.0, 0.0, 0.01])
    blur = 0.8

    def field(shape):
        smooth = ndimage.gaussian_filter(rng.normal(size=shape), blur, mode="wrap")
        return smooth * 2 * np.sqrt(np.pi) * blur

    big = field((400, 400))
    big /= big.std()
    correlation, _ = noise.residual_autocorrelation(big, 0, TYPICAL, flags)
    middle = correlation.shape[0] // 2
    expected = np.exp(-1 / (4 * blur**2))
    assert correlation[middle, middle + 1] == pytest.approx(expected, abs=0.03)
    # oracle: the least-squares x of a column in many pieces of such noise
    factor = noise.variance_inflation(correlation, TYPICAL, flags)[0]
    y, x = np.mgrid[-10:11, -10:11]
    slope = 60 * x / 2.5**2 * np.exp(-(x**2 + y**2) / (2 * 2.5**2))
    many = field((1050, 1050))
    many /= many.std()
    pieces = many.reshape(50, 21, 50, 21).swapaxes(1, 2).reshape(-1, 21, 21)
    simulated = np.var((pieces * slope).sum(axis=(1, 2))) / (slope**2).sum()
    assert factor == pytest.approx(simulated, rel=4 * np.sqrt(2 / len(pieces)))


@pytest.mark.parametrize("distance", [14.0, 8.0])
def test_inflation_of_overlapping_columns_is_the_scatter_of_fits(distance):
    # oracle: least-squares steps of all columns together, in many fields of correlated noise
    rng = np.random.default_rng(6)
    j, i = np.mgrid[:4, :4]
    places = distance * np.stack([i + 0.5 * (j % 2), j * 0.87], -1).reshape(-1, 2) + 1.2 * distance
    shape = (int(5.2 * distance), int(6.0 * distance))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    slopes = [np.ones(shape), x, y]
    for px, py in places:
        u, v = (x - px) / 2.5, (y - py) / 2.5
        value = np.exp(-0.5 * (u * u + v * v))
        slopes += [value * u, value * v, value, value * (u * u + v * v)]
    design = np.array(slopes).reshape(len(slopes), -1)
    blur = 0.9
    fields = ndimage.gaussian_filter(
        rng.normal(size=(1500, *shape)), (0, blur, blur), mode="wrap"
    ) * (2 * np.sqrt(np.pi) * blur)  # fmt: skip
    lags = np.arange(-5, 6)
    correlation = np.exp(-(lags[:, None] ** 2 + lags**2) / (4 * blur**2))
    bread = np.linalg.inv(design @ design.T)
    steps = bread @ (design @ fields.reshape(1500, -1).T)
    ratio = (steps.var(axis=1) / np.diag(bread))[3:].reshape(-1, 4)
    columns = np.column_stack([places, np.zeros(16), np.full(16, np.log(2.5))])
    factor = noise.joint_variance_inflation(correlation, np.ones(shape), columns)
    inner = [5, 6, 9, 10]
    np.testing.assert_allclose(factor, ratio[inner].mean(axis=0), rtol=0.12)
    white = np.zeros((11, 11))
    white[5, 5] = 1.0
    assert noise.joint_variance_inflation(white, np.ones(shape), columns).tolist() == [1.0] * 4


def test_what_all_columns_leave_alike_is_not_pixel_noise():
    rng = np.random.default_rng(0)
    j, i = np.mgrid[:14, :14]
    places = 14.0 * (np.stack([i, j], -1).reshape(-1, 2) + 1.1) + rng.normal(0, 0.4, (196, 2))
    heights = np.where(rng.random(196) < 0.5, 1.0, 0.6)
    y, x = np.mgrid[:214, :214].astype(float)
    misfit = np.zeros(x.shape)
    for (px, py), height in zip(places, heights, strict=True):
        u, v = (x - px) / 2.5, (y - py) / 2.5
        misfit += 1.5 * height * (u * u - v * v) * np.exp(-0.5 * (u * u + v * v))
    white = rng.normal(size=x.shape)
    columns = np.column_stack([places, np.log(100 * heights), np.full(196, np.log(2.5))])
    flags = np.array([0.0, 1.0, 0.1])
    found = {}
    for name, scaled in (
        ("elliptical", white + misfit),
        ("removed", noise.without_common_misfit(white + misfit, columns)),
        ("white", noise.without_common_misfit(white, columns)),
    ):
        correlation, found[name] = noise.residual_autocorrelation(scaled, 0, TYPICAL, flags)
        middle = correlation.shape[0] // 2
        wanted = 0.1 if name == "elliptical" else 0.0
        assert correlation[middle, middle + 1] == pytest.approx(wanted, abs=0.03)
    assert found["removed"] == pytest.approx(1.0, abs=0.03)
    assert found["white"] == pytest.approx(1.0, abs=0.03)
    few = noise.without_common_misfit(white, columns[:5])
    assert few is white
