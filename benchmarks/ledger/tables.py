"""The table of docs/calibration.md and the marks in the package, from the rows' results."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from benchmarks.monte_carlo.results import RESULTS, ROOT
from physlearn.inference.calibration.calibration_report import FAMILY_ERROR, holm
from physlearn.whole_files import atomic_write

PAGE = ROOT / "docs" / "calibration.md"
MARKS = ROOT / "physlearn" / "calibration_marks.py"
BLOCK = re.compile(r"(<!-- ledger -->\n).*?(<!-- end -->)", re.DOTALL)
LATTICE = "inference.fit_lattice_hamiltonian"
Entry = dict[str, Any]


def entries(folder: Path, lattices: Path = RESULTS / "lattice_calibration.json") -> list[Entry]:
    """All rows that were run: the ledger's own, and the studies of the lattice fit.

    Every variable gets ``adjusted``: the smaller of its two p values (90 % coverage, ranks), after
    Holm over all variables of all rows without a probe.
    """
    rows = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if lattices.exists():
        rows += _lattice_entries(json.loads(lattices.read_text()))
    tested = [
        (one, key)
        for row in rows if not row["probe"]
        for one in row["variables"] for key in ("p90", "p_ranks")
    ]  # fmt: skip
    adjusted = holm(np.array([one[key] for one, key in tested])) if tested else np.empty(0)
    for (one, _), p in zip(tested, adjusted, strict=True):
        one["adjusted"] = min(float(p), one.get("adjusted", 1.0))
    return rows


def _lattice_entries(content: Mapping[str, Any]) -> list[Entry]:
    """What `benchmarks.lattice_calibration` stored, in the ledger's form."""
    out = []
    for name, study in content["studies"].items():
        n, variables = study["finished"], []
        for one in study["variables"]:
            held = round(one["coverage 90"] * n)
            test = binomtest(held, n, 0.9)
            limits = test.proportion_ci(0.95)
            variables.append(
                {
                    "name": one["name"], "n": n, "held90": held, "cov90": one["coverage 90"],
                    "low": limits.low, "high": limits.high, "p90": float(test.pvalue),
                    "p_ranks": one["p ranks"], "z_sd": one["z sd"],
                }
            )  # fmt: skip
        out.append(
            {
                "id": f"lattice/{name}", "function": LATTICE, "probe": "",
                "prior": f"{study['picture']}; {study['prior']}", "goal": study["goal"],
                "median_s": study["median seconds"], "variables": variables,
                "finished": n, "replicates": study["replicates"],
            }
            | {name: study[name] for name in ("refused", "failed", "flagged")}
        )  # fmt: skip
    return out


def is_outside(row: Mapping[str, Any]) -> bool:
    """Whether a row without a probe is outside its band."""
    return any(one.get("adjusted", 1.0) < FAMILY_ERROR for one in row["variables"])


def page_text(rows: Sequence[Entry], absent: Sequence[str] = ()) -> str:
    """Both tables, what they count, and the names of rows that were never run."""
    plain = sorted((row for row in rows if not row["probe"]), key=lambda row: row["id"])
    probed = sorted((row for row in rows if row["probe"]), key=lambda row: row["id"])
    outside = [row["id"] for row in plain if is_outside(row)]
    said = f"Outside: {_names(outside)}." if outside else ""
    unseen = f"Not run yet: {_names(absent)}.\n" if absent else ""
    return "\n".join(
        (
            f"{len(plain)} estimators in their worlds, {_replicates(plain)} replicates; "
            f"{len(outside)} outside their band. {said}".rstrip()
            + f"\n\n{unseen}",
            "| row: function | prior | replicates (refused, failed, flagged) | variable "
            "| cov90 [95 % limits] | ranks p | adjusted p | z sd | |",
            "|---|---|---|---|---|---|---|---|---|",
            *(line for row in plain for line in _lines(row)),
            f"\n## When the world is another\n\n{len(probed)} probes, {_replicates(probed)} "
            "replicates: the same fit of data that break one of its assumptions.\n",
            "| row | what is wrong | replicates | flagged | refused | failed "
            "| cov90 under the probe (without) |",
            "|---|---|---|---|---|---|---|",
            *(_probe_line(row, plain) for row in probed),
        )
    )


def _names(ids: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in ids)


def absent_rows(folder: Path) -> list[str]:
    """Rows without a result."""
    from benchmarks.ledger.rows import ROWS

    return [row.id for row in ROWS.values() if not (folder / f"{row.file}.json").exists()]


def _replicates(rows: Iterable[Entry]) -> str:
    return f"{sum(row['replicates'] for row in rows):,}"


def _lines(row: Entry) -> Iterable[str]:
    """The lines of one row, one a variable."""
    goal = f" of {row['goal']}" if row["replicates"] < row["goal"] else ""
    head = (
        f"`{row['id']}`: `{row['function'].split('.')[-1]}`", row["prior"].replace("|", r"\|"),
        f"{row['replicates']}{goal} ({row['refused']}, {row['failed']}, {row['flagged']})",
    )  # fmt: skip
    if not row["variables"]:
        yield f"| {' | '.join(head)} | | | | | | no posterior |"
    for index, one in enumerate(row["variables"]):
        first = " | ".join(head if index == 0 else ("", "", ""))
        adjusted = one["adjusted"]
        verdict = "**uncalibrated**" if adjusted < FAMILY_ERROR else ""
        yield (
            f"| {first} | {one['name']} | {one['cov90']:.3f} [{one['low']:.2f}, {one['high']:.2f}] "
            f"| {one['p_ranks']:.2g} | {adjusted:.2g} | {one['z_sd']:.2f} | {verdict} |"
        )


def _probe_line(row: Entry, plain: Sequence[Entry]) -> str:
    sound = next((one for one in plain if one["id"] == row["id"].split("~")[0]), None)
    before = {one["name"]: one["cov90"] for one in sound["variables"]} if sound else {}
    said = ", ".join(
        f"{one['name']} {one['cov90']:.2f}"
        + (f" ({before[one['name']]:.2f})" if one["name"] in before else "")
        for one in row["variables"]
    )
    n, done = row["replicates"], max(row["finished"], 1)
    usual = f"; without {sound['flagged'] / max(sound['finished'], 1):.0%}" if sound else ""
    flagged = f"{row['flagged']} ({row['flagged'] / done:.0%}{usual})"
    refused = f"{row['refused']} ({row['refused'] / n:.0%})"
    return (
        f"| `{row['id'].split('~')[0]}` | {row['probe']} | {n} | {flagged} | {refused} "
        f"| {row['failed']} | {said} |"
    )


def write_page(folder: Path, page: Path = PAGE) -> None:
    """Put the tables between the marks of the page."""
    text = page_text(entries(folder), absent_rows(folder))
    filled = BLOCK.sub(lambda match: f"{match[1]}{text}\n{match[2]}", page.read_text())
    with atomic_write(page) as temporary:
        temporary.write_text(filled)


def marks(rows: Sequence[Entry]) -> list[Entry]:
    """Every variable outside its band: what a summary says of it."""
    return [
        {
            "row": row["id"], "function": row["function"], "variable": one["name"],
            "likelihood": row.get("likelihood", ""), "cov90": round(one["cov90"], 3),
            "replicates": one["n"],
        }
        for row in rows if not row["probe"]
        for one in row["variables"] if one["adjusted"] < FAMILY_ERROR
    ]  # fmt: skip


def write_marks(folder: Path, module: Path = MARKS) -> None:
    """Write the estimators outside their bands into the package."""
    head, _, _ = module.read_text().partition("# made by python -m benchmarks.ledger\n")
    found = marks(entries(folder))
    said = "".join(
        f"    Mark(\n{''.join(f'        {key}={value!r},{chr(10)}' for key, value in one.items())}"
        "    ),\n"
        for one in found
    )
    table = f"MARKS: tuple[Mark, ...] = (\n{said})\n" if found else "MARKS: tuple[Mark, ...] = ()\n"
    with atomic_write(module) as temporary:
        temporary.write_text(f"{head}# made by python -m benchmarks.ledger\n{table}")
