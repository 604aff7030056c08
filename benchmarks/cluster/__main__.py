"""Who does the work changes no digit: ``python -m benchmarks.cluster`` writes results/cluster.md.

One batch of labelled pictures is fitted one after the other, by threads, processes and a dask
cluster of this machine, with 1 and 2 workers, and once more while workers are killed (`kill -9`)
as the batch goes on. Rows hold the digest of all draws of all fits: they must be one.
``--quick`` takes 8 small pictures and writes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import time
from functools import partial
from typing import Any

import numpy as np
import psutil

from benchmarks.monte_carlo.results import (
    RESULTS,
    load_average,
    said_surroundings,
    surroundings,
)
from physlearn.inference import BatchFits, fit_batch, fit_lattice_hamiltonian
from physlearn.lattice_models import Ising, simulate_lattice, square_lattice

ROWS = (
    ("serial", 0), ("threads:2", 0), ("processes:1", 0), ("processes:2", 0), ("processes:2", 2),
    ("dask:1", 0), ("dask:2", 0), ("dask:2", 2),
)  # fmt: skip
"""Executor, and how many of its workers are killed on the way."""
SEED = 11
fit = partial(fit_lattice_hamiltonian, n_shells=1)


class Killer:
    """Kills one worker each time another share of the batch is done."""

    def __init__(self, kills: int) -> None:
        self.kills, self.done = kills, 0

    def __call__(self, done: int, total: int) -> None:
        """Be told of progress."""
        if self.done < self.kills and done >= (self.done + 1) * total // (self.kills + 2):
            workers = [one for one in psutil.Process().children(recursive=True) if works(one)]
            if workers:
                os.kill(workers[-1].pid, signal.SIGKILL)
                self.done += 1


def works(process: psutil.Process) -> bool:
    """Whether a process was started by a pool or by dask, and not to count their semaphores."""
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def digest(found: BatchFits) -> str:
    """Return a digest of every draw of every fit."""
    parts = hashlib.sha256()
    for one in found.fits:
        if one is not None:
            parts.update(np.ascontiguousarray(one["couplings"]).tobytes())
    return parts.hexdigest()[:12]


def measured(executor: str, kills: int, pictures: list[Any]) -> dict[str, Any]:
    """Fit the batch; return its row."""
    killer, begun = Killer(kills), time.monotonic()
    found = fit_batch(fit, pictures, executor=executor, rng=SEED, progress=killer)
    fits = [one for one in found.fits if one is not None]
    return {
        "executor": executor, "killed": killer.done, "fits": len(fits),
        "refused": len(found.refusals), "seconds": time.monotonic() - begun,
        "digest": digest(found), "load": load_average() or 0.0,
    }  # fmt: skip


def table_of(rows: list[dict[str, Any]], said: str, what: str) -> str:
    """Return the page."""
    first = rows[0]
    lines = [
        "# Workers", "", f"`python -m benchmarks.cluster`; {what}, seed {SEED}. {said}", "",
        "| executor | workers killed | fits | refused | wall s | load | digest of the draws | "
        "same |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        same = "yes" if row["digest"] == first["digest"] else "NO"
        lines.append(
            f"| `{row['executor']}` | {row['killed']} | {row['fits']} | {row['refused']} | "
            f"{row['seconds']:.1f} | {row['load']:.1f} | {row['digest']} | {same} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run every row."""
    ask = argparse.ArgumentParser(prog="python -m benchmarks.cluster")
    ask.add_argument("--quick", action="store_true")
    ask.add_argument("--pictures", type=int, default=60)
    given = ask.parse_args()
    n, edge = (8, 24) if given.quick else (given.pictures, 64)
    pictures = [
        simulate_lattice(Ising([0.3]), square_lattice((edge, edge)), rng=seed) for seed in range(n)
    ]
    fit(pictures[0], rng=0)  # compiled before any clock runs
    rows = []
    for executor, kills in ROWS:
        rows.append(measured(executor, kills, pictures))
        sys.stdout.write(f"{rows[-1]}\n")
        sys.stdout.flush()
    page = table_of(rows, said_surroundings(surroundings()), f"{n} pictures of {edge} x {edge}")
    if not given.quick:
        (RESULTS / "cluster.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
