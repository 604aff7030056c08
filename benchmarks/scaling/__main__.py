"""Time and peak memory of single big problems against their size: ``python -m benchmarks.scaling``.

Every case runs in a process of its own, its sizes in ascending order, one thread, the data capped
at 10 GiB. Sizes that the results hold are skipped (``--again`` measures them anew), so that
a run that was stopped goes on. ``--only WORD`` takes cases whose name holds the word, ``--largest
N`` no larger sizes, ``--table`` measures nothing. The table goes into docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.monte_carlo.results import (
    RESULTS,
    ROOT,
    load_average,
    said_surroundings,
    surroundings,
    write_json,
)
from benchmarks.scaling.cases import CASES

OUT = RESULTS / "scaling" / "big_problems.json"
PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- big problems -->\n", "<!-- end of big problems -->"
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


def measure(name: str, sizes: list[int]) -> Iterator[dict[str, Any]]:
    """Give what one case took at each size, as it comes; a failure is told, not hidden."""
    command = [sys.executable, "-m", "benchmarks.scaling.measure", name, *map(str, sizes)]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT,
            env={**os.environ, **ONE_THREAD},
        ) as child,
    ):  # fmt: skip
        given = 0
        for line in child.stdout or ():
            given += 1
            yield json.loads(line)
        if child.wait() and given < len(sizes):
            errors.seek(0)
            last = (errors.read().strip().splitlines() or [f"exit status {child.returncode}"])[-1]
            yield {"size": sizes[given], "failed": last[:200]}


def slope(rows: list[Mapping[str, Any]], key: str) -> float:
    """Return the exponent between the two largest sizes, NaN where there are no two."""
    good = sorted((row for row in rows if "failed" not in row), key=lambda row: row["count"])
    if len(good) < 2:
        return math.nan
    low, high = good[-2], good[-1]
    return math.log(high[key] / low[key]) / math.log(high["count"] / low["count"])


def table(content: Mapping[str, Any]) -> str:
    """Return the results as tables, one a case."""
    lines = [said_surroundings(content["surroundings"]), ""]
    for name, case in CASES.items():
        rows = list(content["cases"].get(name, {}).values())
        if not rows:
            continue
        good = [row for row in rows if "failed" not in row]
        growth = slope(good, "cpu_s")
        lines += [
            f"**{case.title}**" + (
                "" if math.isnan(growth)
                else f" (CPU time grows as size to the {growth:.2f} between the two largest)"
            ), "",
            f"| {case.thing} | CPU s | ns each | peak GiB | of which before | what came out |",
            "|---|---|---|---|---|---|",
        ]  # fmt: skip
        for row in sorted(rows, key=lambda row: row["size"]):
            if "failed" in row:
                lines.append(f"| size {row['size']:,} | failed: {row['failed']} | | | | |")
                continue
            lines.append(
                f"| {row['count']:,} | {row['cpu_s']:.3g} | {1e9 * row['cpu_s'] / row['count']:.3g}"
                f" | {row['peak_gib']:.2f} | {row['before_gib']:.2f} | {row['said']} |"
            )
        lines.append("")
    return "\n".join(lines)


def write_page(content: Mapping[str, Any], page: Path = PAGE) -> None:
    """Put the tables between their marks on the page."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + BEGIN + "\n" + table(content) + "\n" + END + after)


def main() -> int:
    """Measure what is asked for and absent, and write tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--only", action="append", default=[], help="word of a case's name")
    parser.add_argument("--largest", type=float, default=math.inf, help="no larger sizes")
    parser.add_argument("--again", action="store_true", help="measure what is there already")
    parser.add_argument("--table", action="store_true", help="write the table only")
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    console = Console()
    content: dict[str, Any] = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    content.setdefault("cases", {})
    if not chosen.table:
        content["surroundings"] = surroundings()
        for name, case in CASES.items():
            if chosen.only and not any(word in name for word in chosen.only):
                continue
            kept = content["cases"].setdefault(name, {})
            there = [] if chosen.again else [k for k, row in kept.items() if "failed" not in row]
            sizes = [
                size for size in case.sizes[1:]
                if size <= chosen.largest and str(size) not in there
            ]  # fmt: skip
            for row in measure(name, sizes) if sizes else ():
                kept[str(row["size"])] = row | {"load": load_average()}
                console.print(name, kept[str(row["size"])])
                chosen.out.parent.mkdir(parents=True, exist_ok=True)
                write_json(chosen.out, content)
    if chosen.out == OUT and PAGE.exists() and "surroundings" in content:
        write_page(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
