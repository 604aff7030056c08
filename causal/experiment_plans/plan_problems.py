"""Everything that can be wrong with a plan, found before anything moves."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from physlearn.causal.dose_sums import Area, DoseSums, dose_sums, middle_of
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.experiment_plans.plan_flow import (
    MOST_NODES,
    Node,
    PlanFlow,
    leads_to_step,
    out_of_order,
    plan_flow,
    scanned_area,
)
from physlearn.causal.experiment_plans.plan_records import ENDS, PlanStep, Precondition
from physlearn.causal.verbs import MEASURING_VERBS

__all__ = ["plan_problems"]

WEIGHT_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class _Problem:
    """A sentence, and the position of the step that it is about; -1 for the whole plan."""

    step: int
    said: str


def plan_problems(plan: ExperimentPlan) -> list[str]:
    """Return every problem of a plan as a sentence, those of the first step first."""
    found = [*_of_hypotheses(plan), *_of_steps(plan)]
    branches = list(_of_branches(plan))
    found += branches
    if not branches and plan.steps:
        flow = plan_flow(plan)
        if flow.too_many:
            said = f"the branches open more than {MOST_NODES} ways to check: use fewer of them"
            found.append(_Problem(-1, said))
        else:
            found += _of_order(plan, flow)
            found += _of_sums(plan, flow)
    found.sort(key=lambda problem: problem.step)  # stable: those of one step stay in order
    names = plan.step_names()
    return list(dict.fromkeys(_text(plan, names, problem) for problem in found))


def _text(plan: ExperimentPlan, names: tuple[str, ...], problem: _Problem) -> str:
    if problem.step < 0:
        return problem.said
    named = f" ({names[problem.step]})" if plan.steps[problem.step].id else ""
    return f"step {problem.step + 1}{named}: {problem.said}"


def _of_hypotheses(plan: ExperimentPlan) -> Iterator[_Problem]:
    weights: dict[str, list[float]] = defaultdict(list)
    seen = Counter((h.question, h.name) for h in plan.hypotheses)
    for (question, name), count in seen.items():
        if count > 1:
            yield _Problem(-1, f"hypothesis {name!r} of {question!r} stands {count} times")
    for hypothesis in plan.hypotheses:
        weights[hypothesis.question].append(hypothesis.weight)
    for question, group in weights.items():
        total = math.fsum(group)
        if abs(total - 1) > WEIGHT_ROUNDING:
            yield _Problem(-1, f"the weights of {question!r} sum to {total:g}, not to 1")


def _of_steps(plan: ExperimentPlan) -> Iterator[_Problem]:
    """Say what is wrong with each step by itself."""
    known = {(h.question, h.name) for h in plan.hypotheses}
    hypotheses = {name for _, name in known}
    names = plan.step_names()
    for k, step in enumerate(plan.steps):
        for reason in plan.envelope.broken_by(step.action):
            yield _Problem(k, reason)
        if names[k] in ENDS or names.index(names[k]) < k:
            yield _Problem(k, f"the name {names[k]!r} is taken")
        expected = [(e.question, e.hypothesis) for e in step.expect]
        for question, name in dict.fromkeys(e for e in expected if e not in known):
            yield _Problem(k, f"it expects something of {name!r} ({question}), no hypothesis here")
        if len(set(expected)) < len(expected):
            yield _Problem(k, "it expects two things of one hypothesis")
        for name in {name for pair in step.tells_apart for name in pair} - hypotheses:
            yield _Problem(k, f"it tells {name!r} apart, no hypothesis here")
        if step.action.irreversible and not step.human_gate:
            yield _Problem(k, "it cannot be undone, so a person must agree: set human_gate=True")
        yield from _of_abort(k, step)


def _of_abort(k: int, step: PlanStep) -> Iterator[_Problem]:
    abort = step.abort
    low, high = abort.readout_below, abort.readout_above
    if low is not None and high is not None and low > high:
        yield _Problem(k, f"it aborts at every readout: below {low:g} and above {high:g}")
    if abort.dose_above is not None and abort.dose_above < step.action.dose:
        yield _Problem(
            k, f"it aborts above a dose of {abort.dose_above:g} and gives {step.action.dose:g}"
        )


def _of_branches(plan: ExperimentPlan) -> Iterator[_Problem]:
    """Say which branches lead nowhere, back for ever, or are never taken."""
    names = plan.step_names()
    where = {name: k for k, name in enumerate(names)}
    for k, step in enumerate(plan.steps):
        ended = False
        for branch in step.branches:
            if branch.go_to not in ENDS and branch.go_to not in where:
                yield _Problem(k, f"a branch leads to {branch.go_to!r}, which is no step")
            if leads_to_step(branch, where) and where[branch.go_to] <= k and branch.at_most is None:
                yield _Problem(k, f"a branch leads back to {branch.go_to!r} for ever: set at_most")
            if branch.readout_below is not None and branch.readout_above is not None:
                yield _Problem(k, "a branch must have readout_below or readout_above, not both")
            if not branch.always and step.action.verb not in MEASURING_VERBS:
                yield _Problem(k, f"a branch needs a readout, and {step.action.verb} reads nothing")
            if ended:
                yield _Problem(k, f"the branch to {branch.go_to!r} stands after one always taken")
            ended = ended or (branch.always and branch.at_most is None)
        for needed in step.preconditions:
            if needed.needs == "step done" and needed.step not in where:
                yield _Problem(k, f"it needs {needed.step!r} to be done, which is no step")
            if needed.needs == "dose below" and needed.dose is None:
                yield _Problem(k, "its precondition 'dose below' must have a dose")


def _of_order(plan: ExperimentPlan, flow: PlanFlow) -> Iterator[_Problem]:
    """Say what cannot be done where it stands, on any way through the branches."""
    where = {name: k for k, name in enumerate(plan.step_names())}
    for node in flow.nodes:
        step = plan.steps[node.step]
        for said in out_of_order(step.action.verb, node.tip, node.scanned is not None):
            yield _Problem(node.step, said)
        for needed in step.preconditions:
            said = _unmet(needed, node, where)
            if said:
                yield _Problem(node.step, said)
        place = None if node.place is None else middle_of(plan.steps[node.place].action)
        for said in plan.envelope.too_far(place, step.action):
            yield _Problem(node.step, said)
    for k in sorted(set(range(len(plan.steps))) - {node.step for node in flow.nodes}):
        yield _Problem(k, "it can never be reached")


def _unmet(needed: Precondition, node: Node, where: dict[str, int]) -> str:
    met = {
        "step done": where.get(needed.step) in node.done,
        "tip approached": node.tip == "approached",
        "tip withdrawn": node.tip == "withdrawn",
        "tuned": node.tuned,
        "field scanned": node.scanned is not None,
        "dose below": True,  # with the other sums
    }[needed.needs]
    what = f"{needed.step!r} done" if needed.needs == "step done" else needed.needs
    return "" if met else f"its precondition '{what}' does not hold"


def _of_sums(plan: ExperimentPlan, flow: PlanFlow) -> Iterator[_Problem]:
    """Say which sum is too large after which step, on the way on which it is largest."""
    rows: dict[tuple[int, Area | None], int] = {}
    for node in flow.nodes:
        rows.setdefault((node.step, scanned_area(plan, node)), len(rows))
    acts = [(plan.steps[k].action, area) for k, area in rows]
    sums = _with_cost(dose_sums(acts, plan.envelope), plan, [k for k, _ in rows])
    so_far: dict[Node, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    for node in flow.nodes:
        row = rows[node.step, scanned_area(plan, node)]
        earlier = [so_far[b] for b in flow.before[node]]
        given = np.max(earlier, axis=0) if earlier else np.zeros(len(sums.limits))
        for needed in plan.steps[node.step].preconditions:
            if needed.needs == "dose below" and needed.dose is not None and given[0] > needed.dose:
                said = f"its precondition 'dose below {needed.dose:g}' does not hold: {given[0]:g}"
                yield _Problem(node.step, said)
        so_far[node] = given + sums.added[row]
        for said in sums.too_large(row, so_far[node]):
            yield _Problem(node.step, said)


def _with_cost(sums: DoseSums, plan: ExperimentPlan, steps: list[int]) -> DoseSums:
    costs = np.array([plan.steps[k].action.cost for k in steps])
    return DoseSums(
        np.column_stack([sums.added, costs]),
        np.append(sums.limits, plan.budget),
        (*sums.sentences,
         lambda v: f"the steps so far cost {v:g}, above the budget of {plan.budget:g}"),
    )  # fmt: skip
