#!/usr/bin/env python3
"""Run every statistical test under many fresh seeds: which of them hangs on a lucky one?

``python tools/try_seeds.py --seeds 50 tests/inference/pooling tests/causal``

A test is statistical when it asks for a seeded random stream. Each runs once as it stands, then
once for every fresh seed (each seed of the test is joined with a number, as by
``PHYSLEARN_FRESH_SEEDS``). One process: modules are loaded and kernels compiled once, every run is
a fork. Results are kept in ``benchmarks/results/tests/fresh_seeds.json``, a second call
goes on from there; the table goes to ``benchmarks/results/fresh_seeds.md``.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTEST = [
    "-o", "addopts=", "--import-mode=importlib", "-m", "not slow", "-s", "-p",
    "no:cacheprovider", "-p", "no:terminal",
]  # fmt: skip
RESULTS = ROOT / "benchmarks" / "results"
STORE = RESULTS / "tests" / "fresh_seeds.json"


class Runner:
    """The pytest plugin that runs each test under all seeds."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.rows: dict[str, dict[str, Any]] = {}
        if STORE.is_file():
            self.rows = json.loads(STORE.read_text())

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run the tests, then write the table."""
        import numpy as np

        ended = time.monotonic() + 60 * self.options.minutes
        stream = np.random.default_rng
        for item in session.items:
            row = self.rows.get(item.nodeid, {"tried": [], "failed": []})
            todo = [k for k in range(1, self.options.seeds + 1) if k not in row["tried"]]
            if not todo or row.get("statistical") is False or time.monotonic() > ended:
                continue
            stream.joins, stream.seeded, began = 0, 0, time.process_time()
            good = _passes(item)
            row["seconds"] = round(time.process_time() - began, 2)
            row["statistical"], row["as_written"] = bool(stream.seeded), good
            self.rows[item.nodeid] = row
            if stream.seeded and row["seconds"] <= self.options.longest:
                for salt in todo:
                    if time.monotonic() > ended:
                        break
                    row["tried"].append(salt)
                    row["failed"] += [] if self._fork(item, salt, row["seconds"]) else [salt]
            STORE.write_text(json.dumps(self.rows, indent=1, sort_keys=True) + "\n")
            if row["failed"]:
                print(f"{item.nodeid}: {len(row['failed'])} of {len(row['tried'])}", flush=True)
        write_table(self.rows, RESULTS / "fresh_seeds.md")
        return True

    def _fork(self, item: Any, salt: int, seconds: float) -> bool:
        import numpy as np

        child = os.fork()
        if child == 0:
            code = 1
            try:
                quiet = os.open(os.devnull, os.O_WRONLY)
                os.dup2(quiet, 1)
                os.dup2(quiet, 2)
                limit = int(time.process_time() + 20 * seconds + 60)
                resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
                for thing in gc.get_objects():
                    if type(thing) is functools._lru_cache_wrapper:
                        thing.cache_clear()
                np.random.default_rng.joins = salt
                code = 0 if _passes(item) else 1
            finally:
                os._exit(code)
        return os.waitpid(child, 0)[1] == 0


def _passes(item: Any) -> bool:
    from _pytest.runner import runtestprotocol

    reports = runtestprotocol(item, log=False, nextitem=None)
    return not any(report.failed for report in reports)


def write_table(rows: dict[str, dict[str, Any]], path: Path) -> None:
    """Write how many tests were tried under how many seeds, and which failed."""
    tried = {name: row for name, row in rows.items() if row["tried"]}
    runs = sum(len(row["tried"]) for row in tried.values())
    failed = {name: row for name, row in tried.items() if row["failed"]}
    lost = sum(len(row["failed"]) for row in failed.values())
    whole = sum(len(row["tried"]) >= 50 for row in tried.values())
    lines = [
        "# Statistical tests under fresh seeds", "",
        f"{len(tried)} tests, {whole} of them under 50 seeds or more; {runs} runs, {lost} failed "
        f"in {len(failed)} tests (`python tools/try_seeds.py`).", "",
        "| test | seeds | failed | CPU s |", "|---|---|---|---|",
    ]  # fmt: skip
    for name, row in sorted(failed.items(), key=lambda one: -len(one[1]["failed"])):
        numbers = f"{len(row['tried'])} | {len(row['failed'])} | {row['seconds']}"
        lines.append(f"| `{name}` | {numbers} |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    """Try the seeds and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tests", nargs="*", default=["tests"])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--longest", type=float, default=60.0, help="CPU seconds of one test")
    options = parser.parse_args()
    # The streams must be joined from the first import on: with any number, set anew for each run
    os.environ.update(PHYSLEARN_FRESH_SEEDS="1", OMP_NUM_THREADS="1", MPLBACKEND="agg")
    os.chdir(ROOT)
    import pytest

    arguments = [*PYTEST, *options.tests]
    pytest.main(arguments, [Runner(options)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
