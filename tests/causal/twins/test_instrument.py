"""Instruments are checked when they are made."""

import math

import pytest

from physlearn.causal.twins.instrument import Instrument
from physlearn.checks import InputError


@pytest.mark.parametrize(
    "wrong",
    [
        {"readout_noise_sd": -1.0}, {"readout_noise_sd": math.nan}, {"backlash": True},
        {"settle_s": "1"}, {"miss_probability": 1.5}, {"tail_freedom": 2}, {"pictures": 1},
        {"picture_rows": 1}, {"speed_per_s": 0.0}, {"declared_noise_sd": 0.0},
        {"largest_gain_change": 0.5}, {"drift_x_per_s": math.inf},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Instrument(**wrong)


def test_drifts_may_be_negative():
    assert Instrument(drift_x_per_s=-1.0, readout_drift_per_s=-0.1).drift_x_per_s == -1.0
