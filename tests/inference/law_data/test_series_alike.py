"""A shared constant that differs between series is said; one that does not is not."""

import numpy as np
import pytest

from physlearn.inference import NoiseModel, fit_grouped_law

SERIES, POINTS = 8, 12
X = np.tile(np.linspace(0.5, 4, POINTS), SERIES)
GROUPS = np.repeat(np.arange(SERIES), POINTS)


def decays(seed, spread, sd):
    """Decays of own sizes whose rates scatter by a share; sd one number or one a point."""
    rng = np.random.default_rng(seed)
    size = np.repeat(rng.uniform(1, 4, SERIES), POINTS)
    rate = np.repeat(0.7 * np.exp(spread * rng.normal(size=SERIES)), POINTS)
    return size * np.exp(-rate * X) + sd * rng.normal(size=X.size)


def said(y, noise=None, own=("A",)):
    return fit_grouped_law("A*exp(-k*x)", {"x": X}, y, GROUPS, own=list(own), noise=noise).warnings


@pytest.mark.parametrize("sd", [0.05, np.where(X > 2, 0.03, 0.1)])
def test_rates_that_differ_are_said_and_equal_ones_are_not(sd):
    noise = NoiseModel(sd=sd) if np.ndim(sd) else None
    apart = [said(decays(seed, 0.2, sd), noise) for seed in range(8)]
    assert all("k is not the same in all series" in texts[0] for texts in apart)
    alike = [said(decays(seed, 0.0, sd), noise) for seed in range(40)]
    assert sum(bool(texts) for texts in alike) == 0  # one in a thousand each


def test_a_constant_of_each_series_own_is_not_asked_to_be_one():
    assert not said(decays(3, 0.2, 0.05), own=("A", "k"))
