"""Thresholded films with an exact law: star-shaped domains, and a wall that crosses the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.walls.wall_front import propagate_polar_front

__all__ = ["BinaryScene", "make_crossing_wall", "make_star_domains"]

Floats = NDArray[np.float64]
N_FRAMES = 60
HALF = 64
LEVELS = np.linspace(0.5, 1.5, 6)
FINE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class BinaryScene:
    """A film of labels (time, y, x), its drive, and what was planted in pixels and frames."""

    labels: NDArray[np.bool_]
    drive: Floats
    speeds: Floats
    curvature_mobility: float


def make_star_domains(
    seed: int, *, flip: float = 0.0, exponent: float = 0.5, n_domains: int = 3
) -> BinaryScene:
    """Plant three domains, 128 x 128 pixels each and side by side, that creep at six levels.

    60 frames, ten a level in random order; v = 3 exp(-(2 / E)^exponent), scaled so that a domain
    stays in its square; curvature mobility 0.8.
    """
    generator = np.random.default_rng(seed)
    drive = np.repeat(generator.permutation(LEVELS), N_FRAMES // LEVELS.size)
    scale = min(1.0, (HALF - 20) / (3.0 * np.exp(-((2.0 / drive) ** exponent))).sum())
    speed = 3.0 * scale * np.exp(-((2.0 / drive) ** exponent))
    angles = np.arange(128) * 2 * np.pi / 128
    films = []
    for _ in range(n_domains):
        center = HALF - 0.5 + generator.uniform(-0.5, 0.5, 2)
        radii = generator.uniform(12, 16) + np.zeros(128)
        for mode in range(2, 6):
            phase = generator.uniform(0, 2 * np.pi)
            radii += generator.normal(0, 1.8 / mode) * np.cos(mode * angles + phase)
        films.append(_painted(radii, speed, 0.8, center, 2 * HALF))
    labels = np.concatenate(films, axis=2)
    labels = labels ^ (generator.random(labels.shape) < flip)
    levels = 3.0 * scale * np.exp(-((2.0 / LEVELS) ** exponent))
    return BinaryScene(labels, drive, levels, 0.8)


def make_crossing_wall(seed: int, *, flip: float = 0.0, n_frames: int = 40) -> BinaryScene:
    """Plant a wavy wall that crosses 96 x 96 pixels at any angle: part of a circle of radius 120.

    The drive is 1 for 13 frames and -0.6 for 7, in turn; speed 0.4 drive, curvature mobility 0.8.
    """
    generator = np.random.default_rng(seed)
    angles = np.arange(512) * 2 * np.pi / 512
    drive = np.where(np.arange(n_frames) % 20 < 13, 1.0, -0.6)
    way = generator.uniform(0, 2 * np.pi)
    center = 47.5 - (112.0 + 0.2 * n_frames) * np.array([np.cos(way), np.sin(way)])
    radii = 120.0 + np.zeros(512)
    for mode in (9, 14, 20, 27, 35):
        phase = generator.uniform(0, 2 * np.pi)
        radii += generator.normal(0, 1.5) * np.cos(mode * angles + phase)
    labels = _painted(radii, 0.4 * drive, 0.8, center, 96)
    labels = labels ^ (generator.random(labels.shape) < flip)
    return BinaryScene(labels, drive, np.array([0.4]), 0.8)


def _painted(
    radii: Floats, speed: Floats, mobility: float, center: Floats, size: int
) -> NDArray[np.bool_]:
    """Label the pixels whose centres lie inside the propagated front."""
    times = np.arange(len(speed), dtype=float)
    fronts = propagate_polar_front(radii[None], speed[:-1], mobility, times, substeps=12)[:, 0]
    spectrum = np.fft.rfft(fronts, axis=1) * (FINE / radii.size)
    fine = np.fft.irfft(spectrum, FINE, axis=1)
    rows, columns = np.mgrid[:size, :size]
    angle = np.arctan2(rows - center[1], columns - center[0]) % (2 * np.pi)
    away = np.hypot(columns - center[0], rows - center[1])
    grid = np.arange(FINE + 1) * 2 * np.pi / FINE
    return np.array([away < np.interp(angle, grid, np.append(front, front[0])) for front in fine])
