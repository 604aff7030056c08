"""The width of a wall in one picture, with the point spread of the microscope taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import (
    InputError,
    NotIdentified,
    as_generator,
    check_choice,
    check_count,
    check_positive,
)
from physlearn.inference.wall_profiles.profile_checks import residual_correlation, variance_factor
from physlearn.inference.wall_profiles.profile_draws import draw_profiles, evaluate_grid
from physlearn.inference.wall_profiles.profile_pixels import Arc, WallPixels, first_arc, wall_pixels
from physlearn.inference.wall_profiles.profile_posterior import (
    BlurPrior,
    ProfileMode,
    ProfileModel,
    find_mode,
    influences,
)
from physlearn.inference.wall_profiles.profile_reading import check_pair, read_picture
from physlearn.inference.wall_profiles.profile_values import named_values
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_wall_profile"]

Floats = NDArray[np.float64]
PointSpread = float | tuple[float, float] | str

LARGEST_ERROR = 0.3
"""Bound on the error of ln(width) beyond which a width is refused."""
LARGEST_Z = 4.0
OUTSIDE = 0.05
"""Share of draws with the wall outside of the picture from which the picture is refused."""
WIDEST_BEND = 0.5
"""Curvature times width beyond which the inner domain keeps less than 96 % of its level."""
BENDS = {"straight": (True, False, False), "tilted": (True, True, False),
         "curved": (True, True, True)}  # fmt: skip
LEAST_ROWS = 4
LEAST_GAIN = 60.0
"""Chi square that a wall must gain over a flat picture: the search through noise gains up to 40."""


def fit_wall_profile(
    image: ArrayLike | Sequence[ArrayLike],
    *,
    psf_width: PointSpread,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    rows: str = "wall",
    wall: str = "curved",
    shape: str = "quartic",
    bump: bool = False,
    background: bool = False,
    position: tuple[float, float] | None = None,
    noise_sd: float | None = None,
    rng: int | np.random.Generator | None = None,
    n_draws: int = 4000,
) -> Fit:
    r"""Measure the width of a wall between two domains, the microscope's blur taken apart.

    A pixel holds the average over its area of

    .. math:: c + a \,(S * G_s)(d), \qquad S(d) = \tanh(d / w),

    d the distance from the wall (a line or an arc of a circle), :math:`G_s` a Gaussian point
    spread of standard deviation s, and independent Gaussian noise.

    Parameters
    ----------
    image
        Picture (rows, columns) or DataArray (y, x) that holds one wall, of any direction; NaN or
        masked where unknown. Or rows across a wall, (n_rows, n_columns), or a list of rows of
        different lengths.
    psf_width
        Standard deviation s of the point spread (its full width at half maximum / 2.355), in units
        of ``pixel_size``: a number when known, ``(value, sd)``, 0 for a signal without blur, or
        ``"free"``: then width and blur are drawn jointly, and the width is a bound.
    pixel_size
        Edge of a pixel, one number or (x, y); from a DataArray's x and y, or 1, when None.
    unit
        Unit of ``pixel_size``; from the coordinates, or ``pixel``, when None.
    rows
        ``wall``: one wall runs through all rows; ``own positions``: every row has a position of
        its own, the width is shared; ``own widths``: every row has a width of its own from a
        lognormal distribution that the rows share (partial pooling).
    wall
        ``curved``, ``tilted`` or ``straight`` (square to the nearest axis) for ``rows="wall"``.
    shape
        ``quartic`` (tanh) or ``sextic``: ``T sqrt(Q / (1 + Q - T^2))``, the 2-4-6 wall, with ln Q
        ~ normal(0, 1.5); its width is half the jump over the steepest slope, too.
    bump
        Add an even bump ``1 - S^2`` (flexoelectric-like). To first order it is a shift of the
        wall, so that ``position`` must be given.
    background
        Add a brightness that changes linearly along the normal.
    position
        (value, sd) of the wall's distance from the picture's middle, known from elsewhere.
    noise_sd
        Noise of a pixel; fitted when None.
    rng
        Seed or generator of the draws.
    n_draws
        Posterior draws.

    Returns
    -------
    Fit
        ``wall_width``, ``amplitude`` (half the jump), ``offset``, ``position`` and ``angle`` of
        the normal (from x, radians; it points to the brighter side), ``curvature`` (positive where
        the brighter domain is convex), ``noise_sd``, ``psf_width`` unless known. A still wall
        fixes ratios of the free energy only: ``minus_a_over_c`` = P0^2 (in the picture's units
        squared), ``minus_kappa_over_a`` = w^2 / 2 of `LandauPotential`, or for a sextic wall
        ``sextic_shape`` Q and ``a_over_e``, ``c_over_e``, ``kappa_over_e``. ``diagnostics``:
        ``log_width_bound`` (Cramer-Rao bound on ln(width) at the fit; the
        posterior's sd for a free point spread), ``neighbour_z``,
        ``variance_factor``. For rows with widths of their own: ``mean_log_width``,
        ``log_width_spread``, ``row_width``, ``row_position``, ``mean_width``.

    Raises
    ------
    InputError
        For a picture of another kind, or options that do not go together.
    NotIdentified
        For a picture without a wall, or when the bound on ln(width) exceeds .3 (not with
        ``psf_width="free"``, which says what the data exclude).

    Notes
    -----
    Profiles come from their Fourier waves, with the pixel and the point spread as factors. The
    arc, both levels and the noise are integrated out at every node of a grid of (width, blur,
    shape), the arc linearised; the draws come from that density. Where neighbouring residuals
    agree, the likelihood is tempered by the factor that their correlation puts on the width's
    variance. The wall's tension, mobility and the coefficients themselves need a film or a
    calibrated field: nothing here can give them.

    Examples
    --------
    >>> from physlearn.inference.wall_profiles.wall_pictures import make_wall_picture
    >>> picture = make_wall_picture(2.0, 1.0, noise_sd=0.05, rng=1)
    >>> fit = fit_wall_profile(picture, psf_width=(1.0, 0.05), rng=1)
    >>> low, high = fit.interval("wall_width")
    >>> bool(low < 2.0 < high), bool(high - low < 0.3)
    (True, True)
    """
    generator, seed = as_generator(rng)
    check_choice("rows", rows, ("wall", "own positions", "own widths"))
    check_choice("wall", wall, tuple(BENDS))
    check_choice("shape", shape, ("quartic", "sextic"))
    n_draws = check_count("n_draws", n_draws, 100)
    if noise_sd is not None:
        check_positive("noise_sd", noise_sd)
    if position is not None:
        position = check_pair("position", position)
    blur = _blur_prior(psf_width)
    image, pixel_size, unit = read_picture(image, pixel_size, unit)
    if rows != "wall":
        return _fit_rows(
            image, blur, rows, pixel_size, unit, noise_sd, generator, seed, n_draws,
            extras=(shape != "quartic", bump, background, position is not None),
        )  # fmt: skip
    if bump and position is None:
        raise InputError(
            "bump needs position=(value, sd): to first order an even bump is a shift of the wall, "
            "so that a picture alone cannot tell them apart."
        )
    pixels = wall_pixels(image, pixel_size)
    model = _model(pixels, blur, wall, shape, bump, background, position, noise_sd)
    return _fit_wall(model, unit, generator, seed, n_draws)


def _blur_prior(given: PointSpread) -> BlurPrior:
    """Read ``psf_width``."""
    if isinstance(given, str) and given == "free":
        return BlurPrior(0.0, 0.0, most=1.0)
    try:
        pair = np.atleast_1d(np.asarray(given, dtype=float))
    except (TypeError, ValueError):
        pair = np.full(3, np.nan)
    if pair.size == 1:
        pair = np.append(pair, 0.0)
    if pair.shape != (2,) or not np.isfinite(pair).all() or (pair < 0).any():
        raise InputError(
            "psf_width must be a standard deviation of at least 0, (value, sd), or 'free'; "
            f"got {given!r}."
        )
    return BlurPrior(float(pair[0]), float(pair[1]))


def _model(
    pixels: WallPixels, blur: BlurPrior, wall: str, shape: str, bump: bool, background: bool,
    position: tuple[float, float] | None, noise_sd: float | None,
) -> ProfileModel:  # fmt: skip
    """Put the model together; a picture of few rows has no angle or curvature."""
    free = BENDS[wall]
    narrow = min(np.unique(pixels.x).size, np.unique(pixels.y).size)
    if narrow < LEAST_ROWS:
        free = BENDS["straight"]
    noise = None if noise_sd is None else noise_sd / pixels.scale
    return ProfileModel(
        pixels, blur, free, shape == "sextic", bump, background, noise, position,
        bend_sd=2.0 / pixels.extent,
    )  # fmt: skip


def _start(model: ProfileModel) -> ProfileMode:
    """Find the mode from several first widths; a wall square to an axis keeps its angle."""
    arc = first_arc(model.pixels)
    if not model.free[1]:
        arc = Arc(arc.position, float(np.round(arc.angle / (np.pi / 2)) * np.pi / 2))
    if model.hint is not None:
        arc = Arc(model.hint[0], arc.angle)
    edge = max(model.pixels.size)
    # a free blur and the width are one direction: the arc comes from a wall without blur
    searched = replace(model, blur=BlurPrior(0.0, 0.0)) if model.blur.free else model
    best: ProfileMode | None = None
    for width in (2.0 * edge, 6.0 * edge):
        mode = find_mode(searched, arc, float(np.log(width)), model.blur.mean)
        if best is None or mode.noise_sd < best.noise_sd * (1 - 1e-6):
            best = mode
        if mode.converged and mode.noise_sd < 0.7:
            break
    assert best is not None  # noqa: S101 -- two widths were tried
    return best


def _fit_wall(
    model: ProfileModel, unit: str, generator: np.random.Generator, seed: int, n_draws: int
) -> Fit:
    """Fit one wall of one picture."""
    pixels = model.pixels
    mode = _start(model)
    across, along = residual_correlation(pixels, mode.residuals)
    temper, factors = 1.0, np.ones(model.n_linear + model.n_moves)
    echo = max(across, along) > LARGEST_Z
    if echo:
        own, others = influences(model, mode)
        found = np.array([variance_factor(pixels, mode.residuals, each) for each in (own, *others)])
        # the fit has taken its share of the few independent values that such noise has
        found /= np.maximum(1 - found * found.size / pixels.values.size, 0.2)
        temper, factors = float(found[0]), found[1:]
    bound = float(np.sqrt(temper * mode.covariance[0, 0]))
    _refuse(model, mode, bound, echo)
    grid = evaluate_grid(model, mode, temper)
    draws = draw_profiles(model, mode, grid, factors, n_draws, generator)
    _refuse_outside(model, mode, draws["moves"])
    if model.blur.free:
        bound = float(draws["log_width"].std())
    values, units, texts = named_values(model, mode, draws, unit)
    if echo:
        texts.append(
            "neighbouring residuals agree: the pixels are not independent, or the wall has "
            f"another shape; variances were raised by {temper:.3g} (width) to {factors.max():.3g}"
        )
    chi_square = float(mode.residuals @ mode.residuals) / mode.noise_sd**2
    freedom = pixels.values.size - factors.size - 1
    texts += _doubts(mode, chi_square, freedom, model.noise_sd is not None)
    diagnostics = {
        "chi_square_per_pixel": chi_square / freedom,
        "log_width_bound": bound, "neighbour_z": [across, along], "variance_factor": temper,
        "noise_over_amplitude": mode.noise_sd / abs(mode.amplitude), "converged": mode.converged,
        "n_pixels": pixels.values.size,
    }  # fmt: skip
    verdicts = {}
    if model.blur.free:
        top = float(np.quantile(values["wall_width"], 0.95))
        verdicts["wall_width"] = "a bound: the point spread is free"
        texts.append(
            f"the point spread is free: the wall is at most {top:.4g} {unit} wide (95 %); what is "
            "below that rests on a flat prior of width and blur"
        )
    if not mode.converged:
        texts.append("the mode was not reached: do not use the fit")
    return fit_from_draws(
        values,
        model=f"{'2-4-6' if model.sextic else 'tanh'} wall, Gaussian point spread, pixel averages",
        likelihood="independent Gaussian pixels" + (", tempered" if temper > 1 else ""),
        approximation="grid of width, blur and shape; the arc linearised at the mode",
        seed=seed,
        data=[pixels.x, pixels.y, pixels.values],
        units=units,
        diagnostics=diagnostics,
        warnings=texts,
        verdicts=verdicts,
    )


def _doubts(mode: ProfileMode, chi_square: float, freedom: int, given: bool) -> list[str]:
    """Return what speaks against the fit."""
    texts = []
    if given and abs(chi_square - freedom) > LARGEST_Z * np.sqrt(2 * freedom):
        texts.append(
            f"noise_sd does not agree with the residuals (chi square {chi_square / freedom:.3g} "
            "times its degrees of freedom): do not use the intervals"
        )
    if abs(mode.arc.curvature) * np.exp(mode.log_width) > WIDEST_BEND:
        texts.append(
            "the inner domain is hardly wider than its wall and does not reach its level: a spot "
            "without a wall looks alike"
        )
    return texts


def _refuse(model: ProfileModel, mode: ProfileMode, bound: float, echo: bool) -> None:
    """Refuse a picture without a wall, and a width that the pixels do not hold."""
    pixels = model.pixels
    # pixel values have unit variance: what the wall takes off the squares of a flat picture
    if not pixels.values.size * (mode.noise_sd**-2 - 1) > LEAST_GAIN:
        raise NotIdentified("the picture shows no wall above its noise.")
    wide = np.exp(mode.log_width) > pixels.extent
    if wide or abs(mode.arc.position) > pixels.extent:
        raise NotIdentified(
            "no two domains are in the picture: the change of brightness "
            + ("is wider than the picture." if wide else "lies outside of it.")
        )
    sharpest = np.log(1e-2 * min(pixels.size))
    if not model.blur.free and mode.log_width <= sharpest + 0.1:
        raise NotIdentified(
            "the width is not in the picture: the step is sharper than its pixels (or than "
            "psf_width) can show; psf_width='free' says what widths are excluded."
        )
    # a free blur takes the sharpness, not the doubt whether this is one wall
    shown = not model.blur.free or np.exp(mode.log_width) > max(pixels.size)
    if shown and echo and not bound <= LARGEST_ERROR:
        raise NotIdentified(
            "the width is not in the picture: what one wall leaves of it is no noise. More than "
            "one wall, spoilt pixels or another shape do this: cut out one wall, set spoilt "
            "pixels to NaN."
        )
    if not model.blur.free and not bound <= LARGEST_ERROR:
        raise NotIdentified(
            f"the width is not in the picture: its bound is {min(bound, 99):.0%} (at most "
            f"{LARGEST_ERROR:.0%} is reported); the wall is too narrow for the point spread, the "
            "noise or the number of rows (or some pixels are spoilt, or there is more than one "
            "wall). psf_width='free' says what widths are excluded."
        )


def _refuse_outside(model: ProfileModel, mode: ProfileMode, moves: Floats) -> None:
    """Refuse a wall that the picture does not hold, once all widths and blurs are drawn."""
    if model.free[0]:
        outside = np.abs(mode.arc.position + moves[0]) > model.pixels.extent
        if outside.mean() > OUTSIDE:
            raise NotIdentified(
                f"no two domains are in the picture: the wall lies outside of it in "
                f"{outside.mean():.0%} of what fits; cut out a picture with the wall in its middle."
            )


def _fit_rows(*arguments: Any, extras: tuple[bool, ...]) -> Fit:
    """Fit rows with positions (and widths) of their own."""
    if any(extras):
        raise InputError(
            "shape, bump, background and position go with rows='wall' only; rows with positions "
            "of their own are fitted as tanh walls between two levels."
        )
    from physlearn.inference.wall_profiles.profile_hierarchy import fit_profile_rows

    return fit_profile_rows(*arguments)
