"""Full fits of the laws that passed the screening, and exact numbers where the data allow them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.description_length import CONSTANT_TERM, measure_law
from physlearn.inference.law_search.left_over import HOPELESS
from physlearn.inference.law_search.programs import terms_of
from physlearn.inference.law_search.screening import (
    Fitted,
    fit_in_pieces,
    rough_cost,
    spread_points,
)
from physlearn.inference.law_search.skeletons import Skeletons
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.expression import LARGEST_NUMBER, Token

__all__ = ["exact_numbers", "fit_terms", "polish", "refine_candidates", "shortened"]

Floats = NDArray[np.float64]

MOST_POINTS = 600  # for the compiled fits; the last steps see all points
STEPS = 40
KEPT_OF_FITS = 110
ALWAYS_KEPT = 24  # also where one law is ahead of all others
STARTS = np.array([[1.5, 1.5, 1.5], [-1.5, -1.5, -1.5]])
MOST_SNAPPED, MOST_EXACT = 30, 3
LARGEST_DEVIATION = 3.0  # standard deviations between a fitted number and the exact one
EXPONENTS = sorted({
    Fraction(a, b) for b in (1, 2, 3, 4) for a in range(-14, 15) if a and abs(Fraction(a, b)) <= 14
    and (b == 1 or abs(a) <= 7)
})  # fmt: skip
FACTORS = sorted({Fraction(s * a, b) for s in (1, -1) for a in (1, 2, 3) for b in (1, 2)})
CHOICES: dict[Token, list[Fraction]] = {
    "pow": EXPONENTS, "mul": FACTORS, "add": [Fraction(a) for a in (-1, 1, 2, 3)],
}  # fmt: skip
WORDS: dict[Fraction, tuple[Token, ...]] = {
    Fraction(2): ("square",), Fraction(3): ("cube",), Fraction(-1): ("inv",),
    Fraction(1, 2): ("sqrt",), Fraction(-1, 2): ("sqrt", "inv"), Fraction(-2): ("square", "inv"),
    Fraction(-3): ("cube", "inv"),
}  # fmt: skip


def refine_candidates(
    data: SearchData,
    skeletons: Skeletons,
    screened: Fitted,
    goes_on: Callable[[float, Fitted], bool],
) -> list[Equation]:
    """Fit every screened candidate with and without offset on all points and measure the best."""
    both = Fitted(
        np.repeat(screened.rows, 2), np.tile([0, 1], screened.rows.size),
        np.repeat(screened.misfits, 2), np.repeat(screened.constants, 2, axis=0),
    )  # fmt: skip
    part = spread_points(data, MOST_POINTS)
    fitted = fit_in_pieces(part, skeletons, both, STARTS, STEPS, (0.75, 0.95), goes_on)
    cost = rough_cost(part, skeletons, fitted)
    best = np.argsort(cost, kind="stable")[:KEPT_OF_FITS]
    laws = []
    hopeful = cost[best] <= cost[best].min(initial=np.inf) + HOPELESS
    hopeful[:ALWAYS_KEPT] = True
    for index in best[hopeful & np.isfinite(cost[best])]:
        row = fitted.rows[index]
        code = skeletons.programs[row, : skeletons.lengths[row]].tolist()
        programs = terms_of(code, fitted.constants[index].tolist(), data.names)
        if fitted.offsets[index]:
            programs.append(CONSTANT_TERM)
        law = fit_terms(data, programs)
        if law is not None:
            laws.append(law if part is data else polish(data, law))
    return laws


def fit_terms(data: SearchData, programs: Sequence[tuple[Token, ...]]) -> Equation | None:
    """Fit the coefficients of these terms by least squares; None where undefined or collinear."""
    with np.errstate(all="ignore"):
        matrix = np.stack([Term(1.0, program).values(data.columns) for program in programs], axis=1)
    if not np.isfinite(matrix).all():
        return None
    root = np.sqrt(data.weight)
    weighted = matrix * root[:, None]
    # Squares of exponentials far from 0 underflow
    peak = np.abs(weighted).max(axis=0)
    with np.errstate(all="ignore"):
        scale = peak * np.linalg.norm(weighted / peak, axis=0)
    if not ((scale > 0) & np.isfinite(scale)).all():
        return None
    solution, *_ = np.linalg.lstsq(weighted / scale, data.y * root, rcond=None)
    coefficients = solution / scale
    if not np.isfinite(coefficients).all() or (coefficients == 0).any():
        return None
    terms = [Term(float(c), program) for c, program in zip(coefficients, programs, strict=True)]
    return measure_law(data, terms)


def polish(data: SearchData, law: Equation, steps: int = 25) -> Equation:
    """Move all constants of a law to the nearest least-squares optimum (Levenberg-Marquardt)."""
    if not law.constants.size:
        return measure_law(data, law.terms)
    root = np.sqrt(data.weight)
    damping = 1e-3
    with np.errstate(all="ignore"):
        rest = root * (data.y - law.predict(data.columns))
        best = float(rest @ rest)
        for _ in range(steps):
            slopes = law.sensitivities(data.columns) * root
            peak = np.abs(slopes).max(axis=1)
            norm = peak * np.linalg.norm(slopes / peak[:, None], axis=1)
            if not np.isfinite(slopes).all() or not (norm > 0).all():
                break
            slopes = slopes / norm[:, None]
            before = best
            while damping < 1e6:
                gram = slopes @ slopes.T + damping * np.eye(norm.size)
                constants = law.constants + np.linalg.solve(gram, slopes @ rest) / norm
                if not (np.abs(constants) <= LARGEST_NUMBER).all():
                    break
                moved = law.with_constants(constants)
                trial = root * (data.y - moved.predict(data.columns))
                after = float(trial @ trial)
                if after < best:
                    law, rest, best, damping = moved, trial, after, max(0.1 * damping, 1e-12)
                    break
                damping *= 10.0
            if not best < before * (1.0 - 1e-10):
                break
    return measure_law(data, law.terms)


def exact_numbers(data: SearchData, laws: Sequence[Equation]) -> list[Equation]:
    """Return the laws and, where an exponent or a factor may be exact, those with the exact one.

    An exponent within three standard deviations of a small fraction (and a factor inside a
    function, of a small whole number or a half) is replaced and the rest fitted again, as long as
    the description becomes shorter.
    """
    result = list(laws)
    least = min((law.description_length for law in laws), default=0.0)
    for law in laws[:MOST_SNAPPED]:
        if law.description_length <= least + HOPELESS:
            result += shortened(law, partial(_exact_ones, data), MOST_EXACT)
    return result


def shortened(
    law: Equation, others: Callable[[Equation], Sequence[Equation]], most_rounds: int
) -> list[Equation]:
    """Return ever shorter laws: the best of the others of a law, then of the others of that one."""
    result, best = [], law
    for _ in range(most_rounds):
        better = min(others(best), key=lambda other: other.description_length, default=best)
        if not better.description_length < best.description_length:
            break
        best = better
        result.append(best)
    return result


def _exact_ones(data: SearchData, law: Equation) -> list[Equation]:
    if law.covariance is None:
        return []
    spread = np.sqrt(np.diag(law.covariance))
    found = []
    index = 0
    for number, term in enumerate(law.terms):
        exact: list[Term] = []
        if isinstance(term.coefficient, float):
            sign = 1 if term.coefficient > 0 else -1
            near = abs(term.coefficient - sign) < LARGEST_DEVIATION * spread[index]
            if near and term.program != CONSTANT_TERM:
                exact.append(Term(sign, term.program))
            index += 1
        for place, token in enumerate(term.program):
            if isinstance(token, float):
                programs = _nearby(term.program, place, token, float(spread[index]))
                exact += [Term(term.coefficient, program) for program in programs]
                index += 1
        for other in exact:
            terms = (*law.terms[:number], other, *law.terms[number + 1 :])
            if all(np.isfinite(t.values(data.columns)).all() for t in terms):
                found.append(polish(data, measure_law(data, terms), steps=10))
    return found


def _nearby(
    program: tuple[Token, ...], place: int, value: float, sd: float
) -> list[tuple[Token, ...]]:
    """Programs with the number at ``place`` replaced by the nearest exact one within the error."""
    after = program[place + 1] if place + 1 < len(program) else None
    if after not in CHOICES or not math.isfinite(sd):
        return []
    choices = CHOICES[after]
    nearest = min(choices, key=lambda exact: abs(float(exact) - value))
    gap = abs(float(nearest) - value)
    if gap > LARGEST_DEVIATION * sd + 1e-9 * abs(value):
        return []
    rest = program[place + 2 :]
    if after == "pow" and nearest in WORDS:
        return [(*program[:place], *WORDS[nearest], *rest)]
    if after != "add" and nearest == 1:
        return [(*program[:place], *rest)]
    if after != "add" and nearest == -1:
        return [(*program[:place], "neg", *rest)]
    return [(*program[:place], *_number(nearest), after, *rest)]


def _number(value: Fraction) -> tuple[Token, ...]:
    if value.denominator == 1:
        return (value.numerator,)
    return (value.numerator, value.denominator, "div")
