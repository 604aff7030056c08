"""The numbers of a prediction's table: intervals by hand, jackknife errors of known means."""

import numpy as np
import pytest

from physlearn.inference.prediction.order_transition import Transition
from physlearn.inference.prediction.thermal_runs import jackknife_error
from physlearn.inference.prediction.thermodynamics import summary_rows


def test_intervals_hold_the_middle_nine_tenths_of_the_draws():
    draws = np.linspace(0.0, 1.0, 1001)[:, None]
    values = np.repeat(draws[None], 9, axis=0)  # all of time, and eight blocks left out: no noise
    (row,) = summary_rows({"heat_capacity": values}, np.ones((1001, 1)), None)
    assert row["q05"] == pytest.approx(0.05)
    assert row["q95"] == pytest.approx(0.95)
    assert row["mean"] == pytest.approx(0.5)
    assert row["monte_carlo_sd"] == pytest.approx(0.0, abs=1e-12)


def test_jackknife_of_a_mean_is_its_standard_error():
    blocks = np.random.default_rng(1).normal(0.0, 2.0, 25)
    without = (blocks.sum() - blocks) / 24
    values = np.concatenate([[blocks.mean()], without])[:, None]
    assert jackknife_error(values)[0] == pytest.approx(blocks.std(ddof=1) / 5)


def test_interval_of_a_transition_leaves_half_the_rest_on_either_side():
    ratios = np.append(np.linspace(1.0, 2.0, 1001), np.nan)  # one draw has no transition
    found = Transition(ratios, 300 * ratios, None, "", "uniform", 1.0, False, (0.5, 2.5))
    assert found.interval() == pytest.approx((1.05, 1.95))
    assert found.interval(0.5) == pytest.approx((1.25, 1.75))
    assert found.interval_k() == pytest.approx((315.0, 585.0))
    assert found.probability == pytest.approx(1001 / 1002)
