"""Ginzburg-Landau parameters from a film or a still picture: the front door."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_choice, check_count
from physlearn.inference.fields.film_data import FilmData, film_data, film_drive
from physlearn.inference.fields.film_fit import (
    FilmFit,
    FilmModel,
    fit_film,
    term_names,
    term_units,
)
from physlearn.inference.fields.polynomial_field import TERMS
from physlearn.inference.fields.user_terms import FieldTerm
from physlearn.lattice_models.fields.forcing import FieldDrive
from physlearn.one_thread import one_blas_thread
from physlearn.results import Fit, fit_from_draws

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_ginzburg_landau"]

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

LARGEST_PARETO_K = 0.7
UNKNOWN = 1 / 3  # of its value: a term known no better is said to be
LARGEST_BLUR = 64.0
DECIDED = 1.0


def fit_ginzburg_landau(
    video: xr.DataArray | ArrayLike,
    *,
    dynamics: str = "nonconserved",
    terms: Sequence[str | FieldTerm] | None = None,
    drive: FieldDrive | ArrayLike | Callable[[Floats], ArrayLike] | None = None,
    drive_between: str = "held",
    psf_width: float | tuple[float, float] | None = None,
    drift: bool = True,
    edges: str = "auto",
    frame_times: ArrayLike | None = None,
    order_unit: str | None = None,
    energy_scale: Mapping[str, tuple[float, float]] | None = None,
    temperature: float | tuple[float, float] | None = None,
    previous: Fit | None = None,
    start_values: Mapping[str, float] | None = None,
    n_draws: int = 4000,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Fit:
    """Fit the terms of a Ginzburg-Landau equation to a noisy film of its order parameter.

    ``dP/dt = bias - alpha P - cubic P^2 - beta P^3 - gamma P^5 + gradient lap P + field E(t)``
    (a conserved field: minus the Laplacian of the right side). With the free energy of
    `LandauPotential` and a mobility L: ``alpha = L a``, ``cubic = L b``, ``beta = L c``,
    ``gamma = L e``, ``gradient = L kappa``, ``field = L``. A film without noise in its dynamics
    holds only these products, never L and the energies apart.

    Parameters
    ----------
    video
        The order parameter, (n_frames, n_rows, n_columns), NaN where not seen (whole frames too);
        a DataArray's coordinates give times, pixel size and drive. A still picture
        (n_rows, n_columns) gives ratios only, see Notes.
    dynamics
        ``nonconserved`` (Allen-Cahn) or ``conserved`` (Cahn-Hilliard).
    terms
        Names out of bias, alpha, cubic, beta, gamma, gradient (or gradient_x, gradient_y), field,
        and `FieldTerm` records. None: alpha, beta, gradient, and field where there is a drive.
    drive
        E: a number, a function of time, a `FieldDrive`, or one number per frame (or interval).
        None takes the film's coordinate ``drive``.
    drive_between
        ``held``: a frame's drive acts until the next frame; ``linear``: between them.
    psf_width
        Standard deviation of the blur in the film's unit of length: a value, or (value, sd), whose
        error is carried into the terms (the film does not tell the blur). None: no blur.
    drift
        Whether the picture may drift evenly; its velocity is then fitted along.
    edges
        ``periodic``, ``no_flux``, ``open`` (a margin that is not seen is fitted along) or ``auto``:
        what the simulation says, periodic where opposite edges continue each other, else open.
    frame_times
        For a film without a time coordinate, (n_frames,).
    order_unit
        Unit of P, for the units of the result.
    energy_scale
        One energy coefficient known from elsewhere, ``{"alpha": (value, sd)}``: adds ``mobility``
        and ``potential``.
    temperature
        kT where the film shows thermal noise: another likelihood, which gives the mobility.
    previous
        A fit of the frames before: the new Fit adds these frames to it (live use).
    start_values
        First guesses of terms, where the film's own are not good enough.
    n_draws
        Posterior draws.
    rng
        Seed or generator.
    progress
        Called with (iterations done, iterations at most).

    Returns
    -------
    Fit
        ``landau`` (dim ``term``): mobility x term; ``drift`` (dim ``axis``: x, y; length / time)
        where fitted. ``diagnostics``: ``noise_sd``, the guard's scores of the
        residual, ``time_step_shift``. ``constant_data``: the last frame and its spread.

    Raises
    ------
    InputError
        For input that does not fit together.
    NotIdentified
        Where the film does not fix the terms.

    Notes
    -----
    The film is simulated inside the likelihood (five-point Laplacian at the pixels, steps of fourth
    order refined until they move nothing), its first frame is unknown and integrated out, with the
    exact discrete adjoint for the derivatives: no derivative of noisy data is taken. The residual
    guard compares the residual's correlations with those of noise sent through the same fit; drift
    that is not even, thermal noise or a missing term show there, and are said, not absorbed.
    Still pictures: ``psf_width`` must be given; see the ratios' names there.

    Examples
    --------
    >>> from physlearn.lattice_models.fields import LandauPotential, simulate_ginzburg_landau
    >>> noise = np.random.default_rng(1)
    >>> film = simulate_ginzburg_landau(
    ...     LandauPotential(a=-0.4, c=0.4, kappa_x=0.6, kappa_y=0.6), noise.normal(size=(24, 24)),
    ...     frame_times=np.arange(2.0, 14.0), time_step=0.05)
    >>> fit = fit_ginzburg_landau(film + 0.05 * noise.normal(size=film.shape), drift=False, rng=1)
    >>> low, high = fit.interval("landau")[0]
    >>> bool(low < -0.4 < high)
    True
    """
    check_choice("dynamics", dynamics, ("nonconserved", "conserved"))
    generator, seed = as_generator(rng)
    check_count("n_draws", n_draws, 100)
    if previous is not None:
        from physlearn.inference.fields.live_update import update_fit

        return update_fit(
            previous, video, frame_times=frame_times, drive=drive, drive_between=drive_between,
            terms=terms, rng=generator,
        )  # fmt: skip
    if np.ndim(video) == 2:
        if temperature is not None:
            raise NotIdentified(
                "a still picture has no dynamics: temperature cannot give a mobility there; leave "
                "it out, or give a film."
            )
        return _still(video, terms, psf_width, energy_scale, order_unit, n_draws, generator)
    film = film_data(video, frame_times, edges, order_unit)
    n_all = int(np.shape(video)[0])
    wave, profile, drive_size, values = film_drive(
        drive, film, n_all - film.times.size, drive_between
    )
    model = FilmModel(
        _checked_terms(terms, wave is not None), dynamics == "conserved", wave, profile,
        drive_size, _checked_blur(psf_width, film), bool(drift),
    )  # fmt: skip
    if temperature is not None:
        return _thermal(film, model, temperature, n_draws, generator)
    with one_blas_thread():
        result = fit_film(
            film, model, start_values=dict(start_values or {}), n_draws=n_draws, rng=generator,
            progress=progress,
        )  # fmt: skip
    return _dressed(film, model, result, values, seed, energy_scale, generator)


def _still(
    image: Any, terms: Sequence[Any] | None, psf_width: float | tuple[float, float] | None,
    energy_scale: Mapping[str, tuple[float, float]] | None, order_unit: str | None, n_draws: int,
    generator: np.random.Generator,
) -> Fit:  # fmt: skip
    """Fit the ratios that a still picture holds."""
    from physlearn.inference.fields.static_field import fit_still_field

    if psf_width is None:
        raise InputError(
            "psf_width must be given for a still picture: blur and wall width look the same; give "
            "0 for a picture without blur."
        )
    if terms is not None and any(term not in ("alpha", "beta", "gradient") for term in terms):
        raise InputError("a still picture is fitted with terms alpha, beta and gradient only.")
    return fit_still_field(
        image, psf_width=psf_width, energy_scale=energy_scale, n_draws=n_draws, rng=generator,
        order_unit=order_unit or "1",
    )  # fmt: skip


def _thermal(
    film: FilmData, model: FilmModel, temperature: float | tuple[float, float], n_draws: int,
    generator: np.random.Generator,
) -> Fit:  # fmt: skip
    """Hand a film with thermal noise to its own likelihood."""
    from physlearn.inference.fields.thermal_field import fit_thermal_field

    if model.psf != (0.0, 0.0):
        raise InputError(
            "psf_width must be left out with a temperature: blur mixes thermal motion with the "
            "noise of measurement."
        )
    values = np.where(film.weights > 0, film.values, np.nan)
    return fit_thermal_field(
        values, film.times, temperature=temperature, terms=model.terms, conserved=model.conserved,
        drive=model.drive, profile=model.profile, edges=film.edges, pixel_size=film.pixel_size,
        n_draws=n_draws, rng=generator,
    )  # fmt: skip


def _checked_terms(
    terms: Sequence[str | FieldTerm] | None, driven: bool
) -> tuple[str | FieldTerm, ...]:
    """Return the terms, the usual ones by default."""
    if terms is None:
        return ("alpha", "beta", "gradient", *(("field",) if driven else ()))
    given = (terms,) if isinstance(terms, str | FieldTerm) else tuple(terms)
    for term in given:
        if not isinstance(term, FieldTerm) and term not in TERMS:
            raise InputError(
                f"terms may hold {', '.join(TERMS)} and FieldTerm records; got {term!r}."
            )
    names = term_names(given)
    if not names or len(set(names)) < len(names):
        raise InputError(f"terms must be different and at least one; got {names}.")
    if "gradient" in names and {"gradient_x", "gradient_y"} & set(names):
        raise InputError("terms: gradient is gradient_x and gradient_y together; name one or both.")
    if "field" in names and not driven:
        raise InputError("terms holds field, which needs a drive; give `drive`.")
    return given


def _checked_blur(
    psf_width: float | tuple[float, float] | None, film: FilmData
) -> tuple[float, float]:
    """Return mean and sd of the blur."""
    pair = (0.0, 0.0) if psf_width is None else psf_width
    numbers = np.asarray(pair if isinstance(pair, tuple | list) else (pair, 0.0), dtype=float)
    if numbers.shape != (2,) or not np.isfinite(numbers).all() or (numbers < 0).any():
        raise InputError(
            f"psf_width must be a width or (width, sd), neither below 0; got {psf_width!r}."
        )
    if numbers[0] > LARGEST_BLUR * min(film.pixel_size):
        raise InputError(
            f"psf_width {numbers[0]:g} is above {LARGEST_BLUR:g} pixels: give it in the film's "
            f"unit of length ({film.length_unit})."
        )
    return float(numbers[0]), float(numbers[1])


def _texts(film: FilmData, result: FilmFit, names: Sequence[str]) -> tuple[list[str], bool]:
    """Return what must be said about a fit, and whether the model failed."""
    texts = []
    flagged = result.guard.flagged
    if flagged:
        worst = max(result.guard.scores.values(), key=abs)
        texts.append(
            f"the model does not hold: its residual is correlated in {', '.join(flagged)} "
            f"(score {worst:.1f}): drift that is not even, thermal noise, or a missing term; the "
            "intervals are too narrow"
        )
    if not result.optimum.converged:
        texts.append("the fit did not converge: do not trust the numbers")
    if np.isfinite(result.draws.pareto_k) and not result.draws.pareto_k < LARGEST_PARETO_K:
        texts.append(
            "the posterior is not near its proposal "
            f"(Pareto k {result.draws.pareto_k:.2f}): do not trust the intervals"
        )
    few, sd = result.optimum.point.few, np.sqrt(np.diag(result.optimum.covariance))
    loose = [name for name, value, error in zip(names, few, sd, strict=False)
             if error > UNKNOWN * abs(value)]  # fmt: skip
    if len(loose) == len(names):
        texts.append(
            "no term is known to a third of its value: the field hardly moves in this film; a "
            "still picture holds only their ratios"
        )
    if _marginal_shift(result) > DECIDED:
        texts.append(
            "the film hardly moves: how its unknown first frame is weighed moves the terms by "
            f"{_marginal_shift(result):.1f} standard deviations; trust at most their ratios"
        )
    if film.edges == "open":
        texts.append(f"edges: open; {result.margin} pixels beyond the picture are fitted along")
    return texts, bool(flagged) or not result.optimum.converged


def _marginal_shift(result: FilmFit) -> float:
    """Largest shift from integrating out the first frame, in standard deviations."""
    return float(np.abs(result.last.shift / np.sqrt(np.diag(result.optimum.covariance))).max())


def _dressed(
    film: FilmData, model: FilmModel, result: FilmFit, waves: Floats, seed: int,
    energy_scale: Mapping[str, tuple[float, float]] | None, generator: np.random.Generator,
) -> Fit:  # fmt: skip
    """Return the Fit."""
    names, optimum = term_names(model.terms), result.optimum
    n_terms = len(names)
    few = result.draws.few
    draws: dict[str, Floats] = {"landau": few[:, :n_terms]}
    dims, coords = {"landau": ["term"]}, {"term": list(names)}
    units = {"landau": "mobility x term, see attrs term_units"}
    prior_sd: dict[str, Any] = {"landau": result.prior[:n_terms, 1]}
    if "drift_x" in result.nuisances:
        draws["drift"] = few[:, n_terms : n_terms + 2]
        dims["drift"], coords["axis"] = ["axis"], ["x", "y"]
        units["drift"] = f"{film.length_unit}/{film.time_unit}"
        prior_sd["drift"] = result.prior[n_terms : n_terms + 2, 1]
    if energy_scale is not None:
        from physlearn.inference.fields.thermal_scale import mobility_draws

        mobility, potential = mobility_draws(draws["landau"], names, energy_scale, generator)
        draws["mobility"], draws["potential"] = mobility, potential
        dims["potential"] = ["term"]
    texts, failed = _texts(film, result, names)
    verdict = "model inadequate: the interval is too narrow" if failed else ""
    last, covariance = result.last, optimum.covariance
    return fit_from_draws(
        draws,
        model=_equation(names, model.conserved),
        likelihood="pixels of the film about its simulation, Gaussian, first frame integrated out",
        approximation=result.draws.approximation,
        seed=seed,
        data=[film.values, film.weights, film.times, waves],
        units=units, dims=dims, coords=coords, prior_sd=prior_sd,
        diagnostics={
            "noise_sd": optimum.noise_sd,
            "guard": result.guard.scores,
            "guard_flagged": list(result.guard.flagged),
            "time_step_shift": float(np.abs(result.step_shift).max()),
            "marginal_shift": _marginal_shift(result),
            "laplace_deviation": result.draws.deviation,
            "pareto_k": result.draws.pareto_k,
            "iterations": optimum.iterations, "halvings": optimum.halvings,
            "converged": optimum.converged, "n_pixels": result.problem.camera.n_seen,
            "edges": film.edges, "margin": result.margin,
        },
        warnings=texts,
        verdicts=dict.fromkeys(draws, verdict) if verdict else {},
        attrs={
            "term_units": json.dumps(list(term_units(model, film, ""))),
            "field_model": json.dumps(_settings(film, model, result, names)),
        },
        constants={
            "last_field": last.mode,
            "field_sensitivity": last.sensitivity[:n_terms],
            "field_deviations": last.deviations,
            "few_mean": optimum.point.few + last.shift,
            "few_information": optimum.information,
            "few_sensitivity": last.sensitivity,
            "landau_mean": (optimum.point.few + last.shift)[:n_terms],
            "landau_information": np.linalg.inv(covariance[:n_terms, :n_terms]),
            "noise_sd": np.array(optimum.noise_sd),
            "frame_times": film.times,
            "drive": waves,
        },
    )  # fmt: skip


def _equation(names: Sequence[str], conserved: bool) -> str:
    """Return the fitted equation as a line."""
    parts = {
        "bias": "bias", "alpha": "- alpha P", "cubic": "- cubic P^2", "beta": "- beta P^3",
        "gamma": "- gamma P^5", "gradient": "+ gradient lap P", "field": "+ field E(t)",
        "gradient_x": "+ gradient_x d2P/dx2", "gradient_y": "+ gradient_y d2P/dy2",
    }  # fmt: skip
    right = " ".join(parts.get(name, f"+ {name}") for name in names)
    return f"dP/dt = - lap( {right} )" if conserved else f"dP/dt = {right}"


def _settings(
    film: FilmData, model: FilmModel, result: FilmFit, names: Sequence[str]
) -> dict[str, Any]:
    """Return what live updates and predictions need to rebuild the model."""
    n_terms, point = len(names), result.optimum.point
    drift = point.nuisance[:2].tolist() if "drift_x" in result.nuisances else [0.0, 0.0]
    steps = result.problem.model.steps
    return {
        "dynamics": "conserved" if model.conserved else "nonconserved",
        "terms": list(names), "user_terms": [t.name for t in model.terms if not isinstance(t, str)],
        "edges": film.edges, "margin": result.margin, "pixel_size": list(film.pixel_size),
        "psf_width": model.psf[0], "psf_width_sd": model.psf[1], "drift": drift,
        "steps_per_time": float(steps.n_steps / (film.times[-1] - film.times[0])),
        "largest": float(getattr(result.problem.model, "largest", 1.0)),
        "noise_sd": result.optimum.noise_sd, "first_time": float(film.times[0]),
        "last_time": float(film.times[-1]), "frame_interval": film.interval,
        "order_unit": film.order_unit, "length_unit": film.length_unit,
        "time_unit": film.time_unit, "n_terms": n_terms,
        "few": [*names, *result.nuisances],
        "profile": None if model.profile is None else model.profile.tolist(),
    }  # fmt: skip
