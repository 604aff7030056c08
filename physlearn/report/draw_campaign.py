"""What a campaign learned, against the dose that it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from physlearn.checks import InputError, check_choice
from physlearn.phrases import plain_name, unit_text
from physlearn.report.drawing import COLORS, GREY, INK, MARKS, get_axes

if TYPE_CHECKING:
    from physlearn.campaign_records import Rehearsal
    from physlearn.causal.twins.campaigns import Campaign

__all__ = ["plot_campaign", "plot_campaign_evidence", "plot_campaign_readouts"]

N_MEMBERS = 2000

VERDICTS = {
    "claim": "claim", "none": "none of these", "not separable": "not separable",
    "abstain": "no claim", "continue": "not decided",
}  # fmt: skip


def plot_campaign(
    campaign: Campaign,
    *,
    against: str = "dose",
    before: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the belief in each hypothesis after each step, against the dose or another sum.

    Parameters
    ----------
    campaign
        From `run_campaign`.
    against
        "dose", "time" or "steps".
    before
        Belief in each hypothesis before the first act, drawn at 0.
    ax
        Axes to draw in; None makes new ones.

    Examples
    --------
    >>> from physlearn.causal import Action, Campaign, CampaignStep, Outcome
    >>> act = Action("expose_site", {"x": 1.0, "y": 1.0}, 5.0, 1.0, 1.0, irreversible=True)
    >>> steps = [CampaignStep(str(k), act, "", Outcome(0.1), {"a": p, "b": 1 - p}, {}, "continue",
    ...          "", 5.0 * k, k) for k, p in enumerate((0.5, 0.9), start=1)]
    >>> plot_campaign(Campaign(tuple(steps))).get_xlabel()
    'dose (e/A²)'
    """
    check_choice("against", against, ("dose", "time", "steps"))
    if not campaign.steps:
        raise InputError("campaign holds no steps to draw; run it first.")
    ax = get_axes(ax, (5.8, 3.6))
    places, label = _places(campaign, against)
    names = campaign.hypotheses
    for number, name in enumerate(names):
        weights = [step.weights.get(name, np.nan) for step in campaign.steps]
        start = [] if before is None else [before.get(name, np.nan)]
        ax.plot([0.0] * len(start) + places, start + weights, color=COLORS[number % len(COLORS)],
                lw=1.6, ms=4, marker=MARKS[number % len(MARKS)],
                label=plain_name(name))  # fmt: skip
    lasting = [
        p for p, s in zip(places, campaign.steps, strict=True)
        if s.action.irreversible and s.outcome.succeeded
    ]  # fmt: skip
    if lasting:
        ax.plot(lasting, np.full(len(lasting), -0.06), "|", color=INK, ms=9, mew=1.4,
                label="sample changed for good", clip_on=False)  # fmt: skip
    missed = [p for p, s in zip(places, campaign.steps, strict=True) if not s.outcome.succeeded]
    if missed:
        ax.plot(missed, np.full(len(missed), -0.06), "x", color=GREY, ms=6, label="missed",
                clip_on=False)  # fmt: skip
    ax.set_ylim(-0.1, 1.04)
    ax.set_xlabel(label)
    ax.set_ylabel("belief")
    number = len(campaign.steps)
    said = VERDICTS[campaign.verdict]
    said += "" if campaign.hypothesis is None else f": {campaign.hypothesis},"
    ax.set_title(f"{said} after {number} act{'' if number == 1 else 's'}")
    _legend_below(ax)
    return ax


def plot_campaign_evidence(
    campaign: Campaign, *, needed: float = 10.0, against: str = "dose", ax: Axes | None = None
) -> Axes:
    """Draw the evidence of the leading hypothesis against each class of deviations.

    Parameters
    ----------
    campaign
        From `run_campaign` with a planner that was given `SeverityOptions`.
    needed
        Evidence that a claim needs against every class.
    against
        "dose", "time" or "steps".
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        For a campaign without a severity test.

    Examples
    --------
    >>> from physlearn.causal import Action, Campaign, CampaignStep, Outcome
    >>> act = Action("tune", {}, 5.0, 1.0, 1.0)
    >>> steps = [CampaignStep(str(k), act, "", Outcome(0.1), {"a": 1.0}, {"smooth": 3.0**k},
    ...          "continue", "", 5.0 * k, k) for k in (1, 2, 3)]
    >>> plot_campaign_evidence(Campaign(tuple(steps))).get_yscale()
    'log'
    """
    check_choice("against", against, ("dose", "time", "steps"))
    classes = list(dict.fromkeys(name for step in campaign.steps for name in step.e_values))
    if not classes:
        raise InputError(
            "campaign holds no evidence to draw: give the planner SeverityOptions before it begins."
        )
    ax = get_axes(ax, (5.8, 3.6))
    places, label = _places(campaign, against)
    for number, name in enumerate(classes):
        values = [step.e_values.get(name, np.nan) for step in campaign.steps]
        said = "for none of the hypotheses" if name == "none of these" else f"against {name}"
        ax.plot(places, values, color=COLORS[number % len(COLORS)], lw=1.6, ms=4,
                marker=MARKS[number % len(MARKS)], label=said)  # fmt: skip
    ax.axhline(needed, color=GREY, lw=1.0, ls=(0, (4, 3)), label="needed for a claim")
    ax.set_yscale("log")
    ax.set_xlabel(label)
    ax.set_ylabel("evidence (e-value)")
    _legend_below(ax)
    return ax


def plot_campaign_readouts(rehearsal: Rehearsal, *, ax: Axes | None = None) -> Axes:
    """Draw what was read after each act of a twin's campaign against the change that it set.

    Parameters
    ----------
    rehearsal
        From a study whose campaign was done on a twin.
    ax
        Axes to draw in; None makes new ones.

    Raises
    ------
    InputError
        For a rehearsal without a twin.
    """
    if rehearsal.twinned is None:
        raise InputError("rehearsal was not done on a twin, so that there is nothing to draw.")
    ax = get_axes(ax, (5.8, 3.6))
    done, acts = rehearsal.twinned, rehearsal.acts
    moved = np.array([rehearsal.moved(act) for act in acts])
    order = np.argsort(moved)
    edge = np.append(moved[order], 0.0) if moved.max() < 0 else np.insert(moved[order], 0, 0.0)
    for number, hypothesis in enumerate(rehearsal.hypotheses):
        if hypothesis.joint is None:
            continue
        members = hypothesis.joint(acts, np.random.default_rng(0), N_MEMBERS)
        slopes = (members / moved).mean(axis=1)
        low, middle, high = np.quantile(slopes, (0.05, 0.5, 0.95))
        color = COLORS[number % len(COLORS)]
        ax.fill_between(edge, low * edge, high * edge, color=color, alpha=0.2, lw=0)
        ax.plot(edge, middle * edge, color=color, lw=1.4, label=plain_name(hypothesis.name))
    ax.plot(edge, done.planted_slope * edge, color=INK, lw=1.2, ls=(0, (1, 2)), label="planted")
    read = [
        (rehearsal.moved(step.action), step.outcome.readout)
        for step in done.campaign.steps
        if step.outcome.readout is not None
    ]
    ax.errorbar(
        [moved_by for moved_by, _ in read],
        [readout for _, readout in read],
        yerr=2 * rehearsal.noise_sd, fmt="o", color=INK, ms=5, lw=1.0, label="read out", zorder=4,
    )  # fmt: skip
    ax.set_xlabel(f"change of {plain_name(rehearsal.cause)} that was set")
    symbol = unit_text(rehearsal.unit)
    ax.set_ylabel(f"change of {plain_name(rehearsal.outcome)}{f' ({symbol})' if symbol else ''}")
    _legend_below(ax)
    return ax


def _legend_below(ax: Axes) -> None:
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, fontsize=8.5)


def _places(campaign: Campaign, against: str) -> tuple[list[float], str]:
    if against == "steps":
        return [float(k) for k in range(1, len(campaign.steps) + 1)], "acts"
    if against == "time":
        return [step.time_s for step in campaign.steps], "time (s)"
    return [step.dose for step in campaign.steps], f"dose ({unit_text(campaign.dose_unit)})"
