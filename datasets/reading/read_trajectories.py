"""Atoms over time from files of simulations and of trackers, identities kept."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from physlearn.checks import InputError, check_array, check_choice, check_positive
from physlearn.datasets.reading.file_checks import check_file, check_memory, one_line
from physlearn.datasets.reading.structure_files import ASE_FORMATS, Frame, ase_frames, gsd_frames
from physlearn.records import Trajectory
from physlearn.records.atoms import LENGTH_UNITS

__all__ = ["read_trajectory"]

BOX_TOLERANCE = 1e-6


def read_trajectory(
    path: str | os.PathLike[str],
    *,
    unit: str | None = None,
    frame_interval_s: float | None = None,
) -> Trajectory:
    """Read all frames of a file: GSD, LAMMPS dump, XYZ, or a CSV with frame and particle.

    Parameters
    ----------
    path
        GSD (reduced units), LAMMPS dump, XYZ and extended XYZ (angstrom; a particle is the same
        row in each frame), or CSV with columns frame, particle, x, y (z) as trackpy writes it
        (its first line may say ``# unit: nm``; else pixels).
    unit
        Unit of length where the file states none.
    frame_interval_s
        Seconds from frame to frame; None leaves times in frames.

    Returns
    -------
    Trajectory
        ``times`` in s or in frames, ``cell`` where it is the same in all frames; ``metadata``
        holds the first step and the steps from frame to frame where the file states them.

    Raises
    ------
    InputError
        One sentence that names the file and what to do.
    BackendUnavailable
        When ASE or gsd is needed and not installed; it names the extra.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "tracks.csv"
    >>> _ = pd.DataFrame({"frame": [0, 1], "particle": 0, "x": [1.0, 2.0], "y": 0.0}).to_csv(file)
    >>> read_trajectory(file, frame_interval_s=0.5).times.tolist()
    [0.0, 0.5]
    """
    path = Path(path)
    check_file(path, "trajectory")
    if unit is not None:
        check_choice("unit", unit, LENGTH_UNITS)
    step = (
        None if frame_interval_s is None else check_positive("frame_interval_s", frame_interval_s)
    )
    kind = path.suffix.lower()
    if kind == ".csv":
        return _from_table(path, unit, step)
    if kind == ".gsd":
        frames, _ = gsd_frames(path, None)
        own = "reduced"
    elif kind in (".xyz", *ASE_FORMATS):
        frames, _ = ase_frames(path, ASE_FORMATS.get(kind, "extxyz"), None)
        own = "angstrom"
    else:
        raise InputError(
            f"{path} is of no kind that read_trajectory knows ({kind or 'no suffix'}); give GSD, "
            "LAMMPS dump, XYZ or CSV."
        )
    return _from_frames(path, frames, unit or own, step)


def _from_frames(path: Path, frames: list[Frame], unit: str, step: float | None) -> Trajectory:
    counts = {len(frame.positions) for frame in frames}
    if not counts:
        raise InputError(f"{path} holds no frame.")
    if len(counts) > 1:
        raise InputError(
            f"{path} holds {min(counts)} to {max(counts)} atoms in its frames, so their identities "
            "are not known; read each with read_coordinates and link them with link_atoms."
        )
    n, n_frames = counts.pop(), len(frames)
    notes = list(dict.fromkeys(note for frame in frames for note in frame.warnings))
    cells = [frame.cell for frame in frames]
    cell = cells[0]
    if cell is not None and not all(
        one is not None and np.allclose(one, cell, rtol=BOX_TOLERANCE) for one in cells
    ):
        cell = None
        notes.append(f"{path.name}: the box changes from frame to frame; none is kept.")
    metadata: dict[str, str | int] = {"source": path.name}
    steps = [frame.step for frame in frames]
    known = [number for number in steps if number is not None]
    if len(known) == n_frames:
        apart = np.diff(known)
        metadata["first_step"] = known[0]
        if n_frames > 1 and (apart == apart[0]).all() and apart[0] > 0:
            metadata["steps_per_frame"] = int(apart[0])
        elif n_frames > 1:
            notes.append(
                f"{path.name}: its steps are not evenly spaced or stand still; times count frames."
            )
    if step is None:
        notes.append(f"{path.name} has no time scale: times stay in frames.")
    metadata["species"] = " ".join(frames[0].names)
    return Trajectory(
        np.repeat(np.arange(n_frames), n), np.tile(np.arange(n), n_frames),
        np.concatenate([frame.positions for frame in frames]),
        np.arange(n_frames, dtype=np.float64) * (step or 1.0), unit=unit,
        time_unit="frame" if step is None else "s", cell=cell, metadata=metadata,
        warnings=tuple(notes),
    )  # fmt: skip


def _from_table(path: Path, unit: str | None, step: float | None) -> Trajectory:
    try:
        with path.open(encoding="utf-8") as file:
            first = file.readline()
        table = pd.read_csv(path, comment="#")
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(
            f"{path} cannot be read as CSV ({one_line(error)}); check the export."
        ) from None
    missing = [name for name in ("frame", "particle", "x", "y") if name not in table]
    if missing or table.empty:
        raise InputError(
            f"{path} must have rows and columns frame, particle, x and y; "
            f"{', '.join(missing) or 'every row'} missing."
        )
    stated = first.split(":", 1)[1].strip() if first.startswith("# unit:") else "pixel"
    axes = [axis for axis in ("x", "y", "z") if axis in table]
    frame = check_array(f"frame in {path}", table["frame"].to_numpy(), dtype=np.int64, minimum=0)
    check_memory(path, (int(frame.max()) + 1,), 2)  # one time a frame, also for those without a row
    notes = () if step else (f"{path.name} has no time scale: times stay in frames.",)
    return Trajectory(
        frame, check_array(f"particle in {path}", table["particle"].to_numpy(), dtype=np.int64),
        check_array(f"positions in {path}", table[axes].to_numpy()),
        np.arange(int(frame.max()) + 1, dtype=np.float64) * (step or 1.0), unit=unit or stated,
        time_unit="frame" if step is None else "s", metadata={"source": path.name},
        warnings=notes,
    )  # fmt: skip
