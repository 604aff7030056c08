"""Fill the tables of the pages from benchmarks/results; docs/figures.py calls this.

``<!-- table: NAME -->`` takes the tables of ``benchmarks/results/NAME.md`` with the headings
between them, ``<!-- goals: NAME -->`` one sentence with how many of their goals are met (of
oracles: the worst comparison). By itself: ``python docs/tables.py``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE.parent / "benchmarks" / "results"
BLOCK = re.compile(r"(<!-- (table|goals): (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(pages: Sequence[Path] = (), results: Path = RESULTS) -> list[str]:
    """Write every table into the pages; return the names of those whose results are not there."""
    missing: list[str] = []

    def block(match: re.Match[str]) -> str:
        kind, name = match.group(2), match.group(3)
        source = results / f"{name}.md"
        if not source.is_file():
            missing.append(name)
            return match.group(0)
        if kind == "goals":
            text = _compared(results / "oracles.json") if name == "oracles" else _goals(source)
        elif name == "oracles":
            text = _oracles(results / "oracles.json")
        else:
            text = _tables(source, name)
        return f"{match.group(1)}{text}\n{match.group(4)}"

    for page in pages or sorted([*HERE.glob("*.md"), *HERE.glob("howto/*.md")]):
        page.write_text(BLOCK.sub(block, page.read_text()))
    return missing


def _tables(source: Path, name: str) -> str:
    """Return the tables of a results page and their headings, up to its list of every kernel."""
    text = source.read_text().split("## Every kernel")[0].split("## What was drawn")[0]
    parts = re.findall(r"(?:^\|.*\n)+|^## .*\n", text, flags=re.MULTILINE)
    if name == "monte_carlo":  # the quality column is the widest: it stays on the results page
        parts = [re.sub(r"\|[^|\n]*\|$", "|", part, flags=re.MULTILINE) for part in parts]
    return "\n".join(parts).rstrip()


def _goals(source: Path) -> str:
    """Return how many goals of a results page are met."""
    cells = re.findall(r"\b(met|MISSED)\s*(?:\(.*?\))?\s*\|", source.read_text())
    met, all_of_them = cells.count("met"), len(cells)
    return f"{met} of {all_of_them} goals are met, {all_of_them - met} are missed."


def _compared(source: Path) -> str:
    """Return how many comparisons with oracles there are, and the worst of them."""
    rows = json.loads(source.read_text())["rows"]
    z = [abs(row["z"]) for row in rows if "z" in row]
    p = [row["p"] for row in rows if "p" in row]
    return (
        f"{len(rows):,} comparisons: the largest of {len(z)} z is {max(z):.2f}, "
        f"the smallest of {len(p)} p {min(p):.2g}."
    )


def _oracles(source: Path) -> str:
    """Return one row a test file: comparisons, largest z, smallest p."""
    rows = json.loads(source.read_text())["rows"]
    lines = ["| tests | comparisons | largest z | smallest p |", "|---|---|---|---|"]
    for file in sorted({row["test"].partition("::")[0] for row in rows}):
        part = [row for row in rows if row["test"].partition("::")[0] == file]
        z = [row["z"] for row in part if "z" in row]
        p = [row["p"] for row in part if "p" in row]
        largest = f"{max(z, key=abs):+.2f}" if z else ""
        smallest = f"{min(p):.2g}" if p else ""
        lines.append(f"| {file} | {len(part)} | {largest} | {smallest} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(int(bool(fill())))
