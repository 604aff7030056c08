"""Two pictures of one place brought onto each other, with an error bar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from physlearn.checks import InputError, NotIdentified, check_array, check_choice, check_positive
from physlearn.datasets.reading.picture_frame import PictureFrame, picture_frame
from physlearn.datasets.scan.registration_fit import (
    PairFit,
    coarse_shifts,
    fit_pair,
    transform_matrix,
)
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["Registration", "register_images"]

Floats = NDArray[np.float64]
MODELS = {"shift": 2, "rigid": 3, "affine": 6}
CONTRASTS = ("same", "edges")
MOST_PEAKS = 8
RIVAL_LOG_LIKELIHOOD = 6.0
"""Rivals whose log-likelihood is within this of the best are named (odds of 400)."""
RIVAL_SDS = 3.0
SMALLEST_CORRELATION = 0.02
SIGNIFICANT_Z = 5.0
SAME_PICTURE = 0.99
"""Correlation of pictures between which less than 2 % of the variance is left."""
EDGE_FILTER_PX = 1.5
RANKING_FILTER_PX = 1.5


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Registration:
    """How the second picture lies on the first: ``p' = center + matrix (p - center) + shift``.

    Attributes
    ----------
    shift
        (x, y) in the pictures' unit: where the middle of the first picture lies in the second.
    matrix
        Shape (2, 2): identity, a rotation, or a general matrix.
    center
        (x, y): the point about which ``matrix`` turns.
    covariance
        Of (shift x, shift y) and the angle, or the matrix entries row by row.
    rivals
        Shape (n, 2): other shifts that fit nearly as well (a crystal repeats itself).
    correlation
        Correlation of the two pictures where they overlap.
    unit
        Unit of ``shift`` and ``center``.
    warnings
        What to know before using it.

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> picture = rng.normal(size=(48, 48))
    >>> found = register_images(picture, picture + rng.normal(0, 0.1, (48, 48)), model="shift")
    >>> bool(np.abs(found.shift).max() < 0.1), found.shift_sd.shape
    (True, (2,))
    """

    shift: Floats
    matrix: Floats
    center: Floats
    covariance: Floats
    rivals: Floats
    correlation: float
    unit: str
    warnings: tuple[str, ...] = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def shift_sd(self) -> Floats:
        """Standard deviations of the shift (x, y)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)[:2]))

    @property
    def angle(self) -> float:
        """Rotation from the first to the second picture, radians, x towards y."""
        m = self.matrix
        return float(np.arctan2(m[1, 0] - m[0, 1], m[0, 0] + m[1, 1]))

    @property
    def angle_sd(self) -> float:
        """Standard deviation of ``angle``; 0 where only a shift was fitted."""
        size = self.covariance.shape[0]
        if size == 2:
            return 0.0
        if size == 3:
            return float(np.sqrt(self.covariance[2, 2]))
        weights = np.array([0.0, -0.5, 0.5, 0.0])
        return float(np.sqrt(weights @ self.covariance[2:, 2:] @ weights))

    def apply(self, points: ArrayLike) -> Floats:
        """Return where points (n, 2) of the first picture lie in the second."""
        given = np.asarray(points, dtype=np.float64)
        return np.asarray((given - self.center) @ self.matrix.T + self.center + self.shift)

    def undo(self, atoms: AtomicConfiguration) -> AtomicConfiguration:
        """Return atoms of the second picture in the first one's frame, errors carried along.

        The registration's own error is common to all atoms and is not in their covariances.
        """
        inverse = np.linalg.inv(self.matrix)
        places = (atoms.positions - self.center - self.shift) @ inverse.T + self.center
        covariance = atoms.position_covariance
        if covariance is not None:
            covariance = inverse @ covariance @ inverse.T
        return atoms.with_changes(
            positions=places, position_covariance=covariance, covariance=None,
            metadata={**atoms.metadata, "registered": True},
        )  # fmt: skip


def register_images(
    before: xr.DataArray | ArrayLike,
    after: xr.DataArray | ArrayLike,
    *,
    model: str = "rigid",
    contrast: str = "same",
    largest_shift_px: float | None = None,
    around_px: tuple[float, float] = (0.0, 0.0),
) -> Registration:
    """Measure how the second picture is shifted, turned or sheared against the first.

    Both pictures are filtered alike, the first is warped onto the second by least squares (gain and
    offset free), and the error bar follows from the residual's own correlation. The two pictures'
    slopes are used so that the noise of neither biases shift or error bar.

    Parameters
    ----------
    before, after
        Pictures of one shape and pixel size, at least 32 x 32.
    model
        ``shift``, ``rigid`` (and an angle, to about 3 degrees) or ``affine``.
    contrast
        ``same`` where brightness means the same up to gain (also negative) and offset; ``edges``
        for two channels whose brightness means different things: their edges are matched.
    largest_shift_px
        Search radius in pixels; None takes a quarter of the shorter edge. A crystal repeats
        itself: give less than half its period where the true shift is known to be small.
    around_px
        (x, y): the search starts there.

    Returns
    -------
    Registration
        Transform, covariance, and rival shifts that fit nearly as well.

    Raises
    ------
    NotIdentified
        Where the pictures have nothing in common.
    InputError
        For pictures of different shape or pixel size, or too small ones.

    Notes
    -----
    Symmetric use of both pictures' slopes: the noise of one picture, correlated with its own
    slope, would flatten the curvature (errors in variables).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:64, :64]
    >>> spots = rng.uniform(5, 59, (12, 2))
    >>> def draw(d):
    ...     return sum(np.exp(-((x - a - d) ** 2 + (y - b) ** 2) / 8) for a, b in spots)
    >>> one, two = (draw(d) + rng.normal(0, 0.02, (64, 64)) for d in (0.0, 1.7))
    >>> found = register_images(one, two, model="shift")
    >>> bool(abs(found.shift[0] - 1.7) < 4 * found.shift_sd[0] < 0.1)
    True
    """
    check_choice("model", model, tuple(MODELS))
    check_choice("contrast", contrast, CONTRASTS)
    first, second = picture_frame(before), picture_frame(after)
    _check_pair(first, second)
    radius = 0.25 * min(first.values.shape)
    if largest_shift_px is not None:
        radius = check_positive("largest_shift_px", largest_shift_px)
    around = check_array("around_px", around_px, shape=(2,))
    one, two = _prepared(first, contrast), _prepared(second, contrast)
    scale = np.array(first.pixel_size)
    best, rivals = _fits(one, two, MODELS[model], radius, around, float(scale[0] / scale[1]))
    correlation = _correlation(one, two, best)
    warnings = list(dict.fromkeys((*first.warnings, *second.warnings)))
    if len(rivals):
        warnings.append(
            f"{len(rivals)} other shift(s) fit nearly as well (the structure repeats): the shift "
            "is known only up to a period; give largest_shift_px."
        )
    # entries of the matrix, in rows: pixels need not be square
    units = np.concatenate([scale, [1.0, scale[0] / scale[1], scale[1] / scale[0], 1.0]])
    units = units[: len(best.parameters)]
    # the same place may have another name in the second picture's coordinates
    moved = np.array(second.origin) - np.array(first.origin)
    center = 0.5 * np.array([one.shape[1] - 1.0, one.shape[0] - 1.0])
    matrix = transform_matrix(best.parameters, float(scale[0] / scale[1]))
    return Registration(
        best.parameters[:2] * scale + moved, matrix * scale[:, None] / scale,
        np.array(first.origin) + center * scale, best.covariance * units[:, None] * units,
        rivals * scale + moved, correlation, first.unit, tuple(warnings),
    )  # fmt: skip


def _check_pair(first: PictureFrame, second: PictureFrame) -> None:
    """Refuse pictures that cannot be compared pixel by pixel."""
    if first.values.shape != second.values.shape:
        raise InputError(
            f"after must have the shape of before, {first.values.shape}; got "
            f"{second.values.shape}: crop or resample one of them."
        )
    if first.unit != second.unit or not np.allclose(first.pixel_size, second.pixel_size, rtol=1e-3):
        raise InputError(
            f"after must have the pixel size of before ({first.pixel_size} {first.unit}); got "
            f"{second.pixel_size} {second.unit}: resample one of them."
        )
    if min(first.values.shape) < 32:
        raise InputError(f"before must be at least 32 x 32 pixels; got {first.values.shape}.")


def _prepared(frame: PictureFrame, contrast: str) -> Floats:
    """Return the picture to compare: counts at even noise, or edges."""
    values = frame.values
    if contrast == "edges":
        return np.asarray(ndimage.gaussian_gradient_magnitude(values, EDGE_FILTER_PX))
    if frame.counts_known and values.min() >= 0:
        # the square root of counts has the same noise everywhere (Anscombe, 1948)
        return np.asarray(2.0 * np.sqrt(values + 0.375))
    return values


def _fits(
    one: Floats, two: Floats, size: int, radius: float, around: Floats, aspect: float
) -> tuple[PairFit, Floats]:
    """Return the likeliest fit and the rival shifts; starts are compared at one filter."""
    found = []
    for start in coarse_shifts(one, two, radius, MOST_PEAKS, around):
        fit = fit_pair(one, two, start, RANKING_FILTER_PX, aspect)
        if size > 2:
            more = np.concatenate([fit.parameters, np.zeros(size - 2)])
            fit = fit_pair(one, two, more, RANKING_FILTER_PX, aspect)
        near = 2.0 + radius
        if np.isfinite(fit.parameters).all() and np.hypot(*(fit.parameters[:2] - around)) <= near:
            found.append(fit)
    if not found:
        raise NotIdentified("the two pictures have no place in common within the search radius.")
    found.sort(key=lambda fit: fit.residual)
    _common(one, two, found[0])
    rivals = _rivals(found)
    if len(rivals):
        # of shifts that fit alike, the nearest to where the search began
        alike = [found[0]] + [
            fit for fit in found[1:] if np.any(np.all(fit.parameters[:2] == rivals, axis=1))
        ]
        alike.sort(key=lambda fit: float(np.hypot(*(fit.parameters[:2] - around))))
        rivals = np.array([fit.parameters[:2] for fit in alike[1:]])
        return fit_pair(one, two, alike[0].parameters, aspect=aspect), rivals
    return fit_pair(one, two, found[0].parameters, aspect=aspect), rivals


def _common(one: Floats, two: Floats, best: PairFit) -> None:
    """Refuse pictures whose overlap is no better than chance.

    Independent is what is left between the pictures; where that is next to nothing, rounding or
    a remainder of the fit, its pixels tell nothing and the correlation decides.
    """
    correlation = _correlation(one, two, best)
    independent = best.pixels / best.correlated_pixels
    z = abs(correlation) * np.sqrt(max(independent, 1.0))
    chance = z < SIGNIFICANT_Z and abs(correlation) < SAME_PICTURE
    if abs(correlation) < SMALLEST_CORRELATION or chance:
        raise NotIdentified(
            f"the two pictures have nothing in common that stands out of the noise (correlation "
            f"{correlation:.3f}): are they of the same place, and within the search radius?"
        )


def _correlation(one: Floats, two: Floats, fit: PairFit) -> float:
    """Return the correlation of the filtered pictures on their overlap at whole pixels."""
    dx, dy = np.round(fit.parameters[:2]).astype(int)
    rows, columns = one.shape
    first = ndimage.gaussian_filter(one, fit.filter_px)
    second = ndimage.gaussian_filter(two, fit.filter_px)
    a = first[max(0, -dy) : rows - max(0, dy), max(0, -dx) : columns - max(0, dx)]
    b = second[max(0, dy) : rows - max(0, -dy), max(0, dx) : columns - max(0, -dx)]
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _rivals(fits: list[PairFit]) -> Floats:
    """Return the shifts of other fits whose log-likelihood is near the best one's."""
    best = fits[0]
    rivals: list[Floats] = []
    for fit in fits[1:]:
        apart = np.hypot(*(fit.parameters[:2] - best.parameters[:2]))
        independent = min(fit.pixels, best.pixels) / best.correlated_pixels
        gap = 0.5 * independent * np.log(fit.residual / best.residual)
        # the two overlap on different pixels, whose own noise differs by this much
        gap -= RIVAL_SDS * np.sqrt(max(independent, 1.0))
        known = any(np.hypot(*(fit.parameters[:2] - r)) < 1.0 for r in rivals)
        if apart > 2.0 * best.filter_px and gap < RIVAL_LOG_LIKELIHOOD and not known:
            rivals.append(fit.parameters[:2])
    return np.array(rivals).reshape(-1, 2)
