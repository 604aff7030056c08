"""The loop that every worker script shares; see `benchmarks.monte_carlo.peers` for the protocol.

The standard library only: it runs in a peer's own environment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Job(Protocol):
    """One prepared task of a peer."""

    def step(self, n: int) -> float:
        """Do ``n`` basic steps; return the units of work done."""

    def quality(self) -> dict[str, float]:
        """Figures that show that the peer computes what it should."""


def serve(tasks: Mapping[str, Callable[[Mapping[str, Any]], Job]], package_version: str) -> None:
    """Answer JSON lines on standard output until standard input closes."""
    # the peer may print what it likes: only this copy of standard output carries answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    job: Job | None = None
    steps = 1
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if "setup" in message:
                asked = message["setup"]
                make = tasks.get(asked["task"])
                if make is None:
                    raise ValueError(f"unknown task {asked['task']!r}; known: {', '.join(tasks)}")
                options = asked.get("options", {})
                job = make(options)
                steps = calibrated_steps(job, float(options.get("seconds", 0.2)))
                answer = {"ok": True, "steps": steps, "version": package_version}
            elif job is None:
                raise ValueError("setup must come first")
            elif "run" in message:
                answer = timed(job, steps, int(message["run"]))
            elif "quality" in message:
                answer = {"quality": job.quality()}
            else:
                raise ValueError(f"unknown message {line!r}")
        except Exception as error:  # the harness shows it as the row's reason
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def calibrated_steps(job: Job, seconds: float) -> int:
    """Warm up, and find how many steps take about ``seconds`` of CPU time."""
    job.step(1)
    steps = 1
    while True:
        start = time.process_time()
        job.step(steps)
        used = time.process_time() - start
        if used > 0.1 * seconds:
            return max(1, round(steps * seconds / used))
        steps *= 4


def timed(job: Job, steps: int, repeats: int) -> dict[str, float]:
    """Time ``repeats`` runs of ``steps`` steps."""
    wall, cpu, work = time.perf_counter(), time.process_time(), 0.0
    for _ in range(repeats):
        work += job.step(steps)
    return {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "work": work,
    }
