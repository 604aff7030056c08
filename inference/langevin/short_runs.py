"""Short runs from every observed frame: expected pair energies and displacements one frame on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.langevin import sub_steps_kernels as kernels
from physlearn.inference.langevin.force_tables import (
    SIZE,
    FeatureTables,
    feature_tables,
    force_tables,
)
from physlearn.inference.langevin.motion_data import MotionData
from physlearn.inference.potential_families.pair_family import InteractionFamily
from physlearn.lattice_models.random_numbers import seed_words, ziggurat_tables
from physlearn.records.storage import html_table, short_repr

__all__ = ["LANES", "Frame", "Moments", "list_frames", "run_moments", "seen_features"]

LANES = kernels.LANES
Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
REACH_SD = 4.5
"""How many standard deviations of a free pair's approach the lists reach beyond the cutoff."""
LEAST_REACH_SD = 3.0


@dataclass(frozen=True, eq=False)
class Frame:
    """One observed frame, the next places of its particles, and who is near whom.

    Attributes
    ----------
    places, after
        float64, shape (n, d): now and one frame on (places again for who is not seen then).
    use
        int64, shape (n,): 1 for particles seen in both frames with all their neighbours seen.
    start, other, shift, kinds
        Half lists of neighbours: see ``sub_steps_kernels``.
    common
        1: the particles' common displacement is drift and does not count.
    """

    places: Float
    after: Float
    use: Int64
    start: Int64
    other: Int64
    shift: Float
    kinds: Int64
    common: int = 1

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def n_used(self) -> int:
        """Particles whose motion counts."""
        return int(self.use.sum())


@dataclass(frozen=True, eq=False)
class Moments:
    """Expected features of each frame, shape (T, q), and their covariances summed over frames.

    ``spread``: of the features themselves; ``error``: of ``mean``, from the runs' finite number.
    """

    mean: Float
    spread: Float
    error: Float


def list_frames(
    data: MotionData, family: InteractionFamily, diffusion: float, remove_drift: bool = True
) -> list[Frame]:
    """Return every frame with its successor and lists that hold for a frame interval.

    Raises
    ------
    InputError
        When the cutoff, or how far particles move in a frame interval, is too long for the box.
    """
    sd = np.sqrt(4.0 * diffusion * data.interval)
    reach = family.cutoff + REACH_SD * sd
    if data.box is not None:
        half = 0.5 * float(data.box.min())
        if family.cutoff + LEAST_REACH_SD * sd > half:
            raise InputError(
                f"cutoff ({family.cutoff:g}) and the motion within a frame interval ({sd:g}) must "
                f"fit into half the shortest box length, {half:g}; take a shorter cutoff."
            )
        reach = min(reach, half)
    box = np.zeros(data.positions.shape[2]) if data.box is None else data.box
    margin = family.cutoff + 2.0 * sd
    frames = []
    for t in range(data.n_frames - 1):
        here = np.flatnonzero(data.seen[t])
        use = _usable(data, t, margin)[here]
        if not use.any():
            continue
        places = np.ascontiguousarray(data.positions[t, here])
        after = data.positions[t + 1, here]
        after = np.where(np.isfinite(after), after, places)
        start, other, shift = _neighbours(places, box, reach)
        one = np.repeat(np.arange(len(here)), np.diff(start))
        kinds = family.kinds(data.species[here], np.stack([one, other], axis=1))
        frames.append(Frame(places, np.ascontiguousarray(after), use.astype(np.int64), start,
                            other, shift, kinds, int(remove_drift)))  # fmt: skip
    return frames


def _neighbours(places: Float, box: Float, reach: float) -> tuple[Int64, Int64, Float]:
    n, d = places.shape
    room = 32 * n
    while True:
        start, other = np.zeros(n + 1, dtype=np.int64), np.zeros(room, dtype=np.int64)
        shift, cells = np.zeros((room, d)), np.zeros(n, dtype=np.int64)
        m = int(kernels.list_frame_pairs(places, box, reach, start, other, shift, cells))
        if m <= room:
            return start, other[:m].copy(), shift[:m].copy()
        room = m


def _usable(data: MotionData, t: int, margin: float) -> NDArray[np.bool_]:
    """Which particles of frame t are seen in t + 1 too, and every neighbour within margin is seen.

    Outside a periodic box nothing is known about particles beyond the field of view, so whoever
    stands closer to its edge than the margin only pushes others. The same holds near the place of
    a particle that was lost for a while.
    """
    seen = data.seen
    use = seen[t] & seen[t + 1]
    if data.box is None:
        low, high = np.nanmin(data.positions, axis=(0, 1)), np.nanmax(data.positions, axis=(0, 1))
        with np.errstate(invalid="ignore"):
            inside = (data.positions[t] > low + margin) & (data.positions[t] < high - margin)
        use &= inside.all(axis=1)
    lost = ~seen[t] & seen[:t].any(axis=0) & seen[t + 1 :].any(axis=0)
    for particle in np.flatnonzero(lost):
        times = np.flatnonzero(seen[:, particle])
        track = data.positions[times, particle]
        place = np.array([np.interp(t, times, axis) for axis in track.T])
        away = data.positions[t] - place
        if data.box is not None:
            away -= np.round(away / data.box) * data.box
        with np.errstate(invalid="ignore"):
            use &= ~((away**2).sum(axis=1) < margin**2)
    return np.asarray(use, dtype=np.bool_)


def nearest_approach(frames: Sequence[Frame]) -> float:
    """Return the shortest distance seen between two particles."""
    least = np.inf
    for frame in frames:
        one = np.repeat(np.arange(len(frame.places)), np.diff(frame.start))
        away = frame.places[one] - frame.places[frame.other] - frame.shift
        if len(away):
            least = min(least, float(np.sqrt((away**2).sum(axis=1).min())))
    return least


def tables_at(family: InteractionFamily, theta: Float, frames: Sequence[Frame]) -> FeatureTables:
    """Return the features at theta, kept constant inside what was never seen."""
    least = nearest_approach(frames)
    return feature_tables(family, theta, 0.9 * least if np.isfinite(least) else family.cutoff)


def seen_features(frames: Sequence[Frame], tables: FeatureTables) -> Float:
    """Return the features of the observed next frames, shape (T, q)."""
    out = np.zeros((len(frames), int(tables.first[-1]) + 1))
    for t, frame in enumerate(frames):
        lanes = np.repeat(frame.after[:, :, None], kernels.LANES, axis=2)
        out[t] = _features(lanes, frame, tables)[:, 0]
    return out


def _features(lanes: Float, frame: Frame, tables: FeatureTables) -> Float:
    sums = np.zeros((int(tables.first[-1]) + 1, kernels.LANES))
    kernels.lane_features(
        lanes, frame.places, frame.use, frame.common, frame.start, frame.other, frame.shift,
        frame.kinds, tables.first, tables.flat, SIZE, tables.width, tables.scale, sums,
    )  # fmt: skip
    return sums


def run_moments(
    frames: Sequence[Frame],
    family: InteractionFamily,
    theta: Float,
    log_diffusion: float,
    tables: FeatureTables,
    *,
    interval: float,
    n_steps: int,
    seed: int,
    n_batches: int = 1,
    n_draws: int = 1,
) -> Moments:
    """Return the features' moments after one frame interval, by ``8 n_batches`` runs a frame.

    The same seed gives the same noise at any theta, and for half the steps with twice the draws.
    """
    diffusion = float(np.exp(log_diffusion))
    step = interval / n_steps
    # the core's end must not move with theta or the number of draws, only with the step
    law = force_tables(family, theta, diffusion * step)
    numbers = np.array([diffusion, step, law.scale])
    words = seed_words(np.random.default_rng(seed), (len(frames) * n_batches, 2))
    ziggurat = ziggurat_tables()

    def run(task: int) -> Float:
        frame = frames[task // n_batches]
        lanes = np.repeat(frame.places[:, :, None], kernels.LANES, axis=2)
        kernels.move_lanes(
            lanes, np.empty_like(lanes), np.empty_like(lanes), frame.start, frame.other,
            frame.shift, frame.kinds, law.flat, SIZE, numbers, n_steps, n_draws,
            words[task].copy(), ziggurat,
        )  # fmt: skip
        return _features(lanes, frame, tables)

    tasks = range(len(frames) * n_batches)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ThreadPoolExecutor(threads) as pool:
        values = np.array(list(pool.map(run, tasks)))
    q = values.shape[1]
    values = values.reshape(len(frames), n_batches, q, kernels.LANES).transpose(0, 2, 1, 3)
    return _summarise(values)


def _summarise(values: Float) -> Moments:
    """Moments of values (T, q, batches, lanes); a lane and its mirror make one pair."""
    n_frames, q, n_batches, _ = values.shape
    if not np.isfinite(values).all():
        raise InputError(
            "the runs from the observed places blew up; the potential is too steep for the frame "
            "interval's sub-steps, or two particles stand almost on one place."
        )
    mean = values.mean(axis=(2, 3))
    half = kernels.HALF
    plus = values[..., :half].reshape(n_frames, q, -1)
    minus = values[..., half:].reshape(n_frames, q, -1)
    n = n_batches * half
    spread = np.zeros((q, q))
    for side in (plus, minus):
        away = side - side.mean(axis=2, keepdims=True)
        spread += 0.5 * np.einsum("tal,tbl->ab", away, away) / (n - 1)
    pair = 0.5 * (plus + minus)
    away = pair - pair.mean(axis=2, keepdims=True)
    error = np.einsum("tal,tbl->ab", away, away) / (n * (n - 1))
    return Moments(mean, spread, error)
