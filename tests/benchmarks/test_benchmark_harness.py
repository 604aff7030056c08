"""The benchmark's own arithmetic, its C twins, and that what is absent is said."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch, tmp_path):
    before = dict(os.environ)  # the package fixes the number of threads when it is imported
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("PHYSLEARN_BENCHMARKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PHYSLEARN_PEERS", str(tmp_path / "peers"))
    yield
    os.environ.clear()
    os.environ.update(before)


SOURCE = "long twice(long x) { return 2 * x; }\n"


def test_a_twin_is_compiled_once_a_source(tmp_path):
    from benchmarks.monte_carlo.twins import compile_c, compiler

    if compiler() is None:
        pytest.skip("no C compiler here")
    (tmp_path / "double.c").write_text(SOURCE)
    library = compile_c("double", folder=tmp_path)
    library.twice.argtypes, library.twice.restype = [ctypes.c_long], ctypes.c_long
    assert library.twice(21) == 42
    compiled = sorted((tmp_path / "cache" / "twins").iterdir())
    compile_c("double", folder=tmp_path)
    assert sorted((tmp_path / "cache" / "twins").iterdir()) == compiled
    (tmp_path / "double.c").write_text(SOURCE.replace("2", "3"))
    changed = compile_c("double", folder=tmp_path)
    changed.twice.argtypes, changed.twice.restype = [ctypes.c_long], ctypes.c_long
    assert changed.twice(21) == 63
    assert len(list((tmp_path / "cache" / "twins").iterdir())) == 2


def test_a_twin_that_does_not_compile_is_an_error(tmp_path):
    from benchmarks.monte_carlo.twins import compile_c, compiler

    if compiler() is None:
        pytest.skip("no C compiler here")
    (tmp_path / "wrong.c").write_text("this is not C\n")
    with pytest.raises(RuntimeError, match=r"wrong\.c does not compile"):
        compile_c("wrong", folder=tmp_path)
    assert not list((tmp_path / "cache" / "twins").iterdir())


def test_quartiles_are_numpys():
    from benchmarks.monte_carlo.harness import quartiles

    values = [3.0, 9.0, 4.0, 7.5, 1.0, 20.0]
    np.testing.assert_allclose(quartiles(values), np.percentile(values, (25, 50, 75)))
    assert quartiles([2.0]) == (2.0, 2.0, 2.0)


def steady(nanoseconds):
    """A runner whose rounds take known times."""

    class Steady:
        peer = None

        def __init__(self):
            self.left = list(nanoseconds)

        def nanoseconds(self):
            return self.left.pop(0)

        def close(self):
            pass

    return Steady()


def test_ratios_are_taken_within_rounds(monkeypatch):
    from benchmarks.monte_carlo import harness

    times = {
        "physlearn": [10.0, 30.0, 20.0],
        "C": [10.0, 20.0, 10.0],
        "peer": [160.0, 600.0, 200.0],
    }
    runners = {name: steady(values) for name, values in times.items()}
    monkeypatch.setattr(harness, "Runner", lambda contender, work, seconds: runners[contender])
    case = harness.Case(
        "known", "unit", 1.0, {name: name for name in times},
        target={"C": 1.1, "peer": harness.times_faster(16)},
    )  # fmt: skip
    rows = harness.measure(case, rounds=3, seconds=1.0)["contenders"]
    assert rows["physlearn"]["ns"] == 20.0
    # the ratio of the medians would be 2.0: a slow round must not be compared with a fast one
    assert rows["C"]["ratio"] == 1.5
    assert rows["C"]["met"] is False
    assert rows["peer"]["ratio"] == pytest.approx(1 / 16)
    assert rows["peer"]["met"] is True


def test_a_function_is_timed_by_its_cpu_time():
    from benchmarks.monte_carlo.harness import Case, measure

    values = np.arange(20_000, dtype=np.float64)

    def once():
        np.sqrt(values).sum()

    def thrice():
        for _ in range(3):
            once()

    case = Case("sums", "sum", 1.0, {"physlearn": thrice, "one": once})
    row = measure(case, rounds=5, seconds=0.02)["contenders"]["one"]
    assert 2 < row["ratio"] < 4
    assert len(row["ns_rounds"]) == 5


def test_work_known_only_afterwards():
    from benchmarks.monte_carlo.harness import Case, measure

    values = np.arange(20_000, dtype=np.float64)

    def work_of(units):
        def once():
            np.sqrt(values).sum()
            return units

        return once

    case = Case("clusters", "site", None, {"physlearn": work_of(10), "other": work_of(1000)})
    row = measure(case, rounds=5, seconds=0.01)["contenders"]["other"]
    assert 50 < row["ratio"] < 200


def test_what_is_absent_is_a_row_with_its_reason(monkeypatch):
    from benchmarks.monte_carlo import twins
    from benchmarks.monte_carlo.harness import Case, Peer, compile_c, measure
    from benchmarks.monte_carlo.results import table_rows

    (twins.cache_folder()).mkdir(parents=True)
    (twins.cache_folder() / "double.c").write_text(SOURCE)
    monkeypatch.setattr(twins, "compiler", lambda: None)
    library = compile_c("double", folder=twins.cache_folder())
    library.twice.argtypes = [ctypes.c_long]
    case = Case(
        "nobody here", "unit", 1.0,
        {"physlearn": lambda: None, "C": lambda: library.twice(1),
         "mcising": Peer("mcising", "square", {"size": 8, "couplings": [0.4]}),
         "unheard": Peer("unheard", "square")},
        target={"C": 1.1}, check=lambda: library.twice(2),
    )  # fmt: skip
    record = measure(case, rounds=1, seconds=0.001)
    assert "no C compiler" in record["check"]
    rows = {row[1]: row for row in table_rows({case.name: record})}
    assert rows["C"][2] == rows["mcising"][2] == rows["unheard"][2] == "absent"
    assert "no C compiler for double.c" in rows["C"][-1]
    assert "peers setup mcising" in rows["mcising"][-1]
    assert "no recipe for unheard" in rows["unheard"][-1]


def test_a_case_with_a_target_of_nobody_is_refused():
    from benchmarks.monte_carlo.harness import Case

    with pytest.raises(ValueError, match="unknown contenders D"):
        Case("x", "unit", 1.0, {"physlearn": print}, target={"D": 1.0})
    with pytest.raises(ValueError, match="first contender must be 'physlearn'"):
        Case("x", "unit", 1.0, {"C": print})


FAKE_PACKAGE = """
import sys; sys.path.insert(0, {workers!r})
from worker import serve
class Loop:
    def __init__(self, options): self.size = int(options["size"])
    def step(self, n):
        print("a package that talks on standard output")
        total = 0
        for i in range(n * self.size): total += i
        return n * self.size
    def quality(self): return {{"size": float(self.size)}}
serve({{"loop": Loop}}, "1.0")
"""


def test_a_worker_answers_by_lines(tmp_path):
    script = tmp_path / "fake_worker.py"
    script.write_text(
        FAKE_PACKAGE.format(workers=str(ROOT / "benchmarks" / "monte_carlo" / "workers"))
    )
    asked = [
        {"run": 1},
        {"setup": {"task": "none", "options": {}}},
        {"setup": {"task": "loop", "options": {"size": 1000, "seconds": 0.02}}},
        {"run": 2},
        {"quality": 1},
    ]
    done = subprocess.run(
        [sys.executable, script], input="".join(json.dumps(line) + "\n" for line in asked),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    early, unknown, ready, times, quality = map(json.loads, done.stdout.splitlines())
    assert "setup must come first" in early["error"]
    assert "unknown task 'none'; known: loop" in unknown["error"]
    assert times["work"] == 2 * ready["steps"] * 1000
    assert times["cpu_s"] > 0
    assert quality == {"quality": {"size": 1000.0}}


def test_finished_cases_stay_and_are_not_measured_again(tmp_path, monkeypatch):
    from rich.console import Console

    from benchmarks.monte_carlo import __main__ as command
    from benchmarks.monte_carlo.harness import Case

    calls = []

    def cases(only, quick):
        for name in ("first", "second", "third"):
            if name == "second" and not chosen.resume:
                raise KeyboardInterrupt
            yield name, Case(name, "unit", 1.0, {"physlearn": lambda name=name: calls.append(name)})

    monkeypatch.setattr(command, "wanted_cases", cases)
    out = tmp_path / "out.json"
    console = Console(quiet=True)
    chosen = command.options(["--quick", "--seconds", "1e-6", "--rounds", "1", "--out", str(out)])
    with pytest.raises(KeyboardInterrupt):
        command.run(chosen, console)
    assert list(json.loads(out.read_text())["cases"]) == ["first"]
    calls.clear()
    chosen.resume = True
    assert command.run(chosen, console)
    assert list(json.loads(out.read_text())["cases"]) == ["first", "second", "third"]
    assert "first" not in calls
    text = out.with_suffix(".md").read_text()
    assert "| third (unit) | physlearn |" in text


def test_a_case_that_fails_is_a_row_and_an_exit_status(tmp_path, monkeypatch):
    from rich.console import Console

    from benchmarks.monte_carlo import __main__ as command
    from benchmarks.monte_carlo.harness import Case

    def differ():
        raise AssertionError("spins differ from those of the twin")

    cases = [("bad", Case("bad", "unit", 1.0, {"physlearn": print}, check=differ)),
             ("good", Case("good", "unit", 1.0, {"physlearn": lambda: None})),
             ("topic", "its cases could not be made: ImportError: no module")]  # fmt: skip
    monkeypatch.setattr(command, "wanted_cases", lambda only, quick: iter(cases))
    out = tmp_path / "out.json"
    chosen = command.options(["--quick", "--seconds", "1e-6", "--out", str(out)])
    assert not command.run(chosen, Console(quiet=True))
    found = json.loads(out.read_text())["cases"]
    assert found["bad"]["failed"] == "AssertionError: spins differ from those of the twin"
    assert "ns" in found["good"]["contenders"]["physlearn"]
    assert "ImportError" in found["topic"]["failed"]


def test_quick_figures_stay_out_of_the_repository():
    from benchmarks.monte_carlo.__main__ import options
    from benchmarks.monte_carlo.results import RESULTS

    assert options([]).out == RESULTS / "monte_carlo.json"
    assert ROOT not in options(["--quick"]).out.parents
    assert options([]).rounds >= 5
