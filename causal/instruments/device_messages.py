"""How an act of a plan is told to devices, and what they answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from physlearn.causal.actions import Action
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.experiment_plans.plan_records import PlanStep
from physlearn.causal.instruments.act_record import ActRecord
from physlearn.causal.instruments.message_ledger import MessageLedger
from physlearn.causal.instruments.plan_devices import SETTINGS, PlanDevices
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.causal.twins.plan_run import PlanRun
from physlearn.causal.verbs import MEASURING_VERBS
from physlearn.checks import InputError

__all__ = [
    "Messages", "OnceOnly", "RunState", "Shutter", "go_to", "read_out", "set_device", "switch_off",
    "tell", "what_came",
]  # fmt: skip

Messages = Generator[Any, Any, Any]
POLL_S = 0.02


@dataclass(slots=True)
class RunState:
    """What one run of a plan carries along."""

    plan: ExperimentPlan
    devices: PlanDevices
    record: ActRecord
    approve: Callable[[PlanStep], bool] | None
    message: Any
    ledger: MessageLedger = field(init=False)
    names: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    is_live: bool = False
    was_paused: bool = False
    is_taken_up: bool = False

    def result(self, ended: str) -> PlanRun:
        """Return what was done, and why it ended."""
        return PlanRun(tuple(self.names), tuple(self.outcomes), ended)


class Shutter:
    """A beam that is blanked when the run is paused: nobody looks then."""

    def __init__(self, run: RunState, device: Any) -> None:
        self.device, self.parent, self.name = device, None, str(getattr(device, "name", "device"))
        self._run = run

    def set(self, value: Any) -> Any:
        """Open or blank the beam."""
        return self.device.set(value)

    def pause(self) -> None:
        """Blank the beam."""
        self._run.was_paused = True
        self.device.set(0)

    def resume(self) -> None:
        """Leave it blanked."""


class OnceOnly:
    """A device whose act is written down before it begins, and that refuses to do it again."""

    def __init__(self, run: RunState, device: Any, number: int, step: str) -> None:
        self.device, self.parent, self.name = device, None, str(getattr(device, "name", "device"))
        self._run, self._number, self._step = run, number, step

    def set(self, action: Action) -> Any:
        """Do the act, which the record must not know yet."""
        self._run.record.begin(self._number, self._step, action.verb)
        return self.device.set(action)

    def stop(self, *, success: bool = False) -> None:
        """Stop the device, if it can."""
        stop = getattr(self.device, "stop", None)
        if stop is not None:
            stop(success=success)

    def pause(self) -> None:
        """Remember that the act was cut short."""
        self._run.was_paused = True

    def resume(self) -> None:
        """Nothing is done again."""


def tell(run: RunState, action: Action) -> Messages:
    """Tell the devices of an act without exposure."""
    devices, verb = run.devices, action.verb
    if verb == "move":
        yield from go_to(run, action.number("x"), action.number("y"))
    elif verb in SETTINGS:
        device, argument = SETTINGS[verb]
        yield from set_device(run, getattr(devices, device), action.number(argument))
    elif verb == "wait":
        yield run.message("sleep", None, action.number("wait_s"))
    elif verb in ("approach", "withdraw"):
        yield from set_device(run, devices.tip, 1 if verb == "approach" else 0)
    elif verb == "tune":
        yield from _trigger(run, devices.tuner)
    elif verb == "analyse":
        yield from set_device(run, devices.analyser, str(action.args["quantity"]))
    else:
        yield from set_device(run, devices.exposer, action)


def read_out(run: RunState, action: Action) -> Messages:
    """Read what an act shows, and where the instrument says that it is."""
    devices = run.devices
    if action.verb not in MEASURING_VERBS:
        return what_came(action, None, "")
    analyses = action.verb == "analyse"
    detector = devices.analyser if analyses else devices.detector
    if not analyses and hasattr(detector, "trigger"):
        yield from _trigger(run, detector)
    stages = [s for s in (devices.x, devices.y) if s is not None]
    yield run.message("create", None, name="analyses" if analyses else "readouts")
    reading = yield run.message("read", detector)
    places = []
    for stage in stages:
        places.append((yield run.message("read", stage)))
    yield run.message("save", None)
    if not reading:
        return what_came(action, None, "a dry run")
    key = str(detector.name) if analyses else devices.readout
    if key not in reading:
        raise InputError(
            f"devices.readout must be a key of the reading {list(reading)}; got {key!r}."
        )
    reported = {
        axis: float(place[stage.name]["value"])
        for axis, stage, place in zip("xy", stages, places, strict=False)
        if place and stage.name in place
    }
    dose = None if analyses or devices.dose_given is None else reading[devices.dose_given]["value"]
    return what_came(action, _plain(reading[key]["value"]), "", reported, dose)


def _plain(value: Any) -> Any:
    """Return a number of numpy as Python's; NaN is no readout but a failure to read."""
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, float) and not math.isfinite(number):
        raise InputError(f"the readout must be a finite number; got {number!r}.")
    return number


def what_came(
    action: Action, readout: Any, note: str, reported: dict[str, float] | None = None,
    dose: float | None = None,
) -> Outcome:  # fmt: skip
    """Return the outcome of an act; a note says why it did not succeed."""
    numbers = {key: float(v) for key, v in action.args.items() if not isinstance(v, str)}
    return Outcome(
        readout, succeeded=note == "", commanded=numbers, reported=reported or {},
        dose=action.dose if dose is None else dose, note=note,
    )  # fmt: skip


def go_to(run: RunState, x: float, y: float) -> Messages:
    """Move the stage, x first."""
    yield from set_device(run, run.devices.x, x)
    yield from set_device(run, run.devices.y, y)


def set_device(run: RunState, device: Any, value: Any) -> Messages:
    """Set a device and wait until it is there."""
    group = f"act-{len(run.ledger.events)}"
    status = yield run.message("set", device, value, group=group)
    yield from _finish(run, status, group)


def _trigger(run: RunState, device: Any) -> Messages:
    group = f"act-{len(run.ledger.events)}"
    status = yield run.message("trigger", device, group=group)
    yield from _finish(run, status, group)


def _finish(run: RunState, status: Any, group: str) -> Messages:
    """Wait for a device; a pause may cut the wait short, so look whether it is done."""
    yield run.message("wait", None, group=group)
    while status is not None and not status.done:
        yield run.message("sleep", None, POLL_S)


def switch_off(run: RunState, name: str) -> Messages:
    """Blank the beam, or withdraw the tip."""
    device = getattr(run.devices, name)
    if device is not None:
        yield from set_device(run, device, 0)
