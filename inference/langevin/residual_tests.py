"""What a track's own displacements say against free diffusion with static errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.langevin.diffusion_spectra import Spectra, first_frames
from physlearn.inference.langevin.tracks import Tracks

__all__ = ["Memory", "memory_of_steps", "spread_between_particles"]

Float = NDArray[np.float64]
N_AFTER = 6
CLEAR_Z = 2.5
N_WORLDS = 400


@dataclass(frozen=True)
class Memory:
    """Correlation of displacements that share no position: 0 whatever D and the error are.

    ``correlation``: (6,) of displacements that begin 2, 3, ... 7 lags apart, over the variance of
    one; ``z``: (6,); ``p``: of all six.
    """

    correlation: Float
    z: Float
    p: float

    @property
    def reach(self) -> int:
        """Lags apart at which displacements are still correlated, 1: at none."""
        clear = np.flatnonzero(np.abs(self.z) > CLEAR_Z)
        return int(clear[-1]) + 2 if clear.size and self.p < 0.01 else 1


def memory_of_steps(tracks: Tracks, lag: int) -> Memory:
    """Test whether displacements over ``lag`` frames that share no position are correlated.

    Errors are taken from the differences between particles, or between stretches of the tracks
    where there are fewer than thirty.
    """
    from scipy.stats import chi2

    sums, variance, number = [], 0.0, 0
    groups = _groups(tracks)
    for offset in first_frames(lag):
        chosen = np.flatnonzero(tracks.frame % lag == offset)
        frame, particle = tracks.frame[chosen], tracks.particle[chosen]
        steps = np.diff(tracks.places[chosen], axis=0)
        whole = (np.diff(particle) == 0) & (np.diff(frame) == lag)
        variance += float((steps[whole] ** 2).sum())
        number += int(whole.sum())
        row = np.zeros((int(groups.max()) + 1, N_AFTER, 2))
        for k, after in enumerate(range(2, 2 + N_AFTER)):
            if len(steps) <= after:
                continue
            same = whole[after:] & whole[:-after]
            same &= particle[after:-1] == particle[: -after - 1]
            same &= frame[after:-1] - frame[: -after - 1] == after * lag
            product = (steps[after:] * steps[:-after]).sum(axis=1)[same]
            owner = groups[chosen][: -after - 1][same]
            row[:, k, 0] = np.bincount(owner, product, len(row))
            row[:, k, 1] = np.bincount(owner, minlength=len(row))
        sums.append(row)
    total = np.sum(sums, axis=0)
    found, count = total[..., 0].sum(axis=0), total[..., 1].sum(axis=0)
    covariance = total[..., 0].T @ total[..., 0]
    sd = np.sqrt(np.diag(covariance))
    use = (sd > 0.0) & (count > 0)
    z = np.where(use, found / np.where(use, sd, 1.0), 0.0)
    n_groups = int((np.abs(total[..., 0]).sum(axis=1) > 0).sum())
    p = 1.0
    if use.any() and n_groups > 2 * use.sum():
        inner = covariance[np.ix_(use, use)]
        square = float(found[use] @ np.linalg.solve(inner, found[use]))
        # the covariance is estimated from as many groups: Hotelling's correction
        share = (n_groups - use.sum()) / (n_groups - 1.0)
        p = float(chi2.sf(square * share, int(use.sum())))
    mean = variance / max(number, 1)
    correlation = found / np.maximum(count, 1) / (mean if mean > 0.0 else 1.0)
    return Memory(correlation, z, p)


def _groups(tracks: Tracks) -> NDArray[np.int64]:
    """Return a group of each row: its particle, or a stretch of it where there are few."""
    if tracks.n_particles >= 30:
        return tracks.particle
    n_parts = -(-60 // tracks.n_particles)
    length = max(1, -(-(int(tracks.frame.max()) + 1) // n_parts))
    return np.asarray(tracks.particle * n_parts + tracks.frame // length)


def spread_between_particles(
    spectra: Spectra, diffusion: float, error: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the spread of ln D between particles and the p value of none.

    A score test: the squares of the particles' scores in ln D exceed what the model expects. Its
    distribution without a spread is simulated (the components are independent Gaussians).
    """
    variance = diffusion + error * spectra.rate
    weight = 0.5 * diffusion / variance
    expected = np.bincount(
        spectra.owner, 0.5 * spectra.dimension * (diffusion / variance) ** 2, spectra.n_owners
    )

    def excess(square: Float) -> float:
        score = weight * (square / variance - spectra.dimension)
        by_owner = np.bincount(spectra.owner, score, spectra.n_owners)
        by_owner = by_owner - expected * by_owner.sum() / expected.sum()
        return float((by_owner**2 - expected).sum() / (expected**2).sum())

    own = excess(spectra.square)
    worlds = [
        excess(variance * rng.chisquare(spectra.dimension, len(variance))) for _ in range(N_WORLDS)
    ]
    p = (1.0 + np.sum(np.array(worlds) >= own)) / (1.0 + N_WORLDS)
    return float(np.sqrt(max(own - float(np.mean(worlds)), 0.0))), float(p)
