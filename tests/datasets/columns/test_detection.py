"""Filters against plain sums, the null of maxima, compiled kernels against plain ones."""

import numpy as np
import pytest
from scipy import ndimage

from physlearn.datasets.columns import background_kernels, filter_kernels
from physlearn.datasets.columns.column_start import gaussian_taps
from physlearn.datasets.columns.detection import discoveries, false_maxima
from physlearn.datasets.columns.peak_kernels import local_maxima

RNG = np.random.default_rng(0)
PULL = RNG.normal(size=(30, 34)).astype(np.float32)
WEIGHT = RNG.uniform(0.5, 2.0, (30, 34)).astype(np.float32)


def matched(get, half):
    z, amplitude = np.empty_like(PULL), np.empty_like(PULL)
    taps, squared = gaussian_taps(1.5), gaussian_taps(1.5 / np.sqrt(2))
    get(filter_kernels.match_columns)(PULL, WEIGHT, taps, squared, half, z, amplitude)
    return z, amplitude


@pytest.mark.parametrize("half", [0, 4])
def test_matched_filter_is_the_plain_sum(half):
    z, amplitude = matched(lambda f: f, half)
    y, x = np.mgrid[:30, :34]
    for j, i in ((0, 0), (12, 20), (29, 33)):
        column = np.exp(-((x - i) ** 2 + (y - j) ** 2) / (2 * 1.5**2))
        column[(abs(x - i) > 6) | (abs(y - j) > 6)] = 0.0
        box = (abs(x - i) <= half) & (abs(y - j) <= half) if half else np.zeros(x.shape, bool)
        share = (WEIGHT * column).sum() / WEIGHT[box].sum() if half else 0.0
        score = (PULL * column).sum() - share * PULL[box].sum()
        information = (WEIGHT * column**2).sum() - share * (WEIGHT * column).sum()
        assert z[j, i] == pytest.approx(score / np.sqrt(information), rel=2e-3, abs=2e-3)
        assert amplitude[j, i] == pytest.approx(score / information, rel=2e-3, abs=2e-3)


def test_compiled_and_plain_filters_agree():
    for compiled, plain in zip(
        matched(lambda f: f, 3), matched(lambda f: f.py_func, 3), strict=True
    ):
        np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=1e-4)
    points = RNG.uniform(0, 20, (80, 2))
    order = np.arange(80)
    keep = filter_kernels.thin_out(points, order, 5, 2.0)
    assert np.array_equal(keep, filter_kernels.thin_out.py_func(points, order, 5, 2.0))
    assert keep[:5].all()
    apart = np.hypot(*(points[keep][:, None] - points[keep]).T) + 9 * np.eye(keep.sum())
    assert apart[5:, 5:].min() > 2.0


def test_background_step_is_the_least_squares_one():
    shape, nodes = (25, 33), (3, 4)
    tents = []
    for length, count in zip(shape, nodes, strict=True):
        places = np.arange(length) * (count - 1) / (length - 1)
        tents.append(np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(count))))
    design = np.einsum("ja,ib->jiab", *tents).reshape(25 * 33, 12)
    image, weight = RNG.normal(size=shape), RNG.uniform(0.5, 2.0, shape)
    wanted = np.linalg.solve(
        (design.T * weight.ravel()) @ design, design.T @ (weight * image).ravel()
    )
    for get in (lambda f: f, lambda f: f.py_func):
        matrix, right, step = np.empty((3, 4, 5)), np.empty((3, 4)), np.empty((3, 4))
        get(background_kernels.normal_equations)(image, np.zeros(shape), weight, matrix, right)
        scale = np.ascontiguousarray(matrix[:, :, 0])
        get(background_kernels.solve_nodes)(matrix, right, scale, 60, step)
        np.testing.assert_allclose(step.ravel(), wanted, rtol=1e-3, atol=1e-3)
        picture = np.zeros(shape)
        get(background_kernels.add_background)(picture, step)
        np.testing.assert_allclose(picture.ravel(), design @ step.ravel(), atol=1e-12)


def test_number_of_noise_maxima(oracle):
    width, size = 2.2, 1200
    noise = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=(size, size)), width)
    z = noise / noise.std()
    for level in (3.0, 3.5):
        expected = float(false_maxima(level, width, size * size))
        seen = len(local_maxima(z, level))
        # the formula is the leading term at high levels
        oracle(f"maxima above {level}", error=abs(seen / expected - 1.0),
               bound=0.12 + 4 / np.sqrt(expected))  # fmt: skip


def test_false_discoveries_are_held():
    rng = np.random.default_rng(6)
    strong = rng.normal(12.0, 1.0, 500)
    noise = rng.exponential(0.35, 400) + 2.0
    lowest = discoveries(np.concatenate([strong, noise]), 2.0, 20_000, 0.01)
    assert 2.5 < lowest < 6.0
    decoys = np.full(50, 5.0)
    assert discoveries(np.concatenate([strong, noise]), 2.0, 20_000, 0.01, decoys=decoys) > 5.0
    assert float(false_maxima(discoveries(np.empty(0), 2.0, 20_000, 0.01), 2.0, 20_000)) <= 0.0101
