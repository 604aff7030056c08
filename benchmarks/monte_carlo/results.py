"""The results file: one JSON object, rewritten whole after every case, and tables made of it."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.monte_carlo.twins import compiler, compiler_version, processor

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
LIBRARIES = ("physlearn", "numpy", "numba", "llvmlite", "scipy")


def surroundings() -> dict[str, Any]:
    """Machine, versions, date and revision."""
    path = compiler()
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": processor(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "caches": caches(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "compiler": compiler_version(path) if path else "absent",
        "revision": revision(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def caches() -> dict[str, str]:
    """Sizes of the caches of the first core, as the kernel of the system gives them."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind = ((folder / name).read_text().strip() for name in ("level", "type"))
        if kind != "Instruction":
            found[f"L{level}"] = (folder / "size").read_text().strip()
    return found


def revision() -> str:
    """Short hash of the commit; ``+`` where tracked files other than results differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        changed = [
            line for line in git("status", "--porcelain", "-uno").splitlines()
            if "benchmarks/results/" not in line
        ]  # fmt: skip
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "not under git"


def load_average() -> float | None:
    """Mean number of runnable processes over the last minute: other people's work shows here."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def read_results(path: Path) -> dict[str, Any]:
    """Content of a results file, or an empty one."""
    if not path.exists():
        return {"surroundings": {}, "cases": {}}
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write so that an interruption leaves either the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n")
    part.replace(path)


def said_surroundings(about: Mapping[str, Any]) -> str:
    """One paragraph on where and when."""
    sizes = ", ".join(f"{level} {size}" for level, size in about["caches"].items())
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    return (
        f"{about['processor']}, {about['cores']} cores, {sizes}; {about['system']}, "
        f"Python {about['python']}, {versions}; {about['compiler']}; "
        f"revision {about['revision']}, {about['date']}."
    )


def said_ratio(ratio: float) -> str:
    """Time of physlearn beside a contender's, in words a reader need not turn round."""
    return f"{1 / ratio:.3g} times faster" if ratio < 0.66 else f"{ratio:.2f} x its time"


def said_target(target: float) -> str:
    """A target in the same words as `said_ratio`."""
    if target < 0.66:
        return f"at least {1 / target:.3g} times faster"
    return f"at most {target:.2f} x its time"


HEADINGS = ("case", "contender", "ns per unit", "quartiles", "physlearn", "target", "quality")


def table_rows(cases: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows of the table, one for each contender of each case (see ``HEADINGS``)."""
    rows = []
    for name, case in cases.items():
        if "failed" in case:
            rows.append((name, "physlearn", "FAILED", "", "", "", case["failed"]))
            continue
        for number, (contender, row) in enumerate(case["contenders"].items()):
            first = f"{name} ({case['unit']})" if number == 0 else ""
            who = f"{contender} {row['version']}" if "version" in row else contender
            target = said_target(row["target"]) if "target" in row else ""
            if "absent" in row:
                rows.append((first, who, "absent", "", "", target, row["absent"]))
                continue
            if "met" in row:
                target += ": met" if row["met"] else ": MISSED"
            low, high = row["ns_quartiles"]
            quality = [f"{key} {value:.6g}" for key, value in row.get("quality", {}).items()]
            if number == 0 and case["check"] != "none":
                quality.insert(0, f"same results: {case['check']}")
            rows.append((
                first, who, f"{row['ns']:.3g}", f"{low:.3g} - {high:.3g}",
                said_ratio(row["ratio"]) if "ratio" in row else "", target, "; ".join(quality),
            ))  # fmt: skip
    return rows


def markdown(content: Mapping[str, Any]) -> str:
    """The whole table for the documentation."""
    lines = [
        "# Monte Carlo core: speed",
        "",
        "Made by `python -m benchmarks.monte_carlo`. CPU time of one thread; contenders are "
        "measured in turn within each round; medians over rounds, and quartiles; the column "
        "physlearn compares within rounds.",
        "",
        said_surroundings(content["surroundings"]),
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|" + "---|" * len(HEADINGS),
    ]
    lines += ["| " + " | ".join(row) + " |" for row in table_rows(content["cases"])]
    loads = [case.get("load") for case in content["cases"].values() if case.get("load") is not None]
    if loads:
        lines += ["", f"Load average of the machine while measuring: {min(loads)} to {max(loads)} "
                  "(1 is this benchmark alone)."]  # fmt: skip
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    """Return a value as it stands in a table: numbers with three digits, nothing for None."""
    if value is None:
        return ""
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


def check_lines(cases: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return the table of questions with a goal, and the load under which all was measured."""
    lines = ["| question | measured | goal | |", "|---|---|---|---|"]
    for name in names:
        case = cases.get(name, {})
        if "failed" in case:
            lines.append(f"| {name} | FAILED: {case['failed']} | | |")
        for row in case.get("checks", []):
            met = "" if row["met"] is None else "met" if row["met"] else "MISSED"
            cells = [_cell(row[name]) for name in ("what", "measured", "goal")]
            lines.append(f"| {' | '.join(cells)} | {met} |")
    loads = [case["load"] for case in cases.values() if case.get("load") is not None]
    if loads:
        lines += ["", f"Load average of the machine while measuring: {min(loads)} to {max(loads)} "
                  "(1 is this benchmark alone)."]  # fmt: skip
    return lines
