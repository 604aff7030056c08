"""What a person at the microscope must be told: drift, frames unlike the others, dose, repeats."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from physlearn.live.frame_facts import odd_frames
from physlearn.live.records import FrameResult, LiveState
from physlearn.phrases import said_number, unit_text

__all__ = ["dose_text", "live_warnings"]

CLEAR_SDS = 5.0
DRIFT_SHARE = 0.05
"""Share of the field of view from which on a drift is worth a warning."""
DRIFT_PX = 0.5
"""Pixels between two frames of a film from which on a shift is worth a warning."""


def live_warnings(state: LiveState) -> list[tuple[str, str]]:
    """Return every warning once, as (where it comes from, sentence); the newest matters first."""
    seen: dict[str, str] = {}
    for source, text in (*_frames(state), *state.warnings, *_last_frame(state)):
        seen.setdefault(text.strip(), source)
    return [(source, text) for text, source in seen.items()]


def dose_text(frames: tuple[FrameResult, ...]) -> str:
    """Say the dose so far, per field of view, as far as the files state it.

    Examples
    --------
    >>> dose_text(())
    ''
    """
    if not frames:
        return ""
    known = [one for one in frames if one.dose is not None]
    if not known:
        return "Dose so far: not stated by the files."
    by_field: dict[int, float] = {}
    for one in known:
        by_field[one.field] = by_field.get(one.field, 0.0) + float(one.dose or 0.0)
    most = max(by_field, key=lambda k: by_field[k])
    text = f"Dose so far: {said_number(by_field[most])} e/Å² on the field that got most"
    if len(known) < len(frames):
        text += f" ({len(frames) - len(known)} of {len(frames)} frames do not state theirs)"
    return text + "."


def _frames(state: LiveState) -> Iterator[tuple[str, str]]:
    for one, reasons in zip(
        state.frames, odd_frames([one.facts for one in state.frames]), strict=True
    ):
        if reasons:
            yield "frames", f"{one.name} is unlike the other frames: {'; '.join(reasons)}."
    yield from _film_drift(state) if state.kind == "film" else _picture_drift(state)


def _film_drift(state: LiveState) -> Iterator[tuple[str, str]]:
    moved, lost = [], []
    for one in state.frames:
        if one.relation and one.shift is None:
            lost.append(one.name)
        elif one.shift is not None:
            size = float(np.hypot(*one.shift))
            if size > max(DRIFT_PX, CLEAR_SDS * one.facts.get("shift_error", 0.0)):
                moved.append((one.name, size))
    if moved:
        name, size = moved[-1]
        many = f" ({len(moved)} frames have moved so)" if len(moved) > 1 else ""
        yield (
            "drift",
            f"{name} lies {said_number(size, 2)} px from the frame before{many}: the stage drifts, "
            "or all walls moved at once; fixed marks in the field would tell.",
        )
    if lost:
        yield (
            "drift",
            f"{lost[-1]} has nothing in common with the frame before: was the field left?",
        )


def _picture_drift(state: LiveState) -> Iterator[tuple[str, str]]:
    repeats = [one for one in state.frames if one.relation == "same"]
    unclear = [one for one in state.frames if one.relation == "unclear"]
    if repeats:
        n_all, n_fields = len(state.frames), state.n_fields
        yield (
            "frames",
            f"{n_all} frames show {n_fields} field{'s' if n_fields > 1 else ''} of view: repeats "
            "of a field are the same atoms again and not independent, so each field counts once, "
            "by its frame with most sites.",
        )
        last = max(repeats, key=lambda one: one.order)
        if last.shift is not None and last.width:
            size = float(np.hypot(*last.shift))
            if size > DRIFT_SHARE * last.width:
                yield (
                    "drift",
                    f"{last.name} lies {said_number(size, 2)} {unit_text(last.unit)} from the "
                    f"first frame of its field ({size / last.width:.0%} of its width): the stage "
                    "drifts.",
                )
    if unclear:
        which = "1 frame" if len(unclear) == 1 else f"{len(unclear)} frames"
        yield (
            "frames",
            f"whether {which} ({unclear[-1].name}) show a new field cannot be told from the "
            "pattern: counted with an earlier one.",
        )


def _last_frame(state: LiveState) -> Iterator[tuple[str, str]]:
    last = state.last
    if last is None or state.kind == "film":
        return
    yield from last.warnings
    for note in last.notes:
        if note.status == "could not":
            yield last.name, f"{note.title} could not be done: {note.reason}"
