"""Levels, tail and noise of overlapping columns, estimated together with field and couplings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.measurement.crosstalk_terms import CrosstalkTerms, natural_terms
from physlearn.inference.measurement.lattice_evidence import PairEvidence, hold_pairs
from physlearn.inference.posteriors.lattice_population import Population, make_population
from physlearn.records import SiteGraph

__all__ = ["CrosstalkEstimate", "estimate_crosstalk"]

Float = NDArray[np.float64]
N_REPLICAS = 64
MOST_SPINS = 2e7
STEPS = 30
NEWTON_STEPS = 8
BURN_IN = 20
PRIOR_SD = (3.0, 0.5)
TAIL_SD = 0.2
"""Prior of the tail: a probe whose tails hold more is no probe of columns."""
LARGEST_TAIL = 0.6
LEAST_SHARE = 0.05


class CrosstalkEstimate(NamedTuple):
    """``psi`` (level, level, tail, log noise), its covariance ``spread``, theta, and flags."""

    psi: Float
    spread: Float
    theta: Float
    flags: list[str]


@dataclass(frozen=True, eq=False)
class _Model:
    """Free and held populations of the union of all pictures."""

    terms: CrosstalkTerms
    free: Population
    held: Population
    n_theta: int

    def sweep(self, theta: Float, psi: Float, n_sweeps: int) -> tuple[Float, Float]:
        """Return statistics of the free (R, d) and of the held copies (R, d + 7)."""
        self.free.sweep(theta, n_sweeps)
        self.held.sweep(np.concatenate([theta, natural_terms(psi)]), n_sweeps)
        return self.free.statistics(), self.held.statistics()


def estimate_crosstalk(
    intensity: Float, graph: SiteGraph, n_shells: int, rng: np.random.Generator
) -> CrosstalkEstimate:
    """Return the estimate from intensities (n_snapshots, n_sites), NaN where not measured."""
    count, n = intensity.shape
    union = SiteGraph(
        count * n,
        np.concatenate([graph.edges + n * k for k in range(count)]),
        np.tile(graph.shell, count), np.tile(graph.multiplicity, count),
    )  # fmt: skip
    flat = intensity.ravel()
    psi = _mixture(flat[np.isfinite(flat)], float(np.bincount(
        graph.edges[graph.shell == 0].ravel(), minlength=n).mean()))  # fmt: skip
    model = _model(flat, union, n_shells, psi, rng)
    theta = np.zeros(1 + n_shells)
    for step in range(STEPS):
        free, held = model.sweep(theta, psi, BURN_IN if not step else 4)
        psi = _maximize(model.terms, held[:, model.n_theta :].mean(axis=0), psi)
        theta = _climb(theta, free, held[:, : model.n_theta])
    return _newton(model, theta, psi)


def _mixture(y: Float, degree: float) -> Float:
    """Return a first guess: two levels and a noise from a mixture, a small tail."""
    low, high = (float(value) for value in np.quantile(y, [0.15, 0.85]))
    noise, share = float(np.std(y)) / 2, 0.5
    for _ in range(60):
        logit = ((y - low) ** 2 - (y - high) ** 2) / (2 * noise**2) + np.log(share / (1 - share))
        up = 1 / (1 + np.exp(-np.clip(logit, -50, 50)))
        share = float(np.clip(up.mean(), 0.01, 0.99))
        low = float(np.sum((1 - up) * y) / np.sum(1 - up))
        high = float(np.sum(up * y) / np.sum(up))
        noise = float(np.sqrt(np.mean((1 - up) * (y - low) ** 2 + up * (y - high) ** 2)))
        noise = max(noise, 1e-6 * float(np.ptp(y)))
    tail = 0.03
    # the neighbours' tails lift every column by the same share on average
    lift = tail * degree * (share * high + (1 - share) * low) / (1 + tail * degree)
    return np.array([low - lift, high - lift, tail, np.log(noise)])


def _model(
    intensity: Float, graph: SiteGraph, n_shells: int, psi: Float, rng: np.random.Generator
) -> _Model:
    """Return populations of the model without and with the intensities."""
    terms = CrosstalkTerms.of(intensity, graph)
    family = lattice_family("ising", (-1, 1), n_shells)
    unit = np.array([[1.0, -1.0], [-1.0, 1.0]])
    evidence = PairEvidence(terms.edges, terms.kind, terms.times, np.stack([unit, 2 * unit]))
    wide, larger, _ = hold_pairs(family, graph, evidence)
    n_replicas = int(max(8, min(N_REPLICAS, MOST_SPINS // graph.n_sites)))
    field = terms.site_field(np.array([psi[0], psi[1], 0.0, psi[3]]))
    up = (
        rng.random((graph.n_sites, n_replicas))
        * (1 + np.exp(-np.clip(2 * field, -50, 50)))[:, None]
        < 1
    )
    extra = np.stack([-terms.sites, terms.sites], axis=-1)
    start = up.astype(np.uint8)
    return _Model(
        terms,
        make_population(family, graph, start, n_replicas, rng),
        make_population(wide, larger, start, n_replicas, rng, extra=extra),
        family.n_parameters,
    )


class _Chart(NamedTuple):
    """Coordinates that intensities tell apart: middle as measured, half step, tail, log noise.

    On a regular lattice only the product of the levels' mean and 1 + tail * degree is seen.
    """

    degree: float

    @classmethod
    def of(cls, terms: CrosstalkTerms) -> _Chart:
        return cls(float(terms.constants[4] / terms.constants[3]))

    def psi(self, at: Float) -> Float:
        middle = at[0] / (1 + at[2] * self.degree)
        return np.array([middle - at[1], middle + at[1], at[2], at[3]])

    def coordinates(self, psi: Float) -> Float:
        lift = 1 + psi[2] * self.degree
        return np.array([(psi[0] + psi[1]) / 2 * lift, (psi[1] - psi[0]) / 2, psi[2], psi[3]])


def expected_log_density(terms: CrosstalkTerms, means: Float, psi: Float) -> float:
    """Return the expected log p(intensities | states) at means of the seven statistics."""
    return float(natural_terms(psi) @ means) + terms.log_constant(psi)


def _maximize(terms: CrosstalkTerms, means: Float, psi: Float) -> Float:
    """Return the psi that makes the completed pictures' intensities likeliest."""
    from scipy.optimize import minimize

    chart = _Chart.of(terms)
    at = chart.coordinates(psi)
    scale = np.array([abs(at[1]), abs(at[1]), 0.1, 1.0])

    def cost(x: Float) -> float:
        here = at + scale * x
        value = expected_log_density(terms, means, chart.psi(here)) - (here[2] / TAIL_SD) ** 2 / 2
        return float(-value / max(terms.constants[3], 1.0))

    found = minimize(
        cost, np.zeros(4), method="L-BFGS-B",
        bounds=[(-1, 1), (-0.5, 1), (-at[2] / 0.1, (LARGEST_TAIL - at[2]) / 0.1), (-1, 1)],
    )  # fmt: skip
    return chart.psi(at + scale * found.x)


def _climb(theta: Float, free: Float, held: Float) -> Float:
    """Return theta after a capped step with the completed pictures' information."""
    precision = np.array([PRIOR_SD[0] ** -2] + [PRIOR_SD[1] ** -2] * (len(theta) - 1))
    score = held.mean(axis=0) - free.mean(axis=0) - precision * theta
    step = np.linalg.solve(np.atleast_2d(np.cov(free.T)) + np.diag(precision), score)
    return np.asarray(theta + step * min(1.0, 0.2 / max(np.abs(step).max(), 1e-300)))


def _newton(model: _Model, theta: Float, psi: Float) -> CrosstalkEstimate:
    """Return the estimate after damped joint Newton steps, the last half averaged, and errors."""
    flags: list[str] = []
    chart, d = _Chart.of(model.terms), len(theta)
    at = np.concatenate([theta, chart.coordinates(psi)])
    path = []
    for _ in range(NEWTON_STEPS):
        rows = [model.sweep(at[:d], chart.psi(at[d:]), 2) for _ in range(12)]
        free = np.concatenate([row[0] for row in rows])
        held = np.concatenate([row[1] for row in rows])
        score, information, sure = _louis(model.terms, chart, at, free, held)
        path.append(at)
        jump = np.linalg.solve(information, score)
        length = max(float(score @ jump), 0.0) ** 0.5
        at = at + jump * min(1.0, 1.5 / max(length, 1e-300))
        at[d + 1] = max(float(at[d + 1]), 0.5 * float(path[-1][d + 1]))
        at[d + 2] = min(max(float(at[d + 2]), 0.0), LARGEST_TAIL)
    mean = np.mean(path[NEWTON_STEPS // 2 :], axis=0)
    turn = _slopes(chart.psi, mean[d:])
    spread = turn @ np.linalg.inv(information)[d:, d:] @ turn.T
    if not sure:
        flags.append(
            "levels, tail and couplings are hardly told apart by these intensities: their errors "
            "are rough"
        )
    return CrosstalkEstimate(chart.psi(mean[d:]), (spread + spread.T) / 2, mean[:d], flags)


def _louis(
    terms: CrosstalkTerms, chart: _Chart, at: Float, free: Float, held: Float
) -> tuple[Float, Float, bool]:
    """Return score and observed information of (theta, chart), and whether it is positive."""
    d = len(at) - 4
    means, here = held[:, d:].mean(axis=0), at[d:]
    precision = np.array([PRIOR_SD[0] ** -2] + [PRIOR_SD[1] ** -2] * (d - 1))
    tail = np.array([0.0, 0.0, TAIL_SD**-2, 0.0])

    def gradient(x: Float) -> Float:
        return np.asarray(_slopes(
            lambda y: np.array([expected_log_density(terms, means, chart.psi(y))]), x
        )[0])  # fmt: skip

    score = np.concatenate([
        held[:, :d].mean(axis=0) - free.mean(axis=0) - precision * at[:d],
        gradient(here) - tail * here,
    ])  # fmt: skip
    bend = _slopes(gradient, here)
    complete = np.zeros((d + 4, d + 4))
    complete[:d, :d] = np.atleast_2d(np.cov(free.T)) + np.diag(precision)
    complete[d:, d:] = np.diag(tail) - (bend + bend.T) / 2
    slope = _slopes(lambda y: natural_terms(chart.psi(y)), here)
    missing = np.cov(np.hstack([held[:, :d], held[:, d:] @ slope]).T)
    root = _root(complete)
    back = np.linalg.inv(root)
    share, ways = np.linalg.eigh(back @ (complete - missing) @ back.T)
    kept = (ways * np.maximum(share, LEAST_SHARE)) @ ways.T
    return score, np.asarray(root @ kept @ root.T), bool(share.min() > LEAST_SHARE)


def _root(matrix: Float) -> Float:
    """Return R with R R^T = matrix, made positive where it is not."""
    scale = np.sqrt(np.abs(np.diag(matrix))) + 1e-12
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    root = vectors * np.sqrt(np.maximum(values, 1e-6 * values.max()))
    return np.asarray(scale[:, None] * root)


def _slopes(function: Callable[[Float], Float], at: Float) -> Float:
    """Return derivatives (n_out, 4) by central differences."""
    step = 1e-4 * np.array([abs(at[1]), abs(at[1]), 1.0, 1.0])
    return np.stack([
        (function(at + one) - function(at - one)) / (2 * size)
        for one, size in zip(np.diag(step), step, strict=True)
    ], axis=1)  # fmt: skip
