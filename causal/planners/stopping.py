"""When to stop, and what may be said then, with and without a severity test."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from physlearn.causal.planners.campaign_setup import CampaignSetup
from physlearn.causal.planners.standing import Standing
from physlearn.causal.policies.mixture_information import information_about_hypotheses
from physlearn.causal.severity.order_checks import OrderCheck
from physlearn.causal.severity.verdicts import Kind, Verdict, assess

__all__ = ["verdict_of"]

NOT_TESTED = (
    "whether any of the hypotheses describes the readouts",
    "drift over the shots",
    "memory of the shots before",
)


def verdict_of(setup: CampaignSetup, now: Standing) -> Verdict:
    """Return what the readouts so far allow to say."""
    if now.evidence is not None:
        shown = np.flatnonzero(setup.test_columns >= 0)
        return assess(now.evidence, allowed=now.allowed[shown])
    return _unguarded(setup, now)


def _unguarded(setup: CampaignSetup, now: Standing) -> Verdict:
    """Return the verdict by weights alone: it takes for granted that one hypothesis holds."""
    weights = now.belief.weights
    leader, n_shots = int(weights.argmax()), len(now.shots)
    name = setup.prior.names[leader]
    kind: Kind = "continue"
    shots = f"{n_shots} readout{'' if n_shots == 1 else 's'}"
    sentence = f"{name!r} has weight {weights[leader]:.2f} after {shots}; more are needed."
    if weights[leader] > setup.options.threshold:
        kind = "claim"
        sentence = (
            f"{name!r} has weight {weights[leader]:.3f} of the listed hypotheses after {shots}; "
            "whether any of them describes the readouts was not tested (severity=None)."
        )
    elif not now.allowed.any():
        kind = "abstain"
        sentence = (
            f"No claim after {shots}: dose, budget or acts are spent, and {name!r} has weight "
            f"{weights[leader]:.2f}."
        )
    elif n_shots >= setup.options.min_shots and _most_told(now) < _least(setup):
        kind = "not separable"
        left = [n for n, w in zip(setup.prior.names, weights, strict=True) if w > 1e-2]
        sentence = (
            f"{', '.join(map(repr, left))} are not separable: no allowed act tells them apart "
            f"({shots})."
        )
    untried = OrderCheck("drift", 0, math.nan, math.nan, 0.0, math.nan)
    none = np.zeros(len(setup.actions), dtype=bool)
    return Verdict(
        kind, name if kind == "claim" else None,
        dict(zip(setup.prior.names, weights.tolist(), strict=True)), {}, sentence, none, none,
        NOT_TESTED, n_shots, untried, replace(untried, kind="memory"),
    )  # fmt: skip


def _most_told(now: Standing) -> float:
    return float(information_about_hypotheses(now.belief, np.flatnonzero(now.allowed)).max())


def _least(setup: CampaignSetup) -> float:
    return setup.options.min_information_nats
