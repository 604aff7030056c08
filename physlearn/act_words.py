"""Acts of an instrument in words: what to do, and where or to what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from physlearn.phrases import plain_name, said_number, unit_text

if TYPE_CHECKING:
    from physlearn.causal import Action

__all__ = ["act_name", "act_place", "dose_text"]

NAMES = {
    "image": "take a picture",
    "scan_again": "scan the same field again",
    "move": "move the stage",
    "expose_site": "expose one site",
    "expose_patch": "expose one patch",
    "tip_pulse": "pulse the tip",
    "change_bias": "change the bias",
    "change_temperature": "change the temperature",
    "change_field": "change the magnetic field",
    "change_focus": "change the focus",
    "wait": "wait",
    "tune": "tune the instrument",
    "approach": "approach the tip",
    "withdraw": "withdraw the tip",
    "analyse": "analyse the picture",
}
SETTINGS = {
    "change_bias": ("bias_V", "V"),
    "change_temperature": ("temperature_K", "K"),
    "change_field": ("field_T", "T"),
    "change_focus": ("focus_nm", "nm"),
}


def act_name(action: Action) -> str:
    """Return what is done, without where.

    Examples
    --------
    >>> from physlearn.causal import Action
    >>> act_name(Action("tip_pulse", {"x": 1, "y": 2, "bias_V": -3, "pulse_s": 0.1}, 0, 1, 1))
    'pulse the tip'
    """
    return NAMES[action.verb]


def act_place(action: Action, length_unit: str) -> str:
    """Return where an act is done, or to what; an empty text where there is nothing to say.

    Parameters
    ----------
    action
        Any act.
    length_unit
        Of its coordinates, as a record holds it ("pixel", "nm").

    Examples
    --------
    >>> from physlearn.causal import Action
    >>> pulse = Action("tip_pulse", {"x": 1, "y": 2, "bias_V": -3, "pulse_s": 0.1}, 0, 1, 1)
    >>> act_place(pulse, "nm")
    'at x 1, y 2 nm, −3 V for 0.1 s'
    >>> act_place(Action("change_temperature", {"temperature_K": 300}, 0, 60, 1), "nm")
    'to 300 K'
    """
    unit = unit_text(length_unit)
    if action.verb in SETTINGS:
        name, of_setting = SETTINGS[action.verb]
        return f"to {said_number(action.number(name))} {of_setting}"
    return PLACES.get(action.verb, _nowhere)(action, unit)


def _nowhere(_action: Action, _unit: str) -> str:
    return ""


def _area(action: Action, unit: str) -> str:
    low_x, high_x, low_y, high_y = (
        said_number(action.number(name)) for name in ("x_min", "x_max", "y_min", "y_max")
    )
    return f"x {low_x} to {high_x}, y {low_y} to {high_y} {unit}".rstrip() + _until(action)


def _point(action: Action, unit: str) -> str:
    x, y = (said_number(action.number(name)) for name in ("x", "y"))
    return f"at x {x}, y {y} {unit}".rstrip() + _until(action)


def _until(action: Action) -> str:
    if "column" not in action.args or "to" not in action.args:
        return ""
    column = plain_name(str(action.args["column"]))
    return f", until the patch’s {column} is {said_number(action.number('to'))}"


def _pulse(action: Action, unit: str) -> str:
    volts, seconds = (said_number(action.number(name)) for name in ("bias_V", "pulse_s"))
    return f"{_point(action, unit)}, {volts} V for {seconds} s"


PLACES: dict[str, Callable[[Action, str], str]] = {
    "image": _area,
    "expose_patch": _area,
    "expose_site": _point,
    "move": lambda action, unit: f"to {_point(action, unit).removeprefix('at ')}",
    "tip_pulse": _pulse,
    "scan_again": lambda action, _unit: f"{action.args['n_repeats']}×",
    "wait": lambda action, _unit: f"for {said_number(action.number('wait_s'))} s",
    "analyse": lambda action, _unit: f"its {plain_name(str(action.args['quantity']))}",
}


def dose_text(dose: float, unit: str) -> str:
    """Return a dose with its unit, or that there is none.

    Examples
    --------
    >>> dose_text(1.0, "pictures"), dose_text(0.0, "e/A^2"), dose_text(20.0, "e/A^2")
    ('1 picture', 'none', '20 e/A²')
    """
    if not dose:
        return "none"
    said = unit_text(unit)
    return f"{said_number(dose)} {said.removesuffix('s') if dose == 1 else said}"
