"""The plan of a study in words."""

from __future__ import annotations

from typing import Any

from physlearn.findings import Findings
from physlearn.words import said_number, unit_text

__all__ = ["plan_rows", "plan_text"]

ACTS = {
    "image": "take a picture",
    "expose_site": "expose one site",
    "change_bias": "change the bias",
    "scan_again": "scan again",
}


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
    unit = unit_text(findings.atoms.unit if findings.atoms is not None else "pixel")
    return [_plan_row(step, unit, findings.plan.envelope.dose_unit) for step in findings.plan.steps]


def _plan_row(step: Any, unit: str, dose_unit: str) -> dict[str, str]:
    args = dict(step.action.args)
    where = {
        "image": lambda a: (
            f"x {said_number(a['x_min'])} to {said_number(a['x_max'])} {unit}, "
            f"y {said_number(a['y_min'])} to {said_number(a['y_max'])} {unit}"
        ),
        "expose_site": lambda a: (
            f"x {said_number(a['x'])}, y {said_number(a['y'])} {unit}, until the patch's "
            f"{a['column'].replace('_', ' ')} is {said_number(a['to'])}"
        ),
        "change_bias": lambda a: f"bias {said_number(a['bias_V'])} V",
        "scan_again": lambda a: f"the same field, {a['n_repeats']}×",
    }[step.action.verb](args)
    act = ACTS[step.action.verb]
    if step.action.irreversible:
        act += " (cannot be undone)"
    return {
        "do": act,
        "where": where,
        "dose": _dose(step.action.dose, dose_unit),
        "why": step.reason,
    }


def _dose(dose: float, unit: str) -> str:
    if not dose:
        return "none"
    return f"{said_number(dose)} {unit.removesuffix('s') if dose == 1 else unit}"
