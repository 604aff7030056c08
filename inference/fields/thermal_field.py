"""A film that thermal noise moves: mobility and coefficients from a known temperature."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from physlearn.checks import (
    NotIdentified,
    as_generator,
    check_choice,
    check_positive,
)
from physlearn.inference.fields.term_model import Drive, TermModel, make_term_model
from physlearn.inference.fields.term_scales import film_scale, term_factors
from physlearn.inference.fields.thermal_input import checked_film, checked_temperature
from physlearn.inference.fields.thermal_moments import (
    Moments,
    noise_moments,
    tile_edges,
    tiled_covariance,
)
from physlearn.inference.fields.user_terms import FieldTerm
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_thermal_field"]

Floats = NDArray[np.float64]
ROUNDS = 20
WEAKEST = 0.3  # correlation of instruments and what they stand for
LONGEST = 0.5  # of its value: change of a term in a round
CLOSE = 1e-3  # posterior sd
CLEAR = 4.0  # sd that the thermal noise must stand above zero
CALM = 2.0  # pixels, smoothing for the first guess
RIM = 6  # pixels that an open edge may reach in a step
PROBE = 0.05  # of the order parameter's size: reach of the curvature probe


@dataclass(frozen=True, eq=False)
class Step:
    """Three frames in a row: which, and the model from the second to the third."""

    frame: int
    model: TermModel
    before: TermModel


def fit_thermal_field(
    frames: ArrayLike,
    times: ArrayLike,
    *,
    temperature: float | tuple[float, float],
    terms: Sequence[str | FieldTerm] = ("alpha", "beta", "gradient"),
    conserved: bool = False,
    drive: Drive | None = None,
    profile: ArrayLike | None = None,
    noise_sd: float | None = None,
    pixel_size: tuple[float, float] = (1.0, 1.0),
    edges: str = "no_flux",
    n_draws: int = 4000,
    units: Mapping[str, str] | None = None,
    term_units: Sequence[str] = (),
    rng: int | np.random.Generator | None = None,
) -> Fit:
    """Fit the mobility and every Landau coefficient of a film that thermal noise moves.

    ``dP = L N(P) dt + noise`` of the strength ``2 L kT / pixel area`` per time (fluctuation and
    dissipation): the noise between frames gives L, and L the coefficients. The mean of each frame
    given the one before it is predicted by the model; the predictions' errors are held against
    instruments made from the frame before both, whose measurement noise is independent; noise
    inside the interval and measurement noise enter the mean to second order. Thermal and
    measurement noise part because only the second makes successive errors anticorrelated. Errors
    are a sandwich over tiles and frames.

    Parameters
    ----------
    frames
        (n_frames, n_rows, n_columns) on square or oblong pixels, without blur; whole frames may be
        NaN.
    times
        Of the frames, increasing.
    temperature
        kT in the energy unit wanted for the coefficients, or (value, sd).
    terms
        Built-in names and `FieldTerm` records.
    conserved
        Whether the order parameter is conserved.
    drive, profile
        As in `make_term_model`.
    noise_sd
        Measurement noise of a pixel; None: found along with the rest.
    pixel_size
        (dx, dy).
    edges
        ``periodic``, ``no_flux``, or ``open``: a rim of 6 pixels is then not compared.
    n_draws
        Posterior draws.
    units, term_units
        Of the results, and of the terms.
    rng
        Seed or generator.

    Returns
    -------
    Fit
        ``landau`` (term): mobility x coefficient; ``mobility``; ``coefficient`` (term) in units of
        the given energy; ``noise_sd`` where it was found.

    Raises
    ------
    InputError
        For frames or times that cannot be used.
    NotIdentified
        Where no thermal noise stands above the measurement noise.

    Notes
    -----
    Estimating functions: Bibby and Sorensen, Bernoulli 1, 17 (1995).

    Examples
    --------
    >>> from physlearn.lattice_models.fields import LandauPotential, simulate_ginzburg_landau
    >>> film = simulate_ginzburg_landau(LandauPotential(a=-1.0, c=1.0, kappa_x=1.0, kappa_y=1.0),
    ...     np.ones((24, 24)), frame_times=np.arange(12) * 0.5, mobility=0.5, thermal_energy=0.01,
    ...     rng=1)
    >>> fit = fit_thermal_field(film.values, film.time.values, temperature=0.01, noise_sd=0.0,
    ...     edges="periodic", rng=1)
    >>> low, high = fit.interval("mobility")
    >>> bool(low < 0.5 < high)
    True
    """
    film, when = checked_film(frames, times)
    warmth, warmth_sd = checked_temperature(temperature)
    known = None if noise_sd is None else check_positive("noise_sd", noise_sd, allow_zero=True)
    check_choice("edges", edges, ("periodic", "no_flux", "open"))
    generator, seed = as_generator(rng)
    scale = film_scale(film[np.isfinite(film)], terms)
    film, known = film / scale, None if known is None else known / scale
    mask = np.zeros(film.shape[1:])
    rim = RIM if edges == "open" else 0
    mask[rim : film.shape[1] - rim, rim : film.shape[2] - rim] = 1.0
    largest = 1.1 * float(np.nanmax(np.abs(film)))

    def make(first: int, last: int) -> TermModel:
        shifted = None
        if drive is not None:
            shifted = lambda moments, intervals: drive(moments, intervals + first)  # noqa: E731
        return make_term_model(
            film.shape[1:], when[[first, last]], terms, conserved=conserved,
            pixel_size=pixel_size, mirror=edges != "periodic", drive=shifted, profile=profile,
            largest=largest,
        )  # fmt: skip

    whole = np.flatnonzero(np.isfinite(film).all((1, 2)))
    steps = [Step(int(b), make(int(b), int(c)), make(int(a), int(b)))
             for a, b, c in zip(whole[:-2], whole[1:-1], whole[2:], strict=True)]  # fmt: skip
    kept, kept_times = film[whole], when[whole]
    position = {int(frame): k for k, frame in enumerate(whole)}
    theta = _first_guess(kept, kept_times, steps, position)
    probes = generator.choice([-1.0, 1.0], size=(len(steps), *film.shape[1:]))
    theta, moments, scores, slopes = _settled(
        kept, steps, position, theta, known, probes, seed, mask
    )
    cross = _cross_slopes(kept, steps, position, theta, moments, probes, known, seed, mask,
                          np.sqrt(np.diag(_covariance(scores, slopes))))  # fmt: skip
    covariance = tiled_covariance(scores, slopes, moments, cross)
    said = {"units": {**(units or {"coefficient": "energy unit of temperature"})},
            "attrs": {"subject": "fields", "term_units": json.dumps(list(term_units))}}  # fmt: skip
    if known is not None:
        said["units"].pop("noise_sd", None)
    return _wrapped(
        scale, film, steps[0].model, theta, moments.noise, covariance, (warmth, warmth_sd),
        known is None, pixel_size, n_draws, generator, seed, len(steps), said,
    )  # fmt: skip


def _settled(
    kept: Floats, steps: list[Step], position: dict[int, int], theta: Floats, known: float | None,
    probes: Floats, seed: int, mask: Floats,
) -> tuple[Floats, Moments, Floats, Floats]:  # fmt: skip
    """Solve the estimating equations; return terms, moments, scores and their slopes."""
    noise = np.array([0.0, known**2 if known is not None else 0.0])
    for _ in range(ROUNDS):
        scores, slopes, errors = _scores(kept, steps, position, theta, noise, probes, mask)
        moments = noise_moments(kept, steps, position, theta, errors, known, seed, mask)
        change = np.linalg.solve(slopes, scores.sum((0, 1, 2)))
        largest_share = float(np.max(np.abs(change) / np.maximum(np.abs(theta), 1e-12)))
        change *= min(1.0, LONGEST / max(largest_share, 1e-12))
        theta, before, noise = theta + change, noise, moments.noise
        spread = np.sqrt(np.diag(_covariance(scores, slopes)))
        settled = np.abs(noise - before).max() <= CLOSE * max(noise.max(), 1e-30)
        if np.all(np.abs(change) < CLOSE * spread) and settled:
            break
    else:
        if np.any(np.abs(change) > 0.1 * spread):
            raise NotIdentified(
                "the fit of the thermal film did not settle: its frames hold too little of how "
                "the field relaxes; take more frames, closer in time."
            )
    return theta, moments, scores, slopes


def _first_guess(
    film: Floats, times: Floats, steps: Sequence[Step], position: dict[int, int]
) -> Floats:
    """Regress differences between frames on the terms, with the frame before as instrument."""
    left, right = 0.0, 0.0
    for step in steps:
        k = position[step.frame]
        length = times[k + 1] - times[k]
        now, before = (_terms_of(step.model, film[j], length) for j in (k, k - 1))
        # fast waves relax within a frame: the guess goes by slow ones
        now, before = (ndimage.gaussian_filter(maps, (0, CALM, CALM)) for maps in (now, before))
        change = ndimage.gaussian_filter(film[k + 1] - film[k], CALM)
        left = left + np.einsum("aij,bij->ab", before, now)
        right = right + np.einsum("aij,ij->a", before, change)
    guess = np.asarray(np.linalg.lstsq(left, right, rcond=None)[0])
    for index, name in enumerate(steps[0].model.terms):
        if name.startswith("gradient"):
            guess[index] = max(guess[index], 1e-3 * float(np.abs(guess).max()))
    return guess


def _terms_of(model: TermModel, order: Floats, length: float) -> Floats:
    """Each term's share of a short step, per unit of its parameter."""
    short = make_short(model)
    short.forward(order, np.zeros(len(model.terms)))
    change = short.tangent(np.zeros((len(model.terms), *order.shape)), np.eye(len(model.terms)))
    share: Floats = change[:, -1] * length / (short.steps.times[-1] - short.steps.times[0])
    return share


def make_short(model: TermModel) -> TermModel:
    """Return the model with its first interval cut to a thousandth."""
    from dataclasses import replace

    from physlearn.inference.fields.field_model import TimeSteps

    begin, end = model.steps.times[:2]
    times = np.array([begin, begin + 1e-3 * (end - begin)])
    return replace(model, steps=TimeSteps.of(times, np.inf), stages=np.zeros((0, 0, 0, 0)))


def _scores(
    film: Floats,
    steps: Sequence[Step],
    position: dict[int, int],
    theta: Floats,
    noise: Floats,
    probes: Floats,
    mask: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Instrument x error by tile (steps, tiles, tiles, terms), their slope, and the errors.

    ``noise``: thermal strength per time and measurement variance.
    """
    n_terms = theta.size
    nothing, unit = np.zeros((n_terms, *film.shape[1:])), np.eye(n_terms)
    size = PROBE * float(np.abs(film).max())
    slopes, squares = np.zeros((n_terms, n_terms)), np.zeros((2, n_terms, n_terms))
    errors = np.empty((len(steps), *film.shape[1:]))
    scores = []
    for index, step in enumerate(steps):
        k = position[step.frame]
        model, before = step.model.with_steps(theta), step.before.with_steps(theta)
        expected = model.forward(film[k], theta)[-1]
        regressors = model.tangent(nothing, unit)[:, -1]
        length = float(model.steps.times[-1] - model.steps.times[0])
        # the mean moves with the curvature of the flow: noise inside the interval, less the
        # measurement noise that the start carries
        bend = sum(model.forward(film[k] + sign * size * probes[index], theta)[-1]
                   for sign in (1.0, -1.0)) / 2 - expected  # fmt: skip
        errors[index] = (
            film[k + 1] - expected - bend * ((noise[0] * length / 2 - noise[1]) / size**2)
        )
        if noise[1] > 0:
            foreseen = before.forward(film[k - 1], theta)[-1]
            model.forward(foreseen, theta)
            instruments = model.tangent(nothing, unit)[:, -1] * mask
        else:
            # a frame without measurement noise is its own best instrument
            instruments = regressors * mask
        slopes += np.einsum("aij,bij->ab", instruments, regressors)
        squares += np.array([np.einsum("aij,bij->ab", maps, maps * mask)
                             for maps in (instruments, regressors)])  # fmt: skip
        scores.append(_by_tile(instruments * errors[index]))
    roots = [np.linalg.cholesky(square) for square in squares]
    first = np.linalg.solve(roots[0], slopes)
    strength = np.linalg.svd(np.linalg.solve(roots[1], first.T).T, compute_uv=False)
    if strength[-1] < WEAKEST:
        raise NotIdentified(
            "the field's fluctuations forget themselves between frames (a term keeps "
            f"{strength[-1]:.2f} of its correlation): take frames closer in time, films with "
            "walls, or, where it is known that the camera adds none, give noise_sd=0."
        )
    return np.array(scores), slopes, errors


def _cross_slopes(
    film: Floats, steps: Sequence[Step], position: dict[int, int], theta: Floats,
    moments: Moments, probes: Floats, known: float | None, seed: int, mask: Floats, spread: Floats,
) -> Floats:  # fmt: skip
    """Fall of the moments' scores with the parameters at fixed noise, (2, terms)."""
    slopes = np.zeros((2, theta.size))
    for k in range(theta.size):
        sums = []
        for sign in (1.0, -1.0):
            moved = theta.copy()
            moved[k] += sign * spread[k]
            _, _, errors = _scores(film, steps, position, moved, moments.noise, probes, mask)
            found = noise_moments(film, steps, position, moved, errors, known, seed, mask,
                                  moments.noise)  # fmt: skip
            sums.append(found.scores.sum((0, 1, 2)))
        slopes[:, k] = -(sums[0] - sums[1]) / (2 * spread[k])
    return slopes


def _by_tile(maps: Floats) -> Floats:
    """Sum (terms, rows, columns) over tiles: (tiles, tiles, terms)."""
    rows, columns = tile_edges(maps.shape[1]), tile_edges(maps.shape[2])
    sums = np.add.reduceat(np.add.reduceat(maps, rows, axis=1), columns, axis=2)
    return np.moveaxis(sums, 0, -1)


def _covariance(scores: Floats, slopes: Floats) -> Floats:
    """Rough sandwich, for the stopping rule."""
    flat = scores.reshape(-1, scores.shape[-1])
    inverse = np.linalg.inv(slopes)
    rough: Floats = inverse @ (flat.T @ flat) @ inverse.T
    return rough


def _wrapped(
    scale: float, film: Floats, model: TermModel, theta: Floats, noise: Floats, covariance: Floats,
    warmth: tuple[float, float], noise_found: bool, pixel_size: tuple[float, float], n_draws: int,
    generator: np.random.Generator, seed: int, n_steps: int, said: dict[str, Any],
) -> Fit:  # fmt: skip
    """Draw the posterior and dress it, in the film's own units (``scale``)."""
    n_terms = theta.size
    sd = float(np.sqrt(covariance[n_terms, n_terms]))
    if not noise[0] > CLEAR * sd:
        raise NotIdentified(
            f"the film shows no thermal noise above its measurement noise: {noise[0]:.3g} +- "
            f"{sd:.2g} per pixel and time; without temperature the products mobility x "
            "coefficient can still be fitted."
        )
    draws = generator.multivariate_normal(np.append(theta, noise), covariance, n_draws)
    kt = np.abs(generator.normal(*warmth, n_draws))
    strength = np.maximum(draws[:, n_terms], 1e-6 * noise[0])
    mobility = scale**2 * strength * pixel_size[0] * pixel_size[1] / (2 * kt)
    landau = draws[:, :n_terms] * term_factors(model.all_terms, scale)
    contents = {"landau": landau, "mobility": mobility, "coefficient": landau / mobility[:, None]}
    if noise_found:
        contents["noise_sd"] = scale * np.sqrt(np.maximum(draws[:, n_terms + 1], 0.0))
    dims = {"landau": ["term"], "coefficient": ["term"]}
    return fit_from_draws(
        contents, model=f"thermal {'conserved' if model.conserved else 'non-conserved'} "
        f"Ginzburg-Landau field: {', '.join(model.terms)}",
        likelihood="estimating function: means given the frame before, instruments from two "
        "frames before; noise by moments",
        approximation="normal, sandwich over tiles and frames", seed=seed,
        data=[np.nan_to_num(scale * film)], dims=dims, coords={"term": list(model.terms)},
        diagnostics={"thermal_strength": scale**2 * float(noise[0]), "n_pairs": n_steps,
                     "measurement_sd": scale * float(np.sqrt(max(noise[1], 0.0)))},
        warnings=["the thermal noise is taken to be that of kT and white; other noise that moves "
                  "the field would pass for a larger mobility."],
        units=said["units"], attrs=said["attrs"],
    )  # fmt: skip
