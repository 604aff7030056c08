"""The laws that are fitted: single expressions, functions of sums, and sums of two expressions."""

from __future__ import annotations

from functools import lru_cache

from physlearn.inference.law_search.expression_kernels import (
    ADD,
    CONSTANT,
    EXP,
    INV,
    MAX_CONSTANTS,
    MUL,
    ONE,
    OPERATIONS,
    SUB,
)
from physlearn.inference.law_search.program_prices import price_of_program
from physlearn.inference.law_search.programs import terms_of
from physlearn.inference.law_search.skeletons import (
    PRICES,
    Code,
    Skeletons,
    enumerate_skeletons,
    pack_skeletons,
)

__all__ = ["candidate_laws"]

SUMMAND_PRICE = 10  # of an expression inside a function of a sum
SUMMANDS = ("inv", "square", "cube", "sqrt", "log", "mul", "div")  # powers and logarithms
MOST_SUMMANDS = 18
FACTOR_PRICE = 13  # of a factor that holds one variable
MOST_PRODUCTS = 1500
TERM_PRICE = 12  # of one of two terms
MOST_TERMS = 60
MOST_PAIRS = 2500
OUTER = (("inv",), ("sqrt",), ("sqrt", "inv"), ("square",), ("log",), ("exp",), ("sin",), ("cos",))
SIGNED = ("sqrt", "log")
SCALED = ("exp", "sin", "cos")  # here a factor of the sum is another constant


@lru_cache(maxsize=16)
def candidate_laws(
    n_variables: int,
    price: int,
    unary: tuple[str, ...],
    binary: tuple[str, ...],
    n_terms: int,
    largest_size: int | None,
    bound: int | None = None,
) -> Skeletons:
    """All laws to be fitted, cheapest first; those of several terms leave them on the stack.

    Functions of sums and products are longer than ``price``, but not than ``bound``.

    Examples
    --------
    >>> laws = candidate_laws(1, 12, ("exp", "inv"), ("add", "mul"), 2, None)
    >>> len(laws) > 20, int(laws.prices[0])
    (True, 1)
    """
    single = enumerate_skeletons(n_variables, price, unary, binary)
    # What is right only by a chance of units is fitted only if it is short
    rows = [row for row in _priced(_rows(single)) if row[0] <= price and not _is_offset(row[-1])]
    known = {code for *_, code in rows}
    if {"add", "mul"} <= set(binary):
        more = _functions_of_sums(single, unary)
        more += _of_several_variables(rows, unary, price) if n_variables > 1 else []
        rows += _priced([row for row in more if row[-1] not in known])
    if bound is not None:
        rows = [row for row in rows if row[0] <= bound]
    if largest_size is not None:
        rows = [row for row in rows if len(row[-1]) <= largest_size]
    if n_terms > 1:
        rows += _pairs(rows, price + 5)
    rows.sort(key=lambda row: (row[0], len(row[2])))
    return pack_skeletons(rows)


def _rows(skeletons: Skeletons) -> list[tuple[int, int, Code]]:
    return [
        (int(price), int(count), tuple(program[:length].tolist()))
        for price, count, length, program in zip(
            skeletons.prices, skeletons.counts, skeletons.lengths, skeletons.programs, strict=True
        )
    ]


def _is_offset(code: Code) -> bool:
    """Whether it is c u + 1: that is u with an offset, a law of two terms."""
    return code[-1] in (ADD, SUB) and code[-4:-1] == (CONSTANT, MUL, ONE)


def _priced(rows: list[tuple[int, int, Code]]) -> list[tuple[int, int, Code]]:
    """Price rows in full; the enumeration prices steps alone."""
    names = tuple(f"x{index}" for index in range(CONSTANT))
    result = []
    for _, count, code in rows:
        (program,) = terms_of(code, (0.5,) * MAX_CONSTANTS, names)
        result.append((round(price_of_program(program, 1)), count, code))
    return result


def _functions_of_sums(single: Skeletons, unary: tuple[str, ...]) -> list[tuple[int, int, Code]]:
    """f(u + c v) and f(u + c v + d) with plain u, v: denominators, roots, phases."""
    usual = {OPERATIONS[name] for name in SUMMANDS}
    plain = [
        row for row in _rows(single)
        if row[1] == 0 and row[0] <= SUMMAND_PRICE
        and all(code < CONSTANT or code in usual for code in row[2])
    ]  # fmt: skip
    plain = _first(plain, MOST_SUMMANDS)
    outers = [names for names in OUTER if set(names) <= set(unary)]
    result = []
    for i, (price_u, _, u) in enumerate(plain):
        for j, (price_v, _, v) in enumerate(plain):
            inner = (*u, *v, CONSTANT, MUL, ADD)
            for names in outers:
                # Of c u + v only the factor of one sign is left to the scale of a root or logarithm
                if j == i or (j < i and names[0] not in SIGNED):
                    continue
                code, price, count = inner, price_u + price_v + PRICES["combine"], 1
                if names[0] in SCALED:
                    code, price, count = (*code, CONSTANT, MUL), price + PRICES["times_c"], 2
                tail = tuple(OPERATIONS[name] for name in names)
                price += sum(PRICES[name] for name in names)
                result.append((price, count, (*code, *tail)))
                if names[0] not in SCALED:
                    shifted = (*code, CONSTANT, ADD, *tail)
                    result.append((price + PRICES["plus_c"], count + 1, shifted))
    return result


def _of_several_variables(
    rows: list[tuple[int, int, Code]], unary: tuple[str, ...], price: int
) -> list[tuple[int, int, Code]]:  # fmt: skip
    """Products of a function of one variable and one of another; 1 / (c + u) of what mixes both.

    They are too long for the enumeration, but laws of several variables mostly look so.
    """
    cheap = sorted(row for row in rows if row[0] <= FACTOR_PRICE)
    single = [(row, min(of)) for row in cheap if len(of := _variables(row[-1])) == 1]
    products = [
        (price_u + price_v + PRICES["mul"], count_u + count_v, (*u, *v, MUL))
        for (price_u, count_u, u), of_u in single
        for (price_v, count_v, v), of_v in single
        if of_u < of_v and 0 < count_u + count_v <= MAX_CONSTANTS
    ]
    products = _first(sorted(row for row in products if row[0] > price), MOST_PRODUCTS)
    if "inv" not in unary:
        return products
    mixed = [row for row in rows if row[-1][-1] == EXP and row[1] < MAX_CONSTANTS]
    mixed = [row for row in mixed if len(_variables(row[-1])) > 1]
    denominators = [row for row in (*mixed, *products) if row[1] < MAX_CONSTANTS]
    rise = PRICES["plus_c"] + PRICES["inv"]
    return [
        *products,
        *(
            (p + rise, count, (*code, ONE, ADD, INV))
            for p, count, code in _first(mixed, MOST_PRODUCTS)
        ),
        *(
            (p + rise, count + 1, (*code, CONSTANT, ADD, INV))
            for p, count, code in _first(denominators, 2 * MOST_PRODUCTS)
        ),
    ]


def _first(rows: list[tuple[int, int, Code]], most: int) -> list[tuple[int, int, Code]]:
    """Return the first ``most`` rows, and those that differ from one by the variables' order.

    Otherwise the order of the columns would say which laws are tried.
    """

    def kind(row: tuple[int, int, Code]) -> tuple[int, int, tuple[int, ...], tuple[int, ...]]:
        price, count, code = row
        uses = sorted(code.count(variable) for variable in _variables(code))
        return price, count, tuple(uses), tuple(sorted(op for op in code if op >= CONSTANT))

    kinds = {kind(row) for row in rows[:most]}
    return [*rows[:most], *(row for row in rows[most:] if kind(row) in kinds)]


def _variables(code: Code) -> set[int]:
    return {operation for operation in code if operation < CONSTANT}


def _pairs(rows: list[tuple[int, int, Code]], highest: int) -> list[tuple[int, int, Code]]:
    """Join two cheap expressions, of which at least one has constants inside."""
    pool = [row for row in sorted(rows, key=lambda row: row[0]) if row[0] <= TERM_PRICE]
    pool = _first(pool, MOST_TERMS)
    result = []
    for i, (price_u, count_u, u) in enumerate(pool):
        for price_v, count_v, v in pool[i:]:
            count, price = count_u + count_v, price_u + price_v + PRICES["combine"]
            if 0 < count <= MAX_CONSTANTS and price <= highest and (u != v or count_u > 0):
                result.append((price, count, (*u, *v)))
    return _first(sorted(result, key=lambda row: row[0]), MOST_PAIRS)
