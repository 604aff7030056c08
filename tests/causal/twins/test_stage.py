"""Play, drift, scatter and misses of a stage, by their definitions."""

import numpy as np
import pytest

from physlearn.causal.twins.instrument import Instrument
from physlearn.causal.twins.stage import Stage, actual_position


def made(rng=1, **errors):
    return Stage(Instrument(**errors), (0.0, 0.0), np.random.default_rng(rng))


def test_play_depends_on_where_the_stage_comes_from():
    stage = made(backlash=0.6)
    assert stage.go((5.0, -5.0)).actual == pytest.approx((4.7, -4.7))
    assert stage.go((4.5, -4.5)).actual == pytest.approx((4.7, -4.7))  # within the play
    assert stage.go((3.0, -3.0)).actual == pytest.approx((3.3, -3.3))
    # a place that is always approached from one side is always the same place
    ends = [(stage.go((0.0, 0.0)), stage.go((2.0, 2.0)))[1].actual for _ in range(3)]
    assert ends[0] == ends[1] == ends[2]


def test_the_encoder_sees_the_play_and_not_the_drift():
    stage = made(backlash=0.6, drift_x_per_s=0.1, drift_y_per_s=-0.2)
    stage.wait(10.0)
    landing = stage.go((5.0, 5.0))
    assert landing.reported == pytest.approx((4.7, 4.7))
    assert landing.actual == pytest.approx((3.7, 6.7))


def test_scatter_and_walk_have_the_sd_that_they_are_given():
    stage = made(position_sd=0.3, report_sd=0.1)
    found = [stage.go((1.0, 2.0)) for _ in range(2000)]
    actual = np.array([f.actual for f in found]) - (1.0, 2.0)
    reported = np.array([f.reported for f in found]) - (1.0, 2.0)
    # 4 standard errors of a standard deviation of 4000 numbers
    assert actual.std() == pytest.approx(0.3, abs=4 * 0.3 / np.sqrt(8000))
    assert reported.std() == pytest.approx(0.1, abs=4 * 0.1 / np.sqrt(8000))
    ends = []
    for seed in range(500):
        walker = made(seed, drift_walk=0.2)
        for _ in range(9):
            walker.wait(1.0)
        ends.append(walker.drift)
    assert np.std(ends) == pytest.approx(0.6, abs=4 * 0.6 / np.sqrt(2000))


def test_misses_come_as_often_and_as_far_as_told():
    stage = made(miss_probability=0.3, miss_distance=2.0)
    apart = np.array([np.hypot(*stage.go((0.0, 0.0)).actual) for _ in range(2000)])
    missed = apart > 1.0
    assert missed.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 2000))
    assert apart[missed] == pytest.approx(2.0)
    assert not apart[~missed].any()


def test_read_back_tells_the_actual_position_with_its_error():
    errors = {
        "backlash": 1.0, "position_sd": 0.2, "report_sd": 0.1, "report_offset": 0.5,
        "drift_x_per_s": 0.05, "drift_walk": 0.1,
    }  # fmt: skip
    scores = []
    for seed in range(1000):
        stage = made(seed, **errors)
        stage.wait(4.0)
        landing = stage.go((5.0, -3.0))
        place, sd = actual_position(landing.reported, Instrument(**errors), 4.0)
        scores.append((np.array(landing.actual) - place) / sd)
    assert np.mean(scores) == pytest.approx(0.0, abs=4 / np.sqrt(2000))
    assert np.std(scores) == pytest.approx(1.0, abs=4 / np.sqrt(4000))
