"""Pair forces and diffusion from noisy, blurred films: the likelihood of simulated films."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import (
    InputError,
    NotIdentified,
    as_generator,
    check_count,
    check_positive,
    check_temperature,
)
from physlearn.inference.configurations.fit_pair_potential import read_interaction
from physlearn.inference.langevin.film import Film, film_of, require_motion
from physlearn.inference.langevin.missed_links import find_swaps
from physlearn.inference.langevin.noisy_film import (
    LARGEST_K,
    N_DRAWS,
    Noise,
    NoisyFilm,
    kept_arrays,
)
from physlearn.inference.langevin.noisy_motion_start import snapshots_of
from physlearn.inference.langevin.simulated_posterior import Simulated
from physlearn.inference.potential_families.fit_contents import (
    add_energies,
    name_draws,
    write_interaction,
)
from physlearn.inference.potential_families.pair_family import InteractionFamily, PairFamily
from physlearn.one_thread import one_blas_thread
from physlearn.records import Trajectory
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_noisy_motion"]

Float = NDArray[np.float64]
Potential = str | PairFamily | InteractionFamily | Sequence[str | PairFamily]
SIZES = (60, 60, 180)
"""Simulated films of the first, of each further and of the last round."""
SMALLEST_P = 1e-3
MOST_IN_VIEW = 12_000
"""Positions of an open field of view that are fitted without a progress call."""


def fit_noisy_motion(
    trajectory: Trajectory,
    potential: Potential = "lennard_jones",
    *,
    localization_sd: float | tuple[float, float] | str | None = None,
    exposure_s: float | None = None,
    equilibrium: bool | None = None,
    remove_drift: bool = True,
    temperature: tuple[float, float] | None = None,
    cutoff: float | None = None,
    truncation: str = "shift",
    prior: Any = None,
    n_simulations: tuple[int, int, int] = SIZES,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    """Fit pair force, diffusion constant and localisation error to a film from equilibrium.

    Overdamped motion dx = D F dt + sqrt(2 D) dW (energies in kT), each frame the mean over the
    exposure plus Gaussian error. Films are simulated with sub-steps of the frame interval, from
    equilibrium, with the film's box, gaps, blur and noise; the combinations of histograms of
    distances, radial motion by distance and products of steps that tell the parameters apart are
    compared with the film's (indirect inference: Gourieroux et al. 1993,
    doi:10.1002/jae.3950080507; synthetic likelihood: Wood 2010, doi:10.1038/nature09319). No step
    of an interval is linearised, so a long interval costs time, not truth.

    Parameters
    ----------
    trajectory
        Particles in a periodic box (``cell``) or in a field of view. Missing rows and broken
        tracks are cut out of the simulated films too.
    potential
        A family's name, a ``PairFamily``, an ``InteractionFamily``, or one for each pair of
        species (``metadata["species"]`` of the trajectory).
    localization_sd
        Standard deviation of a position along each axis: a number, (mean, sd), ``"free"``, or
        None: as the trajectory says it row by row, free where it does not.
    exposure_s
        Time over which a frame averages, in the trajectory's unit of time, from the frame's time
        on; at most the frame interval. None: an instant.
    equilibrium
        False is refused: the simulated films begin in equilibrium.
    remove_drift
        Take the common motion of all particles out, from the simulated films as well.
    temperature
        (mean, sd) in kelvin: energies are then told in meV too.
    cutoff, truncation, prior
        As of ``fit_pair_potential``.
    n_simulations
        Films of the first, of each further and of the last round.
    rng, progress
        Seed or generator; called with (films done, films expected).

    Returns
    -------
    Fit
        The family's parameters, ``diffusion`` (length^2 / time) and ``localization_sd`` (length,
        where it is free). The diagnostics say how far the model's films are from this one.

    Raises
    ------
    InputError
        For swapped identities, particles at one place, odd times, or an exposure longer than the
        interval.
    NotIdentified
        For fewer than 3 frames or 2 particles.

    Examples
    --------
    >>> from physlearn.lattice_models.particles import InversePower, simulate_langevin
    >>> from physlearn.records import AtomicConfiguration
    >>> grid = np.stack(np.meshgrid(np.arange(4.0), np.arange(4.0)), axis=-1).reshape(-1, 2)
    >>> start = AtomicConfiguration(grid, unit="reduced", cell=4 * np.eye(2))
    >>> film = simulate_langevin(InversePower(1.0, 1.0, 6.0, cutoff=1.9), start, 10, 10,
    ...     time_step=0.0002, rng=1)
    >>> fit = fit_noisy_motion(film, "inverse_power", localization_sd=0.0, cutoff=1.9,
    ...     n_simulations=(30, 30, 40), rng=1)
    >>> fit.variables
    ['strength', 'exponent', 'diffusion']
    """
    if equilibrium is False:
        raise InputError(
            "equilibrium=False cannot be had with localisation errors or blur: the films that are "
            "simulated begin in equilibrium; leave it out, or say localization_sd=0."
        )
    trajectory = require_motion(trajectory, 3)
    if temperature is not None:
        check_temperature(temperature)
    generator, seed = as_generator(rng)
    sizes = _sizes(n_simulations)
    _refuse_swaps(trajectory)
    film = film_of(trajectory)
    if film.places.shape[1] < 2:
        raise NotIdentified("a pair force needs at least 2 particles; trajectory has 1.")
    if progress is None and not film.periodic:
        _refuse_large(film)
    family = _family(film, potential, cutoff, truncation, prior)
    exposure = _exposure(exposure_s, film)
    noise = _noise_of(trajectory, film, localization_sd)
    if not (film.steps() != 0.0).any():
        theta = generator.multivariate_normal(family.prior_mean, family.prior_covariance, N_DRAWS)
        still = _diffusion_at_rest(trajectory, generator)
        said = ["nothing moves in this trajectory: the force is its prior, D an upper bound."]
        return _wrapped(
            theta, {"diffusion": still}, trajectory, film, family, seed, said, {}, {}, temperature
        )
    with one_blas_thread():
        problem = NoisyFilm(film, family, exposure, noise, remove_drift, generator, sizes, progress)
        found = problem.fit()
        draws, shape = problem.draws(found)
        steps = problem.simulator.substeps(
            found.mode[: problem.n_pair], float(np.exp(found.mode[problem.n_pair]))
        )
    named = {"diffusion": np.exp(draws[:, problem.n_pair])}
    if noise.free:
        named["localization_sd"] = draws[:, -1]
    diagnostics = {
        "pareto_k": shape, "n_simulations": found.n_simulations, "n_rounds": found.n_rounds,
        "distance_of_summaries": found.distance, "distance_p": found.distance_p,
        "mode_off_design": found.outside, "time_steps_per_frame": steps,
    }  # fmt: skip
    return _wrapped(
        draws[:, : problem.n_pair], named, trajectory, film, family, seed, _cautions(found),
        diagnostics, kept_arrays(problem, found), temperature,
    )  # fmt: skip


def _family(
    film: Film, potential: Potential, cutoff: float | None, truncation: str, prior: Any
) -> InteractionFamily:  # fmt: skip
    """Return the family, a named one scaled to the distance of neighbours in the first frames."""
    return read_interaction(
        snapshots_of(film, 3, 0.0), potential, cutoff=cutoff, truncation=truncation, prior=prior,
    )  # fmt: skip


def _exposure(given: float | None, film: Film) -> float:
    """Return the share of the frame interval over which a frame averages."""
    share = check_positive("exposure_s", given or 0.0, allow_zero=True) / film.interval
    if share > 1.0 + 1e-9:
        raise InputError(
            f"exposure_s must not exceed the frame interval {film.interval:g}; got {given:g}."
        )
    return min(share, 1.0)


def _diffusion_at_rest(trajectory: Trajectory, rng: np.random.Generator) -> Float:
    from physlearn.inference.langevin.diffusion import measure_diffusion

    return np.asarray(measure_diffusion(trajectory, remove_drift=False, rng=rng).fit["diffusion"])


def _cautions(found: Simulated) -> list[str]:
    """Sentences about what the simulated films say against this fit."""
    said = []
    if found.distance_p < SMALLEST_P:
        said.append(
            f"films simulated with the fitted parameters differ from this one (p = "
            f"{found.distance_p:.1g}): another potential, hydrodynamics, a film that is not in "
            "equilibrium or an error that is not Gaussian; intervals hold for this model only."
        )
    if found.outside > 2.0:
        said.append(
            "the mode lies outside the parameters that were simulated: give a family with a "
            "narrower prior, or more simulations."
        )
    return said


def _sizes(given: tuple[int, int, int]) -> tuple[int, int, int]:
    if not isinstance(given, tuple) or len(given) != 3:
        raise InputError(f"n_simulations must be three numbers of films; got {given!r}.")
    first, further, last = (check_count("n_simulations", number, 30) for number in given)
    return first, further, last


def _refuse_large(film: Film) -> None:
    """Refuse many particles in a field of view at once: timing a few films takes minutes there."""
    n_seen = int(film.seen.sum())
    if n_seen > MOST_IN_VIEW:
        raise InputError(
            f"trajectory would take many minutes ({n_seen:,} positions in an open field of view): "
            "give fewer frames or a part of the field, pass progress= to let it run, or measure "
            "weak forces of dilute particles with measure_pair_force."
        )


def _refuse_swaps(trajectory: Trajectory) -> None:
    """Refuse tracks that exchanged identities."""
    swaps = find_swaps(trajectory)
    if len(swaps):
        first = swaps.iloc[0]
        raise InputError(
            f"{len(swaps)} pair(s) of tracks exchange identities, first particles "
            f"{first.particle_a} and {first.particle_b} after frame {first.frame}: a swap looks "
            "like a strong force; repair them with cut_swaps(trajectory)."
        )


def _noise_of(trajectory: Trajectory, film: Film, given: Any) -> Noise:
    """Read what is said about the localisation error."""
    recorded = trajectory.localization_sd
    if given is None and recorded is not None and (recorded > 0.0).any():
        shape = np.zeros(film.seen.shape)
        shape[film.row_frame, film.row_slot] = recorded
        return Noise(False, 1.0, 1.0, 0.0, shape)
    if given is None or given == "free":
        # half normal, as wide as the steps themselves: errors beyond that hide all motion
        scale = float(np.sqrt((film.steps() ** 2).mean()))
        return Noise(True, 0.0, 0.0, max(scale, 1e-300), None)
    if isinstance(given, str):
        raise InputError(
            f'localization_sd must be a number, (mean, sd), "free" or None; got {given!r}.'
        )
    if isinstance(given, tuple):
        if len(given) != 2:
            raise InputError(f"localization_sd must be (mean, sd); got {given!r}.")
        mean = check_positive("localization_sd mean", given[0], allow_zero=True)
        return Noise(True, 0.0, mean, check_positive("localization_sd sd", given[1]), None)
    value = check_positive("localization_sd", given, allow_zero=True)
    return Noise(False, value, value, 0.0, None)


def _wrapped(
    theta: Float, more: dict[str, Float], trajectory: Trajectory, film: Film,
    family: InteractionFamily, seed: int, said: list[str], diagnostics: dict[str, Any],
    constants: dict[str, Float], temperature: tuple[float, float] | None,
) -> Fit:  # fmt: skip
    length, time = trajectory.unit, trajectory.time_unit
    warnings = [*trajectory.warnings, *said]
    if time == "frame":
        warnings.append(
            "times are in frames: diffusion is per frame; set_scale(tracks, frame_interval_s=...) "
            "gives seconds."
        )
    named = name_draws(family, theta, length)
    if temperature is not None:
        add_energies(named, temperature, seed)
    return fit_from_draws(
        {**named.draws, **more},
        model=f"overdamped motion with {' and '.join(sorted({p.name for p in family.parts}))} "
        f"forces, {film.places.shape[1]} particles, {film.places.shape[0]} frames",
        likelihood="synthetic likelihood of simulated films",
        approximation="quadratic surrogate of its mean, "
        + ("ensemble walk" if diagnostics.get("pareto_k", 0.0) > LARGEST_K else "importance draws"),
        seed=seed, data=[trajectory.positions, trajectory.frame, trajectory.particle],
        prior_sd=named.prior_sd, dims=named.dims, coords=named.coords,
        units={**named.units, "diffusion": f"{length}^2/{time}", "localization_sd": length},
        diagnostics=diagnostics, warnings=warnings, constants=constants,
        attrs=write_interaction(family),
    )  # fmt: skip
