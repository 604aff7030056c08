"""A noisy film against simulated films: simulator, summaries, priors and the posterior's draws."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.langevin.drift_removal import remove_drift as without_drift
from physlearn.inference.langevin.film import Film
from physlearn.inference.langevin.film_simulation import FilmSimulator
from physlearn.inference.langevin.film_summaries import FilmSummaries
from physlearn.inference.langevin.noisy_motion_start import SHARES, pair_start, step_moments
from physlearn.inference.langevin.simulated_posterior import (
    Simulated,
    fit_surrogate,
    walked_draws,
    weighted_draws,
)
from physlearn.inference.potential_families.pair_family import InteractionFamily

__all__ = ["DIFFUSION_SPREAD", "LARGEST_K", "N_DRAWS", "Noise", "NoisyFilm", "kept_arrays"]

Float = NDArray[np.float64]
N_DRAWS = 4000
N_TIMED = 5
LONGEST_S = 300.0
"""CPU seconds that a fit may take without a progress call."""
LARGEST_K = 0.7
"""Pareto k above which importance weights are not trusted and the posterior is walked."""
DIFFUSION_SPREAD = 1.5
"""Prior standard deviation of ln D around the steps' own size."""


@dataclass(frozen=True, eq=False)
class Noise:
    """What is known of the localisation error.

    ``free``: it is a parameter; ``fixed``: its value otherwise; ``mean``, ``sd``: Gaussian prior;
    ``shape``: (n_frames, n) relative sizes, or None.
    """

    free: bool
    fixed: float
    mean: float
    sd: float
    shape: Float | None


class NoisyFilm:
    """One film with its simulator, its summaries and the priors."""

    def __init__(
        self, film: Film, family: InteractionFamily, exposure: float, noise: Noise,
        remove_drift: bool, rng: np.random.Generator, sizes: tuple[int, int, int],
        progress: Callable[[int, int], Any] | None,
    ) -> None:  # fmt: skip
        self.family, self.noise, self.remove_drift, self.rng = family, noise, remove_drift, rng
        self.sizes, self.progress, self.n_done = sizes, progress, 0
        self.film = without_drift(film) if remove_drift else film
        self.n_pair, self.begun = family.n_parameters, time.process_time()
        self.simulator = FilmSimulator(film, family, exposure, noise.shape, rng)
        square, product = step_moments(self.film)
        self.step_sd = float(np.sqrt(square))
        self.summaries = FilmSummaries.for_film(self.film, family, self.step_sd)
        rough = max(square + 2.0 * product, 0.2 * square) / (2.0 * film.interval)
        self.start_noise = float(np.clip(-product, 0.02 * square, 0.45 * square))
        self.mean_diffusion = np.log(rough)

    def simulate(self, theta: Float) -> Float:
        """Return the summaries of one film; a draw that cannot be simulated comes from nearer."""
        for _ in range(8):
            try:
                noise = np.sqrt(theta[-1]) if self.noise.free else self._known_noise()
                made = self.simulator(
                    theta[: self.n_pair], float(np.exp(theta[self.n_pair])), noise
                )
                break
            except InputError as error:
                last, theta = error, 0.5 * (theta + self.start)
        else:
            raise last
        self.n_done += 1
        if self.n_done == N_TIMED and self.progress is None:
            self._check_time()
        if self.progress is not None:
            self.progress(self.n_done, max(self.n_done, sum(self.sizes)))
        return self.summaries(without_drift(made) if self.remove_drift else made)

    def _check_time(self) -> None:
        """Refuse what would take very long unseen."""
        spent = (time.process_time() - self.begun) / N_TIMED * sum(self.sizes)
        if spent > LONGEST_S:
            raise InputError(
                f"trajectory would take about {spent / 60.0:.0f} minutes ("
                f"{self.film.places.shape[1]} particles, {self.film.places.shape[0]} frames): give "
                "fewer frames, pass progress= to let it run, or measure weak forces of dilute "
                "particles with measure_pair_force."
            )

    def _mean_shape(self) -> float:
        """Mean square of the relative errors."""
        if self.noise.shape is None:
            return 1.0
        return float((self.noise.shape[self.film.seen.astype(bool)] ** 2).mean())

    def _known_noise(self) -> float:
        if self.noise.sd == 0.0:
            return self.noise.fixed
        return float(abs(self.noise.mean + self.noise.sd * self.rng.standard_normal()))

    def fit(self) -> Simulated:
        """Return the surrogate likelihood of pair parameters, ln D and the error's square."""
        known = self.noise.fixed**2 * self._mean_shape()
        largest = self.start_noise if self.noise.free else known
        pair, spread, slope = pair_start(self.film, self.family, largest, self.noise.free, self.rng)
        n = self.n_pair + 1 + self.noise.free
        self.start = np.zeros(n)
        covariance, mean, precision = np.eye(n), np.zeros(n), np.zeros((n, n))
        own = slice(0, self.n_pair)
        self.start[own], covariance[own, own] = pair, spread
        mean[own], precision[own, own] = (
            self.family.prior_mean, np.linalg.inv(self.family.prior_covariance)
        )  # fmt: skip
        self.start[self.n_pair] = mean[self.n_pair] = self.mean_diffusion
        covariance[self.n_pair, self.n_pair] = 0.3**2
        precision[self.n_pair, self.n_pair] = DIFFUSION_SPREAD**-2
        lowest = np.full(n, -np.inf)
        if self.noise.free:
            middle = float(np.mean(SHARES)) * largest
            self.start[-1] = mean[-1] = middle
            variance = (0.5 * middle) ** 2
            covariance[own, own] += variance * np.outer(slope, slope)
            covariance[own, -1] = covariance[-1, own] = variance * slope
            covariance[-1, -1] = variance
            precision[-1, -1] = self.step_sd**-4
            lowest[-1] = 0.0
        return fit_surrogate(
            self.simulate, self.summaries(self.film), self.start, covariance, mean, precision,
            lowest, self.sizes, self.rng,
        )  # fmt: skip

    def log_posterior(self, found: Simulated, draws: Float) -> Float:
        """Log density in pair parameters, ln D and the error (either sign stands for its size)."""
        theta = draws.copy()
        gap = draws[:, : self.n_pair] - self.family.prior_mean
        precision = np.linalg.inv(self.family.prior_covariance)
        prior = -0.5 * np.einsum("ni,ij,nj->n", gap, precision, gap)
        prior -= 0.5 * ((draws[:, self.n_pair] - self.mean_diffusion) / DIFFUSION_SPREAD) ** 2
        if self.noise.free:
            theta[:, -1] = draws[:, -1] ** 2
            size = np.abs(draws[:, -1])
            prior -= 0.5 * ((size - self.noise.mean) / self.noise.sd) ** 2
        return np.asarray(found.surrogate(theta) + prior)

    def draws(self, found: Simulated) -> tuple[Float, float]:
        """Draws of pair parameters, ln D and the error, and Pareto k of the weights."""
        mode, covariance = found.mode.copy(), found.covariance.copy()
        if self.noise.free:
            sd = np.sqrt(covariance[-1, -1])
            size = np.sqrt(max(mode[-1], 0.25 * sd))
            mode[-1] = size
            covariance[-1] /= 2.0 * size
            covariance[:, -1] /= 2.0 * size
        density = lambda draws: self.log_posterior(found, draws)  # noqa: E731 -- one use
        for _ in range(2):
            draws, shape = weighted_draws(density, mode, covariance, N_DRAWS, self.rng)
            if self.noise.free:
                draws[:, -1] = np.abs(draws[:, -1])
            mode, covariance = (
                draws.mean(axis=0),
                np.cov(draws.T) + 1e-12 * np.diag(np.diag(covariance)),
            )
        if shape > LARGEST_K:
            draws = walked_draws(density, draws, self.rng)
            if self.noise.free:
                draws[:, -1] = np.abs(draws[:, -1])
        return draws, shape


def kept_arrays(problem: NoisyFilm, found: Simulated) -> dict[str, Float]:
    """Return what ``noisy_motion_model`` needs to write the same posterior in PyMC."""
    surrogate = found.surrogate
    return {
        "surrogate_centre": surrogate.centre, "surrogate_factor": surrogate.factor,
        "surrogate_coefficients": surrogate.coefficients,
        "surrogate_precision": surrogate.precision, "surrogate_observed": surrogate.observed,
        "prior_mean": np.r_[problem.family.prior_mean, problem.mean_diffusion],
        "diffusion_spread": np.array(DIFFUSION_SPREAD),
        "prior_covariance": problem.family.prior_covariance,
        "is_positive": problem.family.is_positive.astype(np.int64),
        "noise_prior": np.array([problem.noise.free, problem.noise.mean, problem.noise.sd]),
    }  # fmt: skip
