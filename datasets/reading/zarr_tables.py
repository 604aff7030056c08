"""Tables that come one after the other, as arrays of a Zarr group."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.checks import InputError
from physlearn.datasets.reading.file_checks import need

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_tables"]

ROWS_A_CHUNK = 1 << 16


def write_tables(
    path: str | os.PathLike[str],
    tables: Iterable[pd.DataFrame],
    n_rows: int,
    attributes: Mapping[str, Any],
) -> None:
    """Write tables of the same columns behind one another; about 65,000 rows are in memory.

    Columns that are no numbers, or that some tables lack, become text or NaN. The group has its
    name when it is complete.

    Raises
    ------
    InputError
        When there is something at the path.
    BackendUnavailable
        Without zarr.
    """
    final = Path(path)
    zarr = need("zarr", final)
    if final.exists():
        raise InputError(f"path must be new; {final} is there already.")
    if not final.parent.is_dir():
        raise InputError(f"path must lie in a folder that exists; {final.parent} does not.")
    part = final.with_name(f".{final.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    group = zarr.open_group(str(part), mode="w")
    group.attrs.update(dict(attributes))
    waiting: list[pd.DataFrame] = []
    written = held = 0
    for table in tables:
        waiting.append(table)
        held += len(table)
        if held >= ROWS_A_CHUNK:
            written, waiting = _flush(group, waiting, written, n_rows, whole=True)
            held = sum(map(len, waiting))
    _flush(group, waiting, written, n_rows, whole=False)
    part.replace(final)


def _flush(
    group: Any, waiting: list[pd.DataFrame], written: int, n_rows: int, *, whole: bool
) -> tuple[int, list[pd.DataFrame]]:
    """Write whole chunks (or all that waits); return the rows written and what is left."""
    import pandas as pd

    if not waiting:
        return written, []
    table = pd.concat(waiting, ignore_index=True)
    number = len(table) - len(table) % ROWS_A_CHUNK if whole else len(table)
    for name in map(str, table.columns):
        values = table[name].to_numpy()[:number]
        if values.dtype.kind not in "biuf":
            values = values.astype(np.float64) if _numbers(values) else values.astype("U32")
        if name not in group:
            group.create_array(
                name, shape=(n_rows,), chunks=(min(ROWS_A_CHUNK, max(n_rows, 1)),),
                dtype=values.dtype, fill_value=np.nan if values.dtype.kind == "f" else None,
            )  # fmt: skip
        group[name][written : written + number] = values
    return written + number, [table.iloc[number:]]


def _numbers(values: Any) -> bool:
    try:
        values.astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True
