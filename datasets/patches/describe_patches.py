"""Patches of a picture: composition, structure and response of each, with measurement errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, check_positive
from physlearn.datasets.patches import patch_columns as columns
from physlearn.datasets.reading.pictures import picture_frame
from physlearn.records import AtomicConfiguration, LatticeSnapshots, PatchTable

__all__ = ["describe_patches"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Channels = xr.Dataset | xr.DataArray | Mapping[str, xr.DataArray]

SPACINGS_PER_PATCH = 3.0
PATCHES_PER_EDGE = 16
SMALLEST_PATCH_PX = 8
COARSE_CELLS = 64
"""A channel with at most this many cells an edge may set the patch grid by its own cells."""


@dataclass(frozen=True, slots=True, eq=False)
class PatchGrid:
    """Square patches side by side.

    Attributes
    ----------
    corner
        (x, y) of the lower corner of the first patch.
    size
        Edge of a patch.
    shape
        Patches along y and x.
    unit
        Unit of lengths.
    """

    corner: tuple[float, float]
    size: float
    shape: tuple[int, int]
    unit: str

    @property
    def centers(self) -> Floats:
        """Return x, y of each patch, row by row."""
        y, x = np.mgrid[: self.shape[0], : self.shape[1]]
        corner = np.array(self.corner)
        return np.asarray(corner + (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) * self.size)

    def cell_of(self, points: Floats) -> Integers:
        """Return the patch number of each point (n, 2), -1 outside."""
        # a point on an edge belongs to one patch whatever the rounding of its coordinates
        cell = np.floor((points - np.array(self.corner)) / self.size + 1e-9).astype(np.int64)
        inside = np.all((cell >= 0) & (cell < np.array(self.shape[::-1])), axis=1)
        return np.asarray(np.where(inside, cell[:, 1] * self.shape[1] + cell[:, 0], -1))


def describe_patches(
    atoms: AtomicConfiguration | None,
    snapshots: LatticeSnapshots | None = None,
    channels: Channels | None = None,
    *,
    patch_size: float | None = None,
) -> PatchTable:
    """Describe square patches, side by side, by what their columns and channels show.

    Tier 0 (composition): ``composition`` (share of state +1), ``intensity_residual`` (mean log
    intensity against its species), ``missing_neighbours`` (where sites are vacant). Tier 1
    (structure): ``dilation``, ``deviatoric_strain`` (xx - yy) and ``shear_strain`` (xy + yx) of the
    affine map from the mean lattice, fitted to the patch's positions; ``bond_order``
    (|psi_6| or |psi_4|; Steinhardt et al., 1983, doi:10.1103/PhysRevB.28.784). Tier 2 (response):
    the mean of each channel. A picture without atoms gives ``mean_intensity`` (0),
    ``local_variance``, ``crystallinity`` and ``gradient`` (1).

    Parameters
    ----------
    atoms
        Columns of the picture; None for a picture without.
    snapshots
        Their sites (``assign_sites``); None leaves out what needs a lattice.
    channels
        Dataset, DataArray (channel, y, x) or mapping of DataArrays (y, x) on the picture's
        coordinates, of any pixel size. One DataArray (y, x) with ``atoms=None`` is the picture.
        Attributes ``units`` and ``noise_sd`` (of one pixel) are used where given.
    patch_size
        Edge in the unit of length; None takes the cells of a coarse channel, else 3 lattice
        constants, else a sixteenth of the picture.

    Returns
    -------
    PatchTable
        ``measurement_covariance`` comes from the columns' covariances, the label likelihoods and
        the channels' ``noise_sd``; patches that lack a descriptor are left out and counted in
        ``selection``; columns that do not vary are left out and named in ``warnings``.

    Raises
    ------
    InputError
        When there is nothing to describe, units differ, or the patches are too large.
    NotIdentified
        When no patch has every descriptor.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> picture = xr.DataArray(rng.normal(size=(64, 64)), dims=("y", "x"))
    >>> table = describe_patches(None, None, picture, patch_size=16.0)
    >>> table.n_patches, table.tiers["mean_intensity"]
    (16, 0)
    """
    if atoms is not None and atoms.n == 0:
        atoms = None
    if patch_size is not None:
        check_positive("patch_size", patch_size)
    picture = None
    if atoms is None:
        if isinstance(channels, xr.DataArray) and "channel" not in channels.dims:
            picture, channels = channels, None
        elif channels is None:
            raise InputError("atoms and channels are both None: there is nothing to describe.")
    named = _named_channels(channels)
    grid = _grid(atoms, snapshots, picture, named, patch_size)
    parts: list[columns.Column] = []
    notes: list[str] = []
    if picture is not None:
        parts += columns.picture_columns(picture_frame(picture), grid)
    if atoms is not None:
        parts += _atom_columns(atoms, snapshots, grid, notes)
    for name, channel in named.items():
        parts.append(columns.channel_column(name, channel, grid, notes))
    said = () if atoms is None else atoms.warnings
    if snapshots is not None:
        said = (*said, *snapshots.warnings)
    return _table(parts, grid, atoms, (*said, *notes))


def _named_channels(channels: Channels | None) -> dict[str, xr.DataArray]:
    """Return every channel under its controlled name (lower case, underscores)."""
    if channels is None:
        return {}
    if isinstance(channels, xr.DataArray):
        if "channel" in channels.dims:
            if "channel" not in channels.coords:
                raise InputError("channels must have a coordinate `channel` with their names.")
            units = channels.attrs.get("channel_units", {})
            pairs = {
                str(name): channels.sel(channel=name, drop=True)
                for name in channels.coords["channel"].to_numpy()
            }
            for name, unit in units.items() if isinstance(units, Mapping) else ():
                pairs[name] = pairs[name].assign_attrs(units=unit)
        else:
            pairs = {str(channels.name or "channel"): channels}
    else:
        pairs = {str(name): value for name, value in channels.items()}
    named = {}
    for name, value in pairs.items():
        if not isinstance(value, xr.DataArray) or set(value.dims) != {"y", "x"}:
            raise InputError(f"channel {name} must be a DataArray with dims (y, x).")
        clean = "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
        if clean in named or clean in columns.RESERVED_NAMES:
            raise InputError(f"channel name {name!r} is taken; rename the channel.")
        named[clean or "channel"] = value.transpose("y", "x")
    return named


def _grid(
    atoms: AtomicConfiguration | None,
    snapshots: LatticeSnapshots | None,
    picture: xr.DataArray | None,
    named: dict[str, xr.DataArray],
    patch_size: float | None,
) -> PatchGrid:
    """Return the patch grid: given size, a coarse channel's cells, or lattice constants."""
    frames = [columns.axis_frame(name, value) for name, value in named.items()]
    if picture is not None:
        frames.insert(0, columns.axis_frame("image", picture))
    coarse = [f for f in frames if max(f.shape) <= COARSE_CELLS and picture is None]
    unit = atoms.unit if atoms is not None else frames[0].unit
    for frame in frames:
        if frame.unit != unit:
            raise InputError(
                f"channels must share the picture's unit {unit}; one is in {frame.unit}."
            )
    if patch_size is None and coarse:
        first = coarse[0]
        if abs(first.step[0] - first.step[1]) < 1e-6 * first.step[0]:
            corner = (first.start[0] - 0.5 * first.step[0], first.start[1] - 0.5 * first.step[1])
            return PatchGrid(corner, first.step[0], first.shape, unit)
    if atoms is not None:
        view = atoms.field_of_view
        if view is None:
            view = (*atoms.positions.min(axis=0), *atoms.positions.max(axis=0))
        low, high = np.array(view[:2]), np.array(view[2:])
    else:
        low = np.max([f.start for f in frames], axis=0)
        steps = np.array([f.step for f in frames])
        ends = np.array([f.start for f in frames]) + steps * (
            np.array([f.shape[::-1] for f in frames]) - 1
        )
        low, high = low - 0.5 * steps.min(axis=0), ends.min(axis=0) + 0.5 * steps.min(axis=0)
    size = patch_size
    if size is None and snapshots is not None and "lattice_constant" in snapshots.metadata:
        size = SPACINGS_PER_PATCH * float(snapshots.metadata["lattice_constant"])
    if size is None:
        pixel = 1.0
        if atoms is not None and atoms.pixel_size is not None:
            pixel = max(atoms.pixel_size)
        elif frames:
            pixel = max(frames[0].step)
        size = max(float((high - low).min()) / PATCHES_PER_EDGE, SMALLEST_PATCH_PX * pixel)
    count = np.floor((high - low) / size + 1e-9).astype(int)
    if count.min() < 1 or count.prod() < 4:
        raise InputError(
            f"patch_size {size:.4g} {unit} is too large: fewer than 4 patches fit into the picture."
        )
    corner = low + 0.5 * (high - low - count * size)
    return PatchGrid(
        (float(corner[0]), float(corner[1])), float(size), (int(count[1]), int(count[0])), unit
    )


def _atom_columns(
    atoms: AtomicConfiguration,
    snapshots: LatticeSnapshots | None,
    grid: PatchGrid,
    notes: list[str],
) -> list[columns.Column]:
    """Return the columns that positions, species and sites give."""
    if snapshots is None or snapshots.graph.positions is None:
        notes.append("no lattice: strain and site composition are left out of the patches.")
        return columns.free_atom_columns(atoms, grid)
    return columns.site_columns(atoms, snapshots, grid, notes)


def _table(
    parts: list[columns.Column],
    grid: PatchGrid,
    atoms: AtomicConfiguration | None,
    warnings: tuple[str, ...],
) -> PatchTable:
    """Return the record of patches that have every descriptor."""
    notes = list(dict.fromkeys(warnings))
    complete = np.all([np.isfinite(part.values) for part in parts], axis=0)
    if not complete.any():
        raise NotIdentified("no patch holds enough columns and pixels for every descriptor.")
    kept = []
    for part in parts:
        values = part.values[complete]
        if np.ptp(values) <= 1e-12 * max(float(np.abs(values).max()), 1e-300):
            notes.append(f"{part.name} does not vary between patches and was left out.")
        else:
            kept.append(part)
    if not kept:
        raise NotIdentified("no descriptor varies between patches.")
    n = int(complete.sum())
    covariance = np.zeros((n, len(kept), len(kept)))
    for i, part in enumerate(kept):
        covariance[:, i, i] = part.variance[complete]
        for j in range(i):
            shared = part.covariance_with.get(kept[j].name)
            if shared is not None:
                covariance[:, i, j] = covariance[:, j, i] = shared[complete]
    if atoms is None:
        notes.append(
            "descriptors of the picture alone share its pixels and have no known error: none is "
            "handed on."
        )
    selection = "all"
    if n < len(complete):
        selection = (
            f"{n} of {len(complete)} patches: those with enough columns and pixels for every "
            "descriptor"
        )
    rows, cells = np.divmod(np.flatnonzero(complete), grid.shape[1])
    length = None
    if atoms is not None and atoms.width is not None:
        # errors of neighbouring columns agree over about the width of a column
        length = float(np.median(atoms.width))
    return PatchTable(
        pd.DataFrame({part.name: part.values[complete] for part in kept}),
        grid.centers[complete],
        grid.size,
        unit=grid.unit,
        units={part.name: part.unit for part in kept},
        tiers={part.name: part.tier for part in kept},
        measurement_covariance=None if atoms is None else covariance,
        error_correlation_length=length,
        selection=selection,
        covariates=pd.DataFrame({"patch_row": rows, "patch_column": cells}),
        metadata={"patches_along_x": grid.shape[1], "patches_along_y": grid.shape[0]},
        warnings=tuple(notes),
    )
