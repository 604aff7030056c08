"""What a planner never asks: acts outside the envelope, beyond the budget, or at what is gone."""

import pytest

from physlearn.causal import Action, Hypothesis, Outcome, Planner, PlannerOptions, SafetyEnvelope
from physlearn.checks import InputError

ENVELOPE = SafetyEnvelope(100.0, (0, 0, 100, 100), bias_limits_volt=(-5, 5), max_irreversible=2)


def bias(value, dose=0.0):
    return Action("change_bias", {"bias_V": float(value)}, dose, 1.0, 1.0)


def line(name, slope, sd=0.5):
    return Hypothesis(name, 1.0, lambda a, rng, n: (slope * a.number("bias_V"), sd))


LINES = (line("flat", 0.0), line("steep", 1.0))
ACTS = tuple(bias(b, dose=1.0) for b in (0.5, 1.0, 2.0))


def simple():
    return Planner(LINES, ACTS, ENVELOPE, 20.0, rng=0)


def test_forgotten_questions_keep_or_give_back_their_dose():
    planner = simple()
    lost, undone = planner.ask(2)
    planner.forget(lost.id)
    planner.forget(undone.id, done=False)
    assert planner.spent.dose == 1.0
    with pytest.raises(InputError, match="not open: it is forgotten"):
        planner.forget(lost.id)


def test_acts_outside_envelope_and_budget_are_never_asked():
    site = {"x": 5.0, "y": 5.0, "bias_V": 3.0}
    acts = [
        bias(5.5), bias(0.5, dose=30.0), bias(3.0, dose=101.0),
        Action("expose_site", site, 1.0, 1.0, 1.0, irreversible=True),
        Action("expose_site", {**site, "x": 500.0}, 1.0, 1.0, 1.0),
    ]  # fmt: skip
    planner = Planner(
        (line("flat", 0.0, sd=9.0), line("steep", 0.1, sd=9.0)), acts, ENVELOPE, 9.0, rng=0,
        options=PlannerOptions(min_information_nats=0.0),
    )  # fmt: skip
    asked = []
    for _ in range(9):
        questions = planner.ask()
        if not questions:
            break
        asked.append(questions[0].action)
        planner.tell(questions[0].id, Outcome(0.1, reported={"x": 5.2}))
    # the site once (read back elsewhere, but aimed at), the dear act while the dose lasts
    assert [a.verb for a in asked].count("expose_site") == 1
    assert [a.dose for a in asked].count(30.0) == 3
    assert len(asked) == 4
    assert planner.verdict().kind == "abstain"
    assert "spent" in planner.verdict().sentence
    assert planner.ask() == ()
    assert not ENVELOPE.violations(asked)


def test_budget_ends_the_asking():
    planner = Planner((line("flat", 0.0, 9.0), line("steep", 0.5, 9.0)), ACTS, ENVELOPE, 3.5, rng=0)
    shots = 0
    while questions := planner.ask():
        shots += 1
        planner.tell(questions[0].id, Outcome(0.0))
    assert shots == 3
    assert planner.verdict().kind == "abstain"


def test_a_harmless_act_that_tells_as_much_goes_first():
    burn = Action("expose_site", {"x": 1.0, "y": 1.0, "bias_V": 1.0}, 0.0, 1.0, 1.0,
                  irreversible=True)  # fmt: skip
    planner = Planner(LINES, [burn, bias(0.98)], ENVELOPE, 9.0, rng=0)
    assert planner.ask()[0].action.verb == "change_bias"
    planner = Planner(LINES, [burn, bias(0.5)], ENVELOPE, 9.0, rng=0)
    question = planner.ask()[0]
    assert question.action.irreversible
    assert "changed for good" in question.reason


def test_warnings_name_what_was_left_out_lost_or_done_elsewhere():
    site = Action("expose_site", {"x": 99.5, "y": 1.0, "bias_V": 1.0}, 1.0, 1.0, 1.0)
    planner = Planner(
        (line("flat", 0.0, 9.0), line("steep", 0.1, 9.0)), [site, bias(9.0), bias(0.2)], ENVELOPE,
        9.0, rng=0,
    )  # fmt: skip
    assert planner.warnings == (
        "1 of 3 acts lie outside the envelope or the budget and are never asked.",
    )
    question = planner.ask()[0]
    planner.tell(question.id, Outcome(0.1, reported={"x": 100.5, "y": 1.0}))
    planner.forget(planner.ask()[0].id)
    assert "(100.5, 1) lies outside the field of view" in planner.warnings[1]
    assert planner.warnings[2].startswith("1 question may have been done without a result")


def test_patches_and_sites_changed_for_good_are_gone():
    def patch(x):
        area = {"x_min": x, "y_min": 0.0, "x_max": x + 2.0, "y_max": 2.0, "bias_V": 1.0}
        return Action("expose_patch", area, 1.0, 1.0, 1.0, irreversible=True)

    def site(x):
        return Action("expose_site", {"x": x, "y": 1.0, "bias_V": 0.9}, 1.0, 1.0, 1.0, True)

    acts = [patch(0.0), patch(1.0), patch(2.0), site(0.5), site(5.0), site(5.2)]
    envelope = SafetyEnvelope(99.0, (0, 0, 9, 9), max_irreversible=9, site_radius=0.3)
    noisy = (line("flat", 0.0, 9.0), line("steep", 0.1, 9.0))
    planner = Planner(noisy, acts, envelope, 99.0, rng=0,
                      options=PlannerOptions(min_information_nats=0.0))  # fmt: skip
    asked = []
    while questions := planner.ask():
        asked.append(acts.index(questions[0].action))
        planner.tell(questions[0].id, Outcome(0.0))
    # the second patch overlaps both others, which only share an edge; the two sites are one
    assert sorted(asked) == [0, 2, 4]
