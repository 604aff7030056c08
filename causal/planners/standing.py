"""Where a campaign stands: what its log says about belief, evidence, dose, budget and choices."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from physlearn.causal.actions import Action, ActionLibrary
from physlearn.causal.dose_sums import Area, area_of
from physlearn.causal.planners.campaign_log import CampaignLog, Entry
from physlearn.causal.planners.campaign_setup import CampaignSetup
from physlearn.causal.planners.readings import (
    Shot,
    act_as_charged,
    act_as_done,
    learned,
    shots_of,
)
from physlearn.causal.policies.belief import Belief, Floats, Ints
from physlearn.causal.policies.situation import Bools
from physlearn.causal.severity.evidence import Evidence
from physlearn.causal.verbs import POINT_VERBS
from physlearn.checks import InputError
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "Chances", "Spent", "Standing", "check_read_back", "envelope_refuses", "standing",
    "still_allowed", "weights_by_name",
]  # fmt: skip

ALIKE = 0.7
"""How alike two names must be for one to be taken as a misspelt other, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent so far, open questions included."""

    cost: float
    dose: float
    duration_s: float
    irreversible: int

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class Chances:
    """What attempts say about each act, (n_actions,) each.

    Attributes
    ----------
    success
        Chance that the act works.
    neighbours_hit
        Expected number of neighbours changed as well; NaN when nothing is known.
    in_support
        Whether data and attempts reach there.
    """

    success: Floats
    neighbours_hit: Floats
    in_support: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Where a campaign stands.

    Attributes
    ----------
    belief
        After all readouts; its columns begin with those of the candidates.
    evidence
        Of the severity test, or None.
    library
        Actions with all attempts.
    chances
        What these say about each act.
    spent
        Cost, dose and time so far.
    done
        Acts done or perhaps done, in order, where they were sent, with the dose that they took.
    allowed
        Shape (n_actions,): acts that envelope and budget permit next, as far as sums say.
    shots
        Readouts that count.
    asked
        Shape (n_actions,): how often each act was asked.
    """

    belief: Belief
    evidence: Evidence | None
    library: ActionLibrary
    chances: Chances
    spent: Spent
    done: tuple[Action, ...]
    allowed: Bools
    shots: tuple[Shot, ...]
    asked: Ints


def standing(setup: CampaignSetup, log: CampaignLog, before: Standing | None = None) -> Standing:
    """Return where the campaign stands; `before` saves work when its shots are the first ones."""
    shots = shots_of(setup, log)
    earlier = None if before is None else (before.shots, before.belief, before.evidence)
    belief, evidence = learned(setup, shots, earlier)
    library = setup.library
    for entry, outcome in log.told:
        library = library.observe(setup.actions[entry.act], succeeded=outcome.succeeded)
    done = tuple(act_as_charged(setup, entry) for entry in log.touched)
    places = tuple(act_as_done(setup, entry) for entry in log.touched)
    spent = Spent(
        sum(setup.actions[entry.act].cost for entry in log.touched),
        sum(action.dose for action in done),
        sum(action.duration_s for action in done),
        sum(action.irreversible for action in done),
    )
    asked = np.bincount(
        np.array([entry.act for entry in log.touched], dtype=np.int64),
        minlength=len(setup.actions),
    )
    return Standing(
        belief,
        evidence,
        library,
        _chances(setup, library, log),
        spent,
        done,
        setup.permitted & _within_sums(setup, spent, (*done, *places)),
        shots,
        asked,
    )


def _chances(setup: CampaignSetup, library: ActionLibrary, log: CampaignLog) -> Chances:
    success = np.array([library.success_probability(action) for action in setup.actions])
    neighbours, supported = np.full(len(success), np.nan), setup.in_support.copy()
    outcomes = setup.options.outcomes
    if outcomes is None:
        return Chances(success, neighbours, supported)
    for entry, outcome in log.told:
        outcomes = outcomes.observe(setup.actions[entry.act], outcome)
    # a verb that was never tried is taken to work, as in a library
    tried = {action.verb for action, _ in outcomes.attempts}
    known = [k for k, action in enumerate(setup.actions) if action.verb in tried]
    for k, found in zip(
        known, outcomes.predict_all([setup.actions[k] for k in known]), strict=True
    ):
        success[k], neighbours[k] = found.success, found.neighbours_hit
        supported[k] &= found.in_support
    return Chances(success, neighbours, supported)


def still_allowed(setup: CampaignSetup, now: Standing, act: int) -> Bools:
    """Return which acts remain permitted, as far as sums say, once `act` is done as well."""
    action = setup.actions[act]
    spent = Spent(
        now.spent.cost + action.cost,
        now.spent.dose + action.dose,
        now.spent.duration_s + action.duration_s,
        now.spent.irreversible + action.irreversible,
    )
    return _within_sums(setup, spent, (*now.done, action))


def _within_sums(setup: CampaignSetup, spent: Spent, done: Sequence[Action]) -> Bools:
    envelope, slack = setup.envelope, 1 + 1e-12
    each = np.array(
        [(a.cost, a.dose, a.duration_s, a.irreversible) for a in setup.actions], dtype=np.float64
    )
    fits = spent.cost + each[:, 0] <= setup.budget * slack
    fits &= (spent.dose + each[:, 1] <= envelope.max_total_dose * slack) | (each[:, 1] == 0)
    if envelope.max_duration_s is not None:
        fits &= spent.duration_s + each[:, 2] <= envelope.max_duration_s * slack
    fits &= (each[:, 3] == 0) | (spent.irreversible < envelope.max_irreversible)
    gone = [area for area in map(_changed_area, done) if area is not None]
    if gone:
        fits &= np.array([not _is_gone(a, gone, envelope.site_radius) for a in setup.actions])
    return fits


def _changed_area(action: Action) -> Area | None:
    """Return the edges of what an act changes for good: a patch, or a point; None for nothing."""
    if not action.irreversible:
        return None
    if action.verb in POINT_VERBS:
        x, y = action.number("x"), action.number("y")
        return x, y, x, y
    return area_of(action) if action.verb == "expose_patch" else None


def _is_gone(action: Action, gone: Sequence[Area], radius: float) -> bool:
    """Return whether an act that cannot be undone aims at what was changed before."""
    own = _changed_area(action)
    return own is not None and any(_meet(own, area, radius) for area in gone)


def _meet(first: Area, second: Area, radius: float) -> bool:
    """Return whether two areas overlap (patches that share an edge do not), or two sites are one.

    Points no farther apart than `radius` are the same site; a point on or in a patch lies in it.
    """
    apart = [
        max(first[k] - second[k + 2], second[k] - first[k + 2]) for k in (0, 1)
    ]  # below 0: they overlap by so much along this axis
    points = [area[:2] == area[2:] for area in (first, second)]
    if all(points):
        return math.hypot(*apart) <= radius
    return max(apart) <= 0.0 if any(points) else max(apart) < 0.0


def envelope_refuses(setup: CampaignSetup, now: Standing, act: int) -> bool:
    """Return whether the whole envelope, not only its sums, forbids the act next."""
    last = f"step {len(now.done) + 1}:"
    found = setup.envelope.violations([*now.done, setup.actions[act]])
    return any(reason.startswith(last) for reason in found)


def weights_by_name(setup: CampaignSetup, now: Standing) -> Mapping[str, float]:
    """Return the weights of the hypotheses: those of the severity test where there is one."""
    weights: Floats = now.belief.weights if now.evidence is None else now.evidence.weights()
    return dict(zip(setup.prior.names, weights.tolist(), strict=True))


def check_read_back(setup: CampaignSetup, entry: Entry) -> None:
    """Refuse an outcome whose read-back makes no act, or names an argument wrongly."""
    reported = {} if entry.outcome is None else entry.outcome.reported
    args = setup.actions[entry.act].args
    silent = [name for name in args if name not in reported]
    for name in reported:
        alike = () if name in args else difflib.get_close_matches(name, silent, n=1, cutoff=ALIKE)
        if alike:  # other names are readings that the act has no argument for
            raise InputError(f"reported must name arguments; {name!r} is none: {alike[0]!r}?")
    try:
        act_as_done(setup, entry)
    except InputError as error:
        raise InputError(f"reported must make an act that is possible: {error}") from None
