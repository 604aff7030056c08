"""The folder of a study: written whole beside its place, then put there in one move."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physlearn.checks import InputError, NotWritten
from physlearn.file_lock import alone_with, lock_beside
from physlearn.findings import Findings
from physlearn.law_words import law_constants
from physlearn.whole_files import (
    FULL,
    folder_on_disk,
    on_disk,
    process_lives,
    this_machine,
    why_not_written,
)

if TYPE_CHECKING:
    from physlearn.records import AtomicConfiguration, WallTrack

__all__ = [
    "MARKER",
    "check_out",
    "damaged_files",
    "study_folder",
    "write_artefacts",
]

MARKER = ".physlearn-study"
"""File that marks a folder as ours and lists what we wrote: nothing else is ever replaced. Its
lines are those of ``sha256sum``."""
FORMER, GONE = "former", "gone"
MARKER_TITLE = "A study by physlearn; a new run may replace these files:"


def check_out(out: str | os.PathLike[str]) -> Path:
    """Return where the study goes, or say why it must not go there.

    Raises
    ------
    InputError
        When ``out`` is a file, a folder that holds a file which no study wrote, or has no parent
        folder.

    Examples
    --------
    >>> check_out(tempfile.mkdtemp()).is_dir()
    True
    """
    folder = Path(out).resolve()
    if folder.is_file():
        raise InputError(f"out must be a folder; {folder} is a file.")
    if folder.is_dir():
        foreign = sorted(_contents(folder) - _written(folder))
        if foreign:
            raise InputError(
                "out must be a new or empty folder, or an earlier study and nothing else; "
                f"{folder} holds other files, such as {foreign[0]}."
            )
    if not folder.parent.is_dir():
        raise InputError(f"out must lie in a folder that exists; {folder.parent} does not.")
    if not os.access(folder.parent, os.W_OK):
        raise InputError(f"out must lie in a folder that you may write to; {folder.parent} is not.")
    return folder


def _contents(folder: Path) -> set[str]:
    """Return every file, and every folder without files, below a folder."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink() or not any(path.iterdir())
    }


def _written(folder: Path) -> set[str]:
    """Return what an earlier study wrote into a folder, by its marker."""
    marker = folder / MARKER
    if not marker.is_file() or marker.is_symlink():
        return set()
    sums = _sums(marker)
    return set() if sums is None else {MARKER, *sums}


def _sums(marker: Path) -> dict[str, str] | None:
    """Return the checksum of each file by name ("" for folders), or None for no marker of ours."""
    title, *lines = marker.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    parts = [re.fullmatch(r"(?:([0-9a-f]{64})  )?(.*)", line) for line in lines]
    return {part[2]: part[1] or "" for part in parts if part} if title == MARKER_TITLE else None


def damaged_files(folder: str | os.PathLike[str]) -> list[str]:
    """Return which files of a study are gone, or are not what the study wrote.

    Raises
    ------
    InputError
        When no study wrote the folder.

    Examples
    --------
    >>> place = Path(tempfile.mkdtemp()) / "study"
    >>> with study_folder(place) as folder:
    ...     _ = (folder / "a.txt").write_text("whole")
    >>> before = damaged_files(place)
    >>> _ = (place / "a.txt").write_text("edited")
    >>> before, damaged_files(place)
    ([], ['a.txt'])
    """
    marker = Path(folder) / MARKER
    sums = _sums(marker) if marker.is_file() else None
    if sums is None:
        raise InputError(f"folder must be one that a study wrote; {folder} is none.")
    return [name for name, told in sums.items() if told and _sum(Path(folder) / name) != told]


def _sum(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


@contextmanager
def study_folder(out: str | os.PathLike[str]) -> Iterator[Path]:
    """Hand out a temporary folder beside ``out`` and put it in its place on success.

    Whatever goes wrong inside the block, also Ctrl-C, leaves ``out`` as it was.

    Examples
    --------
    >>> place = Path(tempfile.mkdtemp()) / "study"
    >>> with study_folder(place) as folder:
    ...     _ = (folder / "a.txt").write_text("whole")
    >>> sorted(file.name for file in place.iterdir())
    ['.physlearn-study', 'a.txt']
    """
    final = check_out(out)
    busy = (
        f"another process writes {final} right now ({{holder}}); wait for it, or give another out."
    )
    with alone_with(lock_beside(final), busy):
        _sweep(final)
        try:
            temporary = _hidden(final)
            try:
                yield temporary
                _put(temporary, final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        except OSError as error:
            if isinstance(error, NotWritten) or error.errno not in FULL:
                raise
            raise NotWritten(why_not_written(final, error), error.errno) from None


def _put(temporary: Path, final: Path) -> None:
    """Put a whole folder in its place, and what stood there aside until that is done."""
    names = sorted(_contents(temporary))
    lines = [f"{_sum(temporary / name)}  {name}".strip() for name in names]
    (temporary / MARKER).write_text("\n".join([MARKER_TITLE, *lines]) + "\n", encoding="utf-8")
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o777 & ~mask)
    _flush(temporary)
    check_out(final)
    if final.is_dir():
        aside = _hidden(final)
        final.rename(aside / FORMER)
        temporary.rename(final)
        (aside / FORMER).rename(aside / GONE)  # half of it must never be put back
        shutil.rmtree(aside)
    else:
        temporary.rename(final)
    folder_on_disk(final.parent)


def _hidden(final: Path) -> Path:
    """Make a folder beside the final one, whose name says which process works in it."""
    owner = f"{os.getpid()}@{this_machine()}"
    return Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}-{owner}-"))


def _flush(folder: Path) -> None:
    """Have everything on the disk before it gets its name, should the power fail."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir():
            folder_on_disk(path)
        else:
            on_disk(path)


def _sweep(final: Path) -> None:
    """Clear up after studies into this place that were killed on this machine.

    One that was killed between its two moves has put the earlier study aside: it goes back.
    """
    for place in final.parent.glob(f".{glob.escape(final.name)}-*@*"):
        owner = re.fullmatch(r"-(\d+)@(.+)-[^-]+", place.name[len(final.name) + 1 :])
        if owner and owner[2] == this_machine() and not process_lives(int(owner[1])):
            former = place / FORMER
            if former.is_dir() and not final.exists():
                former.rename(final)
            shutil.rmtree(place, ignore_errors=True)


def write_artefacts(findings: Findings, summary: Mapping[str, Any], folder: Path) -> list[str]:
    """Write every record, result and figure, the summary and the report; return their names."""
    from physlearn.report.builder import build_report
    from physlearn.report.downloads import write_downloads
    from physlearn.report.figures import draw_pictures

    names = _write_records(findings, folder)
    pictures = draw_pictures(findings)
    names += write_downloads(findings, summary, pictures, folder)
    names += ["summary.json", "report.html"]
    page = build_report(findings, summary, pictures, names)
    text = json.dumps({**summary, "files": names}, indent=1, allow_nan=False, ensure_ascii=False)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page, encoding="utf-8")
    return names


def _write_records(findings: Findings, folder: Path) -> list[str]:
    """Write what was found, each record in its own format and as a table; return the names."""
    from physlearn.results import plain_json

    names: list[str] = []

    def place(name: str) -> Path:
        names.append(name)
        return folder / name

    if findings.atoms is not None:
        _write_atoms(findings.atoms, place("atoms.csv"))
        findings.atoms.save(place("atoms.nc"))
    if findings.scan is not None:
        _write_atoms(findings.scan.atoms, place("atoms_straight.csv"))
    if findings.vacancies is not None:
        findings.vacancies.to_pandas().to_csv(place("site_states.csv"), index=False)
    if findings.strain is not None:
        findings.strain.to_pandas().to_csv(place("strain.csv"), index=False)
    if findings.snapshots is not None:
        findings.snapshots.save(place("sites.nc"))
    if findings.couplings is not None:
        findings.couplings.save(place("posterior.nc"))
    if findings.patches is not None:
        _write_patches(findings, place)
    if findings.graph is not None:
        findings.graph.to_json(place("graph.json"))
    if findings.plan is not None:
        findings.plan.to_json(place("plan.json"))
    if findings.rehearsal is not None:
        findings.rehearsal.table.to_csv(place("operating_table.csv"), index=False)
        if findings.rehearsal.twinned is not None:
            findings.rehearsal.twinned.campaign.to_json(place("campaign.json"))
            findings.rehearsal.twinned.plan.to_json(place("campaign_plan.json"))
    if findings.track is not None:
        findings.track.save(place("walls.nc"))
        _write_walls(findings.track, place)
        if findings.video is not None:
            from physlearn.datasets import save_wall_movie

            save_wall_movie(findings.track, findings.video, place("walls.gif"))
    if findings.wall_fit is not None:
        findings.wall_fit.save(place("wall_posterior.nc"))
    if findings.trajectory is not None:
        findings.trajectory.save(place("tracks.nc"))
    if findings.track_report is not None:
        findings.track_report.to_csv(place("linking.csv"), index=False)
    if findings.diffusion is not None:
        findings.diffusion.table.to_csv(place("diffusion.csv"), index=False)
    if findings.hops is not None:
        findings.hops.table.to_csv(place("hops.csv"), index=False)
    for fit, name in ((findings.pair_force, "pair_force"), (findings.hop_rates, "hop_rates")):
        if fit is not None:
            fit.save(place(f"{name}_posterior.nc"))
    if findings.drift is not None:
        findings.drift.save(place("drift_laws.json"))
    if findings.laws is not None:
        rows = plain_json(findings.laws.table.to_dict("records"), texts=True)
        told = {
            "verdict": findings.laws.verdict, "constants": law_constants(findings.laws),
            "laws": rows,
        }  # fmt: skip
        text = json.dumps(told, indent=1, allow_nan=False)
        place("laws.json").write_text(text + "\n", encoding="utf-8")
    return names


def _write_patches(findings: Findings, place: Callable[[str], Path]) -> None:
    """Write the patch table, what its columns mean, and both in the documented layout."""
    import pandas as pd

    from physlearn.datasets.layouts.save_table import save_table
    from physlearn.patch_summary import column_rows, scan_metadata

    table = findings.patches
    if table is not None:
        table.to_pandas().to_csv(place("patches.csv"), index=False)
        pd.DataFrame(column_rows(table)).to_csv(place("patches_columns.csv"), index=False)
        save_table(place("patches.nc"), table, scan_metadata(findings))


def _write_walls(track: WallTrack, place: Callable[[str], Path]) -> None:
    """Write the points of all walls and the events, units in the first line."""
    for name, table in (("walls.csv", track.to_pandas()), ("wall_events.csv", track.events)):
        with place(name).open("w", encoding="utf-8", newline="") as file:
            file.write(f"# unit: {track.unit}, time: {track.time_unit}\n")
            table.to_csv(file, index=False)


def _write_atoms(atoms: AtomicConfiguration, path: Path) -> None:
    """Write the atoms as ``to_csv`` does, with the probability of each species beside them."""
    from physlearn.atom_summary import species_probabilities

    table = atoms.to_pandas()
    chances = species_probabilities(atoms)
    if chances is not None:
        for code, values in enumerate(chances.T):
            name = atoms.species_names[code] if atoms.species_names else str(code)
            table[f"probability_{name.replace(' ', '_')}"] = values
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# unit: {atoms.unit}\n")
        table.to_csv(file, index=False)
