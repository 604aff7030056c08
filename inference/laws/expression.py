"""Expressions as postfix programs: what the tokens mean, their values and their slopes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError

__all__ = [
    "BINARY",
    "LARGEST_PROGRAM",
    "OPERATIONS",
    "UNARY",
    "Operation",
    "Program",
    "Token",
    "arguments_of",
    "check_program",
    "evaluate",
    "evaluate_many",
    "floats_of",
    "gradients",
    "is_variable",
    "variables_of",
    "with_floats",
]

Floats = NDArray[np.float64]
Token = str | int | float
"""A name or operation; an ``int`` is an exact number, a ``float`` a fitted constant."""
Program = tuple[Token, ...]

LARGEST_PROGRAM = 64
LARGEST_NUMBER = 1e300


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the grammar.

    Attributes
    ----------
    name
        As in programs.
    arity
        1 or 2 arguments.
    function
        Arguments (arrays) to the value.
    slopes
        (value, arguments) to the derivative by each argument.
    infix
        Text of the operation in formulas and in Python; {0} and {1} are the arguments.
    binds
        How tightly ``infix`` binds: 1 sums, 2 products, 3 signs, 4 powers, 5 calls.
    defined
        Where it is defined, in words.
    """

    name: str
    arity: int
    function: Callable[..., Any]
    slopes: Callable[..., tuple[Any, ...]]
    infix: str
    binds: int
    defined: str = "everywhere"


def _power_slopes(value: Floats, base: Floats, exponent: Floats) -> tuple[Floats, Floats]:
    # The limit at base 0 is 0 where the power itself is
    log = np.where(value == 0.0, 0.0, np.log(base))
    return exponent * np.power(base, exponent - 1.0), value * log


_TABLE = (
    Operation("neg", 1, np.negative, lambda _r, u: (-np.ones_like(u),), "-{0}", 3),
    Operation("exp", 1, np.exp, lambda r, _u: (r,), "exp({0})", 5),
    Operation("log", 1, np.log, lambda _r, u: (1.0 / u,), "log({0})", 5, "above 0"),
    Operation("sqrt", 1, np.sqrt, lambda r, _u: (0.5 / r,), "sqrt({0})", 5, "from 0 on"),
    Operation("inv", 1, lambda u: 1.0 / u, lambda r, _u: (-r * r,), "1 / {0}", 2, "except 0"),
    Operation("square", 1, np.square, lambda _r, u: (2.0 * u,), "{0}**2", 4),
    Operation("cube", 1, lambda u: u**3, lambda _r, u: (3.0 * u * u,), "{0}**3", 4),
    Operation("sin", 1, np.sin, lambda _r, u: (np.cos(u),), "sin({0})", 5),
    Operation("cos", 1, np.cos, lambda _r, u: (-np.sin(u),), "cos({0})", 5),
    Operation("tanh", 1, np.tanh, lambda r, _u: (1.0 - r * r,), "tanh({0})", 5),
    Operation("abs", 1, np.abs, lambda _r, u: (np.sign(u),), "abs({0})", 5),
    Operation(
        "add", 2, np.add, lambda _r, u, v: (np.ones_like(u), np.ones_like(v)), "{0} + {1}", 1
    ),
    Operation(
        "sub", 2, np.subtract, lambda _r, u, v: (np.ones_like(u), -np.ones_like(v)), "{0} - {1}", 1
    ),
    Operation("mul", 2, np.multiply, lambda _r, u, v: (v, u), "{0} * {1}", 2),
    Operation(
        "div", 2, np.divide, lambda r, _u, v: (1.0 / v, -r / v), "{0} / {1}", 2,
        "where the second argument is not 0",
    ),
    Operation(
        "pow", 2, np.power, _power_slopes, "{0}**{1}", 4, "for a base from 0 on"
    ),
)  # fmt: skip
OPERATIONS: dict[str, Operation] = {operation.name: operation for operation in _TABLE}
UNARY = tuple(name for name, operation in OPERATIONS.items() if operation.arity == 1)
BINARY = tuple(name for name, operation in OPERATIONS.items() if operation.arity == 2)


def is_variable(token: Token) -> bool:
    """Whether a token names a variable.

    Examples
    --------
    >>> is_variable("x"), is_variable("exp"), is_variable(2)
    (True, False, False)
    """
    return isinstance(token, str) and token not in OPERATIONS


def variables_of(program: Sequence[Token]) -> set[str]:
    """Names of the variables of a program.

    Examples
    --------
    >>> variables_of(("x", 2, "pow"))
    {'x'}
    """
    return {token for token in program if isinstance(token, str) and token not in OPERATIONS}


def floats_of(program: Sequence[Token]) -> list[float]:
    """Fitted constants of a program, in its order.

    Examples
    --------
    >>> floats_of(("x", 2, "pow", -0.5, "mul"))
    [-0.5]
    """
    return [token for token in program if isinstance(token, float)]


def with_floats(program: Sequence[Token], values: Sequence[float] | Floats) -> Program:
    """Return the program with its fitted constants replaced, in its order.

    Raises
    ------
    InputError
        If there are more or fewer values than fitted constants.

    Examples
    --------
    >>> with_floats(("x", 2.0, "mul"), [3.0])
    ('x', 3.0, 'mul')
    """
    count = len(floats_of(program))
    if len(values) != count:
        raise InputError(f"values must hold {count} numbers for {program}, got {len(values)}.")
    left = iter(values)
    return tuple(float(next(left)) if isinstance(token, float) else token for token in program)


def check_program(program: Sequence[Any], largest: int = LARGEST_PROGRAM) -> Program:
    """Return a postfix program as a tuple of plain tokens, or say why it is no expression.

    Parameters
    ----------
    program
        Names, operations, exact (``int``) and fitted (``float``) numbers; numpy's numbers count.
    largest
        Most tokens.

    Raises
    ------
    InputError
        For an empty or too long program, an unknown kind of token, a number that is not finite,
        or operations whose arguments do not add up.

    Examples
    --------
    >>> check_program(["x", 2, "pow"])
    ('x', 2, 'pow')
    """
    if isinstance(program, str) or not isinstance(program, Sequence):
        raise InputError(f"program must be a row of tokens, got {type(program).__name__}.")
    if not 0 < len(program) <= largest:
        raise InputError(f"program must have 1 to {largest} tokens, got {len(program)}.")
    depth = 0
    tokens: list[Token] = []
    for place, token in enumerate(program):
        if isinstance(token, np.floating | np.integer):
            token = token.item()
        if isinstance(token, bool) or not isinstance(token, str | int | float):
            raise InputError(
                f"program may hold names, numbers and operations, got {str(token)[:40]!r} at "
                f"place {place}."
            )
        if isinstance(token, str) and not token.isidentifier():
            raise InputError(f"program may hold names like x or drive, got {token[:40]!r}.")
        if not isinstance(token, str) and (abs(token) > LARGEST_NUMBER or not math.isfinite(token)):
            raise InputError(f"program must hold finite numbers, got one at place {place}.")
        operation = OPERATIONS.get(token) if isinstance(token, str) else None
        need = operation.arity if operation else 0
        if depth < need:
            raise InputError(f"program lacks an argument for {token!r} at place {place}.")
        depth += 1 - need
        tokens.append(token)
    if depth != 1:
        raise InputError(f"program leaves {depth} values, not 1.")
    return tuple(tokens)


def _size(columns: Mapping[str, Floats]) -> int:
    if not columns:
        raise InputError("columns must hold at least one variable.")
    return len(next(iter(columns.values())))


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def evaluate(program: Sequence[Token], columns: Mapping[str, Floats]) -> Floats:
    """Values of a program on columns of equal length, shape (n,); NaN where undefined.

    An infinite value on the way is no fault: exp(-1 / x) is 0 at x = 0.

    Examples
    --------
    >>> evaluate(("x", "inv", "neg", "exp"), {"x": np.array([0.0, 1e9])}).round(6).tolist()
    [0.0, 1.0]
    """
    size = _size(columns)
    own = np.array([floats_of(program)], dtype=np.float64)
    values: Floats = np.broadcast_to(_evaluate(program, columns, own), (1, size))[0].copy()
    return values


def evaluate_many(
    program: Sequence[Token], columns: Mapping[str, Floats], constants: Floats
) -> Floats:
    """Values with many sets of constants (m, n_floats), shape (m, n); NaN where undefined.

    Examples
    --------
    >>> evaluate_many(("x", 1.0, "mul"), {"x": np.ones(2)}, np.array([[3.0], [4.0]])).tolist()
    [[3.0, 3.0], [4.0, 4.0]]
    """
    values = _evaluate(program, columns, constants)
    return np.broadcast_to(values, (len(constants), _size(columns)))


def _evaluate(program: Sequence[Token], columns: Mapping[str, Floats], constants: Floats) -> Floats:
    stack: list[Floats] = []
    used = 0
    with np.errstate(all="ignore"):
        for token in program:
            if isinstance(token, float):
                stack.append(constants[:, used, None])
                used += 1
            elif isinstance(token, int):
                stack.append(np.full((1, 1), float(token)))
            elif token in OPERATIONS:
                operation = OPERATIONS[token]
                arguments = stack[-operation.arity :]
                del stack[-operation.arity :]
                stack.append(operation.function(*arguments))
            else:
                stack.append(np.asarray(columns[token], dtype=np.float64))
    return _finite(stack[0])


def gradients(program: Sequence[Token], columns: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Values (n,) and derivatives by every fitted constant (n_floats, n), by forward mode.

    Both are NaN where undefined; exact numbers (``int``) are not varied.

    Examples
    --------
    >>> values, slopes = gradients(("x", 2.0, "mul"), {"x": np.array([3.0])})
    >>> values.tolist(), slopes.tolist()
    ([6.0], [[3.0]])
    """
    own = np.array(floats_of(program), dtype=np.float64)
    return gradients_of_rows(program, columns, own[:, None])


def gradients_of_rows(
    program: Sequence[Token], columns: Mapping[str, Floats], constants: Floats
) -> tuple[Floats, Floats]:
    """As `gradients`, with constants of their own in every row, shape (n_floats, n).

    Examples
    --------
    >>> columns = {"x": np.array([3.0, 4.0])}
    >>> gradients_of_rows(("x", 2.0, "mul"), columns, np.array([[5.0, 6.0]]))[0].tolist()
    [15.0, 24.0]
    """
    size, count = _size(columns), len(constants)
    used = 0
    stack: list[tuple[Floats, dict[int, Floats]]] = []
    with np.errstate(all="ignore"):
        for token in program:
            if isinstance(token, float):
                own = np.broadcast_to(constants[used], (size,))
                stack.append((own, {used: np.ones(size)}))
                used += 1
            elif isinstance(token, int):
                stack.append((np.full(size, float(token)), {}))
            elif token in OPERATIONS:
                operation = OPERATIONS[token]
                arguments = stack[-operation.arity :]
                del stack[-operation.arity :]
                stack.append(_apply(operation, arguments))
            else:
                stack.append((np.asarray(columns[token], dtype=np.float64), {}))
    values, parts = stack[0]
    slopes = np.zeros((count, size))
    for index, slope in parts.items():
        slopes[index] = slope
    return _finite(values), _finite(slopes)


def _apply(
    operation: Operation, arguments: list[tuple[Floats, dict[int, Floats]]]
) -> tuple[Floats, dict[int, Floats]]:
    inputs = [value for value, _ in arguments]
    value = operation.function(*inputs)
    total: dict[int, Floats] = {}
    if any(parts for _, parts in arguments):
        for slope, (_, parts) in zip(operation.slopes(value, *inputs), arguments, strict=True):
            for index, part in parts.items():
                # 0 times infinity: what does not vary adds nothing
                change = np.where(part == 0.0, 0.0, slope * part)
                total[index] = total[index] + change if index in total else change
    return value, total


def arguments_of(program: Program) -> tuple[Program, Program]:
    """Return both arguments of the last operation, which takes two."""
    depth, start = 0, len(program) - 1
    while depth < 1:
        start -= 1
        token = program[start]
        operation = OPERATIONS.get(token) if isinstance(token, str) else None
        depth += 1 - (operation.arity if operation else 0)
    return program[:start], program[start:-1]
