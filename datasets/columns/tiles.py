"""Pictures too large to be fitted at once: tile by tile, each kept on disk, joined at the end."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotFound, check_choice, check_positive
from physlearn.datasets.columns.column_covariance import ColumnCovariance
from physlearn.datasets.columns.column_fit import Report
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.find_atoms import NOISE_KINDS, find_atoms
from physlearn.datasets.columns.recorded_settings import recorded_settings
from physlearn.datasets.columns.tile_join import GROUP, TilePlan, join_tiles, tile_file
from physlearn.datasets.columns.usable_pixels import FEWEST_USABLE_SHARE
from physlearn.datasets.reading.open_picture import open_picture
from physlearn.datasets.reading.read_channels import has_menu
from physlearn.file_lock import alone_with, lock_beside
from physlearn.records import AtomicConfiguration
from physlearn.whole_files import atomic_write, write_whole

if TYPE_CHECKING:
    from scipy.sparse import csc_array

__all__ = ["find_atoms_in_tiles", "read_tile_covariance"]

Floats = NDArray[np.float64]
SMALLEST_TILE = 128
OVERLAP_WIDTHS = 24.0
"""Two spacings of the background's nodes: columns further out change a fit by less than .1 %."""
SAMPLE_PX = 1024
ROWS_AT_ONCE = 1_000_000
ENOUGH_USABLE = 0.5
SMALLEST_PART = 32
"""Edge of the smallest part that is fitted, in pixels."""
Part = tuple[slice, slice]


def find_atoms_in_tiles(
    image: xr.DataArray | ArrayLike | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    noise: str = "auto",
    width: float | None = None,
    options: FindAtomsOptions | None = None,
    mask: ArrayLike | None = None,
    tile: int = 1536,
    progress: Report | None = None,
) -> AtomicConfiguration:
    """Find all atom columns of a picture of any size, in overlapping tiles.

    As ``find_atoms``, with the memory of one tile: the picture may be on disk, and the
    covariances are spilled to the file as float32. Finished tiles lie beside the file until all
    are there; the same call goes on after an interruption.

    Parameters
    ----------
    image
        Shape (rows, columns): an array, a memory map, a dask, Zarr or HDF5 array, a DataArray, or
        the path of an NPY, Zarr or HDF5 file; only the tile's part is read.
    path
        The netCDF file to write: ``AtomicConfiguration.load`` reads it, ``read_tile_covariance``
        the joint covariance.
    noise, width, options, mask
        As in ``find_atoms``; a common width that is not given is measured on the middle (where
        that is masked, on the part of which most counts). A tile that is masked has no atoms.
    tile
        Edge of a tile in pixels, at least 128; 1536 takes about .5 GB.
    progress
        Called with the share done (0 to 1) and a word.

    Returns
    -------
    AtomicConfiguration
        Without ``covariance``, which stays in the file.

    Raises
    ------
    InputError
        For what ``find_atoms`` refuses, a tile that is too small, or a folder of unfinished tiles
        of other work.

    Examples
    --------
    >>> import tempfile
    >>> y, x = np.mgrid[:200, :300]
    >>> mean = 5 + 99 * np.exp(-((x % 20 - 9.7) ** 2 + (y % 20 - 9.2) ** 2) / (2 * 2.5**2))
    >>> counts = np.random.default_rng(1).poisson(mean).astype(float)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     atoms = find_atoms_in_tiles(counts, f"{folder}/a.nc", noise="poisson", tile=150)
    >>> atoms.n
    150
    """
    check_positive("tile", tile)
    if tile < SMALLEST_TILE:
        raise InputError(f"tile must be at least {SMALLEST_TILE} pixels; got {tile}.")
    if width is not None:
        check_positive("width", width)
    picture = _opened(image)
    if picture.ndim != 2:
        raise InputError(f"image must have shape (rows, columns); got {picture.shape}.")
    flags = _flags(mask, picture.shape)
    arguments: dict[str, Any] = {"noise": _kind(picture, noise, options), "options": options}
    if width is None:
        width = _common_width(picture, flags, arguments)
    plan = TilePlan(picture.shape, int(tile), int(np.ceil(OVERLAP_WIDTHS * width)), width)
    folder = Path(f"{os.fspath(path)}.tiles")
    busy = f"path {os.fspath(path)!r} is being written by {{holder}}; wait for it, or give another."
    with alone_with(lock_beside(path), busy):
        _claim(folder, picture, plan, noise, options, flags)
        numbers = list(plan.tiles())
        for done, number in enumerate(numbers):
            part = tile_file(folder, number)
            if not part.is_file():
                arrays = _fit_tile(picture, flags, plan, number, arguments)
                with atomic_write(part) as temporary, temporary.open("wb") as file:
                    np.savez(file, **arrays)
            if progress is not None:
                progress(0.95 * (done + 1) / len(numbers), "tiles")
        settings = options or FindAtomsOptions()
        said = {"noise_model": arguments["noise"], "polarity": settings.polarity}
        said |= recorded_settings(settings, flags)
        atoms = join_tiles(picture, plan, folder, Path(path), said)
        shutil.rmtree(folder)
    if progress is not None:
        progress(1.0, "joined")
    return atoms


def _opened(image: Any) -> Any:
    """Return a DataArray or an array that is sliced without being read."""
    if isinstance(image, str | os.PathLike):
        if str(image).endswith(".npy"):
            return np.load(image, mmap_mode="r", allow_pickle=False)
        if not has_menu(Path(image)):
            raise InputError(
                "image must be an array or the path of an NPY, Zarr or HDF5 file; "
                f"got {os.fspath(image)}."
            )
        image = open_picture(Path(image))
    if not isinstance(image, xr.DataArray):
        # dask, Zarr and HDF5 arrays are sliced; numpy would read them whole
        sliced = all(hasattr(image, name) for name in ("shape", "ndim", "dtype", "__getitem__"))
        return image if sliced else np.asanyarray(image)
    # rows first, whatever the order of the dimensions
    return image.transpose("y", "x") if set(image.dims) == {"y", "x"} else image


def _flags(mask: ArrayLike | None, shape: tuple[int, int]) -> Any:
    """Return the mask, checked, or None where all pixels count."""
    if mask is None:
        return None
    flags = np.asanyarray(mask)
    if flags.shape != tuple(shape) or flags.dtype != np.bool_:
        raise InputError(
            f"mask must be a boolean array of the picture's shape {tuple(shape)} (True where a "
            f"pixel counts); got {flags.dtype} of shape {flags.shape}."
        )
    if not flags.any():
        raise InputError("mask leaves nothing of the picture; some pixels must count.")
    return flags


def _kind(picture: Any, noise: str, options: FindAtomsOptions | None) -> str:
    """Return the noise model of all tiles."""
    check_choice("noise", noise, NOISE_KINDS)
    if noise != "auto":
        return noise
    if options is not None and options.row_levels:
        return "gaussian"
    known = isinstance(picture, xr.DataArray) and picture.attrs.get("counts") == "known"
    return "poisson" if known else "gain"


def _pixels(picture: Any, rows: slice, columns: slice) -> NDArray[Any]:
    """Return the values of a part of the picture."""
    part = picture[rows, columns]
    return np.asarray(part.to_numpy() if isinstance(part, xr.DataArray) else part)


def _common_width(picture: Any, flags: Any, arguments: dict[str, Any]) -> float:
    """Return the columns' width in the middle of the picture, or where most of it counts."""
    edges = [min(length, SAMPLE_PX) for length in picture.shape]
    lows = [(length - edge) // 2 for length, edge in zip(picture.shape, edges, strict=True)]
    part = _part(lows, edges)
    if flags is not None and flags[part].mean() < ENOUGH_USABLE:
        starts = [
            np.unique(np.append(np.arange(0, length - edge, max(1, edge // 2)), length - edge))
            for length, edge in zip(picture.shape, edges, strict=True)
        ]
        parts = [_part([int(y), int(x)], edges) for y in starts[0] for x in starts[1]]
        part = max(parts, key=lambda one: float(flags[one].mean()))
    crop, good = _usable(part, flags)
    if crop is None:
        raise InputError(
            f"mask leaves less than 5 % of each {edges[0]} x {edges[1]} pixels; give the columns' "
            "width or another mask."
        )
    atoms = find_atoms(_pixels(picture, *crop), mask=good, **arguments)
    return float(atoms.metadata["column_width_px"])


def _part(lows: list[int], edges: list[int]) -> Part:
    """Return the slices of a part of the picture."""
    rows, columns = (slice(low, low + edge) for low, edge in zip(lows, edges, strict=True))
    return rows, columns


def _usable(part: Part, flags: Any) -> tuple[Part | None, Any]:
    """Return what is left of a part without its masked margins, and its mask.

    None where next to nothing of it counts.
    """
    if flags is None:
        return part, None
    good = flags[part]
    if not good.any():
        return None, None
    inner = []
    for axis in (0, 1):
        there = np.flatnonzero(good.any(axis=1 - axis))
        short = max(0, SMALLEST_PART - int(there[-1] + 1 - there[0]))
        low = max(0, int(there[0]) - short)
        high = max(int(there[-1]) + 1, low + SMALLEST_PART)
        inner.append(slice(low, min(good.shape[axis], high)))
    good = good[inner[0], inner[1]]
    if good.mean() < FEWEST_USABLE_SHARE:
        return None, None
    offset = [edge.start for edge in part]
    rows, columns = (
        slice(edge.start + low, edge.stop + low) for edge, low in zip(inner, offset, strict=True)
    )
    return (rows, columns), good


def _claim(
    folder: Path, picture: Any, plan: TilePlan, noise: str, options: Any, flags: Any
) -> None:
    """Make the folder of finished tiles, or check that it holds tiles of this very work."""
    told = hashlib.sha256(repr((plan, noise, options)).encode())
    step = max(1, picture.shape[0] // 16)
    for row in range(0, picture.shape[0], step):
        told.update(_pixels(picture, slice(row, row + 1), slice(None)).tobytes())
        if flags is not None:
            told.update(flags[row].tobytes())
    name = folder / "identity.txt"
    if name.is_file():
        if name.read_text(encoding="utf-8") != told.hexdigest():
            raise InputError(
                f"{folder} must hold unfinished tiles of this picture with these settings, and "
                "holds others; remove it or give another path."
            )
        return
    if not folder.parent.is_dir():
        raise InputError(f"path must lie in a folder that exists; {folder.parent} does not.")
    folder.mkdir(exist_ok=True)
    for left in folder.glob("*.npz"):  # tiles of nobody knows what: killed while it cleared up
        left.unlink()
    write_whole(name, told.hexdigest())


def _fit_tile(
    picture: Any, flags: Any, plan: TilePlan, number: tuple[int, int], arguments: dict[str, Any]
) -> dict[str, Any]:
    """Return the columns that a tile answers for, and what they share with those next door."""
    window = plan.window(number[0], 0), plan.window(number[1], 1)
    some = flags is None or bool(flags[_core(plan, number)].any())
    part, good = _usable(window, flags) if some else (None, None)
    if part is None:
        return _empty_tile(some=some)
    rows, columns = part
    atoms = find_atoms(_pixels(picture, rows, columns), mask=good, width=plan.width, **arguments)
    places = atoms.positions + np.array([columns.start, rows.start])
    outside = plan.outside(number, places)
    mine = outside < 0.5 * plan.width
    wanted = ("width", "intensity", "intensity_sd", "detection_probability")
    arrays: dict[str, Any] = {
        name: getattr(atoms, name)[mine] for name in wanted if getattr(atoms, name) is not None
    }
    local = np.cumsum(mine) - 1
    blocks = np.zeros((int(mine.sum()), 4, 4), dtype=np.float32)
    pairs, cross = np.empty((0, 2), np.int64), np.empty((0, 4, 4), np.float32)
    if atoms.covariance is not None and atoms.n:
        matrix = atoms.covariance.tobsr((4, 4))
        row = np.repeat(np.arange(atoms.n), np.diff(matrix.indptr))
        column = matrix.indices.astype(np.int64)
        own = row == column
        blocks[:] = matrix.data[own][np.argsort(row[own])][mine]
        pairs, cross = np.stack([row, column], axis=1), matrix.data
        pairs, cross = pairs[~own], cross[~own]
    inner = mine[pairs].all(axis=1) & (pairs[:, 0] < pairs[:, 1])
    # the column next door is known there by another number: it is told by its place
    border = mine[pairs[:, 0]] & (outside[pairs[:, 1]] > -0.5 * plan.width)
    noise = (atoms.metadata["noise_offset"], atoms.metadata["noise_gain"])
    return arrays | {
        "positions": places[mine], "outside": outside[mine], "blocks": blocks,
        "position_covariance": atoms.position_covariance[mine],  # type: ignore[index]
        "pairs": local[pairs[inner]], "cross": cross[inner].astype(np.float32),
        "border": local[pairs[border, 0]], "border_places": places[pairs[border, 1]],
        "border_cross": cross[border].astype(np.float32),
        "noise": np.array(noise), "warnings": np.array(atoms.warnings, dtype=np.str_),
    }  # fmt: skip


def _core(plan: TilePlan, number: tuple[int, int]) -> Part:
    """Return the pixels that the columns of a tile's own part reach."""
    reach = int(np.ceil(4.0 * plan.width))
    (y0, y1), (x0, x1) = plan.core(number[0], 0), plan.core(number[1], 1)
    return slice(max(0, y0 - reach), y1 + reach), slice(max(0, x0 - reach), x1 + reach)


def _empty_tile(*, some: bool) -> dict[str, Any]:
    """Return a tile of which nothing counts."""
    said = ["less than 5 % of the tile's pixels count (mask): it was left out."] if some else []
    pairs, blocks = np.empty((0, 2), np.int64), np.empty((0, 4, 4), np.float32)
    none = np.empty(0)
    return {
        "positions": np.empty((0, 2)), "position_covariance": np.empty((0, 2, 2)),
        "outside": none, "width": none, "intensity": none, "intensity_sd": none,
        "detection_probability": none, "blocks": blocks, "pairs": pairs, "cross": blocks,
        "border": np.empty(0, np.int64), "border_places": np.empty((0, 2)), "border_cross": blocks,
        "noise": np.full(2, np.nan), "warnings": np.array(said, dtype=np.str_),
    }  # fmt: skip


def read_tile_covariance(path: str | os.PathLike[str], which: ArrayLike | None = None) -> csc_array:
    """Return the joint covariance of atoms from the file of ``find_atoms_in_tiles``.

    Parameters
    ----------
    path
        The file.
    which
        Numbers of the atoms wanted, each once; None takes all.

    Returns
    -------
    csc_array
        float32, shape (4 n, 4 n), in the atoms' unit; per atom x, y, log amplitude, log width.

    Raises
    ------
    InputError
        When the file holds no such covariance, or not those atoms.

    Examples
    --------
    >>> import tempfile
    >>> y, x = np.mgrid[:128, :128]
    >>> mean = 5 + 99 * np.exp(-((x % 16 - 7.7) ** 2 + (y % 16 - 8.2) ** 2) / (2 * 2.5**2))
    >>> counts = np.random.default_rng(1).poisson(mean).astype(float)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     atoms = find_atoms_in_tiles(counts, f"{folder}/a.nc", noise="poisson")
    ...     covariance = read_tile_covariance(f"{folder}/a.nc", [3, 4])
    >>> covariance.shape
    (8, 8)
    """
    import h5py

    if not Path(path).is_file():
        raise NotFound(f"no such file: {path}")
    with h5py.File(path, "r") as file:
        if GROUP not in file:
            raise InputError(f"{path} must be a file of find_atoms_in_tiles; it has no covariance.")
        group = file[GROUP]
        n = len(group["blocks"])
        chosen = np.arange(n) if which is None else np.asarray(which, dtype=np.int64).ravel()
        if len(chosen) and (chosen.min() < 0 or chosen.max() >= n):
            raise InputError(f"which must hold numbers from 0 to {n - 1}.")
        if len(np.unique(chosen)) != len(chosen):
            raise InputError("which must name each atom once.")
        flags = np.full(n, -1, dtype=np.int64)
        flags[chosen] = np.arange(len(chosen))
        blocks = group["blocks"][:][chosen].astype(np.float64)
        pairs, cross = [np.empty((0, 2), np.int64)], [np.empty((0, 4, 4), np.float32)]
        for low in range(0, len(group["pairs"]), ROWS_AT_ONCE):
            part = flags[group["pairs"][low : low + ROWS_AT_ONCE]]
            good = (part >= 0).all(axis=1)
            if good.any():
                pairs.append(part[good])
                cross.append(group["cross"][low : low + ROWS_AT_ONCE][good])
    return ColumnCovariance(blocks, np.concatenate(pairs), np.concatenate(cross)).sparse()
