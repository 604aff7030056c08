"""What an instrument can do, what each act costs, and what it may never do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from physlearn.checks import InputError

VERBS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "image": ("x_min", "y_min", "x_max", "y_max"),
        "scan_again": ("n_repeats",),
        "expose_site": ("x", "y"),
        "change_bias": ("bias_V",),
    }
)
"""Verb -> arguments it must have; lengths in the envelope's unit, bias in volt."""

BIAS_LIMIT_V = 1000.0


def strict_number(
    name: str, value: Any, *, minimum: float | None = None, above: float | None = None
) -> float:
    """Return a finite real number; refuse NaN, bool and text, which other checks let pass."""
    real = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool | np.bool_) or not real or not math.isfinite(value):
        raise InputError(f"{name} must be a finite number; got {value!r}.")
    if minimum is not None and value < minimum:
        raise InputError(f"{name} must be at least {minimum:g}; got {value!r}.")
    if above is not None and value <= above:
        raise InputError(f"{name} must be above {above:g}; got {value!r}.")
    return float(value)


@dataclass(frozen=True, slots=True)
class Action:
    """One act of the instrument.

    Attributes
    ----------
    verb
        "image", "scan_again", "expose_site" or "change_bias".
    args
        Numbers or short texts; `VERBS` lists what each verb must have.
    dose
        Dose the sample takes, in the envelope's unit.
    duration_s
        Time it takes, in seconds.
    cost
        What it costs, in the unit of the budget (minutes, say); above 0.
    irreversible
        Whether the sample is not the same afterwards.

    Raises
    ------
    InputError
        For unknown verbs, missing arguments, and numbers that are NaN, bool or text.

    Examples
    --------
    >>> Action("change_bias", {"bias_V": 2.0}, dose=0.0, duration_s=5.0, cost=1.0).args["bias_V"]
    2.0
    """

    verb: str
    args: Mapping[str, float | int | str]
    dose: float
    duration_s: float
    cost: float
    irreversible: bool = False

    def __post_init__(self) -> None:
        if self.verb not in VERBS:
            raise InputError(f"verb must be one of {', '.join(VERBS)}; got {self.verb!r}.")
        for name in VERBS[self.verb]:
            if name not in self.args:
                raise InputError(f"{self.verb} needs the argument {name!r}; got {list(self.args)}.")
            strict_number(f"{self.verb}.{name}", self.args[name])
        checked: dict[str, float | int | str] = {}
        for name, value in self.args.items():
            if isinstance(value, str) and name not in VERBS[self.verb]:
                checked[str(name)] = value
            elif isinstance(value, int | np.integer) and not isinstance(value, bool):
                checked[str(name)] = int(value)
            else:
                checked[str(name)] = strict_number(f"{self.verb}.{name}", value)
        if self.verb == "image" and not (
            float(checked["x_min"]) < float(checked["x_max"])
            and float(checked["y_min"]) < float(checked["y_max"])
        ):
            raise InputError(f"image needs x_min < x_max and y_min < y_max; got {checked}.")
        if self.verb == "scan_again" and (
            not isinstance(checked["n_repeats"], int) or checked["n_repeats"] < 1
        ):
            raise InputError(f"n_repeats must be a whole number of at least 1; got {checked}.")
        object.__setattr__(self, "args", MappingProxyType(checked))
        object.__setattr__(self, "dose", strict_number("dose", self.dose, minimum=0))
        object.__setattr__(
            self, "duration_s", strict_number("duration_s", self.duration_s, minimum=0)
        )
        object.__setattr__(self, "cost", strict_number("cost", self.cost, above=0))
        if not isinstance(self.irreversible, bool):
            raise InputError(f"irreversible must be True or False; got {self.irreversible!r}.")

    def number(self, name: str) -> float:
        """Return a numeric argument."""
        return strict_number(f"{self.verb}.{name}", self.args.get(name))


@dataclass(frozen=True, slots=True)
class ActionLibrary:
    """The acts to choose from, with what was learned about each verb's success.

    Attributes
    ----------
    actions
        Candidates.
    attempts
        Verb -> (successes, failures) so far. The success probability is the mean of a Beta
        distribution that starts flat; a verb never tried is taken to work. A key "verb: label"
        holds those of the actions with this ``label`` among their arguments, and goes before the
        verb's; what a fit says about them (`actions_from_event_rates`) need not be whole numbers.

    Examples
    --------
    >>> library = ActionLibrary([Action("change_bias", {"bias_V": 1.0}, 0.0, 5.0, 1.0)])
    >>> library = library.observe("change_bias", succeeded=False)
    >>> library.success_probability("change_bias")
    0.3333333333333333
    """

    actions: Sequence[Action]
    attempts: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", tuple(self.actions))
        for action in self.actions:
            if not isinstance(action, Action):
                raise InputError(f"actions must hold Action records; got {action!r}.")
        object.__setattr__(self, "attempts", MappingProxyType(dict(self.attempts)))

    def __iter__(self) -> Iterator[Action]:
        return iter(self.actions)

    def __len__(self) -> int:
        return len(self.actions)

    def __add__(self, other: ActionLibrary) -> ActionLibrary:
        """Return both libraries in one; attempts add up."""
        attempts = dict(self.attempts)
        for verb, (good, bad) in other.attempts.items():
            before = attempts.get(verb, (0, 0))
            attempts[verb] = (before[0] + good, before[1] + bad)
        return ActionLibrary((*self.actions, *other.actions), attempts)

    @property
    def verbs(self) -> tuple[str, ...]:
        """The verbs present."""
        return tuple(dict.fromkeys(action.verb for action in self.actions))

    def observe(self, verb: str | Action, *, succeeded: bool) -> ActionLibrary:
        """Return the library with one attempt more, of a verb or of an action's label."""
        if isinstance(verb, str) and verb not in VERBS:
            raise InputError(f"verb must be one of {', '.join(VERBS)}; got {verb!r}.")
        key = self._key(verb)
        good, bad = self.attempts.get(key, (0, 0))
        counted = (good + 1, bad) if succeeded else (good, bad + 1)
        return replace(self, attempts={**self.attempts, key: counted})

    def success_probability(self, verb: str | Action) -> float:
        """Return the expected share of attempts that work, of a verb or of an action's label."""
        key = self._key(verb)
        if key not in self.attempts:
            return 1.0
        good, bad = self.attempts[key]
        tried = good + bad != 0 or ":" in key
        return (good + 1) / (good + bad + 2) if tried else 1.0

    def _key(self, verb: str | Action) -> str:
        """Return the key of ``attempts`` that speaks of a verb or an action."""
        if isinstance(verb, str):
            return verb
        labelled = f"{verb.verb}: {verb.args.get('label', '')}"
        return labelled if labelled in self.attempts else verb.verb


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

    Raises
    ------
    InputError
        For NaN, bool, text, negative limits, or limits in the wrong order.

    Examples
    --------
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

    def __post_init__(self) -> None:
        total = strict_number("max_total_dose", self.max_total_dose, minimum=0)
        object.__setattr__(self, "max_total_dose", total)
        view = tuple(strict_number("field_of_view", value) for value in self.field_of_view)
        if len(view) != 4 or not (view[0] < view[2] and view[1] < view[3]):
            raise InputError(
                "field_of_view must be (x_min, y_min, x_max, y_max) with x_min < x_max and "
                f"y_min < y_max; got {self.field_of_view!r}."
            )
        object.__setattr__(self, "field_of_view", view)
        if self.max_step_dose is not None:
            step = strict_number("max_step_dose", self.max_step_dose, minimum=0)
            object.__setattr__(self, "max_step_dose", step)
        if self.bias_limits_volt is not None:
            limits = tuple(
                strict_number("bias_limits_volt", value) for value in self.bias_limits_volt
            )
            if len(limits) != 2 or limits[0] > limits[1] or max(map(abs, limits)) > BIAS_LIMIT_V:
                raise InputError(
                    f"bias_limits_volt must be (lowest, highest) within {BIAS_LIMIT_V:g} V; "
                    f"got {self.bias_limits_volt!r}."
                )
            object.__setattr__(self, "bias_limits_volt", limits)
        count = self.max_irreversible
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
            raise InputError(f"max_irreversible must be a whole number from 0; got {count!r}.")
        object.__setattr__(self, "max_irreversible", int(count))
        if self.max_duration_s is not None:
            longest = strict_number("max_duration_s", self.max_duration_s, minimum=0)
            object.__setattr__(self, "max_duration_s", longest)
        sites = tuple(
            tuple(strict_number("forbidden_sites", value) for value in site)
            for site in self.forbidden_sites
        )
        if any(len(site) != 3 for site in sites):
            raise InputError("forbidden_sites must hold (x, y, radius) triples.")
        object.__setattr__(self, "forbidden_sites", sites)

    def violations(self, actions: Sequence[Action]) -> list[str]:
        """Return every limit that the actions, done in this order, would break."""
        found: list[str] = []
        dose = duration = 0.0
        irreversible = 0
        touched: set[tuple[float, float]] = set()
        for number, action in enumerate(actions, start=1):
            found += [f"step {number}: {reason}" for reason in self._broken_by(action)]
            dose += action.dose
            duration += action.duration_s
            irreversible += action.irreversible
            if dose > self.max_total_dose * (1 + 1e-12):
                found.append(
                    f"step {number}: the dose so far is {dose:g} {self.dose_unit}, above "
                    f"{self.max_total_dose:g}"
                )
            if irreversible > self.max_irreversible and action.irreversible:
                found.append(f"step {number}: more than {self.max_irreversible} irreversible steps")
            if self.max_duration_s is not None and duration > self.max_duration_s * (1 + 1e-12):
                found.append(
                    f"step {number}: {duration:g} s so far, above {self.max_duration_s:g} s"
                )
            if action.verb == "expose_site" and action.irreversible:
                site = (action.number("x"), action.number("y"))
                if site in touched:
                    found.append(f"step {number}: the site {site} was exposed before and is gone")
                touched.add(site)
        return found

    def _broken_by(self, action: Action) -> list[str]:
        found = []
        limit = self.max_total_dose if self.max_step_dose is None else self.max_step_dose
        if action.dose > limit:
            found.append(f"dose {action.dose:g} {self.dose_unit} is above {limit:g} a step")
        x_min, y_min, x_max, y_max = self.field_of_view
        corners = {
            "image": [("x_min", "y_min"), ("x_max", "y_max")],
            "expose_site": [("x", "y")],
        }.get(action.verb, [])
        for name_x, name_y in corners:
            x, y = action.number(name_x), action.number(name_y)
            if not (x_min <= x <= x_max and y_min <= y <= y_max):
                found.append(f"({x:g}, {y:g}) lies outside the field of view")
        if action.verb == "expose_site":
            x, y = action.number("x"), action.number("y")
            for site_x, site_y, radius in self.forbidden_sites:
                if math.hypot(x - site_x, y - site_y) <= radius:
                    found.append(f"({x:g}, {y:g}) is a forbidden site")
        if action.verb == "change_bias":
            bias = action.number("bias_V")
            if self.bias_limits_volt is None:
                found.append("the envelope allows no change of bias")
            elif not self.bias_limits_volt[0] <= bias <= self.bias_limits_volt[1]:
                low, high = self.bias_limits_volt
                found.append(f"bias {bias:g} V lies outside {low:g} to {high:g} V")
        return found
