"""Laws of motion from noisy series: exact terms, coefficients, seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.laws.dynamics import HALF_WIDTH, FieldScore, half_of, row_of
from benchmarks.laws.formula import evaluate
from benchmarks.laws.judge import values_of
from benchmarks.laws.motion_worlds import MOTION_WORLDS, make_motion
from physlearn.inference.dynamics.motion_law import MotionLawOptions, discover_motion_law

__all__ = ["CHECKS", "MOTIONS", "series_of"]

Row = dict[str, Any]
Floats = NDArray[np.float64]
NOISES = (0.02, 0.1)
N_SERIES = 5
# name -> (columns seen, target -> terms, start, duration, points); d2 targets: velocity not seen
MOTIONS: dict[str, tuple[dict[str, dict[str, float]], tuple[float, ...], float, int]] = {
    "lotka_volterra": ({"x": {"x": 1.0, "x*y": -0.5}, "y": {"y": -0.8, "x*y": 0.3}},
                       (2.0, 1.0), 15.0, 300),
    "van_der_pol": ({"x": {"y": 1.0}, "y": {"x": -1.0, "y": 1.2, "x**2*y": -1.2}},
                    (1.0, 0.0), 20.0, 400),
    "duffing": ({"x": {"y": 1.0}, "y": {"x": 1.0, "x**3": -1.0, "y": -0.15}},
                (1.6, 0.5), 20.0, 400),
    "lorenz": ({"x": {"x": -10.0, "y": 10.0}, "y": {"x": 28.0, "y": -1.0, "x*z": -1.0},
                "z": {"x*y": 1.0, "z": -8.0 / 3.0}}, (-8.0, 7.0, 27.0), 5.0, 500),
}  # fmt: skip


def series_of(name: str, noise: float, seed: int) -> tuple[dict[str, Floats], Mapping[str, Any]]:
    """Return a table with noise (a share of each column's sd), and the law of every column."""
    from scipy.integrate import solve_ivp

    law, start, duration, n = MOTIONS[name]
    rng = np.random.default_rng((seed, len(name)))
    times = np.linspace(0.0, duration, n)

    def rate(_: float, state: Floats) -> list[float]:
        columns = dict(zip(law, state, strict=True))
        return [
            sum(c * float(evaluate(text, columns)) for text, c in terms.items())
            for terms in law.values()
        ]

    begin = np.array(start) * rng.uniform(0.9, 1.1, len(start))
    path = solve_ivp(rate, (0.0, duration), begin, t_eval=times, rtol=1e-9, atol=1e-10).y
    seen = path + noise * path.std(axis=1, keepdims=True) * rng.standard_normal(path.shape)
    return {"t": times, **dict(zip(law, seen, strict=True))}, law


def score(
    table: Mapping[str, Floats], law: Mapping[str, Mapping[str, float]], options: MotionLawOptions,
    drives: Sequence[str] = (),
) -> FieldScore:  # fmt: skip
    """Score one table; the law is found where that of every target is."""
    begun = time.process_time()
    found = discover_motion_law(table, drives=drives, options=options)
    seconds = time.process_time() - begun
    sets = found if isinstance(found, Mapping) else {found.target: found}
    names = sorted({name for laws in sets.values() for name in laws.variables})
    points = np.random.default_rng(0).uniform(0.5, 2.0, (len(names), 30))
    columns = dict(zip(names, points, strict=True))
    verdicts, inside, intervals = [], 0, 0
    for target, terms in law.items():
        wanted = {text: evaluate(text, columns) * np.ones(30) for text in terms}
        laws = sets.get(target)
        if laws is None:  # another order was taken
            verdicts.append((False, False, False))
            continue
        place = None
        for index, equation in enumerate(laws.equations):
            said = [values_of(term.program, columns, np.array([])) for term in equation.terms]
            known = [next((k for k, w in wanted.items() if np.allclose(v, w)), "") for v in said]
            if sorted(known) == sorted(wanted):
                place = index
                truth = np.array([terms[k] for k in known])
                if equation.covariance is not None:
                    width = HALF_WIDTH * np.sqrt(np.diag(equation.covariance))
                    inside += int((np.abs(equation.constants - truth) <= width).sum())
                    intervals += len(truth)
                break
        size = len(laws.credible_set(0.9))
        verdicts.append((place == 0, place is not None, place is not None and place < size))
    text = "; ".join(str(laws.table["equation"][0]) for laws in sets.values())
    selected, listed, credible = (all(column) for column in zip(*verdicts, strict=True))
    return FieldScore(selected, listed, credible, inside, intervals, seconds, text)


def _seen(name: str, noise: float, seed: int) -> FieldScore:
    """A system of which every state was measured, at even times."""
    table, law = series_of(name, noise, seed)
    rates = {f"d{column}/dt": terms for column, terms in law.items()}
    return score(table, rates, MotionLawOptions(order="1"))


def _unseen(name: str, noise: float, seed: int) -> FieldScore:
    """A world at random times, of which no velocity was measured; the order is to be found."""
    world = make_motion(name, noise, seed)
    return score(world.table, world.law, MotionLawOptions(angles=world.angles), world.drives)


def _series(
    name: str, noise: float, what: str, measure: Callable[[str, float, int], FieldScore]
) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        scores = [measure(name, noise, seed) for seed in range(1 if quick else N_SERIES)]
        text = f"{name} ({half_of(name)}), {what}noise {noise:.0%} of every column's sd"
        return [row_of(f"{text}, {len(scores)} series", scores, None)]

    check.__doc__ = f"Series of {name} at {noise:.0%}."
    return check


UNSEEN = "random times, no velocity measured, order not told, "
CHECKS = {
    **{f"series of {name} at {noise:.0%}": _series(name, noise, "", _seen)
       for name in MOTIONS for noise in NOISES},
    **{f"positions of {name} at {noise:.0%}": _series(name, noise, UNSEEN, _unseen)
       for name in MOTION_WORLDS if name not in MOTIONS for noise in NOISES},
}  # fmt: skip
