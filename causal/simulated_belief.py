"""What simulated readouts tell about the hypotheses of one question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SimulatedBelief"]

Floats = NDArray[np.float64]


@dataclass(slots=True)
class SimulatedBelief:
    """Simulated evidence for one question: log likelihoods (n_truths, n_draws, n_hypotheses)."""

    log_weights: Floats
    log_likelihood: Floats

    def information(self, added: Floats | None = None) -> float:
        """Return the expected information about the hypotheses, in nats."""
        weights, each = np.exp(self.log_weights), self._each(added)
        return max(float(weights @ each.mean(axis=1)), 0.0)

    def variance(self, added: Floats) -> float:
        """Return the variance of that information by the number of simulated readouts."""
        weights, each = np.exp(self.log_weights), self._each(added)
        return float(weights**2 @ each.var(axis=1) / each.shape[1])

    def _each(self, added: Floats | None) -> Floats:
        """Return the information of every simulated readout, (n_truths, n_draws)."""
        total = self.log_likelihood if added is None else self.log_likelihood + added
        joint = total + self.log_weights
        peak = joint.max(axis=2, keepdims=True)
        evidence = peak[:, :, 0] + np.log(np.exp(joint - peak).sum(axis=2))
        truth = np.arange(total.shape[0])
        own = total[truth, :, truth]
        return np.asarray(own - evidence)
