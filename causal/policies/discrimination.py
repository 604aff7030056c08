"""Policies that look at what the hypotheses predict: where they differ, and where they waver."""

from __future__ import annotations

import numpy as np

from physlearn.causal.policies.belief import Belief, Floats
from physlearn.causal.policies.mixture_information import (
    information_about,
    information_about_hypotheses,
)
from physlearn.causal.policies.situation import Situation
from physlearn.checks import InputError

__all__ = [
    "box_hill_divergence",
    "effect_information",
    "expected_information",
    "member_information",
    "readout_variance",
    "threshold_information",
]

N_BINS = 16
"""Levels of an effect that are told apart; information about it saturates at their logarithm."""


def expected_information(situation: Situation) -> Floats:
    """Return the expected information about which hypothesis holds, in nats."""
    return information_about_hypotheses(situation.belief, situation.columns)


def box_hill_divergence(situation: Situation) -> Floats:
    """Return the weighted divergence between the hypotheses' predictions, in nats.

    The sum over pairs of both weights times the divergence of their Gaussian predictions both
    ways, members' spread included; an upper bound of the expected information for Gaussian
    predictions. Source: Box & Hill 1967, doi:10.1080/00401706.1967.10490441.
    """
    means, variances = _predictions(situation.belief)
    weights = situation.belief.weights
    found = np.zeros(means.shape[1])
    for i in range(len(weights)):
        for j in range(i):
            apart = (means[i] - means[j]) ** 2 + variances[i] + variances[j]
            both_ways = 0.5 * apart * (1.0 / variances[i] + 1.0 / variances[j]) - 2.0
            found += weights[i] * weights[j] * both_ways
    return _spoken(found, situation)


def member_information(situation: Situation) -> Floats:
    """Return the expected information about the parameters within each hypothesis, in nats.

    Half the logarithm of 1 + v / s^2, where v is the variance of what the members expect, that
    is the Fisher information of the act summed over the directions in which the members still
    spread (Bayesian D-optimality; Chaloner & Verdinelli 1995, doi:10.1214/ss/1177009939).
    """
    spreads = situation.belief.spreads()
    each = 0.5 * np.log1p((spreads / situation.belief.noise_sd) ** 2)
    return _spoken(situation.belief.weights @ each, situation)


def readout_variance(situation: Situation) -> Floats:
    """Return the standard deviation of the expected readout over all members, over the noise."""
    belief = situation.belief
    shares = np.exp(belief.log_weights)
    mean = shares @ belief.expected
    spread = np.sqrt(shares @ (belief.expected - mean) ** 2)
    noise = np.sqrt(belief.weights @ belief.noise_sd**2)
    return _spoken(spread / noise, situation)


def effect_information(situation: Situation) -> Floats:
    """Return the expected information, in nats, about the size of the target's effect.

    The members are sorted into levels of equal weight by the effect that they expect.
    """
    effect = _effect(situation)
    shares = np.exp(situation.belief.log_weights)
    order = np.argsort(effect, kind="stable")
    below = np.cumsum(shares[order]) - 0.5 * shares[order]
    levels = np.empty(len(effect), dtype=np.int64)
    levels[order] = np.clip((below * N_BINS).astype(np.int64), 0, N_BINS - 1)
    # members that expect the same belong to the same level, whatever their place in the order
    _, same = np.unique(effect, return_inverse=True)
    first = np.full(int(same.max()) + 1, N_BINS)
    np.minimum.at(first, same, levels)
    return information_about(first[same], situation.belief, situation.columns)


def threshold_information(situation: Situation) -> Floats:
    """Return the expected information, in nats, about whether the effect passes the threshold."""
    target = situation.policy.target
    passes = _effect(situation) > (0.0 if target is None else target.threshold)
    return information_about(passes.astype(np.int64), situation.belief, situation.columns)


def _effect(situation: Situation) -> Floats:
    columns = situation.belief.expected[:, list(situation.target_columns)]
    if columns.shape[1] == 0 or np.isnan(columns).any():
        raise InputError(
            "the target's acts must be predicted by every hypothesis; at least one says nothing "
            "about them."
        )
    return columns[:, 0] if columns.shape[1] == 1 else columns[:, 0] - columns[:, 1]


def _predictions(belief: Belief) -> tuple[Floats, Floats]:
    return belief.means(), belief.spreads() ** 2 + belief.noise_sd**2


def _spoken(values: Floats, situation: Situation) -> Floats:
    """Return the candidates' values, 0 for acts that nobody speaks about."""
    return np.where(np.isfinite(values), values, 0.0)[: len(situation.actions)]
