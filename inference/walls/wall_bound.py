"""The smallest errors that any fit of a planted wall film can reach."""

from __future__ import annotations

import numpy as np

from physlearn.checks import InputError, check_count
from physlearn.datasets.synthetic.synthetic_walls import SyntheticWalls
from physlearn.inference.fronts.wall_fronts import shape_basis
from physlearn.lattice_models.walls.wall_front import polar_geometry, propagate_polar_front

__all__ = ["wall_dynamics_bound"]


def wall_dynamics_bound(
    scene: SyntheticWalls, *, shape_modes: int | None = None
) -> dict[str, float]:
    """Smallest standard deviations that any unbiased estimator can reach on a planted wall film.

    The Cramer-Rao bound from the pixels: noise and profile known, first shapes free (as Fourier
    modes) and integrated out.

    Parameters
    ----------
    scene
        From `make_wall_video`.
    shape_modes
        Highest free mode of the first shapes; None takes the planted one.

    Returns
    -------
    dict
        Standard deviations of ``drive_mobility`` and ``curvature_mobility``, in pixels and frames.

    Raises
    ------
    InputError
        If the film was planted without noise.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video
    >>> bound = wall_dynamics_bound(make_wall_video(n_frames=6, rng=1))
    >>> 0 < bound["drive_mobility"] < bound["curvature_mobility"] < 0.2
    True
    """
    planted = scene.options
    if not planted.noise_sd > 0:
        raise InputError("scene was planted without noise: the bound is zero.")
    modes = (
        planted.shape_modes if shape_modes is None else check_count("shape_modes", shape_modes, 0)
    )
    n_angles = scene.radii.shape[2]
    basis = shape_basis(n_angles, modes)
    times = np.arange(len(scene.radii), dtype=float)
    per_length = 4.0 / (3.0 * planted.wall_width_pixel * planted.noise_sd**2)
    truth = np.array([planted.drive_mobility, planted.curvature_mobility])
    information = np.zeros((2, 2))
    for radii in np.moveaxis(scene.radii, 1, 0):
        step = np.concatenate([[1e-4, 1e-4], np.full(basis.shape[1], 1e-3)])
        size = step.size
        moves = np.concatenate([np.diag(step), -np.diag(step)])
        fronts = propagate_polar_front(
            radii[0] + moves[:, 2:] @ basis.T,
            (truth[0] + moves[:, :1]) * scene.drive[:-1],
            truth[1] + moves[:, 1],
            times,
            substeps=8,
        )
        slopes = (fronts[:, :size] - fronts[:, size:]) / (2 * step[:, None])
        stretch, _, _ = polar_geometry(radii)
        weight = np.sqrt(per_length * stretch * 2 * np.pi / n_angles) * radii / stretch
        jacobian = (slopes * weight[:, None]).transpose(0, 2, 1).reshape(-1, size)
        cross, own = jacobian[:, :2], jacobian[:, 2:]
        free = cross - own @ np.linalg.lstsq(own, cross, rcond=None)[0]
        information += free.T @ free
    spread = np.sqrt(np.diag(np.linalg.inv(information)))
    return {"drive_mobility": float(spread[0]), "curvature_mobility": float(spread[1])}
