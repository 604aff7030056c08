"""A sample that is a function: any simulator or law can stand behind a twin's instrument."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from physlearn.causal.actions import Action
from physlearn.causal.twins.sample_state import Area, Conditions, Floats, Response, TrueAct
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["ResponseSample"]

ACTING_VERBS = (
    "change_bias", "change_temperature", "change_field", "expose_site", "expose_patch", "tip_pulse",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ResponseSample:
    """A hidden law behind the instrument of a twin.

    Attributes
    ----------
    expected
        Function of the act as it truly happened (an `Action` whose x, y, dose are the true ones):
        what an instrument without errors reads out; NaN: nothing.
    memory
        Function of (acts before, this act) that is added: samples that remember. None: none.
    field_of_view, unit
        Where it can be touched, and the unit of lengths.
    verbs
        What can be done to it; pictures are read by the law as well.

    Examples
    --------
    >>> from physlearn.causal.twins.digital_twin import DigitalTwin
    >>> tired = ResponseSample(lambda act: act.number("bias_V"), memory=lambda past, _: -len(past))
    >>> twin, act = DigitalTwin(tired), Action("change_bias", {"bias_V": 3.0}, 0.0, 1.0, 1.0)
    >>> [twin.do(act).readout for _ in range(3)]
    [3.0, 2.0, 1.0]
    """

    expected: Callable[[Action], float]
    memory: Callable[[tuple[Action, ...], Action], float] | None = None
    field_of_view: Area = (-1e6, -1e6, 1e6, 1e6)
    unit: str = "nm"
    verbs: tuple[str, ...] = ACTING_VERBS

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for name in ("expected", "memory"):
            law = getattr(self, name)
            if not callable(law) and (name == "expected" or law is not None):
                raise InputError(f"{name} must be a function; got {law!r}.")

    def prepare(self, rng: np.random.Generator) -> _ResponseState:
        """Return a fresh sample."""
        del rng  # nothing about it is random
        return _ResponseState(self)


def _number(name: str, value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        # no InputError: a campaign takes those for acts that the twin refused
        raise TypeError(
            f"{name} must return one number, or NaN where nothing is read out; got {value!r}."
        ) from None


class _ResponseState:
    """The law and what was done so far."""

    def __init__(self, sample: ResponseSample) -> None:
        self._sample = sample
        self._past: list[Action] = []

    def act(self, act: TrueAct) -> Response:
        args = dict(act.args)
        if math.isfinite(act.x) and "x" in args:
            args |= {"x": act.x, "y": act.y}
        done = Action(act.verb, args, act.dose, act.duration_s, 1.0)
        value = _number("expected", self._sample.expected(done))
        if self._sample.memory is not None:
            value += _number("memory", self._sample.memory(tuple(self._past), done))
        self._past.append(done)
        return Response(value if math.isfinite(value) else None)

    def rest(
        self, duration_s: float, conditions: Conditions, area: Area | None = None, dose: float = 0.0
    ) -> None:
        pass

    def brightness(self, x: Floats, y: Floats) -> Floats:
        return np.zeros(np.broadcast(x, y).shape)

    def truth(self) -> dict[str, Any]:
        return {"expected": self._sample.expected, "past": tuple(self._past)}
