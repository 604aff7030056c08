"""Which terms a field's law needs: supports ranked by evidence from the moments' covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Support", "rank_supports"]

Floats = NDArray[np.float64]

BEAM = 40


@dataclass(frozen=True)
class Support:
    """Places of the terms, and minus the log evidence (nats, up to a constant)."""

    places: tuple[int, ...]
    misfit: float
    description_length: float


def rank_supports(
    inner: Floats, moment: Floats, covariance: Floats, n_independent: float, largest: int
) -> list[Support]:
    """Return the best supports of every size, shortest description first.

    ``moment = inner[:, S] c`` up to an error of the given covariance: the misfit is Hansen's J (a
    chi-square with a degree of freedom for each term left out); the description adds, for each
    term, half the logarithm of the independent windows and that of the library's size (extended
    Bayesian information, Chen and Chen 2008, 10.1093/biomet/asn034).
    """
    root = _inverse_root(covariance)
    matrix, target = root @ inner, root @ moment
    gram, right = matrix.T @ matrix, matrix.T @ target
    whole = float(target @ target)
    size = len(moment)
    price = 0.5 * np.log(max(n_independent, 2.0)) + np.log(size)
    seen: dict[tuple[int, ...], float] = {(): whole}
    front: list[tuple[int, ...]] = [()]
    for _ in range(min(largest, size)):
        fresh = {tuple(sorted((*s, k))) for s in front for k in range(size) if k not in s}
        fresh = {s for s in fresh if s not in seen}
        if not fresh:
            break
        ordered = sorted(fresh)
        for s, misfit in zip(ordered, _misfits(gram, right, whole, ordered), strict=True):
            seen[s] = misfit
        front = sorted(ordered, key=lambda s: seen[s])[:BEAM]
    down = [tuple(range(size))]
    for count in range(size - 1, 0, -1):
        fresh = {tuple(k for k in s if k != out) for s in down for out in s}
        ordered = sorted(fresh)
        values = _misfits(gram, right, whole, ordered)
        if count <= largest:
            seen.update(dict(zip(ordered, values, strict=True)))
        order = np.argsort(values)[: BEAM // 4]
        down = [ordered[k] for k in order]
    found = [
        Support(s, misfit, 0.5 * n_independent * np.log1p(max(misfit, 0.0) / n_independent)
                + price * len(s))
        for s, misfit in seen.items() if np.isfinite(misfit)
    ]  # fmt: skip
    return sorted(found, key=lambda s: (s.description_length, len(s.places)))


def _inverse_root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 1e-10 * values.max())
    return np.asarray((vectors / np.sqrt(values)).T)


def _misfits(
    gram: Floats, right: Floats, whole: float, supports: list[tuple[int, ...]]
) -> list[float]:
    """Least squares for supports of one size."""
    places = np.array(supports)
    inner = gram[places[:, :, None], places[:, None, :]]
    own = right[places]
    norm = np.sqrt(np.maximum(np.einsum("kii->ki", inner), 1e-300))
    inner = inner / norm[:, :, None] / norm[:, None, :]
    inner = inner + 1e-12 * np.eye(places.shape[1])
    with np.errstate(all="ignore"):
        solution = np.linalg.solve(inner, (own / norm)[..., None])[..., 0]
    explained = (solution * own / norm).sum(axis=1)
    return [float(v) for v in np.maximum(whole - explained, 0.0)]
