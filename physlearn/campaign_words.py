"""What a rehearsed campaign says: headlines, and the entry of the summary."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from physlearn.act_words import dose_text
from physlearn.findings import Findings
from physlearn.phrases import Answer, plain_name, said_number, unit_text

if TYPE_CHECKING:
    from physlearn.campaign_records import Rehearsal, Twinned

__all__ = [
    "campaign_answers", "campaign_content", "campaign_dose", "outcome_text", "shots_text",
]  # fmt: skip

NONE = "none of these"


def shots_text(number: float) -> str:
    """Return a number of exposures in words.

    Examples
    --------
    >>> shots_text(1), shots_text(8.5)
    ('1 exposure', '8.5 exposures')
    """
    return f"{number:g} exposure{'' if number == 1 else 's'}"


def campaign_answers(findings: Findings) -> list[Answer]:
    """Return what the rehearsal says, as headlines.

    Examples
    --------
    >>> campaign_answers(Findings("a picture", 1))
    []
    """
    found = findings.rehearsal
    if found is None:
        return []
    question = f"Would an experiment settle whether the {plain_name(found.cause)} is a cause?"
    if found.twinned is not None:
        done = found.twinned
        return [Answer(question, outcome_text(done), "twin", _limits(found))]
    rows = found.table[found.table["truth"] != NONE]
    low, high = float(rows["claim_rate"].min()), float(rows["claim_rate"].max())
    rate = f"{low:.0%}" if low == high else f"{low:.0%} to {high:.0%}"
    sentence = (
        f"In {rate} of simulated campaigns the truth was claimed, after about "
        f"{shots_text(float(rows['shots'].median()))}."
    )
    return [Answer(question, sentence, "simulated", _limits(found))]


def outcome_text(done: Twinned) -> str:
    """Return how the campaign on the twin ended, in one sentence."""
    campaign = done.campaign
    told = sum(step.outcome.readout is not None for step in campaign.steps)
    missed = len(campaign.steps) - told
    after = f"after {shots_text(len(campaign.steps))}"
    if missed:
        after += f" ({missed} missed)"
    if campaign.verdict == "claim":
        return f"On the twin, yes: {campaign.hypothesis}, within the declared limits, {after}."
    if campaign.verdict == "abstain" and campaign.steps:
        weights = campaign.steps[-1].weights
        leader = max(weights, key=lambda name: weights[name])
        return (
            f"On the twin, not within these limits: {plain_name(leader)} leads {after} (belief "
            f"{_belief(weights[leader])}), but not every declared deviation from it is excluded, "
            "so nothing is claimed."
        )
    said = {
        "none": "none of the hypotheses describes what was read",
        "not separable": "no act that is allowed tells those left apart",
        "abstain": "no claim can be made",
        "continue": "nothing was decided",
    }[campaign.verdict]
    return f"On the twin, no: {said}, {after}."


def _belief(weight: float) -> str:
    return "above 99.9%" if weight > 0.999 else f"{weight:.1%}"


def _limits(found: Rehearsal) -> str:
    size = said_number(found.severity.smooth_deviation * found.noise_sd, 2)
    told = f"smooth deviations of {size} {unit_text(found.unit)} rms or more would have been seen"
    if found.twinned is None or found.twinned.campaign.verdict != "claim":
        return f"a claim must exclude {told.replace(' would have been seen', '')}"
    return told


def campaign_content(findings: Findings) -> dict[str, Any] | None:
    """Return the entry of `summary.json`; None without a rehearsal.

    Examples
    --------
    >>> campaign_content(Findings("a picture", 1)) is None
    True
    """
    found = findings.rehearsal
    if found is None:
        return None
    content: dict[str, Any] = {
        "question": found.hypotheses[0].question,
        "hypotheses": [
            {"name": h.name, "weight": h.weight, "description": h.description}
            for h in found.hypotheses
        ],
        "readout_noise_sd": found.noise_sd,
        "unit": found.unit,
        "observed_slope": found.observed_slope,
        "observed_slope_sd": found.observed_sd,
        "operating_table": found.table.to_dict("records"),
        "kind": None,
        "hypothesis": None,
        "sentence": None,
        "shots": None,
        "dose": None,
    }
    done = found.twinned
    if done is None:
        return content
    campaign = done.campaign
    last = campaign.steps[-1] if campaign.steps else None
    return content | {
        "kind": campaign.verdict,
        "hypothesis": campaign.hypothesis,
        "sentence": campaign.sentence,
        "shots": len(campaign.steps),
        "missed": sum(not step.outcome.succeeded for step in campaign.steps),
        "irreversible": sum(step.action.irreversible for step in campaign.steps),
        "dose": 0.0 if last is None else last.dose,
        "dose_unit": campaign.dose_unit,
        "weights": {} if last is None else dict(last.weights),
        "e_values": {} if last is None else dict(last.e_values),
        "untested": list(done.verdict.untested),
        "slope": None if math.isnan(done.slope) else done.slope,
        "slope_sd": None if math.isnan(done.slope_sd) else done.slope_sd,
        "planted_slope": done.planted_slope,
        "planted": done.holds,
        "ledger_violations": list(done.violations),
        "plan_checksum": done.plan.checksum,
    }


def campaign_dose(done: Twinned) -> str:
    """Return the dose of all acts, with its unit."""
    steps = done.campaign.steps
    return dose_text(steps[-1].dose if steps else 0.0, done.campaign.dose_unit)
