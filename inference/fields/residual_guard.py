"""Whether what a fitted film leaves over is white: drift, thermal noise and missing terms show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["GUARD_STATISTICS", "ResidualGuard", "guard_residual", "residual_correlations"]

Floats = NDArray[np.float64]

GUARD_STATISTICS = ("time", "space", "space_time", "blocks")
FLAGGED = 4.0
BLOCK = 4


@dataclass(frozen=True)
class ResidualGuard:
    """Scores of the residual's correlations, standard normal where the model holds."""

    scores: dict[str, float]

    @property
    def flagged(self) -> tuple[str, ...]:
        """Statistics beyond `FLAGGED`."""
        return tuple(name for name, score in self.scores.items() if abs(score) > FLAGGED)


def residual_correlations(residual: Floats, weights: Floats, noise_sd: float) -> Floats:
    """Correlations of neighbours, each divided by its standard deviation for white noise.

    Next frame, next pixel (both axes), next frame and next pixel, and the power of block means.
    """
    r = residual / noise_sd
    pairs = [
        [(r[1:], r[:-1], weights[1:], weights[:-1])],
        [(r[:, 1:], r[:, :-1], weights[:, 1:], weights[:, :-1]),
         (r[:, :, 1:], r[:, :, :-1], weights[:, :, 1:], weights[:, :, :-1])],
        [(r[1:, 1:], r[:-1, :-1], weights[1:, 1:], weights[:-1, :-1]),
         (r[1:, :-1], r[:-1, 1:], weights[1:, :-1], weights[:-1, 1:]),
         (r[1:, :, 1:], r[:-1, :, :-1], weights[1:, :, 1:], weights[:-1, :, :-1]),
         (r[1:, :, :-1], r[:-1, :, 1:], weights[1:, :, :-1], weights[:-1, :, 1:])],
    ]  # fmt: skip
    found = []
    for group in pairs:
        total = sum(float(np.vdot(a, b)) for a, b, _, _ in group)
        count = sum(float(np.vdot(v, w)) for _, _, v, w in group)
        found.append(total / np.sqrt(max(count, 1.0)))
    rows, columns = (n // BLOCK * BLOCK for n in r.shape[1:])
    shape = (len(r), rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
    sums = r[:, :rows, :columns].reshape(shape).sum(axis=(2, 4))
    own = (r[:, :rows, :columns] ** 2).reshape(shape).sum(axis=(2, 4))
    seen = weights[:, :rows, :columns].reshape(shape).sum(axis=(2, 4))
    spread = float((2 * seen * (seen - 1)).sum())
    found.append(float((sums**2 - own).sum()) / np.sqrt(max(spread, 1.0)))
    return np.array(found)


def guard_residual(
    residual: Floats, weights: Floats, noise_sd: float, probes: list[tuple[Floats, Floats]]
) -> ResidualGuard:
    """Score the residual; the fit's own effect is known from noise that went through the same fit.

    ``probes``: white noise and what the fit leaves of it, of standard deviation 1.
    """
    shift = np.zeros(len(GUARD_STATISTICS))
    for noise, left in probes:
        shift += residual_correlations(left, weights, 1.0)
        shift -= residual_correlations(noise, weights, 1.0)
    scores = residual_correlations(residual, weights, noise_sd)
    if probes:
        scores = scores - shift / len(probes)
    return ResidualGuard(dict(zip(GUARD_STATISTICS, (float(s) for s in scores), strict=True)))
