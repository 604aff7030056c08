"""Other ways from tracks to a pair force: stochastic force inference and PySINDy."""

from __future__ import annotations

import importlib.util

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.configurations.pair_list import close_pairs
from physlearn.inference.langevin.motion_data import read_motion
from physlearn.records import Trajectory

__all__ = ["infer_stochastic_force", "sindy_installed", "sparse_regression"]

Float = NDArray[np.float64]


def _basis(places: Float, cutoff: float, box: Float) -> tuple[Float, Float]:
    """Forces of r^-12 and -r^-6 on each particle, (2, n, d), and their divergences, (2, n)."""
    pairs, away, distance = close_pairs(np.mod(places, box), cutoff, box)
    square = distance**2
    n, d = places.shape
    force, divergence = np.zeros((2, n, d)), np.zeros((2, n))
    for k, (power, sign) in enumerate(((12, 1.0), (6, -1.0))):
        strength = sign * power * square ** (-0.5 * power - 1.0)
        for end, side in ((0, -1.0), (1, 1.0)):
            for c in range(d):
                force[k, :, c] += np.bincount(pairs[:, end], side * strength * away[:, c], n)
            divergence[k] += np.bincount(pairs[:, end], (d - power - 2.0) * strength, n)
    return force, divergence


def infer_stochastic_force(film: Trajectory, cutoff: float) -> Float:
    """Return c12, c6 and D: Stratonovich averages less the divergence of the basis.

    The linear estimator of Frishman & Ronceray, Phys. Rev. X 10, 021009 (2020),
    doi:10.1103/PhysRevX.10.021009, for a constant diffusion, which the mean squared displacement
    gives: c = G^-1 (<dx/dt o b> / D - <div b>).
    """
    data = read_motion(film)
    assert data.box is not None
    known = [_basis(places, cutoff, data.box) for places in data.positions]
    moved = np.diff(data.positions, axis=0)
    diffusion = float((moved**2).mean() / (2.0 * data.interval))
    current, spread, source = np.zeros(2), np.zeros((2, 2)), np.zeros(2)
    for dx, (now, left), (then, right) in zip(moved, known[:-1], known[1:], strict=True):
        current += np.einsum("knd,nd->k", 0.5 * (now + then), dx) / data.interval
        spread += 0.5 * np.einsum("knd,lnd->kl", now, now)
        spread += 0.5 * np.einsum("knd,lnd->kl", then, then)
        source += 0.5 * (left + right).sum(axis=1)
    return np.append(np.linalg.solve(spread, current / diffusion - source), diffusion)


def sindy_installed() -> bool:
    """Whether PySINDy can be imported."""
    return importlib.util.find_spec("pysindy") is not None


def sparse_regression(film: Trajectory, cutoff: float, *, forward: bool) -> Float:
    """Return c12, c6 and D by PySINDy's least squares of velocities on the forces of the basis.

    Velocities: PySINDy's own centred differences, or forward differences, which don't look back.
    """
    import pysindy

    data = read_motion(film)
    assert data.box is not None
    moved = np.diff(data.positions, axis=0)
    diffusion = float((moved**2).mean() / (2.0 * data.interval))
    if forward:
        velocity, frames = moved / data.interval, data.positions[:-1]
    else:
        flat = data.positions.reshape(data.n_frames, -1)
        velocity = pysindy.FiniteDifference()(flat, data.interval).reshape(data.positions.shape)
        frames = data.positions
    basis = np.stack([_basis(places, cutoff, data.box)[0] for places in frames], axis=-1)
    optimizer = pysindy.STLSQ(threshold=0.0, alpha=0.0)
    optimizer.fit(basis.transpose(3, 1, 2, 0).reshape(-1, 2), velocity.reshape(-1, 1))
    return np.append(np.ravel(optimizer.coef_) / diffusion, diffusion)
