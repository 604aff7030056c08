"""Compiled integration of ordinary differential equations with all their sensitivities.

The right-hand side of each equation is a sum of coefficients times postfix programs. State: the
variables, and for second order their velocities after them. A program's codes: 0 to 19 a state or,
after the states, a drive; NUMBER an exact number; INNER a fitted constant within a term; from EXP
functions of one argument; from ADD of two. Classical Runge-Kutta steps of fourth order carry the
state and its derivatives by the starting state, the coefficients and the inner constants.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["CODES", "INNER", "MOST_COLUMNS", "NUMBER", "shoot"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_COLUMNS = 20
NUMBER, INNER = 20, 21
EXP, LOG, SQRT, INV, SQUARE, CUBE, SIN, COS, TANH, ABS, NEG = range(30, 41)
ADD, SUB, MUL, DIV, POW = range(50, 55)
CODES = {
    "exp": EXP, "log": LOG, "sqrt": SQRT, "inv": INV, "square": SQUARE, "cube": CUBE, "sin": SIN,
    "cos": COS, "tanh": TANH, "abs": ABS, "neg": NEG,
    "add": ADD, "sub": SUB, "mul": MUL, "div": DIV, "pow": POW,
}  # fmt: skip


@kernel
def _one(code: int, u: float) -> tuple[float, float]:
    """Value and slope of a function of one argument; NaN where undefined."""
    if code == EXP:
        r = np.exp(min(u, 300.0))
        return r, r
    if code == LOG:
        return (np.log(u), 1.0 / u) if u > 0.0 else (np.nan, np.nan)
    if code == SQRT:
        if u <= 0.0:
            return np.nan, np.nan
        r = np.sqrt(u)
        return r, 0.5 / r
    if code == INV:
        return 1.0 / u, -1.0 / (u * u)
    if code == SQUARE:
        return u * u, 2.0 * u
    if code == CUBE:
        return u * u * u, 3.0 * u * u
    if code == SIN:
        return np.sin(u), np.cos(u)
    if code == COS:
        return np.cos(u), -np.sin(u)
    if code == TANH:
        r = np.tanh(u)
        return r, 1.0 - r * r
    if code == ABS:
        return abs(u), (1.0 if u >= 0.0 else -1.0)
    return -u, -1.0


@kernel
def _two(code: int, u: float, w: float) -> tuple[float, float, float]:
    """Value and both slopes of a function of two arguments; NaN where undefined."""
    if code == ADD:
        return u + w, 1.0, 1.0
    if code == SUB:
        return u - w, 1.0, -1.0
    if code == MUL:
        return u * w, w, u
    if code == DIV:
        return u / w, 1.0 / w, -u / (w * w)
    if w == np.floor(w):
        r = u**w
        return r, (w * u ** (w - 1.0) if w != 0.0 else 0.0), (r * np.log(u) if u > 0.0 else 0.0)
    if u <= 0.0:
        return np.nan, np.nan, np.nan
    r = u**w
    return r, w * r / u, r * np.log(u)


@kernel
def _term(
    codes: Integers, numbers: Floats, inner: Floats, z: Floats, u: Floats,
    stack: Floats, slopes: Floats,
) -> float:  # fmt: skip
    """Value of a program; its slopes by states and inner constants are left in ``slopes[0]``."""
    n_state, width = z.size, slopes.shape[1]
    top = 0
    for place in range(codes.size):
        code = codes[place]
        if code < EXP:
            slopes[top, :] = 0.0
            if code == NUMBER:
                stack[top] = numbers[place]
            elif code == INNER:
                index = int(numbers[place])
                stack[top] = inner[index]
                slopes[top, n_state + index] = 1.0
            elif code < n_state:
                stack[top] = z[code]
                slopes[top, code] = 1.0
            else:
                stack[top] = u[code - n_state]
            top += 1
        elif code < ADD:
            value, slope = _one(code, stack[top - 1])
            stack[top - 1] = value
            for j in range(width):
                slopes[top - 1, j] *= slope
        else:
            value, left, right = _two(code, stack[top - 2], stack[top - 1])
            stack[top - 2] = value
            for j in range(width):
                slopes[top - 2, j] = left * slopes[top - 2, j] + right * slopes[top - 1, j]
            top -= 1
    return float(stack[0])


@kernel
def _rates(
    codes: Integers, numbers: Floats, first: Integers, owner: Integers, coefficients: Floats,
    inner: Floats, second: bool, z: Floats, u: Floats, stack: Floats, slopes: Floats,
    rate: Floats, by_state: Floats, by_constant: Floats,
) -> None:  # fmt: skip
    """Put dz/dt, its slopes by the state and by the constants into the last three arrays."""
    n_state, n_terms = z.size, owner.size
    rate[:] = 0.0
    by_state[:] = 0.0
    by_constant[:] = 0.0
    shift = 0
    if second:
        shift = n_state // 2
        for k in range(shift):
            rate[k] = z[shift + k]
            by_state[k, shift + k] = 1.0
    for term in range(n_terms):
        begin, end = first[term], first[term + 1]
        value = _term(codes[begin:end], numbers[begin:end], inner, z, u, stack, slopes)
        row, coefficient = shift + owner[term], coefficients[term]
        rate[row] += coefficient * value
        by_constant[row, term] += value
        if coefficient != 0.0:
            for j in range(n_state):
                by_state[row, j] += coefficient * slopes[0, j]
            for j in range(inner.size):
                by_constant[row, n_terms + j] += coefficient * slopes[0, n_state + j]


@kernel
def _slope_of(by_state: Floats, by_constant: Floats, s: Floats, out: Floats) -> None:
    """Rate of the sensitivities: by_state @ s, plus the constants' own effect."""
    n_state = s.shape[0]
    for i in range(n_state):
        for j in range(s.shape[1]):
            total = by_constant[i, j - n_state] if j >= n_state else 0.0
            for k in range(n_state):
                if by_state[i, k] != 0.0:
                    total += by_state[i, k] * s[k, j]
            out[i, j] = total


@kernel
def shoot(
    codes: Integers, numbers: Floats, first: Integers, owner: Integers, coefficients: Floats,
    inner: Floats, second: bool, starts: Integers, states: Floats, n_steps: Integers,
    step: Floats, rows: Integers, drives: Floats, limits: Floats, out: Floats, slopes_out: Floats,
) -> bool:  # fmt: skip
    """Integrate every piece of the series from its starting state; False where it runs away.

    ``starts`` (n_pieces + 1): first node of each piece; ``n_steps``, ``step``, ``rows``: for the
    way from each node to the next, the number of steps, their length, and the first row of
    ``drives`` (n, 3, n_drives: at the start, the middle and the end of a step); ``limits``
    (n_states): sizes that count as running away. ``out`` (n_nodes, n_state), ``slopes_out``
    (n_nodes, n_state, n_state + n_constants).
    """
    n_state, width = slopes_out.shape[1], slopes_out.shape[2]
    stack = np.zeros(24)
    slopes = np.zeros((24, n_state + inner.size))
    by_state = np.zeros((n_state, n_state))
    by_constant = np.zeros((n_state, width - n_state))
    rate, change = np.zeros(n_state), np.zeros((n_state, width))
    z, s = np.zeros(n_state), np.zeros((n_state, width))
    sum_z, sum_s = np.zeros(n_state), np.zeros((n_state, width))
    at_z, at_s = np.zeros(n_state), np.zeros((n_state, width))
    for piece in range(starts.size - 1):
        z[:] = states[piece]
        s[:] = 0.0
        for k in range(n_state):
            s[k, k] = 1.0
        for node in range(starts[piece], starts[piece + 1]):
            out[node] = z
            slopes_out[node] = s
            if node == starts[piece + 1] - 1:
                break
            for number in range(n_steps[node]):
                row, h = rows[node] + number, step[node]
                sum_z[:] = 0.0
                sum_s[:] = 0.0
                at_z[:] = z
                at_s[:] = s
                for stage in range(4):
                    moment = 0 if stage == 0 else (2 if stage == 3 else 1)
                    _rates(codes, numbers, first, owner, coefficients, inner, second, at_z,
                           drives[row, moment], stack, slopes, rate, by_state,
                           by_constant)  # fmt: skip
                    _slope_of(by_state, by_constant, at_s, change)
                    share = h / 6.0 if stage == 0 or stage == 3 else h / 3.0
                    ahead = h if stage == 2 else 0.5 * h
                    for i in range(n_state):
                        sum_z[i] += share * rate[i]
                        at_z[i] = z[i] + ahead * rate[i]
                        for j in range(width):
                            sum_s[i, j] += share * change[i, j]
                            at_s[i, j] = s[i, j] + ahead * change[i, j]
                for i in range(n_state):
                    z[i] += sum_z[i]
                    if not abs(z[i]) < limits[i]:
                        return False
                    for j in range(width):
                        s[i, j] += sum_s[i, j]
    return True
