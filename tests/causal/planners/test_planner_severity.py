"""Planner with a severity test: claims after tests, none of these, not separable, references."""

import numpy as np
import pytest

from physlearn.causal import Outcome, Planner, Policy
from physlearn.causal.planners.campaign_setup import PlannerOptions
from physlearn.causal.severity.options import SeverityOptions

OPTIONS = PlannerOptions(n_members=500)
SEVERITY = SeverityOptions(max_shots=30)


def campaign(toy, severity=SEVERITY, **changes):
    given = {"hypotheses": toy.hypotheses, "policy": "information", "options": OPTIONS, "rng": 1}
    given |= changes
    return Planner(
        given.pop("hypotheses"), toy.actions, toy.envelope, 100.0, severity=severity, **given
    )


def run(planner, world):
    purposes = []
    while questions := planner.ask():
        purposes.append(questions[0].purpose)
        planner.tell(questions[0].id, Outcome(world.do(questions[0].action)))
    return purposes


def test_claims_come_after_tests_of_the_leader(toy):
    claimed = []
    for seed, name in ((0, "saturation"), (1, "saturation"), (2, "threshold")):
        planner = campaign(toy)
        purposes = run(planner, toy.world(name, seed))
        verdict = planner.verdict()
        claimed.append(verdict.kind == "claim" and verdict.hypothesis == name)
        assert set(purposes) == {"policy", "test the leader"}
        assert verdict.kind in ("claim", "abstain", "none")
        if verdict.kind == "claim":
            assert min(v for k, v in verdict.e_values.items() if k != "none of these") >= 10
            assert "to within" in verdict.sentence
            assert any("drift" in part for part in verdict.untested)
        reasons = planner.summary()["reason"]
        assert any("leads and a deviation from it would show here" in r for r in reasons)
    assert sum(claimed) >= 2


def test_truth_outside_the_set_is_not_claimed(toy):
    kinds = []
    for seed in range(4):
        planner = campaign(toy)
        run(planner, toy.world("outside", seed))
        kinds.append(planner.verdict().kind)
    # a false claim in .1 of runs is allowed: three of four would have a probability of .004
    assert kinds.count("claim") <= 2
    assert "none" in kinds


def test_same_hypotheses_are_not_separable(toy, twins):
    planner = campaign(toy, hypotheses=twins)
    run(planner, toy.world("threshold", 0))
    assert planner.verdict().kind == "not separable"
    assert planner.ask() == ()


def test_reference_shots_are_interleaved_and_stand_apart(toy):
    severity = SeverityOptions(max_shots=12, reference_every=3)
    planner = campaign(toy, severity)
    purposes = run(planner, toy.world("saturation", 0))
    # the first of all, then one after three others
    assert [k for k, p in enumerate(purposes) if p == "reference"] == list(
        range(0, len(purposes), 4)
    )
    rows = planner.summary()
    references = rows[rows["purpose"] == "reference"]
    assert len({str(args) for args in references["args"]}) == 1
    assert references["dose"].iloc[0] == min(a.dose for a in toy.actions)
    assert planner.verdict().drift.tested
    assert "drift of the instrument" in references["reason"].iloc[0]


def test_random_stays_random_under_the_same_rule(toy):
    planner = campaign(toy, policy="random")
    assert set(run(planner, toy.world("saturation", 0))) == {"policy"}


def test_region_counts_acts_as_the_planner_does(toy):
    cheap = tuple(j for j, a in enumerate(toy.actions) if a.dose < 10)
    severity = SeverityOptions(max_shots=25, region=cheap)
    planner = campaign(toy, severity)
    run(planner, toy.world("threshold", 3))
    assert np.flatnonzero(planner.verdict().tested_region).tolist() == list(cheap)
    tested = planner.summary().query("purpose == 'test the leader'")
    assert (tested["dose"] < 10).all()


def test_declared_test_stands_in_the_plan(toy):
    planner = campaign(toy)
    declared = planner.plan(2).declared
    assert [d.name for d in declared] == ["severity test"]
    assert len(declared[0].value) == 64


def test_late_results_and_resumption_give_the_same_evidence(toy, tmp_path):
    world = toy.world("saturation", 5)
    path = tmp_path / "state.json"
    straight, stopped = campaign(toy), campaign(toy, state_file=path)
    for _ in range(4):
        pair = straight.ask(2)
        stopped = campaign(toy, state_file=path)
        other = stopped.ask(2)
        assert [q.action for q in pair] == [q.action for q in other]
        readouts = [world.do(q.action) for q in pair]
        for q, readout in zip(pair, readouts, strict=True):
            straight.tell(q.id, Outcome(readout))
        for q, readout in zip(other[::-1], readouts[::-1], strict=True):
            stopped.tell(q.id, Outcome(readout))
    assert straight.verdict().weights == pytest.approx(stopped.verdict().weights, rel=1e-5)
    assert straight.verdict().e_values == pytest.approx(stopped.verdict().e_values, rel=1e-3)


def test_dose_is_saved_where_it_counts(toy):
    """Per dose without a guard: a small share of the dose of plain information."""
    doses = []
    for per in ("act", "dose"):
        spent = []
        for seed in range(6):
            planner = campaign(toy, None, policy=Policy(per=per))
            run(planner, toy.world("saturation", seed))
            spent.append(planner.spent.dose)
        doses.append(np.mean(spent))
    assert doses[1] < 0.5 * doses[0]


def test_evidence_and_belief_agree_where_acts_were_read_back_elsewhere(toy):
    """Commanded and reported bias differ by half a volt: both sides ask what is expected there."""
    planner = campaign(toy)
    rng = np.random.default_rng(0)
    for _ in range(5):
        question = planner.ask()[0]
        reported = {"bias_V": question.action.number("bias_V") + 0.5}
        planner.tell(question.id, Outcome(float(rng.normal(0.4, 0.3)), reported=reported))
    belief = planner._standing.belief.weights
    assert list(planner.verdict().weights.values()) == pytest.approx(belief, rel=1e-4)
    plain = campaign(toy)
    rng = np.random.default_rng(0)
    for _ in range(5):
        plain.tell(plain.ask()[0].id, Outcome(float(rng.normal(0.4, 0.3))))
    assert list(plain.verdict().weights.values()) != pytest.approx(belief, rel=0.05)


def test_stated_noise_of_a_readout_reaches_the_evidence(toy):
    planner = campaign(toy)
    planner.tell(planner.ask()[0].id, Outcome(0.4, readout_sd=30.0))
    assert list(planner.verdict().weights.values()) == pytest.approx([1 / 3] * 3, abs=1e-3)


@pytest.mark.parametrize("severity", [SEVERITY, None])
def test_excluded_hypotheses_stay_finite(toy, severity):
    """Readouts thousands of standard deviations off leave no weight that a float can hold."""
    planner = campaign(toy, severity)
    for readout in (300.0, 0.5, 0.5):
        for question in planner.ask():
            planner.tell(question.id, Outcome(readout))
    expected = [e.mean for q in planner.ask() for e in q.expected]
    assert np.isfinite(expected).all()
    assert np.isfinite(list(planner.verdict().weights.values())).all()
    assert sum(planner.verdict().weights.values()) == pytest.approx(1.0)
