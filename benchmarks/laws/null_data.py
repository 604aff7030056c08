"""Data without a law: how often one is claimed all the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import binom

from benchmarks.laws.suite import BASIC
from physlearn.inference import SymbolicRegressor

__all__ = ["CHECKS"]

Row = dict[str, Any]
MOST = 0.05
NOISES: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "Student of 5 degrees": lambda rng, n: rng.standard_t(5, n),
    "normal, far from 0": lambda rng, n: 20.0 + rng.standard_normal(n),
}


def row_of(what: str, claims: list[bool], seconds: list[float], examples: list[str]) -> Row:
    """Return the row of one kind of data: at most 5 % of the sets may claim a law."""
    most = int(binom.ppf(0.99, len(claims), MOST))
    return {
        "what": f"{what}, {len(claims)} sets",
        "measured": f"a law is claimed in {sum(claims)}"
        + (f" (such as {examples[0]})" if examples else "")
        + f"; median {np.median(seconds):.2f} CPU s",
        "goal": f"at most 5 % of the sets (exact binomial band at 1 %: {most})",
        "met": sum(claims) <= most,
    }


def noise_alone(n_variables: int, n: int, sets: int) -> list[Row]:
    """Show what is said of a target that does not depend on the variables."""
    rows = []
    for name, draw in NOISES.items():
        claims, seconds, examples = [], [], []
        for seed in range(sets):
            rng = np.random.default_rng((seed, n, n_variables))
            x = rng.uniform(0.2, 3.0, (n, n_variables))
            begun = time.process_time()
            laws = SymbolicRegressor(unary=BASIC).fit(x, draw(rng, n)).equations_
            seconds.append(time.process_time() - begun)
            claims.append(bool(laws.claims_law))
            if claims[-1]:
                examples.append(str(laws.table["equation"][0]))
        what = f"noise alone ({name}), {n} points, {n_variables} variable(s)"
        rows.append(row_of(what, claims, seconds, examples))
    return rows


def _case(n_variables: int, n: int, sets: int) -> Callable[[bool], list[Row]]:
    def check(quick: bool) -> list[Row]:
        return noise_alone(n_variables, n, 3 if quick else sets)

    check.__doc__ = f"Noise alone, {n} points."
    return check


CHECKS = {
    f"noise alone, {n} points, {n_variables} variable(s)": _case(n_variables, n, sets)
    for n_variables, n, sets in ((1, 100, 100), (1, 20, 100), (2, 200, 40))
}
