"""Posterior of a potential from snapshots in equilibrium, the likelihood by simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified, as_generator
from physlearn.inference.configurations.simulated_posterior import draw_posterior
from physlearn.inference.configurations.simulated_problem import Effort, SimulatedProblem, Slopes
from physlearn.inference.configurations.snapshot_energies import SnapshotEnergies, ThreeBody
from physlearn.inference.configurations.snapshots import Snapshot, check_reach
from physlearn.inference.configurations.theta_posterior import ThetaPosterior
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.one_thread import one_blas_thread

__all__ = ["find_mode", "fit_by_simulation", "simulate_posterior"]

Float = NDArray[np.float64]
MOST_ROUNDS = 30
MOST_KEPT = 6
"""References of the search that log Z is taken from: those further back lie too far off."""
LONGEST_STEP, CUT = 2.0, 0.1
"""Posterior standard deviations of a step that is taken whole, and the share of what is beyond."""
NEAR = 0.5
"""Posterior standard deviations of a step below which the mode is found."""
WORSE, SHORTER = 1.5, 0.3
"""A step is taken back that makes the next one this much longer; the share that is tried then."""
SPREAD = 1.4
"""Distance of the references from the mode, in posterior standard deviations."""
STRAYED = 15.0
"""Divergence, of about 2 expected, from which on a reference is left out."""
LEAST_NOISE = 0.03
"""Share of the posterior's variance that simulation may add before more is simulated."""


def fit_by_simulation(
    snapshots: Sequence[Snapshot],
    family: InteractionFamily,
    theta_start: Float | None = None,
    *,
    three_body: ThreeBody | None = None,
    effort: Effort | None = None,
    inflation: float = 1.0,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> ThetaPosterior:
    """Return the posterior of a family's parameters given snapshots in thermal equilibrium.

    The density of N particles in a box is exp(-U(x; theta)) / Z(theta), energies in kT (Geyer &
    Thompson 1992, doi:10.1111/j.2517-6161.1992.tb01443.x). Configurations are simulated at
    parameters that step towards the posterior's mode, then at references around it; log Z follows
    from all of them by the multistate Bennett acceptance ratio, and draws by importance sampling.
    With errors of the positions, log Z(places tied to what was seen) takes the place of the
    observed energy. In a field of view the particles nearer to its edge than the cutoff are given,
    and so is the number of the others, which stay inside.

    Parameters
    ----------
    snapshots
        Frames; taken as independent of each other unless ``inflation`` says otherwise.
    family
        Potentials between all pairs of species.
    theta_start
        Where to start, shape (p,) of the family, from score matching for example; None: there.
    three_body
        A three-body term whose strength is the last parameter.
    effort
        How long to simulate.
    inflation
        By how much correlation between frames widens the covariance of their mean; the log
        likelihood is divided by it.
    rng, progress
        Seed or generator; called with (steps done, steps).

    Raises
    ------
    InputError
        For a cutoff beyond half the box.
    NotIdentified
        When no mode is found.
    """
    generator, _ = as_generator(rng)
    energies = SnapshotEnergies(family, three_body)
    return simulate_posterior(
        snapshots, energies, theta_start, Effort() if effort is None else effort, generator,
        progress, inflation,
    )[0]  # fmt: skip


def simulate_posterior(
    snapshots: Sequence[Snapshot],
    energies: SnapshotEnergies,
    theta_start: Float | None,
    effort: Effort,
    rng: np.random.Generator,
    progress: Callable[[int, int], Any] | None = None,
    inflation: float = 1.0,
) -> tuple[ThetaPosterior, SimulatedProblem, Float]:
    """Return the posterior, the simulations behind it, and its mode."""
    check_reach(snapshots, energies.cell_width)
    if theta_start is None:
        from physlearn.inference.configurations.score_matching import find_score_mode

        try:
            theta_start = find_score_mode(snapshots, energies.family).theta
        except NotIdentified:  # no pair within the cutoff: the likelihood can use even that
            theta_start = energies.family.prior_mean
    start = np.array(theta_start, dtype=np.float64)
    if len(start) < energies.n_parameters:
        start = np.append(start, 0.0)
    with one_blas_thread():
        problem = SimulatedProblem(snapshots, energies, rng, inflation)
        try:
            mode, local = find_mode(problem, start, effort, progress)
        except NotIdentified:  # the start was misled: the prior's mean is another
            problem = SimulatedProblem(snapshots, energies, rng, inflation)
            mode, local = find_mode(problem, energies.prior_mean, effort, progress)
        mode, local = _surround(problem, mode, local, effort, progress)
        posterior = draw_posterior(problem, mode, local, effort, rng, len(snapshots))
    return posterior, problem, mode


def find_mode(
    problem: SimulatedProblem,
    theta: Float,
    effort: Effort,
    progress: Callable[[int, int], Any] | None = None,
) -> tuple[Float, Slopes]:
    """Step with Newton's method on simulated moments until steps are short; return the mode.

    Raises
    ------
    NotIdentified
        When the steps do not become short.
    """
    before, last, step = problem.places(), np.inf, np.zeros_like(theta)
    for k in range(MOST_ROUNDS):
        problem.simulate(
            theta, effort.round_records, effort.burn_in if k == 0 else effort.settle, effort
        )
        problem.forget(MOST_KEPT)
        problem.solve()
        local = problem.slopes(theta)
        fresh, length = newton_step(local)
        if length > WORSE * last + LONGEST_STEP:
            # too far: particles that fell into each other, say; back, and a shorter step
            problem.put_back(before)
            theta, step = theta - step, SHORTER * step
        else:
            before, last, step = problem.places(), length, fresh
        theta = theta + step
        if progress is not None:
            progress(k + 1, MOST_ROUNDS + effort.most_passes)
        if length < NEAR:
            return climb(problem, theta)
    raise NotIdentified(
        f"no mode of the posterior was found in {MOST_ROUNDS} simulations: the snapshots may not "
        "be in equilibrium under any potential of this family; try another family, or start from "
        "parameters nearer to the truth."
    )


def newton_step(local: Slopes) -> tuple[Float, float]:
    """Return a step towards the mode, cut, and its full length in standard deviations."""
    step: Float = np.asarray(np.linalg.solve(local.information, local.gradient), np.float64)
    length = float(np.sqrt(max(float(step @ local.information @ step), 0.0)))
    taken = length if length <= LONGEST_STEP else LONGEST_STEP + CUT * (length - LONGEST_STEP)
    return step * (taken / max(length, 1e-9)), length


def climb(problem: SimulatedProblem, theta: Float) -> tuple[Float, Slopes]:
    """Return the mode of the log posterior as it is known from the samples so far."""
    local = problem.slopes(theta)
    for _ in range(20):
        step, length = newton_step(local)
        for _ in range(6):
            trial = problem.slopes(theta + step)
            if trial.value >= local.value - 1e-9 and problem.carries(theta + step):
                break
            step = 0.4 * step
        else:
            return theta, local
        theta, local = theta + step, trial
        if length < 1e-3:
            break
    return theta, local


def _surround(
    problem: SimulatedProblem,
    mode: Float,
    local: Slopes,
    effort: Effort,
    progress: Callable[[int, int], Any] | None,
) -> tuple[Float, Slopes]:
    """Simulate at references around the mode until the noise of simulation is small."""
    p = len(mode)
    for k in range(effort.most_passes):
        values, vectors = np.linalg.eigh(local.information)
        axes = SPREAD * vectors / np.sqrt(values)
        records = max(effort.final_records // (2 * p + 1), 20)
        problem.simulate(mode, records, effort.settle, effort)
        places, middle = problem.places(), problem.n_references - 1
        for axis in axes.T:
            for away in (axis, -axis):
                problem.simulate(mode + away, records, effort.settle, effort)
                if problem.divergence(middle) > STRAYED:
                    # where the prior alone holds, particles may fall into each other
                    problem.put_back(places)
        problem.solve()
        mode, local = climb(problem, mode)
        if progress is not None:
            progress(MOST_ROUNDS + k + 1, MOST_ROUNDS + effort.most_passes)
        if noise_share(local) < LEAST_NOISE:
            break
    return mode, local


def noise_share(local: Slopes) -> float:
    """Return the largest share of the posterior's variance that simulation adds."""
    factor = np.linalg.cholesky(local.information)
    share = np.linalg.solve(factor, np.linalg.solve(factor, local.noise).T)
    return float(np.linalg.eigvalsh(0.5 * (share + share.T)).max())
