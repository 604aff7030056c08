"""What is planted in a wall scene, and the scene with its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, check_positive
from physlearn.option_fields import check_fields
from physlearn.records import WallTrack
from physlearn.records.storage import html_table, short_repr

__all__ = ["WallScene", "WallSceneOptions"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WallSceneOptions:
    """What is planted in a wall scene; lengths in pixels, times in frames.

    Attributes
    ----------
    drive_mobility
        Velocity toward the negative domain per unit of drive, pixel per frame.
    curvature_mobility
        Mobility times tension, pixel^2 per frame.
    pinning_strength, pinning_length
        Root mean square and correlation length of the frozen medium, in units of the drive (for a
        line: of its force) and in pixels.
    wall_width_pixel
        w of the profile tanh(distance / w).
    noise_sd
        White Gaussian noise; the domains stand at -1 and +1. Of a complex signal: of its real and
        of its imaginary part.
    complex_signal, complex_offset, phase
        The video is exp(i phase) x profile + complex_offset (piezoresponse with a background).
    illumination_jump, jump_frames
        These frames get a gain of 1 - jump and an offset of -jump / 2.
    line_jumps
        Rows a frame that are shifted by a random offset of sd 0.5.
    missing_frames
        Frames that are NaN.
    line_time
        Row r of a frame is scanned at r x line_time after its beginning.
    flip_rate
        Share of the pixels of ``binary`` that are flipped.
    n_domains
        Domains of "domains", nuclei of each sign of "nuclei".
    radius_pixel
        Mean radius of the domains of "domains" and "driven_topology".
    nucleus_radius
        Radius with which the nuclei of "nuclei" are born.
    ferroelastic_period
        Distance of the ferroelastic stripes (45 degrees) of the second channel; 0 for none.
    frame_interval
        Of "line": time between frames in units of 1 / (mobility x tension / pixel^2).

    Examples
    --------
    >>> WallSceneOptions(noise_sd=0.3).wall_width_pixel
    2.0
    """

    drive_mobility: float = 0.5
    curvature_mobility: float = 0.4
    pinning_strength: float | None = None
    pinning_length: float = 2.1
    wall_width_pixel: float = 2.0
    noise_sd: float = 0.1
    complex_signal: bool = False
    complex_offset: complex = 0.15 + 0.1j
    phase: float = 0.7
    illumination_jump: float = 0.0
    jump_frames: tuple[int, ...] = (11, 15)
    line_jumps: int = 0
    missing_frames: tuple[int, ...] = ()
    line_time: float = 0.0
    flip_rate: float = 0.0
    n_domains: int = 4
    radius_pixel: float = 16.0
    nucleus_radius: float = 4.0
    ferroelastic_period: float = 0.0
    frame_interval: float = 3.0

    def __post_init__(self) -> None:
        check_positive("wall_width_pixel", self.wall_width_pixel)
        for name in ("noise_sd", "flip_rate", "line_time", "ferroelastic_period"):
            check_positive(name, getattr(self, name), allow_zero=True)
        if self.flip_rate >= 0.5:
            raise InputError(f"flip_rate must be below 0.5; got {self.flip_rate}.")
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class WallScene:
    """A film of domain walls and everything that was planted in it.

    Attributes
    ----------
    kind
        line, nuclei, domains or driven_topology.
    video
        DataArray (time, y, x), float64 or complex128, coordinates in frames and pixels, with the
        coordinate ``drive`` along time; the attribute ``line_time`` when rows are scanned in turn.
    levels
        Shape (n_frames, rows, columns): distance to the nearest wall in pixels, negative in the
        positive domain, at each row's own time; far from walls only its sign counts.
    track
        The true walls with identities and events; the errors are 0. Normals and curvatures are
        exact; ``normal_velocity`` is the law's (NaN for a line in a medium).
    drive
        Shape (n_frames,).
    options, seed
        The planted numbers and the seed that repeats the scene.
    ferroelastic
        DataArray (y, x): the second channel, +1 and -1 in ferroelastic stripes, or None.
    binary
        DataArray (time, y, x) of bool: the positive pixels, ``flip_rate`` of them flipped.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_scene
    >>> scene = make_wall_scene("line", (48, 48), 4, rng=1)
    >>> scene.kind, len(scene.track.walls), scene.binary.dtype
    ('line', 1, dtype('bool'))
    """

    kind: str
    video: xr.DataArray
    levels: NDArray[np.float32]
    track: WallTrack
    drive: Floats
    options: WallSceneOptions
    seed: int
    binary: xr.DataArray
    ferroelastic: xr.DataArray | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def truth(self) -> dict[str, float]:
        """The planted law by the names that ``fit_wall_dynamics`` uses."""
        return {
            "drive_mobility": self.options.drive_mobility,
            "curvature_mobility": self.options.curvature_mobility,
        }

    def channels(self) -> xr.Dataset:
        """Return amplitude and phase (radian) of a complex video."""
        if not np.iscomplexobj(self.video):
            raise InputError("video must be complex to have channels; set complex_signal=True.")
        values = self.video.to_numpy()
        parts = {"amplitude": np.abs(values), "phase": np.angle(values)}
        return xr.Dataset({name: self.video.copy(data=part) for name, part in parts.items()})
