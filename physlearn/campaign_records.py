"""A rehearsed campaign: what it may spend, what its twin does wrong, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from physlearn.causal import (
        Action,
        Campaign,
        ExperimentPlan,
        Hypothesis,
        SafetyEnvelope,
        SeverityOptions,
    )
    from physlearn.causal.severity.verdicts import Verdict

__all__ = ["CampaignLimits", "Rehearsal", "TwinErrors", "Twinned"]


@dataclass(frozen=True, slots=True)
class CampaignLimits:
    """What a rehearsed campaign may spend, and what a claim in it must exclude.

    Guesses as those of `PlanLimits`, but for a campaign: a claim must be tested at many places,
    and one exposure is never repeated, so that it takes more of them than a plan's first steps.

    Attributes
    ----------
    max_total_dose_pictures
        Sum of the doses, in doses of the picture that was studied.
    max_exposures
        Patches that may be changed for good; so many are offered.
    budget_minutes
        Time of all exposures.
    smooth_deviation
        Smooth deviations from a claim, rms in noise of one readout, that it must exclude; smaller
        ones would take more exposures than are allowed.
    n_runs
        Simulated campaigns for each row of the table before the first shot.
    """

    max_total_dose_pictures: float = 16.0
    max_exposures: int = 14
    budget_minutes: float = 60.0
    smooth_deviation: float = 2.0
    n_runs: int = 20


@dataclass(frozen=True, slots=True)
class TwinErrors:
    """What the twin's instrument does wrong, beside the noise of a reading.

    Attributes
    ----------
    position_share
        Scatter of where an exposure lands, over the width of a patch.
    dose_error
        Standard deviation of log(dose given / dose asked for).
    miss_probability
        How often an exposure fails, which is seen.
    settle_s
        Time between exposures.
    """

    position_share: float = 0.1
    dose_error: float = 0.05
    miss_probability: float = 0.08
    settle_s: float = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Twinned:
    """What was done on the twin, and what it hid.

    Attributes
    ----------
    campaign
        Every act with its reason, and the beliefs after it.
    verdict
        The last one, with what it did not test.
    plan
        The acts that were done, as a checked plan.
    violations
        Limits that the acts broke, by the independent ledger.
    slope, slope_sd
        Change of the outcome by one unit of the cause, from the readouts of the acts alone.
    planted_slope
        The same, as planted.
    holds
        Name of the hypothesis that is true of the twin.
    """

    campaign: Campaign
    verdict: Verdict
    plan: ExperimentPlan
    violations: tuple[str, ...]
    slope: float
    slope_sd: float
    planted_slope: float
    holds: str


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """A campaign before it is done: simulated from every hypothesis, and done on a twin.

    Attributes
    ----------
    cause, outcome
        Columns: what the acts set, and what is read out.
    hypotheses
        What is to be told apart; each begins with the same weight.
    acts
        What may be done: the region that a claim is about.
    envelope, budget, severity
        Limits and the declared test.
    noise_sd, unit
        Of one readout, a difference of two readings.
    observed_slope, observed_sd
        Change of the outcome by one unit of the cause, from observation alone.
    table
        From `operating_table`.
    values
        The cause in every patch, as measured.
    twinned
        None where no truth is known from which a twin could be made.
    """

    cause: str
    outcome: str
    hypotheses: tuple[Hypothesis, ...]
    acts: tuple[Action, ...]
    envelope: SafetyEnvelope
    budget: float
    severity: SeverityOptions
    noise_sd: float
    unit: str
    observed_slope: float
    observed_sd: float
    table: pd.DataFrame
    values: NDArray[np.float64]
    twinned: Twinned | None = None

    def moved(self, action: Action) -> float:
        """Return by how much an act moves the cause from what was measured."""
        return float(action.number("to") - self.values[int(action.number("patch"))])
