"""One run of kinetic Monte Carlo from frame to frame, with its events, checkpoints and Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.lattice_models.kinetics.event_kernels import run_events
from physlearn.lattice_models.kinetics.event_tables import (
    Changes,
    EventLog,
    EventState,
    Hops,
    Interactions,
    Schedule,
)
from physlearn.long_run import LongRun

__all__ = ["EventRun", "Frames", "check_times"]

PARTS = 1 << 16
"""Parts of the time between two frames: the units in which a run advances and may stop."""
ROOM = 1 << 14
LOGGED, PARTICLES = 4, 5
CODE, HOLDER, BUDGET = 0, 1, 7
MOST_EVENTS = 1 << 17  # of one call of the kernel, so that a second Ctrl-C is heard
CLOCK_STEP = 2.0**-52
LOG_COLUMNS = 5


def check_times(frame_times_s: ArrayLike) -> NDArray[np.float64]:
    """Return the times of the frames when they ascend from 0 or later."""
    times = check_array("frame_times_s", np.atleast_1d(frame_times_s), ndim=1, minimum=0.0)
    backward = np.flatnonzero(np.diff(times) <= 0)
    if backward.size:
        raise InputError(
            f"frame_times_s must ascend; frame {backward[0] + 1} is not after the one before."
        )
    return times


@dataclass
class Frames:
    """What a run has seen so far; ``n_at`` particles in each frame, one row each."""

    codes: NDArray[np.int8]
    n_done: int = 0
    n_at: list[int] = field(default_factory=list)
    particle: list[NDArray[np.int64]] = field(default_factory=list)
    site: list[NDArray[np.int64]] = field(default_factory=list)
    winding: list[NDArray[np.int32]] = field(default_factory=list)
    logs: list[EventLog] = field(default_factory=list)
    warnings: tuple[str, ...] = ()

    def events(self) -> EventLog:
        """Return all events kept so far as one log."""
        if not self.logs:
            return empty_log(0)
        self.logs = [
            EventLog(
                np.concatenate([log.time for log in self.logs]),
                np.concatenate([log.row for log in self.logs]),
            )
        ]
        return self.logs[0]

    def take(self, state: EventState) -> None:
        """Add a frame of the present state."""
        self.codes[self.n_done] = state.sites[:-1, CODE]
        holder = state.sites[:-1, HOLDER]
        occupied = np.flatnonzero(holder >= 0)
        site = occupied[np.argsort(holder[occupied])]
        self.n_at.append(len(site))
        self.particle.append(holder[site])
        self.site.append(site)
        self.winding.append(state.winding[holder[site]])
        self.n_done += 1

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays, for a checkpoint."""
        if not self.n_at:
            return {}
        return {
            "codes": self.codes[: self.n_done],
            "n_at": np.array(self.n_at),
            "particle": np.concatenate(self.particle),
            "site": np.concatenate(self.site),
            "winding": np.concatenate(self.winding),
        }

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``arrays`` gave."""
        if "n_at" not in saved:
            return
        self.n_done = len(saved["n_at"])
        self.codes[: self.n_done] = saved["codes"]
        self.n_at = saved["n_at"].tolist()
        self.particle, self.site = [saved["particle"]], [saved["site"]]
        self.winding = [saved["winding"]]


def empty_log(room: int) -> EventLog:
    """Return a log with room for as many events."""
    return EventLog(np.empty(room), np.empty((room, LOG_COLUMNS), np.int64))


@dataclass
class EventRun:
    """The arrays of a run and what its codes mean."""

    hops: Hops
    changes: Changes
    energies: Interactions
    state: EventState
    schedule: Schedule
    times: NDArray[np.float64]
    states: Sequence[int]
    seed: int

    def follow(
        self,
        keep_events: bool,
        progress: Callable[[int, int], Any] | None,
        checkpoint: str | os.PathLike[str] | None,
    ) -> Frames:
        """Run to the last frame, or to Ctrl-C."""
        n_frames = len(self.times)
        frames = Frames(np.zeros((n_frames, len(self.state.local)), np.int8))
        log = empty_log(ROOM if keep_events else 0)
        total = n_frames * PARTS
        with LongRun(
            total, progress=progress, checkpoint=checkpoint, arguments=self._identity(keep_events)
        ) as run:
            if run.saved is not None:
                self._restore(run.saved, frames)

            def step(n: int) -> None:
                self._advance(self._time_of(run.done + n), frames, log)

            def arrays() -> dict[str, NDArray[Any]]:
                events = frames.events()._asdict()
                return {
                    **{f"state_{k}": v for k, v in self.state._asdict().items()},
                    **{f"event_{k}": v for k, v in events.items()},
                    **frames.arrays(),
                }

            for frame in range(frames.n_done, n_frames):
                target = (frame + 1) * PARTS
                if not run.advance_to(target, step, arrays, feel_the_way=True):
                    break
                frames.take(self.state)
        frames.warnings = run.finish(frames.n_done, n_frames, "frames")
        return frames

    def _time_of(self, part: int) -> float:
        """Return the time at which so many parts are done."""
        frame, rest = divmod(part, PARTS)
        before = float(self.times[frame - 1]) if frame else 0.0
        return before + (float(self.times[frame]) - before) * (rest / PARTS) if rest else before

    def _advance(self, until: float, frames: Frames, log: EventLog) -> None:
        """Let events happen until a time; empty the log and make room for particles on the way."""
        while True:
            self.state.counts[BUDGET] = MOST_EVENTS
            done = run_events(
                self.hops, self.changes, self.energies, self.state, self.schedule, until, log
            )
            logged = int(self.state.counts[LOGGED])
            if logged:
                frames.logs.append(EventLog(log.time[:logged].copy(), log.row[:logged].copy()))
                self.state.counts[LOGGED] = 0
            if done:
                return
            total = float(self.state.tree[-1])
            if not total * until * CLOCK_STEP < 1.0:
                raise InputError(
                    f"frame_times_s must be short enough to tell events apart: rates add up to "
                    f"{total:.3g} events/s, too many for a clock of 64 bits at {until:.3g} s."
                )
            room = len(self.state.winding)
            if self.state.counts[PARTICLES] == room:
                wider = np.concatenate([self.state.winding, 0 * self.state.winding])
                self.state = self.state._replace(winding=wider)

    def _identity(self, keep_events: bool) -> dict[str, Any]:
        """Return everything that defines the run."""
        out: dict[str, Any] = {
            "seed": self.seed, "times": self.times, "keep_events": keep_events,
        }  # fmt: skip
        for table in (self.hops, self.changes, self.energies, self.schedule):
            out |= {f"{type(table).__name__}.{k}": v for k, v in table._asdict().items()}
        return out | {"sites": self.state.sites, "lanes": self.state.lanes}

    def _restore(self, saved: Mapping[str, NDArray[Any]], frames: Frames) -> None:
        """Take over the state and frames of a checkpoint."""
        self.state = EventState(*[saved[f"state_{name}"] for name in EventState._fields])
        frames.restore(saved)
        events = EventLog(*[saved[f"event_{name}"] for name in EventLog._fields])
        frames.logs = [events] if len(events.time) else []
