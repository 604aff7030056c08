"""The text of a fixed form, read, and what is known of its constants."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_count
from physlearn.inference.law_data.likelihood_fit import Limits
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.expression import (
    Program,
    gradients,
    gradients_of_rows,
    with_floats,
)
from physlearn.inference.laws.expression_text import parse_template
from physlearn.option_fields import check_fields

__all__ = ["TemplateForm", "TemplateOptions", "read_form"]

Floats = NDArray[np.float64]

NAME = re.compile(r"(?<![\w.])[^\W\d]\w*(?!\w|\s*\()")


@dataclass(frozen=True, slots=True, eq=False)
class TemplateOptions:
    """What is known of the constants of a template.

    Attributes
    ----------
    start
        Name -> first guess.
    bounds
        Name -> (lowest, highest); infinite or None for an open end.
    priors
        Name -> (mean, standard deviation) of a normal prior.
    n_starts
        Number of guesses tried before the best are refined.
    rng
        Seed or generator of the guesses.

    Examples
    --------
    >>> options = TemplateOptions(bounds={"b": (0.0, None)}, priors={"c": (1.0, 0.1)})
    >>> limits = options.limits(["b", "c"])
    >>> limits.low.tolist(), limits.prior_sd.tolist()
    ([0.0, -inf], [inf, 0.1])
    """

    start: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    priors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    n_starts: int = 200
    rng: int | np.random.Generator | None = 0

    def __post_init__(self) -> None:
        check_fields(self)

    def limits(self, names: Sequence[str]) -> Limits:
        """Return bounds and priors in the order of ``names``; names of no constant are refused."""
        for title, given in (
            ("start", self.start),
            ("bounds", self.bounds),
            ("priors", self.priors),
        ):
            unknown = [name for name in given if name not in names]
            if unknown:
                raise InputError(
                    f"{title} names {unknown[0]!r}; the constants are {', '.join(names) or 'none'}."
                )
        check_count("n_starts", self.n_starts, 1)
        count = len(names)
        low, high = np.full(count, -np.inf), np.full(count, np.inf)
        mean, sd = np.zeros(count), np.full(count, np.inf)
        for place, name in enumerate(names):
            first, last = self.bounds.get(name, (None, None))
            low[place] = -np.inf if first is None else first
            high[place] = np.inf if last is None else last
            if not low[place] < high[place]:
                raise InputError(f"bounds[{name!r}] must rise, got {self.bounds[name]}.")
            mean[place], sd[place] = self.priors.get(name, (0.0, np.inf))
            if not (sd[place] > 0 and math.isfinite(mean[place])):
                raise InputError(f"priors[{name!r}] must be a mean and an sd above 0.")
        return Limits(low, high, mean, sd)


@dataclass(frozen=True, slots=True, eq=False)
class TemplateForm:
    """A parsed form.

    Attributes
    ----------
    text
        As given.
    program
        Postfix; every constant's place is a float.
    names
        The constants, each once.
    place
        Shape (n_floats,): which constant a float is.
    """

    text: str
    program: Program
    names: tuple[str, ...]
    place: NDArray[np.int64]

    @property
    def ties(self) -> Floats:
        """Shape (n_floats, n_names), ones where a number is that constant."""
        same: Floats = (self.place[:, None] == np.arange(len(self.names))).astype(np.float64)
        return same

    def model(self, constants: Floats, columns: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """Values (n,) and slopes by the named constants (k, n)."""
        values, slopes = gradients(with_floats(self.program, constants[self.place]), columns)
        return values, self.ties.T @ slopes

    def model_of_rows(
        self, constants: Floats, columns: Mapping[str, Floats]
    ) -> tuple[Floats, Floats]:
        """Values (n,) and slopes (k, n) where every row has named constants (k, n) of its own."""
        values, slopes = gradients_of_rows(self.program, columns, constants[self.place])
        return values, self.ties.T @ slopes

    def equation(self, constants: Floats) -> Equation:
        """Return the law with these constants: one term, numbers in the form's order."""
        numbers = constants[self.place]
        if len(self.program) == 1 and numbers.size:
            return Equation((Term(float(numbers[0]), (1,)),), 0.0, 0.0, 1)
        return Equation((Term(1, with_floats(self.program, numbers)),), 0.0, 0.0, len(self.names))


def read_form(text: str, variables: Sequence[str]) -> TemplateForm:
    """Parse a form; names that are neither variables nor functions are constants.

    Raises
    ------
    InputError
        If the text is no expression of the grammar.

    Examples
    --------
    >>> read_form("a*exp(-b/x) + a", ["x"]).names
    ('a', 'b')
    """
    found = [] if not isinstance(text, str) else NAME.findall(text)
    names = tuple(dict.fromkeys(name for name in found if name not in variables))
    if "pi" in names:
        raise InputError(
            "text uses pi: write the number, 3.14159265, or name a constant otherwise."
        )
    program, places = parse_template(text, tuple(variables), names)
    return TemplateForm(text, program, names, np.array([names.index(p) for p in places], dtype=int))
