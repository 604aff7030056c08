"""Underdamped motion from positions: friction, thermal speed and forces, velocities unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_choice
from physlearn.inference.langevin.force_map import (
    ForceMapSettings,
    MotionProblem,
    read_exposure,
    recipe_of,
    with_field_prior,
)
from physlearn.inference.langevin.force_map_answer import answer
from physlearn.inference.langevin.force_map_fields import make_field
from physlearn.inference.langevin.force_map_likelihood import MotionModel
from physlearn.inference.langevin.force_map_series import Series, read_noise, read_series
from physlearn.records import Trajectory
from physlearn.results import Fit

__all__ = ["fit_underdamped"]

Float = NDArray[np.float64]
Field = str | Callable[..., Float] | None


def fit_underdamped(
    trajectory: Trajectory,
    potential: Field = None,
    *,
    forces: str = "external",
    localization_sd: float | tuple[float, float] | str | None = None,
    exposure_s: float | None = None,
    temperature: tuple[float, float] | None = None,
    settings: ForceMapSettings | None = None,
    prior: tuple[ArrayLike, ArrayLike] | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    """Fit friction, thermal speed and forces to positions of particles with inertia.

    dx = v dt, dv = (kT / m) F dt - friction v dt + sqrt(2 friction kT / m) dW, F in kT / length.
    Velocities are states of the filter, not differences of positions: those, regressed on each
    other, give 2/3 of the friction however short the interval, and worse with noise.

    Parameters
    ----------
    trajectory
        Tracks with times.
    potential
        ``forces="external"``: a field as ``fit_force_map`` takes it (None: ``free``).
    forces
        ``external`` or ``none``; ``pair`` is refused with the way to take instead.
    localization_sd, exposure_s, temperature, settings, prior, rng, progress
        As for ``fit_force_map``; ``temperature`` adds the mass.

    Returns
    -------
    Fit
        ``friction`` (1 / time), ``thermal_speed`` (sqrt(kT / m), one axis), ``diffusion``
        (kT / (m friction)), the field's parameters, and
        ``localization_sd`` where it was not known.

    Raises
    ------
    InputError
        As for ``fit_force_map``.
    NotIdentified
        Where velocities are forgotten between frames: the motion is overdamped at this interval.

    References
    ----------
    D. B. Bruckner, P. Ronceray, C. P. Broedersz, Phys. Rev. Lett. 125, 058103 (2020),
    doi:10.1103/PhysRevLett.125.058103 (bias of differences).

    Examples
    --------
    >>> from physlearn.lattice_models.particles import (
    ...     HarmonicTrap, LangevinSettings, simulate_langevin)
    >>> tracks = simulate_langevin(HarmonicTrap(1.0), np.zeros((10, 2)), 100, 10, time_step=0.02,
    ...     dynamics="underdamped", settings=LangevinSettings(friction=0.5), rng=1)
    >>> fit = fit_underdamped(tracks, "harmonic", localization_sd=0.0, rng=1)
    >>> low, high = fit.interval("friction")
    >>> bool(low < 0.5 < high)
    True
    """
    generator, seed = as_generator(rng)
    motion = prepare_underdamped(
        trajectory, potential, forces=forces, localization_sd=localization_sd,
        exposure_s=exposure_s, settings=settings, prior=prior,
    )  # fmt: skip
    series = motion.series
    fit = answer(
        motion.model, series, trajectory, (generator, seed), check=motion.settings.check,
        temperature=temperature, recipe=motion.recipe, progress=progress,
    )  # fmt: skip
    if float(np.median(fit["friction"])) * series.interval > MOST_DAMPED:
        raise NotIdentified(
            f"velocities are forgotten between frames (friction x interval is "
            f"{np.median(fit['friction']) * series.interval:.1f}): the motion is overdamped here; "
            "use fit_force_map, or frames closer together."
        )
    return fit


def prepare_underdamped(
    trajectory: Trajectory,
    potential: Field,
    *,
    forces: str,
    localization_sd: float | tuple[float, float] | str | None,
    exposure_s: float | None,
    settings: ForceMapSettings | None,
    prior: tuple[ArrayLike, ArrayLike] | None,
) -> MotionProblem:
    """Return the model of ``fit_underdamped``'s arguments."""
    check_choice("forces", forces, ("external", "none", "pair"))
    chosen = ForceMapSettings() if settings is None else settings
    if forces == "pair":
        raise InputError(
            "forces must be 'external' or 'none' for underdamped motion: pair forces are not fitted"
            " to underdamped tracks; take fit_pair_potential on frames of it, where inertia has no "
            "part, or fit_langevin on frames far enough apart to be overdamped."
        )
    series, order = read_series(trajectory, chosen.axes)
    exposure = read_exposure(exposure_s, series.gaps[series.is_step])
    field = "free" if potential is None or forces == "none" else potential
    family = make_field(
        field, series.positions, knots=chosen.knots, degree=chosen.degree,
        center=chosen.center, start=chosen.start, start_sd=chosen.start_sd,
    )  # fmt: skip
    family = with_field_prior(family, prior)
    steps = np.diff(series.positions, axis=0)[series.is_step[1:]]
    noise = read_noise(trajectory, order, localization_sd, 0.3 * float(np.sqrt((steps**2).mean())))
    known = float(np.mean(noise.known**2)) if noise.known is not None else 0.0
    model = MotionModel(family, None, noise, 1.0, exposure, start_rates(series, known))
    return MotionProblem(model, series, chosen, recipe_of(family, series.positions, chosen, 1))


MOST_DAMPED = 8.0
"""Friction times the interval beyond which positions don't hold friction and speed apart."""


def start_rates(series: Series, noise_variance: float) -> tuple[float, float]:
    """Return (ln friction, ln kT / m) from displacements and their neighbours' products."""
    after = series.is_step[1:]
    steps = np.diff(series.positions, axis=0)
    gaps = series.gaps[1:]
    speeds = steps[after] / gaps[after, None]
    pair = after[1:] & after[:-1]
    square = float((speeds**2).mean())
    noise = noise_variance / series.interval**2
    product = float((steps[1:][pair] * steps[:-1][pair]).mean()) / series.interval**2
    product = product + noise if pair.any() else 0.8 * square
    share = np.clip(product / max(square - 2.0 * noise, 0.05 * square), 0.05, 0.98)
    friction = -1.5 * np.log(share) / series.interval
    return float(np.log(friction)), float(np.log(max(square - 2.0 * noise, 0.2 * square)))
