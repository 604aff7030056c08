import pytest

from physlearn.causal import (
    Action,
    Branch,
    ExperimentPlan,
    PlanStep,
    SafetyEnvelope,
    next_step,
)
from physlearn.causal.experiment_plans.plan_flow import plan_flow

LOW = Branch("low", "first", readout_below=0.0, at_most=2)
HIGH = Branch("high", "last", readout_above=5.0)
LOST = Branch("lost", "ask", readout_above=2.0)


@pytest.fixture
def plan():
    tune = Action("tune", {}, 0.0, 1.0, 1.0)
    steps = (
        PlanStep(tune, id="first", branches=(LOW, HIGH, LOST)),
        PlanStep(tune),
        PlanStep(tune, id="last", branches=(Branch("done", "stop"),)),
        PlanStep(tune),
    )
    return ExperimentPlan(steps, (), SafetyEnvelope(1.0, (0, 0, 1, 1)), budget=99.0)


def test_the_first_branch_that_holds_says_where_to_go(plan):
    assert next_step(plan, "first", -1.0, {}) == "first"
    assert next_step(plan, "first", -1.0, {("first", 0): 2}) == "s2"
    assert next_step(plan, "first", 0.0, {}) == "s2"
    assert next_step(plan, "first", 3.0, {}) == "ask"
    assert next_step(plan, "first", 9.0, {}) == "last"
    assert next_step(plan, "last", None, {}) == "stop"
    assert next_step(plan, "s4", None, {}) == "stop"
    assert next_step(plan, "s2", None, {}) == "last"


def test_a_readout_that_lacks_is_asked_for(plan):
    assert next_step(plan, "first", None, {}) == "ask"


def test_every_way_is_looked_at_and_runs_forward(plan):
    flow = plan_flow(plan)
    # first is done once, twice or three times; each time the plan may go on; s4 is never reached
    assert sorted((n.taken[0], n.step) for n in flow.nodes) == [
        (k, step) for k in range(3) for step in (0, 1, 2)
    ]
    position = {node: k for k, node in enumerate(flow.nodes)}
    assert all(position[b] < position[n] for n in flow.nodes for b in flow.before[n])
    ways = {node.step: len(flow.before[node]) for node in flow.nodes if node.taken == (0,)}
    assert ways == {0: 0, 1: 1, 2: 2}
