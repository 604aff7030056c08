"""Expectation-maximization of a mixture whose members' measurement errors are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["climb_mixture", "mixture_log_densities"]

Floats = NDArray[np.float64]

SMALLEST_SPREAD = 1e-3
"""Relative intrinsic spread below which classes are taken as sharp."""
SMALLEST_VARIANCE_SHARE = 0.25
"""A variance moved to the class mean keeps at least this share of the one measured."""


@kernel
def class_variance(error: float, gain: float, value: float, mean: float, spread: float) -> float:
    """Return the variance of a value of a class: its error at the class mean, plus the spread."""
    square = error * error
    moved = max(square + gain * (mean - value), SMALLEST_VARIANCE_SHARE * square)
    return moved + spread * spread * mean * mean


@kernel
def mixture_log_densities(
    values: Floats, errors: Floats, gain: float, means: Floats, spread: float
) -> Floats:
    """Return log p(value | class), shape (n, classes)."""
    result = np.empty((len(values), len(means)))
    for i in range(len(values)):
        for k in range(len(means)):
            variance = class_variance(errors[i], gain, values[i], means[k], spread)
            distance = values[i] - means[k]
            result[i, k] = -0.5 * (distance * distance / variance + np.log(2 * np.pi * variance))
    return result


@kernel
def climb_mixture(
    values: Floats, errors: Floats, gain: float, ratios: Floats, means: Floats, weights: Floats,
    rules: Floats, share: Floats,
) -> tuple[float, float]:  # fmt: skip
    """Climb from ``means`` and ``weights`` (changed in place); return (spread, log-likelihood).

    ``ratios``: class means in units of the first, or empty when free. ``rules`` = (first spread,
    outlier density, most steps, tolerance in log-likelihood, fixed share of the last class or -1,
    smallest spread).
    ``share`` (n, classes) receives the class probabilities.
    """
    n, count = len(values), len(means)
    spread = rules[0]
    last = -np.inf
    total = -np.inf
    logs = np.empty(count)
    variance = np.empty(count)
    top_sum = np.empty(count)
    bottom_sum = np.empty(count)
    members = np.empty(count)
    for _ in range(int(rules[2])):
        total = 0.0
        second = 0.0
        all_members = 0.0
        top_sum[:] = 0.0
        bottom_sum[:] = 0.0
        members[:] = 0.0
        for i in range(n):
            best = np.log(rules[1])
            for k in range(count):
                variance[k] = class_variance(errors[i], gain, values[i], means[k], spread)
                distance = values[i] - means[k]
                logs[k] = -0.5 * (
                    distance * distance / variance[k] + np.log(2 * np.pi * variance[k])
                ) + np.log(max(weights[k], 1e-300))
                best = max(best, logs[k])
            norm = np.exp(np.log(rules[1]) - best)
            for k in range(count):
                logs[k] = np.exp(logs[k] - best)
                norm += logs[k]
            total += best + np.log(norm)
            for k in range(count):
                part = logs[k] / norm
                share[i, k] = part
                members[k] += part
                top_sum[k] += part / variance[k] * values[i]
                bottom_sum[k] += part / variance[k]
                inner = spread * spread * means[k] * means[k]
                own = variance[k] - inner
                pull = inner / variance[k]
                deviation = pull * (values[i] - means[k])
                second += part * (deviation * deviation + pull * own) / (means[k] * means[k])
                all_members += part
        if len(ratios):
            top = 0.0
            bottom = 0.0
            for k in range(count):
                top += ratios[k] * top_sum[k]
                bottom += ratios[k] * ratios[k] * bottom_sum[k]
            for k in range(count):
                means[k] = ratios[k] * top / max(bottom, 1e-300)
        else:
            for k in range(count):
                means[k] = top_sum[k] / max(bottom_sum[k], 1e-300)
        for k in range(count):
            weights[k] = max(members[k], 1e-6) / max(all_members, 1e-6)
        if rules[4] >= 0.0 and count > 1:
            rest = 1.0 - weights[count - 1]
            for k in range(count - 1):
                weights[k] *= (1.0 - rules[4]) / max(rest, 1e-12)
            weights[count - 1] = rules[4]
        spread = max(np.sqrt(second / max(all_members, 1e-6)), rules[5])
        if abs(total - last) < rules[3]:
            break
        last = total
    return spread, total
