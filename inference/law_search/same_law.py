"""Whether two laws are one: equal up to algebra and the values of their constants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.refinement import polish
from physlearn.inference.laws.equation import Equation

__all__ = ["same_law"]

Floats = NDArray[np.float64]

TOLERANCE = 1e-6
TRIALS = 12


def same_law(equation: Equation, truth: Equation, columns: Mapping[str, Floats]) -> bool:
    """Say whether a law has the structure of the truth.

    Its constants are fitted to the truth's values without noise, from its own constants and from
    some around them; it is the same law if it then gives them to 1e-6 of their spread and has no
    more constants than the truth. a / (x - t) and 1 / (b x + c) are the same law, x**c is not x**2.

    Parameters
    ----------
    equation, truth
        The law found and the true one, with its true constants.
    columns
        Values of the variables, name -> shape (n,); more points than constants.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Term
    >>> x = {"x": np.linspace(1.0, 2.0, 20)}
    >>> law = lambda *terms: Equation(terms, 0.0, 0.0, 2)
    >>> found = law(Term(1.0, ("x", 3.0, "mul", 1.5, "add", "inv")))
    >>> truth = law(Term(2.0, ("x", 0.5, "sub", "inv")))
    >>> same_law(found, truth, x)  # the found one has three numbers for two
    False
    >>> same_law(law(Term(1.0, ("x", 1.5, "add", "inv"))), truth, x)
    True
    """
    data_columns = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
    with np.errstate(all="ignore"):
        target = truth.predict(data_columns)
    if equation.constants.size > truth.constants.size or not np.isfinite(target).all():
        return False
    spread = float(np.std(target)) or float(np.abs(target).max()) or 1.0
    names = tuple(data_columns)
    points = np.stack([data_columns[name] for name in names])
    data = SearchData(points, target, np.ones(target.size), False, names)
    generator = np.random.default_rng(0)
    for trial in range(TRIALS):
        start = equation.constants.copy()
        if trial:
            start *= np.exp(0.3 * trial**0.5 * generator.standard_normal(start.size))
        law = equation.with_constants(start)
        with np.errstate(all="ignore"):
            if not np.isfinite(law.predict(data_columns)).all():
                continue
            fitted = polish(data, law, steps=200)
            rest = np.abs(fitted.predict(data_columns) - target).max()
        if rest < TOLERANCE * spread:
            return True
    return False
