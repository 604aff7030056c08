"""Say whether a formula is the law: by its numbers, with no help from what is measured.

A formula says the law when its form, with its constants refitted to the values without noise, gives
these values to 1e-6 of their standard deviation. Its surplus is the rank of its constants (what can
be told apart) less the number of the law's constants: the law is FOUND at surplus 0 or less, and
found with one constant too many at 1 (an offset, say, or a fitted exponent of 2.01).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.laws.formula import NUMPY, Token
from benchmarks.laws.suite import LawData

__all__ = ["Verdict", "judge", "numbers_of", "program_of_equation", "refit", "values_of"]

Floats = NDArray[np.float64]

EXACT = 1e-6
PERTURBED = 0.02
UNARY = {
    "neg": np.negative, "inv": np.reciprocal, "square": np.square, "cube": lambda u: u**3,
    "abs": np.abs, "cbrt": np.cbrt, "tan": np.tan,
}  # fmt: skip
BINARY = ("add", "sub", "mul", "div", "pow")


@dataclass(frozen=True, eq=False)
class Verdict:
    """``surplus`` None: not the law. ``constants``: those that give the truth exactly."""

    surplus: int | None = None
    constants: Floats | None = None

    @property
    def found(self) -> bool:
        """The law and nothing more."""
        return self.surplus is not None and self.surplus <= 0

    @property
    def nearly(self) -> bool:
        """The law with at most one constant too many."""
        return self.surplus is not None and self.surplus <= 1


def values_of(program: Sequence[Token], columns: dict[str, Floats], constants: Floats) -> Floats:
    """Evaluate a postfix program; its floats are taken from ``constants`` in their order."""
    stack: list[Any] = []
    given = iter(constants)
    with np.errstate(all="ignore"):
        for token in program:
            if isinstance(token, float):
                stack.append(np.float64(next(given)))
            elif isinstance(token, int):
                stack.append(np.float64(token))
            elif token in BINARY:
                right = stack.pop()
                stack.append(NUMPY[token](stack.pop(), right))
            elif token in UNARY or token in NUMPY:
                stack.append((UNARY.get(token) or NUMPY[token])(stack.pop()))
            else:
                stack.append(columns[token])
    size = len(next(iter(columns.values())))
    return np.asarray(stack[0] * np.ones(size), dtype=float)


def numbers_of(program: Sequence[Token]) -> Floats:
    """Return the floats of a program."""
    return np.array([token for token in program if isinstance(token, float)])


def program_of_equation(equation: Any) -> tuple[Token, ...]:
    """Return an Equation as one program whose floats stand in the order of its constants."""
    return tuple(equation.program)


def judge(program: Sequence[Token], data: LawData) -> Verdict:
    """Say whether a program with its fitted numbers is the law that gave the data."""
    columns = dict(zip(data.law.variables, data.x.T, strict=True))
    scale = float(data.clean.std())
    start = numbers_of(program)
    first = values_of(program, columns, start) - data.clean
    if not np.isfinite(first).all():
        return Verdict()
    if np.sqrt(np.mean(first**2)) > 2.0 * data.noise_sd + 1e-3 * scale:
        return Verdict()
    constants, rest = refit(program, columns, data.clean, start)
    if rest > EXACT * scale:
        return Verdict()
    rank = _rank(program, columns, constants)
    exact, *others = data.law.forms(data.constants)
    surplus = rank - _rank(exact, columns, numbers_of(exact))
    for form in others:
        numbers = numbers_of(form)
        if surplus <= 0 or rank > _rank(form, columns, numbers):
            continue
        moved = numbers * (1.0 + PERTURBED * np.cos(1.0 + np.arange(len(numbers))))
        wanted = values_of(form, columns, moved)
        if refit(program, columns, wanted, constants)[1] <= EXACT * float(wanted.std()):
            surplus = 0
    return Verdict(surplus, constants)


def refit(
    program: Sequence[Token], columns: dict[str, Floats], wanted: Floats, start: Floats,
) -> tuple[Floats, float]:  # fmt: skip
    """Return the constants that come nearest, and the root mean square that is left."""
    from scipy.optimize import least_squares

    scale = float(wanted.std())

    def rest(constants: Floats) -> Floats:
        return np.asarray(
            np.nan_to_num((values_of(program, columns, constants) - wanted) / scale,
                          nan=1e3, posinf=1e3, neginf=-1e3).clip(-1e6, 1e6)
        )  # fmt: skip

    if not len(start):
        return start, float(np.sqrt(np.mean(rest(start) ** 2))) * scale
    fit = least_squares(
        rest, start, x_scale=np.maximum(np.abs(start), 1e-3), jac="3-point",
        ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=100,
    )  # fmt: skip
    return fit.x, float(np.sqrt(np.mean(fit.fun**2))) * scale


def _rank(program: Sequence[Token], columns: dict[str, Floats], constants: Floats) -> int:
    """Return how many of a program's constants can be told apart."""
    if not len(constants):
        return 0
    slopes = []
    for index, value in enumerate(constants):
        step = np.zeros(len(constants))
        step[index] = 1e-5 * max(abs(value), 1e-2)
        up = values_of(program, columns, constants + step)
        down = values_of(program, columns, constants - step)
        slopes.append((up - down) / (2.0 * step[index]))
    matrix = np.array(slopes)
    length = np.linalg.norm(matrix, axis=1)
    if not np.isfinite(length).all():
        return len(constants)
    matrix = matrix[length > 1e-9 * length.max()]
    matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return int(np.linalg.matrix_rank(matrix, tol=1e-5))
