"""The pixels of a thresholded film given its walls: Gauss-Newton and the spread of the estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from physlearn.checks import NotIdentified
from physlearn.inference.binary_walls.binary_fronts import ChainFront, chain_geometry
from physlearn.inference.binary_walls.binary_kernels import find_feet, score_pixels

__all__ = [
    "BinaryFilm",
    "BinaryOptimum",
    "Layout",
    "WallPixels",
    "near_pixels",
    "optimize_fronts",
    "pull_band",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Labels = NDArray[np.uint8]

BLURS = (1.5, 1.5, 0.8, 0.4)
BANDS = 3.0
LEAST_BAND = 1.2
SMALLEST_SHARE = 0.2
LARGEST_SHIFT = 3.0
SETTLED = 0.05
MOST_STEPS = 12


@dataclass(frozen=True, slots=True, eq=False)
class BinaryFilm:
    """A thresholded film as the fit sees it.

    Attributes
    ----------
    labels
        Shape (n_frames, rows, columns), 1 in the True domain.
    usable
        Same shape: pixels that count.
    times
        Shape (n_frames,).
    design
        Shape (n_frames - 1, n_speeds): share of each speed in the velocity between two frames.
    flip
        Probability that a label is wrong, above zero.
    """

    labels: Labels
    usable: NDArray[np.bool_]
    times: Floats
    design: Floats
    flip: float


@dataclass(frozen=True, slots=True, eq=False)
class WallPixels:
    """Pixels near the walls, and all walls as one list of nodes in the order of the frames."""

    nodes: Floats
    normals: Floats
    curvatures: Floats
    found: Integers
    feet: Floats


class Layout:
    """Where the nodes of every front and frame stand in the list of all nodes."""

    def __init__(self, fronts: Sequence[ChainFront]) -> None:
        places = sorted(
            (int(frame), k, row)
            for k, front in enumerate(fronts)
            for row, frame in enumerate(front.frames)
        )
        self.rows: list[list[int]] = [[0] * len(front.frames) for front in fronts]
        following, role, frame_of = [], [], []
        total = 0
        for frame, k, row in places:
            n = fronts[k].n_nodes
            self.rows[k][row] = total
            link = np.arange(total + 1, total + n + 1)
            kind = np.zeros(n, dtype=np.int64)
            link[-1] = total if fronts[k].closed else -1
            if not fronts[k].closed:
                kind[0], kind[-1] = 1, 2
            following.append(link)
            role.append(kind)
            frame_of.append(np.full(n, frame))
            total += n
        self.size = total
        self.following: Integers = np.concatenate(following)
        self.role: Integers = np.concatenate(role)
        self.frame_of: Integers = np.concatenate(frame_of).astype(np.int64)

    def index(self, k: int, n_nodes: int) -> Integers:
        """Places of a front's nodes, shape (n_frames of the piece, n_nodes)."""
        return np.asarray(self.rows[k])[:, None] + np.arange(n_nodes)


def near_pixels(
    film: BinaryFilm,
    layout: Layout,
    nodes: Floats,
    normals: Floats,
    curvatures: Floats,
    band: float,
    shift: Floats | None = None,
) -> WallPixels:
    """Find the pixels within ``band`` of a wall and their distances to it."""
    nearest = np.full((*film.labels.shape[1:], 3), np.inf)
    size = int(4.0 * (band + 1) * layout.size)
    offset = np.zeros(2) if shift is None else shift
    while True:
        found, feet = np.empty((size, 4), dtype=np.int64), np.empty((size, 2))
        count = find_feet(
            nodes, normals, curvatures, layout.following, layout.role, layout.frame_of,
            film.usable, band, offset, nearest, found, feet,
        )  # fmt: skip
        if count <= size:
            return WallPixels(nodes, normals, curvatures, found[:count], feet[:count])
        size = count


@dataclass(frozen=True, slots=True, eq=False)
class BinaryOptimum:
    """Where Gauss-Newton ended.

    Attributes
    ----------
    parameters
        Speeds and curvature mobility.
    shapes
        First shape of every front.
    information
        Shape (n, n): parameters first, then all shapes.
    slopes
        Of every front: outward shift of its nodes per parameter and coefficient.
    pixels
        Pixels near the walls at the end.
    layout
        Of all nodes.
    last_step
        Largest shift of a node in the last step, pixels.
    """

    parameters: Floats
    shapes: list[Floats]
    information: Floats
    slopes: list[Floats]
    pixels: WallPixels
    layout: Layout
    last_step: float

    @property
    def converged(self) -> bool:
        """Whether the last step moved no node by more than a fiftieth of a pixel."""
        return self.last_step < SETTLED


def optimize_fronts(
    film: BinaryFilm, fronts: Sequence[ChainFront], start: Floats, prior_sd: Floats, blur: float
) -> BinaryOptimum:
    """Climb the pixels' likelihood, from walls blurred over pixels to sharp ones."""
    layout = Layout(fronts)
    parameters = start.copy()
    shapes = [np.zeros(front.n_shape) for front in fronts]
    step_size, damping = np.inf, 1.0
    schedule = [*BLURS, *([blur] * MOST_STEPS)]
    for number, width in enumerate(schedule):
        pixels, slopes = _linearized(film, fronts, layout, parameters, shapes, width)
        gradient, information = _assemble(
            film, fronts, layout, pixels, slopes, shapes, parameters, prior_sd, width
        )
        optimum = BinaryOptimum(
            parameters, shapes, information, slopes, pixels, layout, float(step_size)
        )
        if (optimum.converged and number > len(BLURS)) or number == len(schedule) - 1:
            break
        try:
            step = cho_solve(cho_factor(information), gradient)
        except (np.linalg.LinAlgError, ValueError):  # overflow, or no positive information
            step = np.full(gradient.size, np.nan)
        if not np.isfinite(step).all():
            raise NotIdentified(
                "the walls of this film do not follow a front from frame to frame: the fit broke "
                "down; take more frames a second."
            )
        corner = np.array(film.labels.shape[:0:-1]) - 0.5
        within = np.all((pixels.nodes > -0.5) & (pixels.nodes < corner), axis=1, keepdims=True)[
            :, 0
        ]
        inside = [within[layout.index(k, front.n_nodes)] for k, front in enumerate(fronts)]
        shift = _shift(fronts, slopes, inside, parameters.size, step)
        if number > len(BLURS) and shift > 0.7 * step_size:
            damping *= 0.5  # labels jump: a full step may go to and fro
        step_size = shift
        step = step * min(damping, LARGEST_SHIFT / max(shift, 1e-12))
        parameters, shapes = _moved(fronts, parameters, shapes, step)
    return optimum


def _linearized(
    film: BinaryFilm, fronts: Sequence[ChainFront], layout: Layout, parameters: Floats,
    shapes: list[Floats], blur: float,
) -> tuple[WallPixels, list[Floats]]:  # fmt: skip
    """Pixels near the propagated walls, and how far each node moves per unknown."""
    nodes = np.empty((layout.size, 2))
    normals, curvatures = np.empty_like(nodes), np.empty(layout.size)
    slopes = []
    for k, front in enumerate(fronts):
        chain, slope = front.linearized(shapes[k], parameters, film.design, film.times)
        index = layout.index(k, front.n_nodes)
        nodes[index] = chain
        normals[index], curvatures[index] = chain_geometry(chain, front.closed)
        slopes.append(slope)
    if not np.isfinite(nodes).all():
        raise NotIdentified(
            "a wall of this film collapses in the model and not in the film: the law does not "
            "describe it; leave out the frames in which it vanishes."
        )
    return near_pixels(film, layout, nodes, normals, curvatures, pull_band(blur)), slopes


def _shift(
    fronts: Sequence[ChainFront], slopes: list[Floats], inside: list[NDArray[np.bool_]], q: int,
    step: Floats,
) -> float:  # fmt: skip
    """Largest move of a node in the picture; what lies outside moves as it likes."""
    shift, position = 0.0, q
    for front, slope, within in zip(fronts, slopes, inside, strict=True):
        part = step[position : position + front.n_shape]
        position += front.n_shape
        moved = slope[within] @ np.concatenate([step[:q], part])
        shift = max(shift, float(np.abs(moved).max(initial=0.0)))
    return shift


def _moved(
    fronts: Sequence[ChainFront], parameters: Floats, shapes: list[Floats], step: Floats
) -> tuple[Floats, list[Floats]]:
    """Take a step; the curvature mobility stays positive."""
    position = parameters.size
    result = parameters + step[:position]
    result[-1] = max(result[-1], SMALLEST_SHARE * parameters[-1])
    moved = []
    for front, shape in zip(fronts, shapes, strict=True):
        moved.append(shape + step[position : position + front.n_shape])
        position += front.n_shape
    return result, moved


def pull_band(blur: float) -> float:
    """Distance within which pixels pull on a wall, pixels."""
    return max(BANDS * blur, LEAST_BAND)


def _assemble(
    film: BinaryFilm,
    fronts: Sequence[ChainFront],
    layout: Layout,
    pixels: WallPixels,
    slopes: list[Floats],
    shapes: list[Floats],
    parameters: Floats,
    prior_sd: Floats,
    blur: float,
) -> tuple[Floats, Floats]:
    """Slope and expected information of the log posterior in parameters and shapes."""
    frame, row, column = pixels.found[:, :3].T
    pull, diagonal, beside = (np.zeros(layout.size) for _ in range(3))
    score_pixels(
        film.labels[frame, row, column], pixels.found, pixels.feet, layout.following, blur,
        film.flip, pull, diagonal, beside,
    )  # fmt: skip
    q = parameters.size
    size = q + sum(front.n_shape for front in fronts)
    gradient, information = np.zeros(size), np.zeros((size, size))
    gradient[:q] = -parameters / prior_sd**2
    information[:q, :q] = np.diag(prior_sd**-2.0)
    position = q
    for k, (front, slope, shape) in enumerate(zip(fronts, slopes, shapes, strict=True)):
        index = layout.index(k, front.n_nodes)
        weighted = diagonal[index][..., None] * slope
        share = beside[index][..., None]
        weighted += share * np.roll(slope, -1, axis=1)
        weighted += np.roll(share, 1, axis=1) * np.roll(slope, 1, axis=1)
        width = slope.shape[2]
        block = slope.reshape(-1, width).T @ weighted.reshape(-1, width)
        part = slope.reshape(-1, width).T @ pull[index].ravel()
        own = slice(position, position + front.n_shape)
        information[:q, :q] += block[:q, :q]
        information[:q, own] = block[:q, q:]
        information[own, :q] = block[q:, :q]
        information[own, own] = block[q:, q:] + front.penalty
        gradient[:q] += part[:q]
        gradient[own] = part[q:] - front.penalty @ shape
        position = own.stop
    return gradient, information
