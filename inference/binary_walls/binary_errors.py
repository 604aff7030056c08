"""How far an estimate from a thresholded film is off: films of the fitted walls, simulated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from physlearn.inference.binary_walls.binary_fronts import ChainFront
from physlearn.inference.binary_walls.binary_kernels import score_pixels
from physlearn.inference.binary_walls.binary_likelihood import (
    BinaryFilm,
    BinaryOptimum,
    Layout,
    near_pixels,
    pull_band,
)

__all__ = ["answer_share", "locked_walls", "simulate_films", "wall_jitter"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

STRETCH_PIXELS = 8.0
STRETCH_FRAMES = 5
LOCKED_PHASE = 0.8
LOCKED_RANGE = 2.0
WITHIN_PIXEL = 0.58  # sd of a travel that is known within a pixel either way


def wall_jitter(film: BinaryFilm, optimum: BinaryOptimum) -> float:
    """Blur of the threshold that suits the pixels best, pixels."""
    pixels, layout = optimum.pixels, optimum.layout
    frame, row, column = pixels.found[:, :3].T
    label = film.labels[frame, row, column]
    scratch = [np.zeros(layout.size) for _ in range(3)]

    def cost(log_blur: float) -> float:
        return -score_pixels(
            label, pixels.found, pixels.feet, layout.following, float(np.exp(log_blur)), film.flip,
            *scratch,
        )  # fmt: skip

    best = minimize_scalar(cost, bounds=(np.log(0.005), np.log(2.0)), method="bounded",
                           options={"xatol": 0.02})  # fmt: skip
    return float(np.exp(best.x))


def simulate_films(
    film: BinaryFilm, fronts: Sequence[ChainFront], optimum: BinaryOptimum, blur: float,
    jitter: float, generator: np.random.Generator, n_films: int,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Covariance of the estimate in films of the fitted walls, and misfits.

    Each film has the pixels of the picture at another place under the walls, its own label noise,
    and takes one Gauss-Newton step from the truth. A wall that keeps within one row or column of
    pixels is known to that pixel only, and widens the covariance by as much.
    The misfits (1 + n_films,) are the mean squared pull on stretches of wall over its expected
    information: of the film itself, then of the others.
    """
    layout = optimum.layout
    response, unseen = _response(fronts, optimum)
    stretches = _stretches(fronts, layout)
    walls = optimum.pixels
    errors, misfits = np.empty((n_films, len(response))), np.empty(n_films + 1)
    for number in range(n_films + 1):
        if number == 0:
            pixels = walls
            label = film.labels[tuple(pixels.found[:, :3].T)]
        else:
            pixels = near_pixels(
                film, layout, walls.nodes, walls.normals, walls.curvatures, pull_band(blur),
                generator.uniform(-0.5, 0.5, 2),
            )  # fmt: skip
            noise = jitter * generator.standard_normal(len(pixels.feet))
            inside = pixels.feet[:, 0] + noise < 0
            label = (inside ^ (generator.random(inside.size) < film.flip)).astype(np.uint8)
        pull, diagonal, beside = (np.zeros(layout.size) for _ in range(3))
        score_pixels(
            label, pixels.found, pixels.feet, layout.following, blur, film.flip,
            pull, diagonal, beside,
        )  # fmt: skip
        weight = np.bincount(stretches, diagonal + 2.0 * beside)
        square = np.bincount(stretches, pull) ** 2
        misfits[number] = float((square[weight > 0] / weight[weight > 0]).mean())
        if number:
            errors[number - 1] = response @ pull
    errors /= answer_share(blur, jitter, film.flip)
    within = _within_pixel(film, fronts, optimum, response, blur)
    return errors.T @ errors / n_films + unseen + within.T @ within, misfits


def locked_walls(
    film: BinaryFilm, fronts: Sequence[ChainFront], optimum: BinaryOptimum
) -> list[int]:
    """Walls that lie along the rows or columns of pixels and never leave theirs."""
    corner = np.array(film.labels.shape[:0:-1]) - 0.5
    locked = []
    for k, front in enumerate(fronts):
        frames = optimum.pixels.nodes[optimum.layout.index(k, front.n_nodes)]
        shown = [nodes[np.all((nodes > -0.5) & (nodes < corner), axis=1)] for nodes in frames]
        shown = [nodes for nodes in shown if len(nodes)]
        if not shown:
            continue
        phase = np.median([np.abs(np.exp(2j * np.pi * n).mean(axis=0)) for n in shown], axis=0)
        moved = np.ptp([nodes.mean(axis=0) for nodes in shown], axis=0)
        if ((phase > LOCKED_PHASE) & (moved < LOCKED_RANGE)).any():
            locked.append(k)
    return locked


def _within_pixel(
    film: BinaryFilm,
    fronts: Sequence[ChainFront],
    optimum: BinaryOptimum,
    response: Floats,
    blur: float,
) -> Floats:
    """Shift of the parameters as locked walls drift unseen within their pixel, one row a speed."""
    q = len(response)
    moved = np.zeros((q - 1, q))
    locked = locked_walls(film, fronts, optimum)
    if not locked:
        return moved
    pixels, layout = optimum.pixels, optimum.layout
    label = film.labels[tuple(pixels.found[:, :3].T)]
    pull, diagonal, beside = (np.zeros(layout.size) for _ in range(3))
    score_pixels(
        label, pixels.found, pixels.feet, layout.following, blur, film.flip,
        pull, diagonal, beside,
    )  # fmt: skip
    weight = diagonal + 2.0 * beside
    for k in locked:
        index = layout.index(k, fronts[k].n_nodes)
        for speed in range(q - 1):
            drift = optimum.slopes[k][..., speed]
            size = float(np.ptp(drift.mean(axis=1)))
            if size > 0:
                shift = WITHIN_PIXEL / size * drift
                moved[speed] += response[:, index.ravel()] @ (weight[index] * shift).ravel()
    return moved


def answer_share(blur: float, jitter: float, flip: float) -> float:
    """Pull of a shifted wall on labels of threshold scatter ``jitter`` over what ``blur`` expects.

    The step of simulated films divides by the expected information, the estimate itself rests
    where the pull of the labels that are there vanishes.
    """
    at = np.linspace(-8.0, 8.0, 4001)
    slope, chance = _label_chance(at, flip)
    expected = np.trapezoid(slope**2 / (chance * (1.0 - chance)), at)
    width = max(jitter / blur, 2e-2)
    moved = (1.0 - 2.0 * flip) * norm.pdf(at / width) / width
    return float(np.trapezoid(moved * slope / (chance * (1.0 - chance)), at) / expected)


def _label_chance(at: Floats, flip: float) -> tuple[Floats, Floats]:
    """Slope and chance of a True label at distances in units of the blur."""
    return (1.0 - 2.0 * flip) * norm.pdf(at), flip + (1.0 - 2.0 * flip) * norm.cdf(at)


def _response(fronts: Sequence[ChainFront], optimum: BinaryOptimum) -> tuple[Floats, Floats]:
    """Shift of every parameter per pull on every node; covariance from shapes of their prior."""
    q = optimum.parameters.size
    solve = np.linalg.inv(optimum.information)[:q]
    response, unseen = np.zeros((q, optimum.layout.size)), np.zeros((q, q))
    position = q
    for k, (front, slope) in enumerate(zip(fronts, optimum.slopes, strict=True)):
        shape = solve[:, position : position + front.n_shape]
        unseen += shape @ front.penalty @ shape.T
        own = np.concatenate([solve[:, :q], shape], axis=1)
        response[:, optimum.layout.index(k, front.n_nodes)] = np.moveaxis(slope @ own.T, 2, 0)
        position += front.n_shape
    return response, unseen


def _stretches(fronts: Sequence[ChainFront], layout: Layout) -> Integers:
    """Return the stretch of wall, in space and time, that every node belongs to."""
    result = np.zeros(layout.size, dtype=np.int64)
    total = 0
    for k, front in enumerate(fronts):
        length = float(np.hypot(*np.diff(front.start, axis=0).T).sum())
        count = max(int(length / STRETCH_PIXELS), 1)
        place = np.arange(front.n_nodes) * count // front.n_nodes
        late = np.arange(len(front.frames)) // STRETCH_FRAMES
        result[layout.index(k, front.n_nodes)] = total + late[:, None] * count + place
        total += (int(late[-1]) + 1) * count
    return result
