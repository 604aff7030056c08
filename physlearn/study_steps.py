"""Every step of a study by name, and each alone in one line of Python."""

from __future__ import annotations

import difflib

from physlearn.checks import InputError, NotIdentified
from physlearn.findings import Findings, Step, lacking

__all__ = ["check_step_names", "run_step", "study_steps"]


def study_steps() -> dict[str, Step]:
    """Return all steps of pictures, videos and tracks by name, in the order in which they run.

    Examples
    --------
    >>> list(study_steps())[:3], study_steps()["couplings"].needs
    (['atoms', 'consistency', 'scan'], ('snapshots',))
    """
    from physlearn.steps_campaign import CAMPAIGN_STEPS
    from physlearn.steps_image import IMAGE_STEPS
    from physlearn.steps_plan import PLAN_STEPS
    from physlearn.steps_tracks import TRACK_STEPS
    from physlearn.steps_video import VIDEO_STEPS

    every = (*IMAGE_STEPS, *VIDEO_STEPS, *TRACK_STEPS, *PLAN_STEPS, *CAMPAIGN_STEPS)
    return {step.name: step for step in every}


def run_step(name: str, findings: Findings) -> Findings:
    """Run one step of a study on findings that hold what it needs, and return them.

    Parameters
    ----------
    name
        As `study_steps` names it.
    findings
        From `read_study`, or filled by hand; changed in place.

    Raises
    ------
    InputError
        When there is no such step.
    NotIdentified
        When the findings lack what the step needs (and which step finds it), or the data do not
        hold what it asks for.

    Examples
    --------
    >>> from physlearn.demo import demo_findings
    >>> findings, _ = demo_findings(1, small=True)
    >>> run_step("species", run_step("atoms", findings)).atoms.species_names
    ('dim', 'bright')
    """
    check_step_names("name", (name,))
    step = study_steps()[name]
    for wanted in step.needs:
        if not findings.has(wanted):
            maker = MAKERS.get(wanted)
            first = f" Run the step {maker!r} first." if maker else ""
            raise NotIdentified(f"{name} can't be done: {lacking(wanted)}{first}")
    step.run(findings)
    return findings


MAKERS = {
    "atoms": "atoms", "snapshots": "sites", "patches": "patches", "graph": "graph",
    "effects": "effects", "normalised": "domain_share", "track": "walls",
    "wall_fit": "wall_parameters", "diffusion": "diffusion", "hopping": "hops",
}  # fmt: skip
"""What a step needs -> the step that finds it."""


def check_step_names(where: str, names: tuple[str, ...] | list[str]) -> None:
    """Raise for a name that no step has, with the nearest that one has.

    Examples
    --------
    >>> check_step_names("steps.leave_out", ["copulings"])
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: steps.leave_out must name steps; there is no 'copulings': did ...
    """
    known = study_steps()
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}."
            raise InputError(f"{where} must name steps; there is no {name[:40]!r}: {hint}")
