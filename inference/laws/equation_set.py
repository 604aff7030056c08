"""Laws as data: an expression in a small postfix grammar, and a weighted set of them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import CREDIBLE_MASS, InputError, check_array

__all__ = ["Equation", "EquationSet", "Term"]

Floats = NDArray[np.float64]
Token = str | float

UNARY = ("exp", "log", "sqrt", "inv", "square", "sin")
BINARY = ("add", "sub", "mul", "div", "pow")
LARGEST_PROGRAM = 64


@dataclass(frozen=True, slots=True)
class Term:
    """``coefficient`` times a program: a postfix row of variable names, numbers and operations.

    Attributes
    ----------
    coefficient
        The linear constant.
    program
        For example ``("x", "inv", -2.0, "mul", "exp")`` for exp(-2 / x); ``(1.0,)`` is the
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
    program: tuple[Token, ...]

    def __post_init__(self) -> None:
        depth = 0
        if not 0 < len(self.program) <= LARGEST_PROGRAM:
            raise InputError(
                f"program must have 1 to {LARGEST_PROGRAM} tokens, got {len(self.program)}."
            )
        for token in self.program:
            need = 2 if token in BINARY else 1 if token in UNARY else 0
            if isinstance(token, bool) or not isinstance(token, str | int | float):
                raise InputError(f"program may hold names, numbers and operations, got {token!r}.")
            if not isinstance(token, str) and not math.isfinite(token):
                raise InputError(f"program must hold finite numbers, got {token!r}.")
            if depth < need:
                raise InputError(f"program lacks an argument for {token!r}: {self.program}.")
            depth += 1 - need
        if depth != 1:
            raise InputError(f"program leaves {depth} values, not 1: {self.program}.")
        if not math.isfinite(self.coefficient):
            raise InputError(f"coefficient must be finite, got {self.coefficient}.")

    @property
    def variables(self) -> set[str]:
        """Names of the variables."""
        return {t for t in self.program if isinstance(t, str) and t not in UNARY + BINARY}

    def values(self, columns: dict[str, Floats]) -> Floats:
        """Evaluate on columns of equal length; NaN where undefined."""
        size = len(next(iter(columns.values())))
        stack: list[Floats] = []
        with np.errstate(all="ignore"):
            for token in self.program:
                if not isinstance(token, str):
                    stack.append(np.full(size, float(token)))
                elif token in BINARY:
                    right = stack.pop()
                    stack.append(_binary(token, stack.pop(), right))
                elif token in UNARY:
                    stack.append(_unary(token, stack.pop()))
                else:
                    stack.append(columns[token])
        return self.coefficient * stack[0]

    def sympy(self) -> Any:
        """Return the term as a sympy expression, built node by node (no text is parsed)."""
        import sympy

        functions = {
            "exp": sympy.exp, "log": sympy.log, "sqrt": sympy.sqrt, "inv": lambda u: 1 / u,
            "square": lambda u: u**2, "sin": sympy.sin, "add": lambda u, v: u + v,
            "sub": lambda u, v: u - v, "mul": lambda u, v: u * v, "div": lambda u, v: u / v,
            "pow": lambda u, v: u**v,
        }  # fmt: skip
        stack: list[Any] = []
        for token in self.program:
            if not isinstance(token, str):
                stack.append(sympy.Integer(1) if token == 1.0 else sympy.Float(float(token), 6))
            elif token in BINARY:
                right = stack.pop()
                stack.append(functions[token](stack.pop(), right))
            elif token in UNARY:
                stack.append(functions[token](stack.pop()))
            else:
                stack.append(sympy.Symbol(token, real=True))
        return sympy.Float(self.coefficient, 6) * stack[0]


def _unary(name: str, value: Floats) -> Floats:
    if name == "inv":
        return 1.0 / value
    function = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "square": np.square, "sin": np.sin}[
        name
    ]
    result: Floats = function(value)
    return result


def _binary(name: str, left: Floats, right: Floats) -> Floats:
    function = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": np.power,
    }[name]  # fmt: skip
    result: Floats = function(left, right)
    return result


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

    @property
    def complexity(self) -> int:
        """Nodes of the expression tree."""
        nodes = len(self.terms) - 1
        for term in self.terms:
            constant = term.program == (1.0,)
            nodes += 1 if constant else len(term.program) + 2
        return nodes

    @property
    def structure(self) -> frozenset[tuple[str, ...]]:
        """The law without its numbers: the terms' programs with every number written ``c``."""
        return frozenset(
            tuple(t if isinstance(t, str) else "c" for t in term.program) for term in self.terms
        )

    def predict(self, columns: dict[str, Floats]) -> Floats:
        """Sum of the terms on columns of equal length."""
        result: Floats = np.sum([term.values(columns) for term in self.terms], axis=0)
        return result

    def sympy(self) -> Any:
        """Return the law as a sympy expression."""
        import sympy

        return sympy.Add(*[term.sympy() for term in self.terms])


@dataclass(frozen=True, slots=True, eq=False)
class EquationSet:
    """Laws that the data allow, best first, with weights.

    The weight is exp(-description length), normalised over the set; the description length (nats)
    is minus the log likelihood, plus the code for the expression and for its constants at the
    precision that the data give them (Bartlett, Desmond and Ferreira, arXiv:2211.11461).

    Attributes
    ----------
    equations
        Best first.
    variables
        Names of the variables, in the order of the columns of X.
    target
        Name of what is predicted.
    ranges
        Shape (n_variables, 2): smallest and largest value seen.
    noise_sd
        Standard deviation of the residuals: as given, or that of the best law.
    warnings
        Sentences that every summary prints.

    Examples
    --------
    >>> law = Equation((Term(2.0, ("x",)),), loss=0.0, description_length=1.0, n_constants=1)
    >>> laws = EquationSet((law,), ("x",), "y", np.array([[0.0, 1.0]]), 0.1)
    >>> laws.table["equation"].tolist(), laws.predict([[3.0]]).tolist()
    (['2*x'], [6.0])
    """

    equations: tuple[Equation, ...]
    variables: tuple[str, ...]
    target: str
    ranges: Floats
    noise_sd: float
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.equations:
            raise InputError("equations must hold at least one law.")
        unknown = {v for e in self.equations for t in e.terms for v in t.variables} - set(
            self.variables
        )
        if unknown:
            raise InputError(
                f"equations use variables that are not named: {', '.join(sorted(unknown))}."
            )

    @property
    def weights(self) -> Floats:
        """Shape (n_equations,), sum 1."""
        length = np.array([equation.description_length for equation in self.equations])
        weight = np.exp(length.min() - length)
        result: Floats = weight / weight.sum()
        return result

    @property
    def table(self) -> pd.DataFrame:
        """Columns equation, complexity, loss, description_length, weight."""
        return pd.DataFrame({
            "equation": [text_of(equation) for equation in self.equations],
            "complexity": [equation.complexity for equation in self.equations],
            "loss": [equation.loss for equation in self.equations],
            "description_length": [equation.description_length for equation in self.equations],
            "weight": self.weights,
        })  # fmt: skip

    @property
    def best(self) -> Equation:
        """The law of smallest description length."""
        return self.equations[0]

    def credible_set(self, mass: float = CREDIBLE_MASS) -> pd.DataFrame:
        """Return the fewest laws that hold ``mass`` of the weight: rows of `table`."""
        if not 0 < mass < 1:
            raise InputError(f"mass must lie between 0 and 1, got {mass!r}.")
        count = int(np.searchsorted(np.cumsum(self.weights), mass)) + 1
        return self.table.iloc[:count]

    def index_of(self, programs: Sequence[Sequence[str]]) -> int | None:
        """Place of the law that is a sum of these programs (numbers written ``c``), or None."""
        wanted = frozenset(tuple(program) for program in programs)
        for index, equation in enumerate(self.equations):
            if equation.structure == wanted:
                return index
        return None

    def _columns(self, x: ArrayLike) -> dict[str, Floats]:
        matrix = check_array("x", x, shape=(None, len(self.variables)))
        return {name: matrix[:, index] for index, name in enumerate(self.variables)}

    def predict(self, x: ArrayLike) -> Floats:
        """Return what the best law says, shape (n,), for x of shape (n, n_variables)."""
        return self.best.predict(self._columns(x))

    @property
    def discriminating_ranges(self) -> pd.DataFrame:
        """Where the laws of the credible set differ most, up to a quarter beyond the range seen.

        One row a pair with the best law: the other law, the values of the variables, the
        difference, the difference over the noise, and whether the place lies inside the range seen.
        """
        count = len(self.credible_set())
        span = self.ranges[:, 1] - self.ranges[:, 0]
        grid = np.random.default_rng(0).uniform(size=(2000, len(self.variables)))
        points = self.ranges[:, 0] - 0.25 * span + 1.5 * span * grid
        values = [equation.predict(self._columns(points)) for equation in self.equations[:count]]
        rows = []
        for index in range(1, count):
            gap = np.nan_to_num(np.abs(values[index] - values[0]), nan=-1.0, posinf=-1.0)
            where = int(np.argmax(gap))
            point = points[where]
            inside = bool(((point >= self.ranges[:, 0]) & (point <= self.ranges[:, 1])).all())
            rows.append({
                "law": text_of(self.equations[index]),
                **dict(zip(self.variables, point.tolist(), strict=True)),
                "difference": float(gap[where]),
                "difference_over_noise": float(gap[where]) / max(self.noise_sd, 1e-300),
                "inside": inside,
            })  # fmt: skip
        columns = ["law", *self.variables, "difference", "difference_over_noise", "inside"]
        return pd.DataFrame(rows, columns=columns)

    def to_json(self) -> str:
        """Return the whole set as JSON: programs are lists of tokens, nothing in it is executed."""
        return json.dumps({
            "format": "physlearn.EquationSet/1",
            "variables": self.variables, "target": self.target, "ranges": self.ranges.tolist(),
            "noise_sd": self.noise_sd, "warnings": self.warnings,
            "equations": [
                {
                    "text": text_of(equation), "loss": equation.loss,
                    "description_length": equation.description_length,
                    "n_constants": equation.n_constants,
                    "terms": [{"coefficient": t.coefficient, "program": t.program} for t in
                    equation.terms],
                }
                for equation in self.equations
            ],
        })  # fmt: skip

    @classmethod
    def from_json(cls, text: str) -> EquationSet:
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            If the text is not such a set.
        """
        try:
            data = json.loads(text)
            if data["format"] != "physlearn.EquationSet/1":
                raise InputError(
                    f"text must be an EquationSet of format 1, got {data['format']!r}."
                )
            equations = tuple(
                Equation(
                    tuple(Term(float(t["coefficient"]), tuple(t["program"])) for t in
                    item["terms"]), float(item["loss"]), float(item["description_length"]),
                    int(item["n_constants"]),
                )
                for item in data["equations"]
            )  # fmt: skip
            ranges = np.array(data["ranges"], dtype=float)
            return cls(
                equations, tuple(data["variables"]), str(data["target"]), ranges,
                float(data["noise_sd"]), tuple(data["warnings"]),
            )  # fmt: skip
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"text must be an EquationSet that to_json wrote; {error!r}."
            ) from None


def text_of(equation: Equation) -> str:
    """Return the law with numbers of 4 digits."""
    expression = equation.sympy()
    import sympy

    short = {}
    for number in expression.atoms(sympy.Float):
        value = float(f"{float(number):.4g}")
        short[number] = sympy.Integer(int(value)) if value.is_integer() else sympy.Float(value, 4)
    return str(expression.xreplace(short))
