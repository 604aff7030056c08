"""Lattice models by statistical distance: the local environments of picture and model compared.

A picture is reduced to histograms: how many sites in state a have n like neighbours in each shell
(and how often three sites of a motif are alike, and for more than two states the pairs of states).
The parameters are those whose simulated histograms q come closest to the picture's p, by the sum
over histograms of arccos(sum sqrt(p q)) ** 2, as Vlcek, Kalinin and co-workers fit Hamiltonians to
atomically resolved images (for adatoms: Valleti et al. 2021, doi:10.1021/acsnano.0c10851).

The distance knows nothing of how neighbouring environments depend on each other, so its own
curvature is no error bar. Here the error bar comes from pictures simulated around the estimate,
which are estimated again in the same way: the regression of estimates on their truths, inverted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.inference.posteriors.environment_histograms import (
    FARTHEST,
    EnvironmentSurface,
    SimulatedEnvironments,
    closest_parameters,
    plan_environments,
)

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_data import LatticeData
from physlearn.inference.posteriors.prior_weights import FEW_DRAWS, gaussian_times_prior
from physlearn.inference.posteriors.priors import Prior

__all__ = ["StatisticalDistanceFit", "fit_statistical_distance"]

Float = NDArray[np.float64]
DEAF = 0.2
"""Share of a change of the parameters that estimates must follow."""
MAX_ROUNDS = 8
NEAR = 1.0
"""How far from the centre of the simulated parameters an estimate may lie, in Cramer-Rao sds."""
FAR_P = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class StatisticalDistanceFit:
    """Draws of the parameters, and what is known about them.

    Attributes
    ----------
    draws
        float64, shape (n, d): the prior times a Gaussian likelihood of the estimate, whose bias
        and covariance come from simulated pictures.
    estimate, naive_sds
        float64, shape (d,): the closest parameters, and the error bars that the distance itself
        would give if every site's environment were independent (too small).
    distance, distance_p
        Statistical distance at the estimate, in radians, and the share of simulated pictures that
        are as far from their own estimates.
    numbers
        The same as plain numbers.
    flags
        Sentences for the fit's warnings.
    """

    draws: Float
    estimate: Float
    naive_sds: Float
    distance: float
    distance_p: float
    numbers: dict[str, Any]
    flags: list[str]


def fit_statistical_distance(
    data: LatticeData,
    prior: Prior,
    start: Float,
    n_draws: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], Any] | None = None,
    detection: ArrayLike | None = None,
) -> StatisticalDistanceFit:
    """Fit a lattice model by the statistical distance of local environments.

    Sites that were not seen, and those next to them, count in no histogram, neither of the picture
    nor of the simulated ones.

    Parameters
    ----------
    data
        Pictures; labels count as certain.
    prior
        Of the d parameters.
    start
        First guess, shape (d,), such as the pseudolikelihood's.
    n_draws
        Number of draws.
    rng
        For all random choices.
    progress
        Called with (rounds done, most rounds).
    detection
        Probability that a site in each state is seen, shape (q,): simulated sites are then hidden
        accordingly (dim atoms are missed more often). None: the sites that are hidden in the
        picture are hidden in every simulated one.

    Raises
    ------
    InputError
        For too few sites that were seen with all their neighbours, or a wrong ``detection``.
    """
    if not (data.family.n_shells or data.family.motifs):
        raise InputError(
            "n_shells must be at least 1 for method='statistical_distance', which compares "
            "neighbourhoods; got 0: give method='auto', which fits independent sites."
        )
    seen = _read_detection(detection, data.family.n_states)
    counters = [plan_environments(data.family, group, seen is not None) for group in data.groups]
    model = SimulatedEnvironments(data, counters, seen, rng)
    observed = model.observed()
    estimate, settled, rounds = np.array(start, np.float64), False, 0
    while not settled and rounds < MAX_ROUNDS:
        surface = model.smooth(estimate)
        estimate = closest_parameters(surface, observed[None], estimate[None])[0]
        settled = surface.length(estimate) < NEAR
        rounds += 1
        if progress is not None:
            progress(rounds, MAX_ROUNDS)
    factor = np.linalg.inv(surface.inverse)
    theta, repeats = model.repeat(estimate, factor)
    again = closest_parameters(surface, repeats, np.tile(estimate, (len(repeats), 1)))
    response = _response(theta, again, estimate)
    center, covariance = response.likelihood(estimate)
    distance = float(np.sqrt(surface.squares(observed[None], estimate[None])[0]))
    farther = np.sum(np.sqrt(surface.squares(repeats, again)) >= distance)
    p = float((1 + farther) / (len(again) + 1))
    draws, rough = _draw(center, covariance, prior, n_draws, rng)
    naive = surface.naive_sds(estimate)
    numbers = {
        "statistical_distance": distance, "statistical_distance_p": p, "rounds": rounds,
        "naive_sds": naive.tolist(), "simulated_sds": np.sqrt(np.diag(covariance)).tolist(),
        "simulated_bias": response.bias.tolist(), "simulated_slope": response.slope.tolist(),
        "n_environments": surface.counts.tolist(),
    }  # fmt: skip
    deaf = _say_deaf(response, factor)
    flags = rough + deaf + _flags(data, settled, p, surface, again, detection is not None)
    return StatisticalDistanceFit(draws, estimate, naive, distance, p, numbers, flags)


class Response(NamedTuple):
    """How estimates of simulated pictures follow their truth: a line, and the scatter about it."""

    bias: Float
    slope: Float
    scatter: Float

    def likelihood(self, estimate: Float) -> tuple[Float, Float]:
        """Return centre and covariance of the parameters that may have given an estimate."""
        back = np.linalg.inv(self.slope)
        return estimate - back @ self.bias, back @ self.scatter @ back.T


def _response(theta: Float, again: Float, estimate: Float) -> Response:
    """Return the regression of estimates on the parameters that their pictures came from.

    The closest parameters of small pictures lean towards the centre of the smoothed histograms, so
    their scatter at one truth alone would be an error bar below the Cramer-Rao bound. Truths a
    bound away scatter more (12 % in the field at 12 x 12 sites), and a picture that settles within
    ``NEAR`` of its start leans there: error bars of such small pictures are a tenth too wide (z sd
    .88, .90 of field and coupling; 90 % intervals hold 91 and 93 % of 120 pairs of pictures).
    """
    basis = np.hstack([np.ones((len(theta), 1)), theta - estimate])
    table = np.asarray(np.linalg.lstsq(basis, again - estimate, rcond=None)[0], np.float64)
    left = again - estimate - basis @ table
    scatter = left.T @ left / (len(theta) - len(table))
    return Response(table[0], table[1:].T, scatter)


def _say_deaf(response: Response, factor: Float) -> list[str]:
    """Return a sentence where estimates hardly follow their truth."""
    follows = np.linalg.svd(np.linalg.solve(factor, response.slope @ factor), compute_uv=False)
    if follows.min() >= DEAF:
        return []
    return [
        "the environments that tell the parameters are too rare for the statistical distance: "
        f"estimates of simulated pictures follow {follows.min():.0%} of a change of the "
        "parameters, and error bars are rough; take method='likelihood'"
    ]


def _flags(
    data: LatticeData,
    settled: bool,
    p: float,
    surface: EnvironmentSurface,
    again: Float,
    detected: bool,
) -> list[str]:
    """Return what a reader must know."""
    flags = []
    if not settled:
        flags.append("the statistical distance did not settle on parameters: error bars are rough")
    if p < FAR_P:
        flags.append(
            "the picture's local environments are further from the model's than chance allows "
            f"(p = {p:.2g}): the model is wrong for this picture"
        )
    outside = np.mean([surface.length(theta) > FARTHEST for theta in again])
    if outside > 0.02:
        flags.append(
            f"{outside:.0%} of the simulated pictures were estimated at the edge of the simulated "
            "parameters: error bars are too small"
        )
    hidden = sum(int((~group.labelled).sum()) for group in data.groups)
    if hidden and not detected:
        flags.append(
            f"{hidden} sites were not seen: they are left out as if missing had nothing to do with "
            "the state; `detection` says otherwise"
        )
    if any(group.label is not None for group in data.groups):
        flags.append("the statistical distance takes uncertain labels for certain")
    return flags


def _read_detection(detection: ArrayLike | None, n_states: int) -> Float | None:
    if detection is None:
        return None
    seen = check_array("detection", detection, shape=(n_states,))
    if np.any((seen <= 0) | (seen > 1)):
        raise InputError(f"detection must lie above 0 and at most at 1; got {seen.tolist()}.")
    return np.asarray(seen, np.float64)


def _draw(
    center: Float, covariance: Float, prior: Prior, n: int, rng: np.random.Generator
) -> tuple[Float, list[str]]:
    """Return draws of prior times Gaussian likelihood, and a sentence where they are few."""
    if not prior.is_gaussian:
        points, effective = gaussian_times_prior(center, covariance, prior, n, rng)
        rough = f"only {effective:.0f} effective draws: quantiles are rough"
        return points, [rough] if effective < FEW_DRAWS else []
    precision = np.linalg.inv(covariance)
    both = np.linalg.inv(precision + np.diag(prior.precision))
    mean = both @ (precision @ center + prior.precision * prior.mean)
    factor = np.linalg.cholesky(both)
    return mean + rng.standard_normal((n, len(center))) @ factor.T, []
