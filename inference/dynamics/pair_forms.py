"""Forms that a force between two bodies may take, and their fit to a measured curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from physlearn.inference.dynamics.wall_units import in_units, takes_units
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_data.template_forms import read_form
from physlearn.inference.law_search.expression_search import SearchOptions, find_laws
from physlearn.inference.laws.equation import Equation, Term, split_terms
from physlearn.inference.laws.expression import Program, floats_of, gradients, with_floats

__all__ = ["NO_FORCE", "PairForm", "fit_to_curve", "force_forms", "in_film_units", "searched_forms"]

Floats = NDArray[np.float64]

FEWEST_NODES = 5
SEARCHED = SearchOptions(
    highest_price=13, unary=("exp", "log", "sqrt", "inv", "square", "cube"), n_terms=2, n_kept=20,
)  # fmt: skip
MOST_CONSTANTS = 4  # of a form that was searched
SMALLEST, LARGEST = 1e-3, 30.0  # of constants within, lengths in median distances
LINEAR = ("a", "b", "c")
LENGTHS = (0.2, 0.5, 1.0, 3.0)  # of the median distance
KNOWN: tuple[tuple[str, dict[str, tuple[float, ...]]], ...] = (
    ("a/r", {}),
    ("a/r**2", {}),
    ("a/r**3", {}),
    ("a/r**4", {}),
    ("a*r", {}),
    ("a*r**p", {"p": (-6.0, -2.0, 1.0)}),
    ("a*r + b", {}),
    ("a/r**2 + b", {}),
    ("a/r**2 + b*r", {}),
    ("a/r**2 + b/r", {}),
    ("a/r**2 + b/r**3", {}),
    ("a/r**2 + b/r**4", {}),
    ("a*exp(-r/l)", {"l": LENGTHS}),
    ("a*exp(-r/l)/r", {"l": LENGTHS}),
    ("a*exp(-r/l)/r**2", {"l": LENGTHS}),
    ("a*exp(-r/l)*(inv(r)**2 + inv(l*r))", {"l": LENGTHS}),
    ("a*exp(-2*r/l) - b*exp(-r/l)", {"l": LENGTHS}),
    ("a/r**13 - b/r**7", {}),
    ("a*r/sqrt(r**2 + l**2)**3", {"l": LENGTHS}),
)


@dataclass(frozen=True, slots=True, eq=False)
class PairForm:
    """A program of ``r`` with free numbers, several of which may be one constant.

    Attributes
    ----------
    program
        Postfix; every float is a place for a constant.
    place
        Shape (n_floats,): which constant a float is.
    linear
        Shape (n_constants,): which constants are factors.
    starts
        Rows of first guesses; of linear constants they do not matter.
    known
        Whether it comes from a list, not from a search.
    """

    program: Program
    place: NDArray[np.int64]
    linear: NDArray[np.bool_]
    starts: tuple[tuple[float, ...], ...]
    known: bool = True

    @property
    def n_constants(self) -> int:
        """Free numbers, each counted once."""
        return len(self.linear)

    def __call__(self, constants: Floats, distance: Floats) -> tuple[Floats, Floats]:
        """Return forces (n,) and slopes by the constants (k, n)."""
        if self.program == (0,):
            return np.zeros(len(distance)), np.zeros((0, len(distance)))
        filled = with_floats(self.program, constants[self.place])
        values, slopes = gradients(filled, {"r": distance})
        ties = self.place[:, None] == np.arange(self.n_constants)
        return values, ties.T.astype(np.float64) @ slopes

    def degenerate(self, constants: Floats) -> bool:
        """Whether a constant within has run to where the form is another, shorter one."""
        inner = np.abs(constants[~self.linear])
        return bool(((inner < SMALLEST) | (inner > LARGEST)).any())

    def equation(self, constants: Floats) -> tuple[Equation, Floats]:
        """Return the law, and the slopes of its numbers by the constants (n_numbers, k)."""
        if self.program == (0,):
            return Equation((Term(0, (1,)),), 0.0, 0.0, 0), np.zeros((0, 0))
        # Terms may put the numbers in another order: marks show where each has gone
        marks = np.arange(len(self.place), dtype=np.float64) + 1.5
        marked = np.array([n for t in split_terms(with_floats(self.program, marks))
                           for n in floats_of(t.whole)])  # fmt: skip
        came, sign = np.rint(np.abs(marked) - 1.5).astype(int), np.sign(marked)
        law = Equation(split_terms(with_floats(self.program, constants[self.place])), 0.0, 0.0, 0)
        slopes = np.zeros((len(came), self.n_constants))
        slopes[np.arange(len(came)), self.place[came]] = sign
        return replace(law.with_constants(slopes @ constants), n_constants=self.n_constants), slopes


NO_FORCE = PairForm((0,), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool), ((),))


def force_forms(laws: tuple[str, ...] = ()) -> list[PairForm]:
    """Return no force, the known forms, and the user's.

    ``laws``: texts such as ``a/r**2 + b*exp(-r/l)``; a, b, c are factors, other names constants
    within, which begin near the median distance and near its inverse.
    """
    given = [(text, dict[str, tuple[float, ...]]()) for text in laws]
    return [NO_FORCE, *(_read(text, starts) for text, starts in (*KNOWN, *given))]


def _read(text: str, starts: dict[str, tuple[float, ...]]) -> PairForm:
    form = read_form(text, ["r"])
    linear = np.array([name in LINEAR for name in form.names], dtype=bool)
    guesses = [(1.0,) if name in LINEAR else starts.get(name, LENGTHS) for name in form.names]
    return PairForm(_plain(form.program), form.place, linear, tuple(product(*guesses)))


def _plain(program: Program) -> Program:
    """Write quotients as products and small powers by name, as the search does."""
    out: list[str | int | float] = []
    for word in program:
        if word == "div":
            out += ["inv", "mul"]
        elif word == "pow" and out[-1] in (2, 3) and isinstance(out[-1], int):
            out[-1] = {2: "square", 3: "cube"}[out[-1]]
        else:
            out.append(word)
    return tuple(out)


def searched_forms(distance: Floats, force: Floats, sd: Floats) -> list[PairForm]:
    """Forms of few tokens that follow a curve, errors taken as independent: proposals only."""
    if len(distance) < FEWEST_NODES:
        return []
    size = float(np.abs(force).max()) or 1.0
    data = SearchData(distance[None], force / size, (size / sd) ** 2, True, ("r",))
    found = []
    for law in find_laws(data, SEARCHED).laws:
        free = all(isinstance(term.coefficient, float) for term in law.terms)
        free = free and bool(law.variables)  # a constant: r**p about p = 0
        # An exact number may not stand for a length: it would mean another law in another unit
        if not free or not all(takes_units(_named(t.program, "r", "drive")) for t in law.terms):
            continue
        numbers = law.constants
        if len(numbers) > MOST_CONSTANTS:
            continue
        starts = np.array(numbers)
        place = np.arange(len(numbers))
        linear = np.zeros(len(numbers), dtype=bool)
        first = np.cumsum([0, *(1 + len(floats_of(t.program)) for t in law.terms)])[:-1]
        linear[first] = True
        found.append(PairForm(law.program, place, linear, (tuple(starts.tolist()),), False))
    return found


def fit_to_curve(
    form: PairForm, distance: Floats, force: Floats, root: Floats
) -> tuple[Floats, float] | None:
    """Fit a form to forces (k,) whose information is ``root.T @ root``; None where undefined."""
    best: tuple[Floats, float] | None = None
    if not form.n_constants:
        return np.zeros(0), float(((root @ force) ** 2).sum())
    for start in form.starts:
        begun = _linear_start(form, np.array(start, dtype=np.float64), distance, force, root)
        if begun is None:
            continue
        if form.linear.all():
            rest = root @ (form(begun, distance)[0] - force)
            return begun, float(rest @ rest)
        scale = np.where(begun == 0.0, 1.0, np.abs(begun))
        miss, slopes = _misses(form, scale, distance, force, root)
        with np.errstate(all="ignore"):
            found = optimize.least_squares(miss, begun / scale, slopes, method="trf", max_nfev=60)
        misfit = float((found.fun**2).sum())
        if np.isfinite(misfit) and (best is None or misfit < best[1]):
            best = (found.x * scale, misfit)
    return best


def _misses(
    form: PairForm, scale: Floats, distance: Floats, force: Floats, root: Floats
) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """Standardised residuals at a point, and their slopes."""

    def miss(point: Floats) -> Floats:
        values = form(point * scale, distance)[0]
        return np.where(np.isfinite(values).all(), root @ (np.nan_to_num(values) - force), 1e6)

    def slopes(point: Floats) -> Floats:
        return root @ np.nan_to_num(form(point * scale, distance)[1] * scale[:, None]).T

    return miss, slopes


def _linear_start(
    form: PairForm, start: Floats, distance: Floats, force: Floats, root: Floats
) -> Floats | None:
    """Take the constants within as guessed and the factors by generalised least squares."""
    columns = np.nan_to_num(form(np.where(form.linear, 1.0, start), distance)[1][form.linear])
    if not np.isfinite(columns).all() or not columns.any():
        return None
    begun = start.copy()
    begun[form.linear] = np.linalg.lstsq(root @ columns.T, root @ force, rcond=None)[0]
    return begun


def in_film_units(law: Equation, length: float, force: float) -> Equation:
    """Return a law of r / ``length``, in units of ``force``, as one of r in the film's units."""
    if not law.variables and not law.constants.size:
        return law
    terms = [Term(t.coefficient, _named(t.program, "r", "drive")) for t in law.terms]
    moved = in_units(replace(law, terms=tuple(terms)), length)
    back = tuple(Term(t.coefficient, _named(t.program, "drive", "r")) for t in moved.terms)
    numbers = [
        [force] * isinstance(t.coefficient, float) + [1.0] * len(floats_of(t.program)) for t in back
    ]
    factors = np.array([n for row in numbers for n in row])
    found = replace(moved, terms=back)
    found = found.with_constants(found.constants * factors)
    if law.covariance is None:
        return found
    return replace(found, covariance=moved.covariance * np.outer(factors, factors))


def _named(program: Program, old: str, new: str) -> Program:
    return tuple(new if token == old else token for token in program)
