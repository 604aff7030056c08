"""A user's own descriptor: a plain function of pixels, with errors by drawing the noise again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.descriptors.redrawn_noise import quiet_patches
from physlearn.datasets.descriptors.window_batch import WindowBatch
from physlearn.records.storage import html_table, short_repr

__all__ = ["CustomColumns", "Descriptor"]

Floats = NDArray[np.float64]
PixelFunction = Callable[[Floats], NDArray[np.floating]]
N_DRAWS = 32
SAME = 1e-6
"""Share of a column's size by which the same patch may come out differently by rounding."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor of patches by a plain function.

    Attributes
    ----------
    function
        Pixels (n, rows, columns), float64 without gaps -> one real number a patch, shape (n,). It
        must treat each patch by itself and give the same numbers each time.
    unit
        Of the result; ``{channel}`` and ``{length}`` stand for the channel's and the table's.
    tier
        0 composition, 1 structure, 2 response; None takes the channel's, and 1 for a picture.
    invariance
        What leaves it unchanged, for the reader: "rotation", "shift", "intensity scale".
    formula
        How it is computed, for the reader.

    Notes
    -----
    The error is the scatter of the descriptor over 32 draws of the channel's noise, from a fixed
    seed, about the patch without the power of its noise: known to 13 %. The same draws give its
    covariance with the other columns of the channel. Lone gaps are filled from their neighbours;
    patches that lack more than 5 % of their pixels have none.

    Examples
    --------
    >>> def range_of(pixels):
    ...     return np.ptp(pixels, axis=(1, 2))
    >>> Descriptor(range_of, "{channel}", tier=1, invariance=("shift",), formula="max - min").tier
    1
    """

    function: PixelFunction
    unit: str = "1"
    tier: int | None = None
    invariance: tuple[str, ...] = ()
    formula: str = ""

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputError(f"function must be callable; got {self.function!r}.")
        if self.tier not in (None, 0, 1, 2):
            raise InputError(f"tier must be 0, 1, 2 or None; got {self.tier!r}.")


class CustomColumns:
    """A user's descriptors of one channel.

    Raises
    ------
    InputError
        When a function does not give one finite real number a patch, depends on which other
        patches come with it, or gives other numbers when called again.
    """

    def __init__(self, extra: Mapping[str, Descriptor | PixelFunction]) -> None:
        self.words = tuple(extra)
        self.descriptors = tuple(
            each if isinstance(each, Descriptor) else Descriptor(each) for each in extra.values()
        )
        self.checked = False
        self.rng = np.random.default_rng(20)  # the error's own sampling: the same each time

    def describe(self, pixels: Floats) -> Floats:
        """Return the columns (n, k) of patches without gaps."""
        values = self._called(pixels)
        if not self.checked:
            self._check(pixels, values)
        return values

    def errors(
        self, batch: WindowBatch, values: Floats, gradients: Floats | None
    ) -> tuple[Floats, Floats]:
        """Return the covariance (n, k, k), and the correlation with linear columns (n, l, k).

        ``gradients`` (n, l, rows, columns) of the linear columns; the same draws of the noise go
        through them. A patch's correlations are drawn to the mean of all as far as 32 draws
        scatter by themselves.
        """
        assert batch.noise is not None  # noqa: S101 -- without noise there are no errors
        noise = batch.noise
        # about the measured pixels the noise would count twice
        quiet = quiet_patches(batch)
        size = np.sqrt(noise.variance(quiet)) * batch.seen
        n, k = values.shape
        n_linear = 0 if gradients is None else gradients.shape[1]
        draws = np.empty((N_DRAWS, n, n_linear + k))
        for draw in range(N_DRAWS):
            unit = ChannelNoise(1.0, noise.correlation)
            added = unit.draw(batch.pixels.shape, self.rng) * size
            if noise.row_variance > 0:
                lines = self.rng.normal(size=(n, batch.pixels.shape[1], 1))
                added += np.sqrt(noise.row_variance) * lines * batch.seen
            draws[draw, :, n_linear:] = self._called(quiet + added)
            if gradients is not None:
                draws[draw, :, :n_linear] = np.einsum("nkij,nij->nk", gradients, added)
        draws -= draws.mean(axis=0)
        joint = np.einsum("dna,dnb->nab", draws[..., n_linear:], draws) / (N_DRAWS - 1)
        own = draws.var(axis=0, ddof=1)
        sizes = np.sqrt(own[:, n_linear:, None] * own[:, None, :])
        correlation = _drawn_together(joint / np.where(sizes > 0, sizes, np.inf))
        inner = correlation[:, :, n_linear:]
        diagonal = np.arange(k)
        inner[:, diagonal, diagonal] = 1.0
        covariance = inner * sizes[:, :, n_linear:]
        return covariance, correlation[:, :, :n_linear].transpose(0, 2, 1)

    def _called(self, pixels: Floats) -> Floats:
        """Return the user's numbers, (n, k)."""
        columns = []
        for word, descriptor in zip(self.words, self.descriptors, strict=True):
            # a copy: a function that changes its pixels must not change the other columns
            given = np.asarray(descriptor.function(pixels.copy()))
            if given.dtype.kind not in "biuf":
                raise InputError(
                    f"extra[{word!r}] must give real numbers; got {given.dtype}: take the real "
                    "part or the modulus in the function."
                )
            given = given.astype(np.float64)
            if given.shape != (len(pixels),) or not np.isfinite(given).all():
                unknown = "" if np.isfinite(given).all() else " with numbers that are not finite"
                raise InputError(
                    f"extra[{word!r}] must give one finite number for each of {len(pixels)} "
                    f"patches; got shape {given.shape}{unknown}."
                )
            columns.append(given)
        return np.stack(columns, axis=1)

    def _check(self, pixels: Floats, values: Floats) -> None:
        """Refuse functions whose result depends on the call or on the other patches."""
        self.checked = True
        size = SAME * np.abs(values).max(axis=0)
        again = np.abs(self._called(pixels) - values).max(axis=0) > size
        if again.any():
            raise InputError(
                f"extra[{self._first(again)!r}] gives other numbers when called again; a "
                "descriptor must not be random (seed its generator inside the function)."
            )
        if len(pixels) < 2:
            return
        alone = np.abs(self._called(pixels[::2]) - values[::2]).max(axis=0) > size
        if alone.any():
            raise InputError(
                f"extra[{self._first(alone)!r}] must treat each patch by itself; its numbers "
                "change with the other patches of the same call: reduce over axes 1 and 2 only."
            )

    def _first(self, bad: NDArray[np.bool_]) -> str:
        return self.words[int(np.flatnonzero(bad)[0])]


def _drawn_together(correlation: Floats) -> Floats:
    """Return correlations (n, k, l) of patches drawn to their mean by the share of chance.

    A correlation r from m draws scatters by (1 - r^2)^2 / (m - 1).
    """
    mean = correlation.mean(axis=0)
    if len(correlation) < 3:
        return correlation
    spread = np.maximum(correlation.var(axis=0, ddof=1), 1e-300)
    chance = (1.0 - mean**2) ** 2 / (N_DRAWS - 1)
    weight = np.clip(1.0 - chance / spread, 0.0, 1.0)
    return np.asarray(mean + weight * (correlation - mean))
