"""What an instrument can do, and what each act costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from physlearn.causal.safety_envelope import SafetyEnvelope
from physlearn.causal.verbs import BIAS_LIMIT_V, VERBS, check_arguments, strict_number
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "BIAS_LIMIT_V", "VERBS", "Action", "ActionLibrary", "SafetyEnvelope", "strict_number",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Action:
    """One act of the instrument.

    Attributes
    ----------
    verb
        "image", "scan_again", "move", "expose_site", "expose_patch", "tip_pulse", "change_bias",
        "change_temperature", "change_field", "change_focus", "wait", "tune", "approach",
        "withdraw" or "analyse".
    args
        Numbers or short texts; `VERBS` and `TEXTS` list what each verb must have.
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

    _repr_html_ = html_table

    def __post_init__(self) -> None:
        checked = check_arguments(self.verb, self.args)
        object.__setattr__(self, "args", MappingProxyType(checked))
        object.__setattr__(self, "dose", strict_number("dose", self.dose, minimum=0))
        object.__setattr__(
            self, "duration_s", strict_number("duration_s", self.duration_s, minimum=0)
        )
        object.__setattr__(self, "cost", strict_number("cost", self.cost, above=0))
        if not isinstance(self.irreversible, bool):
            raise InputError(f"irreversible must be True or False; got {self.irreversible!r}.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an act be copied and sent to another process, which a read-only view cannot be."""
        rest = (self.dose, self.duration_s, self.cost, self.irreversible)
        return Action, (self.verb, dict(self.args), *rest)

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

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", tuple(self.actions))
        for action in self.actions:
            if not isinstance(action, Action):
                raise InputError(f"actions must hold Action records; got {action!r}.")
        object.__setattr__(self, "attempts", MappingProxyType(dict(self.attempts)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a library be copied and sent to another process."""
        return ActionLibrary, (self.actions, dict(self.attempts))

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
