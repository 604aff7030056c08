"""Pair potentials by score matching: no simulation, only sums over pairs of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from physlearn.checks import NotIdentified
from physlearn.inference.configurations.noisy_scores import sum_noisy_fields
from physlearn.inference.configurations.quasi_posterior import draw_quasi_posterior
from physlearn.inference.configurations.score_tables import (
    FramePairs,
    ScoreSums,
    list_frame_pairs,
    make_grid,
    sum_fields,
)
from physlearn.inference.configurations.snapshots import Snapshot
from physlearn.inference.configurations.spatial_covariance import (
    frame_inflation,
    spatial_covariance,
)
from physlearn.inference.configurations.theta_posterior import ThetaPosterior
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.one_thread import one_blas_thread

__all__ = ["ScoreMode", "find_score_mode", "match_score", "resemblance"]

Float = NDArray[np.float64]
MOST_STEPS = 60
ROUGH, STEP_TOLERANCE = 0.3, 0.01
"""Change of theta over its standard deviation at which a search ends (each step squares it)."""
N_DRAWS = 2000
MOST_ERROR_SHARE = 1.0
"""Variance of the sums by errors of positions, over the thermal one: beyond it widths fail."""


@dataclass(frozen=True, eq=False)
class ScoreMode:
    """Where the sums are nearest to 0, and how well that place is known.

    ``theta``, ``covariance``: mode and Gaussian width with the prior; ``weight``: (k, k), the
    inverse covariance of the sums.
    """

    theta: Float
    covariance: Float
    weight: Float
    sums: ScoreSums
    frames: list[FramePairs]
    misfit: float
    inflation: float
    error_share: float = 0.0


def match_score(
    snapshots: Sequence[Snapshot], family: InteractionFamily, *, rng: np.random.Generator
) -> ThetaPosterior:
    """Return the posterior of theta from sums that have mean 0 under the right force.

    For any field w of pushes along the lines between particles, the mean over thermal equilibrium
    of w . force + div w is 0 (force in kT / length); the covariance of these sums follows by a
    second partial integration. The fields are bumps over distance, weighted by the inverse of that
    covariance. What remains of the sums beyond the parameters tests the family.
    """
    with one_blas_thread():
        mode = find_score_mode(snapshots, family, rng)
        posterior = draw_quasi_posterior(mode, family, N_DRAWS, rng)
    spare = _spare(mode.sums, family, mode.theta, mode.weight)
    p_value = float(chi2.sf(mode.misfit, spare)) if spare > 0 else 1.0
    diagnostics: dict[str, Any] = {
        "theta_mode": mode.theta.tolist(), "misfit_chi2": mode.misfit,
        "misfit_degrees_of_freedom": spare, "misfit_p": p_value,
        "frame_inflation": mode.inflation, "error_share": mode.error_share,
        "n_inner": int(sum(frame.inner.sum() for frame in mode.frames)),
        **posterior.diagnostics,
    }  # fmt: skip
    warnings = list(posterior.warnings)
    if p_value < 1e-3:
        names = " + ".join(dict.fromkeys(part.name for part in family.parts))
        warnings.append(
            f"No {names} potential up to {family.cutoff:.3g} explains the structure "
            f"(p = {p_value:.1g}): try a spline, a longer cutoff, or three_body."
        )
    if mode.error_share > MOST_ERROR_SHARE:
        warnings.append(
            "Errors of positions are so large that undoing them costs more than the thermal "
            f"scatter itself ({mode.error_share:.2g} of it): intervals by the score are up to a "
            "quarter too narrow; take method='likelihood'."
        )
    return ThetaPosterior(
        posterior.draws, "score matching with radial test fields", posterior.approximation,
        diagnostics, tuple(warnings),
    )  # fmt: skip


def find_score_mode(
    snapshots: Sequence[Snapshot], family: InteractionFamily, rng: np.random.Generator | None = None
) -> ScoreMode:
    """Find theta by Gauss-Newton steps, the weights of the sums by their covariance there.

    ``rng`` serves errors of positions only.
    """
    if any(snapshot.position_sd.any() for snapshot in snapshots):
        return _find_noisy_mode(snapshots, family, rng or np.random.default_rng(0))
    frames = [list_frame_pairs(snapshot, family) for snapshot in snapshots]
    grid = make_grid(frames, family)
    sums = sum_fields(frames, grid)
    precision = np.asarray(np.linalg.inv(family.prior_covariance), dtype=np.float64)
    theta, rough = _first_guess(sums, family, precision)
    weight = _weight(sums.variance(frames, grid.force(family, theta)), rough)
    theta, covariance = _descend(sums, family, weight, precision, theta, STEP_TOLERANCE)
    if weight is rough:  # the first force was too far off to tell the sums' scatter by
        force = grid.force(family, theta)
        weight = _weight(
            sums.variance(frames, force), _scatter_weight(snapshots, sums.scores(frames, force),
                                                          family),
        )  # fmt: skip
        theta, covariance = _descend(sums, family, weight, precision, theta, STEP_TOLERANCE)
    inflation = 1.0
    if len(frames) > 1:
        totals = _totals(sums.scores(frames, grid.force(family, theta)))
        inflation = _inflation(totals, weight * len(frames), sums.slope(family, theta))
        weight = weight / inflation
        theta, covariance = _descend(sums, family, weight, precision, theta, STEP_TOLERANCE)
    left = sums.at(family, theta)
    misfit = float(left @ weight @ left)
    return ScoreMode(theta, covariance, weight, sums, frames, misfit, inflation)


def resemblance(
    snapshots: Sequence[Snapshot], family: InteractionFamily, rng: np.random.Generator
) -> float:
    """Return by how much correlation between frames widens the covariance of a mean, at least 1."""
    if len(snapshots) < 2:
        return 1.0
    try:
        return find_score_mode(snapshots, family, rng).inflation
    except NotIdentified:  # no pair within the cutoff: frames cannot be told from each other
        return float(len(snapshots))


def _find_noisy_mode(
    snapshots: Sequence[Snapshot], family: InteractionFamily, rng: np.random.Generator
) -> ScoreMode:
    """As ``find_score_mode``, the sums carried back to positions without errors."""
    scores, frames, grid = sum_noisy_fields(snapshots, family, rng)
    sums = scores.sums
    precision = np.asarray(np.linalg.inv(family.prior_covariance), dtype=np.float64)
    theta, rough = _first_guess(sums, family, precision)
    weight = _weight(scores.variance(snapshots, grid.force(family, theta)), rough)
    theta, covariance = _descend(sums, family, weight, precision, theta, STEP_TOLERANCE)
    force = grid.force(family, theta)
    if weight is rough:
        weight = _scatter_weight(snapshots, scores.scores(force), family)
    weight = _weight(scores.variance(snapshots, force), weight)
    inflation = 1.0
    if len(frames) > 1:
        totals = _totals(scores.scores(grid.force(family, theta)))
        inflation = _inflation(totals, weight * len(frames), sums.slope(family, theta))
        weight = weight / inflation
    theta, covariance = _descend(sums, family, weight, precision, theta, STEP_TOLERANCE)
    lean = _lean(
        snapshots, scores.scores(grid.force(family, theta)),
        scores.slope_shares(grid.pull_gradient(family, theta)), weight, 1.5 * family.cutoff,
    )  # fmt: skip
    # the thermal part is left to the Jacobian of the posterior
    lean = lean * scores.error_share / (1.0 + scores.error_share)
    slope = sums.slope(family, theta)
    sums = replace(sums, constant=sums.constant - slope @ covariance @ lean)
    theta, covariance = _descend(sums, family, weight, precision, theta, STEP_TOLERANCE)
    # a stronger force scatters more: the width is that of the corrected one
    weight = _weight(scores.variance(snapshots, grid.force(family, theta)), weight) / inflation
    theta, covariance = _descend(sums, family, weight, precision, theta, STEP_TOLERANCE)
    left = sums.at(family, theta)
    misfit = float(left @ weight @ left)
    return ScoreMode(theta, covariance, weight, sums, frames, misfit, inflation, scores.error_share)


def _lean(
    snapshots: Sequence[Snapshot],
    scores: Sequence[Float],
    slopes: Sequence[Float],
    weight: Float,
    reach: float,
) -> Float:
    """Mean of slope' weight sums, (p,): not 0, as slopes and sums scatter together.

    It is what biases a generalised method of moments first (Newey & Smith 2004,
    doi:10.1111/j.1468-0262.2004.00482.x), here most by the errors of positions, which both hold.
    """
    k, p = slopes[0].shape[1:]
    out = np.zeros(p)
    for snapshot, score, slope in zip(snapshots, scores, slopes, strict=True):
        both = np.concatenate([score, slope.reshape(len(slope), -1)], axis=1)
        spread = spatial_covariance(
            snapshot.positions, both - both.mean(axis=0), reach, snapshot.box
        )[:k, k:]
        out += np.einsum("lkp,kl->p", spread.reshape(k, k, p), weight)
    return out


def _first_guess(
    sums: ScoreSums, family: InteractionFamily, precision: Float
) -> tuple[Float, Float]:
    """Theta with weights that need no force, the inverse of the fields' squares, and those."""
    rough = sum(np.tensordot(w, w, axes=((0, 2), (0, 2))) for w, _ in sums.fields)
    weight = _weight(np.asarray(rough))
    return _descend(sums, family, weight, precision, family.prior_mean, ROUGH)[0], weight


def _spare(sums: ScoreSums, family: InteractionFamily, theta: Float, weight: Float) -> int:
    """Fields that push somebody, less the parameters that they tell of."""
    slope = sums.slope(family, theta)
    return int((np.diag(weight) > 0.0).sum() - slope.any(axis=0).sum())


def _inflation(totals: Float, weight: Float, slope: Float) -> float:
    """Inflation of all sums, or of those that the parameters hang on where these move slower."""
    pull = weight @ slope[:, slope.any(axis=0)]
    own = np.asarray(np.linalg.pinv(pull.T @ np.linalg.pinv(weight) @ pull), dtype=np.float64)
    return max(frame_inflation(totals, weight), frame_inflation(totals @ pull, own))


def _totals(shares: Sequence[Float]) -> Float:
    return np.array([share.sum(axis=0) for share in shares])


def _weight(variance: Float, before: Float | None = None) -> Float:
    """Inverse of a covariance, or ``before`` where the force is so far off that it is none.

    Fields that push nobody, those of two species that never meet, weigh nothing.
    """
    seen = np.diag(variance) != 0.0
    scale = np.sqrt(np.maximum(np.diag(variance)[seen], 1e-300))
    values, vectors = np.linalg.eigh(variance[np.ix_(seen, seen)] / np.outer(scale, scale))
    if before is not None and ((np.diag(variance) < 0.0).any() or not (values > 0.0).any()):
        return before
    if not len(values):
        raise NotIdentified(
            "no two particles are nearer to each other than the cutoff, so nothing is told of "
            "their force: give more frames or a longer cutoff."
        )
    kept = np.maximum(values, 1e-6 * values[-1])
    out = np.zeros_like(variance)
    out[np.ix_(seen, seen)] = (vectors / kept) @ vectors.T / np.outer(scale, scale)
    return out


def _scatter_weight(
    snapshots: Sequence[Snapshot], scores: Sequence[Float], family: InteractionFamily
) -> Float:
    """Inverse covariance of the sums from how the particles' shares of them scatter in space."""
    spread = [
        spatial_covariance(snapshot.positions, own, 1.5 * family.cutoff, snapshot.box)
        for snapshot, own in zip(snapshots, scores, strict=True)
    ]
    return _weight(np.sum(spread, axis=0))


def _descend(
    sums: ScoreSums,
    family: InteractionFamily,
    weight: Float,
    precision: Float,
    theta: Float,
    tolerance: float,
) -> tuple[Float, Float]:
    """Minimise sums' weight sums + the prior's square by damped Gauss-Newton steps."""

    def judged(place: Float) -> tuple[float, Float]:
        here, away = sums.at(family, place), place - family.prior_mean
        return float(here @ weight @ here + away @ precision @ away), here

    value, here = judged(theta)
    damping, bend = 0.0, precision
    for _ in range(MOST_STEPS):
        slope = sums.slope(family, theta)
        bend = slope.T @ weight @ slope + precision
        pull = slope.T @ weight @ here + precision @ (theta - family.prior_mean)
        while True:
            damped = bend + damping * np.diag(np.diag(bend))
            step = -np.linalg.solve(damped, pull)
            step *= min(1.0, 1.0 / max(np.abs(step[family.is_positive]).max(initial=0.0), 1e-12))
            tried, there = judged(theta + step)
            if tried <= value or damping > 1e8:
                break
            damping = max(10.0 * damping, 1e-3)
        small = step @ bend @ step < tolerance**2 * len(theta)
        if tried <= value:
            theta, value, here = theta + step, tried, there
        damping *= 0.1
        if small or tried > value:
            break
    # as bent before the last step, which was small
    return theta, np.asarray(np.linalg.inv(bend), dtype=np.float64)
