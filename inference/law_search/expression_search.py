"""Every small expression, fitted: skeletons with one scale, and sums of up to three plain terms."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_kernels import (
    ADD,
    CONSTANT,
    DIV,
    EXP,
    INV,
    LOG,
    MAX_CONSTANTS,
    MUL,
    OPERATIONS,
    POW,
    SQRT,
    SQUARE,
    SUB,
    evaluate_program,
    fit_programs,
)
from physlearn.inference.laws.equation_set import BINARY, UNARY, Equation, Term, Token

__all__ = ["description_length", "enumerate_skeletons", "measure_law", "search_laws"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Code = tuple[int, ...]

NAMES = {code: name for name, code in OPERATIONS.items()}
COMMUTE = (ADD, MUL)
FEATURE_SIZE = 4
MOST_FEATURES = 60
SCREEN_POINTS = 48
KEPT_FOR_REFINEMENT = 150
LOSS_FLOOR = 1e-20


@lru_cache(maxsize=16)
def enumerate_skeletons(
    n_variables: int, largest: int, unary: tuple[str, ...]
) -> tuple[tuple[Code, int], ...]:
    """All different expressions of at most ``largest`` nodes: (program, number of constants).

    Two programs that agree at random points are the same; the first, shorter one stays. Of those
    that agree up to a factor only the first is handed out, for the scale is fitted.
    """
    functions = [OPERATIONS[name] for name in unary]
    generator = np.random.default_rng(20)
    points = generator.uniform(0.6, 1.9, size=(n_variables, 12))
    constants = np.array([0.7345, 1.3127])
    seen: set[bytes] = set()
    scaled: set[bytes] = set()
    levels: dict[int, list[tuple[Code, int]]] = {}
    result: list[tuple[Code, int]] = []
    for size in range(1, largest + 1):
        candidates: list[tuple[Code, int]] = (
            [((variable,), 0) for variable in range(n_variables)]
            if size == 1
            else _larger(levels, size, functions)
        )
        levels[size] = []
        for code, count in candidates:
            whole, shape = _signatures(code, points, constants)
            if whole and whole not in seen:
                seen.add(whole)
                levels[size].append((code, count))
                # A last added constant is the offset, which is fitted
                if shape not in scaled and code[-2:] != (CONSTANT, ADD):
                    scaled.add(shape)
                    result.append((code, count))
    return tuple(result)


def _larger(
    levels: dict[int, list[tuple[Code, int]]], size: int, functions: list[int]
) -> list[tuple[Code, int]]:
    result = []
    for code, count in levels[size - 1]:
        result += [
            ((*code, function), count) for function in functions if _sensible(code, function)
        ]
    if size >= 3:
        for code, count in levels[size - 2]:
            if count < MAX_CONSTANTS:
                scaled = code[-1] in COMMUTE and code[-2] == CONSTANT
                result += [
                    ((*code, CONSTANT, operation), count + 1)
                    for operation in (ADD, MUL, POW)
                    if not (scaled and operation == code[-1])
                    and not (operation == POW and (scaled or code[-1] == EXP))
                ]
    for left_size in range(1, size - 1):
        for left, n_left in levels[left_size]:
            for right, n_right in levels[size - 1 - left_size]:
                if n_left + n_right > MAX_CONSTANTS:
                    continue
                ordered = (left_size, left) <= (size - 1 - left_size, right)
                factor = left[-2:] == (CONSTANT, MUL) or right[-2:] == (CONSTANT, MUL)
                for operation in (ADD, SUB) if factor else (ADD, SUB, MUL, DIV):
                    if operation not in COMMUTE or ordered:
                        result.append(((*left, *right, operation), n_left + n_right))
    return result


def _sensible(code: Code, function: int) -> bool:
    last = code[-1]
    if function in (EXP, LOG) and last in (EXP, LOG):
        return False
    if function in (INV, SQRT, SQUARE) and code[-2:] == (CONSTANT, MUL):
        return False  # the constant can stand outside
    return not (function == LOG and last in (SQRT, INV, SQUARE, POW))


def _signatures(code: Code, points: Floats, constants: Floats) -> tuple[bytes, bytes]:
    """Return the values at the points, as they are and up to a factor; empty where undefined."""
    value = np.zeros((len(code) + 1, points.shape[1]))
    slope = np.zeros((len(code) + 1, 2, points.shape[1]))
    program = np.array(code, dtype=np.int64)
    if not evaluate_program(program, len(code), points, constants, value, slope):
        return b"", b""
    result = value[0]
    scale = float(np.abs(result).max())
    if not scale > 1e-12 or np.ptp(result) < 1e-9 * scale:
        return b"", b""
    shape = np.round(result / result[np.argmax(np.abs(result))], 9) + 0.0
    digits = 9 - int(np.floor(np.log10(scale)))
    return (np.round(result, digits) + 0.0).tobytes(), shape.tobytes()


def _pack(skeletons: list[tuple[Code, int]]) -> tuple[Integers, Integers, Integers]:
    longest = max(len(code) for code, _ in skeletons)
    programs = np.zeros((len(skeletons), longest), dtype=np.int64)
    for row, (code, _) in enumerate(skeletons):
        programs[row, : len(code)] = code
    lengths = np.array([len(code) for code, _ in skeletons], dtype=np.int64)
    return programs, lengths, np.array([count for _, count in skeletons], dtype=np.int64)


def search_laws(
    data: SearchData, largest: int, unary: tuple[str, ...], n_terms: int
) -> list[Equation]:
    """Return the best laws of both families, sorted by description length, duplicates removed."""
    skeletons = list(enumerate_skeletons(len(data.x), largest, unary))
    with np.errstate(all="ignore"):  # a candidate may overflow: it then loses
        laws = _skeleton_laws(data, skeletons) + _linear_laws(data, skeletons, n_terms)
    laws = [law for law in laws if np.isfinite(law.description_length)]
    laws.sort(key=lambda law: (law.description_length, law.complexity))
    return _without_duplicates(data, laws)


def _without_duplicates(data: SearchData, laws: list[Equation]) -> list[Equation]:
    kept: list[Equation] = []
    predicted: list[Floats] = []
    spread = float(np.std(data.y)) or 1.0
    for law in laws:
        values = law.predict(data.columns)
        if not np.isfinite(values).all():
            continue
        if any(np.abs(values - other).max() < 1e-7 * spread for other in predicted):
            continue
        kept.append(law)
        predicted.append(values)
    return kept


def _starts(scale: float) -> Floats:
    """First values of the constants: of order one, of the size of the variables and its inverse."""
    sizes = [1.0] if 0.3 < scale < 3.0 else [1.0, scale, 1.0 / scale]
    rows = [(sign * size, 1.0) for size in sizes for sign in (1.0, -1.0)]
    rows += [(0.5 * size, -size) for size in sizes] + [(-2.0 * size, 0.5 / size) for size in sizes]
    return np.array(rows)


def _skeleton_laws(data: SearchData, skeletons: list[tuple[Code, int]]) -> list[Equation]:
    order = np.argsort(data.x[0])
    picked = order[np.unique(np.linspace(0, order.size - 1, SCREEN_POINTS).astype(int))]
    scale = float(np.exp(np.mean(np.log(np.maximum(np.abs(data.x), 1e-12)))))
    starts = _starts(scale)
    programs, lengths, counts = _pack(skeletons)
    rough = np.empty((len(skeletons), 2))
    constants = np.zeros((len(skeletons), 2, 2))
    fit_programs(
        programs, lengths, counts, np.ascontiguousarray(data.x[:, picked]), data.y[picked],
        data.weight[picked], starts, 8, rough, constants,
    )  # fmt: skip
    cost = _rough_cost(rough, picked.size, data.noise_known)
    cost += (lengths + 2.0 * counts)[:, None] + np.array([0.0, 2.0])
    # Screening on all points for the best: each of them from all starts and from where it ended
    best = np.argsort(np.min(cost, axis=1))[:KEPT_FOR_REFINEMENT]
    best = best[np.isfinite(np.min(cost, axis=1)[best])]
    if best.size == 0:
        return []
    misfits = np.empty((best.size, 2))
    final = np.zeros((best.size, 2, 2))
    for row, index in enumerate(best):
        own = np.concatenate([constants[index], starts])
        fit_programs(
            programs[index : index + 1], lengths[index : index + 1], counts[index : index + 1],
            data.x, data.y, data.weight, own, 40, misfits[row : row + 1], final[row : row + 1],
        )  # fmt: skip
    laws = []
    for row, index in enumerate(best):
        for offset in range(2):
            if np.isfinite(misfits[row, offset]):
                program = _tokens(skeletons[index][0], final[row, offset], data.names)
                parts = _as_sum(program)
                law = _finish(data, [*parts, (1.0,)] if offset else parts)
                if law is not None:
                    laws.append(law)
    return laws


def _rough_cost(misfit: Floats, n: int, noise_known: bool) -> Floats:
    with np.errstate(all="ignore"):
        cost = 0.5 * misfit if noise_known else 0.5 * n * np.log(np.maximum(misfit / n, LOSS_FLOOR))
    return np.where(np.isfinite(misfit), cost, np.inf)


def _tokens(code: Code, constants: Floats, names: tuple[str, ...]) -> tuple[Token, ...]:
    used = 0
    tokens: list[Token] = []
    for operation in code:
        if operation < CONSTANT:
            tokens.append(names[operation])
        elif operation == CONSTANT:
            tokens.append(float(constants[used]))
            used += 1
        else:
            tokens.append(NAMES[operation])
    return tuple(tokens)


def _as_sum(program: tuple[Token, ...]) -> list[tuple[Token, ...]]:
    """Write scale (c A + B) as the sum a A + b B, which has as many constants."""
    if program[-1] not in ("add", "sub"):
        return [program]
    depth, start = 0, len(program) - 1
    while depth < 1:
        start -= 1
        token = program[start]
        depth += -1 if token in BINARY else 0 if token in UNARY else 1
    halves = [program[:start], program[start:-1]]
    plain = [
        half[:-2] if half[-1] == "mul" and not isinstance(half[-2], str) else half
        for half in halves
    ]
    return plain if plain != halves else [program]


def _linear_laws(
    data: SearchData, skeletons: list[tuple[Code, int]], n_terms: int
) -> list[Equation]:
    plain = [code for code, count in skeletons if count == 0 and len(code) <= FEATURE_SIZE]
    programs: list[tuple[Token, ...]] = [(1.0,)]
    values = [np.ones(data.y.size)]
    for code in plain:
        program = _tokens(code, np.zeros(2), data.names)
        value = Term(1.0, program).values(data.columns)
        if np.isfinite(value).all() and np.ptp(value) > 1e-9 * np.abs(value).max():
            programs.append(program)
            values.append(value)
    programs, features = programs[:MOST_FEATURES], np.stack(values[:MOST_FEATURES])
    root = np.sqrt(data.weight)
    features = features * root
    features /= np.linalg.norm(features, axis=1)[:, None]
    target = data.y * root
    gram, moment = features @ features.T, features @ target
    scored: list[tuple[float, tuple[int, ...]]] = []
    for size in range(1, n_terms + 1):
        subsets = np.array(list(combinations(range(len(programs)), size)))
        inner = gram[subsets[:, :, None], subsets[:, None, :]]
        sound = np.linalg.det(inner) > 1e-10
        subsets, inner = subsets[sound], inner[sound]
        right = moment[subsets]
        solution = np.linalg.solve(inner, right[..., None])[..., 0]
        misfit = np.maximum(target @ target - (solution * right).sum(axis=1), 0.0)
        nodes = np.array([len(program) for program in programs])[subsets].sum(axis=1)
        cost = _rough_cost(misfit, data.y.size, data.noise_known) + nodes + 4.0 * size
        top = np.argsort(cost)[:KEPT_FOR_REFINEMENT]
        scored += [(float(cost[index]), tuple(subsets[index].tolist())) for index in top]
    scored.sort()
    laws = [
        _finish(data, [programs[index] for index in subset])
        for _, subset in scored[:KEPT_FOR_REFINEMENT]
    ]
    return [law for law in laws if law is not None]


def _finish(data: SearchData, programs: list[tuple[Token, ...]]) -> Equation | None:
    """Fit the linear constants on all points and measure the law."""
    matrix = np.stack([Term(1.0, program).values(data.columns) for program in programs], axis=1)
    if not np.isfinite(matrix).all():
        return None
    root = np.sqrt(data.weight)
    scale = np.linalg.norm(matrix * root[:, None], axis=0)
    if not (scale > 0).all():
        return None
    solution, *_ = np.linalg.lstsq(matrix * root[:, None] / scale, data.y * root, rcond=None)
    coefficients = solution / scale
    if not np.isfinite(coefficients).all() or (coefficients == 0).any():
        return None
    terms = tuple(
        Term(float(value), program) for value, program in zip(coefficients, programs, strict=True)
    )
    return measure_law(data, terms)


def measure_law(data: SearchData, terms: tuple[Term, ...]) -> Equation:
    """Loss and description length of a fitted law."""
    residual = data.y - np.sum([term.values(data.columns) for term in terms], axis=0)
    misfit = float((data.weight * residual**2).sum())
    length, count = description_length(data, terms, misfit)
    return Equation(terms, misfit / data.y.size, length, count)


def description_length(
    data: SearchData, terms: tuple[Term, ...], misfit: float
) -> tuple[float, int]:
    """Nats for data, expression and constants; and the number of constants.

    A constant c with Fisher information I costs log(|c| sqrt(I / 3)), at least 0; an expression of
    k nodes with s different symbols costs k log(s) (Bartlett et al., arXiv:2211.11461).
    """
    n = data.y.size
    slopes, constants = _sensitivities(data, terms)
    variance = 1.0
    if data.noise_known:
        fit_cost = 0.5 * misfit
    else:
        floor = LOSS_FLOOR * float((data.weight * data.y**2).mean())
        variance = max(misfit / max(n - len(constants), 1), floor, 1e-300)
        fit_cost = 0.5 * n * np.log(max(misfit / n, floor, 1e-300))
    information = (data.weight * slopes**2).sum(axis=1) / variance
    code = np.log(np.maximum(np.abs(constants) * np.sqrt(information / 3.0), 1.0)).sum()
    symbols = {t if isinstance(t, str) else "c" for term in terms for t in term.program} | {
        "c",
        "mul",
    }
    if len(terms) > 1:
        symbols.add("add")
    nodes = Equation(terms, 0.0, 0.0, 0).complexity
    return float(fit_cost + code + nodes * np.log(len(symbols))), len(constants)


def _sensitivities(data: SearchData, terms: tuple[Term, ...]) -> tuple[Floats, Floats]:
    """Return the derivatives of the law by every constant, (n_constants, n), and the constants."""
    slopes, constants = [], []
    for term in terms:
        value = term.values(data.columns)
        slopes.append(value / term.coefficient)
        constants.append(term.coefficient)
        if term.program == (1.0,):
            continue
        for place, token in enumerate(term.program):
            if isinstance(token, str):
                continue
            step = 1e-5 * max(abs(token), 1e-3)
            bent = (*term.program[:place], token + step, *term.program[place + 1 :])
            slopes.append((Term(term.coefficient, bent).values(data.columns) - value) / step)
            constants.append(token)
    return np.nan_to_num(np.array(slopes)), np.array(constants)
