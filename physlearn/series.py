"""Several inputs in one study: a report for each, and an overview of what differs between them."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physlearn.checks import InputError, NotIdentified
from physlearn.executors import ExecutorLike, Workers, open_workers
from physlearn.findings import RunOne, run_steps
from physlearn.series_numbers import (
    Compared,
    Quantity,
    compare_two,
    pool_repeats,
    quantities_of,
    trend_along,
)
from physlearn.study import Progress, study_findings
from physlearn.study_file import COVARIATES, StudySpec, study_of
from physlearn.study_folder import check_out, study_folder, write_artefacts

if TYPE_CHECKING:
    from physlearn.results import Fit
    from physlearn.step_store import StepStore

__all__ = ["Member", "Overview", "SeriesResult", "chosen_kind", "run_series"]

FEWEST_FOR_A_TREND = 3


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Member:
    """One input of a series, after its study.

    Attributes
    ----------
    label, folder
        What it is called, and its folder below that of the series.
    covariates
        ``temperature_K``, ``composition``, ``dose``, ``time_s``, as far as they are given.
    summary
        Content of its ``summary.json``.
    quantities
        Its numbers by name.
    couplings
        The posterior, where couplings were fitted.
    """

    label: str
    folder: str
    covariates: Mapping[str, float]
    summary: Mapping[str, Any]
    quantities: Mapping[str, Quantity]
    couplings: Fit | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Overview:
    """What the inputs show together.

    Attributes
    ----------
    kind
        ``nothing``, ``repeats``, ``before_after``, or the covariate of a trend.
    rows
        Differences, slopes or pooled values by name.
    pooled
        Couplings of all inputs pooled, where there are any.
    notes
        Why something was not compared.
    """

    kind: str
    rows: Mapping[str, Compared] = field(default_factory=dict)
    pooled: Fit | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SeriesResult:
    """What a series of studies gave.

    Attributes
    ----------
    folder
        Where the artefacts are: the overview, and a sub-folder for each input.
    title, members, overview
        Of the series.
    remarks
        What the store of kept steps had to say.
    """

    folder: Path
    title: str
    members: tuple[Member, ...]
    overview: Overview
    remarks: tuple[str, ...] = ()

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.folder / "report.html"


def run_series(
    spec: StudySpec,
    *,
    out: str | os.PathLike[str],
    seed: int | None = None,
    progress: Progress | None = None,
    fresh: bool = False,
    executor: ExecutorLike | None = None,
) -> SeriesResult:
    """Study every input of a study file, and lay the answers beside each other.

    All inputs are read before the first step runs, so that a wrong file is found at once.

    Parameters
    ----------
    spec
        From `read_study_file`.
    out
        Folder to write: new, empty, or an earlier study, which is replaced.
    seed
        Repeats every number; None draws one and keeps it.
    progress
        Called with the input and its step, and the finished share, 0 to 1.
    fresh
        Take nothing that was kept.
    executor
        Studies inputs side by side: ``"processes:4"``, an executor or a dask client, see
        `physlearn.executors`. Workers of a cluster must reach the inputs and ``out``.

    Raises
    ------
    FileNotFoundError
        When a file does not exist.
    InputError
        When an input is refused, for threads (pictures can't be drawn side by side), or when
        ``out`` holds other files.
    """
    from physlearn.kept_steps import keeping
    from physlearn.step_store import open_store, stored_seed

    check_out(out)
    with (
        open_workers(executor) as workers,
        open_store(out, fresh=fresh) as store,
        study_folder(out) as folder,
    ):
        if seed is None:
            seed = stored_seed(store, check_out(out).name)
        _read_all(spec, seed)
        if workers.executor is None:
            members = tuple(
                _one(spec, number, seed, folder, keeping(store), _part_of(progress, spec, number))
                for number in range(len(spec.content.inputs))
            )
        else:
            members = _side_by_side(spec, seed, folder, store, workers, progress)
        if progress is not None:
            progress("Compare the inputs", 1.0)
        overview = compare(spec.content.compare, members, seed)
        result = SeriesResult(folder, spec.title, members, overview, tuple(store.said))
        _write(result, folder, seed)
    return SeriesResult(check_out(out), spec.title, members, overview, tuple(store.said))


def _side_by_side(
    spec: StudySpec, seed: int, folder: Path, store: StepStore, workers: Workers,
    progress: Progress | None,
) -> tuple[Member, ...]:  # fmt: skip
    if workers.shares_memory:
        raise InputError(
            "executor of a series must be one of processes or a cluster: studies draw pictures, "
            "which threads of one process can't do side by side."
        )
    n_inputs = len(spec.content.inputs)
    members: list[Member | None] = [None] * n_inputs
    # the lock of the study is held here; each worker writes steps of its own, whole, by rename
    apart = partial(_apart, spec, seed, folder, store.folder, store.fresh)
    found = workers.run(apart, ((number,) for number in range(n_inputs)), in_order=False)
    for done, (number, (member, said)) in enumerate(found, 1):
        members[number] = member
        for sentence in said:
            store.say(sentence)
        if progress is not None:
            progress(spec.label(number), min(done / n_inputs, 0.999))
    return tuple(one for one in members if one is not None)


def _apart(
    spec: StudySpec, seed: int, folder: Path, kept: Path, fresh: bool, number: int
) -> tuple[Member, list[str]]:
    """Study one input in a worker."""
    from physlearn.kept_steps import keeping
    from physlearn.step_store import StepStore

    store = StepStore(kept, fresh)
    return _one(spec, number, seed, folder, keeping(store), None), store.said


def _part_of(progress: Progress | None, spec: StudySpec, number: int) -> Progress | None:
    if progress is None:
        return None
    show: Callable[[str, float], None] = progress
    n_inputs, label = len(spec.content.inputs), spec.label(number)

    def shown(title: str, share: float) -> None:
        show(f"{label}: {title}", min((number + share) / n_inputs, 0.999))

    return shown


def _read_all(spec: StudySpec, seed: int) -> None:
    for number in range(len(spec.content.inputs)):
        try:
            study_findings(study_of(spec, number), seed)
        except InputError as error:
            raise InputError(f"{spec.label(number)}: {error}") from None


def _one(
    spec: StudySpec, number: int, seed: int, folder: Path, run_one: RunOne,
    progress: Progress | None,
) -> Member:  # fmt: skip
    from physlearn.summary import summarize

    entry, label = spec.content.inputs[number], spec.label(number)
    # Each input has its own random numbers, whatever its place in the list
    own_seed = (seed + zlib.crc32(Path(entry.file).name.encode())) % 2**63
    findings, steps = study_findings(study_of(spec, number), own_seed)
    run_steps(steps, findings, progress, run_one)
    summary = summarize(findings)
    name = folder_name(number, label)
    (folder / name).mkdir()
    write_artefacts(findings, summary, folder / name)
    covariates = {
        key: float(value) for key in COVARIATES if (value := getattr(entry, key)) is not None
    }
    return Member(label, name, covariates, summary, quantities_of(findings), findings.couplings)


def folder_name(number: int, label: str) -> str:
    """Return the name of an input's sub-folder: its place and what is plain of its label.

    Examples
    --------
    >>> folder_name(0, "../300 K.tiff")
    '01-300-K-tiff'
    """
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", label).strip("-")[:40]
    return f"{number + 1:02d}-{plain}".rstrip("-")


def compare(kind: str, members: tuple[Member, ...], seed: int) -> Overview:
    """Lay the numbers of several studies beside each other.

    Parameters
    ----------
    kind
        ``nothing``, ``repeats``, ``before_after``, a covariate, or ``auto``: along the covariate
        that all have and that takes three values at least, else before and after for two inputs,
        else nothing.
    members
        Of the series.
    seed
        Of the pooled couplings.
    """
    chosen = chosen_kind(kind, members)
    if chosen == "nothing":
        return Overview("nothing", notes=("Nothing says how the inputs belong together: set "
                                          "compare in the study file.",))  # fmt: skip
    names = list(dict.fromkeys(name for one in members for name in one.quantities))
    rows: dict[str, Compared] = {}
    notes: list[str] = []
    for name in names:
        found = [one.quantities.get(name) for one in members]
        held = [one for one in found if one is not None]
        if len(held) < len(found):
            notes.append(f"{name}: {len(found) - len(held)} of {len(found)} inputs do not show it.")
        if len({one.unit for one in held}) > 1:
            notes.append(f"{name}: its unit differs between the inputs; give the pixel size.")
            continue
        at = [one.covariates.get(chosen, 0.0) for one in members if name in one.quantities]
        row = _row(chosen, at, held)
        if row is not None:
            rows[name] = row
    pooled, why = _pooled(chosen, members, seed)
    return Overview(chosen, rows, pooled, (*notes, *why))


def chosen_kind(kind: str, members: tuple[Member, ...]) -> str:
    """Return how inputs are compared, where the study file leaves it open.

    Examples
    --------
    >>> pair = tuple(Member(label, "", {}, {}, {}) for label in ("a", "b"))
    >>> chosen_kind("auto", pair)
    'before_after'
    """
    if kind != "auto":
        return kind
    for name in COVARIATES:
        values = {one.covariates[name] for one in members if name in one.covariates}
        whole = all(name in one.covariates for one in members)
        if whole and len(values) >= FEWEST_FOR_A_TREND:
            return name
        if whole and len(values) == 1 and len(members) > 1:
            return "repeats"
    return "before_after" if len(members) == 2 else "nothing"


def _row(kind: str, at: list[float], held: list[Quantity]) -> Compared | None:
    if kind == "before_after":
        return compare_two(held[0], held[1]) if len(held) == 2 else None
    if kind == "repeats":
        return pool_repeats(held) if len(held) > 1 else None
    return trend_along(at, held) if len(set(at)) >= FEWEST_FOR_A_TREND else None


def _pooled(kind: str, members: tuple[Member, ...], seed: int) -> tuple[Fit | None, list[str]]:
    """Return the couplings of all inputs pooled: about one mean, along x, or as 1/T."""
    fits = {one.label: one.couplings for one in members if one.couplings is not None}
    if kind == "before_after" or len(fits) < 2:
        return None, []
    from physlearn.inference import pool_couplings

    form = {"repeats": "none", "temperature_K": "inverse"}.get(kind, "linear")
    at = [one.covariates[kind] for one in members if one.couplings is not None] if (
        kind in COVARIATES
    ) else None  # fmt: skip
    try:
        return pool_couplings(fits, at, form=form, rng=seed), []
    except (InputError, NotIdentified) as refusal:
        return None, [f"The couplings were not pooled: {refusal}"]


def _write(result: SeriesResult, folder: Path, seed: int) -> None:
    from physlearn.report.series_page import build_series_report, draw_series, series_content

    names: list[str] = []
    pictures = draw_series(result)
    if pictures:
        (folder / "figures").mkdir()
    for name, picture in pictures.items():
        (folder / "figures" / f"{name}.png").write_bytes(picture.png)
        names.append(f"figures/{name}.png")
    for name, table in series_tables(result).items():
        table.to_csv(folder / name, index=False)
        names.append(name)
    if result.overview.pooled is not None:
        result.overview.pooled.save(folder / "pooled_posterior.nc")
        names.append("pooled_posterior.nc")
    names += ["summary.json", "report.html"]
    content = {**series_content(result), "seed": seed, "files": names}
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")
    page = build_series_report(result, content, pictures)
    (folder / "report.html").write_text(page, encoding="utf-8")


def series_tables(result: SeriesResult) -> dict[str, Any]:
    """Return the tables of a series by file name: every number, and what was compared."""
    import pandas as pd

    numbers = [
        {"input": one.label, **one.covariates, "name": q.name, "unit": q.unit, "mean": q.mean,
         "sd": q.sd, "q05": q.interval()[0], "q95": q.interval()[1], "source": q.source}
        for one in result.members
        for q in one.quantities.values()
    ]  # fmt: skip
    compared = [
        {"name": row.name, "unit": row.unit, "mean": row.mean, "q05": row.low, "q95": row.high,
         "p_value": row.p_value, "scatter": row.scatter}
        for row in result.overview.rows.values()
    ]  # fmt: skip
    tables = {"numbers.csv": pd.DataFrame(numbers)}
    if compared:
        tables["compared.csv"] = pd.DataFrame(compared)
    return tables
