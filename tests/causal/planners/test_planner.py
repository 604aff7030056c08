import json
import math

import numpy as np
import pytest

from physlearn.causal import (
    Action,
    ActionLibrary,
    Hypothesis,
    Outcome,
    OutcomeModel,
    Planner,
    Policy,
    SafetyEnvelope,
)  # fmt: skip
from physlearn.causal.planners.campaign_setup import PlannerOptions
from physlearn.causal.policies.situation import POLICIES, EffectTarget
from physlearn.causal.severity.options import SeverityOptions
from physlearn.checks import InputError

FEW = PlannerOptions(n_members=400)
ENVELOPE = SafetyEnvelope(100.0, (0, 0, 100, 100), bias_limits_volt=(-5, 5), max_irreversible=2)


def bias(value, dose=0.0, **args):
    return Action("change_bias", {"bias_V": float(value), **args}, dose, 1.0, 1.0)


def line(name, slope, sd=0.5, weight=1.0):
    return Hypothesis(name, weight, lambda a, rng, n: (slope * a.number("bias_V"), sd))


LINES = (line("flat", 0.0), line("steep", 1.0))
ACTS = tuple(bias(b, dose=1.0) for b in (0.5, 1.0, 2.0))


def simple(**options):
    return Planner(LINES, ACTS, ENVELOPE, 20.0, **{"rng": 0, **options})


def run(planner, world, most=40):
    """Shots until the planner stops."""
    for shot in range(most):
        questions = planner.ask()
        if not questions:
            return shot
        planner.tell(questions[0].id, Outcome(world.do(questions[0].action)))
    return most


def test_reason_names_prediction_and_dose():
    question = Planner(
        LINES, [Action("expose_site", {"x": 1.0, "y": 1.0, "site": 17, "bias_V": 0.3}, 12.0, 1, 1)],
        ENVELOPE, 9.0, rng=0,
    ).ask()[0]  # fmt: skip
    assert question.reason == (
        "expose_site at site 17, because 'flat' predicts readout +0 and 'steep' +0.3; 12 % of the "
        "dose."
    )
    assert [(e.hypothesis, e.mean, e.sd) for e in question.expected] == [
        ("flat", 0.0, 0.5), ("steep", 0.3, 0.5),
    ]  # fmt: skip
    assert not question.asked_before


def test_weights_are_bayes():
    planner = simple()
    readouts = []
    for readout in (0.7, 0.9):
        question = planner.ask()[0]
        readouts.append((question.action.number("bias_V"), readout))
        planner.tell(question.id, Outcome(readout))
    odds = math.prod(math.exp(-2 * ((r - b) ** 2 - r**2)) for b, r in readouts)
    weights = planner.verdict().weights
    assert weights["steep"] / weights["flat"] == pytest.approx(odds)
    rows = planner.summary()
    assert rows["weight of steep"].iloc[-1] == pytest.approx(weights["steep"])
    assert rows["readout"].tolist() == [0.7, 0.9]
    assert set(rows["status"]) == {"told"}


def test_stated_noise_of_a_readout_counts():
    """A readout known to a tenth tells what a hundred of the usual ones would."""
    sure, vague = simple(), simple()
    sure.tell(sure.ask()[0].id, Outcome(1.2, readout_sd=0.1))
    vague.tell(vague.ask()[0].id, Outcome(1.2, readout_sd=5.0))
    assert sure.verdict().weights["steep"] > 0.999
    assert vague.verdict().weights["steep"] == pytest.approx(0.504, abs=1e-3)


def test_what_was_read_back_counts_not_what_was_sent():
    """Commanded 2 V, reported .5 V: a readout of .5 is what the steep line expects there."""
    planner = simple()
    question = planner.ask()[0]
    assert question.action.number("bias_V") == 2.0
    planner.tell(
        question.id, Outcome(0.5, commanded={"bias_V": 2.0}, reported={"bias_V": 0.5, "z": 9.0})
    )
    assert planner.verdict().weights["steep"] == pytest.approx(1 / (1 + math.exp(-0.5)))
    unmoved = simple()
    unmoved.tell(unmoved.ask()[0].id, Outcome(0.5, reported={"bias_V": 2.0}))
    assert unmoved.verdict().weights["steep"] < 0.05


def test_failed_acts_teach_about_the_verb_and_cost_dose():
    planner = simple()
    before = planner.verdict().weights
    question = planner.ask()[0]
    assert question.success_probability == 1.0
    planner.tell(question.id, Outcome(9.0, succeeded=False, dose=3.0))
    assert planner.verdict().weights == before
    assert planner.spent.dose == 3.0
    again = planner.ask()[0]
    assert again.success_probability == pytest.approx(1 / 3)
    assert "works in 33 % of attempts" in again.reason


def test_two_tells_strangers_and_other_planners_are_refused():
    planner, other = simple(), simple()
    question, foreign = planner.ask()[0], other.ask()[0]
    with pytest.raises(InputError, match="belongs to another planner"):
        planner.tell(foreign.id, Outcome(0.0))
    with pytest.raises(InputError, match="must be one that was asked"):
        planner.tell(question.id + "9", Outcome(0.0))
    with pytest.raises(InputError, match="must be an Outcome"):
        planner.tell(question.id, 0.3)
    with pytest.raises(InputError, match=r"got a Question: give its \.id"):
        planner.tell(question, Outcome(0.3))
    with pytest.raises(InputError, match="done must be True or False; got 'no'"):
        planner.forget(question.id, done="no")
    assert planner.verdict().n_shots == 0
    planner.tell(question.id, Outcome(0.3))
    with pytest.raises(InputError, match=r"told already \(readout 0.3\)"):
        planner.tell(question.id, Outcome(0.3))
    assert planner.verdict().n_shots == 1


def test_several_at_once_and_late_in_any_order():
    planner = simple()
    first, second, third = planner.ask(3)
    assert len({first.id, second.id, third.id}) == 3
    assert len(planner.open_questions) == 3
    assert planner.spent.dose == 3.0
    planner.tell(third.id, Outcome(0.2))
    planner.forget(first.id)
    planner.tell(second.id, Outcome(0.1))
    ordered = planner.verdict().weights
    planner.tell(first.id, Outcome(0.0))
    assert planner.open_questions == ()
    straight = simple()
    for question, readout in zip(straight.ask(3), (0.0, 0.1, 0.2), strict=True):
        straight.tell(question.id, Outcome(readout))
    assert planner.verdict().weights == pytest.approx(straight.verdict().weights)
    assert ordered != planner.verdict().weights


def test_questions_asked_at_once_complement_each_other():
    """What two sites tell is asked of both, not twice of the one that tells a little more."""
    laws = [
        Hypothesis(
            "both", 1.0, lambda a, rng, n: (0.0, 1.0), noise_sd=0.1,
            joint=lambda acts, rng, n, s=sign: s * 0.15
            + rng.normal(size=(n, 2))[:, [int(a.number("site")) for a in acts]],
        )
        for sign in (1,)
    ]  # fmt: skip
    laws.append(
        Hypothesis(
            "none", 1.0, lambda a, rng, n: (0.0, 1.0), noise_sd=0.1,
            joint=lambda acts, rng, n: np.zeros((n, len(acts))),
        )
    )  # fmt: skip
    acts = [bias(0.5 + 0.001 * site, site=site) for site in (0, 1)]
    planner = Planner(laws, acts, ENVELOPE, 9.0, rng=1, options=FEW)
    assert {q.action.args["site"] for q in planner.ask(2)} == {0, 1}


def test_not_separable_without_severity(twins, toy):
    planner = Planner(twins, toy.actions, toy.envelope, 40.0, rng=2, options=FEW)
    shots = run(planner, toy.world("threshold", 1))
    assert planner.verdict().kind == "not separable"
    assert shots == 6


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_asks_allowed_acts_and_resumes(name, toy, tmp_path):
    policy = Policy(
        name, target=EffectTarget(toy.actions[-1], threshold=0.5), wanted_readout=0.4,
        edges={h.name: [("bias", "response")][: k % 2] for k, h in enumerate(toy.hypotheses)},
    )  # fmt: skip
    acts = toy.actions
    if name == "edge entropy":
        acts = tuple(Action(a.verb, {**a.args, "column": "bias"}, a.dose, 1.0, 1.0) for a in acts)
    world = toy.world("saturation", 3)

    def planner(file):
        return Planner(
            toy.hypotheses, acts, toy.envelope, 40.0, policy=policy, rng=4, options=FEW,
            state_file=tmp_path / file,
        )  # fmt: skip

    straight, stopped = planner("a.json"), planner("b.json")
    readouts = world.expected + 0.1
    for _ in range(5):
        stopped = planner("b.json")
        pairs = list(zip(straight.ask(), stopped.ask(), strict=True))
        for one, other in pairs:
            assert one.action == other.action
            assert one.reason == other.reason
            readout = float(readouts[acts.index(one.action)])
            straight.tell(one.id, Outcome(readout))
            stopped.tell(other.id, Outcome(readout))
    assert straight.verdict().weights == stopped.verdict().weights


def test_own_reward():
    def middle(situation):
        return -np.abs(np.arange(len(situation.actions)) - 1.0)

    question = simple(policy=middle).ask()[0]
    assert question.action.number("bias_V") == 1.0
    assert "reward function" in question.reason


def test_plan_of_what_is_left():
    planner = simple()
    plan = planner.plan(3)
    plan.validate()
    assert plan.steps[0].action == planner.ask()[0].action
    assert plan.envelope.max_total_dose == 100.0
    assert planner.plan().envelope.max_total_dose == 99.0
    assert json.loads(plan.to_json())["budget"] == 20.0


def test_a_plan_without_steps_says_why_and_what_is_asked_next():
    slopes = np.random.default_rng(1)
    wide = slopes.choice([-1, 1], 2000) * slopes.uniform(0.25, 1.5, 2000)  # alike in mean alone
    laws = [
        Hypothesis(
            name, 1.0, lambda a, rng, n, s=s: (s.mean() * a.number("to"), 0.2),
            joint=lambda acts, rng, n, s=s: s[:n, None] * [a.number("to") for a in acts],
            noise_sd=0.2,
        )
        for name, s in (("drives", wide), ("does not", np.zeros(2000)))
    ]  # fmt: skip
    acts = [
        Action("expose_site", {"x": x, "y": 1.0, "to": 2.0}, 5.0, 1.0, 1.0, irreversible=True)
        for x in (1.0, 5.0)
    ]
    planner = Planner(laws, acts, ENVELOPE, 20.0, rng=0)
    plan = planner.plan()
    assert not plan.steps
    assert "2 acts that cannot be undone are no steps" in plan.warnings[0]
    question = planner.ask()[0]
    assert plan.warnings[-1].endswith(f"asks next: {question.reason}")
    assert planner.plan().warnings[-1].endswith(f"asks next: {planner.ask()[0].reason}")
    planner.tell(question.id, Outcome(2.5))
    assert planner.verdict().kind == "claim"
    assert planner.ask() == ()
    assert "has its verdict" in planner.plan().warnings[-1]


def test_library_keeps_its_attempts():
    library = ActionLibrary(ACTS, {"change_bias": (3, 7)})
    question = Planner(LINES, library, ENVELOPE, 9.0, rng=0).ask()[0]
    assert question.success_probability == pytest.approx(4 / 12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hypotheses": LINES[:1]}, "at least two"),
        ({"actions": ()}, "at least one Action"),
        ({"actions": ACTS[0]}, "a row of Actions; got one Action"),
        ({"hypotheses": LINES[0]}, "a row of Hypothesis records; got one Hypothesis"),
        ({"envelope": 3.0}, "envelope must be a SafetyEnvelope"),
        ({"budget": math.nan}, "budget must be a finite number"),
        ({"budget": True}, "budget must be a finite number"),
        ({"budget": "99"}, "budget must be a finite number"),
        ({"policy": "clever"}, "policy must be one of"),
        ({"policy": 3}, "policy must be a name"),
        ({"severity": 2.0}, "severity must be SeverityOptions"),
        ({"severity": SeverityOptions(region=(0, 9))}, "region must hold actions"),
        ({"severity": SeverityOptions(), "options": 1.0}, "options must be PlannerOptions"),
    ],
)
def test_bad_input_is_refused(changes, message):
    given = {"hypotheses": LINES, "actions": ACTS, "envelope": ENVELOPE, "budget": 9.0, "rng": 0}
    given |= changes
    with pytest.raises(InputError, match=message):
        Planner(**given)
    with pytest.raises(InputError, match="n must be"):
        simple().ask(0)


def test_outcome_model_says_what_works_and_what_was_never_seen():
    def pulse(label, site):
        args = {"x": float(site), "y": 0.0, "bias_V": 2.0, "pulse_s": 0.1, "label": label}
        return Action("tip_pulse", args, 0.0, 1.0, 1.0, irreversible=True)

    seen = [
        (pulse("hole", 0), Outcome(None, succeeded=k < 6, neighbours_hit=k % 2)) for k in range(8)
    ]
    acts = [pulse("particle", 1), pulse("hole", 2), bias(0.3)]
    envelope = SafetyEnvelope(
        9.0, (0, 0, 9, 9), bias_limits_volt=(-5, 5), pulse_limits_volt=(-5, 5), max_irreversible=3
    )
    options = PlannerOptions(outcomes=OutcomeModel(seen))
    planner = Planner(LINES, acts, envelope, 9.0, rng=0, options=options)
    question = planner.ask()[0]
    # the particle would tell as much, but nothing like it was ever tried
    assert question.action.args["label"] == "hole"
    assert question.in_support
    assert question.success_probability == pytest.approx(0.7, abs=1e-3)
    assert "works in 70 % of attempts; changes 0.6 neighbours on average" in question.reason
    planner.tell(question.id, Outcome(None, succeeded=False))
    questions = planner.ask(2)
    strange = [q for q in questions if q.action.args.get("label") == "particle"]
    assert all("outside what data and attempts have shown" in q.reason for q in strange)
    assert {q.success_probability for q in questions} <= {1.0, 0.5}


def test_members_are_drawn_anew_when_few_are_left():
    """Small noise: of 400 slopes two or three agree; the exact posterior is a truncated normal."""

    def slope(name, low, high):
        def joint(actions, rng, n):
            return rng.uniform(low, high, (n, 1)) * [a.number("bias_V") for a in actions]

        return Hypothesis(name, 1.0, lambda a, rng, n: (0.0, 1.0), joint=joint, noise_sd=0.01)

    laws = (slope("weak", 0.0, 1.0), slope("strong", 1.0, 2.0))
    options = PlannerOptions(n_members=400, threshold=0.999)
    planner = Planner(laws, [bias(1.0), bias(0.5)], ENVELOPE, 9.0, rng=3, options=options)
    for readout in (0.995, 0.995, 0.995, 0.995):
        question = planner.ask()[0]
        planner.tell(question.id, Outcome(readout * question.action.number("bias_V")))
    # four readouts at 1 V: the slope is .995 +- .005 if both sides were allowed
    exact = 0.8413
    assert planner.verdict().weights["weak"] == pytest.approx(exact, abs=0.1)
    assert planner._standing.belief.members_left.min() > 20
    assert planner.warnings == ()
    acts = [bias(b) for b in np.linspace(0.2, 2.0, 12)]
    thin = Planner(
        laws, acts, ENVELOPE, 9.0, rng=3, severity=SeverityOptions(),
        options=PlannerOptions(n_members=100),
    )  # fmt: skip
    thin.tell(thin.ask()[0].id, Outcome(0.5))
    assert "members of 'weak' still agree" in thin.warnings[0]


def test_the_summary_has_its_columns_before_the_first_question():
    planner = simple()
    before = list(planner.summary().columns)
    planner.tell(planner.ask()[0].id, Outcome(0.3))
    assert list(planner.summary().columns) == before
