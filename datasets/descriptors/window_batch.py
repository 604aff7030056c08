"""Some hundred patches' pixels at a time, and what a group of descriptors makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.descriptors.pixel_noise import PixelNoise

__all__ = ["DescriptorGroup", "GroupResult", "WindowBatch"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class WindowBatch:
    """Pixels of patches, without gaps.

    Attributes
    ----------
    pixels
        (n, rows, columns); lone gaps hold what their neighbours say, others the patch's mean.
    seen
        Which pixels are no gaps, as 1.0 and 0.0.
    variance
        Of each pixel's noise, 0 in gaps; None when unknown.
    noise
        What is known of the noise.
    step
        Pixel size (x, y).
    period
        Of an angle (360 or 2 pi), else None. Pixels are then within half a period of the mean.
    with_errors
        Whether gradients are wanted.
    branch
        Angles are given within half a period of it.
    incomplete
        (n,): patches that lack too many pixels for what needs all of them.
    """

    pixels: Floats
    seen: Floats
    variance: Floats | None
    noise: PixelNoise | None
    step: tuple[float, float]
    period: float | None
    with_errors: bool
    branch: float = 0.0
    incomplete: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1, dtype=np.bool_))

    @property
    def mean_variance(self) -> Floats:
        """Mean variance of a patch's pixels, (n,); 0 where unknown."""
        if self.variance is None:
            return np.zeros(len(self.pixels))
        return np.asarray(
            self.variance.sum(axis=(1, 2)) / np.maximum(self.seen.sum(axis=(1, 2)), 1.0)
        )


@dataclass(frozen=True, slots=True, eq=False)
class GroupResult:
    """Values (n, k), their gradients by each pixel (n, k, rows, columns), and further variance.

    ``second`` is the part of the errors' variance that is not linear in the noise; ``jump`` a
    further error (n, k) common to all columns: the patch's centre may be another one.
    """

    values: Floats
    gradients: Floats | None = None
    second: Floats | None = None
    jump: Floats | None = None


class DescriptorGroup(Protocol):
    """Descriptors that are computed together.

    A class may also say ``takes_gaps`` (True: patches with gaps are described too),
    ``needs_squares`` (True: it speaks of angles or distances in a patch, counted in pixels) and
    ``redraw``, whether its errors are calibrated by drawing the noise again: "always" where values
    jump or are shares near 0 or 1, "never" where it is known how lines in common scatter, else
    only where there are such lines.
    """

    @property
    def words(self) -> tuple[str, ...]:
        """Terms of the vocabulary, without the channel's name; "" is the mean."""

    @property
    def tiers(self) -> tuple[int | None, ...]:
        """Tier of each, None for the channel's own."""

    @property
    def units(self) -> tuple[str, ...]:
        """Units, with {channel} and {length} to fill in."""

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
