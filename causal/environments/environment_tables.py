"""Tables sorted into environments, and their common columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.columns import require_table
from physlearn.causal.environments.field_moments import FieldMoments, field_moments
from physlearn.causal.table_notes import require_patches, without_derived
from physlearn.checks import InputError, NotIdentified
from physlearn.records import PatchTable

Floats = NDArray[np.float64]

CONSTANT = 1e-12


def sorted_tables(
    tables: PatchTable | Sequence[PatchTable], environment: str | None
) -> dict[str, list[PatchTable]]:
    """Return environment -> its tables.

    One table is split by a covariate; several are sorted by an entry of their metadata, or each
    is an environment of its own.

    Raises
    ------
    InputError
        For anything but tables, or a name that no covariate or metadata has.
    NotIdentified
        For fewer than two environments, or too few patches in one.
    """
    given = [tables] if isinstance(tables, PatchTable) else list(tables)
    if not given:
        raise InputError("tables must hold at least one PatchTable, got none.")
    for table in given:
        require_table(table)
    groups: dict[str, list[PatchTable]] = {}
    for number, table in enumerate(given):
        if environment is None and len(given) > 1:
            groups[f"table {number}"] = [table]
            continue
        for name, part in _parts(table, environment, number):
            groups.setdefault(name, []).append(part)
    if len(groups) < 2:
        only = next(iter(groups))
        raise NotIdentified(
            f"all patches belong to one environment ({only}); invariance needs at least two: "
            "measure again at another temperature, field, composition or sample."
        )
    for parts in groups.values():
        for part in parts:
            require_patches(part)
    return groups


def _parts(table: PatchTable, environment: str | None, number: int) -> list[tuple[str, PatchTable]]:
    if environment is None:
        raise InputError(
            "environment must name a covariate column when one table is given; got None."
        )
    if table.covariates is not None and environment in table.covariates.columns:
        values = table.covariates[environment].to_numpy()
        levels = sorted(set(values.tolist()), key=str)
        if len(levels) > max(20, table.n_patches // 30):
            raise InputError(
                f"environment must be a column with few values; {environment!r} has "
                f"{len(levels)}: cut it into ranges first (pandas.cut)."
            )
        return [
            (
                f"{environment} = {level}",
                table.take(values == level, selection=f"{environment} = {level}"),
            )
            for level in levels
        ]
    if environment in table.metadata:
        return [(f"{environment} = {table.metadata[environment]}", table)]
    raise InputError(
        f"environment must name a covariate or an entry of the metadata; table {number} has no "
        f"{environment!r}."
    )


def common_columns(groups: dict[str, list[PatchTable]], notes: list[str]) -> list[str]:
    """Return the columns that all tables hold and that vary, and say what was left out."""
    tables = [table for parts in groups.values() for table in parts]
    kept = without_derived(tables[0], notes)
    for name in list(kept):
        missing = sum(name not in table.columns for table in tables)
        if missing:
            notes.append(f"column {name!r} is missing in {missing} table(s) and was left out.")
            kept.remove(name)
    for name in list(kept):
        units = {table.units[name] for table in tables}
        if len(units) > 1:
            raise InputError(
                f"column {name!r} must have one unit in all tables, got {', '.join(sorted(units))}."
            )
        fields = [table.frame[name].to_numpy(dtype=np.float64) for table in tables]
        if all(
            field.std() <= CONSTANT * max(float(np.abs(field).max()), 1e-300) for field in fields
        ):
            notes.append(f"column {name!r} is constant in every environment and was left out.")
            kept.remove(name)
    if not kept:
        raise NotIdentified("the tables share no column that varies from patch to patch.")
    known = [table.measurement_covariance is not None for table in tables]
    unknown = sorted({name for table in tables for name in table.errors_unknown if name in kept})
    if not all(known) or unknown:
        of = f" of {', '.join(unknown)}" if all(known) else ""
        notes.append(
            f"the measurement errors{of} are unknown and were taken as zero: where a column is "
            "noisier in one environment, its law looks as if it changed there."
        )
    return kept


def environment_moments(
    groups: dict[str, list[PatchTable]], names: Sequence[str]
) -> tuple[list[list[FieldMoments]], Floats]:
    """Return the moments of each field by environment, and the unit (p,) they are given in.

    The unit of a column is its standard deviation over the patches of all fields.
    """
    tables = [table for parts in groups.values() for table in parts]
    raw = np.concatenate([table.frame[list(names)].to_numpy(dtype=np.float64) for table in tables])
    center, scale = raw.mean(axis=0), raw.std(axis=0)
    found = []
    for parts in groups.values():
        fields = []
        for table in parts:
            values = (table.frame[list(names)].to_numpy(dtype=np.float64) - center) / scale
            index = [table.columns.index(name) for name in names]
            noise = np.zeros((len(names), len(names)))
            if table.measurement_covariance is not None:
                mean = table.measurement_covariance.mean(axis=0)
                noise = mean[np.ix_(index, index)] / np.outer(scale, scale)
            fields.append(field_moments(values, table.centers, noise))
        found.append(fields)
    return found, scale
