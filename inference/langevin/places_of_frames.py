"""What the places of frames in equilibrium say about theta, as a Gaussian to join with motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.configurations.score_matching import ScoreMode, find_score_mode
from physlearn.inference.configurations.snapshots import Snapshot
from physlearn.inference.langevin.motion_data import MotionData
from physlearn.inference.potential_families.pair_family import InteractionFamily

__all__ = ["PlacesTerm", "read_places", "snapshots_of"]

Float = NDArray[np.float64]
FEW = 2


@dataclass(frozen=True, eq=False)
class PlacesTerm:
    """Theta of places alone: estimate and covariance with the prior, precision without it.

    The law of motion given the first frame holds whatever that frame is: what the first frame says
    and what the motion says are independent, and their precisions add.
    """

    theta: Float
    covariance: Float
    precision: Float
    prior_mean: Float
    prior_precision: Float
    misfit: float
    mode: ScoreMode
    family: InteractionFamily

    def height(self, theta: Float) -> float:
        """Return the log likelihood of the sums at theta, as ``draw_quasi_posterior`` has it."""
        left, slope = (
            self.mode.sums.at(self.family, theta),
            self.mode.sums.slope(self.family, theta),
        )
        volume = np.linalg.slogdet(slope.T @ self.mode.weight @ slope + self.prior_precision)[1]
        return 0.5 * float(volume - left @ self.mode.weight @ left)

    def join(self, mean: Float, precision: Float) -> tuple[Float, Float]:
        """Return the product with a Gaussian of (theta, ln diffusion)."""
        n = len(self.theta)
        total = precision.copy()
        total[:n, :n] += self.precision
        # estimate without the prior: (precision + prior) theta = precision x + prior mean
        whole = (self.precision + self.prior_precision) @ self.theta
        pull = precision @ mean
        pull[:n] += whole - self.prior_precision @ self.prior_mean
        return np.asarray(np.linalg.solve(total, pull), dtype=np.float64), total


def read_places(snapshots: Sequence[Snapshot], family: InteractionFamily) -> PlacesTerm:
    """Return what score matching says of snapshots."""
    mode = find_score_mode(snapshots, family)
    prior: Float = np.asarray(np.linalg.inv(family.prior_covariance), dtype=np.float64)
    precision = np.linalg.inv(mode.covariance) - prior
    # rounding and a prior stronger than the data can leave a hair below 0
    values, vectors = np.linalg.eigh(0.5 * (precision + precision.T))
    precision = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return PlacesTerm(
        mode.theta, mode.covariance, precision, family.prior_mean, prior, mode.misfit, mode, family
    )  # fmt: skip


def snapshots_of(data: MotionData, most: int = 10) -> list[Snapshot]:
    """Return frames spread over the film as snapshots without errors."""
    chosen = np.unique(np.linspace(0, data.n_frames - 1, min(most, data.n_frames)).astype(int))
    low, high = np.nanmin(data.positions, axis=(0, 1)), np.nanmax(data.positions, axis=(0, 1))
    found = []
    for t in chosen:
        here = data.seen[t]
        if here.sum() < FEW:
            continue
        places = data.positions[t, here]
        window = np.stack([low, high])
        if data.box is not None:
            places = np.mod(places, data.box)
            window = np.stack([np.zeros_like(data.box), data.box])
        found.append(Snapshot(np.ascontiguousarray(places), data.species[here], data.box, window,
                              np.zeros(len(places)), data.unit))  # fmt: skip
    if not found:
        raise InputError("trajectory must show at least 2 particles at once for a pair force.")
    return found
