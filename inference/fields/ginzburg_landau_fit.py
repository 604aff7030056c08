"""Ginzburg-Landau parameters from a film or a still picture: the front door."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_choice, check_count
from physlearn.inference.fields.film_data import (
    FilmData,
    film_data,
    film_drive,
    film_units,
    picture_units,
)
from physlearn.inference.fields.film_fit import (
    FilmModel,
    fit_film,
    term_names,
    term_units,
)
from physlearn.inference.fields.film_report import dressed_film
from physlearn.inference.fields.polynomial_field import TERMS
from physlearn.inference.fields.user_terms import FieldTerm
from physlearn.lattice_models.fields.forcing import FieldDrive
from physlearn.one_thread import one_blas_thread
from physlearn.results import Fit

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_ginzburg_landau"]

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

LARGEST_BLUR = 64.0


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
    noise_sd: float | None = None,
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
    noise_sd
        Noise of a pixel, where it is known: for a still picture, or with ``temperature`` (0: the
        camera adds none). Any other film tells it by itself.
    previous
        A fit of the frames before: the new Fit adds these frames to it (live use); what it fixes
        (``dynamics``, ``psf_width``, ...) is not given again.
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
    ...     frame_times=np.arange(2.0, 14.0), time_step=0.005)
    >>> fit = fit_ginzburg_landau(film + 0.05 * noise.normal(size=film.shape), drift=False, rng=1)
    >>> low, high = fit.interval("landau")[0]
    >>> bool(low < -0.4 < high)
    True
    """
    check_choice("dynamics", dynamics, ("nonconserved", "conserved"))
    generator, seed = as_generator(rng)
    check_count("n_draws", n_draws, 100)
    fixed = {"psf_width": psf_width, "temperature": temperature, "energy_scale": energy_scale,
             "start_values": start_values, "noise_sd": noise_sd, "order_unit": order_unit,
             "edges": None if edges == "auto" else edges,
             "dynamics": None if dynamics == "nonconserved" else dynamics}  # fmt: skip
    if previous is not None:
        from physlearn.inference.fields.live_update import update_fit

        _refused("a fit that goes on from previous keeps what that was made with", fixed)
        return update_fit(
            previous, video, frame_times=frame_times, drive=drive, drive_between=drive_between,
            terms=terms, n_draws=n_draws, rng=generator,
        )  # fmt: skip
    if np.ndim(video) == 2:
        if temperature is not None:
            raise NotIdentified(
                "a still picture has no dynamics: temperature cannot give a mobility there; leave "
                "it out, or give a film."
            )
        moving = {name: fixed[name] for name in ("dynamics", "edges", "start_values")}
        _refused("a still picture has no dynamics",
                 {**moving, "drive": drive, "frame_times": frame_times})  # fmt: skip
        return _still(
            video, terms, psf_width, energy_scale, order_unit, noise_sd, n_draws, generator
        )
    film = film_data(video, frame_times, edges, order_unit)
    before = int(np.shape(video)[0]) - film.times.size
    model, values = _film_model(
        film, before, terms, dynamics, (drive, drive_between), psf_width, drift
    )
    if temperature is not None:
        _refused("a film at a known temperature has its own likelihood",
                 {"energy_scale": energy_scale, "start_values": start_values})  # fmt: skip
        return _thermal(film, model, temperature, noise_sd, n_draws, generator)
    if noise_sd is not None:
        raise InputError("noise_sd must be left out: the film tells it (without temperature).")
    with one_blas_thread():
        result = fit_film(
            film, model, start_values=dict(start_values or {}), n_draws=n_draws, rng=generator,
            progress=progress,
        )  # fmt: skip
    return dressed_film(film, model, result, values, seed, energy_scale, generator)


def _film_model(
    film: FilmData, before: int, terms: Sequence[str | FieldTerm] | None, dynamics: str,
    driven: tuple[FieldDrive | ArrayLike | Callable[[Floats], ArrayLike] | None, str],
    psf_width: float | tuple[float, float] | None, drift: bool,
) -> tuple[FilmModel, Floats]:  # fmt: skip
    """Return what is fitted and the drive's values; ``before``: frames that were left out."""
    wave, profile, drive_size, values = film_drive(driven[0], film, before, driven[1])
    model = FilmModel(
        _checked_terms(terms, wave is not None), dynamics == "conserved", wave, profile,
        drive_size, _checked_blur(psf_width, film), bool(drift),
    )  # fmt: skip
    return model, values


def _refused(why: str, given: Mapping[str, object]) -> None:
    """Say which arguments have no meaning here."""
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise InputError(f"{', '.join(names)} must be left out: {why}.")


def _still(
    image: Any, terms: Sequence[Any] | None, psf_width: float | tuple[float, float] | None,
    energy_scale: Mapping[str, tuple[float, float]] | None, order_unit: str | None,
    noise_sd: float | None, n_draws: int, generator: np.random.Generator,
) -> Fit:  # fmt: skip
    """Fit the ratios that a still picture holds."""
    from physlearn.inference.fields.still_field import fit_still_field

    if psf_width is None:
        raise InputError(
            "psf_width must be given for a still picture: blur and wall width look the same; give "
            "0 for a picture without blur."
        )
    if terms is not None and any(term not in ("alpha", "beta", "gradient") for term in terms):
        raise InputError("a still picture is fitted with terms alpha, beta and gradient only.")
    pixel, length, own = picture_units(image)
    pair = psf_width if isinstance(psf_width, tuple | list) else (psf_width, 0.0)
    if not isinstance(psf_width, str):
        psf_width = (float(pair[0]) / pixel, float(pair[1]) / pixel)
    return fit_still_field(
        image, psf_width=psf_width, energy_scale=energy_scale, n_draws=n_draws, rng=generator,
        noise_sd=noise_sd, order_unit=order_unit or own, pixel_size=pixel, length_unit=length,
    )  # fmt: skip


def _thermal(
    film: FilmData, model: FilmModel, temperature: float | tuple[float, float],
    noise_sd: float | None, n_draws: int, generator: np.random.Generator,
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
        noise_sd=noise_sd, n_draws=n_draws, rng=generator, units=film_units(film),
        term_units=term_units(model, film, ""),
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
    try:
        numbers = np.asarray(pair if isinstance(pair, tuple | list) else (pair, 0.0), dtype=float)
    except (TypeError, ValueError):
        raise InputError(
            f"psf_width must be a width or (width, sd): a film does not tell its blur; got "
            f"{psf_width!r}."
        ) from None
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
