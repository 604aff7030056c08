"""Laws of one and two variables: selected, listed, in the 90 % set, constants, seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binom, binomtest

from benchmarks.laws.scoring import Score, score_laws, share
from benchmarks.laws.suite import Law, design_laws, fresh_laws, kept_out_laws, unseen_laws

__all__ = ["CHECKS", "LISTS", "WHAT_COUNTS", "LawList", "rows_of"]

Row = dict[str, Any]

NOISES = (0.01, 0.1)
SELECTED, LISTED, IN_THE_SET = 0.85, 0.95, 0.90
CHANCE = 0.01
SECONDS = {1: 1.0, 2: 10.0}
WHAT_COUNTS = ("selected", "nearly", "listed", "credible")


@dataclass(frozen=True)
class LawList:
    """A list of laws; goals are stated for laws that nothing was designed on.

    Attributes
    ----------
    name
        As it stands in the cases.
    laws
        Returns them.
    unseen
        Whether they were kept out of the design as it now is.
    remark
        What to know of it, in its rows.
    """

    name: str
    laws: Callable[[], list[Law]]
    unseen: bool = False
    remark: str = ""


LISTS = (
    LawList("unseen laws", unseen_laws, unseen=True),
    LawList("fresh laws", fresh_laws, remark=", spent (run twice before, at 1 %: "
            "selected 144/243, 59 %, listed 71 %; design material since)"),
    LawList("first kept-out half", kept_out_laws, remark=", spent (run once before, at 1 %: "
            "selected 106/138, 77 %, listed 120/138, 87 %; design material since)"),
    LawList("design half", design_laws),
)  # fmt: skip


def rows_of(scores: Sequence[Score], of: LawList, noise: float) -> list[Row]:
    """Return the rows of one list at one noise."""
    n = len(scores)
    count = {what: sum(getattr(s, what) for s in scores) for what in WHAT_COUNTS}
    least = int(binom.ppf(CHANCE, n, IN_THE_SET))
    stated = {
        0.01: ("selected >= 85 %, listed >= 95 %",
               count["selected"] >= SELECTED * n and count["listed"] >= LISTED * n),
        0.1: (f"in the 90 % set >= 90 % less the exact binomial band at 1 % ({least})",
              count["credible"] >= least),
    }  # fmt: skip
    goal, met = stated[noise] if of.unseen else ("none stated", None)
    sizes = [s.n_credible for s in scores if s.n_credible]
    failed = sorted({f"{s.name}: {s.failed}" for s in scores if s.failed})
    rows = [{
        "what": f"{of.name}{of.remark}, noise {noise:g} of the values' sd, "
        f"{len({s.name for s in scores})} laws x {len({s.seed for s in scores})} seeds",
        "measured": f"selected {share(scores, 'selected')} ({count['selected'] / n:.0%}; with at "
        f"most one constant too many {share(scores, 'nearly')}), listed {share(scores, 'listed')} "
        f"({count['listed'] / n:.0%}), in the 90 % set {share(scores, 'credible')} "
        f"({count['credible'] / n:.0%}) of median size {np.median(sizes or [0]):.0f} (largest "
        f"{max(sizes or [0])}); not selected: {_missed(scores, 'selected')}; not listed: "
        f"{_missed(scores, 'listed')}" + (f"; failed: {'; '.join(failed)}" if failed else ""),
        "goal": goal,
        "met": met,
        "counts": {**count, "n": n, "laws": len({s.name for s in scores})},
    }]  # fmt: skip
    return [*rows, _coverage(scores, of, noise), *_seconds(scores, of, noise)]


def _missed(scores: Sequence[Score], what: str) -> str:
    names = Counter(s.name for s in scores if not getattr(s, what))
    return ", ".join(f"{name} {times}" for name, times in sorted(names.items())) or "none"


def _coverage(scores: Sequence[Score], of: LawList, noise: float) -> Row:
    """Return the row of coverage; the goal is tested on one interval a fit, drawn.

    Intervals of one fit hang together, so that a binomial test of all of them takes too many for
    independent; its p is printed all the same.
    """
    rng = np.random.default_rng(0)
    fitted = [s for s in scores if s.intervals]
    inside, n = sum(s.inside for s in fitted), sum(s.intervals for s in fitted)
    drawn = sum(int(rng.integers(s.intervals)) < s.inside for s in fitted)
    chance = float(binomtest(drawn, len(fitted), 0.90).pvalue) if fitted else 0.0
    of_all = float(binomtest(inside, n, 0.90).pvalue) if fitted else 0.0
    return {
        "what": f"{of.name}, noise {noise:g}: constants of the laws that are listed",
        "measured": f"cov90 {inside / max(n, 1):.3f} of {n} intervals in {len(fitted)} fits (exact "
        f"binomial p = {of_all:.2g} were they independent); of one drawn a fit {drawn}, exact "
        f"binomial p = {chance:.2g}",
        "goal": f"p of one a fit > {CHANCE:g}" if of.unseen else "none stated",
        "met": chance > CHANCE if of.unseen else None,
    }


def _seconds(scores: Sequence[Score], of: LawList, noise: float) -> list[Row]:
    n_variables = {law.name: len(law.variables) for law in of.laws()}
    rows = []
    for number, most in SECONDS.items():
        spent = [s.seconds for s in scores if n_variables[s.name] == number]
        if spent:
            rows.append({
                "what": f"{of.name}, noise {noise:g}: CPU seconds, {number} variable(s)",
                "measured": f"median {np.median(spent):.2f}, largest {max(spent):.2f} of "
                f"{len(spent)} fits",
                "goal": f"median <= {most:g}" if of.unseen else "none stated",
                "met": bool(np.median(spent) <= most) if of.unseen else None,
            })  # fmt: skip
    return rows


def _case(of: LawList, noise: float) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        return rows_of(score_laws(of.laws(), noise, quick), of, noise)

    check.__doc__ = f"{of.name} at noise {noise:g}."
    return check


CHECKS = {f"{of.name} at noise {noise:g}": _case(of, noise) for of in LISTS for noise in NOISES}
