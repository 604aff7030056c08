"""A still picture of an order parameter: ratios of Landau coefficients, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from physlearn.checks import InputError, NotIdentified, as_generator, check_image, check_positive
from physlearn.inference.fields.still_walls import WallPixels, wall_pixels
from physlearn.inference.fields.thermal_scale import coefficients_from_ratios
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_still_field"]

Floats = NDArray[np.float64]
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
PIXEL_BLUR = 1.0 / 12.0  # variance of a pixel's own square, pixels^2
REACH = 4.0  # widths on each side of a wall that are used
LARGEST_SD = 0.30  # of the logarithm of the width: beyond it a width is not known
RANGE = (float(np.log(0.2)), float(np.log(100.0)))  # of ln w, pixels
ROUNDS = 40
BEYOND = 1.3  # of the picture's half range: a wall's order that was never seen
MISFIT = 1.15  # residual over the noise of flat domains


@dataclass(frozen=True, eq=False)
class Solution:
    """What the least squares found: offset, half jump, ln width, blur, and their covariance."""

    theta: Floats
    covariance: Floats
    noise_sd: float
    n_pixels: int


def fit_still_field(
    image: ArrayLike,
    *,
    psf_width: float | tuple[float, float],
    noise_sd: float | None = None,
    pixel_size: float = 1.0,
    energy_scale: Mapping[str, tuple[float, float]] | None = None,
    order_unit: str = "1",
    length_unit: str = "pixel",
    n_draws: int = 4000,
    rng: int | np.random.Generator | None = None,
) -> Fit:
    """Fit the ratios of Landau coefficients that the walls of one still picture fix.

    Across a wall ``P = offset + P0 tanh(s / w)``, blurred; with ``f = a/2 P^2 + c/4 P^4 +
    kappa/2 |grad P|^2`` these are ``P0^2 = -a/c`` and ``w^2 = 2 kappa / |a|``. A picture without
    time holds neither the mobility nor the size of any coefficient. The place of each wall is
    fitted along with the ratios, a knot every width.

    Parameters
    ----------
    image
        The order parameter, (n_rows, n_columns); NaN where not seen.
    psf_width
        Standard deviation of the instrument's blur, pixels: a value, or (value, sd).
    noise_sd
        Of a pixel; None: from the residuals.
    pixel_size
        Edge of a pixel, in ``length_unit``.
    energy_scale
        One coefficient's value and sd in energy units, e.g. ``{"alpha": (-2.0, 0.1)}`` for a: then
        all coefficients follow from the ratios.
    order_unit, length_unit
        Units of the picture's values and of ``pixel_size``.
    n_draws
        Posterior draws.
    rng
        Seed or generator.

    Returns
    -------
    Fit
        ``spontaneous_order`` (P0), ``wall_width`` (w), ``ratio`` (dim ``pair``: -alpha/beta,
        -gradient/alpha, gradient/beta), ``offset``; with an energy scale ``coefficient``.

    Raises
    ------
    InputError
        For a picture or a blur that cannot be used.
    NotIdentified
        Without a wall, or where the width is known to no better than 30 %.

    Examples
    --------
    >>> y, x = np.mgrid[:48, :48]
    >>> still = np.tanh((x - 23.3 - 0.1 * y) / 2.5)
    >>> still = still + 0.05 * np.random.default_rng(1).normal(size=still.shape)
    >>> fit = fit_still_field(still, psf_width=0.0, rng=1)
    >>> low, high = fit.interval("ratio")[0]
    >>> bool(low < 1.0 < high)
    True
    """
    blur, blur_sd = _checked_blur(psf_width)
    size = check_positive("pixel_size", pixel_size)
    if noise_sd is not None:
        noise_sd = check_positive("noise_sd", noise_sd)
    picture = _checked_picture(image)
    generator, seed = as_generator(rng)
    pixels, solution = _fit_walls(picture, blur, blur_sd, noise_sd)
    spread = float(np.sqrt(solution.covariance[2, 2]))
    if not spread < LARGEST_SD:
        raise NotIdentified(
            f"the picture fixes the wall's width to no better than {100 * spread:.0f} %: its walls "
            "are thinner than the blur or the noise is too strong; take smaller pixels or average."
        )
    draws = generator.multivariate_normal(solution.theta, solution.covariance, n_draws)
    order, width = draws[:, 1], np.exp(draws[:, 2]) * size
    ratios = np.column_stack([order**2, width**2 / 2, order**2 * width**2 / 2])
    contents = {"spontaneous_order": order, "wall_width": width, "ratio": ratios,
                "offset": draws[:, 0]}  # fmt: skip
    pairs = ["-alpha/beta", "-gradient/alpha", "gradient/beta"]
    dims, coords = {"ratio": ["pair"]}, {"pair": pairs}
    units = {"spontaneous_order": order_unit, "wall_width": length_unit, "offset": order_unit,
             "ratio": f"({order_unit})^2, {length_unit}^2, both"}  # fmt: skip
    if energy_scale is not None:
        contents["coefficient"] = coefficients_from_ratios(ratios, energy_scale, generator)
        dims["coefficient"], coords["term"] = ["term"], ["alpha", "beta", "gradient"]
        units["coefficient"] = "energy units of energy_scale"
    warnings = _warnings(picture, solution, energy_scale is not None)
    return fit_from_draws(
        contents, model="walls of a still 2-4 Landau field", likelihood="independent normal pixels",
        approximation="Laplace in (P0, ln w, blur), walls' places fitted", seed=seed,
        data=[np.nan_to_num(picture)], units=units, dims=dims, coords=coords, warnings=warnings,
        diagnostics={"noise_sd": solution.noise_sd, "n_pixels": solution.n_pixels,
                     "n_walls": pixels.n_walls, "sd_of_ln_width": spread,
                     "psf_width": float(np.sqrt(max(solution.theta[3], 0.0)))},
        attrs={"subject": "fields", "still": "yes"},
    )  # fmt: skip


def _checked_blur(psf_width: float | tuple[float, float]) -> tuple[float, float]:
    """Return value and sd of the blur, pixels."""
    if isinstance(psf_width, str):
        raise InputError(
            "psf_width must be a value or (value, sd) in pixels; for an unknown blur fit_wall_"
            f"profile gives a bound; got {psf_width!r}."
        )
    pair = psf_width if isinstance(psf_width, tuple | list) else (psf_width, 0.0)
    if len(pair) != 2:
        raise InputError(f"psf_width must be a value or (value, sd); got {psf_width!r}.")
    return (check_positive("psf_width", pair[0], allow_zero=True),
            check_positive("the sd of psf_width", pair[1], allow_zero=True))  # fmt: skip


def _checked_picture(image: ArrayLike) -> Floats:
    """Return the picture; NaN is allowed, but not everywhere."""
    picture = np.asarray(image, dtype=np.float64)
    seen = np.isfinite(picture)
    if picture.ndim != 2:
        check_image(picture)  # says what is wrong
    if not seen.mean() >= 0.5:
        raise InputError(f"image must be finite in half of its pixels; got {seen.mean():.0%}.")
    check_image(np.where(seen, picture, np.median(picture[seen])))
    return picture


def _fit_walls(
    picture: Floats, blur: float, blur_sd: float, noise_sd: float | None
) -> tuple[WallPixels, Solution]:
    """Fit, then again with the reach that the found width asks for."""
    width = 2.0
    for _ in range(3):
        reach = min(max(REACH * np.hypot(width, blur), 4.0), min(picture.shape) / 4)
        pixels, jump = wall_pixels(picture, reach, max(np.hypot(width, blur), 2.0))
        solution = _least_squares(pixels, jump, width, blur, blur_sd, noise_sd)
        before, width = width, float(np.exp(np.clip(solution.theta[2], *RANGE)))
        low, high = np.nanquantile(picture, [0.005, 0.995])
        if solution.theta[1] > BEYOND * (high - low) / 2:
            raise NotIdentified(
                "the picture holds no wall between two domains: its values stop far from those "
                "that the fitted wall leads to, so that neither width nor order can be told."
            )
        if not RANGE[0] + 0.1 < solution.theta[2] < RANGE[1] - 0.1:
            raise NotIdentified(
                "the picture holds no wall of a width that can be seen: what was found is thinner "
                "than a fifth of a pixel or wider than the picture."
            )
        if abs(np.log(width / before)) < 0.1:
            break
    return pixels, solution


def _profile(distance: Floats, theta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Blurred tanh; its slopes along distance, ln width and the blur's variance."""
    width, spread = np.exp(theta[2]), np.sqrt(max(theta[3], 0.0) + PIXEL_BLUR)
    reach = (distance[:, None] + spread * NODES) / width
    value = np.tanh(reach)
    slope = (1.0 - value * value) / width
    bend = -2.0 * value * slope / width
    return value @ WEIGHTS, slope @ WEIGHTS, -(slope * reach * width) @ WEIGHTS, bend @ WEIGHTS / 2


def _least_squares(
    pixels: WallPixels, jump: float, width: float, blur: float, blur_sd: float,
    noise_sd: float | None,
) -> Solution:  # fmt: skip
    """Gauss-Newton over (offset, P0, ln w, blur variance) and the shift of every knot."""
    theta = np.array([np.median(pixels.value), jump, np.log(width), blur**2])
    shifts = np.zeros(pixels.n_knots)
    rows = np.arange(pixels.value.size)
    free = 4 if blur_sd > 0 else 3
    place = sparse.csr_matrix(
        (np.concatenate([1 - pixels.share, pixels.share]),
         (np.concatenate([rows, rows]), np.concatenate([pixels.knot, pixels.after]))),
        shape=(rows.size, pixels.n_knots),
    )  # fmt: skip
    lost = max(rows.size - pixels.n_knots - free, 1)
    variance = noise_sd**2 if noise_sd else (0.1 * jump) ** 2
    cost, damping = np.inf, 1e-3
    limits = np.array([jump, jump, 1.0, width**2 + blur**2])[:free]
    for _ in range(ROUNDS):
        system = _system(pixels, place, theta, shifts, free, variance, blur, blur_sd)
        new_cost = system[0]
        if noise_sd is None:
            variance = system[4] / lost
        step, turn, covariance = _solved(*system[1:4], free, damping)
        trial, moved = theta.copy(), shifts + turn
        trial[:free] += np.clip(step, -0.5 * limits, 0.5 * limits)
        trial[2] = np.clip(trial[2], *RANGE)
        after = _system(pixels, place, trial, moved, free, variance, blur, blur_sd)[0]
        now = _system(pixels, place, theta, shifts, free, variance, blur, blur_sd)[0]
        if after <= now:
            theta, shifts, damping = trial, moved, max(damping / 10, 1e-9)
        else:
            damping *= 10
        done = after <= now and now - after < 1e-4
        cost = new_cost
        if done or damping > 1e6:
            break
    if not np.isfinite(cost):
        raise NotIdentified("the walls could not be fitted: the picture is too noisy.")
    system = _system(pixels, place, theta, shifts, free, variance, blur, blur_sd)
    _, _, covariance = _solved(*system[1:4], free, 0.0)
    full = np.zeros((4, 4))
    full[:free, :free] = covariance
    # many fitted shifts make walls look thinner: their marginal likelihood, to first order
    tilt = _tilt(pixels, place, theta, shifts, variance)
    theta = theta + full @ tilt
    return Solution(theta, full, float(np.sqrt(system[4] / lost)), rows.size)


def _tilt(
    pixels: WallPixels, place: sparse.csr_matrix, theta: Floats, shifts: Floats, variance: float
) -> Floats:
    """Slopes of -ln det(curvature in the shifts) / 2."""
    slopes = np.zeros(4)
    for k, step in ((1, 0.02 * theta[1]), (2, 0.02), (3, 0.02 * np.exp(2 * theta[2]))):
        sizes = []
        for sign in (1.0, -1.0):
            moved = theta.copy()
            moved[k] = moved[k] + sign * step
            _, along, _, _ = _profile(pixels.distance - place @ shifts, moved)
            moves = place.multiply(-moved[1] * along[:, None]).tocsr() / np.sqrt(variance)
            block = (moves.T @ moves).tocsc()
            block = block + 1e-6 * block.diagonal().mean() * sparse.identity(block.shape[0])
            sizes.append(float(np.log(np.abs(splu(block.tocsc()).U.diagonal())).sum()))
        slopes[k] = -0.5 * (sizes[0] - sizes[1]) / (2 * step)
    return slopes


def _system(
    pixels: WallPixels, place: sparse.csr_matrix, theta: Floats, shifts: Floats, free: int,
    variance: float, blur: float, blur_sd: float,
) -> tuple[float, sparse.csr_matrix, Floats, Floats, float]:  # fmt: skip
    """Half chi square; the derivatives and residuals over the noise, the prior's row included."""
    value, along, widen, bend = _profile(pixels.distance - place @ shifts, theta)
    residual = pixels.value - theta[0] - theta[1] * value
    squares = float(residual @ residual)
    own = np.column_stack([np.ones_like(value), value, theta[1] * widen, theta[1] * bend])[:, :free]
    moves = place.multiply(-theta[1] * along[:, None]).tocsr() / np.sqrt(variance)
    prior = np.zeros(2)
    if free == 4:
        # the prior is on the blur, of which the fit sees the square
        sd = 2 * max(blur, blur_sd) * blur_sd
        prior = np.array([1.0, (blur**2 - theta[3]) / sd]) / np.array([sd, 1.0])
    cost = 0.5 * squares / variance + 0.5 * prior[1] ** 2
    scaled = np.vstack([own / np.sqrt(variance), np.zeros((1, free))])
    if free == 4:
        scaled[-1, 3] = prior[0]
    rest = np.append(residual / np.sqrt(variance), prior[1])
    return cost, moves, scaled, rest, squares


def _solved(
    moves: sparse.csr_matrix, own: Floats, rest: Floats, free: int, damping: float
) -> tuple[Floats, Floats, Floats]:
    """Return steps of parameters and knots, and the covariance of the parameters."""
    plain, pixel_rest = own[:-1], rest[:-1]
    block = (moves.T @ moves).tocsc()
    ridge = (1e-6 + damping) * block.diagonal().mean()
    factor = splu(block + ridge * sparse.identity(block.shape[0], format="csc"))
    cross = moves.T @ plain
    solved = factor.solve(np.column_stack([cross, moves.T @ pixel_rest]))
    normal = own.T @ own - cross.T @ solved[:, :free]
    damped = normal + damping * np.diag(np.diag(own.T @ own))
    step = np.linalg.solve(damped, own.T @ rest - cross.T @ solved[:, free])
    return step, solved[:, free] - solved[:, :free] @ step, np.linalg.inv(normal)


def _warnings(picture: Floats, solution: Solution, scaled: bool) -> list[str]:
    """Sentences that belong to every still picture, and those of this one."""
    said = []
    if not scaled:
        said.append(
            "a still picture fixes ratios only: mobility and the size of any coefficient need a "
            "film, or energy_scale."
        )
    said.append(
        "-alpha/beta and -gradient/alpha hold for walls at rest in no field; gradient/beta holds "
        "in an even field, too."
    )
    filled = np.where(np.isfinite(picture), picture, np.nanmedian(picture))
    rough = ndimage.convolve(filled, np.outer([1.0, -2.0, 1.0], [1.0, -2.0, 1.0]))[2:-2, 2:-2] / 6
    flat = 1.4826 * float(np.median(np.abs(rough - np.median(rough))))
    if solution.noise_sd > MISFIT * flat and flat > 0:
        said.append(
            f"the walls leave residuals of {solution.noise_sd:.3g}, the domains of {flat:.3g}: the "
            "profile is not that of a 2-4 Landau field, or the blur is wrong."
        )
    return said
