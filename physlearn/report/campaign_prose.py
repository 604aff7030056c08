"""The rehearsed experiment in words: what is asked, what each act showed, what may be said."""

from __future__ import annotations

from typing import Any

from physlearn.campaign_records import Rehearsal, Twinned
from physlearn.campaign_words import campaign_dose, outcome_text, shots_text
from physlearn.findings import Findings
from physlearn.phrases import as_sentence, interval_text, plain_name, said_number, unit_text
from physlearn.report.plan_prose import step_row
from physlearn.steps_campaign import ERRORS

__all__ = ["campaign_context"]

HALF_WIDTH_SDS = 1.6448536269514722
NONE = "none of these"


def campaign_context(findings: Findings) -> dict[str, Any] | None:
    """Return what the report's section of the rehearsal holds; None without one.

    Examples
    --------
    >>> campaign_context(Findings("a picture", 1)) is None
    True
    """
    found = findings.rehearsal
    if found is None:
        return None
    done = found.twinned
    unit = findings.patches.unit if findings.patches is not None else "pixel"
    return {
        "question": as_sentence(plain_name(found.hypotheses[0].question)).removesuffix(".") + "?",
        "asked": _asked(found),
        "hypotheses": [(plain_name(h.name), h.description) for h in found.hypotheses],
        "before": _before(found),
        "before_text": _before_text(found),
        "twin": None
        if done is None
        else {
            "made": _made(),
            "answer": outcome_text(done),
            "spent": _spent(done),
            "rows": _rows(found, done, unit),
            "sentence": done.campaign.sentence.partition(" Not tested:")[0],
            "untested": [as_sentence(text) for text in done.verdict.untested],
            "slopes": _slopes(found, done),
            "slope_of": f"Change of the {plain_name(found.outcome)} by one unit of "
            f"{plain_name(found.cause)}",
            "right": _right(done),
        },
    }


def _asked(found: Rehearsal) -> str:
    cause, outcome = plain_name(found.cause), plain_name(found.outcome)
    return (
        f"The study saw {outcome} go with {cause}; nobody set the {cause}. Each act sets it in "
        f"one patch, and the readout is how much the {outcome} of that patch changes "
        f"(noise {said_number(found.noise_sd)} {unit_text(found.unit)}, that of two readings). "
        f"What was seen allows {len(found.hypotheses)} explanations alike, so each begins with "
        "the same weight:"
    )


def _before_text(found: Rehearsal) -> str:
    runs = int(found.table["n_runs"].max())
    size = said_number(found.severity.smooth_deviation * found.noise_sd, 2)
    peak = said_number(found.severity.local_deviation * found.noise_sd, 2)
    return (
        f"Simulated before the first act, {runs} campaigns for each truth, one of them outside "
        f"the list. Declared then and not changed afterwards: a claim is made for the "
        f"{len(found.acts)} patches that may be exposed, and needs evidence of "
        f"{found.severity.evidence:g} to 1 against smooth deviations of {size} "
        f"{unit_text(found.unit)} rms and against single features of {peak} "
        f"{unit_text(found.unit)}. At most {shots_text(found.envelope.max_irreversible)} and "
        f"{said_number(found.envelope.max_total_dose)} {unit_text(found.envelope.dose_unit)} of "
        "dose."
    )


def _before(found: Rehearsal) -> list[dict[str, str]]:
    rows = []
    for row in found.table.to_dict("records"):
        outside = row["truth"] == NONE
        rows.append(
            {
                "truth": plain_name(str(row["truth"])),
                "right": f"{row['claim_rate']:.0%} ({row['claim_low']:.0%} to "
                f"{row['claim_high']:.0%})",
                "called": "said so" if outside else "claimed",
                "wrong": f"{row['wrong_rate']:.0%}",
                "open": f"{max(1 - row['claim_rate'] - row['wrong_rate'], 0):.0%}",
                "shots": f"{row['shots']:g}",
                "dose": said_number(float(row["dose"]), 2),
            }
        )
    return rows


def _made() -> str:
    return (
        "The twin is made of what was planted in the embedded picture: the true patches, and the "
        "planted arrows between their columns. The planner sees neither; it asks for an act and "
        "is told the readout. The twin’s instrument has the noise above, lands "
        f"{ERRORS.position_share:g} of a patch off (standard deviation), gives doses wrong by "
        f"{ERRORS.dose_error:.0%}, and misses {ERRORS.miss_probability:.0%} of its exposures."
    )


def _spent(done: Twinned) -> str:
    steps = done.campaign.steps
    lasting = sum(step.action.irreversible for step in steps)
    minutes = steps[-1].time_s / 60 if steps else 0.0
    kept = "and broke no limit" if not done.violations else "and broke a limit: "
    return (
        f"{campaign_dose(done)[:1].upper()}{campaign_dose(done)[1:]} of dose, "
        f"{shots_text(lasting)} that cannot be undone, {said_number(minutes, 2)} minutes; an "
        f"independent ledger added up every act {kept}{'; '.join(done.violations)}."
    )


def _rows(found: Rehearsal, done: Twinned, length_unit: str) -> list[dict[str, str]]:
    rows = []
    for step in done.campaign.steps:
        row = step_row(step, length_unit, done.campaign.dose_unit)
        readout = step.outcome.readout
        leader = max(step.weights, key=lambda name: step.weights[name])
        rows.append(
            {
                "where": row["where"].partition(", until")[0].removeprefix("at "),
                "set": f"{said_number(found.moved(step.action), 2)}",
                "dose": said_number(step.action.dose, 2),
                "readout": "missed" if readout is None
                else f"{said_number(readout)} {unit_text(found.unit)}",
                "belief": f"{plain_name(leader)} {_percent(step.weights[leader])}",
                "why": _why(step.reason),
            }
        )  # fmt: skip
    return rows


def _percent(weight: float) -> str:
    return ">99.9%" if weight > 0.999 else f"{weight:.1%}"


def _why(reason: str) -> str:
    """Return why, without what stands in the row already or in every row."""
    _, _, because = reason.partition(", because ")
    parts = (because or reason).rstrip(".").split("; ")
    if "leads and a deviation from it" in reason:
        return "A deviation from what leads would show here."
    kept = [p for p in parts if not p.endswith(("% of the dose", "changed for good"))]
    text = "; ".join(kept).replace("'", "").replace(" -", " −")
    return as_sentence(plain_name(text))


def _slopes(found: Rehearsal, done: Twinned) -> list[tuple[str, str]]:
    def said(mean: float, sd: float) -> str:
        half = HALF_WIDTH_SDS * sd
        row = {"mean": mean, "q05": mean - half, "q95": mean + half, "unit": found.unit}
        return interval_text(row)

    rows = [("seen in the picture, nobody acted", said(found.observed_slope, found.observed_sd))]
    if done.slope_sd == done.slope_sd:  # not NaN: some act was read out
        rows.append(("from the exposures alone", said(done.slope, done.slope_sd)))
    rows.append(("planted", f"{said_number(done.planted_slope)} {unit_text(found.unit)}"))
    return rows


def _right(done: Twinned) -> tuple[str, bool | None]:
    """Return the verdict beside the truth of the twin, and whether it is right."""
    holds = plain_name(done.holds)
    if done.campaign.verdict == "claim":
        right = done.campaign.hypothesis == done.holds
        return f"True of the twin: {holds}. The claim is {'right' if right else 'wrong'}.", right
    if done.campaign.verdict == "none":
        return f"True of the twin: {holds}, which is on the list. The verdict is wrong.", False
    return f"True of the twin: {holds}. Nothing was claimed.", None
