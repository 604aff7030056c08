"""Force between diffusing particles by their distance, straight from their displacements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_array
from physlearn.inference.langevin.diffusion import measure_diffusion
from physlearn.inference.langevin.film import Film, film_of, require_motion
from physlearn.inference.langevin.pair_force_regression import (
    blocks_of,
    pair_sums,
    solve_by_blocks,
)
from physlearn.records import Trajectory
from physlearn.results import Fit, fit_from_draws

__all__ = ["measure_pair_force"]

Float = NDArray[np.float64]
N_BINS = 6
N_SHOTS = 40
N_CLOSE = 30
"""Pairs nearer than the bins from which on they have a bin of their own, which is not told."""
N_SLICES, CLEAR_SD = 40, 2.5
"""Slices of distance in which missing pairs are looked for; the bins begin so many standard
deviations of what pairs move within two lags beyond them."""
N_DRAWS = 4000
LARGEST_SHIFT = 0.3
"""Of a bin's width: a force that moves pairs further within the lag is seen blurred."""


def measure_pair_force(
    trajectory: Trajectory,
    *,
    distances: ArrayLike | None = None,
    lag: int | None = None,
    projected: bool = False,
    remove_drift: bool = True,
    rng: int | np.random.Generator | None = None,
) -> Fit:
    """Measure the pair force by distance of particles that diffuse, and whether there is one.

    Displacements over ``lag`` frames are regressed on D t sum_j r_ij / |r_ij| by distance bin; the
    directions come from positions one lag earlier, so that the error of a shared position pulls
    nothing. A linear flow is taken out of both; particles near an edge are neighbours only (of
    those that stay in view more moved inward, which looks like attraction). Errors come from the
    differences between cells of space, so that motion which neighbours share is counted. It suits
    dilute suspensions, where a step moves a pair little within the reach of its force;
    ``fit_langevin`` fits stiff forces.

    Parameters
    ----------
    trajectory
        Linked tracks, periodic or a field of view.
    distances
        Rising edges of the bins; None: six bins from where hardly any pair could meet within two
        lags (2.5 standard deviations beyond where pairs are half as dense as further out), up
        to twice the median distance of nearest neighbours. Closer, tracks that end when images
        merge leave only pairs that part, which looks like repulsion.
    lag
        Frames; None: the shortest over which displacements keep no memory. Long lags tell no more
        and leave out more of the near pairs.
    projected
        The positions are projections of particles that also move along the view: the force found
        is an average over unseen heights, and distances are lower bounds. The result says so.
    remove_drift
        Take the common motion of all particles out.
    rng
        Seed or generator.

    Returns
    -------
    Fit
        ``force`` by ``distance`` (kT / length, positive: repulsion) and ``diffusion``; diagnostics
        ``p_no_force`` (all bins together), ``largest_z`` and ``n_pairs``.

    Raises
    ------
    InputError
        For edges that do not rise.
    NotIdentified
        Where fewer than 30 particles, or no pairs, are seen long enough.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> start = 10 * rng.random((40, 2))
    >>> walk = start + np.cumsum(rng.normal(0.0, 0.05, (60, 40, 2)), axis=0)
    >>> film = Trajectory(np.repeat(range(60), 40), np.tile(range(40), 60), walk.reshape(-1, 2),
    ...     0.1 * np.arange(60), unit="um")
    >>> fit = measure_pair_force(film, distances=[0.2, 1.0, 2.0], lag=2, rng=1)
    >>> fit["force"].shape, fit.diagnostics["p_no_force"] > 0.01
    ((4000, 2), True)
    """
    from scipy.stats import f

    trajectory = require_motion(trajectory, 4)
    generator, seed = as_generator(rng)
    found = measure_diffusion(
        trajectory, min_lag=lag, lags=None if lag is None else [lag],
        remove_drift=remove_drift, rng=generator,
    )  # fmt: skip
    # free of memory is enough: what smears positions within it moves no mean
    lag = min(int(found.fit.diagnostics.get("memory_frames", 1)), found.min_lag)
    film = film_of(trajectory)
    scale = found.diffusion * lag * film.interval
    edges = _edges(film, distances, 2.0 * scale)
    sums = pair_sums(film, edges, lag, remove_drift, np.sqrt(2.0 * scale))
    if sums.n_particles < 30:
        raise NotIdentified(
            f"the pair force needs 30 particles at a time; {sums.n_particles} are seen for "
            f"{2 * lag} frames beside another."
        )
    inner = sums.n_pairs[0] >= N_CLOSE
    if not inner:
        sums = replace(sums, design=sums.design[..., 1:])
    block, missed, errors_from = blocks_of(film, sums, lag, float(edges[-1]))
    every, covariances, n = solve_by_blocks(sums, scale, block, missed)
    q = len(edges) - 1
    if n < q + 6:
        raise NotIdentified(
            f"the errors of {q} distance bins come from the differences between blocks of space "
            f"and time; this film holds {n:.0f}, {q + 6} are needed: give fewer bins or more "
            "frames."
        )
    force, covariance = every[-q:], covariances[-q:, -q:]
    square = float(force @ np.linalg.solve(covariance, force))
    p = float(f.sf(square * (n - q) / (n - 1.0) / q, q, n - q))
    z = force / np.sqrt(np.diag(covariance))
    # Student's t: the covariance is known from so many blocks
    draws = generator.multivariate_normal(np.zeros(q), covariance, N_DRAWS)
    draws = force + draws / np.sqrt(generator.chisquare(n - 1, (N_DRAWS, 1)) / (n - 1.0))
    middle = 0.5 * (edges[1:] + edges[:-1])
    return fit_from_draws(
        {"force": draws, "diffusion": generator.choice(found.fit["diffusion"], N_DRAWS)},
        model=f"pair force by distance, displacements over {lag} frames",
        likelihood="regression of displacements on earlier directions",
        approximation=f"Student's t, errors from the differences between {errors_from}", seed=seed,
        data=[trajectory.positions, trajectory.frame, trajectory.particle],
        dims={"force": ["distance"]}, coords={"distance": middle.round(6).tolist()},
        units={"force": f"kT/{trajectory.unit}", "diffusion": found.unit},
        diagnostics={
            "p_no_force": p, "largest_z": float(np.abs(z).max()), "z": z, "edges": edges,
            "n_pairs": sums.n_pairs[1:], "lag_frames": lag, "n_particles": sums.n_particles,
            "n_blocks": n, "errors_from": errors_from,
        },
        warnings=[*found.warnings, *_cautions(force, z, edges, scale, p, projected),
            *([] if distances is not None else [_left_out(edges[0], trajectory.unit)])],
    )  # fmt: skip


def _left_out(first: float, unit: str) -> str:
    return (
        f"pairs nearer than {first:.3g} {unit} are left out: where tracks end as two images merge, "
        "those left move apart, which looks like repulsion; give distances= to see them."
    )


def _cautions(
    force: Float, z: Float, edges: Float, scale: float, p: float, projected: bool
) -> list[str]:
    said = []
    if p > 0.05:
        said.append(f"no pair force is seen: all bins together hold 0 (p = {p:.2f}).")
    wide = np.diff(edges)
    shift = 2.0 * scale * np.abs(force) / wide
    certain = np.abs(z) > 3.0
    if (shift[certain] > LARGEST_SHIFT).any():
        said.append(
            "the force moves pairs across a bin within the lag, so that regression blurs and "
            "weakens it: fit_langevin simulates the way in between."
        )
    if projected:
        said.append(
            "positions are projections: particles at different heights look close and push each "
            "other less, so that a force of 0 here bounds the average over heights only."
        )
    return said


def _edges(film: Film, given: ArrayLike | None, variance: float) -> Float:
    """Return the bins; ``variance``: of a particle's step over one lag along an axis."""
    if given is not None:
        edges = np.asarray(check_array("distances", given, ndim=1))
        if len(edges) < 2 or (np.diff(edges) <= 0.0).any() or edges[0] < 0.0:
            raise InputError(f"distances must rise from 0 or more; got {edges.tolist()}.")
        return edges
    from scipy.spatial import cKDTree

    d, every = film.dimension, []
    shots = [
        film.places[t, film.seen[t].astype(bool), :d]
        for t in np.unique(np.linspace(0, len(film.places) - 1, N_SHOTS).astype(int))
    ]
    shots = [places for places in shots if len(places) > 1]
    if not shots:
        raise NotIdentified("no frame of trajectory holds two particles: there are no pairs.")
    near = [np.asarray(cKDTree(places).query(places, k=2)[0])[:, 1] for places in shots]
    reach = 2.0 * float(np.median(np.concatenate(near)))
    for places in shots:
        pairs = cKDTree(places).query_pairs(reach, output_type="ndarray")
        every.append(np.sqrt(((places[pairs[:, 0]] - places[pairs[:, 1]]) ** 2).sum(axis=1)))
    # images that merge end their tracks: of pairs that could have met only those that part are
    # left, which looks like repulsion; so the bins begin beyond what two lags let them move
    closest = _depleted(np.concatenate(every), reach, d) + CLEAR_SD * np.sqrt(4.0 * variance)
    return np.asarray(np.geomspace(min(closest, 0.6 * reach), reach, N_BINS + 1))


def _depleted(distance: Float, reach: float, dimension: int) -> float:
    """Return the distance below which pairs are rarer than half as dense as further out."""
    count, edges = np.histogram(distance, np.linspace(0.0, reach, N_SLICES + 1))
    density = count / np.diff(edges**dimension)
    rare = np.flatnonzero(density[: N_SLICES // 2] < 0.5 * np.median(density[N_SLICES // 2 :]))
    return float(edges[rare[-1] + 1]) if rare.size else 0.0
