"""Symbolic regression with the manners of scikit-learn, and laws as a weighted set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from physlearn.checks import InputError, as_generator, check_choice
from physlearn.inference.law_data.noise_models import NoiseModel, observe
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.dimensional_search import find_laws_with_units
from physlearn.inference.law_search.expression_search import find_laws
from physlearn.inference.law_search.search_options import (
    DEFAULT_UNARY,
    SearchOptions,
    SearchOutcome,
)
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.regressor_data import (
    by_new_name,
    check_finite,
    check_numbers,
    check_scale,
    column_warnings,
    extended,
    law_names,
    on_link,
    quantities_of,
    renamed_rules,
    target_name,
    weights_of,
)
from physlearn.inference.laws.regressor_noise import laws_under_noise
from physlearn.inference.laws.regressor_options import RegressorOptions

__all__ = ["SymbolicRegressor"]

Floats = NDArray[np.float64]

BACKENDS = ("exhaustive", "operon", "pysr")
MOST_VARIABLES = {"exhaustive": 10, "operon": 100, "pysr": 100}
FEWEST_POINTS = 5


class _NoNumberError(InputError, TypeError):
    """Entries that are no numbers: scikit-learn's checks ask for a TypeError."""


class SymbolicRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Find short laws y = f(x) and say which of them the data cannot tell apart.

    Parameters
    ----------
    backend
        ``"exhaustive"`` tries every expression up to a size (ours, compiled); ``"operon"`` evolves
        larger ones, for many variables (``pip install 'pyoperon>=0.6'``); so does ``"pysr"``
        (needs Julia). All are measured by the same description length.
    unary
        Functions of one argument: exp, log, sqrt, inv, square, cube, sin, cos, tanh, abs, neg.
    noise
        Standard deviation of y, one number or one a point; None infers one number. A `NoiseModel`
        says more: relative noise, counts, outliers, errors of x; then laws are ranked by its whole
        likelihood.
    units, target_unit
        Unit of every variable by its name, and of y: ``{"x": "nm", "t": "s"}, "nm/s"``. Then only
        laws that are right in their units are searched, with pure numbers as constants.
    variables, target
        Names; None takes the columns' names of a table, or x0, x1, ... .
    largest_size
        Most nodes of a term (``"exhaustive"``) or a law; None leaves it to the backend.
    rng
        Seed of ``"operon"`` and ``"pysr"``; the exhaustive search is not random.
    options
        `RegressorOptions`: terms, links, the user's functions, known constants, constraints,
        progress, stop, effort.

    Attributes
    ----------
    equations_ : EquationSet
        The laws, after `fit`.
    n_features_in_ : int
        Number of variables, after `fit`.
    feature_names_in_ : ndarray
        Names of the columns, where X had them.

    Notes
    -----
    Ctrl-C during `fit` keeps the best laws so far, with a warning in the set.

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
        unary: Sequence[str] = DEFAULT_UNARY,
        noise: ArrayLike | NoiseModel | None = None,
        units: Mapping[str, str] | None = None,
        target_unit: str | None = None,
        variables: Sequence[str] | None = None,
        target: str = "y",
        largest_size: int | None = None,
        rng: int | np.random.Generator | None = None,
        options: RegressorOptions | None = None,
    ) -> None:
        self.backend = backend
        self.unary = unary
        self.noise = noise
        self.units = units
        self.target_unit = target_unit
        self.variables = variables
        self.target = target
        self.largest_size = largest_size
        self.rng = rng
        self.options = options

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that one short law may fit its test data poorly."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        below: ArrayLike | None = None,
        above: ArrayLike | None = None,
    ) -> SymbolicRegressor:
        """Search for laws.

        Parameters
        ----------
        X
            Shape (n, n_variables), or a pandas table.
        y
            Shape (n,).
        sample_weight
            Relative weights, shape (n,); not together with ``noise``.
        below, above
            Booleans (n,): y is only known to lie below (above) the value given.

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
        options: object = RegressorOptions() if self.options is None else self.options
        if not isinstance(options, RegressorOptions):
            kind = type(options).__name__
            raise InputError(f"options must be RegressorOptions(...) or None, got a {kind}.")
        search = options.search(self.unary, self.largest_size)
        matrix, target = self._checked(X, y)
        frame = self._frame(matrix, target, options)
        search = replace(search, constraints=renamed_rules(search.constraints, frame.renamed))
        noise = self.noise
        if isinstance(noise, NoiseModel):
            noise = replace(noise, x_sd=by_new_name(noise.x_sd, frame.renamed))
        if not isinstance(noise, NoiseModel) and (below is not None or above is not None):
            noise = NoiseModel(sd=noise)
        if isinstance(noise, NoiseModel):
            if sample_weight is not None or options.link != "identity":
                raise InputError("a NoiseModel goes with link='identity', without sample_weight.")
            if noise.x_sd and options.functions:
                raise InputError("x_sd goes without own functions: their errors are not known.")
            columns = dict(zip(frame.labels, frame.columns, strict=True))
            seen = observe(columns, target, noise, below=below, above=above, independent=False)
            measured = _distinct_rows(matrix, seen.censored == 0)
            outcome, length, data = laws_under_noise(
                seen, noise, lambda one: self._search(one, search, frame), search.constraints
            )
        else:
            weight, known = weights_of(noise, sample_weight, target.size)
            values, weight = on_link(target, weight, options.link, known=known)
            used = weight > 0
            measured = _distinct_rows(matrix, used)
            data = SearchData(
                np.ascontiguousarray(frame.columns[:, used]), values[used], weight[used], known,
                tuple(frame.labels),
            )  # fmt: skip
            outcome, length = self._search(data, search, frame), None
        laws = [law for law in outcome.laws if law.n_constants < measured - 1]
        if not laws:
            raise InputError(_why_nothing(outcome, measured))
        self.equations_ = self._set(data, laws, [*frame.texts, *outcome.warnings], frame, length)
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Return what the best law says, shape (n,).

        Raises
        ------
        InputError
            Before `fit`, or for another number of columns.
        """
        matrix = self._matrix(X)
        return self.equations_.predict(matrix)

    def _frame(self, matrix: Floats, y: Floats, options: RegressorOptions) -> _Frame:
        """Check and name the columns."""
        most = MOST_VARIABLES[self.backend]
        if matrix.shape[1] > most:
            raise InputError(
                f"X may have at most {most} columns with backend={self.backend!r}, got "
                f"{matrix.shape[1]}: choose those that matter, or take backend='operon' (up to "
                f"{MOST_VARIABLES['operon']})."
            )
        names, renamed = law_names(
            self.variables, getattr(self, "feature_names_in_", None), matrix.shape[1]
        )  # fmt: skip
        target, texts = target_name(self.target, names)
        texts += [f"column {old!r} is called {new} in the laws" for old, new in renamed.items()]
        columns, labels = extended(matrix, names, options.functions)
        check_scale(target, y, of_y=True)
        units = None
        if self.units is None:  # with units the search runs on pure numbers
            for name, column in zip(names, matrix.T, strict=True):
                check_scale(name, column)
        else:
            units = by_new_name(self.units, renamed)
        texts += column_warnings(columns[: len(names)], names)
        return _Frame(
            options, tuple(names), tuple(labels), columns, target, units, tuple(texts), renamed
        )

    def _matrix(self, X: ArrayLike) -> Floats:
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self, "equations_", msg=(
            "predict needs a fitted %(name)s: call fit first."
        ))  # fmt: skip
        try:
            matrix: Floats = validate_data(
                self, X, reset=False, dtype=np.float64, ensure_all_finite=False
            )
        except ValueError as error:
            raise InputError(str(error)) from None
        check_finite("X", matrix)
        return matrix

    def _checked(self, X: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        from sklearn.utils.validation import validate_data

        if y is None:
            raise InputError("y must be given: requires y to be passed, but the target y is None.")
        check_numbers(X, y)
        try:
            matrix, target = validate_data(
                self, X, y, dtype=np.float64, ensure_all_finite=False, y_numeric=True,
                ensure_min_samples=FEWEST_POINTS,
            )  # fmt: skip
        except TypeError as error:  # scikit-learn's own sentences, and its own kind of error
            raise _NoNumberError(str(error)) from None
        except ValueError as error:
            raise InputError(str(error)) from None
        check_finite("X", matrix, getattr(self, "feature_names_in_", self.variables))
        target = np.asarray(target, dtype=np.float64)
        check_finite("y", target)
        return matrix, target

    def _search(self, data: SearchData, search: SearchOptions, frame: _Frame) -> SearchOutcome:
        _, seed = as_generator(self.rng)
        engine = _engine(self.backend, frame.options, seed)
        if frame.units is None:
            if frame.options.constants or self.target_unit is not None:
                raise InputError("constants and target_unit need units for the variables.")
            return engine(data, search)
        if frame.options.link != "identity" or frame.options.functions:
            raise InputError("units go with link='identity' and without own functions.")
        quantities = quantities_of(
            frame.units, self.target_unit, data.names, frame.target, frame.options.constants
        )
        return find_laws_with_units(data, quantities, search, engine)

    def _set(
        self, data: SearchData | None, laws: list[Equation], texts: list[str], frame: _Frame,
        constant_length: float | None,
    ) -> EquationSet:  # fmt: skip
        best = min(laws, key=lambda law: law.description_length)
        noise = best.noise_sd or 0.0
        if data is not None and data.noise_known:
            noise = float(np.sqrt(1.0 / np.mean(data.weight)))
            freedom = max(data.y.size - best.n_constants, 1)
            excess = best.loss * data.y.size / freedom
            if excess > 1.0 + 4.0 * np.sqrt(2.0 / freedom):
                texts.append(
                    f"the best law leaves {np.sqrt(excess):.1f} times the noise: the true law is "
                    "not in the set, or the noise is larger than given"
                )
        units = frame.units or {}
        return EquationSet(
            tuple(laws), frame.names, frame.target, frame.ranges, noise, tuple(texts),
            units=self.target_unit or units.get(frame.target),
            variable_units=tuple(units[name] for name in frame.names) if units else None,
            link=frame.options.link, data=data, constant_length=constant_length,
            functions=dict(frame.options.functions),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Frame:
    """The columns with their names: the user's own, then what own functions make of them."""

    options: RegressorOptions
    names: tuple[str, ...]
    labels: tuple[str, ...]
    columns: Floats
    target: str
    units: dict[str, str] | None
    texts: tuple[str, ...]
    renamed: dict[str, str]

    @property
    def ranges(self) -> Floats:
        """Shape (n_variables, 2): smallest and largest value of the user's own columns."""
        own = self.columns[: len(self.names)]
        return np.stack([own.min(axis=1), own.max(axis=1)], axis=1)


def _engine(
    backend: str, options: RegressorOptions, seed: int
) -> Callable[[SearchData, SearchOptions], SearchOutcome]:
    """Return what searches dimensionless or plain data."""
    if backend == "operon":
        from physlearn.inference.law_backends.operon import evolve_laws

        return partial(evolve_laws, n_evaluations=options.n_evaluations, seed=seed % 2**31)
    if backend == "pysr":
        from physlearn.inference.law_backends.pysr import pysr_laws

        return partial(pysr_laws, n_iterations=options.n_iterations, seed=seed % 2**31)
    return find_laws


def _distinct_rows(matrix: Floats, used: NDArray[np.bool_]) -> int:
    """Count the different rows that are measured and weigh: repeats fix no further constant."""
    count = len(np.unique(matrix[used], axis=0))
    if count < FEWEST_POINTS:
        raise InputError(
            f"X must hold at least {FEWEST_POINTS} different rows that are measured and have a "
            f"weight above 0, got {count}: measure at more values."
        )
    return count


def _why_nothing(outcome: SearchOutcome, n: int) -> str:
    if outcome.warnings:
        return f"no law is left: {outcome.warnings[-1]}"
    if outcome.laws:
        return (
            f"X has {n} different rows that weigh, fewer than the constants of any law found "
            "need: measure more points."
        )
    return "no expression is defined on all rows of X: look for zeros and signs."
