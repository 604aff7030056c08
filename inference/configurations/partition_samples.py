"""log Z of configurations as a function of their energies, from chains at several parameters.

All samples together are draws of the mixture of the references' distributions, whose weights
follow from the multistate Bennett acceptance ratio (Shirts & Chodera 2008,
doi:10.1063/1.2978177). Configurations are kept as counts, so that the energy of each under any
parameters is a sum over nodes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.posteriors.partition_equations import SETTLED, solve_mixture

__all__ = ["PartitionSamples"]

Float = NDArray[np.float64]
Counts = NDArray[np.float32]
BLOCKS = 40
"""Stretches of the chains that count as independent in the errors."""


class PartitionSamples:
    """log Z of any vector of energies, relative to that of the first reference."""

    def __init__(self) -> None:
        self.vectors: list[Float] = []
        self._counts: list[Counts] = []
        self.settled = True

    def add(self, vector: Float, counts: Counts) -> None:
        """Add samples that were drawn under one vector of energies."""
        self.vectors.append(vector)
        self._counts.append(counts)

    def drop_first(self, n: int) -> None:
        """Forget the first references: chains that had not settled."""
        del self.vectors[:n], self._counts[:n]

    def divergence(self, other: int) -> float:
        """Return the sum of the Kullback-Leibler divergences of the last reference and another."""
        gap = (self.vectors[other] - self.vectors[-1]).astype(np.float32)
        work = [float(np.mean(self._counts[k] @ gap)) for k in (-1, other)]
        return work[0] - work[1]

    def drop_last(self) -> None:
        """Forget the last reference."""
        del self.vectors[-1:], self._counts[-1:]

    def solve(self) -> None:
        """Solve for log Z of the references; needed after samples were added."""
        self.base = self.vectors[0]
        self.counts = np.concatenate(self._counts)
        owner = np.repeat(np.arange(len(self.vectors)), [len(part) for part in self._counts])
        numbers = np.bincount(owner).astype(np.float64)
        exponent = self.exponents(np.array(self.vectors))
        means = np.array([exponent[owner == k].mean(axis=0) for k in range(len(numbers))])
        own, first = np.diag(means), means[0]
        guess = 0.5 * ((own - means[:, 0]) + (first - first[0]))
        log_z, mixture, _, excess = solve_mixture(exponent, numbers, guess - guess[0])
        self.settled = bool(excess < SETTLED)
        self._log_mixture = mixture + log_z[0]
        self.blocks = np.minimum(np.arange(len(owner)) * BLOCKS // len(owner), BLOCKS - 1)

    def exponents(self, vectors: Float) -> Float:
        """Return minus the energies of all samples under vectors (m, G), shape (n, m)."""
        # differences from one vector: single precision then holds every energy that matters
        gap = (vectors - self.base).astype(np.float32)
        return -(self.counts @ gap.T).astype(np.float64)

    def log_partition(self, vectors: Float) -> tuple[Float, Float]:
        """Return log Z at vectors (m, G) and the number of samples that carry it."""
        weight = self.exponents(vectors) - self._log_mixture[:, None]
        top = weight.max(axis=0)
        np.exp(weight - top, out=weight)
        total = weight.sum(axis=0)
        return top + np.log(total), total**2 / np.einsum("ij,ij->j", weight, weight)

    def moments(self, vector: Float, slopes: Float) -> tuple[float, Float, Float, Float]:
        """Return log Z, mean, covariance of the slopes (p, G), and the mean's error covariance."""
        exponent = self.exponents(vector[None])[:, 0] - self._log_mixture
        top = float(exponent.max())
        weight = np.exp(exponent - top)
        total = float(weight.sum())
        weight /= total
        values = (self.counts @ slopes.T.astype(np.float32)).astype(np.float64)
        mean = weight @ values
        away = values - mean
        covariance = (away * weight[:, None]).T @ away
        pieces = np.zeros((BLOCKS, len(slopes)))
        np.add.at(pieces, self.blocks, away * weight[:, None])
        return top + np.log(total), mean, covariance, pieces.T @ pieces
