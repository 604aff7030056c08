"""Laws of one and two variables: selected, listed, in the 90 % set, constants, seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import binom, binomtest

from benchmarks.laws.scoring import Score, score_laws, share
from benchmarks.laws.suite import Law, design_laws, kept_out_laws

__all__ = ["CHECKS", "rows_of"]

Row = dict[str, Any]

NOISES = (0.001, 0.01, 0.1)
SELECTED, LISTED, IN_THE_SET = 0.85, 0.95, 0.90
SECONDS = {1: 1.0, 2: 10.0}


def rows_of(scores: Sequence[Score], laws: Sequence[Law], noise: float, half: str) -> list[Row]:
    """Return the rows of one half at one noise."""
    n = len(scores)
    count = Counter({what: sum(getattr(s, what) for s in scores)
                     for what in ("selected", "nearly", "listed", "credible")})  # fmt: skip
    least = binom.ppf(0.0005, n, IN_THE_SET)
    goal, met = {
        0.01: ("selected >= 85 %, listed >= 95 %",
               count["selected"] >= SELECTED * n and count["listed"] >= LISTED * n),
        0.1: (f"in the 90 % set >= 90 % less the binomial band ({least:.0f})",
              count["credible"] >= least),
    }.get(noise, ("none stated", None))  # fmt: skip
    sizes = [s.n_credible for s in scores if s.n_credible]
    missed = Counter(s.name for s in scores if not s.selected)
    unlisted = Counter(s.name for s in scores if not s.listed)
    failed = sorted({f"{s.name}: {s.failed}" for s in scores if s.failed})
    rows = [{
        "what": f"{half} half, noise {noise:g} of the values' sd, {len({s.name for s in scores})} "
        f"laws x {len({s.seed for s in scores})} seeds",
        "measured": f"selected {share(scores, 'selected')} (with at most one constant too many "
        f"{share(scores, 'nearly')}), listed {share(scores, 'listed')}, in the 90 % set "
        f"{share(scores, 'credible')} of median size {np.median(sizes or [0]):.0f} (largest "
        f"{max(sizes or [0])}); not selected: {_said(missed)}; not listed: {_said(unlisted)}"
        + (f"; failed: {'; '.join(failed)}" if failed else ""),
        "goal": goal,
        "met": met,
    }]  # fmt: skip
    return [*rows, _coverage(scores, half, noise), *_seconds(scores, laws, half, noise)]


def _said(names: Counter[str]) -> str:
    return ", ".join(f"{name} {times}" for name, times in sorted(names.items())) or "none"


def _coverage(scores: Sequence[Score], half: str, noise: float) -> Row:
    inside, n = sum(s.inside for s in scores), sum(s.intervals for s in scores)
    fits = sum(s.intervals > 0 for s in scores)
    chance = float(binomtest(inside, n, 0.90).pvalue) if n else 0.0
    return {
        "what": f"{half} half, noise {noise:g}: constants of the laws that are listed",
        "measured": f"cov90 {inside / max(n, 1):.3f} of {n} intervals in {fits} fits, exact "
        f"binomial p = {chance:.2g}",
        "goal": "p > 0.01",
        "met": chance > 0.01,
    }


def _seconds(scores: Sequence[Score], laws: Sequence[Law], half: str, noise: float) -> list[Row]:
    n_variables = {law.name: len(law.variables) for law in laws}
    rows = []
    for number, most in SECONDS.items():
        spent = [s.seconds for s in scores if n_variables[s.name] == number]
        if spent:
            rows.append({
                "what": f"{half} half, noise {noise:g}: CPU seconds, {number} variable(s)",
                "measured": f"median {np.median(spent):.2f}, largest {max(spent):.2f} of "
                f"{len(spent)} fits",
                "goal": f"median <= {most:g}",
                "met": bool(np.median(spent) <= most),
            })  # fmt: skip
    return rows


def _case(half: str, laws: Callable[[], list[Law]], noise: float) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        chosen = laws()
        return rows_of(score_laws(chosen, noise, quick), chosen, noise, half)

    check.__doc__ = f"{half} half at noise {noise:g}."
    return check


CHECKS = {
    f"{half} half at noise {noise:g}": _case(half, laws, noise)
    for half, laws in (("design", design_laws), ("kept-out", kept_out_laws))
    for noise in NOISES
}
