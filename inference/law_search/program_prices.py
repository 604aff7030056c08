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

__all__ = ["NATS_OF_PRICE", "price_of_program", "price_without_factor"]

NATS_OF_PRICE = 0.5
PRICE_OF_CHANCE = 7.0  # units that agree only by chance
PRICE_OF_NESTING = 4.0  # a transcendental function of a transcendental function
PRICE_OF_FRACTION = 6.0
PRICE_OF_EXACT_FACTOR = 6.0  # a law without a factor of its own
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


def price_of_program(program: Sequence[Token], n_variables: int) -> float:
    """Half nats of a program in postfix form, as `skeletons` counts them.

    A whole number n costs 1 + 1.2 log|n|; a constant's digits are paid for by the evidence.

    Examples
    --------
    >>> price_of_program(("x", -2.0, "mul", "exp"), 1), price_of_program(("x", "exp"), 1)
    (7.0, 11.0)
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


def _whole(program: Sequence[Token], n_variables: int) -> _Part:
    stack: list[_Part] = []
    for token in program:
        if isinstance(token, float):
            stack.append(_Part(0.0, "constant"))
        elif isinstance(token, int):
            price = 1.0 + 1.2 * math.log(max(abs(token), 1))
            stack.append(_Part(price, "number", units={}, number=float(token)))
        elif token not in OPERATIONS:
            price = PRICES["variable"] + 2.0 * math.log(n_variables)
            stack.append(_Part(price, "expression", units={token: 1.0}))
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
        return _Part(price, "expression", part.curved, units)
    price += PRICE_OF_NESTING * part.curved
    if operation in NEEDS_PURE_NUMBER and part.units:
        price += PRICE_OF_CHANCE
    return _Part(price, "expression", True, {})


def _of_two(operation: str, left: _Part, right: _Part) -> _Part:
    kinds = {left.kind, right.kind}
    kind = next(k for k in ("expression", "constant", "number") if k in kinds)
    price = left.price + right.price + _join_price(operation, left.kind, right.kind)
    units: Units | None
    if operation in ("add", "sub"):
        units = right.units if left.units is None else left.units
        both = left.units is not None and right.units is not None
        if both and not _equal(left.units or {}, right.units or {}):
            price += PRICE_OF_CHANCE
    elif operation == "pow":
        units = _times(left.units, 1.0 if math.isnan(right.number) else right.number)
        if right.kind == "expression" and (right.units or left.units):
            price += PRICE_OF_CHANCE
    elif left.units is None or right.units is None:
        units = None  # a fitted factor carries any unit
    else:
        sign = 1.0 if operation == "mul" else -1.0
        names = {*left.units, *right.units}
        units = {n: left.units.get(n, 0.0) + sign * right.units.get(n, 0.0) for n in names}
        units = {name: power for name, power in units.items() if power}
    number = left.number / right.number if operation == "div" and right.number else math.nan
    return _Part(price, kind, left.curved or right.curved, units, number)


def _times(units: Units | None, power: float) -> Units | None:
    return None if units is None else {name: value * power for name, value in units.items()}


def _equal(first: Units, second: Units) -> bool:
    names = {*first, *second}
    return all(abs(first.get(name, 0.0) - second.get(name, 0.0)) < 1e-9 for name in names)


def _join_price(operation: str, left: str, right: str) -> float:
    if "expression" not in (left, right):
        return PRICE_OF_FRACTION
    if left == right:
        return PRICES[operation] if operation != "pow" else PRICES["to_c"] + 2.0
    beside = right if left == "expression" else left
    if beside == "number":
        return PRICES["plus_one"] - 1.0 if operation in ("add", "sub") else 2.0
    if operation == "pow":
        return PRICES["to_c"]
    constant = PRICES["plus_c"] if operation in ("add", "sub") else PRICES["times_c"]
    # A constant on the left of a difference or a quotient turns the sign or the fraction over
    turned = left == "constant" and operation in ("sub", "div")
    return constant + (PRICES["neg"] if turned else 0.0)
