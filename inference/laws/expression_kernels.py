"""Compiled evaluation and fitting of small expressions in postfix form.

A program is a row of operation codes: 0 to 9 a variable, 10 the next non-linear constant, 11 the
number one, 20 to 25 functions of one argument, 30 to 34 of two. At most two non-linear constants;
the scale (and an offset) are linear and are projected out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["MAX_CONSTANTS", "OPERATIONS", "evaluate_program", "fit_programs"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CONSTANT = 10
OPERATIONS = {
    "exp": 20, "log": 21, "sqrt": 22, "inv": 23, "square": 24, "sin": 25,
    "add": 30, "sub": 31, "mul": 32, "div": 33, "pow": 34,
}  # fmt: skip
MAX_CONSTANTS = 2
LARGEST_EXPONENT = 50.0


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
        if code < 20:
            for i in range(n):
                slope[top, 0, i] = 0.0
                slope[top, 1, i] = 0.0
                if code < 10:
                    value[top, i] = x[code, i]
                elif code == 10:
                    value[top, i] = constants[used]
                    slope[top, used, i] = 1.0
                else:
                    value[top, i] = 1.0
            if code == 10:
                used += 1
            top += 1
        elif code < 30:
            a = top - 1
            for i in range(n):
                v = value[a, i]
                if code == 20:
                    if v > LARGEST_EXPONENT:
                        return False
                    r = np.exp(v)
                    d = r
                elif code == 21:
                    if v <= 0.0:
                        return False
                    r = np.log(v)
                    d = 1.0 / v
                elif code == 22:
                    if v <= 0.0:
                        return False
                    r = np.sqrt(v)
                    d = 0.5 / r
                elif code == 23:
                    if v == 0.0:
                        return False
                    r = 1.0 / v
                    d = -r * r
                elif code == 24:
                    r = v * v
                    d = 2.0 * v
                else:
                    r = np.sin(v)
                    d = np.cos(v)
                value[a, i] = r
                slope[a, 0, i] *= d
                slope[a, 1, i] *= d
        else:
            top -= 1
            a = top - 1
            b = top
            for i in range(n):
                u = value[a, i]
                v = value[b, i]
                if code == 30:
                    r, du, dv = u + v, 1.0, 1.0
                elif code == 31:
                    r, du, dv = u - v, 1.0, -1.0
                elif code == 32:
                    r, du, dv = u * v, v, u
                elif code == 33:
                    if v == 0.0:
                        return False
                    r, du, dv = u / v, 1.0 / v, -u / (v * v)
                else:
                    if u <= 0.0:
                        return False
                    e = v * np.log(u)
                    if e > LARGEST_EXPONENT:
                        return False
                    r = np.exp(e)
                    du, dv = r * v / u, r * np.log(u)
                value[a, i] = r
                for p in range(2):
                    slope[a, p, i] = du * slope[a, p, i] + dv * slope[b, p, i]
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
    n = y.size
    jac = np.zeros((2, n))
    for _ in range(steps):
        sw = 0.0
        sg = 0.0
        gg = 0.0
        if offset:
            for i in range(n):
                sw += weight[i]
                sg += weight[i] * value[0, i]
            sg /= sw
        for i in range(n):
            gg += weight[i] * (value[0, i] - sg) ** 2
        for p in range(count):
            mean = 0.0
            along = 0.0
            if offset:
                for i in range(n):
                    mean += weight[i] * slope[0, p, i]
                mean /= sw
            for i in range(n):
                along += weight[i] * (slope[0, p, i] - mean) * (value[0, i] - sg)
            along /= gg
            for i in range(n):
                jac[p, i] = linear[1] * (slope[0, p, i] - mean - along * (value[0, i] - sg))
        a00 = 0.0
        a01 = 0.0
        a11 = 0.0
        b0 = 0.0
        b1 = 0.0
        for i in range(n):
            r = weight[i] * (y[i] - linear[0] - linear[1] * value[0, i])
            b0 += r * jac[0, i]
            a00 += weight[i] * jac[0, i] ** 2
            if count == 2:
                b1 += r * jac[1, i]
                a01 += weight[i] * jac[0, i] * jac[1, i]
                a11 += weight[i] * jac[1, i] ** 2
        gained = -1.0
        while damping < 1e8:
            m00 = a00 * (1.0 + damping) + 1e-300
            if count == 1:
                trial[0] = constants[0] + b0 / m00
                trial[1] = 0.0
            else:
                m11 = a11 * (1.0 + damping) + 1e-300
                det = m00 * m11 - a01 * a01
                if not abs(det) > 0.0:
                    break
                trial[0] = constants[0] + (m11 * b0 - a01 * b1) / det
                trial[1] = constants[1] + (m00 * b1 - a01 * b0) / det
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
