"""One case in a process of its own: ``python -m benchmarks.scaling.measure CASE SIZE [SIZE ...]``.

Prints a JSON line for each size, in the order given: CPU and wall seconds of the call, and the peak
of the process's memory during it, what was loaded before included. The call runs once on the case's
first size before, so that no compiling is counted. Linux only: peaks are read from /proc.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.scaling.cases import CASES, Job

CAP_GIB = 10


def peak_gib() -> float:
    """Return the largest resident memory of this process since it was last forgotten."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 2**20
    return float("nan")


def forget_peak() -> None:
    """Let the peak begin anew from what is resident now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def main() -> int:
    """Measure, under a cap on the memory of data."""
    name, sizes = sys.argv[1], [int(text) for text in sys.argv[2:]]
    resource.setrlimit(resource.RLIMIT_DATA, (CAP_GIB * 2**30,) * 2)
    case = CASES[name]
    case.make(case.sizes[0]).call()
    bare = peak_gib()
    for size in sizes:
        print(json.dumps(measured(case.make(size), size) | {"before_gib": bare}), flush=True)
    return 0


def measured(job: Job, size: int) -> dict[str, Any]:
    """Return what one call took."""
    forget_peak()
    start, wall = time.process_time(), time.perf_counter()
    answer = job.call()
    seconds, waited = time.process_time() - start, time.perf_counter() - wall
    return {
        "size": size, "count": job.count, "cpu_s": seconds, "wall_s": waited,
        "peak_gib": peak_gib(), "said": job.check(answer),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
