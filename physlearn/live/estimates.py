"""The pure core of the live view: a state and new frames give a new state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from physlearn.checks import as_generator
from physlearn.findings import Findings, StepNote
from physlearn.live.advice import next_steps
from physlearn.live.films import analyse_film, film_estimates, frame_shifts, stack_frames
from physlearn.live.frame_facts import frame_facts
from physlearn.live.frame_warnings import live_warnings
from physlearn.live.pictures import analyse_picture, place_fields, pool_fields
from physlearn.live.records import Estimate, FrameFile, FrameResult, LiveState, WatchOptions

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NewFrame", "add_frames", "natural_order", "start_state"]

FEWEST_SITES = 60
"""Sites of a lattice from which on a frame counts as an atomic picture."""


@dataclass(frozen=True, slots=True, eq=False)
class NewFrame:
    """A frame as it was read: its file, its number there, and the picture (y, x)."""

    file: FrameFile
    image: xr.DataArray
    part: int = 0


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts names as people count: frame2 before frame10.

    Examples
    --------
    >>> sorted(["f10.tif", "f2.tif", "e1.tif"], key=natural_order)
    ['e1.tif', 'f2.tif', 'f10.tif']
    """
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, int(p), p) if p.isdecimal() else (1, 0, p.lower()) for p in parts)


def start_state(
    options: WatchOptions | None = None, *, rng: int | np.random.Generator | None = None
) -> LiveState:
    """Return the state before the first frame.

    Examples
    --------
    >>> start_state(rng=1).frames
    ()
    """
    chosen = options or WatchOptions()
    state = LiveState(chosen, as_generator(rng)[1], chosen.kind)
    return replace(state, advice=tuple(next_steps(state)))


def add_frames(state: LiveState, frames: Sequence[NewFrame]) -> LiveState:
    """Take new frames in and update every estimate.

    A file that was taken in before under the same name is replaced; a file whose content is known
    under another name is left out, and the state says so. The estimates follow from the set of
    frames and the seed alone, not from the order in which the frames arrive.

    Parameters
    ----------
    state
        From ``start_state`` or an earlier call; it is not changed.
    frames
        As they were read.

    Returns
    -------
    LiveState
        With the frames in it.

    Examples
    --------
    >>> import xarray as xr
    >>> noise = xr.DataArray(np.random.default_rng(0).normal(size=(48, 48)), dims=("y", "x"))
    >>> state = add_frames(start_state(rng=1), [NewFrame(FrameFile("a.npy", "0a"), noise)])
    >>> len(state.frames), state.estimates
    (1, ())
    """
    state, frames = _without_copies(state, frames)
    if not frames:
        return state
    started = perf_counter()
    frames = sorted(frames, key=lambda one: (natural_order(one.file.name), one.part))
    kind = state.kind
    if kind == "auto":
        kind = _kind_of(frames)
    state = replace(state, kind=kind)
    state = _add_film(state, frames) if kind == "film" else _add_pictures(state, frames)
    state = replace(state, warnings=tuple(live_warnings(state)))
    state = replace(state, advice=tuple(next_steps(state)))
    seconds = perf_counter() - started
    files = {frame.file.name for frame in frames}
    own = [one.analysed_s for one in state.frames if one.file.name in files]
    return replace(
        state,
        update_s=max(seconds - (max(own, default=0.0) if kind == "film" else sum(own)), 0.0),
        history=(*state.history, (len(state.frames), state.estimates)),
    )


def _without_copies(
    state: LiveState, frames: Sequence[NewFrame]
) -> tuple[LiveState, list[NewFrame]]:
    """Drop frames that are known; forget earlier content of files that were written anew."""
    known = {frame.file.sha256: frame.file.name for frame in state.frames}
    kept, left_out = [], dict(state.left_out)
    for frame in frames:
        other = known.get(frame.file.sha256)
        if other == frame.file.name:
            continue
        if other is not None:
            left_out[frame.file.name] = f"it is a copy of {other}, and counts once"
            continue
        kept.append(frame)
    for one in kept:  # two copies may arrive together
        known.setdefault(one.file.sha256, one.file.name)
    unique = [one for one in kept if known[one.file.sha256] == one.file.name]
    for one in kept:
        if one not in unique:
            left_out[one.file.name] = f"it is a copy of {known[one.file.sha256]}, and counts once"
    names = {one.file.name for one in unique}
    for name in names:
        left_out.pop(name, None)
    old = tuple(frame for frame in state.frames if frame.file.name not in names)
    return replace(state, frames=old, left_out=tuple(left_out.items())), unique


def _kind_of(frames: Sequence[NewFrame]) -> str:
    """Tell atomic pictures from frames of a film; ``auto`` where neither shows."""
    if any(frame.part for frame in frames):
        return "film"
    from physlearn.checks import InputError, NotIdentified
    from physlearn.datasets.walls.find_walls import find_walls

    image = frames[-1].image
    found = analyse_picture(image, frames[-1].file, frames[-1].part, 0)
    if found.facts.get("sites", 0.0) >= FEWEST_SITES:
        return "picture"
    try:
        walls = find_walls(image)
    except (NotIdentified, InputError):
        return "auto"
    return "film" if len(walls.table) else "auto"


def _add_pictures(state: LiveState, frames: Sequence[NewFrame]) -> LiveState:
    order = max((frame.order for frame in state.frames), default=-1)
    done = list(state.frames)
    for k, new in enumerate(frames, start=1):
        started = perf_counter()
        found = analyse_picture(new.image, new.file, new.part, state.seed)
        found = replace(found, order=order + k, analysed_s=perf_counter() - started)
        done.append(found)
    done.sort(key=lambda one: (natural_order(one.file.name), one.part))
    # fields are numbered in the order of names, so that they do not hang on who came first
    placed, matches = place_fields(done, state.matches)
    state = replace(state, matches=matches)
    last = max(placed, key=lambda one: one.order)
    keep = state.kind == "auto"
    kept = tuple(
        one if one is last or keep or one.image is None else replace(one, image=None)
        for one in placed
    )
    state = replace(state, frames=kept)
    pooled, estimates, warnings = pool_fields(kept, state.seed)
    if not estimates and last.estimates:
        estimates = last.estimates
    state = replace(
        state, pooled=pooled, estimates=(*estimates, *_last_vacancies(last)),
        warnings=tuple(("couplings", text) for text in warnings),
    )  # fmt: skip
    return _with_picture_plan(state, last)


def _last_vacancies(last: FrameResult) -> tuple[Estimate, ...]:
    return tuple(
        replace(one, label=f"{one.label}, last frame")
        for one in last.estimates
        if one.name.startswith("vacant_share")
    )


def _with_picture_plan(state: LiveState, last: FrameResult) -> LiveState:
    """Plan the next step from the last picture and the couplings of all fields."""
    from physlearn.findings import run_steps
    from physlearn.report.plan_prose import plan_rows
    from physlearn.steps_plan import PLAN_STEPS

    findings = Findings(
        last.name, state.seed, image=last.image, atoms=last.atoms, snapshots=last.snapshots,
        couplings=state.pooled if last.snapshots is not None else None,
    )  # fmt: skip
    run_steps(PLAN_STEPS, findings)
    return replace(state, plan=tuple(plan_rows(findings)), notes=tuple(findings.notes))


def _add_film(state: LiveState, frames: Sequence[NewFrame]) -> LiveState:
    order = max((frame.order for frame in state.frames), default=-1)
    done = list(state.frames)
    started = perf_counter()
    left_out = dict(state.left_out)
    shape = next((one.image.shape for one in done if one.image is not None), None)
    for k, new in enumerate(frames, start=1):
        if shape is None:
            shape = new.image.shape
        if new.image.shape != shape:
            left_out[new.file.name] = (
                f"its shape {new.image.shape} is not that of the film, {shape}"
            )
            continue
        dose = new.image.attrs.get("dose_e_per_angstrom2")
        done.append(
            FrameResult(
                new.file, new.part, frame_facts(new.image), order=order + k,
                dose=float(dose) if dose else None, image=new.image,
                unit=str(new.image.coords["x"].attrs.get("units", "pixel")),
            )
        )  # fmt: skip
    # what came before the kind was known was analysed as pictures
    done = [replace(one, estimates=(), notes=(), warnings=(), relation="") for one in done
            if one.image is not None]  # fmt: skip
    done.sort(key=lambda one: (natural_order(one.file.name), one.part))
    state = replace(state, frames=tuple(done), left_out=tuple(left_out.items()))
    if not done:
        return state
    state = analysed_film(state)
    seconds = perf_counter() - started
    timed = tuple(
        replace(one, analysed_s=seconds) if one.order > order else one for one in state.frames
    )
    return replace(state, frames=timed)


def analysed_film(state: LiveState) -> LiveState:
    """Return the state with its film tracked and fitted anew."""
    from physlearn.report.plan_prose import plan_rows

    used = state.frames[-state.options.most_frames :]
    images = [one.image for one in used if one.image is not None]
    film, doubts = stack_frames(images, [one.name for one in used], state.options)
    shifted = _with_shifts(used, film)
    state = replace(state, frames=(*state.frames[: -len(used)], *shifted), video=film)
    if len(images) < 2:
        note = StepNote("walls", "Track walls", "could not", "one frame is no film yet.")
        return replace(state, notes=(note,), estimates=(), plan=(), track=None)
    findings = analyse_film(film, state.seed)
    if len(used) < len(state.frames):
        doubts.append(
            f"the film has {len(state.frames)} frames; the estimates are of the newest {len(used)}"
        )
    warnings = [("film", text) for text in doubts] + findings.warnings()
    return replace(
        state, track=findings.track, estimates=film_estimates(findings),
        warnings=tuple(warnings), notes=tuple(findings.notes), plan=tuple(plan_rows(findings)),
    )  # fmt: skip


def _with_shifts(used: Sequence[FrameResult], film: xr.DataArray) -> list[FrameResult]:
    """Give each frame its shift against the one before; known ones are kept."""
    before = [None, *[one.name for one in used[:-1]]]
    out = list(used)
    for k in range(1, len(used)):
        if used[k].relation == f"after {before[k]}":
            continue
        found = frame_shifts(film.isel(time=slice(k - 1, k + 1)))[0]
        facts = dict(used[k].facts)
        facts.pop("shift_error", None)
        if found is not None:
            facts["shift_error"] = found[2]
        out[k] = replace(
            used[k], relation=f"after {before[k]}", facts=facts,
            shift=None if found is None else found[:2], unit=used[k].unit,
        )  # fmt: skip
    return out
