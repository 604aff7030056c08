"""A law: a sum of terms, each a constant times a program."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.inference.laws.expression import (
    Program,
    Token,
    arguments_of,
    check_program,
    evaluate,
    floats_of,
    gradients,
    variables_of,
    with_floats,
)
from physlearn.records.storage import html_table, short_repr

__all__ = ["Equation", "Term", "split_terms"]

Floats = NDArray[np.float64]

MOST_TERMS = 64


@dataclass(frozen=True, slots=True)
class Term:
    """``coefficient`` times a program: a postfix row of variable names, numbers and operations.

    Attributes
    ----------
    coefficient
        The linear constant; as in programs a ``float`` is fitted and an ``int`` exact.
    program
        For example ``("x", "inv", -2.0, "mul", "exp")`` for exp(-2 / x); ``(1,)`` is the
        constant.

    Raises
    ------
    InputError
        If the program is no expression.

    Examples
    --------
    >>> Term(3.0, ("x", "square")).values({"x": np.array([2.0])})
    array([12.])
    """

    coefficient: float
    program: Program

    def __post_init__(self) -> None:
        program = check_program(self.program)
        # One fitted number is enough for a constant
        object.__setattr__(self, "program", (1,) if program == (1,) else program)
        number: Any = self.coefficient
        if isinstance(number, np.floating | np.integer):
            number = number.item()
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise InputError(f"coefficient must be a number, got {str(number)[:40]!r}.")
        if not math.isfinite(number):
            raise InputError(f"coefficient must be finite, got {number}.")
        object.__setattr__(self, "coefficient", number)

    @property
    def variables(self) -> set[str]:
        """Names of the variables."""
        return variables_of(self.program)

    @property
    def whole(self) -> Program:
        """Coefficient and program as one program."""
        if self.program == (1,):
            return (self.coefficient,)
        if isinstance(self.coefficient, int) and self.coefficient == 1:
            return self.program
        return (self.coefficient, *self.program, "mul")

    @property
    def structure(self) -> tuple[str, ...]:
        """The program with every fitted number written ``c``; the constant is ``("c",)``."""
        if self.program == (1,):
            return ("c",)
        return tuple("c" if isinstance(t, float) else str(t) for t in self.program)

    def values(self, columns: Mapping[str, Floats]) -> Floats:
        """Evaluate on columns of equal length; NaN where undefined."""
        return self.coefficient * evaluate(self.program, columns)

    def sympy(self) -> Any:
        """Return the term as a sympy expression, built node by node (no text is parsed)."""
        from physlearn.inference.laws.expression_text import to_sympy

        return to_sympy(self.whole)


@dataclass(frozen=True, slots=True)
class Equation:
    """A sum of terms, with how well and how shortly it says the data.

    Attributes
    ----------
    terms
        The sum.
    loss
        Mean squared residual (weighted, in units of the noise variance when that was given).
    description_length
        In nats, as in `EquationSet`.
    n_constants
        Fitted numbers.
    covariance
        Of the constants, shape (n_constants, n_constants), in the order of `constants`; None where
        it was not worked out.
    log_evidence
        Logarithm of the marginal likelihood (nats), constants integrated; None where not known.
    noise_sd
        Standard deviation of the residuals under this law, in units of the target; None where not
        known.

    Examples
    --------
    >>> law = Equation((Term(2.0, ("x",)),), loss=0.0, description_length=1.0, n_constants=1)
    >>> law.complexity, law.predict({"x": np.array([1.0, 2.0])}).tolist()
    (3, [2.0, 4.0])
    """

    terms: tuple[Term, ...]
    loss: float
    description_length: float
    n_constants: int
    covariance: Floats | None = field(default=None, compare=False)
    log_evidence: float | None = None
    noise_sd: float | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple(self.terms))
        if not 0 < len(self.terms) <= MOST_TERMS:
            raise InputError(f"terms must hold 1 to {MOST_TERMS} terms, got {len(self.terms)}.")
        if self.covariance is not None:
            size = len(self.constants)
            matrix = check_array("covariance", self.covariance, shape=(size, size)).copy()
            matrix.setflags(write=False)
            object.__setattr__(self, "covariance", matrix)

    @property
    def program(self) -> Program:
        """The whole law as one postfix program."""
        program = self.terms[0].whole
        for term in self.terms[1:]:
            program = (*program, *term.whole, "add")
        return program

    @property
    def constants(self) -> Floats:
        """Fitted numbers: for each term its coefficient, then its floats (`program`'s order)."""
        return np.array(floats_of(self.program), dtype=np.float64)

    @property
    def variables(self) -> set[str]:
        """Names of the variables."""
        return {name for term in self.terms for name in term.variables}

    def with_constants(self, constants: ArrayLike) -> Equation:
        """Return the law with other fitted numbers, in the order of `constants`.

        Loss, description length and covariance stay: measure the law again where they matter.
        """
        shape = (len(self.constants),)
        values = check_array("constants", constants, shape=shape, allow_empty=True).tolist()
        terms = []
        for term in self.terms:
            free = isinstance(term.coefficient, float)
            count = len(floats_of(term.program))
            own, values = values[: free + count], values[free + count :]
            coefficient = own[0] if free else term.coefficient
            terms.append(Term(coefficient, with_floats(term.program, own[free:])))
        return replace(self, terms=tuple(terms))

    @property
    def complexity(self) -> int:
        """Nodes of the expression tree."""
        return len(self.program)

    @property
    def structure(self) -> frozenset[tuple[str, ...]]:
        """The law without its numbers: the terms' programs with fitted numbers written ``c``."""
        return frozenset(term.structure for term in self.terms)

    def predict(self, columns: Mapping[str, Floats]) -> Floats:
        """Sum of the terms on columns of equal length; NaN where undefined."""
        return evaluate(self.program, columns)

    def sensitivities(self, columns: Mapping[str, Floats]) -> Floats:
        """Return the derivatives by every constant, shape (n_constants, n); NaN where undefined."""
        return gradients(self.program, columns)[1]

    def sympy(self) -> Any:
        """Return the law as a sympy expression."""
        import sympy

        return sympy.Add(*[term.sympy() for term in self.terms])


def split_terms(program: Sequence[Token]) -> tuple[Term, ...]:
    """Write a program as a sum of terms: top-level sums split, factors made coefficients.

    A term without a fitted factor gets the exact coefficient 1 or -1: its constants, if any, stand
    in its program.

    Raises
    ------
    InputError
        If the program is no expression.

    Examples
    --------
    >>> [(term.coefficient, term.program) for term in split_terms((2.0, "x", "mul", 3.0, "sub"))]
    [(2.0, ('x',)), (-3.0, (1,))]
    """
    parts: list[tuple[int, Program]] = [(1, check_program(program))]
    terms = []
    while parts:
        sign, part = parts.pop()
        last = part[-1]
        if last in ("add", "sub"):
            left, right = arguments_of(part)
            parts += [(-sign if last == "sub" else sign, right), (sign, left)]
        elif last == "neg":
            parts.append((-sign, part[:-1]))
        else:
            terms.append(_scaled(sign, part))
    return tuple(terms)


def _scaled(sign: int, part: Program) -> Term:
    """Take fitted numbers that are factors of a product or a quotient out of it."""
    if len(part) == 1 and not isinstance(part[0], str):
        return Term(sign * part[0], (1,))
    above: list[Program] = []
    below: list[Program] = []
    queue = [(part, False)]
    scale: float = sign
    while queue:
        factor, is_below = queue.pop()
        if factor[-1] in ("mul", "div"):
            left, right = arguments_of(factor)
            queue += [(right, is_below != (factor[-1] == "div")), (left, is_below)]
        elif len(factor) == 1 and isinstance(factor[0], float) and (factor[0] or not is_below):
            scale = scale / factor[0] if is_below else scale * factor[0]
        elif factor[-1] == "neg":
            scale = -scale
            queue.append((factor[:-1], is_below))
        else:
            (below if is_below else above).append(factor)
    if not below:
        return Term(scale, _product(above) if above else (1,))
    if not above:
        return Term(scale, (*_product(below), "inv"))
    return Term(scale, (*_product(above), *_product(below), "div"))


def _product(factors: Sequence[Program]) -> Program:
    product = factors[0]
    for factor in factors[1:]:
        product = (*product, *factor, "mul")
    return product
