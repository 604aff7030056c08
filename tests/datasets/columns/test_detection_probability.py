"""Probability of being found: calibrated among those that were found, at every brightness."""

import numpy as np
import pytest
from scipy.stats import norm

from physlearn.checks import InputError
from physlearn.datasets import detection_probability


@pytest.mark.parametrize("margin", [-0.5, 0.0, 0.5, 1.0, 2.0, 3.0])
def test_columns_of_one_brightness(margin, oracle):
    threshold, n = 4.2, 4000
    z = threshold + margin + np.random.default_rng(7).normal(size=n)
    found = z[z > threshold]
    probability = detection_probability(found, threshold)
    truth = norm.cdf(margin)
    oracle(f"share of columns found, {margin:+.1f} sd from the threshold",
           error=abs(probability.mean() - truth), bound=0.05)  # fmt: skip
    # counting each found column 1 / probability times gives back how many there are
    oracle(f"columns counted with those missed, {margin:+.1f} sd",
           error=abs((1 / probability).sum() / n - 1), bound=0.15)  # fmt: skip


def test_two_species_far_apart():
    rng = np.random.default_rng(1)
    z = np.concatenate([rng.normal(5.0, 1.0, 2000), rng.normal(15.0, 1.0, 2000)])
    found = z[z > 4.5]
    probability = detection_probability(found, 4.5)
    assert probability[found > 11].min() > 0.999
    assert probability[found < 11].mean() == pytest.approx(norm.cdf(0.5), abs=0.05)


def test_probability_grows_with_brightness():
    z = np.linspace(3.0, 12.0, 50)
    probability = detection_probability(z, 4.0)
    assert (np.diff(probability) >= -1e-12).all()
    assert probability[-1] == 1.0
    assert detection_probability([], 4.0).shape == (0,)


@pytest.mark.parametrize(("z", "threshold"), [([np.nan], 4.0), ([4.0], 0.0), ([[4.0]], 4.0)])
def test_bad_arguments(z, threshold):
    with pytest.raises(InputError):
        detection_probability(z, threshold)
