"""Every way that the branches open through a plan, and the state of the instrument on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from physlearn.causal.dose_sums import Area, area_of
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.experiment_plans.plan_records import ENDS, Branch, PlanStep
from physlearn.checks import InputError

__all__ = [
    "MOST_NODES", "Node", "PlanFlow", "branch_taken", "leads_to_step", "next_step", "out_of_order",
    "plan_flow", "scanned_area",
]  # fmt: skip

MOST_NODES = 20_000
"""States that are looked at before a plan is refused for its branches."""

Taken = Mapping[tuple[str, int], int]
"""(name of the step, number of the branch from 0) -> how often it was taken."""


@dataclass(frozen=True, slots=True)
class Node:
    """A step about to be done, and how the instrument stands then.

    Attributes
    ----------
    step
        Position in the plan, from 0.
    tip
        "none", "approached" or "withdrawn".
    tuned
        Whether it is tuned.
    scanned
        Position of the image whose field was scanned last; -1 for that of the start, None for
        nothing scanned yet.
    place
        Position of the step that said last where to be, or None.
    taken
        How often each limited branch was taken.
    done
        Positions of the steps done, of those that preconditions name.
    """

    step: int
    tip: str
    tuned: bool
    scanned: int | None
    place: int | None
    taken: tuple[int, ...]
    done: frozenset[int]

    @property
    def order(self) -> tuple[int, int]:
        """A number that grows along every way: branches back count up how often they are taken."""
        return sum(self.taken), self.step


@dataclass(slots=True)
class PlanFlow:
    """All nodes in an order in which every way runs forward, and which node leads to which."""

    nodes: list[Node] = field(default_factory=list)
    before: dict[Node, list[Node]] = field(default_factory=dict)
    too_many: bool = False


def next_step(plan: ExperimentPlan, name: str, readout: float | None, taken: Taken) -> str:
    """Return what follows a step: the name of another, "stop" at the end, or "ask".

    Parameters
    ----------
    plan
        Valid.
    name
        Name of the step that was done (see `ExperimentPlan.step_names`).
    readout
        What was read out; None or NaN when the step failed or reads nothing. A branch that needs
        a readout that is not there asks.
    taken
        How often each branch was taken before; `branch_taken` says which one is now.

    Examples
    --------
    >>> from physlearn.causal import Action, Branch, ExperimentPlan, PlanStep, SafetyEnvelope
    >>> tune = PlanStep(Action("tune", {}, 0.0, 9.0, 1.0), id="tune",
    ...                 branches=(Branch("blunt", "tune", readout_below=0.5, at_most=2),))
    >>> plan = ExperimentPlan((tune,), (), SafetyEnvelope(1.0, (0, 0, 1, 1)), budget=9.0)
    >>> next_step(plan, "tune", 0.1, {}), next_step(plan, "tune", 0.1, {("tune", 0): 2})
    ('tune', 'stop')
    """
    names = plan.step_names()
    if name not in names:
        raise InputError(f"name must be a step of the plan ({', '.join(names)}); got {name!r}.")
    step = plan.steps[names.index(name)]
    number = branch_taken(step, name, readout, taken)
    if number is not None:
        return "ask" if number < 0 else step.branches[number].go_to
    after = names.index(name) + 1
    return names[after] if after < len(names) else "stop"


def branch_taken(step: PlanStep, name: str, readout: float | None, taken: Taken) -> int | None:
    """Return the number of the branch that holds, None for none, -1 for a readout that lacks."""
    for number, branch in enumerate(step.branches):
        if branch.at_most is not None and taken.get((name, number), 0) >= branch.at_most:
            continue
        if branch.always:
            return number
        if readout is None or math.isnan(readout):
            return -1
        if branch.holds(readout):
            return number
    return None


def plan_flow(plan: ExperimentPlan) -> PlanFlow:
    """Return every state that a plan can come to; its branches back must be limited."""
    names = plan.step_names()
    where = {name: k for k, name in enumerate(names)}
    limited = [
        (k, number)
        for k, step in enumerate(plan.steps)
        for number, branch in enumerate(step.branches)
        if branch.at_most is not None
    ]
    asked = {where[p.step] for s in plan.steps for p in s.preconditions if p.step in where}
    flow = PlanFlow()
    if not plan.steps:
        return flow
    starts = plan.starts
    first = Node(0, starts.tip, starts.tuned, -1 if starts.scanned else None, None,
                 (0,) * len(limited), frozenset())  # fmt: skip
    flow.before[first] = []
    left = [first]
    while left:
        node = left.pop()
        for step, counter in _ways(plan, node, where, limited):
            following = _after(plan, node, step, counter, asked)
            if following not in flow.before:
                flow.before[following] = []
                left.append(following)
            if node not in flow.before[following]:
                flow.before[following].append(node)
        if len(flow.before) > MOST_NODES:
            flow.too_many = True
            break
    flow.nodes = sorted(flow.before, key=lambda node: node.order)
    return flow


def _ways(
    plan: ExperimentPlan,
    node: Node,
    where: Mapping[str, int],
    limited: list[tuple[int, int]],
) -> list[tuple[int, int | None]]:
    """Return the steps that may follow, each with the limited branch that leads there."""
    ways: list[tuple[int, int | None]] = []
    for number, branch in enumerate(plan.steps[node.step].branches):
        counter = None
        if branch.at_most is not None:
            counter = limited.index((node.step, number))
            if node.taken[counter] >= branch.at_most:
                continue
        if leads_to_step(branch, where):
            ways.append((where[branch.go_to], counter))
        if branch.always:
            return ways
    if node.step + 1 < len(plan.steps):
        ways.append((node.step + 1, None))
    return ways


def leads_to_step(branch: Branch, where: Mapping[str, int]) -> bool:
    """Return whether a branch leads to a step of the plan."""
    return branch.go_to not in ENDS and branch.go_to in where


def _after(
    plan: ExperimentPlan, node: Node, step: int, counter: int | None, asked: set[int]
) -> Node:
    """Return the node of ``step`` after the act of ``node`` was done."""
    action = plan.steps[node.step].action
    tip, verb = node.tip, action.verb
    if verb in ("approach", "withdraw") and tip != "none":
        tip = "approached" if verb == "approach" else "withdrawn"
    taken = list(node.taken)
    if counter is not None:
        taken[counter] += 1
    placed = area_of(action) is not None or "x" in action.args
    return Node(
        step,
        tip,
        node.tuned or verb == "tune",
        node.step if verb == "image" else node.scanned,
        node.step if placed else node.place,
        tuple(taken),
        node.done | {node.step} if node.step in asked else node.done,
    )


def scanned_area(plan: ExperimentPlan, node: Node) -> Area | None:
    """Return the field that the act of a node scans or exposes; None for everything in view."""
    action = plan.steps[node.step].action
    if action.verb != "scan_again" or node.scanned is None or node.scanned < 0:
        return area_of(action)
    return area_of(plan.steps[node.scanned].action)


def out_of_order(verb: str, tip: str, has_scan: bool) -> Iterator[str]:
    """Yield why a verb cannot be done now, with the tip so and with or without a scan before.

    Examples
    --------
    >>> list(out_of_order("withdraw", "withdrawn", True))
    ['withdraw needs the tip approached; here it is withdrawn']
    """
    if verb in ("tip_pulse", "withdraw") and tip != "approached":
        yield f"{verb} needs the tip approached; here it is {_tip_words(tip)}"
    if verb == "approach" and tip != "withdrawn":
        yield f"approach needs the tip withdrawn; here it is {_tip_words(tip)}"
    if verb in ("image", "scan_again") and tip == "withdrawn":
        yield f"{verb} needs the tip approached; here it is withdrawn"
    if verb in ("scan_again", "analyse") and not has_scan:
        yield f"{verb} needs a scan before it"


def _tip_words(tip: str) -> str:
    return "said to have none (starts.tip)" if tip == "none" else tip
