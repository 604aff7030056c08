"""Histograms of local environments: of pictures, of simulated ones, smoothed over parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.adequacy.lattice_pattern_kernels import (
    count_seen_environments,
    count_seen_pairs,
    count_seen_triplets,
)
from physlearn.inference.posteriors.lattice_population import Population, make_population
from physlearn.inference.posteriors.pseudolikelihood import replica_count
from physlearn.lattice_models.graphs.site_graphs import bond_table
from physlearn.lattice_models.graphs.triplets import find_triplets
from physlearn.records import SiteGraph

if TYPE_CHECKING:
    from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup
    from physlearn.inference.lattices.lattice_family import LatticeFamily

__all__ = [
    "FARTHEST",
    "EnvironmentCounter",
    "EnvironmentSurface",
    "SimulatedEnvironments",
    "closest_parameters",
    "plan_environments",
]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Codes = NDArray[np.uint8]
SPREAD = 1.5
"""Spread of the simulated parameters, in standard deviations of the Cramer-Rao bound."""
WIDEST = 1.0
"""Most kT that simulated parameters spread by, where the picture says nothing of them."""
FARTHEST = 4.0
"""How far from the centre the smoothed histograms are trusted, in the same units."""
N_RECORDS, SWEEPS_BETWEEN, BURN_IN = 20, 6, 60
N_REPEATS, REPEAT_SWEEPS = 8, 15
STEPS = 12
LEAST_SITES = 50
TINY = 1e-6


class EnvironmentCounter(NamedTuple):
    """What is counted in a group of pictures: environments by shell, pairs, triplets."""

    n_states: int
    sites: Int
    shells: tuple[tuple[Int, NDArray[np.int32], int], ...]
    edges: tuple[Int, ...]
    triplets: tuple[Int, ...]

    def measure(self, codes: Codes) -> list[Float]:
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


def plan_environments(
    family: LatticeFamily, group: PictureGroup, random_masks: bool
) -> EnvironmentCounter:
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
    return EnvironmentCounter(family.n_states, usable, tuple(shells), tuple(edges), triplets)


class EnvironmentSurface:
    """Smoothed histograms of the model around a centre: quadratic in the parameters.

    ``bounds`` delimit the histograms in the bins; ``counts`` are environments of each.
    """

    def __init__(
        self, center: Float, factor: Float, theta: Float, shares: Float, bounds: Int, counts: Float
    ) -> None:
        self.center, self.inverse = center, np.linalg.inv(factor)
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
        return np.asarray((theta - self.center) @ self.inverse.T)

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
        return np.asarray(
            self.center
            + away * np.minimum(1.0, 1.001 * FARTHEST / np.maximum(size, 1e-12))[:, None]
        )

    def _shares(self, theta: Float) -> Float:
        return np.asarray(self._basis(theta) @ self._table)

    def roots(self, theta: Float) -> Float:
        """Return square roots of the shares at parameters (n, d)."""
        return np.sqrt(np.maximum(self._shares(theta), TINY))

    def slopes(self, theta: Float) -> Float:
        """Return derivatives of the roots, shape (n, n_bins, d)."""
        z, (one, two) = self._scaled(theta), self._pairs
        d = z.shape[1]
        step = np.zeros((len(z), 1 + d + len(one), d))
        step[:, 1 : 1 + d] = np.eye(d)
        rows = np.arange(len(one)) + 1 + d
        step[:, rows, one] += z[:, two]
        step[:, rows, two] += z[:, one]
        slope = np.einsum("npd,pb->nbd", step, self._table) @ self.inverse
        shares = self._shares(theta)[..., None]
        # where a smoothed share is held above zero it does not change
        return np.where(shares > TINY, slope / (2 * np.sqrt(np.maximum(shares, TINY))), 0.0)

    def angles(self, shares: Float, theta: Float) -> Float:
        """Return arccos(sum sqrt(p q)) of every histogram, shape (n, n_histograms)."""
        overlap = np.add.reduceat(
            np.sqrt(shares) * self.normalised(theta), self.bounds[:-1], axis=1
        )
        return np.asarray(np.arccos(np.clip(overlap, -1.0, 1.0)))

    def normalised(self, theta: Float) -> Float:
        """Return the roots so that every histogram sums to one."""
        roots = self.roots(theta)
        total = np.add.reduceat(roots**2, self.bounds[:-1], axis=1)
        return np.asarray(roots / np.sqrt(np.repeat(total, np.diff(self.bounds), axis=1)))

    def squares(self, shares: Float, theta: Float) -> Float:
        """Return the squared statistical distance, shape (n,)."""
        return np.asarray(np.sum(self.angles(shares, theta) ** 2, axis=1))

    def naive_sds(self, theta: Float) -> Float:
        """Return error bars for independent environments: N of them weigh 2 N angle ** 2."""
        slope = self.slopes(theta[None])[0]
        weight = np.repeat(4 * self.counts, np.diff(self.bounds))
        information = slope.T @ (slope * weight[:, None])
        return np.asarray(np.sqrt(np.diag(np.linalg.pinv(information))))


def closest_parameters(surface: EnvironmentSurface, shares: Float, start: Float) -> Float:
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
        size = np.linalg.norm(step @ surface.inverse.T, axis=1, keepdims=True)
        theta = surface.clip(theta + step * np.minimum(1.0, FARTHEST / 2 / np.maximum(size, 1e-12)))
    return theta


class SimulatedEnvironments:
    """Simulated pictures and their histograms."""

    def __init__(
        self, data: LatticeData, counters: list[EnvironmentCounter], seen: Float | None,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.data, self.counters, self.seen, self.rng = data, counters, seen, rng
        self.n = replica_count(sum(group.graph.n_sites for group in data.groups))
        self.crowd: list[Population] = [
            make_population(
                data.family, group.graph, group.codes, self.n, rng, sites=group.terms,
                offset=group.offset, extra=group.extra,
                parts=group.picture if data.family.fixed_composition else None,
            )
            for group in data.groups
        ]  # fmt: skip

    def observed(self) -> Float:
        """Return the picture's shares of all bins, histogram after histogram."""
        shares = []
        for group, counter in zip(self.data.groups, self.counters, strict=True):
            codes = np.where(group.labelled, group.codes, self.data.family.n_states)
            shares.append(counter.measure(codes.astype(np.uint8)[:, None]))
        self.totals = np.array([part.sum() for parts in shares for part in parts])
        if self.totals.min() < LEAST_SITES:
            raise InputError(
                f"snapshots must hold at least {LEAST_SITES} sites that were seen with all their "
                f"neighbours for method='statistical_distance'; got {int(self.totals.min())}."
            )
        widths = [part.shape[1] for parts in shares for part in parts]
        self.bounds = np.concatenate([[0], np.cumsum(widths)])
        return np.asarray(_joined(shares)[0])

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
            out.append(counter.measure(codes))
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

    def smooth(self, center: Float) -> EnvironmentSurface:
        """Simulate around a centre and return the smoothed histograms."""
        self.sweep(center, BURN_IN)
        sample = [self.statistics()]
        for _ in range(5):
            self.sweep(center, SWEEPS_BETWEEN)
            sample.append(self.statistics())
        fisher = np.atleast_2d(np.cov(np.concatenate(sample).T))
        factor = np.linalg.cholesky(np.linalg.inv(fisher + WIDEST**-2 * np.eye(len(center))))
        normals = self.rng.standard_normal((self.n, len(center)))
        theta = center + SPREAD * (normals - normals.mean(axis=0)) @ factor.T
        self.sweep(theta, BURN_IN // 2)
        shares = []
        for _ in range(N_RECORDS):
            self.sweep(theta, SWEEPS_BETWEEN)
            shares.append(self.histograms())
        return EnvironmentSurface(
            center, factor, np.tile(theta, (N_RECORDS, 1)), np.concatenate(shares), self.bounds,
            self.totals,
        )  # fmt: skip

    def repeat(self, center: Float, factor: Float) -> tuple[Float, Float]:
        """Return parameters scattered by a factor around a centre, and histograms simulated there.

        Every parameter set has N_REPEATS pictures: shapes (N_REPEATS R, d) and (N_REPEATS R, bins).
        """
        normals = self.rng.standard_normal((self.n, len(center)))
        theta = center + (normals - normals.mean(axis=0)) @ factor.T
        self.sweep(theta, BURN_IN)
        out = []
        for _ in range(N_REPEATS):
            self.sweep(theta, REPEAT_SWEEPS)
            out.append(self.histograms())
        return np.tile(theta, (N_REPEATS, 1)), np.concatenate(out)


def _joined(counts: list[list[Float]]) -> Float:
    """Return shares, every histogram normalised, one after the other, (R, n_bins)."""
    parts = [part for group in counts for part in group]
    return np.hstack([part / np.maximum(part.sum(axis=1, keepdims=True), 1.0) for part in parts])
