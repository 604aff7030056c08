"""What a twin's sample must be able to do, and what reaches it: the acts as they truly happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Area", "Conditions", "Floats", "Response", "Sample", "SampleState", "TrueAct", "chosen_area",
    "in_strip", "with_upper_edge",
]  # fmt: skip

Floats = NDArray[np.float64]
Area = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is held at the sample until it is changed.

    Attributes
    ----------
    bias_volt
        Bias over the whole sample.
    temperature_kelvin
        Of the sample.
    field_tesla
        Applied field.
    """

    bias_volt: float = 0.0
    temperature_kelvin: float = 300.0
    field_tesla: float = 0.0


@dataclass(frozen=True, slots=True)
class TrueAct:
    """An act as it reaches the sample, which is not quite as it was commanded.

    Attributes
    ----------
    verb, args
        As commanded.
    x, y
        Where it truly lands, in the sample's own coordinates; NaN for an act without a place.
    aimed_x, aimed_y
        Where it was to land, in the coordinates that the instrument shows.
    dose
        Dose truly given.
    duration_s
        How long it lasts.
    conditions
        What is held meanwhile.
    """

    verb: str
    args: Mapping[str, float | int | str]
    x: float
    y: float
    aimed_x: float
    aimed_y: float
    dose: float
    duration_s: float
    conditions: Conditions

    def number(self, name: str, default: float) -> float:
        """Return a numeric argument, or the default where it is not given."""
        value = self.args.get(name, default)
        return float(value) if not isinstance(value, str) else default


@dataclass(frozen=True, slots=True)
class Response:
    """What the sample answers, without any noise of the instrument.

    Attributes
    ----------
    expected
        What an instrument without errors would read out; None when the act shows nothing.
    neighbours_hit
        Sites beside the one that was hit that were changed for good.
    reported
        What the sample's own control reads back (a column's new value), by name.
    note
        What an operator would see, in words.
    """

    expected: float | None
    neighbours_hit: int = 0
    reported: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


class SampleState(Protocol):
    """The hidden state of a sample; only a twin holds one."""

    def act(self, act: TrueAct) -> Response:
        """Do an act, its duration and dose included; `image` and `scan_again` only read.

        The time and the dose of a scan come by `rest`, row by row.
        """

    def rest(
        self, duration_s: float, conditions: Conditions, area: Area | None = None, dose: float = 0.0
    ) -> None:
        """Let time pass, with an even dose on an area without its upper edge (`in_strip`)."""

    def brightness(self, x: Floats, y: Floats) -> Floats:
        """Return how bright a picture is at points (n,) of the sample."""

    def truth(self) -> dict[str, Any]:
        """Return what nobody may see while the twin is in use."""


class Sample(Protocol):
    """A kind of sample; `prepare` draws one, whose truth is then hidden.

    It may have ``check(action)``, which refuses an act before anything moves, and its state
    ``table(rng)``, which returns the patch table that goes with a picture.
    """

    @property
    def field_of_view(self) -> Area:
        """Where it can be looked at and touched."""

    @property
    def unit(self) -> str:
        """Unit of its lengths."""

    @property
    def verbs(self) -> tuple[str, ...]:
        """What can be done to it beside looking and waiting."""

    def prepare(self, rng: np.random.Generator) -> SampleState:
        """Draw a sample of this kind."""


def chosen_area(act: TrueAct, whole: Area) -> Area:
    """Return the area that an act names, or the whole.

    Examples
    --------
    >>> act = TrueAct("wait", {}, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, Conditions())
    >>> chosen_area(act, (0.0, 0.0, 4.0, 4.0))
    (0.0, 0.0, 4.0, 4.0)
    """
    if "x_min" not in act.args:
        return whole
    x_min, y_min, x_max, y_max = (
        act.number(name, edge)
        for name, edge in zip(("x_min", "y_min", "x_max", "y_max"), whole, strict=True)
    )
    return x_min, y_min, x_max, y_max


def in_strip(area: Area, x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Return which points an area holds, its upper edge left out: strips then share no point."""
    return np.asarray((x >= area[0]) & (x <= area[2]) & (y >= area[1]) & (y < area[3]))


def with_upper_edge(area: Area) -> Area:
    """Return an area whose upper edge `in_strip` counts in.

    Examples
    --------
    >>> edge = np.array([4.0])
    >>> area = (0.0, 0.0, 4.0, 4.0)
    >>> bool(in_strip(area, edge, edge)[0]), bool(in_strip(with_upper_edge(area), edge, edge)[0])
    (False, True)
    """
    return area[0], area[1], area[2], float(np.nextafter(area[3], np.inf))
