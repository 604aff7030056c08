"""The plan of a study in words."""

from __future__ import annotations

from typing import Any

from physlearn.act_words import act_name, act_place, dose_text
from physlearn.findings import Findings

__all__ = ["plan_rows", "plan_text", "step_row"]


def plan_text() -> str:
    """Return what the reader must know before the plan.

    Examples
    --------
    >>> "guesses" in plan_text()
    True
    """
    return (
        "Each step was chosen for what its outcome would tell apart, inside limits of dose and of "
        "sites that must not be touched. Doses are counted in pictures like this one. Doses, times "
        "and limits are stated guesses: set them to the instrument, and plan anew, before anything "
        "is run."
    )


def plan_rows(findings: Findings) -> list[dict[str, str]]:
    """Return the steps of the plan in words.

    Examples
    --------
    >>> plan_rows(Findings("a picture", 1))
    []
    """
    if findings.plan is None:
        return []
    unit = findings.atoms.unit if findings.atoms is not None else "pixel"
    return [step_row(step, unit, findings.plan.envelope.dose_unit) for step in findings.plan.steps]


def step_row(step: Any, length_unit: str, dose_unit: str) -> dict[str, str]:
    """Return one step of a plan, or of a campaign, in words."""
    act = act_name(step.action)
    if step.action.irreversible:
        act += " (cannot be undone)"
    return {
        "do": act,
        "where": act_place(step.action, length_unit) or "–",
        "dose": dose_text(step.action.dose, dose_unit),
        "why": step.reason,
    }
