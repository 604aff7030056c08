"""Numbers of dimensionless laws that may be exact: 1/2, 4/3, the square root of 2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.description_length import measure_law, structure_length
from physlearn.inference.law_search.program_prices import NATS_OF_PRICE
from physlearn.inference.law_search.refinement import polish, shortened
from physlearn.inference.law_search.skeletons import PRICES
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.expression import (
    LARGEST_PROGRAM,
    Program,
    Token,
    is_variable,
)

__all__ = ["of_pure_numbers", "with_exact_numbers"]

LARGEST_DEVIATION = 3.0  # standard deviations between a fitted number and the exact one
MOST_LAWS = 12
MOST_ROUNDS = 5
ROUNDING = 1e-7
# Half nats: between pure numbers a half, or no factor at all, is nothing strange
CHEAPER_FRACTION = 10.0
CHEAPER_HALF = 1.0  # in an exponent, where halves are cheap anyway
CHEAPER_FACTOR = 7.0
CHEAPER_NUMBER = 4.0  # a factor inside
FRACTIONS = sorted(
    {Fraction(a, b) for a in range(1, 9) for b in range(1, 5)} | {Fraction(1, 6), Fraction(1, 8)}
)
ROOTS = (2, 3)
ANGLES = (("sin",), ("cos",))


def of_pure_numbers(law: Equation, n_variables: int) -> Equation:
    """Return the law with its description length where the variables are pure numbers.

    Elsewhere exp(x) and x + 1 are dear, because x might have a unit; of dimensionless groups they
    are as good as any other.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 20)
    >>> data = SearchData(x[None], np.exp(x), np.ones(20), True, ("x",))
    >>> law = measure_law(data, [Term(1, ("x", "exp"))])
    >>> of_pure_numbers(law, 1).description_length < law.description_length
    True
    """
    if law.log_evidence is None:
        return law
    terms, spare = [], 0.0
    pure = PRICES["variable"] + 2.0 * math.log(n_variables) + PRICES["div"]
    for term in law.terms:
        # x / x has no unit; what it costs more than x is taken off again
        program: Program = ()
        for token in term.program:
            program = (*program, token, token, "div") if is_variable(token) else (*program, token)
        if len(program) > LARGEST_PROGRAM:
            return law
        terms.append(Term(term.coefficient, program))
        spare += pure * sum(is_variable(token) for token in term.program)
        spare += CHEAPER_FACTOR * isinstance(term.coefficient, int)
        spare += _spare_of_numbers(term.program)
    length = structure_length(terms, n_variables) - NATS_OF_PRICE * spare - law.log_evidence
    return replace(law, description_length=length)


def _spare_of_numbers(program: Program) -> float:
    """Half nats that exact numbers of a program cost less between pure numbers."""
    spare, place = 0.0, 0
    while place < len(program):
        width = 1
        if isinstance(program[place], int):
            following = program[place + 1 : place + 3]
            if len(following) == 2 and isinstance(following[0], int) and following[1] == "div":
                width = 3
                half = program[place + 3 : place + 4] == ("pow",) and following[0] == 2
                spare += CHEAPER_HALF if half else CHEAPER_FRACTION
            after = program[place + width : place + width + 2]
            # A number of half angles has been made cheaper already
            if place and after[:1] in (("mul",), ("div",)) and after[1:] not in ANGLES:
                spare += CHEAPER_NUMBER
        place += width
    return spare


def with_exact_numbers(data: SearchData, laws: Sequence[Equation]) -> list[Equation]:
    """Return the laws, and the best of them with exact numbers where that is shorter to say.

    In a law of dimensionless groups numbers are universal: a fitted 0.4998(4) that may be 1/2
    most likely is. A number within three standard deviations of a small fraction or of the root of
    one is replaced and the others fitted again, one after the other, while the description becomes
    shorter.
    """
    result = [of_pure_numbers(law, len(data.x)) for law in laws]
    for law in sorted(result, key=lambda law: law.description_length)[:MOST_LAWS]:
        result += shortened(law, partial(_one_more, data), MOST_ROUNDS)
    return result


def _one_more(data: SearchData, law: Equation) -> list[Equation]:
    if law.covariance is None:
        return []
    spread = np.sqrt(np.diag(law.covariance))
    found: list[Equation] = []
    index = 0
    for place, term in enumerate(law.terms):
        others: list[Term] = []
        if isinstance(term.coefficient, float):
            sd = float(spread[index])
            others += [_with_factor(term, tokens) for tokens in _near(term.coefficient, sd)]
            index += 1
        for position, token in enumerate(term.program):
            if isinstance(token, float):
                head, tail = term.program[:position], term.program[position + 1 :]
                others += [
                    Term(term.coefficient, (*head, *tokens, *tail))
                    for tokens in _near(token, float(spread[index]))
                ]
                index += 1
        for other in others:
            terms = (*law.terms[:place], other, *law.terms[place + 1 :])
            with np.errstate(all="ignore"):
                if all(np.isfinite(t.values(data.columns)).all() for t in terms):
                    found.append(_fitted(data, terms))
    return found


def _fitted(data: SearchData, terms: Sequence[Term]) -> Equation:
    law = measure_law(data, terms)
    fitted = polish(data, law, steps=10) if law.constants.size else law
    return of_pure_numbers(fitted, len(data.x))


def _with_factor(term: Term, tokens: Program) -> Term:
    """Give a term an exact coefficient: its whole part before, the rest in the program."""
    first = tokens[0]
    if len(tokens) == 1 and isinstance(first, int):
        return Term(first, term.program)
    if term.program == (1,):
        return Term(1, tokens)
    if len(tokens) == 3 and tokens[2] == "div" and isinstance(first, int):
        return Term(first, (*term.program, tokens[1], "div"))
    return Term(1, (*term.program, *tokens, "mul"))


def _near(value: float, sd: float) -> list[Program]:
    """Exact numbers within the error of a fitted one, at most the two nearest."""
    reach = LARGEST_DEVIATION * sd + ROUNDING * abs(value)
    if not np.isfinite(reach) or reach > 0.3 * abs(value):
        return []
    sign = 1 if value > 0 else -1
    found: list[tuple[float, Program]] = []
    for number in FRACTIONS:
        distance = abs(abs(value) - float(number))
        if distance < reach:
            found.append((distance, _tokens(sign * number)))
    for root in ROOTS:
        for number in (Fraction(1), Fraction(1, 2), Fraction(2), Fraction(1, root)):
            distance = abs(abs(value) - float(number) * root**0.5)
            if distance < reach:
                tail: tuple[Token, ...] = () if number == 1 else (*_tokens(number), "mul")
                sqrt = (root, "sqrt", *tail)
                found.append((distance, (*sqrt, "neg") if sign < 0 else sqrt))
    return [tokens for _, tokens in sorted(found, key=lambda one: one[0])[:2]]


def _tokens(number: Fraction) -> Program:
    if number.denominator == 1:
        return (number.numerator,)
    return (number.numerator, number.denominator, "div")
