"""What is possible when everything but the question is known: likelihood ratios with the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["area_under_roc", "scan_likelihood_ratio", "share_at_false_rate", "vacancy_ratios"]

Floats = NDArray[np.float64]
REACH_WIDTHS = 4.0
STEPS = 8


def scan_likelihood_ratio(image: Floats, base: Floats, width: float) -> tuple[Floats, Floats]:
    """Return places (n, 2) and signed roots of the Poisson likelihood ratio of one more column.

    The width and the mean of all else (``base``) are known; x, y and amplitude are free. Every
    maximum of the score test is refined by Fisher scoring.
    """
    half = int(np.ceil(REACH_WIDTHS * width))
    taps = np.exp(-0.5 * (np.arange(-half, half + 1) / width) ** 2)

    def correlate(picture: Floats, weights: Floats) -> Floats:
        across = ndimage.correlate1d(picture, weights, axis=0, mode="constant")
        return np.asarray(ndimage.correlate1d(across, weights, axis=1, mode="constant"))

    score = correlate(image / base - 1.0, taps)
    information = correlate(1.0 / base, taps**2)
    z = score / np.sqrt(information)
    peaks = (z == ndimage.maximum_filter(z, size=2 * int(width) + 1)) & (z > 1.5)
    rows, columns = np.nonzero(peaks)
    start = np.stack([columns, rows, (score / information)[rows, columns]], axis=1)
    refined = np.array([_refine(image, base, width, one, half) for one in start]).reshape(-1, 3)
    return refined[:, :2], refined[:, 2]


def _refine(image: Floats, base: Floats, width: float, start: Floats, half: int) -> Floats:
    """Return x, y and root likelihood ratio at the maximum near a start (x, y, amplitude)."""
    x, y, amplitude = start
    x0, y0 = x, y
    best = np.array([x, y, 0.0])
    rows = slice(max(int(y) - half, 0), int(y) + half + 1)
    columns = slice(max(int(x) - half, 0), int(x) + half + 1)
    seen, known = image[rows, columns], base[rows, columns]
    j = np.arange(rows.start, rows.start + seen.shape[0])[:, None]
    i = np.arange(columns.start, columns.start + seen.shape[1])[None, :]
    for _ in range(STEPS):
        u, v = (i - x) / width, (j - y) / width
        shape = np.exp(-0.5 * (u * u + v * v))
        mean = known + amplitude * shape
        gain = 2.0 * float(np.sum(seen * np.log(mean / known) - amplitude * shape))
        if gain > best[2]:
            best = np.array([x, y, gain])
        slopes = np.stack(
            [(amplitude * shape * u / width).ravel(), (amplitude * shape * v / width).ravel(),
             shape.ravel()]
        )  # fmt: skip
        pull = slopes @ (seen / mean - 1.0).ravel()
        information = (slopes / mean.ravel()) @ slopes.T
        step = np.linalg.solve(information + 1e-9 * np.eye(3) * np.trace(information), pull)
        step[:2] = np.clip(step[:2], -0.5 * width, 0.5 * width)
        x, y = (np.clip(x + step[0], x0 - width, x0 + width),
                np.clip(y + step[1], y0 - width, y0 + width))  # fmt: skip
        amplitude = max(amplitude + step[2], 0.05 * amplitude)
    return np.array([best[0], best[1], np.sqrt(best[2])])


def vacancy_ratios(
    image: Floats, mean: Floats, places: Floats, peaks: Floats, present: NDArray[np.bool_],
    width: float,
) -> Floats:  # fmt: skip
    """Return log likelihood (vacant) - (present) of sites whose column and surroundings are known.

    ``mean`` is the true picture; ``peaks`` are what the sites' columns have or would have.
    """
    half = int(np.ceil(REACH_WIDTHS * width))
    out = np.empty(len(places))
    for k, ((x, y), peak) in enumerate(zip(places, peaks, strict=True)):
        rows = slice(max(int(y) - half, 0), int(y) + half + 1)
        columns = slice(max(int(x) - half, 0), int(x) + half + 1)
        seen, full = image[rows, columns], mean[rows, columns]
        j = np.arange(rows.start, rows.start + seen.shape[0])[:, None]
        i = np.arange(columns.start, columns.start + seen.shape[1])[None, :]
        column = peak * np.exp(-0.5 * (((i - x) / width) ** 2 + ((j - y) / width) ** 2))
        empty = full - column if present[k] else full
        empty = np.maximum(empty, 1e-9)
        out[k] = float(np.sum(column - seen * np.log1p(column / empty)))
    return out


def area_under_roc(score: Floats, positive: NDArray[np.bool_]) -> float:
    """Return the probability that a positive scores higher than a negative."""
    from scipy.stats import rankdata

    ranks = rankdata(score)
    n = int(positive.sum())
    return float((ranks[positive].sum() - 0.5 * n * (n + 1)) / (n * (len(score) - n)))


def share_at_false_rate(score: Floats, positive: NDArray[np.bool_], rate: float) -> float:
    """Return the share of positives above the level that ``rate`` of the negatives pass."""
    level = np.quantile(score[~positive], 1.0 - rate)
    return float((score[positive] > level).mean())
