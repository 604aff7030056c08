"""The kill table: ``python -m benchmarks.kills`` writes benchmarks/results/kills/table.md.

Takes about five minutes of one core; every row is written as soon as it is there. ``--quick`` does
ten kills of each kind and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kills.jobs import JOBS, finished, run_job
from benchmarks.kills.killing import MOST_SECONDS, Tally, cold_job, fork_job, kill_job, wait_for
from physlearn.whole_files import write_whole

RESULTS = Path(__file__).resolve().parents[1] / "results" / "kills"
CASES = {
    "warm": {"campaign": 40, "sampling": 50, "calibration": 50, "study": 40, "live": 20},
    "cold": dict.fromkeys(("campaign", "sampling", "calibration", "live", "study"), 4),
    "Ctrl-C": dict.fromkeys(("campaign", "sampling", "calibration", "live", "study"), 6),
}
"""Kills of each kind."""
KILLS_A_JOB = 5
COUNTS = ("kills", "went_on", "began_anew", "runs", "same", "failed", "left_over")
MACHINE = (
    f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python "
    f"{platform.python_version()}"
)
WORDS = {
    "study": "a step", "calibration": "a replicate", "sampling": "a piece of a chain",
    "campaign": "an act", "live": "a frame",
}  # fmt: skip
"""What is done again at most."""


def measured(kind: str, place: Path) -> tuple[str, float]:
    """Return what a job gives that is never killed, and its seconds in a warm process."""
    seconds = MOST_SECONDS
    for name in ("first", "second"):
        folder = place / f"{kind}-{name}"
        folder.mkdir()
        begun = time.monotonic()
        run_job(kind, folder)
        seconds = min(seconds, time.monotonic() - begun)
    first, second = (finished(place / f"{kind}-{name}") for name in ("first", "second"))
    if first != second:
        raise RuntimeError(f"{kind}: two jobs that were never killed differ")
    return first, seconds


def page_of(rows: dict[str, Any]) -> str:
    """Return the page."""
    every = [row for kinds in rows.values() for row in kinds.values()]
    told = {name: sorted({str(row[name]) for row in every})
            for name in ("seed", "machine", "date", "revision")}  # fmt: skip
    lines = [
        "# Killed and gone on", "",
        "`python -m benchmarks.kills` kills small jobs at random moments (uniform over the time "
        "that the job takes), lets them go on, and compares what they leave with what a job left "
        "that was never killed: every array, table and number, but for seconds and dates. "
        "Warm: forked from a process that had imported everything, SIGKILL. Cold: a command of "
        "its own, SIGKILL. Ctrl-C: SIGINT to a warm one. A study's manifest is checked, too.", "",
        "; ".join(f"{name} {', '.join(values)}" for name, values in told.items())
        + f"; {sum(row['minutes'] for row in every):.0f} minutes on a machine that did other work. "
        "Checkpoints were written every 10 ms instead of every 30 s, so that there was something "
        "to kill.", "",
        "| how | kind | done again at most | kills | found something kept | began anew | "
        "jobs ended | same, bit for bit | refused or failed | files left over |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for how, kinds in rows.items():
        lines += [_line(how, kind, WORDS[kind], row) for kind, row in kinds.items()]
    total = {name: sum(row[name] for row in every) for name in COUNTS}
    return "\n".join([*lines, _line("all", "", "", total), ""])


def _line(how: str, kind: str, unit: str, row: dict[str, int]) -> str:
    return f"| {' | '.join([how, kind, unit, *(str(row[name]) for name in COUNTS)])} |"


def revision() -> str:
    """Return the commit that was measured."""
    import subprocess

    done = subprocess.run(
        ["git", "rev-parse", "--short=8", "HEAD"], capture_output=True, text=True, check=False,
        cwd=RESULTS,
    )  # fmt: skip
    return done.stdout.strip() or "not recorded"


def main() -> None:
    """Kill, or be a job."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten kills of each kind, no table")
    parser.add_argument("--only", choices=list(JOBS), action="append", help="kinds to kill")
    parser.add_argument("--how", choices=list(CASES), action="append", help="ways to kill")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--job", choices=list(JOBS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        run_job(given.job, given.folder)
        return
    hows = ("warm",) if given.quick else given.how or tuple(CASES)
    cases = [(how, kind) for how in hows for kind in given.only or CASES[how]]
    bad = 0
    with tempfile.TemporaryDirectory(prefix="kills-") as made:
        never_killed: dict[str, tuple[str, float]] = {}
        for how, kind in cases:
            if kind not in never_killed:
                never_killed[kind] = measured(kind, Path(made))
            begun = time.monotonic()
            tally = kill_kind(how, kind, 10 if given.quick else CASES[how][kind],
                              never_killed[kind], Path(made), given.seed)  # fmt: skip
            bad += tally.runs - tally.same + tally.failed + tally.left_over
            sys.stdout.write(f"{how} {kind}: {tally.plain()}\n")
            sys.stdout.flush()
            if not given.quick:
                keep(how, kind, {
                    **tally.plain(), "seed": given.seed, "revision": revision(),
                    "date": datetime.now(UTC).date().isoformat(), "machine": MACHINE,
                    "minutes": round((time.monotonic() - begun) / 60, 1),
                })  # fmt: skip
    if bad:
        sys.exit(f"{bad} jobs ended otherwise than one that was never killed, or left files")


def kill_kind(
    how: str, kind: str, n_kills: int, never_killed: tuple[str, float], place: Path, seed: int
) -> Tally:
    """Kill jobs of one kind, one way, until there are enough kills."""
    expected, seconds = never_killed
    if how == "cold":
        seconds = cold_seconds(kind, place)
    rng = np.random.default_rng([seed, list(JOBS).index(kind), list(CASES).index(how)])
    tally, job = Tally(), 0
    while tally.kills < n_kills:
        job += 1
        folder = place / f"{kind}-{how}-{job}"
        folder.mkdir()
        kill_job(
            kind, folder, tally, expected=expected, rng=rng,
            seconds=seconds,
            n_kills=min(KILLS_A_JOB, n_kills - tally.kills),
            begin=cold_job if how == "cold" else fork_job,
            number=signal.SIGINT if how == "Ctrl-C" else signal.SIGKILL,
        )  # fmt: skip
    return tally


def cold_seconds(kind: str, place: Path) -> float:
    """Return how long a job takes as a command of its own."""
    folder = place / f"{kind}-cold-first"
    folder.mkdir()
    begun = time.monotonic()
    if wait_for(cold_job(kind, folder), MOST_SECONDS) != 0:
        raise RuntimeError(f"{kind}: a job that was never killed did not end")
    return time.monotonic() - begun


def keep(how: str, kind: str, row: dict[str, Any]) -> None:
    """Write one row beside those that are there, and the page anew."""
    path = RESULTS / "rows.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rows.setdefault(how, {})[kind] = row
    write_whole(path, json.dumps(rows, indent=1) + "\n")
    write_whole(RESULTS / "table.md", page_of(rows))


if __name__ == "__main__":
    main()
