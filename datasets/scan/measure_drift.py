"""Drift of the sample from a series of frames of one place, and atoms freed of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_positive
from physlearn.datasets.reading.picture_frame import picture_frame
from physlearn.datasets.scan.declared_lattice import undo_drift_of
from physlearn.datasets.scan.register_images import MODELS, Registration, register_images
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["DriftSeries", "measure_drift", "undo_drift"]

Floats = NDArray[np.float64]
Report = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DriftSeries:
    """How the sample moved from frame to frame, and evenly over all of them.

    Attributes
    ----------
    registrations
        Of each later frame against the first.
    shift, shift_sd
        Shape (frames, 2): of every frame against the first (0 for itself), in ``unit``.
    velocity, velocity_sd
        (x, y) per frame, as seen: the even part, and its error (scatter between frames included).
    turning, turning_sd
        Rotation per frame, radians; 0 where only shifts were fitted.
    shear, shear_sd
        Shape (2, 2) per frame: growth of the matrix beyond the rotation; 0 unless ``affine``.
    scatter_ratio
        Chi-square per number of what even drift leaves: about 1 where it is even.
    drift_per_row, drift_per_row_sd
        (x, y) movement per picture row as a share of the row distance: what shears a single frame.
    unit
        Of shifts and velocity.
    warnings
        What to know.

    Examples
    --------
    >>> from physlearn.datasets import make_scan_series
    >>> series = make_scan_series((64, 64), 3, velocity_px=(1.0, 0.0), rng=1)
    >>> drift = measure_drift(series.images, model="shift", largest_shift_px=4.0)
    >>> bool(abs(drift.velocity[0] - 1.0) < 0.1)
    True
    """

    registrations: tuple[Registration, ...]
    shift: Floats
    shift_sd: Floats
    velocity: Floats
    velocity_sd: Floats
    turning: float
    turning_sd: float
    shear: Floats
    shear_sd: Floats
    scatter_ratio: float
    drift_per_row: Floats
    drift_per_row_sd: Floats
    unit: str
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def measure_drift(
    frames: xr.DataArray | Sequence[xr.DataArray] | ArrayLike,
    *,
    model: str = "rigid",
    rows_per_frame: float | None = None,
    largest_shift_px: float | None = None,
    progress: Report | None = None,
) -> DriftSeries:
    """Measure shift, rotation and shear of a series of frames, and the even drift in each frame.

    Every frame is registered to the first. The even parts are fitted by generalised least squares:
    the first frame's noise is common to all registrations. Between two frames the scan passes
    ``rows_per_frame`` row times, so that the movement per frame, divided by it, is the movement
    per row that shears every single frame.

    Parameters
    ----------
    frames
        Shape (frames, rows, columns), or a list of pictures alike in shape; at least 2.
    model
        ``shift``, ``rigid`` or ``affine``, see ``register_images``.
    rows_per_frame
        Row times from one frame's start to the next's; None takes the rows of a frame (no pause).
    largest_shift_px
        See ``register_images``; about where even drift would have brought each frame.
    progress
        Called with the share done and a word.

    Returns
    -------
    DriftSeries
        Shifts, even drift, and drift per row with errors.

    Raises
    ------
    NotIdentified
        Where a frame has nothing in common with the first.
    InputError
        For fewer than two frames, or frames that are no pictures.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:64, :64]
    >>> spots = rng.uniform(10, 54, (12, 2))
    >>> def draw(d):
    ...     return sum(np.exp(-((x - a - d) ** 2 + (y - b) ** 2) / 8) for a, b in spots)
    >>> frames = np.array([draw(0.5 * t) + rng.normal(0, 0.02, (64, 64)) for t in range(4)])
    >>> drift = measure_drift(frames, model="shift")
    >>> bool(abs(drift.velocity[0] - 0.5) < 0.02), round(float(drift.drift_per_row[0]), 3)
    (True, 0.008)
    """
    check_choice("model", model, tuple(MODELS))
    pictures = _pictures(frames)
    n_rows = pictures[0].shape[0]
    per_frame = float(n_rows)
    if rows_per_frame is not None:
        per_frame = check_positive("rows_per_frame", rows_per_frame)
    found: list[Registration] = []
    expected = np.zeros(2)
    for k, picture in enumerate(pictures[1:]):
        found.append(
            register_images(
                pictures[0], picture, model=model, largest_shift_px=largest_shift_px,
                around_px=(float(expected[0]), float(expected[1])),
            )
        )  # fmt: skip
        apart = np.subtract(picture_frame(picture).origin, picture_frame(pictures[0]).origin)
        last = (found[-1].shift - apart) / _pixel(pictures[0])
        # the drift goes on as it began: the search for the next frame starts there
        expected = last * (k + 2) / (k + 1)
        if progress is not None:
            progress((k + 1) / (len(pictures) - 1), "frames")
    numbers = np.array([_numbers(r) for r in found])
    line, line_sd, ratio = _even(numbers, [_covariance(r) for r in found])
    pixel = float(_pixel(pictures[0])[1])
    # a sample that moves along y is met later by v_y / rows of a frame: all shifts are seen larger
    seen, seen_sd = line[:2] / (per_frame * pixel), line_sd[:2] / (per_frame * pixel)
    share, share_sd = seen / (1.0 + seen[1]), seen_sd / (1.0 + seen[1])
    shear, shear_sd = line[3:].reshape(2, 2), line_sd[3:].reshape(2, 2)
    shift = np.vstack([np.zeros(2), numbers[:, :2]])
    shift_sd = np.vstack([np.zeros(2), [r.shift_sd for r in found]])
    warnings = tuple(dict.fromkeys(text for r in found for text in r.warnings))
    if ratio > 2.0 and len(found) > 2:
        warnings += (
            f"the drift is not even (scatter {ratio:.1f} times the registration errors): the drift "
            "inside one frame is known only as its mean.",
        )
    return DriftSeries(
        tuple(found), shift, shift_sd, line[:2], line_sd[:2], float(line[2]), float(line_sd[2]),
        shear, shear_sd, ratio, share, share_sd, found[0].unit, warnings,
    )  # fmt: skip


def _pictures(frames: xr.DataArray | Sequence[xr.DataArray] | ArrayLike) -> list[xr.DataArray]:
    """Return the frames as pictures."""
    if isinstance(frames, xr.DataArray):
        if frames.ndim != 3:
            raise InputError(f"frames must have shape (frames, rows, columns); got {frames.shape}.")
        listed = [frames[k] for k in range(frames.shape[0])]
    else:
        if not isinstance(frames, Iterable):
            raise InputError(f"frames must be pictures, one after the other; got {frames!r}.")
        listed = [_picture(k, frame) for k, frame in enumerate(frames)]
    if len(listed) < 2:
        raise InputError(f"frames must hold at least 2 frames; got {len(listed)}.")
    return listed


def _picture(k: int, frame: Any) -> xr.DataArray:
    if isinstance(frame, xr.DataArray):
        return frame
    values = check_array(f"frames[{k}]", frame, ndim=2, finite=False)
    return xr.DataArray(values, dims=("y", "x"))


def _pixel(picture: xr.DataArray) -> Floats:
    """Return the pixel size (x, y) in the picture's unit."""
    return np.array(picture_frame(picture).pixel_size)


def _numbers(r: Registration) -> Floats:
    """Return shift x, y, angle and the four entries beyond the rotation."""
    c, s = np.cos(r.angle), np.sin(r.angle)
    beyond = (
        r.matrix - np.array([[c, -s], [s, c]]) if r.covariance.shape[0] == 6 else np.zeros((2, 2))
    )
    return np.concatenate([r.shift, [r.angle], beyond.ravel()])


def _covariance(r: Registration) -> Floats:
    """Return the covariance of ``_numbers``."""
    size = r.covariance.shape[0]
    to = np.zeros((7, size))
    to[:2, :2] = np.eye(2)
    if size == 3:
        to[2, 2] = 1.0
    if size == 6:
        to[2, 2:] = [0.0, -0.5, 0.5, 0.0]
        to[3:, 2:] = np.eye(4) - np.outer([0.0, -1.0, 1.0, 0.0], [0.0, -0.5, 0.5, 0.0])
    return np.asarray(to @ r.covariance @ to.T)


def _even(numbers: Floats, covariances: list[Floats]) -> tuple[Floats, Floats, float]:
    """Return slope per frame, its error, and chi-square per number, for each of the columns."""
    n = len(numbers)
    times = np.arange(1.0, n + 1.0)
    slope, sd = np.zeros(numbers.shape[1]), np.zeros(numbers.shape[1])
    chi, freedom = 0.0, 0
    for k in range(numbers.shape[1]):
        own = np.array([c[k, k] for c in covariances])
        if not own.max() > 0:
            continue
        # half of each registration's variance is the first frame's noise, common to all
        matrix = np.diag(0.5 * own) + 0.5 * float(own.min())
        precision = np.linalg.inv(matrix)
        variance = 1.0 / float(times @ precision @ times)
        slope[k] = variance * float(times @ precision @ numbers[:, k])
        left = numbers[:, k] - slope[k] * times
        square = float(left @ precision @ left)
        sd[k] = np.sqrt(variance * max(1.0, square / max(n - 1, 1)))
        chi, freedom = chi + square, freedom + n - 1
    return slope, sd, chi / max(freedom, 1)


def undo_drift(
    atoms: AtomicConfiguration, drift_per_row: ArrayLike, drift_per_row_sd: ArrayLike = (0.0, 0.0)
) -> AtomicConfiguration:
    """Return atoms of one frame as they stood without even drift during its scan.

    ``x -> x - d_x (y - y0)``, ``y -> y - d_y (y - y0)`` with y0 the first row; the drift's error
    enters the covariances.

    Parameters
    ----------
    atoms
        Atoms of a scanned picture (rows are scan lines), with ``field_of_view``.
    drift_per_row, drift_per_row_sd
        (x, y) movement per row as a share of the row distance, and its error, from
        ``measure_drift`` or ``correct_scan``.

    Raises
    ------
    InputError
        For atoms without a field of view, or numbers that are no pair.

    Examples
    --------
    >>> atoms = AtomicConfiguration([[0.0, 0.0], [1.0, 10.0]], field_of_view=(0, 0, 20, 20))
    >>> undo_drift(atoms, (0.1, 0.0)).positions[1]
    array([ 0., 10.])
    """
    drift = np.asarray(drift_per_row, dtype=np.float64)
    sd = np.asarray(drift_per_row_sd, dtype=np.float64)
    if drift.shape != (2,) or sd.shape != (2,) or not np.isfinite([drift, sd]).all():
        raise InputError("drift_per_row must be two finite numbers (x, y), and so its sd.")
    if atoms.field_of_view is None:
        raise InputError("atoms must have a field_of_view: the first row is needed.")
    low = np.array(atoms.field_of_view)[:2]
    places = undo_drift_of(atoms.positions - low, drift) + low
    covariance = atoms.position_covariance
    if covariance is not None:
        change = np.array([[1.0, -drift[0]], [0.0, 1.0 - drift[1]]])
        row = atoms.positions[:, 1] - atoms.positions[:, 1].mean()
        covariance = change @ covariance @ change.T
        covariance[:, 0, 0] += (sd[0] * row) ** 2
        covariance[:, 1, 1] += (sd[1] * row) ** 2
    return atoms.with_changes(
        positions=places, position_covariance=covariance, covariance=None,
        metadata={**atoms.metadata, "drift_undone": True},
    )  # fmt: skip
