"""The user's own functions of one variable: columns made from the variables' own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.laws.expression import OPERATIONS

__all__ = [
    "OwnFunctions", "check_functions", "check_names", "derived_columns", "derived_names",
]  # fmt: skip

Floats = NDArray[np.float64]
OwnFunctions = Mapping[str, Callable[[Floats], Floats] | None]
"""Word -> function of an array; None where a file named it and nobody gave it since."""


def derived_names(functions: OwnFunctions, variables: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Name of each function's value -> (function, variable), in the order of the search's columns.

    Examples
    --------
    >>> derived_names({"erf": None}, ["x", "t"])
    {'erf_x': ('erf', 'x'), 'erf_t': ('erf', 't')}
    """
    return {f"{word}_{name}": (word, name) for word in functions for name in variables}


def check_functions(functions: OwnFunctions, variables: Sequence[str]) -> None:
    """Raise where a function's name cannot stand beside the variables and operations."""
    for word in functions:
        if not isinstance(word, str) or not word.isidentifier() or word in OPERATIONS:
            raise InputError(f"functions must have names like erf that are new, got {word!r}.")
    names = [*variables, *(f"{word}_{name}" for word in functions for name in variables)]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InputError(
            f"functions would make a second column {twice!r}: rename the function or the variable."
        )


def check_names(used: Collection[str], variables: Sequence[str], functions: OwnFunctions) -> None:
    """Raise where the variables are no names, or laws use names that are not among them."""
    if isinstance(variables, str) or not variables:
        raise InputError("variables must hold at least one name.")
    if len(set(variables)) != len(variables):
        raise InputError(f"variables must differ, got {', '.join(variables)}.")
    for name in variables:
        if not isinstance(name, str) or not name.isidentifier() or name in OPERATIONS:
            raise InputError(f"variables must be names like x or drive, got {str(name)[:40]!r}.")
    check_functions(functions, variables)
    unknown = set(used) - {*variables, *derived_names(functions, variables)}
    if unknown:
        shown = ", ".join(name[:40] for name in sorted(unknown)[:5])
        raise InputError(f"equations use variables that are not named: {shown}.")


def derived_columns(
    columns: Mapping[str, Floats], functions: OwnFunctions, wanted: Sequence[str] | None = None
) -> dict[str, Floats]:
    """Evaluate the functions on every column; those that are not there are left out.

    Parameters
    ----------
    columns
        The variables, each (n,).
    functions
        Word -> function of an array.
    wanted
        Names such as ``erf_x``; None takes all.

    Raises
    ------
    InputError
        If a function does not give one number a row, or a wanted one is not there.

    Examples
    --------
    >>> derived_columns({"x": np.array([1.0, 2.0])}, {"twice": lambda x: 2 * x})
    {'twice_x': array([2., 4.])}
    """
    result = {}
    for name, (word, variable) in derived_names(functions, list(columns)).items():
        if wanted is not None and name not in wanted:
            continue
        function, column = functions[word], columns[variable]
        if function is None:
            raise InputError(
                f"functions lacks {word!r}: a law holds {word}({variable}), and a file keeps the "
                f"function's name only; give it as from_json or load(..., functions={{{word!r}: "
                "...})."
            )
        with np.errstate(all="ignore"):
            values = np.asarray(function(column), dtype=np.float64)
        if values.shape != column.shape:
            raise InputError(
                f"functions[{word!r}] must give {column.size} numbers for {variable}, got shape "
                f"{values.shape}."
            )
        result[name] = values
    return result
