"""What the outcomes of a campaign teach: readouts that count, belief and evidence after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from physlearn.causal.actions import Action
from physlearn.causal.planners.campaign_log import CampaignLog, Entry
from physlearn.causal.planners.campaign_setup import CampaignSetup
from physlearn.causal.policies.belief import Belief, Ints, prior_belief
from physlearn.causal.policies.look_ahead import thinned
from physlearn.causal.severity.evidence import Evidence, SeverityTest, follow

__all__ = ["FEWEST_MEMBERS", "Shot", "act_as_charged", "act_as_done", "learned", "shots_of"]

READ_BACK = 1e-9
"""Relative difference between commanded and reported arguments that counts as none."""
FEWEST_MEMBERS = 30
"""Members that effectively share a hypothesis' weight, below which more are drawn."""
MORE_MEMBERS = 16
MOST_NUMBERS = 10_000_000
"""Largest number of expected readouts that are drawn again at once."""
BELIEVED = 0.01
LEAST_WEIGHT = 1e-100


@dataclass(frozen=True, slots=True)
class Shot:
    """One readout that counts: of which act, where it was done, and by whose noise."""

    act: int
    readout: float
    readout_sd: float | None
    done: Action
    moved: bool
    time_s: float
    reference: bool


Earlier = tuple[tuple[Shot, ...], Belief, Evidence | None]
"""Shots of a step before, and belief and evidence after them."""


def learned(
    setup: CampaignSetup, shots: Sequence[Shot], earlier: Earlier | None
) -> tuple[Belief, Evidence | None]:
    """Return belief and evidence after the shots; hypotheses are asked what they expect there.

    With a severity test the belief has the test's weights, drift and unknown noise included.
    Without one, members that have become few are drawn anew, more of them, and weighed by all
    shots.
    """
    if earlier is not None and earlier[0] == tuple(shots):
        return earlier[1:]
    prior, columns = _where_shot(setup, shots, setup.options.n_members)
    if setup.test is not None:
        evidence = _evidence(setup, setup.test, shots, prior, columns, earlier)
        return _belief_of(setup, evidence), evidence
    belief = _belief(setup, shots, prior, columns)
    if _is_thin(setup, belief):
        size = belief.expected.shape[1] * len(belief.names)
        more = min(MORE_MEMBERS * setup.options.n_members, MOST_NUMBERS // size)
        if more > setup.options.n_members:
            belief = _belief(setup, shots, *_where_shot(setup, shots, more))
            belief = thinned(belief, setup.options.n_members)
    return belief, None


def _is_thin(setup: CampaignSetup, belief: Belief) -> bool:
    drawn = np.bincount(setup.prior.hypothesis) >= FEWEST_MEMBERS
    return bool(
        (drawn & (belief.weights > BELIEVED) & (belief.members_left < FEWEST_MEMBERS)).any()
    )


def _belief_of(setup: CampaignSetup, evidence: Evidence) -> Belief:
    """Return the prior's members with the weights and the noise of the severity test."""
    names = range(len(setup.prior.names))
    # a hypothesis that is all but excluded keeps a weight that logarithms can hold
    logs = [
        np.log(max(weight, LEAST_WEIGHT))
        + np.log(np.maximum(evidence.member_weights(k), LEAST_WEIGHT))
        for k, weight in zip(names, evidence.weights(), strict=True)
    ]
    scale = np.array([evidence.noise_scale(k) for k in names])
    return replace(
        setup.prior, log_weights=np.concatenate(logs),
        noise_sd=setup.prior.noise_sd * scale[:, None],
    )  # fmt: skip


def act_as_done(setup: CampaignSetup, entry: Entry) -> Action:
    """Return the act with what was read back of its arguments, its dose and its time."""
    action, outcome = setup.actions[entry.act], entry.outcome
    if outcome is None:
        return action
    args = dict(action.args)
    for name, value in outcome.reported.items():
        if name in args and not isinstance(args[name], str):
            args[name] = int(value) if _whole(args[name], value) else value
    return replace(act_as_charged(setup, entry), args=args)


def act_as_charged(setup: CampaignSetup, entry: Entry) -> Action:
    """Return the act where it was sent, with the dose and the time that it took.

    The envelope goes by it: a site that was aimed at is gone, wherever the pulse ended.
    """
    action, outcome = setup.actions[entry.act], entry.outcome
    if outcome is None:
        return action
    return replace(
        action,
        dose=action.dose if outcome.dose is None else outcome.dose,
        duration_s=action.duration_s if outcome.duration_s is None else outcome.duration_s,
    )


def _whole(commanded: float | int | str, reported: float) -> bool:
    return isinstance(commanded, int) and float(reported).is_integer()


def shots_of(setup: CampaignSetup, log: CampaignLog) -> tuple[Shot, ...]:
    """Return the readouts that count, in the order in which they were taken."""
    shots: list[Shot] = []
    clock = 0.0
    for entry, outcome in log.told:
        done = act_as_done(setup, entry)
        clock += done.duration_s
        if outcome.started_s is not None:
            clock = outcome.started_s
        if not outcome.succeeded or outcome.readout is None:
            continue
        if not np.isfinite(setup.prior.expected[0, entry.act]):
            continue
        shots.append(
            Shot(
                entry.act, outcome.readout, outcome.readout_sd, done,
                _moved(setup.actions[entry.act], done), clock, entry.purpose == "reference",
            )
        )  # fmt: skip
    # results may come in another order than that of the acts; the drift goes by the latter
    return tuple(sorted(shots, key=lambda shot: shot.time_s))


def _moved(asked: Action, done: Action) -> bool:
    """Return whether the act was done elsewhere than asked."""
    for name, value in asked.args.items():
        there = done.args[name]
        if isinstance(value, str) or isinstance(there, str):
            continue
        if abs(float(there) - float(value)) > READ_BACK * (1.0 + abs(float(value))):
            return True
    return False


def _where_shot(setup: CampaignSetup, shots: Sequence[Shot], n_members: int) -> tuple[Belief, Ints]:
    """Return the prior with columns for acts done elsewhere, and the column of every shot."""
    columns = np.array([shot.act for shot in shots], dtype=np.int64)
    elsewhere = [k for k, shot in enumerate(shots) if shot.moved]
    if not elsewhere and n_members == setup.options.n_members:
        return setup.prior, columns
    columns[elsewhere] = setup.prior.expected.shape[1] + np.arange(len(elsewhere))
    acts = [*setup.actions, *setup.target_acts, *(shots[k].done for k in elsewhere)]
    wider = prior_belief(setup.hypotheses, acts, seed=setup.seed, n_members=n_members)
    return wider, columns


def _belief(setup: CampaignSetup, shots: Sequence[Shot], prior: Belief, columns: Ints) -> Belief:
    """Return the belief after the shots; hypotheses are asked what they expect where each was."""
    belief, n_columns = prior, setup.prior.expected.shape[1]
    for shot, column in zip(shots, columns.tolist(), strict=True):
        noise = prior.noise_sd[:, column]
        if shot.readout_sd is not None:
            noise = np.full(len(noise), shot.readout_sd)
        belief = belief.after(prior.expected[:, column], noise, shot.readout)
    return replace(
        belief, expected=belief.expected[:, :n_columns], noise_sd=belief.noise_sd[:, :n_columns]
    )


def _evidence(
    setup: CampaignSetup,
    test: SeverityTest,
    shots: Sequence[Shot],
    prior: Belief,
    columns: Ints,
    earlier: Earlier | None,
) -> Evidence:
    evidence, first = follow(test), 0
    if earlier is not None and earlier[2] is not None:
        n_before = len(earlier[0])
        if earlier[0] == tuple(shots[:n_before]):
            evidence, first = earlier[2], n_before
    n_columns = setup.prior.expected.shape[1]
    same_members = np.allclose(
        prior.expected[:, :n_columns], setup.prior.expected, rtol=1e-9, equal_nan=True
    )
    for shot, column in zip(shots[first:], columns[first:].tolist(), strict=True):
        readout, there = shot.readout, None
        if shot.moved and not shot.reference:
            if same_members:
                there = [prior.expected[prior.hypothesis == k, column]
                         for k in range(len(prior.names))]  # fmt: skip
            else:
                # the members changed with the list of acts, so that only their means compare
                means = prior.means()
                readout -= float(evidence.weights() @ (means[:, column] - means[:, shot.act]))
        evidence = evidence.after(
            int(setup.test_columns[shot.act]), readout, time_s=shot.time_s,
            reference=shot.reference, expected=there, noise_sd=shot.readout_sd,
        )  # fmt: skip
    return evidence
