"""Free energies from samples at many parameters: the multistate Bennett acceptance ratio (MBAR).

Every reference k of K gave n samples x of p_k(x) = exp(exponent_k(x)) / Z_k. The log Z_k solve
sum_x share_k(x) = n with share_k(x) = exp(exponent_k(x)) / Z_k / sum_j exp(exponent_j(x)) / Z_j,
summed over all K n samples, up to a common constant (Shirts & Chodera 2008,
doi:10.1063/1.2978177).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array
from physlearn.records.storage import html_table, short_repr

__all__ = ["MbarEstimate", "mbar_estimate", "solve_partition"]

Float = NDArray[np.float64]
# scipy is imported where it is used: whoever only samples starts .5 s sooner
SETTLED = 1e-4
PLAIN_STEPS = 12
PULL = 1e-9
N_BLOCKS = 20
LEAST_OVERLAP = 1e-3


def solve_partition(exponent: Float, log_partition: Float) -> tuple[Float, bool]:
    """Solve the MBAR equations: every reference accounts for its own number of samples.

    The plain iteration is quick where all references overlap; along a chain of them it creeps,
    and a trust-region Newton method on the same convex function takes over.

    Parameters
    ----------
    exponent
        Log weight of every sample under every reference, shape (n_samples, n_references); each
        reference gave equally many samples.
    log_partition
        First guess, shape (n_references,).

    Returns
    -------
    tuple
        log Z of the references up to a common constant, and whether every reference accounts for
        its samples to 1 part in 10,000.

    Examples
    --------
    >>> spins = np.array([-1.0, 1.0] * 50 + [1.0, 1.0, 1.0, -1.0] * 25)
    >>> fields = np.array([0.0, np.arctanh(0.5)])
    >>> log_z, settled = solve_partition(np.outer(spins, fields), np.zeros(2))
    >>> settled, bool(np.isclose(log_z[1] - log_z[0], np.log(np.cosh(fields[1])), atol=1e-3))
    (True, True)
    """
    from scipy.optimize import minimize

    for _ in range(PLAIN_STEPS):
        excess = _excess(log_partition, exponent)
        if np.max(np.abs(excess)) < SETTLED:
            return log_partition, True
        log_partition = log_partition + np.log1p(np.maximum(excess, -0.999))
    # The weak pull to the start fixes what the equations leave open: a common constant, and log Z
    # of references whose samples meet no other's
    start = log_partition
    pull = PULL * np.eye(len(start))
    try:
        found = minimize(  # type: ignore[call-overload]  # the stubs know only arrays typed 1-D
            lambda trial: _disagreement(trial, exponent) + PULL * np.sum((trial - start) ** 2) / 2,
            start,
            method="trust-exact",
            jac=lambda trial: PULL * (trial - start) - _excess(trial, exponent),
            hess=lambda trial: _curvature(trial, exponent) + pull,
            options={"gtol": SETTLED / 2, "initial_trust_radius": 30.0, "max_trust_radius": 1e4},
        ).x
    except (ValueError, np.linalg.LinAlgError):  # from a Hessian that is singular all the same
        return start, False
    return np.asarray(found), bool(np.max(np.abs(_excess(found, exponent))) < SETTLED)


def _excess(log_partition: Float, exponent: Float) -> Float:
    """Return by how much each reference accounts for more than its own samples (relative)."""
    from scipy.special import softmax

    share = softmax(exponent - log_partition, axis=1)
    return np.asarray(share.mean(axis=0) * exponent.shape[1] - 1.0)


def _disagreement(log_partition: Float, exponent: Float) -> float:
    """Return the convex function whose minimum solves the MBAR equations."""
    from scipy.special import logsumexp

    mean = np.mean(logsumexp(exponent - log_partition, axis=1))
    return float(exponent.shape[1] * mean + log_partition.sum())


def _curvature(log_partition: Float, exponent: Float) -> Float:
    """Return the second derivatives of that function."""
    from scipy.special import softmax

    share = softmax(exponent - log_partition, axis=1)
    overlap = share.T @ share / len(share)
    return np.asarray(exponent.shape[1] * (np.diag(share.mean(axis=0)) - overlap))


@dataclass(frozen=True, slots=True, eq=False)
class MbarEstimate:
    """log Z of K references, and what follows for any other parameters that they cover.

    Errors are one standard deviation, by leaving out one of 20 blocks of consecutive samples at a
    time (with one Newton step for each). They hold where a block is much longer than the
    correlation time of the samples, and are NaN for fewer than 20 samples of each reference.

    Attributes
    ----------
    log_partitions, errors
        float64, shape (K,): log Z, the anchor's as given; its error is 0.
    settled
        False where the equations could not be solved, or where references fall into groups whose
        samples hardly meet (chance below 0.001 to take one's sample for another's).
    mixture
        float64, shape (K n,): log of the summed density that all samples were drawn from.
    shares
        float64, shape (K n, K): chance that a sample came from each reference.
    shifts
        float64, shape (20, K): change of ``log_partitions`` without each block.
    blocks
        int64, shape (K n,): the block of every sample.

    Examples
    --------
    >>> spins = np.where(np.random.default_rng(1).random((2, 100)) < 0.5, 1.0, -1.0)
    >>> same = mbar_estimate(spins[:, :, None] * np.zeros(2))  # one reference, twice
    >>> same.log_partitions.tolist(), same.settled
    ([0.0, 0.0], True)
    """

    log_partitions: Float
    errors: Float
    settled: bool
    mixture: Float
    shares: Float
    shifts: Float
    blocks: NDArray[np.int64]

    __repr__ = short_repr
    _repr_html_ = html_table

    def log_partition(self, exponent: Float) -> tuple[float, float]:
        """Return log Z and its error for the log weight (K, n) of every sample, as given."""
        from scipy.special import logsumexp

        log_weight = self._log_weight(exponent)
        without = np.array(
            [
                logsumexp((log_weight + self.shares @ shift)[self.blocks != block])
                - np.log1p(-np.mean(self.blocks == block))
                for block, shift in enumerate(self.shifts)
            ]
        )
        return float(logsumexp(log_weight)), _jackknife(without)

    def mean(self, exponent: Float, values: Float) -> tuple[float, float]:
        """Return the mean of ``values`` (K, n) and its error, at the log weight (K, n)."""
        observed = check_array("values", values, shape=exponent.shape).ravel()
        log_weight = self._log_weight(exponent)
        log_weight = log_weight - log_weight.max()
        without = []
        for block, shift in enumerate(self.shifts):
            weight = np.where(self.blocks == block, 0.0, np.exp(log_weight + self.shares @ shift))
            without.append(weight @ observed / weight.sum())
        weight = np.exp(log_weight)
        return float(weight @ observed / weight.sum()), _jackknife(np.array(without))

    def _log_weight(self, exponent: Float) -> Float:
        given = check_array("exponent", exponent, ndim=2)
        if given.size != len(self.mixture):
            raise InputError(
                f"exponent must have one entry for each of the {len(self.mixture)} samples, got "
                f"shape {given.shape}."
            )
        return np.asarray(given.ravel() - self.mixture)


def mbar_estimate(
    exponent: Float, anchor: int = 0, anchor_log_partition: float = 0.0
) -> MbarEstimate:
    """Estimate log Z of all references from samples of each.

    Parameters
    ----------
    exponent
        ``exponent[k, t, j]``: log weight, -energy_j / kT_j, of sample t of reference k under
        reference j; shape (K, n, K). Samples taken at the same time may depend on each other.
    anchor
        The reference whose log Z is known.
    anchor_log_partition
        Its log Z; 0 gives differences.

    Raises
    ------
    InputError
        For another shape, non-finite numbers, or an anchor that is no reference.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> fields = np.array([0.0, 0.5, 1.0])
    >>> spins = np.where(rng.random((3, 4000)) < 1 / (1 + np.exp(-2 * fields[:, None])), 1.0, -1.0)
    >>> found = mbar_estimate(spins[:, :, None] * fields, anchor_log_partition=np.log(2.0))
    >>> bool(abs(found.log_partitions[2] - np.log(2 * np.cosh(1.0))) < 4 * found.errors[2])
    True
    """
    from scipy.special import logsumexp

    given = check_array("exponent", exponent, ndim=3)
    n_references, n_samples, n_columns = given.shape
    if n_columns != n_references:
        raise InputError(
            f"exponent must have shape (K, n, K): one log weight under each of {n_references} "
            f"references, got shape {given.shape}."
        )
    known = check_array("anchor_log_partition", anchor_log_partition, shape=())
    if not 0 <= anchor < n_references:
        raise InputError(f"anchor must be a reference from 0 to {n_references - 1}; got {anchor}.")
    own = np.arange(n_references)
    means = given.mean(axis=1)  # [k, j]; neighbours by the trapezoid rule give the first guess
    steps = means[own[1:], own[1:]] - means[own[1:], own[:-1]]
    steps = (steps + means[own[:-1], own[1:]] - means[own[:-1], own[:-1]]) / 2
    flat = given.reshape(-1, n_references)
    log_partition, settled = solve_partition(flat, np.concatenate([[0.0], np.cumsum(steps)]))
    log_partition, shares, settled = _polish(flat, log_partition, settled)
    log_partition = log_partition - log_partition[anchor] + float(known)
    blocks = np.tile(np.arange(n_samples) * N_BLOCKS // n_samples, n_references)
    shifts = np.full((N_BLOCKS, n_references), np.nan)
    if n_samples >= N_BLOCKS:
        shifts = _shifts(shares, blocks)
        shifts -= shifts[:, [anchor]]
    return MbarEstimate(
        log_partition,
        np.array([_jackknife(column) for column in shifts.T]),
        settled,
        logsumexp(flat - log_partition, axis=1) + np.log(n_samples),
        shares,
        shifts,
        blocks,
    )


def _polish(flat: Float, log_partition: Float, settled: bool) -> tuple[Float, Float, bool]:
    """Return log Z after Newton steps to round-off, the shares, and whether all of it holds."""
    from scipy.sparse.csgraph import connected_components
    from scipy.special import softmax

    n_references = flat.shape[1]
    shares = np.asarray(softmax(flat - log_partition, axis=1))
    for _ in range(8):
        mean, overlap = shares.mean(axis=0), shares.T @ shares / len(shares)
        excess = n_references * mean - 1.0
        curvature = n_references * (np.diag(mean) - overlap)
        trial = log_partition + np.linalg.pinv(curvature, hermitian=True) @ excess
        new_shares = np.asarray(softmax(flat - trial, axis=1))
        new_excess = n_references * new_shares.mean(axis=0) - 1.0
        if not np.max(np.abs(new_excess)) < np.max(np.abs(excess)):
            break  # round-off, or a step too far from a start that was not settled
        log_partition, shares = trial, new_shares
    # Where samples of some references meet no other's, any log Z between them solves the equations
    overlap = n_references * shares.T @ shares / len(shares)
    connected = connected_components(overlap > LEAST_OVERLAP, directed=False)[0] == 1
    excess = n_references * shares.mean(axis=0) - 1.0
    return log_partition, shares, bool(settled and connected and np.max(np.abs(excess)) < SETTLED)


def _shifts(shares: Float, blocks: NDArray[np.int64]) -> Float:
    """Return by one Newton step how log Z changes when each block is left out."""
    n_references = shares.shape[1]
    inside = [shares[blocks == block] for block in range(N_BLOCKS)]
    sums = np.array([part.sum(axis=0) for part in inside])
    squares = np.array([part.T @ part for part in inside])
    shifts = np.empty((N_BLOCKS, n_references))
    for block, part in enumerate(inside):
        rest = len(shares) - len(part)
        mean = (sums.sum(axis=0) - sums[block]) / rest
        overlap = (squares.sum(axis=0) - squares[block]) / rest
        curvature = n_references * (np.diag(mean) - overlap)
        shifts[block] = np.linalg.pinv(curvature, hermitian=True) @ (n_references * mean - 1.0)
    return shifts


def _jackknife(without: Float) -> float:
    """Return the standard error from estimates that leave out one block each."""
    spread = np.sum((without - without.mean()) ** 2)
    return float(np.sqrt(spread * (len(without) - 1) / len(without)))
