"""Orientation-free symmetry orders of a patch's pixels: |psi_m| of its power, and three-fold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.descriptors.pixel_noise import PixelNoise, signal_gradients
from physlearn.datasets.descriptors.polar_columns import CenteredPatches
from physlearn.datasets.descriptors.polar_parts import PolarParts, jump_of
from physlearn.datasets.descriptors.spectral_windows import BandPower
from physlearn.datasets.descriptors.window_batch import GroupResult, WindowBatch

__all__ = ["SymmetryOrders", "Threefold"]

Floats = NDArray[np.float64]
ORDERS = (2, 4, 6)
SLOWEST = 1.0
"""Frequency in cycles per patch from which power begins to count, fully two cycles above."""
N_DRAWS = 100


class SymmetryOrders:
    """|psi_m| = |sum_q S(q) exp(i m phi_q)| / sum_q S(q), with the power S less the noise's.

    Neither a turn of the patch nor a shift changes it: no centre is needed. It nears 1 for m = 2,
    4, 6 in stripes, for m = 4 in a square lattice and for m = 6 in a triangular one as the patch
    holds more periods, and each more pixels: a patch's own width smears its waves over directions
    (triangular lattice of period 5: .60 in 16 pixels, .87 in 32; period 6 in 64 pixels .95).
    Values compare between patches of one size only.
    """

    words = tuple(f"symmetry_{m}" for m in ORDERS)
    tiers = (1,) * len(ORDERS)
    units = ("1",) * len(ORDERS)
    needs_squares = True

    def __init__(self, shape: tuple[int, int], noise: PixelNoise | None) -> None:
        qy, qx = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :]
        size = np.hypot(qy, qx)
        # soft limits: a hard one sees the square grid of frequencies
        slow = np.clip(0.5 * (size * min(shape) - SLOWEST), 0.0, 1.0)
        fast = np.clip((0.5 - size) / 0.1, 0.0, 1.0)
        ring = np.sin(0.5 * np.pi * slow) ** 2 * np.sin(0.5 * np.pi * fast) ** 2
        turn = np.arctan2(qy, qx)
        # mean over the ring taken off: a power that does not depend on the direction gives 0
        waves = [ring * np.exp(1j * m * turn) for m in ORDERS]
        waves = [wave - ring * wave.sum() / ring.sum() for wave in waves]
        self.masks = np.array([ring, *(w.real for w in waves), *(w.imag for w in waves)])
        self.bands = BandPower(shape, ring[None], noise)
        self.chance = np.zeros(len(ORDERS))
        if noise is not None:
            # the noise's own sampling, the same for the same input
            pixels = ChannelNoise(1.0, noise.correlation).draw(
                (N_DRAWS, *shape), np.random.default_rng(50)
            )
            power = np.abs(self.bands.transform(pixels)) ** 2 / self.bands.pixels**2
            sums = self._sums(power - self.bands.even_waves)
            self.chance = (np.abs(sums[1]) ** 2).mean(axis=0)

    def _sums(self, power: Floats) -> tuple[Floats, NDArray[np.complex128]]:
        """Return the power in the ring (n,), and its angular parts (n, orders)."""
        flat = power.reshape(len(power), -1) @ self.masks.reshape(len(self.masks), -1).T
        count = len(ORDERS)
        return flat[:, 0], flat[:, 1 : 1 + count] + 1j * flat[:, 1 + count :]

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        away = batch.pixels - batch.pixels.mean(axis=(1, 2), keepdims=True)
        transform = self.bands.transform(away)
        level = batch.mean_variance
        power = np.abs(transform) ** 2 / self.bands.pixels**2
        total, parts = self._sums(power - self.bands.noise_of_waves(level))
        floor = 2.0 * level * np.sqrt(self.bands.second[0])
        whole = np.maximum(total, np.maximum(floor, 1e-300))[:, None]
        raw = np.abs(parts)
        clean = np.sqrt(np.maximum(raw**2 - level[:, None] ** 2 * self.chance, 0.0))
        values = np.minimum(clean / whole, 1.0)
        if not batch.with_errors:
            return GroupResult(values)
        pictures = self.bands.gradients(transform, self.masks[None])
        count = len(ORDERS)
        along = parts / np.maximum(raw, 1e-300)
        rise = along.real[..., None, None] * pictures[:, 1 : 1 + count]
        rise = rise + along.imag[..., None, None] * pictures[:, 1 + count :]
        free = (values * (total > floor)[:, None])[..., None, None]
        gradients = (rise - free * pictures[:, :1]) / whole[..., None, None]
        chance = 0.5 * self.chance + values**2 * self.bands.second[0]
        alone = level[:, None] ** 2 * chance / whole**2
        gradients = signal_gradients(gradients, alone, batch.variance, batch.noise)
        return GroupResult(values, gradients, alone)


class Threefold:
    """Share of the power that turns with the patch in m = 3 about its own centre.

    Power alone does not tell three-fold from six-fold: this needs the motif's centre.
    """

    words = ("threefold",)
    tiers = (1,)
    units = ("1",)
    needs_squares = True
    redraw = "always"

    def __init__(self, centered: CenteredPatches) -> None:
        self.patches = centered
        order = centered.basis.modes[:, 1]
        self.which = (order == 3).astype(np.float64)
        self.turning = (order > 0).astype(np.float64)

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        parts = self.patches.parts(batch)
        values, whole = self._share(parts)
        gradients, second, jump = None, None, None
        if parts.gradients is not None:
            rise = 2.0 * parts.amplitude[:, :, None, None] * parts.gradients
            weights = self.which - values * self.turning
            gradients = np.einsum("nk,nkij->nij", weights / whole, rise)[:, None]
            second = ((parts.added**2) @ self.which)[:, None] / whole**2
        if parts.other is not None:
            jump = jump_of(parts, values, self._share(parts.other)[0])
        return GroupResult(values, gradients, second, jump)

    def _share(self, parts: PolarParts) -> tuple[Floats, Floats]:
        """Return the share of m = 3, and the power of all that turn, both (n, 1)."""
        whole = parts.clean @ self.turning
        raw = whole + parts.added @ self.turning
        noise = np.sqrt((parts.added**2) @ self.turning)
        whole = np.maximum(np.maximum(whole, 2.0 * noise), np.maximum(1e-9 * raw, 1e-300))
        return ((parts.clean @ self.which) / whole)[:, None], whole[:, None]
