"""The state file: written whole after every step, refused when it is another's or was edited."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from physlearn.causal import Action, Hypothesis, Outcome, Planner, SafetyEnvelope
from physlearn.causal.planners import planner as planner_module
from physlearn.causal.planners.campaign_log import read_log
from physlearn.causal.severity.options import SeverityOptions
from physlearn.checks import InputError

ENVELOPE = SafetyEnvelope(100.0, (0, 0, 1, 1), bias_limits_volt=(-9, 9))
ACTS = tuple(Action("change_bias", {"bias_V": b}, 1.0, 1.0, 1.0) for b in (0.2, 0.5, 1.0, 1.1, 1.3))


def line(name, slope):
    return Hypothesis(name, 1.0, lambda a, rng, n: (slope * a.number("bias_V"), 1.5))


LAWS = (line("flat", 0.0), line("steep", 1.0), line("steeper", 1.4))


def planner(path=None, **changes):
    given = {"hypotheses": LAWS, "actions": ACTS, "envelope": ENVELOPE, "budget": 30.0, "rng": 7}
    given |= changes
    return Planner(**given, policy="random", state_file=path)


SCRIPT = """
import sys, time
sys.path.insert(0, {folder!r})
from test_planner_state import planner
from physlearn.causal import Outcome

campaign = planner({path!r})
while True:
    question = campaign.ask()[0]
    print(question.id, question.action.number("bias_V"), flush=True)
    time.sleep(0.05)
    campaign.tell(question.id, Outcome(question.action.number("bias_V")))
"""


def test_killed_and_resumed_it_asks_the_same_next_thing(tmp_path):
    """A process is killed in the middle, twice; what it would have asked is asked."""
    path = tmp_path / "state.json"
    script = textwrap.dedent(SCRIPT).format(folder=str(Path(__file__).parent), path=str(path))
    uncut = planner()
    expected = []
    for _ in range(30):
        question = uncut.ask()[0]
        expected.append(question.action.number("bias_V"))
        uncut.tell(question.id, Outcome(expected[-1]))
    seen = 0
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        log = read_log(path)
        assert len(log.entries) > seen
        seen = len(log.entries)
        assert [ACTS[e.act].number("bias_V") for e in log.entries] == expected[:seen]
    resumed = planner(path)
    still_open = resumed.open_questions
    question = resumed.ask()[0]
    if still_open:
        # nobody knows whether it was done: it is handed out again and says so
        assert question.asked_before
        assert question.id == still_open[0].id
        assert question.action.number("bias_V") == expected[seen - 1]
    else:
        assert question.action.number("bias_V") == expected[seen]


def test_open_questions_are_handed_out_again_once(tmp_path):
    path = tmp_path / "state.json"
    first = planner(path)
    one, two = first.ask(2)
    assert not one.asked_before
    resumed = planner(path)
    assert [q.id for q in resumed.open_questions] == [one.id, two.id]
    again = resumed.ask(3)
    assert [(q.id, q.asked_before) for q in again[:2]] == [(one.id, True), (two.id, True)]
    assert again[2].asked_before is False
    assert again[2].id not in (one.id, two.id)
    resumed.tell(one.id, Outcome(0.5))
    assert resumed.told_ids == (one.id,)
    third = planner(path)
    third.tell(two.id, Outcome(0.1))
    assert third.told_ids == (one.id, two.id)
    assert [q.id for q in third.ask()] == [again[2].id]


def test_resumed_state_is_the_same(tmp_path):
    path = tmp_path / "state.json"
    first = planner(path)
    for readout in (0.3, 0.7):
        question = first.ask()[0]
        reported = {"bias_V": question.action.number("bias_V") + 0.1}
        first.tell(question.id, Outcome(readout, reported=reported, dose=2.0))
    first.forget(first.ask()[0].id, done=False)
    resumed = planner(path)
    assert resumed.verdict().weights == first.verdict().weights
    assert resumed.spent == first.spent
    assert resumed.summary().equals(first.summary())
    before = path.read_bytes()
    assert planner(path, rng=None).summary().equals(first.summary())
    assert path.read_bytes() == before


def test_another_campaign_and_edited_files_are_refused(tmp_path):
    path = tmp_path / "state.json"
    first = planner(path)
    first.tell(first.ask()[0].id, Outcome(0.3))
    for changes in ({"budget": 31.0}, {"actions": ACTS[:3]}, {"hypotheses": LAWS[:2]}):
        with pytest.raises(InputError, match="belongs to another campaign"):
            planner(path, **changes)
    with pytest.raises(InputError, match="begun with rng=7"):
        planner(path, rng=8)
    content = json.loads(path.read_text())
    content["entries"][0]["outcome"]["readout"] = 9.0
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="changed after it was written"):
        planner(path)
    path.write_text("{}")
    with pytest.raises(InputError, match="must hold the format"):
        planner(path)


def test_two_planners_on_one_file_are_told(tmp_path):
    path = tmp_path / "state.json"
    first = planner(path)
    first.ask()
    second = planner(path)
    second.tell(second.ask()[0].id, Outcome(0.1))
    kept = path.read_bytes()
    with pytest.raises(InputError, match="changed by another planner"):
        first.ask()
    assert path.read_bytes() == kept


def test_what_is_not_on_the_disk_was_not_asked(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    campaign = planner(path)
    question = campaign.ask()[0]

    def full(log, path):
        raise OSError("no space left")

    monkeypatch.setattr(planner_module, "write_log", full)
    with pytest.raises(OSError, match="no space"):
        campaign.ask()
    with pytest.raises(OSError, match="no space"):
        campaign.tell(question.id, Outcome(0.3))
    monkeypatch.undo()
    assert len(campaign.open_questions) == 1
    assert campaign.told_ids == ()
    campaign.tell(question.id, Outcome(0.3))
    assert planner(path).told_ids == (question.id,)


def test_file_is_plain_json_of_finite_numbers(tmp_path):
    path = tmp_path / "state.json"
    campaign = planner(path)
    campaign.tell(campaign.ask()[0].id, Outcome(None, succeeded=False))
    text = path.read_text()
    assert "NaN" not in text
    assert json.loads(text)["format"] == "physlearn-planner-state-1"
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]
    assert time.time() - path.stat().st_mtime < 60


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"null", b"\x89PNG\r\n\xff\xfe\x00"])
def test_what_is_no_state_is_refused_and_stays_as_it_is(content, tmp_path):
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"state_file '.*state\.json' must hold"):
        planner(path)
    assert path.read_bytes() == content


def test_what_is_no_path_of_a_file_is_refused(tmp_path):
    for bad in (3, "", b"state.json"):
        with pytest.raises(InputError, match="state_file must be the path of a JSON file"):
            planner(bad)
    with pytest.raises(InputError, match="is a folder"):
        planner(tmp_path)
    with pytest.raises(InputError, match="state_file must lie in a folder that exists"):
        planner(tmp_path / "nowhere" / "state.json")


@pytest.mark.parametrize("severity", [None, SeverityOptions(reference_every=2)])
def test_a_law_that_changed_under_its_name_is_said(severity, tmp_path):
    path = tmp_path / "state.json"
    campaign = planner(path, severity=severity)
    for reported in (None, 0.9, None, 1.25):
        lost, undone, told = campaign.ask(3)
        read = {} if reported is None else {"bias_V": reported}
        campaign.tell(told.id, Outcome(told.action.number("bias_V"), reported=read))
        campaign.forget(lost.id)
        campaign.forget(undone.id, done=False)
        assert planner(path, severity=severity).warnings == campaign.warnings
    swapped = (LAWS[0], line("steep", -3.0), LAWS[2])
    changed = planner(path, severity=severity, hypotheses=swapped)
    assert "the weight of" in changed.warnings[0]
    assert "with the same readouts" in changed.warnings[0]


def test_a_folder_that_may_not_be_written_is_refused_before_the_first_question(
    tmp_path, monkeypatch
):
    path = tmp_path / "state.json"
    kept = planner(path)
    kept.ask()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="state_file must lie in a folder that may be written"):
        planner(tmp_path / "other.json")
    assert planner(path).spent == kept.spent  # what is there can be looked at
