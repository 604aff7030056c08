"""Shares with their intervals, and runs that stop when these decide the goals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

__all__ = ["Goal", "coverage_row", "met_of", "row", "runs_until_decided", "said_share", "wilson"]

STEP = 50
LEAST_RUNS = 100


@dataclass(frozen=True)
class Goal:
    """A share of the runs that is to lie below or above a limit."""

    counts: Callable[[Any], bool]
    limit: float
    above: bool
    among: Callable[[Any], bool] | None = None


def wilson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a share; (0, 1) without runs."""
    if n == 0:
        return 0.0, 1.0
    found = stats.binomtest(count, n).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def runs_until_decided(
    run: Callable[[int], Any], goals: Sequence[Goal], n_most: int, first_seed: int = 0
) -> list[Any]:
    """Return runs of seeds in a row, until every goal is decided or n_most are done."""
    runs: list[Any] = []
    while len(runs) < n_most:
        more = min(STEP, n_most - len(runs))
        runs += [run(first_seed + len(runs) + k) for k in range(more)]
        if len(runs) >= LEAST_RUNS and goals and all(_decided(goal, runs) for goal in goals):
            break
    return runs


def _decided(goal: Goal, runs: Sequence[Any]) -> bool:
    asked = [run for run in runs if goal.among is None or goal.among(run)]
    low, high = wilson(sum(goal.counts(run) for run in asked), len(asked))
    return low > goal.limit or high < goal.limit


def said_share(count: int, n: int) -> str:
    """Return a share with its 95 % interval."""
    if n == 0:
        return "no runs"
    low, high = wilson(count, n)
    return f"{count / n:.3f} [{low:.3f}, {high:.3f}] of {n}"


def row(what: str, measured: str, goal: str = "", met: bool | None = None) -> dict[str, Any]:
    """Return one row of a table of questions."""
    return {"what": what, "measured": measured, "goal": goal, "met": met}


def met_of(value: float, limit: float, *, above: bool) -> bool:
    """Return whether a number lies on the right side of its limit; NaN does not."""
    return bool(value >= limit if above else value <= limit)


def coverage_row(what: str, inside: Sequence[bool], more: str = "") -> dict[str, Any]:
    """Return the row of 90 % intervals: met where an exact binomial test has p > .01."""
    n, count = len(inside), int(np.sum(inside))
    p = stats.binomtest(count, n, 0.9).pvalue if n else math.nan
    return row(
        what, f"cov90 {said_share(count, n)}{more}", "cov90 of 0.9 (exact binomial p > 0.01)",
        bool(p > 0.01),
    )  # fmt: skip
