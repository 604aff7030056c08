"""The first column functions as blocks, until each has its own module."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.datasets.patches import patch_columns as old
from physlearn.datasets.patches.column_block import ColumnBlock
from physlearn.datasets.patches.patch_places import PatchPlaces
from physlearn.datasets.reading.pictures import picture_frame
from physlearn.records import AtomicConfiguration, LatticeSnapshots

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Cells:
    """A full grid of patches as the old functions want it."""

    places: PatchPlaces

    @property
    def shape(self) -> tuple[int, int]:
        return self.places.shape or (1, self.places.n)

    @property
    def centers(self) -> Floats:
        return self.places.centers

    def cell_of(self, points: Floats) -> NDArray[np.int64]:
        patch, point = self.places.members(points)
        cell = np.full(len(points), -1)
        cell[point] = patch
        return cell


def _block(columns: list[old.Column], notes: list[str], unknown: bool = False) -> ColumnBlock:
    n, k = len(columns[0].values), len(columns)
    covariance = np.zeros((n, k, k))
    for i, column in enumerate(columns):
        covariance[:, i, i] = column.variance
        for j, other in enumerate(columns):
            if other.name in column.covariance_with:
                covariance[:, i, j] = column.covariance_with[other.name]
    return ColumnBlock(
        tuple(c.name for c in columns), np.stack([c.values for c in columns], axis=1),
        tuple(c.tier for c in columns), tuple(c.unit for c in columns),
        None if unknown else np.nan_to_num(covariance), notes=tuple(notes),
    )  # fmt: skip


def old_atom_blocks(
    atoms: AtomicConfiguration, snapshots: LatticeSnapshots | None, places: PatchPlaces
) -> list[ColumnBlock]:
    notes: list[str] = []
    if snapshots is None or snapshots.graph.positions is None:
        notes.append("no lattice: strain and site composition are left out of the patches.")
        return [_block(old.free_atom_columns(atoms, _Cells(places)), notes)]
    return [_block(old.site_columns(atoms, snapshots, _Cells(places), notes), notes)]


def old_pixel_blocks(
    name: str, channel: xr.DataArray, places: PatchPlaces, tier: int, alone: bool
) -> list[ColumnBlock]:
    if alone:
        return [_block(old.picture_columns(picture_frame(channel), _Cells(places)), [])]
    notes: list[str] = []
    column = old.channel_column(name, channel, _Cells(places), notes)
    return [_block([column], notes, unknown=channel.attrs.get("noise_sd") is None)]
