"""The next experiment rehearsed: simulated before the first shot, then done on a digital twin."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from physlearn.campaign_records import CampaignLimits, Rehearsal, TwinErrors, Twinned
from physlearn.checks import NotIdentified
from physlearn.findings import Findings, Step
from physlearn.steps_plan import EXPOSED_COLUMN, LIMITS, plan_envelope

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physlearn.causal import (
        Action,
        Campaign,
        Effect,
        ExperimentPlan,
        Hypothesis,
        Instrument,
        SafetyEnvelope,
    )
    from physlearn.records import PatchTable

__all__ = [
    "CAMPAIGN", "CAMPAIGN_STEPS", "ERRORS", "campaign_envelope", "slope_of", "total_slope",
    "twin_instrument",
]  # fmt: skip


CAMPAIGN = CampaignLimits()
ERRORS = TwinErrors()
N_DRAWS = 4000
PART = (0.2, 0.8)
"""Share of an observed slope that a cause makes beside a hidden one; nearer to 0 or 1 the
exposures that are allowed could not tell it from nothing, or from all."""
FEWEST_EXPOSURES = 8
"""Fewer cannot be tested against what a claim must exclude."""


def _rehearse(findings: Findings) -> None:
    from physlearn.causal import OperatingOptions, SeverityOptions, operating_table

    table = findings.patches
    if table is None:
        return
    effect = _asked(findings)
    noise = _reading_noise(table, effect.outcome)
    acts = _exposures(findings, table, effect.cause)
    hypotheses = _hypotheses(findings, table, effect, noise)
    severity = SeverityOptions(smooth_deviation=CAMPAIGN.smooth_deviation)
    seeds = findings.rng("campaign").integers(2**31, size=3)
    before = operating_table(
        hypotheses, acts, campaign_envelope(findings), CAMPAIGN.budget_minutes,
        n_runs=CAMPAIGN.n_runs, rng=int(seeds[0]),
        options=OperatingOptions(severity=severity, pairs=False),
    )  # fmt: skip
    slope, slope_sd = _per_unit(effect)
    found = Rehearsal(
        effect.cause, effect.outcome, hypotheses, tuple(acts), campaign_envelope(findings),
        CAMPAIGN.budget_minutes, severity, noise, effect.unit, slope, slope_sd, before,
        table.frame[effect.cause].to_numpy(dtype=np.float64),
    )  # fmt: skip
    findings.rehearsal = replace(found, twinned=_on_a_twin(findings, found, seeds[1:].tolist()))


def _asked(findings: Findings) -> Effect:
    """Return the effect to put to the test: of what an exposure can change."""
    for effect in findings.effects:
        if effect.cause == EXPOSED_COLUMN and effect.identified and findings.snapshots is not None:
            return effect
    raise NotIdentified(
        "no effect of something that an exposure could change was found, so there is none to put "
        "to the test."
    )


def _reading_noise(table: PatchTable, outcome: str) -> float:
    """Return the noise of one readout: the difference of two readings of a patch."""
    if table.measurement_covariance is not None:
        place = list(table.columns).index(outcome)
        variance = float(np.mean(table.measurement_covariance[:, place, place]))
        if variance > 0:
            return math.sqrt(2.0 * variance)
    raise NotIdentified(
        f"how well {outcome} is measured in one patch is not known, so no verdict could be "
        "weighed; scan the same place twice (--repeat)."
    )


def _exposures(findings: Findings, table: PatchTable, cause: str) -> list[Action]:
    """Return what may be exposed: patches apart from each other, from the largest change down."""
    from physlearn.causal import exposures

    library = exposures(
        table, cause, n_sites=CAMPAIGN.max_exposures, cost=LIMITS.exposure_minutes,
        dose_per_unit=LIMITS.exposure_dose_pictures,
        dose_rate=LIMITS.exposure_dose_pictures / (60 * LIMITS.exposure_minutes),
    )  # fmt: skip
    envelope = campaign_envelope(findings)
    allowed = [act for act in library if not envelope.broken_by(act)]
    if len(allowed) < FEWEST_EXPOSURES:
        raise NotIdentified(
            f"{len(allowed)} patches may be exposed, and a claim needs {FEWEST_EXPOSURES} at "
            "least; take a larger picture."
        )
    return allowed


def campaign_envelope(findings: Findings) -> SafetyEnvelope:
    """Return the limits of the campaign."""
    return replace(
        plan_envelope(findings, LIMITS),
        max_total_dose=CAMPAIGN.max_total_dose_pictures,
        max_irreversible=CAMPAIGN.max_exposures,
    )


def _hypotheses(
    findings: Findings, table: PatchTable, effect: Effect, noise: float
) -> tuple[Hypothesis, ...]:
    """Return what could stand behind an effect that was observed and never acted for."""
    from physlearn.causal import Asked, hypothesis_from_draws

    cause, outcome = effect.cause, effect.outcome
    values = table.frame[cause].to_numpy(dtype=np.float64)
    rng = findings.rng("hypotheses of the campaign")
    mean, sd = _per_unit(effect)
    slopes = rng.normal(mean, sd, N_DRAWS)

    def change(action: Action, draws: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        moved = action.number("to") - values[int(action.number("patch"))]
        return np.asarray(draws["slope"] * moved)

    question = f"does setting the {cause} change the {outcome}"
    told = (
        (f"{cause} drives {outcome}", slopes, "all that was observed is cause and effect"),
        (f"{cause} drives a part of it", rng.uniform(*PART, N_DRAWS) * slopes,
         f"something unmeasured moves both as well; the cause alone makes {PART[0]:.0%} to "
         f"{PART[1]:.0%} of what was observed"),
        ("hidden common cause", np.zeros(N_DRAWS), "something unmeasured moves both, and no more"),
    )  # fmt: skip
    return tuple(
        hypothesis_from_draws(
            name, {"slope": draws}, change, noise_sd=noise, weight=1 / len(told),
            asked=Asked(question, f"change of {outcome}", effect.unit, text),
        )
        for name, draws, text in told
    )  # fmt: skip


def _per_unit(effect: Effect) -> tuple[float, float]:
    low, high = effect.contrast
    return effect.mean / (high - low), effect.sd / abs(high - low)


def _on_a_twin(findings: Findings, found: Rehearsal, seeds: list[int]) -> Twinned | None:
    """Do the campaign on a twin of the planted patches; nothing where no truth is known."""
    from physlearn.causal import DigitalTwin, Planner, TableSample, check_ledger, run_campaign

    planted = findings.truth
    if planted is None or planted.patches is None:
        return None
    planner = Planner(
        found.hypotheses, found.acts, found.envelope, found.budget, severity=found.severity,
        rng=seeds[0],
    )  # fmt: skip
    twin = DigitalTwin(
        TableSample(planted.patches, planted.mechanisms, found.outcome),
        twin_instrument(found.noise_sd, planted.patches.patch_size),
        envelope=found.envelope, rng=seeds[1],
    )  # fmt: skip
    campaign = run_campaign(planner, twin)
    limits = {part.name: getattr(found.envelope, part.name) for part in fields(found.envelope)}
    slope, slope_sd = slope_of(campaign, found)
    total = total_slope(planted.mechanisms, found.cause, found.outcome)
    return Twinned(
        campaign, planner.verdict(), _plan_of(campaign, found, seeds[0]),
        check_ledger(twin.events, limits).violations, slope, slope_sd, total,
        found.hypotheses[0].name if total else found.hypotheses[-1].name,
    )  # fmt: skip


def twin_instrument(noise_sd: float, patch_size: float) -> Instrument:
    """Return the twin's instrument, whose errors the planner does not know but for the noise."""
    from physlearn.causal import Instrument

    return Instrument(
        readout_noise_sd=noise_sd, dose_error=ERRORS.dose_error, settle_s=ERRORS.settle_s,
        position_sd=ERRORS.position_share * patch_size, miss_probability=ERRORS.miss_probability,
        miss_distance=2 * patch_size, capture_radius=patch_size, probe_radius=0.5 * patch_size,
    )  # fmt: skip


def total_slope(mechanisms: Mapping[tuple[str, str], float], cause: str, outcome: str) -> float:
    """Return the change of the outcome by one unit of the cause, along all ways.

    Examples
    --------
    >>> total_slope({("a", "b"): 2.0, ("b", "c"): 3.0, ("a", "c"): 1.0}, "a", "c")
    7.0
    """
    if cause == outcome:
        return 1.0
    return math.fsum(
        slope * total_slope(mechanisms, effect, outcome)
        for (source, effect), slope in mechanisms.items()
        if source == cause
    )


def slope_of(campaign: Campaign, found: Rehearsal) -> tuple[float, float]:
    """Return slope and standard error from the readouts of the acts alone, a line through 0."""
    moved, seen = moved_and_seen(campaign, found)
    squares = float(moved @ moved)
    if squares == 0:
        return math.nan, math.nan
    return float(moved @ seen) / squares, found.noise_sd / math.sqrt(squares)


def moved_and_seen(
    campaign: Campaign, found: Rehearsal
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much each act that worked moved the cause, and what was read out."""
    rows = [
        (found.moved(step.action), step.outcome.readout)
        for step in campaign.steps
        if step.outcome.succeeded and step.outcome.readout is not None
    ]
    pairs = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _plan_of(campaign: Campaign, found: Rehearsal, seed: int) -> ExperimentPlan:
    """Return the acts that were asked as a plan that a person can check and run."""
    from physlearn.causal import ExperimentPlan
    from physlearn.causal.experiment_plans.plan_records import (
        Declared,
        Expectation,
        PlanHypothesis,
        PlanStep,
    )

    hypotheses = found.hypotheses
    steps = []
    for step in campaign.steps:
        told = [(h, h.mean_sd(step.action, 0)) for h in hypotheses]
        expect = tuple(
            Expectation(h.question, h.name, *pair) for h, pair in told if pair is not None
        )
        steps.append(
            PlanStep(step.action, expect, reason=step.reason, human_gate=step.action.irreversible)
        )
    return ExperimentPlan(
        tuple(steps),
        tuple(
            PlanHypothesis(h.question, h.name, h.weight, h.description, h.readout, h.unit)
            for h in hypotheses
        ),
        found.envelope, found.budget, seed,
        declared=(Declared("smooth deviation", found.severity.smooth_deviation, "noise sd"),
                  Declared("local deviation", found.severity.local_deviation, "noise sd"),
                  Declared("evidence", found.severity.evidence)),
    )  # fmt: skip


def _hypotheses_again(findings: Findings) -> None:
    """Make again what a kept rehearsal lacks: hypotheses are functions."""
    found = findings.rehearsal
    if found is not None and findings.patches is not None:
        told = _hypotheses(findings, findings.patches, _asked(findings), found.noise_sd)
        findings.rehearsal = replace(found, hypotheses=told)


CAMPAIGN_STEPS = (
    Step("campaign", "Rehearse the next experiment", _rehearse, ("patches", "effects"),
         ("rehearsal", "hypotheses"), _hypotheses_again),
)  # fmt: skip
