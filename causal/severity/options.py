"""What is declared before the first shot: region, deviations, evidence, budget, noise, drift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from physlearn.causal.actions import strict_number
from physlearn.checks import InputError, check_choice
from physlearn.option_fields import check_fields

__all__ = ["SeverityOptions"]


@dataclass(frozen=True, slots=True)
class SeverityOptions:
    """Declaration of a severity test; nothing of it may change after the first shot.

    Attributes
    ----------
    region
        Indices of the actions that a claim is to hold for; all when None.
    smooth_deviation
        Root mean square over the region, in standard deviations of one readout, of the smooth
        deviations that a claim must have evidence against.
    local_deviation
        Peak, in the same unit, of the local deviations (after the hypothesis was refitted).
    smooth_lengths
        Correlation lengths of smooth deviations, as shares of the range of the coordinates.
    local_width
        Width (Gaussian standard deviation) of a local deviation, as such a share.
    evidence
        Evidence (ratio of marginal likelihoods) against each class of deviations from which a
        hypothesis is claimed.
    none_evidence
        Evidence against all hypotheses together from which the verdict is "none".
    threshold
        Weight from which a hypothesis leads and is put to the test.
    min_shots
        Shots before "none" and "not separable" may be said.
    min_information_nats
        Expected information about the hypotheses below which no act tells them apart.
    max_shots
        Shots after which the verdict is "abstain".
    noise_dof
        Degrees of freedom of the stated noise (replicates less the means they were taken from);
        None when the noise is known.
    drift_sd
        Standard deviation of the drift after `drift_time_s`, in the unit of the readout. 0: no
        drift is allowed for.
    drift_time_s
        Time that `drift_sd` refers to, in seconds.
    drift_kind
        "random walk", or "steady": a straight line in time, which costs fewer shots and is wrong
        where the drift turns.
    drift_deviation
        Drift over the run, in standard deviations of one readout, that a claim of "no drift" is
        to exclude.
    reference_every
        A reference shot is due after so many others; None for none.

    Raises
    ------
    InputError
        For numbers that are NaN, bool, text or outside their range, or both deviations 0.

    Examples
    --------
    >>> SeverityOptions(evidence=20.0).threshold
    0.95
    """

    region: tuple[int, ...] | None = None
    smooth_deviation: float = 1.0
    local_deviation: float = 4.0
    smooth_lengths: tuple[float, ...] = (0.3, 0.5)
    local_width: float = 0.18
    evidence: float = 10.0
    none_evidence: float = 20.0
    threshold: float = 0.95
    min_shots: int = 6
    min_information_nats: float = 2e-3
    max_shots: int = 40
    noise_dof: float | None = None
    drift_sd: float = 0.0
    drift_time_s: float = 3600.0
    drift_kind: Literal["random walk", "steady"] = "random walk"
    drift_deviation: float = 2.0
    reference_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("smooth_deviation", "local_deviation", "drift_sd", "min_information_nats"):
            _set(self, name, strict_number(name, getattr(self, name), minimum=0))
        for name in ("local_width", "drift_time_s", "drift_deviation"):
            _set(self, name, strict_number(name, getattr(self, name), above=0))
        for name in ("evidence", "none_evidence"):
            _set(self, name, strict_number(name, getattr(self, name), above=1))
        if self.smooth_deviation == 0 and self.local_deviation == 0:
            raise InputError(
                "smooth_deviation and local_deviation are both 0: without a deviation to test "
                "against, nothing can be claimed; state at least one."
            )
        lengths = tuple(strict_number("smooth_lengths", v, above=0) for v in self.smooth_lengths)
        if not lengths:
            raise InputError("smooth_lengths must hold at least one length; got ().")
        _set(self, "smooth_lengths", lengths)
        threshold = strict_number("threshold", self.threshold, above=0.5)
        if threshold >= 1:
            raise InputError(f"threshold must be below 1; got {self.threshold!r}.")
        for name in ("min_shots", "max_shots"):
            _set(self, name, _count(name, getattr(self, name)))
        if self.reference_every is not None:
            _set(self, "reference_every", _count("reference_every", self.reference_every))
        if self.noise_dof is not None:
            dof = strict_number("noise_dof", self.noise_dof, above=0)
            _set(self, "noise_dof", dof)
        check_choice("drift_kind", self.drift_kind, ("random walk", "steady"))
        if self.region is not None:
            region = tuple(_count("region", index, lowest=0) for index in self.region)
            if not region or len(set(region)) < len(region):
                raise InputError(f"region must hold different action indices; got {self.region!r}.")
            _set(self, "region", region)
        check_fields(self)

    @property
    def dof(self) -> float:
        """Degrees of freedom of the noise; infinite when it is known."""
        return math.inf if self.noise_dof is None else self.noise_dof

    def wording(self, kinds: Sequence[str] = ("smooth", "local")) -> str:
        """Return what a claim excludes, in words; only those of ``kinds``."""
        parts = []
        if self.smooth_deviation > 0 and "smooth" in kinds:
            parts.append(f"smooth deviations of rms {self.smooth_deviation:g} noise sd")
        if self.local_deviation > 0 and "local" in kinds:
            parts.append(
                f"features of {self.local_deviation:g} noise sd at least "
                f"{self.local_width:.0%} of the range wide"
            )
        return " and ".join(parts)


def _set(options: SeverityOptions, name: str, value: object) -> None:
    object.__setattr__(options, name, value)


def _count(name: str, value: object, *, lowest: int = 1) -> int:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    count = int(value) if isinstance(value, int | np.integer) else -1
    if not whole or count < lowest:
        raise InputError(f"{name} must hold whole numbers of at least {lowest}; got {value!r}.")
    return count
