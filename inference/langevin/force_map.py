"""Map of an external force, and of the diffusion, from tracks of particles that move alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import (
    InputError,
    as_generator,
    check_array,
    check_choice,
    check_count,
    check_positive,
)
from physlearn.inference.langevin.force_map_answer import answer
from physlearn.inference.langevin.force_map_fields import (
    FieldFamily,
    make_field,
    make_log_diffusion,
)
from physlearn.inference.langevin.force_map_grid import FieldGrid
from physlearn.inference.langevin.force_map_likelihood import MotionModel
from physlearn.inference.langevin.force_map_series import Series, read_noise, read_series
from physlearn.option_fields import check_fields
from physlearn.records import Trajectory
from physlearn.results import Fit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ForceMapSettings", "fit_force_map", "force_map_table"]

Float = NDArray[np.float64]
CONVENTIONS = {"isothermal": 1.0, "stratonovich": 0.5, "ito": 0.0}


@dataclass(frozen=True, eq=False)
class ForceMapSettings:
    """Choices of a force map.

    Attributes
    ----------
    axes
        Which coordinates move on their own, such as (0,) for x alone; None: all of them.
    knots
        Cells of a spline field along each axis.
    degree
        Of a polynomial field.
    center
        Of its powers; None: the mean position.
    diffusion_knots
        Cells of a spline of ln D along each axis, for ``diffusion="position"``.
    convention
        Drift with a diffusion D(x): ``isothermal`` D F + grad D (thermal equilibrium is exp(-U)),
        ``stratonovich`` D F + grad D / 2, ``ito`` D F; all of them Ito's drift.
    start, start_sd
        Of a field that is a function: see ``make_field``.
    check
        Simulate tracks at the answer and correct the likelihood where its score is biased.

    Examples
    --------
    >>> ForceMapSettings(axes=(0,)).knots
    6
    """

    axes: Sequence[int] | None = None
    knots: int = 6
    degree: int = 4
    center: ArrayLike | None = None
    diffusion_knots: int = 3
    convention: str = "isothermal"
    start: ArrayLike | None = None
    start_sd: ArrayLike | None = None
    check: bool = True

    def __post_init__(self) -> None:
        check_choice("convention", self.convention, tuple(CONVENTIONS))
        check_fields(self)
        axes = () if self.axes is None else [check_count("axes", axis, 0) for axis in self.axes]
        if len(set(axes)) != len(axes):
            raise InputError(f"axes must name each coordinate once; got {axes}.")


def fit_force_map(
    trajectory: Trajectory,
    field: str | Callable[..., Float] | None = None,
    *,
    localization_sd: float | tuple[float, float] | str | None = None,
    exposure_s: float | None = None,
    diffusion: str = "constant",
    temperature: tuple[float, float] | None = None,
    settings: ForceMapSettings | None = None,
    prior: tuple[ArrayLike, ArrayLike] | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    """Fit an external force field and the diffusion in it to tracks of independent particles.

    dx = [D(x) F(x) + grad D(x)] dt + sqrt(2 D(x)) dW (Ito), F = -grad U with U in kT. Between
    frames, mean and covariance are carried by their equations of motion with averages over the
    Gaussian (exact in a harmonic trap at any interval); localisation noise, exposure and gaps are
    in the filter. Tracks simulated at the answer tell whether its score is biased at this frame
    interval; if so, the score is centred by theirs, which is right at any interval.

    Parameters
    ----------
    trajectory
        Tracks with times, no periodic box. Particles don't act on each other.
    field
        ``spline`` (a potential; the default), ``polynomial``, ``harmonic``, ``free``,
        ``force_spline`` or ``force_polynomial`` (no potential implied), or a function
        u(positions, *parameters) -> energies in kT, with ``settings.start``.
    localization_sd
        Error of each coordinate: a number (0 for exact positions), ``(mean, sd)``, or ``"free"``.
        None: the record's own, else ``"free"``: a quarter of the typical step within a factor of
        three.
    exposure_s
        Time from each frame's time on over which a position is averaged; None: an instant.
    diffusion
        ``constant``, or ``position``: ln D is a spline.
    temperature
        ``(mean, sd)`` in kelvin: adds the drag coefficient kT / D (unit of length in metres).
    settings
        Axes, knots and conventions.
    prior
        Gaussian ``(mean, covariance)`` of the field's parameters; None: see ``make_field``.
    rng, progress
        Seed or generator; called with (steps done, most steps).

    Returns
    -------
    Fit
        ``stiffness`` and ``center`` (harmonic), ``potential`` or ``force`` (dim ``term``), or the
        function's parameters; ``diffusion`` or ``log_diffusion``; ``localization_sd`` where it was
        not known. ``force_map_table`` draws maps.

    Raises
    ------
    InputError
        For a periodic box, a single frame, an exposure longer than the frames' distance, or an
        unknown choice.

    References
    ----------
    S. Sarkka, IEEE Trans. Automat. Control 52, 1631 (2007), doi:10.1109/TAC.2007.904453
    (moments between frames); A. Berglund, Phys. Rev. E 82, 011917 (2010),
    doi:10.1103/PhysRevE.82.011917 (noise and blur).

    Examples
    --------
    >>> from physlearn.lattice_models.particles import HarmonicTrap, simulate_langevin
    >>> start = np.zeros((20, 2))
    >>> tracks = simulate_langevin(HarmonicTrap(2.0), start, 100, 10, time_step=0.02, rng=1)
    >>> fit = fit_force_map(tracks, "harmonic", localization_sd=0.0, rng=1)
    >>> low, high = fit.interval("diffusion")
    >>> bool(low < 1.0 < high), fit["stiffness"].shape[1]
    (True, 2)
    """
    generator, seed = as_generator(rng)
    motion = prepare_map(
        trajectory, field, localization_sd=localization_sd, exposure_s=exposure_s,
        diffusion=diffusion, settings=settings, prior=prior,
    )  # fmt: skip
    return answer(
        motion.model, motion.series, trajectory, (generator, seed), check=motion.settings.check,
        temperature=temperature, recipe=motion.recipe, progress=progress,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class MotionProblem:
    """A model of motion in a field, the rows that it is fitted to, and how it was made."""

    model: MotionModel
    series: Series
    settings: ForceMapSettings
    recipe: dict[str, Any]


def prepare_map(
    trajectory: Trajectory,
    field: str | Callable[..., Float] | None,
    *,
    localization_sd: float | tuple[float, float] | str | None,
    exposure_s: float | None,
    diffusion: str,
    settings: ForceMapSettings | None,
    prior: tuple[ArrayLike, ArrayLike] | None,
) -> MotionProblem:
    """Return the overdamped model of ``fit_force_map``'s arguments."""
    chosen = ForceMapSettings() if settings is None else settings
    check_choice("diffusion", diffusion, ("constant", "position"))
    series, order = read_series(trajectory, chosen.axes)
    steps = np.diff(series.positions, axis=0)[series.is_step[1:]]
    gaps = series.gaps[series.is_step]
    free = float((steps**2).mean(axis=1).mean() / (2.0 * gaps.mean()))
    exposure = read_exposure(exposure_s, gaps)
    cells = chosen.diffusion_knots if diffusion == "position" else 1
    family = make_field(
        "spline" if field is None else field, series.positions, knots=chosen.knots,
        degree=chosen.degree, diffusion_knots=cells, center=chosen.center, start=chosen.start,
        start_sd=chosen.start_sd,
    )  # fmt: skip
    family = with_field_prior(family, prior)
    log_diffusion = make_log_diffusion(diffusion, family.grid, cells, float(np.log(free)))
    noise = read_noise(trajectory, order, localization_sd, float(np.sqrt((steps**2).mean())))
    model = MotionModel(family, log_diffusion, noise, CONVENTIONS[chosen.convention], exposure)
    return MotionProblem(model, series, chosen, recipe_of(family, series.positions, chosen, cells))


def read_exposure(exposure_s: float | None, gaps: Float) -> float:
    """Return the exposure, at most the shortest time between frames.

    Raises
    ------
    InputError
        For a longer one.
    """
    if exposure_s is None:
        return 0.0
    exposure = check_positive("exposure_s", exposure_s, allow_zero=True)
    if exposure > gaps.min() * (1.0 + 1e-9):
        raise InputError(
            f"exposure_s must not be longer than the time between frames ({gaps.min():g}); got "
            f"{exposure:g}."
        )
    return min(exposure, float(gaps.min()))


def with_field_prior(family: FieldFamily, prior: tuple[ArrayLike, ArrayLike] | None) -> FieldFamily:
    """Return the family with another Gaussian prior.

    Raises
    ------
    InputError
        For shapes that do not fit.
    """
    if prior is None:
        return family
    from dataclasses import replace

    p = family.n_parameters
    mean = check_array("prior mean", prior[0], shape=(p,))
    covariance = check_array("prior covariance", prior[1], shape=(p, p))
    if not np.linalg.eigvalsh(covariance)[0] > 0.0:
        raise InputError("prior covariance must be positive definite.")
    return replace(family, prior_mean=mean, prior_precision=np.linalg.inv(covariance))


def recipe_of(
    family: FieldFamily, positions: Float, chosen: ForceMapSettings, cells: int
) -> dict[str, Any]:
    """Return plain values from which a fit's field is made again."""
    known = asdict(chosen)
    center = positions.mean(axis=0) if known["center"] is None else np.asarray(known["center"])
    return {
        "field": family.name, "knots": chosen.knots, "degree": chosen.degree,
        "diffusion_knots": cells, "center": center.tolist(), "names": list(family.names),
        "low": positions.min(axis=0).tolist(), "high": positions.max(axis=0).tolist(),
        "convention": chosen.convention, "terms": list(family.terms),
    }  # fmt: skip


def force_map_table(
    fit: Fit,
    points: ArrayLike,
    *,
    function: Callable[..., Float] | None = None,
    n_draws: int = 400,
) -> pd.DataFrame:
    """Return potential, force and diffusion at points, with 90 % intervals.

    Parameters
    ----------
    fit
        From ``fit_force_map`` or ``fit_underdamped``.
    points
        float64, shape (m, d): places, within the data's extent for a map that means something.
    function
        The field again, where it was a function.
    n_draws
        Draws to use.

    Returns
    -------
    pandas.DataFrame
        Columns ``x`` (``y``, ``z``); ``potential``, ``potential_q05``, ``potential_q95`` (in kT,
        0 on average over the points; absent for a force without a potential); ``force_x`` ... in
        kT / length, ``diffusion`` ... where it was fitted.

    Raises
    ------
    InputError
        For points of another dimension, or a function that is missing.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import HarmonicTrap, simulate_langevin
    >>> start = np.zeros((20, 2))
    >>> tracks = simulate_langevin(HarmonicTrap(2.0), start, 50, 10, time_step=0.02, rng=1)
    >>> fit = fit_force_map(tracks, "harmonic", localization_sd=0.0, rng=1)
    >>> table = force_map_table(fit, [[0.0, 0.0], [0.5, 0.0]])
    >>> bool(table.force_x_q05[1] < -1.0 < table.force_x_q95[1])
    True
    """
    import pandas as pd

    from physlearn.inference.langevin.force_map_answer import field_draws

    recipe = json.loads(fit.attrs["force_map"])
    corners = np.array([recipe["low"], recipe["high"]])
    at = check_array("points", points, shape=(None, corners.shape[1]))
    name = recipe["field"]
    if name not in ("free", "harmonic", "polynomial", "spline", "force_polynomial", "force_spline"):
        if function is None:
            raise InputError(f"function must be given again: the fit's field was {name}.")
        name = function
    family = make_field(
        name, corners, knots=recipe["knots"], degree=recipe["degree"], center=recipe["center"],
        diffusion_knots=recipe["diffusion_knots"], start=np.ones(len(recipe["names"])),
    )  # fmt: skip
    n_draws = check_count("n_draws", n_draws, 1)
    theta, log_diffusion = field_draws(fit, recipe)
    chosen = np.linspace(0, len(theta) - 1, min(n_draws, len(theta))).astype(int)
    values = np.stack([_values(family.grid, family.tables(theta[k]), at) for k in chosen])
    columns: dict[str, Float] = dict(zip("xyz", at.T, strict=False))
    if family.is_potential:
        energy = values[:, 0, :, 0]
        _add(columns, "potential", energy - energy.mean(axis=1, keepdims=True))
    for a, axis in enumerate("xyz"[: at.shape[1]]):
        force = -values[:, 0, :, 1 + a] if family.is_potential else values[:, a, :, 0]
        _add(columns, f"force_{axis}", force)
    if log_diffusion is not None and log_diffusion.shape[1] == 1:
        _add(columns, "diffusion", np.exp(log_diffusion[chosen]) * np.ones(len(at)))
    elif log_diffusion is not None:
        own = make_log_diffusion("position", family.grid, recipe["diffusion_knots"], 0.0)
        maps = [_values(family.grid, own.tables(log_diffusion[k]), at)[0, :, 0] for k in chosen]
        _add(columns, "diffusion", np.exp(np.stack(maps)))
    return pd.DataFrame(columns)


def _values(grid: FieldGrid, tables: Float, points: Float) -> Float:
    """Value, gradient and second derivatives of each table at points, (k, m, 10)."""
    from physlearn.inference.langevin.force_map_kernels import spline

    taps = np.zeros((3, 3, 4))
    taps[:, 0, 0] = 1.0
    out = np.zeros((len(tables), len(points), 10))
    for k, table in enumerate(np.ascontiguousarray(tables)):
        for m, point in enumerate(points):
            spline(point, grid.dimension, grid.numbers, grid.counts, table, taps, out[k, m])
    return out


def _add(columns: dict[str, Float], name: str, draws: Float) -> None:
    columns[name] = draws.mean(axis=0)
    columns[f"{name}_q05"], columns[f"{name}_q95"] = np.quantile(draws, [0.05, 0.95], axis=0)
