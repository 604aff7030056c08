"""Plans with branches: what the checks say of them against every way, walked and written down."""

import numpy as np
import pytest

from physlearn.causal import (
    Action,
    Branch,
    ExperimentPlan,
    PlanStep,
    SafetyEnvelope,
    StartState,
    check_ledger,
)

ENVELOPE = SafetyEnvelope(
    30.0, (0, 0, 8, 8), max_irreversible=2, max_duration_s=12.0, max_site_dose=12.0,
    max_field_dose=14.0, pulse_limits_volt=(-9, 9), max_travel=6.0,
)  # fmt: skip


def random_action(rng):
    x, y, width = rng.integers(0, 5, 3)
    verb = rng.choice(["image", "scan_again", "expose_site", "tip_pulse", "approach", "withdraw",
                       "tune"], p=[0.25, 0.2, 0.2, 0.1, 0.05, 0.05, 0.15])  # fmt: skip
    dose = float(rng.integers(1, 6)) if verb in ("image", "scan_again", "expose_site") else 0.0
    args = {
        "image": {"x_min": x, "y_min": y, "x_max": x + width % 3 + 1, "y_max": y + 2},
        "scan_again": {"n_repeats": 1},
        "expose_site": {"x": x, "y": y},
        "tip_pulse": {"x": x, "y": y, "bias_V": 5.0, "pulse_s": 0.1},
    }.get(verb, {})
    final = verb == "tip_pulse" or (verb == "expose_site" and bool(rng.integers(2)))
    return Action(verb, args, dose, float(rng.integers(1, 4)), 1.0, final)


def random_plan(rng):
    n = int(rng.integers(2, 6))
    steps = []
    for k in range(n):
        action, branches = random_action(rng), ()
        if action.verb not in ("approach", "withdraw") and rng.random() < 0.5:
            to = rng.choice(["stop", *[f"s{j}" for j in range(1, n + 1)]])
            back = to != "stop" and int(to[1:]) <= k + 1
            branches = (Branch("so", to, readout_below=0.0, at_most=1 if back else None),)
        steps.append(PlanStep(action, branches=branches, human_gate=action.irreversible))
    tip = str(rng.choice(["approached", "withdrawn"]))
    return ExperimentPlan(tuple(steps), (), ENVELOPE, budget=99.0, starts=StartState(tip))


def all_ways(plan, k=0, taken=frozenset(), way=()):
    """Yield the steps of every way through a plan whose branches may each be taken or not."""
    if k == len(plan.steps):
        yield way
        return
    way = (*way, k)
    yield from all_ways(plan, k + 1, taken, way)
    for branch in plan.steps[k].branches:
        if branch.go_to == "stop":
            yield way
        elif branch.at_most is None:
            yield from all_ways(plan, int(branch.go_to[1:]) - 1, taken, way)
        elif k not in taken:
            yield from all_ways(plan, int(branch.go_to[1:]) - 1, taken | {k}, way)


def breaks_a_limit(plan, way):
    events, time_s = [], 0.0
    for k in way:
        action = plan.steps[k].action
        for status, lasts in (("begun", 0.0), ("done", action.duration_s)):
            time_s += lasts
            events.append({"time_s": time_s, "verb": action.verb, "args": dict(action.args),
                           "dose": action.dose, "irreversible": action.irreversible,
                           "status": status})  # fmt: skip
    return bool(check_ledger(events, plan.envelope, tip=plan.starts.tip).violations)


@pytest.mark.parametrize("seed", range(8))
def test_a_plan_is_refused_where_one_of_its_ways_breaks_a_limit_and_only_there(seed):
    rng = np.random.default_rng(seed)
    sound = refused = 0
    for _ in range(150):
        plan = random_plan(rng)
        problems = [said for said in plan.problems() if "never be reached" not in said]
        broken = any(breaks_a_limit(plan, way) for way in all_ways(plan))
        assert broken == bool(problems), (problems, plan.summary())
        refused += broken
        sound += not broken
    assert min(sound, refused) > 20
