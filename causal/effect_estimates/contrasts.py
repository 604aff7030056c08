"""From which value of the cause to which an effect is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError

USUAL = (10.0, 90.0)
"""Percentiles of the cause between which the effect is told where nobody asked for others."""


def chosen_contrast(cause: str, values: Floats, contrast: object) -> tuple[float, float]:
    """Return the contrast that was given, or the usual one.

    Usual are the 10th and 90th percentile; the two values of a cause that has but two, and the
    least and largest where the percentiles are the same.

    Raises
    ------
    InputError
        For anything but two different finite numbers.
    """
    if contrast is None:
        levels = np.unique(values)
        low, high = np.percentile(values, USUAL)
        if len(levels) == 2 or low == high:
            low, high = levels[0], levels[-1]
        return float(low), float(high)
    try:
        numbers = np.asarray(contrast if isinstance(contrast, Sequence | np.ndarray) else None)
        ends = [float(end) for end in numbers.astype(np.float64, casting="same_kind").ravel()]
    except (TypeError, ValueError):
        ends = []
    if len(ends) != 2 or not np.isfinite(ends).all() or ends[0] == ends[1]:
        raise InputError(
            f"contrast must be two different finite numbers (of {cause}: from, to); "
            f"got {contrast!r}."
        )
    return ends[0], ends[1]


def contrast_notes(
    cause: str, values: Floats, contrast: tuple[float, float], *, given: bool
) -> list[str]:
    """Return what to say of a contrast that leaves what was seen, or that could not be usual."""
    least, most = float(values.min()), float(values.max())
    if min(contrast) < least or max(contrast) > most:
        return [
            f"the contrast, {contrast[0]:.4g} to {contrast[1]:.4g}, reaches beyond the values of "
            f"{cause} that were seen ({least:.4g} to {most:.4g}): a straight line is assumed there."
        ]
    low, high = np.percentile(values, USUAL)
    if not given and low == high and len(np.unique(values)) > 2:
        return [
            f"the 10th and 90th percentile of {cause} are both {low:.4g}: the effect is told from "
            f"its least to its largest value, {least:.4g} to {most:.4g}."
        ]
    return []
