"""Whether a changed patch still looks like patches that were seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from physlearn.causal.columns import Columns

if TYPE_CHECKING:
    from physlearn.records import PatchTable

SUPPORT_QUANTILE = 0.99


def in_support(
    table: PatchTable,
    columns: Columns,
    patch: int,
    do: Mapping[str, float],
    together: Sequence[int],
) -> bool:
    """Return whether a patch with some columns set to other values lies among the patches seen.

    Each value must lie within its column's range, and the columns `together` (positions) within
    the Mahalanobis distance that holds 99 % of the patches.
    """
    changed = columns.values[patch].copy()
    for name, value in do.items():
        seen = table.frame[name].to_numpy()
        if not seen.min() <= value <= seen.max():
            return False
        k = columns.index(name)
        changed[k] += (value - float(seen[patch])) / columns.scale[k]
    used = list(together)
    values = columns.values[:, used]
    inverse = np.linalg.pinv(values.T @ values / len(values), hermitian=True)
    distances = np.einsum("ni,ij,nj->n", values, inverse, values)
    own = float(changed[used] @ inverse @ changed[used])
    return own <= float(np.quantile(distances, SUPPORT_QUANTILE))
