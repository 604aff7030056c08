"""A weighted set of laws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import CREDIBLE_MASS, InputError, check_array
from physlearn.inference.laws.equation import Equation, Term

__all__ = ["EquationSet", "text_of"]

Floats = NDArray[np.float64]


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
