"""log Z of an exponential family as a function of its parameters, from samples at several of them.

Reference k of K gave n_k samples of p_k(s) ~ exp(phi_k . T(s)). All samples together are draws of
the mixture sum_k n_k p_k, whose weights follow from the multistate Bennett acceptance ratio
(Shirts & Chodera 2008, doi:10.1063/1.2978177); then
Z(phi) = sum over samples of exp(phi . T) / sum_k n_k exp(phi_k . T) / Z_k.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.inference.posteriors.partition_equations import (
    SETTLED,
    join_pairs,
    largest,
    largest_group,
    solve_mixture,
)

__all__ = ["PartitionSurface"]

Float = NDArray[np.float64]
BLOCK = 400_000
"""Exponentials held at once, in single precision."""
LEAST_KEPT = 0.8
LARGEST_INFLUENCE = 1e30
"""References that no sample ties to the others make it endless; single precision holds this."""


class PartitionSurface:
    """log Z as a function of the parameters, relative to that at the mean reference.

    Errors are one standard deviation, to first order in the samples' noise; all samples of one
    group may depend on each other, groups may not.

    Parameters
    ----------
    references
        Parameters that were sampled, shape (K, d).
    statistics
        Sufficient statistics of the samples, shape (K, n, d).
    odd
        bool, shape (d,): statistics that change sign when every state is turned over, the others
        staying as they are. Each sample then stands for itself and its mirror image, with their
        exact weights: chains need not cross from one phase to its mirror image. None: no symmetry.
    groups
        Which samples belong together, int, shape (K, n) or (K,); None: those of a reference.
    drop_isolated
        Leave out references whose samples hardly meet those of the largest group that does; log Z
        beside them is then an extrapolation, as anywhere beyond the references.

    Attributes
    ----------
    anchor
        float64, shape (d,): parameters that log Z is given relative to, at first the mean
        reference.
    references, log_partitions
        The distinct references, shape (K, d), and their log Z.
    counts
        float64, shape (K,): samples of each.
    kept_share
        Share of the samples that were not left out.
    settled
        Whether the equations were solved and references do not fall into groups whose samples
        hardly meet (with ``drop_isolated``: a fifth of the samples at most were left out).

    Raises
    ------
    InputError
        For arrays whose shapes do not belong together or numbers that are not finite.

    Examples
    --------
    >>> spins = np.array([[[-1.0], [1.0]] * 50])
    >>> surface = PartitionSurface(np.zeros((1, 1)), spins)
    >>> bool(np.isclose(surface([[0.3]])[0], np.log(np.cosh(0.3))))
    True
    """

    def __init__(
        self,
        references: ArrayLike,
        statistics: ArrayLike,
        odd: NDArray[np.bool_] | None = None,
        groups: NDArray[np.integer] | None = None,
        *,
        drop_isolated: bool = False,
    ) -> None:
        given = check_array("references", references, ndim=2)
        n_references, d = given.shape
        values = check_array("statistics", statistics, shape=(n_references, None, d))
        n = values.shape[1]
        owner = np.arange(n_references) if groups is None else np.asarray(groups)
        if owner.ndim == 1:
            owner = np.repeat(owner[:, None], n, axis=1)
        if owner.shape != (n_references, n):
            raise InputError(f"groups must have shape ({n_references}, {n}); got {owner.shape}.")
        self.odd = None if odd is None or not np.any(odd) else np.asarray(odd, bool)
        self.references, origin = np.unique(given, axis=0, return_inverse=True)
        self._origin = np.repeat(origin.reshape(-1), n)
        self._group = np.unique(owner.ravel(), return_inverse=True)[1].reshape(-1)
        self.counts = np.bincount(self._origin).astype(np.float64)
        self.anchor: Float = given.mean(axis=0)
        self._solve(values.reshape(-1, d), drop_isolated)
        self._matrix: NDArray[np.float32] | None = None
        self._zero = 0.0
        self._zero = float(self(self.anchor[None])[0])
        self.log_partitions: Float = self._log_z - self._zero

    @classmethod
    def pooled(
        cls,
        rounds: Sequence[tuple[Float, Float]],
        odd: NDArray[np.bool_] | None = None,
        chains: Sequence[NDArray[np.int64]] | None = None,
    ) -> PartitionSurface:
        """Return the surface of several rounds: references (R, d) and statistics (R, n, d) each.

        ``chains`` names the chain of each row of every round, None: row r is chain r; chains are
        independent. Rounds may differ in n.
        """
        named = [np.arange(len(places)) for places, _ in rounds] if chains is None else chains
        # cut into pieces of one length; pieces of one reference count as one reference
        length = gcd(*(values.shape[1] for _, values in rounds))
        parts, places, owners = [], [], []
        for (references, values), names in zip(rounds, named, strict=True):
            for first in range(0, values.shape[1], length):
                parts.append(values[:, first : first + length])
                places.append(references)
                owners.append(names)
        return cls(
            np.concatenate(places), np.concatenate(parts), odd, np.concatenate(owners),
            drop_isolated=True,
        )  # fmt: skip

    def _solve(self, values: Float, drop_isolated: bool) -> None:
        """Solve the equations; keep samples, whitened, with their log weights and shares."""
        self._center = values.mean(axis=0)
        shifted = values - self._center
        if self.odd is not None:
            # Mirror images need the statistics themselves, not their distance from a center
            self._center = np.where(self.odd, 0.0, self._center)
            shifted = values - self._center
        exponent = shifted @ self.references.T
        slopes = shifted
        if self.odd is not None:
            pull = shifted[:, self.odd] @ self.references[:, self.odd].T
            own = np.tanh(pull[np.arange(len(pull)), self._origin])
            slopes = np.where(self.odd, shifted * own[:, None], shifted)
            exponent = np.logaddexp(exponent, exponent - 2 * pull)
        means = np.zeros_like(self.references)
        np.add.at(means, self._origin, slopes)
        means /= self.counts[:, None]
        guess, label = join_pairs(exponent, self._origin, self.references, means, self.odd)
        total, connected = self.counts.sum(), np.ones(len(self.counts), bool)
        if drop_isolated:
            # before anything is solved: equations of groups that never meet have no good solution
            connected = largest(label, self.counts)
            shifted, exponent, guess = self._drop(connected, shifted, exponent, guess)
        found = solve_mixture(exponent, self.counts, guess)
        connected = largest_group(found[2], self.counts)
        # shares of equations that are not solved say nothing about who meets whom
        if drop_isolated and found[3] < SETTLED and not np.all(connected):
            shifted, exponent, guess = self._drop(connected, shifted, exponent, found[0])
            found = solve_mixture(exponent, self.counts, guess)
        self._log_z, log_mixture, self._shares, excess = found
        self.kept_share = float(self.counts.sum() / total)
        joined = self.kept_share > LEAST_KEPT if drop_isolated else bool(np.all(connected))
        self.settled = bool(excess < SETTLED and joined)
        self._log_z = self._log_z + self.references @ self._center
        signed: tuple[Float, ...] = (shifted,)
        if self.odd is not None:
            signed = (shifted, shifted * np.where(self.odd, -1.0, 1.0))
        samples = np.concatenate(signed)
        log_weight = samples @ self.anchor - np.tile(log_mixture, len(signed))
        factor = _whitening(samples)
        self._samples, self._log_weight = samples, log_weight
        self._start = self.anchor
        # in units of their own spread single precision is enough for every exponent
        self._white = (samples @ factor).astype(np.float32)
        self._unwhite = np.linalg.inv(factor).T
        self._top = float(log_weight.max())
        self._base = (log_weight - self._top).astype(np.float32)

    def _drop(
        self, connected: NDArray[np.bool_], shifted: Float, exponent: Float, guess: Float
    ) -> tuple[Float, Float, Float]:
        """Keep these references and their samples alone."""
        if np.all(connected):
            return shifted, exponent, guess
        kept = connected[self._origin]
        self._origin = (np.cumsum(connected) - 1)[self._origin[kept]]
        self._group = np.unique(self._group[kept], return_inverse=True)[1].reshape(-1)
        self.references, self.counts = self.references[connected], self.counts[connected]
        return shifted[kept], exponent[kept][:, connected], guess[connected]

    def _weights(self, parameters: Float) -> tuple[Float, NDArray[np.float32], Float]:
        """Return log Z, the weights of the samples (largest 1), (m, samples), and their sums."""
        away = ((parameters - self._start) @ self._unwhite).astype(np.float32)
        exponent = away @ self._white.T
        exponent += self._base
        top = exponent.max(axis=1)
        exponent -= top[:, None]
        np.exp(exponent, out=exponent)
        total = exponent.sum(axis=1).astype(np.float64)
        known = parameters @ self._center + self._top - self._zero
        return np.asarray(known + top + np.log(total)), exponent, total

    def __call__(self, parameters: ArrayLike) -> Float:
        """Return log Z at parameters of shape (m, d), relative to the anchor."""
        return self.evaluate(parameters)[0]

    def evaluate(self, parameters: ArrayLike) -> tuple[Float, Float]:
        """Return log Z at parameters (m, d), and how many samples carry it, as if independent.

        Few samples carry it where references were far: log Z is then too low.
        """
        given = np.atleast_2d(np.asarray(parameters, np.float64))
        out, carried = np.empty(len(given)), np.empty(len(given))
        step = max(1, BLOCK // len(self._base))
        for first in range(0, len(given), step):
            here = slice(first, first + step)
            out[here], weight, total = self._weights(given[here])
            carried[here] = total**2 / np.einsum("ij,ij->i", weight, weight)
        return out, carried

    def move_anchor(self, parameters: ArrayLike) -> None:
        """Give log Z relative to that at other parameters, shape (d,)."""
        self.anchor = np.array(parameters, np.float64)
        shift = float(self(self.anchor)[0])
        self._zero += shift
        self.log_partitions = self.log_partitions - shift

    def weighted_samples(self) -> tuple[Float, Float]:
        """Return statistics (n, d) and log weights (n,) that carry log Z, mirror images included.

        log Z(phi) = log sum exp(statistics @ phi + log weight), relative to the anchor.
        """
        statistics = self._samples + self._center
        return statistics, self._log_weight - self._samples @ self._start - self._zero

    def influence(self, parameters: ArrayLike) -> Float:
        """Return what each group's noise adds to log Z at parameters (m, d), shape (m, n_groups).

        Its squares, summed over the groups, are the variance; relative to the anchor.
        """
        matrix = self._group_influence() if self._matrix is None else self._matrix
        self._matrix = matrix
        given = np.concatenate(
            [self.anchor[None], np.atleast_2d(np.asarray(parameters, np.float64))]
        )
        out = np.empty((len(given), matrix.shape[1]))
        step = max(1, BLOCK // len(self._base))
        for first in range(0, len(given), step):
            _, weight, total = self._weights(given[first : first + step])
            if self.odd is not None:
                half = len(self._base) // 2
                weight = weight[:, :half] + weight[:, half:]
            out[first : first + step] = weight @ matrix / total[:, None]
        return np.asarray(out[1:] - out[0])

    def errors(self, parameters: ArrayLike) -> Float:
        """Return one standard deviation of log Z at parameters (m, d), relative to the anchor."""
        return np.asarray(np.sqrt(np.sum(self.influence(parameters) ** 2, axis=1)))

    def _group_influence(self) -> NDArray[np.float32]:
        """Return the matrix that takes normalised weights of samples to influences of groups.

        A sample of reference k adds its weight less the mean weight under p_k, which all samples
        estimate together; and it moves the log Z of the references, hence all weights.
        """
        shares, n_groups = self._shares, int(self._group.max()) + 1
        owned = np.zeros((n_groups, len(self.counts)))
        np.add.at(owned, (self._group, self._origin), 1.0)
        owned /= self.counts
        inside = np.zeros((n_groups, len(self.counts)))
        np.add.at(inside, self._group, shares)
        surplus = inside - owned @ (shares.T @ shares)
        curvature = np.diag(shares.sum(axis=0)) - shares.T @ shares
        moved = surplus @ np.linalg.pinv(curvature, hermitian=True)
        matrix = shares @ (moved - owned).T
        matrix[np.arange(len(shares)), self._group] += 1.0
        return np.clip(matrix, -LARGEST_INFLUENCE, LARGEST_INFLUENCE).astype(np.float32)


def _whitening(samples: Float) -> Float:
    """Return the matrix that makes the samples uncorrelated with unit variances."""
    spread = np.atleast_2d(np.cov(samples.T))
    scale = np.sqrt(np.diag(spread)) + 1e-9
    values, vectors = np.linalg.eigh(spread / np.outer(scale, scale))
    keep = np.maximum(values, 1e-10 * values.max() + 1e-300)
    return np.asarray(vectors / np.sqrt(keep) / scale[:, None])
