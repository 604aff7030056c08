"""Likelihood of a piece cut out of a larger crystal: what lies outside is there, but not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from physlearn.inference.crystals.crystal_sites import CrystalSites
from physlearn.inference.crystals.spring_geometry import SpringGeometry
from physlearn.inference.crystals.wave_likelihood import WaveLikelihood, wave_shares
from physlearn.inference.crystals.wave_vectors import (
    cell_number,
    cells_of,
    half_the_waves,
    row_form,
)

__all__ = ["WindowLikelihood", "spring_pattern"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
MARGIN = 5.0
"""Spacings of unseen crystal between the piece and its periodic image."""
SMALLEST_ERROR = 1e-3
"""Of the displacements' spread: a position without error is given this one."""


@dataclass(frozen=True, eq=False)
class WindowLikelihood:
    """Displacements on some sites of a periodic crystal whose other sites are not seen.

    The crystal is a Gaussian field with a sparse precision (springs between near sites). The
    linear part of the displacements of a piece is free: its mean strain says nothing of springs,
    and waves longer than the piece act like one. A whole periodic box has none.

    Attributes
    ----------
    entries
        float64, shape (k, nnz): each spring's share of the precision's entries.
    places, starts
        Sparse pattern of the precision, by columns.
    seen
        int64, shape (n d,): rows of the precision that were observed.
    observed
        float64, shape (n d, 1 + d^2): displacements, and in a piece the linear maps of the sites.
    waves
        The periodic crystal's waves, for its determinant and the expected information.
    smallest
        Least variance of positions.
    weight
        Independent frames that this one is worth.
    error_share
        Its variance of positions over the mean of all frames.
    """

    entries: Float
    places: Int
    starts: Int
    seen: Int
    observed: Float
    waves: WaveLikelihood
    smallest: float
    weight: float = 1.0
    error_share: float = 1.0

    def values(self, springs: Float, noise: Float) -> Float:
        """Return ln likelihood (m,) of springs (m, k) and noise variances (m,)."""
        pairs = zip(springs, noise, strict=True)
        return self.weight * np.array(
            [
                self._value(one, max(self.error_share * float(two), self.smallest))
                for one, two in pairs
            ]
        )

    def _value(self, springs: Float, noise: float) -> float:
        # without data the waves' likelihood is the determinant of the precision, times -2 weights
        free = self.waves.values(springs[None], np.zeros(1))[0]
        if not np.isfinite(free):
            return -np.inf
        data = springs @ self.entries
        size = len(self.starts) - 1
        diagonal = np.zeros(size)
        diagonal[self.seen] = 1.0 / noise
        precision = csc_array((data, self.places, self.starts), shape=(size, size))
        whole = csc_array(precision + _diagonal(diagonal))
        factor = splu(whole, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                      options={"SymmetricMode": True})  # fmt: skip
        pivots = factor.U.diagonal()
        if (pivots <= 0.0).any():
            return -np.inf
        right = np.zeros((size, self.observed.shape[1]))
        right[self.seen] = self.observed / noise
        inner = self.observed.T @ (right - factor.solve(right)[:, :] / noise)[self.seen]
        inner = 0.5 * (inner + inner.T)
        linear = inner[1:, 1:]
        sign, stretch = np.linalg.slogdet(linear)
        if sign <= 0.0:
            return -np.inf
        left = inner[0, 0] - inner[0, 1:] @ np.linalg.solve(linear, inner[1:, 0])
        determinant = np.log(pivots).sum() + len(self.seen) * np.log(noise)
        return float(free - 0.5 * (determinant + left + stretch))

    def score(self, springs: Float, noise: float) -> tuple[Float, Float]:
        """Return the gradient by differences and an expected information, noise last."""
        noise = max(noise, self.smallest)
        share = self.weight * len(self.seen) / (len(self.starts) - 1)
        information = share * self.waves.score(springs, noise)[1]
        k = len(springs)
        step = 0.02 / np.sqrt(np.diag(information))
        step[k] = min(step[k], 0.2 * noise)
        step[0] = min(step[0], 0.01 * springs[0])
        rows = np.append(springs, noise) + np.concatenate([np.diag(step), -np.diag(step)])
        values = self.values(rows[:, :k], rows[:, k])
        return (values[: k + 1] - values[k + 1 :]) / (2.0 * step), information

    def likeness(self, springs: Float, noise: float) -> WaveLikelihood:
        """Return the waves' likelihood with as many atoms and its best springs here: its shape."""
        noise = max(noise, self.smallest)
        stiff = np.einsum("k,qkij->qij", springs, self.waves.geometry)
        spectrum = np.linalg.inv(stiff) + noise * np.eye(stiff.shape[-1])
        share = self.weight * len(self.seen) / (len(self.starts) - 1)
        return WaveLikelihood(self.waves.geometry, spectrum, share * self.waves.weight)

    @classmethod
    def of(
        cls, sites: CrystalSites, geometry: SpringGeometry, frame_weight: float = 1.0,
        error_share: float = 1.0,
    ) -> WindowLikelihood:  # fmt: skip
        """Take a box with vacancies as it is; lay a piece into a periodic crystal with a margin."""
        d, b = sites.dimension, sites.kind.n_basis
        places_seen = sites.sites
        periods = sites.periods
        if periods is None:
            box = np.diag(np.ptp(places_seen, axis=0) + MARGIN * sites.spacing)
            periods = np.rint(box @ np.linalg.inv(sites.primitive)).astype(np.int64)
        form = row_form(periods)
        entries, places, starts = spring_pattern(form, geometry)
        rows = cell_number(sites.indices, form) * b + sites.basis
        seen = (rows[:, None] * d + np.arange(d)).ravel()
        centred = places_seen - places_seen.mean(axis=0)
        linear = np.einsum("na,ij->niaj", centred, np.eye(d)).reshape(len(rows) * d, d * d)
        linear /= np.sqrt((centred**2).mean())
        numbers, weight = half_the_waves(periods)
        unit = geometry.matrices(wave_shares(numbers, periods))
        waves = WaveLikelihood(unit, np.zeros((len(unit), *unit.shape[2:])), weight / min(b, 2))
        smallest = (SMALLEST_ERROR**2) * float((sites.displacement**2).mean())
        observed = sites.displacement.reshape(-1, 1)
        if sites.periods is None:
            observed = np.column_stack([observed, linear])
        return cls(entries, places, starts, seen, observed, waves, smallest, frame_weight,
                   error_share)  # fmt: skip


def _diagonal(values: Float) -> csc_array:
    size = len(values)
    return csc_array((values, np.arange(size), np.arange(size + 1)), shape=(size, size))


def spring_pattern(form: Int, geometry: SpringGeometry) -> tuple[Float, Int, Int]:
    """Return entries of the precision for each spring, (k, nnz), row numbers, column starts."""
    d, b = geometry.kind.dimension, geometry.kind.n_basis
    cells = cells_of(form)
    own = np.arange(len(cells))
    size = len(cells) * b * d
    rows, columns, values, springs = [], [], [], []
    axes = np.indices((d, d)).reshape(2, -1)
    for m in range(len(geometry.cells)):
        other = cell_number(cells + geometry.cells[m], form)
        at = (own * b + geometry.first[m]) * d
        to = (other * b + geometry.second[m]) * d
        for part in range(2):
            block = geometry.projection[m, part].ravel()
            for target, sign in ((at, 1.0), (to, -1.0)):
                rows.append((at[:, None] + axes[0]).ravel())
                columns.append((target[:, None] + axes[1]).ravel())
                values.append(np.tile(sign * block, len(cells)))
                springs.append(np.full(len(cells) * d * d, 2 * geometry.shell[m] + part))
    row, column = np.concatenate(rows), np.concatenate(columns)
    value, spring = np.concatenate(values), np.concatenate(springs)
    keys, position = np.unique(column.astype(np.int64) * size + row, return_inverse=True)
    entries = np.zeros((geometry.n_springs, len(keys)))
    np.add.at(entries, (spring, position), value)
    starts = np.searchsorted(keys // size, np.arange(size + 1))
    return entries, (keys % size).astype(np.int32), starts.astype(np.int32)
