"""The table of mutants and branches: benchmarks/results/mutation.md."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from mutants import CORES, core_files, drawn

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
ROWS = RESULTS / "tests" / "mutation.json"
BRANCHES = RESULTS / "tests" / "branches.json"
EQUIVALENT = ROOT / "tools" / "equivalent_mutants.json"
SEEDS = 15, 16, 17
Rows = dict[str, dict[str, Any]]


def read(path: Path) -> Rows:
    """Return what a file of rows holds, nothing where it isn't there yet."""
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def write_table() -> None:
    """Write the scores of every core and file, and the mutants that no test saw."""
    rows, known = read(ROWS), reasons()
    lines = [
        "# Mutation score of the statistical cores", "",
        "`python tools/mutate.py --n 300 --seed 15 16 17`: that many small changes a seed (a "
        "sign, a bound, a constant, a condition), drawn alike from each core, none chosen. Each is "
        "judged by those of the core's own tests that run the changed statement and take at most "
        "3 CPU s while traced, shortest first, for 6 CPU s at most; it is killed when one fails. "
        "Kernels are changed in their plain Python form. An equivalent mutant has been read and "
        "changes nothing that is promised: each is listed with the reason, and the last column "
        "leaves them out. Tests were written in view of what survived of seeds 15 and 16; seed 17 "
        "was drawn afterwards, and as far as it has been run says how they do on what they have "
        "not seen. An edit of a core draws anew from its file on, so that less than 50 of a core "
        "means that it was edited since, or not yet run to the end; a call goes on.", "",
    ]  # fmt: skip
    left = []
    for seed in SEEDS:
        lines += [f"## Seed {seed}", "", *HEAD]
        everything = []
        for core in CORES:
            found = [rows[one.key] for one in drawn(core_files(core), 50, seed) if one.key in rows]
            everything += found
            left += found
            lines.append(_row(core, found, known))
        lines += [_row("**all**", everything, known), ""]
    lines += _branch_lines()
    unique = {(row["path"], row["line"], row["place"], row["change"]): row for row in left}
    alive = [row for _, row in sorted(unique.items()) if row["verdict"] != "killed"]
    per_file: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in unique.values():
        per_file[row["path"]].append(row)
    lines += ["## Per file, all seeds", "", *HEAD]
    lines += [_row(path, found, known) for path, found in sorted(per_file.items())]
    lines += ["", "## Equivalent", ""]
    lines += [f"- {_words(row)}: {known[called(row)]}" for row in alive if called(row) in known]
    lines += ["", "## Not killed", ""]
    lines += [f"- {_words(row)} ({row['verdict']})" for row in alive if called(row) not in known]
    (RESULTS / "mutation.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


HEAD = [
    "| | mutants | killed | survived | no test reaches it | equivalent | score | "
    "without equivalent |",
    "|---|---|---|---|---|---|---|---|",
]


def called(row: dict[str, Any]) -> str:
    """Return what a mutant is called where lines may move: function and text of the change."""
    return f"{row['path']} {row['function']} | {row['source']} | {row.get('text', '')}"


def reasons() -> dict[str, str]:
    """Return why each equivalent mutant is one, by its name."""
    found = json.loads(EQUIVALENT.read_text("utf-8")) if EQUIVALENT.is_file() else {}
    return {mutant: reason for reason, mutants in found.items() for mutant in mutants}


def _words(row: dict[str, Any]) -> str:
    return f"{row['path']}:{row['line']} `{row.get('text', '')}` in `{row['source']}`"


def _row(title: str, rows: list[dict[str, Any]], reasons: dict[str, str]) -> str:
    n = len(rows)
    killed = sum(row["verdict"] == "killed" for row in rows)
    same = sum(row["verdict"] != "killed" and called(row) in reasons for row in rows)
    missed = sum(row["verdict"] == "not reached" and called(row) not in reasons for row in rows)
    return (
        f"| {title} | {n} | {killed} | {n - killed - same - missed} "
        f"| {missed} | {same} | {killed / max(n, 1):.2f} | {killed / max(n - same, 1):.2f} |"
    )


def _branch_lines() -> list[str]:
    rows = read(BRANCHES)
    if not rows:
        return []
    lines = [
        "## Coverage", "",
        "`python tools/mutate.py --coverage CORE`: the core's own tests, kernels by tests of their "
        "plain form; lines and branches together, branches alone, and the lowest file.", "",
        "| core | files | lines and branches | branches | lowest file |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for core in CORES:
        found = {path: row for path, row in rows.items() if row["core"] == core}
        if not found:
            continue
        path = min(found, key=lambda one: _share([found[one]]))
        values = list(found.values())
        count = sum(row["branches"] for row in values)
        taken = 1 - sum(row["branches_missed"] for row in values) / max(count, 1)
        lines.append(f"| {core} | {len(found)} | {_share(values):.1%} | {taken:.1%} | "
                     f"{Path(path).name} {_share([found[path]]):.1%} |")  # fmt: skip
    return [*lines, ""]


def _share(rows: list[dict[str, Any]]) -> float:
    whole = sum(row["statements"] + row["branches"] for row in rows)
    return 1 - sum(row["missed"] + row["branches_missed"] for row in rows) / max(whole, 1)
