"""The settings of a patch table that rarely need a change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physlearn.checks import InputError, check_array, check_choice, check_count
from physlearn.option_fields import check_fields
from physlearn.plugins import load_plugin

if TYPE_CHECKING:
    import pandas as pd

    from physlearn.datasets.scan.measure_drift import DriftSeries
    from physlearn.datasets.spectra.spectra_blocks import SpectraOptions

__all__ = ["PatchOptions"]

COVARIANCES = ("auto", "each", "pooled")


@dataclass(frozen=True, slots=True, eq=False)
class PatchOptions:
    """Settings of ``describe_patches`` that rarely need a change.

    Attributes
    ----------
    overlap
        Share of a patch that its neighbour on the grid shares, in [0, 1).
    centers
        Shape (n, 2): x, y of each patch instead of a grid; "atoms" puts a patch on every atom.
        Patches that hang over the edge are left out, and ``selection`` says how many.
    select
        Function of the finished frame -> bool for each patch. What a patch shows then decides
        that it is kept: the table says ``chosen_by_result``.
    descriptors
        Groups of descriptors of each channel's pixels; None takes the mean of each channel, and
        of a picture without a name mean, variance, crystallinity and gradient. A group gives the
        column of its name, but for: variance (local_variance), roughness (slope_rms, anisotropy),
        symmetry (symmetry_2, 4, 6), lock_in (lattice_amplitude, lattice_order), radial
        (radial_power_1 to 5), polar_fourier (polar_fourier_1 to 25). moments is mean, variance,
        skewness, gradient; texture symmetry, threefold, roughness; periodicity crystallinity,
        sharpness, lock_in.
    extra
        Column -> ``Descriptor``, a plain function of pixels (n, rows, columns) -> (n,), or the
        name of a plug-in (entry point of the group ``physlearn.descriptors``). It is applied to
        every channel, or to one channel when the key is (channel, column). Each patch is described
        by itself; lone gaps are filled before.
    spectra
        How spectra are measured (``SpectraOptions``); None decides by their axis.
    tiers
        Column or channel -> 0 composition, 1 structure, 2 response, against the usual tier.
    require
        Columns that every patch must have: patches without are left out, however many.
    covariance
        "each" keeps a covariance for each patch, "pooled" their mean (of pixels over up to 512
        patches, which is several times quicker), "auto" the first unless patches x columns^2
        exceeds 2e7.
    dose
        Dose of the whole picture, of each frame, or a map (y, x): a covariate.
    drift
        Movement of the sample by frame: a ``DriftSeries`` or an array (n_frames, 2).
    frame, time
        Number and time of a single picture in a series: covariates.
    frame_of_reference
        Said in the metadata: laboratory, sample, or a file's name.

    Raises
    ------
    InputError
        For an overlap outside [0, 1), centres that are no places, or an unknown covariance.

    Examples
    --------
    >>> PatchOptions(overlap=0.5).covariance
    'auto'
    """

    overlap: float = 0.0
    centers: ArrayLike | Literal["atoms"] | None = None
    select: Callable[[pd.DataFrame], ArrayLike] | None = None
    descriptors: tuple[str, ...] | None = None
    extra: Mapping[str | tuple[str, str], Any] = field(default_factory=dict)
    spectra: SpectraOptions | None = None
    tiers: Mapping[str, int] = field(default_factory=dict)
    require: tuple[str, ...] = ()
    covariance: str = "auto"
    dose: float | ArrayLike | xr.DataArray | None = None
    drift: DriftSeries | ArrayLike | None = None
    frame: int | None = None
    time: float | None = None
    frame_of_reference: str = "not recorded"

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise InputError(f"overlap must be at least 0 and below 1; got {self.overlap!r}.")
        check_choice("covariance", self.covariance, COVARIANCES)
        if isinstance(self.centers, str):
            check_choice("centers", self.centers, ("atoms",))
        elif self.centers is not None:
            places = check_array("centers", self.centers, shape=(None, 2))
            if len(np.unique(places, axis=0)) < len(places):
                raise InputError("centers must be different places; at least two coincide.")
            if self.overlap:
                raise InputError(
                    "overlap belongs to a grid of patches; with centers it follows from them."
                )
        if isinstance(self.descriptors, str):
            raise InputError("descriptors must be a tuple of groups, got one string.")
        bad = {name: tier for name, tier in self.tiers.items() if tier not in (0, 1, 2)}
        if bad:
            name, tier = next(iter(bad.items()))
            raise InputError(f"tiers must be 0, 1 or 2; got {tier!r} for {name!r}.")
        for key in self.extra:
            parts = key if isinstance(key, tuple) else (key,)
            if not (
                len(parts) in (1, 2)
                and all(isinstance(part, str) and part.strip() for part in parts)
                and "/" not in parts[-1]
            ):
                raise InputError(
                    "extra must name a column, or (channel, column), by words without a slash "
                    f"(files take that for a folder); got {key!r}."
                )
        if any(isinstance(each, str) for each in self.extra.values()):
            named = {
                key: load_plugin("descriptors", each) if isinstance(each, str) else each
                for key, each in self.extra.items()
            }
            object.__setattr__(self, "extra", named)
        if self.frame is not None:
            check_count("frame", self.frame, 0)
        check_fields(self)
