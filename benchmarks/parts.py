"""Run the cases of a benchmark made of parts, each a module with CHECKS, and write its tables."""

from __future__ import annotations

import argparse
import importlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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

Check = Callable[[bool], list[dict[str, Any]]]


@dataclass(frozen=True)
class Benchmark:
    """A folder of parts.

    ``parts``: module of the folder -> heading; each module has CHECKS, {case: function(quick) ->
    rows}, and may have table_lines, a function of its cases by name, where its rows are no
    questions with one goal.
    """

    name: str
    title: str
    parts: Mapping[str, str]
    notes: str

    @property
    def out(self) -> Path:
        """Where the results stand."""
        return RESULTS / f"{self.name}.json"

    def checks(self) -> dict[str, dict[str, Check]]:
        """Return the cases of every part by their names."""
        return {
            part: dict(importlib.import_module(f"benchmarks.{self.name}.{part}").CHECKS)
            for part in self.parts
        }

    def options(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """Read the command line."""
        parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{self.name}")
        parser.add_argument("--only", action="append", default=[], help="words of a part or a case")
        parser.add_argument("--resume", action="store_true", help="skip cases that the file has")
        parser.add_argument("--quick", action="store_true", help="small and few; not for figures")
        parser.add_argument("--out", type=Path, default=self.out)
        return parser.parse_args(arguments)

    def markdown(self, content: Mapping[str, Any], parts: Mapping[str, Mapping[str, Check]]) -> str:
        """Return the results as tables."""
        lines = [
            f"# {self.title}", "", f"Made by `python -m benchmarks.{self.name}`. "
            + said_surroundings(content["surroundings"]), "", self.notes,
        ]  # fmt: skip
        for part, heading in self.parts.items():
            own = {name: content["cases"][name] for name in parts[part] if name in content["cases"]}
            if own:
                module = importlib.import_module(f"benchmarks.{self.name}.{part}")
                table = getattr(module, "table_lines", lambda cases: check_lines(cases, cases))
                lines += ["", f"## {heading}", "", *table(own)]
        return "\n".join(lines) + "\n"

    def run(self, arguments: Sequence[str] | None = None) -> int:
        """Run the cases that were asked for, and write the tables after each."""
        asked, console, parts = self.options(arguments), Console(width=140), self.checks()
        content = read_results(asked.out) if asked.resume or asked.only else {"cases": {}}
        content["surroundings"] = surroundings()
        for part, cases in parts.items():
            for name, check in cases.items():
                if asked.only and not any(words in f"{part} {name}" for words in asked.only):
                    continue
                if asked.resume and name in content["cases"]:
                    continue
                content["cases"][name] = guarded(lambda c=check: {"checks": c(asked.quick)})  # type: ignore[misc]
                console.print(name, content["cases"][name])
                if not asked.quick:
                    write_json(asked.out, content)
                    asked.out.with_suffix(".md").write_text(self.markdown(content, parts))
        if asked.quick:
            console.print(self.markdown(content, parts), soft_wrap=True, markup=False)
        return 0


def guarded(job: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a case's figures, or what went wrong: the other cases are measured all the same."""
    try:
        with one_blas_thread():
            return {**job(), "load": load_average()}
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        words = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
        return {"failed": words, "load": load_average()}
