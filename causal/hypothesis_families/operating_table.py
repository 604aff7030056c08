"""Before the experiment: how many shots, how much dose, and what can be told apart at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd

from physlearn.causal.actions import Action, ActionLibrary, SafetyEnvelope
from physlearn.causal.hypotheses import NONE_OF_THESE, Hypothesis
from physlearn.causal.outcomes.outcome import Outcome
from physlearn.causal.planners.campaign_log import CampaignLog, Entry
from physlearn.causal.planners.campaign_setup import (
    CampaignSetup,
    PlannerOptions,
    campaign_setup,
)
from physlearn.causal.planners.choose_act import choose_act
from physlearn.causal.planners.standing import standing
from physlearn.causal.planners.stopping import verdict_of
from physlearn.causal.policies.mixture_information import information_about_hypotheses
from physlearn.causal.policies.situation import Policy, Reward
from physlearn.causal.severity.evidence import SeverityTest, declare_test
from physlearn.causal.severity.options import SeverityOptions
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, as_generator, check_count

__all__ = ["OperatingOptions", "operating_table"]

GUARDED = SeverityOptions()
FAST = PlannerOptions(n_members=500)

INTERVAL_SD = 1.96
NEVER = 0.05
"""Hypotheses that are told apart in less than this share of the runs count as never told apart."""
OFTEN = 0.9
"""Told apart in this share of the runs or more, hypotheses count as told apart."""


@dataclass(frozen=True, slots=True)
class OperatingOptions:
    """How an operating table is simulated.

    Attributes
    ----------
    policy, severity, planner
        As `Planner` takes them. With ``severity=None`` claims rest on weights alone.
    pairs
        Whether every two hypotheses are tried by themselves as well.
    outside
        Whether truths outside the list are tried as well: a hypothesis and a deviation of the
        declared size; needs ``severity``.

    Examples
    --------
    >>> OperatingOptions(pairs=False).policy
    'information'
    """

    policy: str | Policy | Reward = "information"
    severity: SeverityOptions | None = GUARDED
    planner: PlannerOptions = FAST
    pairs: bool = True
    outside: bool = True

    def __post_init__(self) -> None:
        if self.severity is not None and not isinstance(self.severity, SeverityOptions):
            raise InputError(f"severity must be SeverityOptions or None; got {self.severity!r}.")
        for name in ("pairs", "outside"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} must be True or False; got {getattr(self, name)!r}.")


@dataclass(frozen=True, slots=True)
class _Run:
    """How one simulated campaign ended."""

    kind: str
    claimed: str | None
    leads: bool
    shots: int
    dose: float
    cost: float


def operating_table(
    hypotheses: Sequence[Hypothesis],
    actions: ActionLibrary | Iterable[Action],
    envelope: SafetyEnvelope,
    budget: float,
    *,
    options: OperatingOptions | None = None,
    n_runs: int = 20,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
    stop: Callable[[], bool] | None = None,
) -> pd.DataFrame:
    """Simulate campaigns before the first shot: what would they cost, and what would they show.

    Every hypothesis is the truth in turn: one of its members is drawn, the planner asks, readouts
    are drawn with the stated noise and chances to fail, until there is a verdict.

    Parameters
    ----------
    hypotheses, actions, envelope, budget
        As `Planner` takes them; every act must be read out.
    options
        Policy, severity, which rows.
    n_runs
        Campaigns a row.
    rng
        Seed; the same for all rows, so that rows differ by their truth and not by luck.
    progress
        Called with the number of campaigns done and of all.
    stop
        Asked after each campaign: True ends the simulation, and the table has what is done by
        then. So does an interrupt (Ctrl+C).

    Returns
    -------
    pandas.DataFrame
        One row a truth and list of candidates. ``truth``; ``against`` ("all", or the one other
        candidate); ``n_runs``; ``claim_rate`` (the truth claimed) with ``claim_low`` and
        ``claim_high`` (Wilson, 95 %); ``wrong_rate`` (another one claimed) with ``wrong_low`` and
        ``wrong_high``; ``none_rate``, ``not_separable_rate``, ``abstain_rate``; ``leads_rate`` (the
        truth has a weight above the threshold at the end); ``shots`` (median to the verdict) and
        ``shots_q90``, ``dose``, ``dose_q90``, ``cost``; ``best_act_nats``: the most that one shot
        tells about which candidate holds, at the start; ``told_apart``: "yes" (leads in 90 % of
        the runs or more), "no" (in less than 5 %), else "sometimes". Truth "none of these": any
        claim is wrong, and the verdict is right when it is none.

    Raises
    ------
    InputError
        As `Planner`, or for options that are none.

    Notes
    -----
    Rates are averages over the members of the truth, weighted as they are drawn: a truth whose
    parameters lie near another hypothesis is harder than the average. Wilson (1927),
    doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> laws = [Hypothesis(name, 1, lambda a, rng, n, s=s: (s * a.number("bias_V"), 0.5))
    ...         for name, s in (("flat", 0.0), ("steep", 1.0), ("steep, too", 1.0))]
    >>> acts = [Action("change_bias", {"bias_V": b}, b, 1.0, 1.0) for b in (0.1, 1.0, 2.0)]
    >>> envelope = SafetyEnvelope(100.0, (0, 0, 1, 1), bias_limits_volt=(-3, 3))
    >>> table = operating_table(laws, acts, envelope, 10.0, n_runs=5, rng=1,
    ...                         options=OperatingOptions(severity=None))
    >>> pairs = table[table["against"] != "all"]
    >>> pairs[["truth", "against", "told_apart"]].values.tolist()[:4:3]
    [['flat', 'steep', 'yes'], ['steep, too', 'flat', 'yes']]
    >>> pairs.query("truth == 'steep' and against == 'steep, too'")["told_apart"].tolist()
    ['no']
    """
    options = OperatingOptions() if options is None else options
    if not isinstance(options, OperatingOptions):
        raise InputError(f"options must be OperatingOptions; got {type(options).__name__}.")
    check_count("n_runs", n_runs, 1)
    if not isinstance(hypotheses, Iterable) or not isinstance(actions, Iterable):
        raise InputError("hypotheses and actions must each be a row of records; got one record.")
    named = [h for h in hypotheses if h.name != NONE_OF_THESE]
    library = actions if isinstance(actions, ActionLibrary) else ActionLibrary(tuple(actions))
    _, seed = as_generator(rng)
    groups = [tuple(named)]
    if options.pairs and len(named) > 2:
        groups += list(combinations(named, 2))
    outside = options.outside and options.severity is not None
    total = n_runs * (sum(len(group) for group in groups) + outside)
    done, rows = 0, []
    halted = False
    for number, group in enumerate(groups):
        if halted:
            break
        setup = _setup(group, library, envelope, budget, options, seed)
        truths: list[int | None] = list(range(len(group)))
        other = None
        if outside and number == 0 and setup.test is not None:
            truths.append(None)
            other = declare_test(setup.test.table, setup.test.options, rng=setup.seed + 1)
        for truth in truths:
            runs: list[_Run] = []
            try:
                for run in range(n_runs):
                    runs.append(_campaign(setup, group, truth, other, [seed, 1, run]))
                    done += 1
                    if progress is not None:
                        progress(done, total)
                    if stop is not None and stop():
                        halted = True
                        break
            except KeyboardInterrupt:
                halted = True
            if runs:
                rows.append(_row(setup, group, truth, runs))
            if halted:
                break
    return pd.DataFrame(rows)


def _setup(
    group: tuple[Hypothesis, ...],
    library: ActionLibrary,
    envelope: SafetyEnvelope,
    budget: float,
    options: OperatingOptions,
    seed: int,
) -> CampaignSetup:
    setup = campaign_setup(
        group, library, envelope, budget, policy=options.policy, severity=options.severity,
        options=options.planner, seed=seed,
    )  # fmt: skip
    expected = setup.prior.expected[:, : len(setup.actions)]
    silent = np.flatnonzero(~np.isfinite(expected).all(axis=0))
    if silent.size:
        raise InputError(
            f"every act must be read out; act {int(silent[0])} "
            f"({setup.actions[int(silent[0])].verb}) shows nothing. Leave it out."
        )
    return setup


def _campaign(
    setup: CampaignSetup,
    group: tuple[Hypothesis, ...],
    truth: int | None,
    outside: SeverityTest | None,
    seed: Sequence[int],
) -> _Run:
    """Return how one campaign ends: the loop of `Planner` without file and words."""
    rng = np.random.default_rng(seed)
    which, truths = _truth(setup, group, truth, outside, rng)
    noise = setup.prior.noise_sd[which]
    # noises of the shots by their number: the same luck for every truth and list of candidates
    luck = np.random.default_rng([*seed, 1])
    log = CampaignLog("simulated", setup.seed, setup.fingerprint)
    now = standing(setup, log)
    # as known before the campaign: what is drawn in it must not teach how often acts work
    works = now.chances.success
    verdict = verdict_of(setup, now)
    while verdict.kind == "continue":
        number = len(log.entries) + 1
        choice = choose_act(setup, now, [], number)
        if choice is None:
            break
        act = setup.actions[choice.act]
        chance, deviate = float(luck.uniform()), float(luck.standard_normal())
        worked = bool(chance < works[choice.act])
        value = float(truths[choice.act] + noise[choice.act] * deviate)
        outcome = Outcome(value if worked else None, succeeded=worked, dose=act.dose)
        asked = Entry(number, choice.act, choice.purpose, "", choice.value)
        told = replace(asked, status="told", outcome=outcome, told_as=number)
        log = log.asked(asked).changed(told)
        now = standing(setup, log, now)
        verdict = verdict_of(setup, now)
    weights = now.belief.weights if now.evidence is None else now.evidence.weights()
    leads = truth is not None and bool(weights[truth] > _threshold(setup))
    kind = "abstain" if verdict.kind == "continue" else verdict.kind
    return _Run(kind, verdict.hypothesis, leads, len(log.entries), now.spent.dose, now.spent.cost)


def _truth(
    setup: CampaignSetup,
    group: tuple[Hypothesis, ...],
    truth: int | None,
    outside: SeverityTest | None,
    rng: np.random.Generator,
) -> tuple[int, Floats]:
    """Return a hypothesis, and the expected readouts of one member of it.

    The member is drawn anew, not one of the planner's. Outside of the list it is one of the
    table's with a deviation of the declared size, from draws of their own.
    """
    draw = int(rng.integers(2**31))
    if truth is None and outside is not None:
        which = int(rng.choice(len(group), p=outside.table.prior))
        declared = outside.classes[which][int(rng.integers(len(outside.classes[which])))]
        k = int(rng.integers(len(declared.member)))
        deviation = declared.size * outside.table.noise_sd[which] * declared.shape[:, k]
        return which, outside.table.members[which][declared.member[k]] + deviation
    which = 0 if truth is None else truth
    if group[which].joint is None:
        known = setup.prior.expected[setup.prior.hypothesis == which]
        return which, known[0, : len(setup.actions)]
    drawn = group[which].joint(setup.actions, np.random.default_rng(draw), 1)  # type: ignore[misc]
    return which, np.asarray(drawn, dtype=np.float64)[0]


def _threshold(setup: CampaignSetup) -> float:
    return setup.options.threshold if setup.test is None else setup.test.options.threshold


def _row(
    setup: CampaignSetup, group: tuple[Hypothesis, ...], truth: int | None, runs: list[_Run]
) -> dict[str, object]:
    n = len(runs)
    name = NONE_OF_THESE if truth is None else group[truth].name
    against = "all"
    if len(group) == 2 and truth is not None:
        against = group[1 - truth].name
    right = sum(run.claimed == name for run in runs)
    wrong = sum(run.claimed not in (name, None) for run in runs)
    share = {
        kind: sum(run.kind == kind for run in runs) / n
        for kind in ("none", "not separable", "abstain")
    }
    leads = sum(run.leads for run in runs) / n
    if truth is None:
        leads, right = math.nan, sum(run.kind == "none" for run in runs)
    told: Literal["yes", "no", "sometimes", ""] = "sometimes"
    if truth is None:
        told = ""
    elif leads >= OFTEN:
        told = "yes"
    elif leads < NEVER:
        told = "no"
    claim_low, claim_high = _wilson(right, n)
    wrong_low, wrong_high = _wilson(wrong, n)
    allowed = np.flatnonzero(setup.permitted)
    best = information_about_hypotheses(setup.prior, allowed).max() if allowed.size else 0.0
    shots, doses = [run.shots for run in runs], [run.dose for run in runs]
    return {
        "truth": name, "against": against, "n_runs": n,
        "claim_rate": right / n, "claim_low": claim_low, "claim_high": claim_high,
        "wrong_rate": wrong / n, "wrong_low": wrong_low, "wrong_high": wrong_high,
        "none_rate": share["none"], "not_separable_rate": share["not separable"],
        "abstain_rate": share["abstain"], "leads_rate": leads,
        "shots": float(np.median(shots)), "shots_q90": float(np.quantile(shots, 0.9)),
        "dose": float(np.median(doses)), "dose_q90": float(np.quantile(doses, 0.9)),
        "cost": float(np.median([run.cost for run in runs])),
        "best_act_nats": float(best), "told_apart": told,
    }  # fmt: skip


def _wilson(count: int, n: int) -> tuple[float, float]:
    share, z2 = count / n, INTERVAL_SD**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = INTERVAL_SD * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)
