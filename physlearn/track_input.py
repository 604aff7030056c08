"""A study's input of tracked particles: which files hold them, and reading them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from physlearn.records import Trajectory

__all__ = ["read_tracks"]

TRACK_SUFFIXES = (".csv", ".gsd", ".dump", ".lammpstrj", ".xyz", ".extxyz")


def read_tracks(path: str | os.PathLike[str]) -> Trajectory | None:
    r"""Read a file of tracked particles (CSV with frame and particle, GSD, dump); None for others.

    Raises
    ------
    InputError
        When a file of such a kind cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> name = Path(tempfile.mkdtemp()) / "tracks.csv"
    >>> _ = name.write_text("frame,particle,x,y\n0,1,2.0,3.0\n1,1,2.1,3.0\n")
    >>> read_tracks(name).n_frames
    2
    """
    file = Path(path)
    if not file.is_file() or file.suffix.lower() not in TRACK_SUFFIXES:
        return None
    from physlearn.datasets.reading.read_trajectories import read_trajectory

    return read_trajectory(file)
