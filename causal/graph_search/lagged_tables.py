"""From the tables of a video to tables whose columns are descriptors now and some frames ago."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike

from physlearn.causal.columns import Columns, prepare_columns, require_table
from physlearn.causal.graph_search.lagged_layout import SpaceTimeLayout
from physlearn.causal.graph_search.lagged_transport import check_transport, interpolation
from physlearn.causal.spatial_layout import Floats, Integers, SpatialLayout
from physlearn.causal.table_notes import MIN_PATCHES
from physlearn.checks import InputError, NotIdentified

if TYPE_CHECKING:
    from physlearn.records import PatchTable


@dataclass(frozen=True, slots=True, eq=False)
class LaggedTables:
    """One table a frame that has `max_lag` frames before it.

    Attributes
    ----------
    tables
        Columns "name[t-k]" (k frames ago, where the matter was) and "name[t]"; measurement errors
        of different frames are independent.
    kept
        Patches (numbers in a frame) that each table has rows of.
    layout
        The patches of a frame.
    frozen
        Columns that are the same in every frame: they have "name[t-1]" alone.
    """

    tables: tuple[PatchTable, ...]
    kept: tuple[Integers, ...]
    layout: SpatialLayout
    frozen: tuple[str, ...]


def node_name(name: str, lag: int) -> str:
    """Return the node of a column some frames ago.

    Examples
    --------
    >>> node_name("strain", 1), node_name("strain", 0)
    ('strain[t-1]', 'strain[t]')
    """
    return f"{name}[t-{lag}]" if lag else f"{name}[t]"


def lagged_tables(
    tables: Sequence[PatchTable],
    *,
    max_lag: int = 1,
    transport: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> LaggedTables:
    """Return the descriptors of each frame beside those of the frames before it.

    Parameters
    ----------
    tables
        Frames in the order of time, equally spaced: same columns, same patches.
    max_lag
        How many frames back.
    transport
        Displacement (dx, dy) of the matter between a frame and the next, in the tables' unit,
        shape (n_frames - 1, 2), or shape (n_frames - 1, n_patches, 2) at the patches of the later
        frame. Patches whose matter was out of view are left out.
    names
        Columns to take, all when None.

    Raises
    ------
    InputError
        For tables that do not belong together, or a transport of another shape.
    NotIdentified
        When fewer than 30 patches were in view before.
    """
    _check_frames(tables, max_lag)
    names = list(tables[0].columns if names is None else names)
    index = [tables[0].columns.index(name) for name in names]
    frames = [table.frame.to_numpy(dtype=np.float64)[:, index] for table in tables]
    noise = [
        None
        if t.measurement_covariance is None
        else t.measurement_covariance[:, index][:, :, index]
        for t in tables
    ]
    frozen = tuple(
        name
        for k, name in enumerate(names)
        if all((f[:, k] == frames[0][:, k]).all() for f in frames)
    )
    layout = SpatialLayout(tables[0].centers)
    moved = None
    if transport is not None:
        moved = check_transport(transport, len(tables), tables[0].n_patches)
    result, kept = [], []
    for now in range(max_lag, len(tables)):
        parts, parts_noise, seen = _look_back(
            tables[now], frames, noise, layout, moved, now, max_lag
        )
        rows = np.flatnonzero(seen)
        if len(rows) < MIN_PATCHES:
            raise NotIdentified(
                f"transport leaves {len(rows)} patches of frame {now} whose matter was in view "
                f"{max_lag} frame(s) before; at least {MIN_PATCHES} are needed."
            )
        result.append(_join(tables[now], parts, parts_noise, rows, names, frozen))
        kept.append(rows)
    return LaggedTables(tuple(result), tuple(kept), layout, frozen)


def _check_frames(tables: Sequence[PatchTable], max_lag: int) -> None:
    if isinstance(max_lag, bool) or not isinstance(max_lag, int) or max_lag < 1:
        raise InputError(f"max_lag must be a whole number of at least 1; got {max_lag!r}.")
    if not isinstance(tables, Sequence) or len(tables) < max_lag + 1:
        count = len(tables) if isinstance(tables, Sequence) else 1
        raise InputError(
            f"tables must hold the frames of a video in the order of time, at least {max_lag + 1} "
            f"for max_lag={max_lag}; got {count}."
        )
    for k, table in enumerate(tables):
        require_table(table)
        if table.columns != tables[0].columns:
            raise InputError(
                f"tables must have the same columns; table {k} has {', '.join(table.columns)}, "
                f"table 0 {', '.join(tables[0].columns)}."
            )
        same = table.unit == tables[0].unit and table.centers.shape == tables[0].centers.shape
        if not same or not np.allclose(table.centers, tables[0].centers):
            raise InputError(
                f"tables must hold the same patch places; those of table {k} differ from those of "
                "table 0: cut all frames on one grid and give the motion as transport."
            )


def _look_back(
    table: PatchTable,
    frames: Sequence[Floats],
    noise: Sequence[Floats | None],
    layout: SpatialLayout,
    moved: Floats | None,
    now: int,
    max_lag: int,
) -> tuple[list[Floats], list[Floats | None], np.ndarray]:
    """Return values and error covariances at lag 0, 1... of the patches of a frame."""
    parts, parts_noise = [frames[now]], [noise[now]]
    seen = np.ones(layout.n, dtype=np.bool_)
    places = layout.centers
    for lag in range(1, max_lag + 1):
        before = now - lag
        if moved is None:
            parts.append(frames[before])
            parts_noise.append(noise[before])
            continue
        step = moved[before]
        here = interpolation(layout, places) if lag > 1 else None
        # the motion is told at the patches of the later frame; further back it is followed
        places = places - (step if here is None else here.apply(step))
        there = interpolation(layout, places)
        seen &= there.inside
        parts.append(there.apply(frames[before]))
        known = noise[before]
        length = table.error_correlation_length
        parts_noise.append(None if known is None else there.noise(known, layout.centers, length))
    return parts, parts_noise, seen


def _join(
    table: PatchTable,
    parts: Sequence[Floats],
    parts_noise: Sequence[Floats | None],
    rows: Integers,
    names: Sequence[str],
    frozen: Sequence[str],
) -> PatchTable:
    """Return one table of lagged columns, the furthest back first."""
    import pandas as pd

    lags = range(len(parts) - 1, -1, -1)
    chosen = [
        (lag, k) for lag in lags for k, name in enumerate(names) if name not in frozen or lag == 1
    ]
    labels = [node_name(names[k], lag) for lag, k in chosen]
    frame = pd.DataFrame(
        np.stack([parts[lag][rows, k] for lag, k in chosen], axis=1), columns=labels
    )
    covariance = None
    if all(part is not None for part in parts_noise):
        known = cast("list[Floats]", parts_noise)
        size = len(rows) if any(len(part) > 1 for part in known) else 1
        covariance = np.zeros((size, len(chosen), len(chosen)))
        for i, (lag_i, k_i) in enumerate(chosen):
            for j, (lag_j, k_j) in enumerate(chosen):
                if lag_i == lag_j:
                    part = known[lag_i]
                    covariance[:, i, j] = part[rows if len(part) > 1 else slice(0, 1), k_i, k_j]
    return replace(
        table.take(rows),
        frame=frame,
        units={node_name(names[k], lag): table.units[names[k]] for lag, k in chosen},
        tiers={},
        derived={},
        flags={},
        errors_unknown=tuple(
            node_name(names[k], lag) for lag, k in chosen if names[k] in table.errors_unknown
        ),
        measurement_covariance=covariance,
        metadata={},
    )


def pooled_columns(lagged: LaggedTables) -> Columns:
    """Return the columns of all frames, one below the other, a plane taken out of each frame.

    The layout knows lags in space and time, so that a `SpatialIndependenceTest` on these columns
    counts neither neighbours nor successive frames as independent.
    """
    names = list(lagged.tables[0].columns)
    parts = [prepare_columns(table, names=names, layout=lagged.layout) for table in lagged.tables]
    residual = np.concatenate([part.values * part.scale for part in parts])
    n = len(residual)
    scale = np.sqrt((residual**2).sum(axis=0) / (n - sum(part.n_trend for part in parts)))
    shares = np.array([len(part.values) / n for part in parts])
    noise = sum(
        share * part.noise * np.outer(part.scale, part.scale)
        for share, part in zip(shares, parts, strict=True)
    )
    spread = np.sqrt(n / (n - sum(part.n_trend for part in parts)))
    center = sum(share * part.center for share, part in zip(shares, parts, strict=True))
    layout = SpaceTimeLayout(lagged.layout, lagged.kept)
    return Columns(
        names=tuple(names),
        # of unit variance as they stand: the frames' planes are accounted for here
        values=np.asarray(residual / scale * spread),
        scale=scale,
        center=np.asarray(center),
        noise=np.asarray(noise / np.outer(scale, scale)),
        noise_known=parts[0].noise_known,
        layout=cast("SpatialLayout", layout),
        n_trend=0,
        warnings=tuple(dict.fromkeys(note for part in parts for note in part.warnings)),
        errors_unknown=parts[0].errors_unknown,
    )
