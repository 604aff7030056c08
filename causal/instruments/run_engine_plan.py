"""A plan as messages for bluesky's RunEngine: gate, no act twice, and a safe end.

A pause may come at any message. Acts without dose start again from the checkpoint before them; acts
that expose or change the sample stand in a stretch that the RunEngine cannot rewind, and their
device refuses a second time by a record on disk. (bluesky's own ``clear_checkpoint`` would forbid
every later pause of the run, too: a checkpoint after it does not bring rewinding back.)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from physlearn.causal.actions import Action
from physlearn.causal.experiment_plans.experiment_plan import ExperimentPlan
from physlearn.causal.experiment_plans.plan_flow import branch_taken, next_step
from physlearn.causal.experiment_plans.plan_records import PlanStep
from physlearn.causal.instruments.act_record import is_once_only, open_record
from physlearn.causal.instruments.device_messages import (
    Messages,
    OnceOnly,
    RunState,
    Shutter,
    go_to,
    read_out,
    set_device,
    switch_off,
    tell,
    what_came,
)
from physlearn.causal.instruments.message_ledger import MessageLedger, watched
from physlearn.causal.instruments.plan_devices import (
    PlanDevices,
    check_devices,
    need_package,
)
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.causal.twins.plan_run import abort_reason
from physlearn.causal.verbs import FIELD_VERBS, POINT_VERBS
from physlearn.checks import InputError

__all__ = ["to_bluesky"]


def to_bluesky(
    plan: ExperimentPlan,
    devices: PlanDevices,
    *,
    record: str | os.PathLike[str] | None = None,
    approve: Callable[[PlanStep], bool] | None = None,
) -> Messages:
    """Return a plan as messages for a RunEngine.

    Parameters
    ----------
    plan
        Checked here, as are the limits of the devices: nothing has moved when it is refused.
    devices
        Which device does what.
    record
        Path of the file with the acts done; needed when something cannot be undone. A run that
        was stopped or killed goes on where it ended when it is started again with the same record,
        and does no exposure or pulse a second time.
    approve
        Called before every step that is irreversible or has a human gate; anything but True ends
        the run. None: the RunEngine asks at its prompt, and only "yes" goes on.

    Returns
    -------
    generator of bluesky messages
        Its result is a `PlanRun`. However it ends, the beam is blanked and the tip withdrawn (not
        by ``RE.halt()``, which skips every plan's clean-up).

    Raises
    ------
    InputError
        For a plan with problems, devices that cannot do it, or a record of another plan. While it
        runs, for a message that would break the envelope: it is not sent.
    ModuleNotFoundError
        Without bluesky.

    Notes
    -----
    Messages: Allan, Caswell, Campbell, Rakitin, Synchrotron Radiation News 32, 19 (2019),
    doi:10.1080/08940886.2019.1608121.

    Examples
    --------
    >>> from physlearn.causal import Action, SafetyEnvelope, simulated_devices
    >>> envelope = SafetyEnvelope(1.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3))
    >>> step = PlanStep(Action("change_bias", {"bias_V": 2.0}, 0.0, 5.0, 1.0))
    >>> plan = ExperimentPlan((step,), (), envelope, budget=5.0)
    >>> messages = list(to_bluesky(plan, simulated_devices(envelope)))  # a dry run
    >>> [message.args[0] for message in messages if message.command == "set"][0]
    2.0
    """
    if not isinstance(plan, ExperimentPlan):
        raise InputError(f"plan must be an ExperimentPlan; got {type(plan).__name__}.")
    if approve is not None and not callable(approve):
        raise InputError(f"approve must be a function or None; got {approve!r}.")
    plan.validate()
    check_devices(plan, devices)
    finalize = need_package("bluesky.preprocessors").finalize_wrapper
    run = RunState(plan, devices, open_record(plan, record), approve, need_package("bluesky").Msg)
    run.ledger = MessageLedger(devices, plan.envelope, plan.starts.tip)
    blanked = finalize(watched(_walk(run), run.ledger), lambda: _make_safe(run, "beam"))
    return finalize(blanked, lambda: _make_safe(run, "tip"))  # type: ignore[no-any-return]


def _walk(run: RunState) -> Messages:
    """Go through the plan, past what the record has, and return what came of it."""
    plan, names = run.plan, run.plan.step_names()
    run.is_taken_up = not run.record.ended
    uid = yield run.message(
        "open_run", None, plan_name="experiment_plan", plan_checksum=plan.checksum
    )
    run.is_live = uid is not None  # a dry run gets no answers, and writes no record
    taken: dict[tuple[str, int], int] = {}
    name = names[0] if names else "stop"
    ended = ""
    while name not in ("stop", "ask"):
        step = plan.steps[names.index(name)]
        outcome = run.record.earlier(len(run.names), name, step.action.verb)
        if outcome is None:
            if not (yield from _agreed(run, name, step)):
                ended = f"{name} was not approved"
                break
            yield from _take_up(run)
            too_much = _dose_above(run, step)
            if too_much:
                ended = f"{name} was not begun: {too_much}"
                break
            outcome = yield from _act(run, name, step)
            if outcome.dose != step.action.dose and outcome.dose is not None:
                run.ledger.correct(step.action.verb, outcome.dose)
        run.names.append(name)
        run.outcomes.append(outcome)
        reason = abort_reason(step.abort, outcome)
        if reason is not None:
            ended = f"{name} was aborted: {reason}"
            break
        readout = outcome.readout if outcome.succeeded else None
        following = next_step(plan, name, readout, taken)
        number = branch_taken(step, name, readout, taken)
        if number is not None and number >= 0:
            taken[name, number] = taken.get((name, number), 0) + 1
        name = following
    yield run.message("close_run", None)
    if not ended:
        ended = (
            "the plan is done" if name == "stop" else f"a person must decide after {run.names[-1]}"
        )
    return run.result(ended)


def _take_up(run: RunState) -> Messages:
    """Enter the acts of the record into the book, and bring the instrument to where they led."""
    by_name = dict(zip(run.plan.step_names(), run.plan.steps, strict=True))
    if run.is_taken_up:
        return
    run.is_taken_up = True
    tip, place = run.record.tip_after(run.plan.starts.tip), None
    for name, _, outcome in run.record.ended:
        action = by_name[name].action
        dose = action.dose if outcome.dose is None else outcome.dose
        run.ledger.events.append(
            {"time_s": run.ledger.clock(), "verb": action.verb, "args": dict(action.args),
             "dose": dose, "irreversible": action.irreversible, "status": "done"}
        )  # fmt: skip
        if "x" in action.args and "y" in action.args:
            place = action.number("x"), action.number("y")
    run.ledger.take_tip(tip)
    yield from switch_off(run, "beam")
    yield from switch_off(run, "tip")
    if place is not None:
        yield from go_to(run, *place)
    if tip == "approached":
        yield from set_device(run, run.devices.tip, 1)


def _dose_above(run: RunState, step: PlanStep) -> str:
    """Return why the doses truly given forbid a step, if they do."""
    given = run.ledger.report().total_dose
    for needed in step.preconditions:
        if needed.needs == "dose below" and needed.dose is not None and given > needed.dose:
            return f"the dose so far, {given:g}, is above {needed.dose:g}"
    return ""


def _agreed(run: RunState, name: str, step: PlanStep) -> Messages:
    """Ask a person about a step with a gate; nobody asks in a dry run."""
    action = step.action
    if not step.needs_person:
        return True
    told = ", ".join(f"{key}={value}" for key, value in action.args.items())
    prompt = f"{name}: {action.verb}({told}) -- {step.reason}. Type yes to go on: "
    if not run.is_live:
        yield run.message("input", None, prompt=prompt)
        return True
    if run.approve is not None:
        return run.approve(step) is True
    answer = None
    while answer is None:  # a pause takes the question away
        answer = yield run.message("input", None, prompt=prompt)
    return str(answer).strip().lower() == "yes"


def _act(run: RunState, name: str, step: PlanStep) -> Messages:
    """Do one act and write down what came of it."""
    action, number = step.action, len(run.names)
    yield run.message("checkpoint")
    if is_once_only(action):
        if action.verb in POINT_VERBS:  # moving there may be done again
            yield from go_to(run, action.number("x"), action.number("y"))
        rewindable = need_package("bluesky.preprocessors").rewindable_wrapper
        outcome = yield from rewindable(_act_once(run, name, number, action), False)
    else:
        yield from tell(run, action)
        outcome = yield from read_out(run, action)
        if run.is_live:
            run.record.end(number, name, action.verb, outcome)
    yield run.message("checkpoint")
    return outcome


def _act_once(run: RunState, name: str, number: int, action: Action) -> Messages:
    """Do an act that must not be done again; cut short, it counts as done."""
    run.was_paused = False
    devices, is_pulse = run.devices, action.verb == "tip_pulse"
    with _written_down(run, name, number, action.verb):
        if is_pulse or action.verb in POINT_VERBS | FIELD_VERBS | {"scan_again"}:
            if not is_pulse and devices.beam is not None:
                yield from set_device(run, Shutter(run, devices.beam), 1)
            device = devices.pulser if is_pulse else devices.exposer
            yield from set_device(run, OnceOnly(run, device, number, name), action)
            yield from switch_off(run, "beam")
        else:
            if run.is_live:
                run.record.begin(number, name, action.verb)
            yield from tell(run, action)
        if run.was_paused:
            outcome = what_came(action, None, "a pause cut it short")
        else:
            outcome = yield from read_out(run, action)
        if run.is_live:
            run.record.end(number, name, action.verb, outcome)
    return outcome


@contextmanager
def _written_down(run: RunState, name: str, number: int, verb: str) -> Iterator[None]:
    """Write the end of an act that was begun and failed: it may have been done."""
    try:
        yield
    except BaseException as error:
        if run.record.begun is not None and run.is_live:
            note = f"cut short by {type(error).__name__}"
            run.record.end(number, name, verb, Outcome(None, succeeded=False, note=note))
        raise


def _make_safe(run: RunState, name: str) -> Messages:
    """Switch off at the end, also when the end itself is cut short by an abort."""
    try:
        yield from switch_off(run, name)
    except GeneratorExit:
        raise
    except BaseException:
        yield from switch_off(run, name)
        raise
