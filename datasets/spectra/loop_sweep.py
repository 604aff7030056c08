"""The voltage sweep of a loop: its directions, its step, and how far its branches lie apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.spectra.pixel_spectra import median_of_known

__all__ = ["branch_opening", "sweep_directions", "sweep_step"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

A_MOVE = 0.25
"""Changes below this share of the large ones are jitter of the voltage read back, not moves."""
DEAD_BAND = 0.5
"""The sweep has turned when it is this share of its step back from its extreme."""
REACH = 5
"""Voltages whose middle opening is asked: two spikes among them do not move it."""
LARGEST_ECHO = 0.6
MEDIAN_SD = 0.536
"""Standard deviation of the median of five Gaussian numbers."""


def sweep_step(voltage: Floats) -> float:
    """Return the usual change of voltage from one value of the sweep to the next.

    Pauses, and the jitter of a voltage that was read back during them, do not count.
    """
    moves = np.abs(np.diff(voltage))
    moves = moves[moves > 0]
    if len(moves) == 0:
        return 0.0
    large = float(np.quantile(moves, 0.95))
    return float(np.median(moves[moves > A_MOVE * large]))


def sweep_directions(voltage: Floats) -> Flags:
    """Return where the voltage has just risen (a turning point belongs to the way it ends).

    The sweep turns where it comes back from an extreme by more than half of its step: jitter of a
    voltage that was read back is no turn.

    Raises
    ------
    InputError
        For a sweep that runs one way only: one branch is no loop.

    Examples
    --------
    >>> sweep_directions(np.array([0.0, 1.0, 0.0, -1.0, -1.0])).tolist()
    [True, True, False, False, False]
    """
    turns, first = _turns(voltage)
    if len(turns) == 0:
        raise InputError(
            "spectra must hold a voltage sweep up and down; this axis runs one way only, and one "
            "branch is no loop."
        )
    plain = np.sign(np.diff(voltage, prepend=voltage[0]))
    moving = np.flatnonzero(plain)
    if np.count_nonzero(np.diff(plain[moving])) == len(turns):
        # no jitter: points of a pause, and the first point, go with the next move or the last one
        last = np.maximum.accumulate(np.where(plain != 0, np.arange(len(plain)), -1))
        return np.asarray(plain[np.where(last < 0, moving[0], last)] > 0)
    rising = np.empty(len(voltage), dtype=bool)
    start, up = 0, first
    for stop in [*turns, len(voltage)]:
        rising[start:stop] = up
        start, up = stop, not up
    return rising


def _turns(voltage: Floats) -> tuple[list[int], bool]:
    """Return the first points of new directions, and whether the sweep begins by rising."""
    band = DEAD_BAND * sweep_step(voltage)
    turns: list[int] = []
    first, rising = True, None
    low = high = voltage[0]
    for k, v in enumerate(voltage):
        if rising is None:
            low, high = min(low, v), max(high, v)
            if v - low > band or high - v > band:
                first = rising = bool(v - low > band)
                low = high = v
        elif (high - v if rising else v - low) > band:
            # points within the band of the extreme belong to the way that ends there
            turns.append(k)
            rising = not rising
            low = high = v
        else:
            low, high = min(low, v), max(high, v)
    return turns, first


def branch_opening(
    voltage: Floats, rising: Flags, spectra: Floats, scales: Floats, echo: float
) -> tuple[Floats, Flags]:
    """Return how many standard errors the branches lie apart, and whether both are there.

    The falling branch less the rising one in bins of a sweep's step, and of five neighbouring bins
    the middle one (their median): its largest distance from 0 among all places, in units of the
    error that the noise gives it. No model of the loop enters: where the fit leaves more noise
    (``scales``, (n,)) than the spectrum's bends show, the bends tell. ``echo`` is the correlation
    of the residuals one point apart; above .6 it is rather the fit's failure than the noise's.
    """
    echo = min(echo, LARGEST_ECHO)
    bends = median_of_known(np.abs(np.diff(spectra, n=2, axis=1)), 1)
    bends = 1.4826 * bends / np.sqrt(6.0 - 8.0 * echo + 2.0 * echo**2)
    scales = np.fmin(scales, bends) * np.sqrt((1.0 + echo) / (1.0 - echo))
    step = sweep_step(voltage)
    place = np.floor((voltage - voltage.min()) / step + 0.5).astype(np.int64)
    bins = int(place.max()) + 1
    difference = np.full((len(spectra), bins), np.nan)
    variance = np.full((len(spectra), bins), np.nan)
    for k in range(bins):
        here = [np.flatnonzero((place == k) & branch) for branch in (~rising, rising)]
        if min(len(each) for each in here) == 0:
            continue
        falling, climbing = (median_of_known(spectra[:, each], 1) for each in here)
        number = [np.count_nonzero(~np.isnan(spectra[:, each]), axis=1) for each in here]
        difference[:, k] = falling - climbing
        with np.errstate(divide="ignore"):
            variance[:, k] = 1.0 / number[0] + 1.0 / number[1]
    # turning points are in one branch only: bins without both go
    kept = ~np.isnan(difference).all(axis=0)
    difference, variance = difference[:, kept], variance[:, kept]
    if difference.shape[1] < REACH:
        return np.zeros(len(spectra)), np.zeros(len(spectra), dtype=bool)
    windows = np.lib.stride_tricks.sliding_window_view(difference, REACH, axis=1)
    spread = np.lib.stride_tricks.sliding_window_view(variance, REACH, axis=1)
    full = ~np.isnan(windows).any(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = MEDIAN_SD * scales[:, None] * np.sqrt(spread.mean(axis=2))
        clear = np.where(full, np.abs(np.median(windows, axis=2)) / error, 0.0)
    return np.nan_to_num(clear.max(axis=1)), np.asarray(full.any(axis=1))
