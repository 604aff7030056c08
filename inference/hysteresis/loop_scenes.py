"""Maps of hysteresis loops with known numbers: the truth of tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import as_generator
from physlearn.inference.hysteresis.landau_branches import landau_branch

__all__ = ["LoopScene", "make_loop_map"]

Floats = NDArray[np.float64]
SWEEP = 8.5


@dataclass(frozen=True, slots=True, eq=False)
class LoopScene:
    """Loops (y, x, voltage), each pixel's rising and falling voltage, which pixels are spoilt."""

    loops: xr.DataArray
    steps: Floats
    spoilt: NDArray[np.bool_]


def make_loop_map(
    shape: tuple[int, int] = (20, 20),
    *,
    steps: tuple[float, float] = (5.0, -3.0),
    spread: float = 0.6,
    step_width: float = 0.8,
    noise_sd: float = 0.06,
    spoilt_share: float = 0.25,
    landau_shape: float | None = None,
    n_points: int = 64,
    rng: int | np.random.Generator | None = None,
) -> LoopScene:
    """Return loops of pixels whose coercive voltages scatter, some of them full of spikes.

    Parameters
    ----------
    shape
        Rows and columns of the map.
    steps
        Mean rising and falling coercive voltage, V.
    spread
        Normal spread of each over pixels, V.
    step_width
        Width of the tanh steps, V.
    noise_sd
        Of a point, in units of the saturated response.
    spoilt_share
        Share of pixels with spikes of a hundred times the response in 1 to 60 % of their points.
    landau_shape
        Loops of a uniform film of this shape h, in place of tanh steps.
    n_points
        Of the triangular sweep over +-8.5 V.
    rng
        Seed or generator.

    Examples
    --------
    >>> make_loop_map((3, 4), rng=1).loops.shape
    (3, 4, 64)
    """
    generator, _ = as_generator(rng)
    quarter = n_points // 4
    up = np.linspace(0, SWEEP, quarter, endpoint=False)
    voltage = np.concatenate([up, SWEEP - up, -up, up - SWEEP])
    rising = np.zeros(n_points, dtype=bool)
    rising[: quarter + 1] = rising[3 * quarter + 1 :] = True
    own = np.asarray(steps) + spread * generator.standard_normal((*shape, 2))
    place = np.where(rising, own[..., :1], own[..., 1:])
    if landau_shape is None:
        clean = np.tanh((voltage - place) / step_width)
    else:
        middle, half = own.mean(axis=-1, keepdims=True), 0.5 * (own[..., :1] - own[..., 1:])
        field = (voltage - middle) / half
        sign = np.where(voltage > place, 1.0, -1.0)
        clean = sign * landau_branch(sign * field, landau_shape)
    size = np.exp(0.3 * generator.standard_normal((*shape, 1)))
    loops = size * clean + noise_sd * generator.standard_normal((*shape, n_points))
    spoilt = generator.random(shape) < spoilt_share
    share = generator.uniform(0.01, 0.6, (*shape, 1))
    hit = spoilt[..., None] & (generator.random(loops.shape) < share)
    loops[hit] = 100.0 * generator.standard_normal(int(hit.sum()))
    array = xr.DataArray(loops, {"voltage": voltage}, ("y", "x", "voltage"))
    array["voltage"].attrs["units"] = "V"
    return LoopScene(array, own, spoilt)
