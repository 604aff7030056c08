"""A film on one scale: what brings each raw frame to -1 and +1, and the scaled frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.datasets.frames.frame_kernels import regress_frame, scale_frame, scan_frame
from physlearn.datasets.frames.frame_levels import (
    BLOCK_PIXEL,
    FrameStore,
    fit_levels,
    steady_scales,
)
from physlearn.datasets.frames.frame_rows import repair_rows, suspicious_rows
from physlearn.datasets.frames.frame_view import field_of_view
from physlearn.datasets.frames.stored_frames import Frames
from physlearn.records.storage import html_table, short_repr

__all__ = ["Film", "ScaledFrame", "block_shape", "plain_film", "prepare_film"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


FLATTEN_ABOVE = 0.05
SMALLEST_LOCAL_CONTRAST = 0.5
REFERENCE_FRAMES = 7
CLIP_NOISES = 3.0
FIRST_MARGIN = 2


@dataclass(frozen=True, slots=True, eq=False)
class ScaledFrame:
    """A normalised frame (NaN not seen) with the sums and counts of its 2 x 2 blocks."""

    pixels: Floats
    sums: Floats
    counts: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """Raw frames and what normalises them: ((frame - offset) / gain - middle) / half.

    Attributes
    ----------
    values
        Raw frames, (n_frames, n_rows, n_columns): an array, or what reads one frame at a time.
    seen, present
        Pixels in view, frames that hold any.
    gain, offset, level_error
        One a frame; the sd of the zero level as a fraction of half the contrast.
    middle, half
        Middle and half difference of the levels: pictures, or shape (1, 1).
    repaired
        Frame -> its repaired rows and their pixels.
    n_repaired
        Number of repaired rows.
    noise
        Sd of the pixel noise in the raw unit, roughly.
    block_sums, block_counts
        Of the known pixels over blocks of ``BLOCK_PIXEL``, kept to find the levels again.
    """

    values: Frames
    seen: Mask
    present: Mask
    gain: Floats
    offset: Floats
    level_error: Floats
    middle: Floats
    half: Floats
    repaired: dict[int, tuple[NDArray[np.int64], Floats]]
    n_repaired: int
    noise: float
    block_sums: FrameStore
    block_counts: FrameStore

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def flattened(self) -> bool:
        """Whether the levels vary over the picture."""
        return self.middle.size > 1

    def raw(self, index: int) -> Floats:
        """Return a frame with its rows repaired."""
        frame: Floats = self.values[index]
        if index not in self.repaired:
            return frame
        rows, pixels = self.repaired[index]
        mended = frame.copy()
        mended[rows] = pixels
        return mended

    def buffer(self) -> ScaledFrame:
        """Return working space for `scale`."""
        rows, columns = self.seen.shape
        blocks = -(-rows // 2), -(-columns // 2)
        return ScaledFrame(np.empty((rows, columns)), np.empty(blocks), np.empty(blocks))

    def scale(self, index: int, into: ScaledFrame) -> ScaledFrame:
        """Write the normalised frame into the working space and return it."""
        scale_frame(
            self.raw(index), self.seen, self.gain[index], self.offset[index], self.middle,
            self.half, into.pixels, into.sums, into.counts,
        )  # fmt: skip
        return into


def prepare_film(
    values: Frames, present: Mask | None = None, store: Sequence[FrameStore] | None = None
) -> Film:
    """Find view, levels and scales of a film; NaN marks pixels not seen.

    Of a film that is read frame by frame ``present`` says which frames hold any pixel, and
    ``store`` where the sums and the counts over blocks of ``BLOCK_PIXEL`` are kept.
    """
    present = _present(values) if present is None else present
    if present.sum() < 2:
        raise NotIdentified("video holds fewer than 2 frames with pixels: there is no film.")
    seen, noise = field_of_view(values, present)
    reference = _reference(values, present, seen)
    n_frames, n_rows, n_columns = values.shape
    shape = block_shape(n_frames, n_rows, n_columns)
    sums, counts = store or (np.zeros(shape), np.zeros(shape))
    own_sums, own_counts = np.empty(shape[1:]), np.empty(shape[1:])
    rows, line = np.empty((n_rows, 3)), np.empty(2)
    repaired: dict[int, tuple[NDArray[np.int64], Floats]] = {}
    n_repaired = 0
    for index in np.flatnonzero(present):
        frame = values[index]
        regress_frame(frame, seen, reference, 4, line)
        clip = CLIP_NOISES * noise
        scan_frame(
            frame, seen, reference, line[0], line[1], clip, BLOCK_PIXEL, rows, own_sums, own_counts,
        )  # fmt: skip
        suspects = suspicious_rows(rows) if present.sum() >= 3 else np.zeros(0, np.int64)
        if suspects.size:
            mended, number = repair_rows(frame, seen, line[1] + line[0] * reference, suspects)
            if mended is not None:
                repaired[int(index)] = _changed_rows(frame, mended)
                n_repaired += number
                scan_frame(
                    mended, seen, reference, line[0], line[1], clip, BLOCK_PIXEL, rows, own_sums,
                    own_counts,
                )  # fmt: skip
        sums[int(index)], counts[int(index)] = own_sums, own_counts
    one = np.ones((1, 1))
    zeros = np.zeros(n_frames)
    film = Film(
        values, seen, present, zeros + 1.0, zeros, zeros, 0 * one, one, repaired, n_repaired, noise,
        sums, counts,
    )  # fmt: skip
    return find_levels(film, FIRST_MARGIN)


def block_shape(n_frames: int, n_rows: int, n_columns: int) -> tuple[int, int, int]:
    """Return the shape of the sums over blocks."""
    return n_frames, -(-n_rows // BLOCK_PIXEL), -(-n_columns // BLOCK_PIXEL)


def _changed_rows(frame: Floats, mended: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return which rows of a frame were repaired, and what they are now."""
    alike = (frame == mended) | (np.isnan(frame) & np.isnan(mended))
    rows = np.flatnonzero(~alike.all(axis=1))
    return rows, mended[rows]


def find_levels(film: Film, margin: int) -> Film:
    """Return the film with levels and scales from blocks at least ``margin`` from the walls."""
    levels = fit_levels(film.block_sums, film.block_counts, film.seen.shape, film.noise, margin)
    low, high, seen = levels.low, levels.high, film.seen
    contrast = float(np.median((high - low)[seen]))
    spread = max(float(np.std(low[seen])), float(np.std(high[seen]))) / contrast
    typical = float(np.median(low[seen])), float(np.median(high[seen]))
    if spread <= FLATTEN_ABOVE:
        low, high = (np.full((1, 1), level) for level in typical)
    gain, offset, level_error = steady_scales(levels, *typical)
    half = np.maximum(0.5 * (high - low), SMALLEST_LOCAL_CONTRAST * 0.5 * contrast)
    return replace(
        film, gain=gain, offset=offset, level_error=level_error, middle=0.5 * (low + high),
        half=half,
    )  # fmt: skip


def plain_film(values: Frames, present: Mask | None = None) -> Film:
    """Return a film that is on one scale already; ``present`` as in `prepare_film`."""
    present = _present(values) if present is None else present
    finite = np.zeros(values.shape[1:])
    for index in np.flatnonzero(present):
        finite += np.isfinite(values[index])
    seen: Mask = np.asarray(finite >= 0.5 * present.sum())
    zeros, one = np.zeros(values.shape[0]), np.ones((1, 1))
    return Film(
        values, seen, present, zeros + 1.0, zeros, zeros, 0 * one, one, {}, 0, 0.0, zeros, zeros
    )


def _present(values: Frames) -> Mask:
    """Frames that hold a number."""
    if not isinstance(values, np.ndarray):
        return np.array([np.isfinite(values[k]).any() for k in range(values.shape[0])])
    middle = values[:, values.shape[1] // 2, values.shape[2] // 2]
    present: Mask = np.isfinite(middle)
    for index in np.flatnonzero(~present):
        present[index] = np.isfinite(values[index]).any()
    return present


def _reference(values: Frames, present: Mask, seen: Mask) -> Floats:
    """Usual picture: the median of some frames, 0 where nothing is known."""
    frames = np.flatnonzero(present)
    picked = values[
        frames[np.unique(np.linspace(0, len(frames) - 1, REFERENCE_FRAMES).astype(int))]
    ]
    whole = np.isfinite(picked[:, seen]).all()
    middle = np.median(picked, axis=0) if whole else _known_median(picked)
    return np.where(seen & np.isfinite(middle), middle, 0.0)


def _known_median(picked: Floats) -> Floats:
    """Median of the known values; NaN where there is none."""
    empty = ~np.isfinite(picked).any(axis=0)
    result: Floats = np.nanmedian(np.where(empty, 0.0, picked), axis=0)
    return np.where(empty, np.nan, result)
