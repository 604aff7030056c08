"""Plans on a RunEngine: one pulse whatever happens, a gate, a safe end."""

import importlib.util
import signal
import subprocess
import sys
import threading

import pytest
from bluesky import Msg
from bluesky.utils import RunEngineInterrupted

from physlearn.causal import (
    Branch,
    MessageLedger,
    Outcome,
    Precondition,
    SafetyEnvelope,
    settle_act,
    simulated_devices,
    to_bluesky,
)
from physlearn.causal.instruments.message_ledger import watched
from physlearn.checks import InputError

from .conftest import AREA, ENVELOPE, plan_of, pulse, step


def yes(step):
    return True


def given(devices):
    """Return the verbs of everything that exposed or changed the sample."""
    return [a.verb for a in (*devices.exposer.acts, *devices.pulser.acts)]


ONCE = ["image", "scan_again", "tip_pulse"]


def test_a_plan_runs_from_approach_to_safe_end(pulse_plan, devices, engine, tmp_path):
    ledger = engine.msg_hook = MessageLedger(devices, ENVELOPE, "withdrawn")
    done = engine(to_bluesky(pulse_plan, devices, record=tmp_path / "r", approve=yes)).plan_result
    assert done.ended == "the plan is done"
    assert [outcome.readout for outcome in done.outcomes] == [None, 1.0, 2.0, 2.0, 3.0]
    assert done.outcomes[2].reported == {"x": 5.0, "y": 6.0}
    assert devices.tip.position == 0
    assert devices.bias.position == 1.5
    report = ledger.report()
    assert report.violations == ()
    assert (report.total_dose, report.n_irreversible) == (20.0, 1)


def test_stopped_and_resumed_one_pulse(pulse_plan, engine, tmp_path):
    """The pulse lasts half a second; a hard pause comes in the midst of it."""
    devices = simulated_devices(ENVELOPE, tip="withdrawn", delay_s=0.4)

    def pause_in_pulse(message):
        if message.command == "set" and getattr(message.obj, "device", None) is devices.pulser:
            threading.Timer(0.15, engine.request_pause).start()

    engine.msg_hook = pause_in_pulse
    with pytest.raises(RunEngineInterrupted):
        engine(to_bluesky(pulse_plan, devices, record=tmp_path / "r", approve=yes))
    assert engine.state == "paused"
    assert len(devices.pulser.acts) == 1
    done = engine.resume().plan_result
    assert done.ended == "the plan is done"
    assert sorted(given(devices)) == ONCE
    assert not done.outcomes[2].succeeded


def pausing(messages, at):
    """Yield the messages with a hard pause before number `at`."""
    from bluesky.preprocessors import plan_mutator

    count = iter(range(10_000))

    def before(message):
        yield Msg("pause", None, defer=False)
        return (yield message)

    def processor(message):
        is_it = message.command != "pause" and next(count) == at
        return (before(message) if is_it else None), None

    return plan_mutator(messages, processor)


@pytest.mark.parametrize("how", ["resume", "stop", "abort"])
def test_a_pause_anywhere_gives_nothing_twice(how, engine, tmp_path):
    plan = plan_of(step("image", AREA, 10.0), pulse(id="pulse"), step("move", {"x": 1, "y": 1}),
                   tip="approached", scanned=True)  # fmt: skip
    for at in range(1, 500, 1 if how == "stop" else 3):
        devices = simulated_devices(ENVELOPE, tip="approached")
        record = tmp_path / f"{how}{at}"
        ledger = engine.msg_hook = MessageLedger(devices, ENVELOPE, "approached")
        try:
            engine(pausing(to_bluesky(plan, devices, record=record, approve=yes), at))
            break  # the plan has no message of that number
        except RunEngineInterrupted:
            pass
        if how == "resume":
            done = engine.resume().plan_result
        else:
            getattr(engine, how)()
            assert devices.tip.position == 0, at
            devices.tip.set(1)
            done = engine(to_bluesky(plan, devices, record=record, approve=yes)).plan_result
        assert done.ended == "the plan is done", at
        assert sorted(given(devices)) == ["image", "tip_pulse"], at
        assert ledger.report().n_irreversible == 1, at
        assert ledger.report().total_dose == 10.0, at
    assert at > 30


KILLED = """
import os, signal, sys
from pathlib import Path
from bluesky import RunEngine
from physlearn.causal import ExperimentPlan, simulated_devices, to_bluesky
folder = Path(sys.argv[1])
plan = ExperimentPlan.from_json(folder / "plan.json")
devices = simulated_devices(plan.envelope, tip="withdrawn")
def set_and_die(action):
    (folder / "pulses").open("a").write("pulse\\n")
    os.kill(os.getpid(), signal.SIGKILL)
devices.pulser.set = set_and_die
RunEngine({})(to_bluesky(plan, devices, record=folder / "acts.jsonl", approve=lambda step: True))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_killed_process_leaves_one_pulse(pulse_plan, devices, engine, tmp_path):
    pulse_plan.to_json(tmp_path / "plan.json")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "pulses").read_text() == "pulse\n"
    record = tmp_path / "acts.jsonl"
    with pytest.raises(InputError, match=r"pulse \(tip_pulse\) was begun and not how it ended"):
        to_bluesky(pulse_plan, devices, record=record, approve=yes)
    assert settle_act(pulse_plan, record, Outcome(None, note="a domain is there")) == "pulse"
    ran = engine(to_bluesky(pulse_plan, devices, record=record, approve=yes)).plan_result
    assert ran.ended == "the plan is done"
    assert given(devices) == ["scan_again"]


def test_what_is_done_is_not_done_again(pulse_plan, devices, engine, tmp_path):
    for _ in range(2):
        done = engine(to_bluesky(pulse_plan, devices, record=tmp_path / "r", approve=yes))
        assert done.plan_result.ended == "the plan is done"
        assert sorted(given(devices)) == ONCE


@pytest.mark.parametrize("answer", [False, "yes", None])
def test_without_a_persons_true_there_is_no_pulse(answer, pulse_plan, devices, engine, tmp_path):
    messages = to_bluesky(pulse_plan, devices, record=tmp_path / "r", approve=lambda step: answer)
    assert engine(messages).plan_result.ended == "pulse was not approved"
    assert devices.pulser.acts == []
    assert devices.tip.position == 0


@pytest.mark.parametrize(("typed", "n_pulses"), [("yes", 1), ("no", 0), ("", 0)])
def test_the_engine_asks_at_its_prompt(typed, n_pulses, pulse_plan, devices, engine, tmp_path):
    asked = []

    async def answer(message):
        asked.append(message.kwargs["prompt"])
        return typed

    engine.register_command("input", answer)
    engine(to_bluesky(pulse_plan, devices, record=tmp_path / "r"))
    assert len(devices.pulser.acts) == n_pulses
    assert asked[0].startswith("pulse: tip_pulse(x=5.0, y=6.0, bias_V=2.0")


def test_a_device_that_fails_leaves_the_beam_blanked(engine, tmp_path):
    devices = simulated_devices(ENVELOPE)
    opened = []

    def fail(action):
        opened.append(devices.beam.position)
        raise RuntimeError("the camera is off")

    devices.exposer.set = fail
    plan = plan_of(step("image", AREA, 10.0), tip="none")
    with pytest.raises(RuntimeError, match="the camera is off"):
        engine(to_bluesky(plan, devices, record=tmp_path / "r"))
    assert (opened, devices.beam.position) == ([1], 0)


def test_branches_and_given_doses_are_followed(engine):
    from dataclasses import replace

    again = Branch("not yet", "look", readout_below=1.5, at_most=2)
    late = step("image", AREA, 1.0, preconditions=(Precondition("dose below", dose=3.5),))
    plan = plan_of(step("image", AREA, 1.0, id="look", branches=(again,)), late, tip="none")
    devices = simulated_devices(ENVELOPE, answer=lambda state: len(state["acts"]))
    done = engine(to_bluesky(plan, devices)).plan_result
    assert done.steps == ("look", "look", "s2")
    twice = simulated_devices(ENVELOPE, answer=lambda state: 2 * len(state["acts"]) - 1)
    done = engine(to_bluesky(plan, replace(twice, dose_given="readout"))).plan_result
    assert done.ended == "s2 was not begun: the dose so far, 4, is above 3.5"


@pytest.mark.parametrize("value", [float("nan"), True, "99", None, 4.0])
def test_devices_refuse_what_is_no_bias(value, devices):
    with pytest.raises(ValueError, match=r"finite number|within limits"):
        devices.bias.set(value)
    assert devices.bias.position == 0


@pytest.mark.parametrize("value", [float("nan"), True, "99", None])
def test_plans_refuse_what_is_no_bias(value):
    with pytest.raises(InputError, match="bias_V must be a finite number"):
        step("change_bias", {"bias_V": value})


def test_limits_of_devices_are_asked_before_anything_moves():
    narrow = simulated_devices(SafetyEnvelope(1.0, (0, 0, 9, 9), bias_limits_volt=(-1, 1)))
    plan = plan_of(step("move", {"x": 1, "y": 1}), step("change_bias", {"bias_V": 2.0}), tip="none")
    with pytest.raises(InputError, match=r"s2 \(change_bias\) sets devices.bias to 2, outside its"):
        to_bluesky(plan, narrow)
    assert narrow.x.position == 4.5


def test_devices_that_lack_or_stand_elsewhere_are_named(pulse_plan, tmp_path):
    with pytest.raises(InputError, match=r"s1 \(approach\) needs devices.tip, which is None"):
        to_bluesky(pulse_plan, simulated_devices(ENVELOPE), record=tmp_path / "r")
    there = simulated_devices(ENVELOPE, tip="approached")
    with pytest.raises(InputError, match="starts with the tip withdrawn; it is approached"):
        to_bluesky(pulse_plan, there, record=tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def test_a_pulse_needs_a_record(pulse_plan, devices):
    with pytest.raises(InputError, match="record must be the path of a file, as pulse cannot be"):
        to_bluesky(pulse_plan, devices, approve=yes)


def test_a_message_outside_the_envelope_is_not_sent(devices):
    sent = []

    def rogue():
        yield Msg("set", devices.bias, 1.0, group="a")
        yield Msg("set", devices.bias, 9.0, group="b")

    with pytest.raises(InputError, match="change_bias was refused and nothing moved: bias_V is 9"):
        sent.extend(watched(rogue(), MessageLedger(devices, ENVELOPE, "withdrawn")))
    assert [message.args for message in sent] == [(1.0,)]


def test_a_dry_run_writes_no_record(pulse_plan, devices, tmp_path):
    record = tmp_path / "r"
    messages = list(to_bluesky(pulse_plan, devices, record=record))
    assert {m.command for m in messages} >= {"set", "wait", "checkpoint", "rewindable", "input"}
    assert len(record.read_text().splitlines()) == 1
    assert given(devices) == []


@pytest.mark.parametrize("package", ["bluesky", "ophyd"])
def test_without_the_extra_one_sentence_says_what_to_install(
    package, pulse_plan, devices, monkeypatch, tmp_path
):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else found(name)
    )
    with pytest.raises(ModuleNotFoundError, match=rf"{package}, which is not installed: run `pip"):
        simulated_devices(ENVELOPE, tip="withdrawn")
        to_bluesky(pulse_plan, devices, record=tmp_path / "r", approve=yes)
