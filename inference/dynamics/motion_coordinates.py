"""Coordinates of a film, found before their law: patterns, their circle, or an object that moves.

Rows of a scanned frame are read one after another: each coordinate carries the time at which it was
read, not that of its frame.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_choice, check_count, check_positive
from physlearn.inference.dynamics.field_film import FieldFilm, read_film
from physlearn.inference.dynamics.field_options import FieldLawOptions
from physlearn.records import Trajectory

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["film_coordinates", "track_series"]

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

KINDS = ("linear", "polar", "centre", "angle")
MOST_STEPS = 30
SETTLED_PX = 1e-4
BACKGROUNDS = 2
FAR, FEWEST_FAR = 4.0, 5  # sizes from the object; frames
FEWEST_TURNS = 2
SETTLED_SHARE = 1e-6
STEADY = 0.01  # of the amplitude, a radian
FLAT = 1e-9  # volume over the product of a cell's periods
EVEN = 1e-6
LEAST_PAIR = 0.1  # share of the second pattern in a pair's motion, for a circle to be seen


def film_coordinates(
    film: xr.DataArray | xr.Dataset | Mapping[str, xr.DataArray],
    kind: str = "linear",
    *,
    n: int = 2,
    size_px: float = 2.0,
    line_time: float | None = None,
) -> pd.DataFrame:
    """Return a few coordinates that tell how a film moves, as a table for `discover_motion_law`.

    ``linear``: amplitudes q1, q2, ... of the principal patterns (of unit root mean square) about
    the mean picture. ``polar``: amplitude r and phase of the leading pair of patterns, which a wave
    or a spiral turns into each other; centre and sizes are those for which r changes least along
    the turns, of which the film should show several (the phase's error goes as 1/r). ``centre``:
    place x, y of one bright object (or one dark, whichever stands out) before a still background.
    ``angle``: its angle q about the centre of the circle that it moves on, from the direction of
    growing y towards growing x; the error of that centre turns all angles alike, which a law shows
    as a small cos(q) beside sin(q).

    Parameters
    ----------
    film
        Dims (time, y, x); for linear and polar also (time, x), or two fields. No NaN but in whole
        frames.
    kind
        ``linear``, ``polar``, ``centre`` or ``angle``.
    n
        Patterns of ``linear``.
    size_px
        Standard deviation of the object, in pixels, for ``centre`` and ``angle``.
    line_time
        Row r of a frame is read r x line_time after the frame's time; None reads the film's
        attribute ``line_time``, else 0. An object then has the time of its own row; patterns are
        interpolated to the time of the middle row.

    Returns
    -------
    pandas.DataFrame
        Column ``t`` and those above; places in the film's coordinates x and y (pixels from the
        first one where it has none), angles in radians, unwrapped.

    Raises
    ------
    InputError
        For a film that cannot be used, rows that take longer than a frame, more patterns than
        frames, or a film without a pair of patterns of comparable size.

    Notes
    -----
    Coordinates first, then their law: Champion, Lusch, Kutz and Brunton 2019,
    10.1073/pnas.1906995116; here by principal components (Lumley 1967) in place of a network.

    Examples
    --------
    >>> import xarray as xr
    >>> t, x = 0.1 * np.arange(80), 0.2 * np.arange(32)
    >>> wave = np.cos(2.0 * x - 1.5 * t[:, None])
    >>> table = film_coordinates(xr.DataArray(wave, {"time": t, "x": x}), "polar")
    >>> table.columns.tolist(), round(float(np.ptp(table.phase) / np.ptp(table.t)), 1)
    (['t', 'r', 'phase'], 1.5)
    """
    check_choice("kind", kind, KINDS)
    check_count("n", n, 1)
    check_positive("size_px", size_px)
    read = read_film(film, FieldLawOptions(line_time=line_time))
    _check_film(read)
    if kind in ("linear", "polar"):
        times, amplitudes = _amplitudes(read, 2 if kind == "polar" else n)
        if kind == "linear":
            return _table(times, {f"q{k + 1}": q for k, q in enumerate(amplitudes.T)})
        return _table(times, _polar(amplitudes))
    if len(read.names) > 1 or read.flat:
        raise InputError(f"kind={kind!r} takes one field with dims (time, y, x).")
    rows, columns = _places(read.values[0], size_px)
    times = read.times + read.line_time * rows
    x, y = columns * read.spacing[1], rows * read.spacing[0]
    if kind == "angle":
        return _table(times, {"q": _angle(x, y)})
    left, low = (_first_coordinate(film, dim) for dim in ("x", "y"))
    return _table(times, {"x": left + x, "y": low + y})


def track_series(
    track: Trajectory, *, line_time: float = 0.0, pixel_size: float = 1.0
) -> list[pd.DataFrame]:
    """Return one table a particle for `discover_motion_law`, each place at the time of its row.

    In a periodic cell tracks go on across its border: each step is the shortest of its images, so
    none may be longer than half of the cell. Particles that are seen once are left out.

    Parameters
    ----------
    track
        Particles of a film, for instance from `link_atoms`.
    line_time
        Row r of a frame is read r x line_time after the frame's time; negative where the scan
        goes towards row 0.
    pixel_size
        Height of a row, in the unit of the positions.

    Returns
    -------
    list of pandas.DataFrame
        Columns ``t``, ``x``, ``y`` (``z``), in the order of the particles' numbers; at least two
        rows each.

    Raises
    ------
    InputError
        When the rows of a frame take longer than the frame, no particle is seen twice, or the
        cell is flat or more skewed than its shortest vectors.

    Examples
    --------
    >>> track = Trajectory([0, 1], [0, 0], [[0.0, 10.0], [0.0, 30.0]], [0.0, 1.0])
    >>> track_series(track, line_time=0.01)[0].t.tolist()
    [0.1, 1.3]
    """
    rows = track.positions[:, 1] / check_positive("pixel_size", pixel_size)
    per_row = float(check_array("line_time", line_time, ndim=0))
    times = track.times[track.frame] + per_row * rows
    names = ("x", "y", "z")[: track.positions.shape[1]]
    particles, counts = np.unique(track.particle, return_counts=True)
    if not (counts > 1).any():
        raise InputError(
            f"track must show a particle in at least 2 frames; each of the {len(particles)} is "
            "seen once: link the frames first (link_atoms)."
        )
    if (counts == 1).any():
        logger.warning("%d particles that are seen once were left out", int((counts == 1).sum()))
    if track.cell is not None:
        _check_cell(track.cell)
    tables = []
    for particle in particles[counts > 1]:
        own = track.particle == particle
        if (np.diff(times[own]) <= 0).any():
            raise InputError(
                f"line_time must leave the times of particle {particle} increasing: "
                f"{line_time:g} a row takes it past the next frame."
            )
        places = track.positions[own]
        if track.cell is not None:
            places = _unwrapped(places, track.cell)
        columns = dict(zip(names, places.T, strict=True))
        tables.append(_table(times[own], columns))
    return tables


def _table(times: Floats, columns: Mapping[str, Floats]) -> pd.DataFrame:
    return pd.DataFrame({"t": times, **columns})


def _first_coordinate(
    film: xr.DataArray | xr.Dataset | Mapping[str, xr.DataArray], dim: str
) -> float:
    import xarray as xr

    first = film if isinstance(film, xr.DataArray) else next(iter(film.values()))
    return float(first.coords[dim][0]) if dim in first.coords else 0.0


def _check_cell(cell: Floats) -> None:
    """Refuse a cell in which the nearest image may lie beyond the neighbouring cells."""
    lengths = np.linalg.norm(cell, axis=1)
    if not abs(np.linalg.det(cell)) > FLAT * np.prod(lengths):
        raise InputError(
            f"track.cell must be periodic along every axis; got the periods {cell.tolist()}: give "
            "a period larger than the picture to an axis without one."
        )
    square = cell @ cell.T
    shorter = np.minimum.outer(lengths, lengths) ** 2
    apart = ~np.eye(len(cell), dtype=bool)
    if (np.abs(square) > 0.5 * shorter * (1 + EVEN))[apart].any():
        raise InputError(
            "track.cell must be given by its shortest periods, 60 to 120 degrees apart; got "
            f"{cell.tolist()}: replace a period by its sum or difference with another."
        )


def _unwrapped(places: Floats, cell: Floats) -> Floats:
    """Follow one particle across the border of its cell by the shortest image of each step."""
    steps = np.diff(places, axis=0)
    steps = steps - np.round(steps @ np.linalg.inv(cell)) @ cell
    around = np.array(list(product((-1.0, 0.0, 1.0), repeat=len(cell)))) @ cell
    images = steps[:, None] + around
    nearest = (images**2).sum(axis=2).argmin(axis=1)
    steps = images[np.arange(len(steps)), nearest]
    return np.asarray(places[0] + np.concatenate([np.zeros((1, len(cell))), steps]).cumsum(axis=0))


def _check_film(film: FieldFilm) -> None:
    if not film.seen.all():
        frame, row, column = np.argwhere(~film.seen)[0]
        raise InputError(
            "film must not hold single NaN pixels for its coordinates; the first stands at kept "
            f"frame {frame}, row {row}, column {column}: crop it, or fill it by its neighbours."
        )
    delay = abs(film.line_time) * (film.values.shape[2] - 1)
    shortest = float(np.diff(film.times).min())
    if delay >= shortest:
        raise InputError(
            f"line_time must leave the rows of a frame less time than to the next: "
            f"{film.values.shape[2]} rows take {delay:g}, frames follow after {shortest:g}."
        )


def _amplitudes(film: FieldFilm, n: int) -> tuple[Floats, Floats]:
    """Return times, and amplitudes (n_times, n) of the principal patterns of unit size."""
    times, values = _at_one_time(film)
    flat = np.moveaxis(values, 1, 0).reshape(len(times), -1)
    flat = flat - flat.mean(axis=0)
    if n >= len(times):
        raise InputError(f"n must be less than the film's {len(times)} frames, got {n}.")
    sizes, vectors = np.linalg.eigh(flat @ flat.T)
    sizes, vectors = sizes[::-1][:n], vectors[:, ::-1][:, :n]
    # the sign of a pattern is free: its first large amplitude is positive
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(n)])
    amplitudes = vectors * np.sqrt(np.maximum(sizes, 0.0) / flat.shape[1])
    return times, np.asarray(amplitudes)


def _at_one_time(film: FieldFilm) -> tuple[Floats, Floats]:
    """Return every row at the time of the middle row, by cubic splines along its own times."""
    from scipy import interpolate

    delays = film.line_time * np.arange(film.values.shape[2])
    if not delays.any():
        return film.times, film.values
    times = film.times + 0.5 * (delays[0] + delays[-1])
    inside = (times >= film.times[0] + delays.max()) & (times <= film.times[-1] + delays.min())
    times = times[inside]
    rows = [
        interpolate.CubicSpline(film.times + delay, film.values[:, :, row], axis=1)(times)
        for row, delay in enumerate(delays)
    ]
    return times, np.stack(rows, axis=2)


def _polar(amplitudes: Floats) -> dict[str, Floats]:
    sizes = np.sqrt((amplitudes**2).mean(axis=0))
    if not sizes[1] > LEAST_PAIR * sizes[0]:
        raise InputError(
            "film must turn at least two patterns into each other for kind='polar'; the second is "
            f"only {sizes[1] / sizes[0]:.2g} of the first: use kind='linear' with n=1."
        )
    pair = _rounded(amplitudes, np.diag(1.0 / sizes))
    phase = np.unwrap(np.arctan2(pair[:, 1], pair[:, 0]))
    return {"r": np.hypot(*pair.T), "phase": phase * (1.0 if phase[-1] >= phase[0] else -1.0)}


def _rounded(amplitudes: Floats, stretch: Floats) -> Floats:
    """Shift and stretch a path until its distance from 0 changes slowly along each turn.

    The mean picture and the patterns' sizes are those of parts of turns, too; a wrong centre moves
    the distance once a turn, a wrong stretch or shear twice. The mean square of the two patterns
    that the result multiplies is 1.
    """
    from scipy import interpolate

    pair = amplitudes @ stretch
    for _ in range(MOST_STEPS):
        phase = np.unwrap(np.arctan2(pair[:, 1], pair[:, 0]))
        turns = int(abs(phase[-1] - phase[0]) / (2 * np.pi))
        if turns < FEWEST_TURNS:
            break
        inner = np.linspace(0.0, 1.0, turns + 1)
        knots = np.concatenate([[0.0] * 3, inner, [1.0] * 3])
        turned = np.clip((phase - phase[0]) / (phase[-1] - phase[0]), 0.0, 1.0)
        slow = interpolate.BSpline.design_matrix(turned, knots, 3).toarray()
        r = np.hypot(*pair.T)
        once = np.column_stack([np.cos(phase), np.sin(phase)])
        twice = r[:, None] * np.column_stack([np.cos(2 * phase), np.sin(2 * phase)])
        matrix = np.hstack([slow, once, twice])
        first = np.linalg.lstsq(matrix, r, rcond=None)[0]
        # turns along which r hardly changes count most: there it is not taken for a shift
        growth = np.gradient(slow @ first[:-4], np.arange(len(r))) / np.gradient(phase)
        weight = 1.0 / np.hypot(1.0, growth / (STEADY * r.mean()))
        found = np.linalg.lstsq(matrix * weight[:, None], r * weight, rcond=None)[0][-4:]
        step = np.eye(2) - np.array([[found[2], found[3]], [found[3], -found[2]]])
        pair, stretch = (pair - found[:2]) @ step, stretch @ step
        if np.abs(found).max() < SETTLED_SHARE * r.mean():
            break
    return np.asarray(pair * np.sqrt(0.5 * (np.linalg.inv(stretch) ** 2).sum()))


def _places(frames: Floats, size: float) -> tuple[Floats, Floats]:
    """Return row and column of the object in each frame: the maximum of its matched filter.

    The background is the median first, then the mean of the frames in which the object was far: the
    median of pixels that it visits often is pulled towards it.
    """
    background = np.median(frames, axis=0)
    places = _matched(frames - background, size)
    row, column = np.arange(frames.shape[1])[:, None], np.arange(frames.shape[2])[None]
    for _ in range(BACKGROUNDS):
        near_row = (row - places[:, 0, None, None]) ** 2
        far = near_row + (column - places[:, 1, None, None]) ** 2 > (FAR * size) ** 2
        count = far.sum(axis=0)
        mean = np.where(far, frames, 0.0).sum(axis=0) / np.maximum(count, 1)
        background = np.where(count >= FEWEST_FAR, mean, background)
        places = _matched(frames - background, size)
    return places[:, 0], places[:, 1]


def _matched(moving: Floats, size: float) -> Floats:
    """Return (n_frames, 2), row and column of what stands out most."""
    from scipy import ndimage

    filtered = ndimage.gaussian_filter(moving, (0, size, size))
    if -filtered.min() > filtered.max():
        moving, filtered = -moving, -filtered
    row, column = np.arange(moving.shape[1])[:, None], np.arange(moving.shape[2])[None]
    found = np.empty((len(moving), 2))
    for index, (frame, strength) in enumerate(zip(moving, filtered, strict=True)):
        place = np.array(np.unravel_index(int(np.argmax(strength)), frame.shape), dtype=np.float64)
        for _ in range(MOST_STEPS):
            weight = frame * np.exp(
                -((row - place[0]) ** 2 + (column - place[1]) ** 2) / (2 * size**2)
            )
            total = float(weight.sum())
            if not total > 0:
                break
            # the centroid under a window of the object's size moves half of the way
            step = 2 * (np.array([(weight * row).sum(), (weight * column).sum()]) / total - place)
            if np.abs(step).max() > size:
                break
            place = place + step
            if np.abs(step).max() < SETTLED_PX:
                break
        found[index] = place
    return found


def _angle(x: Floats, y: Floats) -> Floats:
    """Return the angle about the centre of the best circle, from y towards x."""
    from scipy import optimize

    matrix = np.column_stack([2 * x, 2 * y, np.ones_like(x)])
    start = np.linalg.lstsq(matrix, x**2 + y**2, rcond=None)[0]
    radius = np.sqrt(max(start[2] + start[0] ** 2 + start[1] ** 2, 0.0))

    def off_circle(circle: Floats) -> Floats:
        return np.asarray(np.hypot(x - circle[0], y - circle[1]) - circle[2])

    best = optimize.least_squares(off_circle, np.array([start[0], start[1], radius])).x
    return np.asarray(np.unwrap(np.arctan2(x - best[0], y - best[1])))
