"""Synthetic scans of one crystal: jitter, drift, frame series, crossed fast axes, with truth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import (
    as_generator,
    check_array,
    check_choice,
    check_count,
    check_positive,
)
from physlearn.datasets.synthetic.imaging import AtomScene, ImagingSettings, image_columns
from physlearn.records.storage import html_table, short_repr

__all__ = ["ScanScene", "make_scan_pair", "make_scan_series"]

Floats = NDArray[np.float64]
SHAPES = {"square": (0.0, 1.0), "triangular": (0.5, float(np.sqrt(0.75)))}


@dataclass(frozen=True, slots=True, eq=False)
class ScanScene:
    """Pictures of one crystal under a moving scan.

    Attributes
    ----------
    images
        DataArray (frame, y, x).
    positions
        Shape (n, 2): true places in pixels, in the frame of the first picture's middle row.
    vectors
        Shape (2, 2): rows are the true lattice vectors.
    velocity_px
        (x, y) movement of the sample from frame to frame.
    scenes
        Each frame's own truth (row shifts included).
    seed
        Makes the same pictures again.

    Examples
    --------
    >>> scene = make_scan_series((64, 64), 2, rng=1)
    >>> scene.images.dims, len(scene.scenes)
    (('frame', 'y', 'x'), 2)
    """

    images: xr.DataArray
    positions: Floats
    vectors: Floats
    velocity_px: tuple[float, float]
    scenes: tuple[AtomScene, ...] = field(repr=False)
    seed: int = 0

    __repr__ = short_repr
    _repr_html_ = html_table


def make_scan_series(
    shape: tuple[int, int] = (160, 160),
    n_frames: int = 1,
    *,
    lattice: str = "square",
    spacing_px: float = 12.0,
    peak: float = 100.0,
    displacement_px: float = 0.05,
    velocity_px: tuple[float, float] = (0.0, 0.0),
    imaging: ImagingSettings | None = None,
    rng: int | np.random.Generator | None = None,
) -> ScanScene:
    """Make one or several scans of a crystal that drifts evenly, without pause between frames.

    Parameters
    ----------
    shape
        Rows and pixels of a row.
    n_frames
        Number of frames.
    lattice
        ``square`` or ``triangular``; it fills the picture and stands turned by a random angle.
    spacing_px, peak, displacement_px
        Lattice constant, counts at a column's centre, and spread of the columns' own places.
    velocity_px
        (x, y) movement per frame; it also shears each frame (a row has its own time).
    imaging
        See ``ImagingSettings``: jitter, dose, blur. Its ``drift_px`` is replaced by the velocity.
    rng
        Seed or generator.

    Returns
    -------
    ScanScene
        Pictures and truth.

    Raises
    ------
    InputError
        For a wrong lattice, no frame, or lengths that are not positive.

    Examples
    --------
    >>> scene = make_scan_series((64, 64), 2, velocity_px=(1.0, 0.0), rng=1)
    >>> scene.images.shape, round(float(scene.scenes[1].row_shift[0, 0]), 1)
    ((2, 64, 64), 0.5)
    """
    check_choice("lattice", lattice, tuple(SHAPES))
    check_count("n_frames", n_frames, 1)
    check_positive("spacing_px", spacing_px)
    check_positive("peak", peak)
    generator, seed = as_generator(rng)
    places, vectors = _crystal(shape, lattice, spacing_px, displacement_px, generator)
    base = imaging or ImagingSettings()
    # from a frame's first row to the next frame's first row there are as many row times as rows
    within = (shape[0] - 1) / shape[0]
    settings = replace(base, drift_px=(velocity_px[0] * within, velocity_px[1] * within))
    scenes = []
    for k in range(n_frames):
        moved = k * np.array(velocity_px)
        scene = image_columns(
            places + moved, peak, shape, settings, rng=int(generator.integers(2**31))
        )
        scenes.append(replace(scene, row_shift=scene.row_shift + moved))
    images = xr.concat([scene.image for scene in scenes], dim="frame")
    return ScanScene(images, places, vectors, velocity_px, tuple(scenes), seed)


def make_scan_pair(
    shape: tuple[int, int] = (160, 160),
    *,
    lattice: str = "square",
    spacing_px: float = 12.0,
    peak: float = 100.0,
    displacement_px: float = 0.05,
    imaging: ImagingSettings | None = None,
    rng: int | np.random.Generator | None = None,
) -> ScanScene:
    """Make two scans of one crystal: lines along x, and lines along y (turned back).

    Parameters
    ----------
    shape, lattice, spacing_px, peak, displacement_px, imaging, rng
        See ``make_scan_series``; ``imaging.drift_px`` moves the sample during each scan.

    Returns
    -------
    ScanScene
        Two pictures in one frame; the second one's lines are its picture columns.

    Raises
    ------
    InputError
        As ``make_scan_series``.

    Examples
    --------
    >>> make_scan_pair((64, 64), rng=1).images.shape
    (2, 64, 64)
    """
    check_choice("lattice", lattice, tuple(SHAPES))
    check_positive("spacing_px", spacing_px)
    generator, seed = as_generator(rng)
    places, vectors = _crystal(shape, lattice, spacing_px, displacement_px, generator)
    settings = imaging or ImagingSettings()
    first = image_columns(places, peak, shape, settings, rng=int(generator.integers(2**31)))
    # lines along y: the transposed picture is scanned line by line, then turned back
    turned = replace(settings, drift_px=(settings.drift_px[1], settings.drift_px[0]))
    second = image_columns(
        places[:, ::-1], peak, shape[::-1], turned, rng=int(generator.integers(2**31))
    )
    back = second.image.copy(data=second.image.values)
    back = xr.DataArray(
        back.values.T, dims=("y", "x"), coords=first.image.coords, attrs=first.image.attrs
    )
    images = xr.concat([first.image, back], dim="frame")
    return ScanScene(images, places, vectors, (0.0, 0.0), (first, second), seed)


def _crystal(
    shape: tuple[int, int], lattice: str, spacing_px: float, displacement_px: float,
    generator: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return columns that fill the picture and more, and the lattice vectors."""
    check_array("shape", shape, shape=(2,), dtype=np.int64, minimum=1)
    check_positive("displacement_px", displacement_px, allow_zero=True)
    angle = generator.uniform(0.02, 0.3)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    vectors = spacing_px * np.array([[1.0, 0.0], SHAPES[lattice]]) @ turn
    reach = int(2.0 * max(shape) / spacing_px) + 3
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2), axis=-1).reshape(-1, 2)
    places = steps @ vectors + 0.5 * np.array(shape)[::-1]
    edge = 1.5 * spacing_px
    inside = np.all((places > -edge) & (places < np.array(shape)[::-1] + edge), axis=1)
    kept = places[inside]
    return np.asarray(
        kept + generator.normal(0.0, max(displacement_px, 1e-12), kept.shape)
    ), vectors
