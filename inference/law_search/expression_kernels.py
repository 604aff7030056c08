"""Compiled evaluation and fitting of small expressions in postfix form.

A program is a row of operation codes: 0 to 9 a variable, CONSTANT the next non-linear constant, ONE
the number one, codes from EXP functions of one argument, from ADD of two. What is left on the stack
are the terms of a sum: their coefficients (and an offset) are projected out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["MAX_CONSTANTS", "OPERATIONS", "evaluate_program", "fit_programs", "start_constants"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Codes below CONSTANT are variables, up to ONE they push a number, below ADD they take one argument
CONSTANT, ONE = 10, 11
EXP, LOG, SQRT, INV, SQUARE, SIN, CUBE, COS, TANH, ABS, NEG = range(20, 31)
ADD, SUB, MUL, DIV, POW = 40, 41, 42, 43, 44
OPERATIONS = {
    "exp": EXP, "log": LOG, "sqrt": SQRT, "inv": INV, "square": SQUARE, "sin": SIN, "cube": CUBE,
    "cos": COS, "tanh": TANH, "abs": ABS, "neg": NEG,
    "add": ADD, "sub": SUB, "mul": MUL, "div": DIV, "pow": POW,
}  # fmt: skip
MAX_CONSTANTS = 3
MOST_COLUMNS = 4
LARGEST_EXPONENT = 300.0
COLLINEAR = 1e-11  # squared sine of the smallest angle between terms
LARGEST_CONSTANT = 1e12


@kernel
def _transcendental(code: int, v: Floats, d: Floats) -> bool:
    """Replace ``v`` by its function and put the slope into ``d``; False where undefined."""
    for i in range(v.size):
        if code == EXP:
            if v[i] > LARGEST_EXPONENT:
                return False
            v[i] = np.exp(v[i])
            d[i] = v[i]
        elif code == LOG:
            if v[i] <= 0.0:
                return False
            d[i] = 1.0 / v[i]
            v[i] = np.log(v[i])
        elif code == SIN:
            d[i] = np.cos(v[i])
            v[i] = np.sin(v[i])
        elif code == COS:
            d[i] = -np.sin(v[i])
            v[i] = np.cos(v[i])
        else:
            v[i] = np.tanh(v[i])
            d[i] = 1.0 - v[i] * v[i]
    return True


@kernel
def _algebraic(code: int, v: Floats, d: Floats) -> bool:
    """Replace ``v`` by its function and put the slope into ``d``; False where undefined."""
    for i in range(v.size):
        u = v[i]
        if code == SQRT:
            if u <= 0.0:
                return False
            v[i] = np.sqrt(u)
            d[i] = 0.5 / v[i]
        elif code == INV:
            if u == 0.0:
                return False
            v[i] = 1.0 / u
            d[i] = -v[i] * v[i]
        elif code == SQUARE:
            v[i] = u * u
            d[i] = 2.0 * u
        elif code == CUBE:
            v[i] = u * u * u
            d[i] = 3.0 * u * u
        elif code == NEG:
            v[i] = -u
            d[i] = -1.0
        else:
            v[i] = abs(u)
            d[i] = 1.0 if u >= 0.0 else -1.0
    return True


@kernel
def _with_number(code: int, number: float, v: Floats, d: Floats, e: Floats) -> bool:
    """Combine ``v`` with a number on its right; ``d`` and ``e``: slopes by ``v`` and number."""
    if code == DIV and number == 0.0:
        return False
    for i in range(v.size):
        u = v[i]
        if code == ADD:
            v[i], d[i], e[i] = u + number, 1.0, 1.0
        elif code == SUB:
            v[i], d[i], e[i] = u - number, 1.0, -1.0
        elif code == MUL:
            v[i], d[i], e[i] = u * number, number, u
        elif code == DIV:
            v[i], d[i], e[i] = u / number, 1.0 / number, -u / (number * number)
        else:
            if u <= 0.0:
                return False
            log = np.log(u)
            if number * log > LARGEST_EXPONENT:
                return False
            v[i] = np.exp(number * log)
            d[i] = number * v[i] / u
            e[i] = v[i] * log
    return True


@kernel
def _of_two(code: int, u: Floats, v: Floats, d: Floats, e: Floats) -> bool:
    """Replace ``u`` by u (operation) v; ``d`` and ``e``: both slopes; False where undefined."""
    for i in range(u.size):
        a, b = u[i], v[i]
        if code == ADD:
            u[i], d[i], e[i] = a + b, 1.0, 1.0
        elif code == SUB:
            u[i], d[i], e[i] = a - b, 1.0, -1.0
        elif code == MUL:
            u[i], d[i], e[i] = a * b, b, a
        elif code == DIV:
            if b == 0.0:
                return False
            u[i], d[i], e[i] = a / b, 1.0 / b, -a / (b * b)
        else:
            if a <= 0.0:
                return False
            log = np.log(a)
            if b * log > LARGEST_EXPONENT:
                return False
            u[i] = np.exp(b * log)
            d[i], e[i] = u[i] * b / a, u[i] * log
    return True


@kernel
def evaluate_program(
    program: Integers, length: int, x: Floats, constants: Floats, value: Floats, slope: Floats
) -> int:
    """Evaluate into ``value[:t]`` and ``slope[:t]`` (n_constants, n); return t, 0 if undefined."""
    n, depth = x.shape[1], value.shape[0]
    left, right = np.zeros(depth, np.int64), np.zeros(depth, np.int64)  # constants inside an entry
    d, e = np.empty(n), np.empty(n)
    top, used, k = 0, 0, 0
    while k < length:
        code = program[k]
        if code < CONSTANT:
            value[top] = x[code]
            left[top] = right[top] = used
            top += 1
        elif code <= ONE:
            number = constants[used] if code == CONSTANT else 1.0
            fused = top > 0 and k + 1 < length and program[k + 1] >= ADD
            a = top - 1 if fused else top
            if fused:
                if not _with_number(program[k + 1], number, value[a], d, e):
                    return 0
                for p in range(left[a], right[a]):
                    slope[a, p] *= d
                k += 1
            else:
                value[a] = number
                e[:] = 1.0
                left[a] = right[a] = used
                top += 1
            if code == CONSTANT:
                slope[a, used] = e
                used += 1
                right[a] = used
        elif code < ADD:
            a = top - 1
            smooth = code in (SQRT, INV, SQUARE, CUBE, NEG, ABS)
            if not (
                _algebraic(code, value[a], d) if smooth else _transcendental(code, value[a], d)
            ):
                return 0
            for p in range(left[a], right[a]):
                slope[a, p] *= d
        else:
            top -= 1
            a = top - 1
            if not _of_two(code, value[a], value[top], d, e):
                return 0
            for p in range(left[a], right[a]):
                slope[a, p] *= d
            for p in range(left[top], right[top]):
                slope[a, p] = slope[top, p] * e
            right[a] = right[top]
        k += 1
    for a in range(top):
        if not np.isfinite(value[a]).all():
            return 0
        slope[a, : left[a]] = 0.0
        slope[a, right[a] :] = 0.0
    return top


@kernel
def _project(
    value: Floats, n_terms: int, root: Floats, target: Floats, offset: bool, basis: Floats,
    linear: Floats, rest: Floats,
) -> float:  # fmt: skip
    """Fit ``target`` by the weighted terms: ``basis`` orthonormal, ``linear`` the coefficients.

    ``rest``: the weighted residual. Returns its sum of squares, infinite for collinear terms.
    """
    n_columns = n_terms + (1 if offset else 0)
    triangle = np.zeros((MOST_COLUMNS, MOST_COLUMNS))
    along = np.zeros(MOST_COLUMNS)
    rest[:] = target
    for j in range(n_columns):
        # The offset comes first: a term that is nearly constant is judged by what varies
        basis[j] = root
        if j > 0 or not offset:
            basis[j] *= value[j - 1 if offset else j]
        raw = np.dot(basis[j], basis[j])
        for k in range(j):
            triangle[k, j] = np.dot(basis[k], basis[j])
            basis[j] -= triangle[k, j] * basis[k]
        norm = np.dot(basis[j], basis[j])
        if not norm > COLLINEAR * raw or not np.isfinite(norm):
            return np.inf
        triangle[j, j] = np.sqrt(norm)
        basis[j] /= triangle[j, j]
        along[j] = np.dot(basis[j], rest)
        rest -= along[j] * basis[j]
    for j in range(n_columns - 1, -1, -1):
        total = along[j]
        for k in range(j + 1, n_columns):
            total -= triangle[j, k] * linear[k]
        linear[j] = total / triangle[j, j]
    return float(np.dot(rest, rest))


@kernel
def _damped_step(gram: Floats, right: Floats, damping: float, step: Floats) -> bool:
    """Solve (gram + damping diagonal) step = right by Cholesky; False where singular."""
    q = right.size
    lower = np.zeros((q, q))
    for i in range(q):
        for j in range(i + 1):
            total = gram[i, j] + (damping * gram[i, i] + 1e-300 if i == j else 0.0)
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            if i == j:
                if not total > 0.0:
                    return False
                lower[i, i] = np.sqrt(total)
            else:
                lower[i, j] = total / lower[j, j]
    for i in range(q):
        total = right[i]
        for k in range(i):
            total -= lower[i, k] * step[k]
        step[i] = total / lower[i, i]
    for i in range(q - 1, -1, -1):
        total = step[i]
        for k in range(i + 1, q):
            total -= lower[k, i] * step[k]
        step[i] = total / lower[i, i]
    return bool(np.isfinite(step).all())


@kernel
def _fit_one(
    program: Integers, length: int, count: int, x: Floats, root: Floats, target: Floats,
    offset: bool, constants: Floats, steps: int, value: Floats, slope: Floats,
) -> float:  # fmt: skip
    """Variable projection (Golub and Pereyra 1973; Kaufman 1975) by Levenberg-Marquardt."""
    n = target.size
    linear, rest, kept = np.zeros(MOST_COLUMNS), np.empty(n), np.empty(n)
    basis = np.empty((MOST_COLUMNS, n))
    first = 1 if offset else 0
    terms = evaluate_program(program, length, x, constants, value, slope)
    if terms == 0:
        return np.inf
    best = _project(value, terms, root, target, offset, basis, linear, rest)
    if count == 0 or not np.isfinite(best):
        return best
    columns, gram = np.zeros((count, n)), np.zeros((count, count))
    right, step, trial = np.zeros(count), np.zeros(count), np.zeros(constants.size)
    damping = 1e-2
    for _ in range(steps):
        kept[:] = rest
        for p in range(count):
            columns[p] = 0.0
            for t in range(terms):
                columns[p] += linear[first + t] * slope[t, p]
            columns[p] *= root
            for j in range(first + terms):
                columns[p] -= np.dot(basis[j], columns[p]) * basis[j]
            right[p] = np.dot(columns[p], kept)
            for q in range(p + 1):
                gram[p, q] = gram[q, p] = np.dot(columns[p], columns[q])
        gained = -1.0
        while damping < 1e8:
            if not _damped_step(gram, right, damping, step):
                break
            small = True
            for p in range(count):
                trial[p] = constants[p] + step[p]
                small = small and abs(trial[p]) < LARGEST_CONSTANT
            after = np.inf
            if small and evaluate_program(program, length, x, trial, value, slope) > 0:
                after = _project(value, terms, root, target, offset, basis, linear, rest)
            if after < best:
                gained = (best - after) / best
                best = after
                constants[:] = trial
                damping = max(0.1 * damping, 1e-9)
                break
            damping *= 8.0
        if gained < 1e-10:
            break
    return best


@kernel
def start_constants(
    program: Integers, length: int, x: Floats, row: int, start: Floats, constants: Floats,
    value: Floats, slope: Floats,
) -> bool:  # fmt: skip
    """Put a first value of every constant, in units of what it acts on, into ``constants``.

    A factor is ``start`` over the spread of what it multiplies (in a sine 0.4, then ``row`` half
    waves), an exponent is ``start`` itself, and a summand puts the zero of the sum outside what is
    seen, ``start`` fifths of the spread away, or inside where a function is even or bounded.
    """
    used = 0
    for k in range(length):
        if program[k] != CONSTANT:
            continue
        then = program[k + 1] if k + 1 < length else ADD
        after = program[k + 2] if k + 2 < length else ADD
        s = start[used]
        terms = evaluate_program(program, k, x, constants, value, slope)
        if terms == 0:
            return False
        low, high = value[terms - 1].min(), value[terms - 1].max()
        spread = high - low if high > low else max(abs(high), 1e-300)
        if then == POW:
            constants[used] = s
        elif then == MUL and after in (SIN, COS):
            half_waves = max(row, 0.4) if row < 4 else 2.0 * row - 4.0
            constants[used] = 3.1416 * half_waves / spread
        elif then == MUL and after == ADD and terms > 1:
            constants[used] = 0.7 * s * (value[terms - 2].max() - value[terms - 2].min()) / spread
        elif then == MUL:
            constants[used] = s / spread
        elif after in (SQUARE, ABS, TANH, SIN, COS):
            constants[used] = -(low + (0.5 + 0.3 * min(max(s, -1.0), 1.0)) * spread)
        else:
            constants[used] = 0.2 * s * spread - (low if s > 0.0 else high)
        used += 1
    return True


@kernel
def fit_programs(
    programs: Integers, lengths: Integers, counts: Integers, x: Floats, root: Floats,
    target: Floats, starts: Floats, steps: int, offsets: Integers, misfits: Floats,
    constants: Floats,
) -> None:  # fmt: skip
    """Fit programs from every start and from ``constants`` where ``misfits`` is finite, in place.

    ``programs`` (m, length), ``x`` (n_variables, n), ``root`` the square roots of the weights,
    ``target`` y times that, ``starts`` (n_starts, 3) as in `start_constants`,
    of which a program fitted for the first time takes the first 4 n_constants - 1, ``offsets``
    (m,): 1 fits an offset too, ``misfits`` (m,): weighted sums of squares, ``constants`` (m, 3).
    """
    value = np.zeros((programs.shape[1] + 1, target.size))
    slope = np.zeros((programs.shape[1] + 1, MAX_CONSTANTS, target.size))
    trial = np.zeros(MAX_CONSTANTS)
    for m in range(programs.shape[0]):
        warm = np.isfinite(misfits[m])
        misfits[m] = np.inf
        n_starts = starts.shape[0] if warm else min(starts.shape[0], 4 * counts[m] - 1)
        if counts[m] == 0:
            n_starts = 0 if warm else 1
        for s in range(-1 if warm else 0, n_starts):
            if s < 0:
                trial[:] = constants[m]
            elif not start_constants(programs[m], lengths[m], x, s, starts[s], trial, value, slope):
                continue
            found = _fit_one(
                programs[m], lengths[m], counts[m], x, root, target, offsets[m] == 1, trial, steps,
                value, slope,
            )  # fmt: skip
            if found < misfits[m]:
                misfits[m] = found
                constants[m] = trial
