"""A patch table as a file in the documented layout."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from physlearn.checks import InputError
from physlearn.datasets.descriptors.vocabulary import find_term
from physlearn.datasets.layouts.data_layout import LAYOUT_VERSION
from physlearn.datasets.layouts.required_metadata import NOT_RECORDED, gather_metadata
from physlearn.records.patches import TIERS
from physlearn.whole_files import atomic_write

if TYPE_CHECKING:
    from physlearn.records import PatchTable

__all__ = ["save_table"]


def save_table(
    path: str | os.PathLike[str], table: PatchTable, metadata: Mapping[str, Any]
) -> None:
    """Write a patch table in the documented layout: its columns say what they are.

    ``PatchTable.load`` reads it. Beyond what ``PatchTable.save`` writes, each column carries its
    tier, its term of the vocabulary (`descriptor_terms`) and the term's formula, and the file
    carries the metadata of the scan.

    Parameters
    ----------
    path
        File to write; whole or not at all.
    table
        Its own ``metadata`` are used where ``metadata`` does not say otherwise.
    metadata
        As in `save_channels`.

    Raises
    ------
    InputError
        When the metadata are not whole.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from pathlib import Path
    >>> from physlearn.datasets import check_layout, required_metadata
    >>> from physlearn.records import PatchTable
    >>> frame = pd.DataFrame({"dilation": [0.0, 0.01]})
    >>> table = PatchTable.from_frame(frame, [[0, 0], [8, 0]], 8.0)
    >>> name = Path(tempfile.mkdtemp()) / "patches.nc"
    >>> save_table(name, table, dict.fromkeys(required_metadata(), "not recorded"))
    >>> check_layout(name), PatchTable.load(name).frame.equals(table.frame)
    ([], True)
    """
    import h5netcdf
    import xarray as xr

    whole = gather_metadata(xr.Dataset(), {**table.metadata, **metadata})
    table = replace(table, metadata=whole)
    channels = whole.get("channels", ())
    with atomic_write(path) as temporary:
        table.save(temporary)
        with h5netcdf.File(temporary, "a") as file:
            file.attrs["physlearn_layout"] = LAYOUT_VERSION
            file.attrs["physlearn_kind"] = "patch table"
            for name, value in whole.items():
                if isinstance(value, str | int | float) and not isinstance(value, bool):
                    file.attrs[name] = value
                elif name == "pixel_size":
                    file.attrs[name] = [float(step) for step in value]
            for name in table.columns:
                variable = file.variables[f"column_{name}"]
                tier = table.tiers.get(name)
                variable.attrs["tier"] = "none" if tier is None else TIERS[tier]
                try:
                    term = find_term(name, channels)
                except InputError:
                    variable.attrs["controlled_name"] = "none"
                    variable.attrs["formula"] = NOT_RECORDED
                    continue
                variable.attrs["controlled_name"] = term.name
                variable.attrs["formula"] = term.formula
                variable.attrs["invariant_under"] = ", ".join(term.invariant_under) or "nothing"
