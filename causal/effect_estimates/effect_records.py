"""What is asked of an effect, and what comes back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from physlearn.checks import CREDIBLE_MASS, InputError, check_choice, check_count, check_positive
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

STRATEGIES = ("auto", "back-door", "front-door", "instrument")


@dataclass(frozen=True, slots=True)
class EffectOptions:
    """What `estimate_effect` may assume, and what else it shall tell.

    Attributes
    ----------
    strategy
        "back-door" (hold columns fixed), "front-door" (follow the columns in between),
        "instrument" (use a column that acts on the outcome by way of the cause only), or "auto":
        the first of the three that the graph allows.
    smooth_confounder
        Assume that what no column measures varies smoothly in space, and use only what varies over
        shorter distances. The assumption also covers hidden nodes of the graph.
    confounder_length_patches
        The correlation length that such a hidden field has at least, in patches.
    modifiers
        Columns by whose level the effect is also given. None may come after the cause.
    n_levels
        Levels of equal size that a continuous modifier is cut into.
    spill_over
        Also estimate what the cause of the neighbours does.
    neighbour_distance_patches
        Patches up to this distance are neighbours (1: those that touch by an edge).
    check_with_dowhy
        Also run dowhy's own regression, which knows neither noise nor neighbours (about .1 s).

    Examples
    --------
    >>> EffectOptions(smooth_confounder=True).confounder_length_patches
    4.0
    """

    strategy: str = "auto"
    smooth_confounder: bool = False
    confounder_length_patches: float = 4.0
    modifiers: tuple[str, ...] = ()
    n_levels: int = 3
    spill_over: bool = False
    neighbour_distance_patches: float = 1.0
    check_with_dowhy: bool = False

    def __post_init__(self) -> None:
        check_choice("strategy", self.strategy, STRATEGIES)
        check_positive("confounder_length_patches", self.confounder_length_patches)
        check_positive("neighbour_distance_patches", self.neighbour_distance_patches)
        if self.neighbour_distance_patches < 1:
            raise InputError(
                "neighbour_distance_patches must be at least 1 (patches that touch); "
                f"got {self.neighbour_distance_patches}."
            )
        check_count("n_levels", self.n_levels, 2)
        given: object = self.modifiers
        if isinstance(given, str):
            raise InputError(f"modifiers must be a tuple of columns; got {given!r}.")
        object.__setattr__(self, "modifiers", tuple(self.modifiers))
        check_fields(self)


@dataclass(frozen=True, slots=True)
class Estimand:
    """What identifies the effect in some of the graphs that are still possible.

    Attributes
    ----------
    strategy
        "back-door", "front-door", "instrument", or "none": the cause is not upstream.
    held_fixed
        Columns held fixed.
    used
        Columns in between (front-door) or instruments; empty for the back-door.
    """

    strategy: str
    held_fixed: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EffectMember:
    """The effect in the graphs that share one estimand (None: cause not upstream).

    Attributes
    ----------
    adjustment_set
        Columns held fixed, None where the cause does not reach the outcome.
    mean, sd, freedom
        Of the t law, in the outcome's unit, for the whole contrast.
    n_effective
        Patches counted as independent ones.
    dowhy_estimate
        dowhy's own regression, where asked for.
    strategy, used
        As in `Estimand`.
    residual_ratio
        Standard deviation of what is left of the outcome over that of the cause, for the whole
        contrast: a hidden cause moves the effect by at most this times the root of its strength.
    """

    adjustment_set: tuple[str, ...] | None
    mean: float
    sd: float
    freedom: float
    n_effective: float
    dowhy_estimate: float = math.nan
    strategy: str = "back-door"
    used: tuple[str, ...] = ()
    residual_ratio: float = math.nan

    def interval(self, mass: float) -> tuple[float, float]:
        """Return the equal-tailed interval by the t law."""
        return t_interval(self.mean, self.sd, self.freedom, mass)


def t_interval(mean: float, sd: float, freedom: float, mass: float) -> tuple[float, float]:
    """Return the equal-tailed interval of a t law; a point where nothing scatters."""
    if not isinstance(mass, int | float | np.floating) or not 0 < mass < 1:
        raise InputError(f"mass must lie between 0 and 1; got {mass!r}.")
    if sd == 0:
        return mean, mean
    low, high = stats.t.interval(mass, freedom, mean, sd)
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class LevelEffect:
    """The effect in the patches whose modifier lies from `low` to `high`.

    `mean`, `sd` and `freedom` are those of a t law in the outcome's unit.
    """

    modifier: str
    low: float
    high: float
    n_patches: int
    mean: float
    sd: float
    freedom: float
    reason: str = ""

    def interval(self, mass: float = CREDIBLE_MASS) -> tuple[float, float]:
        """Return the equal-tailed interval by the t law; NaN after a refusal."""
        return t_interval(self.mean, self.sd, self.freedom, mass)


@dataclass(frozen=True, slots=True)
class SpillOver:
    """What the cause does in its own patch, in the neighbours of a patch, and in both.

    Attributes
    ----------
    direct, direct_sd
        The patch's own cause is set, its neighbours keep theirs.
    spill_over, spill_over_sd
        All its neighbours are set, the patch itself keeps its own.
    total, total_sd
        All are set.
    freedom
        Of the t laws.
    n_neighbours
        Mean number of neighbours.
    """

    direct: float
    direct_sd: float
    spill_over: float
    spill_over_sd: float
    total: float
    total_sd: float
    freedom: float
    n_neighbours: float

    def interval(
        self, name: str = "spill_over", mass: float = CREDIBLE_MASS
    ) -> tuple[float, float]:
        """Return the interval of "direct", "spill_over" or "total"."""
        check_choice("name", name, ("direct", "spill_over", "total"))
        return t_interval(getattr(self, name), getattr(self, f"{name}_sd"), self.freedom, mass)


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """The change of the outcome when the cause is set from `contrast[0]` to `contrast[1]`.

    Attributes
    ----------
    cause, outcome, contrast
        The question.
    mean, sd
        In the outcome's unit; NaN when not identified.
    identified
        Whether the graph and the data fix one number.
    reason
        Why not, in words; empty when identified.
    adjustment_set
        Columns held fixed.
    members
        The estimate in each group of graphs that are still possible.
    range
        Smallest and largest estimate over the members; NaN after a refusal.
    refutations
        Results of checks that should find nothing: "placebo_p_value", "placebo_mean".
    unit
        Of the outcome.
    warnings
        What the reader must know.
    strategy
        How it was identified: "back-door", "front-door", "instrument"; empty when it was not.
    would_identify
        Columns of the graph that nobody measured, each of which alone would identify the effect.
    assumptions
        What the number rests on beyond the graph.
    by_level
        The effect at each level of each modifier.
    spill_over
        The effect of the neighbours' cause, where asked for.
    benchmarks
        Column held fixed -> the shares of variance of the cause and of the outcome that it alone
        explains: how strong a hidden cause may be that is as strong as this column.
    outcome_sd
        Standard deviation of the outcome over the patches, in its unit.
    options
        What was assumed and asked for.

    Examples
    --------
    >>> member = EffectMember((), 2.0, 0.1, 50.0, 52.0)
    >>> effect = Effect("a", "b", (0, 1), 2.0, 0.1, True, "", (), "nm", members=(member,))
    >>> [round(bound, 2) for bound in effect.interval()]
    [1.83, 2.17]
    """

    cause: str
    outcome: str
    contrast: tuple[float, float]
    mean: float
    sd: float
    identified: bool
    reason: str
    adjustment_set: tuple[str, ...]
    unit: str
    n_effective: float = math.nan
    members: tuple[EffectMember, ...] = ()
    range: tuple[float, float] = (math.nan, math.nan)
    refutations: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    warnings: tuple[str, ...] = ()
    strategy: str = ""
    would_identify: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    by_level: tuple[LevelEffect, ...] = ()
    spill_over: SpillOver | None = None
    benchmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    outcome_sd: float = math.nan
    options: EffectOptions = field(default_factory=EffectOptions)

    __repr__ = short_repr
    _repr_html_ = html_table

    def interval(self, mass: float = CREDIBLE_MASS) -> tuple[float, float]:
        """Return the equal-tailed interval; over all members when only a range is known."""
        if not self.members:
            return math.nan, math.nan
        bounds = [member.interval(mass) for member in self.members]
        return min(low for low, _ in bounds), max(high for _, high in bounds)

    def summary(self) -> dict[str, Any]:
        """Return the numbers for machines; what is not known is None."""
        low, high = self.interval()
        told: dict[str, Any] = {
            "cause": self.cause, "outcome": self.outcome, "contrast": list(self.contrast),
            "mean": self.mean, "sd": self.sd, "q05": low, "q95": high, "unit": self.unit,
            "identified": self.identified, "reason": self.reason, "range": list(self.range),
            "adjustment_set": list(self.adjustment_set), "strategy": self.strategy,
            "n_effective": self.n_effective, **dict(self.refutations),
            "warnings": list(self.warnings), "assumptions": list(self.assumptions),
        }  # fmt: skip
        if self.would_identify:
            told["would_identify"] = list(self.would_identify)
        for level in self.by_level:
            name = f"effect where {level.modifier} is {level.low:.4g} to {level.high:.4g}"
            told |= _numbers(name, level.mean, level.sd, level.interval())
        if self.spill_over is not None:
            for name in ("direct", "spill_over", "total"):
                mean, sd = (getattr(self.spill_over, name + end) for end in ("", "_sd"))
                told |= _numbers(name, mean, sd, self.spill_over.interval(name))
        return {name: _known(value) for name, value in told.items()}


def _numbers(name: str, mean: float, sd: float, bounds: tuple[float, float]) -> dict[str, float]:
    return {name: mean, f"{name}, sd": sd, f"{name}, q05": bounds[0], f"{name}, q95": bounds[1]}


def _known(value: Any) -> Any:
    """Return a value as JSON can hold it: None for NaN and infinity."""
    if isinstance(value, list):
        return [_known(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def require_effect(effect: object) -> None:
    """Refuse anything but what `estimate_effect` returns.

    Raises
    ------
    InputError
        Naming the type that came.
    """
    if not isinstance(effect, Effect):
        raise InputError(
            f"effect must be an Effect, as estimate_effect returns; got {type(effect).__name__}."
        )
