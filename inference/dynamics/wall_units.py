"""Laws of walls between units of the drive: constants take the unit up, exact numbers cannot."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.expression import OPERATIONS, Program, is_variable

__all__ = ["in_units", "takes_units"]

Floats = NDArray[np.float64]
POWERS = {"square": 2.0, "cube": 3.0, "sqrt": 0.5, "inv": -1.0, "neg": 1.0, "abs": 1.0}


@dataclass
class _Node:
    """A part of an expression; ``power`` of the drive's unit, taken up by constants if ``free``."""

    head: str | int | float
    parts: tuple[_Node, ...] = ()
    power: float = 0.0
    free: bool = False


def takes_units(program: Program) -> bool:
    """Whether a law's constants can take up another unit of the drive.

    Examples
    --------
    >>> takes_units(("drive", 2.0, "mul", "exp")), takes_units(("drive", "exp"))
    (True, False)
    """
    return _exponents(program) is not None


def in_units(law: Equation, size: float) -> Equation:
    """Return a law of drive / size as the same law of the drive.

    Every constant is multiplied by a power of ``size``, which may hold another constant.
    """
    constants = law.constants
    if not constants.size:
        return law
    exponents = _law_exponents(law)
    factors = np.exp(math.log(size) * exponents)
    moved = law.with_constants(constants * factors)
    if law.covariance is None:
        return moved
    jacobian = np.diag(factors)
    for k in range(len(constants)):
        step = np.zeros(len(constants))
        step[k] = 1e-6 * max(abs(float(constants[k])), 1e-3)
        change = _law_exponents(law.with_constants(constants + step)) - exponents
        jacobian[:, k] += moved.constants * math.log(size) * change / step[k]
    covariance = jacobian @ law.covariance @ jacobian.T
    return replace(moved, covariance=0.5 * (covariance + covariance.T))


def _law_exponents(law: Equation) -> Floats:
    found: list[float] = []
    for term in law.terms:
        power, inside = _exponents(term.program) or (0.0, [])
        found += ([-power] if isinstance(term.coefficient, float) else []) + inside
    return np.array(found)


def _exponents(program: Program) -> tuple[float, list[float]] | None:
    """Power of the unit in the value, and in each constant; None where exact numbers forbid."""
    floats: list[_Node] = []
    stack: list[_Node] = []
    for head in program:
        if not isinstance(head, str):
            node = _Node(head, free=isinstance(head, float))
            floats += [node] if node.free else []
        elif is_variable(head):
            node = _Node(head, power=float(head == "drive"))
        else:
            count = OPERATIONS[head].arity
            node = _Node(head, tuple(stack[len(stack) - count :]))
            del stack[len(stack) - count :]
            if not _join(node):
                return None
        stack.append(node)
    return stack[-1].power, [node.power for node in floats]


def _join(node: _Node) -> bool:
    """Set the power of an operation's value from its parts'; False where they contradict."""
    powers = [part.power for part in node.parts]
    free = [part.free for part in node.parts]
    if node.head in POWERS:
        node.power, node.free = POWERS[str(node.head)] * powers[0], free[0]
        return True
    if node.head in ("mul", "div"):
        sign = 1.0 if node.head == "mul" else -1.0
        node.power, node.free = powers[0] + sign * powers[1], any(free)
        return True
    if node.head in ("add", "sub"):
        node.power, node.free = powers[1] if free[0] else powers[0], all(free)
        return all(_shift(part, node.power) for part in node.parts)
    if node.head == "pow" and not isinstance(node.parts[1].head, str):
        exponent = node.parts[1]
        exponent.free = False
        node.power, node.free = powers[0] * float(exponent.head), free[0]
        return True
    return all(_shift(part, 0.0) for part in node.parts)


def _shift(node: _Node, power: float) -> bool:
    """Let the constants of a part take up what its power lacks."""
    lack = power - node.power
    if math.isclose(lack, 0.0, abs_tol=1e-9):
        return True
    if not node.free:
        return False
    node.power = power
    for part, share in _shares(node):
        if part.free and share:
            moved = _shift(part, part.power + lack / share)
            if node.head not in ("add", "sub"):
                return moved
        elif node.head in ("add", "sub"):
            return False
    return not node.parts or node.head in ("add", "sub")


def _shares(node: _Node) -> Iterator[tuple[_Node, float]]:
    for place, part in enumerate(node.parts):
        if node.head in POWERS:
            yield part, POWERS[str(node.head)]
        elif node.head == "pow":
            yield part, float(node.parts[1].head) if place == 0 else 0.0
        else:
            yield part, -1.0 if node.head == "div" and place == 1 else 1.0
