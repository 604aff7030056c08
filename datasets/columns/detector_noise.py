"""Gain, zero level and read noise of the detector, where the picture can tell them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified, check_array
from physlearn.datasets.columns.find_atoms import find_atoms
from physlearn.datasets.columns.recorded_settings import recorded_options
from physlearn.datasets.reading.picture_frame import picture_frame
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

__all__ = ["DetectorNoise", "measure_detector"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
CELL_PX = 8
"""Edge of the squares whose means and variances are taken."""
FAR_WIDTHS = 5.0
FEWEST_EMPTY = 6
GAP_ERRORS = 6.0
LARGEST_RELATIVE_ERROR = 0.3
EDGE_WIDTHS = 4.0
SMALLEST_SAMPLE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class DetectorNoise:
    """The detector: value = offset + gain x counts + read noise.

    Attributes
    ----------
    gain, gain_sd
        Units of the picture a count, from variance against mean.
    offset, offset_sd
        Value without counts; None where no empty region tells it.
    read_noise
        Standard deviation without counts; None where no empty region tells it.
    empty_share
        Share of the picture that counts as empty.
    sentences
        What could not be told, and what was assumed.

    Examples
    --------
    >>> DetectorNoise(2.0, 0.1, None, None, None, 0.0, ()).gain
    2.0
    """

    gain: float
    gain_sd: float
    offset: float | None
    offset_sd: float | None
    read_noise: float | None
    empty_share: float
    sentences: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table


def measure_detector(
    image: xr.DataArray | ArrayLike,
    atoms: AtomicConfiguration,
    *,
    empty: ArrayLike | None = None,
) -> DetectorNoise:
    """Return gain, zero level and read noise from the picture itself.

    The variance of a pixel, ``read_noise^2 + gain (mean - offset)``, grows with its mean by the
    gain, which ``find_atoms`` fits on its residuals. Zero level and read noise are told only by a
    region without sample: one that is flat and darker than all else by a gap, or one that you name;
    where there is one, the gain is fitted again without it and its edge.

    Parameters
    ----------
    image
        One picture.
    atoms
        What ``find_atoms(image, noise="gain")`` found in it.
    empty
        Boolean, shape of the picture: True where no beam counts are; None looks for such a region.

    Returns
    -------
    DetectorNoise
        Offset and read noise are None where nothing tells them.

    Raises
    ------
    InputError
        When ``empty`` has another shape or too few pixels, or the atoms' noise is no fitted gain.
    NotIdentified
        When the means differ too little to show a gain (relative error above .3).

    Notes
    -----
    Photon transfer: Janesick, Klaasen and Elliott (1987), doi:10.1117/12.7974183.

    Examples
    --------
    >>> y, x = np.mgrid[:160, :220]
    >>> mean = 15 + 90 * np.exp(-((x % 14 - 7) ** 2 + (y % 14 - 7) ** 2) / (2 * 2.5**2))
    >>> rng = np.random.default_rng(0)
    >>> picture = 50 + 3.0 * rng.poisson(np.where(x < 70, 0, mean)) + rng.normal(0, 4, x.shape)
    >>> detector = measure_detector(picture, find_atoms(picture, noise="gain"))
    >>> abs(detector.offset - 50) < 1, abs(detector.read_noise - 4) < 0.3
    (True, True)
    """
    if atoms.metadata.get("noise_model") != "gain":
        raise InputError(
            "atoms must come from find_atoms(image, noise='gain'); their noise model is "
            f"{atoms.metadata.get('noise_model')}."
        )
    values = picture_frame(image).values
    gain = float(atoms.metadata["noise_gain"])
    gain_sd = _gain_error(values, float(atoms.metadata["noise_offset"]), gain)
    if not gain > 0 or gain_sd > LARGEST_RELATIVE_ERROR * gain:
        raise NotIdentified(
            f"the gain cannot be told: the variance grows with the mean by {gain:.3g} +- "
            f"{gain_sd:.2g}; a picture with brighter and darker parts is needed."
        )
    sentences: list[str] = []
    if empty is None:
        flags = _empty_squares(values, atoms)
        chosen = np.repeat(np.repeat(flags, CELL_PX, axis=0), CELL_PX, axis=1)
        pixels = values[: chosen.shape[0], : chosen.shape[1]][chosen]
        if len(pixels):
            sentences.append(
                f"the darkest flat {len(pixels) / values.size:.0%} of the picture was taken to be "
                "vacuum; where it is not, the offset is too large by what is there."
            )
    else:
        chosen = check_array("empty", empty, shape=values.shape, dtype=np.bool_)
        pixels = values[chosen]
        if len(pixels) < FEWEST_EMPTY * CELL_PX**2:
            raise InputError(
                f"empty must hold at least {FEWEST_EMPTY * CELL_PX**2} pixels; got {len(pixels)}."
            )
    if len(pixels) == 0:
        sentences.append(
            "no empty region: the zero level and the read noise cannot be told from counts."
        )
        return DetectorNoise(gain, gain_sd, None, None, None, 0.0, tuple(sentences))
    beside = _gain_of_the_sample(image, atoms, chosen)
    if beside is None:
        sentences.append(
            "too little of the picture lies beside the empty region: misfit at its edge is in the "
            "gain, which may be a tenth too large."
        )
    else:
        gain = beside
    spread = float(pixels.std())
    return DetectorNoise(
        gain, gain_sd, float(pixels.mean()), spread / float(np.sqrt(len(pixels))), spread,
        len(pixels) / values.size, tuple(sentences),
    )  # fmt: skip


def _gain_of_the_sample(
    image: xr.DataArray | ArrayLike, atoms: AtomicConfiguration, empty: Flags
) -> float | None:
    """Return the gain fitted beside the empty region and its edge; None where little is left.

    The smooth background cannot follow the sharp edge of a vacuum; what it misses there looks like
    noise of the brighter pixels (a tenth of the gain where the edge is long).
    """
    values = picture_frame(image).values
    reach = int(np.ceil(EDGE_WIDTHS * float(atoms.metadata["column_width_px"])))
    rows, columns = (np.flatnonzero(empty.any(axis=axis)) for axis in (1, 0))
    parts = [
        values[: max(0, rows[0] - reach)], values[rows[-1] + 1 + reach :],
        values[:, : max(0, columns[0] - reach)], values[:, columns[-1] + 1 + reach :],
    ]  # fmt: skip
    largest = max(parts, key=lambda part: part.size)
    if largest.size < SMALLEST_SAMPLE_SHARE * values.size:
        return None
    again = find_atoms(largest, noise="gain", options=recorded_options(atoms.metadata))
    return float(again.metadata["noise_gain"])


def _gain_error(values: Floats, offset: float, gain: float) -> float:
    """Return the gain's standard error: a pixel's squared residual has variance 2 v^2."""
    mean = ndimage.gaussian_filter(values, 1.0).ravel()
    variance = np.maximum(offset + gain * mean, 0.02 * np.median(np.abs(offset + gain * mean)))
    design = np.stack([np.ones_like(mean), mean - mean.mean()])
    information = (design / (2.0 * variance**2)) @ design.T
    return float(np.sqrt(np.linalg.inv(information)[1, 1]))


def _empty_squares(values: Floats, atoms: AtomicConfiguration) -> NDArray[np.bool_]:
    """Flag small squares of a flat region that a gap in brightness parts from all others."""
    rows, columns = (length // CELL_PX for length in values.shape)
    squares = values[: rows * CELL_PX, : columns * CELL_PX].reshape(rows, CELL_PX, columns, CELL_PX)
    means, spreads = squares.mean(axis=(1, 3)), squares.std(axis=(1, 3))
    none = np.zeros(means.shape, dtype=np.bool_)
    dark = means <= np.quantile(means, 0.05)
    error = float(np.median(spreads[dark])) / CELL_PX
    flags = np.abs(means - np.median(means[dark])) < 5.0 * error
    if atoms.n and atoms.width is not None and atoms.pixel_size is not None:
        origin = atoms.field_of_view or (0.0, 0.0, 0.0, 0.0)
        row, column = np.mgrid[:rows, :columns]
        centers = (np.stack([column, row], -1).reshape(-1, 2) + 0.5) * CELL_PX - 0.5
        centers = centers * np.array(atoms.pixel_size) + np.array(origin[:2])
        distance, _ = cKDTree(atoms.positions).query(centers)
        flags &= (distance > FAR_WIDTHS * np.median(atoms.width)).reshape(means.shape)
    labels, count = ndimage.label(flags)
    if count == 0:
        return none
    sizes = ndimage.sum_labels(flags, labels, np.arange(1, count + 1))
    flags = labels == 1 + int(np.argmax(sizes))
    if flags.sum() < FEWEST_EMPTY:
        return none
    level = means[flags].mean()
    flat = means[flags].std() < 2.0 * error
    # the squares next to it are mixed; what is beyond must be brighter by a gap
    rest = means[~ndimage.binary_dilation(flags, iterations=1)]
    gap = len(rest) > 0 and float(np.quantile(rest, 0.02)) - level > GAP_ERRORS * error
    return np.asarray(flags) if flat and gap else none
