"""The moving walls of the scenes: levels on a half-pixel grid at the instants of a film."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import CubicSpline

from physlearn.checks import InputError
from physlearn.datasets.synthetic.wall_levels import move_level, redistance
from physlearn.datasets.synthetic.wall_scene_records import WallSceneOptions
from physlearn.lattice_models.walls import LineOptions, random_landscape, simulate_wall

__all__ = ["REFINEMENT", "line_levels", "moving_levels"]

Floats = NDArray[np.float64]

REFINEMENT = 2
MARGIN_PIXEL = 12
"""The law acts beyond the picture, so that walls cross its edge as if it were not there."""
PAINTED_WIDTHS = 6.0
ATTEMPTS = 500


def _painted_reach(options: WallSceneOptions) -> float:
    return max(PAINTED_WIDTHS * options.wall_width_pixel, 8.0)


def line_levels(
    shape: tuple[int, int],
    instants: Floats,
    drive: Floats,
    options: WallSceneOptions,
    generator: np.random.Generator,
) -> list[Floats]:
    """Levels of a driven line in a random medium, positive below it (smaller y)."""
    n_rows, n_columns = shape
    strength = 0.6 if options.pinning_strength is None else options.pinning_strength
    medium = None
    if strength > 0:
        period = 2.0 * n_rows
        medium = random_landscape(
            n_columns, 1.0, strength, options.pinning_length, period, rng=generator
        )
    times = instants * options.frame_interval
    start = np.full(n_columns, 0.2 * n_rows)
    force = np.interp(instants, np.arange(len(drive)), drive)
    track = simulate_wall(
        1.0, 1.0, force, medium, start=start, frame_times=times, options=LineOptions(),
        rng=generator,
    )  # fmt: skip
    heights = track.table["y"].to_numpy().reshape(len(instants), n_columns)
    if heights.max() > n_rows - 4 or heights.min() < 4:
        raise InputError(
            "drive must leave the line inside the picture; it left it: take a weaker drive, fewer "
            "frames or a shorter frame_interval."
        )
    x = np.arange(n_columns)
    fine = np.arange(REFINEMENT * (n_columns - 1) + 1) / REFINEMENT
    y = np.arange(REFINEMENT * (n_rows - 1) + 1)[:, None] / REFINEMENT
    reach = _painted_reach(options)
    return [
        redistance(y - CubicSpline(x, line)(fine)[None, :], 1.0 / REFINEMENT, reach)
        for line in heights
    ]


def moving_levels(
    kind: str,
    shape: tuple[int, int],
    instants: Floats,
    drive: Floats,
    options: WallSceneOptions,
    generator: np.random.Generator,
    painted: int,
) -> list[Floats]:
    """Levels of closed domains under v = drive_mobility drive - curvature_mobility curvature.

    Every ``painted``-th one holds distances as far as the profile of a wall reaches.
    """
    size = [REFINEMENT * (n + 2 * MARGIN_PIXEL - 1) + 1 for n in shape]
    y, x = (np.arange(n) / REFINEMENT - MARGIN_PIXEL for n in size)
    place = list(np.meshgrid(y, x, indexing="ij"))
    nuclei: list[tuple[float, int]] = []
    if kind == "nuclei":
        nuclei = _nucleus_times(instants, drive, options, generator)
        first = _scatter(place, shape, generator, 2, 0.6 * options.radius_pixel)
    elif kind == "domains":
        first = _scatter(place, shape, generator, options.n_domains, options.radius_pixel)
    else:
        first = _pair_and_dumbbell(place, shape, options, generator)
    medium = _medium(first.shape, options, generator)
    spacing = 1.0 / REFINEMENT
    level = redistance(first, spacing, 8.0)
    crop = slice(REFINEMENT * MARGIN_PIXEL, -REFINEMENT * MARGIN_PIXEL)
    levels = [redistance(level[crop, crop], spacing, _painted_reach(options))]
    for before, after in pairwise(instants.tolist()):
        force = float(drive[min(int(before + 1e-9), len(drive) - 1)])
        while nuclei and nuclei[0][0] <= before:
            level = _nucleate(level, place, shape, nuclei.pop(0)[1], options, generator)
        speed = options.drive_mobility * (force + medium)
        level = move_level(level, speed, options.curvature_mobility, after - before, spacing)
        view = level[crop, crop].copy()
        if len(levels) % painted == 0:
            view = redistance(view, spacing, _painted_reach(options))
        levels.append(view)
    return levels


def _medium(
    size: tuple[int, ...], options: WallSceneOptions, generator: np.random.Generator
) -> Floats:
    """Frozen random force in units of the drive, 0 where none was asked for."""
    if not options.pinning_strength:
        return np.zeros(size)
    white = generator.standard_normal(size)
    force = ndimage.gaussian_filter(white, options.pinning_length / np.sqrt(2) * REFINEMENT)
    result: Floats = force * (options.pinning_strength / force.std())
    return result


def _blob(
    place: list[Floats],
    center: tuple[float, float],
    radius: float,
    generator: np.random.Generator,
    rough: float,
) -> Floats:
    """Level of a star-shaped domain: its radius varies in the modes 2 to 5."""
    dy, dx = place[0] - center[0], place[1] - center[1]
    angle = np.arctan2(dy, dx)
    bound = np.full(dy.shape, radius)
    for mode in range(2, 6):
        size = rough * radius / np.sqrt(mode - 1) * generator.standard_normal(2)
        bound += size[0] * np.cos(mode * angle) + size[1] * np.sin(mode * angle)
    result: Floats = np.hypot(dy, dx) - bound
    return result


def _scatter(
    place: list[Floats],
    shape: tuple[int, int],
    generator: np.random.Generator,
    count: int,
    radius: float,
) -> Floats:
    """Domains at random places that do not touch at first."""
    level = np.full(place[0].shape, 1e3)
    placed: list[tuple[float, float, float]] = []
    for _ in range(ATTEMPTS):
        if len(placed) == count:
            return level
        own = radius * generator.uniform(0.75, 1.25)
        edge = own + 4.0
        if min(shape) <= 2 * edge:
            break
        cy, cx = (generator.uniform(edge, n - edge) for n in shape)
        if all(np.hypot(cy - a, cx - b) > own + r + 8.0 for a, b, r in placed):
            placed.append((cy, cx, own))
            level = np.minimum(level, _blob(place, (cy, cx), own, generator, 0.05))
    raise InputError(
        f"shape must have room for {count} domains of radius {radius:.1f}; {shape} has not: take a "
        "larger shape or smaller n_domains or radius_pixel."
    )


def _pair_and_dumbbell(
    place: list[Floats],
    shape: tuple[int, int],
    options: WallSceneOptions,
    generator: np.random.Generator,
) -> Floats:
    """Return two domains a few pixels apart above, one with a narrow neck below."""
    radius = options.radius_pixel
    if min(shape) < 6.0 * radius:
        raise InputError(
            f"shape must be at least 6 radius_pixel = {6 * radius:.0f} wide and high; got {shape}."
        )
    jitter = generator.uniform(-0.3, 0.3, size=(4, 2))
    middle = 0.5 * (shape[1] - 1)
    top, bottom = 0.27 * shape[0], 0.74 * shape[0]
    tilt = generator.uniform(-0.1, 0.1, size=2)
    half = radius + 1.5
    pair = [(top + s * tilt[0] * half + jitter[k, 0], middle + s * half) for k, s in
            enumerate((-1, 1))]  # fmt: skip
    level = np.minimum(*(_blob(place, center, radius, generator, 0.02) for center in pair))
    small, half = 0.8 * radius, 1.45 * radius
    ends = [(bottom + s * tilt[1] * half + jitter[2 + k, 0], middle + s * half) for k, s in
            enumerate((-1, 1))]  # fmt: skip
    (ay, ax), (by, bx) = ends
    length = np.hypot(by - ay, bx - ax)
    along = ((place[0] - ay) * (by - ay) + (place[1] - ax) * (bx - ax)) / length**2
    along = np.clip(along, 0.0, 1.0)
    neck = np.hypot(place[0] - ay - along * (by - ay), place[1] - ax - along * (bx - ax)) - 3.0
    for center in ends:
        level = np.minimum(level, _blob(place, center, small, generator, 0.02))
    joined: Floats = np.minimum(level, neck)
    return joined


def _nucleus_times(
    instants: Floats, drive: Floats, options: WallSceneOptions, generator: np.random.Generator
) -> list[tuple[float, int]]:
    """When nuclei appear: positive ones (+1) while the drive is positive, else negative ones."""
    force = drive[np.minimum((instants + 1e-9).astype(int), len(drive) - 1)]
    nuclei = []
    for sign in (1, -1):
        possible = instants[(np.sign(force) == sign) & (instants < 0.9 * instants[-1])]
        if possible.size:
            times = generator.choice(possible, min(options.n_domains, possible.size), replace=False)
            nuclei += [(float(time), sign) for time in times]
    return sorted(nuclei)


def _nucleate(
    level: Floats,
    place: list[Floats],
    shape: tuple[int, int],
    sign: int,
    options: WallSceneOptions,
    generator: np.random.Generator,
) -> Floats:
    """Put a nucleus where there is room for it; without room there is none."""
    radius = options.nucleus_radius
    room = ndimage.distance_transform_edt(level > 0 if sign > 0 else level < 0) / REFINEMENT
    edge = radius + 6.0
    inside = (place[0] > edge) & (place[0] < shape[0] - edge)
    inside &= (place[1] > edge) & (place[1] < shape[1] - edge)
    free = np.flatnonzero((room > radius + 5.0) & inside)
    if not free.size:
        return level
    chosen = int(generator.choice(free))
    cy, cx = (axis.ravel()[chosen] for axis in place)
    disc = np.hypot(place[0] - cy, place[1] - cx) - radius
    changed: Floats = np.minimum(level, disc) if sign > 0 else np.maximum(level, -disc)
    return changed
