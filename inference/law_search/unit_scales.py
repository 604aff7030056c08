"""Laws in other units: every column divided by a scale, the constants moved so the values stay.

A unit of a variable is a factor that a law must be able to take up: a fitted factor takes it up, a
shift moves with it, a logarithm gives it to the offset. What cannot, such as exp(x) or 1 + x, holds
a number that belongs to the unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.laws.equation import Term
from physlearn.inference.laws.expression import OPERATIONS, Token

__all__ = [
    "power_of_two",
    "rescaled_terms",
    "scaled_data",
    "shifts_of_units",
    "typical_scales",
]

Floats = NDArray[np.float64]

CONSTANT_TERM: tuple[Token, ...] = (1,)
SAME = 1e-12  # two factors, or a shift and none
LARGEST_LOGARITHM = 600.0
POWERS = {"inv": -1.0, "square": 2.0, "cube": 3.0, "sqrt": 0.5}
NEEDS_PURE_NUMBER = ("exp", "sin", "cos", "tanh")


class _BoundError(Exception):
    """A number of the program belongs to the unit."""


@dataclass(slots=True)
class _Part:
    """Value in old units = exp(``log_factor``) * (value of ``tokens``) + ``shift``.

    ``free``: fitted numbers (place, power) that multiply the whole by k when each takes k**power.
    """

    tokens: list[Token]
    log_factor: float = 0.0
    shift: float = 0.0
    free: tuple[tuple[int, float], ...] = ()
    taken: dict[int, float] = field(default_factory=dict)  # place -> shift that a number took up

    @property
    def is_number(self) -> bool:
        return len(self.tokens) == 1 and isinstance(self.tokens[0], float)

    def take_up(self, log_factor: float) -> None:
        """Give the factor, up to ``log_factor``, to the part's own fitted numbers."""
        spare = self.log_factor - log_factor
        if abs(spare) < SAME:
            return
        if not self.free or self.shift:
            raise _BoundError
        for place, power in self.free:
            moved = float(self.tokens[place]) * _exp(spare * power)
            if not math.isfinite(moved):
                raise _BoundError
            self.tokens[place] = moved
        self.log_factor = log_factor


def rescaled_terms(
    terms: Sequence[Term], scales: Mapping[str, float], target_scale: float = 1.0
) -> tuple[Term, ...] | None:
    """Return the law of x and y that says of x / scale and y / target_scale what the terms say.

    None where a number of the law belongs to the unit: exp(x), 1 + x, log(x) without an offset.

    Parameters
    ----------
    terms
        A law of the scaled columns.
    scales, target_scale
        What every column (by name) and the target were divided by; positive.

    Examples
    --------
    >>> decay = [Term(3.0, ("x", -2.0, "mul", "exp"))]
    >>> rescaled_terms(decay, {"x": 4.0}, 10.0)
    (Term(coefficient=30.0, program=('x', -0.5, 'mul', 'exp')),)
    >>> rescaled_terms([Term(3.0, ("x", "exp"))], {"x": 4.0}) is None
    True
    """
    found, shift = [], 0.0
    try:
        for term in terms:
            part = _whole(term.program, scales)
            coefficient = term.coefficient
            if isinstance(coefficient, int):
                part.take_up(-math.log(target_scale))
            else:
                coefficient *= _exp(part.log_factor) * target_scale
            if not math.isfinite(coefficient):
                return None
            shift += float(term.coefficient) * part.shift * target_scale
            found.append(Term(coefficient, tuple(part.tokens)))
    except _BoundError:
        return None
    if shift:
        places = [
            place for place, term in enumerate(found)
            if term.program == CONSTANT_TERM and isinstance(term.coefficient, float)
        ]  # fmt: skip
        if not places:
            return None
        found[places[0]] = Term(found[places[0]].coefficient + shift, CONSTANT_TERM)
    return tuple(found)


def shifts_of_units(terms: Sequence[Term], names: Sequence[str]) -> Floats:
    """Return by how much a unit larger by e moves each fitted number inside a logarithm's sum.

    In the order of ``Equation.constants``; 0 where a unit moves a number only by a factor.

    Examples
    --------
    >>> shifts_of_units([Term(3.0, ("x", "log", -7.6, "add", "inv"))], ["x"]).tolist()
    [0.0, 1.0]
    """
    largest: list[float] = []
    for term in terms:
        found = dict.fromkeys(
            (place for place, token in enumerate(term.program) if isinstance(token, float)), 0.0
        )
        for name in names if "log" in term.program else ():
            scales = dict.fromkeys(names, 1.0) | {name: math.e}
            try:
                taken = _whole(term.program, scales).taken
            except _BoundError:
                continue
            for place, shift in taken.items():
                found[place] = max(found.get(place, 0.0), abs(shift))
        largest += [0.0] * isinstance(term.coefficient, float) + list(found.values())
    return np.array(largest)


def _whole(program: Sequence[Token], scales: Mapping[str, float]) -> _Part:
    stack: list[_Part] = []
    for token in program:
        if isinstance(token, float):
            stack.append(_Part([token], free=((0, 1.0),)))
        elif isinstance(token, int):
            stack.append(_Part([token]))
        elif token not in OPERATIONS:
            stack.append(_Part([token], -math.log(scales[token])))
        elif OPERATIONS[token].arity == 1:
            stack.append(_of_one(token, stack.pop()))
        else:
            right, left = stack.pop(), stack.pop()
            stack.append(_of_two(token, left, right))
    return stack[0]


def _of_one(operation: str, part: _Part) -> _Part:
    tokens = part.tokens
    if operation in NEEDS_PURE_NUMBER:
        shift, part.shift = part.shift, 0.0
        part.take_up(0.0)
        if shift and operation != "exp":
            raise _BoundError
        return _Part([*tokens, operation], shift, taken=part.taken)
    if operation == "neg":
        return _Part([*tokens, "neg"], part.log_factor, -part.shift, part.free, part.taken)
    if part.shift:
        raise _BoundError
    if operation == "log":
        return _Part([*tokens, "log"], shift=part.log_factor, taken=part.taken)
    power = POWERS.get(operation, 1.0)
    free = tuple((place, share / power) for place, share in part.free)
    return _Part([*tokens, operation], power * part.log_factor, free=free, taken=part.taken)


def _of_two(operation: str, left: _Part, right: _Part) -> _Part:
    moved = tuple((place + len(left.tokens), share) for place, share in right.free)
    if operation in ("add", "sub"):
        return _sum(operation, left, right, moved)
    if operation == "pow":
        return _power(left, right)
    if left.shift and right.shift:
        raise _BoundError
    sign = 1.0 if operation == "mul" else -1.0
    shift = _shift_of_product(operation, left, right)
    free = left.free or tuple((place, sign * share) for place, share in moved)
    return _Part(
        [*left.tokens, *right.tokens, operation],
        left.log_factor + sign * right.log_factor, shift, free, _taken(left, right),
    )  # fmt: skip


def _shift_of_product(operation: str, left: _Part, right: _Part) -> float:
    """Shift of a product: only a number beside the shifted part leaves it a shift."""
    if not left.shift and not right.shift:
        return 0.0
    shifted, other = (left, right) if left.shift else (right, left)
    if not other.is_number or (operation == "div" and shifted is right):
        raise _BoundError
    number = float(other.tokens[0])
    return shifted.shift * number if operation == "mul" else shifted.shift / number


def _sum(
    operation: str, left: _Part, right: _Part, moved: tuple[tuple[int, float], ...]
) -> _Part:  # fmt: skip
    sign = 1.0 if operation == "add" else -1.0
    shift = left.shift + sign * right.shift
    for part, other, turn in ((right, left, sign), (left, right, 1.0)):
        if shift and part.is_number:
            # The constant beside it takes the shift: f u + h + c = f (u + (c + h) / f)
            part.tokens[0] = float(part.tokens[0]) + turn * shift
            part.taken = {0: shift}
            other.shift, shift = 0.0, 0.0
    if abs(left.log_factor - right.log_factor) > SAME:
        if right.free:
            right.take_up(left.log_factor)
        else:
            left.take_up(right.log_factor)
    free = (*left.free, *moved) if left.free and right.free else ()
    tokens = [*left.tokens, *right.tokens, operation]
    return _Part(tokens, left.log_factor, shift, free, _taken(left, right))


def _taken(left: _Part, right: _Part) -> dict[int, float]:
    """Shifts taken up by the numbers of both, by their places in the joined program."""
    width = len(left.tokens)
    return left.taken | {width + place: shift for place, shift in right.taken.items()}


def _power(base: _Part, exponent: _Part) -> _Part:
    if base.shift or exponent.shift:
        raise _BoundError
    tokens = [*base.tokens, *exponent.tokens, "pow"]
    if exponent.is_number or all(isinstance(token, int) for token in exponent.tokens[:1]):
        value = _number(exponent.tokens)
        if value is not None:
            free = tuple((p, share / value) for p, share in base.free) if value else ()
            taken = _taken(base, exponent)
            return _Part(tokens, value * base.log_factor, free=free, taken=taken)
    base.take_up(0.0)
    exponent.take_up(0.0)
    return _Part([*base.tokens, *exponent.tokens, "pow"], taken=_taken(base, exponent))


def _number(tokens: Sequence[Token]) -> float | None:
    """Value of a program of numbers alone."""
    from physlearn.inference.laws.expression import evaluate

    if any(isinstance(token, str) and token not in OPERATIONS for token in tokens):
        return None
    return float(evaluate(tuple(tokens), {"": np.ones(1)})[0])


def _exp(logarithm: float) -> float:
    if abs(logarithm) > LARGEST_LOGARITHM:
        raise _BoundError  # no float holds it
    return math.exp(logarithm)


def power_of_two(size: float) -> float:
    """Return the power of two nearest to a size (1 for 0): dividing by it rounds nothing."""
    if not size > 0.0 or not math.isfinite(size):
        return 1.0
    return 2.0 ** math.floor(math.log2(size) + 0.5)


def typical_scales(data: SearchData) -> dict[str, float]:
    """Return the geometric mean size of every column (of its values that are not 0)."""
    with np.errstate(all="ignore"):
        logs = np.log(np.abs(data.x))
    return {
        name: math.exp(float(row[np.isfinite(row)].mean())) if np.isfinite(row).any() else 1.0
        for name, row in zip(data.names, logs, strict=True)
    }


def scaled_data(data: SearchData, scales: Mapping[str, float], target_scale: float) -> SearchData:
    """Return the points with every column divided by its scale; weights follow the target."""
    sizes = np.array([scales[name] for name in data.names])
    weight = data.weight * target_scale**2 if data.noise_known else data.weight
    return SearchData(
        np.ascontiguousarray(data.x / sizes[:, None]), data.y / target_scale, weight,
        data.noise_known, data.names,
    )  # fmt: skip
