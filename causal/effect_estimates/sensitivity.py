"""How strong a hidden common cause must be to explain an effect away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from physlearn.causal.effect_estimates.effect_records import Effect, require_effect
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import CREDIBLE_MASS, InputError, NotIdentified
from physlearn.records.storage import html_table, short_repr

N_GRID = 41
LARGEST_SHARE = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """What a hidden cause of both columns would do to an effect.

    Attributes
    ----------
    cause, outcome, mean, unit
        The effect.
    partial_r2
        Share of what is left of the outcome that the cause explains.
    robustness_value
        A hidden cause that explains this share of what is left of both columns takes the effect
        to nil.
    robustness_value_interval
        The same until the 90 % interval touches nil; 0 where it already does.
    e_value, e_value_interval
        The least risk ratio with both cause and outcome that explains the effect (its interval)
        away, on the scale of one standard deviation of the outcome.
    shares
        Grid of shares of variance, shape (m,), for both axes of the contour.
    contour
        Effect left, shape (m, m): rows the share of the outcome, columns that of the cause.
    benchmarks
        Column held fixed -> (share of the cause, share of the outcome) that it alone explains.
    left_by_benchmark
        Column -> effect left if the hidden cause were as strong as it.

    Examples
    --------
    >>> grid = np.array([0.0, 0.1])
    >>> found = Sensitivity("strain", "response", 2.0, "V", 0.3, 0.4, 0.3, 2.5, 2.1, grid,
    ...                     np.full((2, 2), 2.0))
    >>> str(found)[-46:]
    '30% to make it uncertain (E-value 2.50, 2.10).'
    """

    cause: str
    outcome: str
    mean: float
    unit: str
    partial_r2: float
    robustness_value: float
    robustness_value_interval: float
    e_value: float
    e_value_interval: float
    shares: Floats
    contour: Floats
    benchmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    left_by_benchmark: Mapping[str, float] = field(default_factory=dict)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __str__(self) -> str:
        return (
            f"a hidden cause of {self.cause} and {self.outcome} must explain "
            f"{self.robustness_value:.0%} of what is left of both to take the effect to nil, "
            f"{self.robustness_value_interval:.0%} to make it uncertain (E-value "
            f"{self.e_value:.2f}, {self.e_value_interval:.2f})."
        )


def sensitivity(effect: Effect) -> Sensitivity:
    """Return how strong a hidden common cause must be to explain an effect away.

    A hidden cause that explains the shares ``r_x`` and ``r_y`` of what is left of cause and
    outcome moves the effect by at most ``sqrt(r_y r_x / (1 - r_x)) sd_y / sd_x`` (Cinelli and
    Hazlett 2020, doi:10.1111/rssb.12348, eq. 11); the shares are those of the noise-free columns.
    E-value: VanderWeele and Ding 2017, doi:10.7326/M16-2607, for a continuous outcome.

    Parameters
    ----------
    effect
        Identified by a back-door set.

    Raises
    ------
    InputError
        For an effect by another strategy.
    NotIdentified
        For an effect that was not identified, or is nil as the cause is not upstream.

    Examples
    --------
    >>> from physlearn.causal.effect_estimates.effect_records import EffectMember
    >>> member = EffectMember((), 2.0, 0.2, 98.0, 100.0, residual_ratio=2.0)
    >>> effect = Effect("a", "b", (0, 1), 2.0, 0.2, True, "", (), "nm", members=(member,),
    ...                 strategy="back-door", outcome_sd=2.0)
    >>> found = sensitivity(effect)
    >>> round(found.robustness_value, 3), round(found.partial_r2, 2)
    (0.618, 0.5)
    """
    require_effect(effect)
    if not effect.identified:
        raise NotIdentified(f"there is no effect to examine: {effect.reason}")
    if effect.strategy != "back-door":
        raise InputError(
            "sensitivity examines effects by a back-door set; this one is by "
            f"{effect.strategy or 'none'!r}."
        )
    member = effect.members[0]
    ratio = member.residual_ratio
    low, high = effect.interval(CREDIBLE_MASS)
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    shares = np.linspace(0.0, LARGEST_SHARE, N_GRID)
    contour = _left(effect.mean, ratio, shares[None, :], shares[:, None])
    by_benchmark = {
        name: float(_left(effect.mean, ratio, np.array(a), np.array(b)))
        for name, (a, b) in effect.benchmarks.items()
        if a < 1
    }
    strength = abs(effect.mean) / max(ratio, 1e-300)
    scale = max(effect.outcome_sd, 1e-300)
    return Sensitivity(
        effect.cause,
        effect.outcome,
        effect.mean,
        effect.unit,
        strength**2 / (1.0 + strength**2),
        robustness(strength),
        robustness(nearest / max(ratio, 1e-300)),
        _e_value(abs(effect.mean) / scale),
        _e_value(nearest / scale),
        shares,
        contour,
        effect.benchmarks,
        by_benchmark,
    )


def robustness(strength: float) -> float:
    """Return the share r with ``r / sqrt(1 - r)`` equal to the strength (mean over sd ratio)."""
    squared = strength**2
    return 0.5 * (math.sqrt(squared**2 + 4.0 * squared) - squared)


def _left(mean: float, ratio: float, of_cause: Floats, of_outcome: Floats) -> Floats:
    bias = ratio * np.sqrt(of_outcome * of_cause / (1.0 - of_cause))
    return np.asarray(np.sign(mean) * (abs(mean) - bias))


def _e_value(standardised: float) -> float:
    risk = math.exp(0.91 * min(standardised, 50.0))
    return risk + math.sqrt(risk * (risk - 1.0))
