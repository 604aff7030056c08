"""The words of the instrument: what each verb needs, does and can show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from physlearn.checks import InputError

__all__ = [
    "BIAS_LIMIT_V", "FIELD_VERBS", "MEASURING_VERBS", "POINT_VERBS", "TEXTS", "TIP_VERBS", "VERBS",
    "check_arguments", "strict_number",
]  # fmt: skip

AREA = ("x_min", "y_min", "x_max", "y_max")
VERBS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "image": AREA,
        "scan_again": ("n_repeats",),
        "move": ("x", "y"),
        "expose_site": ("x", "y"),
        "expose_patch": AREA,
        "tip_pulse": ("x", "y", "bias_V", "pulse_s"),
        "change_bias": ("bias_V",),
        "change_temperature": ("temperature_K",),
        "change_field": ("field_T",),
        "change_focus": ("focus_nm",),
        "wait": ("wait_s",),
        "tune": (),
        "approach": (),
        "withdraw": (),
        "analyse": (),
    }
)
"""Verb -> numbers it must have; lengths in the envelope's unit, the others in the unit named."""

TEXTS: Mapping[str, tuple[str, ...]] = MappingProxyType({"analyse": ("quantity",)})
"""Verb -> texts it must have."""

POINT_VERBS = frozenset({"expose_site", "tip_pulse"})
FIELD_VERBS = frozenset({"image", "expose_patch"})
TIP_VERBS = frozenset({"tip_pulse", "approach", "withdraw"})
MEASURING_VERBS = frozenset(VERBS) - {"move", "wait", "approach", "withdraw"}
"""Verbs after which something can be read out."""

BIAS_LIMIT_V = 1000.0


def strict_number(
    name: str, value: Any, *, minimum: float | None = None, above: float | None = None
) -> float:
    """Return a finite real number; refuse NaN, bool and text, which other checks let pass."""
    real = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool | np.bool_) or not real or not math.isfinite(value):
        raise InputError(f"{name} must be a finite number; got {repr(value)[:80]}.")
    if minimum is not None and value < minimum:
        raise InputError(f"{name} must be at least {minimum:g}; got {value!r}.")
    if above is not None and value <= above:
        raise InputError(f"{name} must be above {above:g}; got {value!r}.")
    return float(value)


def check_arguments(verb: str, args: Mapping[str, Any]) -> dict[str, float | int | str]:
    """Return the arguments of a verb as plain numbers and texts, or say what is wrong with them.

    Raises
    ------
    InputError
        For an unknown verb, a missing argument, a number that is NaN, bool or text, a field whose
        edges are in the wrong order, and times, temperatures and counts that cannot be.

    Examples
    --------
    >>> check_arguments("wait", {"wait_s": 5})
    {'wait_s': 5}
    """
    if not isinstance(args, Mapping):
        raise InputError(f"args must map names of arguments to values; got {args!r}.")
    if verb not in VERBS:
        raise InputError(f"verb must be one of {', '.join(VERBS)}; got {verb!r}.")
    for name in VERBS[verb] + TEXTS.get(verb, ()):
        if name not in args:
            raise InputError(f"{verb} needs the argument {name!r}; got {list(args)}.")
    for name in VERBS[verb]:
        strict_number(f"{verb}.{name}", args[name])
    checked: dict[str, float | int | str] = {}
    for name, value in args.items():
        if isinstance(value, str) and name not in VERBS[verb]:
            checked[str(name)] = value
        elif isinstance(value, int | np.integer) and not isinstance(value, bool):
            checked[str(name)] = int(value)
        else:
            checked[str(name)] = strict_number(f"{verb}.{name}", value)
    _check_values(verb, checked)
    return checked


def _check_values(verb: str, args: Mapping[str, float | int | str]) -> None:
    if verb in FIELD_VERBS:
        x_min, y_min, x_max, y_max = (float(args[name]) for name in AREA)
        if not (x_min < x_max and y_min < y_max):
            raise InputError(f"{verb} needs x_min < x_max and y_min < y_max; got {dict(args)}.")
    if verb == "scan_again" and (not isinstance(args["n_repeats"], int) or args["n_repeats"] < 1):
        raise InputError(f"n_repeats must be a whole number of at least 1; got {dict(args)}.")
    for name in ("wait_s", "pulse_s", "dwell_s"):
        if name in args:
            strict_number(f"{verb}.{name}", args[name], above=0)
    if "temperature_K" in args:
        strict_number(f"{verb}.temperature_K", args["temperature_K"], minimum=0)
    for name in TEXTS.get(verb, ()):
        if not isinstance(args[name], str) or not str(args[name]).strip():
            raise InputError(f"{verb}.{name} must be a text; got {args[name]!r}.")
