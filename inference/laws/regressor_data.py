"""What `SymbolicRegressor` is given, checked and brought to what the search takes."""

from __future__ import annotations

import datetime
import keyword
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.inference.law_data.law_constraints import LawConstraints
from physlearn.inference.law_data.units import Unit, parse_unit
from physlearn.inference.law_search.dimensional_search import Quantities
from physlearn.inference.laws.equation import Equation
from physlearn.inference.laws.expression import OPERATIONS
from physlearn.inference.laws.own_functions import check_functions, derived_columns

__all__ = [
    "LINKS",
    "by_new_name",
    "check_finite",
    "check_numbers",
    "check_scale",
    "column_warnings",
    "extended",
    "law_names",
    "on_link",
    "quantities_of",
    "renamed_rules",
    "target_name",
    "weights_of",
]

Floats = NDArray[np.float64]
Given = TypeVar("Given")
Rules = Callable[[Equation], str | None]

X_SCALES = (1e-9, 1e9)  # the search bounds its constants by 1e12, whatever the unit of x
Y_SCALES = (1e-100, 1e100)  # squares of y must be numbers
COLLINEAR = 1e-10  # of a column's variance not explained by the others
# link -> function, its derivative, where defined
LINKS: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats], str]] = {
    "identity": (lambda y: y, np.ones_like, "everywhere"),
    "log": (np.log, lambda y: 1.0 / y, "above 0"),
    "log10": (np.log10, lambda y: 1.0 / (y * np.log(10.0)), "above 0"),
    "sqrt": (np.sqrt, lambda y: 0.5 / np.sqrt(y), "above 0"),
    "inv": (lambda y: 1.0 / y, lambda y: -1.0 / y**2, "except 0"),
    "logit": (
        lambda y: np.log(y / (1.0 - y)), lambda y: 1.0 / (y * (1.0 - y)), "between 0 and 1"
    ),
}  # fmt: skip


def check_finite(name: str, values: Floats, names: Sequence[str] | None = None) -> None:
    """Raise where there is NaN or infinity, naming row and column."""
    bad = ~np.isfinite(values)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        column = "" if names is None else f" of {names[where[1]]}"
        what = "NaN" if np.isnan(values[where]) else "infinity"
        raise InputError(
            f"{name} must hold finite numbers; found {int(bad.sum())} NaN or infinite value(s), "
            f"first {what} in row {where[0]}{column}: drop these rows or fill them."
        )


def check_scale(name: str, values: Floats, *, of_y: bool = False) -> None:
    """Raise where a column is so small or large that the search would depend on its unit."""
    low, high = Y_SCALES if of_y else X_SCALES
    size = float(np.abs(values).max())
    if size == 0.0 and of_y:
        raise InputError(f"{name} must differ from 0 in some row, it is 0 in all: measure again.")
    if size > 0.0 and not low <= size <= high:
        power = -math.floor(math.log10(size))
        raise InputError(
            f"{name} must be given in a unit in which its largest value lies between {low:g} and "
            f"{high:g}, got {size:.3g}: multiply it by 1e{power}."
        )


def law_names(
    given: Sequence[str] | None, columns: Sequence[str] | None, n: int
) -> tuple[list[str], dict[str, str]]:
    """Names of the variables, and what the columns' names that laws cannot hold were made to.

    As given, the columns' own, or x0, x1, ... A column ``"drive (V)"`` becomes ``drive_V``.

    Examples
    --------
    >>> law_names(None, ["T", "drive (V)", "exp"], 3)
    (['T', 'drive_V', 'exp_'], {'drive (V)': 'drive_V', 'exp': 'exp_'})
    """
    if given is None:
        if columns is None:
            return [f"x{i}" for i in range(n)], {}
        taken = {name for name in columns if _usable(name)}
        renamed: dict[str, str] = {}
        for place, name in enumerate(columns):
            if not _usable(name):
                free = re.sub(r"\W+", "_", str(name)).strip("_") or f"x{place}"
                free = free if _usable(free) or free in OPERATIONS else f"x_{free}"
                while not _usable(free) or free in taken:
                    free += "_"
                renamed[name] = free
                taken.add(free)
        return [renamed.get(name, name) for name in columns], renamed
    names = list(given)
    if len(names) != n or len(set(names)) != n:
        raise InputError(f"variables must hold {n} different names, got {tuple(names)}.")
    for name in names:
        if isinstance(name, str) and (keyword.iskeyword(name) or name in OPERATIONS):
            what = "a Python keyword" if keyword.iskeyword(name) else "a function of the laws"
            raise InputError(f"variables holds {name!r}, which is {what}; use {name}_.")
        if not isinstance(name, str) or not _usable(name):
            raise InputError(f"variables must be names like x or drive, got {name!r}.")
    return names, {}


def by_new_name(given: Mapping[str, Given], renamed: Mapping[str, str]) -> dict[str, Given]:
    """Return what was given by the columns' own names by the names that the laws use.

    Examples
    --------
    >>> by_new_name({"drive (V)": 0.1, "T": 1.0}, {"drive (V)": "drive_V"})
    {'drive_V': 0.1, 'T': 1.0}
    """
    return {renamed.get(name, name): value for name, value in given.items()}


def renamed_rules(rules: Rules | None, renamed: Mapping[str, str]) -> Rules | None:
    """Return `LawConstraints` by the names that the laws use; other constraints as they are."""
    if not isinstance(rules, LawConstraints) or not renamed:
        return rules
    return replace(
        rules, ranges=by_new_name(rules.ranges, renamed),
        monotone=by_new_name(rules.monotone, renamed),
        curvature=by_new_name(rules.curvature, renamed),
        symmetry=by_new_name(rules.symmetry, renamed),
        values=by_new_name(rules.values, renamed), limits=by_new_name(rules.limits, renamed),
    )  # fmt: skip


def _usable(name: str) -> bool:
    return name.isidentifier() and name not in OPERATIONS and not keyword.iskeyword(name)


def target_name(given: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """Name of what is predicted, and a sentence where the default ``y`` is a column's name.

    Raises
    ------
    InputError
        If another name than the default is a column's.
    """
    if given not in names:
        return given, []
    if given != "y":
        raise InputError(
            f"target must not be the name of a column of X, got {given!r}: take that column out "
            "of X, or name the target otherwise."
        )
    free = next(name for name in ("target", "target_", "target__") if name not in names)
    return free, [
        f"X has a column y, so the laws' left side is called {free!r}: if that column is what you "
        "want to predict, take it out of X; else name it with target="
    ]


def check_numbers(X: ArrayLike, y: ArrayLike) -> None:
    """Raise where a column or y holds dates, durations or text: a law needs numbers in a unit."""
    columns: dict[str, Any] = {"X": X, "y": y}
    if hasattr(X, "columns") and hasattr(X, "iloc"):
        del columns["X"]
        columns |= {f"column {name!r} of X": X.iloc[:, i] for i, name in enumerate(X.columns)}
    for name, column in columns.items():
        try:
            values = np.asarray(column)
        except ValueError:
            raise InputError(_ragged(name, column)) from None
        first = values.flat[0] if values.size else 0.0
        if values.dtype.kind in "mM" or isinstance(first, datetime.date | datetime.timedelta):
            raise InputError(
                f"{name} must hold numbers, got dates or durations: give them in a unit of your "
                "choice, for example seconds, (t - t.iloc[0]).dt.total_seconds()."
            )
        if values.dtype.kind in "US" or isinstance(first, str):
            raise InputError(
                f"{name} must hold numbers, got text ({str(first)!r:.40} first): leave it out, or "
                "give a number for each of its values."
            )


def _ragged(name: str, rows: Any) -> str:
    """Say which row has another length than the first."""
    lengths = [np.shape(row)[0] if np.ndim(row) else None for row in rows]
    place = next((i for i, length in enumerate(lengths) if length != lengths[0]), 0)
    sizes = ["no" if length is None else str(length) for length in (lengths[0], lengths[place])]
    return (
        f"{name} must have rows of one length, got {sizes[0]} number(s) in row 0 and {sizes[1]} in "
        f"row {place}: fill or drop that row."
    )


def extended(
    matrix: Floats, names: Sequence[str], functions: Mapping[str, Callable[[Floats], Floats]]
) -> tuple[Floats, list[str]]:
    """Append ``f(x)`` as a column ``f_x`` for each of the user's functions and variables.

    Raises
    ------
    InputError
        If a function does not give one number a row, or one that is not finite.
    """
    check_functions(functions, names)
    own = dict(zip(names, matrix.T, strict=True))
    derived = derived_columns(own, functions)
    for name, values in derived.items():
        check_finite(name, values)
    return np.array([*own.values(), *derived.values()]), [*own, *derived]


def weights_of(
    noise: ArrayLike | None, sample_weight: ArrayLike | None, n: int
) -> tuple[Floats, bool]:
    """Weights, and whether they are 1 / variance.

    Raises
    ------
    InputError
        If both are given, or one has a wrong length or sign.
    """
    if noise is not None and sample_weight is not None:
        raise InputError("give either noise or sample_weight, not both.")
    if noise is not None:
        given = check_array("noise", noise)
        if given.shape not in ((), (n,)):
            raise InputError(f"noise must be one number or have shape ({n},), got {given.shape}.")
        sd = np.broadcast_to(given, (n,))
        if not (sd > 0).all():
            raise InputError(
                f"noise must be above 0 for every point, got {sd[~(sd > 0)][0]} for point "
                f"{int(np.argmax(~(sd > 0)))}."
            )
        return 1.0 / sd**2, True
    if sample_weight is None:
        return np.ones(n), False
    weight = check_array("sample_weight", sample_weight, minimum=0.0)
    if weight.shape not in ((), (n,)):
        raise InputError(f"sample_weight must have shape ({n},), got {weight.shape}.")
    weight = np.broadcast_to(weight, (n,))
    if not weight.any():
        raise InputError("sample_weight must not be zero for all points.")
    return weight * n / weight.sum(), False


def on_link(y: Floats, weight: Floats, link: str, *, known: bool) -> tuple[Floats, Floats]:
    """Target and weights on the link's scale; known noise is carried over to first order.

    Raises
    ------
    InputError
        If the link is undefined for a value.
    """
    function, slope, where = LINKS[link]
    with np.errstate(all="ignore"):
        values, slopes = function(y), slope(y)
    bad = ~(np.isfinite(values) & np.isfinite(slopes))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"link={link!r} is defined {where}; got y = {y[row]} in row {row}.")
    return values, weight / slopes**2 if known else weight


def column_warnings(x: Floats, names: Sequence[str]) -> list[str]:
    """Sentences on columns that tell nothing or are collinear.

    Raises
    ------
    InputError
        If no column varies.
    """
    spread = np.ptp(x, axis=1)
    varies = spread > 1e-12 * np.abs(x).max(axis=1)
    if not varies.any():
        shown = ", ".join(f"{n} = {row[0]:.4g}" for n, row in zip(names, x, strict=True))
        raise InputError(
            f"X must vary in at least one column, got constants only ({shown}): measure at "
            "several values."
        )
    texts = [
        f"{name} is constant ({row[0]:.4g}): no law can say how y depends on it"
        for name, row, moves in zip(names, x, varies, strict=True)
        if not moves
    ]
    moving = np.flatnonzero(varies)
    centred = x[moving] - x[moving].mean(axis=1, keepdims=True)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    for place in range(1, len(moving)):
        before = centred[:place]
        solution, *_ = np.linalg.lstsq(before.T, centred[place], rcond=None)
        if ((centred[place] - solution @ before) ** 2).sum() < COLLINEAR:
            mates = [names[moving[i]] for i in range(place) if abs(solution[i]) > 1e-6]
            texts.append(
                f"{names[moving[place]]} is a linear function of {', '.join(mates)} in these data: "
                "they cannot tell which of them a law holds; vary them apart"
            )
    return texts


def quantities_of(
    units: Mapping[str, str],
    target_unit: str | None,
    names: Sequence[str],
    target: str,
    constants: Mapping[str, tuple[float, str]],
) -> Quantities:
    """Units of the variables and the target (``target_unit``, or under the target's name).

    Raises
    ------
    InputError
        If one is missing, unknown or for no variable.
    """
    given = dict(units)
    own = given.pop(target, None)
    goal = target_unit if target_unit is not None else own
    if goal is None:
        raise InputError(
            f"units need the target's unit: give target_unit or units[{target!r}], '1' for a "
            "number."
        )
    for name in given:
        if name not in names:
            raise InputError(f"units names {name!r}; the variables are {', '.join(names)}.")
    missing = [name for name in names if name not in given]
    if missing:
        raise InputError(f"units lack {', '.join(missing)}; give '1' for a number.")
    known: list[tuple[str, float, Unit]] = []
    for name, pair in constants.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError(f"constants[{name!r}] must be (value, unit), got {pair!r}.")
        value = float(check_array(f"constants[{name!r}]", pair[0], ndim=0))
        if value == 0:
            raise InputError(f"constants[{name!r}] must not be 0.")
        known.append((name, value, parse_unit(pair[1], f"constants[{name!r}]")))
    return Quantities(
        tuple(parse_unit(given[name], f"units[{name!r}]") for name in names),
        parse_unit(goal, "target_unit"), tuple(known),
    )  # fmt: skip
