"""From a motion model and tracks to a fit: mode, check, draws and what must be said."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import constants, stats

from physlearn.checks import InputError, check_temperature
from physlearn.inference.langevin.force_map_check import (
    MORE,
    TOLERATED,
    centred_mode,
    check_bias,
)
from physlearn.inference.langevin.force_map_draws import (
    N_DRAWS,
    DrawnPosterior,
    draw_gaussian,
    draw_posterior,
)
from physlearn.inference.langevin.force_map_likelihood import Mode, MotionModel, find_mode
from physlearn.inference.langevin.force_map_series import Series
from physlearn.records import Trajectory
from physlearn.results import Fit, fit_from_draws

__all__ = ["answer", "field_draws"]

Float = NDArray[np.float64]
METRES = {"angstrom": 1e-10, "nm": 1e-9, "um": 1e-6}
DOUBTFUL_P = 1e-3
FARTHEST = 3.0
"""Bias of the uncorrected likelihood, in standard errors, from which on a warning is due."""

UNCHECKED = (
    "tracks simulated at the answer leave the field, so that the transition density could not be "
    "checked at this frame interval: take a field that holds particles, or fewer terms"
)


def answer(
    model: MotionModel,
    series: Series,
    trajectory: Trajectory,
    random: tuple[np.random.Generator, int],
    *,
    check: bool,
    temperature: tuple[float, float] | None,
    recipe: dict[str, Any],
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    """Fit a motion model to tracks and say what its checks found."""
    from physlearn.one_thread import one_blas_thread

    generator, seed = random
    if temperature is not None:
        _check_absolute(temperature, trajectory)
    with one_blas_thread():
        mode = find_mode(model, series, model.start, progress=progress)
        found, mode = _posterior(model, series, mode, generator, check)
        tests, doubts = _tests(model, series, mode)
    warnings = [*found.warnings, *doubts]
    if not mode.settled:
        warnings.append("the search for the most probable parameters did not settle")
    draws, units, dims, coords, prior_sd = _named(model, found.draws, trajectory, generator)
    draws, units = _with_temperature(draws, units, trajectory, temperature, generator)
    said = "hidden velocities, " if model.is_underdamped else ""
    return fit_from_draws(
        draws,
        model=f"{'underdamped' if model.is_underdamped else 'overdamped'} motion in a field "
        f"({model.field.name})",
        likelihood=f"{said}positions with localisation noise ({model.noise.said}), "
        f"exposure {model.exposure:g}",
        approximation=found.approximation,
        seed=seed,
        data=[series.positions, series.gaps, series.starts],
        prior_sd=prior_sd,
        units=units,
        dims=dims,
        coords=coords,
        diagnostics={
            "n_rows": len(series.gaps), "n_particles": len(series.starts) - 1,
            "frame_interval": series.interval, "noise": model.noise.said,
            "stiffness": model.fastest_rate(mode.theta, series.positions) * series.interval,
            "settled": mode.settled, **found.diagnostics, **tests,
        },
        warnings=warnings,
        attrs={"force_map": json.dumps(recipe)},
    )  # fmt: skip


def _posterior(
    model: MotionModel, series: Series, mode: Mode, generator: np.random.Generator, check: bool
) -> tuple[DrawnPosterior, Mode]:
    """Draws, from the likelihood as it is or from its score centred by simulations."""
    seed = int(generator.integers(2**32))
    if not check or model.is_exact:
        return draw_posterior(model, series, mode.theta, mode.precision, mode.step, generator), mode
    bias = check_bias(model, series, mode, np.random.default_rng(seed))
    if bias.is_needed and np.isfinite(bias.score).all():
        seed += 1
        bias = check_bias(model, series, mode, np.random.default_rng(seed), MORE)
    said: dict[str, Any] = {
        "bias_in_se": bias.bias_in_se, "bias_in_se_error": bias.noise_in_se,
        "method": "likelihood",
    }  # fmt: skip
    checked = bool(np.isfinite(bias.score).all())
    if not checked or not bias.is_needed:
        found = draw_posterior(model, series, mode.theta, mode.precision, mode.step, generator)
        text = () if checked else (UNCHECKED,)
        return DrawnPosterior(
            found.draws, found.approximation, {**said, **found.diagnostics},
            (*found.warnings, *text),
        ), mode  # fmt: skip
    said["method"] = "centred score"
    mode, last, covariance = centred_mode(model, series, mode, bias, seed)
    texts: tuple[str, ...] = ()
    if bias.bias_in_se > FARTHEST:
        texts = (
            f"the Gaussian transition density alone would be off by {bias.bias_in_se:.1f} standard "
            "errors at this frame interval; its score was centred by simulated tracks",
        )
    if not np.isfinite(last.score).all():
        texts += ("the correction by simulated tracks did not come to an end",)
    draws = draw_gaussian(mode.theta, covariance, generator, N_DRAWS)
    return DrawnPosterior(
        draws, f"score centred by {last.n_replicates} simulated sets of tracks, sandwich Gaussian",
        {**said, "tolerated_bias_in_se": TOLERATED}, texts,
    ), mode  # fmt: skip


def _tests(model: MotionModel, series: Series, mode: Mode) -> tuple[dict[str, float], list[str]]:
    """Standardised innovations: their size and their correlation with the ones before."""
    rows = model.rows(mode.theta, series, mode.step)
    root = np.linalg.cholesky(rows.spread)
    z = np.linalg.solve(root, rows.innovation[:, :, None])[:, :, 0]
    here = series.is_step
    both = here[1:] & here[:-1]
    n = int(both.sum()) * z.shape[1]
    if n < 20:
        return {}, []
    lag = float((z[1:][both] * z[:-1][both]).sum() / np.sqrt(n))
    tail = float(2.0 * stats.norm.sf(abs(lag)))
    # a wide or narrow fourth moment: jumps, or several kinds of particles
    fourth = float(((z[here] ** 4).mean() - 3.0) * np.sqrt(z[here].size / 96.0))
    tests = {"innovation_lag_z": lag, "innovation_lag_p": tail, "innovation_kurtosis_z": fourth}
    common = _common_motion(z, here, series)
    tests |= common
    doubts = []
    if min(common.values(), default=1.0) < DOUBTFUL_P:
        doubts.append(
            "particles move together (p = "
            f"{min(common.values()):.1g}): the picture drifts or shakes, which a map takes for "
            "force and diffusion; take the drift out first, or fit particles one by one"
        )
    if tail < DOUBTFUL_P:
        doubts.append(
            f"successive innovations correlate (z = {lag:.1f}): the motion has a memory that the "
            "model lacks (blur, hidden velocities, drift, or a field too coarse)"
        )
    if fourth > 6.0:
        doubts.append(
            f"innovations have heavy tails (z = {fourth:.1f}): jumps or wrong links, unlike "
            "particles, or a frame interval too long for a Gaussian transition"
        )
    return tests, doubts


def _common_motion(z: Float, here: NDArray[np.bool_], series: Series) -> dict[str, float]:
    """Test innovations averaged over the particles of a moment: their size, their trend."""
    # rows of one moment: times are gaps summed up within a particle
    ends = np.cumsum(series.gaps)
    times = ends - np.repeat(ends[series.starts[:-1]], np.diff(series.starts)) + series.first
    _, moment = np.unique(np.round(times / series.interval, 6)[here], return_inverse=True)
    count = np.bincount(moment)
    several = count > 1
    if int(several.sum()) < 10:
        return {}
    total = np.stack([np.bincount(moment, column) for column in z[here].T], axis=1)
    scaled = (total / np.sqrt(count)[:, None])[several]
    shake = float(stats.chi2.sf((scaled**2).sum(), scaled.size))
    place = np.flatnonzero(several) - np.flatnonzero(several).mean()
    weight = place * np.sqrt(count[several])
    slope = weight @ scaled / np.sqrt(weight @ weight)
    drift = float(stats.chi2.sf((slope**2).sum(), len(slope)))
    return {"common_shake_p": shake, "common_drift_p": drift}


def _named(
    model: MotionModel, theta: Float, trajectory: Trajectory, generator: np.random.Generator
) -> tuple[dict[str, Float], dict[str, str], dict[str, list[str]], dict[str, list[str]],
           dict[str, Any]]:  # fmt: skip
    """Draws by variable, with units, dimensions and the prior's standard deviations."""
    at_field, at_motion, at_noise = model.slices
    length, duration = trajectory.unit, trajectory.time_unit
    covariance = np.linalg.inv(model.prior_precision)
    sd = np.sqrt(np.diag(covariance))
    family = model.field
    field = family.natural(theta[:, at_field])
    draws: dict[str, Float] = {}
    units: dict[str, str] = {}
    dims: dict[str, list[str]] = {}
    coords: dict[str, list[str]] = {}
    prior_sd: dict[str, Any] = {}
    d = family.grid.dimension
    if family.name == "harmonic":
        for k, name in enumerate(("stiffness", "center")):
            draws[name] = field[:, k * d : (k + 1) * d]
            dims[name], coords["axis"] = ["axis"], list("xyz"[:d])
            prior_sd[name] = sd[k * d : (k + 1) * d]
        units |= {"stiffness": f"kT/{length}^2", "center": length}
    elif family.name in ("polynomial", "spline", "force_polynomial", "force_spline"):
        name = "potential" if family.is_potential else "force"
        draws[name], dims[name], coords["term"] = field, ["term"], list(family.names)
        units[name] = "kT over powers of " + length if family.terms else "kT"
        prior_sd[name] = sd[at_field]
    else:
        for k, name in enumerate(family.names):
            draws[name], prior_sd[name] = field[:, k], sd[k]
    motion = theta[:, at_motion]
    if model.log_diffusion is None:
        draws["friction"], draws["thermal_speed"] = np.exp(motion[:, 0]), np.exp(0.5 * motion[:, 1])
        draws["diffusion"] = np.exp(motion[:, 1] - motion[:, 0])
        units |= {"friction": f"1/{duration}", "thermal_speed": f"{length}/{duration}",
                  "diffusion": f"{length}^2/{duration}"}  # fmt: skip
    elif model.log_diffusion.name == "constant":
        draws["diffusion"], units["diffusion"] = np.exp(motion[:, 0]), f"{length}^2/{duration}"
    else:
        draws["log_diffusion"], dims["log_diffusion"] = motion, ["coefficient"]
        coords["coefficient"] = list(model.log_diffusion.names)
        units["log_diffusion"] = f"ln({length}^2/{duration})"
        prior_sd["log_diffusion"] = sd[at_motion]
    if model.noise.known is None:
        draws["localization_sd"] = np.exp(theta[:, at_noise][:, 0])
        units["localization_sd"] = length
        prior = generator.normal(model.noise.log_mean, model.noise.log_sd, 4000)
        prior_sd["localization_sd"] = float(np.std(np.exp(np.clip(prior, None, 50.0))))
    return draws, units, dims, coords, prior_sd


def _check_absolute(temperature: tuple[float, float], trajectory: Trajectory) -> None:
    """Refuse, before the fit, what gives no drag or stiffness in SI units."""
    check_temperature(temperature)
    if trajectory.unit not in METRES or trajectory.time_unit != "s":
        raise InputError(
            "temperature gives absolute numbers only for positions in angstrom, nm or um and times "
            f"in s; got {trajectory.unit} and {trajectory.time_unit}."
        )


def _with_temperature(
    draws: dict[str, Float],
    units: dict[str, str],
    trajectory: Trajectory,
    temperature: tuple[float, float] | None,
    generator: np.random.Generator,
) -> tuple[dict[str, Float], dict[str, str]]:
    """Add drag, or mass, and stiffness in SI units, where the temperature is known."""
    if temperature is None:
        return draws, units
    metre = METRES[trajectory.unit]
    n = len(next(iter(draws.values())))
    energy = constants.k * np.abs(generator.normal(*temperature, n))
    if "thermal_speed" in draws:
        draws["mass"] = energy / (draws["thermal_speed"] * metre) ** 2
        units["mass"] = "kg"
    elif "diffusion" in draws:
        draws["drag"] = energy / (draws["diffusion"] * metre**2)
        units["drag"] = "kg/s"
    if "stiffness" in draws:
        draws["trap_stiffness"] = energy[:, None] * draws["stiffness"] / metre**2
        units["trap_stiffness"] = "N/m"
    return draws, units


def field_draws(fit: Fit, recipe: dict[str, Any]) -> tuple[Float, Float | None]:
    """Return draws of the field's natural parameters and of ln D (None where there is none)."""
    name = recipe["field"]
    if name == "harmonic":
        field = np.concatenate([fit["stiffness"], fit["center"]], axis=1)
    elif name in ("polynomial", "spline"):
        field = fit["potential"]
    elif name in ("force_polynomial", "force_spline"):
        field = fit["force"]
    elif recipe["names"]:
        field = np.stack([fit[one] for one in recipe["names"]], axis=1)
    else:
        field = np.zeros((len(fit[fit.variables[0]]), 0))
    if "log_diffusion" in fit.variables:
        return field, fit["log_diffusion"]
    if "friction" in fit.variables:
        return field, None
    return field, np.log(fit["diffusion"])[:, None]
