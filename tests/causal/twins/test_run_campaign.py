"""Campaigns from the first question to the verdict, stopped, killed and gone on with."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from physlearn.causal import (
    Action,
    Campaign,
    DigitalTwin,
    Hypothesis,
    Instrument,
    Planner,
    ResponseSample,
    SafetyEnvelope,
    run_campaign,
)
from physlearn.causal.experiment_plans.dose_ledger import check_ledger
from physlearn.causal.twins.campaigns import CampaignStep
from physlearn.checks import InputError
from physlearn.file_lock import alone_with, lock_beside

ENVELOPE = SafetyEnvelope(100.0, (0, 0, 9, 9), bias_limits_volt=(-3, 3), max_irreversible=3)
LAWS = {"flat": lambda v: 0.0, "linear": lambda v: 0.1 * v, "curved": lambda v: 0.05 * v * v}
NOISE = 0.5
SITE = Action("expose_site", {"x": 2.0, "y": 3.0}, 5.0, 2.0, 1.0, irreversible=True)


def acts():
    bias = [Action("change_bias", {"bias_V": b}, 1.0, 2.0, 1.0) for b in (-3.0, -1.0, 1.0, 3.0)]
    return [*bias, SITE]


def value(law):
    return lambda act: 0.7 if act.verb == "expose_site" else law(act.number("bias_V"))


def planner(state_file=None, offered=None):
    def of(law):
        return lambda act, rng, n: (value(law)(act), NOISE)

    laws = [Hypothesis(name, 1.0, of(law)) for name, law in LAWS.items()]
    return Planner(laws, offered or acts(), ENVELOPE, 60.0, rng=0, state_file=state_file)


def twin(rng=5, law="curved"):
    made = Instrument(readout_noise_sd=NOISE, settle_s=0.5)
    sample = ResponseSample(value(LAWS[law]), field_of_view=(0.0, 0.0, 9.0, 9.0))
    return DigitalTwin(sample, made, envelope=ENVELOPE, rng=rng)


def told(campaign):
    """Return all of a campaign but the planner's names for its questions."""
    return [{**step.to_dict(), "question": ""} for step in campaign.steps]


def test_campaign_ends_with_the_right_verdict_and_a_clean_ledger():
    seen, here = [], twin()
    campaign = run_campaign(planner(), here, progress=seen.append)
    assert campaign.verdict == "claim"
    assert max(campaign.steps[-1].weights, key=campaign.steps[-1].weights.get) == "curved"
    assert len(seen) == len(campaign.steps) >= 2
    assert campaign.steps[-1].dose == here.dose
    assert check_ledger(here.events, ENVELOPE).violations == ()
    table = campaign.table()
    assert table["weight of curved"].iloc[-1] > 0.95
    assert list(table["dose"]) == sorted(table["dose"])


def test_a_stopped_campaign_goes_on_as_if_it_had_not_stopped(tmp_path):
    whole = run_campaign(planner(), twin())
    path, state = tmp_path / "campaign.json", tmp_path / "planner.json"
    first = run_campaign(planner(state), twin(), max_steps=2, path=path)
    assert first.verdict == "continue"
    rest = run_campaign(planner(state), twin(), path=path)
    assert told(rest) == told(whole)
    assert Campaign.from_json(path) == rest
    # and once it is decided, nothing more is done
    over = twin()
    assert run_campaign(planner(state), over, path=path) == rest
    assert len(over.actions) == len(rest.steps)


def test_a_fresh_planner_asks_again_and_is_told_what_is_known(tmp_path):
    path = tmp_path / "campaign.json"
    run_campaign(planner(), twin(), max_steps=2, path=path)
    assert told(run_campaign(planner(), twin(), path=path)) == told(run_campaign(planner(), twin()))


@pytest.mark.parametrize("where", ["before", "after"])
def test_an_act_that_was_done_is_never_done_twice(tmp_path, where, monkeypatch):
    path, state, here = tmp_path / "campaign.json", tmp_path / "planner.json", twin()
    run_campaign(planner(state), here, max_steps=1, path=path)

    def stopped(self, *given):
        if where == "after":
            original(self, *given)
        raise KeyboardInterrupt

    name = "tell" if where == "after" else "verdict"
    original = getattr(Planner, name)
    with monkeypatch.context() as patch:
        if where == "after":
            patch.setattr(Planner, "tell", stopped)
        else:  # the act is done, and the disk is full when it is to be written
            patch.setattr(Campaign, "to_json", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_campaign(planner(state), here, path=path)
    assert len(here.actions) == 2
    rest = run_campaign(planner(state), here, path=path)
    assert told(rest) == told(run_campaign(planner(), twin()))
    assert len(here.actions) == len(rest.steps)


def test_a_killed_process_goes_on(tmp_path):
    script = textwrap.dedent(
        f"""
        import os, sys
        sys.path.insert(0, {str(tmp_path)!r})
        import parts
        def die(step):
            os._exit(9)
        parts.run_campaign(parts.planner({str(tmp_path / "p.json")!r}), parts.twin(),
                           path={str(tmp_path / "c.json")!r}, progress=die)
        """
    )
    source = Path(__file__).read_text(encoding="utf-8")
    (tmp_path / "parts.py").write_text(source, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    assert len(Campaign.from_json(tmp_path / "c.json").steps) == 1
    rest = run_campaign(planner(tmp_path / "p.json"), twin(), path=tmp_path / "c.json")
    assert told(rest) == told(run_campaign(planner(), twin()))


def test_a_last_act_that_was_never_judged_is_judged_in_the_file(tmp_path):
    path, state = tmp_path / "campaign.json", tmp_path / "planner.json"
    whole = run_campaign(planner(state), twin(), path=path)
    last = CampaignStep.from_dict(
        {**whole.steps[-1].to_dict(), "weights": {}, "e_values": {}, "verdict": "continue",
         "sentence": ""}
    )  # fmt: skip
    Campaign((*whole.steps[:-1], last), whole.dose_unit).to_json(path)  # as if killed there
    rest = run_campaign(planner(state), twin(), path=path)
    assert told(rest) == told(whole) == told(Campaign.from_json(path))


def test_two_processes_do_not_run_one_campaign(tmp_path):
    path = tmp_path / "campaign.json"
    busy = pytest.raises(InputError, match="is a campaign of process")
    with alone_with(lock_beside(path), ""), busy:
        run_campaign(planner(), twin(), path=path)
    assert not path.exists()
    assert run_campaign(planner(), twin(), path=path).verdict == "claim"


def test_a_twin_that_did_something_before_goes_on_from_there():
    here = twin()
    here.do(Action("change_bias", {"bias_V": 0.5}, 7.0, 30.0, 1.0))
    campaign = run_campaign(planner(), here)
    assert campaign.verdict == "claim"
    assert len(here.actions) == len(campaign.steps) + 1
    assert campaign.steps[0].dose == 7.0 + campaign.steps[0].action.dose
    assert campaign.steps[-1].dose == here.dose


def test_another_twin_or_planner_is_refused(tmp_path):
    path, state = tmp_path / "campaign.json", tmp_path / "planner.json"
    run_campaign(planner(state), twin(), max_steps=2, path=path)
    with pytest.raises(InputError, match="another outcome"):
        run_campaign(planner(state), twin(rng=6), path=path)
    used = twin()
    used.do(SITE)
    with pytest.raises(InputError, match="has done 1 acts, the campaign 2"):
        run_campaign(planner(state), used, path=path)
    other = planner(tmp_path / "other.json")
    other.ask()
    with pytest.raises(InputError, match="does not know question"):
        run_campaign(other, twin(), path=path)
    with pytest.raises(InputError, match="must ask what it asked before"):
        run_campaign(planner(offered=acts()[2:]), twin(), path=path)
    with pytest.raises(InputError, match="twin must be"):
        run_campaign(planner(), "twin")
    with pytest.raises(InputError, match="max_steps"):
        run_campaign(planner(), twin(), max_steps=0)


def test_what_the_twin_refuses_is_told_as_failed(tmp_path):
    narrow = SafetyEnvelope(100.0, (0, 0, 9, 9), bias_limits_volt=(-2, 2))
    made = Instrument(readout_noise_sd=0.2)
    sample = ResponseSample(value(LAWS["linear"]), field_of_view=(0.0, 0.0, 9.0, 9.0))
    path = tmp_path / "campaign.json"
    campaign = run_campaign(
        planner(), DigitalTwin(sample, made, envelope=narrow, rng=1), max_steps=4, path=path
    )
    refused = campaign.steps[0]
    assert not refused.outcome.succeeded
    assert "breaks the envelope" in refused.outcome.note
    again = DigitalTwin(sample, made, envelope=narrow, rng=1)
    assert run_campaign(planner(), again, max_steps=6, path=path).steps[:4] != ()


def test_files_that_are_no_campaigns_are_refused(tmp_path):
    path = tmp_path / "campaign.json"
    campaign = run_campaign(planner(), twin(), max_steps=1, path=path)
    content = json.loads(campaign.to_json())
    with pytest.raises(InputError, match="format"):
        Campaign.from_json(json.dumps({**content, "format": "plan"}))
    del content["steps"][0]["action"]
    with pytest.raises(InputError, match="no whole campaign"):
        Campaign.from_json(json.dumps(content))
    with pytest.raises(InputError, match="neither"):
        Campaign.from_json(tmp_path / "nothing.json")
    assert Campaign.from_json(path) == campaign


def test_a_twin_whose_truth_was_read_takes_no_campaign():
    opened, asking = twin(), planner()
    opened.reveal()
    with pytest.raises(InputError, match=r"opened by reveal\(\); make a new twin"):
        run_campaign(asking, opened)
    assert asking.told_ids == ()
