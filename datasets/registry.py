"""Public data sets by name: where they lie, under which licence, and whether they came whole.

``PHYSLEARN_DATA_DIR`` points to a folder with a copy of the files under the same relative names;
without it they are downloaded once into the user's cache folder.
"""

from __future__ import annotations

import builtins
import csv
import os
from importlib import resources
from pathlib import Path

import pandas as pd
import pooch

from physlearn.checks import InputError, NotFound

__all__ = ["DATA_DIR_VARIABLE", "fetch", "list"]

DATA_DIR_VARIABLE = "PHYSLEARN_DATA_DIR"
ADDRESS = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"


def list() -> pd.DataFrame:  # noqa: A001 -- `registry.list()` is what people type
    """Return the public files: name, size, licence, source, checksum.

    Returns
    -------
    pandas.DataFrame
        Columns name, size_bytes, licence, repository, commit, path (empty where the file was
        derived from public data and has no address of its own), sha256.

    Examples
    --------
    >>> from physlearn.datasets import registry
    >>> "stem_mo_re_s2/re05.tiff" in set(registry.list()["name"])
    True
    """
    frame = pd.DataFrame(_rows())
    return frame.astype({"size_bytes": "int64"})


def fetch(name: str) -> Path:
    """Return the path of a public file, downloaded and checked if need be.

    Parameters
    ----------
    name
        A name that ``list()`` gives, such as ``stem_mo_re_s2/re05.tiff``. A file beside it that
        holds its scale (the ``.json`` of a ``.npy``) comes along.

    Returns
    -------
    pathlib.Path
        Where the file lies.

    Raises
    ------
    InputError
        When the name is unknown, or the file here differs from the published one.
    NotFound
        When the file is neither here nor can be downloaded.

    Examples
    --------
    >>> from physlearn.datasets import registry
    >>> registry.fetch("no_such_set/file.tif")
    Traceback (most recent call last):
        ...
    physlearn.checks.InputError: name must be one of registry.list()['name']; got \
'no_such_set/file.tif'.
    """
    rows = {row["name"]: row for row in _rows()}
    if name not in rows:
        raise InputError(f"name must be one of registry.list()['name']; got {name!r}.")
    beside = str(Path(name).with_suffix(".json").as_posix())
    if beside != name and beside in rows:
        _retrieve(rows[beside])
    return _retrieve(rows[name])


def _rows() -> builtins.list[dict[str, str]]:
    table = resources.files("physlearn.datasets").joinpath("registry.csv")
    return builtins.list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


def _retrieve(row: dict[str, str]) -> Path:
    folder = Path(os.environ.get(DATA_DIR_VARIABLE) or pooch.os_cache("physlearn"))
    here = folder / row["name"]
    if here.is_file():
        if pooch.file_hash(str(here), alg="sha256") != row["sha256"]:
            raise InputError(
                f"{here} differs from the published file (sha256 {row['sha256'][:12]}...); "
                "remove it, and it is fetched again."
            )
        return here
    if not row["path"]:
        raise NotFound(
            f"{row['name']} was derived from public data and has no address of its own; put it "
            f"into {folder} (or point {DATA_DIR_VARIABLE} to a folder that holds it)."
        )
    try:
        found = pooch.retrieve(
            ADDRESS.format(**row), known_hash=f"sha256:{row['sha256']}", path=here.parent,
            fname=here.name,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise NotFound(
            f"{row['name']} is not in {folder} and could not be downloaded "
            f"({type(error).__name__}); point {DATA_DIR_VARIABLE} to a folder that holds it."
        ) from None
    return Path(found)
