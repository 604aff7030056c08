"""Polar-Fourier amplitudes of patches about their own centres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.descriptors.polar_basis import polar_basis
from physlearn.datasets.descriptors.polar_parts import PolarParts, jump_of, polar_parts
from physlearn.datasets.descriptors.window_batch import GroupResult, WindowBatch

__all__ = ["POLAR_ORDER", "CenteredPatches", "PolarColumns", "table_order"]

Floats = NDArray[np.float64]
POLAR_ORDER = 8
REACH_PX = 2.5
LOST = 0.2


def table_order(shape: tuple[int, int]) -> int:
    """Return the order of polar-Fourier columns of a table: 8 (25 columns), less if small."""
    return int(np.clip(round(0.42 * min(shape)), 4, POLAR_ORDER))


class CenteredPatches:
    """Polar-Fourier coefficients of the last patches, for all descriptors that need them."""

    def __init__(self, shape: tuple[int, int], order: int) -> None:
        self.basis = polar_basis(shape, order, 0.8)
        self.middle = 0.5 * (np.array(shape[::-1]) - 1.0)
        self.last: WindowBatch | None = None
        self.found: PolarParts | None = None

    def parts(self, batch: WindowBatch) -> PolarParts:
        """Return the coefficients of the patches; asked for the same ones again, they are kept."""
        if self.found is None or batch is not self.last:
            self.last = batch
            self.found = polar_parts(
                batch.pixels, np.broadcast_to(self.middle, (len(batch.pixels), 2)), self.basis,
                batch.noise, reach=REACH_PX, variance=batch.variance,
                with_gradients=batch.with_errors,
            )  # fmt: skip
        return self.found


class PolarColumns:
    """Polar-Fourier amplitudes about each patch's own centre."""

    needs_squares = True
    redraw = "always"

    def __init__(self, centered: CenteredPatches) -> None:
        self.patches = centered
        k = len(centered.basis.modes)
        self.words = tuple(f"polar_fourier_{number + 1}" for number in range(k))
        self.tiers = (1,) * k
        self.units = ("{channel}",) * k
        self.described, self.centered = 0, 0

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        parts = self.patches.parts(batch)
        self.described += len(parts.found)
        self.centered += int(parts.found.sum())
        jump = None
        if parts.other is not None:
            jump = jump_of(parts, parts.amplitude, parts.other.amplitude)
        return GroupResult(parts.amplitude, parts.gradients, jump=jump)

    def note(self) -> str | None:
        """Return a sentence when many patches have no motif to be centred on."""
        lost = self.described - self.centered
        if lost <= LOST * self.described:
            return None
        return (
            f"{100 * lost / self.described:.0f} % of the patches have no motif within {REACH_PX} "
            "pixels of their middle to be centred on: their polar-Fourier numbers depend on where "
            "the patch lies."
        )
