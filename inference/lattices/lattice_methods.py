"""The ways to a posterior of a lattice Hamiltonian, and which one is taken when."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.lattices.lattice_answer import Answer, Task
from physlearn.inference.lattices.lattice_data import LatticeData
from physlearn.inference.lattices.lattice_trust import trust_flags
from physlearn.inference.lattices.lattice_window import window_of_data
from physlearn.inference.lattices.ordered_picture import (
    extreme_direction,
    is_ordered,
    sample_ordered,
)
from physlearn.inference.measurement.lattice_measurement import (
    HiddenProblem,
    free_problem,
    hidden_problem,
)
from physlearn.inference.measurement.measurement_effects import finish_measurement
from physlearn.inference.posteriors.lattice_posterior import sample_posterior
from physlearn.inference.posteriors.likelihood_records import LatticeProblem, LikelihoodPosterior
from physlearn.inference.posteriors.local_sandwich import picture_sandwich
from physlearn.inference.posteriors.prior_weights import FEW_DRAWS, gaussian_times_prior
from physlearn.inference.posteriors.priors import Prior
from physlearn.inference.posteriors.pseudolikelihood import (
    LEAST_INFORMATION,
    Sandwich,
    combine_with_prior,
    maximize_pseudolikelihood,
    measure_sandwich,
)

__all__ = ["METHODS", "solve"]

Float = NDArray[np.float64]
Codes = NDArray[np.uint8]
METHODS = ("auto", "pseudolikelihood", "likelihood", "exchange", "statistical_distance")
FEW_PAIRS = 20.0
LARGEST_LIKELIHOOD = 600_000
"""Random sites times (1 + shells) beyond which ``auto`` tries the pseudolikelihood first."""
LARGEST_SIMULATED = 20_000
"""Sites beyond which the sandwich is read off the picture, and a window is simulated."""
WINDOW_SITES = 8_000
LEAST_EFFECTIVE = 400.0
FEW_SITES = 64
"""Fewest sites on which defects of a perfect order are far enough apart."""
LOST = 60.0
"""Effective draws below which replicas lost their way: they start once more, by other chances."""
LEAST_ANSWER, MOST_UNSEEN = 10.0, 0.5
"""Effective draws below which, and share beyond all replicas above which, there is no posterior."""
MOST_LOSS = 1.25
N_REPLICAS = 64
LOOSE_SD = 3.0
"""Width in kT of the Gaussians that stand for other priors while a maximum is sought."""
VAGUE_SD = 100.0


class _NoOverlapError(NotIdentified):
    """No simulated picture resembles the observed one where the posterior lies."""


def solve(task: Task) -> Answer:
    """Return posterior draws by the method asked for, or by the one that fits the data."""
    data = task.data
    if data.n_parameters == 0:
        raise InputError(
            "n_shells must be at least 1 where composition='fixed', or triplets be given: "
            "independent sites have no other parameter than their composition."
        )
    if data.uncertain:
        if task.method not in ("auto", "likelihood"):
            raise InputError(
                f"method must be auto or likelihood where labels are uncertain or absent; got "
                f"{task.method}."
            )
        return _likelihood(task, "labels are uncertain or absent: their sum needs the likelihood")
    if (data.state_counts > 0).sum() == 1 and data.family.fixed_composition:
        return Answer(
            task.prior.draw(task.n_draws, task.rng), "prior", "none",
            "one state at fixed composition: nothing to learn",
        )  # fmt: skip
    if (data.state_counts > 0).sum() == 1 and task.method in ("auto", "pseudolikelihood"):
        return _ordered(
            task, "all sites hold one state: sites that differ are rare, which gives the likelihood"
        )
    if task.method in ("auto", "likelihood") and not data.family.fixed_composition:
        direction = extreme_direction(data)
        if direction is not None and is_ordered(data, direction):
            return _perfect_order(task)
    return {
        "auto": _auto, "pseudolikelihood": _pseudolikelihood, "likelihood": _likelihood,
        "exchange": _exchange, "statistical_distance": _statistical_distance,
    }[task.method](task)  # fmt: skip


def _perfect_order(task: Task) -> Answer:
    """Return bounds from a picture of perfect order, such as a checkerboard.

    Replicas that have no defect at all tell nothing about the far side of the bound: there only the
    expansion in rare defects is good. Of few sites it is a rough one, and replicas do better.
    """
    if task.data.n_terms < FEW_SITES:
        with suppress(_NoOverlapError):
            answer = _likelihood(task, "perfect order on few sites")
            if answer.numbers["effective_draws"] >= LEAST_EFFECTIVE and not answer.flags:
                return answer
    return _ordered(task, "perfect order: sites that differ are rare, which gives the likelihood")


def _ordered(task: Task, choice: str) -> Answer:
    """Return bounds where the pictures are perfectly ordered."""
    theta, numbers = sample_ordered(task.data, task.prior, task.n_draws, task.rng)
    flags = []
    if numbers["effective_draws"] < LEAST_EFFECTIVE:
        flags.append(f"only {numbers['effective_draws']:.0f} effective draws: quantiles are rough")
    return Answer(
        theta, "likelihood of rare single sites",
        "prior draws weighted; sites that differ are taken as rare and apart", choice,
        dict(numbers), flags,
    )  # fmt: skip


def _auto(task: Task) -> Answer:
    """Take the likelihood where it is affordable, else the pseudolikelihood where it is good."""
    data = task.data
    size = data.n_terms * (1 + data.family.n_shells)
    if size <= LARGEST_LIKELIHOOD:
        return _likelihood_if_any(
            task, f"the full likelihood is affordable for {data.n_terms} random sites"
        )
    if data.family.fixed_composition:
        return _likelihood_if_any(
            task, "at fixed composition sites are tied together: the likelihood is needed"
        )
    rare = _expected_minority_pairs(data)
    if rare < FEW_PAIRS:
        return _likelihood_if_any(
            task,
            f"only {rare:.1f} pairs of the rarer state are expected: the posterior is not Gaussian",
        )
    first = _pseudolikelihood(
        task, f"{data.n_terms} random sites make the full likelihood dear, and pairs abound"
    )
    lossy = first.numbers["precision_loss"] > MOST_LOSS
    if not first.flags and not lossy:
        return first
    reason = (
        "; ".join(first.flags)
        or f"the pseudolikelihood would lose a factor {first.numbers['precision_loss']:.2f}"
    )
    second = _likelihood_if_any(task, f"escalated from the pseudolikelihood: {reason}", first)
    return replace(second, numbers={**first.numbers, **second.numbers})


def _likelihood_if_any(task: Task, choice: str, first: Answer | None = None) -> Answer:
    """Sample the full likelihood; where it gives no posterior the pseudolikelihood's, flagged."""
    try:
        return _likelihood(task, choice)
    except _NoOverlapError as refusal:
        rough = first or _pseudolikelihood(task)
        lost = str(refusal).partition(":")[0]
        return replace(
            rough, choice="the full likelihood gave no posterior",
            flags=[*rough.flags, f"{lost}: this is the pseudolikelihood's, a rough one"],
        )  # fmt: skip


def _expected_minority_pairs(data: LatticeData) -> float:
    """Return how many pairs of the second most frequent state a shell would hold at random."""
    share = data.minority / max(data.n_terms, 1)
    shells = data.family.n_shells
    bonds = np.sum(
        [
            np.bincount(g.graph.shell, weights=g.graph.multiplicity, minlength=shells)[:shells]
            for g in data.groups
        ],
        axis=0,
    )
    return float(np.min(bonds, initial=np.inf) * share**2)


def _likelihood(task: Task, choice: str = "asked for") -> Answer:
    """Sample the full likelihood; where the checks fail once more, with more replicas."""
    data = task.data
    mode, curvature = maximize_pseudolikelihood(data, task.prior)
    mean: Float = mode
    covariance = np.asarray(np.linalg.inv(curvature + np.diag(task.prior.precision)), np.float64)
    problem, result = _run_likelihood(task, mean, covariance, N_REPLICAS)
    attempts = 1
    small = data.n_terms <= LARGEST_SIMULATED
    if result.converged and result.effective_draws < LEAST_EFFECTIVE and small:
        attempts, d = 2, len(mean)
        problem, result = _run_likelihood(
            task, result.mean[:d], result.covariance[:d, :d], 2 * N_REPLICAS
        )
    # rounds that merely never agreed would not agree from a new start either (measured), but those
    # that lost all weight on the way may find it
    if _worth(result) < LOST and attempts == 1 and small:
        attempts = 2
        again = _run_likelihood(task, mean, covariance, 2 * N_REPLICAS)
        if _worth(again[1]) >= _worth(result):
            problem, result = again
    if _worth(result) < LEAST_ANSWER:
        raise _NoOverlapError(
            f"the Monte Carlo likelihood has {result.effective_draws:.1f} effective draws after "
            f"{attempts} start(s), and {_unseen(result):.0%} of the posterior lies where no "
            "simulated picture resembles the observed one: too few for a posterior; give a "
            "narrower prior, fewer shells, a larger picture or another rng."
        )
    numbers = {
        "effective_draws": result.effective_draws, "rounds": result.rounds, "attempts": attempts,
        "log_evidence_relative": float(result.log_evidence),
        "evidence_reference": np.asarray(result.reference).tolist(), **result.numbers,
    }  # fmt: skip
    flags, theta, nuisances = list(result.flags), result.draws, {}
    completed = None
    if isinstance(problem, HiddenProblem):
        finish = finish_measurement(data, problem, result.draws, task.rng)
        theta, nuisances = finish.theta, dict(finish.nuisances)
        flags += finish.flags
        numbers |= finish.numbers
        completed = _completed(data, problem)
    summed = "; labels summed over" if data.uncertain else ""
    return Answer(
        theta, f"likelihood{summed}", "Monte Carlo likelihood, importance weights", choice,
        numbers, flags, nuisances, completed,
        [one.population for one in problem.ensembles if one.power < 0],
    )  # fmt: skip


def _unseen(result: LikelihoodPosterior) -> float:
    """Return the share of the posterior that lies beyond all replicas."""
    return float(result.numbers["uncovered_share"])


def _worth(result: LikelihoodPosterior) -> float:
    """Return the effective draws, none where most of the posterior was not seen."""
    return 0.0 if _unseen(result) > MOST_UNSEEN else result.effective_draws


def _run_likelihood(
    task: Task, mean: Float, covariance: Float, n_replicas: int
) -> tuple[LatticeProblem, LikelihoodPosterior]:
    problem: LatticeProblem
    if task.data.uncertain:
        problem = hidden_problem(
            task.data, task.prior, task.rng, n_replicas, flip_rate=task.flip_rate
        )
    else:
        problem = free_problem(task.data, task.prior, task.rng, n_replicas)
    n_further = len(problem.names) - len(mean)
    if n_further:
        wide = np.diag(np.asarray(problem.prior.sd, np.float64) ** 2)
        wide[:-n_further, :-n_further] = covariance
        mean, covariance = np.append(mean, problem.prior.mean[-n_further:]), wide
    result = sample_posterior(
        problem, mean, covariance, task.n_draws, task.rng, progress=task.progress
    )
    return problem, result


def _completed(data: LatticeData, problem: LatticeProblem) -> list[Codes]:
    """Return pictures drawn given their labels, one array a group."""
    out: list[Codes] = []
    for ensemble in problem.ensembles:
        if ensemble.power > 0:
            out[-1] = ensemble.population.codes()
        else:
            out.append(data.groups[len(out)].codes[:, None])
    return out


def _pseudolikelihood(task: Task, choice: str = "asked for") -> Answer:
    """Return the Gaussian of the sandwich covariance around the pseudolikelihood's maximum."""
    data = task.data
    prior = task.prior if task.prior.is_gaussian else _loosened(task.prior)
    mode, _ = maximize_pseudolikelihood(data, prior)
    sandwich, how, reasons, numbers = _sandwich(task, mode)
    flags = []
    if reasons:
        flags.append(
            "near a transition: pseudolikelihood error bars unreliable (" + "; ".join(reasons) + ")"
        )
    numbers["expected_minority_pairs"] = _expected_minority_pairs(data)
    if numbers["expected_minority_pairs"] < FEW_PAIRS:
        flags.append("few pairs of the rarer state: a Gaussian posterior is too narrow here")
    if prior is task.prior:
        mean, covariance = combine_with_prior(mode, sandwich, prior)
        factor = np.linalg.cholesky(covariance)
        draws = mean + task.rng.standard_normal((task.n_draws, len(mean))) @ factor.T
    else:
        draws, effective = _times_prior(task, mode, sandwich, prior)
        numbers["effective_draws"] = effective
        if effective < FEW_DRAWS:
            flags.append(f"only {effective:.0f} effective draws: quantiles are rough")
    return Answer(
        draws, "pseudolikelihood", f"Gaussian, sandwich covariance from {how}", choice, numbers,
        flags,
    )  # fmt: skip


def _loosened(prior: Prior) -> Prior:
    """Return wide Gaussians in the place of other priors, whose shape is put back at the end."""
    plain = np.array([shape is None for shape in prior.shapes])
    sd = np.where(plain, prior.sd, LOOSE_SD)
    return Prior.gaussian(prior.names, sd, np.where(plain, prior.mean, 0.0))


def _times_prior(task: Task, mode: Float, sandwich: Sandwich, used: Prior) -> tuple[Float, float]:
    """Return draws of the sandwich's Gaussian likelihood times the prior as it is."""
    bread = np.linalg.inv(sandwich.curvature)
    center = mode + bread @ (used.precision * (mode - used.mean))
    covariance = bread @ sandwich.variability @ bread
    # what the picture does not tell stays at a width that any proposal can cover
    vague = np.eye(len(mode)) / VAGUE_SD**2
    covariance = np.asarray(np.linalg.inv(np.linalg.inv(covariance) + vague), np.float64)
    return gaussian_times_prior(center, covariance, task.prior, task.n_draws, task.rng)


def _sandwich(task: Task, mode: Float) -> tuple[Sandwich, str, list[str], dict[str, Any]]:
    """Return the sandwich, where it is from, reasons not to trust it, and numbers."""
    data = task.data
    large = max(group.n_sites for group in data.groups) > LARGEST_SIMULATED
    if not large or data.family.fixed_composition:
        sandwich = measure_sandwich(data, mode, task.rng)
        return sandwich, "a Monte Carlo run", *trust_flags(data.observed(), sandwich)
    window = window_of_data(data, WINDOW_SITES)
    tried = measure_sandwich(window, mode, task.rng)
    reasons, numbers = trust_flags(window.observed(), tried)
    curvature, variance = picture_sandwich(data, mode)
    # as in a simulated sandwich: what cannot be told apart must end at the prior
    tiny = LEAST_INFORMATION * np.eye(len(mode))
    found = Sandwich(curvature + tiny, variance + tiny, tried.statistics)
    numbers["sandwich_over_naive"] = found.inflation
    if np.linalg.eigvalsh(variance).min() <= 0:
        reasons.append("the variance of its score comes out negative")
        scale = sum(len(group.terms) for group in data.groups) / window.n_terms
        found = Sandwich(found.curvature, tried.variability * scale, tried.statistics)
    return found, "the picture's own scores", reasons, numbers


def _exchange(task: Task) -> Answer:
    from physlearn.inference.posteriors.exchange_algorithm import sample_exchange

    data = task.data
    mode, _ = maximize_pseudolikelihood(data, task.prior)
    sandwich = measure_sandwich(data, mode, task.rng)
    mean, covariance = combine_with_prior(mode, sandwich, task.prior)
    result = sample_exchange(
        data, task.prior, mean, covariance, task.n_draws, task.rng, progress=task.progress
    )
    numbers = {
        "effective_draws": result.effective_draws, "rhat": result.rhat,
        "acceptance": result.acceptance, "inner_sweeps": result.inner_sweeps,
    }  # fmt: skip
    how = f"auxiliary pictures after {result.inner_sweeps} sweeps"
    return Answer(
        result.draws, "exchange", f"Markov chains, {how}", "asked for", numbers, list(result.flags)
    )


def _statistical_distance(task: Task) -> Answer:
    from physlearn.inference.posteriors.statistical_distance import fit_statistical_distance

    mode, _ = maximize_pseudolikelihood(task.data, task.prior)
    result = fit_statistical_distance(
        task.data, task.prior, mode, task.n_draws, task.rng, progress=task.progress
    )
    return Answer(
        result.draws, "statistical distance", "Gaussian, error bars from simulated pictures",
        "asked for", dict(result.numbers), list(result.flags),
    )  # fmt: skip
