import pytest

from physlearn.causal import (
    Abort,
    Action,
    Branch,
    Expectation,
    ExperimentPlan,
    PlanHypothesis,
    PlanStep,
    Precondition,
    SafetyEnvelope,
    StartState,
    check_ledger,
)
from physlearn.checks import InputError

ENVELOPE = SafetyEnvelope(
    100.0, (0, 0, 100, 100), max_step_dose=40.0, bias_limits_volt=(-3, 3), max_irreversible=2,
    max_duration_s=1000.0, forbidden_sites=((50, 50, 2),), max_site_dose=45.0, max_field_dose=60.0,
    site_radius=0.5, pulse_limits_volt=(-8, 8), max_pulse_s=0.1,
    temperature_limits_kelvin=(250, 400), field_limits_tesla=(-1, 1),
    focus_limits_nanometre=(-50, 50), max_travel=120.0,
)  # fmt: skip


def act(verb, dose=0.0, duration_s=1.0, cost=1.0, irreversible=False, **args):
    return Action(verb, args, dose, duration_s, cost, irreversible)


def image(dose=10.0, x=0.0, y=0.0, size=20.0, **more):
    return act("image", dose, x_min=x, y_min=y, x_max=x + size, y_max=y + size, **more)


def pulse(x=10.0, y=10.0, bias_V=5.0, pulse_s=0.01, **more):
    more = {"irreversible": True, **more}
    return act("tip_pulse", x=x, y=y, bias_V=bias_V, pulse_s=pulse_s, **more)


def expose(x=10.0, y=10.0, dose=5.0, **more):
    return act("expose_site", dose, x=x, y=y, **{"irreversible": True, **more})


def step(action, *, gate=None, **more):
    return PlanStep(action, human_gate=action.irreversible if gate is None else gate, **more)


def plan(*steps, tip="none", scanned=True, tuned=True, **more):
    steps = tuple(s if isinstance(s, PlanStep) else step(s) for s in steps)
    more = {"envelope": ENVELOPE, "budget": 100.0, "hypotheses": RIVALS, **more}
    return ExperimentPlan(steps, starts=StartState(tip, scanned, tuned), **more)


RIVALS = (
    PlanHypothesis("law", "flat", 0.6, "", "wall speed", "nm/s"),
    PlanHypothesis("law", "steep", 0.4, "", "wall speed", "nm/s"),
)
UP, DOWN, TUNE = act("approach"), act("withdraw"), act("tune")


def goes(to, **more):
    return (Branch("it says so", to, **more),)


def test_the_workflow_tune_scan_move_withdraw_analyse_roughness():
    workflow = plan(
        step(TUNE, id="tune", branches=goes("tune", readout_below=0.5, at_most=2)),
        step(image(), id="scan", preconditions=(Precondition("tuned"),)),
        act("move", x=80.0, y=80.0),
        DOWN,
        step(act("analyse", quantity="roughness"), id="roughness",
             preconditions=(Precondition("step done", "scan"), Precondition("tip withdrawn")),
             branches=goes("ask", readout_above=2.0)),
        tip="approached", scanned=False, hypotheses=(),
    )  # fmt: skip
    workflow.validate()
    assert ExperimentPlan.from_json(workflow.to_json()) == workflow
    assert workflow.step_names() == ("tune", "scan", "s3", "s4", "roughness")


SOUND = {
    "all verbs": plan(
        TUNE, image(), act("scan_again", 10.0, n_repeats=2), DOWN, act("move", x=60.0, y=60.0), UP,
        pulse(60.0, 60.0), act("wait", wait_s=1.0), act("change_bias", bias_V=1.0),
        act("change_temperature", temperature_K=300.0), act("change_field", field_T=0.5),
        act("change_focus", focus_nm=3.0), expose(), act("analyse", quantity="roughness"),
        act("expose_patch", 5.0, x_min=80.0, y_min=80.0, x_max=90.0, y_max=90.0), tip="approached",
    ),
    "either or": plan(  # 40 + 40 + 40 only if both ways were taken
        step(image(40.0), branches=goes("right", readout_above=1.0)),
        step(image(40.0, x=30.0), branches=goes("stop")),
        step(image(40.0, x=60.0), id="right"),
    ),
    "tries again": plan(step(image(20.0), id="a", branches=goes("a", readout_below=0, at_most=2))),
    "a branch over the approach": plan(
        step(image(), branches=goes("again", readout_above=1.0)), DOWN, UP,
        step(act("scan_again", 1.0, n_repeats=1), id="again"), tip="approached",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_sound_plans_have_no_problems(name):
    assert SOUND[name].problems() == []
    SOUND[name].validate()


BAD = {
    # limits
    "bias": (plan(act("change_bias", bias_V=4.0)), "bias 4 V lies outside -3 to 3 V"),
    "temperature": (plan(act("change_temperature", temperature_K=900.0)), "temperature 900 K"),
    "field": (plan(act("change_field", field_T=-2.0)), "field -2 T lies outside"),
    "focus": (plan(act("change_focus", focus_nm=51.0)), "focus 51 nm lies outside"),
    "pulse": (plan(pulse(bias_V=9.0), tip="approached"), "pulse 9 V lies outside"),
    "long pulse": (plan(pulse(pulse_s=0.2), tip="approached"), "a pulse of 0.2 s"),
    "short step": (plan(act("wait", wait_s=60.0)), "wait_s is 60, longer than the 1 s"),
    "no bias": (plan(act("change_bias", bias_V=1.0), envelope=SafetyEnvelope(1.0, (0, 0, 9, 9))),
                "no change of bias"),
    "no pulse": (plan(pulse(1, 1), envelope=SafetyEnvelope(1.0, (0, 0, 9, 9)), tip="approached"),
                 "allows no pulse"),
    # reach
    "image outside": (plan(image(x=90.0)), "(110, 20) lies outside the field of view"),
    "site outside": (plan(expose(-1.0)), "(-1, 10) lies outside"),
    "move outside": (plan(act("move", x=5.0, y=101.0)), "(5, 101) lies outside"),
    "patch outside": (plan(act("expose_patch", x_min=9, y_min=9, x_max=900, y_max=10)),
                      "(900, 10) lies outside"),
    "travel": (plan(act("move", x=0.0, y=0.0), act("move", x=100.0, y=100.0)),
               "step 2: it is 141.421 away"),
    "forbidden site": (plan(expose(50.0, 51.0)), "forbidden site"),
    "forbidden pulse": (plan(pulse(49.0, 50.0), tip="approached"), "forbidden site"),
    "forbidden patch": (plan(act("expose_patch", 1.0, x_min=10, y_min=10, x_max=49, y_max=60)),
                        "touches the forbidden site (50, 50)"),
    # sums of dose
    "step dose": (plan(image(41.0)), "dose 41 e/A^2 is above 40 a step"),
    "total dose": (plan(*[image(30.0, x=20.0 * k) for k in range(4)]),
                   "step 4: the dose so far is 120 e/A^2, above 100"),
    "site dose": (plan(expose(dose=20.0), image(30.0)),
                  "step 2: the site (10, 10) has taken 50 e/A^2, above 45"),
    "neighbour within the site": (
        plan(*[expose(10.0 + 0.1 * k, dose=16.0, irreversible=False) for k in range(3)]),
        "has taken 48 e/A^2, above 45"),
    "field dose": (plan(image(35.0), image(35.0, x=10.0)), "step 2: the point (10, 0) of the"),
    "another scan": (plan(image(35.0), act("scan_again", 35.0, n_repeats=1)), "has taken 70"),
    "scan of everything": (plan(act("scan_again", 40.0, n_repeats=1), image(30.0, x=70.0)),
                           "step 2: the point (70, 0) of the field has taken 70"),
    "duration": (plan(image(duration_s=600.0), image(x=30.0, duration_s=600.0)), "1200 s so far"),
    "budget": (plan(image(cost=60.0), image(x=30.0, cost=60.0)), "above the budget of 100"),
    "dose of a retry": (
        plan(step(image(19.0), id="a", branches=goes("a", readout_below=0.0, at_most=3))),
        "the point (0, 0) of the field has taken 76"),
    "dose of a loop": (
        plan(step(image(20.0), id="a"),
             step(image(20.0, x=40.0), branches=goes("a", readout_below=0.0, at_most=2))),
        "the dose so far is 120"),
    "dose of the longer way": (
        plan(step(image(40.0), branches=goes("last", readout_above=1.0)),
             step(image(40.0, x=30.0)), step(image(40.0, x=60.0), id="last")),
        "step 3 (last): the dose so far is 120"),
    # what cannot be undone
    "no gate": (plan(step(expose(), gate=False)), "set human_gate=True"),
    "pulse said to be harmless": (plan(pulse(irreversible=False), tip="approached"),
                                  "a tip pulse cannot be undone"),
    "too many": (plan(expose(1.0), expose(10.0), expose(20.0)), "more than 2 irreversible"),
    "site gone": (plan(expose(), expose(10.2)), "was exposed before and is gone"),
    "pulse on a site gone": (plan(expose(), pulse(), tip="approached"), "is gone"),
    "pulse again in a loop": (
        plan(step(pulse(), id="p", branches=goes("p", readout_below=1.0, at_most=1)),
             tip="approached"), "is gone"),
    # order and preconditions
    "pulse without a tip": (plan(pulse()), "needs the tip approached; here it is said to"),
    "pulse before approach": (plan(pulse(), tip="withdrawn"), "here it is withdrawn"),
    "pulse after withdraw": (plan(DOWN, pulse(), tip="approached"), "step 2: tip_pulse needs"),
    "scan after withdraw": (plan(DOWN, image(), tip="approached"), "step 2: image needs the tip"),
    "withdraw twice": (plan(DOWN, DOWN, tip="approached"), "step 2: withdraw needs"),
    "approach twice": (plan(UP, UP, tip="withdrawn"), "step 2: approach needs the tip withdrawn"),
    "pulse on one way only": (
        plan(step(TUNE, branches=goes("p", readout_above=1.0)), UP, step(pulse(), id="p"),
             tip="withdrawn"), "step 3 (p): tip_pulse needs"),
    "analyse nothing": (plan(act("analyse", quantity="roughness"), scanned=False),
                        "analyse needs a scan before it"),
    "again without a first": (plan(act("scan_again", n_repeats=1), scanned=False), "needs a scan"),
    "step not done": (
        plan(step(image(), branches=goes("b", readout_above=1.0)), step(TUNE, id="t"),
             step(image(x=30.0), id="b", preconditions=(Precondition("step done", "t"),))),
        "step 3 (b): its precondition ''t' done' does not hold"),
    "not tuned": (plan(step(image(), preconditions=(Precondition("tuned"),)),
                       tuned=False), "precondition 'tuned'"),
    "tip wanted up": (plan(step(image(), preconditions=(Precondition("tip withdrawn"),)),
                           tip="approached"), "precondition 'tip withdrawn'"),
    "dose wanted lower": (
        plan(image(30.0),
             step(expose(90.0), preconditions=(Precondition("dose below", dose=20.0),))),
        "'dose below 20' does not hold: 30"),
    "precondition of nothing": (
        plan(step(image(), preconditions=(Precondition("step done", "x"),))), "which is no step"),
    # branches
    "nowhere": (plan(step(image(), branches=goes("moon"))), "leads to 'moon', which is no step"),
    "for ever": (plan(step(image(), id="a"), step(TUNE, branches=goes("a", readout_below=1.0))),
                 "leads back to 'a' for ever"),
    "to itself": (plan(step(TUNE, id="a", branches=goes("a"))), "leads back to 'a' for ever"),
    "two limits": (plan(step(image(), branches=goes("stop", readout_below=1.0, readout_above=0.0))),
                   "not both"),
    "nothing to read": (
        plan(step(DOWN, branches=goes("stop", readout_below=1.0)), tip="approached"),
        "withdraw reads nothing"),
    "never taken": (plan(step(image(), branches=goes("stop") + goes("ask", readout_above=1.0))),
                    "stands after one always taken"),
    "never reached": (plan(step(image(), branches=goes("c")), TUNE, step(TUNE, id="c")),
                      "step 2: it can never be reached"),
    "too many ways": (
        plan(*[step(TUNE, id=f"t{k}", branches=goes("t0", readout_below=1.0, at_most=9))
               for k in range(8)], budget=1e9), "more than 20000 ways"),
    # names and hypotheses
    "same name": (plan(step(image(), id="a"), step(TUNE, id="a")), "the name 'a' is taken"),
    "reserved name": (plan(step(image(), id="stop")), "the name 'stop' is taken"),
    "number taken": (plan(step(image(), id="s2"), TUNE), "the name 's2' is taken"),
    "weights": (plan(image(), hypotheses=RIVALS[:1]), "weights of 'law' sum to 0.6, not to 1"),
    "same hypothesis": (plan(image(), hypotheses=RIVALS + RIVALS), "stands 2 times"),
    "stranger expected": (plan(step(image(), expect=(Expectation("law", "bent", 0.0, 1.0),))),
                          "expects something of 'bent'"),
    "expected twice": (plan(step(image(), expect=(Expectation("law", "flat", 0.0, 1.0),) * 2)),
                       "two things of one hypothesis"),
    "stranger told apart": (plan(step(image(), tells_apart=(("flat", "bent"),))), "tells 'bent'"),
    # abort
    "abort always": (plan(step(image(), abort=Abort("always", 2.0, 1.0))), "aborts at every"),
    "abort at once": (plan(step(image(), abort=Abort("dose", dose_above=5.0))), "aborts above"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_every_bad_plan_is_refused_with_its_reason(name):
    bad, words = BAD[name]
    assert any(words in said for said in bad.problems()), bad.problems()
    with pytest.raises(InputError, match="must not be run"):
        bad.validate()
    with pytest.raises(InputError, match="must not be run"):
        ExperimentPlan.from_json(bad.to_json())


SEEN_WHEN_DONE = [
    "bias", "temperature", "field", "focus", "pulse", "long pulse", "no bias", "no pulse",
    "image outside", "site outside", "move outside", "patch outside", "travel", "forbidden site",
    "forbidden pulse", "forbidden patch", "step dose", "total dose", "site dose",
    "neighbour within the site", "field dose", "another scan", "scan of everything", "duration",
    "dose of the longer way", "pulse said to be harmless", "too many", "site gone",
    "pulse on a site gone", "pulse without a tip", "pulse before approach", "pulse after withdraw",
    "scan after withdraw",
]  # fmt: skip


@pytest.mark.parametrize("name", SEEN_WHEN_DONE)
def test_the_independent_checker_sees_the_same_when_a_bad_plan_is_done(name):
    bad, time_s, events = BAD[name][0], 0.0, []
    for one in bad.steps:
        action = one.action
        for status, lasts in (("begun", 0.0), ("done", action.duration_s)):
            time_s += lasts
            events.append({"time_s": time_s, "verb": action.verb, "args": dict(action.args),
                           "dose": action.dose, "irreversible": action.irreversible,
                           "status": status})  # fmt: skip
    assert check_ledger(events, bad.envelope, tip=bad.starts.tip).violations
    assert check_ledger(events, bad.to_dict()["envelope"], tip=bad.starts.tip).violations


def test_unknown_verbs_and_wrong_types_are_refused_before_there_is_a_plan():
    with pytest.raises(InputError, match="verb must be one of"):
        act("teleport", x=1.0, y=1.0)
    for wrong in (True, "99", float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"Abort.readout_below .* got"):
            Abort("so", wrong)
        with pytest.raises(InputError, match=r"ExperimentPlan.budget .* got"):
            plan(image(), budget=wrong)
        with pytest.raises(InputError, match="bias_V"):
            pulse(bias_V=wrong)
    with pytest.raises(InputError, match=r"Branch.at_most"):
        Branch("so", "a", at_most=0)
    with pytest.raises(InputError, match=r"Precondition.needs"):
        Precondition("luck")
    with pytest.raises(InputError, match=r"PlanStep.action"):
        PlanStep("image")


def test_reasons_name_the_step():
    said = plan(image(), step(expose(50.0, 50.0), id="burn", gate=False)).problems()
    assert said[0].startswith("step 2 (burn): (50, 50) is a forbidden site")
    assert len(said) == 2
