"""A weighted set of laws."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import CREDIBLE_MASS, InputError, check_array, check_choice
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.equation_json import json_of, read_set, save_set, set_of_json
from physlearn.inference.laws.equation_text import (
    html_of,
    latex_of,
    plain_text_of,
    python_source,
    text_of,
)
from physlearn.inference.laws.law_differences import (
    CONSTANT_REFUTED,
    constant_probability,
    differences,
    verdict_of,
)
from physlearn.inference.laws.law_posterior import (
    LogLikelihood,
    constants_posterior,
    unidentified_constants,
)
from physlearn.inference.laws.law_predictions import (
    INVERSE_LINKS,
    extrapolated,
    prediction_interval,
)
from physlearn.inference.laws.own_functions import (
    OwnFunctions,
    check_names,
    derived_columns,
)
from physlearn.results import Fit

__all__ = ["EquationSet"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False, weakref_slot=True)
class EquationSet:
    """Laws that the data allow, best first, with weights.

    The weight is exp(-description length), normalised over the set; the description length (nats)
    is minus the log evidence (likelihood with the constants integrated), plus the code for the
    expression: minus the log posterior of the law under a prior that prefers short ones (Bartlett,
    Desmond and Ferreira, arXiv:2211.11461). Predictions average over laws and constants.

    Attributes
    ----------
    equations
        Best first (they are sorted by description length).
    variables
        Names of the variables, in the order of the columns of X.
    target
        Name of what is predicted.
    ranges
        Shape (n_variables, 2): smallest and largest value seen.
    noise_sd
        Standard deviation of the residuals: as given, or that of the best law; on the link's scale.
    warnings
        Sentences that every summary prints.
    units, variable_units
        Units of the target and of the variables, as text; None where not known.
    link
        The laws say ``link(target)``: identity, log, log10, sqrt, inv or logit.
    data
        Observations on the link's scale, for exact posteriors; None where they are not kept.
    constant_length
        Description length of the best constant, on the scale of the laws'; None works it out from
        the set or the observations.
    log_likelihood
        (law, constants (m, n_constants)) to log likelihoods (m,), for another noise model than the
        Gaussian of ``data``; not written to files.
    functions
        The user's own functions, word -> function of an array: laws may hold ``erf_x`` for erf(x).
        Files keep their words only.

    Raises
    ------
    InputError
        For no laws, names that are not declared or no names, ranges or observations that do not
        fit the variables.

    Examples
    --------
    >>> from physlearn.inference.laws.equation import Term
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
    units: str | None = None
    variable_units: tuple[str, ...] | None = None
    link: str = "identity"
    data: SearchData | None = None
    constant_length: float | None = None
    log_likelihood: LogLikelihood | None = None
    functions: OwnFunctions = field(default_factory=dict)

    def __post_init__(self) -> None:
        laws = tuple(self.equations)
        if not laws:
            raise InputError("equations must hold at least one law.")
        for law in laws:
            if not math.isfinite(law.description_length):
                raise InputError("equations must have finite description lengths.")
        check_names(
            {name for law in laws for name in law.variables}, self.variables, self.functions
        )
        n_variables = len(self.variables)
        ranges = check_array("ranges", self.ranges, shape=(n_variables, 2)).copy()
        ranges.setflags(write=False)
        check_choice("link", self.link, tuple(INVERSE_LINKS))
        if not (math.isfinite(self.noise_sd) and self.noise_sd >= 0):
            raise InputError(f"noise_sd must be a finite number from 0 on, got {self.noise_sd!r}.")
        if self.variable_units is not None and len(self.variable_units) != n_variables:
            raise InputError(
                f"variable_units must hold {n_variables} texts, got {len(self.variable_units)}."
            )
        if self.data is not None:
            _check_data(self.data, n_variables * (1 + len(self.functions)))
        ordered = sorted(laws, key=lambda law: law.description_length)
        object.__setattr__(self, "equations", tuple(ordered))
        object.__setattr__(self, "variables", tuple(self.variables))
        object.__setattr__(self, "ranges", ranges)
        object.__setattr__(self, "warnings", tuple(self.warnings))

    def __repr__(self) -> str:
        return plain_text_of(self)

    def _repr_html_(self) -> str:
        return html_of(self)

    @property
    def weights(self) -> Floats:
        """Shape (n_equations,), sum 1: posterior probabilities of the laws within the set."""
        length = np.array([equation.description_length for equation in self.equations])
        weight = np.exp(length.min() - length)
        result: Floats = weight / weight.sum()
        return result

    @property
    def table(self) -> pd.DataFrame:
        """Columns equation, complexity, loss, description_length, weight.

        The equation's numbers have 4 digits, or as many as keep its values on the data within
        0.05 of the noise.
        """
        return pd.DataFrame({
            "equation": [text_of(equation, self) for equation in self.equations],
            "complexity": [equation.complexity for equation in self.equations],
            "loss": [equation.loss for equation in self.equations],
            "description_length": [equation.description_length for equation in self.equations],
            "weight": self.weights,
        })  # fmt: skip

    @property
    def pareto_front(self) -> pd.DataFrame:
        """Laws that no simpler law fits as well as: rows of `table`, simplest first."""
        table = self.table.sort_values(["complexity", "loss"], kind="stable")
        best = table["loss"].cummin().shift(fill_value=math.inf)
        return table[table["loss"] < best]

    @property
    def best(self) -> Equation:
        """The law of smallest description length."""
        return self.equations[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings, and the constants of the best law that these data do not determine."""
        names = unidentified_constants(self.best)
        if not names:
            return self.warnings
        said = f"these data do not determine {', '.join(names)} of the best law"
        return (*self.warnings, said)

    @property
    def fixes_law(self) -> bool:
        """Whether one law holds 90 % of the weight, and a constant does not explain the data."""
        return bool(self.weights[0] >= CREDIBLE_MASS and self.claims_law)

    @property
    def claims_law(self) -> bool:
        """Whether the probability that the target is a constant is below 5 %."""
        constant = constant_probability(self)
        if math.isnan(constant):
            return bool(self.best.variables)
        return constant < CONSTANT_REFUTED

    @property
    def verdict(self) -> str:
        """One sentence: the law, or that these data do not fix it and what would, or no law."""
        return verdict_of(self)

    def law(self, index: int) -> Equation:
        """Return a law by its place.

        Raises
        ------
        InputError
            If there is none.
        """
        if not isinstance(index, int | np.integer) or not 0 <= index < len(self.equations):
            raise InputError(
                f"index must be a whole number from 0 to {len(self.equations) - 1}, got {index!r}."
            )
        return self.equations[index]

    def credible_set(self, mass: float = CREDIBLE_MASS) -> pd.DataFrame:
        """Return the fewest laws that hold ``mass`` of the weight: rows of `table`."""
        return self.table.iloc[: self.n_credible(mass)]

    def n_credible(self, mass: float = CREDIBLE_MASS) -> int:
        """Return how many laws, from the best on, hold ``mass`` of the weight."""
        if not 0 < mass < 1:
            raise InputError(f"mass must lie between 0 and 1, got {mass!r}.")
        return int(np.searchsorted(np.cumsum(self.weights), mass)) + 1

    def index_of(self, programs: Sequence[Sequence[str]]) -> int | None:
        """Place of the law that is a sum of these programs (numbers written ``c``), or None."""
        wanted = frozenset(tuple(str(token) for token in program) for program in programs)
        for index, equation in enumerate(self.equations):
            if equation.structure == wanted:
                return index
        return None

    def columns(self, x: ArrayLike) -> dict[str, Floats]:
        """Columns of x, shape (n, n_variables), by name, and what own functions make of them."""
        matrix = check_array("x", x, shape=(None, len(self.variables)))
        own = {name: matrix[:, index] for index, name in enumerate(self.variables)}
        used = sorted({name for law in self.equations for name in law.variables} - set(own))
        return {**own, **derived_columns(own, self.functions, used)}

    def predict(self, x: ArrayLike) -> Floats:
        """Return what the best law says, shape (n,), for x of shape (n, n_variables)."""
        return self.predict_law(x, 0)

    def predict_law(self, x: ArrayLike, index: int) -> Floats:
        """Return what one law says, shape (n,), for x of shape (n, n_variables)."""
        with np.errstate(all="ignore"):
            return INVERSE_LINKS[self.link](self.law(index).predict(self.columns(x)))

    def predict_interval(
        self,
        x: ArrayLike,
        mass: float = CREDIBLE_MASS,
        rng: int | np.random.Generator | None = None,
        *,
        noise: bool = False,
        noise_sd: ArrayLike | None = None,
    ) -> Floats:
        """Return equal-tailed intervals, shape (n, 2): uncertain law and constants.

        Parameters
        ----------
        x
            Shape (n, n_variables).
        mass
            Probability inside.
        rng
            Seed or generator.
        noise
            Include the noise of one measurement: an interval for what will be measured instead of
            for the law.
        noise_sd
            Its standard deviation, one number or one a row; needed where it differs by point.

        Notes
        -----
        Bayesian model averaging: 4000 draws of a law by its weight (from 0.1 % on) and of its
        constants (`posterior`). NaN where more than a tenth of the draws is undefined.
        """
        return prediction_interval(self, x, mass, rng, noise=noise, noise_sd=noise_sd)

    def posterior(
        self, index: int = 0, n_draws: int = 2000, rng: int | np.random.Generator | None = None
    ) -> Fit:
        """Return the posterior of one law's constants, given that this law holds.

        Parameters
        ----------
        index
            Place of the law.
        n_draws
            Number of draws.
        rng
            Seed or generator.

        Returns
        -------
        Fit
            ``constants`` in the order of ``Equation.constants``, and ``noise_sd`` where the noise
            is unknown. ``diagnostics["pareto_k"]`` above 0.7 is warned of.

        Raises
        ------
        NotIdentified
            If the set holds neither observations nor a covariance of this law.
        """
        return constants_posterior(self, index, n_draws, rng)

    def extrapolates(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Return where rows of x lie outside of what was seen, shape (n,).

        Outside the range of a variable; with observations kept and two or three variables also
        outside their convex hull, with more (or a flat cloud) where the leverage exceeds the
        largest of the observations.
        """
        return extrapolated(self, x)

    @property
    def discriminating_ranges(self) -> pd.DataFrame:
        """Where the laws of the credible set differ most from the best: what to measure next.

        Two rows a law, one inside the range seen and one up to a quarter beyond it (never through
        0): the law, the variables, the difference, the difference over the noise (of the median
        point), whether it lies inside, and ``repeats``: measurements there until odds of 20 to 1
        are expected, infinite where the constants' errors hide the difference.
        """
        return differences(self)

    def to_python(self, index: int = 0) -> str:
        """Return source of a plain numpy function of one law: constants, errors, ranges, units."""
        self.law(index)
        return python_source(self, index)

    def to_latex(self, index: int = 0) -> str:
        """Return one law as LaTeX, numbers of 4 digits."""
        return latex_of(self, index)

    def to_json(self) -> str:
        """Return the whole set as JSON: programs are lists of tokens, nothing in it is executed.

        Observations of more than 200,000 numbers are left out.
        """
        return json_of(self)

    @classmethod
    def from_json(cls, text: str, functions: OwnFunctions | None = None) -> EquationSet:
        """Read what `to_json` wrote (formats 1 and 2); ``functions`` as in the attributes.

        Raises
        ------
        InputError
            If the text is not such a set.
        """
        return set_of_json(text, functions)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the set as JSON, whole or not at all."""
        save_set(self, path)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], functions: OwnFunctions | None = None
    ) -> EquationSet:
        """Read what `save` wrote; ``functions`` as in the attributes.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        InputError
            When the file does not hold a set of laws.
        """
        return read_set(path, functions)


def _check_data(data: SearchData, n_columns: int) -> None:
    x = check_array("data.x", data.x, shape=(n_columns, None))
    check_array("data.y", data.y, shape=(x.shape[1],))
    check_array("data.weight", data.weight, shape=(x.shape[1],), minimum=0.0)
