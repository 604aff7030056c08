"""The likelihood of snapshots by simulation: chains, what they hold of log Z, and its slopes.

log L(theta) = sum over frames of log Z(tied to what was seen) - log Z(free), where a frame without
errors has minus its energy in place of the first. Frames that share box and composition share
their free chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.configurations.partition_samples import PartitionSamples
from physlearn.inference.configurations.snapshot_chain import SnapshotChain
from physlearn.inference.configurations.snapshot_energies import SnapshotEnergies
from physlearn.inference.configurations.snapshots import Snapshot

__all__ = ["FEWEST_CARRYING", "Effort", "SimulatedProblem", "Slopes"]

Float = NDArray[np.float64]
FEWEST_CARRYING = 15.0
"""Samples, as if they counted alike, from which on log Z is believed."""


@dataclass(frozen=True)
class Effort:
    """How long is simulated.

    Attributes
    ----------
    burn_in, settle
        Sweeps before the first records, and at every change of parameters.
    between, between_tied
        Sweeps between records of free chains and of chains tied to what was seen.
    round_records, final_records
        Records of a step towards the mode, and of all references around it together.
    most_passes
        Times that the references are visited until the error of simulation is small.
    n_draws
        Proposals of the posterior.
    """

    burn_in: int = 300
    settle: int = 60
    between: int = 5
    between_tied: int = 2
    round_records: int = 120
    final_records: int = 600
    most_passes: int = 4
    n_draws: int = 3000


class Slopes(NamedTuple):
    """log posterior, its gradient, minus its Hessian (a positive estimate), error of simulation."""

    value: float
    gradient: Float
    information: Float
    noise: Float


class SimulatedProblem:
    """Frames, their chains, and log Z of what was simulated so far.

    Frames that resemble each other tell less than their number says: ``inflation`` is by how much
    their correlation widens the covariance of a mean, and log L is divided by it.
    """

    def __init__(
        self,
        snapshots: Sequence[Snapshot],
        energies: SnapshotEnergies,
        rng: np.random.Generator,
        inflation: float = 1.0,
    ) -> None:
        self.energies, self.share = energies, 1.0 / inflation
        self.mean = energies.prior_mean
        self.precision: Float = np.asarray(np.linalg.inv(energies.prior_covariance), np.float64)
        seen: list[Float] = []
        self.free: list[SnapshotChain] = []
        self.tied: list[SnapshotChain] = []
        self.multiples: list[float] = []
        known: dict[tuple[object, ...], int] = {}
        for snapshot in snapshots:
            noisy = bool((snapshot.position_sd > 0.0).any())
            key = (snapshot.box is None, tuple(np.bincount(snapshot.species)),
                   None if snapshot.box is None else tuple(snapshot.box))  # fmt: skip
            if snapshot.box is None or key not in known:
                known[key] = len(self.free)
                self.free.append(_free_chain(snapshot, energies, rng))
                self.multiples.append(0.0)
            self.multiples[known[key]] += self.share
            if noisy:
                self.tied.append(_tied_chain(snapshot, energies, rng))
            else:
                whole = _free_chain(snapshot, energies, rng)
                seen.append(whole.statistics())
        self.seen = self.share * np.sum(seen, axis=0) if seen else None
        self.free_samples = [PartitionSamples() for _ in self.free]
        self.tied_samples = [PartitionSamples() for _ in self.tied]

    @property
    def n_sweeps(self) -> int:
        """Trials of each particle so far, over all chains."""
        chains = [*self.free, *self.tied]
        return int(sum(chain.counts[0] / max((~chain.frozen).sum(), 1) for chain in chains))

    def simulate(self, theta: Float, n_records: int, settle: int, effort: Effort) -> None:
        """Add samples at one theta to all chains."""
        vector = self.energies.vector(theta)
        for chain, samples in zip(self.tied, self.tied_samples, strict=True):
            chain.settle(vector, max(settle // 2, 10))
            samples.add(vector, chain.record(vector, n_records, effort.between_tied))
        for chain, samples in zip(self.free, self.free_samples, strict=True):
            chain.settle(vector, settle)
            samples.add(vector, chain.record(vector, n_records, effort.between))

    def places(self) -> list[Float]:
        """Return where the particles of all chains are."""
        return [chain.x.copy() for chain in (*self.free, *self.tied)]

    def put_back(self, places: list[Float]) -> None:
        """Put the particles back, and forget what was simulated since."""
        for chain, x in zip((*self.free, *self.tied), places, strict=True):
            chain.x[:] = x
        for samples in (*self.free_samples, *self.tied_samples):
            samples.drop_last()

    @property
    def n_references(self) -> int:
        """Parameters that were simulated and are kept."""
        return len(self.free_samples[0].vectors)

    def divergence(self, other: int) -> float:
        """Return the symmetric divergence of the last reference's samples from another's."""
        parts = (*self.free_samples, *self.tied_samples)
        return max(samples.divergence(other) for samples in parts)

    def forget(self, n_kept: int) -> None:
        """Keep the latest ``n_kept`` references."""
        for samples in (*self.free_samples, *self.tied_samples):
            samples.drop_first(max(len(samples.vectors) - n_kept, 0))

    def solve(self) -> None:
        """Update log Z after samples were added."""
        for samples in (*self.free_samples, *self.tied_samples):
            samples.solve()

    @property
    def settled(self) -> bool:
        """Whether log Z is known at all references."""
        return all(samples.settled for samples in (*self.free_samples, *self.tied_samples))

    def log_prior(self, theta: Float) -> Float:
        """Return the logarithm of the prior's density at theta (m, p)."""
        away = theta - self.mean
        _, log_determinant = np.linalg.slogdet(self.precision)
        norm = 0.5 * log_determinant - 0.5 * len(self.mean) * np.log(2.0 * np.pi)
        return np.asarray(norm - 0.5 * np.einsum("ij,jk,ik->i", away, self.precision, away))

    def log_likelihood(self, theta: Float) -> tuple[Float, Float]:
        """Return log L at theta (m, p), up to a constant, and the samples that carry it."""
        vectors = np.array([self.energies.vector(row) for row in theta])
        out, carried = np.zeros(len(theta)), np.full(len(theta), np.inf)
        if self.seen is not None:
            base = self.free_samples[0].base
            out -= (vectors - base) @ self.seen + base @ self.seen
        parts = [*zip(self.free_samples, self.multiples, strict=True),
                 *[(samples, -self.share) for samples in self.tied_samples]]  # fmt: skip
        for samples, times in parts:
            value, effective = samples.log_partition(vectors)
            out -= times * value
            carried = np.minimum(carried, effective)
        return out, carried

    def carries(self, theta: Float) -> bool:
        """Whether enough samples carry log Z at one theta for it to be believed."""
        return bool(self.log_likelihood(theta[None])[1][0] >= FEWEST_CARRYING)

    def slopes(self, theta: Float) -> Slopes:
        """Return the log posterior at one theta with its derivatives and their error."""
        vector, rows = self.energies.vector(theta), self.energies.slopes(theta)
        value = float(self.log_prior(theta[None])[0])
        gradient = -self.precision @ (theta - self.mean)
        information: Float = self.precision.copy()
        lost: Float = np.zeros_like(self.precision)
        noise = np.zeros_like(self.precision)
        if self.seen is not None:
            value -= float(vector @ self.seen)
            gradient -= rows @ self.seen
        for samples, times in zip(self.free_samples, self.multiples, strict=True):
            log_z, mean, covariance, error = samples.moments(vector, rows)
            value -= times * log_z
            gradient += times * mean
            information += times * covariance
            noise += times**2 * error
        for samples in self.tied_samples:
            log_z, mean, covariance, error = samples.moments(vector, rows)
            value += self.share * log_z
            gradient -= self.share * mean
            lost += self.share * covariance
            noise += self.share**2 * error
        return Slopes(value, gradient, _positive(information, lost), noise)


def _free_chain(
    snapshot: Snapshot, energies: SnapshotEnergies, rng: np.random.Generator
) -> SnapshotChain:
    """Chain of the frame's particles alone; in a field of view those near its edge stay."""
    if snapshot.box is not None:
        return SnapshotChain(energies, snapshot.positions, snapshot.species, snapshot.box, rng)
    inner, walls = _inner(snapshot, energies)
    held = np.where(inner, 0.0, snapshot.position_sd)
    return SnapshotChain(
        energies, snapshot.positions, snapshot.species, None, rng,
        frozen=~inner & (held == 0.0), walls=walls, inside=inner,
        tether_sd=np.repeat(held[:, None], snapshot.dimension, axis=1),
    )  # fmt: skip


def _tied_chain(
    snapshot: Snapshot, energies: SnapshotEnergies, rng: np.random.Generator
) -> SnapshotChain:
    """Chain of true places around those that were seen."""
    sd = np.repeat(snapshot.position_sd[:, None], snapshot.dimension, axis=1)
    if snapshot.box is not None:
        return SnapshotChain(
            energies, snapshot.positions, snapshot.species, snapshot.box, rng,
            frozen=snapshot.position_sd == 0.0, tether_sd=sd,
        )  # fmt: skip
    inner, walls = _inner(snapshot, energies)
    return SnapshotChain(
        energies, snapshot.positions, snapshot.species, None, rng, walls=walls, inside=inner,
        frozen=snapshot.position_sd == 0.0, tether_sd=sd,
    )  # fmt: skip


def _inner(snapshot: Snapshot, energies: SnapshotEnergies) -> tuple[NDArray[np.bool_], Float]:
    reach = energies.cell_width
    low, high = snapshot.window
    return snapshot.inner(reach), np.stack([low + reach, high - reach])


def _positive(information: Float, lost: Float) -> Float:
    """Return information less what errors of the positions hide, at least a tenth of it."""
    if not lost.any():
        return information
    factor = np.linalg.cholesky(information)
    share = np.linalg.solve(factor, np.linalg.solve(factor, lost).T)
    values, vectors = np.linalg.eigh(0.5 * (share + share.T))
    kept = np.maximum(1.0 - values, 0.1)
    inner = factor @ vectors
    return np.asarray((inner * kept) @ inner.T)
