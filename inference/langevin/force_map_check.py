"""Simulated scores say whether the Gaussian transition density holds at this interval."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.langevin.force_map_likelihood import (
    Mode,
    MotionModel,
    score_rows,
)
from physlearn.inference.langevin.force_map_series import Series
from physlearn.inference.langevin.force_map_simulation_kernels import simulate_rows

__all__ = ["MORE", "BiasCheck", "centred_mode", "check_bias", "simulate_series"]

Float = NDArray[np.float64]
FINE = 0.05
"""Sub-step of simulations times the fastest rate."""
LEAST_SUB_STEPS = 4
MOST_NOISE = 4_000_000
LEAST_ROWS = 8_000
MOST_REPLICATES = 32
BLOCK = 50
TOLERATED = 0.3
"""Predicted bias, in standard errors, up to which the likelihood is taken as it is."""
N_ROUNDS = 4
MORE = 3
"""Times as many tracks confirm a bias that the first ones suggest."""
CLOSE = 0.1
"""Step, in standard errors, at which rounds end."""


@dataclass(frozen=True, eq=False)
class BiasCheck:
    """What simulated tracks say about the score of the approximate likelihood.

    Attributes
    ----------
    score
        float64, shape (p,): mean score of tracks simulated at theta, as long as the data; 0 for an
        exact likelihood.
    spread
        float64, shape (p, p): covariance of the score of one such set of tracks.
    n_replicates
        Sets of tracks simulated.
    bias_in_se
        Largest predicted bias of a parameter over its standard error.
    noise_in_se
        Error of that prediction.
    """

    score: Float
    spread: Float
    n_replicates: int
    bias_in_se: float
    noise_in_se: float

    @property
    def is_needed(self) -> bool:
        """Whether the bias is beyond what is tolerated and beyond the error of its prediction."""
        return self.bias_in_se > TOLERATED + 2.0 * self.noise_in_se


def simulate_series(
    model: MotionModel, theta: Float, series: Series, noise_of: np.random.Generator
) -> tuple[Series, Series]:
    """Return two mirrored sets of tracks at theta, from the first observed positions on."""
    field = model.physics(theta)
    shape, numbers = field[0], field[1]
    d, first = series.positions.shape[1], series.starts[:-1]
    rate = model.fastest_rate(theta, series.positions)
    step = series.interval / LEAST_SUB_STEPS
    if rate > 0.0:
        step = min(step, (0.4 if shape[3] == 1 else 1.0) * FINE / rate)
    step = max(step, series.interval / 400)
    start = np.zeros((len(first), 2 * d))
    start[:, :d] = series.positions[first]
    start[:, d:] = np.sqrt(numbers[2]) * noise_of.standard_normal((len(first), d))
    variance = model.variance(theta, series)
    per_row = np.ceil(np.maximum(series.gaps - numbers[4], 0.0) / step - 1e-9)
    per_row += np.ceil(numbers[4] / step) if numbers[4] > 0.0 else 0
    n_noise = d * int((per_row + 3).sum())
    noise = noise_of.standard_normal(n_noise)
    out = []
    for sign in (1.0, -1.0):
        seen = np.empty_like(series.positions)
        simulate_rows(series.starts, series.gaps, start, variance, step, field, sign * noise, seen)
        start[:, d:] *= -1.0
        out.append(series.seen_as(seen))
    return out[0], out[1]


def check_bias(
    model: MotionModel, series: Series, mode: Mode, rng: np.random.Generator, more: int = 1
) -> BiasCheck:
    """Simulate tracks at the mode, ``more`` times as many, and return their mean score."""
    n = len(series.gaps)
    n_pairs = more * int(np.clip(np.ceil(LEAST_ROWS / n / 2), 2, MOST_REPLICATES // 2))
    block = int(np.clip(n // 20, 5, BLOCK))
    edges = np.arange(0, n - block // 2, block)
    pieces, together = [], []
    for _ in range(n_pairs):
        pair = [
            np.add.reduceat(score_rows(model, mode.theta, tracks, mode.step)[0], edges)
            for tracks in simulate_series(model, mode.theta, series, rng)
            if np.isfinite(tracks.positions).all()
        ]
        if len(pair) == 2:
            pieces += pair
            together.append(0.5 * (pair[0] + pair[1]))
    p = len(mode.theta)
    if len(together) < n_pairs or not np.isfinite(together).all():
        return BiasCheck(np.full(p, np.nan), np.eye(p), 0, np.inf, np.inf)
    score = np.mean([one.sum(axis=0) for one in together], axis=0)
    one, both = np.concatenate(pieces), np.concatenate(together)
    # the information serves where there are too few blocks for a covariance of their own
    spread = mode.precision - model.prior_precision
    if len(one) > 20 * p:
        spread = np.cov(one.T).reshape(p, p) * len(edges)
    covariance = np.linalg.inv(mode.precision)
    se = np.sqrt(np.diag(covariance))
    bias = covariance @ score / se
    jitter = np.std(both @ covariance / se, axis=0, ddof=1) * np.sqrt(len(edges) / n_pairs)
    worst = int(np.argmax(abs(bias) - 2.0 * jitter))
    return BiasCheck(score, spread, 2 * n_pairs, float(abs(bias[worst])), float(jitter[worst]))


def centred_mode(
    model: MotionModel, series: Series, mode: Mode, check: BiasCheck, seed: int
) -> tuple[Mode, BiasCheck, Float]:
    """Solve score(data) = mean score(simulated at theta); return it and the covariance.

    The same random numbers serve every round, so that rounds differ only by theta.
    """
    prior = model.prior_precision
    for _ in range(N_ROUNDS):
        before = mode.theta
        gradient = mode.scores.sum(axis=0) - check.score - prior @ (before - model.prior_mean)
        theta = before + np.linalg.solve(mode.precision, gradient)
        step = model.longest_step(theta, series)
        scores, information, _ = score_rows(model, theta, series, step)
        if not (np.isfinite(scores).all() and np.isfinite(information).all()):
            return (
                mode,
                replace(check, score=np.full(len(theta), np.nan)),
                _sandwich(mode, check, prior),
            )
        mode = Mode(theta, information + prior, step, scores, mode.settled)
        moved = theta - before
        if float(moved @ mode.precision @ moved) < CLOSE**2 * len(moved):
            break
        check = check_bias(model, series, mode, np.random.default_rng(seed), MORE)
        if not np.isfinite(check.score).all():
            break
    return mode, check, _sandwich(mode, check, prior)


def _sandwich(mode: Mode, check: BiasCheck, prior: Float) -> Float:
    """Covariance of the solution of the centred score."""
    inverse = np.linalg.inv(mode.precision)
    middle = check.spread * (1.0 + 1.0 / max(check.n_replicates, 1)) + prior
    return np.asarray(inverse @ middle @ inverse)
