"""Likelihood of motion in a field between noisy frames, its score and its information."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.langevin import force_map_kernels as kernels
from physlearn.inference.langevin.force_map_fields import FieldFamily
from physlearn.inference.langevin.force_map_series import NoiseOf, Series
from physlearn.inference.langevin.linear_motion import linear_steps
from physlearn.inference.langevin.linear_motion_kernels import filter_linear

__all__ = ["Mode", "MotionModel", "Rows", "find_mode", "score_rows"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
STEP = 1e-5
"""Of the differences in a parameter, in units of its scale."""
LARGEST_STEP = 0.5
"""Of one Runge-Kutta sub-step times the fastest rate: its error is near 2e-4 of the change."""
MOST_STEPS = 60
FORGOTTEN = 15.0
"""Friction times the interval that is not searched beyond: velocities leave no trace there."""
N_ITERATIONS = 60
N_COARSE = 8
"""Iterations in which sub-steps may grow again."""
SETTLED = 1e-3
"""Newton step, in standard errors, below which the mode is found."""


@dataclass(frozen=True, eq=False)
class Rows:
    """What the filter says about each row: see ``force_map_kernels.filter_rows``."""

    innovation: Float
    spread: Float
    log_density: Float
    velocity: Float


@dataclass(frozen=True, eq=False)
class MotionModel:
    """Motion in a field, overdamped or with hidden velocities, seen with noise and blur.

    theta: the field's parameters; then ln D (or its coefficients), or, underdamped, ln friction
    and ln(kT / m); then ln(noise) where it is unknown.

    Attributes
    ----------
    field, log_diffusion
        Families over one grid (``log_diffusion`` is None underdamped).
    noise
        As read by ``read_noise``.
    drift_share
        Of grad D in Ito's drift: 1 isothermal, 0.5 Stratonovich, 0 Ito.
    exposure
        Of each frame, from its time on; 0: instantaneous.
    rate_prior_mean
        Of (ln friction, ln kT / m), underdamped; their standard deviation is 3.
    """

    field: FieldFamily
    log_diffusion: FieldFamily | None
    noise: NoiseOf
    drift_share: float = 1.0
    exposure: float = 0.0
    rate_prior_mean: tuple[float, float] = (0.0, 0.0)

    @property
    def is_underdamped(self) -> bool:
        """Whether velocities are part of the state."""
        return self.log_diffusion is None

    @property
    def n_parameters(self) -> int:
        """Length of theta."""
        return len(self.start)

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Where field, motion and noise stand in theta."""
        p = self.field.n_parameters
        q = p + (2 if self.log_diffusion is None else self.log_diffusion.n_parameters)
        return slice(0, p), slice(p, q), slice(q, q + (self.noise.known is None))

    @property
    def start(self) -> Float:
        """Where the search begins."""
        rates = (
            np.array(self.rate_prior_mean) if self.log_diffusion is None
            else self.log_diffusion.start
        )  # fmt: skip
        noise = [self.noise.log_mean] if self.noise.known is None else []
        return np.concatenate([self.field.start, rates, noise])

    @property
    def prior_mean(self) -> Float:
        """Mean of theta under the prior."""
        out = self.start
        out[self.slices[0]] = self.field.prior_mean
        return out

    @property
    def prior_precision(self) -> Float:
        """Of theta under the prior."""
        from scipy.linalg import block_diag

        rates = (
            np.eye(2) / 9.0 if self.log_diffusion is None else self.log_diffusion.prior_precision
        )
        noise = np.full((1, 1), 1.0 / self.noise.log_sd**2)[: int(self.noise.known is None)]
        blocks = [part for part in (self.field.prior_precision, rates, noise) if part.size]
        return np.asarray(block_diag(*blocks))

    def log_prior(self, theta: Float) -> float:
        """Return the log prior density up to a constant."""
        away = theta - self.prior_mean
        return float(-0.5 * away @ self.prior_precision @ away)

    def variance(self, theta: Float, series: Series) -> Float:
        """Return the noise variance of each row."""
        if self.noise.known is not None:
            return np.asarray(self.noise.known**2)
        return np.full(len(series.gaps), np.exp(2.0 * theta[-1]))

    @property
    def is_exact(self) -> bool:
        """Whether moments are exact at any interval: a linear force, diffusion alike everywhere."""
        flat = self.log_diffusion is None or self.log_diffusion.name == "constant"
        return flat and self.field.name in ("harmonic", "free")

    def physics(self, theta: Float, step: float = 0.0) -> kernels.Field:
        """Return the field as the kernels take it, with the longest sub-step."""
        at_field, at_motion, _ = self.slices
        natural = self.field.natural(theta[at_field])
        d = self.field.grid.dimension
        tables = self.field.tables(natural)
        motion = theta[at_motion]
        numbers = np.zeros(6)
        numbers[0], numbers[4], numbers[5] = self.drift_share, self.exposure, step
        flat = 1
        if self.log_diffusion is None:
            numbers[1:3] = np.exp(motion)
        elif self.log_diffusion.name == "constant":
            numbers[3] = motion[0]
        else:
            flat = 0
            tables = np.concatenate([tables, self.log_diffusion.tables(motion)])
        kind, order = int(self.field.is_potential), 2 if self.is_underdamped else 1
        shape = np.array([d, order, kind, flat, int(self.exposure > 0.0)])
        grid = self.field.grid
        return shape, numbers, grid.numbers, grid.counts, np.ascontiguousarray(tables)

    def fastest_rate(self, theta: Float, positions: Float) -> float:
        """Return the fastest rate of the motion where data are: of relaxation or oscillation."""
        field = self.physics(theta)
        d, numbers = self.field.grid.dimension, field[1]
        taps, work, small = np.zeros((3, 3, 4)), np.zeros(10), np.zeros((4, 3))
        taps[:, 0, 0] = 1.0
        room, fastest = (taps, work, small), []
        if self.is_exact:
            positions = positions[:1]
        for point in positions[:: max(1, len(positions) // 300)]:
            kernels.local(point, field, room, small[0], small[1:4])
            fastest.append(np.linalg.norm(small[1 : 1 + d, :d], 2))
        rate = float(np.quantile(fastest, 0.98))
        return float(np.sqrt(numbers[2] * rate) + numbers[1]) if self.is_underdamped else rate

    def longest_step(self, theta: Float, series: Series) -> float:
        """Return the longest Runge-Kutta sub-step."""
        rate = self.fastest_rate(theta, series.positions)
        shortest = series.interval / MOST_STEPS
        return float(max(LARGEST_STEP / rate, shortest)) if rate > 0.0 else float(np.inf)

    def rows(self, theta: Float, series: Series, step: float) -> Rows:
        """Run the filter over all rows; where the force is linear, by exact steps."""
        return (
            self.linear_rows(theta, series)
            if self.is_exact
            else (self.general_rows(theta, series, step))
        )

    def linear_rows(self, theta: Float, series: Series) -> Rows:
        """Run the filter with exact steps of a linear force."""
        n, d = series.positions.shape
        natural = theta[self.slices[0]] if self.field.name == "harmonic" else np.zeros(2 * d)
        motion = theta[self.slices[1]]
        inertial, blurred = self.is_underdamped, self.exposure > 0.0
        rates = (0.0, 0.0, float(np.exp(motion[0])))
        first = np.zeros((1 + inertial + blurred,) * 2)
        first[0, 0] = 2.0 * rates[2] * self.exposure / 3.0
        if inertial:
            rates = (float(np.exp(motion[0])), float(np.exp(motion[1])), 0.0)
            first[0, 0], first[1, 1] = rates[1] * self.exposure**2 / 4.0, rates[1]
        gaps, kinds = np.unique(series.gaps, return_inverse=True)
        step, push, fresh = linear_steps(gaps, natural[:d], natural[d:], rates, self.exposure)
        out = Rows(np.zeros((n, d)), np.zeros((n, d, d)), np.zeros(n), np.zeros((n, 2 * d)))
        filter_linear(
            series.starts, kinds, series.positions, self.variance(theta, series),
            np.ascontiguousarray(step), np.ascontiguousarray(push), np.ascontiguousarray(fresh),
            first, 1 + inertial, out.innovation, out.spread, out.log_density, out.velocity,
        )  # fmt: skip
        return out

    def general_rows(self, theta: Float, series: Series, step: float) -> Rows:
        """Run the filter with Runge-Kutta's steps."""
        field = self.physics(theta, step)
        n, d = series.positions.shape
        out = Rows(np.zeros((n, d)), np.zeros((n, d, d)), np.zeros(n), np.zeros((n, 2 * d)))
        kernels.filter_rows(
            series.starts, series.gaps, series.positions, self.variance(theta, series), field,
            out.innovation, out.spread, out.log_density, out.velocity,
        )  # fmt: skip
        return out

    def log_posterior(self, theta: Float, series: Series, step: float) -> float:
        """Return the log likelihood and log prior, -inf where the filter fails."""
        if not np.isfinite(theta).all() or abs(theta[self.slices[1]]).max() > 300.0:
            return -np.inf
        if self.is_underdamped and theta[self.slices[1].start] > np.log(
            FORGOTTEN / series.interval
        ):
            return -np.inf
        with np.errstate(all="ignore"):
            total = float(self.rows(theta, series, step).log_density.sum()) + self.log_prior(theta)
        return total if np.isfinite(total) else -np.inf

    @property
    def scales(self) -> Float:
        """Scale of each parameter for differences."""
        sd = 1.0 / np.sqrt(np.diag(self.prior_precision))
        return np.asarray(
            np.minimum(1.0, sd) if self.field.name != "harmonic" else _mixed(self, sd)
        )


def _mixed(model: MotionModel, sd: Float) -> Float:
    out = np.minimum(1.0, sd)
    out[model.slices[0]] = 0.03 * sd[model.slices[0]]
    return out


def score_rows(
    model: MotionModel, theta: Float, series: Series, step: float
) -> tuple[Float, Float, Float]:
    """Return each row's score (n, p), the Gaussian information (p, p), and log densities (n,).

    Innovations are Gaussian with their predicted covariance: the score of each is exact but for
    differences in theta, and the information is its expected product.
    """
    base = model.rows(theta, series, step)
    inverse = np.linalg.inv(base.spread)
    whitened = np.einsum("nab,nb->na", inverse, base.innovation)
    scores, turned_means, turned_spreads = [], [], []
    for k, scale in enumerate(model.scales):
        ahead = theta.copy()
        ahead[k] += STEP * scale
        other = model.rows(ahead, series, step)
        mean = (other.innovation - base.innovation) / (STEP * scale)
        spread = (other.spread - base.spread) / (STEP * scale)
        through = np.einsum("nab,nbc->nac", inverse, spread)
        scores.append(
            -np.einsum("na,na->n", whitened, mean)
            + 0.5 * np.einsum("na,nab,nb->n", whitened, spread, whitened)
            - 0.5 * np.einsum("naa->n", through)
        )
        turned_means.append(mean)
        turned_spreads.append(through)
    means, spreads = np.stack(turned_means), np.stack(turned_spreads)
    pulled = np.einsum("nab,knb->kna", inverse, means)
    p, n = len(means), len(inverse)
    information = pulled.reshape(p, -1) @ means.reshape(p, -1).T
    flipped = np.swapaxes(spreads, 2, 3).reshape(p, -1)
    information += 0.5 * spreads.reshape(p, -1) @ flipped.T
    return np.stack(scores, axis=1).reshape(n, p), information, base.log_density


@dataclass(frozen=True, eq=False)
class Mode:
    """Where the posterior is largest.

    Attributes
    ----------
    theta
        float64, shape (p,).
    precision
        Information and prior precision there, shape (p, p).
    step
        Sub-step of the filter.
    scores
        Of the rows, shape (n, p).
    settled
        Whether the search came to its end.
    """

    theta: Float
    precision: Float
    step: float
    scores: Float
    settled: bool


def find_mode(
    model: MotionModel,
    series: Series,
    start: Float,
    *,
    shift: Float | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Mode:
    """Climb to the posterior's mode by Fisher scoring with a damped step.

    ``shift``: a score that is taken off (of simulated data), which moves the mode.
    """
    from scipy.linalg import solve

    theta, damping, settled = start.copy(), 0.0, False
    off = np.zeros(len(theta)) if shift is None else shift
    step = model.longest_step(theta, series)
    value = model.log_posterior(theta, series, step) - off @ theta
    scores, information, _ = score_rows(model, theta, series, step)
    if not (np.isfinite(value) and np.isfinite(information).all()):
        raise InputError(
            "the likelihood is not finite where the search starts: the field there carries "
            "particles away; give settings.start of a field that holds them, or another field."
        )
    for iteration in range(N_ITERATIONS):
        if progress is not None:
            progress(iteration, N_ITERATIONS)
        gradient = scores.sum(axis=0) - off
        gradient -= model.prior_precision @ (theta - model.prior_mean)
        precision = information + model.prior_precision
        while True:
            damped = precision + damping * np.diag(np.diag(precision))
            change = solve(damped, gradient, assume_a="pos")
            size = float(np.sqrt(max(float(change @ precision @ change), 0.0)))
            trial = theta + change
            risen = model.log_posterior(trial, series, step) - off @ trial
            if risen >= value - 1e-9 * abs(value) or size < SETTLED or damping > 1e8:
                break
            damping = max(10.0 * damping, 1e-3)
        if risen >= value - 1e-9 * abs(value):
            theta, damping = trial, damping / 10.0 if damping > 1e-6 else 0.0
        new_step = model.longest_step(theta, series)
        # after the first iterations sub-steps only shrink: steps to and fro would never settle
        change_step = new_step < 0.8 * step or (iteration < N_COARSE and new_step > 1.3 * step)
        settled = size < SETTLED and not change_step
        if settled or damping > 1e8:
            break
        if change_step:
            step = new_step
        value = model.log_posterior(theta, series, step) - off @ theta
        fresh = score_rows(model, theta, series, step)
        if not (np.isfinite(value) and np.isfinite(fresh[1]).all()):
            break  # not settled, which becomes a warning
        scores, information, _ = fresh
    return Mode(theta, information + model.prior_precision, step, scores, settled)
