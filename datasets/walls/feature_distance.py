"""How far each point of a wall is from another feature, with an error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.walls.picture_grid import picture_grid
from physlearn.records import WallTrack

__all__ = ["measure_feature_distance"]

Floats = NDArray[np.float64]
_Grid = tuple[Floats, float]
PIXEL_ERROR = 1.0 / np.sqrt(12.0)
SMOOTHING_PIXEL = 1.0
LEAST_SEPARATION = 3.0


def measure_feature_distance(track: WallTrack, feature: WallTrack | xr.DataArray) -> WallTrack:
    """Measure the distance of every wall point to the nearest other feature, as a covariate.

    Parameters
    ----------
    track
        Walls whose points are measured.
    feature
        Another WallTrack in the same unit (its first frame, or the same frame where both have as
        many), a boolean DataArray (y, x) or (time, y, x) that is true inside the feature, or a
        channel of two levels whose border is the feature (ferroelastic domains): found at Otsu's
        cut of the channel smoothed over a pixel.

    Returns
    -------
    WallTrack
        The track with ``feature_distance`` (0 inside a mask) and ``feature_distance_error``: the
        errors of both ends along their connection, 1 / sqrt(12) pixel for the border of a mask, and
        noise over slope for that of a channel. NaN in frames without the feature.

    Raises
    ------
    InputError
        For a feature of another unit, shape or number of frames.
    NotIdentified
        When the feature is nowhere, or a channel shows one level only.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_scene
    >>> track = make_wall_scene("domains", (96, 96), 3, rng=1).track
    >>> mask = xr.DataArray(np.zeros((96, 96), bool), dims=("y", "x"))
    >>> mask[:, 0] = True
    >>> distance = measure_feature_distance(track, mask).table["feature_distance"]
    >>> bool(abs(distance - (track.table["x"] - 0.5)).max() < 0.02)
    True
    """
    borders = _borders(track, feature)
    table = track.table.copy()
    distance, error = np.full(len(table), np.nan), np.full(len(table), np.nan)
    frames = table["frame"].to_numpy()
    places = table[["x", "y"]].to_numpy()
    normals = table[["normal_x", "normal_y"]].to_numpy()
    own_error = table["normal_error"].to_numpy()
    for frame in np.unique(frames):
        border = borders[int(frame) if len(borders) > 1 else 0]
        if border is None:
            continue
        rows = np.flatnonzero(frames == frame)
        gap, nearest = cKDTree(border.points).query(places[rows])
        toward = (border.points[nearest] - places[rows]) / np.maximum(gap, 1e-12)[:, None]
        mine = own_error[rows] * np.abs(np.einsum("ij,ij->i", toward, normals[rows]))
        inside = border.inside(places[rows])
        distance[rows] = np.where(inside, 0.0, gap)
        error[rows] = np.where(inside, 0.0, np.hypot(mine, border.errors[nearest]))
    table["feature_distance"], table["feature_distance_error"] = distance, error
    return replace(track, table=table)


class _Border:
    """Points on the border of a feature with their errors, and what lies inside."""

    def __init__(
        self, points: Floats, errors: Floats, mask: NDArray[np.bool_] | None = None,
        grid: _Grid | None = None,
    ) -> None:  # fmt: skip
        self.points, self.errors, self.mask, self.grid = points, errors, mask, grid

    def inside(self, places: Floats) -> NDArray[np.bool_]:
        """Tell which places lie in the mask, if there is one."""
        if self.mask is None or self.grid is None:
            return np.zeros(len(places), dtype=bool)
        origin, step = self.grid
        cells = np.rint((places - origin) / step).astype(int)
        rows, columns = self.mask.shape
        known: NDArray[np.bool_] = (
            (cells >= 0).all(axis=1) & (cells[:, 0] < columns) & (cells[:, 1] < rows)
        )
        cells = np.where(known[:, None], cells, 0)
        known &= self.mask[cells[:, 1], cells[:, 0]]
        return known


def _borders(track: WallTrack, feature: WallTrack | xr.DataArray) -> list[_Border | None]:
    """Return the feature's border in its one frame, or in each frame of the track."""
    if not isinstance(track, WallTrack):
        raise InputError(f"track must be a WallTrack; got {type(track).__name__}.")
    if isinstance(feature, WallTrack):
        if feature.unit != track.unit:
            raise InputError(
                f"feature must be in the track's unit {track.unit}; got {feature.unit}."
            )
        count = track.n_frames if feature.n_frames == track.n_frames else 1
        found: list[_Border | None] = []
        for frame in range(count):
            rows = feature.table[feature.table["frame"] == frame]
            points = rows[["x", "y"]].to_numpy()
            found.append(_Border(points, rows["normal_error"].to_numpy()) if len(rows) else None)
    elif isinstance(feature, xr.DataArray) and set(feature.dims) in (
        {"y", "x"}, {"time", "y", "x"},
    ):  # fmt: skip
        whole = feature if "time" in feature.dims else feature.expand_dims("time")
        whole = whole.transpose("time", "y", "x")
        if whole.sizes["time"] not in (1, track.n_frames):
            raise InputError(
                f"feature must have one frame or the track's {track.n_frames}; got "
                f"{whole.sizes['time']}."
            )
        mask = whole.dtype == bool
        grid = picture_grid("feature", feature, track)
        found = [
            _of_mask(frame, grid) if mask else _of_channel(frame, grid)
            for frame in whole.to_numpy()
        ]
    else:
        raise InputError(
            "feature must be a WallTrack or a DataArray with dims (y, x) or (time, y, x); got "
            f"{type(feature).__name__} {getattr(feature, 'dims', '')}."
        )
    if all(border is None for border in found):
        raise NotIdentified("feature is nowhere in the picture: there is no distance to it.")
    return found


def _of_mask(inside: NDArray[np.bool_], grid: _Grid) -> _Border | None:
    """Border of a mask: the edges between its pixels and the others."""
    if not inside.any():
        return None
    origin, step = grid
    padded = np.pad(inside, 1)
    points = []
    for axis in (0, 1):
        for side in (-1, 1):
            edge = inside & ~np.roll(padded, -side, axis=axis)[1:-1, 1:-1]
            rows, columns = np.nonzero(edge)
            for along in np.linspace(-0.5, 0.5, 5):
                place = [columns + along, rows + 0.5 * side]
                if axis == 1:
                    place = [columns + 0.5 * side, rows + along]
                points.append(np.stack(place, axis=1))
    border = origin + step * np.concatenate(points)
    return _Border(border, np.full(len(border), PIXEL_ERROR * step), inside, grid)


def _of_channel(channel: Floats, grid: _Grid) -> _Border:
    """Border between the two levels of a channel, to a fraction of a pixel."""
    from skimage.filters import threshold_otsu
    from skimage.measure import find_contours

    values = channel.astype(np.float64)
    seen = np.isfinite(values)
    if not seen.any():
        raise NotIdentified("feature shows no pixel that was seen: there is no border in it.")
    weight = ndimage.gaussian_filter(seen.astype(float), SMOOTHING_PIXEL)
    smooth = ndimage.gaussian_filter(np.where(seen, values, 0.0), SMOOTHING_PIXEL)
    smooth = np.where(weight > 0.3, smooth / np.maximum(weight, 1e-9), np.nan)
    known = smooth[np.isfinite(smooth)]
    cut = float(threshold_otsu(known))  # type: ignore[no-untyped-call]
    low, high = known[known <= cut], known[known > cut]
    spread = max(float(np.std(low)), float(np.std(high)), 1e-300) if high.size else np.inf
    if not high.size or (high.mean() - low.mean()) / spread < LEAST_SEPARATION:
        raise NotIdentified("feature shows one level only: it has no border to measure from.")
    lines = find_contours(smooth, cut)  # type: ignore[no-untyped-call]
    points = np.concatenate(lines)[:, ::-1]
    change = values[:, 2:] - 2.0 * values[:, 1:-1] + values[:, :-2]
    noise = 1.4826 * float(np.nanmedian(np.abs(change))) / np.sqrt(6.0)
    noise /= 2.0 * np.sqrt(np.pi) * SMOOTHING_PIXEL
    slopes = np.hypot(*np.gradient(np.nan_to_num(smooth, nan=cut)))
    slope = ndimage.map_coordinates(slopes, points.T[::-1], order=1, mode="nearest")
    origin, step = grid
    errors = np.minimum(noise / np.maximum(slope, 1e-12), 5.0) * step
    return _Border(origin + step * points, errors)
