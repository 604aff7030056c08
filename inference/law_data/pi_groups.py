"""Products of powers that have a unit: prefactors and dimensionless groups (Buckingham)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.law_data.units import BASE_NAMES, BASE_UNITS, Unit, unit_text
from physlearn.inference.laws.expression import Program, Token

__all__ = [
    "Monomial",
    "check_units_make",
    "dimensionless_groups",
    "independent_groups",
    "monomials_of_unit",
]

Floats = NDArray[np.float64]
Powers = tuple[Fraction, ...]

# Exponents tried for the variables that are free to choose; the others follow from the units
FREE = tuple(
    Fraction(a, b)
    for a, b in (
        (0, 1), (1, 1), (-1, 1), (2, 1), (-2, 1), (1, 2), (-1, 2), (3, 1), (-3, 1), (3, 2),
        (-3, 2), (4, 1), (-4, 1),
    )
)  # fmt: skip
FREE_OF_MANY = FREE[:7]
MOST_FREE = 4
MOST_TRIED = 60_000
LARGEST_POWER = 6
MINUS_ONE = Fraction(-1)
PRICE_OF_ROOT = 1.5  # a half; thirds and so on cost more


@dataclass(frozen=True, slots=True)
class Monomial:
    """A product of powers of named quantities.

    Attributes
    ----------
    powers
        One exponent per quantity.
    """

    powers: Powers

    @property
    def price(self) -> float:
        """Sum of the exponents' sizes, roots dearer: what it takes to write it down."""
        return float(sum(abs(p) + (PRICE_OF_ROOT * (p.denominator - 1)) for p in self.powers))

    def values(self, columns: Floats) -> Floats:
        """Evaluate on columns (n_quantities, n); NaN for roots of negative numbers."""
        with np.errstate(all="ignore"):
            result = np.ones(columns.shape[1])
            for power, column in zip(self.powers, columns, strict=True):
                if power.denominator == 1:
                    result = result * column ** int(power)
                else:
                    result = result * column ** float(power)
        return result

    def __mul__(self, other: Monomial) -> Monomial:
        return Monomial(tuple(a + b for a, b in zip(self.powers, other.powers, strict=True)))

    def __pow__(self, power: Fraction) -> Monomial:
        return Monomial(tuple(power * p for p in self.powers))

    def program(self, words: Sequence[Program], factor: Fraction = Fraction(1)) -> Program:
        """Write it in the grammar; ``words`` stand for the quantities, an exact factor before.

        Examples
        --------
        >>> Monomial((Fraction(1), Fraction(-2))).program([("m",), ("r",)])
        ('m', 'r', 'square', 'div')
        """
        over = _product(words, self.powers, 1)
        under = _product(words, self.powers, -1)
        if factor.numerator != 1:
            over = (factor.numerator, *over, "mul") if over else (factor.numerator,)
        if factor.denominator != 1:
            under = (factor.denominator, *under, "mul") if under else (factor.denominator,)
        if not under:
            return over or (1,)
        return (*over, *under, "div") if over else (*under, "inv")


def _product(words: Sequence[Program], powers: Powers, sign: int) -> Program:
    program: Program = ()
    roots: dict[int, Program] = {}
    for word, signed in zip(words, powers, strict=True):
        power = sign * signed
        if power <= 0:
            continue
        if power.denominator == 2:  # one root for all: sqrt(a * b)
            factor = (*word, *_whole_power(power.numerator))
            roots[2] = (*roots[2], *factor, "mul") if 2 in roots else factor
            continue
        if power.denominator == 1:
            factor = (*word, *_whole_power(power.numerator))
        else:
            factor = (*word, power.numerator, power.denominator, "div", "pow")
        program = (*program, *factor, "mul") if program else factor
    if 2 in roots:
        root: Program = (*roots[2], "sqrt")
        program = (*program, *root, "mul") if program else root
    return program


def _whole_power(power: int) -> tuple[Token, ...]:
    short: dict[int, tuple[Token, ...]] = {1: (), 2: ("square",), 3: ("cube",)}
    return short.get(power, (power, "pow"))


def check_units_make(units: Sequence[Unit], names: Sequence[str], target: Unit, name: str) -> None:
    """Raise where no product of powers of these units has the target's unit.

    Raises
    ------
    InputError
        It names the base units that are missing, or the combination that cannot be split.

    Examples
    --------
    >>> from physlearn.inference.law_data.units import parse_unit
    >>> check_units_make([parse_unit("nm"), parse_unit("s")], ["x", "t"], parse_unit("m/s"), "v")
    """
    if _solve(_matrix(units), np.array([float(e) for e in target.exponents])) is not None:
        return
    have = ", ".join(
        f"{n} in {unit_text(u.exponents)}" for n, u in zip(names, units, strict=True)
    )  # fmt: skip
    missing = [
        index for index, base in enumerate(target.exponents)
        if base and not any(unit.exponents[index] for unit in units)
    ]  # fmt: skip
    said = f"units cannot make {name} in {unit_text(target.exponents)} from {have}: "
    if missing:
        bases = " and ".join(
            f"{BASE_UNITS[index]} ({BASE_NAMES[BASE_UNITS[index]]})" for index in missing
        )
        raise InputError(
            f"{said}no variable or constant has {bases}; add what carries it, such as a known "
            "constant with its unit, or leave the units out."
        )
    bound = [
        BASE_UNITS[i] for i in range(len(BASE_UNITS))
        if target.exponents[i] or any(unit.exponents[i] for unit in units)
    ]  # fmt: skip
    raise InputError(
        f"{said}they hold {', '.join(bound)} only in other combinations; add a variable or a known "
        "constant with its unit, or leave the units out."
    )


def _matrix(units: Sequence[Unit]) -> Floats:
    return np.array([[float(e) for e in unit.exponents] for unit in units]).T.reshape(
        len(BASE_UNITS), len(units)
    )


def _solve(matrix: Floats, wanted: Floats) -> Floats | None:
    if not matrix.shape[1]:
        return None if wanted.any() else np.zeros(0)
    solution: Floats = np.asarray(np.linalg.lstsq(matrix, wanted, rcond=None)[0], dtype=float)
    return solution if np.abs(matrix @ solution - wanted).max() < 1e-9 else None


def monomials_of_unit(units: Sequence[Unit], target: Unit, largest: int = 40) -> list[Monomial]:
    """Products of powers that have the target's unit, cheapest first.

    Examples
    --------
    >>> from physlearn.inference.law_data.units import parse_unit
    >>> units = [parse_unit("m"), parse_unit("m/s^2")]
    >>> [str(p) for p in monomials_of_unit(units, parse_unit("s"))[0].powers]
    ['1/2', '-1/2']
    """
    matrix = _matrix(units)
    wanted = np.array([float(e) for e in target.exponents])
    free, pivots = _split(matrix)
    choices = FREE
    while len(choices) ** len(free) > MOST_TRIED and len(choices) > 3:
        choices = choices[:-2]
    found: set[Powers] = set()
    inverse = np.linalg.pinv(matrix[:, pivots]) if pivots else np.zeros((0, len(wanted)))
    for chosen in itertools.product(choices, repeat=len(free)):
        rest = wanted - matrix[:, free] @ np.array([float(c) for c in chosen])
        solved = inverse @ rest
        if pivots and np.abs(matrix[:, pivots] @ solved - rest).max() > 1e-9:
            continue
        if not pivots and np.abs(rest).max() > 1e-9:
            continue
        powers = [Fraction(0)] * len(units)
        for index, value in zip(free, chosen, strict=True):
            powers[index] = value
        exact = [Fraction(float(v)).limit_denominator(6) for v in solved]
        for index, value in zip(pivots, exact, strict=True):
            powers[index] = value
        if max(abs(p) for p in powers) <= LARGEST_POWER:
            found.add(tuple(powers))
    ordered = sorted((Monomial(powers) for powers in found), key=lambda m: (m.price, m.powers))
    return ordered[:largest]


def _split(matrix: Floats) -> tuple[list[int], list[int]]:
    """Free and pivot columns: pivots span the units, taken from the last on."""
    pivots: list[int] = []
    for index in reversed(range(matrix.shape[1])):
        if np.linalg.matrix_rank(matrix[:, [*pivots, index]], tol=1e-9) > len(pivots):
            pivots.append(index)
    return [i for i in range(matrix.shape[1]) if i not in pivots], pivots


def independent_groups(
    units: Sequence[Unit], usable: Callable[[Monomial], bool] | None = None
) -> list[Monomial]:
    """Return the cheapest dimensionless groups that all others are products of powers of.

    ``usable`` says which groups the data define (a column that holds 0 stands below no line); a
    group that is not may stand in as its inverse. Where these are too few, the others follow.

    Their number is that of the quantities less the rank of their units (Buckingham, Phys. Rev.
    4:345, 1914, https://doi.org/10.1103/PhysRev.4.345).

    Examples
    --------
    >>> from physlearn.inference.law_data.units import parse_unit
    >>> len(independent_groups([parse_unit(u) for u in ("m", "m", "s", "1")]))
    2
    """
    nothing = Unit((Fraction(0),) * len(BASE_UNITS))
    chosen: list[Monomial] = []
    n_groups = len(units) - int(np.linalg.matrix_rank(_matrix(units), tol=1e-9))
    candidates = dimensionless_groups(units, nothing)
    if usable is not None:
        turned = [g if usable(g) or not usable(g**MINUS_ONE) else g**MINUS_ONE for g in candidates]
        candidates = sorted(turned, key=lambda group: not usable(group))
    for group in candidates:
        rows = np.array([[float(p) for p in m.powers] for m in (*chosen, group)])
        if np.linalg.matrix_rank(rows, tol=1e-9) > len(chosen):
            chosen.append(group)
        if len(chosen) == n_groups:
            break
    return chosen


def dimensionless_groups(units: Sequence[Unit], nothing: Unit, largest: int = 60) -> list[Monomial]:
    """Primitive groups of whole exponents, cheapest first, one of each and its inverse."""
    groups: dict[Powers, Monomial] = {}
    for monomial in monomials_of_unit(units, nothing, 100_000):
        powers = monomial.powers
        if not any(powers):
            continue
        common = np.lcm.reduce([p.denominator for p in powers])
        whole = [int(p * common) for p in powers]
        divisor = int(np.gcd.reduce(whole))
        # The inverse is the same group: more quantities stand above the line
        signs = sum(np.sign(whole)) or next(w for w in whole if w)
        divisor = divisor if signs > 0 else -divisor
        primitive = tuple(Fraction(w // divisor) for w in whole)
        groups[primitive] = Monomial(primitive)
    return sorted(groups.values(), key=lambda m: (m.price, m.powers))[:largest]
