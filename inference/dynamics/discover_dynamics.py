"""One door to the laws of motion: what the data are decides how their law is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from physlearn.checks import InputError, check_choice
from physlearn.inference.dynamics.dynamics_laws import DynamicsLaws
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.records import Trajectory, WallTrack

if TYPE_CHECKING:
    from physlearn.inference.dynamics.drift_law import DriftLawOptions
    from physlearn.inference.dynamics.field_options import FieldLawOptions
    from physlearn.inference.dynamics.motion_law import MotionLawOptions
    from physlearn.inference.dynamics.pair_options import PairLawOptions
    from physlearn.inference.dynamics.wall_options import WallLawOptions

    Options = FieldLawOptions | MotionLawOptions | DriftLawOptions | PairLawOptions | WallLawOptions

__all__ = ["discover_dynamics"]

KINDS = ("auto", "field", "wall", "motion", "particles", "pairs")
TAKEN = {
    "field": "a FieldLawOptions", "motion": "a MotionLawOptions", "wall": "a WallLawOptions",
    "particles": "a DriftLawOptions", "pairs": "a PairLawOptions",
}  # fmt: skip


def discover_dynamics(
    data: Any,
    *,
    kind: str = "auto",
    drives: Sequence[str] = (),
    options: Options | None = None,
    rng: int | np.random.Generator | None = None,
) -> DynamicsLaws:
    """Find the law of motion behind a film, walls, time series or tracks, as weighted sets of laws.

    Parameters
    ----------
    data
        A film (DataArray with dims (time, y, x) or (time, x); a Dataset or dict of two fields): a
        partial differential equation, `discover_field_law`. A `WallTrack`: the velocity of walls,
        `discover_wall_law`. Time series, their times in the column ``t``, as a DataFrame, a dict of
        columns or a list of such tables: ordinary differential equations, `discover_motion_law`
        (which takes more). A `Trajectory`: drift and diffusion of particles that move alone,
        `discover_drift_law`, or with ``kind="pairs"`` the force between them.
    kind
        ``field``, ``wall``, ``motion``, ``particles``, ``pairs``, or ``auto``: by the type of the
        data. Tables are taken as random motion of particles with ``particles``.
    drives
        Columns of time series that act from outside; a film holds its own.
    options
        `FieldLawOptions` of a film, `WallLawOptions` of walls, `MotionLawOptions` of time series,
        `DriftLawOptions` of particles, `PairLawOptions` of the force between them.
    rng
        Seed or generator.

    Returns
    -------
    DynamicsLaws
        One `EquationSet` a target: ``laws["du/dt"]``.

    Raises
    ------
    InputError
        For data of another kind, or options that do not belong to the kind.
    NotIdentified
        If the data cannot tell a law.

    Examples
    --------
    >>> import xarray as xr
    >>> from physlearn.inference import FieldLawOptions
    >>> t, x = np.arange(40)[:, None] * 0.1, np.arange(64) * 0.2
    >>> wave = np.exp(-0.1 * t) * np.sin(x) + 0.5 * np.exp(-0.4 * t) * np.sin(2 * x + 1)
    >>> film = xr.DataArray(wave, dims=("time", "x"), coords={"time": t[:, 0], "x": x})
    >>> options = FieldLawOptions(terms=["u", "u2", "lap_u", "u_x"])
    >>> laws = discover_dynamics(film, options=options)
    >>> laws.kind, [term.program for term in laws["du/dt"].best.terms]
    ('field', [('lap_u',)])
    """
    check_choice("kind", kind, KINDS)
    seen = _kind_of(data)
    if (seen, kind) in (("particles", "pairs"), ("motion", "particles")):
        seen = kind
    if kind not in ("auto", seen):
        raise InputError(
            f"kind={kind!r} does not go with a {type(data).__name__}, which is a {seen}: leave "
            "kind out."
        )
    if drives and seen != "motion":
        raise InputError(f"drives are columns of time series; this data is a {seen}: leave it out.")
    found = _found(data, seen, drives, options, rng)
    if isinstance(found, DynamicsLaws):
        return found
    sets = {found.target: found} if isinstance(found, EquationSet) else dict(found)
    return DynamicsLaws(sets, seen)


def _found(
    data: Any, kind: str, drives: Sequence[str], options: Any,
    rng: int | np.random.Generator | None,
) -> EquationSet | Mapping[str, EquationSet] | DynamicsLaws:  # fmt: skip
    from physlearn.inference.dynamics.drift_law import DriftLawOptions, discover_drift_law
    from physlearn.inference.dynamics.field_law import discover_field_law
    from physlearn.inference.dynamics.field_options import FieldLawOptions
    from physlearn.inference.dynamics.motion_law import MotionLawOptions, discover_motion_law
    from physlearn.inference.dynamics.wall_laws import discover_wall_law
    from physlearn.inference.dynamics.wall_options import WallLawOptions

    if kind == "pairs":
        from physlearn.inference.dynamics.pair_law import discover_pair_law
        from physlearn.inference.dynamics.pair_options import PairLawOptions

        if options is None or isinstance(options, PairLawOptions):
            return discover_pair_law(data, options=options, rng=rng)
    if kind == "particles" and (options is None or isinstance(options, DriftLawOptions)):
        return discover_drift_law(data, options=options, rng=rng)
    if kind == "field" and (options is None or isinstance(options, FieldLawOptions)):
        return discover_field_law(data, options=options, rng=rng)
    if kind == "motion" and (options is None or isinstance(options, MotionLawOptions)):
        return discover_motion_law(data, drives=drives, options=options, rng=rng)
    if kind == "wall" and (options is None or isinstance(options, WallLawOptions)):
        return discover_wall_law(data, options=options, rng=rng)
    raise InputError(f"options must be {TAKEN[kind]} for this data, got {type(options).__name__}.")


def _is_table(data: Any) -> bool:
    import xarray as xr

    if isinstance(data, pd.DataFrame):
        return True
    films = isinstance(data, xr.Dataset) or not isinstance(data, Mapping)
    return not films and "t" in data and not isinstance(data["t"], xr.DataArray)


def _kind_of(data: Any) -> str:
    import xarray as xr

    if isinstance(data, WallTrack):
        return "wall"
    if isinstance(data, Trajectory):
        return "particles"
    tables = data if isinstance(data, list | tuple) else [data]
    if tables and all(_is_table(table) for table in tables):
        return "motion"
    films = data.values() if isinstance(data, Mapping) and not isinstance(data, xr.Dataset) else ()
    if isinstance(data, xr.DataArray | xr.Dataset) or (
        films and all(isinstance(film, xr.DataArray) for film in films)
    ):
        return "field"
    raise InputError(
        "data must be a film (DataArray with time, a Dataset or a dict of two), a WallTrack "
        "(track_walls), a Trajectory, or time series (a DataFrame, a dict with the times 't', or "
        f"a list of such); got {type(data).__name__}."
    )
