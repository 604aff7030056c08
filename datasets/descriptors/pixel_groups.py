"""The groups of pixel descriptors by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from physlearn.datasets.descriptors.polar_columns import CenteredPatches, PolarColumns, table_order
from physlearn.datasets.descriptors.radial import RadialPower
from physlearn.datasets.descriptors.roughness import Roughness
from physlearn.datasets.descriptors.symmetry import SymmetryOrders, Threefold
from physlearn.datasets.descriptors.window_batch import DescriptorGroup

__all__ = ["GROUPS", "KINDS", "make_groups", "need_squares", "to_redraw"]

LEAST_OF_THREEFOLD = 6


class _Patches:
    """What groups are made for: patches of one shape in one picture, and what several share."""

    def __init__(
        self, shape: tuple[int, int], picture: NDArray[np.float64], frame: AxisFrame,
        noise: PixelNoise | None,
    ) -> None:  # fmt: skip
        self.shape, self.picture, self.step, self.noise = shape, picture, frame.step, noise

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


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of descriptors, and how one is made for the patches at hand."""

    group: type[DescriptorGroup]
    make: Callable[[_Patches], DescriptorGroup]


KINDS = {
    "mean": Kind(Mean, lambda _: Mean()),
    "variance": Kind(Variance, lambda _: Variance()),
    "skewness": Kind(Skewness, lambda _: Skewness()),
    "gradient": Kind(Gradient, lambda _: Gradient()),
    "symmetry": Kind(SymmetryOrders, lambda p: SymmetryOrders(p.shape, p.noise)),
    "threefold": Kind(Threefold, lambda p: Threefold(p.centered_for_three)),
    "roughness": Kind(Roughness, lambda p: Roughness(p.step, p.noise)),
    "crystallinity": Kind(Crystallinity, lambda p: Crystallinity(p.shape, p.noise, p.spectrum)),
    "sharpness": Kind(Sharpness, lambda p: Sharpness(p.spectrum)),
    "lock_in": Kind(LockIn, lambda p: LockIn(p.shape, p.picture, p.noise)),
    "radial": Kind(RadialPower, lambda p: RadialPower(p.shape, p.noise)),
    "polar_fourier": Kind(PolarColumns, lambda p: PolarColumns(p.centered)),
}
"""A further descriptor is one entry here, its class, and its words in the vocabulary."""
PARTS = {
    "moments": ("mean", "variance", "skewness", "gradient"),
    "texture": ("symmetry", "threefold", "roughness"),
    "periodicity": ("crystallinity", "sharpness", "lock_in"),
}
GROUPS = (*KINDS, *PARTS)


def _parts(names: Sequence[str]) -> list[str]:
    """Return the names of kinds, those of several spelled out, each once."""
    parts: list[str] = []
    for name in names:
        check_choice("descriptors", name, GROUPS)
        parts += PARTS.get(name, (name,))
    return list(dict.fromkeys(parts))


def need_squares(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the parts of the named groups that any pixels allow, and those for square ones."""
    split: tuple[list[str], list[str]] = ([], [])
    for part in _parts(names):
        split[getattr(KINDS[part].group, "needs_squares", False)].append(part)
    return split


def make_groups(
    names: Sequence[str],
    shape: tuple[int, int],
    picture: NDArray[np.float64],
    frame: AxisFrame,
    noise: PixelNoise | None,
) -> list[DescriptorGroup]:
    """Return what computes the named groups; one named twice is computed once."""
    patches = _Patches(shape, picture, frame, noise)
    return [KINDS[part].make(patches) for part in _parts(names)]


def to_redraw(
    groups: Sequence[DescriptorGroup], noise: PixelNoise | None, n_columns: int
) -> NDArray[np.bool_]:
    """Return the columns (k,) whose errors are calibrated by drawing the noise again.

    Each class says so of itself (`DescriptorGroup`). Lines in common give few waves a large share
    of the noise: then all but those that know how lines scatter. Columns behind the groups' are
    not.
    """
    lines = noise is not None and noise.row_variance > 0.0
    chosen = [
        _redraw(group) == "always" or (lines and _redraw(group) != "never")
        for group in groups for _ in group.words
    ]  # fmt: skip
    return np.array([*chosen, *[False] * (n_columns - len(chosen))], dtype=np.bool_)


def _redraw(group: DescriptorGroup) -> str:
    return str(getattr(group, "redraw", "with lines"))
