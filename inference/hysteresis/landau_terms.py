"""Landau coefficients of loops that the user declares to be those of a uniform film."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.hysteresis.landau_branches import LARGEST_SHAPE, coefficients_of_loop
from physlearn.inference.hysteresis.uniform_film import draw_shapes, fit_uniform_loop

__all__ = ["add_landau_terms"]

Floats = NDArray[np.float64]
Loop = tuple[Floats, NDArray[np.bool_], Floats]

LARGEST_MISFIT = 3.0
"""Of the median loop, in bootstrapped errors."""
MUCH_MISFIT = 0.1
"""Of the median loop, as a share of the remanent response."""


def add_landau_terms(
    draws: dict[str, Floats], diagnostics: dict[str, Any], loop: Loop, center: Floats,
    calibrated: list[tuple[float, float] | None],
    generator: np.random.Generator,
) -> list[str]:  # fmt: skip
    """Add the coefficients of a uniform film to the draws; return what does not fit.

    ``loop``: voltage, which of its points rise, and the median loop with bootstrapped ones.
    """
    voltage, rising, curves = loop
    steps = np.median(center[:, :2], axis=0)
    little = 0.02 * float(steps[0] - steps[1])
    found, left = fit_uniform_loop(voltage, rising, curves, steps)
    # an error of the voltages where the branches end bends the fitted shape, too
    slopes = [
        (fit_uniform_loop(voltage, rising, curves[:1], steps + little * unit)[0][0, 0]
         - found[0, 0]) / little for unit in np.eye(2)
    ]  # fmt: skip
    shape, chosen = draw_shapes(found, (center[:, :2] - steps) @ np.array(slopes), generator)
    scales = [
        pair[0] * np.exp(generator.standard_normal(len(center)) * pair[1] / pair[0])
        for pair in calibrated if pair is not None
    ]  # fmt: skip
    coercive = 0.5 * (center[chosen, 0] - center[chosen, 1]) * scales[1]
    terms = coefficients_of_loop(scales[0], coercive, shape)
    draws["landau_shape"] = shape
    draws["landau"] = np.stack([terms["a"], terms["c"], terms["e"]], axis=1)
    draws["barrier"] = terms["barrier"]
    draws["internal_field"] = -draws["imprint"] * scales[1]
    noise = np.nanstd(curves[1:], axis=0).mean() if len(curves) > 1 else np.nan
    misfit = float(np.sqrt(np.nanmean(left**2)))
    diagnostics["misfit_over_response"] = misfit / abs(float(found[1, 0]))
    diagnostics["misfit_over_error"] = float(misfit / noise)
    texts = ["homogeneous switching was declared by the user; nothing in the loops proves it"]
    share = misfit / abs(float(found[1, 0]))
    if share > MUCH_MISFIT or (noise > 0 and misfit > LARGEST_MISFIT * noise):
        texts.append(
            f"the median loop is not that of a uniform film: it misses by "
            f"{share:.0%} of the remanent response; do not use the "
            "coefficients"
        )
    if float(found[0].max()) >= LARGEST_SHAPE:
        texts.append(
            f"the loops are squarer than any branch up to h = {LARGEST_SHAPE:g}, the largest "
            "shape that is tried: do not use the coefficients"
        )
    return texts
