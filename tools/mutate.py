#!/usr/bin/env python3
"""Mutation testing of the statistical cores: would our tests notice a wrong line?

``python tools/mutate.py --n 300`` draws that many small changes (a sign, a bound, a constant, a
condition) with each seed, and runs for each the tests that run the changed statement, shortest
first, until one fails. Kernels of the cores are changed in their plain Python form.
Results are kept in ``benchmarks/results/tests/mutation.json``, a second call goes on
from there (``--again`` also runs what no test noticed), and the table goes to
``benchmarks/results/mutation.md``. ``--coverage CORE`` fills its table of branches.

One process: modules and tests are loaded once, every mutant is a fork in which the code object of
one function is exchanged, so that nothing but the tests is paid for. Changes of what only words
say (errors, f-strings), of annotations and of decorators are not drawn.
"""

from __future__ import annotations

import argparse
import functools
import gc
import hashlib
import json
import os
import resource
import sys
import time
import types
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from mutants import CORES, Mutant, core_files, drawn, mutate, texts
from mutation_reach import LONGEST_TEST_S, Reach, plain_kernels, within
from mutation_table import BRANCHES, ROWS, SEEDS, called, read, reasons, write_table

ROOT = Path(__file__).resolve().parents[1]
PYTEST = [
    "-o", "addopts=", "--import-mode=importlib", "-m", "not slow", "-s", "-p",
    "no:cacheprovider", "-p", "no:terminal", "-p", "no:faulthandler",
]  # fmt: skip
SLOW_TO_IMPORT = "scipy.stats", "pandas", "arviz", "pymc", "matplotlib.figure"
MOST_PER_MUTANT_S = 6.0
MEMORY = 8 << 30


class Runner:
    """The pytest plugin that runs mutants instead of tests."""

    def __init__(self, core: str, options: argparse.Namespace) -> None:
        self.files, self.options = core_files(core), options
        self.reach = Reach(self.files)
        self.sound: set[str] = set()
        self.n = options.n // len(CORES)

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run every test once, then all mutants."""
        ended = self.options.ended
        every = [one for seed in self.options.seed for one in drawn(self.files, self.n, seed)]
        mutants = list({one.key: one for one in every}.values())
        rows = read(ROWS)
        todo = [one for one in mutants if self._stale(rows.get(one.key), one)]
        print(f"{len(mutants)} mutants, {len(todo)} to do", flush=True)
        if todo:
            self.reach.note(session.items)
            for item in session.items:
                self.reach.follow(item, self._passes)
                if time.monotonic() > ended:
                    return True
            self.reach.finish()
            slow = {name for name, took in self.reach.seconds.items() if took > LONGEST_TEST_S}
            print(f"{len(session.items)} tests, {sum(self.reach.seconds.values()):.0f} s")
            left_out = dict.fromkeys(slow, "too slow")
            left_out |= dict.fromkeys(self.reach.failed - slow, "fails")
            print("\n".join(f"{why}: {name}" for name, why in left_out.items()), flush=True)
            self.usable = {item.nodeid: item for item in session.items
                           if item.nodeid not in self.reach.failed | slow}  # fmt: skip
            gc.freeze()
        for one in todo:
            if time.monotonic() > ended:
                break
            self._judge(one)
        return True

    def _stale(self, row: dict[str, Any] | None, one: Mutant) -> bool:
        if row is None or row["file_sha256"] != _sha(one.path):
            return True
        return self.options.again and row["verdict"] != "killed" and called(row) not in reasons()

    def _passes(self, item: Any) -> bool:
        from _pytest.runner import runtestprotocol

        reports = runtestprotocol(item, log=False, nextitem=None)
        return not any(report.failed for report in reports)

    def _judge(self, one: Mutant) -> None:
        names = self.reach.tests_of(one)
        tests = sorted((self.reach.seconds[name], name) for name in names if name in self.usable)
        began = time.monotonic()
        verdict, by = "not reached", ""
        while tests:
            verdict, by = self._fork(one, tests)
            if verdict != "killed" or by in self.sound or not by:
                break
            if self._fork(None, [test for test in tests if test[1] == by])[0] == "survived":
                self.sound.add(by)
                break
            print(f"fails in a fork, unchanged: {by}", flush=True)
            del self.usable[by]
            tests = [test for test in tests if test[1] != by]
        rows = read(ROWS)
        rows[one.key] = {
            **asdict(one), "verdict": verdict, "tests": len(tests), "file_sha256": _sha(one.path),
            "source": _line(one), "seconds": round(time.monotonic() - began, 1), "by": by,
            "text": texts(self.reach.trees[one.path], one.place, one.change),
        }  # fmt: skip
        whole = ROWS.with_name(f"{ROWS.name}.{os.getpid()}")
        whole.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
        whole.replace(ROWS)  # another run may read it at any time
        print(f"{verdict:12} {rows[one.key]['seconds']:5} {one.key}  {rows[one.key]['text']}  in "
              f"{_line(one)}", flush=True)  # fmt: skip

    def _fork(self, one: Mutant | None, tests: list[tuple[float, str]]) -> tuple[str, str]:
        hears, says = os.pipe()
        child = os.fork()
        if child == 0:
            code = 2
            try:
                os.close(hears)
                code = 2 if one is not None and not self._exchange(one) else self._try(tests, says)
            finally:  # what raises here is no verdict: failures of tests are reports
                os._exit(code)
        os.close(says)
        _, status = os.waitpid(child, 0)
        with os.fdopen(hears) as heard:
            by = heard.read().split("\n")[-1]
        if os.WIFSIGNALED(status):
            return "killed", by
        code = os.WEXITSTATUS(status)
        if code == 2 and not by:
            return "not judged", ""
        return ("killed", by) if code else ("survived", "")

    def _try(self, tests: list[tuple[float, str]], says: int) -> int:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        limit = int(4 * MOST_PER_MUTANT_S)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        for took, name in tests:
            os.write(says, b"\n" + name.encode())
            # Caches are empty here and kernels may be plain: longer than the first time
            if not within(10 * took + 4, self._passes, self.usable[name]):
                return 1
            if time.process_time() > MOST_PER_MUTANT_S:
                break
        return 0

    def _exchange(self, one: Mutant) -> bool:
        """Put the mutant's code into the live function, and forget what it had computed."""
        file = str(ROOT / one.path)
        if self.reach.is_kernel(one):
            plain_kernels(file)
        module = compile(mutate(self.reach.trees[one.path], one.place, one.change), file, "exec")
        wanted = next(code for code in _codes(module) if code.co_qualname == one.function)
        found = self.reach.live.get((file, one.function), [])
        for function in found:
            function.__code__ = wanted
        for cache in self.reach.caches:
            cache.cache_clear()
        return bool(found)


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


def main() -> int:
    """Run mutants and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--again", action="store_true", help="run also what no test noticed")
    parser.add_argument("--cores", nargs="*", default=list(CORES), choices=list(CORES))
    parser.add_argument(
        "--coverage", choices=list(CORES), nargs="+", help="branch coverage of cores alone"
    )
    parser.add_argument("--table", action="store_true", help="write the table alone")
    options = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="agg")
    os.chdir(ROOT)
    ended = time.monotonic() + 60 * options.minutes
    for core in [] if options.table else options.coverage or options.cores:
        child = os.fork()
        if child == 0:
            options.ended = ended
            (_cover if options.coverage else _run_core)(core, options)
            os._exit(0)
        os.waitpid(child, 0)
    write_table()
    return 0


def _cover(core: str, _: argparse.Namespace) -> None:
    """Run the core's tests, all of them, and say which branches of its files they take.

    Of kernels what tests of their plain Python form take: compiled ones tell nothing.
    """
    import coverage
    import pytest

    files = [str(ROOT / path) for path in core_files(core)]
    measured = coverage.Coverage(branch=True, include=files, data_file=None, config_file=False)
    measured.start()
    failed = pytest.main([*PYTEST, *_tests(core)])
    measured.stop()
    measured.report(show_missing=True)
    rows = read(BRANCHES)
    for path in files:
        numbers = measured._analyze(path).numbers
        rows[str(Path(path).relative_to(ROOT))] = {
            "core": core, "statements": numbers.n_statements, "missed": numbers.n_missing,
            "branches": numbers.n_branches, "branches_missed": numbers.n_missing_branches,
            "tests_pass": not failed,
        }  # fmt: skip
    BRANCHES.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")


def _run_core(core: str, options: argparse.Namespace) -> None:
    import pytest

    for library in SLOW_TO_IMPORT:  # not at the cost of the first test that needs it
        import_module(library)
    print(f"-- {core}", flush=True)
    pytest.main([*PYTEST, *_tests(core)], [Runner(core, options)])


def _tests(core: str) -> list[str]:
    return [test for test in CORES[core][1] if (ROOT / test).exists()]


if __name__ == "__main__":
    sys.exit(main())
