"""The drive of a film from a table: one number a frame, and its unit."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from physlearn.checks import InputError, NotFound, check_array

__all__ = ["read_drive"]

UNIT_IN_BRACKETS = re.compile(r"^(?P<name>.*?)[\s_]*[\[(]\s*(?P<unit>[^\])]+?)\s*[\])]$")
UNIT_AT_THE_END = re.compile(
    r"^(?P<name>.+)_(?P<unit>[kmuµM]?[VAT]|[kM]?V/(?:[cmnuµ]?m)|K|N|Pa|[kMG]Pa)$"
)
FRAME_OR_TIME = re.compile(
    r"unnamed: 0|index|frames?([ _](number|no|index))?"
    r"|(time|t)([ _]?[\[(]?(s|ms|us|µs|min|h)[\])]?)?"
)


def read_drive(path: str | os.PathLike[str], n_frames: int) -> tuple[np.ndarray, str]:
    r"""Read a video's drive from CSV: the column ``drive``, or the only one beside time.

    Parameters
    ----------
    path
        CSV with a header line and one row a frame. The column's name may hold the unit:
        ``bias_mV``, ``drive (kV/cm)``.
    n_frames
        Number of frames of the video.

    Returns
    -------
    (ndarray, str)
        The drive, shape (n_frames,), and its unit; "" where the name holds none.

    Raises
    ------
    NotFound
        When there is no such file.
    InputError
        When the table cannot be read, has another number of rows, or several columns of which none
        is called ``drive``.

    Examples
    --------
    >>> import tempfile
    >>> name = Path(tempfile.mkdtemp()) / "drive.csv"
    >>> _ = name.write_text("frame,bias (mV)\n0,1.5\n1,-1.5\n")
    >>> read_drive(name, 2)
    (array([ 1.5, -1.5]), 'mV')
    """
    import pandas as pd

    file = Path(path)
    if not file.is_file():
        raise NotFound(f"no such file: {file}")
    try:
        table = pd.read_csv(file)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"drive must be a CSV table; {file.name} is not: {str(error).strip()}."
        ) from None
    if table.shape[1] == 0 or len(table) != n_frames:
        raise InputError(
            f"drive must have a header line and one row a frame ({n_frames}); "
            f"{file.name} has {len(table)} row(s)."
        )
    held = [str(name) for name in table.columns]
    offered = [name for name in held if not FRAME_OR_TIME.fullmatch(name.strip().lower())]
    named = [name for name in held if _name_and_unit(name)[0].lower() == "drive"]
    if len(named or offered) != 1:
        raise InputError(
            f"drive must be the column called drive of {file.name}, or its only column beside "
            f"frame and time; it has {', '.join(held)}: rename one."
        )
    name = (named or offered)[0]
    column = table[table.columns[held.index(name)]]
    if column.dtype.kind not in "biuf":
        first = next((text for text in column if not _is_number(text)), column.iloc[0])
        raise InputError(
            f"drive must hold one number a frame; the column {name} of {file.name} holds {first!r}."
        )
    return check_array(f"drive[{name!r}]", column.to_numpy(), shape=(n_frames,)), (
        _name_and_unit(name)[1]
    )


def _name_and_unit(column: str) -> tuple[str, str]:
    """Split ``bias_mV`` or ``drive (kV/cm)`` into name and unit."""
    found = UNIT_IN_BRACKETS.match(column.strip()) or UNIT_AT_THE_END.match(column.strip())
    return (found["name"], found["unit"]) if found else (column.strip(), "")


def _is_number(text: object) -> bool:
    try:
        float(str(text))
    except ValueError:
        return False
    return True
