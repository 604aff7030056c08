"""Which search answers to which name, and which one `auto` takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from physlearn.causal.graph_search.covariance import ScoreData, score_data
from physlearn.causal.graph_search.dag_posterior import MAX_COLUMNS, search_exact
from physlearn.causal.graph_search.edge_frequency import EdgeFrequency, edge_frequency
from physlearn.causal.graph_search.edges import detectable_by_tests
from physlearn.causal.graph_search.fci_search import search_fci
from physlearn.causal.graph_search.functional_search import search_lingam
from physlearn.causal.graph_search.knowledge import (
    Constraints,
    cycle_notes,
    keep_strictly,
    violations,
    without_cycles,
)
from physlearn.causal.graph_search.marks import Ends, Found, Mask
from physlearn.causal.graph_search.pc_search import search_pc
from physlearn.causal.graph_search.score_search import search_boss, search_ges
from physlearn.causal.graph_search.skeleton import IndependenceTest

METHODS = {
    "pc": "PC, conditional-independence tests",
    "fci": "FCI, conditional-independence tests, hidden causes allowed",
    "ges": "GES (causal-learn), BIC with the effective number of patches",
    "boss": "BOSS (causal-learn), BIC with the effective number of patches",
    "exact": "posterior over all graphs, BGe score with the effective number of patches",
    "lingam": "PC links, DirectLiNGAM directions on spatially filtered columns",
}
STEADY_MARKS = ("pc", "fci", "ges", "boss")
"""Methods whose arrowheads must stand in half-samples too."""
POWER_80 = 0.84
"""Standard errors above a threshold at which a value passes it in 80 % of cases."""
EXACT_IN_ENSEMBLE = 12
"""Above so many columns the sum over all graphs takes too long beside the other methods."""
TESTED = ("pc", "fci", "lingam")
"""Methods whose links come from the independence test."""


@dataclass
class Search:
    """One table's test, covariance and constraints, for several methods.

    Attributes
    ----------
    test
        Test object.
    constraints
        Tiers and knowledge over its columns.
    seeds
        Streams of random numbers come from here, one a method.
    """

    test: IndependenceTest
    constraints: Constraints
    seeds: np.random.SeedSequence

    @cached_property
    def data(self) -> ScoreData:
        """The noise-free correlations and the effective number of patches."""
        return score_data(self.test.columns)

    def generator(self, method: str) -> np.random.Generator:
        """Return the same stream for a method whatever ran before it."""
        key = (*self.seeds.spawn_key, list(METHODS).index(method))
        return np.random.default_rng(np.random.SeedSequence(self.seeds.entropy, spawn_key=key))

    def run(self, method: str) -> Found:
        """Return what a method finds on all patches, tiers and knowledge kept strictly."""
        generator = self.generator(method)
        runs: dict[str, Callable[[], Found]] = {
            "pc": lambda: search_pc(self.test, self.constraints),
            "fci": lambda: search_fci(self.test, self.constraints),
            "ges": lambda: self._by_score(self.data, method, generator),
            "boss": lambda: self._by_score(self.data, method, generator),
            "exact": lambda: search_exact(self.data, self.constraints),
            "lingam": lambda: search_lingam(self.test, self.constraints, generator),
        }
        found = runs[method]()
        if violations(found.ends, self.constraints):
            hidden = method == "fci"
            ends, _ = keep_strictly(found.ends, self.constraints, hidden_causes=hidden)
            found.ends, opened = without_cycles(ends, self.constraints, hidden_causes=hidden)
            found.notes += cycle_notes(opened, self.constraints.names)
        if method in ("ges", "boss", "exact"):
            found.notes.append(
                f"the score counts {self.test.columns.layout.n} correlated patches as "
                f"{self.data.n_effective:.0f} independent ones, and takes linear laws and no "
                "hidden common cause for granted."
            )
        return found

    def _by_score(self, data: ScoreData, method: str, generator: np.random.Generator) -> Found:
        """Run GES or BOSS on the columns by name: of equal scores both take what comes first."""
        order = np.argsort(self.constraints.names)
        ordered = self.constraints.in_order(order)
        if method == "ges":
            found = search_ges(data.in_order(order), ordered)
        else:
            found = search_boss(data.in_order(order), ordered, generator)
        back = np.argsort(order)
        found.ends = found.ends[np.ix_(back, back)]
        return found

    def detectable(self, method: str, ends: Ends) -> float:
        """Return the partial correlation that a missing link would have shown in 80 % of cases.

        Of tests that of the least sensitive one that took a link out; of scores that which their
        penalty of a link asks of the effective number of patches.
        """
        if method in (*TESTED, "ensemble"):
            return detectable_by_tests(self.test, ends)
        n, p = self.data.n_effective, len(self.constraints.names)
        penalty = np.log(n) + (2.0 * np.log(max(p - 1, 1)) if method == "exact" else 0.0)
        return float(np.sqrt(-np.expm1(-penalty / n)) + POWER_80 / np.sqrt(n))

    def frequency(self, method: str, n_resamples: int) -> EdgeFrequency:
        """Return how often a method sees each link in half-samples of spatial blocks.

        The links of "lingam" are those of "pc"; "exact" has a posterior instead.
        """
        p = len(self.constraints.names)
        generator = self.generator(method)
        by_score = method in ("ges", "boss")
        count = 0 if method == "exact" else n_resamples

        def on_part(chosen: Mask) -> Ends:
            if by_score:
                return self._by_score(self.data.on_blocks(chosen), method, generator).ends
            search = search_fci if method == "fci" else search_pc
            return search(self.test.on_blocks(chosen), self.constraints, part=True).ends

        n_blocks = 1
        if count:
            n_blocks = len(self.data.block_counts) if by_score else self.test.n_blocks
        return edge_frequency(on_part, n_blocks, p, count, generator)


def choose_method(constraints: Constraints) -> tuple[str, str]:
    """Return the method for "auto", and why."""
    if constraints.never_ancestor.any():
        return "pc", (
            'method "auto" took "pc": tiers or knowledge order columns, and its tests take '
            "correlated neighbours and known noise into account one by one."
        )
    return "fci", (
        'method "auto" took "fci": nothing orders the columns, so that only a search which admits '
        "hidden common causes says which ends are settled."
    )


def ensemble_methods(p: int) -> list[str]:
    """Return the methods that an ensemble of `p` columns runs."""
    return [name for name in METHODS if name != "exact" or p <= min(EXACT_IN_ENSEMBLE, MAX_COLUMNS)]
