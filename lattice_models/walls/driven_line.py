"""Driven elastic line in a random medium: the quenched Edwards-Wilkinson equation."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, as_generator, check_array, check_choice, check_positive
from physlearn.lattice_models.random_numbers import seed_words, ziggurat_tables
from physlearn.lattice_models.walls.driven_line_kernels import line_steps
from physlearn.lattice_models.walls.pinning import PinningLandscape
from physlearn.long_run import LongRun
from physlearn.option_fields import check_fields
from physlearn.records import WallTrack

__all__ = ["LineOptions", "line_energy", "simulate_wall"]

Float = NDArray[np.float64]
ENDS = ("periodic", "free", "pinned")
USUAL_SHARE = 0.25
"""Step taken by default, as a share of the largest one that is accepted."""
ROUNDING = 1e-12
MOST_STEPS = 1e12


@dataclass(frozen=True, slots=True)
class LineOptions:
    """How a line is laid out and stepped.

    Attributes
    ----------
    spacing
        Distance between points along x, in ``unit``.
    ends
        ``periodic``, ``free`` (no slope at the ends) or ``pinned`` (the ends stay where they are).
    thermal_energy
        kT in the unit of energy of the tension; 0: no thermal noise.
    time_step
        Largest step in ``time_unit``; None: a quarter of the largest one that is accepted.
    unit, time_unit
        Units of length and time, as in ``WallTrack``.
    drive_unit
        Unit of the drive, for the record.

    Raises
    ------
    InputError
        For a spacing or step that is not positive, a negative thermal energy or unknown ends.

    Examples
    --------
    >>> LineOptions(spacing=2.0, unit="nm", time_unit="s").ends
    'periodic'
    """

    spacing: float = 1.0
    ends: str = "periodic"
    thermal_energy: float = 0.0
    time_step: float | None = None
    unit: str = "reduced"
    time_unit: str = "reduced"
    drive_unit: str = ""

    def __post_init__(self) -> None:
        check_positive("spacing", self.spacing)
        check_choice("ends", self.ends, ENDS)
        check_positive("thermal_energy", self.thermal_energy, allow_zero=True)
        if self.time_step is not None:
            check_positive("time_step", self.time_step)
        check_fields(self)


def simulate_wall(
    tension: float,
    mobility: float,
    drive: ArrayLike,
    pinning: PinningLandscape | None = None,
    *,
    start: ArrayLike,
    frame_times: ArrayLike,
    options: LineOptions | None = None,
    rng: int | np.random.Generator | None = None,
    progress: Callable[[int, int], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> WallTrack:
    """Move an elastic line through a random medium.

    du/dt = mobility (tension d^2u/dx^2 + drive(t) - dV/du) + noise, with <noise noise'> =
    2 mobility kT delta(x - x') delta(t - t'). Heun's step of second order; without noise the energy
    never rises. The positive domain lies below the line (y < u), so that a positive drive makes it
    grow, the normals point up and the curvature is positive where the line bulges upward.

    Parameters
    ----------
    tension
        Energy per length.
    mobility
        Velocity per force on a unit of length: length^3 / (energy time).
    drive
        Force per length (energy / length^2): one number, or (n_frames,) where each acts from its
        frame to the next and the last acts no more.
    pinning
        The medium (``random_landscape``), with one row a point; None for a clean one.
    start
        Heights u of the points at the first frame, shape (n_points,), at least 3.
    frame_times
        Times of the frames, ascending; the first one is the start.
    options
        Layout, temperature and step; ``LineOptions()`` by default.
    rng
        Seed or generator of the thermal noise.
    progress
        Called with (steps done, steps in all).
    checkpoint
        File to save to and to go on from, see ``LongRun``.

    Returns
    -------
    WallTrack
        One open wall, number 0, with all its points in each frame. ``normal_velocity`` is the mean
        over the neighbouring frames; ``normal_error`` is 0, as a simulated line is known; the
        curvature of pinned ends is NaN. ``metadata`` hold the seed and the steps' length.

    Raises
    ------
    InputError
        For a time step too large for the tension and the medium (a usable one is named), a medium
        of another length, or arrays that do not fit.

    Examples
    --------
    >>> track = simulate_wall(1.0, 2.0, 0.5, start=np.zeros(8), frame_times=[0.0, 1.0, 2.0], rng=1)
    >>> track.table["y"].groupby(track.table["frame"]).mean().round(12).tolist()
    [0.0, 1.0, 2.0]
    """
    chosen = LineOptions() if options is None else options
    if not isinstance(chosen, LineOptions):
        raise InputError(f"options must be LineOptions or None; got {type(chosen).__name__}.")
    _check_pinning(pinning)
    stiffness = check_positive("tension", tension, allow_zero=True) / chosen.spacing**2
    speed = check_positive("mobility", mobility)
    heights = check_array("start", start, shape=(None,)).copy()
    times = check_array("frame_times", frame_times, shape=(None,))
    if len(heights) < 3:
        raise InputError(f"start must hold at least 3 points; got {len(heights)}.")
    backward = np.flatnonzero(np.diff(times) <= 0)
    if backward.size:
        raise InputError(f"frame_times must ascend; frame {backward[0] + 1} is not after the last.")
    shape = () if np.ndim(drive) == 0 else (len(times),)
    drives = np.broadcast_to(check_array("drive", drive, shape=shape), times.shape).copy()
    if pinning is not None and len(pinning.potential) != len(heights):
        raise InputError(
            f"pinning must have one row for each of the {len(heights)} points of the line; it has "
            f"{len(pinning.potential)}."
        )
    counts = _step_counts(np.diff(times), speed, stiffness, pinning, chosen)
    generator, seed = as_generator(rng)
    line = _Line(speed, stiffness, pinning, chosen, heights, seed_words(generator, (2,)))
    pictures, warnings = _follow(line, times, drives, counts, progress, checkpoint)
    if pinning is not None and np.ptp(pictures.mean(axis=1)) > pinning.period:
        warnings += (
            f"The line moved {np.ptp(pictures.mean(axis=1)):.3g}, farther than the medium's period "
            f"of {pinning.period:.3g}: it met the same medium again.",
        )
    n_done = len(pictures)
    longest = float((np.diff(times) / counts).max()) if len(counts) else None
    return WallTrack(
        _table(pictures, times[:n_done], chosen), times[:n_done], unit=chosen.unit,
        time_unit=chosen.time_unit, drive=drives[:n_done], drive_unit=chosen.drive_unit,
        closed={0: False}, warnings=warnings,
        metadata={
            "source": "simulate_wall", "seed": seed, "time_step": longest, "ends": chosen.ends,
            "thermal_energy": float(chosen.thermal_energy), "spacing": float(chosen.spacing),
        },
    )  # fmt: skip


def line_energy(
    heights: ArrayLike,
    tension: float,
    drive: float = 0.0,
    pinning: PinningLandscape | None = None,
    *,
    spacing: float = 1.0,
    ends: str = "periodic",
) -> Float:
    """Return the energy of a line, tension / 2 (du/dx)^2 - drive u + V summed over its points.

    Parameters
    ----------
    heights
        Shape (..., n_points).
    tension, drive, pinning, spacing, ends
        As in ``simulate_wall`` and ``LineOptions``.

    Raises
    ------
    InputError
        For heights that do not fit the medium, unknown ends, or numbers that are not finite.

    Examples
    --------
    >>> float(line_energy([0.0, 1.0, 0.0, 1.0], tension=2.0))
    4.0
    """
    u = check_array("heights", heights)
    check_choice("ends", ends, ENDS)
    check_positive("tension", tension, allow_zero=True)
    check_positive("spacing", spacing)
    check_array("drive", drive, shape=())
    _check_pinning(pinning)
    steps = np.diff(u, axis=-1)
    if ends == "periodic":
        steps = np.concatenate([steps, u[..., :1] - u[..., -1:]], axis=-1)
    density = -drive * u
    if pinning is not None:
        density = density + pinning.energy(u)
    elastic = 0.5 * tension / spacing * (steps**2).sum(axis=-1)
    return np.asarray(elastic + spacing * density.sum(axis=-1))


def _check_pinning(pinning: object) -> None:
    """Refuse a medium that is not a record of one."""
    if pinning is not None and not isinstance(pinning, PinningLandscape):
        raise InputError(
            "pinning must be a PinningLandscape (see random_landscape) or None; got "
            f"{type(pinning).__name__}."
        )


@dataclass
class _Line:
    """What the steps of one line need."""

    mobility: float
    stiffness: float
    pinning: PinningLandscape | None
    options: LineOptions
    heights: Float
    lanes: NDArray[np.uint64]


def _step_counts(
    intervals: Float,
    mobility: float,
    stiffness: float,
    pinning: PinningLandscape | None,
    options: LineOptions,
) -> NDArray[np.int64]:
    """Return the number of steps between frames, or say which step is short enough.

    With the largest curvature L of the energy, mobility x L x step <= 1 keeps Heun's step from
    raising the energy (it is stable up to 2).
    """
    curvature = 4.0 * stiffness + (0.0 if pinning is None else pinning.largest_curvature())
    largest = np.inf if curvature == 0.0 else 1.0 / (mobility * curvature)
    step = options.time_step
    if step is None:
        step = USUAL_SHARE * largest
    elif step > largest * (1 + ROUNDING):
        raise InputError(
            f"time_step must be at most {largest:.4g} for this tension, spacing and medium; got "
            f"{step:.4g}. Take {USUAL_SHARE * largest:.2g}, or leave it to None."
        )
    # an interval of whole steps stays so, in spite of rounding
    counts = np.maximum(np.ceil(intervals / step * (1 - ROUNDING)), 1)
    if not counts.sum() <= MOST_STEPS:
        worst = int(np.argmax(counts))
        raise InputError(
            f"time_step must leave at most {MOST_STEPS:.0e} steps in all; {step:.3g} makes "
            f"{counts[worst]:.3g} steps of the interval of {intervals[worst]:.3g} after frame "
            f"{worst}: take a longer step or shorter intervals."
        )
    return counts.astype(np.int64)


def _follow(
    line: _Line,
    times: Float,
    drives: Float,
    counts: NDArray[np.int64],
    progress: Callable[[int, int], Any] | None,
    checkpoint: str | os.PathLike[str] | None,
) -> tuple[Float, tuple[str, ...]]:
    """Run the steps from frame to frame; return the heights at the frames reached."""
    ends = np.concatenate([[0], np.cumsum(counts)])
    medium = line.pinning
    table = np.empty((len(line.heights), 0)) if medium is None else medium.force_table()
    per_period = 0.0 if medium is None else 1.0 / medium.period
    edge = ENDS.index(line.options.ends)
    kt = line.options.thermal_energy / line.options.spacing
    pictures = np.empty((len(times), len(line.heights)))
    work, ziggurat = np.empty((4, len(line.heights))), ziggurat_tables()
    arguments = {
        "mobility": line.mobility, "stiffness": line.stiffness, "table": table, "kt": kt,
        "per_period": per_period, "ends": line.options.ends, "times": times, "drives": drives,
        "counts": counts, "start": line.heights.copy(), "lanes": line.lanes.copy(),
    }  # fmt: skip
    n_done = 0
    with LongRun(
        int(ends[-1]), progress=progress, checkpoint=checkpoint, arguments=arguments
    ) as run:
        if run.saved is not None:
            n_done = len(run.saved["pictures"])
            pictures[:n_done] = run.saved["pictures"]
            line.heights[:], line.lanes[:] = run.saved["heights"], run.saved["lanes"]
        for frame in range(n_done, len(times)):
            last = max(frame - 1, 0)
            span = (times[frame] - times[last]) / counts[last] if frame else 0.0

            def step(n: int, span: float = span, drive: float = drives[last]) -> None:
                line_steps(
                    line.heights, table, per_period, line.stiffness, float(drive), edge,
                    line.mobility * float(span),
                    float(np.sqrt(2.0 * line.mobility * kt * span)), n, line.lanes, ziggurat, work,
                )  # fmt: skip

            def arrays(n: int = frame) -> dict[str, NDArray[Any]]:
                return {"heights": line.heights, "lanes": line.lanes, "pictures": pictures[:n]}

            if not run.advance_to(int(ends[frame]), step, arrays):
                break
            pictures[frame] = line.heights
            n_done = frame + 1
    return pictures[:n_done], run.finish(n_done, len(times), "frames")


def _table(pictures: Float, times: Float, options: LineOptions) -> pd.DataFrame:
    """Return the contour points of all frames as the columns of a ``WallTrack``."""
    n_frames, n_points = pictures.shape
    mode = {"periodic": "wrap", "free": "edge", "pinned": "edge"}[options.ends]
    padded = np.pad(pictures, ((0, 0), (1, 1)), mode=mode)  # type: ignore[call-overload]
    dx = options.spacing
    slope = (padded[:, 2:] - padded[:, :-2]) / (2 * dx)
    bend = (padded[:, 2:] - 2 * pictures + padded[:, :-2]) / dx**2
    if options.ends == "pinned":  # a pinned end has a slope of its own, and no second neighbour
        slope[:, 0] = (pictures[:, 1] - pictures[:, 0]) / dx
        slope[:, -1] = (pictures[:, -1] - pictures[:, -2]) / dx
        bend[:, [0, -1]] = np.nan
    length = np.hypot(1.0, slope)
    steps = np.hypot(dx, np.diff(pictures, axis=1))
    velocity = np.full(pictures.shape, np.nan)
    if n_frames > 1:
        before = np.maximum(np.arange(n_frames) - 1, 0)
        after = np.minimum(np.arange(n_frames) + 1, n_frames - 1)
        velocity = (pictures[after] - pictures[before]) / (times[after] - times[before])[:, None]
    columns = {
        "x": np.tile(dx * np.arange(n_points), (n_frames, 1)),
        "y": pictures,
        "normal_x": -slope / length,
        "normal_y": 1.0 / length,
        "normal_error": np.zeros(pictures.shape),
        "error_correlation_length": np.zeros(pictures.shape),
        "arc_length": np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0))),
        "curvature": -bend / length**3,
        "normal_velocity": velocity / length,
    }
    table = pd.DataFrame({name: values.ravel() for name, values in columns.items()})
    table.insert(0, "frame", np.repeat(np.arange(n_frames), n_points))
    table.insert(1, "wall", 0)
    table.insert(2, "time", np.repeat(times, n_points))
    return table
