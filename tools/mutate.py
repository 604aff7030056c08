#!/usr/bin/env python3
"""Mutation testing of the statistical cores: would our tests notice a wrong line?

``python tools/mutate.py --n 300`` draws that many small changes (a sign, a bound, a constant, a
condition) with a seed, and runs for each the tests that reach the changed function, shortest
first, until one fails. For a core with kernels numba is off, so that they are the functions that
they are written as.
Results are kept in ``benchmarks/results/tests/mutation.json``, a second call goes on
from there, and the table goes to ``benchmarks/results/mutation.md``.

One process: modules and tests are loaded once, every mutant is a fork in which the code object of
one function is exchanged, so that nothing but the tests is paid for. Changes of what only words
say (errors, f-strings), of annotations and of decorators are not drawn.
"""

from __future__ import annotations

import argparse
import ast
import functools
import gc
import hashlib
import json
import os
import resource
import signal
import sys
import time
import types
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mutants import CORES, Mutant, core_files, drawn, mutate

ROOT = Path(__file__).resolve().parents[1]
PYTEST = [
    "-o", "addopts=", "--import-mode=importlib", "-m", "not slow", "-s", "-p",
    "no:cacheprovider", "-p", "no:terminal",
]  # fmt: skip
RESULTS = ROOT / "benchmarks" / "results"
SEED = 15
LONGEST_TEST_S = 2.0
"""Tests that take more CPU seconds without numba are left to the ordinary suite."""

MOST_PER_MUTANT_S = 30.0
MEMORY = 8 << 30


class Reach:
    """Which functions of the cores each test enters, and how long it takes."""

    def __init__(self, files: list[str]) -> None:
        self.paths = {str(ROOT / path): path for path in files}
        self.entered: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    def follow(self, item: Any, run: Any) -> None:
        """Run a test and write down what it enters."""
        here = self.entered
        paths = self.paths
        name = item.nodeid

        def watch(frame: types.FrameType, event: str, _: object) -> None:
            if event == "call":
                path = paths.get(frame.f_code.co_filename)
                if path is not None:
                    here[path, frame.f_code.co_qualname.split(".<locals>")[0]].add(name)

        began = time.process_time()
        signal.signal(signal.SIGPROF, _too_long)
        signal.setitimer(signal.ITIMER_PROF, 2 * LONGEST_TEST_S)
        sys.setprofile(watch)
        try:
            good = run(item)
        finally:
            sys.setprofile(None)
            signal.setitimer(signal.ITIMER_PROF, 0)
        self.seconds[name] = time.process_time() - began
        if not good:
            self.failed.add(name)


class TooLongError(Exception):
    """A test takes more than its share without numba."""


def _too_long(*_: object) -> None:
    raise TooLongError


class Runner:
    """The pytest plugin that runs mutants instead of tests."""

    def __init__(self, files: list[str], options: argparse.Namespace) -> None:
        self.files, self.options = files, options
        self.reach = Reach(files)
        self.rows: dict[str, dict[str, Any]] = {}
        self.store = RESULTS / "tests" / "mutation.json"
        if self.store.is_file():
            self.rows = json.loads(self.store.read_text())

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run every test once, then all mutants."""
        ended = self.options.ended
        mutants = drawn(self.files, self.options.n // len(CORES), self.options.seed)
        todo = [one for one in mutants if self._stale(one)]
        print(f"{len(mutants)} mutants, {len(todo)} to do", flush=True)
        if todo:
            for item in session.items:
                self.reach.follow(item, self._passes)
                if time.monotonic() > ended or time.process_time() > self.options.first_runs:
                    break
            slow = {name for name, took in self.reach.seconds.items() if took > LONGEST_TEST_S}
            print(f"{len(session.items)} tests, {len(self.reach.failed)} fail without numba, "
                  f"{len(slow)} are too slow", flush=True)  # fmt: skip
            print("\n".join(sorted(self.reach.failed | slow)), flush=True)
            self.usable = {item.nodeid: item for item in session.items
                           if item.nodeid in self.reach.seconds
                           and item.nodeid not in self.reach.failed | slow}  # fmt: skip
            self._leave_out_what_fails_unchanged()
            gc.freeze()
        for one in todo:
            if time.monotonic() > ended:
                break
            self._judge(one)
        write_table(self.rows, RESULTS / "mutation.md", self.options)
        return True

    def _leave_out_what_fails_unchanged(self) -> None:
        """Judge by tests only that pass in a fork in which nothing was exchanged."""
        for name in list(self.usable):
            verdict = self._fork(None, [(self.reach.seconds[name], name)])
            if verdict != "survived":
                del self.usable[name]
                print(f"fails in a fork, unchanged: {name}", flush=True)

    def _stale(self, one: Mutant) -> bool:
        row = self.rows.get(one.key)
        return row is None or row["file_sha256"] != _sha(one.path) or row["verdict"] != "killed"

    def _passes(self, item: Any) -> bool:
        from _pytest.runner import runtestprotocol

        reports = runtestprotocol(item, log=False, nextitem=None)
        return not any(report.failed for report in reports)

    def _judge(self, one: Mutant) -> None:
        names = self.reach.entered.get((one.path, one.function), set())
        tests = sorted((self.reach.seconds[name], name) for name in names if name in self.usable)
        began = time.monotonic()
        verdict = self._fork(one, tests) if tests else "not reached"
        self.rows[one.key] = {
            **asdict(one), "verdict": verdict, "tests": len(tests), "file_sha256": _sha(one.path),
            "source": _line(one), "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip
        self.store.write_text(json.dumps(self.rows, indent=1, sort_keys=True) + "\n")
        print(f"{verdict:12} {one.key}  {_line(one)}", flush=True)

    def _fork(self, one: Mutant | None, tests: list[tuple[float, str]]) -> str:
        child = os.fork()
        if child == 0:
            code = 2
            try:
                code = 2 if one is not None and not exchange(one) else self._try(tests)
            finally:  # what raises here is no verdict: failures of tests are reports
                os._exit(code)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return "killed"
        return {0: "survived", 1: "killed"}.get(os.WEXITSTATUS(status), "not judged")

    def _try(self, tests: list[tuple[float, str]]) -> int:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        whole = sum(took for took, _ in tests)
        used = time.process_time()
        limit = int(used + min(5 * whole + 15, 3 * MOST_PER_MUTANT_S)) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        for _, name in tests:
            if not self._passes(self.usable[name]):
                return 1
            if time.process_time() - used > MOST_PER_MUTANT_S:
                break
        return 0


def exchange(one: Mutant) -> bool:
    """Put the mutant's code into the live function, and forget what it had computed."""
    file = ROOT / one.path
    tree = ast.parse(file.read_text(encoding="utf-8"))
    module = compile(mutate(tree, one.place, one.change), str(file), "exec")
    wanted = next(code for code in _codes(module) if code.co_qualname == one.function)
    found = False
    gc.unfreeze()
    for thing in gc.get_objects():
        # The type itself: proxies answer isinstance by what they stand for, or raise
        if type(thing) is types.FunctionType and thing.__code__.co_filename == str(file):
            if thing.__code__.co_qualname == one.function:
                thing.__code__ = wanted
                found = True
        elif type(thing) is functools._lru_cache_wrapper:
            thing.cache_clear()
    return found


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield part
            yield from _codes(part)


@functools.cache
def _sha(path: str) -> str:
    return hashlib.sha256((ROOT / path).read_bytes()).hexdigest()


def _line(one: Mutant) -> str:
    return (ROOT / one.path).read_text(encoding="utf-8").splitlines()[one.line - 1].strip()


def write_table(rows: dict[str, dict[str, Any]], path: Path, options: argparse.Namespace) -> None:
    """Write the score of every folder and the mutants that no test saw."""
    parts: dict[str, list[str]] = defaultdict(list)
    for row in rows.values():
        parts[row["path"]].append(row["verdict"])
    lines = [
        "# Mutation score of the statistical cores", "",
        f"{len(rows)} of the {options.n} mutants drawn have been run so far; a call goes on. "
        f"`python tools/mutate.py --n {options.n}` (seed {options.seed}; each core "
        "alike; numba off where the core holds kernels; tests of at most "
        f"{LONGEST_TEST_S:.0f} CPU s that reach the changed function). A mutant is one small "
        "change; it is killed when a test fails.", "",
        "| file | mutants | killed | survived | no test reaches it | score |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    total: list[str] = []
    for name, verdicts in sorted(parts.items()):
        total += verdicts
        lines.append(_row(name, verdicts))
    lines += [_row("**all**", total), "", "## Not killed", ""]
    for row in sorted(rows.values(), key=lambda row: (row["path"], row["line"])):
        if row["verdict"] != "killed":
            lines.append(f"- {row['path']}:{row['line']} {row['change']} ({row['verdict']}): "
                         f"`{row['source']}`")  # fmt: skip
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(name: str, verdicts: list[str]) -> str:
    killed = verdicts.count("killed")
    reached = verdicts.count("survived")
    score = killed / max(len(verdicts), 1)
    missed = len(verdicts) - killed - reached
    return f"| {name} | {len(verdicts)} | {killed} | {reached} | {missed} | {score:.2f} |"


def main() -> int:
    """Run mutants and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--cores", nargs="*", default=list(CORES), choices=list(CORES))
    parser.add_argument(
        "--first-runs", type=float, default=600.0, help="CPU seconds of a core's own test run"
    )
    parser.add_argument("--coverage", choices=list(CORES), help="branch coverage of a core alone")
    options = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="agg")
    os.chdir(ROOT)
    if options.coverage:
        return _cover(options.coverage)
    ended = time.monotonic() + 60 * options.minutes
    for core in options.cores:
        child = os.fork()
        if child == 0:
            options.ended = ended
            _run_core(core, options)
            os._exit(0)
        os.waitpid(child, 0)
    return 0


def holds_kernels(core: str) -> bool:
    """Whether numba must be off for this core: elsewhere its tests' worlds stay quick with it."""
    return any("import kernel" in (ROOT / path).read_text() for path in core_files(core))


def _cover(core: str) -> int:
    """Run the core's tests, all of them, and say which branches of its files they take."""
    os.environ["NUMBA_DISABLE_JIT"] = str(int(holds_kernels(core)))
    import coverage
    import pytest

    measured = coverage.Coverage(
        branch=True, include=[str(ROOT / path) for path in core_files(core)], data_file=None
    )
    measured.start()
    failed = pytest.main([*PYTEST, *CORES[core][1]])
    measured.stop()
    measured.report(show_missing=True)
    return int(failed)


def _run_core(core: str, options: argparse.Namespace) -> None:
    os.environ["NUMBA_DISABLE_JIT"] = str(int(holds_kernels(core)))
    import pytest

    tests = [test for test in CORES[core][1] if (ROOT / test).exists()]
    print(f"-- {core}", flush=True)
    pytest.main([*PYTEST, *tests], [Runner(core_files(core), options)])


if __name__ == "__main__":
    sys.exit(main())
