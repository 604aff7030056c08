"""Read a plan from a file, say it in words, and hold it to its limits twice."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physlearn.act_words import act_name, act_place, dose_text
from physlearn.checks import InputError, NotFound
from physlearn.phrases import as_sentence, plain_name, said_number

if TYPE_CHECKING:
    from physlearn.causal import ExperimentPlan

__all__ = ["ledger_refusals", "plan_in_words", "read_plan"]

MUST_NOT = "the plan must not be run"


def read_plan(path: str | os.PathLike[str]) -> tuple[ExperimentPlan, list[str]]:
    """Return the plan of a file and every reason why it must not be run.

    Parameters
    ----------
    path
        JSON file of an `ExperimentPlan`.

    Returns
    -------
    tuple
        The plan, and one sentence a refusal: of the plan's own checks, and of the ledger, which
        shares no line with them. None for a sound plan.

    Raises
    ------
    NotFound
        When there is no such file.
    InputError
        For a file that is no plan, or was changed after its checksum was made.

    Examples
    --------
    >>> read_plan("/no/such/plan.json")
    Traceback (most recent call last):
        ...
    physlearn.checks.NotFound: no such file: /no/such/plan.json
    """
    from physlearn.causal import ExperimentPlan

    if not Path(path).is_file():
        raise NotFound(f"no such file: {path}")
    try:
        plan = ExperimentPlan.from_json(path)
    except InputError as error:
        if not str(error).startswith(MUST_NOT):
            raise
        plan = _unchecked(path)
    return plan, list(dict.fromkeys([*plan.problems(), *ledger_refusals(plan)]))


def _unchecked(path: str | os.PathLike[str]) -> ExperimentPlan:
    """Return a plan whose form and checksum are right, whatever it does."""
    from physlearn.causal.experiment_plans.experiment_plan import plan_adapter
    from physlearn.causal.json_files import read_json

    content = dict(read_json(path, "an experiment plan"))
    for name in ("format", "checksum"):
        content.pop(name, None)
    return plan_adapter().validate_json(json.dumps(content))


def ledger_refusals(plan: ExperimentPlan) -> list[str]:
    """Return the limits that the steps break when all are done in order, by the dose ledger.

    A plan with branches may do a step more often or never; only one without is added up.
    """
    from physlearn.causal import check_ledger

    if any(step.branches for step in plan.steps):
        return []
    events: list[dict[str, Any]] = []
    time_s = 0.0
    for step in plan.steps:
        act = step.action
        event = {
            "verb": act.verb, "args": dict(act.args), "dose": act.dose,
            "irreversible": act.irreversible,
        }  # fmt: skip
        events.append({**event, "time_s": time_s, "status": "begun"})
        time_s += act.duration_s
        events.append({**event, "time_s": time_s, "status": "done"})
    limits = {part.name: getattr(plan.envelope, part.name) for part in fields(plan.envelope)}
    return [f"by the ledger: {text}" for text in check_ledger(events, limits).violations]


def plan_in_words(plan: ExperimentPlan) -> list[str]:
    """Return a plan line by line: what it asks, what each step does and why, and what it costs.

    Examples
    --------
    >>> from physlearn.causal import Action, ExperimentPlan, PlanStep, SafetyEnvelope
    >>> step = PlanStep(Action("wait", {"wait_s": 5.0}, 0.0, 5.0, 1.0), reason="to settle")
    >>> plan = ExperimentPlan((step,), (), SafetyEnvelope(1.0, (0, 0, 1, 1)), budget=1.0)
    >>> plan_in_words(plan)[0]
    '1. Wait for 5 s. Why: to settle.'
    """
    lines = []
    for question in dict.fromkeys(h.question for h in plan.hypotheses):
        told = "; ".join(
            f"{plain_name(h.name)} ({h.weight:.0%})"
            for h in plan.hypotheses
            if h.question == question
        )
        lines.append(f"{as_sentence(plain_name(question)).removesuffix('.')}? {told}.")
    dose_unit = plan.envelope.dose_unit
    for number, step in enumerate(plan.steps, start=1):
        act = step.action
        # lengths are in the data's own unit, which a plan does not name
        said = as_sentence(f"{act_name(act)} {act_place(act, '1')}".strip())
        dose = f" Dose {dose_text(act.dose, dose_unit)}." if act.dose else ""
        gate = " Cannot be undone: a person must agree." if act.irreversible else ""
        lines.append(f"{number}. {said}{dose}{gate} Why: {step.reason.rstrip('.')}.")
        lines += [f"   then: {as_sentence(branch.when)} Go to {branch.go_to}."
                  for branch in step.branches]  # fmt: skip
    acts = [step.action for step in plan.steps]
    lasting = sum(act.irreversible for act in acts)
    lines.append(
        f"In all {len(acts)} step{'' if len(acts) == 1 else 's'}, "
        f"{said_number(sum(act.duration_s for act in acts) / 60, 2)} min, dose "
        f"{dose_text(sum(act.dose for act in acts), dose_unit)} of "
        f"{dose_text(plan.envelope.max_total_dose, dose_unit)} allowed, {lasting} of "
        f"{plan.envelope.max_irreversible} changes for good."
    )
    return [*lines, *(f"Mind: {as_sentence(text)}" for text in plan.warnings)]
