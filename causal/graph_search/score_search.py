"""Searches for the graph of the best score: GES and BOSS of causal-learn on effective counts."""

from __future__ import annotations

import numpy as np

from physlearn.causal.graph_search.covariance import ScoreData
from physlearn.causal.graph_search.knowledge import (
    Constraints,
    cycle_notes,
    keep_strictly,
    without_cycles,
)
from physlearn.causal.graph_search.marks import Found, Mask
from physlearn.causal.graph_search.pc_search import open_tails, orient_pattern
from physlearn.causal.graph_search.skeleton import Triples, unshielded_triples
from physlearn.causal.quiet import quiet

REQUIRED_WORTH = 1e6
"""Added to the score for a required cause: more than any fit can gain."""
MAX_ROUNDS = 100


def search_ges(data: ScoreData, constraints: Constraints) -> Found:
    """Return the equivalence class that greedy equivalence search finds.

    causal-learn's GES takes no knowledge: tiers and knowledge direct its links afterwards, and
    forbidden links are taken out.

    Notes
    -----
    Chickering, JMLR 3, 507 (2002); the score is the BIC of linear Gaussian models, n the
    effective number of patches.
    """
    with quiet("causallearn"):
        from causallearn.search.ScoreBased.GES import ges

        found = ges(cov=data.correlation, n=max(round(data.n_effective), 3))["G"]
    # causal-learn: graph[j, i] = 1 and graph[i, j] = -1 stands for i -> j
    marks = np.asarray(found.graph)
    arrows = np.asarray((marks.T == 1) & (marks == -1), dtype=np.bool_)
    adjacent = np.asarray((marks != 0) & (marks.T != 0), dtype=np.bool_)
    return equivalence_class(adjacent, arrows, constraints)


def search_boss(data: ScoreData, constraints: Constraints, rng: np.random.Generator) -> Found:
    """Return the equivalence class of the best graph over orders of the columns.

    Forbidden causes are never tried and required ones always kept: the search itself obeys tiers.

    Notes
    -----
    Andrews, Ramsey, Sanchez-Romero et al., NeurIPS 2023 (BOSS), the grow-shrink trees and moves
    are those of causal-learn; the score is the BIC of linear Gaussian models, n the effective
    number of patches.
    """
    p = len(constraints.names)
    with quiet("causallearn"):
        from causallearn.search.PermutationBased.BOSS import better_mutation
        from causallearn.search.PermutationBased.gst import GST

        score = _LocalScore(data, constraints.required)
        trees = []
        for k in range(p):
            tree = GST(k, score)
            tree.forbidden = [k, *(int(i) for i in np.flatnonzero(constraints.forbidden[:, k]))]
            tree.reset()
            trees.append(tree)
        order = [int(k) for k in np.argsort(constraints.never_ancestor.sum(axis=1), kind="stable")]
        for _ in range(MAX_ROUNDS):
            moves = [better_mutation(int(k), order, trees) for k in rng.permutation(p)]
            if not any(moves):
                break
        arrows = np.zeros((p, p), dtype=np.bool_)
        for place, k in enumerate(order):
            parents: list[int] = []
            trees[k].trace(order[:place], parents)
            arrows[parents, k] = True
    return equivalence_class(arrows | arrows.T, arrows, constraints)


class _LocalScore:
    """The score that causal-learn's grow-shrink trees ask for, each set of causes once."""

    def __init__(self, data: ScoreData, required: Mask) -> None:
        self.data = data.correlation
        self.n = data.n_effective
        self.required = required
        self._known: dict[tuple[int, tuple[int, ...]], float] = {}

    def score_nocache(self, column: int, causes: list[int]) -> float:
        """Return the BIC of a column given its causes; higher is better."""
        key = (column, tuple(sorted(causes)))
        if key not in self._known:
            self._known[key] = self._bic(*key)
        return self._known[key]

    def _bic(self, column: int, causes: tuple[int, ...]) -> float:
        left = 1.0
        if causes:
            index = list(causes)
            beside = self.data[index, column]
            left = 1.0 - float(beside @ np.linalg.solve(self.data[np.ix_(index, index)], beside))
        fit = -0.5 * self.n * np.log(max(left, 1e-12))
        worth = REQUIRED_WORTH * float(self.required[list(causes), column].sum())
        return float(fit - 0.5 * len(causes) * np.log(self.n) + worth)


def equivalence_class(adjacent: Mask, arrows: Mask, constraints: Constraints) -> Found:
    """Return links with the directions that every graph of the same score and knowledge shares."""
    allowed = adjacent & ~constraints.impossible
    notes = []
    if (allowed != adjacent).any():
        names = constraints.names
        i, j = np.argwhere(np.triu(adjacent & ~allowed))[0]
        notes.append(
            f"the score links {names[i]} and {names[j]}, which what is known rules out: a hidden "
            "cause may drive both."
        )
    colliders = [
        (x, z, y) for x, z, y in unshielded_triples(allowed) if arrows[x, z] and arrows[y, z]
    ]
    chains = {
        triple
        for x, z, y in unshielded_triples(allowed)
        if (x, z, y) not in colliders
        for triple in ((x, z, y), (y, z, x))
    }
    ends, conflicts = orient_pattern(allowed, Triples(colliders, chains), constraints)
    if conflicts:
        notes.append("tiers or knowledge overrule directions that the score prefers.")
    ends, said = keep_strictly(ends, constraints, hidden_causes=False)
    ends, opened = without_cycles(ends, constraints, hidden_causes=False)
    said += cycle_notes(opened, constraints.names)
    return Found(open_tails(ends, constraints), notes=[*notes, *said])
