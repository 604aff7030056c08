"""The frozen field that pins a wall, mapped from how it moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_count
from physlearn.inference.fronts.wall_runs import WallRun, usable_runs
from physlearn.inference.pinning.pinned_line import PinnedLine
from physlearn.inference.pinning.pinning_search import FieldSearch
from physlearn.inference.pinning.pinning_solver import PinningOptimum
from physlearn.inference.wall_laws.wall_drive import WallDrive, drive_design, unit_of_drive
from physlearn.inference.wall_laws.wall_units import WallUnits
from physlearn.one_thread import one_blas_thread
from physlearn.records import WallTrack
from physlearn.records.storage import html_table, short_repr
from physlearn.results import Fit, fit_from_draws

__all__ = ["PinningMap", "fit_pinning_map", "pinning_of"]

Floats = NDArray[np.float64]

LEAST_SWEEP_ERRORS = 6.0
DOUBTFUL_CHI2 = 1.15


@dataclass(frozen=True, slots=True, eq=False)
class PinningMap:
    """Pinning field along the region that a wall swept.

    Attributes
    ----------
    x, y
        Positions of the nodes, shape (n_places, n_heights).
    field
        Posterior mean, length / time: the velocity that the medium adds along the normal
        (mobility x pinning force; positive helps the positive domain to grow).
    error
        Posterior standard deviation.
    swept
        True where the wall passed.
    """

    x: Floats
    y: Floats
    field: Floats
    error: Floats
    swept: NDArray[np.bool_]

    __repr__ = short_repr
    _repr_html_ = html_table


def pinning_of(fit: Fit) -> PinningMap:
    """Return the pinning field of a fit.

    Raises
    ------
    InputError
        If the fit has none.

    Examples
    --------
    >>> import pytest
    >>> from physlearn.results import fit_from_draws
    >>> plain = fit_from_draws({"a": np.zeros(9)}, model="", likelihood="", approximation="",
    ...     seed=0, data=b"")
    >>> with pytest.raises(InputError, match="pinning=True"):
    ...     pinning_of(plain)
    """
    if (
        "constant_data" not in fit.idata.groups()
        or "pinning_mean" not in fit.idata["constant_data"]
    ):
        raise InputError(
            "fit holds no pinning field: make it with fit_wall_dynamics(pinning=True)."
        )
    kept = fit.idata["constant_data"]
    return PinningMap(
        kept["pinning_x"].to_numpy(), kept["pinning_y"].to_numpy(),
        kept["pinning_mean"].to_numpy(), kept["pinning_sd"].to_numpy(),
        kept["pinning_swept"].to_numpy().astype(bool),
    )  # fmt: skip


def fit_pinning_map(
    track: WallTrack,
    *,
    drive: ArrayLike | None = None,
    small_slopes: bool = False,
    known: dict[str, float] | None = None,
    drive_unit: str | None = None,
    n_draws: int = 60,
    rng: int | np.random.Generator | None = None,
) -> Fit:
    """Map the frozen field that an open wall moves through, with the law's parameters.

    v_n = drive_mobility drive(t) + pinning(x, y) - curvature_mobility curvature, the field Gaussian
    with the correlation exp(-r^2 / (2 l^2)); its strength and l are found by the evidence. The line
    is propagated through the field within the likelihood of the contour points of all frames.

    Parameters
    ----------
    track
        From `track_walls`; the open wall that swept most is taken.
    drive
        Shape (n_frames,); None takes the track's, or a constant velocity where it has none.
    small_slopes
        Take the law for the height, du/dt = speed + pinning + mobility d2u/dx2 (quenched
        Edwards-Wilkinson, as `simulate_wall`), instead of that for the normal velocity.
    known
        Values of ``speed`` (drive mobility or velocity), ``curvature_mobility``,
        ``pinning_strength`` or ``pinning_length`` that are known and not to be fitted.
    drive_unit
        Unit of ``drive``; None takes the track's, where the drive is the track's, too.
    n_draws
        Draws behind the errors of the map.
    rng
        Seed or generator.

    Returns
    -------
    Fit
        ``drive_mobility`` (or ``drive_velocity``), ``curvature_mobility``, ``pinning_strength``
        (rms of the field, length / time), ``pinning_length``; the field through `pinning_of`.

    Raises
    ------
    InputError
        If the track was smoothed or an argument does not fit.
    NotIdentified
        If no open wall can be followed, or it does not sweep.

    Notes
    -----
    Gauss-Newton with exact tangent and adjoint of the line's steps; evidence by Laplace with a
    stochastic log determinant; draws are Gaussian about the mode. A constant drive cannot be told
    from the field's mean, which is zero a priori. A field that changes in time or thermal motion is
    not in the model: scatter beyond the errors is flagged.

    Examples
    --------
    >>> from physlearn.lattice_models.walls import simulate_wall
    >>> still = simulate_wall(1.0, 1.0, 0.0, start=np.zeros(20), frame_times=[0.0, 1.0, 2.0], rng=1)
    >>> fit_pinning_map(still)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    physlearn.checks.NotIdentified: drive is zero in every frame: its mobility cannot show; ...
    """
    generator, seed = as_generator(rng)
    fixed = _checked_known(known)
    if track.metadata.get("smoothed"):
        raise InputError("the track was smoothed; fit the track that track_walls gave.")
    n_draws = check_count("n_draws", n_draws, 20)
    told = drive_design(track, drive, "linear")
    run = _swept_run(track)
    with one_blas_thread():
        search = FieldSearch(run, told, track.frame_times, fixed, not small_slopes, generator)
        line, optimum = search.best()
        laws, fields, last = search.draws(line, optimum, n_draws, generator)
    named = _named(told, laws[:, 0], search.draw(n_draws, generator))
    texts = _doubts(optimum, search, told)
    units = WallUnits(
        track.unit, track.time_unit, unit_of_drive(track.drive_unit, drive, drive_unit)
    )
    x = run.center[0] + line.places[:, None] * run.axes[0, 0] + line.heights * run.axes[1, 0]
    y = run.center[1] + line.places[:, None] * run.axes[0, 1] + line.heights * run.axes[1, 1]
    frames = line.frames(optimum.theta)
    inside = (line.places >= run.place.min()) & (line.places <= run.place.max())
    swept = inside[:, None] & (line.heights >= frames.min(axis=0)[:, None])
    swept &= line.heights <= frames.max(axis=0)[:, None]
    return fit_from_draws(
        named,
        model=f"v_n = {told.name} * drive + pinning(x, y) - curvature_mobility * curvature",
        likelihood="normal distances of contour points to a propagated line, Gaussian",
        approximation="Gaussian about the mode at the evidence's best tension, strength and length",
        seed=seed,
        data=[track.table.to_numpy(dtype=float), track.frame_times, told.force],
        units={**units.of_law(told.name), "pinning_strength": units.speed,
               "pinning_length": track.unit},
        diagnostics={
            "chi2_per_point": _chi2(optimum, search), "effective_parameters": search.effective,
            "tried": len(search.tried), "converged": optimum.converged,
            "n_points": optimum.n_points, "wall": run.wall,
        },
        warnings=texts,
        attrs={"subject": "walls", "law": "pinning", "unit": track.unit,
               "time_unit": track.time_unit},
        constants={
            **({} if drive is None else {"drive": told.force}),
            "pinning_mean": fields.mean(axis=0), "pinning_sd": fields.std(axis=0, ddof=1),
            "pinning_x": x, "pinning_y": y, "pinning_swept": swept,
            "pinning_fields": fields.astype(np.float32), "pinning_laws": laws,
            "pinning_last": last, "pinning_places": line.places, "pinning_heights": line.heights,
            "pinning_center": run.center, "pinning_axes": run.axes,
            "pinning_steep": np.array(line.steep), "pinning_wall": np.array(run.wall),
            "pinning_rate": _last_rate(line, frames), "pinning_seen": np.array(run.extent),
        },
    )  # fmt: skip


def _checked_known(known: dict[str, float] | None) -> dict[str, float]:
    names = ("speed", "curvature_mobility", "pinning_strength", "pinning_length")
    for name, value in (known or {}).items():
        good = isinstance(value, int | float | np.number) and np.isfinite(value)
        if name not in names or not good or (name != "speed" and not value > 0):
            raise InputError(
                f"known may hold numbers for {', '.join(names)}, above zero but for speed; got "
                f"{name}={value!r}."
            )
    return {name: float(value) for name, value in (known or {}).items()}


def _swept_run(track: WallTrack) -> WallRun:
    """Return the open wall that swept the largest area."""
    runs, left_out = usable_runs(track)
    lines = [run for run in runs if not run.closed]
    if not lines:
        raise NotIdentified(
            "the track holds no open wall that can be followed over 3 frames "
            f"({'; '.join(left_out) or 'closed ones only'}): a pinning map needs one."
        )
    run = max(lines, key=lambda one: one.size * _sweep(one))
    if not _sweep(run) > LEAST_SWEEP_ERRORS * np.median(run.error):
        raise NotIdentified(
            "the wall stays where it is: a wall at rest shows that pinning balances drive and "
            "tension, not the field; drive it through the region."
        )
    return run


def _sweep(run: WallRun) -> float:
    """How far the wall's mean height went."""
    means = [run.value[run.frame == frame].mean() for frame in np.unique(run.frame)]
    return float(np.ptp(means))


def _last_rate(line: PinnedLine, frames: Floats) -> Floats:
    """Velocity of every node over the last two intervals."""
    last = line.run.frames.size - 1
    back = max(last - 2, 0)
    rate: Floats = (frames[last] - frames[back]) / max(line.times[last] - line.times[back], 1e-12)
    return rate


def _named(told: WallDrive, speeds: Floats, logs: Floats) -> dict[str, Floats]:
    """Draws by name."""
    return {
        told.name: speeds, "curvature_mobility": np.exp(logs[:, 0]),
        "pinning_strength": np.exp(logs[:, 1]), "pinning_length": np.exp(logs[:, 2]),
    }  # fmt: skip


def _doubts(optimum: PinningOptimum, search: FieldSearch, told: WallDrive) -> list[str]:
    """Return what must be said about a map."""
    texts = []
    chi2 = _chi2(optimum, search)
    if chi2 > DOUBTFUL_CHI2 + 4.0 * np.sqrt(2.0 / optimum.n_points):
        texts.append(
            f"a frozen field does not explain the motion: points scatter {np.sqrt(chi2):.2f} times "
            "their errors (thermal motion, a field that changes, or another law); the errors are "
            "too small"
        )
    if not optimum.converged:
        texts.append("the search stopped before it settled: do not trust the last digits")
    if told.constant:
        texts.append("the drive is constant: it cannot be told from the field's mean (taken zero)")
    return texts


def _chi2(optimum: PinningOptimum, search: FieldSearch) -> float:
    return optimum.chi2 / max(optimum.n_points - search.effective, 1.0)
