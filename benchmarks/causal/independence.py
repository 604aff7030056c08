"""Type-I error, power and decisions of the default test on planted worlds, beside other tests."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.causal.information import power_bound
from benchmarks.causal.peer_tests import PEERS, kernel_test
from benchmarks.causal.worlds import CASES, World, make_world
from benchmarks.monte_carlo.results import check_lines
from physlearn.causal import IndependenceResult, spatial_independence
from physlearn.checks import NotIdentified

__all__ = ["CHECKS", "Cell", "design_cells", "independence_lines", "measure", "table_lines"]

Row = dict[str, Any]
Maker = Callable[[str, int, float, int, float, int], World]

LEVEL = 0.05
LARGEST_BOUND, LEAST_POWER, LEAST_DECIDED, ALLOWS = 0.07, 0.8, 0.8, 0.9
EFFECTS = (0.0, 0.1, 0.2, 0.3)
N_NULL, N_POWER = 2000, 100
N_FIRST, N_MORE, N_MORE_POWER = 500, 300, 50
"""Worlds of cells that need not be decided: null ones of a case's first cell and of the others."""
WEAKER = 0.4
"""Share of the worlds with an effect of .3 that are also drawn with .1 and with .2."""
N_PEERS = {0.0: 200, 0.2: 50}
SEED = 20_000
"""First seed of the worlds; those who design take others."""


@dataclass(frozen=True)
class Cell:
    """One row: a world, its size and the number of conditioning columns.

    ``must_decide``: an answer is owed in at least 80 % of the runs, at effect 0 and .3.
    """

    case: str
    size: int
    length: float
    n_given: int
    must_decide: bool = False
    make: Maker = make_world
    bounded: bool = True

    @property
    def name(self) -> str:
        """What the cell is called."""
        return (
            f"{self.case}, {self.size} x {self.size}, length {self.length:g}, {self.n_given} given"
        )


@dataclass
class Tally:
    """What a test said at one effect."""

    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def n(self) -> int:
        """Number of answers."""
        return sum(self.verdicts.values())

    def share(self, *verdicts: str) -> float:
        """Return the share of some verdicts."""
        return sum(self.verdicts[name] for name in verdicts) / max(self.n, 1)


def ask(world: World) -> IndependenceResult:
    """Return what the default test says of x and y, the repeat scans handed over if any."""
    repeats = world.repeats or None
    return spatial_independence(world.table, "x", "y", world.given, repeats=repeats)


def tally(cell: Cell, effect: float, replicates: int) -> Tally:
    """Return what the default test says of that many worlds."""
    said = Tally()
    for k in range(replicates):
        world = cell.make(cell.case, cell.size, cell.length, cell.n_given, effect, SEED + k)
        begun = time.process_time()
        try:
            result = ask(world)
            verdict, reason = result.verdict, result.reason
        except NotIdentified as refusal:
            verdict, reason = "undecided", str(refusal)
        said.seconds.append(time.process_time() - begun)
        said.verdicts[verdict] += 1
        if verdict == "undecided":
            said.reasons[_without_numbers(reason)] += 1
    return said


def _without_numbers(reason: str) -> str:
    """Return a reason without numbers and lists of columns, so that equal ones count as one."""
    return re.sub(r"z\.\.(, z\.\.)*", "z", re.sub(r"\d+(\.\d+)?", "..", reason))


def upper_bound(hits: int, n: int) -> float:
    """Return the one-sided 95 % Clopper-Pearson upper bound of a share."""
    return 1.0 if hits >= n else float(stats.beta.ppf(0.95, hits + 1, n - hits))


def peer_shares(cell: Cell, quick: bool) -> dict[str, dict[str, float]]:
    """Return how often other tests reject at 5 %, by effect."""
    out: dict[str, dict[str, float]] = {}
    if cell.size != 64 or cell.length == 0 or cell.n_given not in (1, 3):
        return out  # what they do shows in a few cells of each case
    for effect, replicates in N_PEERS.items():
        n = 4 if quick else replicates
        worlds = [
            cell.make(cell.case, cell.size, cell.length, cell.n_given, effect, SEED + k)
            for k in range(n)
        ]
        for name, peer in PEERS.items():
            rejected = [peer(world) < LEVEL for world in worlds]
            out.setdefault(name, {})[f"{effect:g}"] = float(np.mean(rejected))
    return out


def measure(cell: Cell, n_null: int, n_power: int, *, quick: bool = False) -> Row:
    """Return the figures of a cell."""
    weaker = max(round(WEAKER * n_power), 1)
    counts = dict(zip(EFFECTS, (n_null, weaker, weaker, n_power), strict=True))
    tallies = {e: tally(cell, e, counts[e]) for e in EFFECTS}
    null = tallies[0.0]
    bound = upper_bound(null.verdicts["dependent"], null.n)
    power = {e: tallies[e].share("dependent") for e in EFFECTS[1:]}
    decided = {e: tallies[e].share("dependent", "independent") for e in EFFECTS}
    allowed = {
        e: power_bound(cell.case, cell.size, cell.length, cell.n_given, e) if cell.bounded else None
        for e in EFFECTS[1:]
    }
    reasons: Counter[str] = sum((t.reasons for t in tallies.values()), Counter())
    owed = [e for e, most in allowed.items() if cell.must_decide and (most or 0.0) >= ALLOWS]
    return {
        "what": cell.name, "n": null.n, "n_power": n_power,
        "type_1": null.share("dependent"), "bound": bound,
        "power": {f"{e:g}": power[e] for e in power},
        "power_bound": {f"{e:g}": allowed[e] for e in allowed},
        "decided": {f"{e:g}": decided[e] for e in decided},
        "must_decide": cell.must_decide, "undecided_because": dict(reasons.most_common(3)),
        "ms": 1e3 * float(np.median(null.seconds)), "peers": peer_shares(cell, quick),
        "level_met": bound <= LARGEST_BOUND,
        "decided_met": min(decided[0.0], decided[0.3]) >= LEAST_DECIDED
        if cell.must_decide else None,
        "power_met": min(power[e] for e in owed) >= LEAST_POWER if owed else None,
    }  # fmt: skip


def design_cells() -> list[Cell]:
    """Return the cells of the design family."""
    decidable = ("clean", "common blur .7", "noise SNR 10")
    cells = [Cell(case, 64, 3, 1, case in decidable) for case in CASES]
    cells += [
        Cell(case, 64, length, n_given, True)
        for case in decidable
        for n_given in range(4)
        for length in ((0, 1, 2, 3) if n_given in (0, 3) else (1, 3))
        if (length, n_given) != (3, 1)
    ]
    cells += [Cell(case, 128, 3, 3, True) for case in decidable]
    cells += [Cell(case, 64, 4, 1) for case in ("clean", "noise SNR 10", "blur .7 of z")]
    several = [case for case in CASES if case not in decidable]
    cells += [Cell(case, 64, 3, 3) for case in several]
    many = (*decidable, "blur .7 of z", "misregistered .3", "blur, misfit, SNR 10")
    cells += [Cell(case, 64, 3, n_given) for case in many for n_given in (6, 10)]
    small = (*many, "non-linear", "all together, SNR 10")
    cells += [Cell(case, size, 3, 1) for case in small for size in (24, 32, 48)]
    return cells


def _case(cell: Cell) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        if quick:
            return [measure(cell, 5, 2, quick=True)]
        if cell.must_decide and cell.size <= 64:
            return [measure(cell, N_NULL, N_POWER)]
        first = cell.must_decide or (cell.size, cell.n_given, cell.length) == (64, 1, 3)
        return [measure(cell, N_FIRST if first else N_MORE, N_MORE_POWER)]

    check.__doc__ = f"Type-I error and power: {cell.name}."
    return check


def kernel_rows(case: str, quick: bool) -> list[Row]:
    """Show causal-learn's kernel test on small tables: its cost grows with the cube of patches."""
    rejected: dict[float, list[bool]] = {0.0: [], 0.3: []}
    begun = time.process_time()
    n = 2 if quick else 30
    for effect, hits in rejected.items():
        hits += [
            kernel_test(make_world(case, 24, 3, 1, effect, SEED + k)) < LEVEL for k in range(n)
        ]
    spent = (time.process_time() - begun) / (2 * n)
    return [{
        "what": f"causal-learn's KCI, {case}, 24 x 24, length 3, 1 given, {n} worlds",
        "measured": f"type-I {np.mean(rejected[0.0]):.2f}, power at .3 {np.mean(rejected[0.3]):.2f}"
        f"; {spent:.2f} CPU s a test",
        "goal": None, "met": None,
    }]  # fmt: skip


CHECKS: dict[str, Callable[[bool], list[Row]]] = {
    **{cell.name: _case(cell) for cell in design_cells()},
    **{
        f"KCI, {case}": partial(kernel_rows, case)
        for case in ("clean", "noise SNR 10", "non-linear")
    },
}


def _said(met: bool | None) -> str:
    return "" if met is None else "met" if met else "MISSED"


def _slashed(values: Iterable[float | None]) -> str:
    return " / ".join("" if value is None else f"{value:.2f}" for value in values)


def _letters(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return a letter for each reason why answers were left open."""
    reasons = dict.fromkeys(reason for row in rows for reason in row["undecided_because"])
    return {reason: chr(ord("A") + k) for k, reason in enumerate(reasons)}


def _line(row: Mapping[str, Any], letters: Mapping[str, str]) -> str:
    peers = [_slashed(row["peers"].get(name, {}).values()) for name in PEERS]
    why = ", ".join(letters[reason] for reason in row["undecided_because"])
    cells = [
        row["what"] + (" *" if row["must_decide"] else ""),
        str(row["n"]), f"{row['type_1']:.3f} ({row['bound']:.3f})",
        _slashed(row["power"].values()), _slashed(row["power_bound"].values()),
        _slashed([row["decided"]["0"], row["decided"]["0.3"]]), why, *peers, f"{row['ms']:.0f}",
        *(_said(row[goal]) for goal in ("level_met", "decided_met", "power_met")),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def independence_lines(cases: Mapping[str, Any]) -> list[str]:
    """Return the wide table of cells."""
    every = (row for case in cases.values() for row in case.get("checks", []) if "bound" in row)
    letters = _letters(every)
    lines = [
        "| world | null worlds | type-I (upper bound) | power at .1 / .2 / .3 | most that any test "
        "could have | decided at 0 / .3 | undecided because | "
        + " | ".join(f"{name}, rejects at 0 / .2" for name in PEERS)
        + f" | CPU ms | bound <= {LARGEST_BOUND} | decided >= {LEAST_DECIDED} | "
        f"power >= {LEAST_POWER} |",
        "|" + "---|" * (len(PEERS) + 11),
    ]
    for name, case in cases.items():
        if "failed" in case:
            lines.append(f"| {name} | FAILED: {case['failed']} |" + " |" * (len(PEERS) + 9))
        lines += [_line(row, letters) for row in case.get("checks", []) if "bound" in row]
    told = [f"| {letter} | {reason} |" for reason, letter in letters.items()]
    return [*lines, "", "| | undecided because |", "|---|---|", *told] if told else lines


def _worst(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    worst = max(rows, key=lambda row: row["bound"])
    level = sum(row["level_met"] for row in rows)
    owed = [row for row in rows if row["must_decide"]]
    text = [
        f"Type-I: the upper bound is at most {LARGEST_BOUND} in {level} of {len(rows)} cells; the "
        f"worst is {worst['bound']:.3f} ({worst['what']}).",
    ]
    if owed:
        decided = sum(bool(row["decided_met"]) for row in owed)
        text.append(
            f"Of {len(owed)} cells (*) that must be decided in at least {LEAST_DECIDED:.0%} of the "
            f"runs, {decided} are."
        )
    return [" ".join(text), ""]


def table_lines(cases: Mapping[str, Any]) -> list[str]:
    """Return the tables of this part."""
    measured = {k: c for k, c in cases.items() if not k.startswith("KCI")}
    rows = [row for case in measured.values() for row in case.get("checks", [])]
    lines = [*(_worst(rows) if rows else []), *independence_lines(measured)]
    kernel = {k: c for k, c in cases.items() if k.startswith("KCI")}
    return [*lines, "", *check_lines(kernel, kernel)] if kernel else lines
