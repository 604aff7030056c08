"""Which act to ask next: by the policy, to test what leads, or as a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from physlearn.causal.planners.campaign_setup import CampaignSetup
from physlearn.causal.planners.standing import Standing, envelope_refuses, still_allowed
from physlearn.causal.policies.act_values import act_values
from physlearn.causal.policies.belief import Belief, Floats
from physlearn.causal.policies.situation import Situation
from physlearn.causal.severity.evidence import Evidence
from physlearn.causal.severity.leading import leads_for_sure
from physlearn.causal.severity.next_shots import next_shots, reference_due

__all__ = ["Choice", "choose_act", "situation_of"]

HARMLESS_SHARE = 0.9
"""An act that changes nothing and is worth this share of one that does goes before it."""
BLIND = ("random", "round robin")


@dataclass(frozen=True, slots=True)
class Choice:
    """An act, what it is worth and what for."""

    act: int
    value: float
    purpose: str


def choose_act(
    setup: CampaignSetup, now: Standing, pending: Sequence[tuple[int, str]], number: int
) -> Choice | None:
    """Return the act to ask as question `number`, or None when none is allowed.

    Parameters
    ----------
    setup, now
        The campaign.
    pending
        Acts of open questions and their purposes: their outcomes are simulated from the belief,
        and what an act is worth is averaged over them, so that the next question does not ask the
        same again.
    number
        Of the question; draws depend on it and the seed alone.
    """
    if not now.allowed.any():
        return None
    if _reference_due(setup, now, pending):
        act = setup.reference
        if act is not None and not envelope_refuses(setup, now, act):
            return Choice(act, 0.0, "reference")
    values, purpose = _values(setup, now, pending, number)
    order = np.argsort(-values, kind="stable")
    ranked = [int(j) for j in order if values[j] > -np.inf]
    best = next((j for j in ranked if not envelope_refuses(setup, now, j)), None)
    if best is None:
        return None
    if setup.actions[best].irreversible and _weighs_harm(setup, purpose):
        harmless = next(
            (
                j for j in ranked
                if not setup.actions[j].irreversible and not envelope_refuses(setup, now, j)
            ),
            None,
        )  # fmt: skip
        if harmless is not None and values[harmless] >= HARMLESS_SHARE * values[best] > 0:
            best = harmless
    return Choice(best, float(values[best]), purpose)


def _weighs_harm(setup: CampaignSetup, purpose: str) -> bool:
    return purpose != "policy" or (setup.reward is None and setup.policy.name not in BLIND)


def situation_of(
    setup: CampaignSetup, now: Standing, belief: Belief, rng: np.random.Generator
) -> Situation:
    """Return what a policy looks at."""
    envelope, actions = setup.envelope, setup.actions
    total = envelope.max_total_dose
    shots = now.shots
    return Situation(
        belief,
        actions,
        now.allowed,
        now.chances.success,
        now.chances.in_support,
        np.array([action.cost / setup.budget for action in actions]),
        np.array([action.dose / total if total > 0 else 0.0 for action in actions]),
        np.array([shot.act for shot in shots], dtype=np.int64),
        np.array([shot.readout for shot in shots], dtype=np.float64),
        now.asked,
        setup.policy,
        rng,
        tuple(range(len(actions), len(actions) + len(setup.target_acts))),
        lambda act: still_allowed(setup, now, act),
    )


def _reference_due(setup: CampaignSetup, now: Standing, pending: Sequence[tuple[int, str]]) -> bool:
    if now.evidence is None or setup.reference is None or not now.allowed[setup.reference]:
        return False
    return reference_due(now.evidence) and all(purpose != "reference" for _, purpose in pending)


def _values(
    setup: CampaignSetup, now: Standing, pending: Sequence[tuple[int, str]], number: int
) -> tuple[Floats, str]:
    # a blind policy stays blind, so that it is what others are compared with under the same rule
    blind = setup.reward is None and setup.policy.name in BLIND
    if now.evidence is not None and setup.stops and not blind:
        tested = _test_values(setup, now, now.evidence, pending)
        if tested is not None:
            return tested, "test the leader"
    acts = [act for act, purpose in pending if purpose != "reference"]
    simulated = setup.options.n_simulated if acts else 1
    total = np.zeros(len(setup.actions))
    for k in range(simulated):
        rng = np.random.default_rng([setup.seed, number, k])
        belief, tried, readouts = _imagined(now.belief, acts, rng)
        view = situation_of(setup, now, belief, np.random.default_rng([setup.seed, number]))
        view = replace(
            view,
            tried=np.concatenate([view.tried, np.array(tried, dtype=np.int64)]),
            readouts=np.concatenate([view.readouts, readouts]),
        )
        total = total + act_values(view, setup.reward) / simulated
    return total, "policy"


def _imagined(
    belief: Belief, acts: Sequence[int], rng: np.random.Generator
) -> tuple[Belief, list[int], list[float]]:
    """Return the belief after readouts that one member, drawn by weight, would give, and these."""
    if not acts:
        return belief, [], []
    shares = np.exp(belief.log_weights)
    member = int(rng.choice(len(shares), p=shares / shares.sum()))
    noise = belief.noise_sd[belief.hypothesis[member]]
    tried, readouts = [], []
    for act in acts:
        readout = float(belief.expected[member, act] + noise[act] * rng.standard_normal())
        if np.isfinite(readout):
            belief = belief.after(belief.expected[:, act], belief.noise_sd[:, act], readout)
            tried.append(act)
            readouts.append(readout)
    return belief, tried, readouts


def _test_values(
    setup: CampaignSetup, now: Standing, evidence: Evidence, pending: Sequence[tuple[int, str]]
) -> Floats | None:
    """Return what each act is worth to test the hypothesis that leads; None when none leads."""
    shown = np.flatnonzero(setup.test_columns >= 0)
    allowed = now.allowed[shown]
    if not allowed.any():
        return None
    if not leads_for_sure(evidence):
        return None
    leader = int(evidence.weights().argmax())
    means = now.belief.means()
    for act, purpose in pending:
        column = int(setup.test_columns[act])
        if column >= 0 and purpose != "reference":
            evidence = evidence.after(column, float(means[leader, act]))
    found = next_shots(evidence, allowed=allowed)
    values = np.full(len(setup.actions), -np.inf)
    values[shown] = found.values
    # by its chance to work alone: a test that spares the dear acts leaves them untested, so that
    # whoever cannot pay for them must cut the region instead
    return np.where(np.isfinite(values), values * now.chances.success, -np.inf)
