"""The levels that the symbols of a compact string stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physlearn.causal.actions import Action
from physlearn.causal.experiment_plans.plan_records import StartState
from physlearn.causal.safety_envelope import SETTINGS, SafetyEnvelope
from physlearn.causal.verbs import FIELD_VERBS, TEXTS, VERBS, strict_number
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["DOSED", "SYMBOLS", "PlanVocabulary", "StringGrid", "level_of"]

SYMBOLS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-"
"""The levels 0 to 63. Another character counts as its code point modulo 64."""

EXPOSURES = frozenset({"expose_site", "expose_patch"})
DOSED = frozenset({"image", "scan_again"}) | EXPOSURES
FOR_GOOD = frozenset({"tip_pulse"}) | EXPOSURES

Choices = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class PlanVocabulary:
    """What compact strings can say besides what the envelope limits.

    Attributes
    ----------
    starts
        How the instrument is found.
    quantities
        What ``analyse`` may be asked for; 1 to 64.
    readout_range
        Lowest and highest readout at which a branch may stop or ask.
    scan_s, step_s
        Time of a scan, and of any other step besides its waiting, in seconds.
    longest_wait_s, longest_pulse_s
        Largest levels, in seconds; the envelope's ``max_pulse_s`` goes before.
    most_repeats
        Of ``scan_again``; 1 to 64.
    cost_per_s
        Cost of time in the unit of the budget; minutes by default.

    Raises
    ------
    InputError
        For times that are not above 0, or ranges and counts that cannot be.

    Examples
    --------
    >>> PlanVocabulary(scan_s=60.0).most_repeats
    8
    """

    starts: StartState = field(default_factory=StartState)
    quantities: tuple[str, ...] = ("roughness", "mean", "standard deviation", "correlation length")
    readout_range: tuple[float, float] = (-1.0, 1.0)
    scan_s: float = 240.0
    step_s: float = 10.0
    longest_wait_s: float = 600.0
    longest_pulse_s: float = 0.1
    most_repeats: int = 8
    cost_per_s: float = 1.0 / 60.0

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for name in ("scan_s", "step_s", "longest_wait_s", "longest_pulse_s", "cost_per_s"):
            strict_number(name, getattr(self, name), above=0)
        low, high = (strict_number("readout_range", value) for value in self.readout_range)
        if not low < high:
            raise InputError(f"readout_range must be (lowest, highest); got {(low, high)}.")
        if not 1 <= len(self.quantities) <= len(SYMBOLS):
            raise InputError(
                f"quantities must hold 1 to {len(SYMBOLS)} texts; got {len(self.quantities)}."
            )
        if not 1 <= self.most_repeats <= len(SYMBOLS):
            raise InputError(
                f"most_repeats must be 1 to {len(SYMBOLS)}; got {self.most_repeats!r}."
            )


def level_of(character: str) -> int:
    """Return the level that a character stands for.

    Examples
    --------
    >>> level_of("A"), level_of("€")
    (10, 44)
    """
    found = SYMBOLS.find(character)
    return found if found >= 0 else ord(character) % len(SYMBOLS)


class StringGrid:
    """The values that every number of every verb can take, inside an envelope."""

    def __init__(self, envelope: SafetyEnvelope, vocabulary: PlanVocabulary) -> None:
        self.envelope, self.vocabulary = envelope, vocabulary
        self.choices: dict[tuple[str, str], Choices] = {}
        for verb in VERBS:
            for name in self.names(verb):
                self.choices[verb, name] = self._choices(verb, name)
        self.readouts = _levels(*vocabulary.readout_range)

    def names(self, verb: str) -> tuple[str, ...]:
        """Return what the symbols after a verb stand for, in their order."""
        return (*VERBS[verb], *TEXTS.get(verb, ()), *(("dose",) if verb in DOSED else ()))

    def arguments(self, verb: str, levels: list[int]) -> dict[str, Any] | None:
        """Return the values of a verb at these levels, or None where the envelope has none."""
        levels = list(levels)
        if verb in FIELD_VERBS:  # edges in order, and apart
            levels[0], levels[2] = _in_order(levels[0], levels[2])
            levels[1], levels[3] = _in_order(levels[1], levels[3])
        values = {}
        for name, level in zip(self.names(verb), levels, strict=True):
            choices = self.choices[verb, name]
            if not choices:
                return None
            values[name] = choices[level % len(choices)]
        return values

    def action(self, verb: str, values: Mapping[str, Any]) -> Action:
        """Return the act with these values: its times and costs are those of the vocabulary."""
        args = {name: value for name, value in values.items() if name != "dose"}
        duration_s = self._duration_s(verb, args)
        cost = duration_s * self.vocabulary.cost_per_s
        dose = float(values.get("dose", 0.0))
        return Action(verb, args, dose, duration_s, cost, verb in FOR_GOOD)

    def symbols(self, action: Action) -> Iterator[str]:
        """Yield the symbols of an act's values; an InputError names one that is no level."""
        for name in self.names(action.verb):
            value = action.dose if name == "dose" else action.args[name]
            choices = self.choices[action.verb, name]
            if value not in choices:
                raise InputError(
                    f"{action.verb}.{name} must be a level of the strings' grid; got {value!r}."
                )
            yield SYMBOLS[choices.index(value)]

    def _duration_s(self, verb: str, args: Mapping[str, Any]) -> float:
        if verb in ("image", "scan_again"):
            return self.vocabulary.scan_s * float(args.get("n_repeats", 1))
        return self.vocabulary.step_s + float(args.get("wait_s", args.get("pulse_s", 0.0)))

    def _choices(self, verb: str, name: str) -> Choices:
        envelope, words = self.envelope, self.vocabulary
        x_min, y_min, x_max, y_max = envelope.field_of_view
        if name == "dose":
            most = envelope.max_step_dose
            levels = _levels(0.0, envelope.max_total_dose if most is None else most)
            return tuple(v for v in levels if v > 0) if verb in EXPOSURES else levels
        if name.startswith("x"):
            return _levels(x_min, x_max)
        if name.startswith("y"):
            return _levels(y_min, y_max)
        if name == "n_repeats":
            return tuple(range(1, words.most_repeats + 1))
        if name == "quantity":
            return words.quantities
        if name in ("wait_s", "pulse_s"):
            longest = words.longest_wait_s
            if name == "pulse_s":
                most = envelope.max_pulse_s
                longest = words.longest_pulse_s if most is None else most
            return _levels(0.0, longest, len(SYMBOLS) + 1)[1:] if longest > 0 else ()
        limits = getattr(envelope, SETTINGS[verb][1])
        return () if limits is None else _levels(*limits)


def _levels(low: float, high: float, n: int = len(SYMBOLS)) -> tuple[float, ...]:
    return tuple(np.linspace(low, high, n).tolist())


def _in_order(first: int, second: int) -> tuple[int, int]:
    low, high = sorted((first, second))
    if low == high:
        low, high = (low, high + 1) if high + 1 < len(SYMBOLS) else (low - 1, high)
    return low, high
