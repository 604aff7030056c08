"""The way to the posterior's peak: capped Newton steps on Monte Carlo moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.posteriors.replica_chains import CLUSTER_BURN_IN, LONG_MEMORY, Chains

__all__ = ["Peak", "PriorShape", "find_peak", "inside"]

Float = NDArray[np.float64]
MAX_STEPS = 12
LARGEST_STEP = 2.0
NEAR = 0.8
LARGEST_PULL = 3.0
"""Half the log odds against the phase that was seen which a field may have on the way."""
FIRST_BURN_IN, FIRST_BURN_IN_LARGE = 12, 8
LARGE_S = 0.01
"""Seconds of one sweep from which on fewer are made on the way: a large picture starts close."""
N_RECORDS = 8
BETWEEN = 2
LEAST_SHARE = 0.02
"""Least information along any direction, as a share of that of the free model."""


class PriorShape(Protocol):
    """What the way to the peak needs of a prior: arrays of shape (d,), densities and draws."""

    @property
    def mean(self) -> Float:
        """Means."""

    @property
    def sd(self) -> Float:
        """Standard deviations."""

    @property
    def lower(self) -> Float:
        """Lower bounds, or minus infinity."""

    @property
    def upper(self) -> Float:
        """Upper bounds, or infinity."""

    def log_density(self, theta: Float) -> Float:
        """Return the log density at (n, d)."""

    def draw(self, n: int, rng: np.random.Generator) -> Float:
        """Return draws of shape (n, d)."""


class Peak(NamedTuple):
    """Where the posterior peaks, its Gaussian covariance there, and how it was found."""

    mean: Float
    covariance: Float
    steps: int
    settled: bool


def inside(points: Float, prior: PriorShape) -> Float:
    """Return points (..., d) that lie outside the prior's bounds reflected into it."""
    width = prior.upper - prior.lower
    low = np.where(np.isfinite(prior.lower), prior.lower, -np.inf)
    high = np.where(np.isfinite(prior.upper), prior.upper, np.inf)
    out = np.where(points < low, 2 * low - points, points)
    out = np.where(out > high, 2 * high - out, out)
    margin = np.where(np.isfinite(width), 1e-6 * width, 0.0)
    return np.asarray(np.clip(out, low + margin, high - margin))


def find_peak(
    chains: Sequence[Chains],
    linear: Float,
    extra: Callable[[Float], Float] | None,
    prior: PriorShape,
    start: Float,
    covariance: Float,
) -> Peak:
    """Walk to the peak; the information is the Monte Carlo covariance plus the prior's.

    One phase is looked at, the one the pictures show: the rounds after this see both. Chains of
    models with one phase that turn out to remember long go on with cluster moves where they can.
    """
    mean = _clipped(np.array(start, np.float64), prior)
    mean = np.where(_odd_against(mean, linear, chains), 0.0, mean)
    near = 0
    for step_number in range(1, MAX_STEPS + 1):
        # what is known of labels beside the states counts as the free side of the difference
        score, free = _known_part(mean, prior, extra, covariance)
        score += linear
        held = np.zeros_like(free)
        for chain in chains:
            trace = _record(chain, mean, step_number == 1)
            flat = trace.reshape(-1, trace.shape[-1])
            power, design = chain.ensemble.power, chain.ensemble.design
            score += power * design.T @ flat.mean(axis=0)
            spread = abs(power) * design.T @ np.atleast_2d(np.cov(flat.T)) @ design
            if power < 0:
                free += spread
            else:
                held += spread
        # a bounded prior is flat inside, but as wide as it is
        information = _difference(free, held) + np.diag(1.0 / prior.sd**2)
        covariance = np.asarray(np.linalg.inv(information), np.float64)
        step = covariance @ score
        length = float(max(float(score @ step), 0.0)) ** 0.5
        target = _clipped(mean + step * min(1.0, LARGEST_STEP / max(length, 1e-300)), prior)
        against = _odd_against(target, linear, chains)
        if against.any():
            # the field stays at zero, and the others step as they do beside a field that is held
            free_ones = np.flatnonzero(~against)
            step = np.zeros_like(step)
            block = information[np.ix_(free_ones, free_ones)]
            step[free_ones] = np.linalg.solve(block, score[free_ones])
            length = float(max(float(score @ step), 0.0)) ** 0.5
            share = min(1.0, LARGEST_STEP / max(length, 1e-300))
            target = _clipped(np.where(against, 0.0, mean) + step * share, prior)
        smallest = float(np.diag(covariance).min()) ** 0.5
        at_wall = bool(np.allclose(target, mean, atol=1e-3 * smallest))
        mean = target
        near = near + 1 if length < NEAR or at_wall else 0
        # the rounds that follow look wider than a standard deviation anyway
        if near:
            break
    return Peak(mean, (covariance + covariance.T) / 2, step_number, bool(near))


def _odd_against(mean: Float, linear: Float, chains: Sequence[Chains]) -> NDArray[np.bool_]:
    """Return the odd parameters where they pull strongly against the phase that was seen.

    Beyond a transition the pseudolikelihood's field may have the wrong sign: replicas would leave
    the picture's phase, and Newton's steps with them, for a place without posterior weight.
    """
    odd = np.zeros(len(mean), bool)
    for chain in chains:
        if chain.odd is not None:
            odd |= np.any(chain.ensemble.design[chain.odd] != 0, axis=0)
        elif chain.ensemble.rim is not None:
            odd |= chain.ensemble.design[0] != 0
    against = float(np.sum(mean[odd] * linear[odd])) < -LARGEST_PULL
    return odd & against


def _record(chain: Chains, mean: Float, first: bool) -> Float:
    """Return a trace at ``mean``, long enough against the memory that it measures."""
    natural = chain.natural(mean)
    large = chain.sweep_seconds > LARGE_S
    start = FIRST_BURN_IN_LARGE if large else FIRST_BURN_IN
    burn_in = start if first else int(np.clip(2 * chain.memory, 2, 60))
    between = int(np.clip(chain.memory, *((1, 4) if large else (BETWEEN, 10))))

    def look(burn_in: int, between: int) -> Float:
        return chain.trace(natural, burn_in, N_RECORDS, between, turn=False, alike=True)

    trace = look(burn_in, between)
    # where both phases count alike, clusters would leave that of the picture at once
    if chain.memory > LONG_MEMORY and chain.odd is None and chain.switch_to_clusters():
        trace = look(CLUSTER_BURN_IN, 1)
    elif first and chain.memory > start / 3:
        # the start still shows: once more, after what it takes to forget it
        trace = look(int(min(4 * chain.memory, 60 if large else 200)), between)
    return trace


def _difference(free: Float, held: Float) -> Float:
    """Return the information, free less held, kept positive along every direction."""
    if not held.any():
        return free
    scale = np.sqrt(np.diag(free) + np.diag(held)) + 1e-12
    both = (free + held) / np.outer(scale, scale) + 1e-9 * np.eye(len(free))
    values, vectors = np.linalg.eigh(both)
    root = vectors * np.sqrt(np.maximum(values, 1e-12)) @ vectors.T
    back = np.linalg.inv(root)
    share, ways = np.linalg.eigh(back @ ((free - held) / np.outer(scale, scale)) @ back)
    kept = root @ (ways * np.maximum(share, LEAST_SHARE)) @ ways.T @ root
    return np.asarray(kept * np.outer(scale, scale))


def _known_part(
    mean: Float, prior: PriorShape, extra: Callable[[Float], Float] | None, covariance: Float
) -> tuple[Float, Float]:
    """Return the gradient of log prior and ``extra``, and the negative curvature of ``extra``."""
    d = len(mean)
    step = 0.05 * np.minimum(np.sqrt(np.diag(covariance)), prior.sd)
    room = np.minimum(prior.upper - mean, mean - prior.lower)
    step = np.where(np.isfinite(room), np.minimum(step, np.maximum(room / 2, 1e-9)), step)
    points = mean + np.concatenate([np.zeros((1, d)), np.diag(step), -np.diag(step)])
    values = prior.log_density(points)
    values = np.where(np.isfinite(values), values, 0.0)
    information = np.zeros((d, d))
    if extra is not None:
        known = extra(points)
        values = values + known
        information = np.diag((2 * known[0] - known[1 : d + 1] - known[d + 1 :]) / step**2)
    gradient = (values[1 : d + 1] - values[d + 1 :]) / (2 * step)
    return gradient, information


def _clipped(point: Float, prior: PriorShape) -> Float:
    """Return the point within the prior's bounds, a little off the walls."""
    width = prior.upper - prior.lower
    margin = np.where(np.isfinite(width), 1e-3 * np.where(np.isfinite(width), width, 0.0), 0.0)
    return np.asarray(np.clip(point, prior.lower + margin, prior.upper - margin))
