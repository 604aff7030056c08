"""Tables in the squared distance: forces of a family, and derivatives of its energy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.potential_families.pair_family import InteractionFamily

__all__ = ["SIZE", "FeatureTables", "ForceTables", "feature_tables", "force_tables"]

Float = NDArray[np.float64]
SIZE = 4097
"""Rows of a table: its linear interpolation errs by 2e-5 of a Lennard-Jones force at contact."""
STABLE = 0.5
"""Curvature x diffusion x step up to which a core is kept as it is; inside, its force goes on
linearly, else Heun's steps would blow up there."""
NEAREST = 0.02
"""Of the cutoff: where the search for the core begins."""
FARTHEST = 0.9
"""Of the cutoff: where it ends."""


@dataclass(frozen=True, eq=False)
class ForceTables:
    """Force over distance, values and slopes, by kind of pair.

    Attributes
    ----------
    flat
        float64, shape (kinds x SIZE x 2,).
    scale
        Rows per squared distance.
    core
        float64, shape (kinds,): distance inside which the force goes on linearly; 0 without.
    """

    flat: Float
    scale: float
    core: Float


@dataclass(frozen=True, eq=False)
class FeatureTables:
    """Derivatives of the pair energy by each parameter, values and slopes, by kind of pair."""

    flat: Float
    scale: float
    width: int
    first: NDArray[np.int64]


def _distances(cutoff: float) -> Float:
    """Distances of a table's rows; the last stands just inside the cutoff."""
    distance = cutoff * np.sqrt(np.arange(SIZE) / (SIZE - 1))
    distance[0] = 0.5 * distance[1]
    distance[-1] = cutoff * (1.0 - 1e-12)
    return distance


def _with_slopes(values: Float) -> Float:
    """Values and the slopes to the next row, shape (SIZE, 2, ...)."""
    slopes = np.zeros_like(values)
    slopes[:-1] = np.diff(values, axis=0)
    return np.stack([values, slopes], axis=1)


def force_tables(family: InteractionFamily, theta: Float, relaxation: float) -> ForceTables:
    """Return the forces at theta; ``relaxation``: diffusion x step of the runs."""
    distance = _distances(family.cutoff)
    tables, cores = [], []
    for part, at in zip(family.parts, family.slices(), strict=True):
        _, slope, bend = part.radial(theta[at], distance)
        core = _core(distance, bend, relaxation)
        force = -slope
        inside = distance < distance[core]
        force[inside] = -slope[core] + bend[core] * (distance[core] - distance[inside])
        tables.append(_with_slopes(force / distance))
        cores.append(distance[core] if inside.any() else 0.0)
    flat = np.ascontiguousarray(np.stack(tables).ravel())
    return ForceTables(flat, (SIZE - 1) / family.cutoff**2, np.array(cores))


def _core(distance: Float, bend: Float, relaxation: float) -> int:
    """First row from the outside whose curvature is too stiff for the step, plus one."""
    with np.errstate(invalid="ignore"):
        stiff = ~(np.abs(bend) * relaxation <= STABLE)
    stiff[distance < NEAREST * distance[-1]] = True
    stiff[distance > FARTHEST * distance[-1]] = False  # a bend at the cutoff is no core
    return int(np.flatnonzero(stiff)[-1]) + 1


def feature_tables(family: InteractionFamily, theta: Float, nearest: float) -> FeatureTables:
    """Return d u / d theta at theta; closer than ``nearest`` they keep their value there.

    What is fed to them, data or runs, meets the same tables: their interpolation makes no bias.
    """
    distance = _distances(family.cutoff)
    width = max(part.n_parameters for part in family.parts)
    tables = np.zeros((len(family.parts), SIZE, 2, width))
    kept = np.maximum(distance, min(nearest, 0.9 * family.cutoff))
    for kind, (part, at) in enumerate(zip(family.parts, family.slices(), strict=True)):
        gradient = part.radial_gradient(theta[at], kept)[0]
        tables[kind, :, :, : part.n_parameters] = _with_slopes(gradient)
    first = np.cumsum([0] + [part.n_parameters for part in family.parts]).astype(np.int64)
    return FeatureTables(
        np.ascontiguousarray(tables.ravel()), (SIZE - 1) / family.cutoff**2, width, first
    )
