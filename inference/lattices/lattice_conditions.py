"""Temperatures, applied fields and fields that vary over a picture, as designs and statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.inference.lattices.lattice_family import LatticeFamily
from physlearn.records import LatticeSnapshots

__all__ = ["Conditions", "Covariates", "read_conditions", "read_covariates", "read_site_field"]

Float = NDArray[np.float64]
QUADRATIC = "quadratic"
AXES = "xyz"


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """Which pictures share which parameters.

    Attributes
    ----------
    members
        For each group its pictures, (record, picture) each.
    scale
        float64, shape (n_groups,): reference temperature over that of the group.
    applied_field
        float64, shape (n_groups,): the condition ``field``, or None when it has no parameter.
    reference_temperature
        The temperature that all parameters refer to, or None.
    notes
        What was made of the conditions.
    """

    members: tuple[tuple[tuple[int, int], ...], ...]
    scale: Float
    applied_field: Float | None
    reference_temperature: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Covariates:
    """A field that varies over the sites.

    ``names`` of the k covariates, ``values`` (n_sites, k) for each record, ``direction`` (q,) what
    they multiply, ``size`` (k,) their largest absolute values.
    """

    names: tuple[object, ...]
    values: list[Float]
    direction: Float
    size: Float


def read_conditions(records: tuple[LatticeSnapshots, ...], family: LatticeFamily) -> Conditions:
    """Return which pictures share parameters, from conditions that differ between them."""
    pictures = [(r, k) for r, record in enumerate(records) for k in range(record.n_snapshots)]
    notes: list[str] = []
    temperature = _varying(records, "temperature")
    field = _varying(records, "field")
    others = sorted({name for record in records for name in record.conditions})
    for name in others:
        if name not in ("temperature", "field") and _varying(records, name) is not None:
            notes.append(f"condition {name} differs between the pictures and is not used")
    if field is not None and (family.covariate_direction is None or family.fixed_composition):
        notes.append(
            "condition field differs between the pictures and is not used: a uniform field has no "
            "place in this model"
        )
        field = None
    reference = None
    if temperature is not None:
        if np.any(temperature <= 0):
            raise InputError(
                "conditions['temperature'] must be absolute temperatures above 0; got "
                f"{temperature.min()}."
            )
        reference = float(temperature[0])
        notes.append(
            f"the pictures' temperatures differ: parameters are those at {reference:g}, and scale "
            "as one over the temperature"
        )
    if field is not None:
        notes.append(
            "the pictures' applied fields differ: field + field_response times the applied field "
            "acts on each"
        )
    blank = np.zeros(len(pictures))
    keys = np.column_stack(
        [blank if temperature is None else temperature, blank if field is None else field]
    )
    kinds, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    which = which.reshape(-1)
    members = tuple(tuple(pictures[k] for k in np.flatnonzero(which == kind)) for kind in order)
    kinds = kinds[order]
    scale = np.ones(len(kinds)) if reference is None else reference / kinds[:, 0]
    return Conditions(
        members, scale, None if field is None else kinds[:, 1], reference, tuple(notes)
    )


def _varying(records: tuple[LatticeSnapshots, ...], name: str) -> Float | None:
    """Return a condition of all pictures where it differs, or None."""
    given = [name in record.conditions for record in records]
    if not any(given):
        return None
    values = np.concatenate([r.conditions[name] for r in records if name in r.conditions])
    if not all(given):
        if name not in ("temperature", "field"):
            return None
        raise InputError(
            f"conditions[{name!r}] must be given for all snapshots or for none; snapshot record "
            f"{given.index(False)} has none."
        )
    if not np.all(np.isfinite(values)):
        raise InputError(f"conditions[{name!r}] must be finite.")
    return values if np.ptp(values) > 0 else None


def read_covariates(
    records: tuple[LatticeSnapshots, ...],
    family: LatticeFamily,
    covariates: str | ArrayLike | None,
) -> Covariates | None:
    """Return the covariates of every record's sites."""
    if covariates is None:
        return None
    direction = family.covariate_direction
    if direction is None:
        raise InputError(
            f"covariates need a model with one field (ising, lattice_gas, clock, blume_capel); the "
            f"model is {family.model}."
        )
    if isinstance(covariates, str):
        if covariates not in ("gradient", QUADRATIC):
            raise InputError(
                f"covariates must be 'gradient', 'quadratic' or an array; got {covariates!r}."
            )
        half = _half_extent(records)
        values = [_polynomials(record, half, covariates == QUADRATIC) for record in records]
        names: tuple[object, ...] = _polynomial_names(records[0], covariates == QUADRATIC)
    else:
        table = np.asarray(covariates, np.float64)
        table = table[:, None] if table.ndim == 1 else table
        sizes = sorted({_seen_sites(record) for record in records})
        if table.ndim != 2 or sizes != [len(table)]:
            raise InputError(
                f"covariates must have one row for each site, {sizes} site(s) in these snapshots; "
                f"got shape {np.shape(covariates)}."
            )
        table = check_array("covariates", table)
        values = [_continued(record, table) for record in records]
        names = tuple(range(1, table.shape[1] + 1))
    seen = [value[: _seen_sites(record)] for value, record in zip(values, records, strict=True)]
    size = np.max([np.abs(value).max(axis=0) for value in seen], axis=0)
    if np.any(size == 0):
        raise InputError("covariates must not be zero on all sites.")
    return Covariates(names, values, np.asarray(direction, np.float64), size)


def _half_extent(records: tuple[LatticeSnapshots, ...]) -> Float:
    """Return half of the largest extent of any picture along each axis: one scale for all."""
    extents = []
    for record in records:
        points = record.graph.positions
        if points is None:
            raise InputError("covariates by name need graph.positions; give an array instead.")
        extents.append(np.ptp(points[: _seen_sites(record)], axis=0))
    if len({len(extent) for extent in extents}) > 1:
        raise InputError("snapshots must have positions of one dimension for covariates.")
    half = np.max(extents, axis=0) / 2
    if np.any(half <= 0):
        raise InputError("covariates need positions that extend along every axis.")
    return np.asarray(half)


def _polynomials(record: LatticeSnapshots, half: Float, quadratic: bool) -> Float:
    """Return positions around the picture's middle over ``half``, and products, with mean 0."""
    points = np.asarray(record.graph.positions)
    seen = points[: _seen_sites(record)]
    scaled = (points - (seen.min(axis=0) + seen.max(axis=0)) / 2) / half
    columns = [scaled]
    if quadratic:
        first, second = np.triu_indices(points.shape[1])
        columns.append(scaled[:, first] * scaled[:, second])
    table = np.concatenate(columns, axis=1)
    return np.asarray(table - table[: len(seen)].mean(axis=0))


def _polynomial_names(record: LatticeSnapshots, quadratic: bool) -> tuple[str, ...]:
    positions = record.graph.positions
    axes = AXES[: 0 if positions is None else positions.shape[1]]
    names = list(axes)
    if quadratic:
        names += [f"{a}^2" if a == b else f"{a} {b}" for i, a in enumerate(axes) for b in axes[i:]]
    return tuple(names)


def read_site_field(
    records: tuple[LatticeSnapshots, ...], family: LatticeFamily, site_field: ArrayLike | None
) -> list[Float] | None:
    """Return known log weights (n_sites, q) for each record."""
    if site_field is None:
        return None
    q = family.n_states
    given = check_array("site_field", site_field)
    sizes = {_seen_sites(record) for record in records}
    direction = family.covariate_direction
    if given.ndim == 1 and direction is not None:
        given = np.multiply.outer(given, direction)
    sites = " and ".join(map(str, sorted(sizes)))
    if sizes != {len(given)} or given.ndim != 2 or given.shape[1] != q:
        raise InputError(
            f"site_field must have shape (n_sites,) or (n_sites, {q}) for pictures of {sites} "
            f"site(s); got shape {np.shape(site_field)}."
        )
    return [_continued(record, given) for record in records]


def _seen_sites(record: LatticeSnapshots) -> int:
    """Return the number of sites without those of a latent margin, which come last."""
    return record.graph.n_sites - int(record.metadata.get("margin_sites", 0))


def _continued(record: LatticeSnapshots, table: Float) -> Float:
    """Return a table of the seen sites with the rows of their nearest ones for the margin."""
    points, n = record.graph.positions, len(table)
    if n == record.graph.n_sites or points is None:
        return table
    from scipy.spatial import cKDTree

    nearest = cKDTree(points[:n]).query(points[n:])[1]
    return np.concatenate([table, table[nearest]])
