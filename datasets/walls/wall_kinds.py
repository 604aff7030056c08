"""Ferroelastic or ferroelectric: whether a second channel steps where the wall is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import logsumexp

from physlearn.checks import InputError, NotIdentified, check_positive
from physlearn.datasets.walls.picture_grid import picture_grid
from physlearn.records import WallTrack

__all__ = ["classify_walls"]

Floats = NDArray[np.float64]

NEAREST_WIDTHS, FARTHEST_WIDTHS, SAMPLES = 1.0, 2.5, 4
"""Where a channel is read on both sides of a wall, in wall widths."""
LEAST_SHARE, SURE = 0.8, 0.95
SPACING_WIDTHS = 2.0
"""Steps nearer to each other along the wall share pixels."""


def classify_walls(
    track: WallTrack, ferroelastic: xr.DataArray, *, contrast: float | None = None,
    noise_sd: float | None = None,
) -> WallTrack:  # fmt: skip
    """Tell ferroelastic from ferroelectric walls by a channel that steps at ferroelastic ones only.

    A ferroelectric (180 degree) wall turns the polarisation and leaves the strain: it is seen in
    the sign of the signal, not in the channel of the strain (amplitude, in-plane signal, slope of
    the height). The step of that channel across the wall is read along it, 1 to 2.5 wall widths on
    both sides. Every place is ferroelastic with the odds of its step under +-``contrast`` against
    0; the kind is that of at least 80 % of the length, told when the odds along the wall are above
    95 %; else it is unknown.

    Parameters
    ----------
    track
        Walls of ``track_walls``.
    ferroelastic
        DataArray (y, x) of a channel that lasts, or (time, y, x) with the frames of the track; in
        the track's coordinates; NaN where nothing is seen.
    contrast
        Difference of the two ferroelastic levels; None measures it (Otsu's two classes).
    noise_sd
        Of a pixel of the channel; None measures it.

    Returns
    -------
    WallTrack
        The track with ``kinds``; ``metadata["ferroelastic_share"]`` holds for each wall the share
        of its length across which the channel steps.

    Raises
    ------
    InputError
        For a channel of another shape or unit than the picture, or with pixels that are not
        square.
    NotIdentified
        When the channel shows one level only, or noise above half its contrast.

    Examples
    --------
    >>> from physlearn.datasets import WallSceneOptions, make_wall_scene
    >>> planted = WallSceneOptions(ferroelastic_period=40.0)
    >>> scene = make_wall_scene("line", (64, 64), 3, options=planted, rng=1)
    >>> classify_walls(scene.track, scene.ferroelastic).kinds
    {0: 'ferroelectric'}
    """
    pictures, origin, step = _pictures(track, ferroelastic)
    known = pictures[np.isfinite(pictures)]
    height = _contrast(pictures) if contrast is None else check_positive("contrast", contrast)
    noise = _noise(pictures) if noise_sd is None else check_positive("noise_sd", noise_sd)
    if not known.size or not height > 0 or noise > 0.5 * height * 3.0:
        raise NotIdentified(
            f"ferroelastic shows no two levels (noise {noise:.3g} against a contrast of "
            f"{height:.3g}): nothing tells the kinds of walls apart."
        )
    width = float(track.metadata.get("wall_width", 2.0 * step))
    rows = track.table
    steps = _steps(rows, pictures, origin, step, width)
    error = noise / np.sqrt(SAMPLES)  # two sides of half as many independent pixels
    error = np.hypot(error, 0.1 * height)  # levels are never quite even
    with np.errstate(invalid="ignore"):
        edge = np.logaddexp(*(-0.5 * ((steps - s * height) / error) ** 2 for s in (-1, 1)))
        odds = edge - np.log(2.0) + 0.5 * (steps / error) ** 2
    kinds, shares = {}, {}
    for wall in track.walls:
        own = (rows["wall"] == wall).to_numpy() & np.isfinite(odds)
        kinds[wall], shares[wall] = _kind(odds[own], rows[own], width)
    return replace(track, kinds=kinds, metadata={**track.metadata, "ferroelastic_share": shares})


def _kind(odds: Floats, rows: pd.DataFrame, width: float) -> tuple[str, float]:
    """Return the kind of a wall and the share of it across which the channel steps."""
    if not len(odds):
        return "unknown", float("nan")
    share = float(np.mean(1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 50.0)))))
    arc = rows["arc_length"].to_numpy()
    spacing = float(np.median(np.abs(np.diff(arc)))) if len(arc) > 1 else width
    independent = min(1.0, spacing / (SPACING_WIDTHS * width))
    # the share s of the wall that steps: 0.8 to 1 (ferroelastic) against 0 to 0.2, both even
    trial = np.linspace(0.005, 0.195, 20)[:, None]
    capped = np.clip(odds, -30.0, 30.0)[None, :]
    low = logsumexp(independent * np.log1p(trial * np.expm1(capped)).sum(axis=1))
    high = logsumexp(independent * np.log(trial + (1 - trial) * np.exp(capped)).sum(axis=1))
    sure = 1.0 / (1.0 + np.exp(-min(abs(high - low), 50.0)))
    if sure < SURE:
        return "unknown", share
    if high > low:
        return ("ferroelastic" if share > LEAST_SHARE else "unknown"), share
    return ("ferroelectric" if share < 1.0 - LEAST_SHARE else "unknown"), share


def _pictures(track: WallTrack, channel: Any) -> tuple[Floats, tuple[float, float], float]:
    """Return the channel (n, y, x), its origin x, y and its pixel size."""
    if not isinstance(channel, xr.DataArray) or set(channel.dims) not in (
        {"y", "x"}, {"time", "y", "x"},
    ):  # fmt: skip
        raise InputError("ferroelastic must be a DataArray with dims (y, x) or (time, y, x).")
    whole = channel.expand_dims("time") if channel.ndim == 2 else channel
    values = whole.transpose("time", "y", "x").to_numpy().astype(np.float64)
    if not isinstance(track, WallTrack):
        raise InputError(f"track must be a WallTrack; got {type(track).__name__}.")
    if len(values) not in (1, track.n_frames):
        raise InputError(
            f"ferroelastic must have one frame or the track's {track.n_frames}; got {len(values)}."
        )
    if not np.isfinite(values).any():
        raise InputError("ferroelastic must hold pixels that were seen; all are NaN.")
    (x0, y0), step = picture_grid("ferroelastic", channel, track)
    table = track.table
    inside = table["x"].between(x0 - step, x0 + step * channel.sizes["x"])
    inside &= table["y"].between(y0 - step, y0 + step * channel.sizes["y"])
    if len(table) and inside.mean() < 0.5:
        raise InputError(
            "ferroelastic must cover the picture of the track: most of its points lie outside."
        )
    return values, (x0, y0), step


def _contrast(pictures: Floats) -> float:
    """Difference of the medians of the two classes of the smoothed channel."""
    from skimage.filters import threshold_otsu

    smooth = ndimage.gaussian_filter(np.nan_to_num(pictures), (0, 1.0, 1.0))
    values = smooth[np.isfinite(pictures)]
    cut = threshold_otsu(values)  # type: ignore[no-untyped-call]
    low, high = values[values <= cut], values[values > cut]
    return float(np.median(high) - np.median(low)) if high.size and low.size else 0.0


def _noise(pictures: Floats) -> float:
    """Pixel noise from second differences along rows (robust against walls)."""
    change = pictures[..., 2:] - 2.0 * pictures[..., 1:-1] + pictures[..., :-2]
    change = change[np.isfinite(change)]
    return float(1.4826 * np.median(np.abs(change)) / np.sqrt(6.0)) if change.size else np.nan


def _steps(
    rows: pd.DataFrame, pictures: Floats, origin: tuple[float, float], step: float, width: float
) -> Floats:
    """Return the channel's step across every point: negative side minus positive side."""
    reach = np.linspace(NEAREST_WIDTHS, FARTHEST_WIDTHS, SAMPLES) * width / step
    reach = np.maximum(reach, 1.0 + np.arange(SAMPLES))  # at least the next pixels
    x = (rows["x"].to_numpy() - origin[0]) / step
    y = (rows["y"].to_numpy() - origin[1]) / step
    across = rows[["normal_x", "normal_y"]].to_numpy()
    frame = np.minimum(rows["frame"].to_numpy(), len(pictures) - 1)
    sides = []
    for sign in (1.0, -1.0):
        column = np.rint(x[:, None] + sign * reach * across[:, :1]).astype(int)
        row = np.rint(y[:, None] + sign * reach * across[:, 1:]).astype(int)
        inside = (row >= 0) & (column >= 0)
        inside &= (row < pictures.shape[1]) & (column < pictures.shape[2])
        row, column = np.where(inside, row, 0), np.where(inside, column, 0)
        values = np.where(inside, pictures[frame[:, None], row, column], np.nan)
        sides.append(values.mean(axis=1))
    result: Floats = sides[0] - sides[1]
    return result
