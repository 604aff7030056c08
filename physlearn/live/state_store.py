"""A live view's memory on disk: small JSON, records in their own formats, never half written."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from physlearn.checks import InputError
from physlearn.file_lock import alone_with
from physlearn.findings import StepNote
from physlearn.live.records import Estimate, FrameFile, FrameResult, LiveState, WatchOptions
from physlearn.records.json_text import parse_json
from physlearn.whole_files import write_whole

__all__ = ["STATE_FILE", "alone_in", "load_state", "open_state_folder", "save_state"]

STATE_FILE = "state.json"
WATCHING = ".watching"
"""Lock of a state folder that is in use."""
FORMAT = 1
RECORDS = ("atoms", "snapshots", "couplings")
LARGEST_STATE = 200_000_000
"""Bytes of a state file beyond which it is none of ours."""


def open_state_folder(out: Path, watched: Path) -> Path:
    """Return the folder for the state, made if need be; refuse one that is in use or holds others'.

    Raises
    ------
    InputError
        When it lies inside the watched folder, is a file, or holds files and no state.
    """
    folder = out.resolve()
    if folder == watched.resolve() or watched.resolve() in folder.parents:
        raise InputError(f"out must lie outside of the watched folder; got {out}.")
    if folder.is_file():
        raise InputError(f"out must be a folder; {out} is a file.")
    if not folder.parent.is_dir():
        raise InputError(f"out must lie in a folder that exists; {folder.parent} does not.")
    held = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    foreign = [name for name in held if not name.startswith(".")]
    if foreign and STATE_FILE not in held and "frames" not in held:
        raise InputError(
            f"out must be a new or empty folder, or that of an earlier watch; {folder} holds other "
            f"files, such as {foreign[0]}."
        )
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep a second watch out of a state folder; the mark of one that was killed is no hindrance.

    Raises
    ------
    InputError
        When another process of this machine watches with this folder.
    """
    busy = (
        f"out must not be in use; {{holder}} watches with {folder}: end it, or give another --out."
    )
    with alone_with(folder / WATCHING, busy):
        yield


def save_state(state: LiveState, folder: Path) -> None:
    """Write the state: the records of new frames first, then the list that names them.

    Whatever stops it in between leaves the earlier state whole.
    """
    rows = []
    kept = set()
    for frame in state.frames:
        place = folder / "frames" / _key(frame)
        kept.add(place.name)
        rows.append({**_frame_row(frame), "records": _save_records(frame, place)})
    text = json.dumps(
        {
            "format": FORMAT, "options": state.options.meaning(), "seed": state.seed,
            "kind": state.kind, "frames": rows,
            "estimates": [asdict(one) for one in state.estimates],
            "history": [[n, [asdict(one) for one in row]] for n, row in state.history],
            "warnings": state.warnings, "plan": [dict(row) for row in state.plan],
            "advice": state.advice, "notes": [asdict(one) for one in state.notes],
            "left_out": state.left_out, "update_s": state.update_s,
        },
        ensure_ascii=False,
    )  # fmt: skip
    write_whole(folder / STATE_FILE, text)
    for place in (folder / "frames").iterdir():
        if place.is_dir() and place.name not in kept:
            shutil.rmtree(place, ignore_errors=True)


def load_state(
    folder: Path, options: WatchOptions, seed: int | None
) -> tuple[LiveState | None, list[str]]:
    """Return the state of an earlier watch, and what to say about it.

    Frames whose records are damaged are left out, so that they are analysed again. A state with
    another seed or other options is not gone on with.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        return None, []
    try:
        if path.stat().st_size > LARGEST_STATE:
            raise ValueError("it is too large")
        held = parse_json(path.read_text(encoding="utf-8"))
        if held["format"] != FORMAT:
            return None, ["the earlier state is of another version of physlearn: all begins anew."]
        if held["options"] != options.meaning():
            return None, ["the earlier state was made with other options: all begins anew."]
        if seed is not None and seed != held["seed"]:
            return None, ["the earlier state was made with another seed: all begins anew."]
        state = _state_of(held, options)
        frames, said = _load_frames(held["frames"], folder)
    except (ValueError, KeyError, TypeError, AttributeError, OSError, OverflowError) as error:
        return None, [f"the earlier state is damaged ({error}): all begins anew."]
    return replace(state, frames=tuple(frames)), said


def _state_of(held: Mapping[str, Any], options: WatchOptions) -> LiveState:
    def estimates(rows: list[dict[str, Any]]) -> tuple[Estimate, ...]:
        return tuple(Estimate(**row) for row in rows)

    return LiveState(
        options, int(held["seed"]), str(held["kind"]), (), estimates(held["estimates"]),
        tuple((int(n), estimates(rows)) for n, rows in held["history"]),
        tuple((str(a), str(b)) for a, b in held["warnings"]),
        tuple({str(k): str(v) for k, v in row.items()} for row in held["plan"]),
        tuple(map(str, held["advice"])), tuple(StepNote(**row) for row in held["notes"]),
        tuple((str(a), str(b)) for a, b in held["left_out"]), float(held["update_s"]),
    )  # fmt: skip


def _key(frame: FrameResult) -> str:
    """Return a folder name that depends on nothing a file name could smuggle in."""
    text = f"{frame.file.name}\0{frame.part}\0{frame.file.sha256}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _frame_row(frame: FrameResult) -> dict[str, Any]:
    return {
        "file": asdict(frame.file), "part": frame.part, "facts": dict(frame.facts),
        "counts": dict(frame.counts), "estimates": [asdict(one) for one in frame.estimates],
        "warnings": frame.warnings, "notes": [asdict(one) for one in frame.notes],
        "field": frame.field, "relation": frame.relation, "shift": frame.shift,
        "unit": frame.unit, "width": frame.width, "dose": frame.dose,
        "analysed_s": frame.analysed_s, "lag_s": frame.lag_s, "order": frame.order,
        "model": frame.model,
    }  # fmt: skip


def _save_records(frame: FrameResult, place: Path) -> dict[str, str]:
    """Save what a frame holds; return the checksum of each file."""
    sums = place / "sums.json"
    if sums.is_file():
        try:
            return {str(k): str(v) for k, v in json.loads(sums.read_text("utf-8")).items()}
        except (ValueError, AttributeError):
            pass
    found = {}
    for name in RECORDS:
        record = getattr(frame, name)
        if record is None:
            continue
        place.mkdir(exist_ok=True)
        path = place / f"{name}.nc"
        record.save(path)
        found[name] = _checksum(path)
    if found:
        write_whole(sums, json.dumps(found))
    return found


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _load_frames(rows: list[Any], folder: Path) -> tuple[list[FrameResult], list[str]]:
    from physlearn.records import AtomicConfiguration, LatticeSnapshots
    from physlearn.results import Fit

    loaders: dict[str, Any] = {
        "atoms": AtomicConfiguration.load, "snapshots": LatticeSnapshots.load,
        "couplings": Fit.load,
    }  # fmt: skip
    frames, said = [], []
    for row in rows:
        frame = _frame_of(row)
        place = folder / "frames" / _key(frame)
        try:
            records = {}
            for name, checksum in row["records"].items():
                if name not in RECORDS:
                    raise ValueError(f"it names {str(name)[:20]!r}")
                path = place / f"{name}.nc"
                if _checksum(path) != checksum:
                    raise InputError("its checksum differs")
                records[name] = loaders[name](path)
            frames.append(replace(frame, **records))
        except (OSError, InputError, KeyError, ValueError) as error:
            said.append(f"what was kept of {frame.name} is damaged ({error}): analysed again.")
            shutil.rmtree(place, ignore_errors=True)
    return frames, said


def _frame_of(row: Mapping[str, Any]) -> FrameResult:
    shift = row["shift"]
    return FrameResult(
        FrameFile(**row["file"]), int(row["part"]), dict(row["facts"]), dict(row["counts"]),
        tuple(Estimate(**one) for one in row["estimates"]),
        tuple((str(a), str(b)) for a, b in row["warnings"]),
        tuple(StepNote(**one) for one in row["notes"]), int(row["field"]), str(row["relation"]),
        None if shift is None else (float(shift[0]), float(shift[1])), str(row["unit"]),
        float(row["width"]), None if row["dose"] is None else float(row["dose"]),
        float(row["analysed_s"]), float(row["lag_s"]), int(row["order"]), str(row["model"]),
    )  # fmt: skip
