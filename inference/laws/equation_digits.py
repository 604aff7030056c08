"""How many digits a law must be printed with so that it still says what the data say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.laws.expression import evaluate
from physlearn.inference.laws.expression_text import from_sympy

if TYPE_CHECKING:
    from physlearn.inference.laws.equation import Equation
    from physlearn.inference.laws.equation_set import EquationSet

__all__ = ["FEWEST_DIGITS", "digits_of", "rounded"]

Floats = NDArray[np.float64]

FEWEST_DIGITS = 4
MOST_DIGITS = 15
SHARE_OF_NOISE = 0.05  # by which rounding may move a value
ROUNDING = 1e-9  # of the largest value: an inferred noise below it is that of the arithmetic
N_PLACES = 200  # in the ranges, where the data are not kept
_KNOWN: WeakKeyDictionary[EquationSet, dict[Equation, int]] = WeakKeyDictionary()


def rounded(equation: Equation, digits: int = FEWEST_DIGITS, precision: int | None = None) -> Any:
    """Return the law as a sympy expression, its numbers rounded to ``digits`` digits.

    They print with ``precision`` digits, ``digits`` where that is None: sympy holds no more of them
    than it prints, so that only 15 are the numbers that a reader takes from the print.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Equation, Term
    >>> rounded(Equation((Term(1.23456, ("x",)),), 0.0, 0.0, 1), 3)
    1.23*x
    """
    import sympy

    expression = equation.sympy()
    shown, short = precision or digits, {}
    for number in expression.atoms(sympy.Float):
        value = float(f"{float(number):.{digits}g}")
        small = value.is_integer() and abs(value) < 1e15
        short[number] = sympy.Integer(int(value)) if small else sympy.Float(value, shown)
    return expression.xreplace(short)


def digits_of(equation: Equation, laws: EquationSet) -> int:
    """Fewest digits, from 4 on, at which rounding moves no value by 0.05 of its noise.

    Values are those at the data, or in the ranges seen where the data are not kept. An inferred
    noise counts from 1e-9 of the largest value on: below, it is that of the arithmetic.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Equation, Term
    >>> from physlearn.inference.laws.equation_set import EquationSet
    >>> law = Equation((Term(1.0, ("x", -1999.53, "add", "inv")),), 0.0, 0.0, 2)
    >>> laws = EquationSet((law,), ("x",), "y", np.array([[2000.0, 2020.0]]), 0.01)
    >>> digits_of(law, laws)
    6
    """
    known = _KNOWN.setdefault(laws, {})
    if equation not in known:
        known[equation] = _digits(equation, laws)
    return known[equation]


def _digits(equation: Equation, laws: EquationSet) -> int:
    columns = _columns(laws)
    if columns is None:
        return FEWEST_DIGITS
    with np.errstate(all="ignore"):
        values = equation.predict(columns)
        allowed = np.broadcast_to(_allowed(laws, values), values.shape)
        sound = np.isfinite(values)
        for digits in range(FEWEST_DIGITS, MOST_DIGITS):
            try:
                said = evaluate(from_sympy(rounded(equation, digits, MOST_DIGITS)), columns)
            except InputError:  # rounding made zoo or nan of it: more digits
                continue
            if (np.abs(said - values) <= allowed)[sound].all():
                return digits
    return MOST_DIGITS


def _allowed(laws: EquationSet, values: Floats) -> Floats:
    if laws.data is not None and laws.data.noise_known:
        known: Floats = SHARE_OF_NOISE / np.sqrt(laws.data.weight)
        return known
    finite = np.abs(values[np.isfinite(values)])
    least = ROUNDING * float(finite.max(initial=0.0))
    return np.array(max(SHARE_OF_NOISE * laws.noise_sd, least))


def _columns(laws: EquationSet) -> dict[str, Floats] | None:
    """Columns of the data, or of places in the ranges; None without the user's own functions."""
    if laws.data is not None:
        return laws.data.columns
    steps = np.arange(N_PLACES, dtype=np.float64)
    places = []
    for place, (low, high) in enumerate(laws.ranges):
        # The first from end to end, the others on a lattice of irrational steps
        share = steps / (N_PLACES - 1) if not place else (steps * np.sqrt(3.0 * place - 1.0)) % 1.0
        places.append(low + (high - low) * share)
    try:
        return laws.columns(np.array(places).T)
    except InputError:
        return None
