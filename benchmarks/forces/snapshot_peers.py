"""Other ways to a pair potential from one snapshot, beside ours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.inference import measure_radial_distribution
from physlearn.inference.configurations.pair_list import close_pairs
from physlearn.lattice_models.particles import LennardJones, MetropolisSettings, sample_positions

__all__ = ["invert_boltzmann", "invert_iteratively", "pseudolikelihood", "score_without_weights"]

Float = NDArray[np.float64]
CUTOFF = 2.5
N_TRIALS = 100_000


def invert_boltzmann(frame: Any, energies: Float | None = None) -> tuple[float, float, Float]:
    """Depth and diameter of the Lennard-Jones curve nearest to u = -ln g(r), and that u.

    ``energies``: u on 60 shells, where it is known better than by -ln g.
    """
    table = measure_radial_distribution(frame, longest=CUTOFF, n_bins=60)
    g, r = table["g"].to_numpy(), table["distance"].to_numpy()
    u = -np.log(np.maximum(g, 1e-3)) if energies is None else energies
    used = g > 0.05
    shapes = np.stack([r**-12 - CUTOFF**-12, -(r**-6) + CUTOFF**-6], axis=1)
    c12, c6 = np.linalg.lstsq(shapes[used], u[used], rcond=None)[0]
    if min(c12, c6) <= 0.0:
        return float("nan"), float("nan"), u
    return float(c6**2 / (4 * c12)), float((c12 / c6) ** (1 / 6)), u


def invert_iteratively(frame: Any, rng: np.random.Generator) -> tuple[float, float]:
    """Four rounds of u += ln(g simulated / g seen), by the curve fitted to u (Schommers 1973)."""
    seen = measure_radial_distribution(frame, longest=CUTOFF, n_bins=60)["g"].to_numpy()
    depth, diameter, u = invert_boltzmann(frame)
    for _ in range(4):
        if not 0.05 < depth < 5.0:
            return float("nan"), float("nan")
        runs = sample_positions(
            LennardJones(depth, diameter, cutoff=CUTOFF), frame, 10, 20,
            settings=MetropolisSettings(burn_in_sweeps=200), rng=rng,
        )  # fmt: skip
        made = measure_radial_distribution(runs, longest=CUTOFF, n_bins=60)["g"].to_numpy()
        u = u + np.log(np.maximum(made, 1e-3) / np.maximum(seen, 1e-3))
        depth, diameter, _ = invert_boltzmann(frame, u)
    return depth, diameter


def pseudolikelihood(frame: Any, rng: np.random.Generator) -> tuple[float, float]:
    """Besag's pseudolikelihood of a Gibbs point process, as spatstat's ``ppm`` maximises it.

    The density to find a particle at x given the others is exp(mu - sum u): the sum of its
    logarithm over the particles less its integral over random places.
    """
    box = np.diag(frame.cell)
    pairs, _, distance = close_pairs(frame.positions, CUTOFF, box)
    own = np.zeros((frame.n, 2))
    for k, shape in enumerate(_shapes(distance)):
        own[:, k] = np.bincount(pairs.ravel(), np.repeat(shape, 2), frame.n)
    trials = rng.uniform(0, box, (N_TRIALS, 2))
    near = cKDTree(frame.positions, boxsize=box).sparse_distance_matrix(
        cKDTree(trials, boxsize=box), CUTOFF, output_type="ndarray"
    )
    there = np.zeros((N_TRIALS, 2))
    for k, shape in enumerate(_shapes(np.maximum(near["v"], 0.3))):
        there[:, k] = np.bincount(near["j"], shape, N_TRIALS)
    there = np.minimum(there, 1e6)
    at, weight = np.array([0.0, 5.0, 5.0]), float(np.prod(box)) / N_TRIALS
    seen = np.column_stack([np.ones(frame.n), -own[:, 0], own[:, 1]]).sum(axis=0)
    design = np.column_stack([np.ones(N_TRIALS), -there[:, 0], there[:, 1]])
    at[0] = np.log(frame.n / (weight * np.exp(np.minimum(design @ at, 50.0)).sum()))
    for _ in range(40):
        rate = weight * np.exp(np.minimum(design @ at, 50.0))
        step = np.linalg.solve((design * rate[:, None]).T @ design, seen - design.T @ rate)
        at += step * min(1.0, 2.0 / np.abs(step).max())
        if np.abs(step).max() < 1e-6:
            break
    if at[1] <= 0.0 or at[2] <= 0.0:
        return float("nan"), float("nan")
    return float(at[2] ** 2 / (4 * at[1])), float((at[1] / at[2]) ** (1 / 6))


def score_without_weights(frame: Any) -> tuple[float, float]:
    """Score matching as it is mostly written: fields are the two forces themselves."""
    pairs, vectors, r = close_pairs(frame.positions, CUTOFF, np.diag(frame.cell))
    slopes = -12 * r**-13 + 12 * CUTOFF**-13, 6 * r**-7 - 6 * CUTOFF**-7  # smooth at the cutoff
    bends = 156 * r**-14, -42 * r**-8
    force, spread = np.zeros((frame.n, 2, 2)), np.zeros(2)
    for k in range(2):
        for axis in range(2):
            push = slopes[k] * vectors[:, axis] / r
            force[:, k, axis] = np.bincount(pairs[:, 0], push, frame.n)
            force[:, k, axis] -= np.bincount(pairs[:, 1], push, frame.n)
        spread[k] = -2 * (bends[k] + slopes[k] / r).sum()
    square = np.einsum("nka,nla->kl", force, force)
    c12, c6 = -np.linalg.solve(square, spread)
    if min(c12, c6) <= 0.0:
        return float("nan"), float("nan")
    return float(c6**2 / (4 * c12)), float((c12 / c6) ** (1 / 6))


def _shapes(r: Float) -> tuple[Float, Float]:
    return r**-12 - CUTOFF**-12, r**-6 - CUTOFF**-6
