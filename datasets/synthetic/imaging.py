"""From columns to a picture in counts: what the probe, the scan and the detector do to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from physlearn.checks import InputError, as_generator, check_array, check_positive
from physlearn.option_fields import check_fields
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["AtomScene", "ImagingSettings", "image_columns"]

Floats = NDArray[np.float64]
WINDOW_WIDTHS = 7.0


@dataclass(frozen=True, slots=True)
class ImagingSettings:
    """What stands between the columns and the numbers of the picture.

    Attributes
    ----------
    width_px
        Standard deviation of a column.
    background_counts
        Mean counts a pixel without columns.
    tail_share, tail_widths
        Share of each column's counts in a second, wider Gaussian, and its width in widths.
    ellipticity, ellipse_angle
        Relative difference of the two axes ((long - short) / mean) and the angle of the long one to
        x in radians: tilt or astigmatism.
    contamination_counts, contamination_range_px
        Root mean square and correlation length of a smooth positive haze.
    jitter_px, jitter_correlation
        Standard deviation of each row's shift along x (AR(1) from row to row) and its coefficient.
    drift_px
        (x, y): how far the sample moves evenly while the picture is scanned.
    gain, offset, read_noise
        The detector: value = offset + gain x counts + Gaussian noise. 1, 0 and 0 keep counts.
    resampling_px
        Standard deviation of a Gaussian that smears the finished picture (correlated pixels).
    poisson
        False leaves the mean picture without counting noise.

    Examples
    --------
    >>> ImagingSettings(gain=3.0).counts_known
    False
    """

    width_px: float = 2.5
    background_counts: float = 10.0
    tail_share: float = 0.0
    tail_widths: float = 2.5
    ellipticity: float = 0.0
    ellipse_angle: float = 0.0
    contamination_counts: float = 0.0
    contamination_range_px: float = 40.0
    jitter_px: float = 0.0
    jitter_correlation: float = 0.0
    drift_px: tuple[float, float] = (0.0, 0.0)
    gain: float = 1.0
    offset: float = 0.0
    read_noise: float = 0.0
    resampling_px: float = 0.0
    poisson: bool = True

    def __post_init__(self) -> None:
        for name in ("width_px", "tail_widths", "contamination_range_px", "gain"):
            check_positive(name, getattr(self, name))
        for name in (
            "background_counts", "contamination_counts", "jitter_px", "read_noise",
            "resampling_px", "tail_share",
        ):  # fmt: skip
            check_positive(name, getattr(self, name), allow_zero=True)
        if not self.tail_share < 1:
            raise InputError(f"tail_share must be below 1; got {self.tail_share}.")
        if not 0 <= self.ellipticity < 1:
            raise InputError(f"ellipticity must be 0 or more and below 1; got {self.ellipticity}.")
        if not -1 < self.jitter_correlation < 1:
            raise InputError(
                f"jitter_correlation must be between -1 and 1; got {self.jitter_correlation}."
            )
        check_fields(self)

    @property
    def counts_known(self) -> bool:
        """Whether the finished picture still holds Poisson counts."""
        plain = self.gain == 1 and self.offset == 0 and self.read_noise == 0
        return plain and self.resampling_px == 0 and self.poisson


@dataclass(frozen=True, slots=True, eq=False)
class AtomScene:
    """A synthetic picture and what made it.

    Attributes
    ----------
    image
        DataArray (y, x) in pixels; attribute ``counts`` = ``known`` where it holds counts.
    truth
        True positions (before drift and jitter), intensities (2 pi peak width^2), species.
    peaks
        Shape (n,): true counts at each column's centre.
    mean
        Shape (rows, columns): expected counts before noise.
    row_shift
        Shape (rows, 2): how far (x, y) the sample stood from its place when a row was scanned.
    seed
        Makes the same picture again.

    Examples
    --------
    >>> scene = image_columns([[20.0, 22.0]], 100.0, (48, 48), rng=1)
    >>> scene.truth.n, scene.peaks.tolist(), scene.row_shift.shape
    (1, [100.0], (48, 2))
    """

    image: xr.DataArray
    truth: AtomicConfiguration
    peaks: Floats
    mean: Floats
    row_shift: Floats
    seed: int

    __repr__ = short_repr
    _repr_html_ = html_table


def image_columns(
    positions: ArrayLike,
    peaks: ArrayLike,
    shape: tuple[int, int],
    settings: ImagingSettings | None = None,
    *,
    species: ArrayLike | None = None,
    species_names: tuple[str, ...] = (),
    rng: int | np.random.Generator | None = None,
) -> AtomScene:
    """Make the picture of columns whose places and brightness are given.

    Parameters
    ----------
    positions
        Shape (n, 2): x, y in pixels; the first pixel's centre is (0, 0).
    peaks
        Shape (n,) or one number: counts at the centre of each column above the background.
    shape
        Rows and columns of the picture.
    settings
        See ``ImagingSettings``.
    species, species_names
        Handed to the truth.
    rng
        Seed or generator.

    Returns
    -------
    AtomScene
        Picture and truth.

    Raises
    ------
    InputError
        For positions or peaks of another shape, or peaks below 0.

    Examples
    --------
    >>> scene = image_columns([[20.0, 22.0]], 100.0, (48, 48), rng=1)
    >>> scene.image.shape, round(float(scene.mean.max()))
    ((48, 48), 110)
    """
    s = settings or ImagingSettings()
    places = check_array("positions", positions, shape=(None, 2), allow_empty=True)
    heights = np.broadcast_to(np.asarray(peaks, dtype=np.float64), (len(places),)).copy()
    check_array("peaks", heights, ndim=1, minimum=0.0, allow_empty=True)
    generator, seed = as_generator(rng)
    shift = _row_shift(shape[0], s, generator)
    mean = np.full(shape, float(s.background_counts))
    if s.contamination_counts > 0:
        mean += _haze(shape, s, generator)
    _add_all(mean, places, heights, shift, s)
    values = generator.poisson(mean).astype(np.float64) if s.poisson else mean.copy()
    values = s.offset + s.gain * values
    if s.read_noise > 0:
        values += generator.normal(0.0, s.read_noise, shape)
    if s.resampling_px > 0:
        values = ndimage.gaussian_filter(values, s.resampling_px, mode="nearest")
    image = xr.DataArray(
        values,
        dims=("y", "x"),
        coords={
            "y": ("y", np.arange(shape[0], dtype=np.float64), {"units": "pixel"}),
            "x": ("x", np.arange(shape[1], dtype=np.float64), {"units": "pixel"}),
        },
        attrs={
            "counts": "known" if s.counts_known else "unknown", "source": "synthetic picture",
            "channel": "grey",
        },
        name="image",
    )  # fmt: skip
    truth = AtomicConfiguration(
        places,
        species=None if species is None else np.asarray(species),
        species_names=species_names,
        width=np.full(len(places), s.width_px),
        intensity=2 * np.pi * heights * s.width_px**2,
        field_of_view=(0.0, 0.0, float(shape[1] - 1), float(shape[0] - 1)),
        pixel_size=(1.0, 1.0),
        metadata={"source": "synthetic picture", "seed": seed},
    )
    return AtomScene(image, truth, heights, mean, shift, seed)


def _row_shift(n_rows: int, s: ImagingSettings, generator: np.random.Generator) -> Floats:
    """Return the (x, y) shift of each row: even drift, and AR(1) jitter along x."""
    share = (np.arange(n_rows) - 0.5 * (n_rows - 1)) / max(n_rows - 1, 1)
    shift = share[:, None] * np.array(s.drift_px)
    if s.jitter_px > 0:
        kicks = generator.normal(0.0, 1.0, n_rows)
        jitter = np.empty(n_rows)
        jitter[0] = kicks[0]
        root = np.sqrt(1 - s.jitter_correlation**2)
        for row in range(1, n_rows):
            jitter[row] = s.jitter_correlation * jitter[row - 1] + root * kicks[row]
        shift[:, 0] += s.jitter_px * jitter
    return np.asarray(shift)


def _haze(shape: tuple[int, int], s: ImagingSettings, generator: np.random.Generator) -> Floats:
    """Return a smooth positive picture of the given root mean square."""
    rough = ndimage.gaussian_filter(
        generator.normal(size=shape), s.contamination_range_px, mode="wrap"
    )
    positive = (rough - rough.min()) / max(float(rough.std()), 1e-300)
    return np.asarray(s.contamination_counts * positive / np.sqrt(np.mean(positive**2)))


def _add_all(
    mean: Floats, places: Floats, heights: Floats, shift: Floats, s: ImagingSettings
) -> None:
    """Add every column, row by row where it then stood."""
    long, short = s.width_px * (1 + 0.5 * s.ellipticity), s.width_px * (1 - 0.5 * s.ellipticity)
    turn = np.array(
        [
            [np.cos(s.ellipse_angle), np.sin(s.ellipse_angle)],
            [-np.sin(s.ellipse_angle), np.cos(s.ellipse_angle)],
        ]
    )
    inverse = turn.T @ np.diag([long**-2.0, short**-2.0]) @ turn
    parts = [(1.0 - s.tail_share, 1.0)]
    if s.tail_share > 0:
        # the tail holds its share of the counts, so its peak is lower by the square of its width
        parts.append((s.tail_share / s.tail_widths**2, s.tail_widths))
    reach = WINDOW_WIDTHS * long * max(scale for _, scale in parts) + np.abs(shift).max()
    for (x, y), height in zip(places, heights, strict=True):
        low_y, high_y = max(0, int(y - reach)), min(mean.shape[0], int(y + reach) + 2)
        low_x, high_x = max(0, int(x - reach)), min(mean.shape[1], int(x + reach) + 2)
        if low_y >= high_y or low_x >= high_x:
            continue
        rows = np.arange(low_y, high_y)
        dx = np.arange(low_x, high_x) - x - shift[rows, 0][:, None]
        dy = (rows - y - shift[rows, 1])[:, None]
        square = inverse[0, 0] * dx * dx + 2 * inverse[0, 1] * dx * dy + inverse[1, 1] * dy * dy
        for share, scale in parts:
            mean[low_y:high_y, low_x:high_x] += height * share * np.exp(-0.5 * square / scale**2)
