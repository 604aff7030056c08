"""Groups of pixel descriptors against numbers by hand and slopes by finite differences."""

import numpy as np
import pytest
from scipy import stats

from physlearn.datasets.descriptors.moments import Gradient, Mean, Skewness, Variance
from physlearn.datasets.descriptors.pixel_noise import pixel_noise
from physlearn.datasets.descriptors.symmetry import SymmetryOrders
from physlearn.datasets.descriptors.window_batch import WindowBatch


def batch(pixels, noise=None, seen=None):
    seen = np.ones(pixels.shape) if seen is None else seen
    level = pixel_noise(noise)
    variance = None if level is None else level.variance(pixels) * seen
    return WindowBatch(pixels, seen, variance, level, (1.0, 1.0), None, True)


def test_variance_and_skewness_by_hand():
    patch = np.array([[[0.0, 0.0], [0.0, 4.0]]])
    # mean 1: squares 1 + 1 + 1 + 9 over 4 - 1; cubes (-3 + 27) / 4 over 3^(3/2)
    assert Variance().describe(batch(patch)).values.item() == pytest.approx(4.0)
    assert Skewness().describe(batch(patch)).values.item() == pytest.approx(6.0 / 3.0**1.5)
    # a gap counts for nothing, whatever stands there
    gap = np.array([[[0.0, 4.0, 2.0, 99.0]]])
    seen = np.array([[[1.0, 1.0, 1.0, 0.0]]])
    assert Variance().describe(batch(gap, seen=seen)).values.item() == pytest.approx(4.0)
    assert Skewness().describe(batch(gap, seen=seen)).values.item() == pytest.approx(0.0)


def test_variance_of_small_patches_is_not_too_low(oracle):
    """White pixels of variance 1, with 0.25 of it declared as noise: 1 / n would be 6 % low."""
    pixels = np.random.default_rng(1).normal(size=(20000, 4, 4))
    for noise, truth in ((None, 1.0), (0.5, 0.75)):
        found = Variance().describe(batch(pixels, noise)).values[:, 0]
        error = found.std() / np.sqrt(len(found))
        oracle(f"variance of 16 pixels, noise {noise}", z=(found.mean() - truth) / error)


@pytest.mark.parametrize(
    ("make", "noise"),
    # gradients of the others leave out what declared noise puts into them
    [(Mean, None), (Variance, None), (Skewness, None), (Skewness, 0.3), (Gradient, None),
     (lambda: SymmetryOrders((8, 8), None), None)],
    ids=["mean", "variance", "skewness", "skewness of noise", "gradient", "symmetry"],
)  # fmt: skip
def test_gradients_are_the_slopes_of_the_values(make, noise):
    """What the error bars are made of: each value's change with each pixel, by differences."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:8, :8]
    pixels = rng.gamma(2.0, size=(1, 8, 8)) + 0.5 * x + 2.0 * np.cos(2 * np.pi * (x + 0.3 * y) / 4)
    group = make()
    said = group.describe(batch(pixels, noise)).gradients[0]
    step = 1e-5
    moved = pixels + step * np.eye(64).reshape(64, 8, 8)
    back = pixels - step * np.eye(64).reshape(64, 8, 8)
    slopes = (
        group.describe(batch(moved, noise)).values - group.describe(batch(back, noise)).values
    ) / (2 * step)
    np.testing.assert_allclose(
        said.reshape(len(said), -1), slopes.T, atol=1e-6 * np.abs(slopes).max()
    )


def test_noise_alone_has_no_symmetry(oracle):
    """The squared sum of random directions is exponential: below its mean with 1 - 1/e."""
    pixels = 0.7 * np.random.default_rng(4).normal(size=(1000, 16, 16))
    group = SymmetryOrders((16, 16), pixel_noise(0.7))
    zero = (group.describe(batch(pixels, 0.7)).values == 0.0).mean(axis=0)
    for order, share in zip((2, 4, 6), zero, strict=True):
        # the mean itself is drawn 100 times: known to 10 %, the share to 0.037
        oracle(f"patches of noise without symmetry {order}", error=share - 0.632, bound=0.15)
    # declared as signal the same pixels have some, nearly all of them
    bare = SymmetryOrders((16, 16), None).describe(batch(pixels)).values
    assert (bare > 0.01).mean() > 0.95


def test_skewness_has_the_error_it_says_where_the_variance_shares_it(oracle):
    """A skewed patch in white noise: scatter over draws of the noise against the said error."""
    rng = np.random.default_rng(5)
    truth = stats.gamma(1.0).rvs((1, 24, 24), random_state=rng)
    noisy = truth + 0.3 * rng.normal(size=(2000, 24, 24))
    found = Skewness().describe(batch(noisy, 0.3))
    said = np.sqrt((found.gradients[:200, 0] ** 2).sum(axis=(1, 2))).mean() * 0.3
    scatter = found.values[:, 0].std()
    oracle("error of skewness, linear", error=np.log(scatter / said), bound=0.1)
