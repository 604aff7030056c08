"""Which device does what, and whether a plan can be carried out with them."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from physlearn.causal.actions import Action
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.verbs import FIELD_VERBS, POINT_VERBS, strict_number
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["SETTINGS", "PlanDevices", "check_devices", "device_problems", "need_package"]

SETTINGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "change_bias": ("bias", "bias_V"),
        "change_temperature": ("temperature", "temperature_K"),
        "change_field": ("field", "field_T"),
        "change_focus": ("focus", "focus_nm"),
    }
)
"""Verb -> the device that it sets, and the argument with the value."""


@dataclass(frozen=True, slots=True, eq=False)
class PlanDevices:
    """The devices of an instrument, as ophyd or anything with bluesky's protocols makes them.

    Attributes
    ----------
    x, y
        Positioners: ``set(position)``, in the data's unit. x is always told before y.
    detector
        ``read()``, and ``trigger()`` where it has one: what is read out after an act.
    readout
        The key of the detector's reading that holds the number the hypotheses speak of.
    exposer
        ``set(action)`` takes a picture or exposes a site or a patch: an `Action` with verb, places,
        dose and duration. Needed for image, scan_again, expose_site and expose_patch.
    pulser
        ``set(action)`` gives a tip pulse. Needed for tip_pulse.
    beam
        ``set(1)`` opens it, ``set(0)`` blanks it; None for an instrument without one.
    tip
        ``set(1)`` approaches, ``set(0)`` withdraws; None for an instrument without one.
    bias, temperature, field, focus
        Positioners, in V, K, T and nm; each for its verb.
    tuner
        ``trigger()`` tunes.
    analyser
        ``set(quantity)`` analyses the last picture, ``read()`` holds the number.
    dose_given
        The key of the detector's reading that holds the dose truly given; None: that planned.

    Examples
    --------
    >>> PlanDevices(x=None, y=None, detector=None, readout="height").tip is None
    True
    """

    x: Any
    y: Any
    detector: Any
    readout: str
    exposer: Any = None
    pulser: Any = None
    beam: Any = None
    tip: Any = None
    bias: Any = None
    temperature: Any = None
    field: Any = None
    focus: Any = None
    tuner: Any = None
    analyser: Any = None
    dose_given: str | None = None

    __repr__ = short_repr
    _repr_html_ = html_table


def need_package(name: str) -> Any:
    """Return a module of bluesky or ophyd, or say how to get it.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    """
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise ModuleNotFoundError(
            f"plans for bluesky need the package {package}, which is not installed: run "
            "`pip install 'physlearn[bluesky]'`; an `InstrumentAdapter` needs nothing."
        )
    return importlib.import_module(name)


def device_problems(plan: ExperimentPlan, devices: PlanDevices) -> list[str]:
    """Return why the devices cannot carry out a plan, asking their limits and moving nothing."""
    found: list[str] = []
    for name, step in zip(plan.step_names(), plan.steps, strict=True):
        for device, value in _told(step.action):
            obj = getattr(devices, device)
            if obj is None:
                found.append(f"{name} ({step.action.verb}) needs devices.{device}, which is None")
            elif value is not None and not _takes(obj, value):
                limits = getattr(obj, "limits", None)
                said = f" {limits}" if limits is not None else ""
                found.append(
                    f"{name} ({step.action.verb}) sets devices.{device} to {value:g}, outside its "
                    f"limits{said}"
                )
    if plan.steps and devices.detector is None:
        found.append("devices.detector must be given; got None")
    place = getattr(devices.tip, "position", None)
    if plan.starts.tip == "none" or devices.tip is None or place is None:
        return found
    here = "approached" if place > 0.5 else "withdrawn"
    if here != plan.starts.tip:
        found.append(f"the plan starts with the tip {plan.starts.tip}; it is {here}")
    return found


def _told(action: Action) -> list[tuple[str, float | None]]:
    """Return the devices that an act needs, each with the number it is set to, if any."""
    verb = action.verb
    needs: list[tuple[str, float | None]] = []
    if verb in POINT_VERBS or verb == "move":
        needs += [("x", action.number("x")), ("y", action.number("y"))]
    if verb == "tip_pulse":
        needs.append(("pulser", action.number("bias_V")))
    elif verb in POINT_VERBS | FIELD_VERBS | {"scan_again"}:
        needs.append(("exposer", None))
    if verb in SETTINGS:
        device, argument = SETTINGS[verb]
        needs.append((device, action.number(argument)))
    if verb in ("approach", "withdraw"):
        needs.append(("tip", 1.0 if verb == "approach" else 0.0))
    if verb in ("tune", "analyse"):
        needs.append(("tuner" if verb == "tune" else "analyser", None))
    return needs


def _takes(device: Any, value: float) -> bool:
    """Return whether a device's own check lets a number pass; one without a check takes all."""
    check = getattr(device, "check_value", None)
    strict_number("a device's value", value)
    if check is None:
        return True
    try:
        check(value)
    except (ValueError, TypeError):
        return False
    limits = getattr(device, "limits", None) or (-math.inf, math.inf)
    return not limits[0] < limits[1] or bool(limits[0] <= value <= limits[1])


def check_devices(plan: ExperimentPlan, devices: PlanDevices) -> None:
    """Say by an InputError why the devices cannot carry out a plan, if they cannot."""
    if not isinstance(devices, PlanDevices):
        raise InputError(f"devices must be a PlanDevices; got {type(devices).__name__}.")
    found = device_problems(plan, devices)
    if found:
        raise InputError(f"the plan must not be run: {found[0]} ({len(found)} problem(s)).")
