"""Groups of pictures and the model's parameters, from records, labels and conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattices.lattice_conditions import Conditions, Covariates
from physlearn.inference.lattices.lattice_family import LatticeFamily, Variable
from physlearn.inference.lattices.picture_group import PictureGroup
from physlearn.inference.measurement.label_rows import CROSSTALK, LabelRows
from physlearn.records import LatticeSnapshots, SiteGraph

if TYPE_CHECKING:
    from physlearn.inference.measurement.lattice_evidence import PairEvidence

__all__ = ["describe_parameters", "group_pictures"]

Float = NDArray[np.float64]


def group_pictures(
    records: tuple[LatticeSnapshots, ...],
    inside: list[NDArray[np.int64]],
    labels: LabelRows,
    fields: list[Float] | None,
    added: Covariates | None,
    conditions: Conditions,
    family: LatticeFamily,
    number: int,
) -> PictureGroup:
    """Return the pictures of one group as one graph."""
    members = conditions.members[number]
    sizes = [records[r].graph.n_sites for r, _ in members]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    numbers = np.cumsum([0, *(record.n_snapshots for record in records)])
    q = family.n_states
    extra = np.zeros((0, sum(sizes), q))
    if added is not None:
        stacked = np.concatenate([added.values[r] for r, _ in members])
        extra = np.ascontiguousarray(np.multiply.outer(stacked.T, added.direction))
    rows = labels.rows
    return PictureGroup(
        _union([records[r].graph for r, _ in members], starts),
        np.concatenate([labels.codes[r][k] for r, k in members]),
        np.concatenate([inside[r] + s for (r, _), s in zip(members, starts, strict=True)]),
        None if rows is None else np.concatenate([rows[r][k] for r, k in members]),
        np.concatenate([labels.labelled[r][k] for r, k in members]),
        np.repeat([numbers[r] + k for r, k in members], sizes).astype(np.int64),
        extra,
        None if fields is None else np.concatenate([fields[r] for r, _ in members]),
        _design(family, conditions, len(extra), number),
        _pairs(records, members, starts),
    )


def _pairs(
    records: tuple[LatticeSnapshots, ...],
    members: tuple[tuple[int, int], ...],
    starts: NDArray[np.int64],
) -> PairEvidence | None:
    """Return what the intensities say about pairs of sites, where columns overlap."""
    if not any(CROSSTALK in records[r].metadata for r, _ in members):
        return None
    from physlearn.inference.measurement.crosstalk import pair_evidence
    from physlearn.inference.measurement.lattice_evidence import join_evidence

    parts = [pair_evidence(records[r], k) for r, k in members]
    return join_evidence(
        [
            None if part is None else part.shifted(int(start))
            for part, start in zip(parts, starts, strict=True)
        ]
    )


def _union(graphs: list[SiteGraph], starts: NDArray[np.int64]) -> SiteGraph:
    """Return graphs side by side as one."""
    if len(graphs) == 1:
        return graphs[0]
    radii = {graph.shell_radii for graph in graphs}
    return SiteGraph(
        sum(graph.n_sites for graph in graphs),
        np.concatenate([graph.edges + s for graph, s in zip(graphs, starts, strict=True)]),
        np.concatenate([graph.shell for graph in graphs]),
        np.concatenate([graph.multiplicity for graph in graphs]),
        unit=graphs[0].unit, shell_radii=radii.pop() if len(radii) == 1 else (),
    )  # fmt: skip


def _design(family: LatticeFamily, conditions: Conditions, n_extra: int, number: int) -> Float:
    """Return natural parameters (d_f + n_extra) as a map of theta, for one group."""
    applied = conditions.applied_field
    d_f = family.n_parameters
    design = np.eye(d_f + n_extra, d_f + (applied is not None) + n_extra)
    if applied is not None:
        design[d_f:, d_f:] = np.eye(n_extra, 1 + n_extra, 1)
        design[_field_index(family), d_f] = applied[number]
    return np.asarray(design * conditions.scale[number])


def _field_index(family: LatticeFamily) -> int:
    """Return the parameter whose statistic an applied field multiplies."""
    direction = family.covariate_direction
    return next(
        index for index, row in enumerate(family.site)
        if direction is not None
        and family.kinds[index] == "site"
        and np.array_equal(row, direction)
    )  # fmt: skip


def describe_parameters(
    family: LatticeFamily, conditions: Conditions, added: Covariates | None
) -> tuple[tuple[Variable, ...], list[str], tuple[str, ...], Float]:
    """Return variables, names, kinds and usual widths of all parameters."""
    applied = conditions.applied_field
    k = 0 if added is None else len(added.names)
    further = int(applied is not None) + k
    d_f = family.n_parameters
    variables = [
        Variable(
            one.name, one.dims, one.coords,
            np.concatenate([one.map, np.zeros((*one.map.shape[:-1], further))], axis=-1),
        )
        for one in family.variables
    ]  # fmt: skip
    unit = np.eye(d_f + further)
    scale = np.ones(d_f + further)
    if applied is not None:
        variables.append(Variable("field_response", (), (), unit[d_f]))
        scale[d_f] = 1.0 / np.abs(applied).max()
    if added is not None:
        variables.append(Variable("field_gradient", ("covariate",), (added.names,), unit[-k:]))
        scale[-k:] = 1.0 / added.size
    names = [*family.labels, *(label for one in variables[len(family.variables) :]
                               for label in one.labels())]  # fmt: skip
    return tuple(variables), names, family.kinds + ("site",) * further, scale
