"""A domain-wall film with a planted law: closed domains that a drive grows and shrinks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, as_generator, check_array, check_count, check_positive
from physlearn.lattice_models.walls.wall_front import polar_geometry, propagate_polar_front
from physlearn.option_fields import check_fields
from physlearn.records.storage import html_table, short_repr

__all__ = ["SyntheticWalls", "WallVideoOptions", "check_shape", "make_wall_video"]

Floats = NDArray[np.float64]
PLACES_PER_SIDE = 2
SMALLEST = 32
"""Rows and columns that a planted film has at least."""


@dataclass(frozen=True, slots=True)
class WallVideoOptions:
    """What is planted in a wall film; lengths in pixels, times in frames.

    Attributes
    ----------
    drive_mobility
        Velocity along the outward normal per unit of drive, pixel per frame.
    curvature_mobility
        Mobility times tension, pixel^2 per frame.
    wall_width_pixel
        w of the profile tanh(distance / w).
    noise_sd
        Standard deviation of the white Gaussian noise; the domains stand at -1 and +1, so this is a
        fraction of the amplitude.
    radii_pixel
        Mean radii of the domains in the first frame (at most four, one a quadrant).
    shape_amplitude
        Scatter of the relative amplitudes of the shape modes 2 to ``shape_modes``.
    shape_modes
        Highest Fourier mode of the first shapes.
    illumination_jump
        The ``jump_frames`` get a gain of 1 - jump and an offset of -jump / 2; 0 for none.
    jump_frames
        Frames whose illumination jumps; those beyond the end of the film are ignored.

    Raises
    ------
    InputError
        For a width or radius that is not positive, or a noise, mobility or scatter below 0.

    Examples
    --------
    >>> options = WallVideoOptions(noise_sd=0.2)
    >>> make_wall_video(n_frames=3, options=options, rng=1).options.noise_sd
    0.2
    """

    drive_mobility: float = 0.5
    curvature_mobility: float = 0.4
    wall_width_pixel: float = 2.0
    noise_sd: float = 0.1
    radii_pixel: tuple[float, ...] = (9.0, 13.0, 19.0, 27.0)
    shape_amplitude: float = 0.05
    shape_modes: int = 5
    illumination_jump: float = 0.0
    jump_frames: tuple[int, ...] = field(default=(11, 15))

    def __post_init__(self) -> None:
        check_positive("wall_width_pixel", self.wall_width_pixel)
        for name in ("noise_sd", "curvature_mobility", "shape_amplitude"):
            check_positive(name, getattr(self, name), allow_zero=True)
        for radius in self.radii_pixel:
            check_positive("radii_pixel", radius)
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticWalls:
    """A film and what was planted in it.

    Attributes
    ----------
    video
        DataArray (time, y, x) in units of the amplitude, coordinates in frames and pixels, with the
        coordinate ``drive`` along time.
    options
        The planted numbers.
    drive
        Drive that acts from a frame to the next, shape (n_frames,), dimensionless.
    centers
        x, y of the domains' centres, shape (n_walls, 2), pixels.
    radii
        Shape (n_frames, n_walls, n_angles), pixels: the exact walls about ``centers``.
    seed
        Seed that repeats the film.
    """

    video: xr.DataArray
    options: WallVideoOptions
    drive: Floats
    centers: Floats
    radii: Floats
    seed: int

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def truth(self) -> dict[str, float]:
        """The planted parameters by the names that `fit_wall_dynamics` uses."""
        return {
            "drive_mobility": self.options.drive_mobility,
            "curvature_mobility": self.options.curvature_mobility,
        }


def make_wall_video(
    shape: tuple[int, int] = (160, 160),
    n_frames: int = 24,
    *,
    options: WallVideoOptions | None = None,
    drive: ArrayLike | None = None,
    rng: int | np.random.Generator | None = None,
) -> SyntheticWalls:
    """Make a film of closed domains under ``v_n = mobility drive - curvature_mobility curvature``.

    Parameters
    ----------
    shape
        Rows and columns; the domains must fit into the quadrants.
    n_frames
        At least 3; one frame per unit of time.
    options
        The planted numbers (`WallVideoOptions`).
    drive
        Drive that acts from a frame to the next, shape (n_frames,). None: one and a half periods of
        a sine of amplitude 1, which grows the domains first and changes sign twice.
    rng
        Seed or generator.

    Returns
    -------
    SyntheticWalls
        The film with the truth attached.

    Raises
    ------
    InputError
        If a domain would vanish, touch another one or leave the picture.

    Examples
    --------
    >>> scene = make_wall_video(n_frames=4, rng=1)
    >>> scene.video.sizes["time"], scene.truth["curvature_mobility"]
    (4, 0.4)
    """
    planted = options or WallVideoOptions()
    generator, seed = as_generator(rng)
    check_count("n_frames", n_frames, 3)
    shape = check_shape(shape)
    times = np.arange(n_frames, dtype=float)
    force = (
        np.sin(3.0 * np.pi * times / (n_frames - 1))
        if drive is None
        else check_array("drive", drive, shape=(n_frames,))
    )
    centers, first = _first_shapes(shape, planted, generator)
    radii = propagate_polar_front(
        first, planted.drive_mobility * force[:-1], planted.curvature_mobility, times, substeps=8
    )
    _check_scene(centers, radii, shape, planted.wall_width_pixel)
    frames = np.stack([_paint(shape, centers, frame, planted.wall_width_pixel) for frame in radii])
    frames += planted.noise_sd * generator.standard_normal(frames.shape)
    if planted.illumination_jump:
        for index in planted.jump_frames:
            if index < n_frames:
                frames[index] *= 1.0 - planted.illumination_jump
                frames[index] -= 0.5 * planted.illumination_jump
    return SyntheticWalls(_as_video(frames, times, force), planted, force, centers, radii, seed)


def check_shape(shape: object) -> tuple[int, int]:
    """Return rows and columns of a planted film, at least 32 each."""
    numbers = np.asarray(shape)
    if numbers.shape != (2,) or numbers.dtype.kind not in "iu" or numbers.min() < SMALLEST:
        raise InputError(
            f"shape must be (rows, columns), two whole numbers from {SMALLEST} on; got {shape!r}."
        )
    return int(numbers[0]), int(numbers[1])


def _as_video(frames: Floats, times: Floats, drive: Floats) -> xr.DataArray:
    video = xr.DataArray(
        frames,
        dims=("time", "y", "x"),
        coords={
            "time": times,
            "y": np.arange(frames.shape[1], dtype=float),
            "x": np.arange(frames.shape[2], dtype=float),
            "drive": ("time", drive),
        },
        attrs={"source": "make_wall_video", "units": "amplitude", "counts": "unknown"},
    )
    video["time"].attrs["units"] = "frame"
    video["y"].attrs["units"] = "pixel"
    video["x"].attrs["units"] = "pixel"
    video["drive"].attrs["units"] = ""
    return video


def _first_shapes(
    shape: tuple[int, int], planted: WallVideoOptions, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Centres (one a quadrant, shuffled) and first radii on 64 angles."""
    mean = check_array("radii_pixel", planted.radii_pixel, ndim=1)
    check_positive("wall_width_pixel", planted.wall_width_pixel)
    if mean.size > PLACES_PER_SIDE**2:
        raise InputError(f"radii_pixel may hold at most 4 radii, got {mean.size}.")
    places = generator.permutation(PLACES_PER_SIDE**2)[: mean.size]
    cell = np.array([shape[1], shape[0]]) / PLACES_PER_SIDE
    middle = (np.stack([places % PLACES_PER_SIDE, places // PLACES_PER_SIDE], axis=1) + 0.5) * cell
    centers = middle - 0.5 + generator.uniform(-0.5, 0.5, size=middle.shape)
    angles = 2 * np.pi * np.arange(64) / 64
    shapes = np.ones((mean.size, angles.size))
    for mode in range(2, planted.shape_modes + 1):
        size = (
            planted.shape_amplitude * generator.standard_normal((mean.size, 2)) / np.sqrt(mode - 1)
        )
        shapes += size[:, :1] * np.cos(mode * angles) + size[:, 1:] * np.sin(mode * angles)
    return centers, mean[:, None] * shapes


def _outline(center: Floats, radii: Floats, n_points: int) -> tuple[Floats, Floats]:
    """Dense points and outward normals of one closed wall."""
    spectrum = np.fft.rfft(radii)
    scale = n_points / radii.size
    radius = np.fft.irfft(spectrum, n_points) * scale
    stretch, _, slope = polar_geometry(radius)
    angle = 2 * np.pi * np.arange(n_points) / n_points
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    across = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    normals = (radius[:, None] * along - slope[:, None] * across) / stretch[:, None]
    return center + radius[:, None] * along, normals


def _paint(shape: tuple[int, int], centers: Floats, radii: Floats, width: float) -> Floats:
    """Paint a frame: tanh of the exact distance to the nearest wall over the width."""
    frame = np.full(shape, -1.0)
    turn = 2 * np.pi / radii.shape[1]
    for center, radius in zip(centers, radii, strict=True):
        reach = radius.max() + 8 * width
        x0, y0 = np.maximum(np.floor(center - reach), 0).astype(int)
        x1 = min(int(center[0] + reach) + 2, shape[1])
        y1 = min(int(center[1] + reach) + 2, shape[0])
        rows, columns = np.mgrid[y0:y1, x0:x1]
        offset = np.stack([columns.ravel(), rows.ravel()], axis=1) - center
        angle = np.arctan2(offset[:, 1], offset[:, 0]) % (2 * np.pi)
        rough = np.hypot(*offset.T) - radius[np.rint(angle / turn).astype(int) % radius.size]
        signed = np.sign(-rough)
        band = np.abs(rough) < 10 * width  # beyond, the profile is flat to 1e-8
        points, normals = _outline(center, radius, max(256, 4 * int(2 * np.pi * radius.max())))
        pixels = offset[band] + center
        _, nearest = cKDTree(points).query(pixels)
        distance = np.einsum("ij,ij->i", pixels - points[nearest], normals[nearest])
        signed[band] = np.tanh(-distance / width)
        frame[y0:y1, x0:x1] = np.maximum(frame[y0:y1, x0:x1], signed.reshape(rows.shape))
    return frame


def _check_scene(centers: Floats, radii: Floats, shape: tuple[int, int], width: float) -> None:
    if not np.isfinite(radii).all() or radii.min() < 1.5 * width:
        raise InputError(
            "radii_pixel, drive and curvature_mobility make a domain vanish: plant larger domains, "
            "fewer frames or a weaker law."
        )
    margin = 1.0 * width
    largest = radii.max(axis=(0, 2))
    for index, (center, reach) in enumerate(zip(centers, largest, strict=True)):
        edge = min(*center, shape[1] - 1 - center[0], shape[0] - 1 - center[1])
        gaps = np.hypot(*(centers - center).T) - largest - reach
        gaps[index] = np.inf
        if edge < reach + margin or gaps.min() < 4 * width:
            raise InputError(
                f"domain {index} reaches {reach:.1f} pixels from its centre and would touch the "
                "edge of "
                "the picture or another domain: plant smaller domains or a larger shape."
            )
