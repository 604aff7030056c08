"""The picture as site tests need it: model, weights, columns in pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from physlearn.checks import InputError
from physlearn.datasets.reading.picture_frame import PictureFrame
from physlearn.datasets.sites.vacancy_kernels import draw_columns
from physlearn.records import AtomicConfiguration

__all__ = ["SitePicture", "neighbour_lists", "site_picture", "with_columns", "with_only"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
NEIGHBOUR_WIDTHS = 7.0
BACKGROUND_WIDTHS = 12.0
LARGEST_LAG = 6
LOCAL_WIDTHS = 4.0
SMALLEST_SHARE_SHOWN = 0.6
"""Share of the atoms' brightness, far background apart, that their picture must show."""


@dataclass(frozen=True, slots=True, eq=False)
class SitePicture:
    """A picture with its fitted columns.

    Attributes
    ----------
    image, model, weight
        float64, shape (rows, columns): bright columns on a background; background and columns; one
        over the variance.
    columns
        float64, shape (n, 4): x, y (pixels), log amplitude, log width (pixels).
    dispersion
        By what correlated pixels and misfit raise an amplitude's variance.
    origin, scale
        (x, y) of the first pixel, and pixel size, in the unit of the atoms.
    noise, counted
        Variance = offset + gain x (sign x model), and whether the pixels are counted events.
    """

    image: Floats
    model: Floats
    weight: Floats
    columns: Floats
    dispersion: float
    origin: Floats
    scale: Floats
    noise: tuple[float, float, float]
    counted: bool

    @property
    def widths(self) -> Floats:
        """Width of each column in pixels."""
        return np.asarray(np.exp(self.columns[:, 3]))

    def to_pixel(self, positions: Floats) -> Floats:
        """Return positions in pixels."""
        return np.ascontiguousarray((positions - self.origin) / self.scale)

    def to_unit(self, places: Floats) -> Floats:
        """Return pixels in the unit of the atoms."""
        return np.asarray(places * self.scale + self.origin)

    def amplitude_map(self) -> tuple[Floats, Floats]:
        """Return amplitude and its variance of one more column of the common width, anywhere."""
        width = float(np.median(self.widths))
        area = 2 * np.pi * width**2
        local = 3.0 * width

        def wide(values: Floats) -> Floats:
            return np.asarray(ndimage.gaussian_filter(values, local, mode="nearest"))

        rest = self.image - self.model
        pull = area * ndimage.gaussian_filter(rest * self.weight, width, mode="nearest")
        cross = area * ndimage.gaussian_filter(self.weight, width, mode="nearest")
        own = 0.5 * area * ndimage.gaussian_filter(self.weight, width / np.sqrt(2), mode="nearest")
        level = wide(rest * self.weight) / wide(self.weight)
        # the local mean holds a share of the column itself
        share = width**2 / (width**2 + local**2)
        gain = np.maximum(own - share * cross, 1e-300)
        return (pull - level * cross) / gain, self.dispersion / gain

    def mean_amplitude(self, places: Floats) -> float:
        """Return the mean amplitude of one more column at the places."""
        amplitude, variance = self.amplitude_map()
        where = places[:, ::-1].T
        seen = ndimage.map_coordinates(amplitude, where, order=1, mode="nearest")
        weight = 1 / ndimage.map_coordinates(variance, where, order=1, mode="nearest")
        return float((seen * weight).sum() / weight.sum())


def site_picture(atoms: AtomicConfiguration, frame: PictureFrame) -> SitePicture:
    """Return the picture with model and weights of what ``find_atoms`` fitted."""
    if atoms.unit != frame.unit:
        raise InputError(
            f"atoms and image must share a unit; got {atoms.unit} and {frame.unit}: give the "
            "picture that the atoms were found in."
        )
    assert atoms.intensity is not None  # noqa: S101 -- find_vacancies has checked it
    assert atoms.width is not None  # noqa: S101
    origin, scale = np.array(frame.origin), np.array(frame.pixel_size)
    width = atoms.width / np.sqrt(scale[0] * scale[1])
    amplitude = atoms.intensity / (2 * np.pi * width**2)
    columns = np.column_stack(
        [(atoms.positions[:, :2] - origin) / scale, np.log(np.maximum(amplitude, 1e-300)),
         np.log(np.maximum(width, 0.3))]
    )  # fmt: skip
    columns = np.ascontiguousarray(columns)
    low, high = columns[:, :2].min(axis=0), columns[:, :2].max(axis=0)
    rows, length = frame.values.shape
    if low.min() < -5 * width.max() or high[0] > length + 5 * width.max() or (
        high[1] > rows + 5 * width.max()
    ):  # fmt: skip
        raise InputError("atoms stand outside of image: give the picture that they were found in.")
    sign = -1.0 if atoms.metadata.get("polarity") == "dark" else 1.0
    image = sign * frame.values
    noise = (
        float(atoms.metadata.get("noise_offset", 0.0)),
        float(atoms.metadata.get("noise_gain", 0.0)),
        sign,
    )
    counted = atoms.metadata.get("noise_model") == "poisson"
    _check_same_picture(image, columns)
    return _with_model(
        SitePicture(image, image, image, columns, 1.0, origin, scale, noise, counted)
    )


def _check_same_picture(image: Floats, columns: Floats) -> None:
    """Refuse a picture that does not show the columns where the atoms stand, as bright as they."""
    drawn = np.zeros_like(image)
    draw_columns(drawn, columns)
    local = LOCAL_WIDTHS * float(np.exp(np.median(columns[:, 3])))
    shown, expected = (
        values - ndimage.gaussian_filter(values, local, mode="nearest") for values in (image, drawn)
    )
    share = float((shown * expected).sum() / max(float((expected**2).sum()), 1e-300))
    if not share > SMALLEST_SHARE_SHOWN:
        raise InputError(
            f"image must be the picture that the atoms were found in; it shows {share:.0%} of "
            "their brightness where they stand."
        )


def with_columns(picture: SitePicture, new: Floats) -> SitePicture:
    """Return the picture with further columns, and the background fitted anew."""
    columns = np.ascontiguousarray(np.concatenate([picture.columns, new]))
    return _with_model(replace(picture, columns=columns))


def with_only(picture: SitePicture, kept: Integers) -> SitePicture:
    """Return the picture with some of its columns only: the others stay in the residual."""
    return _with_model(replace(picture, columns=np.ascontiguousarray(picture.columns[kept])))


def _with_model(picture: SitePicture) -> SitePicture:
    """Return the picture with model, weights and dispersion of its columns."""
    image = picture.image
    drawn = np.zeros_like(image)
    draw_columns(drawn, picture.columns)
    typical = float(np.median(picture.widths))
    model = _background(image - drawn, typical) + drawn
    offset, gain, sign = picture.noise
    rest = image - model
    level = (1.4826 * float(np.median(np.abs(rest - np.median(rest))))) ** 2
    if offset == 0.0 and gain == 0.0:
        offset = level
    variance = offset + gain * sign * model
    variance = np.maximum(variance, 0.05 * max(float(np.median(variance)), 1e-3 * level, 1e-300))
    weight = 1.0 / variance
    dispersion = _dispersion(rest * np.sqrt(weight), typical, counted=picture.counted)
    return replace(picture, model=model, weight=weight, dispersion=dispersion)


def _background(rest: Floats, width: float) -> Floats:
    """Return the smooth background: medians of blocks, interpolated."""
    block = max(8, round(BACKGROUND_WIDTHS * width))
    counts = [max(1, round(length / block)) for length in rest.shape]
    rows = np.array_split(np.arange(rest.shape[0]), counts[0])
    columns = np.array_split(np.arange(rest.shape[1]), counts[1])
    medians = np.array(
        [
            [np.mean(_middle(rest[r[0] : r[-1] + 1, c[0] : c[-1] + 1])) for c in columns]
            for r in rows
        ]
    )
    places = []
    for parts, length in zip((rows, columns), rest.shape, strict=True):
        centers = np.array([part.mean() for part in parts])
        places.append(np.interp(np.arange(length), centers, np.arange(len(centers))))
    return np.asarray(
        ndimage.map_coordinates(
            medians, np.meshgrid(*places, indexing="ij"), order=1, mode="nearest"
        )
    )


def _middle(values: Floats) -> Floats:
    """Return the middle four fifths of the values: a mean that outliers do not move."""
    ordered = np.sort(values, axis=None)
    cut = len(ordered) // 10
    return np.asarray(ordered[cut : len(ordered) - cut])


def _dispersion(scaled: Floats, width: float, *, counted: bool) -> float:
    """Return the factor on an amplitude's variance: pixel correlation and residual variance.

    A matched filter of a Gaussian sums correlations at lag d with weight exp(-d^2 / (4 width^2)).
    """
    centred = scaled - scaled.mean()
    level = float(np.mean(centred**2))
    factor = 1.0
    rows, columns = centred.shape
    lag = min(LARGEST_LAG, rows // 4, columns // 4)
    noise = 3.0 / np.sqrt(centred.size)
    for dy in range(lag + 1):
        for dx in range(-lag, lag + 1):
            if dy == 0 and dx <= 0:
                continue
            one = centred[dy:, max(dx, 0) : columns + min(dx, 0)]
            two = centred[: rows - dy, max(-dx, 0) : columns - max(dx, 0)]
            correlation = float(np.mean(one * two)) / level
            # only what hangs together with the pixel itself is noise; far waves are structure
            if max(dy, abs(dx)) <= 2 and correlation > max(noise, 0.01):
                factor += 2 * correlation * np.exp(-(dx * dx + dy * dy) / (4 * width**2))
    if counted:
        return float(max(1.0, factor))
    return float(max(0.5, factor * level))


def neighbour_lists(
    places: Floats, own: Integers, picture: SitePicture
) -> tuple[Integers, Integers]:
    """Return the columns near each site, without its own, as starts and one list; nearest first."""
    tree = cKDTree(picture.columns[:, :2])
    reach = NEIGHBOUR_WIDTHS * float(np.median(picture.widths))
    lists = np.asarray(tree.query_ball_point(places, reach), dtype=object)
    parts, starts = [], np.zeros(len(places) + 1, dtype=np.int64)
    for k, near in enumerate(lists):
        members = np.array([m for m in near if m != own[k]], dtype=np.int64)
        apart = np.hypot(*(picture.columns[members, :2] - places[k]).T)
        parts.append(members[np.argsort(apart)])
        starts[k + 1] = starts[k] + len(members)
    return starts, (np.concatenate(parts) if parts else np.empty(0, dtype=np.int64))
