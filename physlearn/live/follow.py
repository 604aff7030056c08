"""Follow a folder: a state for every frame that arrives, kept on disk, gone on with later."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physlearn.checks import InputError
from physlearn.live.estimates import NewFrame, add_frames, start_state
from physlearn.live.records import FrameResult, LiveState, WatchOptions
from physlearn.live.state_store import alone_in, load_state, open_state_folder, save_state
from physlearn.live.watcher import FolderWatcher, Seen, scan_folder

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Pulse", "default_out", "follow_folder"]

WAIT_S = 0.5
FILES_AT_ONCE = 64
"""Files of a film that are taken in together; the rest go in the next round."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What happens between two states.

    Attributes
    ----------
    doing
        What is being done now, in words.
    waiting
        Files that are there and not yet taken in.
    oldest_s
        How long the first of them has waited.
    said
        What the watch has to say of itself: an earlier state gone on with, a folder that is gone.
    """

    doing: str
    waiting: int = 0
    oldest_s: float = 0.0
    said: tuple[str, ...] = ()


def default_out(folder: str | os.PathLike[str]) -> Path:
    """Return where the state of a watch is kept: beside the folder, ``NAME-watch``.

    Examples
    --------
    >>> default_out("session/frames").name
    'frames-watch'
    """
    place = Path(folder).resolve()
    return place.parent / f"{place.name}-watch"


def follow_folder(
    folder: str | os.PathLike[str],
    options: WatchOptions | None = None,
    *,
    rng: int | np.random.Generator | None = None,
    out: str | os.PathLike[str] | None = None,
    once: bool = False,
    stop: threading.Event | None = None,
    pulse: Callable[[Pulse], None] | None = None,
) -> Generator[LiveState, None, None]:
    """Give a new state whenever frames have arrived in a folder and were analysed.

    The newest frame goes first; those that wait follow, none is dropped. After each state all is
    kept on disk, so that the next call goes on where this one ended, with the same numbers as if it
    had never stopped.

    Parameters
    ----------
    folder
        That the instrument writes to. It is only read.
    options
        `WatchOptions`.
    rng
        Seed or generator; None draws one, or takes that of the earlier state.
    out
        Folder for the state; None takes ``FOLDER-watch`` beside the folder.
    once
        Stop when every file that is there has been taken in or given up.
    stop
        Set it to end.
    pulse
        Called with what is being done, as often as it changes.

    Yields
    ------
    LiveState
        First the one it goes on from.

    Raises
    ------
    InputError
        When the folder is none, or ``out`` cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "frames"
    >>> place.mkdir()
    >>> np.save(place / "noise.npy", np.random.default_rng(0).normal(size=(48, 48)))
    >>> [len(state.frames) for state in follow_folder(place, rng=1, once=True)]
    [0, 1]
    """
    watched = Path(folder)
    if not watched.is_dir():
        raise InputError(f"folder must be a folder that exists; got {watched}.")
    chosen = options or WatchOptions()
    tell = pulse or (lambda _: None)
    place = open_state_folder(default_out(watched) if out is None else Path(out), watched)
    start = start_state(chosen, rng=rng)
    with alone_in(place):
        yield from _followed(watched, chosen, start, place, rng is not None, once, stop, tell)


def _followed(
    watched: Path, chosen: WatchOptions, start: LiveState, place: Path, seeded: bool, once: bool,
    stop: threading.Event | None, tell: Callable[[Pulse], None],
) -> Generator[LiveState, None, None]:  # fmt: skip
    state, said = load_state(place, chosen, start.seed if seeded else None)
    if state is None:
        state = start
    elif state.frames:
        said.insert(0, f"goes on from {len(state.frames)} frames that were analysed before.")
    watcher = FolderWatcher(watched, chosen, _taken(state))
    watcher.look()
    state = with_images(state, watcher)
    ended = stop or threading.Event()
    tell(Pulse("looks for frames", said=tuple(said)))
    yield state
    watcher.start()
    try:
        yield from _rounds(state, watcher, place, once, ended, tell, tuple(said))
    finally:
        watcher.close()


def _rounds(
    state: LiveState, watcher: FolderWatcher, place: Path, once: bool,
    ended: threading.Event, tell: Callable[[Pulse], None], said: tuple[str, ...],
) -> Generator[LiveState, None, None]:  # fmt: skip
    reported, warm = "", False
    while not ended.is_set():
        ready = watcher.ready()
        waiting = watcher.waiting()
        if not ready:
            lost = (*said, watcher.lost) if watcher.lost else said
            state, changed = _with_given_up(state, watcher)
            if changed:
                save_state(state, place)
                yield state
            if once and not waiting:
                return
            doing = f"waits for {waiting[0].name} to be whole" if waiting else "waits for frames"
            if doing + watcher.lost != reported:
                tell(Pulse(doing, len(waiting), _oldest(waiting), lost))
                reported = doing + watcher.lost
            if not warm and not once:
                warm = _warm_up()
                continue
            watcher.woken.clear()
            watcher.woken.wait(WAIT_S)
            continue
        reported = ""
        chosen = ready[:FILES_AT_ONCE] if state.kind == "film" else ready[:1]
        rest = len(waiting) - len(chosen)
        tell(Pulse(f"analyses {chosen[0].name}", rest, _oldest(waiting), said))
        new = _read(chosen, watcher)
        if not new:
            continue
        state = _timed(add_frames(state, new), {one.file.name for one in new})
        state, _ = _with_given_up(state, watcher)
        save_state(state, place)
        tell(Pulse("waits for frames", len(watcher.waiting()), _oldest(watcher.waiting()), said))
        yield state


def _warm_up() -> bool:
    """Import what the first frame would wait for, while there is nothing else to do."""
    from physlearn.arviz_import import import_arviz
    from physlearn.report import draw_walls  # noqa: F401

    import_arviz()
    return True


def _read(chosen: Sequence[Seen], watcher: FolderWatcher) -> list[NewFrame]:
    new = []
    for seen in chosen:
        found = watcher.read(seen)
        if found is not None:
            file, images = found
            new += [NewFrame(file, image, part) for part, image in enumerate(images)]
    return new


def _timed(state: LiveState, names: set[str]) -> LiveState:
    """Write down how long each new frame took from its first sight to now."""
    now = time.time()
    frames = tuple(
        replace(one, lag_s=max(now - one.file.noticed, 0.0)) if one.file.name in names else one
        for one in state.frames
    )
    return replace(state, frames=frames)


def _oldest(waiting: Sequence[Seen]) -> float:
    return max((time.time() - one.noticed for one in waiting), default=0.0)


def _taken(state: LiveState) -> dict[str, tuple[int, int]]:
    return {one.file.name: (one.file.size, one.file.modified_ns) for one in state.frames}


def _with_given_up(state: LiveState, watcher: FolderWatcher) -> tuple[LiveState, bool]:
    left = dict(state.left_out)
    left.update(watcher.given_up)
    changed = left != dict(state.left_out)
    return (replace(state, left_out=tuple(left.items())) if changed else state), changed


def with_images(state: LiveState, watcher: FolderWatcher) -> LiveState:
    """Read again the pictures that a state needs: all of a film, the last of atomic pictures.

    Frames of a film whose files are gone or have changed are taken out: the changed ones arrive
    anew.
    """
    from physlearn.live.watcher import read_frames

    if not state.frames:
        return state
    there = scan_folder(watcher.folder, {}, 0.0)
    last = state.last
    wanted = state.frames if state.kind != "picture" else tuple(f for f in (last,) if f)
    images: dict[str, Sequence[xr.DataArray]] = {}
    lost = dict(state.left_out)
    for name in dict.fromkeys(one.file.name for one in wanted):
        known = next(one.file for one in wanted if one.file.name == name)
        try:
            file, found = read_frames(watcher.folder, there[name], state.options)
            if file.sha256 == known.sha256:
                images[name] = found
        except (InputError, KeyError, ValueError):
            continue
    frames: list[FrameResult] = []
    for one in state.frames:
        if one.file.name in images:
            frames.append(replace(one, image=images[one.file.name][one.part]))
        elif state.kind == "picture":
            frames.append(one)
        else:
            watcher.taken.pop(one.file.name, None)
            if one.file.name not in there:
                lost[one.file.name] = "its file is gone, and a film needs all of its frames"
    return _with_film(replace(state, frames=tuple(frames), left_out=tuple(lost.items())))


def _with_film(state: LiveState) -> LiveState:
    """Track the walls of a film again where a state was read from disk, to show its last frame."""
    from physlearn.live.estimates import analysed_film

    return analysed_film(state) if state.kind == "film" and state.frames else state
