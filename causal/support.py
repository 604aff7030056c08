"""Whether a changed patch still looks like patches that were seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.columns import Columns
from physlearn.causal.spatial_layout import Floats, Integers

if TYPE_CHECKING:
    from physlearn.causal.counterfactual_models.model_data import ModelData
    from physlearn.records import PatchTable

SUPPORT_QUANTILE = 0.99
WIDE_GAP = 0.5
"""A value farther than so many standard deviations from every one seen lies in a gap."""


def in_support(
    table: PatchTable,
    columns: Columns,
    patch: int,
    do: Mapping[str, float],
    together: Sequence[int],
) -> bool:
    """Return whether a patch with some columns set to other values lies among the patches seen.

    Each value must lie within its column's range and in no wide gap of it, and the columns
    `together` (positions) within the Mahalanobis distance that holds 99 % of the patches.
    """
    changed = columns.values[patch].copy()
    for name, value in do.items():
        seen = table.frame[name].to_numpy()
        if not bool(_seen_nearby(seen, np.array([value]))[0]):
            return False
        k = columns.index(name)
        changed[k] += (value - float(seen[patch])) / columns.scale[k]
    used = list(together)
    values = columns.values[:, used]
    inverse = np.linalg.pinv(values.T @ values / len(values), hermitian=True)
    distances = np.einsum("ni,ij,nj->n", values, inverse, values)
    own = float(changed[used] @ inverse @ changed[used])
    return own <= float(np.quantile(distances, SUPPORT_QUANTILE))


def support_flags(
    data: ModelData, rows: Integers, do: Mapping[str, Floats], together: Sequence[str]
) -> NDArray[np.bool_]:
    """Return for each patch whether, with some columns set, it lies among the patches seen.

    As `in_support`; a combination of levels must have been seen, and the distance is to the
    patches of the same levels, with the covariance within levels.
    """
    fits = np.ones(len(rows), dtype=bool)
    columns = data.columns
    continuous = [name for name in together if name not in data.levels]
    coded = [name for name in together if name in data.levels]
    index = [columns.index(name) for name in continuous]
    values = columns.values[:, index]
    changed = values[rows].copy()
    for name, value in do.items():
        seen = data.raw[name]
        fits &= _seen_nearby(seen, value)
        if name in continuous:
            k = continuous.index(name)
            changed[:, k] += (value - seen[rows]) / columns.scale[index[k]]
    if not coded:
        inverse = _inverse(values)
        limit = float(np.quantile(_distances(values, inverse), SUPPORT_QUANTILE))
        return np.asarray(fits & (_distances(changed, inverse) <= limit))
    levels = np.stack([data.raw[name] for name in coded], axis=1)
    asked = levels[rows].copy()
    for k, name in enumerate(coded):
        if name in do:
            asked[:, k] = do[name]
    combinations, group = np.unique(levels, axis=0, return_inverse=True)
    group = group.reshape(-1)
    means = np.stack([values[group == g].mean(axis=0) for g in range(len(combinations))])
    inside = values - means[group]
    inverse = _inverse(inside)
    limit = np.quantile(_distances(inside, inverse), SUPPORT_QUANTILE) if index else 0.0
    for g, combination in enumerate(combinations):
        here = (asked == combination).all(axis=1)
        if index:
            fits[here] &= _distances(changed[here] - means[g], inverse) <= limit
    known = (asked[:, None, :] == combinations[None]).all(axis=2).any(axis=1)
    return np.asarray(fits & known)


def _seen_nearby(seen: Floats, values: Floats) -> NDArray[np.bool_]:
    """Whether values lie within the range seen, and near one that was seen."""
    known = np.unique(seen)
    place = np.searchsorted(known, values)
    below, above = known[np.maximum(place - 1, 0)], known[np.minimum(place, len(known) - 1)]
    near = np.minimum(np.abs(values - below), np.abs(values - above)) <= WIDE_GAP * seen.std()
    return np.asarray(near & (values >= known[0]) & (values <= known[-1]), dtype=np.bool_)


def _inverse(values: Floats) -> Floats:
    moments = values.T @ values / len(values)
    return np.asarray(np.linalg.pinv(moments, hermitian=True), dtype=np.float64)


def _distances(values: Floats, inverse: Floats) -> Floats:
    return np.asarray(((values @ inverse) * values).sum(axis=1))
