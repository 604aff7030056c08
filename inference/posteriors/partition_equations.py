"""Equations of log Z between references: a start from pairs that meet, then Newton's steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from scipy.special import expit

__all__ = ["SETTLED", "join_pairs", "largest", "largest_group", "solve_mixture"]

Float = NDArray[np.float64]
SETTLED = 1e-4
"""Largest relative gap between a reference's samples and those that it accounts for."""
MAX_STEPS, MOST_HALVINGS = 20, 8
BISECTIONS = 40
LEAST_OVERLAP = 1e-3


def join_pairs(
    exponent: Float,
    origin: NDArray[np.intp],
    references: Float,
    means: Float,
    odd: NDArray[np.bool_] | None,
) -> tuple[Float, NDArray[np.intp]]:
    """Return log Z of the references, and which of them meet (labels of groups).

    Bennett's acceptance ratio along a tree of close pairs. How close two are is
    (a - b) . (mean_a - mean_b), the sum of their Kullback-Leibler divergences; a mirror image is as
    good.
    """
    n = len(references)
    if n == 1:
        return np.zeros(1), np.zeros(1, np.intp)
    gap = np.abs(_squared_distances(references, means))
    if odd is not None:
        flip = np.where(odd, -1.0, 1.0)
        gap = np.minimum(gap, np.abs(_squared_distances(references, means, flip)))
    gap = np.maximum(gap, 1e-9)
    np.fill_diagonal(gap, 0.0)
    order, parents = breadth_first_order(minimum_spanning_tree(gap), 0, directed=False)
    nodes = order[1:]
    step, overlap = _join(exponent, origin, nodes, parents[nodes])
    log_partition, label = np.zeros(n), np.arange(n)
    for node, up, shared in zip(nodes, step, overlap, strict=True):
        log_partition[node] = log_partition[parents[node]] + up
        if shared > LEAST_OVERLAP:
            label[node] = label[parents[node]]
    return log_partition, label


def _join(
    exponent: Float, origin: NDArray[np.intp], nodes: NDArray[Any], parents: NDArray[Any]
) -> tuple[Float, Float]:
    """Return log Z of nodes over that of their parents, and the share of samples they share."""
    order, counts = np.argsort(origin, kind="stable"), np.bincount(origin)
    start = np.cumsum(counts) - counts
    width = int(counts.max())
    column = np.arange(width)
    known, work = [], []
    for one in (nodes, parents):
        inside = column < counts[one][:, None]
        sample = order[np.where(inside, start[one][:, None] + column, 0)]
        known.append(inside)
        work.append(exponent[sample, nodes[:, None]] - exponent[sample, parents[:, None]])
    mask, values = np.hstack(known), np.hstack(work)
    log_ratio = np.log(counts[nodes] / counts[parents])
    values += log_ratio[:, None]
    low = np.where(mask, values, np.inf).min(axis=1) - 50.0
    high = np.where(mask, values, -np.inf).max(axis=1) + 50.0
    share: Float = np.zeros_like(values)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        share = np.where(mask, expit(values - middle[:, None]), 0.0)
        more = share.sum(axis=1) > counts[nodes]
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    overlap = np.sum(share * (1 - share) * mask, axis=1) / np.sqrt(counts[nodes] * counts[parents])
    return (low + high) / 2, overlap


def _squared_distances(references: Float, means: Float, flip: Float | float = 1.0) -> Float:
    """Return (a - f b) . (mean_a - f mean_b) for all pairs, where f turns the second over."""
    own = np.einsum("kd,kd->k", references, means)
    cross = references @ (flip * means).T
    return np.asarray(own[:, None] + own - cross - cross.T)


def largest(label: NDArray[Any], counts: Float) -> NDArray[np.bool_]:
    """Return which references belong to the group with most samples."""
    return np.asarray(label == np.argmax(np.bincount(label, weights=counts)))


def largest_group(shares: Float, counts: Float) -> NDArray[np.bool_]:
    """Return which references belong to the largest group whose samples meet."""
    overlap = shares.T @ shares / np.sqrt(np.outer(counts, counts))
    return largest(connected_components(overlap > LEAST_OVERLAP, directed=False)[1], counts)


def solve_mixture(
    exponent: Float, counts: Float, log_z: Float
) -> tuple[Float, Float, Float, float]:
    """Return log Z, the log mixture of every sample, shares, and the largest relative excess.

    Damped Newton on the convex function sum_x log mixture(x) + sum_k n_k log Z_k.
    """
    log_counts = np.log(counts)

    def look(trial: Float) -> tuple[float, Float, Float]:
        shares = exponent + (log_counts - trial)
        top = shares.max(axis=1)
        shares -= top[:, None]
        np.exp(shares, out=shares)
        total = shares.sum(axis=1)
        shares /= total[:, None]
        log_mixture = top + np.log(total)
        return float(log_mixture.sum() + counts @ trial), log_mixture, shares

    n = len(exponent)
    value, log_mixture, shares = look(log_z)
    for _ in range(MAX_STEPS):
        sums = shares.sum(axis=0)
        excess = sums - counts
        if np.max(np.abs(excess) / counts) < SETTLED / 100:
            break
        # single precision is enough for the direction of a step
        single = shares.astype(np.float32)
        curvature = np.diag(sums) - (single.T @ single).astype(np.float64)
        # What the equations leave open, a common constant, and a floor for references far off
        curvature += n / len(counts) ** 2 + 1e-7 * n / len(counts) * np.eye(len(counts))
        step = np.linalg.solve(curvature, excess)
        step *= min(1.0, 10.0 / np.max(np.abs(step)))
        for _ in range(MOST_HALVINGS):
            trial = look(log_z + step)
            if trial[0] <= value + 1e-9 * abs(value):
                break
            step /= 2
        log_z = log_z + step
        value, log_mixture, shares = trial
    excess = np.max(np.abs(shares.sum(axis=0) - counts) / counts)
    return log_z, log_mixture, shares, float(excess)
