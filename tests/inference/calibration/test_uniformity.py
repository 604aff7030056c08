"""Ranks against uniformity: bands, p-values and Holm's correction by hand."""

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.calibration.calibration_report import holm
from physlearn.inference.calibration.uniformity import ecdf_bands, ecdf_p_value


def test_bands_hold_the_whole_ecdf_as_often_as_they_say(oracle):
    n, mass = 60, 0.9
    points, low, high = ecdf_bands(n, mass)
    values = np.random.default_rng(1).random((20000, n))
    share = np.stack([(values <= z).mean(axis=1) for z in points], axis=1)
    inside = np.all((share >= low) & (share <= high), axis=1).sum()
    # counts are whole: the exact mass is a little above the one asked for
    assert stats.binomtest(int(inside), 20000, mass, "less").pvalue > 1e-4
    assert inside / 20000 < mass + 0.03


def test_p_values_are_uniform_under_the_null(oracle):
    rng = np.random.default_rng(2)
    p_values = np.array([ecdf_p_value(rng.random(40)) for _ in range(600)])
    for level in (0.01, 0.05, 0.2):
        below = int((p_values <= level).sum())
        oracle(f"below {level}", p=stats.binomtest(below, 600, level, "greater").pvalue)
    assert (p_values <= 0.2).mean() > 0.1  # not needlessly cautious


def test_two_numbers_by_hand(oracle):
    """One point, z = 1/2: both numbers on one side have a two-sided tail of 1/2."""
    oracle("same side", error=ecdf_p_value([0.1, 0.2]) - 0.5, bound=1e-12)
    oracle("either side", error=ecdf_p_value([0.1, 0.7]) - 1.0, bound=1e-12)


@pytest.mark.parametrize("wrong", [[], [0.2, 1.2], [0.2, np.nan], [-0.1]])
def test_numbers_outside_the_unit_interval_are_refused(wrong):
    with pytest.raises(InputError, match="values"):
        ecdf_p_value(wrong)
    with pytest.raises(InputError, match="mass"):
        ecdf_bands(10, 1.0)


def test_holm_by_hand():
    adjusted = holm(np.array([0.001, 0.4, 0.02, 0.01]))
    assert np.allclose(adjusted, [0.004, 0.4, 0.04, 0.03])
    assert holm(np.array([0.5, 0.9])).max() <= 1.0
