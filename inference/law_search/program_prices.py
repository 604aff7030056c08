"""The price of an expression: its code under the grammar, and what physics finds unlikely.

Laws of nature are homogeneous: summands have one unit and exponentials take pure numbers. Units
need not be known for that; a fitted factor carries any unit, so exp(c x) is a law and exp(x) is one
only if x happens to be a pure number. What could only be right by such a chance costs more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from physlearn.inference.law_search.skeletons import PRICES
from physlearn.inference.laws.expression import OPERATIONS, Token

__all__ = [
    "NATS_OF_PRICE", "PRICE_OF_CHANCE", "is_right_by_chance", "price_of_program",
    "price_without_factor",
]  # fmt: skip

NATS_OF_PRICE = 0.5
PRICE_OF_CHANCE = 10.0  # units that agree only by chance
PRICE_OF_NESTING = 4.0  # a transcendental function of a transcendental function
PRICE_OF_FRACTION = 10.0
PRICE_OF_HALVES = 1.0  # exponents such as 3/2
PRICE_OF_EXACT_FACTOR = 9.0  # a law without a factor of its own
PRICE_OF_EXACT_NUMBER = 4.0  # a factor inside that is a whole number or a fraction
PRICE_OF_POWER_OF_SUM = 4.0  # a cube or other power of a sum with a function in it
LARGEST_POWER_OF_SUM = 4.0
TRANSCENDENTAL = ("exp", "log", "sin", "cos", "tanh")
NEEDS_PURE_NUMBER = ("exp", "tanh")  # an angle is one; log(x) is log(x / x0) and an offset
POWERS = {"inv": -1.0, "square": 2.0, "cube": 3.0, "sqrt": 0.5}

Units = dict[str, float]


@dataclass(slots=True)
class _Part:
    """Price, what it is, whether a transcendental function is inside, units (None: any)."""

    price: float
    kind: str
    curved: bool = False
    units: Units | None = None
    number: float = math.nan
    of_angle: float = 0.0  # taken off again inside a sine: half an angle is nothing strange
    bare: bool = False  # a variable, or one times or plus a constant
    is_sum: bool = False
    by_chance: bool = False
    fitted: float = math.nan  # value of a constant alone


def price_of_program(program: Sequence[Token], n_variables: int) -> float:
    """Half nats of a program in postfix form, as `skeletons` counts them.

    A whole number n costs 1 + 1.2 log|n|; a constant's digits are paid for by the evidence.

    Examples
    --------
    >>> price_of_program(("x", -2.0, "mul", "exp"), 1), price_of_program(("x", "exp"), 1)
    (7.0, 14.0)
    """
    return _whole(program, n_variables).price


def price_without_factor(program: Sequence[Token], n_variables: int) -> float:
    """Half nats of a term whose factor is exactly 1 or -1: likely only for pure numbers.

    Examples
    --------
    >>> price_without_factor(("x", 2.0, "mul", "sin"), 1) < price_without_factor(("x",), 1) + 8
    True
    """
    part = _whole(program, n_variables)
    return part.price + PRICE_OF_EXACT_FACTOR + (PRICE_OF_CHANCE if part.units else 0.0)


def is_right_by_chance(program: Sequence[Token]) -> bool:
    """Say whether a program's units agree only by chance, and its price says so.

    Examples
    --------
    >>> is_right_by_chance(("x", "exp")), is_right_by_chance(("x", 2.0, "mul", "exp"))
    (True, False)
    """
    return _whole(program, 1).by_chance


def _whole(program: Sequence[Token], n_variables: int) -> _Part:
    stack: list[_Part] = []
    for token in program:
        if isinstance(token, float):
            stack.append(_Part(0.0, "constant", fitted=token))
        elif isinstance(token, int):
            price = 1.0 + 1.2 * math.log(max(abs(token), 1))
            stack.append(_Part(price, "number", units={}, number=float(token)))
        elif token not in OPERATIONS:
            price = PRICES["variable"] + 2.0 * math.log(n_variables)
            stack.append(_Part(price, "expression", units={token: 1.0}, bare=True))
        elif OPERATIONS[token].arity == 1:
            stack.append(_of_one(token, stack.pop()))
        else:
            right, left = stack.pop(), stack.pop()
            stack.append(_of_two(token, left, right))
    return stack[0]


def _of_one(operation: str, part: _Part) -> _Part:
    if part.kind != "expression":
        return _Part(part.price + 1.0, part.kind, units=part.units)
    price = part.price + PRICES[operation]
    if operation not in TRANSCENDENTAL:
        units = _times(part.units, POWERS.get(operation, 1.0))
        price += PRICE_OF_POWER_OF_SUM * (operation == "cube" and part.is_sum and not part.bare)
        is_sum = part.is_sum and operation == "inv"
        return _Part(
            price, "expression", part.curved, units, is_sum=is_sum, bare=is_sum and part.bare,
            by_chance=part.by_chance,
        )  # fmt: skip
    price += PRICE_OF_NESTING * part.curved - part.of_angle * (operation in ("sin", "cos"))
    by_chance = operation in NEEDS_PURE_NUMBER and bool(part.units)
    price += PRICE_OF_CHANCE * by_chance
    return _Part(price, "expression", True, {}, by_chance=by_chance or part.by_chance)


def _of_two(operation: str, left: _Part, right: _Part) -> _Part:
    kinds = {left.kind, right.kind}
    kind = next(k for k in ("expression", "constant", "number") if k in kinds)
    price = left.price + right.price + _join_price(operation, left, right)
    of_angle = PRICE_OF_EXACT_NUMBER if operation in ("mul", "div") and "number" in kinds else 0.0
    price += of_angle * (kind == "expression")
    units: Units | None
    by_chance = False
    if operation in ("add", "sub"):
        units = right.units if left.units is None else left.units
        both = left.units is not None and right.units is not None
        by_chance = both and not _equal(left.units or {}, right.units or {})
    elif operation == "pow":
        units = _times(left.units, 1.0 if math.isnan(right.number) else right.number)
        by_chance = right.kind == "expression" and bool(right.units or left.units)
    elif left.units is None or right.units is None:
        units = None  # a fitted factor carries any unit
    else:
        sign = 1.0 if operation == "mul" else -1.0
        names = {*left.units, *right.units}
        units = {n: left.units.get(n, 0.0) + sign * right.units.get(n, 0.0) for n in names}
        units = {name: power for name, power in units.items() if power}
    number = left.number / right.number if operation == "div" and right.number else math.nan
    bare = "constant" in kinds and (left.bare or right.bare) and operation != "pow"
    is_sum = operation in ("add", "sub")
    # x / (x + c) is 1 / (1 + c / x)
    is_sum |= operation in ("mul", "div") and (left.is_sum or right.is_sum)
    return _Part(
        price + PRICE_OF_CHANCE * by_chance, kind, left.curved or right.curved, units, number,
        of_angle, bare, is_sum, by_chance or left.by_chance or right.by_chance,
    )  # fmt: skip


def _times(units: Units | None, power: float) -> Units | None:
    return None if units is None else {name: value * power for name, value in units.items()}


def _equal(first: Units, second: Units) -> bool:
    names = {*first, *second}
    return all(abs(first.get(name, 0.0) - second.get(name, 0.0)) < 1e-9 for name in names)


def _join_price(operation: str, left: _Part, right: _Part) -> float:
    if "expression" not in (left.kind, right.kind):
        return PRICE_OF_FRACTION
    if operation == "pow":
        return _power_price(left, right)
    if left.kind == right.kind:
        return PRICES[operation]
    beside = right.kind if left.kind == "expression" else left.kind
    if beside == "number":
        return PRICES["plus_one"] - 1.0 if operation in ("add", "sub") else 2.0
    constant = PRICES["plus_c"] if operation in ("add", "sub") else PRICES["times_c"]
    # A constant on the left of a difference or a quotient turns the sign or the fraction over
    turned = left.kind == "constant" and operation in ("sub", "div")
    return constant + (PRICES["neg"] if turned else 0.0)


def _power_price(base: _Part, exponent: _Part) -> float:
    if base.kind == exponent.kind:
        return PRICES["to_c"] + 2.0
    # What has been raised to a large power mimics any smooth curve
    value = exponent.fitted if exponent.kind == "constant" else exponent.number
    strange = (not base.bare) + (abs(value) > LARGEST_POWER_OF_SUM)
    price = PRICE_OF_POWER_OF_SUM * strange * base.is_sum
    if exponent.kind != "number":
        return price + PRICES["to_c"]
    halves = (2.0 * exponent.number).is_integer() and not exponent.number.is_integer()
    return price + 2.0 - (PRICE_OF_FRACTION - PRICE_OF_HALVES if halves else 0.0)
