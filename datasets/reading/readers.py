"""Which function lists the channels of which kind of file: ours, and those given from outside."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from typing import cast

from physlearn.checks import InputError
from physlearn.datasets.reading.channel import Channel

__all__ = ["READERS", "find_lister", "has_lister", "register_reader"]

Lister = Callable[[Path], list[Channel]]
GROUP = "physlearn.readers"
"""Entry points of this group are readers of installed packages: their name is the suffix."""

_OURS = "physlearn.datasets.reading."
HDF5 = _OURS + "hdf5_files:list_hdf5"
EM = _OURS + "electron_files:list_electron"
SPM = _OURS + "probe_files:list_scifireaders"
READERS: dict[str, Lister | str] = {
    **dict.fromkeys((".h5", ".hdf5", ".hf5", ".nsid", ".usid"), HDF5),
    ".npz": _OURS + "array_files:list_npz",
    **dict.fromkeys((".nc", ".cdf"), _OURS + "array_files:list_netcdf"),
    ".zarr": _OURS + "array_files:list_zarr",
    **dict.fromkeys(
        (".dm3", ".dm4", ".mrc", ".ali", ".emd", ".de5", ".hspy", ".zspy", ".ser", ".emi", ".mib",
         ".tvips", ".blo", ".nxs", ".rpl", ".prz", ".unf", ".bcf", ".sur", ".pro"), EM
    ),
    ".ibw": _OURS + "probe_files:list_igor",
    ".gwy": _OURS + "gwyddion_files:list_gwyddion",
    ".gsf": _OURS + "gwyddion_files:list_gsf",
    ".sxm": _OURS + "nanonis_files:list_nanonis",
    ".3ds": _OURS + "nanonis_files:list_nanonis_grid",
    ".mtrx": _OURS + "probe_files:list_matrix",
    ".sm4": _OURS + "probe_files:list_rhk",
    **dict.fromkeys((".mdt", ".spm", ".asc", ".axz", ".top", ".stp"), SPM),
}  # fmt: skip
"""Suffix -> a function of the path, or its name as "package.module:function"."""


def register_reader(suffix: str, lister: Lister | str) -> None:
    r"""Let files of another kind be read as those that are known: their channels are listed.

    From then on ``list_channels``, ``read_channels``, ``read_image``, ``read_video`` and studies
    take such files: units, scale, memory and warnings are looked after as for any other. A package
    that is installed need not call this: an entry point of the group ``physlearn.readers`` whose
    name is the suffix ("foo") and whose value is "package.module:function" is found by itself.

    Parameters
    ----------
    suffix
        Such as ".foo"; capital letters do not count. One that is there already is replaced.
    lister
        Path -> list of `Channel`, none of them loaded yet; or "package.module:function", which is
        imported when a file of this kind comes. Whatever it raises is said as a damaged file, but
        for InputError, whose sentence is kept.

    Raises
    ------
    InputError
        For a suffix without its dot, or a lister that is neither a function nor such a name.

    Examples
    --------
    A text file of heights, with its pixel size in the first line:

    >>> import tempfile
    >>> import numpy as np
    >>> from physlearn.datasets import Axis, Channel, list_channels, read_image, register_reader
    >>> def list_heights(path):
    ...     step = float(path.read_text().splitlines()[0])
    ...     rows = np.loadtxt(path, skiprows=1, ndmin=2)
    ...     axes = [Axis(name, step * np.arange(n), "nm") for name, n in zip("yx", rows.shape)]
    ...     return [Channel("height", tuple(axes), lambda: rows, unit="pm")]
    >>> register_reader(".heights", list_heights)
    >>> file = Path(tempfile.mkdtemp()) / "scan.heights"
    >>> lines = [" ".join(str(row + place) for place in range(20)) for row in range(16)]
    >>> _ = file.write_text("\n".join(["0.5", *lines]))
    >>> list_channels(file)[["name", "kind", "shape", "unit"]].to_numpy().tolist()
    [['height', 'picture', (16, 20), 'pm']]
    >>> picture = read_image(file)
    >>> picture.attrs["units"], float(picture.x[1]), picture.x.attrs["units"]
    ('pm', 0.5, 'nm')
    """
    if not isinstance(suffix, str) or not re.fullmatch(r"\.[^./\\\s]+", suffix):
        raise InputError(f"suffix must be a dot and letters, such as '.foo'; got {suffix!r}.")
    named = isinstance(lister, str) and re.fullmatch(r"[\w.]+:\w+", lister)
    if not named and not callable(lister):
        raise InputError(
            "lister must be a function of a path that returns its channels, or its name as "
            f"'package.module:function'; got {lister!r}."
        )
    READERS[suffix.lower()] = lister


def has_lister(suffix: str) -> bool:
    """Return whether files of this suffix may hold several channels."""
    return suffix in READERS or _installed(suffix) is not None


def find_lister(suffix: str) -> Lister:
    """Return the function that lists the channels of files of this suffix.

    Raises
    ------
    InputError
        Where a reader given from outside cannot be imported.
    """
    given = READERS[suffix] if suffix in READERS else _installed(suffix)
    if given is None or callable(given):
        return cast("Lister", given)
    module, _, name = given.partition(":")
    try:
        return cast("Lister", getattr(import_module(module), name))
    except (ImportError, AttributeError) as error:
        if module.startswith(_OURS):
            raise
        raise InputError(
            f"the reader of {suffix} files, {given}, cannot be imported ({error}); install its "
            "package, or register another reader."
        ) from None


def _installed(suffix: str) -> str | None:
    """Return the name of an installed package's reader."""
    return _looked_up(suffix[1:], entry_points) if len(suffix) > 1 else None


@cache
def _looked_up(name: str, look: Callable[..., EntryPoints]) -> str | None:
    """Ask the installed packages once a suffix: each asking opens a file of every one of them."""
    found = look(group=GROUP, name=name)
    return next(iter(found)).value if found else None
