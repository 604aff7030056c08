"""What is wrong with a study or a file, what would be done and how long, before any long run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from physlearn.checks import BackendUnavailable, InputError, NotIdentified
from physlearn.findings import Findings, Step, lacking
from physlearn.study import Study, study_findings

if TYPE_CHECKING:
    from physlearn.study_file import StudySpec

__all__ = ["CheckedInput", "CheckedStudy", "StepForecast", "check_file", "check_study"]

SECONDS = {
    "atoms": (0.5, 0.31), "consistency": (0.5, 0.62), "scan": (0.5, 0.2), "species": (0.5, 0.8),
    "sites": (0.2, 0.13), "vacancies": (0.3, 1.4), "strain": (0.2, 0.13),
    "couplings": (1.0, 0.4), "patches": (0.5, 0.17), "graph": (0.5, 0.14),
    "effects": (1.0, 0.42), "counterfactual": (0.2, 0.0), "plan": (0.6, 0.0),
    "campaign": (26.0, 0.0), "domain_share": (0.1, 0.75), "walls": (0.1, 0.4),
    "wall_advance": (0.1, 0.1), "wall_parameters": (0.5, 0.7), "wall_forecast": (0.5, 5.3),
    "wall_roughness": (0.3, 0.2), "laws": (5.0, 1.6), "linking": (0.3, 0.0), "hops": (0.5, 0.0),
    "hop_rates": (1.0, 0.0), "diffusion": (2.0, 0.0), "pair_force": (4.0, 0.0),
    "drift": (6.0, 0.0),
}  # fmt: skip
"""Seconds of a step on one core, as measured on the demo: fixed, and per thousand atom columns of
a picture or million pixels of a video."""
REPORT_SECONDS = 8.0
FROM_ATOMS = ("consistency", "scan", "species", "sites", "vacancies", "strain", "couplings")
FROM_CAUSES = ("effects", "counterfactual", "campaign")


@dataclass(frozen=True, slots=True)
class StepForecast:
    """What will become of a step: ``seconds`` where it runs, else why not."""

    name: str
    title: str
    seconds: float | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class CheckedInput:
    """One input: what it is, what stands in the way, what to know, and the steps."""

    label: str
    described: str = ""
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    steps: tuple[StepForecast, ...] = ()

    @property
    def seconds(self) -> float:
        """Time of all steps and of the report."""
        return sum(step.seconds or 0.0 for step in self.steps) + REPORT_SECONDS


@dataclass(frozen=True, slots=True)
class CheckedStudy:
    """All inputs of a study, and what concerns them together."""

    command: str
    inputs: tuple[CheckedInput, ...]
    problems: tuple[str, ...] = ()
    together: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether the study can be run."""
        return not self.problems and not any(one.problems for one in self.inputs)

    @property
    def warnings(self) -> list[str]:
        """Every warning, with the input that it is about."""
        return [f"{one.label}: {text}" for one in self.inputs for text in one.warnings]

    def lines(self) -> list[str]:
        """Return what a person should read, line by line."""
        lines = []
        for one in self.inputs:
            lines.append(f"{one.label}: {one.described}" if one.described else one.label)
            lines += [f"  problem: {text}" for text in one.problems]
            lines += [f"  warning: {text}" for text in one.warnings]
        lines += [f"problem: {text}" for text in self.problems]
        lines += self.together
        shown: tuple[StepForecast, ...] = ()
        for one in self.inputs:
            if one.steps and _outline(one.steps) != _outline(shown):
                shown = one.steps
                lines += ["", f"Steps of {one.label}:" if len(self.inputs) > 1 else "Steps:"]
                lines += [_step_line(step) for step in shown]
        lines.append("")
        if not self.ok:
            lines.append("Mend the problems above, then check again.")
            return lines
        seconds = sum(one.seconds for one in self.inputs)
        lines.append(
            f"About {_duration(seconds)} on one free core; the very first run on a machine also "
            "compiles kernels, which takes minutes (physlearn doctor --warm does it ahead)."
        )
        lines.append(f"Nothing stands in the way: {self.command}")
        return lines

    def document(self) -> dict[str, Any]:
        """Return the same for machines."""
        return {
            "ok": self.ok,
            "problems": [*self.problems, *(f"{one.label}: {text}" for one in self.inputs
                                           for text in one.problems)],
            "warnings": self.warnings,
            "inputs": [
                {"label": one.label, "described": one.described, "seconds": one.seconds,
                 "steps": [{"name": s.name, "title": s.title, "seconds": s.seconds,
                            "why_not": s.why_not} for s in one.steps]}
                for one in self.inputs
            ],
        }  # fmt: skip


def _outline(steps: tuple[StepForecast, ...]) -> list[tuple[str, str]]:
    return [(step.name, step.why_not) for step in steps]


def _step_line(step: StepForecast) -> str:
    what = f"about {_duration(step.seconds)}" if step.seconds is not None else (
        f"not done: {step.why_not}"
    )  # fmt: skip
    return f"  {step.name:16} {step.title:36} {what}"


def _duration(seconds: float) -> str:
    if seconds < 1.5:
        return "1 s"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def check_study(study: Study) -> CheckedStudy:
    """Check one picture, video or file of tracks.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "flat.npy"
    >>> np.save(path, np.zeros((64, 64)))
    >>> check_study(Study(path)).ok
    False
    """
    one = _checked(study, study.title)
    return CheckedStudy(f"physlearn study {study.path} --out results", (one,))


def check_file(path: str | os.PathLike[str]) -> CheckedStudy:
    """Check a study file and every input that it names.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    InputError
        When the study file itself is refused; what is wrong with its inputs is told in the result.
    """
    from physlearn.study_file import read_study_file, study_of
    from physlearn.study_folder import check_out

    spec = read_study_file(path)
    inputs = tuple(
        _checked(study_of(spec, number), spec.label(number))
        for number in range(len(spec.content.inputs))
    )
    problems = []
    try:
        check_out(spec.out)
    except InputError as error:
        problems.append(str(error))
    return CheckedStudy(
        f"physlearn study {path}", inputs, tuple(problems), tuple(_together(spec))
    )  # fmt: skip


def _together(spec: StudySpec) -> list[str]:
    entries = spec.content.inputs
    if len(entries) < 2:
        return []
    from physlearn.series import Member, chosen_kind
    from physlearn.study_file import COVARIATES

    members = tuple(
        Member(spec.label(number), "", {
            key: float(value) for key in COVARIATES if (value := getattr(one, key)) is not None
        }, {}, {})
        for number, one in enumerate(entries)
    )  # fmt: skip
    kind = chosen_kind(spec.content.compare, members)
    told = {
        "nothing": "are studied each by itself: set compare, or give each a temperature_K, "
        "composition, dose or time_s, to lay them beside each other",
        "repeats": "are taken for repeats and pooled",
        "before_after": f"are compared: {spec.label(0)} before, {spec.label(1)} after",
    }.get(kind, f"are compared along {kind}")
    return [f"The {len(entries)} inputs {told}."]


def _checked(study: Study, label: str) -> CheckedInput:
    from physlearn.study_init import described
    from physlearn.study_look import look_at

    try:
        findings, steps = study_findings(study, 1)
    except FileNotFoundError as error:
        name = error.filename or str(error).removeprefix("no such file: ")
        return CheckedInput(label, problems=(f"there is no file {name}.",))
    except (InputError, BackendUnavailable, NotIdentified) as error:
        return CheckedInput(label, problems=(" ".join(str(error).split()),))
    seen = look_at(findings)
    scaled = study.pixel_size is None
    sentence = described(findings) if scaled else described(findings).replace(
        "a pixel is", "as you say, a pixel is"
    )  # fmt: skip
    return CheckedInput(
        label, sentence, warnings=tuple(seen.warnings),
        steps=tuple(_forecast(findings, steps, seen.columns)),
    )  # fmt: skip


def _forecast(findings: Findings, steps: tuple[Step, ...], columns: int) -> list[StepForecast]:
    """Return what will become of each step, from what is known before any has run."""
    size = columns / 1000 if findings.image is not None else 0.0
    if findings.video is not None:
        size = findings.video.size / 1e6
    has_causes = findings.channels is not None or findings.spectra is not None
    will_not: dict[str, str] = {}
    rows = []
    for step in steps:
        why = ""
        given = [name for name in step.needs if name in ("lattice", "image", "video", "trajectory")]
        missing = [name for name in given if not findings.has(name)]
        if step.name in findings.options.leave_out:
            why = "left out by choice."
        elif missing:
            why = lacking(missing[0])
        elif step.name in (*FROM_CAUSES, "graph") and not columns and not has_causes:
            why = "it needs atoms or further channels."
        elif step.name in FROM_CAUSES and not has_causes:
            why = "it needs a response: give a channel."
        elif step.name in FROM_ATOMS and not columns:
            why = "it needs atoms, and none are seen at first sight."
        elif any(MADE_BY.get(name) in will_not for name in step.needs):
            why = "it needs a step that is not done."
        if why:
            will_not[step.name] = why
        fixed, each = SECONDS.get(step.name, (1.0, 0.0))
        rows.append(
            StepForecast(step.name, step.title, None if why else fixed + each * size, why)
        )  # fmt: skip
    return rows


MADE_BY = {
    "snapshots": "sites", "atoms": "atoms", "patches": "patches", "graph": "graph",
    "effects": "effects", "normalised": "domain_share", "track": "walls",
    "wall_fit": "wall_parameters", "diffusion": "diffusion",
}  # fmt: skip
