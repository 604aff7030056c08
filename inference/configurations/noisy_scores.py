"""Sums of test fields at positions with errors, carried back to positions without them.

Errors of variance s^2 smear every function of the positions. Adding more of them, to variances
(1 + l) s^2 in all, and following the sums over l back to l = -1 undoes that (simulation and
extrapolation, Cook & Stefanski 1994, doi:10.1080/01621459.1994.10476871). It is the sums that are
followed, polynomials of l up to small terms, not the parameters, which are not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.configurations.score_tables import (
    FramePairs,
    RadialGrid,
    ScoreSums,
    list_frame_pairs,
    make_grid,
    sum_fields,
)
from physlearn.inference.configurations.snapshots import Snapshot
from physlearn.inference.configurations.spatial_covariance import spatial_covariance
from physlearn.inference.potential_families.pair_family import InteractionFamily

__all__ = ["NoisyScores", "extrapolation", "sum_noisy_fields"]

Float = NDArray[np.float64]
LEVELS = (0.0, 0.8, 1.6)
"""Added variance over the errors' own."""
N_REPEATS = 8
"""Sets of added errors at each level above 0; each is used with both signs."""
MOST_GROWTH = 3.0
"""Of a sum's scatter from the lowest level of added error to the function without any."""


class NoisyScores:
    """Sums at the levels of added error and the weights that carry them to no error."""

    def __init__(
        self, shares: Sequence[tuple[float, list[FramePairs], ScoreSums]], reach: float
    ) -> None:
        self.shares = shares
        self.reach = reach
        self.error_share = 0.0
        first = shares[0][2]
        self.sums = ScoreSums(
            first.grid,
            np.sum([c * sums.constant for c, _, sums in shares], axis=0),
            np.sum([c * sums.weights for c, _, sums in shares], axis=0),
            first.fields,
        )

    def scores(self, force: Float) -> list[Float]:
        """Return each particle's share of the sums carried back, frame by frame, (n, k)."""
        return _carried([(c, sums.scores(frames, force)) for c, frames, sums in self.shares])

    def slope_shares(self, gradient: Float) -> list[Float]:
        """Return each particle's share of d(sums) / d theta carried back, (n, k, p)."""
        return _carried(
            [(c, sums.slope_shares(frames, gradient)) for c, frames, sums in self.shares]
        )

    def variance(self, snapshots: Sequence[Snapshot], force: Float) -> Float:
        """Return the covariance of the sums, (k, k), were the force right.

        Thermal part: the second partial integration, itself carried back to no error. Errors'
        part: the scatter of the sums over added errors of opposite sign, carried back to the
        function that has to be averaged, which varies more.
        """
        thermal = np.sum([c * sums.variance(frames, force) for c, frames, sums in self.shares], 0)
        low, high = (self._scatter(snapshots, force, level) for level in (1, 2))
        ratio = np.diag(low) / np.maximum(np.diag(high), 1e-300)
        steps = (LEVELS[1] + 1.0) / (LEVELS[2] - LEVELS[1])
        growth = np.sqrt(np.clip(ratio**steps, 1.0, MOST_GROWTH))
        errors = low * np.outer(growth, growth)
        self.error_share = float(np.trace(np.linalg.pinv(thermal) @ errors)) / len(errors)
        return np.asarray(thermal + errors)

    def _scatter(self, snapshots: Sequence[Snapshot], force: Float, level: int) -> Float:
        """Covariance of half the differences of sums between opposite errors, per unit level."""
        first = 1 + 2 * N_REPEATS * (level - 1)
        total = np.zeros((len(self.sums.constant),) * 2)
        for k in range(first, first + 2 * N_REPEATS, 2):
            pair = [sums.scores(frames, force) for _, frames, sums in self.shares[k : k + 2]]
            for snapshot, one, two in zip(snapshots, *pair, strict=True):
                total = total + spatial_covariance(
                    snapshot.positions, 0.5 * (one - two), self.reach, snapshot.box
                )
        return np.asarray(total / (N_REPEATS * LEVELS[level]))


def sum_noisy_fields(
    snapshots: Sequence[Snapshot], family: InteractionFamily, rng: np.random.Generator
) -> tuple[NoisyScores, list[FramePairs], RadialGrid]:
    """Sum the test fields at positions with none, and with more and more, of added error."""
    frames = [list_frame_pairs(snapshot, family) for snapshot in snapshots]
    weights = extrapolation(LEVELS)
    noisy: list[tuple[float, list[FramePairs]]] = []
    for level, weight in zip(LEVELS[1:], weights[1:], strict=True):
        for _ in range(N_REPEATS):
            added = [rng.standard_normal(snapshot.positions.shape) for snapshot in snapshots]
            for sign in (-1.0, 1.0):
                moved = [
                    list_frame_pairs(
                        snapshot, family,
                        snapshot.positions
                        + sign * np.sqrt(level) * snapshot.position_sd[:, None] * own,
                    )
                    for snapshot, own in zip(snapshots, added, strict=True)
                ]  # fmt: skip
                noisy.append((weight / (2 * N_REPEATS), moved))
    # one grid for all levels: it must reach down to the nearest pair of any of them
    nearest = min(
        (moved for _, moved in noisy),
        key=lambda moved: min(float(frame.distance.min(initial=np.inf)) for frame in moved),
    )
    grid = make_grid([*frames, *nearest], family)
    shares = [(weights[0], frames, sum_fields(frames, grid))]
    shares += [(weight, moved, sum_fields(moved, grid)) for weight, moved in noisy]
    return NoisyScores(shares, 1.5 * family.cutoff), frames, grid


def _carried(levels: Sequence[tuple[float, list[Float]]]) -> list[Float]:
    """Return the weighted sum over the levels, frame by frame."""
    n_frames = len(levels[0][1])
    return [np.sum([c * own[t] for c, own in levels], axis=0) for t in range(n_frames)]


def extrapolation(levels: Sequence[float]) -> list[float]:
    """Return the weights by which values at ``levels`` give the polynomial's value at -1."""
    return [
        float(np.prod([(-1.0 - other) / (own - other) for other in levels if other != own]))
        for own in levels
    ]
