"""Band-excitation spectra: the oscillator behind each pixel's response, with errors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.spectra.oscillator_amplitude import fit_amplitudes, rice_moments
from physlearn.datasets.spectra.oscillator_kernels import CUTOFF, fit_oscillators
from physlearn.datasets.spectra.pixel_spectra import (
    PixelSpectra,
    maps_of,
    median_of_known,
    pixel_spectra,
)

__all__ = ["RESONANCE_COLUMNS", "fit_harmonic_oscillator"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RESONANCE_COLUMNS = ("amplitude", "resonance_frequency", "quality_factor", "phase")
REASONS = (
    "measured",
    "more than half of the points are missing or spikes",
    "no resonance above the noise",
    "the resonance lies at the end of the band",
    "the points of the resonance are missing or spikes",
    "the phase runs the other way over the resonance: take the complex conjugate",
    "the response stands above the noise, but one resonance does not fit it",
)
LEAST_Z = 4.0
LEAST_SEEN = 0.5
"""Share of the points within a peak's full width that a fit needs."""
MOST_SPOILT = 0.5
TURNED = 0.2
MUCH_UNFITTED = 0.05
LARGEST_MISFIT = 1.2
CLEAR = 4.0
"""Standard errors from which a field's misfit is no chance."""


class _Fits(NamedTuple):
    """Static response (two parts), resonance and damping (n, 4), and how well they are known."""

    parameters: Floats
    covariance: Floats
    noise: Floats
    shares: Floats
    seen: Integers


def fit_harmonic_oscillator(spectra: xr.DataArray) -> xr.Dataset:
    r"""Fit a driven, damped harmonic oscillator to the response of every pixel over frequency.

    .. math:: y(f) = A e^{i\varphi} \, f_0^2 / (f_0^2 - f^2 + i f f_0 / Q)

    by Gauss-Newton steps on Tukey's bisquare of the complex residuals, from the best of a grid of
    starts; spikes do not enter. The drive is taken to be even over the band (divide by it first
    where it is not). Errors are those of white noise, equal in both quadratures, of the size that
    the spectrum's own residuals show. Real spectra are amplitudes: they are fitted by the mean and
    variance of Rice's distribution, which the noise gives them off the resonance, without a phase.

    Parameters
    ----------
    spectra
        DataArray (y, x, frequency), (pixel, frequency) or (frequency,), complex or an amplitude of
        at least 0, NaN where missing; frequencies in rising even or uneven steps.

    Returns
    -------
    xarray.Dataset
        By pixel: ``amplitude`` A (the static response; the peak is A Q high),
        ``resonance_frequency``, ``quality_factor`` and ``phase`` (rad; -pi/2 at the peak is phase
        0 here; not for amplitudes), each with ``_sd``, their ``covariance``, ``noise_sd`` of a
        quadrature, ``spoilt_share``, ``misfit`` (residual variance over that of its changes from
        one frequency to the next: 1 for noise, with the standard deviation ``misfit.chance``;
        more where the response is not one oscillator's) and ``reason`` (0 measured; its attributes
        say what the others mean). ``attrs["warnings"]`` says where the misfit of the field is no
        chance: cross-talk, a second mode, a drive that is not even.

    Raises
    ------
    InputError
        For negative amplitudes, fewer than 8 points, or frequencies that do not rise.

    Examples
    --------
    >>> f = np.linspace(300e3, 340e3, 64)
    >>> response = 0.02 * np.exp(0.5j) * 320e3**2 / (320e3**2 - f**2 + 1j * f * 320e3 / 80)
    >>> rng = np.random.default_rng(1)
    >>> response = response + 0.02 * (rng.normal(size=64) + 1j * rng.normal(size=64))
    >>> found = fit_harmonic_oscillator(xr.DataArray(response, {"frequency": f}, ("frequency",)))
    >>> round(float(found.phase), 1), abs(float(found.resonance_frequency) - 320e3) < 100
    (0.5, True)
    """
    pixels = pixel_spectra("spectra", spectra, least=8)
    if not (np.diff(pixels.axis) > 0).all() or pixels.axis[0] <= 0:
        raise InputError(f"{pixels.dim} must rise from above 0; sort the spectra by frequency.")
    center = float(pixels.axis.mean())
    size = median_of_known(np.abs(pixels.values), 1)
    size = np.where(size > 0, size, 1.0)
    x, scaled = pixels.axis / center, pixels.values / size[:, None]
    names: tuple[str, ...] = RESONANCE_COLUMNS
    if np.iscomplexobj(scaled):
        fits = _complex_fits(x, np.asarray(scaled, dtype=np.complex128))
    else:
        if np.nanmin(scaled, initial=0.0) < 0:
            raise InputError(
                "spectra must be complex, or amplitudes of at least 0; these real numbers are "
                "negative (one quadrature, or a logarithm?)."
            )
        names, fits = RESONANCE_COLUMNS[:3], _amplitude_fits(x, scaled)
    values, jacobian = _columns(fits.parameters, center, size)
    values, jacobian = values[:, : len(names)], jacobian[:, : len(names)]
    covariance = jacobian @ fits.covariance @ jacobian.transpose(0, 2, 1)
    why = _judge(values, covariance, fits, x)
    if np.iscomplexobj(scaled):
        why = _other_sense(why, x, scaled)
    misfit, chance = _misfit(fits, x, scaled)
    why[(why == 2) & (misfit > 1.0 + CLEAR * chance)] = 6
    units = (pixels.unit, pixels.axis_unit, "1", "rad")[: len(names)]
    attrs = {
        "model": "A exp(i phase) f0^2 / (f0^2 - f^2 + i f f0 / Q)",
        "warnings": _warnings(np.where(why == 0, misfit, np.nan), chance, why),
    }
    result = maps_of(pixels, names, units, values, covariance, REASONS, why, attrs)
    result = _with_extras(result, pixels, fits.noise * size, fits.shares)
    held = np.where(why == 0, misfit, np.nan).reshape(pixels.shape)
    result["misfit"] = (pixels.dims, held, {"units": "1", "chance": chance})
    return result


def _complex_fits(x: Floats, scaled: NDArray[np.complex128]) -> _Fits:
    """Fit complex spectra."""
    n = len(scaled)
    parameters, bread, noise = np.empty((n, 4)), np.empty((n, 4, 4)), np.empty(n)
    shares, seen = np.empty(n), np.empty(n, dtype=np.int64)
    fit_oscillators(x, scaled, parameters, bread, noise, shares, seen)
    return _Fits(parameters, noise[:, None, None] * _inverse(bread), np.sqrt(noise), shares, seen)


def _amplitude_fits(x: Floats, scaled: Floats) -> _Fits:
    """Fit amplitudes; the phase is held at 0."""
    found = fit_amplitudes(x, scaled)
    amplitude, place, damping = found.parameters.T
    parameters = np.stack([amplitude, np.zeros_like(amplitude), place, damping], axis=1)
    inside = np.abs(x - place[:, None]) <= np.maximum(damping, np.median(np.diff(x)))[:, None]
    # from the logarithms of amplitude and damping to themselves
    turn = np.zeros((len(scaled), 4, 3))
    turn[:, 0, 0], turn[:, 2, 1], turn[:, 3, 2] = amplitude, 1.0, damping
    covariance = turn @ _inverse(found.bread) @ turn.transpose(0, 2, 1)
    few = found.used.sum(axis=1) < 8
    covariance[few] = np.nan
    return _Fits(
        parameters, covariance, np.sqrt(found.variance), 1.0 - found.used.mean(axis=1),
        (inside & found.used).sum(axis=1),
    )  # fmt: skip


def _misfit(fits: _Fits, x: Floats, scaled: NDArray[Any]) -> tuple[Floats, float]:
    """Return residual variance over that of residuals' steps from point to point, and its sd.

    1 for white noise, whose steps have twice its variance (von Neumann's ratio, inverted).
    """
    p = fits.parameters
    place, damping = p[:, 2, None], p[:, 3, None]
    static = (p[:, 0] + 1j * p[:, 1])[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        response = static * place**2 / (place**2 - x**2 + 1j * x * damping)
    variance = fits.noise[:, None] ** 2
    if np.iscomplexobj(scaled):
        left, wide, parts, taken = scaled - response, variance + 0.0 * x, 2.0, 4.0
    else:
        mean, wide, _ = rice_moments(np.abs(response), np.maximum(variance, 1e-300))
        # each amplitude's noise is its own: in units of it residuals are alike
        left, wide, parts, taken = (scaled - mean) / np.sqrt(wide), np.ones_like(wide), 1.0, 3.0
    with np.errstate(invalid="ignore", divide="ignore"):
        used = np.abs(left) < CUTOFF * np.sqrt(wide)
        square = np.where(used, np.abs(left) ** 2, 0.0).sum(axis=1)
        freedom = parts * used.sum(axis=1) - taken
        both = used[:, 1:] & used[:, :-1]
        steps = np.where(both, np.abs(np.diff(left, axis=1)) ** 2, 0.0).sum(axis=1)
        # the fit takes the smooth part of the noise: steps keep nearly all of theirs
        ratio = (square / freedom) / (0.5 * steps / (parts * both.sum(axis=1)))
    chance = float(1.0 / np.sqrt(max(np.median(freedom), 1.0)))
    return np.asarray(ratio), chance


def _warnings(misfit: Floats, chance: float, why: Integers) -> tuple[str, ...]:
    """Return what speaks against the model over the field."""
    found = []
    known = misfit[~np.isnan(misfit)]
    if len(known):
        usual = float(np.median(known))
        if usual > max(LARGEST_MISFIT, 1.0 + CLEAR * 1.25 * chance / np.sqrt(len(known))):
            found.append(
                f"residuals of neighbouring frequencies agree (misfit {usual:.2g}, 1 for noise): "
                "cross-talk, a second mode or an uneven drive is in the response, and phase, "
                "quality factor and their errors are not right; take the background out first."
            )
    other = float(np.mean(why == 6))
    if other > MUCH_UNFITTED:
        found.append(
            f"{other:.0%} of the responses stand above the noise and are not one resonance's: "
            "look for a second mode or cross-talk."
        )
    turned = float(np.mean(why == 5))
    if turned > 0:
        found.append(
            f"{turned:.0%} of the responses follow exp(-i w t): fit their complex conjugate, and "
            "turn the sign of its phase."
        )
    return tuple(found)


def _other_sense(why: Integers, x: Floats, scaled: NDArray[Any]) -> Integers:
    """Return reasons where no resonance was found but the complex conjugate holds one."""
    lost = np.flatnonzero((why == 2) | (why == 3))
    if len(lost) == 0:
        return why
    fits = _complex_fits(x, np.conj(scaled[lost]))
    values, jacobian = _columns(fits.parameters, 1.0, np.ones(len(lost)))
    covariance = jacobian @ fits.covariance @ jacobian.transpose(0, 2, 1)
    turned = lost[_judge(values, covariance, fits, x) == 0]
    why = why.copy()
    # noise alone has a peak now and then: one that is there in many is the convention
    if len(turned) > TURNED * len(lost):
        why[turned] = 5
    return why


def _with_extras(
    result: xr.Dataset, pixels: PixelSpectra, noise: Floats, shares: Floats
) -> xr.Dataset:
    """Add the noise and the share of points passed over."""
    result["noise_sd"] = (pixels.dims, noise.reshape(pixels.shape), {"units": pixels.unit})
    result["spoilt_share"] = (pixels.dims, shares.reshape(pixels.shape), {"units": "1"})
    return result


def _inverse(bread: Floats) -> Floats:
    """Return the inverses of positive definite matrices; NaN where there is none."""
    unit = np.eye(bread.shape[1])
    size = np.sqrt(np.einsum("nii->ni", bread))
    sound = (size > 0).all(axis=1)
    size = np.where(sound[:, None], size, 1.0)
    scaled = np.where(sound[:, None, None], bread / size[:, :, None] / size[:, None, :], unit)
    sound &= np.linalg.cond(scaled) < 1e12
    scaled[~sound] = unit
    inverse = np.linalg.inv(scaled) / size[:, :, None] / size[:, None, :]
    inverse[~sound] = np.nan
    return np.asarray(inverse)


def _columns(p: Floats, center: float, size: Floats) -> tuple[Floats, Floats]:
    """Return amplitude, resonance, quality and phase and their derivatives by the parameters."""
    length = np.hypot(p[:, 0], p[:, 1])
    values = np.stack(
        [length * size, p[:, 2] * center, p[:, 2] / p[:, 3], np.arctan2(p[:, 1], p[:, 0])], axis=1
    )
    jacobian = np.zeros((len(p), 4, 4))
    # a spectrum of zeros has no phase: its pixel is given up
    length = np.where(length > 0, length, np.nan)
    for k in (0, 1):
        jacobian[:, 0, k] = p[:, k] / length * size
    jacobian[:, 1, 2] = center
    jacobian[:, 2, 2] = 1.0 / p[:, 3]
    jacobian[:, 2, 3] = -p[:, 2] / p[:, 3] ** 2
    jacobian[:, 3, 0] = -p[:, 1] / length**2
    jacobian[:, 3, 1] = p[:, 0] / length**2
    return values, jacobian


def _judge(values: Floats, covariance: Floats, fits: _Fits, x: Floats) -> Integers:
    """Return why a pixel is given up, 0 where it is not."""
    p, shares, seen = fits.parameters, fits.shares, fits.seen
    step = float(np.median(np.diff(x)))
    with np.errstate(invalid="ignore"):
        sd = np.sqrt(np.einsum("nii->ni", covariance))
        clear = values[:, 0] > LEAST_Z * sd[:, 0]
        clear &= values[:, 2] > LEAST_Z * sd[:, 2]
        inside = (p[:, 2] > x[0]) & (p[:, 2] < x[-1])
        reach = np.maximum(p[:, 3], step)
        wanted = (np.abs(x - p[:, 2, None]) <= reach[:, None]).sum(axis=1)
    why = np.zeros(len(values), dtype=np.int64)
    why[seen < np.maximum(LEAST_SEEN * wanted, 1)] = 4
    why[~inside] = 3
    why[~clear] = 2
    why[~(shares <= MOST_SPOILT)] = 1
    return why
