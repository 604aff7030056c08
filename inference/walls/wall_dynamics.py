"""Mobility and tension of walls from contours: front propagation inside the likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_choice, check_count
from physlearn.inference.wall_laws.wall_drive import Scales, drive_design, unit_of_drive
from physlearn.inference.wall_laws.wall_units import WallUnits
from physlearn.inference.walls.track_fit import fit_track
from physlearn.one_thread import one_blas_thread
from physlearn.records import WallTrack
from physlearn.results import Fit

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_wall_dynamics"]

LAWS = ("linear", "levels", "creep", "depinning")
MAP_DRAWS = 60


def fit_wall_dynamics(
    data: WallTrack | xr.DataArray | NDArray[Any],
    *,
    drive: ArrayLike | None = None,
    flip_rate: float | None = None,
    law: str = "linear",
    tension: tuple[float, float] | None = None,
    drive_pressure: tuple[float, float] | None = None,
    pinning: bool = False,
    drive_unit: str | None = None,
    rng: int | np.random.Generator | None = None,
    n_draws: int = 4000,
) -> Fit:
    """Fit ``v_n = drive_mobility drive(t) - curvature_mobility curvature`` to walls.

    Every wall is a front that is propagated from a free first shape (integrated out): a radius
    over the angle where it closes, a height over a line where it ends at the edge of the view. The
    likelihood is that of the contour points of all frames, with their normal errors and row times.
    The track's ``normal_velocity`` is not used: it comes from the same noisy points.

    Parameters
    ----------
    data
        From `track_walls`; or a thresholded film of two values (time, y, x), which goes to
        `fit_binary_walls`.
    drive
        Drive that acts from a frame to the next, shape (n_frames,); None takes the track's. Where
        there is none, the velocity that the walls share, ``drive_velocity``, is fitted in its
        place.
    flip_rate
        Share of wrong pixels of a thresholded film; None infers it. Not for tracks.
    law
        ``linear`` in the drive; ``levels``: one velocity for each value of the drive; ``creep`` or
        ``depinning``: that law through the velocities of the levels (`fit_drive_law`); the draws
        of the levels do not assume the law, and are not paired with its own.
    tension, drive_pressure
        (value, sd) of the line tension (energy per length), or of the force per length of wall and
        per unit of drive, where one is known: only then can mobility and tension be told apart.
    pinning
        Infer the frozen pinning field that an open wall moves through (`fit_pinning_map`).
    drive_unit
        Unit of ``drive``, for the units of the result (``um/s/V``; ``[drive]`` stands for one that
        nobody gave). None takes the track's, where the drive is the track's, too.
    rng
        Seed or generator of the draws.
    n_draws
        Posterior draws.

    Returns
    -------
    Fit
        Variables ``drive_mobility`` (length / time per unit of drive; or ``drive_velocity``, or
        ``level_velocity`` with the dimension drive_level, length / time) and
        ``curvature_mobility`` (mobility times tension, length^2 / time); those of the drive law;
        ``mobility``, ``tension`` and ``drive_pressure`` where a scale was given. ``diagnostics``:
        ``chi2_per_point``, ``low_mode_chi2`` (the same for the longest waves: moves that the law
        does not explain), ``excess_roughness``, ``pareto_k``, numbers of walls and points.
        ``curvature_mobility`` cannot be negative in this model: that an interval lies above zero
        says nothing about its sign.

    Raises
    ------
    InputError
        If ``drive`` does not fit the track, or the track was smoothed.
    NotIdentified
        If no wall can be used, saying why; if the walls do not tell the parameters apart; if the
        fit neither converges nor has a posterior that draws can follow; or the levels do not fix
        the law.

    Notes
    -----
    Gauss-Newton on all shapes and parameters; the parameters' posterior is a Gaussian corrected by
    importance weights of the profile likelihood (Vehtari et al. 2024, J. Mach. Learn. Res. 25(72),
    for the Pareto k that judges them). Walls that touch, merge, or that no radius or height
    describes are left out and counted in ``warnings``; frames that miss a wall are bridged. A model
    that does not fit is flagged, its errors are not inflated.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> scene = make_wall_video(n_frames=6, rng=1)
    >>> fit = fit_wall_dynamics(track_walls(scene.video), rng=1)
    >>> low, high = fit.interval("drive_mobility")
    >>> bool(0.4 < low < high < 0.6)
    True
    """
    check_choice("law", law, LAWS)
    n_draws = check_count("n_draws", n_draws, 100)
    scales = Scales(tension, drive_pressure)
    if not isinstance(data, WallTrack):
        return _fit_film(data, drive, drive_unit, flip_rate, law, scales, pinning, rng, n_draws)
    if flip_rate is not None:
        raise InputError("flip_rate belongs to a thresholded film; a track has none: leave it out.")
    if data.metadata.get("smoothed"):
        raise InputError(
            "the track was smoothed: its points' errors depend on each other and its prior is not "
            "the law; fit the track that track_walls gave."
        )
    told = drive_design(data, drive, law)
    if pinning:
        from physlearn.inference.pinning.pinning_map import fit_pinning_map

        if scales.asked or law != "linear":
            raise InputError("pinning=True goes with law='linear' and no scale; drop the others.")
        return fit_pinning_map(
            data, drive=drive, drive_unit=drive_unit, n_draws=min(n_draws, MAP_DRAWS), rng=rng
        )
    units = WallUnits(data.unit, data.time_unit, unit_of_drive(data.drive_unit, drive, drive_unit))
    with one_blas_thread():
        return fit_track(data, told, units, drive is not None, law, scales, rng, n_draws)


def _fit_film(
    data: Any, drive: ArrayLike | None, drive_unit: str | None, flip_rate: float | None, law: str,
    scales: Scales, pinning: bool, rng: int | np.random.Generator | None, n_draws: int,
) -> Fit:  # fmt: skip
    """Send a film of two values to its own fit, or say what is wrong with the data."""
    values = np.asarray(getattr(data, "values", data))
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    numeric = values.dtype.kind in "biuf" and values.ndim == 3
    if not (numeric and np.isin(finite, (0, 1)).all()):
        raise InputError(
            "data must be a WallTrack (see track_walls) or a film (time, y, x) of the values 0 and "
            f"1; got {type(data).__name__} of shape {values.shape}."
        )
    if scales.asked or pinning:
        raise InputError(
            "tension, drive_pressure and pinning need a WallTrack; a thresholded film gives "
            "products only: leave them out."
        )
    from physlearn.inference.binary_walls.binary_walls import fit_binary_walls

    return fit_binary_walls(
        data,
        drive=drive,
        drive_unit=drive_unit,
        flip_rate=flip_rate,
        law=law,
        rng=rng,
        n_draws=n_draws,
    )
