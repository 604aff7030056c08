"""Pair forces and diffusion from exact tracks of overdamped particles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, as_generator
from physlearn.inference.configurations.fit_pair_potential import read_interaction
from physlearn.inference.configurations.score_matching import find_score_mode
from physlearn.inference.langevin.displacement_regression import (
    BENT_AT,
    Regression,
    largest_bend,
    regress_displacements,
)
from physlearn.inference.langevin.missed_links import find_swaps
from physlearn.inference.langevin.motion_data import MotionData, read_motion
from physlearn.inference.langevin.motion_equations import Equations, MotionProblem, solve_motion
from physlearn.inference.langevin.motion_fit import MotionResult, fit_of_motion, resting_motion
from physlearn.inference.langevin.motion_posterior import MotionPosterior, draw_motion
from physlearn.inference.langevin.motion_runs_posterior import RunsPosterior
from physlearn.inference.langevin.places_of_frames import PlacesTerm, read_places, snapshots_of
from physlearn.inference.langevin.short_runs import Frame, list_frames
from physlearn.inference.langevin.static_score import match_scores
from physlearn.inference.langevin.stiffness_guard import (
    diffusion_seen,
    predict_regression_bias,
    stiffness_of,
)
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.one_thread import one_blas_thread
from physlearn.results import Fit

__all__ = ["fit_overdamped_pairs"]

Float = NDArray[np.float64]
PRIOR_SD_DIFFUSION = 5.0
"""Of ln(diffusion) around what the displacements say at once: no information."""
STEPS_PER_STIFFNESS = 12.0
LEAST_STEPS, MOST_STEPS = 6, 2000
NO_BIAS = 0.25
"""Predicted bias over standard error up to which ``auto`` takes displacement regression."""
APART = 0.01
"""Probability of the difference between motion and places below which they are not joined."""
MOST_BENT, MOST_OFF = 0.35, 1.3
"""How far the log posterior may be from a parabola, and from the expansions of the equations, 1.5
standard errors off its top (beyond 2.4, seven films of a Yukawa liquid had intervals far off)."""


@dataclass(frozen=True, eq=False)
class PairMotion:
    """What is fitted: tracks, the family, its prior with ln(diffusion) last, and the start."""

    data: MotionData
    frames: Sequence[Frame]
    family: InteractionFamily
    prior_mean: Float
    prior_precision: Float
    start: Float
    seed: int

    def n_steps(self, at: Float) -> int:
        """Return the sub-steps of a frame interval."""
        stiffness = stiffness_of(
            self.frames, self.family, at[:-1], float(np.exp(at[-1])), self.data.interval
        )
        return int(np.clip(np.ceil(STEPS_PER_STIFFNESS * stiffness), LEAST_STEPS, MOST_STEPS))


def fit_overdamped_pairs(
    trajectory: Any,
    potential: Any = "lennard_jones",
    *,
    equilibrium: bool | None = None,
    remove_drift: bool = True,
    temperature: tuple[float, float] | None = None,
    cutoff: float | None = None,
    truncation: str = "shift",
    method: str = "auto",
    prior: Any = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    """Fit a pair potential and the diffusion constant to tracks without errors.

    ``fit_langevin`` with ``localization_sd=0``, whose arguments these are.
    """
    generator, seed = as_generator(rng)
    if method == "static" and equilibrium is False:
        raise InputError("method='static' reads places in equilibrium; equilibrium=False can't be.")
    with one_blas_thread():
        data = read_motion(trajectory)
        _refuse_swaps(trajectory)
        family = read_interaction(
            snapshots_of(data), potential, cutoff=cutoff, truncation=truncation, prior=prior
        )
        if not _moves(data):
            return fit_of_motion(
                resting_motion(data, family, generator), family, data, seed, temperature
            )
        problem = _prepare(data, family, seed, remove_drift)
        if method == "static":
            return fit_of_motion(_static(problem, generator), family, data, seed, temperature)
        result = _move(problem, method, equilibrium, generator, progress)
        return fit_of_motion(result, family, data, seed, temperature)


def _refuse_swaps(trajectory: Any) -> None:
    """Refuse tracks that exchanged identities: a swap looks like a strong force."""
    swaps = find_swaps(trajectory)
    if len(swaps):
        frame, one, two = swaps[["frame", "particle_a", "particle_b"]].to_numpy()[0].astype(int)
        raise InputError(
            f"{len(swaps)} pair(s) of tracks exchange identities, first particles {one} and {two} "
            f"after frame {frame}: a swap looks like a strong force; repair them with "
            "cut_swaps(trajectory)."
        )


def _moves(data: MotionData) -> bool:
    moved = np.diff(data.positions, axis=0)
    return bool(np.nansum(moved**2) > 0.0)


def _prepare(
    data: MotionData, family: InteractionFamily, seed: int, remove_drift: bool
) -> PairMotion:
    """List neighbours and find a start: score matching and the displacements as they are."""
    moved = np.diff(data.positions, axis=0)
    moved = moved - np.nanmean(moved, axis=1, keepdims=True)
    diffusion = float(np.nanmean(moved**2) / (2.0 * data.interval))
    frames = list_frames(data, family, 1.5 * diffusion, remove_drift)
    if not frames:
        raise NotIdentified(
            "no particle keeps all its neighbours in view for a frame interval: the cutoff "
            f"{family.cutoff:g} is too long for this field of view, or too many particles are "
            "missing; give a shorter cutoff."
        )
    n = family.n_parameters
    mean = np.append(family.prior_mean, np.log(diffusion))
    precision = np.zeros((n + 1, n + 1))
    precision[:n, :n] = np.linalg.inv(family.prior_covariance)
    precision[n, n] = 1.0 / PRIOR_SD_DIFFUSION**2
    start = np.append(_start(data, frames, family), np.log(diffusion) + 0.1)
    return PairMotion(data, frames, family, mean, precision, start, seed)


def _start(data: MotionData, frames: Sequence[Frame], family: InteractionFamily) -> Float:
    """Return theta of the places; where they say nothing, the prior's mean."""
    some = frames[:: max(1, len(frames) // 20)]
    precision: Float = np.asarray(np.linalg.inv(family.prior_covariance), dtype=np.float64)
    try:
        first = find_score_mode(snapshots_of(data, 5), family).theta
        return match_scores(some, family, first, family.prior_mean, precision).theta
    except (NotIdentified, np.linalg.LinAlgError):
        # off the mean: a strength of 0 would hide every other parameter
        return family.prior_mean + np.where(family.is_positive, 0.0, 0.5)


def _move(
    problem: PairMotion,
    method: str,
    equilibrium: bool | None,
    rng: np.random.Generator,
    progress: Callable[[int, int], Any] | None,
) -> MotionResult:
    """Fit by the motion; join what the first frame's places say."""
    guard = _guard(problem, method)
    if method == "displacement" or (method == "auto" and guard["worst"] < NO_BIAS):
        return _regress(problem, guard, equilibrium, rng)
    equations = _solve(problem, progress)
    # the sub-steps were chosen for the start's stiffness
    if problem.n_steps(equations.estimate) > 1.3 * problem.n_steps(problem.start):
        problem = PairMotion(**{**problem.__dict__, "start": equations.estimate})
        equations = _solve(problem, progress)
    return _join(problem, equations, equilibrium, guard, rng)


def _guard(problem: PairMotion, method: str) -> dict[str, Any]:
    """Predicted bias of displacement regression; refuses where it was asked for and is biased."""
    at, data = problem.start.copy(), problem.data
    some = problem.frames[:: max(1, len(problem.frames) // 20)]
    # the bias grows with diffusion: the start's, a round number above the naive one, won't do
    at[-1] = diffusion_seen(
        problem.frames, some, problem.family, at, data.interval, problem.n_steps(at), problem.seed
    )
    predicted = predict_regression_bias(
        some, problem.family, at, data.interval, problem.n_steps(at), problem.seed,
        problem.prior_precision,
    )  # fmt: skip
    # a part of the frames: the bias is theirs all the same, the standard error is not
    worst = predicted.worst * np.sqrt(len(problem.frames) / len(some))
    said = {
        "stiffness": stiffness_of(
            problem.frames, problem.family, at[:-1], float(np.exp(at[-1])), data.interval
        ),
        "worst": float(worst),
        "bias": predicted.bias.tolist(),
    }
    if method == "displacement" and worst > 1.0:
        raise NotIdentified(
            "displacement regression would be off by "
            f"{worst:.2g} of its standard error at this frame interval (diffusion x interval x "
            f"force gradient = {said['stiffness']:.2g}); use method='auto' or 'sub_steps'."
        )
    return said


def _solve(problem: PairMotion, progress: Callable[[int, int], Any] | None) -> Equations:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, max(done, 4))

    equations = _equations_of(problem)
    try:
        return solve_motion(equations, problem.start, tick=tick)
    except NotIdentified:
        # places far from equilibrium start far from the truth
        again = problem.prior_mean + np.where(problem.start == problem.prior_mean, 0.5, 0.0)
        again[-1] = problem.start[-1]
        return solve_motion(equations, again, tick=tick)


def _equations_of(problem: PairMotion) -> MotionProblem:
    return MotionProblem(
        problem.frames, problem.family, problem.prior_mean, problem.prior_precision,
        problem.data.interval, problem.n_steps(problem.start), problem.seed,
    )  # fmt: skip


def _regress(
    problem: PairMotion, guard: dict[str, Any], equilibrium: bool | None, rng: np.random.Generator
) -> MotionResult:
    """Displacement regression where its bias can't show, joined with the first frame's places."""
    mean, precision = problem.prior_mean, problem.prior_precision
    said: dict[str, Any] = {"method": "displacement", **_said(guard)}
    warnings: list[str] = []

    def regress() -> Regression:
        return regress_displacements(
            problem.frames, problem.family, problem.start, mean, precision, problem.data.interval
        )

    if equilibrium is False:
        found = regress()
    else:
        # both at once: a short film's motion alone can settle far away
        places = read_places(snapshots_of(problem.data, 1), problem.family)
        mean, precision = places.join(mean, precision)
        found = regress()
        chance = _pull(found, mean, precision)
        said["motion_and_places_agree_p"] = chance
        warnings += _apart(chance, equilibrium)
        if chance < APART and not equilibrium:
            mean, precision = problem.prior_mean, problem.prior_precision
            found = regress()
    covariance: Float = np.asarray(np.linalg.inv(found.precision + precision), dtype=np.float64)
    said["largest_bend"] = largest_bend(
        problem.frames, problem.family, found.estimate, mean, precision, covariance,
        problem.data.interval,
    )  # fmt: skip
    warnings += _bent(said["largest_bend"])
    draws = rng.multivariate_normal(found.estimate, covariance, 4000)
    return MotionResult(
        draws, "Gaussian displacements of one frame interval (Euler)", "Laplace", said,
        tuple(warnings),
    )  # fmt: skip


def _pull(found: Regression, mean: Float, precision: Float) -> float:
    """Chi-squared probability of how far motion and places pull each other from their best."""
    from scipy.stats import chi2

    away = found.estimate - mean
    pull = precision @ away
    square = away @ pull + pull @ np.linalg.solve(found.precision, pull)
    return float(chi2.sf(square, len(away) - 1))


def _said(guard: dict[str, Any]) -> dict[str, Any]:
    return {
        "stiffness": guard["stiffness"],
        "displacement_bias_over_se": guard["worst"],
    }


def _join(
    problem: PairMotion,
    equations: Equations,
    equilibrium: bool | None,
    guard: dict[str, Any],
    rng: np.random.Generator,
) -> MotionResult:
    """Posterior of the motion, joined with the first frame's places where both agree."""
    mean, precision = problem.prior_mean, problem.prior_precision
    warnings: list[str] = []
    said: dict[str, Any] = {
        "method": "sub_steps", "n_steps": problem.n_steps(problem.start),
        "n_iterations": equations.n_iterations, **_said(guard),
    }  # fmt: skip
    joined = None
    if equilibrium is not False:
        places = read_places(snapshots_of(problem.data, 1), problem.family)
        chance = _agreement(equations.estimate, equations.precision, problem, places)
        said["motion_and_places_agree_p"] = chance
        if equilibrium or chance > APART:
            mean, precision = places.join(mean, precision)
            joined = places
        warnings += _apart(chance, equilibrium)
    posterior = MotionPosterior(
        equations.estimate, equations.residual, equations.slope, equations.bend, equations.weight,
        mean, precision,
    )  # fmt: skip
    draws, shape, how = draw_motion(posterior, rng)
    runs = RunsPosterior(_equations_of(problem), equations, joined)
    said["largest_bend"] = runs.bend(posterior)
    warnings += _bent(said["largest_bend"], MOST_OFF)
    said |= {"pareto_k": shape, **_residual_test(equations)}
    if said["frame_variance_p"] < APART / 10:
        warnings.append(
            "The frames scatter differently from what the fitted law predicts "
            f"(ratio {said['frame_variance_ratio']:.2f}, p = {said['frame_variance_p']:.2g}): "
            "check localisation errors, the family of potentials and its cutoff."
        )
    return MotionResult(
        draws, "estimating equations of pair energies and displacements one frame on", how, said,
        tuple(warnings), posterior,
    )  # fmt: skip


def _bent(error: float, most: float = MOST_BENT) -> list[str]:
    """Say where the posterior is not the shape that its draws were taken from."""
    if error <= most:
        return []
    return [
        "The data say too little of some parameters for these intervals to be trusted: "
        f"{BENT_AT} standard errors away the log posterior is off by {error:.2g}; give more "
        "frames, a prior, or a family with fewer parameters."
    ]


def _apart(chance: float, equilibrium: bool | None) -> list[str]:
    """Say that motion and places ask for different forces, where they do."""
    if chance >= APART:
        return []
    return [
        "The places and the motion ask for different forces "
        f"(p = {chance:.2g}): not in equilibrium, errors of localisation, or another law; "
        + ("joined all the same." if equilibrium else "the motion alone was used.")
    ]


def _agreement(estimate: Float, precision: Float, problem: PairMotion, places: PlacesTerm) -> float:
    """Chi-squared probability of motion against the first frame, which are independent."""
    from scipy.stats import chi2

    motion = np.linalg.inv(precision + problem.prior_precision)[:-1, :-1]
    both = motion + places.covariance
    away = estimate[:-1] - places.theta
    return float(chi2.sf(away @ np.linalg.solve(both, away), len(away)))


def _residual_test(equations: Equations) -> dict[str, float]:
    """Compare the frames' scatter around the expectation with the runs' own."""
    from scipy.stats import chi2

    rows = equations.by_frame
    inverse = np.linalg.inv(equations.covariance / len(rows))
    squares = np.einsum("tq,qr,tr->t", rows, inverse, rows)
    dof = rows.size - rows.shape[1]
    total = float(squares.sum())
    chance = 2.0 * min(chi2.sf(total, dof), chi2.cdf(total, dof))
    return {"frame_variance_ratio": total / dof, "frame_variance_p": float(min(chance, 1.0))}


def _static(problem: PairMotion, rng: np.random.Generator) -> MotionResult:
    """Places of all frames alone; diffusion is not read."""
    places = read_places(snapshots_of(problem.data, problem.data.n_frames), problem.family)
    draws = rng.multivariate_normal(places.theta, places.covariance, 4000)
    return MotionResult(
        draws, "score matching of places in equilibrium", "Laplace",
        {"method": "static", "misfit": places.misfit},
    )  # fmt: skip
