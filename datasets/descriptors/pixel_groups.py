"""The groups of pixel descriptors by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import check_choice
from physlearn.datasets.channels.axis_frame import AxisFrame
from physlearn.datasets.descriptors.moments import Gradient, Mean, Skewness, Variance
from physlearn.datasets.descriptors.periodicity import (
    Crystallinity,
    LockIn,
    Sharpness,
    SpectrumOfPatch,
)
from physlearn.datasets.descriptors.pixel_noise import PixelNoise
from physlearn.datasets.descriptors.radial import RadialPower
from physlearn.datasets.descriptors.symmetry import SymmetryOrders, Threefold
from physlearn.datasets.descriptors.texture import (
    CenteredPatches,
    PolarColumns,
    Roughness,
    table_order,
)
from physlearn.datasets.descriptors.window_batch import DescriptorGroup

__all__ = ["GROUPS", "make_groups", "need_squares", "to_redraw"]

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


LEAST_OF_THREEFOLD = 6
SQUARE = ("symmetry", "threefold", "radial", "polar_fourier")
"""Groups that speak of angles or distances in a patch, and count them in pixels."""


def need_squares(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the parts of the named groups that any pixels allow, and those for square ones."""
    parts: list[str] = []
    for name in names:
        check_choice("descriptors", name, GROUPS)
        parts += PARTS.get(name, (name,))
    return [p for p in parts if p not in SQUARE], [p for p in parts if p in SQUARE]


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
    shared = _Shared(shape, noise)
    return [_group(part, shared, picture, frame) for part in dict.fromkeys(parts)]


class _Shared:
    """What several groups compute from the same patches."""

    def __init__(self, shape: tuple[int, int], noise: PixelNoise | None) -> None:
        self.shape, self.noise = shape, noise

    @cached_property
    def spectrum(self) -> SpectrumOfPatch:
        """Powers of patches without their plane."""
        return SpectrumOfPatch(self.shape, self.noise)

    @cached_property
    def centered(self) -> CenteredPatches:
        """Polar-Fourier coefficients about each patch's own centre."""
        return CenteredPatches(self.shape, table_order(self.shape))

    @cached_property
    def centered_for_three(self) -> CenteredPatches:
        """The same with orders enough to tell three-fold from others."""
        if table_order(self.shape) >= LEAST_OF_THREEFOLD:
            return self.centered
        return CenteredPatches(self.shape, LEAST_OF_THREEFOLD)


def to_redraw(
    groups: Sequence[DescriptorGroup], noise: PixelNoise | None, n_columns: int
) -> NDArray[np.bool_]:
    """Return the columns (k,) whose errors are calibrated by drawing the noise again.

    Their values jump, or are shares near 0 or 1. Lines in common give few waves a large share of
    the noise: then all but those that know how lines scatter. Columns behind the groups' are not.
    """
    rough = (Skewness, Crystallinity, Threefold, PolarColumns)
    exact = (Mean, Variance, RadialPower)
    lines = noise is not None and noise.row_variance > 0.0
    chosen = [
        isinstance(group, rough) or (lines and not isinstance(group, exact))
        for group in groups for _ in group.words
    ]  # fmt: skip
    return np.array([*chosen, *[False] * (n_columns - len(chosen))], dtype=np.bool_)


def _group(
    part: str, shared: _Shared, picture: NDArray[np.float64], frame: AxisFrame
) -> DescriptorGroup:
    """Return one group."""
    shape, noise = shared.shape, shared.noise
    if part == "mean":
        return Mean()
    if part == "variance":
        return Variance()
    if part == "skewness":
        return Skewness()
    if part == "gradient":
        return Gradient()
    if part == "crystallinity":
        return Crystallinity(shape, noise, shared.spectrum)
    if part == "sharpness":
        return Sharpness(shared.spectrum)
    if part == "lock_in":
        return LockIn(shape, picture, noise)
    if part == "symmetry":
        return SymmetryOrders(shape, noise)
    if part == "threefold":
        return Threefold(shared.centered_for_three)
    if part == "roughness":
        return Roughness(frame.step, noise)
    if part == "radial":
        return RadialPower(shape, noise)
    return PolarColumns(shared.centered)
