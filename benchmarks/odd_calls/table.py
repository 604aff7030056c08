"""Counts of odd calls, a package a row, from the lines that runs have left.

``python -m benchmarks.odd_calls.table [--stage before|after] RUN.jsonl ...``

Of a name in several runs the last counts. Packages that the runs do not hold keep their counts, so
that runs of different packages can be added one after the other.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.odd_calls.recorder import PACKAGES, public_names

RESULTS = Path(__file__).resolve().parents[1] / "results" / "odd_calls"
STAGES = ("before", "after")
FAULTS = ("raw error", "hang", "memory", "crash", "changed its argument", "another answer")
MOST_FINDINGS = 60
HEAD = (
    "| package | public names | tried | calls | results | our errors | raw errors before | after "
    "| over time before | after | over memory | crashes | argument changed | another answer |"
)


def counted(files: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return, by package, how many names and calls there were and what came of them."""
    rows: dict[str, Mapping[str, Any]] = {}
    for file in files:
        for line in file.read_text().splitlines():
            row = json.loads(line)
            rows[row["public"]] = row
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(rows):
        package = name.rsplit(".", 1)[0]
        one = found.setdefault(package, {"tried": 0, "outcomes": Counter(), "findings": []})
        outcomes = [
            outcome
            for outcome in rows[name]["outcomes"]
            if outcome["outcome"] != "not made" and outcome["odd"] != "example"
        ]
        one["tried"] += bool(outcomes)
        one["outcomes"].update(outcome["outcome"] for outcome in outcomes)
        one["findings"] += [
            {key: outcome[key] for key in ("name", "argument", "odd", "outcome", "error", "where")}
            for outcome in outcomes
            if outcome["outcome"] in FAULTS
        ]
    for one in found.values():
        one["calls"] = sum(one["outcomes"].values())
        one["outcomes"] = dict(sorted(one["outcomes"].items()))
        one["findings"] = one["findings"][:MOST_FINDINGS]
    return found


def store(found: Mapping[str, Mapping[str, Any]], stage: str, results: Path = RESULTS) -> None:
    """Write the counts of each package beside those of its other stage."""
    results.mkdir(parents=True, exist_ok=True)
    names = Counter(name.rsplit(".", 1)[0] for name in public_names())
    for package, one in found.items():
        file = results / f"{package.rsplit('.', 1)[-1]}.json"
        kept = json.loads(file.read_text()) if file.exists() else {}
        now = {key: value for key, value in one.items() if stage == "after" or key != "findings"}
        row = {**kept, "package": package, "names": names[package], stage: now}
        file.write_text(json.dumps(row, indent=1) + "\n")


def written(results: Path = RESULTS) -> str:
    """Write the table of what is stored, and return it."""
    rows = [json.loads(file.read_text()) for file in sorted(results.glob("*.json"))]
    rows.sort(key=lambda row: PACKAGES.index(row["package"]))
    dashes = "|".join("---" for _ in range(HEAD.count("|") - 1))
    lines = [HEAD, f"|{dashes}|", *map(_line, rows)]
    text = "# Public functions called with odd arguments\n\n"
    text += (
        "One argument of a call that works (the example of the name) is replaced by what people "
    )
    text += "hand over by mistake: another type, NaN, masked, empty, huge, other memory. Wanted is "
    text += "a result or one of the package's own errors. Counts but for those headed *before* are "
    text += "of the last run. `python -m benchmarks.odd_calls`, then `benchmarks.odd_calls.table`."
    text += "\n\n" + "\n".join(lines) + "\n"
    (results / "table.md").write_text(text)
    return text


def _line(row: Mapping[str, Any]) -> str:
    last = row.get("after") or row["before"]
    came = last["outcomes"]

    def at(stage: str, outcome: str) -> str:
        return str(row[stage]["outcomes"].get(outcome, 0)) if stage in row else "-"

    cells: Sequence[object] = [
        row["package"], row["names"], last["tried"], last["calls"], came.get("result", 0),
        came.get("our error", 0), at("before", "raw error"), at("after", "raw error"),
        at("before", "hang"), at("after", "hang"),
        *(came.get(outcome, 0) for outcome in FAULTS[2:]),
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.odd_calls.table")
    parser.add_argument("--stage", choices=STAGES, default="after", help="before or after mending")
    parser.add_argument("runs", type=Path, nargs="*", help="what --out of a run named")
    given = parser.parse_args()
    store(counted(given.runs), given.stage)
    print(written())


if __name__ == "__main__":
    main()
