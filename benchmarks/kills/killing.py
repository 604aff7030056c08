"""Kill jobs at random moments, let them go on, and look at what is left.

Jobs are forked from a process that has imported everything (or begun from cold, as a command); the
moment is uniform over the time that the same job took without a kill.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.kills.jobs import JOBS, finished, run_job
from physlearn.whole_files import LEFT

MOST_SECONDS = 900.0
INTERRUPTED = 130
SENTENCES = 20
"""Lines of a job's own words that are shown when it fails."""


@dataclass
class Tally:
    """What came of the kills of one kind.

    Attributes
    ----------
    kills
        Processes that were alive when the signal came.
    too_late
        Jobs that were done before the signal: no kill.
    went_on, began_anew
        Kills after which the next run found something to go on from, or nothing.
    runs, same
        Jobs brought to their end after their kills, and those whose result was, bit for bit, that
        of a job that was never killed.
    failed
        Jobs that refused to go on, or ended with an error.
    left_over
        Temporary files that lay about after the end.
    """

    kills: int = 0
    too_late: int = 0
    went_on: int = 0
    began_anew: int = 0
    runs: int = 0
    same: int = 0
    failed: int = 0
    left_over: int = 0

    def plain(self) -> dict[str, int]:
        """Return the numbers by name."""
        return asdict(self)


Begin = Callable[[str, Path], int]


def fork_job(kind: str, folder: Path) -> int:
    """Begin a job in a copy of this process; return its number."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run_job(kind, folder)
        code = 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BaseException as error:
        (folder / "error.txt").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
    finally:
        os._exit(code)


def cold_job(kind: str, folder: Path) -> int:
    """Begin a job as a command of its own; return its number."""
    command = [sys.executable, "-m", "benchmarks.kills", "--job", kind, "--folder", str(folder)]
    said = os.open(folder / "error.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    process = os.fork()
    if not process:
        os.setsid()
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.execv(sys.executable, command)  # noqa: S606 -- a process of our own
    os.close(said)
    return process


def wait_for(process: int, seconds: float) -> int | None:
    """Return how a job ended (its code, or minus its signal), None while it runs."""
    deadline = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(min(0.002, max(deadline - time.monotonic(), 0.0)))


def left_over(folder: Path) -> list[str]:
    """Return temporary files and folders that a finished job should not leave."""
    return [
        path.name for path in folder.rglob(".*")
        if LEFT.fullmatch(path.name) or path.name.startswith(".out-")
        or (path.name.endswith(".lock") and path.parent.name != ".physlearn-cache")
    ]  # fmt: skip


def kill_job(
    kind: str, folder: Path, tally: Tally, *, expected: str, seconds: float, n_kills: int,
    rng: np.random.Generator, begin: Begin = fork_job, number: int = signal.SIGKILL,
) -> None:  # fmt: skip
    """Kill one job ``n_kills`` times, let it end, and count what came of it."""
    killed = 0
    while killed < n_kills:
        process = begin(kind, folder)
        if wait_for(process, float(rng.uniform(0.0, seconds))) is not None:
            tally.too_late += 1
            break
        os.kill(process, number)
        ended = wait_for(process, MOST_SECONDS)
        if ended == 0:  # Ctrl-C came with the last piece of work
            tally.too_late += 1
            break
        if number == signal.SIGINT and ended != INTERRUPTED:
            tally.failed += 1
            sys.stderr.write(f"{kind}: Ctrl-C ended it with {ended}: {_said(folder)}\n")
        killed += 1
        tally.kills += 1
        kept = JOBS[kind].kept(folder)
        tally.went_on += kept
        tally.began_anew += not kept
    if not finished(folder):
        ended = wait_for(begin(kind, folder), MOST_SECONDS)
        if ended != 0:
            tally.failed += 1
            sys.stderr.write(f"{kind}: {ended} {_said(folder)}\n")
            return
    if killed:
        tally.runs += 1
        same = finished(folder) == expected == JOBS[kind].digest(folder)
        tally.same += same
        if not same:
            sys.stderr.write(f"{kind}: another result in {folder}\n")
        tally.left_over += len(left_over(folder))


def _said(folder: Path) -> str:
    path = folder / "error.txt"
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "\n".join(text.splitlines()[-SENTENCES:])
