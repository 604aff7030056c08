"""Exact Gaussian likelihood of free diffusion with static errors, in a basis where it is diagonal.

The displacements of a track over gaps g_j (times), of a particle with diffusion constant D that is
seen with error variance s, have covariance 2 D g_j on the diagonal plus s (2, -1 tridiagonal).
Divided by sqrt(2 g_j) it is D I + s B: in the eigenvectors of B, each component is independent with
variance D + s lambda. Motion blur over an exposure tau only lowers s by D tau / 3 (Berglund 2010,
doi:10.1103/PhysRevE.82.011917).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dst
from scipy.linalg import eigh_tridiagonal

from physlearn.inference.langevin.tracks import Tracks

__all__ = ["Spectra", "first_frames", "spectra_of"]

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
MOST_OFFSETS = 8
AT_ONCE = 500
N_GROUPS = 400
LONGEST_UNEVEN = 250
"""Displacements with gaps between them are decomposed in runs of at most so many."""


@dataclass(frozen=True, eq=False)
class Spectra:
    """Independent components of all displacements.

    ``rate``: (m,) lambda, 1 / time; ``square``: (m,) sum over the axes of squared components,
    length^2 / time; ``owner``: (m,) particle, 0 ... n_owners - 1; ``dimension``: axes;
    ``lag``: frames; ``n_owners``; ``gap``: time of one lag;
    ``count``: (m,) how many components each entry stands for; ``independent``: share of the tracks
    that are independent after the drift is taken out.
    """

    rate: Float
    square: Float
    owner: Int64
    dimension: int
    lag: int
    n_owners: int
    gap: float
    count: Float
    independent: float = 1.0

    def grouped(self) -> Spectra:
        """Return components of like rates added up: the same likelihood, in fewer terms."""
        if len(self.rate) <= N_GROUPS:
            return self
        order = np.argsort(self.rate)
        starts = np.linspace(0, len(order), N_GROUPS, endpoint=False).astype(np.int64)
        number = np.add.reduceat(self.count[order], starts)
        rate = np.add.reduceat((self.rate * self.count)[order], starts) / number
        square = np.add.reduceat(self.square[order], starts)
        owner = np.zeros(N_GROUPS, dtype=np.int64)
        return replace(self, rate=rate, square=square, owner=owner, count=number)

    def log_likelihood(self, diffusion: Float, error: Float) -> Float:
        """Return the log likelihood at D (n,) and error variances s (n,); -inf where v <= 0."""
        out = np.empty(len(diffusion))
        for first in range(0, len(diffusion), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            variance = diffusion[part, None] + error[part, None] * self.rate
            sound = (diffusion[part] > 0.0) & (variance > 0.0).all(axis=1)
            variance = np.where(sound[:, None], variance, 1.0)
            terms = self.dimension * self.count * np.log(variance) + self.square / variance
            out[part] = np.where(sound, -0.5 * terms.sum(axis=1), -np.inf)
        return out

    def scores(self, diffusion: float, error: float) -> tuple[Float, Float]:
        """Return scores in (ln D, s) by particle, (n_owners, 2), and their negative slope, (2, 2).

        The slope is its expectation under the model.
        """
        variance = diffusion + error * self.rate
        base = 0.5 * (self.square / variance - self.dimension * self.count) / variance
        by_owner = np.stack(
            [
                np.bincount(self.owner, base * change, self.n_owners)
                for change in (np.full_like(base, diffusion), self.rate)
            ],
            axis=1,
        )
        weight = 0.5 * self.dimension * self.count / variance**2
        a, b = diffusion, self.rate
        cross = float((weight * a * b).sum())
        information = np.array(
            [[float((weight * a * a).sum()), cross], [cross, float((weight * b * b).sum())]]
        )
        return np.asarray(by_owner, dtype=np.float64), information


def first_frames(lag: int) -> list[int]:
    """Return the first frames from which every ``lag``-th one is taken: all, or eight of many."""
    n = min(lag, MOST_OFFSETS)
    return [k * lag // n for k in range(n)]


def spectra_of(tracks: Tracks, lag: int, n_offsets: int | None = None) -> Spectra:
    """Decompose the displacements over ``lag`` frames, from every first frame or the first few."""
    rates, squares, owners = [], [], []
    even: dict[int, tuple[list[Float], list[int]]] = {}
    for offset in first_frames(lag) if n_offsets is None else range(n_offsets):
        chosen = np.flatnonzero(tracks.frame % lag == offset)
        particle = tracks.particle[chosen]
        cuts = np.flatnonzero(np.diff(particle)) + 1
        for rows in np.split(chosen, cuts):
            if len(rows) < 2:
                continue
            gaps = np.diff(tracks.frame[rows]) * tracks.interval
            step = np.diff(tracks.places[rows], axis=0)
            step = step / np.sqrt(2.0 * gaps * tracks.freedom(rows))[:, None]
            owner = int(tracks.particle[rows[0]])
            if (gaps == gaps[0]).all() and gaps[0] == lag * tracks.interval:
                steps, names = even.setdefault(len(step), ([], []))
                steps.append(step)
                names.append(owner)
                continue
            for first in range(0, len(step), LONGEST_UNEVEN):
                part = slice(first, first + LONGEST_UNEVEN)
                rate, square = _uneven(gaps[part], step[part])
                rates.append(rate)
                squares.append(square)
                owners.append(np.full(len(rate), owner))
    for n, (steps, names) in even.items():
        stacked = np.stack(steps)
        parts = dst(stacked, type=1, axis=1, norm="ortho")
        rate = (1.0 - np.cos(np.pi * np.arange(1, n + 1) / (n + 1))) / (lag * tracks.interval)
        rates.append(np.tile(rate, len(steps)))
        squares.append((parts**2).sum(axis=2).ravel())
        owners.append(np.repeat(names, n))
    if not rates:
        empty = np.zeros(0)
        return Spectra(
            empty, empty, np.zeros(0, dtype=np.int64), tracks.dimension, lag, 0, 1.0, empty
        )
    rate = np.concatenate(rates)
    return Spectra(
        rate, np.concatenate(squares), np.concatenate(owners).astype(np.int64),
        tracks.dimension, lag, tracks.n_particles, lag * tracks.interval,
        np.ones(len(rate)), tracks.independent,
    )  # fmt: skip


def _uneven(gaps: Float, step: Float) -> tuple[Float, Float]:
    """Decompose displacements over unequal gaps."""
    if len(gaps) == 1:
        return np.asarray(1.0 / gaps, dtype=np.float64), np.asarray((step**2).sum(axis=1))
    root = np.sqrt(2.0 * gaps)
    rate, vectors = eigh_tridiagonal(2.0 / root**2, -1.0 / (root[1:] * root[:-1]))
    square = ((vectors.T @ step) ** 2).sum(axis=1)
    return np.asarray(rate, dtype=np.float64), np.asarray(square, dtype=np.float64)
