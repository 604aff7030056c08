"""Nested hypotheses, decided by all shots at once: whether the added term makes a difference."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from physlearn.causal.actions import strict_number
from physlearn.causal.severity.evidence import Evidence
from physlearn.causal.severity.practical_equivalence import Equivalence
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError
from physlearn.declared_types import shown

__all__ = ["nested_effect"]

N_BINS = 40
FEWEST_MEMBERS = 20


def nested_effect(
    evidence: Evidence,
    hypothesis: str,
    effect: ArrayLike,
    *,
    region: tuple[float, float],
    needed: float = 20.0,
) -> Equivalence:
    """Decide from all shots whether the added term of a nested hypothesis makes a difference.

    The wider hypothesis holds the narrower one at an effect of zero. Members whose effect lies in
    the region of practical equivalence are compared with those outside by the ratio of their
    marginal likelihoods: an e-value, so that one may look after every shot.

    Parameters
    ----------
    evidence
        What the shots say (`follow`).
    hypothesis
        Name of the wider hypothesis.
    effect
        (n_members,): the added term of each of its members, in any unit.
    region
        (low, high): effects that make no difference.
    needed
        Evidence from which it is decided.

    Returns
    -------
    Equivalence
        Its interval holds the effect at every look with probability 1 - 1 / needed: the effects
        whose likelihood is above 1 / needed of the average (prior-posterior ratio martingale).

    Raises
    ------
    InputError
        For an unknown hypothesis, effects of another shape or not finite, an empty region, or
        fewer than 20 members on either side of its edges.

    Notes
    -----
    Waudby-Smith and Ramdas, arXiv:2006.04347, for the interval. Both hold on average over the
    members' own distribution on each side.

    Examples
    --------
    >>> from physlearn.causal.severity.design_table import DesignTable
    >>> from physlearn.causal.severity.evidence import declare_test, follow
    >>> x = np.linspace(0, 1, 9)
    >>> slope = np.random.default_rng(0).uniform(-2, 2, 4000)
    >>> test = declare_test(DesignTable(("line",), (slope[:, None] * x,), 0.1, x), rng=0)
    >>> shots = follow(test).after(8, 0.02).after(8, -0.05).after(7, 0.01)
    >>> nested_effect(shots, "line", slope, region=(-0.4, 0.4)).decision
    'equivalent'
    """
    names = evidence.test.table.hypotheses
    if hypothesis not in names:
        raise InputError(f"hypothesis must be one of {names}; got {hypothesis!r}.")
    k = names.index(hypothesis)
    logs = evidence.log_likelihood(k)
    values = np.asarray(effect)
    numbers = values.dtype.kind in "biuf"
    if values.shape != logs.shape or not numbers or not np.isfinite(values).all():
        raise InputError(f"effect must be finite, {logs.shape}; got {shown(values)}.")
    values = values.astype(np.float64)
    low, high = (strict_number("region", edge) for edge in region)
    if low >= high:
        raise InputError(f"region must be (low, high) with low < high; got {region!r}.")
    strict_number("needed", needed, above=1)
    inside = (values >= low) & (values <= high)
    if min(int(inside.sum()), int((~inside).sum())) < FEWEST_MEMBERS:
        raise InputError(
            f"region must leave at least {FEWEST_MEMBERS} members inside and outside; got "
            f"{int(inside.sum())} inside of {len(values)}. Draw more members."
        )
    log_ratio = _log_mean(logs[inside]) - _log_mean(logs[~inside])
    weights = evidence.member_weights(k)
    estimate, interval = float(weights @ values), _interval(values, logs, math.log(needed))
    decision: Literal["equivalent", "different", "continue"] = "continue"
    if abs(log_ratio) >= math.log(needed):
        decision = "equivalent" if log_ratio > 0 else "different"
    n_shots = len(evidence.history)
    said = {
        "equivalent": f"makes no difference: it lies within {low:g} to {high:g}",
        "different": f"makes a difference: it lies outside {low:g} to {high:g}",
        "continue": f"is not yet decided to lie within {low:g} to {high:g} or outside",
    }[decision]
    return Equivalence(
        decision,
        interval,
        math.exp(min(log_ratio, 700.0)),
        math.exp(min(-log_ratio, 700.0)),
        estimate,
        n_shots,
        f"The added term of {hypothesis!r} {said}; interval {interval[0]:.3g} to "
        f"{interval[1]:.3g} ({n_shots} shots, {1 - 1 / needed:.0%} at every look).",
    )


def _interval(values: Floats, logs: Floats, log_needed: float) -> tuple[float, float]:
    """Return the hull of the bins of members that are not far less likely than the average."""
    order = np.argsort(values)
    overall = _log_mean(logs)
    kept = [
        own
        for own in np.array_split(order, min(N_BINS, len(values)))
        if _log_mean(logs[own]) - overall > -log_needed
    ]
    together = np.concatenate(kept)
    return float(values[together].min()), float(values[together].max())


def _log_mean(logs: Floats) -> float:
    best = float(logs.max())
    return best + math.log(float(np.exp(logs - best).mean()))
