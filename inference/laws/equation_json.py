"""Sets of laws as JSON: lists of tokens that are checked, never executed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from physlearn.checks import InputError, NotFound
from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.laws.equation import Equation, Term
from physlearn.inference.laws.equation_text import text_of
from physlearn.inference.laws.own_functions import OwnFunctions, derived_names
from physlearn.whole_files import atomic_write

if TYPE_CHECKING:
    from physlearn.inference.laws.equation_set import EquationSet

__all__ = ["json_of", "read_set", "save_set", "set_of_json"]

FORMATS = ("physlearn.EquationSet/1", "physlearn.EquationSet/2")
LARGEST_TEXT = 50_000_000
MOST_EQUATIONS = 10_000
MOST_NUMBERS = 200_000
"""Observations of more numbers than this (x, y and weights) are not written."""


def json_of(laws: EquationSet) -> str:
    """Return the set as JSON of format 2; see `EquationSet.to_json`."""
    data = laws.data
    kept = data is not None and data.x.size + 2 * data.y.size <= MOST_NUMBERS
    return json.dumps({
        "format": FORMATS[1],
        "variables": laws.variables, "target": laws.target, "ranges": laws.ranges.tolist(),
        "noise_sd": laws.noise_sd, "warnings": laws.warnings, "units": laws.units,
        "variable_units": laws.variable_units, "link": laws.link,
        "constant_length": laws.constant_length, "functions": list(laws.functions),
        "data": None if data is None or not kept else {
            "x": data.x.tolist(), "y": data.y.tolist(), "weight": data.weight.tolist(),
            "noise_known": bool(data.noise_known),
        },
        "equations": [
            {
                "text": text_of(law, laws), "loss": law.loss,
                "description_length": law.description_length, "n_constants": law.n_constants,
                "covariance": None if law.covariance is None else law.covariance.tolist(),
                "log_evidence": law.log_evidence, "noise_sd": law.noise_sd,
                "terms": [
                    {"coefficient": term.coefficient, "program": term.program}
                    for term in law.terms
                ],
            }
            for law in laws.equations
        ],
    }, allow_nan=False)  # fmt: skip


def save_set(laws: EquationSet, path: str | os.PathLike[str]) -> None:
    """Write the set as JSON, whole or not at all."""
    text = json_of(laws)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_set(path: str | os.PathLike[str], functions: OwnFunctions | None = None) -> EquationSet:
    """Read what `save_set` wrote; see `EquationSet.load`."""
    if not Path(path).is_file():
        raise NotFound(f"no such file: {path}")
    if Path(path).stat().st_size > LARGEST_TEXT:
        raise InputError(f"{path} must be an EquationSet of at most {LARGEST_TEXT} bytes.")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} must be an EquationSet that save wrote; it is no text.") from None
    return set_of_json(text, functions)


def set_of_json(text: str, functions: OwnFunctions | None = None) -> EquationSet:
    """Read what `json_of` wrote, or format 1; see `EquationSet.from_json`."""
    if not isinstance(text, str) or len(text) > LARGEST_TEXT:
        raise InputError(f"text must be JSON of at most {LARGEST_TEXT} characters.")
    try:
        return _set_of(json.loads(text, parse_constant=_refuse), functions or {})
    except InputError:
        raise
    except RecursionError:
        raise InputError(
            "text must be an EquationSet that to_json wrote; it is nested too deep."
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, MemoryError) as error:
        said = f"{type(error).__name__} {str(error)[:120]}"
        raise InputError(f"text must be an EquationSet that to_json wrote; {said}.") from None


def _refuse(name: str) -> NoReturn:
    raise InputError(f"text must be an EquationSet that to_json wrote; it holds {name}.")


def _set_of(data: Any, functions: OwnFunctions) -> EquationSet:
    from physlearn.inference.laws.equation_set import EquationSet

    if not isinstance(data, dict) or data.get("format") not in FORMATS:
        found = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise InputError(f"text must be an EquationSet of format 1 or 2, got {str(found)[:40]!r}.")
    old = data["format"] == FORMATS[0]
    items = _list(data, "equations")
    if len(items) > MOST_EQUATIONS:
        raise InputError(f"text must hold at most {MOST_EQUATIONS} laws, got {len(items)}.")
    variables = tuple(_texts(data, "variables"))
    units = data.get("variable_units")
    words = _texts(data, "functions") if "functions" in data else []
    own = {word: functions.get(word) for word in words}
    columns = (*variables, *derived_names(own, variables))
    return EquationSet(
        tuple(_equation_of(item, old) for item in items), variables, _text(data, "target"),
        _array(data["ranges"]), _number(data, "noise_sd"), tuple(_texts(data, "warnings")),
        units=None if data.get("units") is None else _text(data, "units"),
        variable_units=None if units is None else tuple(_texts(data, "variable_units")),
        link="identity" if old else _text(data, "link"),
        data=None if data.get("data") is None else _data_of(data["data"], columns),
        constant_length=_optional(data, "constant_length"), functions=own,
    )  # fmt: skip


def _equation_of(item: Mapping[str, Any], old: bool) -> Equation:
    covariance = item.get("covariance")
    if covariance is not None and (_array(covariance).diagonal() < 0).any():
        raise ValueError("a covariance with a negative variance")
    count, noise = _number(item, "n_constants"), _optional(item, "noise_sd")
    if count < 0 or count != int(count):
        raise ValueError(f"n_constants = {count:g}, which is no count")
    if noise is not None and noise < 0:
        raise ValueError(f"noise_sd = {noise:g}, below 0")
    return Equation(
        tuple(_term_of(term, old) for term in _list(item, "terms")), _number(item, "loss"),
        _number(item, "description_length"), int(count),
        covariance=None if covariance is None else _array(covariance),
        log_evidence=_optional(item, "log_evidence"), noise_sd=noise,
    )  # fmt: skip


def _term_of(term: Mapping[str, Any], old: bool) -> Term:
    program = _list(term, "program")
    coefficient = term["coefficient"]
    if isinstance(coefficient, bool) or not isinstance(coefficient, int | float):
        raise TypeError(f"a coefficient of type {type(coefficient).__name__}")
    if old:  # in format 1 every number was fitted
        coefficient = float(coefficient)
        program = [
            float(t) if isinstance(t, int) and not isinstance(t, bool) else t for t in program
        ]
    return Term(coefficient, tuple(program))


def _data_of(item: Mapping[str, Any], variables: tuple[str, ...]) -> SearchData:
    x, y, weight = (_array(item[name]) for name in ("x", "y", "weight"))
    if not isinstance(item["noise_known"], bool):
        raise TypeError("noise_known that is neither true nor false")
    if not (weight > 0).any():
        raise ValueError("data whose weights are all 0")
    return SearchData(x, y, weight, item["noise_known"], variables)


def _array(value: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} in place of an array")
    array = np.array(value)
    if array.dtype.kind not in "if" or array.ndim > 2:
        raise TypeError("an array that is not of numbers")
    return array.astype(np.float64)


def _list(item: Mapping[str, Any], name: str) -> list[Any]:
    if not isinstance(item[name], list):
        raise TypeError(f"{name} that is no list")
    return list(item[name])


def _texts(item: Mapping[str, Any], name: str) -> list[str]:
    values = _list(item, name)
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} that are not texts")
    return values


def _text(item: Mapping[str, Any], name: str) -> str:
    if not isinstance(item[name], str):
        raise TypeError(f"{name} that is no text")
    return str(item[name])


def _number(item: Mapping[str, Any], name: str) -> float:
    value = item[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{name} that is no number")
    return float(value)


def _optional(item: Mapping[str, Any], name: str) -> float | None:
    return None if item.get(name) is None else _number(item, name)
