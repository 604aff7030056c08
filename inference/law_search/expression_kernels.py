"""Compiled evaluation and fitting of small expressions in postfix form.

A program is a row of operation codes: 0 to 9 a variable, CONSTANT the next non-linear constant, ONE
the number one, EXP to SIN functions of one argument, ADD to POW of two. At most two non-linear
constants; the scale (and an offset) are linear and are projected out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["MAX_CONSTANTS", "OPERATIONS", "evaluate_program", "fit_programs"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Codes below CONSTANT are variables, up to ONE they push a number, below ADD they take one argument
CONSTANT, ONE = 10, 11
EXP, LOG, SQRT, INV, SQUARE, SIN = 20, 21, 22, 23, 24, 25
ADD, SUB, MUL, DIV, POW = 30, 31, 32, 33, 34
OPERATIONS = {
    "exp": EXP, "log": LOG, "sqrt": SQRT, "inv": INV, "square": SQUARE, "sin": SIN,
    "add": ADD, "sub": SUB, "mul": MUL, "div": DIV, "pow": POW,
}  # fmt: skip
MAX_CONSTANTS = 2
LARGEST_EXPONENT = 50.0


@kernel
def _of_one(code: int, v: float) -> tuple[float, float, bool]:
    """Value and slope of a function of one argument; False where undefined."""
    if code == EXP:
        if v > LARGEST_EXPONENT:
            return 0.0, 0.0, False
        r = np.exp(v)
        return r, r, True
    if code == LOG:
        if v <= 0.0:
            return 0.0, 0.0, False
        return np.log(v), 1.0 / v, True
    if code == SQRT:
        if v <= 0.0:
            return 0.0, 0.0, False
        r = np.sqrt(v)
        return r, 0.5 / r, True
    if code == INV:
        if v == 0.0:
            return 0.0, 0.0, False
        r = 1.0 / v
        return r, -r * r, True
    if code == SQUARE:
        return v * v, 2.0 * v, True
    return np.sin(v), np.cos(v), True


@kernel
def _of_two(code: int, u: float, v: float) -> tuple[float, float, float, bool]:
    """Value and both slopes of a function of two arguments; False where undefined."""
    if code == ADD:
        return u + v, 1.0, 1.0, True
    if code == SUB:
        return u - v, 1.0, -1.0, True
    if code == MUL:
        return u * v, v, u, True
    if code == DIV:
        if v == 0.0:
            return 0.0, 0.0, 0.0, False
        return u / v, 1.0 / v, -u / (v * v), True
    if u <= 0.0:
        return 0.0, 0.0, 0.0, False
    e = v * np.log(u)
    if e > LARGEST_EXPONENT:
        return 0.0, 0.0, 0.0, False
    r = np.exp(e)
    return r, r * v / u, r * np.log(u), True


@kernel
def evaluate_program(
    program: Integers, length: int, x: Floats, constants: Floats, value: Floats, slope: Floats
) -> bool:
    """Evaluate into ``value[0]`` (n) and ``slope[0]`` (2, n); False where undefined."""
    n = x.shape[1]
    top = 0
    used = 0
    for k in range(length):
        code = program[k]
        if code <= ONE:
            for i in range(n):
                slope[top, 0, i] = 0.0
                slope[top, 1, i] = 0.0
                if code < CONSTANT:
                    value[top, i] = x[code, i]
                elif code == CONSTANT:
                    value[top, i] = constants[used]
                    slope[top, used, i] = 1.0
                else:
                    value[top, i] = 1.0
            if code == CONSTANT:
                used += 1
            top += 1
        elif code < ADD:
            a = top - 1
            for i in range(n):
                r, d, defined = _of_one(code, value[a, i])
                if not defined:
                    return False
                value[a, i] = r
                slope[a, 0, i] *= d
                slope[a, 1, i] *= d
        else:
            top -= 1
            a = top - 1
            for i in range(n):
                r, du, dv, defined = _of_two(code, value[a, i], value[top, i])
                if not defined:
                    return False
                value[a, i] = r
                for p in range(2):
                    slope[a, p, i] = du * slope[a, p, i] + dv * slope[top, p, i]
    return bool(np.isfinite(value[0]).all())


@kernel
def _project(g: Floats, y: Floats, weight: Floats, offset: bool, linear: Floats) -> float:
    """Best ``linear[0] + linear[1] g`` for ``y``; return the weighted sum of squares."""
    sw = 0.0
    sg = 0.0
    sy = 0.0
    if offset:
        for i in range(g.size):
            sw += weight[i]
            sg += weight[i] * g[i]
            sy += weight[i] * y[i]
        sg /= sw
        sy /= sw
    gg = 0.0
    gy = 0.0
    raw = 0.0
    for i in range(g.size):
        gg += weight[i] * (g[i] - sg) ** 2
        gy += weight[i] * (g[i] - sg) * (y[i] - sy)
        raw += weight[i] * g[i] * g[i]
    if not gg > 1e-10 * raw or not raw > 0.0:
        return np.inf
    linear[1] = gy / gg
    linear[0] = sy - linear[1] * sg
    total = 0.0
    for i in range(g.size):
        total += weight[i] * (y[i] - linear[0] - linear[1] * g[i]) ** 2
    return total


@kernel
def _constants_columns(
    g: Floats, slope: Floats, weight: Floats, offset: bool, scale: float, columns: Floats
) -> None:
    """Change of the projected law by each constant, ``columns`` (n_constants, n)."""
    n = g.size
    sw = 0.0
    sg = 0.0
    gg = 0.0
    if offset:
        for i in range(n):
            sw += weight[i]
            sg += weight[i] * g[i]
        sg /= sw
    for i in range(n):
        gg += weight[i] * (g[i] - sg) ** 2
    for p in range(columns.shape[0]):
        mean = 0.0
        along = 0.0
        if offset:
            for i in range(n):
                mean += weight[i] * slope[p, i]
            mean /= sw
        for i in range(n):
            along += weight[i] * (slope[p, i] - mean) * (g[i] - sg)
        along /= gg
        for i in range(n):
            columns[p, i] = scale * (slope[p, i] - mean - along * (g[i] - sg))


@kernel
def _damped_step(
    gram: Floats, right: Floats, damping: float, constants: Floats, trial: Floats
) -> bool:
    """Put the constants after one damped Gauss-Newton step into ``trial``; False where singular."""
    m00 = gram[0, 0] * (1.0 + damping) + 1e-300
    if right.size == 1:
        trial[0] = constants[0] + right[0] / m00
        trial[1] = 0.0
        return True
    m11 = gram[1, 1] * (1.0 + damping) + 1e-300
    det = m00 * m11 - gram[0, 1] * gram[0, 1]
    if not abs(det) > 0.0:
        return False
    trial[0] = constants[0] + (m11 * right[0] - gram[0, 1] * right[1]) / det
    trial[1] = constants[1] + (m00 * right[1] - gram[0, 1] * right[0]) / det
    return True


@kernel
def _fit_one(
    program: Integers,
    length: int,
    count: int,
    x: Floats,
    y: Floats,
    weight: Floats,
    offset: bool,
    constants: Floats,
    steps: int,
    value: Floats,
    slope: Floats,
) -> float:
    """Variable projection (Golub and Pereyra 1973) with Levenberg-Marquardt on the constants."""
    linear = np.zeros(2)
    trial = np.zeros(2)
    if not evaluate_program(program, length, x, constants, value, slope):
        return np.inf
    best = _project(value[0], y, weight, offset, linear)
    if count == 0 or not np.isfinite(best):
        return best
    damping = 1e-2
    columns = np.zeros((count, y.size))
    gram = np.zeros((count, count))
    right = np.zeros(count)
    for _ in range(steps):
        _constants_columns(value[0], slope[0], weight, offset, linear[1], columns)
        gram[:] = 0.0
        right[:] = 0.0
        for i in range(y.size):
            r = weight[i] * (y[i] - linear[0] - linear[1] * value[0, i])
            for p in range(count):
                right[p] += r * columns[p, i]
                for q in range(count):
                    gram[p, q] += weight[i] * (columns[p, i] * columns[q, i])
        gained = -1.0
        while damping < 1e8:
            if not _damped_step(gram, right, damping, constants, trial):
                break
            after = np.inf
            small = abs(trial[0]) < 1e5 and abs(trial[1]) < 1e5
            if small and evaluate_program(program, length, x, trial, value, slope):
                after = _project(value[0], y, weight, offset, linear)
            if after < best:
                gained = (best - after) / best
                best = after
                constants[0] = trial[0]
                constants[1] = trial[1]
                damping = max(0.2 * damping, 1e-9)
                break
            damping *= 6.0
        if gained < 1e-9:
            break
    return best


@kernel
def fit_programs(
    programs: Integers,
    lengths: Integers,
    counts: Integers,
    x: Floats,
    y: Floats,
    weight: Floats,
    starts: Floats,
    steps: int,
    misfits: Floats,
    constants: Floats,
) -> None:
    """Fit every program with and without offset from every start, in place.

    ``programs`` (m, length), ``x`` (n_variables, n), ``starts`` (n_starts, 2), ``misfits`` (m, 2):
    weighted sums of squares without and with offset, ``constants`` (m, 2, 2).
    """
    value = np.zeros((programs.shape[1] + 1, y.size))
    slope = np.zeros((programs.shape[1] + 1, 2, y.size))
    trial = np.zeros(2)
    for m in range(programs.shape[0]):
        n_starts = starts.shape[0] if counts[m] > 0 else 1
        for offset in range(2):
            misfits[m, offset] = np.inf
            for s in range(n_starts):
                trial[0] = starts[s, 0]
                trial[1] = starts[s, 1]
                found = _fit_one(
                    programs[m], lengths[m], counts[m], x, y, weight, offset == 1, trial, steps,
                    value, slope,
                )  # fmt: skip
                if found < misfits[m, offset]:
                    misfits[m, offset] = found
                    constants[m, offset, 0] = trial[0]
                    constants[m, offset, 1] = trial[1]
