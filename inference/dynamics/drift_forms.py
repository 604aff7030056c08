"""Forms that a drift or a diffusion may take, and how well free curves bear them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from physlearn.inference.dynamics.drift_curve import Told
from physlearn.inference.dynamics.drift_fit import constant_widths
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.description_length import structure_length
from physlearn.inference.law_search.expression_search import SearchOptions, find_laws
from physlearn.inference.law_search.unit_scales import rescaled_terms
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.expression import Program, floats_of, gradients, with_floats

__all__ = [
    "DriftForm",
    "diffusion_forms",
    "drift_forms",
    "fit_form",
    "raised",
    "searched_forms",
    "zero_law",
]

Floats = NDArray[np.float64]

POWERS: tuple[Program, ...] = ((), ("square",), ("cube",), (4, "pow"), (5, "pow"))
MOST_TERMS = 4
MOST_TERMS_OF_TWO = 3
SEARCHED = SearchOptions(
    highest_price=10, unary=("exp", "inv", "square", "cube", "sin", "tanh"), n_terms=2, n_kept=10
)
POLISHED = 2
MOST_PERIODS = {1: 16.0, 2: 4.0}
MOST_STEPS = 60
FAR = 1e6
LOWEST = 0.05  # of the typical D, that of a law which would be negative somewhere


@dataclass(frozen=True, slots=True)
class DriftForm:
    """Programs of a sum, each with a factor to fit, and starts of the constants inside them."""

    programs: tuple[Program, ...]
    starts: tuple[tuple[float, ...], ...] = ((),)

    @property
    def n_constants(self) -> int:
        """Factors and constants inside."""
        return len(self.programs) + sum(len(floats_of(program)) for program in self.programs)


def zero_law() -> Equation:
    """Return the law that there is nothing."""
    return Equation((Term(0, (1,)),), 0.0, 0.0, 0)


def drift_forms(names: Sequence[str], nodes: Floats) -> list[DriftForm]:
    """Nothing, constant, sums of powers, washboards, steps, exponentials; of each axis.

    Examples
    --------
    >>> forms = drift_forms(["x"], np.linspace(-1.0, 1.0, 9)[None])
    >>> DriftForm((("x",),)) in forms, DriftForm((("x",), ("x", "cube"))) in forms
    (True, True)
    """
    one = len(names) == 1
    monomials = _monomials(names, 5 if one else 3)
    most = MOST_TERMS if one else MOST_TERMS_OF_TWO
    forms = [DriftForm(())]
    for count in range(1, most + 1):
        forms += [DriftForm(chosen) for chosen in combinations(((1,), *monomials), count)]
    for name, place in zip(names, nodes, strict=True):
        forms += _bent_forms(name, float(np.ptp(place)), MOST_PERIODS[len(names)])
    return forms


def _monomials(names: Sequence[str], degree: int) -> tuple[Program, ...]:
    """Powers of one variable, or products of powers of two."""
    if len(names) == 1:
        return tuple((names[0], *power) for power in POWERS[:degree])
    first, second = names
    found: list[Program] = []
    for total in range(1, degree + 1):
        for k in range(total, -1, -1):
            left = (first, *POWERS[k - 1]) if k else ()
            right = (second, *POWERS[total - k - 1]) if total > k else ()
            found.append((*left, *right, "mul") if left and right else (*left, *right))
    return tuple(found)


def _bent_forms(name: str, span: float, most_periods: float) -> list[DriftForm]:
    """Forms with constants inside: washboards of some periods, smooth steps, exponentials."""
    periods = np.append(0.75, np.arange(0.5, most_periods + 0.1, 0.5))
    waves = (2 * math.pi * periods / span).tolist()
    rates = [k / span for k in (1.0, 3.0, 8.0)]
    sine: Program = (name, waves[0], "mul", "sin")
    shifted: Program = (name, waves[0], "mul", 0.0, "add", "sin")
    step: Program = (name, rates[0], "mul", "tanh")
    wall: Program = (name, rates[0], "mul", "exp")
    both = tuple((sign * k,) for k in rates for sign in (1, -1))
    plain = tuple((k,) for k in waves)
    turned = tuple((k, phase) for k in waves for phase in (0.0, 1.5))
    forms: list[DriftForm] = []
    for extra in ((), ((1,),), ((name,),)):
        forms += [DriftForm((sine, *extra), plain), DriftForm((shifted, *extra), turned)]
    for extra in ((), ((1,),)):
        forms.append(DriftForm((step, *extra), tuple((k,) for k in rates)))
        forms.append(DriftForm((wall, *extra), both))
    return forms


def diffusion_forms(names: Sequence[str]) -> list[DriftForm]:
    """Constant, and up to squares of each axis, or an exponential.

    Examples
    --------
    >>> len(diffusion_forms(["x"]))
    5
    """
    forms = [DriftForm(((1,),))]
    for name in names:
        line, square = (name,), (name, "square")
        forms += [DriftForm((*chosen, (1,))) for chosen in ((line,), (square,), (line, square))]
        forms.append(DriftForm(((name, 0.1, "mul", "exp"),), ((0.1,), (-0.1,))))
    if len(names) == 2:
        forms.append(DriftForm((*((name, "square") for name in names), (1,))))
    return forms


def searched_forms(told: Told, names: Sequence[str], known: list[DriftForm]) -> list[DriftForm]:
    """Forms of few symbols that follow a curve, its nodes taken as independent: proposals only."""
    weight = told.precisions
    if len(names) > 1 or not (weight > 0).all():
        return []
    data = SearchData(told.nodes, told.values, weight, True, tuple(names))
    there = {_shape(form.programs) for form in known}
    forms = []
    for law in find_laws(data, SEARCHED).laws:
        programs = tuple(term.program for term in law.terms)
        # An exact number may not stand for a place: it would mean another law in another unit
        free = all(isinstance(term.coefficient, float) for term in law.terms)
        free = free and rescaled_terms(law.terms, dict.fromkeys(names, 2.0), 3.0) is not None
        if not free or _shape(programs) in there:
            continue
        there.add(_shape(programs))
        inside = tuple(value for program in programs for value in floats_of(program))
        forms.append(DriftForm(programs, (inside,)))
    return forms


def _shape(programs: tuple[Program, ...]) -> frozenset[tuple[str, ...]]:
    return frozenset(
        tuple("c" if isinstance(token, float) else str(token) for token in program)
        for program in programs
    )


def fit_form(
    form: DriftForm, told: Told, names: Sequence[str], reach: float, places: dict[str, Floats]
) -> Equation | None:
    """Fit a form to a curve and measure it; None where it has no value.

    ``reach``: size of what is expected, for the priors; ``places``: columns where particles were.
    """
    columns = dict(zip(names, told.nodes, strict=True))
    if not form.programs:
        law = zero_law()
    else:
        begun = [_started(form, start, told, columns) for start in form.starts]
        rough = [(_misfit(law, told, columns), k, law) for k, law in enumerate(begun) if law]
        rough = sorted((r for r in rough if math.isfinite(r[0])), key=lambda r: r[:2])
        if not rough:
            return None
        best = [_polished(law, told, columns) for _, _, law in rough[:POLISHED]]
        law = min(best, key=lambda one: _misfit(one, told, columns))
    misfit = _misfit(law, told, columns)
    slopes = gradients(law.program, columns)[1] if len(law.constants) else np.zeros((0, 1))
    design = told.root @ slopes.T if len(law.constants) else np.zeros((1, 0))
    width = constant_widths(law, places, reach)
    if not (np.isfinite(design).all() and math.isfinite(misfit)):
        return None
    room = float(np.linalg.slogdet(np.eye(len(width)) + (design * width).T @ (design * width))[1])
    evidence = -0.5 * (misfit + room)
    return Equation(
        law.terms, misfit, structure_length(law.terms, len(names)) - evidence,
        len(law.constants), None, evidence,
    )  # fmt: skip


def raised(law: Equation, told: Told, names: Sequence[str], points: Floats) -> Equation:
    """Return a diffusion that is positive at points (d, m): its constant term as large as needed.

    A curve's best quadratic may be negative where D is small; the likelihood finds where it is not.
    """
    with np.errstate(all="ignore"):
        least = float(law.predict(dict(zip(names, points, strict=True))).min())
    constant = [k for k, term in enumerate(law.terms) if term.program == (1,)]
    if least > 0.0 or not constant or not math.isfinite(least):
        return law
    lack = LOWEST * float(np.median(told.values)) - least
    terms = list(law.terms)
    terms[constant[0]] = Term(float(terms[constant[0]].coefficient) + lack, (1,))
    found = replace(law, terms=tuple(terms))
    columns = dict(zip(names, told.nodes, strict=True))
    lost = 0.5 * (_misfit(found, told, columns) - _misfit(law, told, columns))
    return replace(found, description_length=law.description_length + lost)


def _misfit(law: Equation, told: Told, columns: dict[str, Floats]) -> float:
    with np.errstate(all="ignore"):
        miss = told.seen - told.root @ law.predict(columns)
    return float(miss @ miss) if np.isfinite(miss).all() else math.inf


def _started(
    form: DriftForm, start: Sequence[float], told: Told, columns: dict[str, Floats]
) -> Equation | None:
    """Take inner constants as given, factors by generalised least squares."""
    left, terms = list(start), []
    for program in form.programs:
        count = len(floats_of(program))
        terms.append(Term(1.0, with_floats(program, left[:count])))
        left = left[count:]
    with np.errstate(all="ignore"):
        design = told.root @ np.stack([term.values(columns) for term in terms], axis=1)
    if not np.isfinite(design).all():
        return None
    size = np.maximum(np.sqrt((design**2).sum(axis=0)), 1e-300)
    factors = np.linalg.lstsq(design / size, told.seen, rcond=None)[0] / size
    if not np.isfinite(factors).all():
        return None
    filled = [Term(float(f), term.program) for f, term in zip(factors, terms, strict=True)]
    return Equation(tuple(filled), 0.0, 0.0, 0)


def _polished(law: Equation, told: Told, columns: dict[str, Floats]) -> Equation:
    """Fit all constants of a law that is not linear in them."""
    if all(not floats_of(term.program) for term in law.terms):
        return law
    scale = np.where(law.constants == 0, 1.0, np.abs(law.constants))
    program = law.program

    def miss(point: Floats) -> Floats:
        with np.errstate(all="ignore"):
            values = gradients(with_floats(program, point * scale), columns)[0]
            rest: Floats = told.seen - told.root @ values
        return np.where(np.isfinite(rest), rest, FAR)

    def slopes(point: Floats) -> Floats:
        with np.errstate(all="ignore"):
            here = gradients(with_floats(program, point * scale), columns)[1]
        return np.nan_to_num(-(told.root @ here.T) * scale, posinf=0.0, neginf=0.0)

    begun = law.constants / scale
    if len(told.seen) < len(begun):
        return law
    found = optimize.least_squares(miss, begun, slopes, method="lm", max_nfev=MOST_STEPS)
    return law.with_constants(found.x * scale) if np.isfinite(found.x).all() else law
