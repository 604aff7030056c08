"""How often new domains appear, by drive level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from physlearn.checks import (
    InputError,
    NotIdentified,
    as_generator,
    check_array,
    check_count,
    check_positive,
)
from physlearn.inference.wall_laws.wall_drive import drive_levels
from physlearn.records import WallTrack
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_nucleation_rate"]

Floats = NDArray[np.float64]

MOST_LEVELS = 24
SHAPE = 0.5
DOUBTFUL_P = 1e-3
FEWEST_FOR_SCATTER = 5


def fit_nucleation_rate(
    track: WallTrack,
    *,
    area: float | tuple[float, float] | ArrayLike | None = None,
    detection: tuple[float, float] = (1.0, 0.0),
    drive: ArrayLike | None = None,
    rng: int | np.random.Generator | None = None,
    n_draws: int = 4000,
) -> Fit:
    """Fit the rate of births of new domains per area and time, at every level of the drive.

    Parameters
    ----------
    track
        From `track_walls`; its events of kind ``birth`` are counted (walls that entered the view,
        split off or were there in the first frame are not).
    area
        Area in which a new domain can appear: one number; (rows, columns) sides of the view; or one
        number a frame, shape (n_frames,), where the untransformed area shrinks. None takes the
        track's ``metadata["field_of_view"]``. In the track's unit, squared.
    detection
        (value, sd): share of new domains that the tracker sees, such as the recall on planted
        films.
    drive
        Shape (n_frames,); None takes the track's. Without one, a single rate.
    rng
        Seed or generator of the draws.
    n_draws
        Posterior draws.

    Returns
    -------
    Fit
        ``nucleation_rate`` (per area and time; dimension drive_level where there is a drive).
        ``diagnostics``: ``births``, ``exposure`` (area x time) by level, ``dispersion_p`` (tail
        probability of the scatter of counts from frame to frame if births are independent).

    Raises
    ------
    InputError
        If no area is known, or an argument does not fit.
    NotIdentified
        If the film has fewer than two frames.

    Notes
    -----
    Births are independent (Poisson): with n births in an exposure A t, the rate's posterior under
    the reference prior rate^(-1/2) is Gamma(n + 1/2) / (A t detection). No birth at all gives an
    upper bound, not zero. A birth between frames k - 1 and k counts for the drive of frame k - 1.
    Domains that appear and vanish between two frames are not seen: the rate is that of domains
    that live for a frame.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> track = track_walls(make_wall_video(n_frames=3, rng=1).video)
    >>> fit = fit_nucleation_rate(track, area=160 * 160, drive=[1.0, 1.0, 1.0], rng=1)
    >>> fit.diagnostics["births"], bool(fit["nucleation_rate"].max() < 1e-3)
    ([0], True)
    """
    generator, seed = as_generator(rng)
    n_draws = check_count("n_draws", n_draws, 100)
    seen, sd = check_array("detection", detection, shape=(2,))
    if not (0 < seen <= 1 and sd >= 0):
        raise InputError(f"detection must be (share in (0, 1], sd >= 0); got {detection}.")
    births = _births(track, area, drive)
    share = _shares(seen, sd, n_draws, generator)
    shape = (n_draws, births.levels.size)
    rate = generator.gamma(births.counts + SHAPE, size=shape) / births.whole / share[:, None]
    tail = _dispersion(births)
    texts = [
        f"no birth{f' at drive {level:.4g}' if births.driven else ''}: the rate is an upper bound"
        for level, count in zip(births.levels, births.counts, strict=True)
        if count == 0
    ]
    if tail is not None and tail < DOUBTFUL_P:
        texts.append(
            f"births cluster in time (p = {tail:.1g}): they are not independent at a constant "
            "rate, and the intervals are too narrow"
        )
    return fit_from_draws(
        {"nucleation_rate": rate if births.driven else rate[:, 0]},
        model="births ~ Poisson(nucleation_rate * area * time * detection)",
        likelihood="counts of births between frames, Poisson",
        approximation="none",
        seed=seed,
        data=[births.per_frame, births.exposure, births.group],
        units={"nucleation_rate": f"1/{track.unit}^2/{track.time_unit}"},
        dims={"nucleation_rate": ["drive_level"]} if births.driven else None,
        coords={"drive_level": births.levels.tolist()} if births.driven else None,
        diagnostics={
            "births": births.counts.astype(int).tolist(), "exposure": births.whole.tolist(),
            "dispersion_p": tail,
        },
        warnings=texts,
        attrs={"subject": "nucleation"},
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Births:
    """Births and exposure (area x time) between frames, and summed over each level of the drive.

    ``group``: level of every interval. ``driven``: whether a drive is known.
    """

    per_frame: Floats
    exposure: Floats
    levels: Floats
    group: NDArray[np.int64]
    driven: bool

    @property
    def counts(self) -> Floats:
        """Births of every level."""
        return np.bincount(self.group, self.per_frame, self.levels.size).astype(np.float64)

    @property
    def whole(self) -> Floats:
        """Exposure of every level."""
        return np.bincount(self.group, self.exposure, self.levels.size).astype(np.float64)


def _births(
    track: WallTrack, area: float | tuple[float, float] | ArrayLike | None, drive: ArrayLike | None
) -> _Births:
    """Count the births between frames for the drive that acted there."""
    if not isinstance(track, WallTrack):
        raise InputError(
            f"track must be a WallTrack (see track_walls); got {type(track).__name__}."
        )
    if track.n_frames < 2:
        raise NotIdentified("a rate needs at least 2 frames; the track has 1.")
    spans = np.diff(track.frame_times)
    if not (spans > 0).all():
        raise InputError("frame_times must ascend to count births per time.")
    exposure = _areas(track, area)[1:] * spans
    frames = track.events.loc[track.events["kind"] == "birth", "frame"].to_numpy()
    frames = frames[frames > 0]
    given = track.drive if drive is None else check_array("drive", drive, shape=(track.n_frames,))
    levels, group = drive_levels(np.zeros(spans.size) if given is None else given[:-1])
    if levels.size > MOST_LEVELS:
        raise InputError(
            f"drive must have at most {MOST_LEVELS} levels to give each a rate; it has "
            f"{levels.size}: round it."
        )
    per_frame = np.bincount(frames - 1, minlength=spans.size).astype(np.float64)
    return _Births(per_frame, exposure, levels, group, given is not None)


def _areas(track: WallTrack, area: float | tuple[float, float] | ArrayLike | None) -> Floats:
    """Area of every frame in which a domain can appear."""
    found = track.metadata.get("field_of_view") if area is None else area
    if found is None:
        raise InputError(
            "area must be given: the track does not say how large its field of view is."
        )
    given = check_array("area", found)
    if area is None and given.shape == (4,):  # x0, y0, x1, y1, as track_walls writes it
        sides = abs(given[2] - given[0]) * abs(given[3] - given[1])
        return np.full(track.n_frames, check_positive("area", float(sides)))
    if given.ndim == 0 or given.size == 1:
        return np.full(track.n_frames, check_positive("area", float(given.ravel()[0])))
    if given.shape == (2,) and track.n_frames == 2:
        raise InputError(
            "area of two numbers could be (height, width) or the areas of the two frames: give "
            "their product, one number."
        )
    if given.shape == (2,):
        return np.full(track.n_frames, check_positive("area", float(given.prod())))
    whole = check_array("area", given, shape=(track.n_frames,), minimum=0.0)
    if not whole[1:].sum() > 0:
        raise InputError("area must be above zero in some frame.")
    return np.asarray(whole, dtype=np.float64)


def _shares(seen: float, sd: float, count: int, generator: np.random.Generator) -> Floats:
    """Draw the share of births that are seen, within (0, 1]."""
    if sd == 0:
        return np.full(count, seen)
    low, high = -seen / sd, (1.0 - seen) / sd
    drawn = stats.truncnorm.rvs(low, high, loc=seen, scale=sd, size=count, random_state=generator)
    return np.maximum(np.asarray(drawn, dtype=np.float64), 1e-3)


def _dispersion(births: _Births) -> float | None:
    """Tail probability of the counts' scatter about a constant rate within every level."""
    counts, whole, group = births.counts, births.whole, births.group
    expected = counts[group] / np.where(whole[group] > 0, whole[group], 1.0) * births.exposure
    use = expected > 0
    freedom = int(use.sum() - (counts > 0).sum())
    if counts.sum() < FEWEST_FOR_SCATTER or freedom < 1:
        return None
    # With few births a frame chi2 is discrete; its mean and variance are those of a multinomial
    score = ((births.per_frame[use] - expected[use]) ** 2 / expected[use]).sum()
    spread = 2.0 * freedom + (1.0 / expected[use]).sum() - use.sum() ** 2 / counts.sum()
    return float(stats.norm.sf((score - freedom) / np.sqrt(max(spread, 2.0 * freedom))))
