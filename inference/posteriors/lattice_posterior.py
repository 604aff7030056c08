"""Posterior of a lattice Hamiltonian from its full likelihood, by Monte Carlo.

The log likelihood of an exponential family is known but for log Z, one for every set of conditions.
Populations of replicas, each replica at its own parameters, are swept at equilibrium; log Z
between them follows from the multistate Bennett acceptance ratio (``PartitionSurface``), and the
posterior from importance weights. The populations move with the posterior until the two agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from physlearn.inference.posteriors.importance import (
    FAILED_SHARE,
    Proposal,
    WeightedPoints,
    even_points,
    resample,
    weigh_points,
)
from physlearn.inference.posteriors.likelihood_mode import find_peak, inside
from physlearn.inference.posteriors.likelihood_records import LatticeProblem, LikelihoodPosterior
from physlearn.inference.posteriors.opposite_phase import OppositePhase
from physlearn.inference.posteriors.partition_surface import PartitionSurface
from physlearn.inference.posteriors.replica_chains import Chains

__all__ = ["sample_posterior"]

Float = NDArray[np.float64]
MAX_ROUNDS = 12
WINDOW, LONG_WINDOW = 3, 6
SPREAD, STRETCH = 1.4, 1.3
TRIAL_POINTS = 2000
LEAST_POINTS = 8192
LEAST_SHARE = 0.2
LARGEST_SHIFT = 0.3
LARGEST_CHANGE = 1.2
WANTED_DRAWS = ((0.1, 1500.0), (0.3, 1000.0), (np.inf, 450.0))
"""Effective draws that Monte Carlo noise should allow, where a round is swept for so many seconds.
"""
LONGEST, MOST_LONGER_ROUNDS = 4, 3
LEAST_DRAWS = 400.0
LEAST_CARRIED = 20.0
"""Fewest samples that carry log Z at a point; with fewer it is an extrapolation."""
LARGEST_LOSS, REPORTED_LOSS = 0.003, 0.01
"""Share of the posterior that may lie there before replicas move again, and before it is said."""
WIDE = 0.2
"""Posterior over prior standard deviation from which on prior draws are worth proposing."""
ASTRAY, MOST_ASTRAY_ROUNDS = 0.9, 4
"""Share of the posterior beyond all replicas, and rounds in a row with it, that end the search."""
MOST_SECONDS, MOST_SECONDS_IN_ALL, WITH_CLUSTERS = 2.0, 16.0, 2.0
"""About how long the replicas of one ensemble are swept in a round, and in all rounds, at most.

And how many times longer with clusters, which go where it is hardest."""
LARGEST_SURFACE = 1_500_000
"""Samples times references beyond which the oldest rounds are left out of log Z."""


def sample_posterior(
    problem: LatticeProblem,
    mean: Float,
    covariance: Float,
    n_draws: int,
    rng: np.random.Generator,
    *,
    progress: Callable[[int, int], Any] | None = None,
    patience: float = 1.0,
) -> LikelihoodPosterior:
    """Return posterior draws under the full likelihood, starting from a Gaussian guess.

    Parameters
    ----------
    problem
        Its populations are swept in place.
    mean, covariance
        Guess, shapes (d_phi,) and (d_phi, d_phi), such as the pseudolikelihood's.
    n_draws
        Number of draws.
    rng
        For all random choices.
    progress
        Called with (rounds done, most rounds).
    patience
        How many times as long as usual the replicas may be swept, in a round and in all.

    Notes
    -----
    Log Z between references: Shirts & Chodera (2008), doi:10.1063/1.2978177.
    """
    # The matrices are small: threads would only get in each other's way (3 times slower, measured)
    with threadpool_limits(1, "blas"):
        search = _Search(problem, rng, patience)
        search.approach(np.asarray(mean, np.float64), np.asarray(covariance, np.float64))
        while search.advance():
            if progress is not None:
                progress(search.rounds, MAX_ROUNDS)
        return search.finish(int(n_draws))


class _Search:
    """Populations on their way to agree with the posterior."""

    def __init__(self, problem: LatticeProblem, rng: np.random.Generator, patience: float) -> None:
        self.problem, self.rng, self.patience = problem, rng, patience
        self.chains = [Chains(ensemble, rng) for ensemble in problem.ensembles]
        self.history: list[list[tuple[Float, Float]]] = [[] for _ in self.chains]
        self.rows: list[list[NDArray[np.int64]]] = [[] for _ in self.chains]
        self.opposite = [
            None if chain.ensemble.rim is None else OppositePhase(chain.ensemble.rim, rng)
            for chain in self.chains
        ]
        self.surfaces: list[PartitionSurface] = []
        self.rounds, self.newton_steps = 0, 0
        self.converged = False
        self.length, self.longer_rounds = 1, 0
        self.cut_short, self.wanted_draws = 0.0, WANTED_DRAWS[0][1]
        self.shape: tuple[Float, Float] | None = None
        self.missed: tuple[Float, Float] | None = None
        self.best: tuple[float, list[PartitionSurface], Float, Float] | None = None
        self.seconds = 0.0
        self.astray = 0

    def approach(self, mean: Float, covariance: Float) -> None:
        """Walk to the peak."""
        problem = self.problem
        peak = find_peak(
            self.chains, problem.linear, problem.extra, problem.prior, mean, covariance
        )
        self.mean, self.covariance = peak.mean, peak.covariance
        self.newton_steps = peak.steps

    def advance(self) -> bool:
        """Move the populations once; return whether they have to move again."""
        d = len(self.mean)
        n_replicas = max(chain.population.n_replicas for chain in self.chains)
        factor = np.linalg.cholesky(self.covariance)
        places = self._places(n_replicas, d)
        references = inside(self.mean + SPREAD * places @ factor.T, self.problem.prior)
        if self.shape is not None:
            # a third of the replicas follows the shape of the posterior, stretched about its mean
            third = n_replicas // 3
            drawn = resample(*self.shape, third, self.rng)
            stretched = self.mean + STRETCH * (drawn - self.mean)
            references[-third:] = inside(stretched, self.problem.prior)
        if self.missed is not None:
            # and a third goes where it seems to have weight that no reference covers
            third = n_replicas // 3
            references[:third] = resample(*self.missed, third, self.rng)
        self.surfaces = []
        for chain, kept, rows in zip(self.chains, self.history, self.rows, strict=True):
            natural, trace = self._trace(chain, references)
            kept.append((natural[chain.stays], trace[chain.stays]))
            rows.append(np.flatnonzero(chain.stays))
            del kept[: -WINDOW if self.missed is None else -LONG_WINDOW]
            while len(kept) > 2 and _size(kept) > LARGEST_SURFACE:
                del kept[0]
            del rows[: -len(kept)]
            self.surfaces.append(PartitionSurface.pooled(kept, chain.odd, rows))
        self._look_across()
        self.rounds += 1
        found = self.weigh(TRIAL_POINTS)
        center, spread = found.moments()
        share = found.effective / TRIAL_POINTS
        floor = 1e-3 * np.diag(np.diag(self.covariance))
        gap = center - self.mean
        shift = float(np.sqrt(gap @ np.linalg.solve(spread + floor, gap)))
        change = np.sqrt(np.diag(spread + floor) / np.diag(self.covariance))
        agreed = shift < LARGEST_SHIFT and max(change.max(), 1 / change.min()) < LARGEST_CHANGE
        settled = all(surface.settled for surface in self.surfaces)
        settled = settled and all(one is None or one.settled for one in self.opposite)
        self.shape, self.missed = (found.points, found.claimed), None
        if found.lost > LARGEST_LOSS / 3:
            self.missed = found.points[found.beyond], found.claimed[found.beyond]
        self.mean = center
        self.covariance = spread + floor if share > FAILED_SHARE else spread + self.covariance / 2
        covered = settled and found.lost < LARGEST_LOSS
        good = bool(agreed and share > LEAST_SHARE and covered and not found.tempered)
        self.converged = self.rounds > 1 and good
        worth = share * (1.0 - found.lost) * (1.0 if settled else 0.1)
        if self.best is None or worth >= self.best[0] or self.converged:
            self.best = worth, self.surfaces, self.mean, self.covariance
        self.astray = self.astray + 1 if found.lost > ASTRAY else 0
        if self.astray == MOST_ASTRAY_ROUNDS:
            return False
        if self.rounds >= MAX_ROUNDS or self.seconds > MOST_SECONDS_IN_ALL * self.patience:
            return False
        return not self.converged or self._too_noisy(found)

    def _places(self, n: int, d: int) -> Float:
        """Return where references lie, in standard deviations, evenly spread, with zero mean.

        Two replicas share one: fewer references are quicker to join.
        """
        from scipy.special import ndtri

        normals = ndtri(even_points(-(-n // 2), d, self.rng))
        normals -= normals.mean(axis=0)
        return np.asarray(np.concatenate([normals, normals])[:n])

    def _trace(self, chain: Chains, references: Float) -> tuple[Float, Float]:
        """Return natural references and statistics there, and learn how long chains remember."""
        natural = chain.natural(references)
        chain.sweep_until_forgotten(natural)
        natural = natural[: chain.population.n_replicas]
        between = max(1, round(1.5 * chain.memory))
        burn_in = max(3, round(3 * chain.memory))
        for largest, self.wanted_draws in WANTED_DRAWS:
            n_records = self._n_records(chain)
            seconds = chain.sweep_seconds * (burn_in + between * n_records)
            if seconds < largest:
                break
        most = MOST_SECONDS * self.patience / chain.sweep_seconds
        most *= WITH_CLUSTERS if chain.clusters else 1.0
        if burn_in + between * n_records > most:
            burn_in = int(max(3, min(burn_in, most / 3)))
            between = int(max(1, min(between, (most - burn_in) / n_records)))
            n_records = int(max(4, min(n_records, (most - burn_in) / between)))
        self.cut_short = chain.memory if burn_in < 2 * chain.memory else 0.0
        self.seconds += chain.sweep_seconds * (burn_in + between * n_records) / len(self.chains)
        return natural, chain.trace(natural, burn_in, n_records, between)

    def _n_records(self, chain: Chains) -> int:
        """Return how many records of each replica two rounds need for the draws wanted."""
        return self.length * int(np.ceil(self.wanted_draws / (1.3 * chain.population.n_replicas)))

    def _look_across(self) -> None:
        """Learn log Z of the phases that replicas do not go to."""
        if any(one is not None for one in self.opposite):
            found = self.weigh(TRIAL_POINTS, across=False)
            for chain, opposite in zip(self.chains, self.opposite, strict=True):
                if opposite is not None:
                    opposite.look(chain.natural(found.points), found.weight)

    def log_target(self, points: Float, across: bool = True) -> tuple[Float, NDArray[np.bool_]]:
        """Return the log posterior at points (n, d_phi), every log Z relative to its anchor.

        And whether any log Z is carried by so few samples that it is an extrapolation.
        """
        problem = self.problem
        out = problem.prior.log_density(points) + points @ problem.linear
        possible = np.isfinite(out)
        allowed, carried = points[possible], np.full(len(points), np.inf)
        each = zip(self.chains, self.surfaces, self.opposite, strict=True)
        for chain, surface, opposite in each:
            log_z, by = surface.evaluate(chain.natural(allowed))
            if across and opposite is not None:
                log_z = np.logaddexp(log_z, log_z + opposite.excess(chain.natural(allowed)))
            out[possible] += chain.ensemble.power * log_z
            carried[possible] = np.minimum(carried[possible], by)
        known = problem.extra
        if known is not None:
            out[possible] += known(allowed)
        return np.asarray(out), carried < LEAST_CARRIED

    def weigh(self, n: int, across: bool = True) -> WeightedPoints:
        """Return n weighted points; not ``across``: as if there were the picture's phase only."""
        wide = np.any(np.sqrt(np.diag(self.covariance)) > WIDE * self.problem.prior.sd)
        proposal = Proposal(self.mean, self.covariance, self.problem.prior if wide else None)
        points, log_density = proposal.draw(n, self.rng)
        log_target, beyond = self.log_target(points, across)
        return weigh_points(points, log_target - log_density, beyond)

    def _too_noisy(self, found: WeightedPoints) -> bool:
        """Whether Monte Carlo noise is still too large; then the next round is longer."""
        draws = resample(found.points, found.weight, 500, self.rng)
        missing = self.wanted_draws * float(np.max(self.measure_noise(draws)[0])) ** 2
        if missing < 1.0 or self.longer_rounds == MOST_LONGER_ROUNDS:
            return False
        self.length = min(LONGEST, 2 ** int(np.ceil(np.log2(missing))))
        self.longer_rounds += 1
        return True

    def measure_noise(self, draws: Float) -> tuple[Float, Float]:
        """Return how far noise of log Z moves means and sds, in posterior sds, by parameter."""
        scaled = (draws - draws.mean(axis=0)) / draws.std(axis=0)
        moved, widened = np.zeros(scaled.shape[1]), np.zeros(scaled.shape[1])
        for chain, surface in zip(self.chains, self.surfaces, strict=True):
            noise = surface.influence(chain.natural(draws))
            noise = chain.ensemble.power * (noise - noise.mean(axis=0))
            moved += np.sum((scaled.T @ noise / len(draws)) ** 2, axis=1)
            widened += np.sum((0.5 * (scaled**2 - 1.0).T @ noise / len(draws)) ** 2, axis=1)
        return np.sqrt(moved), np.sqrt(widened)

    def finish(self, n_draws: int) -> LikelihoodPosterior:
        """Draw, and say what the draws are worth; of rounds that never agreed from the best."""
        if not self.converged and self.best is not None:
            _, self.surfaces, self.mean, self.covariance = self.best
        found = self.weigh(max(LEAST_POINTS, 2 * n_draws))
        draws = resample(found.points, found.weight, n_draws, self.rng)
        moved, widened = self.measure_noise(draws[:1000])
        by_noise = float(np.max(moved)) ** -2 if np.max(moved) > 0 else np.inf
        effective = min(found.effective, by_noise)
        center, spread = found.moments()
        reference = self.mean
        offset = 0.0
        for chain, surface in zip(self.chains, self.surfaces, strict=True):
            moved_to = chain.natural(reference)
            offset += chain.ensemble.power * surface(moved_to)[0]
            surface.move_anchor(moved_to)
        numbers = {
            "monte_carlo_shift": float(moved.max()),
            "monte_carlo_sd_change": float(widened.max()),
            "importance_draws": found.effective,
            "uncovered_share": found.lost,
            "memory_sweeps": max(chain.memory for chain in self.chains),
            "sweeps": sum(chain.n_sweeps for chain in self.chains),
            "newton_steps": self.newton_steps,
            "dynamics": sorted({chain.dynamics for chain in self.chains}),
        }
        return LikelihoodPosterior(
            draws, effective, self.converged, self.rounds, center, spread,
            found.log_mean - offset, reference, self.surfaces, numbers,
            self._flags(found, effective), [chain.population for chain in self.chains],
        )  # fmt: skip

    def _flags(self, found: WeightedPoints, effective: float) -> list[str]:
        """Return what a reader must know."""
        flags = []
        if not self.converged:
            flags.append(
                f"the Monte Carlo likelihood did not settle in {self.rounds} rounds: error bars "
                "are rough"
            )
        if found.lost > REPORTED_LOSS:
            flags.append(
                f"{found.lost:.0%} of the posterior may lie where no replica went: error bars are "
                "too narrow"
            )
        if self.cut_short:
            flags.append(
                f"replicas remember {self.cut_short:.0f} sweeps, too long for what they were "
                "swept: they may not have forgotten the picture"
            )
        if found.tempered:
            flags.append("the importance weights failed and were flattened: error bars are rough")
        if effective < LEAST_DRAWS:
            flags.append(f"only {effective:.0f} effective draws: quantiles are rough")
        return flags


def _size(rounds: list[tuple[Float, Float]]) -> int:
    """Return samples times references of rounds."""
    samples = sum(values.shape[0] * values.shape[1] for _, values in rounds)
    return int(samples * sum(len(np.unique(references, axis=0)) for references, _ in rounds))
