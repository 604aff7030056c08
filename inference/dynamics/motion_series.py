"""Time series of one or several motions, as the search of their law takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import interpolate

from physlearn.checks import InputError
from physlearn.inference.laws.expression import OPERATIONS

__all__ = ["MotionSeries", "Table", "read_series", "smooth_paths"]

Floats = NDArray[np.float64]
Table = pd.DataFrame | Mapping[str, Any]

FEWEST_POINTS = 12


@dataclass(frozen=True, eq=False)
class MotionSeries:
    """Measurements of motions that share a law, one after another.

    Attributes
    ----------
    times
        (n,), increasing within each series.
    values
        (n, n_variables); NaN where not measured.
    drives
        (n, n_drives), what acts from outside, without noise.
    first
        (n_series + 1): where each series begins.
    variables, drive_names
        Names.
    """

    times: Floats
    values: Floats
    drives: Floats
    first: NDArray[np.int64]
    variables: tuple[str, ...]
    drive_names: tuple[str, ...]

    @property
    def spread(self) -> Floats:
        """Standard deviation of each variable."""
        return np.asarray(np.nanstd(self.values, axis=0))


def read_series(
    series: Table | Sequence[Table], time: str, variables: Sequence[str] | None,
    drives: Sequence[str],
) -> MotionSeries:  # fmt: skip
    """Return the checked series.

    Raises
    ------
    InputError
        For a column that lacks or holds no numbers, times that are not finite or do not increase,
        too few measurements, a gap in a drive, or a variable that never changes.
    """
    if isinstance(series, str) or not isinstance(series, pd.DataFrame | Mapping | Sequence):
        raise InputError(
            "series must be a table with a column of times, or a list of such tables, got "
            f"{type(series).__name__}."
        )
    if isinstance(variables, str):
        raise InputError(f"variables must be a list of names, got the text {variables!r}.")
    tables = [series] if isinstance(series, pd.DataFrame | Mapping) else list(series)
    if not tables or not all(isinstance(t, pd.DataFrame | Mapping) for t in tables):
        raise InputError("series must be a table with a column of times, or a list of such tables.")
    names = tuple(str(n) for n in tables[0]) if variables is None else tuple(variables)
    names = tuple(n for n in names if variables is not None or n not in (time, *drives))
    _check_names(names, drives, time)
    parts = [_one_series(table, place, time, names, drives) for place, table in enumerate(tables)]
    first = np.concatenate([[0], np.cumsum([len(part[0]) for part in parts])])
    joined = [np.concatenate([part[k] for part in parts]) for k in range(3)]
    found = MotionSeries(joined[0], joined[1], joined[2], first, names, tuple(drives))
    for name, sd in zip(names, found.spread, strict=True):
        if not sd > 0:
            raise InputError(f"series must move: {name} has one value throughout.")
    return found


def _check_names(names: tuple[str, ...], drives: Sequence[str], time: str) -> None:
    if isinstance(drives, str):
        raise InputError(f"drives must be a list of names, got the text {drives!r}.")
    if not names:
        raise InputError(f"series must hold a column beside {time!r} and the drives.")
    for name in (*names, *drives):
        if not name.isidentifier() or name in OPERATIONS:
            raise InputError(f"columns must be names like x or drive, got {name[:40]!r}.")
    if len({*names, *drives, time}) != len(names) + len(drives) + 1:
        raise InputError("variables, drives and the time must be different columns.")


def _column(table: Table, name: str, place: int) -> Floats:
    if name not in table:
        raise InputError(f"series {place} lacks the column {name!r}.")
    column = table[name]
    kind = np.asarray(column).dtype.kind
    if kind in "bcmM":
        said = {"b": "booleans", "c": "complex numbers"}.get(kind, "dates: give seconds as numbers")
        raise InputError(f"series {place}: {name!r} must hold numbers, got {said}.")
    try:
        if isinstance(column, np.ma.MaskedArray):
            column = np.ma.filled(column.astype(np.float64), np.nan)
        values = np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"series {place}: {name!r} must hold numbers.") from error
    if values.ndim != 1:
        raise InputError(f"series {place}: {name!r} must be one row, got shape {values.shape}.")
    return values


def _one_series(
    table: Table, place: int, time: str, names: tuple[str, ...], drives: Sequence[str]
) -> tuple[Floats, Floats, Floats]:
    times = _column(table, time, place)
    columns = [_column(table, name, place) for name in (*names, *drives)]
    for name, column in zip((*names, *drives), columns, strict=True):
        if len(column) != len(times):
            raise InputError(
                f"series {place}: {name!r} has {len(column)} values for {len(times)} times."
            )
        if np.isinf(column).any():
            raise InputError(f"series {place}: {name!r} is infinite at row {_where(column)}.")
    if not np.isfinite(times).all():
        raise InputError(
            f"series {place}: the time at row {np.argmin(np.isfinite(times))} is not finite."
        )
    if len(times) > 1 and np.diff(times).min() <= 0:
        row = int(np.argmin(np.diff(times) > 0)) + 1
        raise InputError(
            f"series {place}: times must increase; row {row} has {times[row]:g} after "
            f"{times[row - 1]:g} (average repeated rows, or give them as separate series)."
        )
    values = np.stack(columns[: len(names)], axis=1)
    for name, column in zip(names, values.T, strict=True):
        count = int(np.isfinite(column).sum())
        if count < FEWEST_POINTS:
            raise InputError(
                f"series {place}: {name!r} must hold at least {FEWEST_POINTS} measurements, "
                f"got {count}."
            )
    outer = np.stack(columns[len(names) :], axis=1) if drives else np.zeros((len(times), 0))
    if not np.isfinite(outer).all():
        raise InputError(f"series {place}: drives must be known at every time; one is missing.")
    return times, values, outer


def _where(column: Floats) -> int:
    return int(np.argmax(np.isinf(column)))


def smooth_paths(series: MotionSeries) -> list[list[interpolate.BSpline]]:
    """Return for each series and variable a cubic spline (generalised cross-validation)."""
    found = []
    for begin, end in zip(series.first[:-1], series.first[1:], strict=True):
        own = []
        for column in series.values[begin:end].T:
            seen = np.isfinite(column)
            times = series.times[begin:end][seen]
            # The unit of time must not matter to the choice of the smoothing
            own.append(_smoothing_spline(times, column[seen]))
        found.append(own)
    return found


def _smoothing_spline(times: Floats, values: Floats) -> interpolate.BSpline:
    interval = (times[-1] - times[0]) / (len(times) - 1)
    scale = float(values.std()) or 1.0
    curve = interpolate.make_smoothing_spline((times - times[0]) / interval, values / scale)
    return interpolate.BSpline(curve.t * interval + times[0], curve.c * scale, curve.k)
