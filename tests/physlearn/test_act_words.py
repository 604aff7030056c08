"""Every verb of the instrument is said in plain words, with its units."""

import pytest

from physlearn.act_words import NAMES, act_name, act_place, dose_text
from physlearn.causal import Action, ExperimentPlan, PlanStep, SafetyEnvelope
from physlearn.causal.verbs import VERBS
from physlearn.findings import Findings
from physlearn.report.plan_prose import plan_rows
from physlearn.words import headlines

AREA = {"x_min": 0.0, "y_min": 1.0, "x_max": 20.0, "y_max": 30.5}
PLACE = {"x": 3.0, "y": 4.0}
EXAMPLES = {
    "image": (AREA, "x 0 to 20, y 1 to 30.5 nm"),
    "scan_again": ({"n_repeats": 3}, "3×"),
    "move": (PLACE, "to x 3, y 4 nm"),
    "expose_site": (PLACE, "at x 3, y 4 nm"),
    "expose_patch": (AREA, "x 0 to 20, y 1 to 30.5 nm"),
    "tip_pulse": ({**PLACE, "bias_V": -3.0, "pulse_s": 0.1}, "at x 3, y 4 nm, −3 V for 0.1 s"),
    "change_bias": ({"bias_V": -1.5}, "to −1.5 V"),
    "change_temperature": ({"temperature_K": 300.0}, "to 300 K"),
    "change_field": ({"field_T": 0.25}, "to 0.25 T"),
    "change_focus": ({"focus_nm": -20.0}, "to −20 nm"),
    "wait": ({"wait_s": 30.0}, "for 30 s"),
    "tune": ({}, ""),
    "approach": ({}, ""),
    "withdraw": ({}, ""),
    "analyse": ({"quantity": "wall_roughness"}, "its wall roughness"),
}


def act(verb):
    return Action(verb, EXAMPLES[verb][0], 1.0, 30.0, 1.0)


def test_no_verb_is_forgotten():
    assert set(EXAMPLES) == set(NAMES) == set(VERBS)


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_words_and_units(verb):
    action = act(verb)
    assert act_place(action, "nm") == EXAMPLES[verb][1]
    assert "_" not in act_name(action)


@pytest.mark.parametrize("verb", list(VERBS))
def test_a_plan_that_begins_with_any_verb_is_said_in_report_and_headline(verb):
    envelope = SafetyEnvelope(10.0, (0, 0, 100, 100), bias_limits_volt=(-2, 2))
    plan = ExperimentPlan((PlanStep(act(verb), reason="to see"),), (), envelope, budget=10.0)
    found = Findings("a picture", 1, plan=plan)
    (row,) = plan_rows(found)
    assert row["do"] == NAMES[verb]
    assert row["where"]
    assert row["dose"] == "1 e/A²"
    (answer,) = headlines(found)
    assert answer.state == "plan"
    assert "_" not in answer.sentence
    assert answer.sentence[0].isupper()


def test_what_an_exposure_sets_and_what_cannot_be_undone_is_said():
    args = {"x": 1.0, "y": 2.0, "patch": 3, "column": "local_composition", "to": 0.25}
    burn = Action("expose_site", args, 2.0, 1.0, 1.0, irreversible=True)
    assert act_place(burn, "angstrom") == (
        "at x 1, y 2 Å, until the patch’s local composition is 0.25"
    )
    envelope = SafetyEnvelope(10.0, (0, 0, 9, 9), dose_unit="pictures")
    steps = (PlanStep(burn, reason="to see", human_gate=True),)
    (row,) = plan_rows(Findings("a", 1, plan=ExperimentPlan(steps, (), envelope, budget=10.0)))
    assert row["do"] == "expose one site (cannot be undone)"
    assert row["dose"] == "2 pictures"
    assert dose_text(1.0, "pictures") == "1 picture"
