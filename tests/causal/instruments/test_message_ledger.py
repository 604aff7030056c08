"""The dose book counts what devices are told, and nothing else."""

import pytest
from bluesky import Msg

from physlearn.causal import Action, MessageLedger, SafetyEnvelope, simulated_devices

AREA = {"x_min": 0.0, "y_min": 0.0, "x_max": 9.0, "y_max": 9.0}
ENVELOPE = SafetyEnvelope(
    15.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3), pulse_limits_volt=(-5, 5), max_irreversible=1
)
IMAGE = Action("image", AREA, 10.0, 1.0, 1.0)
PULSE = Action(
    "tip_pulse", {"x": 1.0, "y": 1.0, "bias_V": 2.0, "pulse_s": 0.5}, 0.0, 1.0, 1.0, True
)


@pytest.fixture
def ledger():
    times = iter(range(1000))
    return MessageLedger(
        simulated_devices(ENVELOPE, tip="approached"), ENVELOPE, "approached",
        clock=lambda: float(next(times)),
    )  # fmt: skip


def told(ledger, device, value):
    ledger(Msg("set", device, value, group="g"))
    ledger(Msg("wait", None, group="g"))


def test_a_message_that_comes_twice_counts_twice(ledger):
    told(ledger, ledger.devices.exposer, IMAGE)
    assert ledger.report().violations == ()
    told(ledger, ledger.devices.exposer, IMAGE)
    assert ledger.report().total_dose == 20.0
    assert ledger.report().violations == ("event 3: the acts so far give 20, above 15",)


def test_a_pulse_falls_where_the_stage_was_sent(ledger):
    told(ledger, ledger.devices.x, 4.0)
    told(ledger, ledger.devices.y, 5.0)
    told(ledger, ledger.devices.pulser, PULSE)
    assert list(ledger.report().site_doses) == [(4.0, 5.0)]
    assert ledger.report().n_irreversible == 1


def test_the_tip_is_followed(ledger):
    told(ledger, ledger.devices.tip, 0)
    told(ledger, ledger.devices.tip, 0)  # a finalizer may say it again
    begun = [event["verb"] for event in ledger.events if event["status"] == "begun"]
    assert begun == ["withdraw"]
    told(ledger, ledger.devices.pulser, PULSE)
    assert "tip_pulse while the tip is withdrawn" in ledger.report().violations[0]


def test_what_is_no_device_of_the_plan_is_not_counted(ledger):
    ledger(Msg("open_run"))
    ledger(Msg("set", object(), 1.0, group="g"))
    ledger(Msg("sleep", None, 2.0))
    assert [event["verb"] for event in ledger.events] == ["wait", "wait"]
