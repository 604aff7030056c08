"""The channels that a file offers: one table from a file's suffix to what lists them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np
import xarray as xr

from physlearn.checks import BackendUnavailable, InputError
from physlearn.datasets.reading.channel import Channel, channel_array
from physlearn.datasets.reading.file_checks import check_file, check_size, unreadable
from physlearn.datasets.reading.readers import find_lister, has_lister

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FOLDERS", "channels_of", "has_menu", "list_channels", "pick_channel", "read_channels"]

FOLDERS = (".zarr", ".zspy")
READ_WHOLE = re.compile(r"\.(probe_files|gwyddion_files)$")
"""Modules whose libraries load a whole file before they say what it holds."""
MOST_NAMED = 12
LONGEST_NAME = 40


def _key(path: Path) -> str:
    """Return a file's suffix; those of MATRIX carry the channel's name before theirs."""
    suffix = path.suffix.lower()
    return ".mtrx" if suffix.endswith("_mtrx") else suffix


def has_menu(path: Path) -> bool:
    """Return whether a file's suffix is one of those that may hold several channels."""
    return has_lister(_key(path))


def channels_of(path: Path) -> list[Channel]:
    """Return the channels of a file, none of them loaded yet.

    Raises
    ------
    InputError
        For another kind of file, or one that holds no array of two dimensions.
    """
    check_file(path, "data", FOLDERS)
    key = _key(path)
    if not has_lister(key):
        raise InputError(
            f"{path} is of no kind that has a menu of channels ({key or 'no suffix'}); read one "
            "picture with read_image and a film with read_video, or tell how such files are read "
            "with register_reader."
        )
    listing = find_lister(key)
    home = str(getattr(listing, "__module__", ""))
    if READ_WHOLE.search(home):
        check_size(path)
    try:
        found = listing(path)
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from None
    except BackendUnavailable:
        raise
    except Exception as error:  # a damaged file may raise anything, in our readers as in others
        raise unreadable(path, error) from error
    if not all(isinstance(one, Channel) for one in found):
        raise InputError(
            f"the reader of {key} files must return a list of Channel; got "
            f"{', '.join(sorted({type(one).__name__ for one in found}))}."
        )
    if not found:
        raise InputError(f"{path} holds no array of two or more dimensions; there is no picture.")
    return found


def pick_channel(
    path: Path, channels: Sequence[Channel], channel: int | str | None, kind: str
) -> Channel:
    """Return one channel by its number or name; without either the only one of its kind.

    Raises
    ------
    InputError
        When none or several fit; the message holds the menu.
    """
    menu = ", ".join(
        f"{number} {''.join(letter for letter in one.name if letter.isprintable())[:LONGEST_NAME]}"
        for number, one in enumerate(channels[:MOST_NAMED])
    )
    if len(channels) > MOST_NAMED:
        menu += f" and {len(channels) - MOST_NAMED} more"
    if channel is None:
        fitting = [one for one in channels if one.kind == kind]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise InputError(
                f"{path} holds {len(fitting)} channels; name one with --picture (in Python "
                f"channel=): {menu}; or read all with read_channels."
            )
        held = sorted({one.kind for one in channels})
        remedy = (
            ": read one with read_image and map its walls with find_walls; several files in a row "
            "are a film, track_walls([frame, frame, ...])"
            if kind == "film" and "picture" in held else ": read it with read_channels"
        )  # fmt: skip
        raise InputError(f"{path} holds no {kind}, but {', '.join(held)} ({menu}){remedy}.")
    if isinstance(channel, SupportsIndex) and not isinstance(channel, bool):
        channel = index(channel)  # also a NumPy number, taken from list_channels' table
    if isinstance(channel, bool) or not isinstance(channel, int | str):
        raise InputError(f"channel must be a number or a name; got {channel!r}.")
    if isinstance(channel, int):
        fitting = list(channels[channel : channel + 1]) if channel >= 0 else []
    else:
        fitting = [one for one in channels if one.name == channel]
    if len(fitting) != 1:
        raise InputError(f"channel must be one of {menu} in {path}; got {channel!r}.")
    return fitting[0]


def list_channels(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the menu of a file: every channel with its shape, unit and kind, none of them loaded.

    Parameters
    ----------
    path
        HDF5 (NSID, USID, any), NPZ, netCDF, Zarr; electron microscopes' files that RosettaSciIO
        reads (dm3, dm4, mrc, emd, hspy, ser, ...); scanning probe files: ibw, sxm, 3ds, gwy, gsf,
        Z_mtrx, sm4 and what SciFiReaders reads (mdt, spm, asc, axz, top).

    Returns
    -------
    pandas.DataFrame
        Columns channel (number), name, kind (picture, film, spectra, other), dims, shape, unit,
        dtype.

    Raises
    ------
    InputError
        One sentence for a missing, empty, truncated or renamed file.
    BackendUnavailable
        When the optional library of a format is not installed; it names the extra.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "scan.npz"
    >>> np.savez(file, height=np.zeros((20, 30)), phase=np.ones((20, 30)))
    >>> list_channels(file)[["name", "kind", "shape"]].to_numpy().tolist()
    [['height', 'picture', (20, 30)], ['phase', 'picture', (20, 30)]]
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "channel": number, "name": one.name, "kind": one.kind, "dims": one.dims,
                "shape": one.shape, "unit": one.unit or "unknown", "dtype": one.dtype,
            }
            for number, one in enumerate(channels_of(Path(path)))
        ]
    )  # fmt: skip


def read_channels(
    path: str | os.PathLike[str], channels: Sequence[int | str] | None = None
) -> xr.Dataset:
    """Read several channels of one scan as a dataset, each with its unit and the file's own words.

    Parameters
    ----------
    path
        As in ``list_channels``.
    channels
        Numbers or names; None takes every channel on the grid of the first picture (or of the
        first spectra, when there is no picture).

    Returns
    -------
    xarray.Dataset
        Variables by channel with dims (y, x), (time, y, x) or (y, x, bias ...); attributes as in
        ``read_image``. Channels that are left out because of another grid stand in ``warnings``.

    Raises
    ------
    InputError
        One sentence: as in ``list_channels``, an unknown channel, or channels of different grids.
    BackendUnavailable
        When the optional library of a format is not installed.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "scan.npz"
    >>> np.savez(file, height=np.zeros((20, 30)), phase=np.ones((20, 30)))
    >>> scan = read_channels(file)
    >>> list(scan), scan.phase.dims, scan.attrs["absent"][0]
    (['height', 'phase'], ('y', 'x'), 'scale')
    """
    path = Path(path)
    offered = channels_of(path)
    left: list[str] = []
    if channels is None:
        first = next(
            (one for kind in ("picture", "film", "spectra") for one in offered if one.kind == kind),
            None,
        )
        if first is None:
            raise InputError(f"{path} holds no picture, film or spectra at pixels.")
        chosen = [one for one in offered if _same_grid(one, first)]
        left = [one.name for one in offered if not _same_grid(one, first)]
    else:
        if isinstance(channels, str) or not channels:
            raise InputError(f"channels must be a list of names or numbers; got {channels!r}.")
        chosen = [pick_channel(path, offered, one, "") for one in channels]
        odd = [one.name for one in chosen if not _same_grid(one, chosen[0])]
        if odd:
            raise InputError(
                f"{', '.join(odd)} of {path} stand on another grid than {chosen[0].name}; read "
                "them apart."
            )
    arrays: dict[str, xr.DataArray] = {}
    for one in chosen:
        name = one.name
        while name in arrays:
            name += "_"
        arrays[name] = channel_array(one, path)
    notes = list(dict.fromkeys(note for one in arrays.values() for note in one.attrs["warnings"]))
    if left:
        notes.append(
            f"{path.name}: {', '.join(left[:MOST_NAMED])} "
            f"{'stand' if len(left) > 1 else 'stands'} on another grid and "
            f"{'were' if len(left) > 1 else 'was'} left out; name them to read them."
        )
    attributes = {
        "source": path.name, "warnings": tuple(notes),
        "absent": next(iter(arrays.values())).attrs["absent"],
    }  # fmt: skip
    return xr.Dataset(arrays, attrs=attributes)


def _same_grid(one: Channel, other: Channel) -> bool:
    return one.dims == other.dims and all(
        mine.unit == theirs.unit and np.array_equal(mine.values, theirs.values, equal_nan=True)
        for mine, theirs in zip(one.axes, other.axes, strict=True)
    )
