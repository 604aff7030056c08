"""A closed wall that moves along its normal: exact front propagation in polar form.

The law is ``v_n = drive_velocity(t) - curvature_mobility * curvature``: the wall of a star-shaped
domain r(angle) about a fixed centre obeys ``dr/dt = v_n sqrt(r^2 + r'^2) / r``. Derivatives along
the angle are spectral (with the upper third of the modes removed), time is a fourth-order
Runge-Kutta step, so that the error is far below what a picture can show.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_count

__all__ = ["front_substeps", "polar_geometry", "propagate_polar_front"]

Floats = NDArray[np.float64]

CLOSED = 0.01  # of a front's first mean radius, below which it has closed on its centre
MOST_SUBSTEPS = 400


@lru_cache(maxsize=16)
def _spectral_matrices(n_angles: int) -> tuple[Floats, Floats, Floats]:
    """Matrices to multiply from the right: first and second derivative, de-aliasing filter."""
    modes = np.arange(n_angles // 2 + 1)
    keep = (modes <= n_angles // 3).astype(float)
    spectrum = np.fft.rfft(np.eye(n_angles), axis=-1) * keep

    def back(factor: NDArray[Any]) -> Floats:
        return np.ascontiguousarray(np.fft.irfft(spectrum * factor, n_angles, axis=-1))

    first = back(1j * modes)
    second = back((-(modes.astype(float) ** 2)).astype(complex))
    return first, second, back(np.ones(modes.size, dtype=complex))


def polar_geometry(radii: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Stretch, curvature and angular derivative of closed curves r(angle) on an even angle grid.

    Parameters
    ----------
    radii
        Shape (..., n_angles), in pixels or any length; angle k is ``2 pi k / n_angles``.

    Returns
    -------
    stretch, curvature, derivative
        Each of the shape of ``radii``: sqrt(r^2 + r'^2) (length per radian), the curvature (1 /
        length, positive where the inside is convex) and r'.

    Examples
    --------
    >>> import numpy as np
    >>> stretch, curvature, derivative = polar_geometry(np.full(32, 5.0))
    >>> round(float(stretch[0]), 6), round(float(curvature[0]), 6)
    (5.0, 0.2)
    """
    radius = np.asarray(radii, dtype=float)
    first_matrix, second_matrix, _ = _spectral_matrices(radius.shape[-1])
    first = radius @ first_matrix
    second = radius @ second_matrix
    square = radius * radius + first * first
    stretch = np.sqrt(square)
    curvature = (square + first * first - radius * second) / (square * stretch)
    return stretch, curvature, first


def front_substeps(
    smallest_radius: float,
    largest_speed: float,
    curvature_mobility: float,
    frame_interval: float,
    n_angles: int,
) -> int:
    """Count the Runge-Kutta steps per frame interval that are stable and accurate.

    Parameters
    ----------
    smallest_radius
        Smallest radius that the fronts reach, length.
    largest_speed
        Largest speed along the normal without curvature, length per time.
    curvature_mobility
        length^2 per time.
    frame_interval
        Time between frames.
    n_angles
        Points of the angle grid.

    Returns
    -------
    int
        From 2 to 400; a radius of 0 gets 400. The step keeps
        ``curvature_mobility (n_angles / 3)^2 / r^2 * step < 2`` (the
        stability limit of the method is 2.78) and moves less than a tenth of the radius.

    Examples
    --------
    >>> front_substeps(10.0, 0.5, 0.5, 1.0, 64)
    2
    """
    if not smallest_radius > 0:
        return MOST_SUBSTEPS
    bend_speed = abs(curvature_mobility) / smallest_radius
    diffusive = bend_speed * (n_angles // 3) ** 2 / smallest_radius / 2.0
    convective = (abs(largest_speed) + bend_speed) / (0.1 * smallest_radius)
    count = np.ceil(frame_interval * max(diffusive, convective))
    return int(min(MOST_SUBSTEPS, max(2, count)))


def _rate(radius: Floats, speed: Floats, mobility: Floats) -> Floats:
    stretch, curvature, _ = polar_geometry(radius)
    result: Floats = (speed - mobility * curvature) * stretch / radius
    return result


def propagate_polar_front(
    radii: ArrayLike,
    drive_velocity: ArrayLike,
    curvature_mobility: ArrayLike,
    times: ArrayLike,
    *,
    substeps: int | None = None,
) -> Floats:
    """Move closed walls by ``v_n = drive_velocity(t) - curvature_mobility * curvature``.

    Parameters
    ----------
    radii
        Initial radii about fixed centres, shape (n_fronts, n_angles), n_angles a multiple of 4 and
        at least 16; positive. Only modes up to n_angles / 3 are kept.
    drive_velocity
        Velocity along the outward normal from each frame to the next, shape (n_frames - 1,) or
        (n_fronts, n_frames - 1); constant in between. Length per time; positive grows.
    curvature_mobility
        Length^2 per time, one number or one per front.
    times
        Frame times, shape (n_frames,), increasing.
    substeps
        Runge-Kutta steps per interval; None chooses (see `front_substeps`).

    Returns
    -------
    ndarray
        Radii at the frame times, shape (n_frames, n_fronts, n_angles). A front that closes on its
        centre (1 % of its first mean radius) is NaN from then on.

    Raises
    ------
    InputError
        If a shape is wrong, a radius is not positive, or the times do not increase.

    Notes
    -----
    A circle without drive obeys ``R^2 = R0^2 - 2 curvature_mobility t`` (curve shortening; Gage and
    Hamilton, J. Differential Geom. 23, 69 (1986), doi:10.4310/jdg/1214439902).

    Examples
    --------
    >>> import numpy as np
    >>> radii = propagate_polar_front(np.full((1, 32), 10.0), [0.0, 0.0], 0.5, [0.0, 10.0, 20.0])
    >>> bool(abs(radii[-1, 0, 0] - np.sqrt(100.0 - 2 * 0.5 * 20.0)) < 1e-6)
    True
    """
    start = check_array("radii", radii, ndim=2)
    time = check_array("times", times, ndim=1)
    n_fronts, n_angles = start.shape
    _check_front(start, time)
    # a draw of a sampler may be far out: its front is lost (NaN), the others go on
    speed = check_array("drive_velocity", drive_velocity, finite=False, allow_empty=True)
    if speed.shape not in {(time.size - 1,), (n_fronts, time.size - 1)}:
        raise InputError(
            f"drive_velocity must have shape ({time.size - 1},) or ({n_fronts}, {time.size - 1}), "
            f"one value per interval between frames; got {speed.shape}."
        )
    speed = np.broadcast_to(speed, (n_fronts, time.size - 1))
    given = check_array("curvature_mobility", curvature_mobility, finite=False)
    if given.shape not in {(), (1,), (n_fronts,)}:
        raise InputError(
            f"curvature_mobility must be one number or {n_fronts}, one a front; got {given.shape}."
        )
    mobility = np.broadcast_to(given, (n_fronts,))[:, None]
    if substeps is not None:
        substeps = check_count("substeps", substeps, 1)
    _, _, keep = _spectral_matrices(n_angles)
    radius = start @ keep
    closed = CLOSED * start.mean(axis=1)
    frames = np.empty((time.size, n_fronts, n_angles))
    frames[0] = radius
    with np.errstate(all="ignore"):
        for index in range(time.size - 1):
            interval = float(time[index + 1] - time[index])
            count = substeps or front_substeps(
                float(np.nanmin(radius)) * 0.8 if np.isfinite(radius).any() else 1.0,
                float(np.max(np.abs(speed[:, index]))),
                float(np.max(np.abs(mobility))),
                interval,
                n_angles,
            )
            step = interval / count
            radius = _advance(radius, speed[:, index, None], mobility, step, count, closed)
            frames[index + 1] = radius
    return frames


def _check_front(start: Floats, time: Floats) -> None:
    n_angles = start.shape[1]
    if n_angles < 16 or n_angles % 4:
        raise InputError(f"radii must have at least 16 angles and a multiple of 4, got {n_angles}.")
    if not (start > 0).all():
        raise InputError(f"radii must be positive, the smallest is {start.min():.4g}.")
    if time.size < 1 or (np.diff(time) <= 0).any():
        raise InputError("times must increase from frame to frame.")


def _advance(
    radius: Floats, speed: Floats, mobility: Floats, step: float, count: int, closed: Floats
) -> Floats:
    """Make ``count`` Runge-Kutta steps; a front that comes below its ``closed`` is lost."""
    _, _, keep = _spectral_matrices(radius.shape[1])
    for _ in range(count):
        k1 = _rate(radius, speed, mobility)
        k2 = _rate(radius + 0.5 * step * k1, speed, mobility)
        k3 = _rate(radius + 0.5 * step * k2, speed, mobility)
        k4 = _rate(radius + step * k3, speed, mobility)
        radius = (radius + step / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)) @ keep
        radius[~(radius.min(axis=1) > closed)] = np.nan
    return radius
