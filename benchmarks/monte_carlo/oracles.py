"""The table of comparisons with oracles: every test of the lattice models that has one, in figures.

Run from the repository's root::

    python -m benchmarks.monte_carlo.oracles            # the fast tests
    python -m benchmarks.monte_carlo.oracles --slow     # the slow studies as well

The tests' fixture ``oracle`` (tests/conftest.py) writes a line of JSON for every comparison: a z, a
p, or an error with its bound. What is written here is the table, its extremes, and whether the z as
a set look standard normal and the p uniform (Kolmogorov and Smirnov): tests whose errors were
overestimated would all pass, and show here. Figures of one test may be correlated, which this
does not know.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.monte_carlo.results import (
    RESULTS,
    ROOT,
    said_surroundings,
    surroundings,
    write_json,
)

SUSPICIOUS = 1e-3
"""Kolmogorov-Smirnov p below which the set is called out."""


def run_tests(tests: Sequence[str], slow: bool, rows_file: Path) -> int:
    """Run pytest so that comparisons are appended to ``rows_file``; return its exit status."""
    environment = {**os.environ, "PHYSLEARN_ORACLE_TABLE": str(rows_file)}
    # -P: at the root, `import datasets` would be ours
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider",
               "--continue-on-collection-errors",
               "-m", "slow or not slow" if slow else "not slow", *tests]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Lines of the file, sorted by test file and test."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return sorted(rows, key=lambda row: (row["test"].partition("::")[0], row["test"]))


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts, extremes and the Kolmogorov-Smirnov p of the z and of the p."""
    from scipy import stats

    zs = [row["z"] for row in rows if "z" in row]
    ps = [row["p"] for row in rows if "p" in row]
    shares = [
        abs(row["error"]) / row["bound"] if row["bound"] else 0.0 for row in rows if "error" in row
    ]
    found: dict[str, Any] = {
        "comparisons": len(rows),
        "tests": len({row["test"] for row in rows}),
        "z": {"count": len(zs)},
        "p": {"count": len(ps)},
        "error": {"count": len(shares)},
    }
    if zs:
        found["z"] |= {
            "largest": max(zs, key=abs),
            "beyond_2": (beyond := sum(abs(z) > 2 for z in zs)),
            "tail_p": float(stats.binom.sf(beyond - 1, len(zs), 2 * stats.norm.sf(2.0))),
            "rms": float(np.sqrt(np.mean(np.square(zs)))),
            "negative": sum(z < 0 for z in zs),
            "ks_p": float(stats.kstest(zs, "norm").pvalue),
        }
    if ps:
        found["p"] |= {"smallest": min(ps), "ks_p": float(stats.kstest(ps, "uniform").pvalue)}
    if shares:
        found["error"] |= {"largest_share_of_bound": max(shares)}
    return found


def said_summary(found: dict[str, Any]) -> list[str]:
    """Sentences of the summary."""
    said = [f"{found['comparisons']} comparisons in {found['tests']} tests."]
    z, p, error = found["z"], found["p"], found["error"]
    if z["count"]:
        said.append(
            f"z: {z['count']}, largest {z['largest']:+.2f}, {z['beyond_2']} beyond 2 "
            f"(expected {0.0455 * z['count']:.1f}, binomial p = {z['tail_p']:.2g}), rms "
            f"{z['rms']:.2f}, {z['negative']} negative; " + said_fit(z["ks_p"], "standard normal")
        )
    if p["count"]:
        said.append(
            f"p: {p['count']}, smallest {p['smallest']:.2g} (expected about "
            f"{1 / (p['count'] + 1):.2g}); " + said_fit(p["ks_p"], "uniform")
        )
    if error["count"]:
        said.append(
            f"errors of what is not random: {error['count']}, the largest at "
            f"{error['largest_share_of_bound']:.2g} of its bound."
        )
    return said


def said_fit(ks_p: float, law: str) -> str:
    """Whether a set looks as it should."""
    verdict = "look" if ks_p > SUSPICIOUS else "DO NOT LOOK"
    return f"as a set they {verdict} {law} (Kolmogorov-Smirnov p = {ks_p:.2g})."


def figures(row: dict[str, Any]) -> tuple[str, str]:
    """A row's figure and what it had to keep to."""
    if "z" in row:
        return f"z = {row['z']:+.2f}", "abs(z) < 4"
    if "p" in row:
        return f"p = {row['p']:.2g}", "p > 6.3e-5"
    return f"error {abs(row['error']):.2g}", f"<= {row['bound']:.2g}"


def markdown(rows: Sequence[dict[str, Any]], found: dict[str, Any], about: dict[str, Any]) -> str:
    """The table, one section a test file."""
    lines = ["# Comparisons with oracles", "",
             "Made by `python -m benchmarks.monte_carlo.oracles`.", "",
             *(f"- {sentence}" for sentence in said_summary(found)), "",
             said_surroundings(about)]  # fmt: skip
    current = ""
    for row in rows:
        file, _, test = row["test"].partition("::")
        if file != current:
            current = file
            lines += ["", f"## {file}", "", "| test | comparison | figure | kept to |",
                      "|---|---|---|---|"]  # fmt: skip
        cells = (test.replace("|", "\\|"), row["name"].replace("|", "\\|"), *figures(row))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monte_carlo.oracles")
    parser.add_argument("tests", nargs="*", default=["tests/lattice_models"])
    parser.add_argument("--slow", action="store_true", help="the slow studies as well")
    parser.add_argument("--out", type=Path, default=RESULTS / "oracles.md")
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        rows_file = Path(folder) / "rows.jsonl"
        status = run_tests(chosen.tests, chosen.slow, rows_file)
        rows = read_rows(rows_file)
    if not rows:
        console.print("no comparison was recorded: the tests call the fixture `oracle`?")
        return 1
    found, about = summary(rows), surroundings()
    write_json(
        chosen.out.with_suffix(".json"),
        {"surroundings": about, "slow": chosen.slow, "summary": found, "rows": rows},
    )
    chosen.out.write_text(markdown(rows, found, about))
    table = Table("file", "comparisons", "largest |z|", "smallest p", "largest share of bound")
    files = sorted({row["test"].partition("::")[0] for row in rows})
    for file in files:
        part = summary([row for row in rows if row["test"].partition("::")[0] == file])
        table.add_row(
            Path(file).name, str(part["comparisons"]),
            f"{abs(part['z']['largest']):.2f}" if part["z"]["count"] else "",
            f"{part['p']['smallest']:.2g}" if part["p"]["count"] else "",
            f"{part['error']['largest_share_of_bound']:.2g}" if part["error"]["count"] else "",
        )  # fmt: skip
    console.print(table)
    for sentence in said_summary(found):
        console.print(sentence, markup=False, highlight=False)
    if status:
        console.print(f"pytest ended with status {status}")
    return int(status != 0)


if __name__ == "__main__":
    sys.exit(main())
