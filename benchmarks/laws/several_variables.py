"""Laws of two to six variables with units: our two backends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.laws.scoring import score_laws, score_ours, share
from benchmarks.laws.suite import Law, design_laws, kept_out_laws

__all__ = ["CHECKS"]

Row = dict[str, Any]

NOISE = 0.01
GOAL = 0.85
BACKENDS = {"exhaustive": "ours", "operon": "operon behind our front"}


def _case(half: str, laws: Callable[[str], list[Law]], backend: str) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        scores = score_laws(
            laws("units"), NOISE, quick, partial(score_ours, backend=backend), seeds=2
        )
        missed = Counter(s.name for s in scores if not s.selected)
        failed = sorted({f"{s.name}: {s.failed}" for s in scores if s.failed})
        spent = [s.seconds for s in scores]
        return [{
            "what": f"{half} half, {BACKENDS[backend]}, noise {NOISE:g}, "
            f"{len({s.name for s in scores})} laws x {len({s.seed for s in scores})} seeds",
            "measured": f"selected {share(scores, 'selected')} (with at most one constant too many "
            f"{share(scores, 'nearly')}), listed {share(scores, 'listed')}, in the 90 % set "
            f"{share(scores, 'credible')}; median {np.median(spent):.2f} CPU s, largest "
            f"{max(spent):.1f}; not selected: "
            + (", ".join(f"{name} {times}" for name, times in sorted(missed.items())) or "none")
            + (f"; failed: {'; '.join(failed)}" if failed else ""),
            "goal": "selected >= 85 %" if backend == "exhaustive" else "none stated",
            "met": sum(s.selected for s in scores) >= GOAL * len(scores)
            if backend == "exhaustive" else None,
        }]  # fmt: skip

    check.__doc__ = f"{half} half with {backend}."
    return check


CHECKS = {
    f"{half} half with units, {backend}": _case(half, laws, backend)
    for half, laws in (("design", design_laws), ("kept-out", kept_out_laws))
    for backend in BACKENDS
}
