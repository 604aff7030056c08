"""Carry out a plan step by step: gates, abort rules and branches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from physlearn.causal.actions import Action
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.experiment_plans.plan_flow import branch_taken, next_step
from physlearn.causal.experiment_plans.plan_records import Abort, PlanStep
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["PlanRun", "abort_reason", "run_plan"]


@dataclass(frozen=True, slots=True)
class PlanRun:
    """What came of a plan.

    Attributes
    ----------
    steps
        Names of the steps done, in the order in which they were done.
    outcomes
        What came of each.
    ended
        Why it ended, in words: "the plan is done", "a person must decide after s3", "s2 was not
        approved", "s2 was aborted: ...".

    Examples
    --------
    >>> from physlearn.causal import DigitalTwin, PlanStep, ResponseSample, SafetyEnvelope
    >>> twin = DigitalTwin(ResponseSample(lambda act: act.number("bias_V")))
    >>> step = PlanStep(Action("change_bias", {"bias_V": 2.0}, 0.0, 5.0, 1.0))
    >>> envelope = SafetyEnvelope(1.0, (0, 0, 1, 1), bias_limits_volt=(-3, 3))
    >>> done = twin.run(ExperimentPlan((step,), (), envelope, budget=5.0))
    >>> done.steps, done.outcomes[0].readout, done.ended
    (('s1',), 2.0, 'the plan is done')
    """

    steps: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    ended: str

    __repr__ = short_repr
    _repr_html_ = html_table


def run_plan(
    do: Callable[[Action], Outcome],
    plan: ExperimentPlan,
    tip: str,
    approve: Callable[[PlanStep], bool] | None = None,
) -> PlanRun:
    """Carry out a plan with a function that does one act.

    Parameters
    ----------
    do
        Does an act and returns its outcome.
    plan
        Checked before the first act.
    tip
        How the tip is: "none", "approached" or "withdrawn".
    approve
        Called before every step that is irreversible or has a human gate.

    Raises
    ------
    InputError
        For what is no plan, a plan with problems, or one that expects the tip elsewhere.
    """
    if not isinstance(plan, ExperimentPlan):
        raise InputError(f"plan must be an ExperimentPlan; got {type(plan).__name__}.")
    plan.validate()
    if plan.starts.tip not in ("none", tip):
        raise InputError(f"the plan starts with the tip {plan.starts.tip}; it is {tip}.")
    names = plan.step_names()
    done: list[str] = []
    outcomes: list[Outcome] = []
    given: list[Action] = []
    taken: dict[tuple[str, int], int] = {}
    name = names[0] if names else "stop"
    while name not in ("stop", "ask"):
        step = plan.steps[names.index(name)]
        if step.needs_person and approve is not None and not approve(step):
            return PlanRun(tuple(done), tuple(outcomes), f"{name} was not approved")
        reason = _forbidden(plan, step, given)
        if reason is not None:
            return PlanRun(tuple(done), tuple(outcomes), f"{name} was not begun: {reason}")
        outcome = do(step.action)
        done.append(name)
        outcomes.append(outcome)
        given.append(_as_given(step.action, outcome))
        reason = abort_reason(step.abort, outcome)
        if reason is not None:
            return PlanRun(tuple(done), tuple(outcomes), f"{name} was aborted: {reason}")
        readout = outcome.readout if outcome.succeeded else None
        following = next_step(plan, name, readout, taken)
        number = branch_taken(step, name, readout, taken)
        if number is not None and number >= 0:
            taken[name, number] = taken.get((name, number), 0) + 1
        name = following
    ended = "the plan is done" if name == "stop" else f"a person must decide after {done[-1]}"
    return PlanRun(tuple(done), tuple(outcomes), ended)


def _as_given(action: Action, outcome: Outcome) -> Action:
    """Return the act with the dose that was truly given."""
    return action if outcome.dose is None else replace(action, dose=outcome.dose)


def _forbidden(plan: ExperimentPlan, step: PlanStep, given: list[Action]) -> str | None:
    """Return why a step may not begin: the doses truly given may be above those planned.

    An act is expected to give at least what the largest of its kind gave so far.
    """
    action = step.action
    likely = max([action.dose, *(old.dose for old in given if old.verb == action.verb)])
    last = f"step {len(given) + 1}: "
    broken = plan.envelope.violations([*given, replace(action, dose=likely)])
    for reason in broken:  # what an earlier act broke is no reason against this one
        if reason.startswith(last):
            return reason.removeprefix(last)
    so_far = sum(action.dose for action in given)
    for needed in step.preconditions:
        if needed.needs == "dose below" and needed.dose is not None and so_far > needed.dose:
            return f"the dose so far, {so_far:g}, is above {needed.dose:g}"
    return None


def abort_reason(abort: Abort, outcome: Outcome) -> str | None:
    """Return why a step must end the run, in words, or None.

    Examples
    --------
    >>> abort_reason(Abort("too bright", readout_above=2.0), Outcome(3.0))
    'the readout 3 is above 2'
    """
    readout, dose = outcome.readout, outcome.dose
    if readout is not None:
        if abort.readout_below is not None and readout < abort.readout_below:
            return f"the readout {readout:.4g} is below {abort.readout_below:g}"
        if abort.readout_above is not None and readout > abort.readout_above:
            return f"the readout {readout:.4g} is above {abort.readout_above:g}"
    if dose is not None and abort.dose_above is not None and dose > abort.dose_above:
        return f"the dose {dose:.4g} is above {abort.dose_above:g}"
    return None


_abort_reason = abort_reason
