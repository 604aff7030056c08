"""Frames, times and temperature of a film with thermal noise, checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_positive

__all__ = ["checked_film", "checked_temperature"]

Floats = NDArray[np.float64]

FEWEST_FRAMES = 8


def checked_film(frames: ArrayLike, times: ArrayLike) -> tuple[Floats, Floats]:
    """Return frames and their times."""
    film = check_array("frames", frames, ndim=3, finite=False)
    when = check_array("times", times, shape=(len(film),))
    if np.any(np.diff(when) <= 0):
        raise InputError("times must increase.")
    seen = np.isfinite(film)
    partly = np.flatnonzero(seen.any((1, 2)) & ~seen.all((1, 2)))
    if partly.size:
        raise InputError(
            f"frames must be whole or wholly NaN where temperature is given; frame {partly[0]} "
            "has some NaN pixels: fill them or set the frame to NaN."
        )
    if np.isinf(film).any():
        raise InputError("frames must hold no infinite values.")
    if seen.all((1, 2)).sum() < FEWEST_FRAMES:
        raise InputError(
            f"frames must hold at least {FEWEST_FRAMES} whole frames; got "
            f"{int(seen.all((1, 2)).sum())}."
        )
    return film, when


def checked_temperature(temperature: float | tuple[float, float]) -> tuple[float, float]:
    """Return kT and its sd."""
    pair = temperature if isinstance(temperature, tuple | list) else (temperature, 0.0)
    if len(pair) != 2:
        raise InputError(f"temperature must be kT or (kT, sd); got {temperature!r}.")
    return (check_positive("temperature", pair[0]),
            check_positive("the sd of temperature", pair[1], allow_zero=True))  # fmt: skip
