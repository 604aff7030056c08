"""Pictures drawn at given parameters, for the exchange algorithm: by Markov chains, or exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from physlearn.checks import InputError, check_count
from physlearn.inference.lattices.lattice_data import LatticeData, PictureGroup
from physlearn.inference.posteriors.lattice_population import (
    Population,
    make_population,
    term_statistics,
)
from physlearn.lattice_models.replicas.exact_draws import ExactReplicas

__all__ = ["AuxiliaryLattices", "ExactLattices", "MarkovLattices"]

Float = NDArray[np.float64]
Codes = NDArray[np.uint8]
BURN_IN, RECORDS = 200, 300
LEAST_INNER, MEMORIES = 10, 6.0
LONG_MEMORY = 12.0
"""Sweeps of the heat bath beyond which clusters are tried."""


class AuxiliaryLattices:
    """Auxiliary pictures of all chains: one lattice a chain and group of pictures."""

    inner_sweeps = 0

    def draw(self, theta: Float) -> Float:
        """Return sum of design^T T of fresh pictures at parameters (n_chains, d)."""
        raise NotImplementedError

    def allows(self, theta: Float) -> NDArray[np.bool_]:
        """Return which parameters (n, d) pictures can be drawn at."""
        return np.ones(len(theta), bool)

    def fit_to(self, theta: Float) -> bool:
        """Fit the inner sweeps to where the chains went, (n_chains, d); whether that made more."""
        return not len(theta)

    def flags(self) -> list[str]:
        """Return what a reader must know."""
        return []


class MarkovLattices(AuxiliaryLattices):
    """Pictures that go on by heat bath, clusters or exchanges."""

    def __init__(
        self,
        data: LatticeData,
        n_chains: int,
        rng: np.random.Generator,
        centre: Float,
        inner_sweeps: int | None,
    ) -> None:
        self._data, self._n, self._rng = data, n_chains, rng
        self._flags: list[str] = []
        self._given = inner_sweeps is not None
        wide = np.tile(centre, (n_chains, 1))
        self._begin("heat_bath", wide)
        if inner_sweeps is not None:
            self.inner_sweeps = check_count("inner_sweeps", inner_sweeps, 1)
            return
        self._plan(wide)

    def _plan(self, theta: Float) -> None:
        """Take clusters where the heat bath remembers long at (n_chains, d), and sweeps enough."""
        memory = self._memory(theta)
        if memory > LONG_MEMORY and self._data.family.n_states == 2 and not self._clusters:
            self._begin("clusters", theta)
            memory = self._memory(theta)
        self.inner_sweeps = max(LEAST_INNER, int(np.ceil(MEMORIES * memory)))
        self._flags = []
        if memory > RECORDS / 20:
            self._flags.append(
                f"exchange: the lattice's memory of {memory:.0f} sweeps is long beside what was "
                "recorded; give inner_sweeps, or use method='likelihood'"
            )

    def fit_to(self, theta: Float) -> bool:
        """Measure the memory where the chains are: the guess may lie on the quiet side of them."""
        before, clusters = self.inner_sweeps, self._clusters
        if not self._given:
            self._plan(theta)
            self.inner_sweeps = max(before, self.inner_sweeps)
        return self.inner_sweeps > before or self._clusters != clusters

    def _begin(self, dynamics: str, theta: Float) -> None:
        data = self._data
        self._clusters = dynamics == "clusters"
        self._populations: list[Population] = [
            make_population(
                data.family, group.graph, group.codes, self._n, self._rng,
                sites=None if group.whole else group.terms, offset=group.offset,
                extra=group.extra, parts=group.picture, dynamics=dynamics,
            )
            for group in data.groups
        ]  # fmt: skip
        self._sweep(theta, BURN_IN)

    def _sweep(self, theta: Float, n_sweeps: int) -> None:
        for group, population in zip(self._data.groups, self._populations, strict=True):
            population.sweep(theta @ group.design.T, n_sweeps)

    def _statistics(self) -> Float:
        total = np.zeros((self._n, self._data.n_parameters))
        for group, population in zip(self._data.groups, self._populations, strict=True):
            total += population.statistics() @ group.design
        return total

    def _memory(self, theta: Float) -> float:
        """Return the integrated autocorrelation time of the slowest statistic, in sweeps.

        Chains at different parameters differ in their means, which must not pass for a memory. The
        squares are looked at too: exchanged states renew the sign of a magnetization, not its size.
        """
        trace = np.empty((RECORDS, *theta.shape))
        for record in range(RECORDS):
            self._relabel(theta)
            self._sweep(theta, 1)
            trace[record] = self._statistics()
        trace = np.concatenate([trace, trace**2], axis=2)
        if np.ptp(theta, axis=0).any():
            trace -= trace.mean(axis=0)
        return max(_integrated_memory(trace[:, :, k]) for k in range(trace.shape[2]))

    def draw(self, theta: Float) -> Float:
        """Return sum of design^T T after the inner sweeps at parameters (n_chains, d)."""
        self._relabel(theta)
        self._sweep(theta, self.inner_sweeps)
        return self._statistics()

    def _relabel(self, theta: Float) -> None:
        """Choose between one picture of every lattice and another order of its states (heat bath).

        In an ordered lattice single sites and clusters hardly ever take the whole of it from one
        phase to another: a field that changed its sign would find it where it was. Metropolis' rule
        would turn a picture without a field over each time, and so tie it to the one before.
        """
        family = self._data.family
        if family.fixed_composition:
            return
        for group, population in zip(self._data.groups, self._populations, strict=True):
            natural = theta @ group.design.T
            old, before = population.codes(), population.statistics()
            new = _relabelled(old, group, family.n_states, self._rng)
            population.restart(new)
            rise = np.sum(natural * (population.statistics() - before), axis=1)
            if group.offset is not None:
                sites = np.arange(group.n_sites)[:, None]
                rise += (group.offset[sites, new] - group.offset[sites, old]).sum(axis=0)
            taken = self._rng.random(self._n) < expit(rise)
            if not np.all(taken):
                population.restart(np.where(taken, new, old))

    def flags(self) -> list[str]:
        """Return what a reader must know."""
        return self._flags


def _relabelled(
    codes: Codes, group: PictureGroup, n_states: int, rng: np.random.Generator
) -> Codes:
    """Return codes (n_sites, R) with two states of one random picture of each replica swapped."""
    n_replicas = codes.shape[1]
    random_sites = np.zeros(group.n_sites, bool)
    random_sites[group.terms] = True
    numbers = np.unique(group.picture[group.terms])
    chosen = rng.choice(numbers, n_replicas)
    first = rng.integers(n_states, size=n_replicas)
    second = (first + rng.integers(1, n_states, size=n_replicas)) % n_states
    table = np.tile(np.arange(n_states, dtype=np.uint8), (n_replicas, 1))
    replicas = np.arange(n_replicas)
    table[replicas, first], table[replicas, second] = second, first
    here = random_sites[:, None] & (group.picture[:, None] == chosen)
    return np.where(here, table[replicas, codes], codes)


def _integrated_memory(trace: Float) -> float:
    """Return 1/2 + the sum of autocorrelations of (n_records, n_chains), up to their first zero."""
    centred = trace - trace.mean()
    variance = float(np.mean(centred**2))
    if variance == 0.0:
        return 0.5
    total = 0.5
    for lag in range(1, len(trace)):
        share = float(np.mean(centred[:-lag] * centred[lag:])) / variance
        if share < 0.02:
            break
        total += share
    return total


class ExactLattices(AuxiliaryLattices):
    """Exact pictures of ferromagnets, by coupling from the past."""

    def __init__(
        self, data: LatticeData, n_chains: int, rng: np.random.Generator, centre: Float
    ) -> None:
        family = data.family
        if family.n_states != 2 or family.motifs or family.fixed_composition:
            raise InputError(
                "exact must be False for this model: coupling from the past needs two states with "
                "pairs at free composition."
            )
        self._data, self._refused, self._deepest = data, 0, 0
        self._lattices = [
            ExactReplicas(
                group.graph, family.n_shells, group.codes, n_chains, rng,
                None if group.whole else group.terms, group.extra,
            )
            for group in data.groups
        ]  # fmt: skip
        if not self._ferromagnetic(centre[None])[0]:
            raise InputError(
                "exact must be False here: a coupling of the guess favours unlike states, and "
                "coupling from the past needs a ferromagnet."
            )

    def _tables(self, group: PictureGroup, theta: Float) -> tuple[Float, Float, Float]:
        """Return site and pair energies and those of the extra statistics."""
        natural = theta @ group.design.T
        d = self._data.family.n_parameters
        site, pair, _ = self._data.family.energies(natural[:, :d])
        return site, pair, -natural[:, d:]

    def _ferromagnetic(self, theta: Float) -> NDArray[np.bool_]:
        good = np.ones(len(theta), bool)
        for group in self._data.groups:
            _, pair, _ = self._tables(group, theta)
            bend = pair[..., 0, 0] + pair[..., 1, 1] - 2 * pair[..., 0, 1]
            good &= (bend <= 0.0).all(axis=1)
        return good

    def allows(self, theta: Float) -> NDArray[np.bool_]:
        """Return which parameters (n, d) are those of a ferromagnet."""
        good = self._ferromagnetic(theta)
        self._refused += int((~good).sum())
        return good

    def draw(self, theta: Float) -> Float:
        """Return sum of design^T T of exact pictures at parameters (n_chains, d)."""
        total = np.zeros_like(theta)
        for group, lattice in zip(self._data.groups, self._lattices, strict=True):
            site, pair, weight = self._tables(group, theta)
            offset = 0.0 if group.offset is None else -group.offset
            lattice.draw(site, pair, offset, extra_energy=weight)
            self._deepest = max(self._deepest, lattice.last_sweeps)
            counts = term_statistics(self._data.family, group.graph, lattice.copies)
            total += counts @ group.design
        return total

    def flags(self) -> list[str]:
        """Say where steps were refused."""
        if not self._refused:
            return []
        return [
            f"exchange: {self._refused} steps to couplings that favour unlike states were refused: "
            "the posterior is that of a ferromagnet"
        ]
