"""How well columns can be measured at all: the joint Cramer-Rao bound of a known scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from physlearn.checks import InputError, check_array, check_choice, check_positive
from physlearn.one_thread import one_blas_thread
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ColumnBounds", "column_bounds"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
REACH_WIDTHS = 6.0
MARGIN_WIDTHS = 20.0
"""Columns further than this from a tile change the bounds in it by less than .1 %."""
TILE_WIDTHS = 40.0
SMALLEST_NODE_SPACING_PX = 24.0
NODE_SPACING_WIDTHS = 12.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ColumnBounds:
    """The smallest covariance that an unbiased fit of columns can have.

    Attributes
    ----------
    positions
        Shape (n, 2), pixel.
    covariance
        Shape (n, 4, 4): of x, y (pixel), log amplitude, log width, all else free.
    intensity
        Shape (n,): 2 pi peak width^2.
    matched_snr
        Shape (n,): amplitude over its error when everything else is known (a matched filter's).

    Examples
    --------
    >>> bounds = column_bounds([[30.0, 30.0]], 100.0, 2.5, background=10.0, shape=(60, 60))
    >>> bounds.to_pandas().shape
    (1, 8)
    """

    positions: Floats
    covariance: Floats
    intensity: Floats
    matched_snr: Floats

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def position_sd(self) -> Floats:
        """Shape (n, 2): standard deviation of x and y, pixel."""
        return np.asarray(np.sqrt(self.covariance[:, [0, 1], [0, 1]]))

    @property
    def intensity_sd(self) -> Floats:
        """Shape (n,): standard deviation of the intensity."""
        c = self.covariance
        # log intensity = log amplitude + 2 log width
        relative = c[:, 2, 2] + 4.0 * c[:, 2, 3] + 4.0 * c[:, 3, 3]
        return np.asarray(self.intensity * np.sqrt(relative))

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a column."""
        import pandas as pd

        sd = np.sqrt(np.einsum("nii->ni", self.covariance))
        return pd.DataFrame(
            {
                "x": self.positions[:, 0], "y": self.positions[:, 1],
                "x_sd": sd[:, 0], "y_sd": sd[:, 1],
                "log_amplitude_sd": sd[:, 2], "log_width_sd": sd[:, 3],
                "intensity_sd": self.intensity_sd, "matched_snr": self.matched_snr,
            }
        )  # fmt: skip


def column_bounds(
    positions: ArrayLike,
    peaks: ArrayLike,
    width: ArrayLike,
    *,
    background: float = 0.0,
    shape: tuple[int, int] | None = None,
    noise_offset: float = 0.0,
    noise_gain: float = 1.0,
    background_spacing: float | None = None,
    widths: str = "free",
    which: ArrayLike | None = None,
) -> ColumnBounds:
    """Return the joint Cramer-Rao bound of columns in a picture with known truth.

    The inverse of the Fisher information ``sum (d mean / d a) (d mean / d b) / variance`` over the
    pixels, with every column's x, y, amplitude and width and the background's nodes free; variance
    = ``noise_offset + noise_gain x mean`` (0 and 1: counts).

    Parameters
    ----------
    positions
        Shape (n, 2): x, y in pixels.
    peaks, width
        Shape (n,) or one number: height above the background (counts) and standard deviation
        (pixel).
    background
        Mean of a pixel without columns.
    shape
        Rows and columns of the picture; None ends it 6 widths beyond the last column.
    noise_offset, noise_gain
        Variance of a pixel.
    background_spacing
        Distance of the bilinear background's nodes in pixels; None takes 12 widths, at least 24, as
        ``find_atoms`` does; ``inf`` holds the background known.
    widths
        ``free`` or ``known``.
    which
        Numbers of the columns wanted; None takes all.

    Returns
    -------
    ColumnBounds
        Covariances, intensities and matched signal-to-noise ratios.

    Raises
    ------
    InputError
        For shapes that do not fit, peaks or widths that are not positive, variances of 0.

    Notes
    -----
    Rao (1945); for localisation: Ober, Ram and Ward (2004), doi:10.1016/S0006-3495(04)74193-4.

    Examples
    --------
    A lone bright column without background: x_sd = width / sqrt(counts).

    >>> bounds = column_bounds([[40.0, 40.0]], 100.0, 3.0, background=1e-6, shape=(81, 81))
    >>> counts = 2 * np.pi * 100.0 * 3.0**2
    >>> bool(abs(bounds.position_sd[0, 0] / (3.0 / np.sqrt(counts)) - 1) < 0.01)
    True
    """
    check_choice("widths", widths, ("free", "known"))
    places = check_array("positions", positions, shape=(None, 2), allow_empty=True)
    n = len(places)
    heights = np.broadcast_to(np.asarray(peaks, dtype=np.float64), (n,))
    spread = np.broadcast_to(np.asarray(width, dtype=np.float64), (n,))
    for name, values in (("peaks", heights), ("width", spread)):
        if n and not (np.isfinite(values).all() and values.min() > 0):
            raise InputError(f"{name} must be above 0 for every column.")
    for name, value in (("background", background), ("noise_offset", noise_offset)):
        check_positive(name, value, allow_zero=True)
    check_positive("noise_gain", noise_gain, allow_zero=True)
    if n == 0:
        return ColumnBounds(places, np.empty((0, 4, 4)), np.empty(0), np.empty(0))
    reach = REACH_WIDTHS * float(spread.max())
    if shape is None:
        shape = (int(places[:, 1].max() + reach) + 1, int(places[:, 0].max() + reach) + 1)
    elif not all(length > 0 for length in shape):
        raise InputError(f"shape must be two numbers of pixels above 0; got {shape}.")
    typical = float(np.median(spread))
    spacing = background_spacing or max(SMALLEST_NODE_SPACING_PX, NODE_SPACING_WIDTHS * typical)
    scene = _Scene(places, heights, spread, background, shape, spacing, widths == "free")
    weight = noise_offset + noise_gain * scene.mean()
    if not weight.min() > 0:
        raise InputError(
            "every pixel must have a variance above 0; raise background or noise_offset."
        )
    chosen = np.arange(n) if which is None else np.asarray(which, dtype=np.int64)
    covariance, snr = scene.bounds(1.0 / weight, chosen)
    intensity = 2 * np.pi * heights * spread**2
    return ColumnBounds(places[chosen], covariance, intensity[chosen], snr)


@dataclass(slots=True)
class _Scene:
    """Columns on a background of nodes."""

    places: Floats
    heights: Floats
    widths: Floats
    background: float
    shape: tuple[int, int]
    spacing: float
    free_width: bool

    def window(self, k: int, rows: slice, columns: slice) -> tuple[Integers, Floats]:
        """Return pixel numbers within a part of the picture and slopes (4, pixels) of a column."""
        x, y = self.places[k]
        reach = REACH_WIDTHS * self.widths[k]
        low_y = max(rows.start, int(np.ceil(y - reach)))
        low_x = max(columns.start, int(np.ceil(x - reach)))
        j = np.arange(low_y, max(low_y, min(rows.stop, int(y + reach) + 1)))
        i = np.arange(low_x, max(low_x, min(columns.stop, int(x + reach) + 1)))
        u = (i - x)[None, :] / self.widths[k]
        v = (j - y)[:, None] / self.widths[k]
        square = u * u + v * v
        value = self.heights[k] * np.exp(-0.5 * square)
        parts = (value * u / self.widths[k], value * v / self.widths[k], value, value * square)
        number = (j - rows.start)[:, None] * (columns.stop - columns.start) + i - columns.start
        return number.ravel(), np.array([np.broadcast_to(p, value.shape).ravel() for p in parts])

    def mean(self) -> Floats:
        """Return the expected picture."""
        picture = np.full(self.shape[0] * self.shape[1], float(self.background))
        whole = slice(0, self.shape[0]), slice(0, self.shape[1])
        for k in range(len(self.places)):
            number, parts = self.window(k, *whole)
            picture[number] += parts[2]
        return picture.reshape(self.shape)

    def tents(self, axis: int, part: slice) -> Floats:
        """Return the nodes' tents (pixels, nodes) along an axis, of nodes that reach the part."""
        if not np.isfinite(self.spacing):
            return np.empty((part.stop - part.start, 0))
        length = self.shape[axis]
        count = max(2, round((length - 1) / self.spacing) + 1)
        at = np.arange(part.start, part.stop) * (count - 1) / max(length - 1, 1)
        tents = np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(count)))
        return np.asarray(tents[:, tents.any(axis=0)])

    def bounds(self, weight: Floats, chosen: Integers) -> tuple[Floats, Floats]:
        """Return covariances (n, 4, 4) and matched signal-to-noise ratios of chosen columns."""
        covariance, snr = np.zeros((len(chosen), 4, 4)), np.empty(len(chosen))
        typical = float(np.median(self.widths))
        tile = np.floor(self.places / (TILE_WIDTHS * typical)).astype(np.int64)
        for corner in np.unique(tile[chosen], axis=0):
            inner = np.flatnonzero((tile[chosen] == corner).all(axis=1))
            margin = MARGIN_WIDTHS * typical
            low = corner * TILE_WIDTHS * typical - margin
            high = (corner + 1) * TILE_WIDTHS * typical + margin
            near = np.flatnonzero(((self.places >= low) & (self.places < high)).all(axis=1))
            with one_blas_thread():
                inverse, own = self.tile(weight, near, low, high)
            at = 4 * np.searchsorted(near, chosen[inner])
            block = at[:, None] + np.arange(4)
            covariance[inner] = inverse[block[:, :, None], block[:, None, :]]
            snr[inner] = np.sqrt(own[at + 2])
        return covariance, snr

    def tile(
        self, weight: Floats, near: Integers, low: Floats, high: Floats
    ) -> tuple[Floats, Floats]:
        """Return inverse information of some columns (4 each) and its own diagonal."""
        reach = REACH_WIDTHS * float(self.widths.max())
        ends = (
            slice(max(0, int(low[k] - reach)), min(self.shape[1 - k], int(high[k] + reach) + 1))
            for k in (1, 0)
        )
        rows, columns = ends
        root = np.sqrt(weight[rows, columns]).ravel()
        if not root.size:
            where = ", ".join(f"{edge:g}" for edge in self.places[near[0]])
            raise InputError(f"positions must lie in the picture or beside it; got ({where}).")
        numbers, values = [], []
        for k in near:
            number, parts = self.window(int(k), rows, columns)
            numbers.append(np.tile(number, 4))
            values.append((parts * root[number]).ravel())
        lengths = np.repeat([len(number) // 4 for number in numbers], 4)
        slopes = sparse.csr_array(
            (np.concatenate(values), np.concatenate(numbers), np.append(0, np.cumsum(lengths))),
            shape=(4 * len(near), root.size),
        )
        down, along = self.tents(0, rows), self.tents(1, columns)
        level = np.einsum("ja,ib->abji", down, along).reshape(-1, root.size) * root
        mixed = np.asarray(slopes @ level.T)
        information = np.block([[(slopes @ slopes.T).toarray(), mixed], [mixed.T, level @ level.T]])
        own = np.diag(information)[: 4 * len(near)].copy()
        free = np.ones(len(information), dtype=np.bool_)
        if not self.free_width:
            free[3 : 4 * len(near) : 4] = False
        free &= np.diag(information) > 0
        scale = 1.0 / np.sqrt(np.diag(information)[free])
        inner = information[np.ix_(free, free)] * scale[:, None] * scale
        inverse = np.zeros_like(information)
        inverse[np.ix_(free, free)] = np.linalg.inv(inner) * scale[:, None] * scale
        return inverse, own
