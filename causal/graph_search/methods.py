"""Which search answers to which name, and which one `auto` takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from physlearn.causal.columns import Columns
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
from physlearn.checks import NotIdentified
from physlearn.executors import ExecutorLike

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
SCORED = ("ges", "boss", "exact")
"""Methods whose links come from a score."""
PATCHES_A_COLUMN = 3
"""Measured on 49 patches of noise: 12 to 17 links of 20 columns, 0 to 4 of 14."""
SIMPLE_COLUMNS = 12
CURVED = 4.0
"""Standard errors by which the square of a column may go with another in a linear law."""
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
        if method in SCORED:
            self._require_patches(method)
        runs: dict[str, Callable[[], Found]] = {
            "pc": lambda: search_pc(self.test, self.constraints),
            "fci": lambda: search_fci(self.test, self.constraints),
            "ges": lambda: self._by_score(self.data, method, generator),
            "boss": lambda: self._by_score(self.data, method, generator),
            "exact": lambda: self._by_score(self.data, method, generator),
            "lingam": lambda: search_lingam(self.test, self.constraints, generator),
        }
        found = runs[method]()
        if violations(found.ends, self.constraints):
            hidden = method == "fci"
            ends, _ = keep_strictly(found.ends, self.constraints, hidden_causes=hidden)
            found.ends, opened = without_cycles(ends, self.constraints, hidden_causes=hidden)
            found.notes += cycle_notes(opened, self.constraints.names)
        if method in SCORED:
            found.notes.append(
                f"the score counts {self.test.columns.layout.n} correlated patches as "
                f"{self.data.n_effective:.0f} independent ones, and takes linear laws and no "
                "hidden common cause for granted."
            )
        return found

    def _require_patches(self, method: str) -> None:
        n, p = self.data.n_effective - self.test.columns.n_trend, len(self.constraints.names)
        if n < PATCHES_A_COLUMN * p:
            raise NotIdentified(
                f'method="{method}" needs {PATCHES_A_COLUMN} effective patches a column, else it '
                f"fits noise; here are {max(n, 0):.0f} for {p} columns: take fewer columns, more "
                'patches or method="pc".'
            )

    def _by_score(self, data: ScoreData, method: str, generator: np.random.Generator) -> Found:
        """Run a score's search; GES and BOSS by name, as of equal scores they take the first."""
        if method == "exact":
            return search_exact(data, self.constraints)
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

    def frequency(
        self, method: str, n_resamples: int, executor: ExecutorLike | None = None
    ) -> EdgeFrequency:
        """Return how often a method sees each link in half-samples of spatial blocks.

        The links of "lingam" are those of "pc"; of "exact" those of a posterior of at least one
        half.
        """
        n_blocks = 1
        if n_resamples:
            by_score = method in SCORED
            n_blocks = len(self.data.block_counts) if by_score else self.test.n_blocks
        return edge_frequency(
            partial(self.on_part, method), n_blocks, len(self.constraints.names), n_resamples,
            self.generator(method), executor,
        )  # fmt: skip

    def on_part(self, method: str, chosen: Mask, seed: int) -> Ends:
        """Return the marks that a method finds on the chosen spatial blocks."""
        if method in SCORED:
            data = self.data.on_blocks(chosen)
            return self._by_score(data, method, np.random.default_rng(seed)).ends
        search = search_fci if method == "fci" else search_pc
        return search(self.test.on_blocks(chosen), self.constraints, part=True).ends


def choose_method(search: Search, *, continuous: bool) -> tuple[str, str]:
    """Return the method for "auto", and why.

    Parameters
    ----------
    search
        Test, covariance and constraints of the table.
    continuous
        Whether all columns hold continuous quantities of patches with places.

    Notes
    -----
    Measured on graphs of 12 columns with 18 links, three tiers, 48 x 48 patches, signal to noise
    10 and channels up to .3 patch apart, 8 graphs: "exact" 0 false links and .93 of the true ones,
    "pc" .5 and .92, "boss" .5 and .95.
    """
    names, data = search.constraints.names, search.data
    if not search.constraints.never_ancestor.any():
        return "fci", (
            'method "auto" took "fci": nothing orders the columns, so that only a search which '
            "admits hidden common causes says which ends are settled."
        )
    n = data.n_effective - search.test.columns.n_trend
    if not continuous:
        against = "not all columns hold continuous quantities measured at places"
    elif any(search.test.columns.errors_unknown):
        against = "errors of measurement are unknown, which a score takes as none"
    elif len(names) > SIMPLE_COLUMNS:
        against = f'{len(names)} columns are more than the {SIMPLE_COLUMNS} up to which "exact" is'
        against += " taken"
    elif n < PATCHES_A_COLUMN * len(names):
        against = f"{max(n, 0):.0f} effective patches are too few for a score"
    elif bent := curved_pair(search.test.columns, data):
        against = f"{bent[1]} goes with the square of {bent[0]}: no linear law"
    else:
        return "exact", (
            'method "auto" took "exact": tiers or knowledge order few continuous columns without '
            "a sign of curved laws, where the posterior over all graphs had the fewest false links "
            "for the same true ones; every link was put to the spatial test as well. It assumes "
            'that no two columns share a hidden cause; method="fci" does not.'
        )
    return "pc", (
        f'method "auto" took "pc": {against}; its tests take correlated neighbours and known '
        "noise into account one by one. It assumes that no two columns share a hidden cause; "
        'method="fci" does not.'
    )


def curved_pair(columns: Columns, data: ScoreData) -> tuple[str, str] | None:
    """Return two columns, the second of which goes with the square of the first; None if none do.

    Jointly Gaussian columns have no such moments. The error is that of as many independent
    patches as the score counts, which for squares is more than there is (their correlation over
    space is shorter).
    """
    values = columns.values / columns.values.std(axis=0)
    correlation = values.T @ values / len(values)
    moments = (values**2 - 1.0).T @ values / len(values)
    error = np.sqrt((2.0 + 8.0 * correlation**2) / data.n_effective)
    score = np.abs(moments) / error
    np.fill_diagonal(score, 0.0)
    i, j = np.unravel_index(int(np.argmax(score)), score.shape)
    return (columns.names[i], columns.names[j]) if score[i, j] > CURVED else None


def ensemble_methods(p: int) -> list[str]:
    """Return the methods that an ensemble of `p` columns runs."""
    return [name for name in METHODS if name != "exact" or p <= min(EXACT_IN_ENSEMBLE, MAX_COLUMNS)]
