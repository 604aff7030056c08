"""What is known of the noise of a channel's pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_count
from physlearn.records.storage import html_table, short_repr

__all__ = ["ChannelNoise", "white_correlation"]

Floats = NDArray[np.float64]


def white_correlation() -> Floats:
    """Return the autocorrelation of independent pixels, shape (1, 1)."""
    return np.ones((1, 1))


@dataclass(frozen=True, slots=True, eq=False)
class ChannelNoise:
    """Noise of one channel: how large, how far it reaches, and whether there is more than it.

    Attributes
    ----------
    sd
        Standard deviation of one pixel's noise at the mean level, in ``unit`` (degrees or radians
        for an angle), without ``row_sd``.
    autocorrelation
        Shape (2 p + 1, 2 q + 1), lags of rows and columns, 1 in the middle; (1, 1) where pixels
        are independent.
    row_sd
        Standard deviation of what is common to all pixels of a scan line, in ``unit``.
    row_correlation
        Shape (2 m + 1,): autocorrelation of that over lines, 1 in the middle; (1,) where lines are
        independent (a blur across them makes them alike).
    gain
        Growth of a pixel's variance by unit of the level: 0 for an even noise, 1 for counts.
    level
        Mean of the channel: ``sd`` holds there.
    signal_share
        Share of the channel's variance (lines' own offsets and slopes removed) that is not noise.
    signal_p
        Probability that pure noise looks as much like signal as this channel.
    has_signal
        Whether the channel holds more than noise at the false-alarm rate asked for.
    source
        "declared", "counts", "picture" (its finest structure) or "repeat" (two scans).
    angle
        Whether the channel is an angle, whose noise is that of a direction.
    unit
        Of the channel.
    sd_error
        Standard error of ``sd``, in ``unit``; 0 where declared.
    warnings
        What to know before using it.

    Examples
    --------
    >>> noise = ChannelNoise(2.0)
    >>> noise.variance_of_mean(4, 4), noise.correlation_length_px
    (0.25, 1.0)
    """

    sd: float
    autocorrelation: Floats = field(default_factory=white_correlation)
    row_sd: float = 0.0
    row_correlation: Floats = field(default_factory=lambda: np.ones(1))
    gain: float = 0.0
    level: float = 0.0
    signal_share: float = 1.0
    signal_p: float = 0.0
    has_signal: bool = True
    source: str = "declared"
    angle: bool = False
    unit: str = "1"
    sd_error: float = 0.0
    warnings: tuple[str, ...] = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def correlation_length_px(self) -> float:
        """Edge of the square of pixels that hold one independent number (1 where independent)."""
        return float(np.sqrt(max(float(self.autocorrelation.sum()), 1.0)))

    def variance(self, level: ArrayLike | None = None) -> Floats:
        """Return the variance of a pixel at levels of any shape (without the lines' share)."""
        if level is None or self.gain == 0.0:
            shape = () if level is None else np.shape(level)
            return np.full(shape, self.sd**2)
        grown = self.sd**2 + self.gain * (np.asarray(level, dtype=np.float64) - self.level)
        return np.asarray(np.maximum(grown, 0.02 * self.sd**2))

    def variance_of_mean(self, rows: int, columns: int) -> float:
        """Return the variance of the mean of a window of pixels at the mean level.

        ``sd^2 / (r c) * sum_ij (1 - |i|/r) (1 - |j|/c) rho_ij + row_sd^2 / r * sum_i (1 - |i|/r)
        eta_i``, with r rows, c columns, and the autocorrelations rho of pixels and eta of lines.
        """
        check_count("rows", rows, 1)
        check_count("columns", columns, 1)
        p, q = (length // 2 for length in self.autocorrelation.shape)
        total = float(_overlap(p, rows) @ self.autocorrelation @ _overlap(q, columns))
        lines = float(_overlap(len(self.row_correlation) // 2, rows) @ self.row_correlation)
        own = self.sd**2 * max(total, 0.0) / (rows * columns)
        return own + self.row_sd**2 * max(lines, 0.0) / rows

    def draw(self, shape: tuple[int, ...], rng: int | np.random.Generator | None = None) -> Floats:
        """Return noise (..., rows, columns) of this size and autocorrelation, mean 0.

        Lines' own offsets are included; a gain is not (scale by ``variance(level)`` for that).
        """
        generator, _ = as_generator(rng)
        if len(shape) < 2:
            raise InputError(f"shape must end with rows and columns; got {shape}.")
        *others, rows, columns = (check_count("shape", length, 1) for length in shape)
        more = tuple(others)
        p, q = (length // 2 for length in self.autocorrelation.shape)
        white = generator.normal(size=(*more, rows + 2 * p, columns + 2 * q))
        white = _coloured(white, self.autocorrelation)
        noise = self.sd * white[..., p : p + rows, q : q + columns]
        if self.row_sd > 0:
            m = len(self.row_correlation) // 2
            lines = generator.normal(size=(*more, rows + 2 * m, 1))
            lines = _coloured(lines, self.row_correlation[:, None])
            noise = noise + self.row_sd * lines[..., m : m + rows, :]
        return np.asarray(noise, dtype=np.float64)


def _overlap(reach: int, length: int) -> Floats:
    """Return the share of a window's pixels that have a partner at each lag within it."""
    return np.asarray(np.maximum(1.0 - np.abs(np.arange(-reach, reach + 1)) / length, 0.0))


def _coloured(white: Floats, autocorrelation: Floats) -> Floats:
    """Return independent unit numbers (..., rows, columns) with an autocorrelation, on a torus."""
    p, q = (length // 2 for length in autocorrelation.shape)
    if not p and not q:
        return white
    power = np.zeros(white.shape[-2:])
    power[: 2 * p + 1, : 2 * q + 1] = autocorrelation
    power = np.roll(power, (-p, -q), axis=(0, 1))
    # an autocorrelation cut off at its edge may have slightly negative powers
    root = np.sqrt(np.maximum(np.fft.fft2(power).real, 0.0))
    weight = np.sqrt(float(np.mean(np.abs(np.fft.ifft2(root)) ** 2)) * power.size)
    return np.asarray(np.fft.ifft2(np.fft.fft2(white) * root).real / max(weight, 1e-300))
