"""Names and units of what a wall's picture tells, and what must be said of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.wall_profiles.profile_posterior import ProfileMode, ProfileModel
from physlearn.inference.wall_profiles.profile_shapes import sextic_ratios

__all__ = ["named_values"]

Floats = NDArray[np.float64]


def named_values(
    model: ProfileModel, mode: ProfileMode, draws: dict[str, Floats], unit: str
) -> tuple[dict[str, Floats], dict[str, str], list[str]]:
    """Return the variables in the picture's units."""
    pixels = model.pixels
    width, linear = np.exp(draws["log_width"]), draws["linear"]
    height = linear[0] * pixels.scale
    values: dict[str, Floats] = {
        "wall_width": width, "amplitude": height,
        "offset": linear[1] * pixels.scale + pixels.level,
    }  # fmt: skip
    arc = (mode.arc.position, mode.arc.angle, mode.arc.curvature)
    moved = iter(draws["moves"])
    for name, value, free in zip(("position", "angle", "curvature"), arc, model.free, strict=True):
        if free:
            values[name] = value + next(moved)
    values["noise_sd"] = draws["noise"] * pixels.scale
    if not model.blur.known:
        values["psf_width"] = draws["blur"]
    if model.bump:
        values["bump"] = linear[2] * pixels.scale
    if model.sextic:
        shape = np.exp(draws["log_shape"])
        values["sextic_shape"] = shape
        values.update(sextic_ratios(width, height, shape))
    else:
        values["minus_a_over_c"] = height**2
        values["minus_kappa_over_a"] = 0.5 * width**2
    units = {"wall_width": unit, "position": unit, "angle": "rad", "curvature": f"1/{unit}",
             "psf_width": unit, "minus_kappa_over_a": f"{unit}^2"}  # fmt: skip
    texts = ["a still wall gives ratios of the free energy's coefficients only"]
    if model.sextic:
        # measured by benchmarks/walls: on planted 2-4-6 walls they held the truth in .7, not .9
        texts.append("the intervals of a 2-4-6 wall are too narrow: do not trust them as 90 %")
    if pixels.size == (1.0, 1.0) and unit == "pixel":
        texts.append("no length scale was given: lengths are in pixels")
    if model.sextic and float(np.std(draws["log_shape"])) > 1.2:
        texts.append("the picture says little about the wall's shape: Q repeats its prior")
    return values, {name: units[name] for name in units if name in values}, texts
