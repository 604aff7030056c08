"""When to stop after a step, in words and numbers."""

from __future__ import annotations

from physlearn.causal.experiment_plans.plan_records import Abort

__all__ = ["ABORT_DOSE", "abort_outside"]

ABORT_DOSE = 1.1
"""Dose at which to stop, over the one that was meant."""


def abort_outside(readout: str, low: float, high: float, dose: float, dose_unit: str) -> Abort:
    """Return when to stop: a readout that no hypothesis expects, or more dose than meant.

    A correlation cannot leave -1 to 1, and a step without dose cannot pass it.

    Examples
    --------
    >>> abort_outside("wall speed", -1.0, 4.0, 0.0, "e/A^2").when
    'wall speed leaves -1 to 4 (no hypothesis expects that)'
    """
    conditions = []
    if "correlation" in readout:
        low, high = max(low, -1.0), min(high, 1.0)
    if "correlation" not in readout or low > -1.0 or high < 1.0:
        conditions.append(f"{readout} leaves {low:.3g} to {high:.3g} (no hypothesis expects that)")
    if dose > 0:
        conditions.append(f"the dose passes {ABORT_DOSE * dose:.3g} {dose_unit}")
    when = ", or ".join(conditions) or "the instrument reports a fault"
    return Abort(when, low, high, ABORT_DOSE * dose)
