"""Likelihood of a periodic crystal's displacements: waves are independent (Whittle's is exact)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.crystals.frame_correlation import wave_frames
from physlearn.inference.crystals.spring_geometry import SpringGeometry, real_form
from physlearn.inference.crystals.wave_vectors import amplitudes, half_the_waves
from physlearn.inference.crystals.whittle_kernels import wave_log_likelihood

__all__ = ["WaveLikelihood", "wave_shares"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WaveLikelihood:
    """Spectra of displacements and what springs make of them.

    Attributes
    ----------
    geometry
        float64, shape (q, k, D, D): of ``SpringGeometry.matrices``.
    spectrum
        float64, shape (q, D, D): mean over frames of u(q) u(q)*, real form.
    weight
        float64, shape (q,): how often each wave counts, independent frames included.
    n_frames
        Independent frames that the frames are worth, mean over waves.
    """

    geometry: Float
    spectrum: Float
    weight: Float
    n_frames: float = 1.0

    def values(self, springs: Float, noise: Float) -> Float:
        """Return ln likelihood (m,) of springs (m, k) and noise variances (m,)."""
        out = np.empty(len(springs))
        wave_log_likelihood(springs, noise, self.geometry, self.spectrum, self.weight, out)
        return out

    def score(self, springs: Float, noise: float) -> tuple[Float, Float]:
        """Return gradient (k + 1,) and expected information (k + 1, k + 1), noise last."""
        size = self.geometry.shape[-1]
        stiff = np.einsum("k,qkij->qij", springs, self.geometry)
        inverse = np.linalg.inv(stiff)
        weight = np.linalg.inv(inverse + noise * np.eye(size))
        # d C / d spring = -D^-1 G D^-1; d C / d noise = 1
        change = -inverse[:, None] @ self.geometry @ inverse[:, None]
        one = np.broadcast_to(np.eye(size), (len(change), 1, size, size))
        turned = weight[:, None] @ np.concatenate([change, one], axis=1)
        rest = weight @ self.spectrum - np.eye(size)
        gradient = np.einsum("q,qkij,qji->k", self.weight, turned, rest)
        information = np.einsum("q,qkij,qlji->kl", self.weight, turned, turned, optimize=True)
        return gradient, information

    @classmethod
    def of(
        cls, displacement: Float, indices: Int, basis: Int, periods: Int,
        geometry: SpringGeometry, n_frames: float | None,
    ) -> WaveLikelihood:  # fmt: skip
        """Transform displacements (frames, n, d) of a whole crystal, one atom a site.

        ``n_frames``: how many independent frames; None: told from how alike the frames are.
        """
        waves, weight = half_the_waves(periods)
        parts = []
        for b in range(geometry.kind.n_basis):
            own = basis == b
            shares = indices[own] @ np.linalg.inv(periods)
            parts.append(amplitudes(displacement[:, own], shares, waves) / np.sqrt(own.sum()))
        wave = np.concatenate(parts, axis=-1)
        spectrum = np.einsum("fqi,fqj->qij", wave, wave.conj()) / len(wave)
        whole = geometry.matrices(wave_shares(waves, periods))
        # a wave that a unit of all longitudinal springs hardly holds is slow
        softness = -np.trace(whole[:, 0::2].sum(axis=1), axis1=1, axis2=2)
        worth = wave_frames(wave, softness) if n_frames is None else n_frames
        if geometry.kind.n_basis > 1:
            # the real form holds everything twice
            return cls(whole, real_form(spectrum), 0.5 * weight * worth, float(np.mean(worth)))
        return cls(
            whole, np.ascontiguousarray(spectrum.real), weight * worth, float(np.mean(worth))
        )


def wave_shares(waves: Int, periods: Int) -> Float:
    """Return phases of waves along each primitive vector, over 2 pi, shape (q, d)."""
    return np.asarray(waves @ np.linalg.inv(periods).T)
