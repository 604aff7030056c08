"""The figure of a campaign says what was learned, and what it cost."""

from dataclasses import replace

import matplotlib as mpl
import pytest

from physlearn.causal import Action, Campaign, CampaignStep, Outcome
from physlearn.checks import InputError
from physlearn.report.draw_campaign import plot_campaign, plot_campaign_evidence

mpl.use("Agg")

LOOK = Action("tune", {}, 0.0, 1.0, 1.0)
BURN = Action("expose_site", {"x": 1.0, "y": 1.0}, 5.0, 1.0, 1.0, irreversible=True)


def campaign():
    done = [(LOOK, True, 0.5), (BURN, False, 0.5), (BURN, True, 0.97)]
    steps = tuple(
        CampaignStep(
            str(k), act, "", Outcome(0.1 if worked else None, succeeded=worked),
            {"wall": p, "no wall": 1 - p}, {}, "claim" if k == 2 else "continue", "", 5.0 * k,
            9.0 * k,
        )
        for k, (act, worked, p) in enumerate(done)
    )  # fmt: skip
    return Campaign(steps, "e/A^2")


def test_belief_stands_against_dose_with_marks_for_what_lasts_and_what_missed():
    ax = plot_campaign(campaign())
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert list(lines["wall"].get_xdata()) == [0.0, 5.0, 10.0]
    assert list(lines["wall"].get_ydata()) == [0.5, 0.5, 0.97]
    assert list(lines["sample changed for good"].get_xdata()) == [10.0]
    assert list(lines["missed"].get_xdata()) == [5.0]
    assert ax.get_title(loc="left") + ax.get_title() == "claim: wall, after 3 acts"
    assert ax.get_xlabel() == "dose (e/A²)"


@pytest.mark.parametrize(("against", "last"), [("time", 18.0), ("steps", 3.0)])
def test_other_sums(against, last):
    ax = plot_campaign(campaign(), against=against)
    assert list(ax.get_lines()[0].get_xdata())[-1] == last


def test_nothing_to_draw_is_said():
    with pytest.raises(InputError, match="no steps"):
        plot_campaign(Campaign((), "e/A^2"))
    with pytest.raises(InputError, match="against"):
        plot_campaign(campaign(), against="cost")


def test_evidence_stands_beside_what_a_claim_needs():
    steps = tuple(
        replace(step, e_values={"smooth": 2.0**k, "none of these": 0.1})
        for k, step in enumerate(campaign().steps)
    )
    ax = plot_campaign_evidence(Campaign(steps, "e/A^2"), needed=10.0)
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert list(lines["against smooth"].get_ydata()) == [1.0, 2.0, 4.0]
    assert list(lines["needed for a claim"].get_ydata()) == [10.0, 10.0]
    assert "for none of the hypotheses" in lines
    with pytest.raises(InputError, match="no evidence"):
        plot_campaign_evidence(campaign())
