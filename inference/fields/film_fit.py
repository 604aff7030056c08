"""One film, one field model: guess, Gauss-Newton, draws, guard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.fields.field_frames import FieldFrames
from physlearn.inference.fields.field_model import FieldModel
from physlearn.inference.fields.field_posterior import (
    FieldDraws,
    LastField,
    draw_few,
    last_field,
    time_step_shift,
)
from physlearn.inference.fields.film_data import Drive, FilmData, grid_mode, padded
from physlearn.inference.fields.first_guesses import first_field, weak_guess
from physlearn.inference.fields.gauss_newton import (
    FieldOptimum,
    Problem,
    Unknowns,
    fit_field,
    scaled_inverse,
)
from physlearn.inference.fields.polynomial_field import TERMS, make_polynomial_field
from physlearn.inference.fields.residual_guard import ResidualGuard, guard_residual, kick_score
from physlearn.inference.fields.term_model import make_term_model
from physlearn.inference.fields.term_scales import POWERS, film_scale, term_factors
from physlearn.inference.fields.user_terms import FieldTerm

__all__ = ["FilmFit", "FilmModel", "fit_film", "term_names", "term_units"]

Floats = NDArray[np.float64]

MARGIN = 8
WIDE = 10.0  # prior sd of a term: it alone would move the field this many ranges in a frame
DRIFT_SD = 1.0  # pixels in a frame
STEP_SHIFT = 0.15  # posterior sd: steps that move the result more are halved
FEW_PROBES = 8
BLOCK, UNEVEN = 4, 6.0  # pixels; standard deviations of the frames' unevenness above the noise


@dataclass(frozen=True, eq=False)
class FilmModel:
    """What is fitted: terms, dynamics, drive, blur, drift."""

    terms: tuple[str | FieldTerm, ...]
    conserved: bool
    drive: Drive | None
    profile: Floats | None
    drive_size: float
    psf: tuple[float, float]
    drift: bool


@dataclass(frozen=True, eq=False)
class FilmFit:
    """Result of `fit_film`; ``problem`` is that of the film divided by ``scale``."""

    problem: Problem
    optimum: FieldOptimum
    draws: FieldDraws
    last: LastField
    guard: ResidualGuard
    step_shift: Floats
    prior: Floats
    nuisances: tuple[str, ...]
    margin: int
    scale: float


def term_names(terms: Sequence[str | FieldTerm]) -> tuple[str, ...]:
    """Names of built-in and user-written terms."""
    return tuple(term if isinstance(term, str) else term.name for term in terms)


def term_units(model: FilmModel, film: FilmData, drive_unit: str) -> tuple[str, ...]:
    """Units of mobility x term."""
    length = f" {film.length_unit}^2" if model.conserved else ""
    plain = film.order_unit.isalnum()
    unit_of_order = film.order_unit if plain else f"({film.order_unit})"
    order = "" if film.order_unit == "1" else f" {film.order_unit}"
    found = []
    for term in model.terms:
        if not isinstance(term, str):
            found.append("as its function asks for")
        elif term.startswith("gradient"):
            power = 4 if model.conserved else 2
            found.append(f"{film.length_unit}^{power}/{film.time_unit}")
        elif term == "field":
            per = "" if drive_unit in ("", "1") else f"/{drive_unit}"
            found.append(f"{order.strip() or '1'}{length}/{film.time_unit}{per}".strip())
        else:
            power = POWERS[term]
            unit = (
                ""
                if film.order_unit == "1" or power == 0
                else (f" {film.order_unit}" if power < 0 else f" {unit_of_order}^-{power}")
            )
            found.append(f"{(unit + length).strip() or '1'}/{film.time_unit}")
    return tuple(found)


def make_model(
    model: FilmModel, film: FilmData, times: Floats, margin: int, largest: float
) -> FieldModel:
    """Build the model's grid over these times."""
    shape = (film.values.shape[1] + 2 * margin, film.values.shape[2] + 2 * margin)
    profile = None if model.profile is None else np.pad(model.profile, margin, mode="edge")
    mirror = film.edges != "periodic"
    plain = not model.conserved and all(isinstance(t, str) and t in TERMS for t in model.terms)
    if plain:
        return make_polynomial_field(
            shape, times, term_names(model.terms), pixel_size=film.pixel_size, mirror=mirror,
            drive=model.drive, profile=profile, largest=largest,
        )  # fmt: skip
    return make_term_model(
        shape, times, model.terms, conserved=model.conserved, pixel_size=film.pixel_size,
        mirror=mirror, drive=model.drive, profile=profile, largest=largest,
    )  # fmt: skip


def _within_interval(model: FilmModel, interval: int) -> FilmModel:
    """Return the model with the drive of one interval between frames, whatever is asked."""
    drive = model.drive
    if drive is None:
        return model

    def wave(times: Floats, intervals: NDArray[np.int64]) -> Floats:
        return drive(times, np.full(np.shape(intervals), interval))

    return replace(model, drive=wave)


def _features(model: FilmModel, film: FilmData, largest: float) -> Callable[..., Floats]:
    """Return a function: what each term multiplies, by its effect over a short time."""
    n_terms = len(model.terms)
    brief = 1e-3 * film.interval

    def features(frame: Floats, index: int, noise_sd: float) -> Floats:
        del noise_sd
        moment = film.times[index]
        short = _within_interval(model, min(index, film.times.size - 2))
        pair = make_model(short, film, np.array([moment, moment + brief]), 0, largest)
        pair.forward(frame, np.zeros(n_terms))
        zeros = np.zeros((n_terms, *pair.shape))
        return pair.tangent(zeros, np.eye(n_terms))[:, 1] / brief

    return features


def _prior_of(model: FilmModel, film: FilmData, scale: float) -> tuple[Floats, tuple[str, ...]]:
    """Wide Gaussian priors of terms, and of the camera's nuisances, with the latter's names."""
    dx, dy = film.pixel_size
    area = dx * dy if model.conserved else 1.0
    rows = []
    for term in model.terms:
        if not isinstance(term, str):
            size = scale
        elif term.startswith("gradient"):
            size = dx * dy
        elif term == "field":
            size = scale / max(model.drive_size, 1e-300)
        else:
            size = scale ** -POWERS[term]
        rows.append((0.0, WIDE * size * area / film.interval))
    names: list[str] = []
    if model.drift:
        for name, pixel in (("drift_x", dx), ("drift_y", dy)):
            names.append(name)
            rows.append((0.0, DRIFT_SD * pixel / film.interval))
    return np.array(rows), tuple(names)


def _start_values(
    model: FilmModel, film: FilmData, built: FieldModel, given: dict[str, float], largest: float
) -> Floats:
    """First guess of the terms: weak form, then whatever the user knows better."""
    features = getattr(built, "features", None) or _features(model, film, largest)
    guess = weak_guess(
        film.values, film.weights, film.times, features, film.noise_guess, grid_mode(film.edges)
    )
    for index, name in enumerate(term_names(model.terms)):
        if name.startswith("gradient"):
            guess[index] = max(guess[index], 1e-3 * np.prod(film.pixel_size) / film.interval)
        guess[index] = given.get(name, guess[index])
    return guess


def _check_uneven(film: FilmData, model: FilmModel) -> None:
    """Refuse gradient and drift where every frame is even within the noise."""
    if not model.drift and not any(name.startswith("gradient") for name in term_names(model.terms)):
        return
    count, rows, columns = film.values.shape
    shape = (count, rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
    cut = (slice(None), slice(0, shape[1] * BLOCK), slice(0, shape[3] * BLOCK))
    sums, seen = (a[cut].reshape(shape).sum(axis=(2, 4)).reshape(count, -1)
                  for a in (film.values * film.weights, film.weights))  # fmt: skip
    share = np.maximum(seen, 1e-12)
    mean = sums.sum(1) / np.maximum(seen.sum(1), 1e-12)
    excess = np.where(seen > 0, (sums - seen * mean[:, None]) ** 2 / share, 0.0).sum(1)
    frames = np.maximum((seen > 0).sum(1) - 1, 0)
    power, size = excess / max(film.noise_guess, 1e-300) ** 2 - frames, np.sqrt(2 * frames + 1e-12)
    clear = max(float((power / size)[frames > 0].max(initial=0.0)),
                float(power.sum() / np.sqrt((size**2).sum())))  # fmt: skip
    if frames.any() and clear < UNEVEN:
        raise NotIdentified(
            "every frame is even within its noise: without walls or waves a film tells neither "
            "gradient nor drift; give terms without gradient and drift=False."
        )


def fit_film(
    film: FilmData, model: FilmModel, *, start_values: dict[str, float], n_draws: int,
    rng: np.random.Generator, progress: Callable[[int, int], object] | None = None,
) -> FilmFit:  # fmt: skip
    """Fit a model to a film, in units in which its values are of order one."""
    names = term_names(model.terms)
    for name in start_values:
        if name not in names:
            raise InputError(f"start_values may name {', '.join(names)}; got {name!r}.")
    _check_uneven(film, model)
    scale = film_scale(film.values[film.weights > 0], model.terms)
    factors = term_factors(model.terms, scale)
    given = {name: float(value) / factors[names.index(name)]
             for name, value in start_values.items()}  # fmt: skip
    small = replace(film, values=film.values / scale, noise_guess=film.noise_guess / scale)
    result = _fitted(small, model, given, n_draws, rng, progress)
    return _rescaled(result, np.append(factors, np.ones(len(result.nuisances))), scale)


def _rescaled(result: FilmFit, factors: Floats, scale: float) -> FilmFit:
    """Return a result in the film's own units; ``factors``: of the few."""
    old, last, n_terms = result.optimum, result.last, result.optimum.point.theta.size
    point = Unknowns(
        scale * old.point.start, factors[:n_terms] * old.point.theta, old.point.nuisance
    )
    optimum = replace(
        old, point=point, information=old.information / np.outer(factors, factors),
        ridge=scale * old.ridge / factors[:, None, None], residual=scale * old.residual,
        noise_sd=scale * old.noise_sd, cost=scale**2 * old.cost, frames=scale * old.frames,
    )  # fmt: skip
    return replace(
        result, optimum=optimum, prior=factors[:, None] * result.prior, scale=scale,
        draws=replace(result.draws, few=factors * result.draws.few),
        last=replace(
            last, mode=scale * last.mode, deviations=scale * last.deviations,
            sensitivity=scale * last.sensitivity / factors[:, None, None],
            shift=factors * last.shift,
        ),
    )  # fmt: skip


def _fitted(
    film: FilmData, model: FilmModel, start_values: dict[str, float], n_draws: int,
    rng: np.random.Generator, progress: Callable[[int, int], object] | None,
) -> FilmFit:  # fmt: skip
    """Fit a model to a film of order one."""
    seen = film.values[film.weights > 0]
    scale, largest = float(np.std(seen)), 1.15 * float(np.quantile(np.abs(seen), 0.999))
    margin = MARGIN if film.edges == "open" else 0
    prior, nuisances = _prior_of(model, film, scale)
    flat = make_model(model, film, film.times, 0, largest)
    theta = _start_values(model, film, flat, start_values, largest)
    start = padded(first_field(film.values, film.weights, grid_mode(film.edges)), margin)
    built = flat if margin == 0 else make_model(model, film, film.times, margin, largest)
    first = np.zeros(len(nuisances))
    camera = FieldFrames(
        film.values, film.weights, film.times, film.pixel_size, margin, film.edges != "periodic",
        nuisances, model.psf[0],
    )  # fmt: skip
    problem = Problem(built, camera, prior, start, scale)
    optimum = fit_field(problem, Unknowns(start, theta, first), progress=progress)
    shift = time_step_shift(problem, optimum)
    while float(np.abs(shift).max()) > STEP_SHIFT and problem.refine < 16:
        problem.refine *= 2
        optimum = fit_field(problem, optimum.point, progress=progress)
        shift = time_step_shift(problem, optimum)
    problem.residual(optimum.point)
    size = np.sqrt(np.maximum(np.diag(optimum.information), 1e-300))
    if not np.all(np.linalg.eigvalsh(optimum.information / np.outer(size, size)) > 0):
        raise NotIdentified(
            "the film does not fix all terms: the information about them is singular; leave out a "
            "term, or take a film in which the field moves more."
        )
    last = last_field(problem, optimum, rng, FEW_PROBES)
    scores = guard_residual(optimum.residual, camera.weights, optimum.noise_sd, last.probes)

    def interval_model(index: int) -> FieldModel:
        short = _within_interval(model, index)
        pair = make_model(short, film, film.times[index : index + 2], margin, largest)
        return pair.with_steps(optimum.point.theta, problem.refine)

    scores["kicks"] = kick_score(
        problem, optimum, interval_model, last.probes, conserved=model.conserved
    )
    draws = draw_few(problem, optimum, rng, n_draws)
    if model.psf[1] > 0:
        optimum, draws = _with_blur_error(problem, optimum, draws, model.psf, rng)
    return FilmFit(
        problem, optimum, draws, last, ResidualGuard(scores), shift, prior, nuisances, margin, 1.0
    )


def _with_blur_error(
    problem: Problem, optimum: FieldOptimum, draws: FieldDraws, psf: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[FieldOptimum, FieldDraws]:  # fmt: skip
    """Carry the blur's error into the few: fitted again with a blur one sd wider.

    The film does not say how wide the blur is: the start's fine waves, which it damps, are free.
    """
    width, error = psf
    problem.camera.psf_width = width + error
    moved = fit_field(problem, optimum.point).point.few - optimum.point.few
    problem.camera.psf_width = width
    problem.residual(optimum.point)
    information = scaled_inverse(optimum.covariance + np.outer(moved, moved))
    few = draws.few + rng.normal(size=(len(draws.few), 1)) * moved
    text = draws.approximation + "; the blur's error carried to first order"
    return replace(optimum, information=information), replace(draws, few=few, approximation=text)
