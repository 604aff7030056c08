"""Frames of a domain video brought to one scale: the negative domain at -1, the positive one at +1.

Illumination that jumps from frame to frame looks like switching, and a picture that is brighter on
one side looks like a domain. Every frame is therefore referred to the two domain levels of the
pixels that did not switch.
"""

from __future__ import annotations

import logging

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.frames.frame_levels import smooth_known
from physlearn.datasets.frames.scaled_film import prepare_film
from physlearn.datasets.walls.wall_appearance import settle_levels
from physlearn.records import check_video

__all__ = ["domain_fraction", "normalize_frames"]

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

LABEL_SMOOTHING_PIXEL = 1.5
NEAR_ONE = 0.3, 3.0
"""Between these lies the median size of the pixels of a film whose domains are at -1 and +1."""


def normalize_frames(video: xr.DataArray) -> xr.DataArray:
    """Bring every frame to the same two domain levels, -1 and +1, and mark what was not in view.

    Rows that jump are shifted back and rows that are broken are interpolated. Then gain and offset
    of every frame are regressed on the levels of the pixels whose domain is known, away from the
    walls, so that switching cannot pass for illumination nor illumination for switching. Where the
    levels vary over the picture by more than 5 % of the contrast, they are flattened.

    Parameters
    ----------
    video
        DataArray (time, y, x); NaN marks pixels not seen.

    Returns
    -------
    DataArray
        Same dims and coordinates, dimensionless, NaN outside the field of view. Attributes:
        ``frame_gain`` and ``frame_offset`` (one a frame, in units of the first video),
        ``frame_level_error`` (one a frame: sd of the zero level, dimensionless),
        ``repaired_rows``, ``flattened`` (0 or 1), ``in_view`` (fraction of the pixels).

    Raises
    ------
    InputError
        If ``video`` is no video.
    NotIdentified
        If the frames do not show two levels.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video
    >>> from physlearn.datasets.synthetic.synthetic_walls import WallVideoOptions
    >>> jumps = WallVideoOptions(illumination_jump=0.2, jump_frames=(2,))
    >>> film = normalize_frames(make_wall_video(n_frames=4, options=jumps, rng=1).video)
    >>> [round(gain, 1) for gain in film.attrs["frame_gain"]]
    [1.0, 1.0, 0.8, 1.0]
    """
    checked = check_video(video)
    film = settle_levels(prepare_film(checked.to_numpy()))
    space = film.buffer()
    scaled = np.stack([film.scale(k, space).pixels.copy() for k in range(len(film.gain))])
    result = checked.copy(data=scaled)
    result.attrs |= {
        "frame_gain": film.gain.tolist(),
        "frame_offset": film.offset.tolist(),
        "frame_level_error": film.level_error.tolist(),
        "repaired_rows": film.n_repaired,
        "flattened": int(film.flattened),
        "in_view": float(film.seen.mean()),
        "units": "1",
    }
    logger.info("normalized %d frames, %d rows repaired", len(scaled), film.n_repaired)
    return result


def domain_fraction(video: xr.DataArray, *, positive: bool = True) -> Floats:
    """Share of the field of view that is in the positive (or negative) domain, frame by frame.

    Parameters
    ----------
    video
        What `normalize_frames` returned.
    positive
        False counts the negative domain.

    Returns
    -------
    ndarray
        Shape (n_frames,), between 0 and 1; NaN for a missing frame. Of a frame that is seen in part
        the share of that part.

    Raises
    ------
    InputError
        If ``video`` is no video, or its domains are not at -1 and +1.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video
    >>> film = make_wall_video(n_frames=3, rng=1).video
    >>> bool(0.1 < domain_fraction(film)[0] < 0.2)
    True
    """
    values = check_video(video).to_numpy()
    seen = np.isfinite(values)
    # frames that normalize_frames brought to -1 and +1 may show one domain only
    normal = "frame_gain" in video.attrs
    if seen.any() and not _at_domain_levels(values[seen], one_will_do=normal):
        raise InputError(
            "video must be -1 and +1 in its domains, as normalize_frames brings it; its values run "
            f"from {values[seen].min():.4g} to {values[seen].max():.4g}: give "
            "normalize_frames(video)."
        )
    above = np.stack([smooth_known(frame, LABEL_SMOOTHING_PIXEL) > 0 for frame in values])
    count = seen.sum(axis=(1, 2))
    fraction = np.where(count > 0, (above & seen).sum(axis=(1, 2)) / np.maximum(count, 1), np.nan)
    result: Floats = fraction if positive else 1.0 - fraction
    return result


def _at_domain_levels(values: Floats, *, one_will_do: bool) -> bool:
    """Whether pixels lie about -1 and +1; grey levels of a camera are all positive, or far off."""
    low, usual = np.percentile(values, 0.1), np.median(np.abs(values))
    both = low < 0 < values.max()
    return bool((both or one_will_do) and NEAR_ONE[0] < usual < NEAR_ONE[1])
