"""Domain walls: sub-pixel contours over time, with their errors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_choice
from physlearn.records.atoms import LENGTH_UNITS
from physlearn.records.storage import (
    described,
    frame_from_dataset,
    frame_to_dataset,
    freeze,
    html_table,
    record_of,
    save_dataset,
    short_repr,
    told,
)
from physlearn.records.trajectory import TIME_UNITS

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["EVENT_KINDS", "OPTIONAL_COLUMNS", "WALL_COLUMNS", "WALL_KINDS", "WallTrack"]

WALL_COLUMNS = (
    "frame", "wall", "time", "x", "y", "normal_x", "normal_y", "normal_error",
    "error_correlation_length", "arc_length", "curvature", "normal_velocity",
)  # fmt: skip
OPTIONAL_COLUMNS = (
    "normal_velocity_error", "curvature_error", "feature_distance", "feature_distance_error",
)  # fmt: skip
"""Columns of a table that may be left out: NaN where nobody measured them."""
MAY_BE_UNKNOWN = ("normal_velocity", "curvature", *OPTIONAL_COLUMNS)
EVENT_KINDS = ("birth", "vanish", "merge", "split", "enter", "leave")
EVENT_NUMBERS = ("x", "y", "time")
WALL_KINDS = ("ferroelectric", "ferroelastic", "unknown")
TEXTS = ("unit", "time_unit", "drive_unit", "metadata", "warnings")
LARGEST_NORMAL_GAP = 1e-3


def _no_events() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"frame": np.empty(0, np.int64), "wall": np.empty(0, np.int64), "kind": []})


def _check_events(events: pd.DataFrame) -> pd.DataFrame:
    """Return the events with every column, -1 and NaN where nothing was said."""
    missing = [name for name in ("frame", "wall", "kind") if name not in events]
    if missing:
        raise InputError(f"events must have the columns frame, wall, kind; missing {missing[0]}.")
    wrong = sorted(set(map(str, events["kind"])) - set(EVENT_KINDS))
    if wrong:
        raise InputError(f"events must be of kind {', '.join(EVENT_KINDS)}; got {wrong[0]!r}.")
    whole = events[["frame", "wall", "kind"]].reset_index(drop=True).copy()
    others = events["other"].to_numpy() if "other" in events else np.full(len(events), -1)
    whole["other"] = np.asarray(others, dtype=np.int64)
    for name in EVENT_NUMBERS:
        given = events[name].to_numpy() if name in events else np.full(len(events), np.nan)
        whole[name] = np.asarray(given, dtype=np.float64)
    return whole


def _check_geometry(table: pd.DataFrame) -> None:
    """Errors are not negative, normals have length 1."""
    if not len(table):
        return
    for name in ("normal_error", "error_correlation_length"):
        if table[name].min() < 0:
            raise InputError(
                f"table[{name!r}] must not be negative; got {table[name].min():.4g} in row "
                f"{int(table[name].argmin())}."
            )
    length = np.hypot(table["normal_x"].to_numpy(), table["normal_y"].to_numpy())
    row = int(np.abs(length - 1.0).argmax())
    if abs(length[row] - 1.0) > LARGEST_NORMAL_GAP:
        raise InputError(
            "table must have unit normals (normal_x, normal_y); that of row "
            f"{row} has length {length[row]:.4g}: divide by it."
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WallTrack:
    """Walls of a domain video, one row a contour point.

    Attributes
    ----------
    table
        Columns frame, wall (identity across frames), time, x, y, normal_x, normal_y (unit normal
        from the positive to the negative domain), normal_error (standard deviation along the
        normal), error_correlation_length (along the wall), arc_length, curvature (positive where
        the positive domain is convex), normal_velocity (positive where the positive domain
        grows; NaN where unknown); and, NaN where not measured, normal_velocity_error,
        curvature_error (standard deviations), feature_distance, feature_distance_error (to the
        nearest other feature, such as a ferroelastic wall). Lengths in ``unit``, times in
        ``time_unit``.
    unit, time_unit
        Units; ``pixel`` and ``frame`` when the file had no scale.
    frame_times
        float64, shape (n_frames,).
    events
        Columns frame, wall, kind (birth, vanish, merge, split; enter, leave at the edge of the
        view), other (the wall it merged into or split from, -1 for none), x, y, time (NaN where
        unknown).
    drive
        float64, shape (n_frames,): the drive that acts from a frame to the next, or None.
    drive_unit
        Unit of the drive.
    closed
        Wall identity -> whether its contour closes.
    kinds
        Wall identity -> ferroelectric, ferroelastic or unknown; empty where nobody asked.
    metadata, warnings
        As in ``AtomicConfiguration``.

    Raises
    ------
    InputError
        When a column is missing, a number is not finite, an error is negative, a normal has not
        length 1 or a frame has no time.

    Examples
    --------
    >>> import pandas as pd
    >>> angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    >>> circle = pd.DataFrame({"frame": 0, "wall": 0, "time": 0.0, "x": 5 * np.cos(angle),
    ...     "y": 5 * np.sin(angle), "normal_x": np.cos(angle), "normal_y": np.sin(angle),
    ...     "normal_error": 0.1, "error_correlation_length": 1.0, "arc_length": 5 * angle,
    ...     "curvature": 0.2, "normal_velocity": np.nan})
    >>> WallTrack(circle, [0.0], closed={0: True}).walls
    [0]
    """

    table: pd.DataFrame
    frame_times: NDArray[np.float64]
    unit: str = field(default="pixel", kw_only=True)
    time_unit: str = field(default="frame", kw_only=True)
    events: pd.DataFrame = field(default_factory=_no_events, kw_only=True)
    drive: NDArray[np.float64] | None = field(default=None, kw_only=True)
    drive_unit: str = field(default="", kw_only=True)
    closed: Mapping[int, bool] = field(default_factory=dict, kw_only=True)
    kinds: Mapping[int, str] = field(default_factory=dict, kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    warnings: tuple[str, ...] = field(default=(), kw_only=True)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        missing = [name for name in WALL_COLUMNS if name not in self.table]
        if missing:
            raise InputError(
                f"table must have the columns of a WallTrack; missing {', '.join(missing)}."
            )
        table = self.table.reindex(columns=[*WALL_COLUMNS, *OPTIONAL_COLUMNS])
        table = table.reset_index(drop=True)
        times = check_array("frame_times", self.frame_times, ndim=1)
        for name in table.columns:
            whole = name in ("frame", "wall")
            table[name] = check_array(
                f"table[{name!r}]", table[name].to_numpy(),
                dtype=np.int64 if whole else np.float64, finite=name not in MAY_BE_UNKNOWN,
                minimum=0 if whole else None, allow_empty=True,
            )  # fmt: skip
        if len(table) and table["frame"].max() >= len(times):
            raise InputError(
                f"table['frame'] must be below {len(times)} (length of frame_times); "
                f"got {table['frame'].max()}."
            )
        _check_geometry(table)
        for wall, kind in self.kinds.items():
            check_choice(f"kinds[{wall}]", kind, WALL_KINDS)
        check_choice("unit", self.unit, LENGTH_UNITS)
        check_choice("time_unit", self.time_unit, TIME_UNITS)
        checked: dict[str, object] = {
            "table": table,
            "frame_times": times,
            "events": _check_events(self.events),
            "closed": {int(wall): bool(closed) for wall, closed in self.closed.items()},
            "kinds": {int(wall): str(kind) for wall, kind in self.kinds.items()},
            "metadata": dict(self.metadata),
            "warnings": tuple(map(str, self.warnings)),
        }
        if self.drive is not None:
            checked["drive"] = check_array("drive", self.drive, shape=(len(times),))
        freeze(self, checked)

    @property
    def n_frames(self) -> int:
        """Number of frames of the video."""
        return len(self.frame_times)

    @property
    def walls(self) -> list[int]:
        """Identities of the walls."""
        return [int(wall) for wall in np.unique(self.table["wall"])]

    def contour(self, frame: int, wall: int) -> pd.DataFrame:
        """Return the points of one wall in one frame, in order along the wall."""
        rows = (self.table["frame"] == frame) & (self.table["wall"] == wall)
        return self.table[rows].sort_values("arc_length").reset_index(drop=True)

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the table of contour points."""
        return self.table.copy()

    def to_xarray(self) -> xr.Dataset:
        """Return points, events, times and drive as a dataset."""
        import xarray as xr

        dataset = xr.Dataset(frame_to_dataset(self.table, "point"))
        dataset = dataset.assign(frame_to_dataset(self.events, "event", "event_"))
        dataset["frame_times"] = ("frame_number", self.frame_times)
        if self.drive is not None:
            dataset["drive"] = ("frame_number", self.drive)
        texts = {name: getattr(self, name) for name in TEXTS}
        texts["closed"] = sorted(self.closed.items())
        texts["kinds"] = sorted(self.kinds.items())
        return described(dataset, "WallTrack", texts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything as netCDF."""
        save_dataset(self.to_xarray(), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> WallTrack:
        """Read what ``save`` wrote."""
        return record_of(path, cls.from_xarray)

    @classmethod
    def from_xarray(cls, dataset: xr.Dataset) -> WallTrack:
        """Return the record of what ``to_xarray`` made, without loss."""
        texts = told(dataset, "WallTrack")
        columns = [name for name in (*WALL_COLUMNS, *OPTIONAL_COLUMNS) if name in dataset]
        listed = ("frame", "wall", "kind", "other", *EVENT_NUMBERS)
        known = [name for name in listed if f"event_{name}" in dataset]
        events = frame_from_dataset(dataset, known, "event_")
        return cls(
            frame_from_dataset(dataset, columns),
            dataset["frame_times"].to_numpy(),
            events=events if len(events) else _no_events(),
            drive=dataset["drive"].to_numpy() if "drive" in dataset else None,
            closed=dict(texts.pop("closed")),
            kinds=dict(texts.pop("kinds", [])),
            **texts,
        )
