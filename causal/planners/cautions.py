"""What a reader of a campaign must know besides its verdict."""

from __future__ import annotations

import numpy as np

from physlearn.causal.planners.campaign_log import CampaignLog
from physlearn.causal.planners.campaign_setup import CampaignSetup
from physlearn.causal.planners.explain import name_of
from physlearn.causal.planners.readings import FEWEST_MEMBERS, act_as_done
from physlearn.causal.planners.standing import Standing, weights_by_name

__all__ = ["answers_changed", "cautions"]

BELIEVED = 0.05
ROUNDING = 1e-3


def answers_changed(setup: CampaignSetup, log: CampaignLog, now: Standing) -> tuple[str, ...]:
    """Return a sentence where the hypotheses of a resumed campaign answer otherwise than before.

    The state file holds their names, not their functions; the weights that it holds show it.
    """
    told = [entry for entry, _ in log.told]
    if not told or len(told[-1].weights) != len(setup.prior.names):
        return ()
    weights = weights_by_name(setup, now)
    for before, (name, weight) in zip(told[-1].weights, weights.items(), strict=True):
        if abs(weight - before) > ROUNDING:
            return (
                f"the hypotheses answer otherwise than when the state was written: the weight of "
                f"{name!r} was {before:.3g} and is {weight:.3g} with the same readouts.",
            )
    return ()


def cautions(setup: CampaignSetup, log: CampaignLog, now: Standing) -> tuple[str, ...]:
    """Return, in sentences, what limits the campaign: acts left out, strays, gaps, thin members."""
    found = []
    out = int((~setup.permitted).sum())
    if out:
        found.append(
            f"{out} of {len(setup.actions)} acts lie outside the envelope or the budget and are "
            "never asked."
        )
    for entry, _ in log.told:
        action, done = setup.actions[entry.act], act_as_done(setup, entry)
        strayed = set(setup.envelope.broken_by(done)) - set(setup.envelope.broken_by(action))
        if strayed:
            found.append(
                f"question {log.key}-{entry.number} ({name_of(action)}) was done outside the "
                f"envelope, by what was read back: {sorted(strayed)[0]}."
            )
    lost = sum(entry.status == "forgotten" and entry.outcome is None for entry in log.entries)
    if lost:
        found.append(
            f"{lost} question{'' if lost == 1 else 's'} may have been done without a result: dose "
            "and changes of the sample count, what was seen does not."
        )
    drawn = np.bincount(setup.prior.hypothesis) >= FEWEST_MEMBERS
    left, weights = now.belief.members_left, now.belief.weights
    for k in np.flatnonzero(drawn & (left < FEWEST_MEMBERS) & (weights > BELIEVED)).tolist():
        found.append(
            f"only {left[k]:.0f} members of {setup.prior.names[k]!r} still agree with the "
            "readouts: raise n_members, or its weight is uncertain."
        )
    return tuple(found)
