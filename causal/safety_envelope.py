"""Hard limits of an experiment: what an instrument may never do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.causal.dose_sums import (
    ROUNDING,
    area_of,
    distance_to_area,
    dose_sums,
    middle_of,
)
from physlearn.causal.verbs import BIAS_LIMIT_V, POINT_VERBS, strict_number
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.causal.actions import Action

__all__ = ["SafetyEnvelope"]


@dataclass(frozen=True, slots=True)
class SafetyEnvelope:
    """Hard limits of an experiment; a plan outside them is refused, never trimmed.

    Attributes
    ----------
    max_total_dose
        Sum of the doses of all steps, in `dose_unit`.
    field_of_view
        x_min, y_min, x_max, y_max that may be looked at or touched, in the data's unit.
    max_step_dose
        Dose of one step; the total when None.
    bias_limits_volt
        Lowest and highest bias, in volt; None forbids `change_bias`.
    max_irreversible
        How many steps may change the sample for good.
    max_duration_s
        Sum of the durations, in seconds, or None.
    forbidden_sites
        (x, y, radius) where nothing may be exposed.
    dose_unit
        Unit of all doses.
    max_site_dose
        Dose of one site: exposures within ``site_radius``, and scans and patches that cover it.
    max_field_dose
        Dose of any one point by scans and patches together.
    site_radius
        Exposures no farther apart than this are of the same site, in the data's unit.
    pulse_limits_volt
        Lowest and highest bias of a tip pulse, in volt; None forbids `tip_pulse`.
    max_pulse_s
        Longest tip pulse, in seconds.
    temperature_limits_kelvin, field_limits_tesla, focus_limits_nanometre
        Lowest and highest value; None forbids the verb that changes it.
    max_travel
        Longest way between one place and the next, in the data's unit.

    Raises
    ------
    InputError
        For NaN, bool, text, negative limits, or limits in the wrong order.

    Examples
    --------
    >>> from physlearn.causal import Action
    >>> envelope = SafetyEnvelope(100.0, (0, 0, 50, 50), bias_limits_volt=(-3, 3))
    >>> envelope.violations([Action("change_bias", {"bias_V": 5.0}, 0.0, 1.0, 1.0)])
    ['step 1: bias 5 V lies outside -3 to 3 V']
    """

    max_total_dose: float
    field_of_view: tuple[float, float, float, float]
    max_step_dose: float | None = None
    bias_limits_volt: tuple[float, float] | None = None
    max_irreversible: int = 1
    max_duration_s: float | None = None
    forbidden_sites: tuple[tuple[float, float, float], ...] = ()
    dose_unit: str = "e/A^2"
    max_site_dose: float | None = None
    max_field_dose: float | None = None
    site_radius: float = 0.0
    pulse_limits_volt: tuple[float, float] | None = None
    max_pulse_s: float | None = None
    temperature_limits_kelvin: tuple[float, float] | None = None
    field_limits_tesla: tuple[float, float] | None = None
    focus_limits_nanometre: tuple[float, float] | None = None
    max_travel: float | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        _store(
            self, "max_total_dose", strict_number("max_total_dose", self.max_total_dose, minimum=0)
        )
        _store(self, "site_radius", strict_number("site_radius", self.site_radius, minimum=0))
        for name in LARGEST:
            value = getattr(self, name)
            if value is not None:
                _store(self, name, strict_number(name, value, minimum=0))
        view = _numbers("field_of_view", self.field_of_view)
        if len(view) != 4 or not (view[0] < view[2] and view[1] < view[3]):
            raise InputError(
                "field_of_view must be (x_min, y_min, x_max, y_max) with x_min < x_max and "
                f"y_min < y_max; got {self.field_of_view!r}."
            )
        _store(self, "field_of_view", view)
        for name, (lowest, highest, unit) in RANGES.items():
            _store(self, name, _checked_range(name, getattr(self, name), lowest, highest, unit))
        count = self.max_irreversible
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
            raise InputError(f"max_irreversible must be a whole number from 0; got {count!r}.")
        _store(self, "max_irreversible", int(count))
        sites = tuple(_numbers("forbidden_sites", site) for site in self.forbidden_sites)
        if any(len(site) != 3 or site[2] < 0 for site in sites):
            raise InputError("forbidden_sites must hold (x, y, radius) triples, radius from 0.")
        _store(self, "forbidden_sites", sites)
        if not isinstance(self.dose_unit, str):
            raise InputError(f"dose_unit must be a text; got {self.dose_unit!r}.")

    def violations(self, actions: Sequence[Action]) -> list[str]:
        """Return every limit that the actions, done in this order, would break.

        The order itself (a pulse with the tip withdrawn, say) is what a plan checks.
        """
        acts, scanned = [], None
        for action in actions:
            area = scanned if action.verb == "scan_again" else area_of(action)
            scanned = area if action.verb == "image" else scanned
            acts.append((action, area))
        if not acts:
            return []
        sums = dose_sums(acts, self)
        found: list[str] = []
        place = None
        for k, so_far in enumerate(np.cumsum(sums.added, axis=0)):
            action = acts[k][0]
            reasons = [*self.broken_by(action), *self.too_far(place, action)]
            found += [
                f"step {k + 1}: {reason}" for reason in (*reasons, *sums.too_large(k, so_far))
            ]
            place = middle_of(action) or place
        return found

    def broken_by(self, action: Action) -> list[str]:
        """Return every limit that an act breaks by itself."""
        found = []
        limit = self.max_total_dose if self.max_step_dose is None else self.max_step_dose
        if action.dose > limit:
            found.append(f"dose {action.dose:g} {self.dose_unit} is above {limit:g} a step")
        found += self._out_of_reach(action)
        if action.verb in SETTINGS:
            found += self._out_of_range(action)
        for name in ("wait_s", "pulse_s"):
            if name in action.args and action.number(name) > action.duration_s:
                found.append(
                    f"{name} is {action.number(name):g}, longer than the {action.duration_s:g} s "
                    "that the step takes"
                )
        if action.verb == "tip_pulse":
            if self.max_pulse_s is not None and action.number("pulse_s") > self.max_pulse_s:
                found.append(
                    f"a pulse of {action.number('pulse_s'):g} s is above {self.max_pulse_s:g} s"
                )
            if not action.irreversible:
                found.append("a tip pulse cannot be undone: set irreversible=True")
        return found

    def too_far(self, place: tuple[float, float] | None, action: Action) -> list[str]:
        """Return why an act is out of reach from the place before, if it is; None is any place."""
        there, longest = middle_of(action), self.max_travel
        if longest is None or place is None or there is None:
            return []
        way = math.dist(place, there)
        far = way > longest * (1 + ROUNDING)
        return [f"it is {way:g} away from the place before, above {longest:g}"] if far else []

    def _out_of_reach(self, action: Action) -> list[str]:
        """Say which places lie outside the view, or may not be touched."""
        found = []
        area = area_of(action)
        places = [area[:2], area[2:]] if area is not None else []
        if "x" in action.args and "y" in action.args:
            places.append((action.number("x"), action.number("y")))
        x_min, y_min, x_max, y_max = self.field_of_view
        for x, y in places:
            if not (x_min <= x <= x_max and y_min <= y <= y_max):
                found.append(f"({x:g}, {y:g}) lies outside the field of view")
        for site_x, site_y, radius in self.forbidden_sites:
            if action.verb in POINT_VERBS:
                x, y = places[-1]
                if math.hypot(x - site_x, y - site_y) <= radius:
                    found.append(f"({x:g}, {y:g}) is a forbidden site")
            elif (
                action.verb == "expose_patch"
                and area is not None
                and distance_to_area(site_x, site_y, area) <= radius
            ):
                found.append(f"the patch touches the forbidden site ({site_x:g}, {site_y:g})")
        return found

    def _out_of_range(self, action: Action) -> list[str]:
        argument, limits_name, what = SETTINGS[action.verb]
        limits, unit = getattr(self, limits_name), argument.rsplit("_", 1)[-1]
        value = action.number(argument)
        if limits is None:
            return [f"the envelope allows no {'pulse' if what == 'pulse' else f'change of {what}'}"]
        if not limits[0] <= value <= limits[1]:
            return [f"{what} {value:g} {unit} lies outside {limits[0]:g} to {limits[1]:g} {unit}"]
        return []


REQUIRED = ("max_total_dose", "site_radius")
LARGEST = (
    *REQUIRED, "max_step_dose", "max_duration_s", "max_site_dose", "max_field_dose", "max_pulse_s",
    "max_travel",
)  # fmt: skip
RANGES = {
    "bias_limits_volt": (-BIAS_LIMIT_V, BIAS_LIMIT_V, "V"),
    "pulse_limits_volt": (-BIAS_LIMIT_V, BIAS_LIMIT_V, "V"),
    "temperature_limits_kelvin": (0.0, 5000.0, "K"),
    "field_limits_tesla": (-100.0, 100.0, "T"),
    "focus_limits_nanometre": (-1e6, 1e6, "nm"),
}
"""Field -> lowest and highest value that any instrument could mean, and their unit."""
SETTINGS = {
    "change_bias": ("bias_V", "bias_limits_volt", "bias"),
    "tip_pulse": ("bias_V", "pulse_limits_volt", "pulse"),
    "change_temperature": ("temperature_K", "temperature_limits_kelvin", "temperature"),
    "change_field": ("field_T", "field_limits_tesla", "field"),
    "change_focus": ("focus_nm", "focus_limits_nanometre", "focus"),
}
"""Verb -> its argument, the field that limits it, and what it sets, in words."""


def _store(envelope: SafetyEnvelope, name: str, value: Any) -> None:
    object.__setattr__(envelope, name, value)


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str):
        raise InputError(f"{name} must hold numbers; got {values!r}.")
    return tuple(strict_number(name, value) for value in values)


def _checked_range(
    name: str, value: Any, lowest: float, highest: float, unit: str
) -> tuple[float, ...] | None:
    if value is None:
        return None
    limits = _numbers(name, value)
    if len(limits) != 2 or limits[0] > limits[1] or limits[0] < lowest or limits[1] > highest:
        raise InputError(
            f"{name} must be (lowest, highest) within {lowest:g} to {highest:g} {unit}; "
            f"got {value!r}."
        )
    return limits
