"""A synthetic film of dopants that hop and change kind on a lattice, with the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, as_generator, check_array, check_count, check_positive
from physlearn.datasets.synthetic.imaging import ImagingSettings, image_columns
from physlearn.option_fields import check_fields
from physlearn.records import Trajectory
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HoppingFilm", "HoppingSettings", "make_hopping_film"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
STEPS = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])


@dataclass(frozen=True, slots=True)
class HoppingSettings:
    """What moves in the film and how it is seen.

    Attributes
    ----------
    sites
        Rows and columns of a square lattice.
    spacing_px
        Lattice constant, the length of a hop.
    host_peak
        Counts at the centre of a host column; 0 for hoppers on an empty support.
    kind_peaks
        Counts at the centre of a hopper of each kind (dopant, pair, ...).
    n_hoppers
        Hoppers at the start, on random sites, kinds drawn evenly.
    hop_probability
        Per frame and hopper; the goal is a free neighbouring site, else it stays.
    kind_probabilities
        Shape (kinds, kinds): probability per frame of turning into another kind; rows sum to 1.
    blink_probability
        Per frame and hopper: not to be seen.
    vibration_px
        Standard deviation of every column's place about its site, drawn anew in each frame.
    drift_px
        Step of the whole field from frame to frame, x and y.
    imaging
        Blur, background, detector (``ImagingSettings``).

    Examples
    --------
    >>> HoppingSettings(hop_probability=0.05).spacing_px
    12.0
    """

    sites: tuple[int, int] = (10, 10)
    spacing_px: float = 12.0
    host_peak: float = 100.0
    kind_peaks: tuple[float, ...] = (260.0,)
    n_hoppers: int = 8
    hop_probability: float = 0.03
    kind_probabilities: tuple[tuple[float, ...], ...] = ((1.0,),)
    blink_probability: float = 0.0
    vibration_px: float = 0.0
    drift_px: tuple[float, float] = (0.0, 0.0)
    imaging: ImagingSettings = field(default_factory=lambda: ImagingSettings(width_px=2.2))

    def __post_init__(self) -> None:
        check_positive("spacing_px", self.spacing_px)
        for name in ("host_peak", "hop_probability", "blink_probability", "vibration_px"):
            check_positive(name, getattr(self, name), allow_zero=True)
        for name in ("hop_probability", "blink_probability"):
            if getattr(self, name) > 1:
                raise InputError(f"{name} must be at most 1; got {getattr(self, name)}.")
        check_count("n_hoppers", self.n_hoppers, 0)
        if self.n_hoppers > self.sites[0] * self.sites[1]:
            raise InputError(
                f"n_hoppers must be at most the number of sites, {self.sites[0] * self.sites[1]}; "
                f"got {self.n_hoppers}."
            )
        k = len(self.kind_peaks)
        matrix = check_array("kind_probabilities", self.kind_probabilities, shape=(k, k), minimum=0)
        if not np.allclose(matrix.sum(axis=1), 1.0):
            raise InputError("each row of kind_probabilities must sum to 1.")
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HoppingFilm:
    """The film and what happened in it.

    Attributes
    ----------
    video
        Dims (time, y, x), counts, pixels.
    truth
        True places of the hoppers without drift; one row a hopper and frame, seen or not.
    kinds
        int64, as long as ``truth``: kind of the hopper in that frame.
    seen
        bool, as long as ``truth``: whether it was in the picture.
    hops
        DataFrame: particle, frame_after, x_before, y_before, x_after, y_after.
    kind_counts
        Shape (kinds, kinds): how often a kind followed a kind.
    sites
        Shape (n, 2): all lattice sites, x and y, without drift.
    frame_shift
        Shape (n_frames, 2): drift of each frame against the first.
    seed
        Makes the same film again.

    Examples
    --------
    >>> len(make_hopping_film(2, HoppingSettings(sites=(4, 4), n_hoppers=1), rng=1).sites)
    16
    """

    video: xr.DataArray
    truth: Trajectory
    kinds: Integers
    seen: NDArray[np.bool_]
    hops: pd.DataFrame
    kind_counts: Integers
    sites: Floats
    frame_shift: Floats
    seed: int

    __repr__ = short_repr
    _repr_html_ = html_table


def make_hopping_film(
    n_frames: int = 20,
    settings: HoppingSettings | None = None,
    *,
    rng: int | np.random.Generator | None = None,
) -> HoppingFilm:
    """Make a film of bright dopants that hop between the sites of a square lattice.

    Parameters
    ----------
    n_frames
        At least 2.
    settings
        See ``HoppingSettings``.
    rng
        Seed or generator.

    Returns
    -------
    HoppingFilm
        Video and truth.

    Examples
    --------
    >>> film = make_hopping_film(3, HoppingSettings(sites=(4, 4), n_hoppers=2), rng=1)
    >>> film.video.shape, film.truth.n_particles
    ((3, 60, 60), 2)
    """
    check_count("n_frames", n_frames, 2)
    s = settings or HoppingSettings()
    generator, seed = as_generator(rng)
    rows, columns = s.sites
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    sites = np.asarray(s.spacing_px * (grid + 1.0), dtype=np.float64)
    place, kind, hops = _course(n_frames, s, grid, sites, generator)
    seen = generator.random(place.shape) >= s.blink_probability
    shift = np.arange(n_frames, dtype=np.float64)[:, None] * np.array(s.drift_px, dtype=float)
    shape = (round(s.spacing_px * (rows + 1)), round(s.spacing_px * (columns + 1)))
    pictures, spots = [], []
    for t in range(n_frames):
        spot = sites + generator.normal(0.0, 1.0, sites.shape) * s.vibration_px
        peaks = np.full(len(sites), s.host_peak)
        peaks[place[t]] = np.where(seen[t], np.array(s.kind_peaks)[kind[t]], 0.0)
        scene = image_columns(spot + shift[t], peaks, shape, s.imaging, rng=generator)
        pictures.append(scene.image)
        spots.append(spot[place[t]])
    video = xr.concat(pictures, dim="time", combine_attrs="override").assign_coords(
        time=("time", np.arange(n_frames, dtype=np.float64), {"units": "frame"})
    )
    k = len(s.kind_peaks)
    pairs = (kind[:-1] * k + kind[1:]).ravel()
    truth = Trajectory(
        np.repeat(np.arange(n_frames), s.n_hoppers), np.tile(np.arange(s.n_hoppers), n_frames),
        np.concatenate(spots), np.arange(n_frames, dtype=np.float64), time_unit="frame",
    )  # fmt: skip
    return HoppingFilm(
        video, truth, kind.ravel(), seen.ravel(), hops,
        np.bincount(pairs, minlength=k * k).reshape(k, k), sites, shift, seed,
    )  # fmt: skip


def _course(
    n_frames: int, s: HoppingSettings, grid: Integers, sites: Floats,
    generator: np.random.Generator,
) -> tuple[Integers, Integers, pd.DataFrame]:  # fmt: skip
    """Return the site and the kind of each hopper in each frame, and the hops."""
    import pandas as pd

    number = {tuple(point): index for index, point in enumerate(grid.tolist())}
    matrix = np.array(s.kind_probabilities)
    place = np.empty((n_frames, s.n_hoppers), dtype=np.int64)
    kind = np.empty((n_frames, s.n_hoppers), dtype=np.int64)
    place[0] = generator.choice(len(grid), s.n_hoppers, replace=False)
    kind[0] = generator.integers(0, len(matrix), s.n_hoppers)
    table = []
    for t in range(1, n_frames):
        place[t], kind[t] = place[t - 1], kind[t - 1]
        for who in range(s.n_hoppers):
            kind[t, who] = generator.choice(len(matrix), p=matrix[kind[t, who]])
            wants = generator.random() < s.hop_probability
            goal = number.get(tuple(grid[place[t, who]] + STEPS[generator.integers(4)]))
            if not wants or goal is None or goal in place[t]:
                continue
            table.append((who, t, *sites[place[t, who]], *sites[goal]))
            place[t, who] = goal
    names = ["particle", "frame_after", "x_before", "y_before", "x_after", "y_after"]
    return place, kind, pd.DataFrame(table, columns=names)
