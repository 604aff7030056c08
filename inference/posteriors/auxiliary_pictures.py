"""Pictures drawn at given parameters, for the exchange algorithm: by Markov chains, or exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
        self._begin("heat_bath", centre)
        if inner_sweeps is not None:
            self.inner_sweeps = check_count("inner_sweeps", inner_sweeps, 1)
            return
        memory = self._memory(centre)
        if memory > LONG_MEMORY and data.family.n_states == 2:
            self._begin("clusters", centre)
            memory = self._memory(centre)
        self.inner_sweeps = max(LEAST_INNER, int(np.ceil(MEMORIES * memory)))
        if memory > RECORDS / 20:
            self._flags.append(
                f"exchange: the lattice's memory of {memory:.0f} sweeps is long beside what was "
                "recorded; give inner_sweeps, or use method='likelihood'"
            )

    def _begin(self, dynamics: str, centre: Float) -> None:
        data = self._data
        self._populations: list[Population] = [
            make_population(
                data.family, group.graph, group.codes, self._n, self._rng,
                sites=None if group.whole else group.terms, offset=group.offset,
                extra=group.extra, parts=group.picture, dynamics=dynamics,
            )
            for group in data.groups
        ]  # fmt: skip
        self._sweep(np.broadcast_to(centre, (self._n, len(centre))), BURN_IN)

    def _sweep(self, theta: Float, n_sweeps: int) -> None:
        for group, population in zip(self._data.groups, self._populations, strict=True):
            population.sweep(theta @ group.design.T, n_sweeps)

    def _statistics(self) -> Float:
        total = np.zeros((self._n, self._data.n_parameters))
        for group, population in zip(self._data.groups, self._populations, strict=True):
            total += population.statistics() @ group.design
        return total

    def _memory(self, centre: Float) -> float:
        """Return the integrated autocorrelation time of the slowest statistic, in sweeps."""
        theta = np.broadcast_to(centre, (self._n, len(centre)))
        trace = np.empty((RECORDS, self._n, len(centre)))
        for record in range(RECORDS):
            self._sweep(theta, 1)
            trace[record] = self._statistics()
        return max(_integrated_memory(trace[:, :, k]) for k in range(len(centre)))

    def draw(self, theta: Float) -> Float:
        """Return sum of design^T T after the inner sweeps at parameters (n_chains, d)."""
        self._sweep(theta, self.inner_sweeps)
        return self._statistics()

    def flags(self) -> list[str]:
        """Return what a reader must know."""
        return self._flags


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
