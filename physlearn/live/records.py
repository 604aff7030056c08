"""What a live view knows: its options, every frame that was taken in, and what follows so far."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from physlearn.checks import InputError, check_choice, check_positive

if TYPE_CHECKING:
    import xarray as xr

    from physlearn.findings import StepNote
    from physlearn.records import AtomicConfiguration, LatticeSnapshots, WallTrack
    from physlearn.results import Fit

__all__ = [
    "KINDS", "Estimate", "FrameFile", "FrameResult", "LiveState", "Picture", "WatchOptions",
]  # fmt: skip

KINDS = ("auto", "picture", "film")


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How a folder is watched.

    Attributes
    ----------
    kind
        ``picture``: every frame is an atomic picture; ``film``: the frames, in the order of their
        names, are one film of domain walls; ``auto``: the first frame that shows either decides.
    pixel_size, pixel_unit
        Edge of a pixel in ``angstrom``, ``nm`` or ``um``, for files that don't say it.
    frame_interval_s
        Seconds from one frame of a film to the next.
    drive
        CSV with one row a frame: the drive of a film. It may grow with the film.
    settle_s
        A file is read once its size and time of change have stood still for that long.
    polling
        Ask for changes instead of being told: for network shares that tell nothing.
    most_frames
        Frames of a film that are analysed together; of a longer one the newest.

    Examples
    --------
    >>> WatchOptions(kind="film").settle_s
    0.5
    """

    kind: str = "auto"
    pixel_size: float | None = None
    pixel_unit: str = "nm"
    frame_interval_s: float | None = None
    drive: str | os.PathLike[str] | None = None
    settle_s: float = 0.5
    polling: bool = False
    most_frames: int = 400

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        check_positive("settle_s", self.settle_s, allow_zero=True)
        for name in ("pixel_size", "frame_interval_s"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        if self.most_frames < 2:
            raise InputError(f"most_frames must be at least 2; got {self.most_frames}.")

    def meaning(self) -> dict[str, Any]:
        """Return what changes the numbers: another run with the same may go on from them."""
        return {
            "kind": self.kind, "pixel_size": self.pixel_size, "pixel_unit": self.pixel_unit,
            "frame_interval_s": self.frame_interval_s,
            "drive": None if self.drive is None else os.fspath(self.drive),
            "most_frames": self.most_frames,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number with its 90 % interval.

    Attributes
    ----------
    name, label
        For machines (``couplings[1]``) and for people.
    mean, low, high
        In ``unit``.
    verdict
        What the fit says of it; empty where nothing needs saying.
    basis
        What it rests on, such as "3 fields pooled".
    """

    name: str
    label: str
    mean: float
    low: float
    high: float
    unit: str = ""
    verdict: str = ""
    basis: str = ""


@dataclass(frozen=True, slots=True)
class FrameFile:
    """One file as it was read.

    Attributes
    ----------
    name
        Inside the watched folder.
    sha256
        Of its content.
    waited_s, queued_s, read_s
        Seconds from the first sight of the file until it stood still, then until its turn came,
        and to read it.
    noticed
        Clock time (seconds since 1970) of the first sight.
    """

    name: str
    sha256: str
    size: int = 0
    modified_ns: int = 0
    waited_s: float = 0.0
    read_s: float = 0.0
    queued_s: float = 0.0
    noticed: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """One frame and what was found in it alone.

    Attributes
    ----------
    file, part
        Its file, and its number in it (a file may hold many).
    facts
        Numbers by name: ``mean``, ``contrast``, ``sharpness``, and of a picture ``atoms``,
        ``sites``, ``vacancies``.
    estimates
        From this frame alone.
    counts
        Sites by species.
    field
        Number of the field of view; frames of one field are not independent.
    relation
        ``first``, ``same``, ``other`` or ``unclear``: how the field relates to the frames before.
    shift
        (x, y) against the first frame of the same field, in ``unit``.
    width
        Width of the field of view in ``unit``.
    dose
        Electrons per square angstrom, where the file says it.
    analysed_s
        Seconds to analyse it, all frames of a film that came together.
    lag_s
        Seconds from the first sight of the file to the published estimates.
    order
        When it was analysed, counted from 0.
    model
        What was fitted, in words: only couplings of one model and crystal are pooled.
    """

    file: FrameFile
    part: int = 0
    facts: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    estimates: tuple[Estimate, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    notes: tuple[StepNote, ...] = ()
    field: int = 0
    relation: str = ""
    shift: tuple[float, float] | None = None
    unit: str = "pixel"
    width: float = 0.0
    dose: float | None = None
    analysed_s: float = 0.0
    lag_s: float = 0.0
    order: int = 0
    model: str = ""
    image: xr.DataArray | None = None
    atoms: AtomicConfiguration | None = None
    snapshots: LatticeSnapshots | None = None
    couplings: Fit | None = None

    @property
    def name(self) -> str:
        """The file's name, with the number of the frame where there are several in it."""
        return self.file.name if not self.part else f"{self.file.name}, frame {self.part + 1}"


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn figure: PNG bytes, alternative text, caption, size in pixels."""

    png: bytes
    alt: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class LiveState:
    """All that is known after a number of frames.

    Attributes
    ----------
    options, seed
        As given.
    kind
        ``auto`` until a frame has decided.
    frames
        In the natural order of their names.
    estimates
        From all frames together.
    history
        (Number of frames, estimates) after each update, oldest first.
    warnings
        (Where from, sentence).
    plan
        Rows of the proposed next step: do, where, dose, why.
    advice
        Sentences on what to do next and what would narrow the estimates.
    notes
        What became of the steps over all frames.
    left_out
        (File, reason): copies, files that could not be read, shapes that do not fit.
    update_s
        Seconds that the last update of the estimates over all frames took.
    pooled, track, video
        Couplings of all fields; walls of the film and the film itself.
    matches
        How pairs of frames lie on one another, so that none is compared twice.
    """

    options: WatchOptions
    seed: int
    kind: str = "auto"
    frames: tuple[FrameResult, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    history: tuple[tuple[int, tuple[Estimate, ...]], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    plan: tuple[Mapping[str, str], ...] = ()
    advice: tuple[str, ...] = ()
    notes: tuple[StepNote, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    update_s: float = 0.0
    pooled: Fit | None = None
    track: WallTrack | None = None
    video: xr.DataArray | None = None
    matches: Mapping[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def last(self) -> FrameResult | None:
        """The frame that was analysed last."""
        return max(self.frames, key=lambda frame: frame.order) if self.frames else None

    @property
    def n_fields(self) -> int:
        """Number of different fields of view."""
        return len({frame.field for frame in self.frames})
