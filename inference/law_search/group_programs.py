"""From laws of dimensionless groups back to the user's variables, conversion factors exact."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from physlearn.inference.law_data.pi_groups import Monomial
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.expression import (
    LARGEST_PROGRAM,
    Program,
    Token,
    arguments_of,
)

if TYPE_CHECKING:
    from physlearn.inference.law_search.dimensional_search import Quantities

__all__ = ["law_of_groups"]

ONE = Fraction(1)


def law_of_groups(
    law: Equation,
    prefactor: Monomial,
    groups: Sequence[Monomial],
    names: Sequence[str],
    quantities: Quantities,
) -> tuple[Term, ...] | None:
    """Write ``prefactor * law(groups)`` in the user's variables, numbers in the same order.

    Products of powers are cancelled. None where a term would be longer than the grammar allows.
    """
    words = [(name,) for name in names]
    units = [*quantities.variables, *(unit for *_, unit in quantities.known)]
    values = [Fraction(value) for _, value, _ in quantities.known]

    def program(monomial: Monomial, outer: Fraction = ONE) -> Program | None:
        number = _factor(monomial, units, values)
        if number is None:
            return None
        whole = Monomial(monomial.powers[: len(names)])
        return whole.program(words, number * outer)

    terms = []
    for term in law.terms:
        powers, rest = _split(term.program)
        monomial = prefactor
        for index, group in enumerate(groups):
            power = powers.get(f"group_{index}")
            monomial = monomial * group**power if power else monomial
        before = program(monomial, 1 / quantities.target.factor)
        inner: list[Token] = []
        for token in rest:
            if isinstance(token, str) and token.startswith("group_"):
                own = program(groups[int(token[6:])])
                if own is None:
                    return None
                inner += own
            else:
                inner.append(token)
        if before is None:
            return None
        if rest == (1,):
            whole = before
        elif before == (1,):
            whole = tuple(inner)
        else:
            whole = (*before, *inner, "mul")
        if len(whole) > LARGEST_PROGRAM - 2:
            return None
        terms.append(Term(term.coefficient, whole))
    return tuple(terms)


def _factor(
    monomial: Monomial, units: Sequence[object], values: Sequence[Fraction]
) -> Fraction | None:
    """Exact number that a monomial of the user's numbers lacks to SI, with known constants in."""
    number = ONE
    n_variables = len(units) - len(values)
    for index, (power, unit) in enumerate(zip(monomial.powers, units, strict=True)):
        factor: Fraction = unit.factor  # type: ignore[attr-defined]
        if index >= n_variables:
            factor *= values[index - n_variables]
        if power.denominator == 1:
            number *= factor ** int(power)
        elif factor != 1:
            number *= Fraction(float(factor) ** float(power))
    return _short(number)


def _short(number: Fraction) -> Fraction:
    """Return the fraction of the smallest powers of ten that is the number to 11 digits."""
    if abs(number) < 1:
        return 1 / _short(1 / number)
    for digits in range(16):
        short = number.limit_denominator(10**digits)
        if abs(short / number - 1) < 1e-11:
            return short
    return number


def _split(program: Program) -> tuple[dict[str, Fraction], Program]:
    """Powers of the groups that are factors of a program, and what is left."""
    powers: dict[str, Fraction] = {}
    rest: Program = ()
    for part, power in _factors(program):
        if len(part) == 1 and isinstance(part[0], str):
            powers[part[0]] = powers.get(part[0], Fraction(0)) + power
            continue
        if part == (1,):
            continue
        factor = part
        if power == -1:
            factor = (*part, "inv")
        elif power != 1:
            factor = (*part, *_number(power), "pow")
        rest = (*rest, *factor, "mul") if rest else factor
    return {name: power for name, power in powers.items() if power}, rest or (1,)


def _number(value: Fraction) -> Program:
    if value.denominator == 1:
        return (value.numerator,)
    return (value.numerator, value.denominator, "div")


def _factors(program: Program) -> list[tuple[Program, Fraction]]:
    """Factors of a program with their exponents, in the order of their numbers."""
    last = program[-1]
    short = {
        "inv": Fraction(-1),
        "square": Fraction(2),
        "cube": Fraction(3),
        "sqrt": Fraction(1, 2),
    }
    if last in ("mul", "div"):
        left, right = arguments_of(program)
        sign = 1 if last == "mul" else -1
        return _factors(left) + [(p, sign * power) for p, power in _factors(right)]
    if isinstance(last, str) and last in short:
        inner = _factors(program[:-1])
        if last == "inv" or all(len(p) == 1 and isinstance(p[0], str) for p, _ in inner):
            return [(p, power * short[last]) for p, power in inner]
    if last == "pow":
        base, exponent = arguments_of(program)
        number = _exact(exponent)
        if number is not None and len(base) == 1 and isinstance(base[0], str):
            return [(base, number)]
    return [(program, ONE)]


def _exact(program: Program) -> Fraction | None:
    if len(program) == 1 and isinstance(program[0], int):
        return Fraction(program[0])
    if len(program) == 3 and program[2] == "div":
        over, under = program[0], program[1]
        if isinstance(over, int) and isinstance(under, int) and under:
            return Fraction(over, under)
    return None
