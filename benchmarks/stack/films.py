"""Films that are made block by block when they are read, and never stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WALL_WIDTH, NOISE, STEPS_A_PIXEL = 2.0, 0.1, 4
COLUMN_WIDTH, PEAK, BACKGROUND, COLUMNS_AN_EDGE = 2.4, 150.0, 5.0, 4
BANK = 4
"""Heights of a frame that the noise is cut out of, each time from another row on."""


@cache
def _bank(edge: int) -> Floats:
    return NOISE * np.random.default_rng(11).standard_normal((BANK * edge, edge))


def _noise(edge: int, number: int) -> Floats:
    first = (397 * number) % ((BANK - 1) * edge)
    return _bank(edge)[first : first + edge]


@cache
def _wall(edge: int, step: int) -> Floats:
    """A wavy wall in a strip from which frames are cut, ``step`` quarters of a pixel on."""
    y, x = np.arange(edge)[:, None], np.arange(2 * edge)
    line = edge + step / STEPS_A_PIXEL + 4.0 * np.sin(2 * np.pi * y / 200.0)
    wall: Floats = np.tanh((x - line) / WALL_WIDTH)
    return wall


def walls(edge: int, number: int) -> Floats:
    """One wavy wall that moves a quarter of a pixel a frame, to and fro over a third of it."""
    travel = STEPS_A_PIXEL * (edge // 3)
    step = abs((number + travel) % (2 * travel) - travel)
    first = 2 * edge // 3 - step // STEPS_A_PIXEL
    part = _wall(edge, step % STEPS_A_PIXEL)[:, first : first + edge]
    frame: Floats = part + _noise(edge, number)
    return frame


def atoms(edge: int, number: int) -> Floats:
    """Sixteen columns that drift, in counts."""
    mean = np.full((edge, edge), BACKGROUND)
    y, x = np.mgrid[:31, :31]
    shift = 5.0 * np.sin(0.01 * number)
    for a in range(COLUMNS_AN_EDGE):
        for b in range(COLUMNS_AN_EDGE):
            row, column = (int((each + 0.5) * edge / COLUMNS_AN_EDGE) for each in (a, b))
            gap = (x - 15 - shift) ** 2 + (y - 15) ** 2
            own = np.s_[row - 15 : row + 16, column - 15 : column + 16]
            mean[own] += PEAK * np.exp(-gap / (2 * COLUMN_WIDTH**2))
    noisy: Floats = mean + np.sqrt(mean) * (_noise(edge, number) / NOISE)
    return np.rint(np.maximum(noisy, 0.0))


def patches(edge: int, number: int) -> Floats:
    """A smooth pattern that drifts, with noise."""
    across = np.sin((np.arange(edge) + 0.2 * number) / 37.0)
    pattern: Floats = np.cos(np.arange(edge) / 53.0)[:, None] * across
    pattern += _noise(edge, number)
    return pattern


MADE: dict[str, Callable[[int, int], Floats]] = {"walls": walls, "atoms": atoms, "patches": patches}


def film(kind: str, n_frames: int, edge: int) -> Any:
    """Return a dask array (n_frames, edge, edge) whose blocks of one frame are made when read."""
    import dask.array as da

    def block(block_info: Any = None) -> Floats:
        return MADE[kind](edge, block_info[None]["chunk-location"][0])[None]

    chunks = ((1,) * n_frames, (edge,), (edge,))
    return da.map_blocks(block, chunks=chunks, dtype=np.float64, meta=np.empty((0, 0, 0)))
