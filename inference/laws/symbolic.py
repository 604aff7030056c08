"""Symbolic regression with the manners of scikit-learn, and laws as a weighted set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import (
    BackendUnavailable,
    InputError,
    as_generator,
    check_array,
    check_choice,
)
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_search import measure_law, search_laws
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.expression import Token

__all__ = ["SymbolicRegressor", "find_julia", "term_from_sympy"]

Floats = NDArray[np.float64]

BACKENDS = ("exhaustive", "pysr")
PARAMETERS = (
    "backend", "largest_size", "n_terms", "unary", "noise", "n_kept", "variables", "target", "rng",
)  # fmt: skip
DEFAULT_UNARY = ("exp", "log", "sqrt", "inv", "square")
DEFAULT_SIZES = {1: 7, 2: 5, 3: 4}
FEWEST_POINTS = 5
JULIA_RECIPE = (
    "backend='pysr' needs Julia, which is not on this machine: install it "
    "(https://julialang.org/install, "
    "then check that `julia --version` answers) or set PYTHON_JULIACALL_EXE to its path; the "
    "default "
    "backend='exhaustive' needs nothing."
)


class SymbolicRegressor:
    """Find short laws y = f(x) and say which of them the data cannot tell apart.

    Parameters
    ----------
    backend
        ``"exhaustive"`` fits every expression up to a size (ours, compiled); ``"pysr"`` evolves
        larger ones (needs Julia).
    largest_size
        Most nodes of an expression; None takes 7, 5 or 4 for 1, 2 or more variables.
    n_terms
        Most terms of a sum of plain terms, 1 to 3.
    unary
        Functions of one argument: exp, log, sqrt, inv, square, sin.
    noise
        Standard deviation of y, one number or one a point; None infers one number.
    n_kept
        Laws to keep.
    variables, target
        Names; None takes x0, x1, ... .
    rng
        Seed for ``"pysr"``; the exhaustive search is not random.

    Attributes
    ----------
    equations_ : EquationSet
        The laws, after `fit`.
    n_features_in_ : int
        Number of variables, after `fit`.

    Examples
    --------
    >>> x = np.linspace(1.0, 3.0, 30)
    >>> model = SymbolicRegressor(largest_size=3).fit(x[:, None], 2.5 / x)
    >>> model.equations_.table["equation"][0], round(model.score(x[:, None], 2.5 / x), 6)
    ('2.5/x0', 1.0)
    """

    equations_: EquationSet
    n_features_in_: int

    def __init__(
        self,
        backend: str = "exhaustive",
        *,
        largest_size: int | None = None,
        n_terms: int = 3,
        unary: Sequence[str] = DEFAULT_UNARY,
        noise: ArrayLike | None = None,
        n_kept: int = 40,
        variables: Sequence[str] | None = None,
        target: str = "y",
        rng: int | np.random.Generator | None = None,
    ) -> None:
        self.backend = backend
        self.largest_size = largest_size
        self.n_terms = n_terms
        self.unary = unary
        self.noise = noise
        self.n_kept = n_kept
        self.variables = variables
        self.target = target
        self.rng = rng

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """Return the constructor's arguments (scikit-learn's convention)."""
        return {name: getattr(self, name) for name in PARAMETERS}

    def set_params(self, **params: Any) -> SymbolicRegressor:
        """Set constructor arguments by name (scikit-learn's convention)."""
        for name, value in params.items():
            if name not in PARAMETERS:
                raise InputError(f"set_params knows {', '.join(PARAMETERS)}; got {name!r}.")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that this is a regressor."""
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor", target_tags=TargetTags(required=True),
            regressor_tags=RegressorTags(), input_tags=InputTags(),
        )  # fmt: skip

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> SymbolicRegressor:
        """Search for laws.

        Parameters
        ----------
        X
            Shape (n, n_variables).
        y
            Shape (n,).
        sample_weight
            Relative weights, shape (n,); not together with ``noise``.

        Returns
        -------
        SymbolicRegressor
            Itself.

        Raises
        ------
        InputError
            If an argument cannot be used.
        BackendUnavailable
            If the backend is not on this machine.
        """
        check_choice("backend", self.backend, BACKENDS)
        if self.n_terms not in (1, 2, 3):
            raise InputError(f"n_terms must be 1, 2 or 3, got {self.n_terms!r}.")
        data = self._data(X, y, sample_weight)
        if self.backend == "pysr":
            laws = _laws_of_pysr(data, self.largest_size or 20, tuple(self.unary), self.rng)
        else:
            size = self.largest_size or DEFAULT_SIZES.get(len(data.x), DEFAULT_SIZES[3])
            laws = search_laws(data, size, tuple(self.unary), self.n_terms)
        if not laws:
            raise InputError("no expression is defined on all rows of X: look for zeros and signs.")
        self.n_features_in_ = len(data.x)
        self.equations_ = _as_set(data, laws[: self.n_kept], self.target)
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Return what the best law says, shape (n,)."""
        if not hasattr(self, "equations_"):
            raise InputError("predict needs a fitted SymbolicRegressor: call fit first.")
        return self.equations_.predict(X)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the coefficient of determination of the best law."""
        target = check_array("y", y, ndim=1)
        rest = target - self.predict(X)
        return float(1.0 - (rest**2).sum() / ((target - target.mean()) ** 2).sum())

    def _data(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> SearchData:
        matrix = check_array("X", x, ndim=2)
        n, n_variables = matrix.shape
        target = check_array("y", y, shape=(n,))
        if n < FEWEST_POINTS:
            raise InputError(f"X must have at least {FEWEST_POINTS} rows, got {n}.")
        if n_variables > 10:
            raise InputError(f"X may have at most 10 columns, got {n_variables}: choose some.")
        names = tuple(self.variables or [f"x{index}" for index in range(n_variables)])
        if len(names) != n_variables or len(set(names)) != n_variables:
            raise InputError(f"variables must hold {n_variables} different names, got {names}.")
        for name in names:
            if not name.isidentifier():
                raise InputError(f"variables must be names like x or drive, got {name!r}.")
        known = self.noise is not None
        if known and sample_weight is not None:
            raise InputError("give either noise or sample_weight, not both.")
        weight = np.ones(n)
        if self.noise is not None:
            sd = np.broadcast_to(check_array("noise", self.noise), (n,))
            if not (sd > 0).all():
                raise InputError("noise must be above 0 for every point.")
            weight = 1.0 / sd**2
        elif sample_weight is not None:
            weight = check_array("sample_weight", sample_weight, shape=(n,), minimum=0.0)
            weight = weight * n / weight.sum()
        return SearchData(np.ascontiguousarray(matrix.T), target, weight, known, names)


def _as_set(data: SearchData, laws: list[Equation], target: str) -> EquationSet:
    ranges = np.stack([data.x.min(axis=1), data.x.max(axis=1)], axis=1)
    if data.noise_known:
        noise = float(np.sqrt(1.0 / np.mean(data.weight)))
    else:
        noise = float(np.sqrt(laws[0].loss))
    texts = []
    freedom = max(data.y.size - laws[0].n_constants, 1)
    excess = laws[0].loss * data.y.size / freedom
    if data.noise_known and excess > 1.0 + 4.0 * np.sqrt(2.0 / freedom):
        texts.append(
            f"the best law leaves {np.sqrt(excess):.1f} times the noise: the true law is not in "
            "the set, or "
            "the noise is larger than given"
        )
    return EquationSet(tuple(laws), data.names, target, ranges, noise, tuple(texts))


def find_julia() -> str | None:
    """Return the path of Julia, or None; nothing is imported or downloaded.

    Examples
    --------
    >>> path = find_julia()
    >>> path is None or len(path) > 0
    True
    """
    named = os.environ.get("PYTHON_JULIACALL_EXE") or os.environ.get("PYTHON_JULIAPKG_EXE")
    if named and shutil.which(named):
        return shutil.which(named)
    return shutil.which("julia")


def _laws_of_pysr(
    data: SearchData, largest: int, unary: tuple[str, ...], rng: int | np.random.Generator | None
) -> list[Equation]:
    """Evolve laws with PySR; importing it downloads Julia where there is none, so look first."""
    if find_julia() is None:
        raise BackendUnavailable(JULIA_RECIPE)
    from pysr import PySRRegressor

    _, seed = as_generator(rng)
    model = PySRRegressor(
        niterations=40, maxsize=largest, binary_operators=["+", "-", "*", "/", "^"],
        unary_operators=[name for name in unary if name != "inv"], random_state=seed % 2**31,
        deterministic=True, parallelism="serial", progress=False, verbosity=0,
        temp_equation_file=True,
    )  # fmt: skip
    model.fit(data.x.T, data.y, weights=data.weight, variable_names=list(data.names))
    return laws_from_sympy(data, list(model.equations_["sympy_format"]))


def laws_from_sympy(data: SearchData, expressions: Sequence[Any]) -> list[Equation]:
    """Measure laws that come as sympy expressions; those undefined on the data drop out."""
    laws = []
    for expression in expressions:
        try:
            term = Term(1.0, term_from_sympy(expression))
        except InputError:
            continue
        if term.variables <= set(data.names) and np.isfinite(term.values(data.columns)).all():
            laws.append(measure_law(data, (term,)))
    return sorted(laws, key=lambda law: (law.description_length, law.complexity))


def term_from_sympy(expression: Any) -> tuple[Token, ...]:
    """Turn a sympy expression into a postfix program.

    Raises
    ------
    InputError
        If it holds a function that the grammar lacks.

    Examples
    --------
    >>> import sympy
    >>> x = sympy.Symbol("x")
    >>> term_from_sympy(2 * sympy.exp(-x))
    (2.0, -1.0, 'x', 'mul', 'exp', 'mul')
    """
    import sympy

    if expression.is_Symbol:
        return (str(expression),)
    if expression.is_number:
        return (float(expression),)
    for kind, operation in ((sympy.Add, "add"), (sympy.Mul, "mul")):
        if isinstance(expression, kind):
            first, *rest = expression.args
            program = term_from_sympy(first)
            for part in rest:
                program = (*program, *term_from_sympy(part), operation)
            return program
    if isinstance(expression, sympy.Pow):
        base, exponent = expression.args
        short = {-1: "inv", 2: "square", sympy.Rational(1, 2): "sqrt"}.get(exponent)
        if short:
            return (*term_from_sympy(base), short)
        return (*term_from_sympy(base), *term_from_sympy(exponent), "pow")
    for function in ("exp", "log", "sin"):
        if isinstance(expression, getattr(sympy, function)):
            return (*term_from_sympy(expression.args[0]), function)
    raise InputError(
        f"expression holds {type(expression).__name__}, which the grammar of laws lacks."
    )
