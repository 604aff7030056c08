"""A factor times a function of a short sum: x / (a + b x**2)**2, sin(a x**2) exp(-b x**4).

Divided by the right factor and taken to the right power, y is a sum of two features, one of which
may hold a constant: y / m = (u + c v + d)**n or exp(c u + d v). Factors and powers are tried one by
one, inner constants on a coarse grid, and of all sums the best are fitted to y itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_kernels import (
    ADD,
    CONSTANT,
    CUBE,
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
    evaluate_program,
    start_constants,
)
from physlearn.inference.law_search.link_laws import plain_features
from physlearn.inference.law_search.program_prices import NATS_OF_PRICE
from physlearn.inference.law_search.screening import (
    spread_points,
)
from physlearn.inference.law_search.skeletons import PRICES, Code, Skeletons

__all__ = ["Start", "prefactor_laws"]

Floats = NDArray[np.float64]
_Row = tuple[Code, tuple[float, ...], float, Floats]  # code, constant, price, values

MOST_POINTS = {1: 60, 2: 90}
MOST_PLAIN = 24
MOST_CURVED = 300
CURVED_PRICE = {1: 14, 2: 13}  # of a feature with a constant, by the number of variables
PARTNER_PRICE = 8  # of one with a constant that stands beside another such
LEAST_OF_ONE_SIGN = 0.9
KEPT = 4  # sums a factor and a power
LARGEST_OVERLAP = 1.0 - 1e-8  # squared cosine between two features
GRID = np.array([0.6, -0.6, 2.5, -2.5, 1.2, -1.2, 5.0, -5.0])[:, None].repeat(MAX_CONSTANTS, axis=1)
NATS_OF_CONSTANT = 2.0
LOSS_FLOOR = 1e-14
POWERS_OF_FACTOR = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0)
POWERS_OF_TWO = (-2.0, -1.0, 1.0, 2.0)  # in a product of two variables
# Power of y / m that is a sum -> what undoes it; without one the exponent is fitted
UNDONE: dict[float, Code] = {
    1.0: (), -1.0: (INV,), -0.5: (SQUARE, INV), -2.0: (SQRT, INV), 2.0: (SQRT,), 0.5: (SQUARE,),
    -4.0 / 3.0: (CONSTANT, POW),
}  # fmt: skip
MONOMIALS: dict[float, Code] = {
    0.5: (SQRT,), 1.0: (), 1.5: (SQRT, CUBE), 2.0: (SQUARE,), 3.0: (CUBE,),
}  # fmt: skip
WAVES = ("sin", "cos")
HALF_WAVES = (0.3, 0.5, 0.75, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0, 3.5, 4.0)


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A law to be fitted: nats to order by, code, and a first value of each of its constants."""

    cost: float
    code: Code
    constants: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Features:
    """Codes, inner constants, prices, and values (m, n); the first ``n_partners`` are partners."""

    codes: list[Code]
    inner: list[tuple[float, ...]]
    prices: Floats
    values: Floats
    n_partners: int


@dataclass(frozen=True, slots=True, eq=False)
class _Factor:
    """What y is divided by: the codes of numerator and denominator, constants, values, price."""

    above: Code
    below: Code
    constants: tuple[float, ...]
    values: Floats
    price: float


def prefactor_laws(
    data: SearchData, skeletons: Skeletons, unary: Sequence[str], binary: Sequence[str],
    goes_on: Callable[[], bool],
) -> list[Start]:  # fmt: skip
    """Return the best products of a factor and a function of a sum, with first constants.

    ``goes_on`` is asked now and then; False ends the search with what there is.

    Examples
    --------
    >>> from physlearn.inference.law_search.candidates import candidate_laws
    >>> from physlearn.inference.law_search.programs import terms_of
    >>> x = np.linspace(0.2, 3.0, 40)
    >>> data = SearchData(x[None], 2 * x / (0.3 + 0.7 * x**2) ** 2, np.ones(40), False, ("x",))
    >>> unary, binary = ("inv", "square"), ("add", "mul", "div")
    >>> pool = candidate_laws(1, 12, unary, binary, 1, None)
    >>> best = min(prefactor_laws(data, pool, unary, binary, lambda: True), key=lambda s: s.cost)
    >>> terms_of(best.code, np.round(best.constants, 3), ("x",))
    [('x', 'square', 0.429, 'add', 'square', 'inv', 'x', 'mul')]
    """
    if not {"add", "mul"} <= set(binary) or not np.any(data.y):
        return []
    part = spread_points(data, MOST_POINTS.get(len(data.x), MOST_POINTS[2]))
    features = _features(part, skeletons)
    found: list[Start] = []
    if features is None:
        return []
    for factor in _factors(part, unary):
        if not goes_on():
            break
        for power, undone in UNDONE.items():
            needed = {INV: "inv", SQRT: "sqrt", SQUARE: "square"}
            missing = [op for op in undone if op in needed and needed[op] not in unary]
            plain = power == 1.0 and not (factor.above or factor.below)
            if missing or plain or ("pow" not in binary and POW in undone) or factor.constants:
                continue
            found += _through(part, features, factor, power, "div" in binary)
        if "exp" in unary:
            found += _through(part, features, factor, 0.0, "div" in binary)
    return found


def _features(data: SearchData, skeletons: Skeletons) -> _Features | None:
    """Plain features and those with one constant at some of its values; None if there are none."""
    # What costs the same is taken together: else the order of the columns would say what is tried
    plain = plain_features(data, skeletons)[1:]
    last = plain[:MOST_PLAIN][-1][2] if plain else 0.0
    rows: list[_Row] = [(code, (), price, value) for code, value, price in plain if price <= last]
    highest = CURVED_PRICE.get(len(data.x), 12)
    partners: list[_Row] = []
    others: list[_Row] = []
    x = np.ascontiguousarray(data.x)
    value = np.zeros((skeletons.programs.shape[1] + 1, data.y.size))
    slope = np.zeros((skeletons.programs.shape[1] + 1, MAX_CONSTANTS, data.y.size))
    seen: set[bytes] = set()
    for row in np.flatnonzero((skeletons.counts == 1) & (skeletons.prices <= highest)):
        program, length = skeletons.programs[row], int(skeletons.lengths[row])
        code: Code = tuple(program[:length].tolist())
        if len(others) >= MOST_CURVED and skeletons.prices[row] > others[-1][2]:
            break
        if LOG in code[:-1]:
            continue
        for number, start in enumerate(GRID):
            constants = np.zeros(MAX_CONSTANTS)
            if not start_constants(program, length, x, number, start, constants, value, slope):
                continue
            if evaluate_program(program, length, x, constants, value, slope) != 1:
                continue
            largest = float(np.abs(value[0]).max())
            shape = np.abs(np.round(value[0] / largest, 2)).tobytes()
            if np.isfinite(value[0]).all() and np.ptp(value[0]) > 1e-3 * largest and (
                shape not in seen
            ):  # fmt: skip
                seen.add(shape)
                short = skeletons.prices[row] <= PARTNER_PRICE + 2 * (code[-1] == EXP)
                price = float(skeletons.prices[row])
                (partners if short else others).append(
                    (code, (float(constants[0]),), price, value[0].copy())
                )
    everything = [*rows, *partners, *others]
    if not everything:
        return None
    codes, inner, prices, values = zip(*everything, strict=True)
    return _Features(
        list(codes), list(inner), np.array(prices), np.stack(values), len(rows) + len(partners)
    )


def _factors(data: SearchData, unary: Sequence[str]) -> Iterator[_Factor]:
    """Yield one, powers of the variables and of two of them, and waves where they are allowed."""
    yield _Factor((), (), (), np.ones(data.y.size), 0.0)
    usual = {0.5: {"sqrt"}, 1.5: {"sqrt", "cube"}, 2.0: {"square"}, 3.0: {"cube"}}
    positive = [bool((row > 0.0).all()) for row in data.x]
    whole = [bool((row != 0.0).all()) for row in data.x]

    def allowed(variable: int, power: float) -> bool:
        size = abs(power)
        if not usual.get(size, set()) <= set(unary):
            return False
        return positive[variable] if size % 1.0 else power > 0 or whole[variable]

    single = product(range(len(data.x)), POWERS_OF_FACTOR)
    chosen: list[tuple[tuple[int, float], ...]] = [((v, p),) for v, p in single if allowed(v, p)]
    for a in range(len(data.x)):
        for b in range(a):
            both = product(POWERS_OF_TWO, POWERS_OF_TWO)
            chosen += [
                ((a, p), (b, q)) for p, q in both if allowed(a, p) and allowed(b, q)
            ]  # fmt: skip
    for parts in chosen:
        above: Code = ()
        below: Code = ()
        values = np.ones(data.y.size)
        for variable, power in parts:
            code = (variable, *MONOMIALS[abs(power)])
            if power > 0:
                above = (*above, *code, MUL) if above else code
            else:
                below = (*below, *code, MUL) if below else code
            values = values * data.x[variable] ** power
        price = 6.0 * len(parts) + 2.0 * sum(abs(power) not in (1.0,) for _, power in parts)
        yield _Factor(above, below, (), values, price)
    for name in WAVES:
        if name in unary:
            yield from _waves(data, name)


def _waves(data: SearchData, name: str) -> Iterator[_Factor]:
    for variable, row in enumerate(data.x):
        for tail, angle in (((), row), ((SQUARE,), row**2)):
            for half_waves in HALF_WAVES:
                factor = float(np.pi * half_waves / np.abs(angle).max())
                values = np.sin(factor * angle) if name == "sin" else np.cos(factor * angle)
                code = (variable, *tail, CONSTANT, MUL, OPERATIONS[name])
                yield _Factor(code, (), (factor,), values, 14.0)


def _through(
    data: SearchData, features: _Features, factor: _Factor, power: float, divides: bool
) -> list[Start]:
    """Return the best sums for (y / m)**power, or for log(y / m) where it is 0."""
    with np.errstate(all="ignore"):
        quotient = data.y / factor.values
    sound = np.isfinite(quotient)
    sign = 1.0 if np.median(quotient[sound]) > 0.0 else -1.0
    if power != 1.0:
        sound &= sign * quotient > 0.0
        if sound.mean() < LEAST_OF_ONE_SIGN:
            return []
    size = np.where(sound, sign * quotient, 1.0)
    largest = np.abs(size[sound]).max()
    size = size / largest
    with np.errstate(all="ignore"):
        slope = size if power == 0.0 else np.abs(size) ** (1.0 - power) / power
        slope = np.abs(largest * factor.values * slope)
        target = np.log(size) if power == 0.0 else size**power
        root = np.sqrt(data.weight) * slope
    sound &= np.isfinite(target) & np.isfinite(root)
    if sound.sum() < 8 or not np.ptp(target[sound]) > 0.0:
        return []
    root, target = np.where(sound, root, 0.0), np.where(sound, target, 0.0)
    # In units of y the misfit of every factor and power is the same
    floor = LOSS_FLOOR * float((data.weight * data.y**2).sum())
    rows = features.values * root
    found: list[tuple[float, tuple[int, ...], bool]] = []
    for offset in (True,) if power == 0.0 else (True, False):
        found += _best_sums(features, rows, target * root, root, offset, floor, factor.constants)
    if power == 0.0:
        found = [row for row in found if row[1]]
    found = sorted(found)[: KEPT + 2]
    starts = []
    for cost, places, offset in found:
        start = _started(features, rows, target * root, root, factor, power, places, offset,
                         divides)  # fmt: skip
        if start is not None:
            starts.append(Start(cost + NATS_OF_PRICE * factor.price, *start))
    return starts


def _best_sums(
    features: _Features, rows: Floats, target: Floats, root: Floats, offset: bool, floor: float,
    inside: tuple[float, ...],
) -> list[tuple[float, tuple[int, ...], bool]]:  # fmt: skip
    """Cost, features and offset of the best single features and pairs, by their correlations."""
    n = int((root > 0.0).sum())
    if offset:
        unit = root / np.linalg.norm(root)
        rows = rows - np.outer(rows @ unit, unit)
        target = target - (target @ unit) * unit
    norm = np.linalg.norm(rows, axis=1)
    total = float(target @ target)
    with np.errstate(all="ignore"):
        rows = rows / norm[:, None]
    sound = np.isfinite(rows).all(axis=1) & (norm > 0.0)
    rows = np.where(sound[:, None], rows, 0.0)
    along = rows @ target
    partners = features.n_partners
    overlap = rows[:partners] @ rows.T
    own = along[:partners, None]
    with np.errstate(all="ignore"):
        gain = (own**2 + along**2 - 2.0 * own * along * overlap) / (1.0 - overlap**2)
        lost = ~((overlap**2 < LARGEST_OVERLAP) & sound & sound[:partners, None])
        cost_pair = 0.5 * n * np.log(np.maximum(total - gain, floor))
        cost_one = 0.5 * n * np.log(np.maximum(total - along**2, floor))
    counts = np.array([len(inner) for inner in features.inner])
    price = NATS_OF_PRICE * features.prices + NATS_OF_CONSTANT * counts
    more = NATS_OF_CONSTANT * (len(inside) + offset)
    cost_pair += price + price[:partners, None] + NATS_OF_PRICE * PRICES["combine"] + more
    cost_pair += NATS_OF_CONSTANT
    cost_pair[lost] = np.inf
    cost_one = np.where(sound, cost_one + price + more, np.inf)
    result: list[tuple[float, tuple[int, ...], bool]] = []
    for index in np.argsort(cost_one, kind="stable")[:KEPT]:
        if np.isfinite(cost_one[index]):
            result.append((float(cost_one[index]), (int(index),), offset))
    used: set[tuple[Code, Code]] = set()
    nearest = np.argpartition(cost_pair, min(6 * KEPT, cost_pair.size - 1), axis=None)
    nearest = nearest[: 6 * KEPT]
    for flat in nearest[np.argsort(cost_pair.ravel()[nearest], kind="stable")]:
        i, j = divmod(int(flat), rows.shape[0])
        first, second = sorted((features.codes[i], features.codes[j]))
        kind = (first, second)
        if np.isfinite(cost_pair[i, j]) and kind not in used and len(used) < KEPT:
            used.add(kind)
            result.append((float(cost_pair[i, j]), (i, j), offset))
    return result


def _started(
    features: _Features, rows: Floats, target: Floats, root: Floats, factor: _Factor, power: float,
    places: tuple[int, ...], offset: bool, divides: bool,
) -> tuple[Code, tuple[float, ...]] | None:  # fmt: skip
    """Return code and constants of m * f(sum); None if it has too many constants."""
    matrix = [rows[place] for place in places] + [root] * offset
    linear = np.linalg.lstsq(np.stack(matrix, axis=1), target, rcond=None)[0]
    if not np.isfinite(linear).all() or not linear.all():
        return None
    codes = [features.codes[place] for place in places]
    inner = [features.inner[place] for place in places]
    if power == 0.0:
        code, constants = _exponential(codes, inner, linear[: len(places)].tolist())
    else:
        code, constants = _sum(codes, inner, linear.tolist(), offset)
        undone = UNDONE[power]
        code = (*code, *undone)
        constants = (*constants, *((1.0 / power,) if CONSTANT in undone else ()))
    constants = (*constants, *factor.constants)
    if len(constants) > MAX_CONSTANTS:
        return None
    return _times(code, factor, divides), constants


def _sum(
    codes: list[Code], inner: list[tuple[float, ...]], linear: list[float], offset: bool
) -> tuple[Code, tuple[float, ...]]:
    """Return u + c v + d: the factor of u is the whole's."""
    code, constants = codes[0], inner[0]
    if len(codes) > 1:
        code = (*code, *codes[1], CONSTANT, MUL, ADD)
        constants = (*constants, *inner[1], linear[1] / linear[0])
    if offset:
        code, constants = (*code, CONSTANT, ADD), (*constants, linear[-1] / linear[0])
    return code, constants


def _exponential(
    codes: list[Code], inner: list[tuple[float, ...]], linear: list[float]
) -> tuple[Code, tuple[float, ...]]:
    """Return u**c exp(c v): logarithms are powers."""
    whole: Code = ()
    constants: tuple[float, ...] = ()
    others = [k for k, code in enumerate(codes) if code[-1] != LOG]
    for k in others:
        whole = (*whole, *codes[k], CONSTANT, MUL, *((ADD,) if whole else ()))
        constants = (*constants, *inner[k], linear[k])
    whole = (*whole, EXP) if whole else whole
    for k in range(len(codes)):
        if k not in others:
            whole = (*whole, *codes[k][:-1], CONSTANT, POW, *((MUL,) if whole else ()))
            constants = (*constants, *inner[k], linear[k])
    return whole, constants


def _times(code: Code, factor: _Factor, divides: bool) -> Code:
    """Return the code of the product, as short as it can be said."""
    if factor.below:
        if code[-1] == INV:
            code = (*code[:-1], *factor.below, MUL, INV)
        elif divides:
            code = (*code, *factor.below, DIV)
        else:
            code = (*code, *factor.below, INV, MUL)
    return (*code, *factor.above, MUL) if factor.above else code
