"""The study file: inputs, units, steps and options of a study, checked key by key."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from physlearn.checks import InputError
from physlearn.study_options import MOST_SHELLS, StudyOptions
from physlearn.study_steps import check_step_names
from physlearn.study_yaml import read_yaml

if TYPE_CHECKING:
    from physlearn.study import Study

__all__ = [
    "COVARIATES", "InputEntry", "StudyFile", "StudySpec", "length_of", "read_study_file",
    "region_of", "study_of",
]  # fmt: skip

COVARIATES = ("temperature_K", "composition", "dose", "time_s")
MOST_INPUTS = 1000


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: object) -> object:
    """Take one text for a list of one."""
    return [] if value is None else [value] if isinstance(value, str) else value


Texts = Annotated[list[str], BeforeValidator(_listed)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class InputEntry(_Part):
    """One picture, video or file of tracks, and under which conditions it was taken."""

    file: str
    label: str = ""
    temperature_K: Positive | None = None  # noqa: N815 -- a key with its unit
    composition: Finite | None = None
    dose: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    time_s: Finite | None = None
    picture: str | None = None
    channels: Texts = []
    repeat: Texts = []
    drive: str | None = None
    atoms: str | None = None
    region: str | None = None


class Units(_Part):
    """Scales, where the files do not say them."""

    pixel_size: str | None = None
    frame_interval_s: Positive | None = None


class Steps(_Part):
    """Which steps run."""

    leave_out: Texts = []
    campaign: bool = False


class Options(_Part):
    """What the steps are told; the names and meanings of `StudyOptions`."""

    lattice: Literal["square", "triangular", "any"] | None = None
    n_shells: Annotated[int, Field(ge=1, le=MOST_SHELLS)] = 2
    n_species: Annotated[int, Field(ge=1, le=5)] | None = None
    patch_size: Positive | None = None
    graph_method: Literal["auto", "pc", "fci", "ges", "boss", "exact"] = "auto"
    significance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    longest_wall_step: Positive = 6.0
    shortest_wall: Positive = 15.0


class StudyFile(_Part):
    """A study file's content."""

    physlearn: Literal["1"] = "1"
    title: str = ""
    inputs: Annotated[list[InputEntry], Field(min_length=1, max_length=MOST_INPUTS)]
    compare: Literal[
        "auto", "nothing", "repeats", "before_after", "temperature_K", "composition", "dose",
        "time_s",
    ] = "auto"  # fmt: skip
    out: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    units: Units = Units()
    steps: Steps = Steps()
    options: Options = Options()


@dataclass(frozen=True, slots=True)
class StudySpec:
    """A study file that was read, and where it lies.

    Attributes
    ----------
    path
        The file; all paths in it begin at its folder.
    content
        What it says.
    """

    path: Path
    content: StudyFile

    @property
    def out(self) -> Path:
        """Folder to write: as the file says, else beside it under its name."""
        named = self.content.out or f"{self.path.stem}-results"
        return self.path.parent / named

    @property
    def title(self) -> str:
        """Heading of the report."""
        return self.content.title or self.path.stem

    def label(self, number: int) -> str:
        """Return what an input is called: its label, else what sets it apart, else its file."""
        entry = self.content.inputs[number]
        if entry.label:
            return entry.label
        name = Path(entry.file).name
        same = [one for one in self.content.inputs if Path(one.file).name == name]
        return name if len(same) == 1 else f"{name} ({number + 1})"


def read_study_file(path: str | os.PathLike[str]) -> StudySpec:
    r"""Read and check a study file.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    InputError
        In one sentence: the key, what it must be, and what stands there.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "study.yaml"
    >>> _ = path.write_text("inputs:\n  - file: a.tiff\noptions:\n  n_shels: 3\n")
    >>> read_study_file(path)
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: study.yaml, line 4: options has no key 'n_shels'; did you mean ...
    """
    file = Path(path)
    text = read_yaml(file)
    if not isinstance(text.content, dict):
        raise InputError(
            f"{file.name} must hold keys such as inputs; write one with physlearn init."
        )
    given = {
        key: value for key, value in text.content.items()
        if not (value is None and key in ("units", "steps", "options"))
    }  # fmt: skip
    try:
        content = StudyFile.model_validate(given)
    except ValidationError as error:
        raise InputError(_in_one_sentence(file.name, error, text.lines)) from None
    spec = StudySpec(file, content)
    _check_meaning(spec)
    return spec


def _in_one_sentence(name: str, error: ValidationError, lines: dict[str, int]) -> str:
    found = error.errors(include_url=False)
    first = found[0]
    path = [str(part) for part in first["loc"]]
    where = next(
        (lines[key] for n in range(len(path), -1, -1) if (key := ".".join(path[:n])) in lines), 0
    )
    head = f"{name}, line {where}: " if where else f"{name}: "
    more = f" ({len(found) - 1} more after that)" if len(found) > 1 else ""
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _keys_at(path[:-1]), n=1)
        known = (
            f"did you mean {near[0]!r}?" if near else (f"it has {', '.join(_keys_at(path[:-1]))}.")
        )
        owner = ".".join(path[:-1]) or "the file"
        return f"{head}{owner} has no key {path[-1]!r}; {known}{more}"
    if first["type"] == "missing":
        return f"{head}{'.'.join(path)} is missing{more}; write one with physlearn init."
    said = re.sub(r"^(Input|Value|List) should ", "must ", first["msg"])
    said = said.partition(", unable to")[0].replace(" after validation, not 0", "")
    return f"{head}{'.'.join(path)} {said}; got {_shown(first['input'])}{more}."


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys_at(path: list[str]) -> list[str]:
    parts: dict[str, type[BaseModel]] = {
        "units": Units, "steps": Steps, "options": Options, "inputs": InputEntry,
    }  # fmt: skip
    return list((parts[path[0]] if path else StudyFile).model_fields)


def _check_meaning(spec: StudySpec) -> None:
    """Refuse what is well written and cannot be meant."""
    name, content = spec.path.name, spec.content
    check_step_names(f"{name}: steps.leave_out", content.steps.leave_out)
    out = Path(content.out or "x")
    if out.is_absolute() or ".." in out.parts or "\0" in str(out) or str(out) in (".", ""):
        raise InputError(
            f"{name}: out must be a folder below the study file, such as results; got "
            f"{_shown(content.out)} (--out on the command line takes any)."
        )
    for place, entry in enumerate(content.inputs):
        if "\0" in entry.file or not entry.file:
            raise InputError(f"{name}: inputs.{place}.file must name a file; got {entry.file!r}.")
        if entry.region is not None:
            region_of(entry.region, f"{name}: inputs.{place}.region")
    if content.units.pixel_size is not None:
        length_of(content.units.pixel_size, f"{name}: units.pixel_size")
    labels = [spec.label(number) for number in range(len(content.inputs))]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise InputError(f"{name}: inputs must have different labels; {twice!r} stands twice.")
    _check_compared(spec)


def _check_compared(spec: StudySpec) -> None:
    name, content = spec.path.name, spec.content
    kind = content.compare
    if kind == "before_after" and len(content.inputs) != 2:
        raise InputError(
            f"{name}: compare before_after takes two inputs, before and after; got "
            f"{len(content.inputs)}."
        )
    if kind in COVARIATES:
        for place, entry in enumerate(content.inputs):
            if getattr(entry, kind) is None:
                raise InputError(
                    f"{name}: compare {kind} needs it for every input; inputs.{place} "
                    f"({spec.label(place)}) has none."
                )


def study_of(spec: StudySpec, number: int) -> Study:
    """Return the study of one input of a study file."""
    from physlearn.study import Study

    content, entry, folder = spec.content, spec.content.inputs[number], spec.path.parent
    size, unit = length_of(content.units.pixel_size) if content.units.pixel_size else (None, "nm")
    wanted = content.options.model_dump()
    lattice = wanted.pop("lattice")
    alone = len(content.inputs) == 1
    return Study(
        folder / entry.file, tuple(folder / one for one in entry.channels),
        None if entry.drive is None else folder / entry.drive,
        title=(content.title if alone else "") or spec.label(number),
        atoms=None if entry.atoms is None else folder / entry.atoms,
        lattice=lattice, picture=entry.picture,
        repeat=tuple(folder / one for one in entry.repeat), pixel_size=size, pixel_unit=unit,
        frame_interval_s=content.units.frame_interval_s,
        region=None if entry.region is None else region_of(entry.region),
        campaign=content.steps.campaign,
        options=replace(StudyOptions(**wanted), leave_out=tuple(content.steps.leave_out)),
    )  # fmt: skip


def length_of(text: str, name: str = "pixel-size") -> tuple[float, str]:
    """Return the number and unit of a length such as ``0.05nm``.

    Examples
    --------
    >>> length_of("0.4 Å")
    (0.4, 'angstrom')
    """
    found = re.fullmatch(r"\s*([0-9.eE+-]+)\s*(nm|um|µm|A|Å|angstrom)\s*", text)
    try:
        value = float(found[1]) if found else None
    except ValueError:
        value = None
    if found is None or value is None:
        raise InputError(f"{name} must be a number with nm, um or angstrom; got {text!r}.")
    return value, {"µm": "um", "A": "angstrom", "Å": "angstrom"}.get(found[2], found[2])


def region_of(text: str, name: str = "region") -> tuple[int, int, int, int]:
    """Return the pixels of a region such as ``100:400,0:300`` (columns, rows).

    Examples
    --------
    >>> region_of("100:400,0:300")
    (100, 400, 0, 300)
    """
    found = re.fullmatch(r"\s*(\d{1,9}):(\d{1,9})\s*,\s*(\d{1,9}):(\d{1,9})\s*", text)
    if found is None:
        raise InputError(f"{name} must be columns,rows as 100:400,0:300; got {text!r}.")
    a, b, c, d = (int(number) for number in found.groups())
    return a, b, c, d
