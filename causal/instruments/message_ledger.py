"""What an instrument is told, message by message, held to the envelope by `check_ledger`."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from physlearn.causal.experiment_plans.dose_ledger import LedgerReport, check_ledger
from physlearn.causal.instruments.plan_devices import SETTINGS, PlanDevices
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = ["MessageLedger", "refuse_event", "watched"]

OPEN = 0.5
"""A tip is approached above this position, and a beam is open."""


@dataclass(slots=True)
class MessageLedger:
    """The dose book of a run, kept from the messages that go to the devices.

    It reads what each device is told and nothing of the plan, so a message that comes twice counts
    twice. As the ``msg_hook`` of a RunEngine it sees what comes after a pause, too.

    Parameters
    ----------
    devices
        Which device is which.
    envelope
        The limits.
    tip
        How the tip is found: "none", "approached" or "withdrawn".
    clock
        Seconds; the computer's by default.

    Attributes
    ----------
    events
        What was told so far, as `check_ledger` reads it.

    Examples
    --------
    >>> from physlearn.causal import SafetyEnvelope
    >>> class Bias:
    ...     name = "bias"
    >>> bias = Bias()
    >>> class Message:
    ...     command, obj, args, kwargs = "set", bias, (9.0,), {"group": "a"}
    >>> ledger = MessageLedger(
    ...     PlanDevices(None, None, None, "z", bias=bias),
    ...     SafetyEnvelope(1.0, (0, 0, 1, 1), bias_limits_volt=(-3, 3)))
    >>> ledger(Message)  # as RunEngine.msg_hook does
    >>> ledger.report().violations
    ('event 1: bias_V is 9.0, outside -3 to 3 V',)
    """

    devices: PlanDevices
    envelope: Any
    tip: str = "none"
    clock: Callable[[], float] = time.monotonic
    events: list[dict[str, Any]] = field(default_factory=list)
    _place: dict[str, float] = field(default_factory=dict)
    _running: dict[Any, list[dict[str, Any]]] = field(default_factory=dict)
    _finished: list[dict[str, Any]] = field(default_factory=list)
    _tip_now: str = ""

    __repr__ = short_repr
    _repr_html_ = html_table

    def __call__(self, message: Any) -> None:
        """Enter a message."""
        self.events += self.events_of(message)

    def take_tip(self, tip: str) -> None:
        """Say how the tip stands now, where no message did."""
        self._tip_now = tip

    def correct(self, verb: str, dose: float) -> None:
        """Enter the dose that the last act of a verb truly gave."""
        for event in reversed(self.events):
            if event["verb"] == verb:
                event["dose"] = dose
                return

    def report(self) -> LedgerReport:
        """Return the sums so far and every limit that was broken."""
        return check_ledger(self.events, self.envelope, tip=self.tip)

    def events_of(self, message: Any) -> list[dict[str, Any]]:
        """Return what a message adds to the book, and remember what it began."""
        now = self.clock()
        found = [{**event, "time_s": now} for event in self._finished]
        self._finished = []
        command, obj = message.command, getattr(message.obj, "device", message.obj)
        group = message.kwargs.get("group")
        if command == "wait":
            ends = self._running.pop(group, [])
            self._finished = [{**event, "status": "done"} for event in ends]
        elif command == "sleep":
            found += self._both("wait", {"wait_s": float(message.args[0])}, now)
        elif command in ("set", "trigger") and obj is not None:
            begun = self._begun(command, obj, message.args, now)
            self._running.setdefault(group, []).extend(begun)
            found += begun
        return found

    def _begun(
        self, command: str, obj: Any, args: tuple[Any, ...], now: float
    ) -> list[dict[str, Any]]:
        """Return what a device is told to begin."""
        devices = self.devices
        if command == "trigger":
            return [_event("tune", {}, now)] if obj is devices.tuner else []
        value = args[0]
        if obj is devices.x or obj is devices.y:
            self._place["x" if obj is devices.x else "y"] = value
            whole = obj is devices.y and "x" in self._place  # x is told first
            return [_event("move", dict(self._place), now)] if whole else []
        if obj is devices.exposer or obj is devices.pulser:
            told = dict(value.args)
            if "x" in told and "y" in told:
                told |= self._place  # it falls where the instrument is, not where the act says
            return [_event(value.verb, told, now, value.dose, value.irreversible)]
        if obj is devices.tip:
            return self._tip_event(value, now)
        if obj is devices.analyser:
            return [_event("analyse", {"quantity": value}, now)]
        for verb, (name, argument) in SETTINGS.items():
            if obj is getattr(devices, name):
                return [_event(verb, {argument: value}, now)]
        return []

    def _tip_event(self, value: float, now: float) -> list[dict[str, Any]]:
        wanted = "approached" if value > OPEN else "withdrawn"
        before, self._tip_now = self._tip_now or self.tip, wanted
        if wanted == before:
            return []
        return [_event("approach" if wanted == "approached" else "withdraw", {}, now)]

    def _both(self, verb: str, args: dict[str, Any], now: float) -> list[dict[str, Any]]:
        begun = _event(verb, args, now)
        return [begun, {**begun, "status": "done"}]


def watched(messages: Generator[Any, Any, Any], ledger: MessageLedger) -> Generator[Any, Any, Any]:
    """Pass messages on, and raise instead of one that would break the envelope."""
    response: Any = None
    failed: BaseException | None = None
    while True:
        try:
            message = messages.send(response) if failed is None else messages.throw(failed)
        except StopIteration as stop:
            return stop.value
        failed = None
        new = ledger.events_of(message)
        try:
            for event in new:
                refuse_event(ledger.events, event, ledger.envelope, ledger.tip)
                ledger.events.append(event)
            response = yield message
        except GeneratorExit:
            messages.close()
            raise
        except BaseException as error:  # the plan within must hear of it
            failed = error


def refuse_event(
    events: list[dict[str, Any]], event: Mapping[str, Any], envelope: Any, tip: str
) -> None:
    """Say by an InputError which limit an event would break that were kept before it."""
    before = check_ledger(events, envelope, tip=tip).violations
    after = check_ledger([*events, event], envelope, tip=tip).violations
    if len(after) > len(before) and event["status"] == "begun":
        said = after[len(before)].split(": ", 1)[1]
        raise InputError(f"{event['verb']} was refused and nothing moved: {said}.")


def _event(
    verb: str, args: dict[str, Any], now: float, dose: float = 0.0, irreversible: bool = False
) -> dict[str, Any]:
    return {
        "time_s": now, "verb": verb, "args": args, "dose": dose, "irreversible": irreversible,
        "status": "begun",
    }  # fmt: skip
