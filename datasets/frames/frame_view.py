"""Which pixels of a film are in view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import NotIdentified
from physlearn.datasets.frames.frame_levels import otsu_cut
from physlearn.datasets.frames.stored_frames import Frames

__all__ = ["field_of_view"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

PAIRS = 6
LEAST_SHARE_KNOWN = 0.5
LEAST_PIXELS = 256
LEAST_NOISE = 1e-3
"""Of the film's range: less is no camera's, the film is calculated and nothing in it is a rim."""


def field_of_view(values: Frames, present: Mask) -> tuple[Mask, float]:
    """Pixels that are known and change, and the sd of their noise; ``present``: frames in use.

    Of two noise classes that stand apart the quieter is in view: a round aperture leaves a rim
    that is black (constant) or, after division by a flat field, much noisier than the picture.
    Judged on 6 pairs of neighbouring frames that are spread over the film.
    """
    frames = np.flatnonzero(present)
    firsts = np.unique(np.linspace(0, len(frames) - 2, PAIRS).astype(int))
    picked = values[frames[np.unique(np.concatenate([firsts, firsts + 1]))]]
    finite = np.isfinite(picked)
    known: Mask = np.asarray(finite.mean(axis=0) >= LEAST_SHARE_KNOWN)
    spread = np.where(finite, picked, -np.inf).max(axis=0) - np.where(finite, picked, np.inf).min(
        axis=0
    )
    changes: Mask = known & (spread > 0)
    if (
        changes.any()
        and known.sum() >= LEAST_PIXELS
        and _noise_free(values, frames[firsts], frames[firsts + 1], changes)
    ):
        # here what does not change is a domain; no rim can be told from it
        return known, 0.0
    seen: Mask = changes | (ndimage.binary_closing(changes, iterations=2) & known)
    if int(seen.sum()) < LEAST_PIXELS:
        raise NotIdentified(
            f"video holds fewer than {LEAST_PIXELS} pixels that change in time: there is no "
            "picture to normalize."
        )
    change = values[frames[firsts + 1]] - values[frames[firsts]]
    change = np.where(np.isfinite(change) & seen, change, 0.0)
    change -= ndimage.uniform_filter(change, (0, 7, 7))
    middle = np.median(change**2, axis=0)
    noise = np.log(np.maximum(ndimage.uniform_filter(middle, 9), 1e-300))
    inside = noise[seen]
    # the median of a squared Gaussian change is .455 x 2 variances, less what the box takes
    sd = float(np.sqrt(np.median(middle[seen]) / 0.455 / 2.0))
    if sd < LEAST_NOISE * np.ptp(picked[finite]):
        return known, sd
    cut = otsu_cut(inside)
    quiet, loud = inside[inside <= cut], inside[inside > cut]
    apart = loud.size > 0 and np.median(loud) - np.median(quiet) > np.log(4.0)
    if not apart or not 0.05 < loud.size / inside.size < 0.8:
        return seen, sd
    view = ndimage.binary_opening(seen & (noise <= cut), iterations=3)
    labels, count = ndimage.label(view)
    if count == 0:
        return seen, sd
    largest = int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    filled = ndimage.binary_fill_holes(labels == largest)
    # a rim is loud itself; a wall that moves across the picture cuts off a quiet part
    rim = ~seen | (noise > cut)
    loud_rim = rim[[0, -1]].mean() > 0.5 or rim[:, [0, -1]].mean() > 0.5
    if loud_rim:
        eroded: Mask = ndimage.binary_erosion(filled, iterations=6)
        seen = eroded & seen
        sd = float(np.sqrt(np.median(middle[seen]) / 0.455 / 2.0)) if seen.any() else sd
    return seen, sd


def _noise_free(
    values: Frames, firsts: NDArray[np.int64], seconds: NDArray[np.int64], changes: Mask
) -> bool:
    """Whether pixels that switch at some time are otherwise exactly as in the frame before."""
    change = values[seconds][:, changes] - values[firsts][:, changes]
    return float(np.mean(change == 0)) > 0.5
