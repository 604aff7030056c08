"""How the kernels scale: over lattice sizes (L = 64 ... 4096) and over one and two threads.

Run from the repository's root::

    python -m benchmarks.monte_carlo.scaling              # both tables
    python -m benchmarks.monte_carlo.scaling --quick      # small lattices: does everything run?

Sizes: CPU time of a site update on the square lattice at the critical coupling (fields: of a cell
step), one thread, medians over interleaved rounds. Threads: two independent chains, one after the
other and then on two threads (the kernels let go of Python's lock); the speed-up is of wall time,
and the CPU time beside it shows what the two cores cost each other.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.monte_carlo.harness import quartiles
from benchmarks.monte_carlo.results import (
    RESULTS,
    load_average,
    read_results,
    said_surroundings,
    surroundings,
    write_json,
)
from benchmarks.monte_carlo.scaling_engines import METHODS, Stepper
from benchmarks.monte_carlo.twins import cache_folder

SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
THREAD_SIZES = (64, 256, 1024)
SECONDS = 0.2


def calibrated(step: Stepper, seconds: float) -> int:
    """Warm up; how many steps take about ``seconds``."""
    step(1)
    count = 1
    while True:
        start = time.process_time()
        step(count)
        used = time.process_time() - start
        if used > 0.1 * seconds:
            return max(1, round(count * seconds / used))
        count *= 4


def size_row(size: int, methods: Mapping[str, Any], rounds: int, seconds: float) -> dict[str, Any]:
    """Nanoseconds of an update of every method at one size, measured in turn."""
    rng = np.random.default_rng(size)
    made = {name: make(size, rng) for name, make in methods.items()}
    steppers = {name: step for name, step in made.items() if step is not None}
    counts = {name: calibrated(step, seconds) for name, step in steppers.items()}
    times: dict[str, list[float]] = {name: [] for name in steppers}
    for _ in range(rounds):
        for name, step in steppers.items():
            start = time.process_time()
            step(counts[name])
            used = time.process_time() - start
            times[name].append(1e9 * used / (counts[name] * size**2))
    row: dict[str, Any] = {}
    for name, values in times.items():
        low, middle, high = quartiles(values)
        row[name] = {"ns": middle, "ns_quartiles": [low, high]}
    return row


def thread_row(
    make: Callable[[int, Any], Stepper | None], size: int, rounds: int, seconds: float
) -> dict[str, Any] | None:
    """Two chains one after the other, and on two threads; None where the method does not fit."""
    made = [make(size, rng) for rng in np.random.default_rng(size).spawn(2)]
    chains = [step for step in made if step is not None]
    if not chains:
        return None
    count = max(calibrated(chain, seconds) for chain in chains)
    wall: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    with ThreadPoolExecutor(2) as pool:
        for number in range(rounds):
            for threads in (1, 2) if number % 2 else (2, 1):
                start, start_cpu = time.perf_counter(), time.process_time()
                if threads == 1:
                    for chain in chains:
                        chain(count)
                else:
                    for done in [pool.submit(chain, count) for chain in chains]:
                        done.result()
                wall[threads].append(time.perf_counter() - start)
                cpu[threads].append(time.process_time() - start_cpu)
    speed_up = quartiles([one / two for one, two in zip(wall[1], wall[2], strict=True)])
    cost = quartiles([two / one for one, two in zip(cpu[1], cpu[2], strict=True)])
    return {
        "speed_up": speed_up[1], "speed_up_quartiles": [speed_up[0], speed_up[2]],
        "cpu_ratio": cost[1], "cpu_ratio_quartiles": [cost[0], cost[2]],
        "seconds": seconds * 2,
    }  # fmt: skip


def tables(content: Mapping[str, Any]) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of both tables, headings first."""
    sizes = list(content["sizes"])
    methods = list(dict.fromkeys(name for row in content["sizes"].values() for name in row))
    first = [["ns per update", *(f"L = {size}" for size in sizes)]]
    for name in methods:
        cells = [content["sizes"][size].get(name) for size in sizes]
        first.append([name, *(f"{cell['ns']:.3g}" if cell else "" for cell in cells)])
    sizes = list(dict.fromkeys(size for row in content["threads"].values() for size in row))
    second = [["two threads, speed-up (CPU time)", *(f"L = {size}" for size in sizes)]]
    for name, row in content["threads"].items():
        second.append([name, *(
            f"{row[size]['speed_up']:.2f} (x {row[size]['cpu_ratio']:.2f})" if size in row else ""
            for size in sizes
        )])  # fmt: skip
    return first, second


def markdown(content: Mapping[str, Any]) -> str:
    """Both tables for the documentation."""
    lines = ["# Scaling of the Monte Carlo core", "",
             "Made by `python -m benchmarks.monte_carlo.scaling`. Square lattice, periodic, at the "
             "critical coupling; CPU time of one thread, medians over interleaved rounds. Two "
             "threads: two chains, wall time against one after the other.", "",
             said_surroundings(content["surroundings"]),
             f"Load average before: {content['load']}."]  # fmt: skip
    for rows in tables(content):
        lines += ["", "| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
        lines += ["| " + " | ".join(row) + " |" for row in rows[1:]]
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monte_carlo.scaling")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two small sizes, short, 2 rounds")
    parser.add_argument("--resume", action="store_true", help="skip the sizes that the file has")
    parser.add_argument("--only", action="append", default=[], choices=list(METHODS))
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    sizes, thread_sizes, seconds, rounds = SIZES, THREAD_SIZES, SECONDS, chosen.rounds
    out = chosen.out or RESULTS / "scaling.json"
    if chosen.quick:
        sizes, thread_sizes, seconds, rounds = (64, 256), (64, 256), 0.02, 2
        out = chosen.out or cache_folder() / "quick_scaling.json"
    methods = {name: METHODS[name] for name in chosen.only or METHODS}
    console = Console(width=None if sys.stdout.isatty() else 160)
    old = read_results(out) if chosen.resume else {}
    content = {"surroundings": surroundings(), "load": load_average(),
               "sizes": old.get("sizes", {}), "threads": old.get("threads", {})}  # fmt: skip
    try:
        for size in sizes:
            if str(size) not in content["sizes"]:
                with console.status(f"L = {size}"):
                    content["sizes"][str(size)] = size_row(size, methods, rounds, seconds)
                write_json(out, content)
        for name, make in methods.items():
            done = content["threads"].setdefault(name, {})
            for size in thread_sizes:
                if str(size) not in done:
                    with console.status(f"two threads: {name}, L = {size}"):
                        if (row := thread_row(make, size, rounds, seconds)) is not None:
                            done[str(size)] = row
                    write_json(out, content)
    except KeyboardInterrupt:
        console.print(f"stopped; what was measured is in {out}; go on with --resume")
        return 130
    for rows in tables(content):
        table = Table(*rows[0])
        for row in rows[1:]:
            table.add_row(*row)
        console.print(table)
    out.with_suffix(".md").write_text(markdown(content))
    console.print(said_surroundings(content["surroundings"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
