"""Complex films (amplitude and phase): the offset removed, projected on the axis of the domains."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified

__all__ = ["amplitude_and_phase", "in_phase_video"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

BLOCK_PIXEL = 4
LARGE_FRAME_PIXEL = 192
LEAST_BLOCKS = 12
ROUNDS = 12
JUMP_ERRORS = 4.0
ONE_TURN = 2.0 * np.pi + 0.5
"""Radians, with some noise: a phase that goes farther is in degrees or was unwrapped."""


def in_phase_video(video: xr.DataArray | xr.Dataset) -> xr.DataArray:
    """Project a complex film on the line between its two domains, frame by frame.

    The signal is ``sign * A exp(i phase) + offset + noise``. The two clusters of its values lie on
    a line through the offset; what is measured along that line holds all that the walls tell, and
    the offset's part along it is a frame's level, which normalisation takes out. The positive
    domain is the one whose axis points to phases in (-90, 90] degrees in the first frame; later
    frames follow it when the phase drifts. Phases that scatter no more than they are known are
    taken as one.

    Parameters
    ----------
    video
        Complex DataArray (time, y, x), or a Dataset with amplitude and phase as
        ``amplitude_and_phase`` finds them (radians, or degrees where its attribute ``units`` says
        deg).

    Returns
    -------
    DataArray
        Real, same coordinates; attribute ``phase_axis``: radians, one a frame.

    Raises
    ------
    InputError
        For a Dataset without amplitude and phase, or other dims.
    NotIdentified
        When the values show one cluster only.

    Examples
    --------
    >>> sign = np.where(np.arange(32) < 14, -1.0, 1.0) * np.ones((3, 32, 1))
    >>> noise = np.random.default_rng(0).normal(0, 0.05, (2, 3, 32, 32))
    >>> film = xr.DataArray(sign * np.exp(0.7j) + 0.2 + noise[0] + 1j * noise[1],
    ...     dims=("time", "y", "x"))
    >>> round(in_phase_video(film).attrs["phase_axis"][0], 1)
    0.7
    """
    amplitude, phase, like = _parts(video)
    values = None if amplitude is not None else _complex_of(like)
    axes, errors = _axes(amplitude, phase, values)
    axes = _steady(axes, errors)
    shape = like.shape
    result = np.empty(shape)
    for index in range(shape[0]):
        turn = axes[index]
        if not np.isfinite(turn):
            result[index] = np.nan
        elif values is not None:
            np.multiply(values[index].real, np.cos(turn), out=result[index])
            result[index] += np.sin(turn) * values[index].imag
        elif amplitude is not None and phase is not None:
            # single precision is ample for a phase and several times as fast
            angle = (phase[index] - turn).astype(np.float32)
            np.multiply(amplitude[index], np.cos(angle), out=result[index])
    film = xr.DataArray(result, dims=like.dims, coords=like.coords, attrs=dict(like.attrs))
    film.attrs["phase_axis"] = axes.tolist()
    return film


def _complex_of(like: xr.DataArray) -> Complexes:
    return np.asarray(like.to_numpy(), dtype=np.complex128)


def _parts(
    video: xr.DataArray | xr.Dataset,
) -> tuple[Floats | None, Floats | None, xr.DataArray]:
    """Amplitude and phase in radians (None for a complex film), and an array with the coords."""
    if isinstance(video, xr.DataArray):
        if set(video.dims) != {"time", "y", "x"}:
            raise InputError(
                f"video must have dims time, y and x; got {', '.join(map(str, video.dims))}."
            )
        return None, None, video.transpose("time", "y", "x")
    like, phase, angles = amplitude_and_phase("video", video)
    if set(like.dims) != {"time", "y", "x"} or set(phase.dims) != {"time", "y", "x"}:
        raise InputError(
            "video's amplitude and phase must have dims time, y and x; got "
            f"{', '.join(map(str, like.dims))} and {', '.join(map(str, phase.dims))}: of one "
            "picture find_walls maps the walls."
        )
    like = like.transpose("time", "y", "x")
    turned = phase.copy(data=angles).transpose("time", "y", "x")
    return np.asarray(like.to_numpy(), dtype=np.float64), turned.to_numpy(), like


def amplitude_and_phase(name: str, data: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray, Floats]:
    """Return the channels of amplitude and phase of a dataset, and the phase in radians.

    They are the channels called ``amplitude`` and ``phase``, or the only ones whose names begin so,
    in whatever case. A phase without a unit is in radians, unless it goes farther than one turn.

    Raises
    ------
    InputError
        When there is none or there are several, or the phase has another unit.

    Examples
    --------
    >>> both = xr.Dataset({"AmplitudeRetrace": ("x", [1.0]), "PhaseRetrace": ("x", [180.0])})
    >>> both["PhaseRetrace"].attrs["units"] = "deg"
    >>> amplitude_and_phase("image", both)[2]
    array([3.14159265])
    """
    found = []
    for asked in ("amplitude", "phase"):
        named = [key for key in data if str(key).lower() == asked]
        named = named or [key for key in data if str(key).lower().startswith(asked)]
        if len(named) != 1:
            held = ", ".join(map(str, data)) or "nothing"
            raise InputError(
                f"{name} given as a Dataset must hold one channel called {asked}; it holds {held}: "
                f"rename one by {name}.rename({{...: '{asked}'}})."
            )
        found.append(data[named[0]])
    like, phase = found
    angles = np.asarray(phase.to_numpy(), dtype=np.float64)
    unit = str(phase.attrs.get("units", "")).lower()
    if unit.startswith(("deg", "°")):
        return like, phase, np.deg2rad(angles)
    if unit not in ("rad", "radian", "radians", "1", ""):
        raise InputError(f"the unit of {phase.name} must be rad or deg; got {unit!r}.")
    farthest = float(np.nanmax(np.abs(angles), initial=0.0))
    if unit in ("1", "") and farthest > ONE_TURN:
        raise InputError(
            f"{phase.name} must say its unit: without one it is in radians, but it reaches "
            f"{farthest:.4g}; set {name}['{phase.name}'].attrs['units'] to 'deg' or 'rad'."
        )
    return like, phase, angles


def _axes(
    amplitude: Floats | None, phase: Floats | None, values: Complexes | None
) -> tuple[Floats, Floats]:
    """Phase of the line between the clusters, one a frame, and its standard error."""
    n_frames = len(values) if values is not None else len(amplitude)  # type: ignore[arg-type]
    axes, errors = np.full(n_frames, np.nan), np.full(n_frames, np.inf)
    before = 0.0
    places = _block_places((values if values is not None else amplitude).shape[1:])  # type: ignore[union-attr]
    for index in range(n_frames):
        total: Complexes | float = 0.0
        for place in places:
            if values is not None:
                total = total + values[index][place]
            elif amplitude is not None and phase is not None:
                total = total + amplitude[index][place] * np.exp(1j * phase[index][place])
        sample = np.asarray(total, dtype=np.complex128).ravel() / len(places)
        sample = sample[np.isfinite(sample)]
        if sample.size < LEAST_BLOCKS:
            continue
        axes[index], errors[index] = _axis(sample, before)
        if np.isfinite(errors[index]):
            before = axes[index]
    if not np.isfinite(errors).any():
        raise NotIdentified("video shows one cluster of complex values only: there is no wall.")
    return axes, errors


def _block_places(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Pixels of blocks of 4 x 4, one place in all blocks at a time; of large frames a quarter."""
    step = BLOCK_PIXEL * (2 if min(shape) >= LARGE_FRAME_PIXEL else 1)
    rows, columns = (n // step * step for n in shape)
    return [
        (slice(a, rows, step), slice(b, columns, step))
        for a in range(BLOCK_PIXEL)
        for b in range(BLOCK_PIXEL)
    ]


def _axis(sample: Complexes, before: float) -> tuple[float, float]:
    """Direction of the line between two clusters (2-means along the principal axis) and its error.

    It is turned by half a turn where that brings it nearer to ``before``. The error is infinite
    when the clusters do not stand apart.
    """
    rest = sample - sample.mean()
    direction = 0.5 * float(np.angle((rest**2).sum()))
    if np.cos(direction - before) < 0 or (before == 0.0 and np.isclose(direction, -0.5 * np.pi)):
        direction += np.pi
    along = (rest * np.exp(-1j * direction)).real
    across = (rest * np.exp(-1j * direction)).imag
    cut = 0.0
    for _ in range(ROUNDS):
        upper = along > cut
        if not 0 < upper.sum() < len(along):
            return direction, np.inf
        cut = 0.5 * (along[upper].mean() + along[~upper].mean())
    upper = along > cut
    gap = along[upper].mean() - along[~upper].mean()
    inner = np.sqrt(0.5 * (along[upper].var() + along[~upper].var()))
    noise = float(across.std())
    if min(upper.mean(), 1 - upper.mean()) < 2e-3 or gap < 1.5 * max(inner, noise) * np.sqrt(2):
        return direction, np.inf
    spread = noise / gap * np.sqrt(1.0 / upper.sum() + 1.0 / (~upper).sum())
    tilt = float(across[upper].mean() - across[~upper].mean()) / gap
    turned = direction + np.arctan(tilt)
    return float(np.arctan2(np.sin(turned), np.cos(turned))), float(spread)


def _steady(axes: Floats, errors: Floats) -> Floats:
    """One phase for all frames unless they scatter by more than 4 standard errors."""
    good = np.isfinite(errors)
    unit = np.exp(1j * axes[good])
    weight = 1.0 / np.maximum(errors[good], 1e-9) ** 2
    middle = float(np.angle((weight * unit).sum()))
    gaps = np.angle(unit * np.exp(-1j * middle))
    result = axes.copy()
    known = np.flatnonzero(good)
    if (np.abs(gaps) < JUMP_ERRORS * errors[good]).all():
        result[:] = np.where(np.isfinite(axes), middle, np.nan)
        return result
    unwrapped = np.unwrap(axes[good])
    filled = np.interp(np.arange(len(axes)), known, unwrapped)
    return np.where(np.isfinite(axes), filled, np.nan)
