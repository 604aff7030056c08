"""Plans on a twin: order, branches, gates and abort rules."""

import pytest

from physlearn.causal.actions import Action, SafetyEnvelope
from physlearn.causal.experiment_plans.dose_ledger import check_ledger
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.experiment_plans.plan_records import Abort, Branch, PlanStep, StartState
from physlearn.causal.twins.digital_twin import DigitalTwin
from physlearn.causal.twins.instrument import Instrument
from physlearn.causal.twins.response_sample import ResponseSample
from physlearn.causal.twins.wall_sample import WallSample
from physlearn.checks import InputError

VIEW = (0.0, -30.0, 63.0, 30.0)
ENVELOPE = SafetyEnvelope(
    50.0, VIEW, bias_limits_volt=(-5, 5), pulse_limits_volt=(-5, 5), max_irreversible=2
)
AREA = dict(zip(("x_min", "y_min", "x_max", "y_max"), VIEW, strict=True))
PULSE = Action(
    "tip_pulse", {"x": 30.0, "y": 0.0, "bias_V": 2.0, "pulse_s": 1.0}, 0.0, 2.0, 1.0, True
)


def bias(volt):
    return Action("change_bias", {"bias_V": volt}, 0.0, 1.0, 1.0)


def plan_of(*steps, tip="approached"):
    return ExperimentPlan(tuple(steps), (), ENVELOPE, budget=50.0, starts=StartState(tip))


def linear():
    return DigitalTwin(ResponseSample(lambda act: act.number("bias_V"), field_of_view=VIEW), rng=1)


def test_tune_scan_move_withdraw_analyse_roughness():
    steps = [
        Action("tune", {}, 0.0, 5.0, 1.0),
        Action("image", AREA, 10.0, 20.0, 1.0),
        Action("move", {"x": 5.0, "y": 3.0}, 0.0, 1.0, 1.0),
        Action("withdraw", {}, 0.0, 1.0, 1.0),
        Action("analyse", {"quantity": "roughness"}, 0.0, 0.0, 1.0),
    ]
    twin = DigitalTwin(WallSample(pinning_strength=0.6), Instrument(), envelope=ENVELOPE, rng=1)
    done = twin.run(plan_of(*(PlanStep(step) for step in steps)))
    assert done.ended == "the plan is done"
    assert done.steps == ("s1", "s2", "s3", "s4", "s5")
    heights = twin.reveal()["heights"]
    # the picture's pixel is 0.94 nm: the wall's own roughness, up to a pixel's
    assert done.outcomes[-1].readout == pytest.approx(heights.std(), abs=0.94 / 3.46 + 0.1)
    assert check_ledger(twin.events, ENVELOPE, tip="approached").violations == ()


def test_branches_lead_back_as_often_as_they_may_and_then_on():
    again = Branch("not yet", "try", readout_below=10.0, at_most=3)
    done = linear().run(
        plan_of(PlanStep(bias(1.0), id="try", branches=(again,)), PlanStep(bias(2.0), id="end"))
    )
    assert done.steps == ("try",) * 4 + ("end",)
    high = Branch("high", "stop", readout_above=0.5)
    assert linear().run(plan_of(PlanStep(bias(1.0), branches=(high,)), PlanStep(bias(2.0)))).steps
    asked = Branch("odd", "ask", readout_above=0.5)
    ended = linear().run(plan_of(PlanStep(bias(1.0), branches=(asked,)), PlanStep(bias(2.0)))).ended
    assert ended == "a person must decide after s1"


def test_gate_and_abort_end_the_run_before_the_next_act():
    twin = linear()
    asked = []
    steps = (PlanStep(bias(1.0)), PlanStep(PULSE, human_gate=True))
    done = twin.run(plan_of(*steps), approve=lambda step: asked.append(step) or False)
    assert done.ended == "s2 was not approved"
    assert [event["verb"] for event in twin.events] == ["change_bias"] * 2
    assert len(asked) == 1
    guarded = PlanStep(bias(3.0), abort=Abort("too high", readout_above=2.5))
    twin = linear()
    done = twin.run(plan_of(guarded, PlanStep(bias(1.0))))
    assert done.ended == "s1 was aborted: the readout 3 is above 2.5"
    assert len(twin.events) == 2


def test_doses_truly_given_stop_a_plan_that_looked_sound():
    twin = DigitalTwin(WallSample(), Instrument(scan_dose=20.0, pictures=False), rng=1)
    look = PlanStep(Action("image", AREA, 1.0, 1.0, 1.0))
    done = twin.run(plan_of(look, look, look, look, look))
    assert done.ended.startswith("s3 was not begun: ")
    assert twin.dose == 40.0


def test_bad_plans_move_nothing():
    twin = linear()
    with pytest.raises(InputError, match="must be an ExperimentPlan"):
        twin.run([bias(1.0)])
    with pytest.raises(InputError, match="must not be run"):
        twin.run(plan_of(PlanStep(bias(9.0))))
    with pytest.raises(InputError, match="it is approached"):
        twin.run(plan_of(PlanStep(Action("approach", {}, 0.0, 1.0, 1.0)), tip="withdrawn"))
    assert twin.events == ()
