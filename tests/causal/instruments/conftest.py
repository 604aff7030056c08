"""A plan with a picture, a pulse and a picture after it, and devices that only pretend."""

import pytest

from physlearn.causal import (
    Action,
    ExperimentPlan,
    PlanStep,
    SafetyEnvelope,
    StartState,
    simulated_devices,
)

ENVELOPE = SafetyEnvelope(
    50.0, (0, 0, 50, 50), bias_limits_volt=(-3, 3), pulse_limits_volt=(-5, 5), max_irreversible=1
)
AREA = {"x_min": 0.0, "y_min": 0.0, "x_max": 50.0, "y_max": 50.0}


def step(verb, args=None, dose=0.0, *, final=False, **more):
    action = Action(verb, args or {}, dose, 1.0, 1.0, final)
    return PlanStep(action, human_gate=final, **more)


def pulse(**more):
    args = {"x": 5.0, "y": 6.0, "bias_V": 2.0, "pulse_s": 0.5}
    return step("tip_pulse", args, final=True, **more)


def plan_of(*steps, tip="withdrawn", scanned=False, envelope=ENVELOPE):
    return ExperimentPlan(steps, (), envelope, budget=50.0, starts=StartState(tip, scanned=scanned))


@pytest.fixture
def pulse_plan():
    return plan_of(
        step("approach"), step("image", AREA, 10.0), pulse(id="pulse"),
        step("change_bias", {"bias_V": 1.5}), step("scan_again", {"n_repeats": 1}, 10.0),
    )  # fmt: skip


@pytest.fixture
def devices():
    return simulated_devices(ENVELOPE, tip="withdrawn", answer=lambda state: len(state["acts"]))


@pytest.fixture
def engine():
    from bluesky import RunEngine

    return RunEngine({}, call_returns_result=True)
