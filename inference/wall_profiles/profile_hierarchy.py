"""Rows whose widths share a distribution: six shared numbers sampled, every row summed out."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.pareto_smoothing import smoothed_weights
from physlearn.inference.wall_profiles.profile_posterior import TANH_SPREAD, BlurPrior
from physlearn.inference.wall_profiles.profile_reading import read_pixel_size
from physlearn.inference.wall_profiles.profile_row_kernels import draw_rows
from physlearn.inference.wall_profiles.profile_rows import RowModel, row_model
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_profile_rows"]

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

SPREAD_PRIOR = 0.5
"""Half-normal prior of the spread of ln w over rows."""
LARGEST_ERROR = 0.3
LARGEST_K = 0.7
ROUNDS = (400, 800, 2000)
"""Proposals of each round; each round's weighted draws shape the next round's proposal."""
DF, WIDENING = 7.0, 1.1
WALKERS, WALK_STEPS = 48, 500
"""Walkers side by side and their steps, the first sixth of them dropped."""
LEAST_EFFECTIVE = 400
LARGEST_SPREAD = 3.0
NAMES = ("amplitude", "offset", "log_noise", "psf_width", "mean_log_width", "log_width_spread")


class _Target:
    """Log posterior of the shared numbers that are free."""

    def __init__(
        self, model: RowModel, blur: BlurPrior, pooled: bool, noise_sd: float | None
    ) -> None:
        self.model, self.blur, self.noise_sd = model, blur, noise_sd
        self.free = np.array([True, True, noise_sd is None, not blur.known, True, pooled])
        self.base = model.start.copy()
        if not pooled:
            self.base[5] = 0.0

    def full(self, points: Floats) -> Floats:
        """Return thetas (n, 6) of points (n, d)."""
        thetas = np.tile(self.base, (len(points), 1))
        thetas[:, self.free] = points
        return thetas

    def bounds(self) -> tuple[Floats, Floats]:
        """Return the least and largest value of each free number."""
        low, high = np.full(6, -np.inf), np.full(6, np.inf)
        low[3] = max(0.0, self.blur.mean - 4 * self.blur.sd)
        high[3] = self.blur.mean + 4 * self.blur.sd
        low[4], high[4] = self.model.log_widths[[0, -1]] + np.array([1e-6, -1e-6])
        low[5], high[5] = -LARGEST_SPREAD, LARGEST_SPREAD
        return low[self.free], high[self.free]

    def __call__(self, points: Floats) -> Floats:
        """Return the log posterior, (n,)."""
        thetas = self.full(points)
        low, high = self.bounds()
        inside = ((points >= low) & (points <= high)).all(axis=1)
        found = np.full(len(points), -np.inf)
        if inside.any():
            found[inside] = self.model.log_likelihood(thetas[inside])
        own = TANH_SPREAD * np.exp(2 * thetas[:, 4])
        found += np.log(own / (own + thetas[:, 3] ** 2 + self.model.edge**2 / 12))
        found -= 0.5 * (thetas[:, 5] / SPREAD_PRIOR) ** 2
        return np.asarray(found + self.blur.log_density(thetas[:, 3]))


def fit_profile_rows(
    rows: ArrayLike | Sequence[ArrayLike], blur: BlurPrior, kind: str,
    pixel_size: float | tuple[float, float], unit: str, noise_sd: float | None,
    generator: np.random.Generator, seed: int, n_draws: int,
) -> Fit:  # fmt: skip
    """Fit rows with positions, or positions and widths, of their own."""
    if blur.free:
        raise InputError(
            "psf_width='free' goes with rows='wall': rows with positions of their own need a "
            "point spread, a number or (value, sd)."
        )
    edge = read_pixel_size(pixel_size)[0]
    model = row_model(rows, blur, edge, noise_sd)
    pooled = kind == "own widths"
    target = _Target(model, blur, pooled, None if noise_sd is None else noise_sd / model.scale)
    center, covariance = _mode(target)
    points, pareto_k, effective, how = _sample(target, center, covariance, generator)
    # equal draws side by side: the rows' tables are made once for each
    thetas = target.full(points[np.sort(generator.choice(len(points), n_draws))])
    thetas[:, 5] = np.abs(thetas[:, 5])
    error = float(thetas[:, 4].std())
    if error > LARGEST_ERROR:
        raise NotIdentified(
            f"the mean width is not in the rows: its error is {error:.0%} (at most "
            f"{LARGEST_ERROR:.0%} is reported); take more rows, or less noise or blur."
        )
    values = _named(model, target, thetas, pooled, generator)
    logger.info("wall rows: %d rows, Pareto k %.2f", len(model.y), pareto_k)
    units = dict.fromkeys(
        ("wall_width", "mean_width", "row_width", "row_position", "psf_width"), unit
    )
    units["minus_kappa_over_a"] = f"{unit}^2"
    order = generator.permutation(n_draws)
    values = {name: draws[order] for name, draws in values.items()}
    return fit_from_draws(
        values,
        model="tanh walls in rows, Gaussian point spread, pixel averages; "
        + ("lognormal widths" if pooled else "one width"),
        likelihood="independent Gaussian pixels; every row's position and width summed out",
        approximation=how,
        seed=seed,
        data=[model.y, model.x],
        units={name: text for name, text in units.items() if name in values},
        prior_sd={"log_width_spread": SPREAD_PRIOR * np.sqrt(1 - 2 / np.pi)} if pooled else {},
        dims={name: ["row"] for name in ("row_width", "row_position")},
        coords={"row": model.names.tolist()},
        diagnostics={
            "pareto_k": pareto_k, "effective_draws": effective, "n_rows": len(model.y),
            "n_numbers": int(target.free.sum()) + len(model.y) * (2 if pooled else 1),
            "log_width_bound": error,
        },
        warnings=_texts(model, thetas, pooled, effective),
    )  # fmt: skip


def _texts(model: RowModel, thetas: Floats, pooled: bool, effective: float) -> list[str]:
    """Return what must be said of the rows."""
    texts = ["a still wall gives ratios of the free energy's coefficients only"]
    if model.aside:
        texts.append(
            f"rows {', '.join(map(str, model.aside))} do not show the wall that the others show "
            "(flat, inverted or spoilt) and were left out"
        )
    if effective < LEAST_EFFECTIVE:
        texts.append(f"the draws count as {effective:.0f} independent ones only")
    if pooled:
        repeated = float(thetas[:, 5].std()) > 0.8 * SPREAD_PRIOR * np.sqrt(1 - 2 / np.pi)
        if repeated:
            texts.append("the rows say little about the spread of widths: its prior is repeated")
    return texts


def _mode(target: _Target) -> tuple[Floats, Floats]:
    """Return the best point and the inverse of minus the Hessian, by differences."""
    from scipy.optimize import minimize

    start = target.model.start[target.free]
    noise = np.exp(target.model.start[2])
    size = np.sqrt(target.model.totals[:, 0].sum())
    units = np.array([noise / size * 2, noise / size * 2, 1 / size, max(target.blur.sd, 1e-6),
                      0.05, 0.05])[target.free]  # fmt: skip

    low, high = target.bounds()

    def costs(z: Floats) -> Floats:
        # beyond the prior's bounds the density is none: there a parabola leads back
        points = start + z * units
        kept = np.clip(points, low, high)
        return np.asarray(0.5 * (((points - kept) / units) ** 2).sum(axis=1) - target(kept))

    def cost(z: Floats) -> float:
        return float(costs(z[None])[0])

    def slope(z: Floats) -> Floats:
        steps = 1e-2 * np.eye(z.size)
        found = costs(np.concatenate([z + steps, z - steps]))
        return np.asarray((found[: z.size] - found[z.size :]) / 2e-2)

    found = minimize(cost, np.zeros(start.size), jac=slope, method="BFGS",
                     options={"gtol": 0.05, "maxiter": 60})  # fmt: skip
    best, d = found.x, start.size
    h = 0.5 * np.sqrt(np.clip(np.diag(np.asarray(found.hess_inv)), 1e-4, 4.0))
    bends = np.empty((d, d))
    for k in range(d):
        e = np.zeros(d)
        e[k] = h[k]
        bends[k] = (slope(best + e) - slope(best - e)) / (2 * h[k])
    values, vectors = np.linalg.eigh(0.5 * (bends + bends.T))
    covariance = (vectors / np.maximum(values, 0.02)) @ vectors.T
    return start + best * units, covariance * np.outer(units, units)


def _sample(
    target: _Target, center: Floats, covariance: Floats, generator: np.random.Generator
) -> tuple[Floats, float, float, str]:
    """Draw by importance in rounds, the proposal fitted to the last; by a walk if k > .7."""
    folded = bool(target.free[5])
    for n in ROUNDS:
        root = np.asarray(
            np.linalg.cholesky(covariance + 1e-14 * np.diag(np.diag(covariance))), dtype=np.float64
        )
        normal = generator.standard_normal((n, center.size))
        points = (
            center
            + WIDENING * (normal @ root.T) / np.sqrt(generator.chisquare(DF, n) / DF)[:, None]
        )
        if folded:
            points[:, -1] = np.abs(points[:, -1])
        log_weight = target(points) - _proposal(points, center, root, folded)
        if not np.isfinite(log_weight).any():
            raise NotIdentified("no widths of the rows fit: take longer rows around each wall.")
        log_weight = np.where(np.isfinite(log_weight), log_weight, -1e300)
        weight, shape = smoothed_weights(log_weight)
        effective = 1 / float((weight**2).sum())
        if effective < 2 * center.size:
            covariance = covariance * 1.5
            continue
        center = weight @ points
        away = points - center
        covariance = (weight[:, None] * away).T @ away
    if shape < LARGEST_K and effective >= LEAST_EFFECTIVE:
        chosen = np.sort(generator.choice(len(points), 8 * len(points), p=weight))
        return points[chosen], shape, effective, "importance draws of the shared numbers"
    walk, effective = _walk(target, center, covariance, generator)
    return (
        walk,
        shape,
        effective,
        (f"random walk over the shared numbers (importance weights had Pareto k {shape:.2f})"),
    )


def _proposal(points: Floats, center: Floats, root: Floats, folded: bool) -> Floats:
    """Log density of the (folded) Student proposal up to a constant."""

    def student(at: Floats) -> Floats:
        z = np.linalg.solve(root, np.asarray(at - center, dtype=np.float64).T) / WIDENING
        return np.asarray(-0.5 * (DF + center.size) * np.log1p((z**2).sum(axis=0) / DF))

    if not folded:
        return student(points)
    mirrored = points.copy()
    mirrored[:, -1] *= -1
    return np.asarray(np.logaddexp(student(points), student(mirrored)))


def _walk(
    target: _Target, center: Floats, covariance: Floats, generator: np.random.Generator
) -> tuple[Floats, float]:
    """Random walks side by side whose steps follow the covariance, (n_draws, d)."""
    from physlearn.arviz_import import import_arviz

    root = np.linalg.cholesky(covariance)
    here = center + generator.standard_normal((WALKERS, center.size)) @ root.T
    here = np.clip(here, *target.bounds())
    step = 2.38 / np.sqrt(center.size) * root.T
    density, chain = target(here), np.empty((WALK_STEPS, WALKERS, center.size))
    for index in range(WALK_STEPS):
        trial = here + generator.standard_normal(here.shape) @ step
        after = target(trial)
        taken = np.log(generator.random(WALKERS)) < after - density
        here, density = np.where(taken[:, None], trial, here), np.where(taken, after, density)
        chain[index] = here
    kept = chain[WALK_STEPS // 6 :]
    if target.free[5]:
        kept[..., -1] = np.abs(kept[..., -1])
    ess = import_arviz().ess
    sizes = [float(ess(np.ascontiguousarray(kept[..., k].T))) for k in range(center.size)]
    return kept.reshape(-1, center.size), min(sizes)


def _named(
    model: RowModel, target: _Target, thetas: Floats, pooled: bool, generator: np.random.Generator
) -> dict[str, Floats]:
    """Return the variables in the user's units, with every row's width and position."""
    n, n_rows = len(thetas), len(model.y)
    widths, positions = np.empty((n, n_rows)), np.empty((n, n_rows))
    step = model.log_widths[1] - model.log_widths[0]
    draw_rows(
        np.ascontiguousarray(thetas), model.sums, model.totals, model.blurs, model.log_widths[0],
        step, model.ranges, model.places, generator.random((n, n_rows, 4)), widths, positions,
    )  # fmt: skip
    width, height = np.exp(thetas[:, 4]), thetas[:, 0] * model.scale
    values = {
        "wall_width": width, "amplitude": height,
        "offset": thetas[:, 1] * model.scale + model.level,
        "noise_sd": np.exp(thetas[:, 2]) * model.scale, "row_position": positions,
        "minus_a_over_c": height**2,
    }  # fmt: skip
    if target.free[3]:
        values["psf_width"] = thetas[:, 3]
    if pooled:
        values["mean_log_width"] = thetas[:, 4]
        values["log_width_spread"] = thetas[:, 5]
        values["mean_width"] = np.exp(thetas[:, 4] + 0.5 * thetas[:, 5] ** 2)
        values["row_width"] = np.exp(widths)
    else:
        values["minus_kappa_over_a"] = 0.5 * width**2
    return values
