"""Devices without hardware, to run a plan dry and to test: ophyd's, with limits that refuse."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.instruments.plan_devices import SETTINGS, PlanDevices, need_package
from physlearn.causal.safety_envelope import SafetyEnvelope
from physlearn.checks import InputError

if TYPE_CHECKING:
    State = Mapping[str, Any]

__all__ = ["simulated_devices"]

LIMITS = {
    "bias": "bias_limits_volt",
    "temperature": "temperature_limits_kelvin",
    "field": "field_limits_tesla",
    "focus": "focus_limits_nanometre",
}
UNITS = {"bias": "V", "temperature": "K", "field": "T", "focus": "nm"}
START = {"temperature": 300.0}


def simulated_devices(
    envelope: SafetyEnvelope,
    *,
    tip: str = "none",
    answer: Callable[[State], float] | None = None,
    delay_s: float = 0.0,
) -> PlanDevices:
    """Return devices that keep a state instead of hardware, with the envelope's limits.

    Parameters
    ----------
    envelope
        The field of view limits the stage, its ranges the settings; a setting without a range has
        no device.
    tip
        "none" for a beam instrument, else "approached" or "withdrawn".
    answer
        What the detector reads, from the state: a mapping with x, y, bias, temperature, field,
        focus, beam and tip (1 approached), "acts" (the exposures and pulses given) and "quantity"
        (analysed last). None: always 0.
    delay_s
        How long every exposure and pulse takes.

    Returns
    -------
    PlanDevices
        `SoftPositioner` and `SynSignal` of ophyd; ``exposer.acts`` and ``pulser.acts`` list what
        was given.

    Raises
    ------
    InputError
        By the devices: for a position or bias that is NaN, True, '99' or None.
    ModuleNotFoundError
        Without ophyd.

    Examples
    --------
    >>> devices = simulated_devices(SafetyEnvelope(1.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3)))
    >>> devices.bias.set("99")
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: bias must be a finite number; got '99'.
    """
    if not isinstance(envelope, SafetyEnvelope):
        raise InputError(f"envelope must be a SafetyEnvelope; got {type(envelope).__name__}.")
    if tip not in ("none", "approached", "withdrawn"):
        raise InputError(f"tip must be 'none', 'approached' or 'withdrawn'; got {tip!r}.")
    if answer is not None and not callable(answer):
        raise InputError(f"answer must be a function of the state or None; got {answer!r}.")
    sim = need_package("ophyd.sim")
    positioner = _positioner_class(need_package("ophyd").SoftPositioner)
    delay = strict_number("delay_s", delay_s, minimum=0)
    x_min, y_min, x_max, y_max = envelope.field_of_view
    middle = 0.5 * (x_min + x_max), 0.5 * (y_min + y_max)
    made: dict[str, Any] = {
        "x": positioner(name="x", limits=(x_min, x_max), init_pos=middle[0]),
        "y": positioner(name="y", limits=(y_min, y_max), init_pos=middle[1]),
    }
    for name, _ in SETTINGS.values():
        limits = getattr(envelope, LIMITS[name])
        if limits is not None:
            start = min(max(START.get(name, 0.0), limits[0]), limits[1])
            made[name] = positioner(name=name, limits=limits, init_pos=start, egu=UNITS[name])
    if tip == "none":
        made["beam"] = positioner(name="beam", limits=(0, 1), init_pos=0)
    else:
        made["tip"] = positioner(name="tip", limits=(0, 1), init_pos=float(tip == "approached"))
        made["pulser"] = _Doer("pulser", delay)
    made["exposer"] = _Doer("exposer", delay)
    quantity: list[str] = []

    def state() -> float:
        if answer is None:
            return 0.0
        doers = [made[name] for name in ("exposer", "pulser") if name in made]
        now = {n: d.position for n, d in made.items() if hasattr(d, "position")}
        given = [action for doer in doers for action in doer.acts]
        return float(answer({**now, "acts": given, "quantity": (quantity or [""])[-1]}))

    return PlanDevices(
        **made,
        detector=sim.SynSignal(func=state, name="readout"),
        readout="readout",
        tuner=sim.SynSignal(func=lambda: 1.0, name="tuner"),
        analyser=_Analyser(state, quantity),
    )


def _positioner_class(base: Any) -> Any:
    """Return ophyd's positioner, made to refuse what is no number and what is outside."""

    class LimitedPositioner(base):  # type: ignore[misc]
        """A `SoftPositioner` that takes finite numbers within its limits only."""

        def check_value(self, pos: Any) -> None:
            strict_number(self.name or "position", pos)
            super().check_value(pos)

        def move(self, position: Any, **options: Any) -> Any:
            self.check_value(position)
            return super().move(position, **options)

    return LimitedPositioner


class _Doer:
    """Takes acts, and is done with each after a while."""

    def __init__(self, name: str, delay_s: float) -> None:
        self.name, self.parent, self.delay_s = name, None, delay_s
        self.acts: list[Action] = []

    def set(self, action: Action) -> Any:
        """Do an act."""
        if not isinstance(action, Action):
            raise InputError(f"{self.name} must be set to an Action; got {action!r}.")
        status = need_package("ophyd.status").Status()
        self.acts.append(action)
        if self.delay_s:
            timer = threading.Timer(self.delay_s, status.set_finished)
            timer.daemon = True
            timer.start()
        else:
            status.set_finished()
        return status


class _Analyser:
    """Says something about the last picture."""

    name, parent = "analyser", None

    def __init__(self, answer: Callable[[], float], asked: list[str]) -> None:
        self._answer, self._asked = answer, asked

    def set(self, quantity: str) -> Any:
        """Ask for a quantity."""
        status = need_package("ophyd.status").Status()
        self._asked.append(quantity)
        status.set_finished()
        return status

    def read(self) -> dict[str, Any]:
        """Return the answer."""
        return {self.name: {"value": self._answer(), "timestamp": 0.0}}

    def describe(self) -> dict[str, Any]:
        """Return what the answer is."""
        return {self.name: {"source": "simulated", "dtype": "number", "shape": []}}
