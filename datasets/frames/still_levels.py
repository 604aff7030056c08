"""A still picture on one scale, -1 and +1 in its two domains; or why it shows no two domains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import SMALLEST_IMAGE_EDGE, InputError, NotIdentified
from physlearn.datasets.frames.complex_frames import amplitude_and_phase

__all__ = ["ANTIPARALLEL", "StillPicture", "complex_picture", "scale_picture"]

Floats = NDArray[np.float64]
Values = NDArray[Any]
Mask = NDArray[np.bool_]

SMOOTHING_PIXEL = 1.5
LOCAL_PIXEL = 5.0
"""Scale over which the amplitude of the domains may vary."""
STEADY_AMPLITUDE = 0.2
LEAST_SIGNAL_NOISES = 4.0
LEAST_SEEN = 0.1
LEAST_ORDER = 0.6
"""Coherence of the phase axis over LOCAL_PIXEL: noise has .26 +- .13, a wall at noise .6 has .8."""
LEAST_COHERENCE = 0.6
"""Share of the response along one axis: 1 for two opposite phases, 0 for all phases alike."""
ANTIPARALLEL = 35.0
"""Degrees by which the phases of antiparallel domains may miss 180."""
LEAST_SHARE = 0.003
LEAST_AGREEMENT = 0.5
VALLEY = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class StillPicture:
    """A picture on one scale.

    Attributes
    ----------
    values
        -1 and +1 in the domains, NaN where nothing was seen, (n_rows, n_columns).
    response
        Complex response turned so that the positive domain has phase 0; None of a real picture.
    phase_step
        Degrees between the mean phases of the two kinds of domains (NaN of a real picture).
    level_error
        Sd of the zero level, as a fraction of half the contrast.
    local
        Whether the picture was divided by its local amplitude.
    n_dark
        Pixels whose response does not stand out of the noise.
    """

    values: Floats
    response: Values | None
    phase_step: float
    level_error: float
    local: bool
    n_dark: int


def complex_picture(image: xr.Dataset) -> xr.DataArray:
    """Join amplitude and phase (radians, or degrees by its ``units``) to a complex picture."""
    like, phase, angles = amplitude_and_phase("image", image)
    if like.dims != phase.dims:
        raise InputError(f"amplitude and phase must have the same dims; got {like.dims} and "
                         f"{phase.dims}.")  # fmt: skip
    return like.copy(data=like.to_numpy() * np.exp(1j * angles))


def scale_picture(values: Values) -> StillPicture:
    """Bring the two domains to -1 and +1, or raise NotIdentified where there are no two."""
    if min(values.shape) < SMALLEST_IMAGE_EDGE:
        raise InputError(
            f"image must have at least {SMALLEST_IMAGE_EDGE} x {SMALLEST_IMAGE_EDGE} pixels, got "
            f"{values.shape[0]} x {values.shape[1]}."
        )
    if np.isinf(values).any():
        raise InputError("image must not hold infinite values; mark pixels not seen with NaN.")
    seen = np.isfinite(values)
    if not seen.any() or np.ptp(np.abs(values[seen] - values[seen][0])) == 0:
        raise InputError("image is constant: there is nothing to see; check the export.")
    if np.iscomplexobj(values):
        return _scale_response(values, seen)
    return _scale_levels(np.asarray(values, dtype=np.float64), seen)


def _scale_response(values: Values, seen: Mask) -> StillPicture:
    """Turn a complex response onto the axis of its domains and divide by its amplitude."""
    smooth = _smooth(values, seen, SMOOTHING_PIXEL)
    size = np.abs(smooth)
    noise = _pixel_noise(values, seen) / (2 * SMOOTHING_PIXEL * np.sqrt(np.pi))
    bright = seen & (size > LEAST_SIGNAL_NOISES * noise)
    if bright.sum() < LEAST_SEEN * seen.sum():
        raise NotIdentified("image shows no response above its noise: there are no domains in it.")
    squared = (smooth[bright] ** 2 / size[bright]).sum()
    coherence = float(np.abs(squared) / size[bright].sum())
    if coherence < LEAST_COHERENCE:
        raise NotIdentified(
            f"image holds no two phases: only {coherence:.2f} of the response lies along one axis "
            f"({LEAST_COHERENCE} needed), the rest at phases between: cut out a part with two "
            "opposite phases (image.isel), or give another component of the response."
        )
    turned = values * np.exp(-0.5j * np.angle(squared))
    smooth = smooth * np.exp(-0.5j * np.angle(squared))
    upper = bright & (smooth.real > 0)
    lower = bright & (smooth.real < 0)
    share = min(upper.sum(), lower.sum()) / bright.sum()
    if share < LEAST_SHARE:
        raise NotIdentified(
            "image shows one phase only: contrast of the amplitude alone (ferroelastic domains, "
            "topography) is no antiparallel polarisation."
        )
    step = np.degrees(np.angle(smooth[upper].sum() * np.conj(smooth[lower].sum())))
    if 180.0 - abs(step) > ANTIPARALLEL:
        raise NotIdentified(
            f"the phases of the image's domains differ by {abs(step):.0f} degrees: antiparallel "
            f"domains differ by 180 within {ANTIPARALLEL:.0f}; subtract the background first, the "
            "complex response amplitude * exp(i phase) of a place without piezoresponse."
        )
    _check_halves(turned.real, seen, bright)
    along = np.abs(smooth.real)
    # at a wall the phase turns by half, which leaves its axis; in a dead area it is random
    order = np.abs(_smooth(smooth**2 / np.maximum(size, 1e-300), seen, LOCAL_PIXEL))
    ordered = order > LEAST_ORDER * _smooth(size, seen, LOCAL_PIXEL)
    # weighted by the amplitude: near a wall the domains count, not the wall
    local = _smooth(along**2, seen, LOCAL_PIXEL) / _smooth(along, seen, LOCAL_PIXEL)
    lit = seen & ordered & (local > LEAST_SIGNAL_NOISES * noise)
    low, middle, high = np.percentile(local[lit], [16.0, 50.0, 84.0])
    varies = bool(0.5 * (high - low) / middle > STEADY_AMPLITUDE)
    if not varies:
        local = np.full(values.shape, float(np.median(along[bright])))
    scaled = np.where(lit, turned.real / local, np.nan)
    sd = float(noise / middle / np.sqrt(max(bright.sum() / 28.0, 1.0)))
    return StillPicture(scaled, turned, abs(float(step)), sd, varies, int((seen & ~lit).sum()))


def _scale_levels(values: Floats, seen: Mask) -> StillPicture:
    """Find the two levels of a real picture."""
    smooth = _smooth(values, seen, SMOOTHING_PIXEL)
    sample = smooth[seen]
    cut = float(sample.mean())
    for _ in range(30):
        upper = sample > cut
        if not 0 < upper.sum() < len(sample):
            raise NotIdentified("image shows one level only: there is no wall in it.")
        levels = float(np.median(sample[~upper])), float(np.median(sample[upper]))
        cut = 0.5 * (levels[0] + levels[1])
    half = 0.5 * (levels[1] - levels[0])
    scaled = (sample - cut) / half
    between = float((np.abs(scaled) < 0.3).mean()) / 0.6
    at_level = [float((np.abs(scaled - side) < 0.3).mean()) / 0.6 for side in (-1.0, 1.0)]
    share = min(float(upper.mean()), 1.0 - float(upper.mean()))
    if between > VALLEY * min(at_level[0] / (1 - upper.mean()), at_level[1] / upper.mean()) * 0.5:
        raise NotIdentified(
            "image holds no two levels: values between the levels are hardly rarer than the levels "
            "(noise, topography or a gradual change)."
        )
    _check_halves(values - cut, seen, seen)
    noise = _pixel_noise(values, seen) / half
    sd = float(noise / np.sqrt(max(share * seen.sum(), 1.0)))
    return StillPicture(np.where(seen, (values - cut) / half, np.nan), None, float("nan"), sd,
                        False, 0)  # fmt: skip


def _check_halves(values: Floats, seen: Mask, bright: Mask) -> None:
    """Refuse noise: domains show in the even pixels of a chessboard as in the odd ones."""
    rows, columns = np.indices(values.shape)
    even = (rows + columns) % 2 == 0
    one, two = (_smooth(values, seen & half, 2.0) > 0 for half in (even, ~even))
    agreement = float((one == two)[bright].mean())
    share = float(one[bright].mean())
    chance = share**2 + (1 - share) ** 2
    if chance >= 1.0 or (agreement - chance) / (1 - chance) < LEAST_AGREEMENT:
        raise NotIdentified(
            "image shows no domains larger than a pixel: the signs of neighbouring pixels agree "
            "hardly more than by chance."
        )


def _smooth(values: Values, seen: Mask, scale: float) -> Values:
    """Gaussian mean of the pixels seen; 0 where none is near."""
    weight = ndimage.gaussian_filter(seen.astype(float), scale)
    total = ndimage.gaussian_filter(np.where(seen, values, 0.0), scale)
    return np.where(weight > 1e-6, total / np.maximum(weight, 1e-6), 0.0)


def _pixel_noise(values: Values, seen: Mask) -> float:
    """Sd of one real part of the noise, from differences of diagonal neighbours' second order."""
    use = seen[1:, 1:] & seen[:-1, 1:] & seen[1:, :-1] & seen[:-1, :-1]
    mixed = values[1:, 1:] - values[:-1, 1:] - values[1:, :-1] + values[:-1, :-1]
    parts = [mixed.real[use], mixed.imag[use]] if np.iscomplexobj(values) else [mixed[use]]
    sizes = np.concatenate([np.abs(part) for part in parts])
    return float(np.median(sizes) / 0.6745 / 2.0) if sizes.size else 0.0
