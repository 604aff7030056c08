"""Which pixels of a picture count: the user's mask, less what the detector saturated."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from physlearn.checks import InputError

__all__ = ["saturated_pixels", "usable_pixels"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
FEWEST_SATURATED = 9
PLATEAU_NEIGHBOURS = 4
PLATEAU_SHARE = 0.3
LARGEST_SATURATED_SHARE = 0.25
FEWEST_USABLE_SHARE = 0.05


def saturated_pixels(image: Floats) -> Flags:
    """Flag plateaus at the picture's largest value, with a margin of one pixel.

    One maximum of noise stands alone; a detector at its limit gives connected pixels of one value.
    """
    highest = image == image.max()
    count = int(highest.sum())
    none = np.zeros(image.shape, dtype=np.bool_)
    if count < FEWEST_SATURATED or count > LARGEST_SATURATED_SHARE * image.size:
        return none
    around = ndimage.uniform_filter(highest.astype(np.float32), 3, mode="constant") * 9.0 - 1.0
    inner = highest & (around > PLATEAU_NEIGHBOURS - 0.5)
    if inner.sum() < PLATEAU_SHARE * count:
        return none
    return np.asarray(
        ndimage.binary_dilation(highest, np.ones((3, 3), dtype=np.bool_)), dtype=np.bool_
    )


def usable_pixels(
    image: Floats, mask: ArrayLike | None, polarity: str, warnings: list[str]
) -> Flags | None:
    """Return the pixels that count, or None where all do; say in ``warnings`` what was left out."""
    good = None
    if mask is not None:
        given = np.asarray(mask)
        if given.shape != image.shape or given.dtype != np.bool_:
            raise InputError(
                f"mask must be a boolean array of the picture's shape {image.shape} (True where a "
                f"pixel counts); got {given.dtype} of shape {given.shape}."
            )
        if given.mean() < FEWEST_USABLE_SHARE:
            raise InputError(
                f"mask leaves {given.mean():.1%} of the picture; at least 5 % must count."
            )
        good = None if given.all() else given
    bright = image if polarity == "bright" else -image
    saturated = saturated_pixels(bright)
    if saturated.any():
        warnings.append(
            f"{saturated.mean():.2%} of the pixels are saturated (plateaus at the largest value) "
            "and were left out of the fit."
        )
        good = ~saturated if good is None else good & ~saturated
    return good
