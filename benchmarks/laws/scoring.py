"""Fit a law's data, judge every candidate, and count what was selected, listed and covered."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.laws.judge import judge, program_of_equation
from benchmarks.laws.suite import Law, LawData, sample
from physlearn.inference import SymbolicRegressor

__all__ = ["Score", "fit_ours", "score_laws", "score_ours", "share"]

MASS = 0.9
HALF_WIDTH = 1.6448536269514722  # of a normal 90 % interval
SEEDS = 3


@dataclass(frozen=True)
class Score:
    """One law of one seed: what was found of it, and what it cost.

    ``nearly``: selected with at most one constant too many. ``inside``: how many of ``intervals``
    of the law's constants hold the truth, where the law was listed.
    """

    name: str
    seed: int
    selected: bool
    nearly: bool
    listed: bool
    credible: bool
    n_credible: int
    inside: int
    intervals: int
    seconds: float
    failed: str = ""


def share(scores: Sequence[Score], what: str) -> str:
    """Return how many scores have ``what``, as 31/36."""
    return f"{sum(bool(getattr(s, what)) for s in scores)}/{len(scores)}"


def fit_ours(data: LawData, backend: str = "exhaustive") -> tuple[Any, float]:
    """Return our EquationSet and the CPU seconds."""
    units = dict(data.law.units)
    target_unit = units.pop("y", None)
    model = SymbolicRegressor(
        backend, unary=data.law.functions, variables=tuple(data.law.variables), rng=0,
        units=units or None, target_unit=target_unit,
    )  # fmt: skip
    begun = time.process_time()
    laws = model.fit(data.x, data.y).equations_
    return laws, time.process_time() - begun


def score_ours(data: LawData, seed: int, backend: str = "exhaustive") -> Score:
    """Fit and judge one data set; what raises is a miss that is named."""
    begun = time.process_time()
    try:
        laws, seconds = fit_ours(data, backend)
    except Exception as error:
        spent = time.process_time() - begun
        words = f"{type(error).__name__}: {error}"
        return Score(data.law.name, seed, *[False] * 4, 0, 0, 0, spent, words)
    verdicts = [judge(program_of_equation(law), data) for law in laws.equations]
    n_credible = len(laws.credible_set(MASS))
    places = [index for index, verdict in enumerate(verdicts) if verdict.found]
    inside = intervals = 0
    if places:
        inside, intervals = _covered(laws.equations[places[0]], verdicts[places[0]].constants)
    return Score(
        data.law.name, seed, bool(verdicts[0].found), verdicts[0].nearly, bool(places),
        bool(places) and places[0] < n_credible, n_credible, inside, intervals, seconds,
    )  # fmt: skip


def _covered(equation: Any, truth: Any) -> tuple[int, int]:
    """Return how many 90 % intervals of a law's constants hold the truth, and of how many."""
    if equation.covariance is None or len(equation.constants) != len(truth):
        return 0, 0
    width = HALF_WIDTH * np.sqrt(np.diag(equation.covariance))
    held = np.abs(equation.constants - truth) <= width
    return int(held.sum()), len(held)


def score_laws(
    laws: Sequence[Law], noise_fraction: float, quick: bool,
    one: Callable[[LawData, int], Score] = score_ours, seeds: int = SEEDS,
) -> list[Score]:  # fmt: skip
    """Score laws at several seeds (quick: the first three laws, one seed); print each law."""
    chosen = laws[:3] if quick else laws
    console = Console(highlight=False)
    scores: list[Score] = []
    for number, law in enumerate(chosen, start=1):
        own = [
            one(sample(law, None, noise_fraction, seed), seed)
            for seed in range(1 if quick else seeds)
        ]
        scores += own
        console.print(
            f"{number}/{len(chosen)} {law.name}: selected {share(own, 'selected')}, listed "
            f"{share(own, 'listed')}, {np.mean([s.seconds for s in own]):.1f} CPU s a fit"
        )
    return scores
