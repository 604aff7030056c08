"""Class probabilities from few labels: discriminants, or heaps shaped by unlabelled patches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.linalg import solve_triangular

__all__ = [
    "MODELS",
    "TEMPERATURES",
    "class_log_probabilities",
    "nearest_distance",
    "spot_log_probabilities",
    "temperature_weights",
    "tempered",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MODELS = ("discriminant", "heaps")
UNKNOWN = -1
ITERATIONS = 30
SETTLED = 1e-3
CORE = 0.25
"""Share of a class's patches from which its heap grows: strangers may be three times as many."""
HELD = 0.975
UNLIKELY = 0.01
TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(8.0), 61))
TEMPERATURE_SD = 1.0
"""Prior spread of ln T: few labels do not say much about it."""
USUAL_LOG_TEMPERATURE = 0.3
"""Prior mean of ln T: models of few labels are too sure."""


def class_log_probabilities(model: str, scores: Floats, codes: Integers, k: int) -> Floats:
    """Return ln p(class | patch), (n, k), of every row from those whose code is not -1."""
    known = codes != UNKNOWN
    means, shared = _labelled_heaps(scores[known], codes[known], k)
    log_p = _student(scores, means, shared, np.bincount(codes[known], minlength=k))
    if model == "discriminant":
        return log_p
    d = scores.shape[1]
    for _ in range(ITERATIONS):
        share = np.exp(log_p)
        share[known] = np.eye(k)[codes[known]]
        size = share.sum(axis=0)
        means = share.T @ scores / size[:, None]
        scatter = np.empty((k, d, d))
        for each in range(k):
            offset = scores - means[each]
            scatter[each] = (share[:, each, None] * offset).T @ offset
        # heaps of few patches lean on what all heaps have in common
        common = scatter.sum(axis=0) / len(scores)
        heaps = (scatter + (d + 2) * common) / (size + d + 2)[:, None, None]
        before, log_p = log_p, _normal(scores, means, heaps, size / len(scores))
        if np.abs(np.exp(log_p) - np.exp(before)).max() < SETTLED:
            break
    return log_p


def spot_log_probabilities(scores: Floats, codes: Integers, spot: Integers, k: int) -> Floats:
    """Return ln p(class | patch), (n, k), where a spot of labels (n_known,) counts as one label.

    Patches are compared along the discriminants of the labels. The spread of a class from place to
    place is unknown; that of all patches is taken, its upper bound.
    """
    known = np.flatnonzero(codes != UNKNOWN)
    means, shared = _labelled_heaps(scores[known], codes[known], k)
    number = np.empty(k)
    for each in range(k):
        mine = codes[known] == each
        spots = [scores[known[mine & (spot == one)]].mean(axis=0) for one in np.unique(spot[mine])]
        means[each], number[each] = np.mean(spots, axis=0), len(spots)
    root = np.linalg.cholesky(shared)
    centers = np.linalg.solve(root, (means - means.mean(axis=0)).T).T
    axes = np.linalg.svd(centers, full_matrices=False)[2][: k - 1]
    places = np.linalg.solve(root, (scores - means.mean(axis=0)).T).T @ axes.T
    common = np.atleast_2d(np.cov(places.T))
    wider = 1.0 + 1.0 / number
    log_p = np.stack([_distance(places, each, common) for each in centers @ axes.T], axis=1) / (
        -2.0 * wider
    ) - 0.5 * len(axes) * np.log(wider)
    return np.asarray(log_p - _log_sum(log_p))


def temperature_weights(log_p: Floats, codes: Integers, heed: Floats) -> tuple[Floats, float]:
    """Return how credible each temperature is by labels that were left out, (61,), and ln p.

    ``heed``: weight of each label; labels of one spot count as one. The second is the logarithm
    of what all temperatures together foretell, by which models are weighed.
    """
    score = -0.5 * ((np.log(TEMPERATURES) - USUAL_LOG_TEMPERATURE) / TEMPERATURE_SD) ** 2
    for number, temperature in enumerate(TEMPERATURES):
        scaled = log_p / temperature
        scaled = scaled - _log_sum(scaled)
        score[number] += heed @ scaled[np.arange(len(codes)), codes]
    weights = np.exp(score - score.max())
    return np.asarray(weights / weights.sum()), float(score.max() + np.log(weights.sum()))


def tempered(log_p: Floats, weights: Floats) -> Floats:
    """Return probabilities softmax(ln p / T), averaged over the temperatures."""
    result = np.zeros_like(log_p)
    for temperature, weight in zip(TEMPERATURES, weights, strict=True):
        scaled = log_p / temperature
        result += weight * np.exp(scaled - _log_sum(scaled))
    return result


def nearest_distance(scores: Floats, codes: Integers, best: Integers, k: int) -> Floats:
    """Return each row's squared Mahalanobis distance to the nearest class.

    A class's heap grows from its labels: the quarter of its patches (``best``) nearest to them,
    then those that belong to what has been found, in turn. All of its patches would hold those of
    a class that nobody labelled too, which would then be far from nothing.
    """
    known = codes != UNKNOWN
    d = scores.shape[1]
    means, shared = _labelled_heaps(scores[known], codes[known], k)
    nearest = np.full(len(scores), np.inf)
    for each in range(k):
        rows = scores[best == each]
        mine = scores[codes == each]
        mean, heap = means[each], shared
        core = min(max(int(np.ceil(CORE * len(rows))), len(mine)), len(rows))
        inside = np.argsort(_distance(rows, mean, heap), kind="stable")[:core]
        held = core / len(rows)
        for _ in range(ITERATIONS):
            # what is cut off at a quantile of a Gaussian leaves a narrower heap
            wider = held / stats.chi2.cdf(stats.chi2.ppf(held, d), d + 2)
            mean = rows[inside].mean(axis=0)
            offset = rows[inside] - mean
            scatter = wider * offset.T @ offset + (d + 2) * shared
            heap = scatter / (len(inside) + d + 2)
            members = np.flatnonzero(_distance(rows, mean, heap) <= stats.chi2.ppf(HELD, d))
            if len(members) < 2 or (held == HELD and np.array_equal(members, inside)):
                break
            inside, held = members, HELD
        own = float(_distance(mine, mean, heap).sum())
        if own > stats.chi2.isf(UNLIKELY, d * len(mine)):
            # the labels themselves lie farther out: the class is no single heap
            heap = heap * own / (d * len(mine))
        nearest = np.minimum(nearest, _distance(scores, mean, heap))
    return nearest


def _distance(rows: Floats, mean: Floats, heap: Floats) -> Floats:
    """Return squared Mahalanobis distances."""
    d = len(mean)
    offset = rows - mean
    solid = heap + 1e-9 * max(np.trace(heap), 1e-300) / d * np.eye(d)
    return np.asarray(np.einsum("ni,ni->n", offset, np.linalg.solve(solid, offset.T).T))


def _labelled_heaps(rows: Floats, codes: Integers, k: int) -> tuple[Floats, Floats]:
    """Return class means and the covariance that the classes share, shrunk (Ledoit and Wolf)."""
    from sklearn.covariance import ledoit_wolf

    means = np.array([rows[codes == each].mean(axis=0) for each in range(k)])
    inside = rows - means[codes]
    free = max(len(rows) - k, 1)
    shared = np.asarray(ledoit_wolf(inside, assume_centered=True)[0]) * len(rows) / free
    if free == 1 or not np.trace(shared) > 0:
        # one label a class: nothing is known of the spread but that classes differ by more
        shared = np.diag(np.maximum(rows.var(axis=0), 1e-12)) / k
    return means, shared + 1e-9 * np.trace(shared) * np.eye(rows.shape[1])


def _student(scores: Floats, means: Floats, shared: Floats, number: Integers) -> Floats:
    """Return ln of class probabilities when means and spread are known from few labels.

    What a label foretells is a Student t: wider by the error of its class's mean, with heavy tails
    for the error of the spread.
    """
    d = scores.shape[1]
    free = max(int(number.sum()) - len(means), 1)
    root = np.linalg.cholesky(shared)
    log_p = np.empty((len(scores), len(means)))
    for each, mean in enumerate(means):
        wider = 1.0 + 1.0 / number[each]
        z = np.linalg.solve(root, (scores - mean).T)
        distance = (z**2).sum(axis=0) / (wider * free)
        log_p[:, each] = -0.5 * (free + d) * np.log1p(distance) - 0.5 * d * np.log(wider)
    return log_p - _log_sum(log_p)


def _normal(scores: Floats, means: Floats, heaps: Floats, weights: Floats) -> Floats:
    """Return ln of the class probabilities of Gaussian heaps."""
    log_p = np.empty((len(scores), len(means)))
    for each, (mean, heap) in enumerate(zip(means, heaps, strict=True)):
        root = np.linalg.cholesky(heap)
        z = solve_triangular(root, (scores - mean).T, lower=True, check_finite=False)
        log_p[:, each] = np.log(weights[each]) - np.log(np.diag(root)).sum()
        log_p[:, each] -= 0.5 * (z**2).sum(axis=0)
    return log_p - _log_sum(log_p)


def _log_sum(log_p: Floats) -> Floats:
    """Return ln of the sum of exponentials of each row, (n, 1)."""
    top = log_p.max(axis=1, keepdims=True)
    return np.asarray(top + np.log(np.exp(log_p - top).sum(axis=1, keepdims=True)))
