"""What a study has found so far, and what became of each step."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.checks import NotIdentified
from physlearn.records.storage import html_table, short_repr
from physlearn.study_options import StudyOptions

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from physlearn.campaign_records import Rehearsal
    from physlearn.causal import CausalGraph, Counterfactual, Effect, ExperimentPlan
    from physlearn.datasets import (
        ConsistencyCheck,
        HopEvents,
        ScanCorrection,
        SiteStates,
        StrainField,
    )
    from physlearn.datasets.wall_motion.wall_advance import WallAdvance
    from physlearn.datasets.wall_motion.wall_roughness import WallRoughness
    from physlearn.inference import Diffusion, DynamicsLaws, EquationSet
    from physlearn.records import (
        AtomicConfiguration,
        LatticeSnapshots,
        PatchTable,
        Trajectory,
        WallTrack,
    )
    from physlearn.results import Fit

__all__ = ["Findings", "PlantedTruth", "Step", "StepNote", "run_noted", "run_steps"]

DONE, COULD_NOT, SKIPPED = "done", "could not", "skipped"


@dataclass(frozen=True, slots=True)
class PlantedTruth:
    """What is known of embedded data, to be shown beside the answers.

    Attributes
    ----------
    parameters
        Name in a summary (``couplings[1]``, ``drive_mobility``) -> planted value.
    causes
        Planted (cause, effect) pairs of patch columns.
    distractors
        Columns that are correlated with the response and do not cause it.
    arrows
        All planted (cause, effect) pairs.
    slopes
        (cause, outcome) -> planted change of the outcome per unit of the cause.
    patches
        The true columns of every patch, from which a twin can be made.
    mechanisms
        (cause, effect) -> what one unit of a patch's cause changes in that patch alone.
    """

    parameters: dict[str, float] = field(default_factory=dict)
    causes: tuple[tuple[str, str], ...] = ()
    distractors: tuple[str, ...] = ()
    arrows: tuple[tuple[str, str], ...] = ()
    slopes: dict[tuple[str, str], float] = field(default_factory=dict)
    patches: PatchTable | None = None
    mechanisms: dict[tuple[str, str], float] = field(default_factory=dict)


NEEDED = {
    "image": "a picture",
    "video": "a film",
    "normalised": "a film brought to one scale",
    "snapshots": "columns on one lattice",
    "atoms": "atom columns",
    "lattice": "the crystal's lattice, which nobody declared (--lattice)",
    "patches": "a table of patches",
    "graph": "a causal graph",
    "effects": "an effect that could be estimated",
    "track": "walls that could be followed",
    "wall_fit": "a wall law that was fitted",
    "trajectory": "tracked particles",
    "diffusion": "a diffusion coefficient that could be measured",
    "hopping": "particles that rest and jump",
}
"""What a step needs, in words."""


@dataclass(frozen=True, slots=True)
class StepNote:
    """What became of one step: done, could not (and why), or skipped for want of another.

    ``kept`` says that the result is that of an earlier run on the same data and options, which
    took ``seconds``.
    """

    name: str
    title: str
    status: str
    reason: str = ""
    seconds: float = 0.0
    kept: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Findings:
    """The growing result of a study; every attribute is None or empty until its step is done."""

    title: str
    seed: int
    source: str = ""
    image: xr.DataArray | None = None
    channels: xr.Dataset | None = None
    repeat: xr.DataArray | xr.Dataset | None = None
    spectra: xr.Dataset | None = None
    edited: str | os.PathLike[str] | None = None
    lattice: str | None = None
    atoms: AtomicConfiguration | None = None
    consistency: ConsistencyCheck | None = None
    scan: ScanCorrection | None = None
    vacancies: SiteStates | None = None
    strain: StrainField | None = None
    snapshots: LatticeSnapshots | None = None
    couplings: Fit | None = None
    correlations: pd.DataFrame | None = None
    patches: PatchTable | None = None
    graph: CausalGraph | None = None
    effects: list[Effect] = field(default_factory=list)
    counterfactuals: list[Counterfactual] = field(default_factory=list)
    plan: ExperimentPlan | None = None
    rehearsal: Rehearsal | None = None
    video: xr.DataArray | None = None
    normalised: xr.DataArray | None = None
    track: WallTrack | None = None
    domain_shares: pd.DataFrame | None = None
    wall_advance: WallAdvance | None = None
    wall_roughness: WallRoughness | None = None
    wall_forecast: pd.DataFrame | None = None
    wall_fit: Fit | None = None
    laws: EquationSet | None = None
    trajectory: Trajectory | None = None
    track_report: pd.DataFrame | None = None
    diffusion: Diffusion | None = None
    pair_force: Fit | None = None
    drift: DynamicsLaws | None = None
    hopping: bool | None = None
    hops: HopEvents | None = None
    hop_rates: Fit | None = None
    options: StudyOptions = field(default_factory=StudyOptions)
    remarks: list[str] = field(default_factory=list)
    notes: list[StepNote] = field(default_factory=list)
    truth: PlantedTruth | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def rng(self, step: str) -> np.random.Generator:
        """Return the step's own random stream: the same whatever other steps draw."""
        return np.random.default_rng([self.seed, zlib.crc32(step.encode())])

    def has(self, name: str) -> bool:
        """Whether a record or result has been found."""
        value = getattr(self, name)
        return value is not None and not (isinstance(value, list) and not value)

    def warnings(self) -> list[tuple[str, str]]:
        """Return every warning once, as (where it came from, sentence)."""
        sources: list[tuple[str, Any]] = [
            ("atoms", self.atoms), ("sites", self.snapshots),
            ("vacancies", self.vacancies), ("strain", self.strain), ("couplings", self.couplings),
            ("patches", self.patches), ("causal graph", self.graph),
            *(("effects", effect) for effect in self.effects),
            *(("what if", answer) for answer in self.counterfactuals),
            ("plan", self.plan), ("walls", self.track), ("wall parameters", self.wall_fit),
            ("laws", self.laws), ("tracks", self.trajectory), ("diffusion", self.diffusion),
            ("pair force", self.pair_force), ("drift", self.drift and self.drift["D"]),
            ("hops", self.hops), ("hop rates", self.hop_rates),
        ]  # fmt: skip
        seen: dict[str, str] = {}
        for name, record in sources:
            for sentence in getattr(record, "warnings", ()) or ():
                seen.setdefault(str(sentence), name)
        if self.patches is not None:
            for column, text in self.patches.flags.items():
                # a channel without signal is said once, not again for each of its columns
                if not any(
                    text in sentence and column.startswith(channel)
                    for sentence in self.patches.warnings
                    for channel in re.findall(r"^channel (\S+) holds", sentence)
                ):
                    seen.setdefault(f"{column.replace('_', ' ')}: {text}.", "patches")
        if self.scan is not None:
            for sentence in self.scan.not_identified:
                seen.setdefault(sentence, "scan")
        for label, channel in ({} if self.channels is None else self.channels).items():
            if self.image is not None and channel.shape != self.image.shape:
                rows, columns = channel.shape
                seen[
                    f"{label} has {columns} x {rows} pixels and not the picture's "
                    f"{self.image.shape[1]} x {self.image.shape[0]}: it is taken to span the same "
                    "field of view."
                ] = "channels"
        for name, data in (("picture", self.image), ("video", self.video)):
            for sentence in () if data is None else data.attrs.get("warnings", ()):
                seen.setdefault(str(sentence), name)
        for sentence in self.remarks:
            seen.setdefault(sentence, "kept steps")
        return [(name, sentence) for sentence, name in seen.items()]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a study: a function that reads findings and adds to them.

    Attributes
    ----------
    name, title
        For machines and for people.
    run
        Changes the findings in place; raises `NotIdentified` when the input does not hold what
        the step needs.
    needs
        Attributes of the findings without which the step is skipped.
    not_kept
        (attribute, field) of a result that holds functions, which no file can keep.
    complete
        Makes that field again, quickly, where the rest of the result was kept.
    """

    name: str
    title: str
    run: Callable[[Findings], None]
    needs: tuple[str, ...] = ()
    not_kept: tuple[str, str] | None = None
    complete: Callable[[Findings], None] | None = None


RunOne = Callable[[Step, Findings], StepNote]
"""Runs one step on findings that have what it needs, and says what became of it."""


def run_steps(
    steps: Sequence[Step],
    findings: Findings,
    progress: Callable[[str, float], None] | None = None,
    run_one: RunOne | None = None,
) -> Findings:
    """Run every step that can run; a step that cannot do its job is noted and the rest goes on.

    Parameters
    ----------
    steps
        In order.
    findings
        Changed in place.
    progress
        Called with the title of the step about to run and the finished share, 0 to 1.
    run_one
        Runs a step that has what it needs; None does so here and now (`run_noted`).

    Raises
    ------
    Exception
        Anything other than `NotIdentified` that a step raises: an error is no finding.

    Examples
    --------
    >>> def fail(findings):
    ...     raise NotIdentified("no atoms were found.")
    >>> steps = [Step("atoms", "Find atoms", fail), Step("sites", "Sites", fail, ("atoms",))]
    >>> [note.status for note in run_steps(steps, Findings("a picture", 1)).notes]
    ['could not', 'skipped']
    """
    run_one = run_one or run_noted
    for index, step in enumerate(steps):
        if progress is not None:
            progress(step.title, index / len(steps))
        reason = _why_skipped(step, findings)
        if reason:
            findings.notes.append(StepNote(step.name, step.title, SKIPPED, reason))
        else:
            findings.notes.append(run_one(step, findings))
    if progress is not None:
        progress("Done", 1.0)
    return findings


def _why_skipped(step: Step, findings: Findings) -> str:
    if step.name in findings.options.leave_out:
        return "it was left out by choice."
    missing = [name for name in step.needs if not findings.has(name)]
    return lacking(missing[0]) if missing else ""


def lacking(name: str) -> str:
    """Return why a step is left out that needs what was not found, in a reader's words.

    Examples
    --------
    >>> lacking("graph")
    'it needs a causal graph, and there is none.'
    """
    if name == "lattice":
        return f"it needs {NEEDED[name]}."
    return f"it needs {NEEDED.get(name, 'the ' + name.replace('_', ' '))}, and there is none."


def run_noted(step: Step, findings: Findings) -> StepNote:
    """Run one step and return what became of it.

    Examples
    --------
    >>> run_noted(Step("look", "Look", lambda findings: None), Findings("a picture", 1)).status
    'done'
    """
    start = perf_counter()
    status, reason = DONE, ""
    try:
        step.run(findings)
    except NotIdentified as refusal:
        status, reason = COULD_NOT, str(refusal)
    return StepNote(step.name, step.title, status, reason, perf_counter() - start)
