"""What the first call costs: compiling a kernel (cold) and loading it from numba's cache (warm).

Run from the repository's root::

    python -m benchmarks.monte_carlo.first_call              # every statement of the warm list
    python -m benchmarks.monte_carlo.first_call --only wolff --rounds 3

The calls are those of ``physlearn doctor --warm``: `physlearn.first_calls` has one for each public
function, method and kind of state that has kernels of its own. Each runs in a fresh process. Cold:
with an empty NUMBA_CACHE_DIR; every kernel's seconds are its own, after numba's own start
(compiling one empty function), which is named by itself. Warm: with the cache that the cold run
left, in rounds interleaved with ``import numba`` alone; a warm run that compiles anything is called
out. Times are CPU seconds of the process, its start included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.monte_carlo.results import (
    RESULTS,
    ROOT,
    read_results,
    said_surroundings,
    surroundings,
    write_json,
)

COLD_SECONDS = 2.5
WARM_BEYOND_NUMBA = 0.25

CHILD = """
import json, sys, time
statement = sys.stdin.read()
watch = sys.argv[1] == "watch"
kernels, start_up = [], 0.0
if watch:
    import numba
    from numba.core import event

    def nothing():
        return 1

    begun = time.process_time()
    numba.njit(nothing)()
    start_up = time.process_time() - begun

    class Watch(event.Listener):
        depth = 0

        def on_start(self, seen):
            if self.depth == 0:
                self.begun = time.process_time()
            self.depth += 1

        def on_end(self, seen):
            self.depth -= 1
            if self.depth == 0:
                function = seen.data["dispatcher"].py_func
                name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
                kernels.append((name, time.process_time() - self.begun))

    event.register("numba:compile", Watch())
exec(compile(statement, "<first call>", "exec"), {"__name__": "first_call"})
print("\\n" + json.dumps({"kernels": kernels, "start_up": start_up, "cpu": time.process_time()}))
"""


def child(statement: str, cache: Path, watch: bool) -> dict[str, Any]:
    """Run a statement in a fresh process; return what it says of itself."""
    # -P: at the root, `import datasets` would be ours
    done = subprocess.run(
        [sys.executable, "-P", "-c", CHILD, "watch" if watch else "time"],
        input=statement, capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def statements() -> dict[str, str]:
    """The warm list of ``physlearn doctor``: name -> statement."""
    from physlearn.first_calls import FIRST_CALLS

    command = "from physlearn.first_calls import FIRST_CALLS; FIRST_CALLS[{!r}]()"
    return {name: command.format(name) for name in FIRST_CALLS}


def measure(statement: str, rounds: int) -> dict[str, Any]:
    """Cold compile of each kernel, and warm first call against bare numba, of one statement."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        cold = child(statement, cache, watch=True)
        again = child(statement, cache, watch=True)
        numba, warm = [], []
        for number in range(rounds):
            pair = [("import numba", numba), (statement, warm)]
            for code, times in pair if number % 2 else pair[::-1]:
                times.append(child(code, cache, watch=False)["cpu"])
    beyond = [ours - bare for ours, bare in zip(warm, numba, strict=True)]
    kernels: dict[str, float] = {}
    for name, seconds in cold["kernels"]:
        # a kernel for two kinds of arguments: each compile on its own must keep to the target
        kernels[name] = max(kernels.get(name, 0.0), seconds)
    return {
        "kernels": kernels,
        "start_up_s": cold["start_up"],
        "cold_s": cold["cpu"],
        "recompiled": sorted({name for name, _ in again["kernels"]}),
        "warm_s": statistics.median(warm),
        "import_numba_s": statistics.median(numba),
        "beyond_s": statistics.median(beyond),
        "beyond_rounds_s": beyond,
    }


def verdict(case: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether the cold and the warm target were met."""
    cold = all(seconds <= COLD_SECONDS for seconds in case["kernels"].values())
    return cold, case["beyond_s"] <= WARM_BEYOND_NUMBA and not case["recompiled"]


HEADINGS = ("function", "kernels", "slowest kernel, cold", "cold run", "warm run",
            "beyond import numba", "targets")  # fmt: skip


def table_rows(cases: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows of the table (see ``HEADINGS``)."""
    rows = []
    for name, case in cases.items():
        if "failed" in case:
            rows.append((name, "", "", "", "", "", f"FAILED: {case['failed']}"))
            continue
        slowest = max(case["kernels"].items(), key=lambda item: item[1], default=None)
        cold, warm = verdict(case)
        said = [
            "met" if cold else f"cold > {COLD_SECONDS} s MISSED",
            "met" if warm else f"warm > {WARM_BEYOND_NUMBA} s MISSED",
        ]
        if case["recompiled"]:
            said.append(f"compiled again: {', '.join(case['recompiled'])}")
        rows.append((
            name, str(len(case["kernels"])),
            f"{slowest[0]} {slowest[1]:.2f} s" if slowest else "none",
            f"{case['cold_s']:.2f} s", f"{case['warm_s']:.2f} s", f"{case['beyond_s']:+.2f} s",
            "met" if cold and warm else "; ".join(said),
        ))  # fmt: skip
    return rows


def markdown(content: Mapping[str, Any]) -> str:
    """The table for the documentation."""
    good = [case for case in content["cases"].values() if "failed" not in case]
    lines = ["# First calls", "",
             "Made by `python -m benchmarks.monte_carlo.first_call`. CPU seconds of fresh "
             f"processes. Targets: each kernel compiles within {COLD_SECONDS} s; warm import and "
             f"first call within that of bare `import numba` + {WARM_BEYOND_NUMBA} s.",
             ""]  # fmt: skip
    if good:
        start = statistics.median(case["start_up_s"] for case in good)
        bare = statistics.median(case["import_numba_s"] for case in good)
        lines += [f"`import numba` alone: {bare:.2f} s. Numba's own start before the first kernel "
                  f"is compiled: {start:.2f} s (cold only, once a process, in \"cold run\" but not "
                  "in a kernel's seconds).", ""]  # fmt: skip
    lines += [said_surroundings(content["surroundings"]), "",
              "| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]  # fmt: skip
    lines += ["| " + " | ".join(row) + " |" for row in table_rows(content["cases"])]
    every: dict[str, float] = {}
    for case in good:
        for name, seconds in case["kernels"].items():
            every[name] = max(every.get(name, 0.0), seconds)
    lines += ["", f"## Every kernel, cold ({len(every)})", "", "| kernel | seconds |", "|---|---|"]
    for name, seconds in sorted(every.items(), key=lambda item: -item[1]):
        lines.append(f"| {name} | {seconds:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monte_carlo.first_call")
    parser.add_argument("--only", action="append", default=[], help="words of a statement's name")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--resume", action="store_true", help="skip what the file has")
    parser.add_argument("--out", type=Path, default=RESULTS / "first_call.json")
    chosen = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 180)
    content = read_results(chosen.out)
    if not (chosen.only or chosen.resume):
        content["cases"] = {}
    content["surroundings"] = surroundings()
    wanted = {
        name: code
        for name, code in statements().items()
        if (not chosen.only or any(word in name for word in chosen.only))
        and not (chosen.resume and name in content["cases"])
    }
    failed = False
    for name, code in track(list(wanted.items()), "first calls", console=console):
        try:
            content["cases"][name] = measure(code, chosen.rounds)
        except RuntimeError as error:
            failed = True
            content["cases"][name] = {"failed": str(error)}
        write_json(chosen.out, content)
        chosen.out.with_suffix(".md").write_text(markdown(content))
    table = Table(*HEADINGS)
    for row in table_rows(content["cases"]):
        table.add_row(*row)
    console.print(table)
    return int(failed or not content["cases"])


if __name__ == "__main__":
    sys.exit(main())
