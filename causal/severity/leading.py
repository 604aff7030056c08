"""Whether a hypothesis leads for sure: drawn members know a marginal likelihood only so well."""

from __future__ import annotations

import math

import numpy as np

from physlearn.causal.severity.evidence import Evidence

__all__ = ["leads_for_sure"]

SURE_SD = 2.0
"""A lead must exceed the threshold by so many standard deviations of the draw of members."""


def leads_for_sure(evidence: Evidence) -> bool:
    """Return whether one weight passes the threshold, whichever members were drawn.

    The log marginal likelihood of n members, of which n_eff share the weight (Kish), has a
    standard deviation of sqrt(1 / n_eff - 1 / n) over draws of the members: with few left, a law
    that is listed twice may seem to lead itself.

    Examples
    --------
    >>> from physlearn.causal.severity.design_table import DesignTable
    >>> from physlearn.causal.severity.evidence import declare_test, follow
    >>> from physlearn.causal.severity.history import History
    >>> x = np.linspace(0, 1, 9)
    >>> test = declare_test(DesignTable(("flat", "line"), (0 * x[None], x[None]), 0.2, x), rng=0)
    >>> leads_for_sure(follow(test)), leads_for_sure(follow(test, History([8], [1.0])))
    (False, True)
    """
    weights, threshold = evidence.weights(), evidence.test.options.threshold
    order = np.argsort(-weights, kind="stable")
    first = float(weights[order[0]])
    if first <= threshold:
        return False
    if first >= 1.0:
        return True
    error = math.hypot(*(_draw_sd(evidence, int(k)) for k in order[:2]))
    lead = math.log(first / (1.0 - first)) - SURE_SD * error
    return lead > math.log(threshold / (1.0 - threshold))


def _draw_sd(evidence: Evidence, hypothesis: int) -> float:
    shares = evidence.member_weights(hypothesis)
    return math.sqrt(max(float(shares @ shares) - 1.0 / len(shares), 0.0))
