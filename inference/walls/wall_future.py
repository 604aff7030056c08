"""A fan of futures of walls, and how it fared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import CREDIBLE_MASS, InputError
from physlearn.records import WallTrack
from physlearn.records.storage import html_table, short_repr

__all__ = ["WallForecast", "WallFuture"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class WallFuture:
    """Futures of one wall: radius over the angle, or height over the place along a line.

    Attributes
    ----------
    wall, closed
        Identity in the track, and whether it closes.
    center, axes
        Origin x, y, and the unit vectors of place and height (open walls).
    places
        Angles or places of the nodes, shape (n_nodes,).
    values
        Shape (n_futures, n_frames, n_nodes): radius or height.
    last
        Shape (n_nodes,): the wall in the last frame seen (persistence).
    steady
        Shape (n_frames, n_nodes): the wall that goes on with the velocity it had last.
    seen
        Smallest and largest place that was in view.
    lost
        Futures that collapsed and were replaced by another.
    """

    wall: int
    closed: bool
    center: Floats
    axes: Floats
    places: Floats
    values: Floats
    last: Floats
    steady: Floats
    seen: tuple[float, float]
    lost: int

    __repr__ = short_repr
    _repr_html_ = html_table

    def at(self, values: Floats, place: Floats) -> Floats:
        """Interpolate nodes (..., n_nodes) to places (n,), shape (..., n)."""
        if self.closed:
            step = 2 * np.pi / self.places.size
            where = (place % (2 * np.pi)) / step
            left = np.floor(where).astype(int)
            share = where - left
            left = left % self.places.size
            right = (left + 1) % self.places.size
        else:
            where = (place - self.places[0]) / (self.places[1] - self.places[0])
            left = np.clip(np.floor(where).astype(int), 0, self.places.size - 2)
            share, right = where - left, left + 1
        result: Floats = values[..., left] * (1 - share) + values[..., right] * share
        return result

    def points(self, values: Floats) -> Floats:
        """Return x, y of nodes in view, shape (..., n, 2)."""
        if self.closed:
            unit = np.stack([np.cos(self.places), np.sin(self.places)], axis=-1)
            result: Floats = self.center + values[..., None] * unit
            return result
        inside = (self.places >= self.seen[0]) & (self.places <= self.seen[1])
        along = self.places[inside, None] * self.axes[0]
        result = self.center + along + values[..., inside, None] * self.axes[1]
        return result

    def local(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Place and value of points."""
        offset = np.stack([x, y], axis=-1) - self.center
        if self.closed:
            return np.arctan2(offset[:, 1], offset[:, 0]), np.hypot(*offset.T)
        place, height = self.axes @ offset.T
        return place, height


@dataclass(frozen=True, slots=True, eq=False)
class WallForecast:
    """Futures of all walls.

    Attributes
    ----------
    frame_times
        Times of the future frames, shape (n_frames,).
    futures
        One `WallFuture` a wall.
    shift_error
        Standard deviation of the shift that all walls of a measured frame share.
    unit
        Unit of length.

    Examples
    --------
    >>> still = np.full(32, 5.0)
    >>> one = WallFuture(0, True, np.zeros(2), np.eye(2), 2 * np.pi * np.arange(32) / 32,
    ...     np.full((20, 1, 32), 6.0), still, still[None], (0.0, 6.3), 0)
    >>> forecast = WallForecast(np.array([1.0]), (one,), 0.0, "pixel")
    >>> forecast.walls, forecast.quantiles(0, 0)[1][0].round(6).tolist()
    ([0], [6.0, 0.0])
    """

    frame_times: Floats
    futures: tuple[WallFuture, ...]
    shift_error: float
    unit: str

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def walls(self) -> list[int]:
        """Identities of the walls."""
        return [future.wall for future in self.futures]

    @property
    def values(self) -> list[Floats]:
        """Of every wall: radii or heights, (n_futures, n_frames, n_nodes)."""
        return [future.values for future in self.futures]

    def _of(self, wall: int) -> WallFuture:
        for future in self.futures:
            if future.wall == wall:
                return future
        raise InputError(f"wall must be one of {self.walls}; got {wall}.")

    def quantiles(
        self, wall: int, frame: int, mass: float = CREDIBLE_MASS
    ) -> tuple[Floats, Floats, Floats]:
        """Return lower bound, median and upper bound of a wall's contour, each (n, 2) of x, y."""
        future = self._of(wall)
        tails = [(1 - mass) / 2, 0.5, (1 + mass) / 2]
        low, middle, high = np.quantile(future.values[:, frame], tails, axis=0)
        return future.points(low), future.points(middle), future.points(high)

    def score(self, held: WallTrack, mass: float = CREDIBLE_MASS) -> pd.DataFrame:
        """Compare with what was seen: coverage and errors by frame, beside two baselines.

        Parameters
        ----------
        held
            Track of the future frames, with the same identities (`hold_out_frames`).
        mass
            Mass of the intervals, which hold the wall and the error of its measurement.

        Returns
        -------
        DataFrame
            One row a frame and wall: ``covered`` (share of points inside), ``rmse`` of the median,
            ``persistence_rmse``, ``steady_rmse`` (constant velocity), ``sharpness`` (mean sd),
            ``z_whole`` (error of the wall's mean place over its sd).

        Raises
        ------
        InputError
            If the track has fewer frames than it takes, or none of the walls.
        """
        if held.n_frames < 1 or not set(held.walls) & set(self.walls):
            raise InputError("held must hold later frames of walls that were predicted.")
        if held.unit != self.unit:
            raise InputError(f"held has the unit {held.unit!r}, the forecast {self.unit!r}.")
        generator = np.random.default_rng(0)  # of the measurement's errors: a part of the interval
        rows = []
        for future in self.futures:
            for frame in range(min(held.n_frames, len(self.frame_times))):
                points = held.contour(frame, future.wall)
                place, value = future.local(points["x"].to_numpy(), points["y"].to_numpy())
                if not future.closed:
                    inside = (place >= future.seen[0]) & (place <= future.seen[1])
                    points, place, value = points[inside], place[inside], value[inside]
                if not len(points):
                    continue
                drawn = future.at(future.values[:, frame], place)
                normal = points[["normal_x", "normal_y"]].to_numpy()
                facing = np.clip(np.abs((normal * _outward(future, place).T).sum(1)), 0.2, 1.0)
                error = points["normal_error"].to_numpy() / facing
                shift = self.shift_error * generator.standard_normal((len(drawn), 1))
                seen = drawn + shift + error * generator.standard_normal(drawn.shape)
                low, high = np.quantile(seen, [(1 - mass) / 2, (1 + mass) / 2], axis=0)
                middle = np.median(drawn, axis=0)
                whole = (drawn + shift).mean(axis=1)
                sd = np.hypot(whole.std(), np.sqrt((error**2).sum()) / error.size)
                rows.append({
                    "frame": frame, "wall": future.wall, "n_points": len(value),
                    "covered": float(((value >= low) & (value <= high)).mean()),
                    "rmse": _rms(value - middle),
                    "persistence_rmse": _rms(value - future.at(future.last, place)),
                    "steady_rmse": _rms(value - future.at(future.steady[frame], place)),
                    "sharpness": float(drawn.std(axis=0).mean()),
                    "z_whole": float((value.mean() - whole.mean()) / max(sd, 1e-12)),
                })  # fmt: skip
        return pd.DataFrame(rows)


def _outward(future: WallFuture, place: Floats) -> Floats:
    """Directions along which values are measured, (2, n)."""
    if future.closed:
        return np.stack([np.cos(place), np.sin(place)])
    return np.repeat(future.axes[1][:, None], place.size, axis=1)


def _rms(miss: Floats) -> float:
    return float(np.sqrt((miss**2).mean()))
