"""A plan's file is read, said in words, and refused with every reason."""

import json
import sys

import pytest

from physlearn.causal import (
    Action,
    Branch,
    ExperimentPlan,
    PlanHypothesis,
    PlanStep,
    SafetyEnvelope,
)
from physlearn.checks import InputError
from physlearn.cli import main
from physlearn.plan_check import ledger_refusals, plan_in_words, read_plan

ENVELOPE = SafetyEnvelope(10.0, (0, 0, 10, 10), max_irreversible=1, dose_unit="pictures")
HYPOTHESES = tuple(PlanHypothesis("what_drives_it", name, 0.5) for name in "ab")


def expose(x=1.0, dose=4.0):
    action = Action("expose_site", {"x": x, "y": 1.0}, dose, 60.0, 1.0, irreversible=True)
    return PlanStep(action, reason="to see", human_gate=True)


def plan_of(*steps):
    return ExperimentPlan(tuple(steps), HYPOTHESES, ENVELOPE, budget=10.0)


@pytest.fixture
def say(monkeypatch, capsys):
    def call(path):
        monkeypatch.setattr(sys, "argv", ["physlearn", "plan", str(path)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    return call


def test_a_sound_plan_is_said_in_words(tmp_path, say):
    wait = PlanStep(Action("wait", {"wait_s": 5.0}, 0.0, 5.0, 1.0), reason="the stage settles")
    plan_of(wait, expose()).to_json(tmp_path / "plan.json")
    code, out, err = say(tmp_path / "plan.json")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "What drives it? a (50%); b (50%)."
    assert lines[1] == "1. Wait for 5 s. Why: the stage settles."
    assert lines[2] == (
        "2. Expose one site at x 1, y 1. Dose 4 pictures. Cannot be undone: a person must agree. "
        "Why: to see."
    )
    assert "dose 4 pictures of 10 pictures allowed, 1 of 1 changes for good" in lines[3]
    assert "keeps its order and its limits" in lines[4]


def test_every_broken_limit_is_one_line(tmp_path, say):
    plan_of(expose(), expose(3.0), expose(20.0)).to_json(tmp_path / "plan.json")
    code, out, err = say(tmp_path / "plan.json")
    assert code == 2
    lines = err.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("refused: ") for line in lines)
    assert any("by the ledger" in line for line in lines)
    assert "keeps its order" not in out
    assert "Traceback" not in err


def test_an_edited_plan_is_refused(tmp_path, say):
    path = tmp_path / "plan.json"
    plan_of(expose()).to_json(path)
    content = json.loads(path.read_text())
    content["steps"][0]["action"]["dose"] = 1.0
    path.write_text(json.dumps(content))
    code, out, err = say(path)
    assert (code, out) == (2, "")
    assert err == (
        "physlearn: the plan was changed after its checksum was made; make the plan anew instead.\n"
    )


@pytest.mark.parametrize("text", ["", "[1]", '{"format": "other"}', "no json"])
def test_what_is_no_plan_is_one_sentence(tmp_path, say, text):
    (tmp_path / "plan.json").write_text(text)
    code, out, err = say(tmp_path / "plan.json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "Traceback" not in err


def test_a_file_that_is_not_there(tmp_path, say):
    code, _, err = say(tmp_path / "absent.json")
    assert code == 2
    assert "absent.json" in err


def test_branches_are_said_and_not_added_up(tmp_path):
    branch = Branch("the tip is blunt", "ask", readout_below=0.2)
    look = PlanStep(
        Action("image", {"x_min": 0, "y_min": 0, "x_max": 5, "y_max": 5}, 1.0, 60.0, 1.0),
        reason="to see", branches=(branch,),
    )  # fmt: skip
    plan = plan_of(look)
    assert "   then: The tip is blunt. Go to ask." in plan_in_words(plan)
    assert ledger_refusals(plan) == []
    plan.to_json(tmp_path / "plan.json")
    read, refusals = read_plan(tmp_path / "plan.json")
    assert (read.checksum, refusals) == (plan.checksum, [])
    with pytest.raises(InputError, match="format"):
        (tmp_path / "other.json").write_text("{}")
        read_plan(tmp_path / "other.json")
