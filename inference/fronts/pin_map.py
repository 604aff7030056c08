"""Distance of a wall's points to features that may pin it, from their places or a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, check_array
from physlearn.lattice_models.compiled import kernel
from physlearn.records import WallTrack

__all__ = ["PinMap", "make_pin_map"]

Floats = NDArray[np.float64]

FINENESS = 4.0  # nodes a point spacing: the distance has a kink at every pin
MOST_NODES = 1600  # along a side
BEYOND = 0.2  # of the walls' extent: fronts go on beyond the view
NEAREST = 0.5  # point spacings: the inverse distance is cut off there


@dataclass(frozen=True, slots=True, eq=False)
class PinMap:
    """Distance to the nearest pin, looked up on a fine grid.

    Attributes
    ----------
    places
        x, y of the pins, shape (n_pins, 2), in the track's unit.
    origin
        x, y of the first node.
    step
        Between nodes.
    table
        Distances, shape (n_x, n_y), never below ``nearest``.
    nearest
        Smallest distance that is told from none.
    slopes
        Derivatives of the distance along x and y, shape (2, n_x, n_y).
    """

    places: Floats
    origin: Floats
    step: float
    table: Floats
    nearest: float
    slopes: Floats

    def facing(self, x: Floats, y: Floats, normals: tuple[Floats, Floats]) -> Floats:
        """Cosine between normals and the direction to the nearest pin."""
        along = [
            self._looked_up(table, x, y) * normal
            for table, normal in zip(self.slopes, normals, strict=True)
        ]
        return -along[0] - along[1]

    def at(self, x: Floats, y: Floats) -> Floats:
        """Return distances at points of any shape, bilinear; the grid's edge counts beyond it."""
        return self._looked_up(self.table, x, y)

    def _looked_up(self, table: Floats, x: Floats, y: Floats) -> Floats:
        found = np.empty(np.shape(x))
        look_up(
            table, float(self.origin[0]), float(self.origin[1]), self.step,
            np.ascontiguousarray(x).ravel(), np.ascontiguousarray(y).ravel(), found.ravel(),
        )  # fmt: skip
        return found


@kernel
def look_up(
    table: Floats, left: float, low: float, step: float, x: Floats, y: Floats, found: Floats
) -> Any:
    """Write bilinear values of a table with nodes ``step`` apart; its edge counts beyond it."""
    n_x, n_y = table.shape
    for k in range(x.size):
        if not (math.isfinite(x[k]) and math.isfinite(y[k])):  # of a front that collapsed
            found[k] = np.nan
            continue
        across = min(max((x[k] - left) / step, 0.0), n_x - 1.001)
        up = min(max((y[k] - low) / step, 0.0), n_y - 1.001)
        i, j = int(across), int(up)
        f, g = across - i, up - j
        found[k] = (1.0 - f) * ((1.0 - g) * table[i, j] + g * table[i, j + 1]) + f * (
            (1.0 - g) * table[i + 1, j] + g * table[i + 1, j + 1]
        )


def make_pin_map(pins: Any, track: WallTrack, spacing: float) -> PinMap:
    """Read pins: places (k, 2) as x, y in the track's unit, or a two-valued picture of the view.

    Parameters
    ----------
    pins
        Numbers of shape (k, 2); or a picture (rows, columns) of True and False, or 1 and 0, with
        as many pixels as the film.
    track
        Its view bounds the places.
    spacing
        Usual distance between the points of a wall.

    Raises
    ------
    InputError
        If pins have another shape, are not finite, lie outside the picture, or a picture does not
        fit the film, is not two-valued or shows no feature.
    """
    table = track.table
    view = track.metadata.get("field_of_view")
    picture = np.asarray(pins)
    if picture.dtype == bool or (picture.ndim == 2 and picture.shape[1] != 2):
        places = _places_of(picture, track, view)
    else:
        places = _checked(pins, view)
    points = table[["x", "y"]].to_numpy(dtype=np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = BEYOND * float((high - low).max()) + 2 * spacing
    low, high = low - margin, high + margin
    step = max(spacing / FINENESS, float((high - low).max()) / MOST_NODES)
    axes = [start + step * np.arange(int((end - start) / step) + 3)
            for start, end in zip(low, high, strict=True)]  # fmt: skip
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    away = np.asarray(cKDTree(places).query(nodes.reshape(-1, 2))[0]).reshape(nodes.shape[:2])
    nearest = NEAREST * spacing
    slopes = np.stack(np.gradient(away, step))
    return PinMap(places, low, step, np.maximum(away, nearest), nearest, slopes)


def _checked(pins: Any, view: Any) -> Floats:
    places = check_array("pins", pins, ndim=2)
    if places.shape[1] != 2 or not len(places):
        raise InputError(f"pins must be places (k, 2), columns x and y; got shape {places.shape}.")
    if view is not None:
        box = np.asarray(view, dtype=np.float64)
        outside = (places < box[:2]).any(axis=1) | (places > box[2:]).any(axis=1)
        if outside.any():
            first = int(np.flatnonzero(outside)[0])
            x, y = places[first]
            raise InputError(
                f"pins must lie in the picture, x {box[0]:.4g} to {box[2]:.4g} and y {box[1]:.4g} "
                f"to {box[3]:.4g}; pin {first} is at ({x:.4g}, {y:.4g}): give x, y in the track's "
                "unit, or drop it."
            )
    return places


def _places_of(picture: NDArray[Any], track: WallTrack, view: Any) -> Floats:
    """Places of the features' pixels in the track's unit."""
    shape = tuple(int(track.metadata.get(name, 0)) for name in ("frame_rows", "frame_columns"))
    if view is None or not all(shape):
        raise InputError(
            "pins as a picture need a track that knows its view (track_walls); give places (k, 2)."
        )
    if picture.shape != shape:
        raise InputError(
            f"pins must be places (k, 2) or a picture of the film's {shape[0]} rows and {shape[1]} "
            f"columns; got shape {picture.shape}."
        )
    if picture.dtype.kind not in "biuf" or not np.isin(picture, (0, 1)).all():
        raise InputError(
            "pins as a picture must hold True where a feature is and False elsewhere: threshold it."
        )
    rows, columns = np.nonzero(picture)
    if not rows.size:
        raise InputError("pins must show a feature; every pixel of the picture is False.")
    box = np.asarray(view, dtype=np.float64)
    pixel = (box[2:] - box[:2]) / np.array(shape[::-1])
    places: Floats = box[:2] + pixel * (np.stack([columns, rows], axis=1) + 0.5)
    return places
