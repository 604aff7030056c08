"""Lattice models by statistical distance: the local environments of picture and model compared.

A picture is reduced to histograms: how many sites in state a have n like neighbours in each shell
(and how often three sites of a motif are alike, and for more than two states the pairs of states).
The parameters are those whose simulated histograms q come closest to the picture's p, by the sum
over histograms of arccos(sum sqrt(p q)) ** 2, as Vlcek, Kalinin and co-workers fit Hamiltonians to
atomically resolved images (for adatoms: Valleti et al. 2021, doi:10.1021/acsnano.0c10851).

The distance knows nothing of how neighbouring environments depend on each other, so its own
curvature is no error bar. Here the error bar comes from pictures simulated at the estimate, which
are estimated again in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.inference.lattice_pattern_kernels import (
    count_seen_environments,
    count_seen_pairs,
    count_seen_triplets,
)
from physlearn.inference.lattice_population import Population, make_population
from physlearn.inference.pseudolikelihood import replica_count
from physlearn.lattice_models.site_graphs import bond_table
from physlearn.lattice_models.triplets import find_triplets
from physlearn.records import SiteGraph

if TYPE_CHECKING:
    from physlearn.inference.lattice_data import LatticeData, PictureGroup
    from physlearn.inference.lattice_family import LatticeFamily
    from physlearn.inference.priors import Prior

__all__ = ["StatisticalDistanceFit", "fit_statistical_distance"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Codes = NDArray[np.uint8]
MAX_ROUNDS = 8
SPREAD = 1.5
"""Spread of the simulated parameters, in standard deviations of the Cramer-Rao bound."""
FARTHEST = 4.0
"""How far from the centre the smoothed histograms are trusted, in the same units."""
NEAR = 1.0
N_RECORDS, SWEEPS_BETWEEN, BURN_IN = 20, 6, 60
N_REPEATS, REPEAT_SWEEPS = 8, 15
STEPS = 12
LEAST_SITES = 50
TINY = 1e-6
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
    seen = _read_detection(detection, data.family.n_states)
    counters = [_plan(data.family, group, seen is not None) for group in data.groups]
    model = _Model(data, counters, seen, rng)
    observed = model.observed()
    center = np.clip(np.asarray(start, np.float64), prior.lower, prior.upper)
    settled, rounds = False, 0
    while not settled and rounds < MAX_ROUNDS:
        surface = model.smooth(center, prior)
        estimate = _closest(surface, observed[None], center[None])[0]
        estimate = np.clip(estimate, prior.lower, prior.upper)
        settled = surface.length(estimate) < NEAR
        center, rounds = estimate, rounds + 1
        if progress is not None:
            progress(rounds, MAX_ROUNDS)
    repeats = model.repeat(estimate)
    again = _closest(surface, repeats, np.tile(estimate, (len(repeats), 1)))
    bias, covariance = again.mean(axis=0) - estimate, np.atleast_2d(np.cov(again.T))
    distance = float(np.sqrt(surface.squares(observed[None], estimate[None])[0]))
    others = np.sqrt(surface.squares(repeats, again))
    p = float((1 + np.sum(others >= distance)) / (len(others) + 1))
    draws = _draw(estimate - bias, covariance, prior, n_draws, rng)
    naive = surface.naive_sds(estimate)
    numbers = {
        "statistical_distance": distance, "statistical_distance_p": p, "rounds": rounds,
        "naive_sds": naive.tolist(), "simulated_sds": np.sqrt(np.diag(covariance)).tolist(),
        "simulated_bias": bias.tolist(), "n_environments": surface.counts.tolist(),
    }  # fmt: skip
    flags = _flags(data, settled, p, surface, again, detection is not None)
    return StatisticalDistanceFit(draws, estimate, naive, distance, p, numbers, flags)


def _flags(
    data: LatticeData, settled: bool, p: float, surface: _Surface, again: Float, detected: bool
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


class _Counter(NamedTuple):
    """What is counted in a group of pictures: environments by shell, pairs, triplets."""

    n_states: int
    sites: Int
    shells: tuple[tuple[Int, NDArray[np.int32], int], ...]
    edges: tuple[Int, ...]
    triplets: tuple[Int, ...]

    def count(self, codes: Codes) -> list[Float]:
        """Return histograms (R, n_bins) of codes (n_sites, R); code q was not seen."""
        n, q = codes.shape[1], self.n_states
        codes, scratch, out = np.ascontiguousarray(codes), np.empty(n, np.int32), []
        for start, neighbour, most in self.shells:
            seen = np.zeros((q, most + 1, n), np.int64)
            count_seen_environments(codes, self.sites, start, neighbour, scratch, seen)
            out.append(seen.reshape(-1, n).T.astype(np.float64))
        for edges in self.edges:
            pairs = np.zeros((q, q, n), np.int64)
            count_seen_pairs(codes, edges, pairs)
            out.append(pairs[np.triu_indices(q)].T.astype(np.float64))
        for triplets in self.triplets:
            alike = np.zeros((q + 1, n), np.int64)
            count_seen_triplets(codes, triplets, alike)
            out.append(alike.T.astype(np.float64))
        return out


def _plan(family: LatticeFamily, group: PictureGroup, random_masks: bool) -> _Counter:
    """Choose what to count: sites of a rim that is conditioned on are no centres."""
    graph, inside = group.graph, np.zeros(group.graph.n_sites, bool)
    inside[group.terms] = True
    shells, edges = [], []
    for shell in range(family.n_shells):
        here = graph.shell == shell
        own = SiteGraph(
            graph.n_sites, graph.edges[here], np.zeros(int(here.sum()), np.int64),
            graph.multiplicity[here],
        )  # fmt: skip
        table = bond_table(own, 1)
        shells.append((table.start, table.neighbour, int(np.diff(table.start).max(initial=0))))
        if family.n_states > 2:
            edges.append(np.ascontiguousarray(graph.edges[here]))
    triplets = tuple(
        np.ascontiguousarray(rows[inside[rows].any(axis=1)])
        for rows in (find_triplets(graph, motif) for motif in family.motifs)
    )
    usable = np.flatnonzero(inside if random_masks else inside & group.labelled)
    if len(usable) < LEAST_SITES:
        raise InputError(
            f"snapshots must hold at least {LEAST_SITES} sites that were seen for "
            f"method='statistical_distance'; got {len(usable)}."
        )
    return _Counter(family.n_states, usable, tuple(shells), tuple(edges), triplets)


def _read_detection(detection: ArrayLike | None, n_states: int) -> Float | None:
    if detection is None:
        return None
    seen = check_array("detection", detection, shape=(n_states,))
    if np.any((seen <= 0) | (seen > 1)):
        raise InputError(f"detection must lie above 0 and at most at 1; got {seen.tolist()}.")
    return np.asarray(seen, np.float64)


class _Surface:
    """Smoothed histograms of the model around a centre: quadratic in the parameters.

    ``bounds`` delimit the histograms in the bins; ``counts`` are environments of each.
    """

    def __init__(
        self, center: Float, factor: Float, theta: Float, shares: Float, bounds: Int, counts: Float
    ) -> None:
        self.center, self._inverse = center, np.linalg.inv(factor)
        self.bounds, self.counts = bounds, counts
        d = len(center)
        pairs = np.triu_indices(d)
        diagonal = pairs[0] == pairs[1]
        full = 1 + d + len(pairs[0])
        keep = (
            np.ones(len(pairs[0]), bool) if 4 * full <= len(np.unique(theta, axis=0)) else diagonal
        )
        self._pairs = (pairs[0][keep], pairs[1][keep])
        basis = self._basis(theta)
        self._table = np.linalg.lstsq(basis, shares, rcond=None)[0]

    def _scaled(self, theta: Float) -> Float:
        return (theta - self.center) @ self._inverse.T

    def _basis(self, theta: Float) -> Float:
        z = self._scaled(theta)
        return np.hstack([np.ones((len(z), 1)), z, z[:, self._pairs[0]] * z[:, self._pairs[1]]])

    def length(self, theta: Float) -> float:
        """Return the distance from the centre in units of the Cramer-Rao bound."""
        return float(np.linalg.norm(self._scaled(theta[None])[0]))

    def clip(self, theta: Float) -> Float:
        """Return parameters (n, d), those too far away pulled in."""
        away = theta - self.center
        size = np.linalg.norm(self._scaled(theta), axis=1)
        return (
            self.center
            + away * np.minimum(1.0, 1.001 * FARTHEST / np.maximum(size, 1e-12))[:, None]
        )

    def roots(self, theta: Float) -> Float:
        """Return square roots of the shares at parameters (n, d)."""
        return np.sqrt(np.maximum(self._basis(theta) @ self._table, TINY))

    def slopes(self, theta: Float) -> Float:
        """Return derivatives of the roots, shape (n, n_bins, d)."""
        z, (one, two) = self._scaled(theta), self._pairs
        d = z.shape[1]
        step = np.zeros((len(z), 1 + d + len(one), d))
        step[:, 1 : 1 + d] = np.eye(d)
        rows = np.arange(len(one)) + 1 + d
        step[:, rows, one] += z[:, two]
        step[:, rows, two] += z[:, one]
        slope = np.einsum("npd,pb->nbd", step, self._table) @ self._inverse
        return slope / (2 * self.roots(theta)[..., None])

    def angles(self, shares: Float, theta: Float) -> Float:
        """Return arccos(sum sqrt(p q)) of every histogram, shape (n, n_histograms)."""
        overlap = np.add.reduceat(
            np.sqrt(shares) * self.normalised(theta), self.bounds[:-1], axis=1
        )
        return np.arccos(np.clip(overlap, -1.0, 1.0))

    def normalised(self, theta: Float) -> Float:
        """Return the roots so that every histogram sums to one."""
        roots = self.roots(theta)
        total = np.add.reduceat(roots**2, self.bounds[:-1], axis=1)
        return roots / np.sqrt(np.repeat(total, np.diff(self.bounds), axis=1))

    def squares(self, shares: Float, theta: Float) -> Float:
        """Return the squared statistical distance, shape (n,)."""
        return np.sum(self.angles(shares, theta) ** 2, axis=1)

    def naive_sds(self, theta: Float) -> Float:
        """Return error bars for independent environments: N of them weigh 2 N angle ** 2."""
        slope = self.slopes(theta[None])[0]
        weight = np.repeat(4 * self.counts, np.diff(self.bounds))
        information = slope.T @ (slope * weight[:, None])
        return np.sqrt(np.diag(np.linalg.pinv(information)))


def _closest(surface: _Surface, shares: Float, start: Float) -> Float:
    """Return the parameters closest to each set of histograms (n, n_bins), by Gauss-Newton."""
    theta, wide = start.copy(), np.diff(surface.bounds)
    for _ in range(STEPS):
        slope, gap = surface.slopes(theta), np.sqrt(shares) - surface.normalised(theta)
        chord = np.sqrt(np.add.reduceat(gap**2, surface.bounds[:-1], axis=1))
        # angle over chord: the squared angles are what is summed
        stretch = surface.angles(shares, theta) / np.maximum(chord, 1e-12)
        weight = np.repeat(np.where(chord > 1e-9, stretch, 1.0) ** 2, wide, axis=1)
        score = np.einsum("nbd,nb->nd", slope, weight * gap)
        bend = np.einsum("nbd,nbe->nde", slope * weight[..., None], slope)
        bend += 1e-9 * np.trace(bend, axis1=1, axis2=2)[:, None, None] * np.eye(theta.shape[1])
        step = np.linalg.solve(bend, score[..., None])[..., 0]
        size = np.linalg.norm(step @ surface._inverse.T, axis=1, keepdims=True)
        theta = surface.clip(theta + step * np.minimum(1.0, FARTHEST / 2 / np.maximum(size, 1e-12)))
    return theta


class _Model:
    """Simulated pictures and their histograms."""

    def __init__(
        self, data: LatticeData, counters: list[_Counter], seen: Float | None,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.data, self.counters, self.seen, self.rng = data, counters, seen, rng
        self.n = replica_count(sum(group.graph.n_sites for group in data.groups))
        self.crowd: list[Population] = [
            make_population(
                data.family, group.graph, group.codes, self.n, rng, sites=group.terms,
                offset=group.offset, extra=group.extra,
                **({"parts": group.picture} if data.family.fixed_composition else {}),
            )
            for group in data.groups
        ]  # fmt: skip

    def observed(self) -> Float:
        """Return the picture's shares of all bins, histogram after histogram."""
        shares = []
        for group, counter in zip(self.data.groups, self.counters, strict=True):
            codes = np.where(group.labelled, group.codes, self.data.family.n_states)
            shares.append(counter.count(codes.astype(np.uint8)[:, None]))
        self.totals = np.array([part.sum() for parts in shares for part in parts])
        if self.totals.min() < LEAST_SITES:
            raise InputError(
                f"snapshots must hold at least {LEAST_SITES} sites that were seen with all their "
                f"neighbours for method='statistical_distance'; got {int(self.totals.min())}."
            )
        widths = [part.shape[1] for parts in shares for part in parts]
        self.bounds = np.concatenate([[0], np.cumsum(widths)])
        return _joined(shares)[0]

    def histograms(self) -> Float:
        """Return the shares of all bins in the simulated pictures, (R, n_bins)."""
        q, out = self.data.family.n_states, []
        for group, counter, copies in zip(self.data.groups, self.counters, self.crowd, strict=True):
            codes = copies.codes()
            if self.seen is not None:
                hidden = self.rng.random(codes.shape) >= self.seen[codes]
                codes = np.where(hidden, q, codes).astype(np.uint8)
            elif not group.labelled.all():
                codes[~group.labelled] = q
            out.append(counter.count(codes))
        return _joined(out)

    def sweep(self, theta: Float, n_sweeps: int) -> None:
        """Sweep all groups at parameters (d,) or (R, d)."""
        for group, copies in zip(self.data.groups, self.crowd, strict=True):
            copies.sweep(theta @ group.design.T, n_sweeps)

    def statistics(self) -> Float:
        """Return the sufficient statistics of the simulated pictures, (R, d)."""
        total = np.zeros((self.n, self.data.n_parameters))
        for group, copies in zip(self.data.groups, self.crowd, strict=True):
            total += copies.statistics() @ group.design
        return total

    def smooth(self, center: Float, prior: Prior) -> _Surface:
        """Simulate around a centre and return the smoothed histograms."""
        self.sweep(center, BURN_IN)
        sample = [self.statistics()]
        for _ in range(5):
            self.sweep(center, SWEEPS_BETWEEN)
            sample.append(self.statistics())
        fisher = np.atleast_2d(np.cov(np.concatenate(sample).T))
        factor = np.linalg.cholesky(np.linalg.inv(fisher + np.diag(prior.precision)))
        normals = self.rng.standard_normal((self.n, len(center)))
        theta = center + SPREAD * (normals - normals.mean(axis=0)) @ factor.T
        theta = np.clip(theta, prior.lower, prior.upper)
        self.sweep(theta, BURN_IN // 2)
        shares = []
        for _ in range(N_RECORDS):
            self.sweep(theta, SWEEPS_BETWEEN)
            shares.append(self.histograms())
        return _Surface(
            center, factor, np.tile(theta, (N_RECORDS, 1)), np.concatenate(shares), self.bounds,
            self.totals,
        )  # fmt: skip

    def repeat(self, theta: Float) -> Float:
        """Return histograms of pictures simulated at one set of parameters."""
        self.sweep(theta, BURN_IN)
        out = []
        for _ in range(N_REPEATS):
            self.sweep(theta, REPEAT_SWEEPS)
            out.append(self.histograms())
        return np.concatenate(out)


def _joined(counts: list[list[Float]]) -> Float:
    """Return shares, every histogram normalised, one after the other, (R, n_bins)."""
    parts = [part for group in counts for part in group]
    return np.hstack([part / np.maximum(part.sum(axis=1, keepdims=True), 1.0) for part in parts])


def _draw(
    center: Float, covariance: Float, prior: Prior, n: int, rng: np.random.Generator
) -> Float:
    """Return draws of prior times Gaussian likelihood."""
    precision = np.linalg.inv(covariance)
    both = np.linalg.inv(precision + np.diag(prior.precision))
    mean = both @ (precision @ center + prior.precision * prior.mean)
    factor = np.linalg.cholesky(both)
    normals = rng.standard_normal((n if prior.is_gaussian else 20 * n, len(center)))
    points = mean + normals @ factor.T
    if prior.is_gaussian:
        return points
    away = points - center
    log_weight = prior.log_density(points) - 0.5 * np.sum(away @ precision * away, axis=1)
    log_weight += 0.5 * np.sum(normals**2, axis=1)
    weight = np.exp(log_weight - log_weight.max())
    return points[rng.choice(len(points), n, p=weight / weight.sum())]
