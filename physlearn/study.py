"""A study: one file in, a folder with every artefact and a report out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physlearn.checks import InputError, NotFound, as_generator, check_choice
from physlearn.findings import Findings, RunOne, Step, run_steps
from physlearn.records.storage import html_table, short_repr
from physlearn.study_folder import check_out, study_folder, write_artefacts
from physlearn.study_options import StudyOptions

if TYPE_CHECKING:
    from physlearn.records import Trajectory

__all__ = [
    "Study", "StudyResult", "read_study", "run_study", "save_study", "study_findings",
]  # fmt: skip

Progress = Callable[[str, float], None]
LATTICES = ("square", "triangular", "any")


@dataclass(frozen=True, slots=True, repr=False)
class Study:
    """What to study.

    Attributes
    ----------
    path
        A picture, a video, spectra by pixel (loops, band excitation), or tracked particles (CSV
        with columns frame, particle, x, y; GSD; LAMMPS dump); its content tells which.
    channels
        Further pictures of the same field: responses whose causes are asked for.
    drive
        CSV with the drive that acts from a frame to the next, for a video.
    title
        Heading of the report; the file's name when empty.
    atoms
        The ``atoms.csv`` of an earlier study of the picture, edited by a person: rows added,
        removed or moved. All is fitted again from there, and the report says what was changed.
    picture
        Name or number of the picture or video in a file that holds several.
    repeat
        A second scan of the same place: of the channels where there are any (one file a channel,
        or a file with all of them), else of the picture. Measurement errors then come from the
        difference of the two.
    lattice
        The lattice that the sample is declared to have (``square``, ``triangular`` or ``any``):
        row shifts of the scan are then told from displacements of atoms and taken out.
    pixel_size, pixel_unit
        Edge of a pixel in ``angstrom``, ``nm`` or ``um``, for a file that doesn't say it.
    frame_interval_s
        Seconds from frame to frame, for a video that doesn't say it.
    region
        (first column, end, first row, end) in pixels of the picture or video: only what lies
        inside is studied, channels and repeat included.
    campaign
        Rehearse the next experiment of a picture: campaigns simulated from every hypothesis say
        how often, and after how many exposures, the truth would be found.
    options
        What the steps are told, and which are left out.

    Examples
    --------
    >>> Study("image.tiff").title
    'image.tiff'
    """

    path: str | os.PathLike[str]
    channels: tuple[str | os.PathLike[str], ...] = ()
    drive: str | os.PathLike[str] | None = None
    title: str = ""
    atoms: str | os.PathLike[str] | None = None
    lattice: str | None = None
    picture: str | int | None = None
    repeat: tuple[str | os.PathLike[str], ...] = ()
    pixel_size: float | None = None
    pixel_unit: str = "nm"
    frame_interval_s: float | None = None
    region: tuple[int, int, int, int] | None = None
    campaign: bool = False
    options: StudyOptions = field(default_factory=StudyOptions)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "repeat", tuple(self.repeat))
        if not self.title:
            object.__setattr__(self, "title", Path(self.path).name)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StudyResult:
    """What a study gave.

    Attributes
    ----------
    folder
        Where the artefacts are.
    findings
        Records and results by name.
    summary
        Content of ``summary.json``.

    Examples
    --------
    >>> StudyResult(Path("study"), Findings("a picture", 1), {}).report.name
    'report.html'
    """

    folder: Path
    findings: Findings
    summary: Mapping[str, Any]

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.folder / "report.html"


def run_study(
    study: Study | str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    seed: int | None = None,
    progress: Progress | None = None,
    keep: bool = False,
    fresh: bool = False,
) -> StudyResult:
    """Study a picture, a video or tracked particles and write every artefact and a report.

    A step that cannot do its job on this input says so in the report, and the rest goes on.
    ``out`` appears whole or not at all.

    Parameters
    ----------
    study
        A `Study`, or the path of its file.
    out
        Folder to write: new, empty, or an earlier study, which is replaced.
    seed
        Repeats every number; None draws one and stores it.
    progress
        Called with the title of each step and the finished share, 0 to 1.
    keep
        Keep what each step found in `.physlearn-cache` beside ``out``: the next run does again
        only what depends on something that changed, and a run that was stopped goes on.
    fresh
        Take nothing that was kept.

    Returns
    -------
    StudyResult
        Folder, findings and summary.

    Raises
    ------
    NotFound
        When the file does not exist.
    InputError
        When a file cannot be read, ``out`` holds other files, or another process writes there.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "noise.npy", np.random.default_rng(0).normal(size=(64, 64)))
    >>> result = run_study(folder / "noise.npy", out=folder / "study", seed=1)
    >>> result.report.is_file(), result.summary["atoms"] is None
    (True, True)
    """
    if not isinstance(study, Study):
        study = Study(study)
    check_out(out)
    if not keep:
        findings, steps = study_findings(study, seed)
        return save_study(findings, steps, out=out, progress=progress)
    from physlearn.kept_steps import keeping
    from physlearn.step_store import open_store, stored_seed

    with open_store(out, fresh=fresh) as store:
        if seed is None:
            seed = stored_seed(store, check_out(out).name)
        findings, steps = study_findings(study, seed)
        findings.remarks = store.said
        return save_study(findings, steps, out=out, progress=progress, run_one=keeping(store))


def read_study(study: Study | str | os.PathLike[str], seed: int = 1) -> Findings:
    """Read the files of a study and do nothing yet: what `run_step` begins with.

    Raises
    ------
    NotFound
        When the file does not exist.
    InputError
        When a file cannot be read.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from physlearn.study_steps import run_step
    >>> path = Path(tempfile.mkdtemp()) / "noise.npy"
    >>> np.save(path, np.random.default_rng(0).normal(size=(64, 64)))
    >>> run_step("patches", read_study(path)).patches.n_patches
    64
    """
    return study_findings(study if isinstance(study, Study) else Study(study), seed)[0]


def study_findings(study: Study, seed: int | None) -> tuple[Findings, tuple[Step, ...]]:
    """Read the files of a study; return empty findings with its data, and the steps to run.

    Raises
    ------
    InputError
        When a file cannot be read, or channels are given for a video.
    """
    from physlearn.datasets.reading.set_scale import set_scale
    from physlearn.inputs import (
        cut_region,
        picture_of_spectra,
        read_channels,
        read_input,
        read_repeat,
        read_spectra,
    )
    from physlearn.steps_campaign import CAMPAIGN_STEPS
    from physlearn.steps_image import IMAGE_STEPS
    from physlearn.steps_plan import PLAN_STEPS
    from physlearn.steps_video import VIDEO_STEPS
    from physlearn.track_input import read_tracks

    _, number = as_generator(seed)
    findings = Findings(study.title, number, source=Path(study.path).name, options=study.options)
    tracks = read_tracks(study.path)
    if tracks is not None:
        return _of_tracks(study, tracks, findings)
    findings.spectra = read_spectra(study.path)
    if findings.spectra is None:
        data = read_input(study.path, drive=study.drive, channel=study.picture)
    elif study.drive is not None:
        raise InputError(f"drive goes with a video; {study.path} holds spectra: leave it out.")
    else:
        data = picture_of_spectra(findings.spectra)
    rescale = partial(
        set_scale,
        pixel_size=study.pixel_size, unit=study.pixel_unit, frame_interval_s=study.frame_interval_s,
    )  # fmt: skip
    data = rescale(data)
    whole = data
    if study.region is not None:
        data = cut_region(data, study.region, whole)
    if findings.spectra is not None:
        findings.spectra = rescale(findings.spectra)
        if study.region is not None:
            findings.spectra = cut_region(findings.spectra, study.region, whole)
    if "time" in data.dims:
        for name in ("channels", "atoms", "lattice", "repeat", "campaign"):
            if getattr(study, name):
                raise InputError(
                    f"{name} go with a picture; this input is a video: leave them out."
                )
        findings.video = data
        return findings, VIDEO_STEPS + PLAN_STEPS
    findings.image = data
    findings.channels = read_channels(study.channels, whole)
    findings.repeat = read_repeat(study.repeat, whole, findings.channels)
    if study.region is not None:
        for name in ("channels", "repeat"):
            if getattr(findings, name) is not None:
                setattr(findings, name, cut_region(getattr(findings, name), study.region, whole))
    findings.edited, findings.lattice = study.atoms, study.lattice
    if study.atoms is not None and not Path(study.atoms).is_file():
        raise NotFound(f"no such file: {study.atoms}")
    if study.lattice is not None:
        check_choice("lattice", study.lattice, LATTICES)
    return findings, IMAGE_STEPS + PLAN_STEPS + (CAMPAIGN_STEPS if study.campaign else ())


def _of_tracks(
    study: Study, tracks: Trajectory, findings: Findings
) -> tuple[Findings, tuple[Step, ...]]:
    from physlearn.datasets import set_scale
    from physlearn.steps_tracks import TRACK_STEPS

    for name in (
        "channels", "drive", "atoms", "lattice", "picture", "repeat", "region", "campaign",
    ):  # fmt: skip
        if getattr(study, name):
            raise InputError(
                f"{name} does not go with tracked particles, which {study.path} holds: leave it "
                "out."
            )
    findings.trajectory = set_scale(
        tracks, pixel_size=study.pixel_size, unit=study.pixel_unit,
        frame_interval_s=study.frame_interval_s,
    )  # fmt: skip
    return findings, TRACK_STEPS


def save_study(
    findings: Findings,
    steps: tuple[Step, ...],
    *,
    out: str | os.PathLike[str],
    progress: Progress | None = None,
    run_one: RunOne | None = None,
) -> StudyResult:
    """Run the steps on findings that hold their data, and write the study's folder."""
    from physlearn.summary import summarize

    with study_folder(out) as folder:
        run_steps(steps, findings, progress, run_one)
        summary = summarize(findings)
        if progress is not None:
            progress("Write the report", 1.0)
        write_artefacts(findings, summary, folder)
    return StudyResult(check_out(out), findings, summary)
