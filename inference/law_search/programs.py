"""Rows of operation codes as programs of the grammar."""

from __future__ import annotations

from collections.abc import Sequence

from physlearn.inference.law_search.expression_kernels import ADD, CONSTANT, ONE, OPERATIONS
from physlearn.inference.laws.expression import Token

__all__ = ["terms_of"]

NAMES = {code: name for name, code in OPERATIONS.items()}


def terms_of(
    code: Sequence[int], constants: Sequence[float], names: Sequence[str]
) -> list[tuple[Token, ...]]:
    """Write a row of operation codes as the programs of its terms.

    Examples
    --------
    >>> terms_of([0, CONSTANT, OPERATIONS["mul"], OPERATIONS["exp"], 0], [-2.0], ("x",))
    [('x', -2.0, 'mul', 'exp'), ('x',)]
    """
    used = 0
    stack: list[tuple[Token, ...]] = []
    for operation in code:
        if operation < CONSTANT:
            stack.append((names[operation],))
        elif operation == CONSTANT:
            stack.append((float(constants[used]),))
            used += 1
        elif operation == ONE:
            stack.append((1,))
        elif operation < ADD:
            stack.append((*stack.pop(), NAMES[operation]))
        else:
            right = stack.pop()
            stack.append((*stack.pop(), *right, NAMES[operation]))
    return stack
