"""The rehearsed campaign: a twin of planted patches, its verdict, and what the study says of it."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from physlearn import steps_campaign
from physlearn.causal import Campaign, CausalGraph, ExperimentPlan
from physlearn.checks import NotIdentified
from physlearn.datasets.synthetic import synthetic_stem
from physlearn.demo import PATCH_SHARE
from physlearn.findings import Findings, PlantedTruth, run_steps
from physlearn.lattice_models import square_lattice
from physlearn.records import LatticeSnapshots, PatchTable
from physlearn.report.builder import build_report
from physlearn.report.campaign_prose import campaign_context
from physlearn.report.figures import draw_pictures
from physlearn.steps_campaign import CAMPAIGN_STEPS, total_slope
from physlearn.study_folder import write_artefacts
from physlearn.summary import summarize
from physlearn.words import headlines

EDGE, NOISE = 20, 1.2


def world(drives, seed=1):
    """Return columns that go together, by a mechanism or by a hidden cause, and the mechanisms."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:EDGE, :EDGE].reshape(2, -1)
    composition = np.round(rng.uniform(0.1, 0.9, EDGE**2), 2)
    response = 40.0 * composition + rng.normal(0, 3.0, EDGE**2)
    centers = 36.0 * np.stack([x, y], 1)
    mechanisms = {("composition", "response"): 40.0} if drives else {}
    return centers, {"composition": composition, "response": response}, mechanisms


def findings_of(drives, *, known=True, measured=True, seed=1):
    """Return the findings of a study that saw composition and response go together."""
    import pandas as pd

    centers, columns, mechanisms = world(drives, seed)
    truth = pd.DataFrame(columns)
    seen = truth.assign(
        response=truth["response"] + np.random.default_rng(9).normal(0, NOISE, len(truth))
    )
    errors = np.diag([0.0, NOISE**2])[None] if measured else None
    table = PatchTable.from_frame(
        seen, centers, 36.0, tiers={"composition": 0, "response": 2},
        units={"response": "pm/V"}, measurement_covariance=errors,
    )  # fmt: skip
    planted = PlantedTruth(
        patches=PatchTable.from_frame(truth, centers, 36.0), mechanisms=mechanisms
    )
    graph = square_lattice((10, 10))
    effect = SimpleNamespace(
        cause="composition", outcome="response", identified=True, contrast=(0.25, 0.75), mean=20.0,
        sd=0.6, unit="pm/V", warnings=(),
    )  # fmt: skip
    along = np.linspace(-18.0, 36.0 * EDGE - 18.0, 32)
    image = xr.DataArray(np.zeros((32, 32)), dims=("y", "x"), coords={"y": along, "x": along})
    found = Findings(
        "a", seed, image=image, patches=table,
        graph=CausalGraph.from_edges([("composition", "response")]),
        snapshots=LatticeSnapshots(np.ones((1, 100), np.int8), graph),
        truth=planted if known else None,
    )  # fmt: skip
    found.effects.append(effect)
    return found


@pytest.fixture
def few_runs(monkeypatch):
    monkeypatch.setattr(steps_campaign, "CAMPAIGN", replace(steps_campaign.CAMPAIGN, n_runs=2))


@pytest.mark.parametrize(
    ("drives", "holds"), [(True, "composition drives response"), (False, "hidden common cause")]
)
def test_what_is_true_of_the_twin_leads_and_nothing_else_is_claimed(few_runs, drives, holds):
    claims = 0
    for seed in (1, 2):
        found = findings_of(drives, seed=seed)
        (note,) = run_steps(CAMPAIGN_STEPS, found).notes
        assert note.status == "done"
        done = found.rehearsal.twinned
        assert done.holds == holds
        assert max(done.campaign.steps[-1].weights.items(), key=lambda item: item[1])[0] == holds
        assert done.campaign.hypothesis in (holds, None)
        claims += done.campaign.verdict == "claim"
        # the slope comes from the readouts alone: four of its standard errors
        assert abs(done.slope - done.planted_slope) < 4 * done.slope_sd
        assert done.violations == ()
        assert done.plan.problems() == []
        assert len(done.plan.steps) == len(done.campaign.steps)
    assert claims >= 1


def test_report_summary_and_folder_tell_the_same_campaign(few_runs, tmp_path):
    found = findings_of(True)
    run_steps(CAMPAIGN_STEPS, found)
    found.effects.clear()  # a stand-in that only the campaign can read
    summary = summarize(found)
    campaign = found.rehearsal.twinned.campaign
    entry = summary["campaign"]
    assert (entry["kind"], entry["sentence"]) == (campaign.verdict, campaign.sentence)
    assert (entry["shots"], entry["dose"]) == (len(campaign.steps), campaign.steps[-1].dose)
    assert entry["planted"] == "composition drives response"
    pictures = draw_pictures(found)
    assert {"campaign", "campaign_evidence", "campaign_readouts"} <= set(pictures)
    page = build_report(found, summary, pictures, [])
    for text in (
        "The experiment, rehearsed on a twin", "Does setting the composition change the response?",
        "What this did not test", "True of the twin", "independent ledger", "hidden common cause",
    ):  # fmt: skip
        assert text in page, text
    context = campaign_context(found)
    assert len(context["twin"]["rows"]) == len(campaign.steps)
    assert [row["truth"] for row in context["before"]][-1] == "none of these"
    assert any(a.state == "twin" for a in headlines(found))
    names = write_artefacts(found, summary, tmp_path)
    assert {"campaign.json", "campaign_plan.json", "operating_table.csv"} <= set(names)
    assert Campaign.from_json(tmp_path / "campaign.json") == campaign
    plan = ExperimentPlan.from_json(tmp_path / "campaign_plan.json")
    assert plan.checksum == entry["plan_checksum"]
    json.dumps(entry, allow_nan=False)


def test_of_ones_own_data_only_simulations_are_shown(few_runs):
    found = findings_of(True, known=False)
    run_steps(CAMPAIGN_STEPS, found)
    found.effects.clear()
    assert found.rehearsal.twinned is None
    assert summarize(found)["campaign"]["kind"] is None
    page = build_report(found, summarize(found), draw_pictures(found), [])
    assert "no single campaign is shown" in page
    assert "on a twin" not in page
    assert any(a.state == "simulated" for a in headlines(found))


def test_without_an_error_or_an_effect_nothing_is_rehearsed():
    with pytest.raises(NotIdentified, match="--repeat"):
        CAMPAIGN_STEPS[0].run(findings_of(True, measured=False))
    found = findings_of(True)
    found.effects[0].identified = False
    with pytest.raises(NotIdentified, match="put to the test"):
        CAMPAIGN_STEPS[0].run(found)


def test_the_twins_dilation_follows_a_patch_as_the_planted_crystal_does():
    settings = synthetic_stem.StemSettings(random_dilation_sd=0.0)
    places = np.asarray(square_lattice((24, 24), 2, periodic=False).positions)
    states = np.where(np.random.default_rng(0).random(len(places)) < 0.5, 1, -1)
    ideal = places * settings.spacing_px + 1.5 * settings.spacing_px

    def patches(of_states):
        moved = synthetic_stem._displacements(places, of_states, settings, np.random.default_rng(1))
        where = ideal + moved * settings.spacing_px
        return synthetic_stem._patch_truth(
            ideal, where, of_states, 1.5 * settings.spacing_px, settings
        )[0]

    before, shares = patches(states), []
    for i in range(1, 7):
        for j in range(1, 7):
            inside = (places // 3 == (i, j)).all(axis=1)
            after = patches(np.where(inside, -1, states)).iloc[8 * j + i]
            set_by = after["composition"] - before["composition"].iloc[8 * j + i]
            if set_by:
                slope = (after["dilation"] - before["dilation"].iloc[8 * j + i]) / set_by
                shares.append(slope / settings.composition_dilation)
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) == pytest.approx(PATCH_SHARE, abs=4 * error)


def test_slopes_add_up_along_all_ways():
    ways = {("a", "b"): 2.0, ("b", "c"): 3.0, ("a", "c"): 1.0, ("x", "c"): 9.0}
    assert total_slope(ways, "a", "c") == 7.0
    assert total_slope(ways, "c", "a") == 0.0
