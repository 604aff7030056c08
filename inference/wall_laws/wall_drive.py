"""The drive of a wall film: one mobility, or one velocity a level, and what scales them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, check_array
from physlearn.records import WallTrack

__all__ = ["Scales", "WallDrive", "design_of", "drive_design", "drive_levels", "scale_draws",
           "unit_of_drive"]  # fmt: skip

Floats = NDArray[np.float64]

MOST_LEVELS = 24
SAME_LEVEL = 1e-9
CLEARLY_POSITIVE = 0.999


@dataclass(frozen=True, slots=True, eq=False)
class WallDrive:
    """How the drive enters the law.

    Attributes
    ----------
    design
        Shape (n_frames, n_columns): speed in interval k is ``design[k] @ speeds``.
    name
        ``drive_mobility``, ``drive_velocity`` (no drive known) or ``level_velocity``.
    levels
        Drive of every column of ``level_velocity``, else empty.
    known
        Whether a drive was given.
    constant
        Whether it is the same in all intervals.
    force
        The drive itself, ones where unknown.
    """

    design: Floats
    name: str
    levels: Floats
    known: bool
    constant: bool
    force: Floats


def drive_design(track: WallTrack, drive: ArrayLike | None, law: str) -> WallDrive:
    """Read the drive of a track, or of the caller; see `design_of`."""
    return design_of(track.drive if drive is None else drive, track.n_frames, law)


def design_of(given: ArrayLike | None, n_frames: int, law: str) -> WallDrive:
    """Read a drive as columns of speeds.

    Raises
    ------
    InputError
        For a drive of another length, too many levels, or a law of levels without a drive.
    NotIdentified
        For a drive that is zero throughout.
    """
    if given is None:
        if law != "linear":
            raise InputError(f"law={law!r} needs the drive of every frame: give drive=(n_frames,).")
        ones = np.ones(n_frames)
        return WallDrive(ones[:, None], "drive_velocity", np.empty(0), False, True, ones)
    force = check_array("drive", given, shape=(n_frames,))
    if not force[:-1].any():
        raise NotIdentified("drive is zero in every frame: its mobility cannot show; leave it out.")
    constant = bool(np.ptp(force[:-1]) <= 1e-12 * np.abs(force).max())
    if law == "linear":
        return WallDrive(force[:, None], "drive_mobility", np.empty(0), True, constant, force)
    levels, _ = drive_levels(force[:-1])
    if levels.size > MOST_LEVELS:
        raise InputError(
            f"law={law!r} needs a drive of at most {MOST_LEVELS} levels; it has {levels.size}: "
            "round it to the levels that were meant."
        )
    nearest = np.abs(force[:, None] - levels[None]).argmin(axis=1)
    design = (nearest[:, None] == np.arange(levels.size)).astype(float)
    return WallDrive(design, "level_velocity", levels, True, constant, force)


def unit_of_drive(own: str, drive: ArrayLike | None, given: str | None) -> str:
    """Return the drive's unit: ``own``, the film's, goes with the film's drive."""
    if given is not None:
        return str(given)
    return own if drive is None else str(getattr(drive, "attrs", {}).get("units", ""))


def drive_levels(force: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the levels of a drive, ascending, and the level of each value; rounding makes none."""
    same = SAME_LEVEL * float(np.abs(force).max(initial=0.0))
    order = np.argsort(force, kind="stable")
    ascending = force[order]
    starts = np.concatenate([[True], np.diff(ascending) > same])
    group = np.empty(force.size, dtype=np.int64)
    group[order] = np.cumsum(starts) - 1
    levels = ascending[starts]
    return np.where(np.abs(levels) <= same, 0.0, levels), group


@dataclass(frozen=True, slots=True)
class Scales:
    """What the caller knows from elsewhere: (value, standard deviation), or None.

    Attributes
    ----------
    tension
        Energy per length (line tension).
    drive_pressure
        Force per length of wall per unit of drive (of the constant drive, where none is known).
    """

    tension: tuple[float, float] | None = None
    drive_pressure: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("tension", "drive_pressure"):
            pair = getattr(self, name)
            if pair is None:
                continue
            numbers = check_array(name, pair)
            if numbers.shape != (2,) or not (numbers[0] > 0 and numbers[1] > 0):
                raise InputError(f"{name} must be (value > 0, sd > 0); got {pair}.")
            if numbers[1] > 0.5 * numbers[0]:
                raise InputError(
                    f"{name} is known to {numbers[1] / numbers[0]:.0%} only: it fixes no scale; "
                    "give it to better than 50 %."
                )

    @property
    def asked(self) -> bool:
        """Whether any scale was given."""
        return self.tension is not None or self.drive_pressure is not None


def scale_draws(
    draws: dict[str, Floats], scales: Scales, name: str, generator: np.random.Generator
) -> dict[str, Floats]:
    """Split the products into mobility and tension with the scale that was given.

    curvature_mobility = mobility x tension and drive_mobility = mobility x pressure per drive.

    Raises
    ------
    NotIdentified
        When the product that the scale divides is not clearly positive.
    InputError
        When a pressure is given for a law of levels.
    """
    if scales.drive_pressure is not None and name == "level_velocity":
        raise InputError(
            "drive_pressure scales a mobility per unit of drive: give it with law='linear', or "
            "give tension."
        )
    by_tension = scales.tension is not None
    product = draws["curvature_mobility" if by_tension else name]
    given = scales.tension if scales.tension is not None else scales.drive_pressure
    if given is None:
        return draws
    if (product > 0).mean() < CLEARLY_POSITIVE:
        raise NotIdentified(
            f"{'curvature_mobility' if by_tension else name} is not clearly above zero in this "
            f"film, so {'tension' if by_tension else 'drive_pressure'} cannot turn it into a "
            "mobility: take a longer film, or walls of smaller radius."
        )
    scale = _positive(given, product.size, generator)
    mobility = product / scale
    if by_tension and scales.drive_pressure is not None:
        # Both were given: the pressure that the mobility implies is weighed by what is known
        value, sd = scales.drive_pressure
        weight = np.exp(-0.5 * ((draws[name] / mobility - value) / sd) ** 2)
        if not weight.sum() ** 2 > 20 * (weight**2).sum():
            raise NotIdentified(
                "tension and drive_pressure contradict each other in this film: the mobility that "
                "one gives is not the other's; check their units."
            )
        chosen = generator.choice(product.size, size=product.size, p=weight / weight.sum())
        draws = {key: values[chosen] for key, values in draws.items()}
        mobility, scale = mobility[chosen], scale[chosen]
    result = dict(draws)
    result["mobility"] = mobility
    result["tension"] = scale if by_tension else draws["curvature_mobility"] / mobility
    if name != "level_velocity":
        result["drive_pressure"] = draws[name] / mobility
    return result


def _positive(given: tuple[float, float], count: int, generator: np.random.Generator) -> Floats:
    """Draw a Gaussian that is above zero."""
    value, sd = given
    drawn = value + sd * generator.standard_normal(4 * count)
    return np.asarray(drawn[drawn > 0][:count], dtype=np.float64)
