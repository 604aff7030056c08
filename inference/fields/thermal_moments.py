"""Thermal and measurement noise from the errors of predicted frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fields.field_model import TimeSteps

if TYPE_CHECKING:
    from physlearn.inference.fields.term_model import TermModel
    from physlearn.inference.fields.thermal_field import Step

__all__ = ["Moments", "noise_moments", "tile_edges", "tiled_covariance"]

Floats = NDArray[np.float64]
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
TILE = 8  # pixels


@dataclass(frozen=True, eq=False)
class Moments:
    """Noise: thermal strength per time, measurement variance; scores (steps, tiles, tiles, 2).

    ``slopes``: (2, 2), fall of the scores' sums with the noise.
    """

    noise: Floats
    scores: Floats
    slopes: Floats


def tile_edges(length: int) -> NDArray[np.int64]:
    """Return where tiles of about 8 pixels begin."""
    count = max(1, length // TILE)
    return (np.arange(count) * length) // count


def _sum_tiles(field: Floats) -> Floats:
    """Sum (rows, columns) over tiles."""
    rows, columns = tile_edges(field.shape[0]), tile_edges(field.shape[1])
    sums: Floats = np.add.reduceat(np.add.reduceat(field, rows, axis=0), columns, axis=1)
    return sums


def unit_noise(model: TermModel, generator: np.random.Generator) -> Floats:
    """Draw noise of unit strength: white, or the divergence of white fluxes."""
    if not model.conserved:
        return generator.normal(size=model.shape)
    right, lower = generator.normal(size=(2, *model.shape))
    if model.mirror:
        right[:, -1], lower[-1] = 0.0, 0.0
    per_x, per_y = np.sqrt(model.grid)
    noise: Floats = per_x * (right - np.roll(right, 1, 1)) + per_y * (lower - np.roll(lower, 1, 0))
    return noise


def noise_moments(
    film: Floats,
    steps: Sequence[Step],
    position: dict[int, int],
    theta: Floats,
    errors: Floats,
    known: float | None,
    seed: int,
    mask: Floats,
    noise: Floats | None = None,
) -> Moments:
    """Match the errors' squares and the products of successive errors.

    With F the linear flow over the interval an error is ``thermal + e' - F e``: its square is
    ``q int F F^T + s^2 (1 + F F^T)``, its product with the one before ``- s^2 F``; the traces come
    from random vectors, tile by tile. ``noise``: take these and only compute the scores.
    """
    generator = np.random.default_rng(seed)
    squares = np.array([_sum_tiles(mask * error**2) for error in errors])
    products = np.zeros_like(squares)
    design = np.zeros((2, 2, *squares.shape))  # moment, noise
    for index, step in enumerate(steps):
        k = position[step.frame]
        thermal, both, single = _traces(step.model, film[k], theta, generator, mask)
        design[0, 0, index], design[0, 1, index] = thermal, both
        if index:
            products[index] = _sum_tiles(mask * errors[index] * errors[index - 1])
            design[1, 1, index] = -single
    total = design.sum((2, 3, 4))
    sums = np.array([squares.sum(), products.sum()])
    if noise is None and known is None:
        noise = np.linalg.solve(total, sums)
    elif noise is None:
        assert known is not None  # noqa: S101 -- for the type checker
        noise = np.array([(sums[0] - total[0, 1] * known**2) / total[0, 0], known**2])
    scores = np.stack([squares, products], axis=-1) - np.einsum("mn...,n->...m", design, noise)
    if known is not None:
        # the measurement noise is given: its moment says nothing
        scores[..., 1] = 0.0
        total = np.diag([total[0, 0], 1.0])
    return Moments(noise, scores, total)


def _traces(
    model: TermModel, start: Floats, theta: Floats, generator: np.random.Generator, mask: Floats
) -> tuple[Floats, Floats, Floats]:
    """Tile sums of int F F^T, of 1 + F F^T, and of F."""
    begin, end = model.steps.times[[0, -1]]
    inner = begin + (end - begin) * (NODES + 1) / 2
    times = np.concatenate([[begin], inner, [end]])
    fine = replace(model, steps=TimeSteps.of(times, np.inf), stages=np.zeros((0, 0, 0, 0)))
    if fine.drive is not None:
        drive = fine.drive
        fine = replace(fine, drive=lambda moments, _: drive(moments, np.zeros(moments.shape, int)))
    fine = fine.with_steps(theta)
    fine.forward(start, theta)
    white, thermal = generator.choice([-1.0, 1.0], size=model.shape), unit_noise(model, generator)
    flown, plain = fine.tangent(np.stack([thermal, white]))
    strength = np.einsum("t,tij->ij", WEIGHTS * (end - begin) / 2, flown[1:-1] ** 2)
    return (_sum_tiles(mask * strength), _sum_tiles(mask * (1.0 + plain[-1] ** 2)),
            _sum_tiles(mask * white * plain[-1]))  # fmt: skip


def tiled_covariance(scores: Floats, slopes: Floats, moments: Moments, cross: Floats) -> Floats:
    """Sandwich over tiles, with neighbouring steps correlated: (terms + 2, terms + 2).

    ``cross``: fall of the noise's scores with the parameters; the mean hardly knows the noise.
    """
    all_scores = np.concatenate([scores, moments.scores], axis=-1)
    n_terms = scores.shape[-1]
    flat = all_scores.reshape(len(all_scores), -1, all_scores.shape[-1])
    middle = np.einsum("tka,tkb->ab", flat, flat)
    for lag in (1, 2):
        later = np.einsum("tka,tkb->ab", flat[lag:], flat[:-lag])
        middle += later + later.T
    jacobian = np.zeros_like(middle)
    jacobian[:n_terms, :n_terms] = slopes
    jacobian[n_terms:, n_terms:] = moments.slopes
    jacobian[n_terms:, :n_terms] = cross
    inverse = np.linalg.inv(jacobian)
    covariance: Floats = inverse @ middle @ inverse.T
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    positive: Floats = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return positive
