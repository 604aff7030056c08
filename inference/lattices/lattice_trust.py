"""Whether pseudolikelihood error bars can be trusted, from the run that made them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.posteriors.pseudolikelihood import LEAST_INFORMATION, Sandwich

__all__ = ["precision_loss", "trust_flags"]

Float = NDArray[np.float64]
MAX_INFLATION = 6.0
MAX_MISFIT = 4.0
MAX_MEMORY = 0.3
MAX_START_EFFECT = 5.0


def trust_flags(observed: Float, sandwich: Sandwich) -> tuple[list[str], dict[str, Any]]:
    """Return reasons not to trust pseudolikelihood error bars, and the numbers behind them.

    Near a transition (or in a frozen-in phase) the statistics at the estimate disagree with the
    picture's, depend on the start, keep a memory of earlier sweeps, or the sandwich exceeds the
    naive covariance many times.
    """
    trace = sandwich.statistics
    n_records, n_replicas, _ = trace.shape
    spread = trace.reshape(-1, trace.shape[-1]).std(axis=0) + 1e-12
    misfit = float(np.max(np.abs(observed - trace.mean(axis=(0, 1))) / spread))
    by_replica = trace.mean(axis=0)
    half = n_replicas // 2
    error = np.sqrt(by_replica[:half].var(axis=0) / half + by_replica[half:].var(axis=0) / half)
    start_gap = by_replica[:half].mean(axis=0) - by_replica[half:].mean(axis=0)
    start_effect = float(np.max(np.abs(start_gap) / (error + 1e-12)))
    centered = trace - trace.mean(axis=(0, 1))
    lag = n_records // 2
    covariance = (centered[lag:] * centered[:-lag]).mean(axis=(0, 1))
    memory = float(np.max(covariance / (centered**2).mean(axis=(0, 1)).clip(1e-12)))
    numbers = {
        "statistics_misfit_sd": misfit, "start_effect_se": start_effect, "memory": memory,
        "sandwich_over_naive": sandwich.inflation, "precision_loss": precision_loss(sandwich),
    }  # fmt: skip
    reasons = []
    if misfit > MAX_MISFIT:
        reasons.append(f"its simulated statistics miss the picture's by {misfit:.1f} sd")
    if start_effect > MAX_START_EFFECT:
        reasons.append("simulations from the picture and from random states disagree")
    if memory > MAX_MEMORY:
        reasons.append("simulated statistics keep their memory over 80 sweeps")
    if sandwich.inflation > MAX_INFLATION:
        reasons.append(f"the sandwich exceeds the naive variance {sandwich.inflation:.1f} times")
    return reasons, numbers


def precision_loss(sandwich: Sandwich) -> float:
    """Return the largest ratio of the sandwich's standard deviations to the Cramer-Rao bound."""
    trace = sandwich.statistics
    fisher = np.atleast_2d(np.cov(trace.reshape(-1, trace.shape[-1]).T))
    bread = np.linalg.inv(sandwich.curvature)
    variance = np.diag(bread @ sandwich.variability @ bread)
    bound = np.linalg.inv(fisher + LEAST_INFORMATION * np.eye(len(fisher)))
    return float(np.sqrt(np.max(variance / np.diag(bound))))
