"""Put what every benchmark found on one page: ``python -m benchmarks.gather``.

Nothing is measured: docs/benchmarks.md is written from benchmarks/results. It names every table
with its command, machine, versions, date, revision and seeds, and repeats each row that missed its
goal; what an old result does not hold is said "not recorded".
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.monte_carlo.results import RESULTS, ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
ABSENT = "not recorded"
BELOW_MONTE_CARLO = ("first_call", "scaling", "autocorrelation", "oracles")
MEASURED = {
    "atoms": "atoms", "autocorrelation": "monte_carlo", "causal": "causes",
    "first_call": "monte_carlo", "forces": "forces", "lattice_calibration": "lattices",
    "lattice_hamiltonians": "lattices", "laws": "laws", "monte_carlo": "monte_carlo",
    "oracles": "monte_carlo", "patches": "patches", "planning": "planning",
    "scaling": "monte_carlo", "walls": "walls",
}  # fmt: skip
"""Results -> the page docs/measured_*.md that explains them."""


@dataclass(frozen=True)
class Table:
    """One table of a results page: what stands above it, and its lines."""

    heading: str
    lines: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        """Rows below the head."""
        return max(len(self.lines) - 2, 0)

    def goals(self, word: str) -> int:
        """How many cells say that a goal was met, or MISSED."""
        return sum(len(re.findall(rf"\b{word}\b", line)) for line in self.lines[2:])


def tables_of(text: str) -> Iterator[Table]:
    """Every table of a results page under the heading above it."""
    heading, lines = "", []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            lines.append(line)
        elif lines:
            yield Table(heading, tuple(lines))
            lines = []
        if line.startswith("#"):
            heading = line.lstrip("# ").strip()


def command_of(name: str) -> str:
    """How a result is made."""
    inside = f"monte_carlo.{name}" if name in BELOW_MONTE_CARLO else name
    return f"python -m benchmarks.{inside}"


def seeds_of(name: str) -> str:
    """Seeds as the benchmark's source has them: named constants, else the numbers given as rng."""
    folder = ROOT / "benchmarks" / ("monte_carlo" if name in BELOW_MONTE_CARLO else name)
    files = [folder / f"{name}.py"] if name in BELOW_MONTE_CARLO else sorted(folder.glob("*.py"))
    named, given = set(), set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                named |= {f"{n} = {node.value.value}" for n in names if n.endswith("SEED")}
            if isinstance(node, ast.keyword) and node.arg in ("rng", "seed"):
                value = node.value
                if isinstance(value, ast.Constant) and isinstance(value.value, int):
                    given.add(value.value)
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "default_rng":
                given |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    said = sorted(named) + [f"rng = {', '.join(map(str, sorted(given)))}"] * bool(given)
    return "; ".join(said) or ABSENT


def machine_of(about: Mapping[str, Any]) -> str:
    """Return one sentence on processor, system and versions."""
    if not about:
        return ABSENT
    caches = ", ".join(f"{level} {size}" for level, size in about.get("caches", {}).items())
    versions = ", ".join(f"{n} {number}" for n, number in about.get("versions", {}).items())
    return (
        f"{about.get('processor', ABSENT)}, {about.get('cores', '?')} cores ({caches or ABSENT}); "
        f"{about.get('system', ABSENT)}, Python {about.get('python', ABSENT)}, "
        f"{versions or ABSENT}; {about.get('compiler', ABSENT)}"
    )


def load_of(content: Mapping[str, Any]) -> str:
    """How busy the machine was: the range of load averages that the cases stored."""
    loads = [case["load"] for case in content.get("cases", {}).values()
             if isinstance(case, Mapping) and case.get("load") is not None]  # fmt: skip
    return f"{min(loads):.2f} to {max(loads):.2f}" if loads else ABSENT


def missed_lines(table: Table) -> list[str]:
    """Rows of a table that missed a goal, under its head; empty first cells take those above."""
    kept, above = [], ""
    for line in table.lines[2:]:
        cells = line.split("|")
        above = cells[1] if cells[1].strip() else above
        if re.search(r"\bMISSED\b", line):
            kept.append("|".join([cells[0], above, *cells[2:]]))
    return [*table.lines[:2], *kept] if kept else []


def page(results: Path = RESULTS) -> str:
    """Return docs/benchmarks.md."""
    names = sorted(path.stem for path in results.glob("*.json"))
    overview = [
        "| results | goals met | missed | date | revision | command |", "|---|---|---|---|---|---|"
    ]  # fmt: skip
    parts = []
    for name in names:
        content = json.loads((results / f"{name}.json").read_text())
        text = (results / f"{name}.md").read_text() if (results / f"{name}.md").is_file() else ""
        tables = list(tables_of(text))
        about = content.get("surroundings", {})
        met, missed = (sum(t.goals(word) for t in tables) for word in ("met", "MISSED"))
        overview.append(
            f"| [{title_of(name, text)}](#{anchor(title_of(name, text))}) | {met or ''} "
            f"| {missed or ''} | {about.get('date', ABSENT)} | {about.get('revision', ABSENT)} "
            f"| `{command_of(name)}` |"
        )
        parts += section(name, content, text, tables)
    return "\n".join([
        "# Benchmarks", "",
        "Made by `make bench`, which runs every benchmark and then gathers this page "
        "(`python -m benchmarks.gather` gathers alone). `make bench-quick` runs small versions in "
        "ten minutes at most, into a folder of its own, and prints them beside these. Every table "
        "is one link away; rows that missed their goal are repeated here. A revision with + was "
        "measured with changes that were not committed. Where a cell names several goals it is "
        "counted as often.", "", *overview, "", *parts,
    ]).rstrip() + "\n"  # fmt: skip


def title_of(name: str, text: str) -> str:
    """Heading of a results page."""
    first = text.partition("\n")[0]
    return first.lstrip("# ") if first.startswith("# ") else name.replace("_", " ").capitalize()


def anchor(title: str) -> str:
    """Anchor of a heading as the forge makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def section(name: str, content: Mapping[str, Any], text: str, tables: list[Table]) -> list[str]:
    """What one benchmark found: where and when, its tables, the goals that it missed."""
    about = content.get("surroundings", {})
    where = f"../benchmarks/results/{name}.md"
    lines = [
        f"## {title_of(name, text)}", "",
        f"`{command_of(name)}`; [what it means](measured_{MEASURED[name]}.md), "
        f"[every row]({where}).", "",
        "| | |", "|---|---|",
        f"| machine | {machine_of(about)} |",
        f"| date, revision | {about.get('date', ABSENT)}, {about.get('revision', ABSENT)} |",
        f"| seeds | {seeds_of(name)} |",
        f"| load average meanwhile | {load_of(content)} |", "",
    ]  # fmt: skip
    if name == "oracles":  # one row a comparison: too many to list
        summary = content["summary"]
        lines += [
            f"{summary['comparisons']:,} comparisons in {summary['tests']} tests: the largest of "
            f"{summary['z']['count']} z is {abs(summary['z']['largest']):.2f}, the smallest of "
            f"{summary['p']['count']} p {summary['p']['smallest']:.2g}.", "",
        ]  # fmt: skip
        return lines
    lines += ["| table | rows | goals met | missed |", "|---|---|---|---|"]
    for table in tables:
        lines.append(
            f"| {table.heading or title_of(name, text)} | {table.n_rows} "
            f"| {table.goals('met') or ''} | {table.goals('MISSED') or ''} |"
        )
    lines.append("")
    missed = [missed_lines(table) for table in tables]
    if any(missed):
        lines += ["<details><summary>Goals that were missed</summary>", ""]
        for rows in missed:
            lines += [*rows, ""] if rows else []
        lines += ["</details>", ""]
    return lines


def main() -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.parse_args().out.write_text(page())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
