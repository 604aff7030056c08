"""Candidate terms of a law of motion and their form for the compiled integration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.dynamics.motion_kernels import CODES, INNER, MOST_COLUMNS, NUMBER
from physlearn.inference.laws.expression import OPERATIONS, Program, floats_of
from physlearn.inference.laws.expression_text import parse_expression

__all__ = ["CompiledTerms", "compile_terms", "default_texts", "read_terms"]

Floats = NDArray[np.float64]
DEGREES = {1: 5, 2: 3, 3: 2, 4: 2}


@dataclass(frozen=True, eq=False)
class CompiledTerms:
    """Programs as rows of codes; ``inner``: starting values of the constants within them."""

    codes: NDArray[np.int64]
    numbers: Floats
    first: NDArray[np.int64]
    inner: Floats


def default_texts(
    states: Sequence[str], drives: Sequence[str], angles: Sequence[str], degree: int | None
) -> list[str]:
    """Monomials of the states up to a degree, drives, drives times states, sine and cosine.

    Examples
    --------
    >>> default_texts(["x"], ["E"], [], 2)
    ['1', 'x', 'x**2', 'E', 'E*x']
    """
    highest = DEGREES.get(len(states), 1) if degree is None else degree
    found = []
    for total in range(highest + 1):
        for chosen in combinations_with_replacement(states, total):
            powers = {name: chosen.count(name) for name in chosen}
            parts = [name if power == 1 else f"{name}**{power}" for name, power in powers.items()]
            found.append("*".join(parts) or "1")
    for drive in drives:
        found += [drive, *[f"{drive}*{name}" for name in states]]
    for angle in angles:
        found += [f"sin({angle})", f"cos({angle})"]
    return found


def read_terms(
    texts: Sequence[str], columns: Sequence[str], constants: Mapping[str, float]
) -> tuple[Program, ...]:
    """Parse terms; the text ``1`` is the constant.

    Raises
    ------
    InputError
        For a term that cannot be read, or that stands there twice.
    """
    if isinstance(texts, str) or not texts:
        raise InputError(f"terms must be a list of texts such as 'x*v', got {texts!r}.")
    if len(columns) > MOST_COLUMNS:
        raise InputError(f"series must have at most {MOST_COLUMNS} states and drives.")
    programs = [
        (1,) if text.strip() == "1" else parse_expression(text, columns, constants)
        for text in texts
    ]
    for place, program in enumerate(programs):
        if program in programs[:place]:
            raise InputError(f"terms must differ, got {texts[place]!r} twice.")
    return tuple(programs)


def compile_terms(programs: Sequence[Program], columns: Sequence[str]) -> CompiledTerms:
    """Write programs for `motion_kernels.shoot`; ``columns``: states, then drives."""
    places = {name: place for place, name in enumerate(columns)}
    codes: list[int] = []
    numbers: list[float] = []
    first: list[int] = [0]
    inner: list[float] = []
    for program in programs:
        for token in program:
            number = 0.0
            if isinstance(token, float):
                code, number = INNER, float(len(inner))
                inner.append(token)
            elif isinstance(token, int):
                code, number = NUMBER, float(token)
            elif token in OPERATIONS:
                code = CODES[token]
            else:
                code = places[token]
            codes.append(code)
            numbers.append(number)
        first.append(len(codes))
    return CompiledTerms(
        np.array(codes, dtype=np.int64), np.array(numbers), np.array(first, dtype=np.int64),
        np.array(inner, dtype=np.float64),
    )  # fmt: skip


def n_inner(program: Program) -> int:
    """Return how many fitted constants stand within a term."""
    return len(floats_of(program))
