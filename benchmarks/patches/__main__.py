"""Measure descriptors of patches: ``python -m benchmarks.patches --help``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.monte_carlo.results import (
    RESULTS,
    check_lines,
    read_results,
    said_surroundings,
    surroundings,
    write_json,
)
from benchmarks.parts import guarded
from benchmarks.patches.disorder import compare_disorder
from benchmarks.patches.errors import ERRORS
from benchmarks.patches.motifs import LABELS_PER_CLASS, SCENES, compare_motifs
from benchmarks.patches.speed import SPEED

OUT = RESULTS / "patches.json"
LEAST_INDEX, LEAST_FEW = 0.95, 0.9
OURS = "physlearn, by itself"
DISORDER = {"disorder, grains of any turn": "grains", "disorder, one crystal": "crystal"}
CHECKS: dict[str, Callable[[bool], list[dict[str, Any]]]] = {**ERRORS, **SPEED}


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patches")
    parser.add_argument("--only", action="append", default=[], help="words of a case's name")
    parser.add_argument("--resume", action="store_true", help="skip cases that the file has")
    parser.add_argument("--quick", action="store_true", help="small and few; not for figures")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args(arguments)


def jobs(quick: bool) -> dict[str, Callable[[], Any]]:
    """Return every case by its name."""
    out: dict[str, Callable[[], Any]] = {}
    for scene in SCENES:
        n, draws = (160, 1) if quick else (800, 10)
        out[scene.name] = lambda s=scene, n=n, d=draws: compare_motifs(s, n, d)  # type: ignore[misc]
    for name, kind in DISORDER.items():
        out[name] = lambda k=kind: compare_disorder(k, 100 if quick else 1600)  # type: ignore[misc]
    for name, check in CHECKS.items():
        out[name] = lambda c=check: {"checks": c(quick)}  # type: ignore[misc]
    return out


def motif_lines(cases: Mapping[str, Any]) -> list[str]:
    """Return the table of cluster indices and few labels."""
    lines = [
        "| scene | descriptor | numbers | cluster index | accuracy from "
        f"{LABELS_PER_CLASS} labels a class | how | goals |",
        "|---|---|---|---|---|---|---|",
    ]
    for scene in SCENES:
        case = cases.get(scene.name)
        if case and "failed" in case:
            lines.append(f"| {scene.name} | | | | | FAILED: {case['failed']} | |")
        first = scene.name
        for name, row in (case or {}).get("rows", {}).items():
            if "absent" in row:
                if scene is SCENES[0]:
                    lines.append(f"| | {name} | | | | absent: {row['absent']} | |")
                continue
            judged = ""
            if case["gated"] and name == OURS:
                met = row["index"] >= LEAST_INDEX and row["few"] >= LEAST_FEW
                judged = f"index {LEAST_INDEX}, few {LEAST_FEW}: {'met' if met else 'MISSED'}"
            lines.append(
                f"| {first} | {name} | {row.get('n', '')} | {row['index']:.3f} | {row['few']:.3f} "
                f"| {row['way']} | {judged} |"
            )
            first = ""
    return lines


def disorder_lines(cases: Mapping[str, Any]) -> list[str]:
    """Return the table of areas under the curve."""
    lines = [
        "| scene | descriptor | one number | all its numbers, logistic regression out of fold |",
        "|---|---|---|---|",
    ]
    for scene in DISORDER:
        case = cases.get(scene)
        if case and "failed" in case:
            lines.append(f"| {scene} | FAILED: {case['failed']} | | |")
        first = scene
        for name, row in (case or {}).get("rows", {}).items():
            if "absent" in row:
                continue
            single, every = (
                "" if row.get(key) is None else f"{row[key]:.3f}" for key in ("single", "all")
            )
            lines.append(f"| {first} | {name} | {single} | {every} |")
            first = ""
    return lines


def markdown(content: Mapping[str, Any]) -> str:
    """Return the results as tables."""
    cases = content["cases"]
    lines = [
        "# Descriptors of patches", "", "Made by `python -m benchmarks.patches`. "
        + said_surroundings(content["surroundings"]),
        "", "Scenes of `make_patch_scene`: 24 x 24 pixels, counting noise, any rotation; motifs "
        "hold the same light. Each peer gets, with the help of the truth, the best of twelve ways "
        "to cluster (k-means or Gaussian mixture, told the number of classes, on 4, 8 or 16 "
        "components, standardised or not) and the better of two classifiers; so does "
        "`polar_fourier`. The row *physlearn, by itself* is what a user gets from "
        "`describe_patches`, `cluster_patches` and `classify_patches`; goals are judged on it.",
        "", *motif_lines(cases), "",
        "Area under the curve for telling disordered from ordered patches (columns shifted by "
        "7 % of the spacing against 4 %). The last row knows every column's shift: what a shift "
        "drawn at random lets be known.", "", *disorder_lines(cases), "",
        *check_lines(cases, CHECKS),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases that were asked for, and write the tables after each."""
    asked, console = options(arguments), Console(width=140)
    content = read_results(asked.out) if asked.resume or asked.only else {"cases": {}}
    content["surroundings"] = surroundings()
    for name, job in jobs(asked.quick).items():
        if asked.only and not any(words in name for words in asked.only):
            continue
        if asked.resume and name in content["cases"]:
            continue
        content["cases"][name] = guarded(job)
        console.print(name, content["cases"][name])
        if not asked.quick:
            write_json(asked.out, content)
            asked.out.with_suffix(".md").write_text(markdown(content))
    if asked.quick:
        console.print(markdown(content), soft_wrap=True, markup=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
