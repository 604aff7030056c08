"""The groups of pixel descriptors by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import check_choice
from physlearn.datasets.descriptors.moments import Gradient, Mean, Skewness, Variance
from physlearn.datasets.descriptors.periodicity import Crystallinity, LockIn, Sharpness
from physlearn.datasets.descriptors.pixel_noise import PixelNoise
from physlearn.datasets.descriptors.radial import RadialPower
from physlearn.datasets.descriptors.symmetry import SymmetryOrders, Threefold
from physlearn.datasets.descriptors.texture import PolarColumns, Roughness
from physlearn.datasets.descriptors.window_batch import DescriptorGroup
from physlearn.datasets.patches.patch_places import AxisFrame

__all__ = ["GROUPS", "make_groups"]

GROUPS = (
    "mean", "variance", "skewness", "gradient", "symmetry", "threefold", "roughness",
    "crystallinity", "sharpness", "lock_in", "moments", "texture",
    "periodicity", "radial", "polar_fourier",
)  # fmt: skip
PARTS = {
    "moments": ("mean", "variance", "skewness", "gradient"),
    "texture": ("symmetry", "threefold", "roughness"),
    "periodicity": ("crystallinity", "sharpness", "lock_in"),
}


def make_groups(
    names: Sequence[str],
    shape: tuple[int, int],
    picture: NDArray[np.float64],
    frame: AxisFrame,
    noise: PixelNoise | None,
) -> list[DescriptorGroup]:
    """Return what computes the named groups; one named twice is computed once."""
    parts: list[str] = []
    for name in names:
        check_choice("descriptors", name, GROUPS)
        parts += PARTS.get(name, (name,))
    return [_group(part, shape, picture, frame, noise) for part in dict.fromkeys(parts)]


def _group(
    part: str,
    shape: tuple[int, int],
    picture: NDArray[np.float64],
    frame: AxisFrame,
    noise: PixelNoise | None,
) -> DescriptorGroup:
    """Return one group."""
    if part == "mean":
        return Mean()
    if part == "variance":
        return Variance()
    if part == "skewness":
        return Skewness()
    if part == "gradient":
        return Gradient()
    if part == "crystallinity":
        return Crystallinity(shape, noise)
    if part == "sharpness":
        return Sharpness(shape, noise)
    if part == "lock_in":
        return LockIn(shape, picture, noise)
    if part == "symmetry":
        return SymmetryOrders(shape, noise)
    if part == "threefold":
        return Threefold(shape)
    if part == "roughness":
        return Roughness(frame.step, noise)
    if part == "radial":
        return RadialPower(shape, noise)
    return PolarColumns(shape)
