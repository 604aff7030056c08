"""Hysteresis loops of every pixel: coercive voltages, imprint, remanence, area, with errors."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, check_choice, check_positive
from physlearn.datasets.spectra.loop_covariance import LoopFits, loop_covariances
from physlearn.datasets.spectra.loop_kernels import N_PARAMETERS, fit_loops
from physlearn.datasets.spectra.loop_sweep import branch_opening, sweep_directions, sweep_step
from physlearn.datasets.spectra.pixel_spectra import (
    PixelSpectra,
    maps_of,
    median_of_known,
    pixel_spectra,
)

__all__ = ["LOOP_COLUMNS", "describe_loops"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

LOOP_COLUMNS = (
    "coercive_voltage_rising", "coercive_voltage_falling", "imprint", "remanent_response",
    "switchable_response", "loop_area", "vertical_offset", "response_slope",
)  # fmt: skip
REASONS = (
    "measured",
    "more than half of the points are missing or spikes",
    "no hysteresis above the noise",
    "neither step lies within the sweep with its points there",
    "the fit determines no errors",
    "the branches lie apart, but the loop's shape (two steps between two states) does not fit",
    "one branch is missing or spikes where the other is: one branch is no loop",
)
LEAST_SHARE = 0.5
LEAST_Z = 4.0
"""A loop whose opening is below this many standard errors is called none."""
LEAST_OPENING = 6.0
"""Standard errors from which branches lie apart, whatever the loop's shape."""
MUCH_UNFITTED = 0.05
SHARPEST = 0.5
"""Smallest width of a step, in voltage steps: a sharper one shows no more of its place."""


def describe_loops(
    spectra: xr.DataArray, *, level: str = "middle", max_spoilt: float = LEAST_SHARE
) -> xr.Dataset:
    r"""Measure the hysteresis loop of every pixel, with errors, whatever spikes it holds.

    Both branches step between the same two states,

    .. math:: R(V) = c + s V + a \tanh((V - V_\pm) / w_\pm),

    fitted with Tukey's bisquare from the best of 64 starts, each judged by its best 70 % of
    points: spikes do not enter. Errors are the sandwich covariance of that fit with the noise of
    the loop's own residuals; where residuals of neighbouring points agree over the field (a model
    that is not quite the loop's shape, or slow noise), that correlation enters.

    Parameters
    ----------
    spectra
        DataArray (y, x, voltage), (pixel, voltage) or (voltage,), real, NaN where missing; the
        voltage in the order of the sweep, several cycles together if it holds several.
    level
        Where the coercive voltages are read: ``middle`` between the two states, which a vertical
        offset (electrostatics) does not move, or ``zero``, where the response changes sign; a
        pixel whose response does not is NaN.
    max_spoilt
        Largest share of points that may be missing or spikes.

    Returns
    -------
    xarray.Dataset
        By pixel (NaN where it needs a step whose points are missing or spikes):
        ``coercive_voltage_rising`` V+, ``coercive_voltage_falling`` V-, ``imprint`` (V+ + V-)/2,
        ``remanent_response`` (half the opening at 0 V), ``switchable_response`` 2a (negative for
        an inverted loop), ``loop_area``, ``vertical_offset`` c, ``response_slope`` s; each with
        ``_sd``, their ``covariance``, ``spoilt_share`` and ``reason`` (0 measured, else why the
        pixel is NaN: its attributes say). ``attrs["error_correlation"]`` is the correlation of
        residuals one point apart that went into the errors; ``attrs["warnings"]`` says where many
        loops have another shape.

    Notes
    -----
    A term in V^2 is not in the model: with noise of .05 a and 2a = 2, .005 V^2 over +-8 V moves
    the switch by 5 % and the falling step by .1 to .3 V (one standard error, which the residuals'
    correlation widens; the offset by 1.5 to 3); from .02 V^2 loops are given up as not fitting.
    Against planted noise of .05 a, a quarter of the pixels spoilt, errors scattered by 1 to 6 %
    more or less than said (five maps of 4900 pixels; sampling alone gives 1 %).

    Raises
    ------
    InputError
        For complex values, another shape, fewer than 14 points, or a sweep that runs one way.

    References
    ----------
    The descriptors: S. Jesse, H. N. Lee and S. V. Kalinin, Rev. Sci. Instrum. 77, 073702 (2006).

    Examples
    --------
    >>> voltage = np.concatenate([np.arange(0, 9), np.arange(7, -9, -1), np.arange(-7, 0)]) * 1.0
    >>> rising = np.r_[np.ones(9), np.zeros(16), np.ones(7)] > 0
    >>> loop = np.tanh(voltage - np.where(rising, 4.0, -2.0))
    >>> loop += np.random.default_rng(1).normal(0, 0.02, 32)
    >>> loop[[3, 11, 12, 20]] = [90.0, -40.0, 70.0, 55.0]
    >>> found = describe_loops(xr.DataArray(loop, {"voltage": voltage}, ("voltage",)))
    >>> round(float(found.imprint), 1), round(float(found.switchable_response), 1)
    (1.0, 2.0)
    """
    check_choice("level", level, ("middle", "zero"))
    if check_positive("max_spoilt", max_spoilt, allow_zero=True) > 1:
        raise InputError(f"max_spoilt must be a share of at most 1; got {max_spoilt!r}.")
    pixels = pixel_spectra("spectra", spectra, least=14)
    if pixels.values.dtype.kind == "c":
        raise InputError(
            "spectra must be real for a loop; take the response's part along its mean phase "
            "(amplitude times cosine of phase) first."
        )
    rising = sweep_directions(pixels.axis)
    unit = _own_units(pixels.values)
    fits = _fit(pixels, rising, unit)
    values, covariance = _columns(fits, pixels.axis, level)
    hidden = _hidden(fits.seen)
    values[hidden] = np.nan
    covariance[hidden] = np.nan
    covariance.swapaxes(1, 2)[hidden] = np.nan
    response = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    factor = unit[:, None] ** response
    values = values * factor
    covariance = covariance * factor[:, :, None] * factor[:, None, :]
    scaled = pixels.values / unit[:, None]
    opening = branch_opening(pixels.axis, rising, scaled, fits.scales, fits.echo)
    why = _judge(values, covariance, fits, opening, max_spoilt)
    volt, of = pixels.axis_unit, pixels.unit
    units = (volt, volt, volt, of, of, f"{of} {volt}", of, f"{of}/{volt}")
    attrs = {
        "level": level, "error_correlation": fits.echo,
        "swept": (float(pixels.axis.min()), float(pixels.axis.max())), "warnings": _warnings(why),
    }  # fmt: skip
    result = maps_of(pixels, LOOP_COLUMNS, units, values, covariance, REASONS, why, attrs)
    result["spoilt_share"] = (pixels.dims, fits.shares.reshape(pixels.shape), {"units": "1"})
    return result


def _warnings(why: Integers) -> tuple[str, ...]:
    """Return what the reader must know before a mean over the map is taken."""
    share = float(np.mean(why == 5))
    if share < MUCH_UNFITTED:
        return ()
    return (
        f"{share:.0%} of the loops are open but not of two steps between two states: a term in V^2 "
        "(electrostatics) or more steps do this; subtract the first, and read the others by eye.",
    )


def _hidden(seen: Flags) -> Flags:
    """Return which columns (n, 8) need a step whose points are missing."""
    rising, falling = ~seen[:, 0], ~seen[:, 1]
    either, none = rising | falling, np.zeros(len(seen), dtype=bool)
    return np.stack([rising, falling, either, either, none, either, none, none], axis=1)


def _own_units(values: Floats) -> Floats:
    """Return a robust size of each spectrum's changes: fits run on numbers of order one."""
    middle = median_of_known(values, 1)[:, None]
    size = median_of_known(np.abs(values - middle), 1)
    return np.where(size > 0, size, 1.0)


def _fit(pixels: PixelSpectra, rising: Flags, unit: Floats) -> LoopFits:
    """Fit all loops."""
    n = pixels.n
    scaled = pixels.values / unit[:, None]
    parameters, scales = np.empty((n, N_PARAMETERS)), np.empty(n)
    step = sweep_step(pixels.axis)
    narrow = SHARPEST * step
    fit_loops(pixels.axis, rising, scaled, narrow, parameters, scales)
    return loop_covariances(pixels.axis, rising, scaled, parameters, scales, narrow, step)


def _columns(fits: LoopFits, voltage: Floats, level: str) -> tuple[Floats, Floats]:
    """Return the descriptors and their covariance, by differences of the fit's parameters."""
    # a pixel without a fit keeps its NaN, whatever the formulas make of it
    p = np.where(np.isnan(fits.covariance[:, :1, 0]), np.nan, fits.parameters)
    sd = np.sqrt(np.maximum(np.einsum("nii->ni", fits.covariance), 0.0))
    step = np.clip(np.nan_to_num(1e-3 * sd), 1e-6, 1e-3)
    jacobian = np.empty((len(p), len(LOOP_COLUMNS), p.shape[1]))
    for k in range(p.shape[1]):
        moved = np.zeros_like(p)
        moved[:, k] = step[:, k]
        change = _descriptors(p + moved, voltage, level) - _descriptors(p - moved, voltage, level)
        jacobian[:, :, k] = change / (2.0 * step[:, k, None])
    covariance = jacobian @ fits.covariance @ jacobian.transpose(0, 2, 1)
    return _descriptors(p, voltage, level), covariance


def _descriptors(p: Floats, voltage: Floats, level: str) -> Floats:
    """Return the eight columns of each row of parameters."""
    c, s, a = p[:, 0], p[:, 1], p[:, 2]
    widths = np.exp(p[:, 5:7])
    up, down = p[:, 3], p[:, 4]
    if level == "zero":
        up = _crossing(p, up, widths[:, 0], p[:, 3], voltage)
        down = _crossing(p, down, widths[:, 1], p[:, 4], voltage)
    at_rest = np.tanh(-p[:, 4] / widths[:, 1]) - np.tanh(-p[:, 3] / widths[:, 0])
    below = _under(p[:, 4], widths[:, 1], voltage) - _under(p[:, 3], widths[:, 0], voltage)
    return np.stack(
        [up, down, 0.5 * (up + down), 0.5 * a * at_rest, 2.0 * a, a * below, c, s], axis=1
    )


def _under(place: Floats, width: Floats, voltage: Floats) -> Floats:
    """Return the integral of tanh((V - place) / width) over the swept range."""
    high, low = (voltage.max() - place) / width, (voltage.min() - place) / width
    # log cosh without overflow; its constant -log 2 cancels; pixels without a fit are NaN
    with np.errstate(invalid="ignore"):
        return np.asarray(width * (np.logaddexp(high, -high) - np.logaddexp(low, -low)))


def _crossing(p: Floats, near: Floats, width: Floats, place: Floats, voltage: Floats) -> Floats:
    """Return where a branch crosses zero, nearest to its step; NaN where it does not."""
    grid = np.linspace(voltage.min(), voltage.max(), 257)
    c, s, a = (p[:, k, None] for k in range(3))

    def branch(v: Floats) -> Floats:
        return np.asarray(c + s * v + a * np.tanh((v - place[:, None]) / width[:, None]))

    response = branch(np.broadcast_to(grid, (len(p), len(grid))))
    crosses = np.sign(response[:, 1:]) != np.sign(response[:, :-1])
    far = np.where(crosses, np.abs(grid[:-1] - near[:, None]), np.inf)
    first = np.argmin(far, axis=1)
    low, high = grid[first][:, None], grid[first + 1][:, None]
    at_low = np.sign(branch(low))
    for _ in range(45):
        middle = 0.5 * (low + high)
        same = np.sign(branch(middle)) == at_low
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.where(crosses.any(axis=1), 0.5 * (low + high)[:, 0], np.nan)


def _judge(
    values: Floats, covariance: Floats, fits: LoopFits, opening: tuple[Floats, Flags],
    max_spoilt: float,
) -> Integers:  # fmt: skip
    """Return why a pixel is given up, 0 where it is not."""
    apart, both = opening
    open_ = apart > LEAST_OPENING
    with np.errstate(invalid="ignore"):
        sd = np.sqrt(np.einsum("nii->ni", covariance))
        ratio = np.abs(values[:, 4:6]) / sd[:, 4:6]
        # where a step's points are missing there is no area: the branches' distance decides
        clear = (ratio[:, 0] > LEAST_Z) & np.where(
            np.isnan(ratio[:, 1]), open_, ratio[:, 1] > LEAST_Z
        )
    why = np.zeros(len(values), dtype=np.int64)
    why[~np.isfinite(sd[:, 4])] = 4
    why[~fits.seen.any(axis=1)] = 3
    why[~clear] = np.where(open_, 5, 2)[~clear]
    why[~(fits.shares <= max_spoilt)] = 1
    why[~both & ~np.isnan(fits.scales)] = 6
    return why
