"""What a wall film says of a law: speed at every drive and the curvature's share, jointly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.wall_laws.wall_drive import MOST_LEVELS, drive_levels
from physlearn.inference.walls.wall_dynamics import fit_wall_dynamics
from physlearn.records import WallTrack

__all__ = ["WallSpeeds", "few_levels", "measure_wall_speeds"]

Floats = NDArray[np.float64]

N_DRAWS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class WallSpeeds:
    """The front likelihood of a film as a Gaussian of what the laws predict.

    Attributes
    ----------
    drive
        Shape (n_levels,); one level, 0, where no drive is known or it is constant.
    values
        Shape (n_levels,), then the coefficient of the curvature where the walls show it: speed at
        every drive, and minus the curvature's mobility.
    covariance
        Of ``values``.
    curved
        Whether ``values`` holds the curvature's coefficient.
    curvature
        Smallest and largest curvature that was seen (1st and 99th percentile), and its root mean
        square.
    warnings
        Those of the fit.
    widths
        Prior widths of unknowns of a local law, whose values stand at the end; empty for none.
    """

    drive: Floats
    values: Floats
    covariance: Floats
    curved: bool
    curvature: tuple[float, float, float]
    warnings: tuple[str, ...]
    widths: tuple[float, ...] = ()

    @property
    def n_levels(self) -> int:
        """Number of drives."""
        return len(self.drive)

    @property
    def n_tail(self) -> int:
        """Number of values after the speeds."""
        return self.values.size - self.n_levels

    @property
    def speed(self) -> Floats:
        """Speeds, shape (n_levels,)."""
        return self.values[: self.n_levels]


def measure_wall_speeds(track: WallTrack, rng: int | np.random.Generator | None) -> WallSpeeds:
    """Fit one speed a drive level and the curvature's mobility by the front likelihood.

    Raises
    ------
    NotIdentified
        As `fit_wall_dynamics`.
    """
    drive, texts = few_levels(track)
    many = drive is not None and np.unique(drive[:-1]).size > 1
    law = "levels" if many else "linear"
    fit = fit_wall_dynamics(track, drive=drive, law=law, rng=rng, n_draws=N_DRAWS)
    if many:
        levels = np.asarray(fit.idata["posterior"].coords["drive_level"], dtype=np.float64)
        columns = list(np.asarray(fit["level_velocity"]).reshape(-1, levels.size).T)
    else:
        name = "drive_velocity" if drive is None else "drive_mobility"
        scale = 1.0 if drive is None else float(drive[0])
        columns, levels = [scale * np.ravel(fit[name])], np.zeros(1)
    curved = "curvature_mobility" in fit.variables
    if curved:
        columns.append(-np.ravel(fit["curvature_mobility"]))
    draws = np.stack(columns)
    bends = track.table["curvature"].to_numpy(dtype=np.float64)
    bends = bends[np.isfinite(bends)]
    low, high = np.percentile(bends, [1, 99]).tolist() if bends.size else (0.0, 0.0)
    seen = (low, high, float(np.sqrt(np.mean(np.clip(bends, low, high) ** 2))))
    return WallSpeeds(
        levels, draws.mean(axis=1), np.atleast_2d(np.cov(draws)), curved, seen,
        (*texts, *fit.warnings),
    )  # fmt: skip


def few_levels(track: WallTrack) -> tuple[Floats | None, tuple[str, ...]]:
    """Return the drive with at most 24 levels: neighbours of a drive without levels are joined."""
    if track.drive is None or not np.any(track.drive[:-1]):
        return None, ()
    drive = np.asarray(track.drive, dtype=np.float64)
    levels, _ = drive_levels(drive[:-1])
    if levels.size <= MOST_LEVELS:
        return drive, ()
    parts = np.array_split(levels, MOST_LEVELS)
    middles = np.array([part.mean() for part in parts])
    nearest = np.abs(drive[:, None] - middles[None]).argmin(axis=1)
    said = f"the {levels.size} values of the drive were joined to {MOST_LEVELS} levels"
    return middles[nearest], (said,)
