"""Why an act is asked, in one sentence."""

from __future__ import annotations

import math

import numpy as np

from physlearn.causal.actions import Action
from physlearn.causal.planners.campaign_setup import CampaignSetup
from physlearn.causal.planners.standing import Standing
from physlearn.causal.policies.situation import POLICIES

__all__ = ["name_of", "reason_for"]

LEAST_NEIGHBOURS = 0.05
ABOUT_HYPOTHESES = ("information", "discrimination", "look ahead", "variance")


def name_of(action: Action) -> str:
    """Return what a person calls an act.

    Examples
    --------
    >>> name_of(Action("expose_site", {"x": 1.0, "y": 2.0, "site": 17}, 1.0, 1.0, 1.0))
    'expose_site at site 17'
    >>> name_of(Action("change_bias", {"bias_V": 1.5}, 0.0, 1.0, 1.0))
    'change_bias (bias_V 1.5)'
    """
    for name in ("site", "patch", "label"):
        if name in action.args:
            place = action.args[name] if name == "label" else f"at {name} {action.args[name]}"
            return f"{action.verb} {place}"
    shown = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in action.args.items()
    )
    return f"{action.verb} ({shown})" if shown else action.verb


def reason_for(setup: CampaignSetup, now: Standing, act: int, purpose: str, value: float) -> str:
    """Return why the act is asked: what the hypotheses say, what it costs, what to mind."""
    action = setup.actions[act]
    parts = [f"{name_of(action)}, {_because(setup, now, act, purpose, value)}"]
    if action.dose > 0 and setup.envelope.max_total_dose > 0:
        parts.append(f"{100 * action.dose / setup.envelope.max_total_dose:.2g} % of the dose")
    chance, neighbours = now.chances.success[act], now.chances.neighbours_hit[act]
    if chance < 1 and _failed_before(setup, now, action):
        parts.append(f"works in {100 * chance:.0f} % of attempts")
    if neighbours >= LEAST_NEIGHBOURS:
        parts.append(f"changes {neighbours:.1f} neighbours on average")
    if action.irreversible:
        parts.append("the sample is changed for good")
    if not now.chances.in_support[act]:
        parts.append(
            "outside what data and attempts have shown, so the predictions are extrapolations"
        )
    return "; ".join(parts) + "."


def _failed_before(setup: CampaignSetup, now: Standing, action: Action) -> bool:
    """Return whether an attempt failed: a chance below 1 of one that never did says little."""
    if setup.options.outcomes is not None:
        return True
    attempts = now.library.attempts
    labelled = f"{action.verb}: {action.args.get('label', '')}"
    return attempts.get(labelled, attempts.get(action.verb, (0, 0)))[1] > 0


def _because(setup: CampaignSetup, now: Standing, act: int, purpose: str, value: float) -> str:
    pair = _widest_pair(setup, now, act)
    if purpose == "reference":
        return "as a reference: a drift of the instrument would show"
    if purpose == "test the leader":
        weights = now.belief.weights if now.evidence is None else now.evidence.weights()
        leader = setup.prior.names[int(np.argmax(weights))]
        return f"because '{leader}' leads and a deviation from it would show here"
    if setup.reward is not None:
        return f"because the reward function gives it the most ({value:.3g})"
    name = setup.policy.name
    if name in ABOUT_HYPOTHESES and pair:
        return f"because {pair}"
    return POLICIES[name] + (f"; {pair}" if pair else "")


def _widest_pair(setup: CampaignSetup, now: Standing, act: int) -> str:
    """Return the two hypotheses that the act tells apart best, among those still believed."""
    means, weights = now.belief.means()[:, act], now.belief.weights
    sds = np.hypot(now.belief.spreads()[:, act], now.belief.noise_sd[:, act])
    if not np.isfinite(means).all():
        return ""
    best, chosen = -1.0, (0, 1)
    for i in range(len(means)):
        for j in range(i):
            apart = abs(means[i] - means[j]) / math.hypot(sds[i], sds[j])
            weighed = apart * math.sqrt(weights[i] * weights[j])
            if weighed > best:
                best, chosen = weighed, (j, i)
    first, second = chosen
    hypotheses = setup.hypotheses
    unit = "" if hypotheses[0].unit == "1" else f" {hypotheses[0].unit}"
    return (
        f"'{hypotheses[first].name}' predicts {hypotheses[first].readout} {means[first]:+.3g}{unit}"
        f" and '{hypotheses[second].name}' {means[second]:+.3g}{unit}"
    )
