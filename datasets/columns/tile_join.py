"""Tiles of a large picture: where they lie, and how their columns become one record on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.datasets.reading.picture_frame import picture_frame
from physlearn.records import AtomicConfiguration
from physlearn.whole_files import atomic_write

__all__ = ["GROUP", "TilePlan", "join_tiles", "tile_file"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SAME_WIDTHS = 0.9
"""Columns of two tiles closer than this are one, as within a picture."""
BORDER_WIDTHS = 8.0
GROUP = "covariance"
MOST_WARNINGS = 12


@dataclass(frozen=True, slots=True)
class TilePlan:
    """Where the tiles lie (pixels)."""

    shape: tuple[int, int]
    tile: int
    overlap: int
    width: float

    def tiles(self) -> Iterator[tuple[int, int]]:
        """Return the (row, column) number of every tile."""
        for a in range(self.count(0)):
            for b in range(self.count(1)):
                yield a, b

    def count(self, axis: int) -> int:
        """Return how many tiles lie along an axis."""
        return max(1, round(self.shape[axis] / self.tile))

    def core(self, number: int, axis: int) -> tuple[int, int]:
        """Return first and one past the last pixel that a tile answers for."""
        count, length = self.count(axis), self.shape[axis]
        return number * length // count, (number + 1) * length // count

    def window(self, number: int, axis: int) -> slice:
        """Return the pixels that a tile is fitted on."""
        low, high = self.core(number, axis)
        return slice(max(0, low - self.overlap), min(self.shape[axis], high + self.overlap))

    def outside(self, tile: tuple[int, int], places: Floats) -> Floats:
        """Return by how many pixels places (x, y) lie outside a tile's core; inside is negative."""
        beyond = []
        for axis, values in ((0, places[:, 1]), (1, places[:, 0])):
            low, high = self.core(tile[axis], axis)
            first, last = tile[axis] == 0, tile[axis] == self.count(axis) - 1
            # beyond the picture's own edge nobody else answers
            beyond.append(np.full(len(values), -np.inf) if first else low - 0.5 - values)
            beyond.append(np.full(len(values), -np.inf) if last else values - (high - 0.5))
        return np.asarray(np.max(beyond, axis=0))


def tile_file(folder: Path, number: tuple[int, int]) -> Path:
    """Return where a finished tile lies."""
    return folder / f"{number[0]:04d}_{number[1]:04d}.npz"


def _same(places: Floats, outside: Floats, owner: Integers, width: float) -> NDArray[np.bool_]:
    """Return flags of columns to keep: of two tiles' views of one column, the inner one."""
    keep = np.ones(len(places), dtype=np.bool_)
    near = np.flatnonzero(outside > -2.0 * width)
    if len(near):
        for i, j in cKDTree(places[near]).query_pairs(SAME_WIDTHS * width):
            one, two = near[i], near[j]
            if owner[one] != owner[two] and keep[one] and keep[two]:
                keep[one if outside[one] > outside[two] else two] = False
    return keep


def join_tiles(
    picture: Any, plan: TilePlan, folder: Path, path: Path, settings: dict[str, Any]
) -> AtomicConfiguration:
    """Write the record of all tiles, its covariance tile by tile; return the record."""
    import h5py

    files = [tile_file(folder, number) for number in plan.tiles()]
    names = ("positions", "position_covariance", "outside", "width", "intensity", "intensity_sd",
             "detection_probability", "noise", "warnings")  # fmt: skip
    found: dict[str, list[Any]] = {name: [] for name in names}
    for file in files:
        with np.load(file, allow_pickle=False) as tile:
            for name in names:
                if name in tile:
                    found[name].append(tile[name])
    sizes = np.array([len(part) for part in found["positions"]])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    places = np.concatenate(found["positions"])
    outside = np.concatenate(found["outside"])
    owner = np.repeat(np.arange(len(files)), sizes)
    keep = _same(places, outside, owner, plan.width)
    atoms = _record(picture, plan, found, keep, settings)
    number = np.where(keep, np.cumsum(keep) - 1, -1)
    edge = np.flatnonzero(keep & (outside > -BORDER_WIDTHS * plan.width))
    tree = cKDTree(places[edge]) if len(edge) else None
    scale = np.array([*(atoms.pixel_size or (1.0, 1.0)), 1.0, 1.0])
    unit = (scale[:, None] * scale).astype(np.float32)
    with atomic_write(path) as temporary:
        atoms.save(temporary)
        with h5py.File(temporary, "r+") as out:
            group = out.create_group(GROUP)
            group.create_dataset("blocks", (0, 4, 4), "f4", maxshape=(None, 4, 4))
            group.create_dataset("pairs", (0, 2), "i8", maxshape=(None, 2))
            group.create_dataset("cross", (0, 4, 4), "f4", maxshape=(None, 4, 4))
            for file, offset, size in zip(files, offsets, sizes, strict=False):
                with np.load(file, allow_pickle=False) as tile:
                    _append(group["blocks"], tile["blocks"][keep[offset : offset + size]] * unit)
                    pairs, cross = number[tile["pairs"] + offset], tile["cross"]
                    more, shared = _across(tile, number, offset, edge, tree, plan.width)
                    pairs, cross = np.concatenate([pairs, more]), np.concatenate([cross, shared])
                    good = (pairs >= 0).all(axis=1)
                    _append(group["pairs"], pairs[good])
                    _append(group["cross"], cross[good] * unit)
    return atoms


def _append(dataset: Any, rows: NDArray[Any]) -> None:
    """Add rows to a growing dataset."""
    before = len(dataset)
    dataset.resize(before + len(rows), axis=0)
    dataset[before:] = rows


def _across(
    tile: Any, number: Integers, offset: int, edge: Integers, tree: Any, width: float
) -> tuple[Integers, NDArray[np.float32]]:
    """Return a tile's pairs with columns of the tiles next door, each pair from one tile only."""
    cross = tile["border_cross"]
    if len(cross) == 0 or tree is None:
        return np.empty((0, 2), np.int64), np.empty((0, 4, 4), np.float32)
    distance, near = tree.query(tile["border_places"])
    one = number[tile["border"] + offset]
    two = number[edge[np.minimum(near, len(edge) - 1)]]
    inside = (edge[np.minimum(near, len(edge) - 1)] >= offset) & (
        edge[np.minimum(near, len(edge) - 1)] < offset + len(tile["positions"])
    )
    good = (distance < 0.5 * width) & (one >= 0) & (one < two) & ~inside
    return np.stack([one, two], axis=1)[good], cross[good]


def _record(
    picture: Any,
    plan: TilePlan,
    found: dict[str, list[Any]],
    keep: NDArray[np.bool_],
    settings: dict[str, Any],
) -> AtomicConfiguration:
    """Return the columns of all tiles in the picture's own unit."""
    size = min(32, *plan.shape)
    origin, pixel, unit, source = (0.0, 0.0), (1.0, 1.0), "pixel", "array"
    if isinstance(picture, xr.DataArray):
        frame = picture_frame(picture[:size, :size])
        origin, pixel, unit, source = frame.origin, frame.pixel_size, frame.unit, frame.source
    scale = np.array(pixel)
    values: dict[str, Any] = {
        name: np.concatenate(found[name])[keep]
        for name in ("width", "intensity", "intensity_sd", "detection_probability")
        if found[name]
    }
    values["width"] = values["width"] * float(np.sqrt(scale[0] * scale[1]))
    said: dict[str, int] = {}
    for texts in found["warnings"]:
        for text in texts:
            said[str(text)] = said.get(str(text), 0) + 1
    n_tiles = len(found["warnings"])
    warnings = tuple(
        text if count == n_tiles else f"in {count} of {n_tiles} tiles: {text}"
        for text, count in sorted(said.items(), key=lambda item: -item[1])[:MOST_WARNINGS]
    )
    offset, gain = np.nanmedian(np.array(found["noise"]), axis=0)  # of tiles that were fitted
    return AtomicConfiguration(
        np.array(origin) + np.concatenate(found["positions"])[keep] * scale,
        unit=unit,
        position_covariance=np.concatenate(found["position_covariance"])[keep]
        * scale[:, None] * scale,
        field_of_view=(
            float(origin[0]), float(origin[1]),
            float(origin[0] + (plan.shape[1] - 1) * scale[0]),
            float(origin[1] + (plan.shape[0] - 1) * scale[1]),
        ),
        pixel_size=(float(scale[0]), float(scale[1])),
        metadata={
            **settings, "source": source,
            "noise_offset": float(offset), "noise_gain": float(gain),
            "column_width_px": plan.width, "tiles": n_tiles,
            "intensity_definition": "2 pi amplitude width^2, intensity x pixel^2",
        },
        warnings=warnings,
        **values,
    )  # fmt: skip
