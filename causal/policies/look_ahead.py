"""The worth of an act together with the best one that it leaves possible: two steps ahead."""

from __future__ import annotations

import numpy as np

from physlearn.causal.policies.belief import Belief, Floats, Ints
from physlearn.causal.policies.mixture_information import information_about_hypotheses
from physlearn.causal.policies.situation import Situation

__all__ = ["look_ahead"]

N_FIRST = 8
"""First acts that are followed up: the most telling ones, and one of each other kind."""
N_READOUTS = 3
"""Readouts simulated for each hypothesis, at quantiles of what it predicts."""
N_SECOND = 24
N_POWER_STEPS = 8
MOST_MEMBERS = 200
"""Members of each hypothesis that are looked at two steps ahead."""


def look_ahead(situation: Situation) -> Floats:
    """Return the expected information, in nats, of an act and the best one after it.

    For each of the most telling acts a readout is simulated from each hypothesis, the belief
    updated, and the most telling act looked for among those that envelope and budget still
    permit: an act that burns the only site, or spends the only pulse, is worth less by what it
    makes impossible, and a harmless one that prepares it (a reference image, say) is worth more.
    Acts that are not followed up count what they tell alone, so that they never win by it.
    """
    belief = thinned(situation.belief, MOST_MEMBERS)
    columns = situation.columns
    alone = np.where(situation.allowed, information_about_hypotheses(belief, columns), 0.0)
    alone *= situation.success
    values = alone.copy()
    for act in _first_acts(situation, alone).tolist():
        after = situation.remaining(act)
        second = np.flatnonzero(after)
        if not len(second):
            continue
        second = second[np.argsort(-alone[second], kind="stable")][:N_SECOND]
        failed = float((alone[second]).max())
        worked = _best_after(belief, act, second, situation)
        chance = float(situation.success[act])
        values[act] += chance * worked + (1.0 - chance) * failed
    return values


def _first_acts(situation: Situation, alone: Floats) -> Ints:
    """Return the acts to follow up: the best alone, and the best of each verb and effect."""
    allowed = np.flatnonzero(situation.allowed)
    best = allowed[np.argsort(-alone[allowed], kind="stable")]
    kinds: dict[tuple[str, bool], int] = {}
    for act in best.tolist():
        action = situation.actions[act]
        kinds.setdefault((action.verb, action.irreversible), act)
    return np.array(list(dict.fromkeys([*best[:N_FIRST].tolist(), *kinds.values()])), dtype=int)


def _best_after(belief: Belief, act: int, second: Ints, situation: Situation) -> float:
    """Return the information of the best second act, averaged over the first one's readouts."""
    expected = belief.expected[:, act]
    if np.isnan(expected).any():
        return float(
            (information_about_hypotheses(belief, second) * situation.success[second]).max()
        )
    weights, total = belief.weights, 0.0
    quantiles = (np.arange(N_READOUTS) + 0.5) / N_READOUTS
    for k, weight in enumerate(weights.tolist()):
        if weight < 1e-6:
            continue
        for readout in _simulated(belief, k, act, quantiles, situation.rng).tolist():
            updated = belief.after(expected, belief.noise_sd[:, act], readout)
            gain = information_about_hypotheses(updated, second) * situation.success[second]
            total += weight / N_READOUTS * float(gain.max())
    return total


def _simulated(
    belief: Belief, k: int, act: int, quantiles: Floats, rng: np.random.Generator
) -> Floats:
    """Return quantiles of the readout that hypothesis k predicts, noise included."""
    own = np.flatnonzero(belief.hypothesis == k)
    shares = np.exp(belief.log_weights[own] - belief.log_weights[own].max())
    drawn = own[rng.choice(len(own), size=256, p=shares / shares.sum())]
    readouts = belief.expected[drawn, act] + belief.noise_sd[k, act] * rng.standard_normal(256)
    return np.asarray(np.quantile(readouts, quantiles))


def thinned(belief: Belief, most: int) -> Belief:
    """Return the belief with at most so many members of each hypothesis, at even steps of weight.

    The weights of the hypotheses stay; members of one hypothesis are drawn by systematic
    resampling along the direction in which they differ most, so that few of them cover its
    range evenly, and without randomness, so that a resumed planner has the same ones.
    """
    kept: list[Ints] = []
    logs: list[Floats] = []
    weights = belief.weights
    for k, weight in enumerate(weights.tolist()):
        own = np.flatnonzero(belief.hypothesis == k)
        if len(own) <= most or weight <= 0.0:
            kept.append(own)
            logs.append(belief.log_weights[own])
            continue
        own = own[np.argsort(_main_direction(belief.expected[own]), kind="stable")]
        shares = np.cumsum(np.exp(belief.log_weights[own])) / weight
        chosen = own[np.searchsorted(shares, (np.arange(most) + 0.5) / most).clip(0, len(own) - 1)]
        kept.append(chosen)
        logs.append(np.full(most, np.log(weight / most)))
    members = np.concatenate(kept)
    return Belief(
        belief.names, belief.expected[members], belief.hypothesis[members], np.concatenate(logs),
        belief.noise_sd,
    )  # fmt: skip


def _main_direction(expected: Floats) -> Floats:
    """Return the members' places along the direction in which they differ most."""
    spoken = expected[:, np.isfinite(expected).all(axis=0)]
    centred = spoken - spoken.mean(axis=0)
    direction = np.ones(centred.shape[1]) if not centred.size else centred.std(axis=0)
    for _ in range(N_POWER_STEPS):
        direction = centred.T @ (centred @ direction)
        direction /= max(float(np.linalg.norm(direction)), 1e-300)
    return np.asarray(centred @ direction)
