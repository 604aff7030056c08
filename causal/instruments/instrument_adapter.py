"""Any instrument, by two functions: one does an act, one reads out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from physlearn.causal.actions import Action
from physlearn.causal.experiment_plans.dose_ledger import LedgerReport, check_ledger
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.experiment_plans.plan_flow import out_of_order
from physlearn.causal.experiment_plans.plan_records import PlanStep
from physlearn.causal.instruments.act_record import ActRecord, is_once_only, open_record
from physlearn.causal.instruments.message_ledger import refuse_event
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.causal.safety_envelope import SafetyEnvelope
from physlearn.causal.twins.plan_run import PlanRun, run_plan
from physlearn.causal.verbs import MEASURING_VERBS
from physlearn.checks import InputError
from physlearn.records.shown import object_repr

__all__ = ["InstrumentAdapter"]


class InstrumentAdapter:
    """An instrument that can do acts of a plan, made of two functions.

    Parameters
    ----------
    do_act
        Does an `Action`: moves, exposes, sets. It may return what the instrument read back, as a
        mapping of argument names to numbers. What it raises ends the run.
    read_out
        Called after every act that shows something; returns the number that the hypotheses speak
        of, None where nothing could be read, or a whole `Outcome`.
    envelope
        Hard limits, kept over the adapter's whole life by the independent checker: an act that
        would break them is refused before ``do_act`` is called.
    tip
        How the tip is found: "none", "approached" or "withdrawn".
    make_safe
        Called when a run ends, however it ends: blank the beam, withdraw the tip.

    Raises
    ------
    InputError
        For arguments of other types.

    Examples
    --------
    >>> source = {"V": 0.0}
    >>> def do_act(action):
    ...     source["V"] = action.number("bias_V")
    >>> adapter = InstrumentAdapter(
    ...     do_act, lambda action: 2.0 * source["V"],
    ...     envelope=SafetyEnvelope(1.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3)))
    >>> adapter.do(Action("change_bias", {"bias_V": 1.5}, 0.0, 1.0, 1.0)).readout
    3.0
    """

    def __init__(
        self,
        do_act: Callable[[Action], Mapping[str, float] | None],
        read_out: Callable[[Action], float | Outcome | None],
        *,
        envelope: SafetyEnvelope,
        tip: str = "none",
        make_safe: Callable[[], None] | None = None,
    ) -> None:
        for name, function in (("do_act", do_act), ("read_out", read_out)):
            if not callable(function):
                raise InputError(f"{name} must be a function; got {function!r}.")
        if make_safe is not None and not callable(make_safe):
            raise InputError(f"make_safe must be a function or None; got {make_safe!r}.")
        if not isinstance(envelope, SafetyEnvelope):
            raise InputError(f"envelope must be a SafetyEnvelope; got {type(envelope).__name__}.")
        check_ledger([], envelope, tip=tip)
        self.envelope = envelope
        self._do_act, self._read_out, self._make_safe = do_act, read_out, make_safe
        self._tip_found, self._tip, self._has_scan = tip, tip, True
        self._events: list[dict[str, Any]] = []
        self._entered: set[tuple[str, str, int]] = set()
        self._start = time.monotonic()

    def __repr__(self) -> str:
        return object_repr(self, events=self._events, envelope=self.envelope, tip=self._tip)

    @property
    def events(self) -> tuple[Mapping[str, Any], ...]:
        """What was done, as `check_ledger` reads it."""
        return tuple(self._events)

    def report(self) -> LedgerReport:
        """Return the doses given so far and every limit that was broken."""
        return check_ledger(self._events, self.envelope, tip=self._tip_found)

    def do(self, action: Action) -> Outcome:
        """Do one act and return what came of it.

        Raises
        ------
        InputError
            For what is no `Action`, breaks the envelope or needs the tip elsewhere: nothing was
            done then. For a readout that is no finite number: the act was done.
        """
        begun = self.check(action)
        self._events.append(begun)
        try:
            reported = self._do_act(action)
            if reported is not None and not isinstance(reported, Mapping):
                raise InputError(
                    "do_act must return None, or names of arguments with the numbers read back; "
                    f"got {reported!r}."
                )
            outcome = self._outcome(action, reported or {}, begun["time_s"])
        except BaseException:
            self._events.append({**begun, "time_s": self._now(), "status": "failed"})
            raise
        dose = action.dose if outcome.dose is None else outcome.dose
        status = "done" if outcome.succeeded else "failed"
        self._events.append({**begun, "time_s": self._now(), "dose": dose, "status": status})
        if self._tip != "none" and action.verb in ("approach", "withdraw"):
            self._tip = "approached" if action.verb == "approach" else "withdrawn"
        return outcome

    def check(self, action: Action) -> dict[str, Any]:
        """Return the event that begins an act, or say by an InputError why it may not begin."""
        if not isinstance(action, Action):
            raise InputError(f"action must be an Action; got {action!r}.")
        said = [
            *out_of_order(action.verb, self._tip, self._has_scan),
            *self.envelope.broken_by(action),
        ]
        if said:
            raise InputError(f"{action.verb} was refused and nothing moved: {said[0]}.")
        begun = {
            "time_s": self._now(), "verb": action.verb, "args": dict(action.args),
            "dose": action.dose, "irreversible": action.irreversible, "status": "begun",
        }  # fmt: skip
        refuse_event(self._events, begun, self.envelope, self._tip_found)
        return begun

    def run(
        self,
        plan: ExperimentPlan,
        *,
        record: str | os.PathLike[str] | None = None,
        approve: Callable[[PlanStep], bool] | None = None,
    ) -> PlanRun:
        """Carry out a plan: steps, branches, gates and abort rules.

        Parameters
        ----------
        plan
            Checked before anything moves.
        record
            Path of the file with the acts done; needed when something cannot be undone. Run again
            with the same record, a plan goes on where it was stopped, and no exposure or pulse is
            given twice.
        approve
            Called before every step that is irreversible or has a human gate; needed where the
            plan has one. Anything but True ends the run.

        Returns
        -------
        PlanRun
            What was done, what came of it, and why it ended.

        Raises
        ------
        InputError
            For a plan with problems, one that expects the tip elsewhere, a gate that nobody
            watches, or a record that is not of this plan or has an act without an end.
        """
        if not isinstance(plan, ExperimentPlan):
            raise InputError(f"plan must be an ExperimentPlan; got {type(plan).__name__}.")
        plan.validate()
        names = plan.step_names()
        gated = [n for n, s in zip(names, plan.steps, strict=True) if s.needs_person]
        if gated and approve is None:
            raise InputError(f"approve must be a function, as {gated[0]} needs a person; got None.")
        if approve is not None and not callable(approve):
            raise InputError(f"approve must be a function or None; got {approve!r}.")
        book = open_record(plan, record)
        if book.ended:
            self._tip_must_be(book.tip_after(plan.starts.tip))
        elif plan.starts.tip not in ("none", self._tip):
            raise InputError(f"the plan starts with the tip {plan.starts.tip}; it is {self._tip}.")
        if not book.ended:
            self._has_scan = plan.starts.scanned
        walk = _Recorded(self, book, approve)
        try:
            return run_plan(walk.do, plan, plan.starts.tip, walk.approve)
        finally:
            if self._make_safe is not None:
                self._make_safe()

    def _enter(self, action: Action, outcome: Outcome, key: tuple[str, str, int]) -> None:
        """Count an act of an earlier process, once."""
        if key in self._entered:
            return
        self._entered.add(key)
        dose = action.dose if outcome.dose is None else outcome.dose
        self._events.append(
            {"time_s": self._now(), "verb": action.verb, "args": dict(action.args), "dose": dose,
             "irreversible": action.irreversible, "status": "done"}
        )  # fmt: skip

    def _tip_must_be(self, wanted: str) -> None:
        if wanted != self._tip:
            act = "approach" if wanted == "approached" else "withdraw"
            raise InputError(
                f"the plan goes on with the tip {wanted}; it is {self._tip}: {act} it first."
            )

    def _outcome(self, action: Action, reported: Mapping[str, float], began: float) -> Outcome:
        seen: Any = self._read_out(action) if action.verb in MEASURING_VERBS else None
        if action.verb == "image":
            self._has_scan = True
        if isinstance(seen, Outcome):
            return seen
        commanded = {k: float(v) for k, v in action.args.items() if not isinstance(v, str)}
        if getattr(seen, "size", 1) != 1:
            raise InputError(
                f"read_out must return one number, None or an Outcome; got shape {seen.shape}."
            )
        plain = seen.item() if hasattr(seen, "item") else seen
        return Outcome(
            plain, commanded=commanded, reported=dict(reported), dose=action.dose,
            started_s=began, duration_s=self._now() - began,
        )  # fmt: skip

    def _now(self) -> float:
        return time.monotonic() - self._start


class _Recorded:
    """Does the acts of a plan in order, past those that the record has."""

    def __init__(
        self,
        adapter: InstrumentAdapter,
        book: ActRecord,
        approve: Callable[[PlanStep], bool] | None,
    ) -> None:
        self._adapter, self._book, self._approve = adapter, book, approve
        self._number, self._known = 0, len(book.ended)
        self._key = (book.plan, str(book.path))

    def approve(self, step: PlanStep) -> bool:
        """Ask for what is not done yet."""
        return self._number < self._known or (
            self._approve is not None and self._approve(step) is True
        )

    def do(self, action: Action) -> Outcome:
        """Do an act, or return what came of it earlier."""
        number, name, verb = self._number, f"act {self._number + 1}", action.verb
        self._number += 1
        earlier = self._book.earlier(number, name, verb)
        if earlier is not None:
            self._adapter._enter(action, earlier, (*self._key, number))
            return earlier
        self._adapter.check(action)
        if is_once_only(action):
            self._book.begin(number, name, verb)
        try:
            outcome = self._adapter.do(action)
        except BaseException as error:
            if self._book.begun is not None:
                note = f"cut short by {type(error).__name__}"
                self._book.end(number, name, verb, Outcome(None, succeeded=False, note=note))
            raise
        self._book.end(number, name, verb, outcome)
        self._adapter._entered.add((*self._key, number))
        return outcome
