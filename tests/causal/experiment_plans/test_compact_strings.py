import dataclasses

import numpy as np
import pytest

from physlearn.causal import (
    Action,
    Branch,
    ExperimentPlan,
    PlanStep,
    PlanVocabulary,
    SafetyEnvelope,
    StartState,
    check_ledger,
    plan_from_string,
    plan_to_string,
)
from physlearn.causal.experiment_plans.compact_strings import BRANCH_LETTERS, VERB_LETTERS
from physlearn.causal.experiment_plans.string_grid import SYMBOLS, StringGrid
from physlearn.causal.verbs import MEASURING_VERBS, VERBS
from physlearn.checks import InputError

ENVELOPES = (
    SafetyEnvelope(63.0, (0, 0, 63, 63)),
    SafetyEnvelope(  # every limit
        100.0, (-0.1, -0.2, 0.3, 0.7), max_step_dose=30.0, bias_limits_volt=(-3, 2.9),
        max_irreversible=3, max_duration_s=2000.0, forbidden_sites=((0.1, 0.2, 0.05),),
        max_site_dose=45.0, max_field_dose=50.0, site_radius=0.1, pulse_limits_volt=(-8, 8),
        max_pulse_s=0.3, temperature_limits_kelvin=(250, 400), field_limits_tesla=(-1, 1),
        focus_limits_nanometre=(-50, 50), max_travel=0.7,
    ),
    SafetyEnvelope(  # a tip, and no dose at all
        0.0, (0, 0, 1, 1), max_irreversible=9, pulse_limits_volt=(-4, 4), bias_limits_volt=(1, 1)
    ),
    SafetyEnvelope(1.0, (0, 0, 10, 10), max_irreversible=0, max_site_dose=0.5, max_field_dose=0.1),
)  # fmt: skip
TIPS = ("none", "approached", "withdrawn")
WILD = "".join(map(chr, [*range(32, 127), 0xE9, 0x3B1, 0x20AC, 0x4E2D, 0x1F600, 9, 10]))


def random_text(rng):
    letters = (SYMBOLS, WILD, "".join([*VERB_LETTERS.values(), *BRANCH_LETTERS.values()]))
    return "".join(rng.choice(list(letters[rng.integers(3)]), rng.integers(0, 60)))


def events_of(plan, rng):
    """What an instrument would report that ends at any branch, or never."""
    events, time_s = [], 0.0
    for step in plan.steps:
        action = step.action
        event = {"verb": action.verb, "args": dict(action.args), "dose": action.dose,
                 "irreversible": action.irreversible}  # fmt: skip
        events.append({**event, "time_s": time_s, "status": "begun"})
        time_s += action.duration_s
        events.append({**event, "time_s": time_s, "status": "done"})
        if step.branches and rng.random() < 0.2:
            break
    return events


def test_ten_thousand_random_strings_break_no_limit_by_the_independent_checker():
    rng = np.random.default_rng(1303)
    steps = dict.fromkeys(VERBS, 0)
    for number in range(10_000):
        envelope, tip = ENVELOPES[number % len(ENVELOPES)], TIPS[rng.integers(3)]
        vocabulary = PlanVocabulary(StartState(tip, scanned=bool(rng.integers(2))))
        text = random_text(rng)
        plan = plan_from_string(text, envelope, 60.0, vocabulary=vocabulary)
        assert plan.problems() == [], text
        report = check_ledger(events_of(plan, rng), envelope, tip=tip)
        assert report.violations == (), text
        assert sum(step.action.cost for step in plan.steps) <= 60.0 * (1 + 1e-9)
        for step in plan.steps:
            steps[step.action.verb] += 1
    assert min(steps.values()) > 100, steps  # nothing is left out altogether


def test_what_was_read_is_written_and_read_again():
    rng = np.random.default_rng(7)
    n_steps = 0
    for number in range(1000):
        vocabulary = PlanVocabulary(StartState(TIPS[number % 3]))
        envelope = ENVELOPES[number % len(ENVELOPES)]
        plan = plan_from_string(random_text(rng), envelope, 500.0, vocabulary=vocabulary)
        text = plan_to_string(plan, vocabulary=vocabulary)
        assert plan_from_string(text, envelope, 500.0, vocabulary=vocabulary) == plan
        n_steps += len(plan.steps)
    assert n_steps > 2000


def plan_of_levels(rng, envelope, vocabulary):
    """A plan with values of the grid, put together without the reader of strings."""
    grid = StringGrid(envelope, vocabulary)
    able = [v for v in VERBS if all(grid.choices[v, name] for name in grid.names(v))]
    steps = []
    for verb in rng.choice(able, rng.integers(1, 6)):
        values = {}
        for name in grid.names(verb):
            choices = grid.choices[verb, name]
            # few levels: sites, edges and sums that coincide, and plans that are sound at times
            values[name] = choices[int(rng.integers(len(choices))) // 9 * 9 % len(choices)]
        try:
            action = grid.action(str(verb), values)
        except InputError:  # edges in the wrong order
            continue
        side = {rng.choice(["readout_below", "readout_above"]): grid.readouts[rng.integers(64)]}
        branches = (Branch("so", str(rng.choice(["stop", "ask"])), **side),)
        branches = branches if verb in MEASURING_VERBS and rng.random() < 0.3 else ()
        steps.append(PlanStep(action, branches=branches, human_gate=action.irreversible))
    return ExperimentPlan(tuple(steps), (), envelope, 60.0, starts=vocabulary.starts)


def test_every_sound_plan_of_the_grid_is_a_string_and_no_other():
    rng = np.random.default_rng(11)
    sound = refused = 0
    for number in range(1000):
        envelope = ENVELOPES[number % len(ENVELOPES)]
        vocabulary = PlanVocabulary(StartState(TIPS[rng.integers(3)]))
        plan = plan_of_levels(rng, envelope, vocabulary)
        if plan.problems():
            refused += 1
            with pytest.raises(InputError, match="no string says"):
                plan_to_string(plan, vocabulary=vocabulary)
            continue
        sound += len(plan.steps) > 0
        text = plan_to_string(plan, vocabulary=vocabulary)
        again = plan_from_string(text, envelope, 60.0, vocabulary=vocabulary)
        assert [step.action for step in again.steps] == [step.action for step in plan.steps]
    assert min(sound, refused) > 150


def test_letters_levels_and_spaces():
    vocabulary = PlanVocabulary(StartState("approached"))
    assert len(set(SYMBOLS)) == len(SYMBOLS) == 64
    letters = [*VERB_LETTERS.values(), *BRANCH_LETTERS.values()]
    assert len(set(letters)) == len(letters)
    assert set(VERB_LETTERS) == set(VERBS)
    plan = plan_from_string("t  iA0-K5 sZ\n m--q0", ENVELOPES[0], 99.0, vocabulary=vocabulary)
    tune, image, move, analyse = (step.action for step in plan.steps)
    assert (tune.verb, move.args, analyse.args) == (
        "tune", {"x": 63.0, "y": 63.0}, {"quantity": "roughness"})  # fmt: skip
    assert dict(image.args) == {"x_min": 10.0, "y_min": 0.0, "x_max": 63.0, "y_max": 20.0}
    assert image.dose == 5.0
    assert plan.steps[1].branches[0].readout_below == pytest.approx(-1 + 2 * 35 / 63)
    assert plan_to_string(plan, vocabulary=vocabulary) == "t iA0-K5sZ m-- q0"


def test_the_workflow_tune_scan_move_withdraw_analyse_roughness_is_a_string():
    vocabulary = PlanVocabulary(StartState("approached", scanned=False))
    plan = plan_from_string("t i00zz1 mzz u q0", ENVELOPES[0], 99.0, vocabulary=vocabulary)
    assert [step.action.verb for step in plan.steps] == [
        "tune", "image", "move", "withdraw", "analyse"]  # fmt: skip
    plan.validate()


@pytest.mark.parametrize(
    ("text", "verbs", "why"),
    [
        ("ui00zz1ai00zz1", ["withdraw", "approach", "image"], "no scan while the tip is withdrawn"),
        ("p0000p0000", ["tip_pulse"], "a site is changed once"),
        ("p0000pV000p-000p-V00", ["tip_pulse"] * 3, "three changes are allowed"),
        ("eVSz", [], "a forbidden site"),
        ("m00m--", ["move"], "too far"),
        ("i00zzzi00zzzi00zzz", ["image"] * 3, "the dose shrinks"),
        ("s0u", ["withdraw"], "a branch without a step"),
        ("us0", ["withdraw"], "a branch on nothing read"),
        ("", [], "nothing"),
    ],
)
def test_what_is_not_allowed_is_left_out(text, verbs, why):
    vocabulary = PlanVocabulary(StartState("approached"))
    plan = plan_from_string(text, ENVELOPES[1], 99.0, vocabulary=vocabulary)
    assert [step.action.verb for step in plan.steps] == verbs, why
    assert not any(step.branches for step in plan.steps)
    plan.validate()


def test_a_dose_shrinks_to_what_is_left():
    plan = plan_from_string("i00zz- i00zz- i00zz-", ENVELOPES[1], 99.0)
    first, second, third = (step.action.dose for step in plan.steps)
    assert first == 30.0
    assert second == max(30.0 * k / 63 for k in range(64) if 30.0 * k / 63 <= 20.0)
    assert third <= 50.0 - first - second


def test_what_no_string_says_is_refused():
    plan = plan_from_string("i00zz5 q0", ENVELOPES[0], 99.0)
    image = plan.steps[0]
    for action, words in (
        (dataclasses.replace(image.action, dose=5.5), "image.dose must be a level"),
        (dataclasses.replace(image.action, duration_s=1.0), "no string says step 1"),
        (Action("image", {**image.action.args, "x_min": 0.5}, 5.0, 240.0, 4.0), "image.x_min"),
    ):
        other = dataclasses.replace(plan, steps=(dataclasses.replace(image, action=action),))
        with pytest.raises(InputError, match=words):
            plan_to_string(other)
    branch = Branch("so", "s2", readout_below=-1.0)
    away = dataclasses.replace(plan, steps=(dataclasses.replace(image, branches=(branch,)),))
    with pytest.raises(InputError, match="can only stop or ask"):
        plan_to_string(away)
    with pytest.raises(InputError, match="starts must be"):
        plan_to_string(plan, vocabulary=PlanVocabulary(StartState("approached")))
    too_much = dataclasses.replace(plan, steps=(image,) * 20, budget=10.0)
    with pytest.raises(InputError, match="no string says step 3"):
        plan_to_string(too_much)


def test_bad_input():
    with pytest.raises(InputError, match="text"):
        plan_from_string(7, ENVELOPES[0], 1.0)
    for wrong in (0.0, True, "9", float("nan")):
        with pytest.raises(InputError, match="budget"):
            plan_from_string("t", ENVELOPES[0], wrong)
    for options, words in (
        ({"scan_s": 0.0}, "scan_s"),
        ({"readout_range": (1.0, 1.0)}, "readout_range"),
        ({"quantities": ()}, "quantities"),
        ({"most_repeats": 65}, "most_repeats"),
    ):
        with pytest.raises(InputError, match=words):
            PlanVocabulary(**options)
    with pytest.raises(InputError, match="plan must be an ExperimentPlan; got NoneType"):
        plan_to_string(None)
