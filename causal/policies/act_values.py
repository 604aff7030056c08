"""What each act is worth under a policy: its name, or a user's own function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from physlearn.causal.policies.belief import Floats
from physlearn.causal.policies.discrimination import (
    box_hill_divergence,
    effect_information,
    expected_information,
    member_information,
    readout_variance,
    threshold_information,
)
from physlearn.causal.policies.edge_entropy import edge_entropy
from physlearn.causal.policies.gaussian_process import (
    expected_approach,
    expected_improvement,
    exploration,
    upper_bound,
)
from physlearn.causal.policies.look_ahead import look_ahead
from physlearn.causal.policies.situation import Reward, Situation, own_reward

__all__ = ["MIN_SHARE", "act_values"]

MIN_SHARE = 1e-3
"""Least share of budget or dose that an act is taken to cost; nothing is free."""
CONSIDERS_FAILURE = ("look ahead", "random", "round robin")


def act_values(situation: Situation, reward: Reward | None = None) -> Floats:
    """Return what each act is worth, -inf where it is not allowed, shape (n_actions,).

    A built-in policy counts an act by its chance to work, half (`Policy.extrapolation_factor`)
    outside the data's support, and for its share of budget and dose as `Policy.per` says. A
    user's function is taken as it is.

    Examples
    --------
    >>> from physlearn.causal.policies.situation import POLICIES
    >>> sorted(POLICIES) == sorted(VALUES)
    True
    """
    if reward is not None:
        values = own_reward(reward, situation)
        return np.where(situation.allowed, values, -np.inf)
    policy = situation.policy
    if policy.random_share > 0 and situation.rng.random() < policy.random_share:
        values = _at_random(situation)
    else:
        values = VALUES[policy.name](situation)
        if policy.name not in CONSIDERS_FAILURE:
            values = values * situation.success
        if policy.name not in ("random", "round robin"):
            values = values * np.where(situation.in_support, 1.0, policy.extrapolation_factor)
            values = values / _shares(situation)
    return np.where(situation.allowed, values, -np.inf)


def _shares(situation: Situation) -> Floats | float:
    if situation.policy.per == "act":
        return 1.0
    shares = situation.dose_share
    if situation.policy.per == "cost":
        shares = shares + situation.cost_share
    return np.maximum(shares, MIN_SHARE)


def _at_random(situation: Situation) -> Floats:
    return situation.rng.random(len(situation.actions))


def _in_turn(situation: Situation) -> Floats:
    """Return larger values for acts asked less often, and among those for the first."""
    n_actions = len(situation.actions)
    return np.asarray(-(situation.asked * n_actions + np.arange(n_actions)), dtype=np.float64)


VALUES: dict[str, Callable[[Situation], Floats]] = {
    "information": expected_information,
    "discrimination": box_hill_divergence,
    "fisher": member_information,
    "effect": effect_information,
    "counterfactual": threshold_information,
    "edge entropy": edge_entropy,
    "variance": readout_variance,
    "exploration": exploration,
    "improvement": expected_improvement,
    "upper bound": upper_bound,
    "property target": expected_approach,
    "look ahead": look_ahead,
    "random": _at_random,
    "round robin": _in_turn,
}
