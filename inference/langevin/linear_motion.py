"""Exact steps of motion in a linear force between frames, with inertia and exposure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["linear_steps"]

Float = NDArray[np.float64]


def linear_steps(
    gaps: Float, stiffness: Float, center: Float, rates: tuple[float, float, float], exposure: float
) -> tuple[Float, Float, Float]:
    """Return map (g, d, k, k), shift (g, d, k) and noise (g, d, k, k) of the state over gaps.

    ``rates``: friction, kT / m, and the diffusion, which is 0 for motion with inertia. The state is
    position, velocity with inertia, and the mean position over the exposure if there is one; the
    matrix exponential is that of C. F. Van Loan, IEEE Trans. Automat. Control 23, 395 (1978),
    doi:10.1109/TAC.1978.1101743.

    Examples
    --------
    >>> step, push, fresh = linear_steps(np.array([0.5]), np.array([2.0]), np.zeros(1),
    ...                                  (0.0, 0.0, 1.0), 0.0)
    >>> bool(np.allclose([step, 2.0 * fresh], [[[[[np.exp(-1)]]]], [[[[1 - np.exp(-2)]]]]]))
    True
    """
    dark = _over(np.maximum(gaps - exposure, 0.0), stiffness, center, rates, 0.0)
    if exposure == 0.0:
        return dark
    lit = _over(np.array([exposure]), stiffness, center, rates, exposure)
    g, d, k = len(gaps), len(stiffness), lit[1].shape[2]
    step, push, fresh = np.zeros((g, d, k, k)), np.zeros((g, d, k)), np.zeros((g, d, k, k))
    step[..., : k - 1, : k - 1], push[..., : k - 1] = dark[0], dark[1]
    fresh[..., : k - 1, : k - 1] = dark[2]
    after = np.swapaxes(lit[0], 2, 3)
    return (
        lit[0] @ step,
        np.einsum("gdij,gdj->gdi", np.broadcast_to(lit[0], step.shape), push) + lit[1],
        lit[0] @ fresh @ after + lit[2],
    )


def _over(
    times: Float, stiffness: Float, center: Float, rates: tuple[float, float, float],
    exposure: float,
) -> tuple[Float, Float, Float]:  # fmt: skip
    """Return steps over times in the dark (exposure 0), or exposed."""
    from scipy.linalg import expm

    friction, square, diffusion = rates
    inertial = diffusion == 0.0
    order = 2 if inertial else 1
    d, k = len(stiffness), order + (exposure > 0.0)
    # state, then 1, whose column carries the shift; Van Loan's block beside it
    block = np.zeros((d, 2 * k + 2, 2 * k + 2))
    drift, noise = np.zeros((d, k + 1, k + 1)), np.zeros((k + 1, k + 1))
    pull = (square if inertial else diffusion) * stiffness
    drift[:, order - 1, 0], drift[:, order - 1, k] = -pull, pull * center
    noise[order - 1, order - 1] = 2.0 * (friction * square if inertial else diffusion)
    if inertial:
        drift[:, 0, 1], drift[:, 1, 1] = 1.0, -friction
    if exposure > 0.0:
        drift[:, k - 1, 0] = 1.0 / exposure
    m = k + 1
    block[:, :m, :m], block[:, m:, m:] = drift, -np.swapaxes(drift, 1, 2)
    block[:, :m, m:] = noise
    # halves and doublings keep exp(-drift) of long times from overflowing
    largest = float(abs(drift[:, :k, :k]).sum(axis=2).max() * max(times.max(), 0.0))
    n_halves = max(0, int(np.ceil(np.log2(max(largest, 1.0)))))
    whole = expm(block * (times * 0.5**n_halves)[:, None, None, None])
    step = whole[..., :m, :m]
    fresh = whole[..., :m, m:] @ np.swapaxes(step, 2, 3)
    for _ in range(n_halves):
        fresh = step @ fresh @ np.swapaxes(step, 2, 3) + fresh
        step = step @ step
    fresh = 0.5 * (fresh + np.swapaxes(fresh, 2, 3))
    return step[..., :k, :k], step[..., :k, k], fresh[..., :k, :k]
