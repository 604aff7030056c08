"""Frames of one film of domain walls: the growing stack, its walls, and what moves them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physlearn.checks import InputError, NotIdentified
from physlearn.findings import Findings, run_steps
from physlearn.live.pictures import fit_estimates
from physlearn.live.records import Estimate, WatchOptions

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FILM_STEPS", "analyse_film", "film_estimates", "frame_shifts", "stack_frames"]

FILM_STEPS = ("domain_share", "walls", "wall_advance", "wall_parameters")
LARGEST_REGISTERED = 100
"""Pixels of an edge up to which frames are registered as they are; larger ones are binned: a drift
that matters is found at a sixteenth of the cost."""
SHIFT_SHARE = 0.125
"""Share of the frame's edge within which a shift from frame to frame is looked for."""


def stack_frames(
    images: Sequence[xr.DataArray], names: Sequence[str], options: WatchOptions
) -> tuple[xr.DataArray, list[str]]:
    """Return the frames as one film (time, y, x), and warnings about its drive.

    Times count frames unless ``frame_interval_s`` is given.

    Raises
    ------
    InputError
        When shapes differ.

    Examples
    --------
    >>> import xarray as xr
    >>> frames = [xr.DataArray(np.full((4, 5), float(k)), dims=("y", "x")) for k in range(3)]
    >>> stack_frames(frames, ["a", "b", "c"], WatchOptions(frame_interval_s=2.0))[0].time.to_numpy()
    array([0., 2., 4.])
    """
    import xarray as xr

    first = images[0]
    for name, image in zip(names, images, strict=True):
        if image.shape != first.shape:
            raise InputError(
                f"frames of a film must have one shape; {name} has {image.shape}, {names[0]} has "
                f"{first.shape}."
            )
    step = options.frame_interval_s
    times = np.arange(len(images)) * (1.0 if step is None else step)
    film = xr.DataArray(
        np.stack([image.to_numpy() for image in images]),
        dims=("time", "y", "x"),
        coords={
            "time": ("time", times, {"units": "frame" if step is None else "s"}),
            **{dim: first.coords[dim] for dim in ("y", "x") if dim in first.coords},
        },
        attrs={key: value for key, value in first.attrs.items() if key != "warnings"},
        name="film",
    )
    if options.drive is None:
        return film, []
    try:
        values, unit = read_growing_drive(options.drive, len(images))
    except (InputError, FileNotFoundError) as refusal:
        return film, [f"the drive could not be read, and the film is studied without: {refusal}"]
    return film.assign_coords(drive=("time", values, {"units": unit})), []


def read_growing_drive(path: str | os.PathLike[str], n_frames: int) -> tuple[np.ndarray, str]:
    """Read the drive of the first ``n_frames`` frames of a CSV that may hold more rows."""
    from physlearn.datasets.reading.read_drive import read_drive

    lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    rows = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    values, unit = read_drive(path, len(rows) - 1)
    if len(values) < n_frames:
        raise InputError(f"{Path(path).name} has {len(values)} rows for {n_frames} frames.")
    return values[:n_frames], unit


def analyse_film(film: xr.DataArray, seed: int) -> Findings:
    """Track the walls of a film and fit what moves them."""
    from physlearn.steps_plan import PLAN_STEPS
    from physlearn.steps_video import VIDEO_STEPS

    by_name = {step.name: step for step in VIDEO_STEPS}
    findings = Findings("film", seed, video=film)
    steps = [by_name[name] for name in FILM_STEPS]
    return run_steps([*steps, *PLAN_STEPS], findings)


def film_estimates(findings: Findings) -> tuple[Estimate, ...]:
    """Return velocity, wall parameters and the share of the bright domain."""
    found = []
    basis = "" if findings.video is None else f"{findings.video.sizes['time']} frames"
    advance = findings.wall_advance
    if advance is not None:
        found.append(
            Estimate("wall_velocity", "mean velocity of the walls", advance.mean, advance.low,
                     advance.high, advance.unit, "", basis)
        )  # fmt: skip
    if findings.wall_fit is not None:
        found += fit_estimates(findings.wall_fit, basis)
    return tuple(found)


def frame_shifts(film: xr.DataArray, known: int = 0) -> list[tuple[float, float, float] | None]:
    """Return (x, y, error) of each frame from ``known`` on against the one before, in pixels."""
    from physlearn.datasets.scan.register_images import register_images

    shifts: list[tuple[float, float, float] | None] = []
    bin_px = max(1, -(-max(film.sizes["y"], film.sizes["x"]) // LARGEST_REGISTERED))
    values = film.coarsen(y=bin_px, x=bin_px, boundary="trim").mean().to_numpy()
    for k in range(max(known, 1), len(values)):
        try:
            found = register_images(
                values[k - 1], values[k], model="shift",
                largest_shift_px=SHIFT_SHARE * min(values.shape[1:]),
            )  # fmt: skip
        except (NotIdentified, InputError):
            shifts.append(None)
            continue
        x, y = (bin_px * found.shift).tolist()
        shifts.append((x, y, bin_px * float(np.hypot(*found.shift_sd))))
    return shifts
