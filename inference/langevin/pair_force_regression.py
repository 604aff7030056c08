"""Displacements of particles regressed on the directions of their neighbours, by distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.langevin.film import Film

__all__ = ["PairSums", "blocks_of", "pair_sums", "solve_by_blocks"]

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
FEWEST_FOR_FLOW = 20
"""Particles of one frame from which on a linear flow is taken out of it, not the mean only."""
MARGIN_SD = 3.0
"""Particles that could leave the field of view within two lags are neighbours only: of those that
stay near an edge more moved inward, which looks like attraction."""
SPARE_BLOCKS, MOST_CELLS = 15, 8
BLOCK_LAGS = 4


@dataclass(frozen=True, eq=False)
class PairSums:
    """One row per particle and window of two lags.

    ``design``: (m, d, n_bins) sums of unit vectors away from the neighbours of each bin; ``moved``:
    (m, d) displacements over the second lag; ``place``: (m, d) and ``time``: (m,) at the beginning;
    ``n_pairs``: (n_bins,); ``n_particles``: tracks behind the rows.
    """

    design: Float
    moved: Float
    place: Float
    time: Int64
    n_pairs: Int64
    n_particles: int


def pair_sums(film: Film, edges: Float, lag: int, remove_drift: bool, step_sd: float) -> PairSums:
    """Collect displacements over ``lag`` frames and the directions one lag before they begin.

    The first bin is of all pairs nearer than ``edges[0]``. ``step_sd``: of a step over one lag
    along an axis. A linear flow (drift, turn, stretch) is taken out of displacements and directions
    of each window alike.
    """
    d = film.dimension
    whole = np.cumsum(np.concatenate([np.zeros((1, film.joined.shape[1])), film.joined]), axis=0)
    margin = 0.0 if film.periodic else MARGIN_SD * np.sqrt(2.0) * step_sd
    design, moved, spots, times = [], [], [], []
    n_pairs, slots = np.zeros(len(edges), dtype=np.int64), set[int]()
    for t in range(lag, len(film.places) - lag):
        here = np.flatnonzero(film.seen[t - lag])
        places = film.places[t - lag, here, :d]
        use = whole[t + lag, here] - whole[t - lag, here] == 2 * lag
        use &= ((places >= margin) & (places <= film.box[:d] - margin)).all(axis=1) | film.periodic
        if not use.any():
            continue
        sums, number = _unit_sums(film, places, edges)
        sums = sums[use]
        step = (film.places[t + lag, here, :d] - film.places[t, here, :d])[use]
        if remove_drift:
            flow = _flow_basis(film, places[use])
            step = step - flow @ (flow.T @ step)
            sums = sums - np.einsum("mf,fik->mik", flow, np.einsum("nf,nik->fik", flow, sums))
        design.append(sums)
        moved.append(step)
        spots.append(places[use])
        times.append(np.full(int(use.sum()), t))
        n_pairs += number[use].sum(axis=0).astype(np.int64)
        slots.update(here[use].tolist())
    if not design:
        raise NotIdentified(
            f"no particle of trajectory is seen for {2 * lag} frames in a row away from the edges "
            "of the field of view."
        )
    return PairSums(
        np.concatenate(design), np.concatenate(moved), np.concatenate(spots),
        np.concatenate(times), n_pairs, len(slots),
    )  # fmt: skip


def _unit_sums(film: Film, places: Float, edges: Float) -> tuple[Float, Float]:
    """Return sums of unit vectors (n, d, n_bins) and numbers of neighbours (n, n_bins)."""
    from scipy.spatial import cKDTree

    n, d = places.shape
    box = film.box[:d] if film.periodic else None
    inside = places if box is None else np.mod(places, box)
    reach = float(edges[-1])
    # in a box that is smaller than twice the reach only the nearest images count
    short = box is not None and reach >= 0.5 * float(box.min())
    if short:
        one, two = np.triu_indices(n, 1)
    else:
        one, two = cKDTree(inside, boxsize=box).query_pairs(reach, output_type="ndarray").T
    line = inside[one] - inside[two]
    if box is not None:
        line = line - np.round(line / box) * box
    distance = np.sqrt((line**2).sum(axis=1))
    near = distance < reach
    one, two, line, distance = one[near], two[near], line[near], distance[near]
    unit = line / distance[:, None]
    column = np.searchsorted(edges, distance, side="right")
    sums, n_bins = np.empty((n, d, len(edges))), len(edges)
    away, toward = one * n_bins + column, two * n_bins + column
    for axis in range(d):
        total = np.bincount(away, unit[:, axis], n * n_bins)
        total -= np.bincount(toward, unit[:, axis], n * n_bins)
        sums[:, axis] = total.reshape(n, n_bins)
    number = np.bincount(away, minlength=n * n_bins) + np.bincount(toward, minlength=n * n_bins)
    return sums, number.reshape(n, n_bins).astype(np.float64)


def _flow_basis(film: Film, places: Float) -> Float:
    """Orthonormal columns of the mean, and of a linear flow where there are particles enough."""
    n, d = places.shape
    columns = [np.ones((n, 1))]
    if not film.periodic and n >= FEWEST_FOR_FLOW * (d - 1):
        columns.append(places - places.mean(axis=0))
    basis, size, _ = np.linalg.svd(np.hstack(columns), full_matrices=False)
    return np.asarray(basis[:, size > 1e-9 * size[0]])


def blocks_of(film: Film, sums: PairSums, lag: int, reach: float) -> tuple[Int64, float, str]:
    """Return the block of each row, what blocks miss of the variance, and words for them.

    Neighbours share motion (flow, hydrodynamics), and a particle shares it with itself in time:
    blocks are cells of space, at least twice the reach wide, over the whole film; where the field
    holds too few of them, they are cut in time too.
    """
    d, q = film.dimension, sums.design.shape[2]
    number = np.clip((film.box[:d] / (2.0 * reach)).astype(int), 1, MOST_CELLS)
    inside = sums.place / film.box[:d]
    inside = inside - np.floor(inside) if film.periodic else np.clip(inside, 0.0, 1.0 - 1e-12)
    cell = np.ravel_multi_index(tuple((inside * number).astype(np.int64).T), tuple(number))
    _, block = np.unique(cell, return_inverse=True)
    n_cells = int(block.max()) + 1
    if n_cells >= q + SPARE_BLOCKS:
        return block, 0.0, f"{n_cells} cells of space"
    length = BLOCK_LAGS * lag
    first, span = int(sums.time.min()), int(np.ptp(sums.time)) + 1
    n_parts = max(1, min(span // length, -(-4 * SPARE_BLOCKS // n_cells)))
    part = (sums.time - first) * n_parts // span
    _, block = np.unique(block * n_parts + part, return_inverse=True)
    # overlapping windows across the borders of a block: a triangle's tails
    missed = lag / (3.0 * span / n_parts) if n_parts > 1 else 0.0
    return block, missed, f"{int(block.max()) + 1} blocks of space and time"


def solve_by_blocks(
    sums: PairSums, scale: float, block: Int64, missed: float
) -> tuple[Float, Float, float]:
    """Least squares of the displacements, the covariance from sums by block, and how many count.

    Blocks that hold little of the information count less (Satterthwaite's degrees of freedom).
    """
    design = sums.design * scale
    information = np.einsum("mik,mil->kl", design, design)
    size = np.sqrt(np.maximum(np.diag(information), 1e-300))
    if np.linalg.matrix_rank(information / np.outer(size, size)) < len(information):
        raise NotIdentified("a distance bin holds no pairs; give wider ones.")
    inverse = np.linalg.inv(information)
    force = inverse @ np.einsum("mik,mi->k", design, sums.moved)
    score = np.einsum("mik,mi->mk", design, sums.moved - design @ force)
    total = np.stack([np.bincount(block, column) for column in score.T], axis=1)
    n, q = len(total), len(force)
    # each block's leverage: what fitting took out of its own score (the jackknife's correction)
    own = np.zeros((n, q, q))
    np.add.at(own, block, np.einsum("mik,mil->mkl", design, design))
    left = np.stack([
        np.linalg.solve(np.eye(q) - inner @ inverse, one)
        for inner, one in zip(own, total, strict=True)
    ]) if n > q else total  # fmt: skip
    middle = left - left.mean(axis=0)
    covariance = inverse @ (middle.T @ middle) @ inverse * (n - 1.0) / n
    share = np.diagonal(own, axis1=1, axis2=2)
    counted = float(np.mean(share.sum(axis=0) ** 2 / (share**2).sum(axis=0)))
    return force, np.asarray(covariance / (1.0 - missed)), min(counted, float(n))
