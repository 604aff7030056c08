"""Where the patches of a table lie: a coarse channel's cells, lattice constants, chosen points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, check_positive
from physlearn.datasets.channels.axis_frame import AxisFrame, axis_frame
from physlearn.datasets.descriptors.patch_places import ROUNDING, PatchPlaces, grid_places
from physlearn.datasets.patches.patch_options import PatchOptions
from physlearn.datasets.patches.patch_sources import Sources

__all__ = ["choose_places"]

Floats = NDArray[np.float64]

SPACINGS_PER_PATCH = 3.0
PATCHES_PER_EDGE = 16
SMALLEST_PATCH_PX = 8
CHANNEL_PATCHES_PER_EDGE = 64
CHANNEL_PATCH_PX = 4
"""Channels beside one another are asked for links: the test that allows for blur and offsets needs
30 patches an edge and decides with 64; in fewer pixels a channel's own noise can't be told."""
SPECTRA_PER_EDGE = 4
"""Enough spectra in a patch that a quarter of them may be spoilt."""
COARSE_CELLS = 64
"""A channel with at most this many cells an edge may set the patch grid by its own cells, ..."""
COARSE_CELLS_ALONE = 32
"""... or this many, where nothing finer is there to be described in them."""
FINER = 4.0


def choose_places(
    sources: Sources, patch_size: float | None, options: PatchOptions
) -> tuple[PatchPlaces, AxisFrame | None]:
    """Return where the patches lie, and the pixels of the first picture (rows of the scan).

    Raises
    ------
    InputError
        When units differ, or the patches are too large for the picture.
    """
    frames = {name: axis_frame(name, one) for name, one in sources.maps.items()}
    spectral = {name: axis_frame(name, one) for name, one in sources.spectra.items()}
    every = [*frames.values(), *spectral.values()]
    unit = _unit(sources, {**frames, **spectral})
    first = every[0] if every else None
    if every and not np.greater(*_extent(every)[::-1]).all():
        raise InputError("the channels do not overlap: no patch lies in all of them.")
    if patch_size is not None:
        check_positive("patch_size", patch_size)
    elif options.centers is None and sources.picture is None:
        coarse = _coarse(sources, list(frames.values()))
        if coarse and abs(coarse[0].step[0] - coarse[0].step[1]) < 1e-6 * coarse[0].step[0]:
            low, high = _extent([coarse[0]])
            cell = coarse[0].step[0]
            return grid_places(low, high, cell, overlap=options.overlap, unit=unit), first
    low, high = _field_of_view(sources, every)
    size = patch_size
    if size is None:
        size = _usual_size(sources, every, float(np.min(high - low)), bool(spectral))
    if options.centers is None:
        return grid_places(low, high, size, overlap=options.overlap, unit=unit), first
    return _at_points(sources, size, unit, options, (low, high)), first


def _coarse(sources: Sources, frames: list[AxisFrame]) -> list[AxisFrame]:
    """Return the maps whose cells may be the patches: coarser than what else is described."""

    def most_cells(frame: AxisFrame) -> int:
        finer = any(FINER * max(other.step) <= min(frame.step) for other in frames)
        others = sources.atoms is not None or sources.walls is not None
        return COARSE_CELLS if finer or others else COARSE_CELLS_ALONE

    return [frame for frame in frames if max(frame.shape) <= most_cells(frame)]


def _unit(sources: Sources, frames: dict[str, AxisFrame]) -> str:
    """Return the unit that everything shares."""
    units = {name: frame.unit for name, frame in frames.items()}
    if sources.walls is not None:
        units = {"walls": sources.walls.unit, **units}
    if sources.atoms is not None:
        units = {"picture": sources.atoms.unit, **units}
    first = next(iter(units.values()))
    for name, unit in units.items():
        if unit != first:
            raise InputError(
                f"channels must share the picture's unit {first}; {name} is in {unit}."
            )
    return first


def _extent(frames: list[AxisFrame]) -> tuple[Floats, Floats]:
    """Return the lower and upper corner (x, y) of the area that all pictures cover."""
    start = np.array([f.start for f in frames])
    step = np.array([f.step for f in frames])
    end = start + step * (np.array([f.shape[::-1] for f in frames]) - 1)
    return (start - 0.5 * step).max(axis=0), (end + 0.5 * step).min(axis=0)


def _field_of_view(sources: Sources, frames: list[AxisFrame]) -> tuple[Floats, Floats]:
    """Return the corners of what is described."""
    if sources.atoms is not None:
        view = sources.atoms.field_of_view
        if view is None:
            places = sources.atoms.positions[:, :2]
            view = (*places.min(axis=0), *places.max(axis=0))
        return np.array(view[:2]), np.array(view[2:])
    if frames:
        return _extent(frames)
    assert sources.walls is not None  # noqa: S101 -- there is no other source
    seen = sources.walls.metadata.get("field_of_view")
    if seen is not None:
        return np.array(seen[:2], dtype=np.float64), np.array(seen[2:], dtype=np.float64)
    points = sources.walls.table[["x", "y"]].to_numpy()
    if len(points) < 2:
        raise InputError("walls hold fewer than two points, so they give no area to describe.")
    return points.min(axis=0), points.max(axis=0)


def _usual_size(sources: Sources, frames: list[AxisFrame], edge: float, spectral: bool) -> float:
    """Return lattice constants, a few spectra, or a share of the picture."""
    snapshots, atoms = sources.snapshots, sources.atoms
    if snapshots is not None and "lattice_constant" in snapshots.metadata:
        return SPACINGS_PER_PATCH * float(snapshots.metadata["lattice_constant"])
    if atoms is None and spectral and max(frames[0].shape) <= 4 * COARSE_CELLS:
        return SPECTRA_PER_EDGE * max(frames[-1].step)
    if _only_channels(sources, spectral):
        return _channel_patch(max(max(frame.step) for frame in frames), edge)
    pixel = 1.0
    if atoms is not None and atoms.pixel_size is not None:
        pixel = max(atoms.pixel_size)
    elif frames:
        pixel = max(frames[0].step)
    elif atoms is None:
        pixel = 0.0
    return max(edge / PATCHES_PER_EDGE, SMALLEST_PATCH_PX * pixel)


def _only_channels(sources: Sources, spectral: bool) -> bool:
    """Return whether pictures of several channels are all that is described."""
    others = (sources.atoms, sources.walls, sources.picture, sources.snapshots)
    still = sources.n_frames == 1 and not spectral
    return still and len(sources.channels) > 1 and all(one is None for one in others)


def _channel_patch(pixel: float, edge: float) -> float:
    """Return a whole number of pixels, more than 4 in large pictures."""
    pixels = np.floor(edge / pixel / CHANNEL_PATCHES_PER_EDGE + ROUNDING)
    return float(pixel * max(pixels, CHANNEL_PATCH_PX))


def _at_points(
    sources: Sources, size: float, unit: str, options: PatchOptions, view: tuple[Floats, Floats]
) -> PatchPlaces:
    """Return patches at chosen points, with the overlap of a typical patch and its nearest.

    A patch that hangs over the edge of what was seen would count the unseen part as empty.
    """
    if isinstance(options.centers, str):
        if sources.atoms is None:
            raise InputError('centers="atoms" puts a patch on every atom; give atoms as source.')
        centers, chosen = sources.atoms.positions[:, :2], "a patch on every atom"
    else:
        centers, chosen = np.asarray(options.centers, dtype=np.float64), "at given centres"
    reach = 0.5 * size * (1.0 - 2.0 * ROUNDING)
    within = (centers - reach >= view[0]) & (centers + reach <= view[1])
    inside = np.flatnonzero(np.all(within, axis=1))
    if not len(inside):
        raise InputError(
            f"every patch of {size:.4g} {unit} hangs over the edge of the picture; take smaller "
            "patches or centres further inside."
        )
    if len(inside) < len(centers):
        over = len(centers) - len(inside)
        chosen += f"; {over} of {len(centers)} hang over the edge and are left out"
        centers = centers[inside]
    places = PatchPlaces(np.array(centers), float(size), unit, selection=chosen)
    if places.n < 2:
        return places
    distance = np.asarray(cKDTree(centers).query(centers, k=2, p=np.inf)[0])[:, 1]
    shared = 1.0 - float(np.median(distance)) / size
    return replace(places, overlap=float(np.clip(shared, 0.0, 1.0 - 1e-9)))
