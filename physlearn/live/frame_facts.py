"""Numbers that tell a frame from the others: brightness, contrast, sharpness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["frame_facts", "odd_frames"]

FEWEST_OTHERS = 4
ODD_SDS = 6.0
LEAST_SPREAD = 0.03
"""Share of a number below which its scatter is not trusted: three frames may agree by chance."""

WORDS = {
    "mean": "mean brightness", "contrast": "contrast", "sharpness": "sharpness",
    "atoms": "number of atom columns", "spacing": "spacing of its atoms",
}  # fmt: skip


def frame_facts(image: xr.DataArray) -> dict[str, float]:
    """Return mean, contrast (standard deviation) and sharpness of a picture.

    Sharpness is the variance between pixels two apart over twice the variance: near 0 for a smooth
    picture, 1 for white noise.

    Examples
    --------
    >>> noise = xr.DataArray(np.random.default_rng(0).normal(size=(64, 64)), dims=("y", "x"))
    >>> round(frame_facts(noise)["sharpness"], 1)
    1.0
    """
    values: NDArray[np.float64] = np.asarray(image.to_numpy(), dtype=np.float64)
    variance = float(np.nanvar(values))
    steps = float(np.nanmean((values[:, 2:] - values[:, :-2]) ** 2))
    return {
        "mean": float(np.nanmean(values)),
        "contrast": float(np.sqrt(variance)),
        "sharpness": steps / (2 * variance) if variance > 0 else 0.0,
    }


def odd_frames(facts: Sequence[Mapping[str, float]]) -> list[list[str]]:
    """Say of each frame in what it is unlike the others; nothing for the most.

    A number is odd where it lies six robust standard deviations (from the median absolute
    deviation, at least 3 % of the median) from the median of all frames. Fewer than five frames
    cannot tell.

    Examples
    --------
    >>> rows = [{"mean": 10.0 + 0.01 * k} for k in range(6)] + [{"mean": 2.0}]
    >>> odd_frames(rows)[-1]
    ['mean brightness 2 where the others have 10']
    >>> odd_frames(rows)[0]
    []
    """
    said: list[list[str]] = [[] for _ in facts]
    for name, word in WORDS.items():
        known = [k for k, row in enumerate(facts) if np.isfinite(row.get(name, np.nan))]
        if len(known) <= FEWEST_OTHERS:
            continue
        values = np.array([facts[k][name] for k in known])
        middle = float(np.median(values))
        spread = 1.4826 * float(np.median(np.abs(values - middle)))
        spread = max(spread, LEAST_SPREAD * abs(middle), 1e-300)
        for k, value in zip(known, values.tolist(), strict=True):
            if abs(value - middle) > ODD_SDS * spread:
                said[k].append(f"{word} {value:.3g} where the others have {middle:.3g}")
    return said
