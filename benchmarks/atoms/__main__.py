"""Measure finders of atoms and what follows them: ``python -m benchmarks.atoms --help``."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.atoms.checks import CHECKS
from benchmarks.atoms.finders import PICTURES, SPEED, TOOLS, close_all, compare
from benchmarks.monte_carlo.results import (
    RESULTS,
    check_lines,
    read_results,
    said_surroundings,
    surroundings,
    write_json,
)
from benchmarks.parts import guarded

OUT = RESULTS / "atoms.json"
LARGEST_ERROR, Z_TOLERANCE, LARGEST_FALSE = 1.05, 0.05, 0.01
PICTURES_OF_OURS = 8
LEAST_RATE, LARGEST_OF_TRACKPY, LEAST_OF_ATOMAP = 50_000, 2.0, 40.0


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.atoms")
    parser.add_argument("--only", action="append", default=[], help="words of a case's name")
    parser.add_argument("--resume", action="store_true", help="skip cases that the file has")
    parser.add_argument("--no-peers", action="store_true", help="our own figures only")
    parser.add_argument("--quick", action="store_true", help="small and few; not for figures")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args(arguments)


def jobs(quick: bool, peers: bool) -> dict[str, Callable[[], Any]]:
    """Return every case by its name."""
    tools = TOOLS if peers else ()
    out: dict[str, Callable[[], Any]] = {}
    for picture in PICTURES:
        small = dataclasses.replace(picture, columns=10) if quick else picture
        n, repeats = (1, 1) if quick else (PICTURES_OF_OURS, 3)
        out[picture.name] = lambda p=small, n=n, r=repeats: compare(p, n, r, tools)  # type: ignore[misc]
    large = dataclasses.replace(SPEED, columns=30) if quick else SPEED
    fast = tuple(tool for tool in tools if tool.package != "atomap")
    out[SPEED.name] = lambda: compare(large, 1, 1 if quick else 5, fast)
    for name, check in CHECKS.items():
        out[name] = lambda c=check: {"checks": c(quick)}  # type: ignore[misc]
    return out


def number(row: Mapping[str, Any], name: str, form: str) -> str:
    """Return a figure, or nothing where there is none."""
    value = row.get(name)
    return "" if value is None or not np.isfinite(value) else format(value, form)


def verdict(row: Mapping[str, Any]) -> str:
    """Say which of the goals for positions a row of ours misses."""
    misses = []
    if not row["error_over_bound"] <= LARGEST_ERROR:
        misses.append("error")
    # few columns: within four standard errors of 1
    if not abs(row["z_sd"] - 1.0) <= max(Z_TOLERANCE, 4.0 / np.sqrt(4.0 * row["n_scored"])):
        misses.append("z")
    if row["false_share"] > LARGEST_FALSE:
        misses.append("false")
    return "goals met" if not misses else f"MISSED: {', '.join(misses)}"


def finder_lines(cases: Mapping[str, Any]) -> list[str]:
    """Return the table of finders on the named pictures."""
    lines = [
        "| picture | finder | recall | false | error / bound | z sd | atoms/s "
        "| recall, false at its default threshold | goals |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for picture in (*PICTURES, SPEED):
        case = cases.get(picture.name)
        if case and "failed" in case:
            lines.append(f"| {picture.name} | | | | | | | | FAILED: {case['failed']} |")
        for name, row in (case or {}).get("rows", {}).items():
            first = picture.name if name == "physlearn" else ""
            if "absent" in row:
                if picture == PICTURES[0]:
                    lines.append(f"| | {name} | | | | | | | absent: {row['absent']} |")
                continue
            who = f"{name} {row['version']}" if "version" in row else name
            default = ", ".join(
                number(row, key, ".3f") for key in ("default_recall", "default_false_share")
            ).strip(", ")
            judged = verdict(row) if name == "physlearn" and case["gated"] else ""
            lines.append(
                f"| {first} | {who} | {number(row, 'recall', '.3f')} "
                f"| {number(row, 'false_share', '.3f')} | {number(row, 'error_over_bound', '.2f')} "
                f"| {number(row, 'z_sd', '.2f')} | {row['atoms_per_s']:,.0f} | {default} "
                f"| {judged} |"
            )
    return lines


def speed_lines(cases: Mapping[str, Any]) -> list[str]:
    """Return how fast we are beside the goals."""
    lines = ["| speed | measured | goal | |", "|---|---|---|---|"]

    def add(what: str, measured: str, goal: str, met: bool) -> None:
        lines.append(f"| {what} | {measured} | {goal} | {'met' if met else 'MISSED'} |")

    case = cases.get(SPEED.name)
    if case and "rows" in case:
        ours = case["rows"]["physlearn"]
        add(
            f"{SPEED.name}, errors included", f"{ours['atoms_per_s']:,.0f} atoms/s",
            f"{LEAST_RATE:,}", ours["atoms_per_s"] >= LEAST_RATE,
        )  # fmt: skip
        theirs = case["rows"].get("trackpy", {})
        if "cpu_s" in theirs:
            times = ours["cpu_s"] / theirs["cpu_s"]
            add("the same picture, time of trackpy", f"{times:.1f} x", f"at most "
                f"{LARGEST_OF_TRACKPY:g} x", times <= LARGEST_OF_TRACKPY)  # fmt: skip
    ratios = [
        found["rows"]["physlearn"]["atoms_per_s"] / found["rows"][tool]["atoms_per_s"]
        for found in cases.values() if "rows" in found
        for tool in found["rows"] if tool.startswith("atomap") and "cpu_s" in found["rows"][tool]
    ]  # fmt: skip
    if ratios:
        add(
            f"atoms/s over atomap's Gaussian refinement, {len(ratios)} pictures",
            f"{min(ratios):.0f} to {max(ratios):.0f} x", f"at least {LEAST_OF_ATOMAP:g} x",
            min(ratios) >= LEAST_OF_ATOMAP,
        )  # fmt: skip
    return lines if len(lines) > 2 else []


def markdown(content: Mapping[str, Any]) -> str:
    """Return the results as tables."""
    cases = content["cases"]
    lines = [
        "# Atoms from pictures", "", "Made by `python -m benchmarks.atoms`. "
        + said_surroundings(content["surroundings"]),
        "", "Named pictures of `make_benchmark_scene`, scored by `score_positions`: every finder "
        "on the same pixels, CPU time of one thread, medians over interleaved runs; ours from "
        f"{PICTURES_OF_OURS} pictures, theirs from the first. Others are told the true width and "
        "spacing and get the threshold that finds best on the truth; physlearn is told nothing. "
        "Error / bound: root mean square over the joint Cramer-Rao bound, columns found with "
        "matched signal-to-noise of at least 6.",
        "", *finder_lines(cases), "", *speed_lines(cases), "",
        *check_lines(cases, CHECKS),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases that were asked for, and write the tables after each."""
    asked, console = options(arguments), Console(width=140)
    content = read_results(asked.out) if asked.resume else {"cases": {}}
    content["surroundings"] = surroundings()
    for name, job in jobs(asked.quick, not asked.no_peers).items():
        if asked.only and not any(words in name for words in asked.only):
            continue
        if asked.resume and name in content["cases"]:
            continue
        content["cases"][name] = guarded(job)
        console.print(name, content["cases"][name])
        if not asked.quick:
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            write_json(asked.out, content)
            asked.out.with_suffix(".md").write_text(markdown(content))
    close_all()
    if asked.quick:
        console.print(markdown(content), soft_wrap=True, markup=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
