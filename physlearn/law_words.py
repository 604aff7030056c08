"""What a set of laws says, in sentences, and its first law's constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from physlearn.checks import CREDIBLE_MASS
from physlearn.phrases import said_number

if TYPE_CHECKING:
    from physlearn.inference import EquationSet

__all__ = ["law_constants", "law_sentences"]

FEWEST_DIGITS, MOST_DIGITS = 3, 12


def law_constants(laws: EquationSet) -> list[dict[str, Any]]:
    """Return the constants of the best law: name, mean, sd and 90 % interval, given that law.

    Examples
    --------
    >>> from physlearn.inference import EquationSet
    >>> from physlearn.inference.laws.equation import Equation, Term
    >>> law = Equation((Term(2.0, ("x",)),), 0.0, 1.0, 1, np.array([[0.01]]))
    >>> laws = EquationSet((law,), ("x",), "y", np.array([[0.0, 1.0]]), 0.1)
    >>> law_constants(laws)[0]["name"], law_constants(laws)[0]["sd"]
    ('c0', 0.1)
    """
    from physlearn.inference.laws.equation_text import constant_names

    best = laws.best
    names = constant_names(best, laws.variables)
    if best.covariance is None:
        return [
            {"name": name, "mean": float(value), "sd": None, "q05": None, "q95": None}
            for name, value in zip(names, best.constants, strict=True)
        ]
    reach = float(stats.norm.ppf(0.5 + CREDIBLE_MASS / 2))
    rows = zip(names, best.constants, np.sqrt(np.diag(best.covariance)), strict=True)
    return [
        {"name": name, "mean": float(value), "sd": float(sd), "q05": float(value - reach * sd),
         "q95": float(value + reach * sd)}
        for name, value, sd in rows
    ]  # fmt: skip


def law_sentences(laws: EquationSet) -> list[str]:
    """Return the verdict, and the best law's constants with their intervals.

    Examples
    --------
    >>> from physlearn.inference import EquationSet
    >>> from physlearn.inference.laws.equation import Equation, Term
    >>> law = Equation((Term(2.0, ("x",)),), 0.0, 1.0, 1, np.array([[0.01]]))
    >>> law_sentences(EquationSet((law,), ("x",), "y", np.array([[0.0, 1.0]]), 0.1))[1]
    'Given the first law, y = c0 * x: c0 = 2 [1.84, 2.16] (90 %).'
    """
    from physlearn.inference.laws.equation_text import formula_of

    verdict = laws.verdict
    said = [f"{verdict[0].upper()}{verdict[1:]}."]
    parts = []
    for row in law_constants(laws):
        digits = _digits(row)
        text = f"{row['name']} = {said_number(row['mean'], digits)}"
        if row["sd"] is not None:
            text += f" [{said_number(row['q05'], digits)}, {said_number(row['q95'], digits)}]"
        parts.append(text)
    if parts:
        unit = f", with {laws.target} in {laws.units}" if laws.units else ""
        formula = formula_of(laws.best, laws.variables)
        said.append(
            f"Given the first law, {laws.target} = {formula}{unit}: {', '.join(parts)} (90 %)."
        )
    return said


def _digits(row: dict[str, Any]) -> int:
    """Return the fewest digits, from three on, at which the mean and the interval's ends differ."""
    if not row["sd"]:
        return FEWEST_DIGITS
    for digits in range(FEWEST_DIGITS, MOST_DIGITS):
        if len({said_number(row[key], digits) for key in ("q05", "mean", "q95")}) == 3:
            return digits
    return MOST_DIGITS
