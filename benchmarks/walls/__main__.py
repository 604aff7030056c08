"""Measure walls, their dynamics and Ginzburg-Landau fits: ``python -m benchmarks.walls --help``."""

from __future__ import annotations

import argparse
import importlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.monte_carlo.results import (
    RESULTS,
    check_lines,
    load_average,
    read_results,
    said_surroundings,
    surroundings,
    write_json,
)
from physlearn.one_thread import one_blas_thread

OUT = RESULTS / "walls.json"
PARTS = {
    "tracking": "Walls in single frames",
    "smoothing": "The space-time prior, velocities, roughness",
    "events": "Identities and events",
    "track_dynamics": "What moves tracked walls",
    "binary_dynamics": "Walls of thresholded films",
    "wall_profiles": "The profile of a wall",
    "landau_loops": "Hysteresis loops and hierarchies",
    "field_films": "Ginzburg-Landau films",
    "field_models": "Conserved, static, user-written and live fits",
}
"""Modules of this folder -> headings; each has CHECKS, {case: function(quick) -> rows}."""

Check = Callable[[bool], list[dict[str, Any]]]


def checks() -> dict[str, dict[str, Check]]:
    """Return the cases of every part by their names."""
    return {part: dict(importlib.import_module(f"benchmarks.walls.{part}").CHECKS)
            for part in PARTS}  # fmt: skip


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.walls")
    parser.add_argument("--only", action="append", default=[], help="words of a part or a case")
    parser.add_argument("--resume", action="store_true", help="skip cases that the file has")
    parser.add_argument("--quick", action="store_true", help="small and few; not for figures")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args(arguments)


def guarded(check: Check, quick: bool) -> dict[str, Any]:
    """Return a case's figures, or what went wrong: the other cases are measured all the same."""
    try:
        with one_blas_thread():
            return {"checks": check(quick), "load": load_average()}
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        words = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
        return {"failed": words, "load": load_average()}


def markdown(content: Mapping[str, Any], parts: Mapping[str, Mapping[str, Check]]) -> str:
    """Return the results as tables."""
    lines = [
        "# Domain walls and Ginzburg-Landau films", "", "Made by `python -m benchmarks.walls`. "
        + said_surroundings(content["surroundings"]),
        "", "crb: the Cramer-Rao bound; cov90: the share of 90 % intervals that hold the truth, "
        "with the number of intervals and of refusals; times are CPU seconds of one thread.",
    ]  # fmt: skip
    for part, heading in PARTS.items():
        own = {name: content["cases"][name] for name in parts[part] if name in content["cases"]}
        if own:
            lines += ["", f"## {heading}", "", *check_lines(own, parts[part])]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases that were asked for, and write the tables after each."""
    asked, console, parts = options(arguments), Console(width=140), checks()
    content = read_results(asked.out) if asked.resume or asked.only else {"cases": {}}
    content["surroundings"] = surroundings()
    for part, cases in parts.items():
        for name, check in cases.items():
            if asked.only and not any(words in f"{part} {name}" for words in asked.only):
                continue
            if asked.resume and name in content["cases"]:
                continue
            content["cases"][name] = guarded(check, asked.quick)
            console.print(name, content["cases"][name])
            if not asked.quick:
                write_json(asked.out, content)
                asked.out.with_suffix(".md").write_text(markdown(content, parts))
    if asked.quick:
        console.print(markdown(content, parts), soft_wrap=True, markup=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
