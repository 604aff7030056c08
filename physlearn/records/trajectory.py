"""Atoms or particles over time, with identities kept across frames."""

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
    arrays_of,
    described,
    freeze,
    html_table,
    record_of,
    save_dataset,
    short_repr,
    told,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["TIME_UNITS", "Trajectory"]

TIME_UNITS = ("s", "frame", "reduced")
TEXTS = ("unit", "time_unit", "metadata", "warnings")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trajectory:
    """Positions of identified particles, one row a particle and frame.

    Attributes
    ----------
    frame
        int64, shape (n,): frame of each row; rows are sorted by frame, then by particle.
    particle
        int64, shape (n,): identity, the same number in every frame.
    positions
        float64, shape (n, 2) or (n, 3); columns x, y (z).
    times
        float64, shape (n_frames,): time of each frame; every ``frame`` indexes into it.
    unit
        Unit of length.
    time_unit
        s, frame or reduced.
    localization_sd
        float64, shape (n,): standard deviation of each position in ``unit``, or None.
    cell
        float64, shape (d, d): rows are the periods of a periodic box, or None.
    metadata, warnings
        As in ``AtomicConfiguration``.

    Raises
    ------
    InputError
        When a particle stands twice in one frame, or a shape is not as above.

    Examples
    --------
    >>> walk = Trajectory([0, 1], [4, 4], [[0.0, 0.0], [0.1, 0.0]], [0.0, 0.04], unit="um")
    >>> walk.n_frames, walk.n_particles
    (2, 1)
    """

    frame: NDArray[np.int64]
    particle: NDArray[np.int64]
    positions: NDArray[np.float64]
    times: NDArray[np.float64]
    unit: str = field(default="pixel", kw_only=True)
    time_unit: str = field(default="s", kw_only=True)
    localization_sd: NDArray[np.float64] | None = field(default=None, kw_only=True)
    cell: NDArray[np.float64] | None = field(default=None, kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    warnings: tuple[str, ...] = field(default=(), kw_only=True)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        positions = check_array("positions", self.positions, ndim=2)
        n, d = positions.shape
        if d not in (2, 3):
            raise InputError(f"positions must have shape (n, 2) or (n, 3), got {positions.shape}.")
        frame = check_array("frame", self.frame, shape=(n,), dtype=np.int64, minimum=0)
        particle = check_array("particle", self.particle, shape=(n,), dtype=np.int64, minimum=0)
        times = check_array("times", self.times, ndim=1)
        if frame.max() >= len(times):
            raise InputError(
                f"frame must be below {len(times)} (length of times); got {frame.max()}."
            )
        backward = np.flatnonzero(np.diff(times) <= 0)
        if backward.size:
            raise InputError(
                f"times must increase; frame {backward[0] + 1} is not after the one before."
            )
        order = np.lexsort((particle, frame))
        frame, particle, positions = frame[order], particle[order], positions[order]
        twice = np.flatnonzero((np.diff(frame) == 0) & (np.diff(particle) == 0))
        if twice.size:
            raise InputError(
                f"each particle may stand once in a frame; particle {particle[twice[0]]} stands "
                f"twice in frame {frame[twice[0]]}."
            )
        check_choice("unit", self.unit, LENGTH_UNITS)
        check_choice("time_unit", self.time_unit, TIME_UNITS)
        checked: dict[str, object] = {
            "frame": frame, "particle": particle, "positions": positions, "times": times,
            "metadata": dict(self.metadata), "warnings": tuple(map(str, self.warnings)),
        }  # fmt: skip
        if self.localization_sd is not None:
            sd = check_array("localization_sd", self.localization_sd, shape=(n,), minimum=0.0)
            checked["localization_sd"] = sd[order]
        if self.cell is not None:
            checked["cell"] = check_array("cell", self.cell, shape=(d, d))
        freeze(self, checked)

    @property
    def n_frames(self) -> int:
        """Number of frames, seen or not."""
        return len(self.times)

    @property
    def n_particles(self) -> int:
        """Number of different particles."""
        return len(np.unique(self.particle))

    def to_pandas(self) -> pd.DataFrame:
        """Return columns frame, particle, time, x, y (z); the form that trackpy uses.

        ``attrs`` hold ``unit`` and ``time_unit``.
        """
        import pandas as pd

        columns: dict[str, Any] = {
            "frame": self.frame, "particle": self.particle, "time": self.times[self.frame],
        }  # fmt: skip
        columns |= dict(zip("xyz", self.positions.T, strict=False))
        if self.localization_sd is not None:
            columns["localization_sd"] = self.localization_sd
        table = pd.DataFrame(columns)
        table.attrs.update(unit=self.unit, time_unit=self.time_unit)
        return table

    def to_xarray(self) -> xr.Dataset:
        """Return the arrays as a dataset with dims row, axis and frame_number."""
        import xarray as xr

        dataset = xr.Dataset(
            {
                "frame": ("row", self.frame),
                "particle": ("row", self.particle),
                "positions": (("row", "axis"), self.positions),
                "times": ("frame_number", self.times),
            }
        )
        if self.localization_sd is not None:
            dataset["localization_sd"] = ("row", self.localization_sd)
        if self.cell is not None:
            dataset["cell"] = (("axis", "axis_2"), self.cell)
        return described(dataset, "Trajectory", {name: getattr(self, name) for name in TEXTS})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything as netCDF."""
        save_dataset(self.to_xarray(), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Trajectory:
        """Read what ``save`` wrote."""
        return record_of(path, cls.from_xarray)

    @classmethod
    def from_xarray(cls, dataset: xr.Dataset) -> Trajectory:
        """Return the record of what ``to_xarray`` made, without loss."""
        texts = told(dataset, "Trajectory")
        return cls(**arrays_of(dataset), **texts)
