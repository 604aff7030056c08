"""Atom columns of every frame of a stack that is larger than the memory, kept frame by frame."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_count
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.find_atoms import find_atoms
from physlearn.datasets.reading.open_stack import Stack, open_stack
from physlearn.datasets.reading.part_files import PartFiles, claim_parts
from physlearn.executors import ExecutorLike, open_workers
from physlearn.option_fields import check_fields
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr
from physlearn.whole_files import write_whole

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AtomFrames", "StackAtomsOptions", "find_atoms_in_stack", "load_atom_frames"]

CONTENTS = "contents.json"
FORMAT = "physlearn-atom-frames-1"
NETCDF = ".nc"


@dataclass(frozen=True, slots=True, eq=False)
class StackAtomsOptions:
    """How the atoms of a stack are found.

    Attributes
    ----------
    noise, width, mask, options
        As in ``find_atoms``; a width that is not given is measured in each frame.
    keep_covariance
        Keep the joint covariance of all atoms of a frame, which takes about ten times the place;
        each atom's own is always kept.
    every
        Take every n-th frame only.

    Examples
    --------
    >>> StackAtomsOptions(width=2.5).every
    1
    """

    noise: str = "auto"
    width: float | None = None
    mask: ArrayLike | None = None
    options: FindAtomsOptions | None = None
    keep_covariance: bool = False
    every: int = 1

    def __post_init__(self) -> None:
        check_count("every", self.every, 1)
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class AtomFrames(Sequence[AtomicConfiguration]):
    """The atoms of every frame, read from a folder when they are asked for.

    Attributes
    ----------
    folder
        Holds one netCDF file a frame and ``contents.json``.
    frames
        int64, shape (n,): number of each frame in the stack.
    times
        float64, shape (n,), in ``time_unit``.
    n_atoms
        int64, shape (n,).

    Examples
    --------
    >>> import tempfile
    >>> y, x = np.mgrid[:48, :48]
    >>> mean = 5 + 200 * np.exp(-((x - 20.3) ** 2 + (y - 24.6) ** 2) / (2 * 2.5**2))
    >>> counts = np.random.default_rng(1).poisson(mean, (3, 48, 48))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = find_atoms_in_stack(counts, f"{folder}/atoms")
    ...     len(found), found[2].n, found.table()["frame"].tolist()
    (3, 1, [0, 1, 2])
    """

    folder: Path
    frames: NDArray[np.int64]
    times: NDArray[np.float64]
    time_unit: str
    n_atoms: NDArray[np.int64]

    __repr__ = short_repr
    _repr_html_ = html_table

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> AtomicConfiguration: ...
    @overload
    def __getitem__(self, index: slice) -> list[AtomicConfiguration]: ...
    def __getitem__(self, index: int | slice) -> AtomicConfiguration | list[AtomicConfiguration]:
        """Return the atoms of one frame, or of several as a list."""
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        return _load(PartFiles(self.folder), int(self.frames[index]))

    def tables(self) -> Iterator[pd.DataFrame]:
        """Give the table of one frame after the other: ``frame``, ``time``, then ``to_pandas``."""
        for place, number in enumerate(self.frames.tolist()):
            table = self[place].to_pandas()
            table.insert(0, "frame", number)
            table.insert(1, "time", float(self.times[place]))
            yield table

    def table(self) -> pd.DataFrame:
        """Return the atoms of all frames as one table; it must fit into memory."""
        import pandas as pd

        return pd.concat(list(self.tables()), ignore_index=True)

    def to_zarr(self, path: str | os.PathLike[str]) -> None:
        """Write the columns of `table` as arrays of a new Zarr group, one frame in memory.

        Raises
        ------
        InputError
            When there is something at the path.
        BackendUnavailable
            Without zarr.
        """
        from physlearn.datasets.reading.zarr_tables import write_tables

        write_tables(path, self.tables(), int(self.n_atoms.sum()), {"time_unit": self.time_unit})


def find_atoms_in_stack(
    source: Any,
    path: str | os.PathLike[str],
    options: StackAtomsOptions | None = None,
    *,
    executor: ExecutorLike | None = None,
    progress: Callable[[int], Any] | None = None,
) -> AtomFrames:
    """Find the atom columns of every frame of a stack of any size.

    Every frame is fitted by itself as by ``find_atoms``, to the last digit, and kept as soon as it
    is done; the same call goes on after an interruption. In memory are one block of frames and
    what the fit of a frame needs.

    Parameters
    ----------
    source
        What ``open_stack`` opens, or an iterator that gives frames (arrays or DataArrays), which
        are counted.
    path
        Folder of the results: new, or of an interrupted call.
    options
        ``StackAtomsOptions``.
    executor
        Threads, processes or a cluster for the fits (``"processes:4"``, an ``Executor``, a dask
        client); the frames are read here. The answer does not depend on it.
    progress
        Called with the number of frames that are done.

    Returns
    -------
    AtomFrames
        A sequence of ``AtomicConfiguration``, which ``link_atoms`` takes. A frame in which nothing
        can be fitted (constant, NaN) has no atoms and a warning that says why.

    Raises
    ------
    InputError
        For what is no stack, or a folder with other work.

    Examples
    --------
    >>> import tempfile
    >>> y, x = np.mgrid[:48, :48]
    >>> mean = 5 + 200 * np.exp(-((x - 20.3) ** 2 + (y - 24.6) ** 2) / (2 * 2.5**2))
    >>> rng = np.random.default_rng(1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = find_atoms_in_stack((rng.poisson(mean) for _ in range(2)), f"{folder}/atoms")
    ...     found.n_atoms.tolist()
    [1, 1]
    """
    chosen = options or StackAtomsOptions()
    stack = None if isinstance(source, Iterator) else open_stack(source)
    pictures = source if stack is None else None
    with claim_parts(path, _identity(stack, chosen)) as parts:
        done = _contents(parts.folder)
        if done is not None:
            return done
        tasks = _todo(stack, pictures, parts, chosen)
        numbers: list[int] = []
        with open_workers(executor) as workers:
            for _, (number, atoms) in workers.run(_one, _kept(tasks, numbers, chosen)):
                atoms.save(parts.place(number, NETCDF))
                if progress is not None:
                    progress(number // chosen.every + 1)
        return _finish(parts, stack, numbers)


def load_atom_frames(path: str | os.PathLike[str]) -> AtomFrames:
    """Open the folder that `find_atoms_in_stack` wrote.

    Raises
    ------
    InputError
        When it holds no finished work.

    Examples
    --------
    >>> load_atom_frames("nowhere")
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: nowhere holds no finished frames of find_atoms_in_stack.
    """
    found = _contents(Path(path))
    if found is None:
        raise InputError(f"{path} holds no finished frames of find_atoms_in_stack.")
    return found


def _identity(stack: Stack | None, chosen: StackAtomsOptions) -> str:
    mask = None if chosen.mask is None else np.asarray(chosen.mask)
    told = hashlib.sha256(repr(replace(chosen, mask=None)).encode())
    if mask is not None:
        told.update(repr(mask.shape).encode() + np.ascontiguousarray(mask).tobytes())
    # frames that an iterator gives are gone when they are looked at
    told.update(b"iterator" if stack is None else stack.identity().encode())
    return told.hexdigest()


def _todo(
    stack: Stack | None, pictures: Iterable[Any] | None, parts: PartFiles, chosen: StackAtomsOptions
) -> Iterator[tuple[int, Any]]:
    """Give (number, frame) for all frames; None for the frame of one that is done."""
    if stack is not None:
        for number in range(0, stack.n_frames, chosen.every):
            kept = _is_kept(parts, number)
            yield number, None if kept else stack.picture(number)
        return
    for number, picture in enumerate(pictures or ()):
        if number % chosen.every == 0:
            yield number, None if _is_kept(parts, number) else picture


def _kept(
    tasks: Iterable[tuple[int, Any]], numbers: list[int], chosen: StackAtomsOptions
) -> Iterator[tuple[int, Any, StackAtomsOptions]]:
    """Give the tasks that are left, and note all frames."""
    for number, picture in tasks:
        numbers.append(number)
        if picture is not None:
            yield number, picture, chosen


def _is_kept(parts: PartFiles, number: int) -> bool:
    if not parts.file(number, NETCDF).is_file():
        return False
    try:
        _load(parts, number)
    except InputError:
        return False
    return True


def _load(parts: PartFiles, number: int) -> AtomicConfiguration:
    return AtomicConfiguration.load(parts.file(number, NETCDF))


def _one(number: int, picture: Any, chosen: StackAtomsOptions) -> tuple[int, AtomicConfiguration]:
    """Return the atoms of one frame."""
    try:
        atoms = find_atoms(
            picture, noise=chosen.noise, width=chosen.width, mask=chosen.mask,
            options=chosen.options,
        )  # fmt: skip
    except InputError as error:
        unit = "pixel"
        if isinstance(picture, xr.DataArray) and "x" in picture.coords:
            unit = str(picture["x"].attrs.get("units", "pixel"))
        text = f"frame {number} was not fitted: {error}"
        return number, AtomicConfiguration(np.empty((0, 2)), unit=unit, warnings=(text,))
    return number, atoms if chosen.keep_covariance else atoms.with_changes(covariance=None)


def _finish(parts: PartFiles, stack: Stack | None, numbers: list[int]) -> AtomFrames:
    """Write what the folder holds, and return it."""
    if not numbers:
        raise InputError("source must hold at least one frame; it gave none.")
    times = [float(k) for k in numbers] if stack is None else stack.times[numbers].tolist()
    counts, refused = [], 0
    for number in numbers:
        atoms = _load(parts, number)
        counts.append(atoms.n)
        refused += any(text.startswith(f"frame {number} was not") for text in atoms.warnings)
    if refused == len(numbers):
        raise InputError(f"no frame can be fitted; {_load(parts, numbers[0]).warnings[-1]}")
    told = {
        "format": FORMAT, "frames": numbers, "times": times, "n_atoms": counts,
        "time_unit": "frame" if stack is None else stack.time_unit,
    }  # fmt: skip
    write_whole(parts.folder / CONTENTS, json.dumps(told))
    found = _contents(parts.folder)
    assert found is not None  # noqa: S101 -- it was written in the line above
    return found


def _contents(folder: Path) -> AtomFrames | None:
    """Return the frames of a folder that is complete."""
    try:
        told = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / CONTENTS} is damaged ({error}); remove it.") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise InputError(f"{folder / CONTENTS} must be of find_atoms_in_stack; it is another's.")
    return AtomFrames(
        folder, np.array(told["frames"], np.int64), np.array(told["times"], np.float64),
        str(told["time_unit"]), np.array(told["n_atoms"], np.int64),
    )  # fmt: skip
