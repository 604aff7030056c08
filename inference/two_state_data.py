"""Two-state data in the form that the first engine reads; goes when that engine goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.lattice_data import LatticeData
from physlearn.records import SiteGraph

__all__ = ["TwoStateData", "two_state_data"]


@dataclass(frozen=True, slots=True, eq=False)
class TwoStateData:
    """One graph, states -1 and +1, terms and half the log-likelihood ratio of every site."""

    graph: SiteGraph
    n_shells: int
    states: NDArray[np.int8]
    terms: NDArray[np.int64]
    evidence: NDArray[np.float64] | None
    notes: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether every site is a term."""
        return len(self.terms) == self.graph.n_sites


def two_state_data(data: LatticeData) -> TwoStateData:
    """Return the only group of a two-state data set."""
    (group,) = data.groups
    evidence = None if group.label is None else (group.label[:, 1] - group.label[:, 0]) / 2
    return TwoStateData(
        group.graph, data.family.n_shells, np.where(group.codes == 1, 1, -1).astype(np.int8),
        group.terms, evidence, data.notes,
    )  # fmt: skip
