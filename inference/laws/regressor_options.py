"""Options of `SymbolicRegressor` beyond the main ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import check_choice, check_count
from physlearn.inference.law_search.search_options import BINARY, SearchOptions
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.law_predictions import INVERSE_LINKS
from physlearn.option_fields import check_fields

__all__ = ["RegressorOptions"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RegressorOptions:
    """What few fits need.

    Attributes
    ----------
    binary
        Operations of two arguments: add, sub, mul, div, pow.
    n_terms
        Most terms of a sum, 1 to 3, not counting the offset.
    n_kept
        Most laws kept.
    highest_price
        Longest expressions of the exhaustive search (`SearchOptions`); two more take three times
        as long.
    link
        The laws say ``link(y)``: identity, log, log10, sqrt, inv or logit. ``"log"`` with unknown
        noise stands for relative noise.
    functions
        The user's own functions of one variable, name -> function of an array: the law may use
        ``name_x`` for every variable x.
    constants
        Constants known with their units, name -> (value, unit): with ``units`` they may enter any
        law, as ``{"k_B": (1.380649e-23, "J/K")}``.
    constraints
        Called with a fitted law; a sentence removes the law, None keeps it.
    progress
        Called with the fraction done and the text of the best law so far.
    stop
        Asked between pieces of work; True ends the search with what there is.
    n_evaluations
        Of the operon backend.
    n_iterations
        Of the pysr backend.

    Raises
    ------
    InputError
        If an option is not one of those listed.

    Examples
    --------
    >>> RegressorOptions(link="log").n_kept
    60
    """

    binary: tuple[str, ...] = BINARY
    n_terms: int = 3
    n_kept: int = 60
    highest_price: int | None = None
    link: str = "identity"
    functions: Mapping[str, Callable[[Floats], Floats]] = field(default_factory=dict)
    constants: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    constraints: Callable[[Equation], str | None] | None = None
    progress: Callable[[float, str], None] | None = None
    stop: Callable[[], bool] | None = None
    n_evaluations: int = 100_000
    n_iterations: int = 40

    def __post_init__(self) -> None:
        check_choice("link", self.link, tuple(INVERSE_LINKS))
        check_count("n_evaluations", self.n_evaluations, 1)
        check_count("n_iterations", self.n_iterations, 1)
        self.search(("inv",), None)
        check_fields(self)

    def search(self, unary: Sequence[str], largest_size: int | None) -> SearchOptions:
        """Return what the search takes."""
        return SearchOptions(
            largest_size=largest_size, highest_price=self.highest_price, unary=unary,
            binary=self.binary, n_terms=self.n_terms, n_kept=self.n_kept, stop=self.stop,
            progress=self.progress, constraints=self.constraints,
        )  # fmt: skip
