"""Which columns of a patch table are directly linked, and which way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.columns import (
    NEAR_DETERMINISTIC,
    Columns,
    prepare_columns,
    require_table,
    table_tiers,
)
from physlearn.causal.graphs import CausalGraph, GraphEdge
from physlearn.causal.quiet import quiet
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import MIN_RELIABILITY, SpatialIndependenceTest, SpatialScore
from physlearn.causal.table_notes import graph_notes, shared_pixels, without_derived
from physlearn.checks import InputError, NotIdentified, as_generator, check_choice

if TYPE_CHECKING:
    from physlearn.records import PatchTable

MAX_GIVEN = 3
"""Largest conditioning set: the level of the test is measured up to here."""
MIN_FREQUENCY = 0.5
CANCELLED_ALPHA = 0.005
"""Level at which a link that PC dropped is put back: influences that cancel."""

_TEST_NAME = "physlearn_spatial"


def discover_graph(
    table: PatchTable,
    *,
    method: str = "auto",
    tiers: Mapping[str, int] | None = None,
    alpha: float = 0.05,
    n_resamples: int = 50,
    rng: int | np.random.Generator | None = None,
) -> CausalGraph:
    """Find the direct links between the columns of a patch table with PC and a spatial test.

    The PC algorithm of causal-learn asks which pairs of columns stay dependent whatever else is
    held fixed; the test counts correlated neighbours once and takes the known measurement noise
    out (`spatial_independence`). Tiers are kept strictly: a later one never causes an earlier.
    Inside a tier an arrowhead may follow from the pattern of dependences; the other end keeps
    a circle, as a hidden common cause gives the same pattern.

    Parameters
    ----------
    table
        Patches, shape (n_patches, n_columns). At least 30 patches and 2 columns.
    method
        "auto" or "pc".
    tiers
        Column -> 0, 1, 2...; those given here win over the table's own.
    alpha
        Level of one test.
    n_resamples
        Number of half-samples of spatial blocks, in complementary pairs, for `frequency`;
        0 for none.
    rng
        Seed of the half-samples.

    Returns
    -------
    CausalGraph
        Links found in less than half of the half-samples, that the noise leaves open, or between
        descriptors of the same pixels of one channel (arithmetic may link them), are "undecided".

    Raises
    ------
    InputError
        For an alpha outside (0, 0.5), fewer than 0 resamples or unknown tiers.
    NotIdentified
        For fewer than 30 patches or fewer than 2 columns that vary.

    Notes
    -----
    PC: Spirtes, Glymour and Scheines, Causation, Prediction, and Search (MIT Press, 2000);
    causal-learn: Zheng et al., JMLR 25(60) (2024). Half-samples in complementary pairs: Shah
    and Samworth, doi:10.1111/j.1467-9868.2011.01034.x. Linear dependence only; no hidden
    common cause is excluded.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> a = rng.normal(size=256)
    >>> frame = pd.DataFrame({"composition": a, "response": a + rng.normal(size=256)})
    >>> table = PatchTable.from_frame(
    ...     frame, np.stack([x, y], 1), 1.0, unit="nm", tiers={"composition": 0, "response": 2})
    >>> discover_graph(table, n_resamples=10, rng=0).causes_of("response")
    ['composition']
    """
    require_table(table)
    check_choice("method", method, ("auto", "pc"))
    if isinstance(alpha, bool) or not 0 < alpha < 0.5:
        raise InputError(f"alpha must lie between 0 and 0.5; got {alpha!r}.")
    if isinstance(n_resamples, bool) or n_resamples < 0:
        raise InputError(f"n_resamples must be a whole number of at least 0; got {n_resamples!r}.")
    generator, seed = as_generator(rng)
    known_tiers = table_tiers(table, tiers)
    said: list[str] = []
    columns = prepare_columns(table, names=without_derived(table, said), drop=True)
    if len(columns.names) < 2:
        raise NotIdentified(
            f"only column {columns.names[0]!r} varies; a graph needs at least 2 columns."
        )
    columns, notes = _without_determined(columns, table)
    notes = said + notes
    columns = _without_pure_noise(columns, table, notes)
    known_tiers = {name: known_tiers[name] for name in columns.names if name in known_tiers}
    test = SpatialIndependenceTest(columns, alpha=alpha)
    marks = _run_pc(test, known_tiers)
    frequency = _adjacency_frequency(test, known_tiers, n_resamples, generator)
    detectable = _typical_detectable(test)
    notes += graph_notes(table, known_tiers, columns.names, detectable)
    edges = _without_arithmetic(_edges(test, marks, frequency, known_tiers), table, notes)
    return CausalGraph(
        columns.names,
        tuple(edges),
        tiers=known_tiers,
        method="PC (causal-learn), spatial errors-in-variables test",
        alpha=alpha,
        n_patches=table.n_patches,
        n_resamples=n_resamples,
        detectable=detectable,
        seed=seed,
        warnings=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Marks:
    """PC's answer: adjacency (symmetric) and arrowheads, arrow[i, j] for a head at j."""

    adjacent: NDArray[np.bool_]
    arrow: NDArray[np.bool_]


def _run_pc(test: SpatialIndependenceTest, tiers: Mapping[str, int]) -> _Marks:
    """Run causal-learn's PC with our test and the tiers as background knowledge."""
    with quiet("causallearn"):
        from causallearn.graph.GraphNode import GraphNode
        from causallearn.search.ConstraintBased.PC import pc
        from causallearn.utils.cit import register_ci_test
        from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

        knowledge = BackgroundKnowledge()
        for name, tier in tiers.items():
            knowledge.add_node_to_tier(GraphNode(name), tier)
        register_ci_test(_TEST_NAME, _adapter())
        found = pc(
            test.columns.values,
            alpha=test.alpha,
            indep_test=_TEST_NAME,
            background_knowledge=knowledge if tiers else None,
            show_progress=False,
            node_names=list(test.columns.names),
            max_k=MAX_GIVEN,
            spatial_test=test,
        )
    # causal-learn: graph[j, i] = 1 and graph[i, j] = -1 stands for i -> j
    ends = np.asarray(found.G.graph)
    marks = _Marks(adjacent=(ends != 0) & (ends.T != 0), arrow=(ends.T == 1) & (ends != 0))
    return _with_cancelled(test, marks, tiers)


def _with_cancelled(
    test: SpatialIndependenceTest, marks: _Marks, tiers: Mapping[str, int]
) -> _Marks:
    """Put back links that PC dropped because two influences cancel.

    Given its causes a column is independent of everything earlier that is no cause of it. Where
    the data deny this for a pair without a link, the graph has lost one.
    """
    names = test.columns.names
    adjacent = marks.adjacent.copy()
    for late, early in permutations(range(len(names)), 2):
        tier = [tiers.get(names[k]) for k in (late, early)]
        if None in tier or not tier[0] > tier[1] or marks.adjacent[late, early]:  # type: ignore[operator]
            continue
        causes = tuple(
            int(k)
            for k in np.flatnonzero(marks.adjacent[late])
            if tiers.get(names[k], math.inf) < tier[0]  # type: ignore[operator]
        )
        if not 0 < len(causes) <= MAX_GIVEN + 1:
            continue
        result = test(late, early, causes)
        if result.verdict == "dependent" and result.p_value_envelope < CANCELLED_ALPHA:
            adjacent[late, early] = adjacent[early, late] = True
    return _Marks(adjacent, marks.arrow)


def _adapter() -> type[Any]:
    """Return the class through which causal-learn calls a `SpatialIndependenceTest`."""
    from causallearn.utils.cit import CIT_Base

    class SpatialCIT(CIT_Base):  # type: ignore[misc]  # causal-learn has no types
        def __init__(self, data: Floats, spatial_test: SpatialIndependenceTest) -> None:
            super().__init__(data)
            self.method = _TEST_NAME
            self.spatial_test = spatial_test

        def __call__(self, X: int, Y: int, condition_set: Any = None) -> float:
            result = self.spatial_test(int(X), int(Y), tuple(condition_set or ()))
            # an edge goes only for independence that was shown; what is undecided stays, marked
            return 0.0 if result.verdict == "undecided" else result.p_value

    return SpatialCIT


def _adjacency_frequency(
    test: SpatialIndependenceTest,
    tiers: Mapping[str, int],
    n_resamples: int,
    generator: np.random.Generator,
) -> Floats:
    """Return the share of half-samples of spatial blocks in which each pair is adjacent."""
    p = len(test.columns.names)
    if n_resamples == 0:
        return np.full((p, p), np.nan)
    spatial: SpatialScore = test.spatial
    effective = [spatial.error(i, j, ())[1] for i, j in combinations(range(p), 2)]
    per_side = int(np.clip(np.sqrt(np.median(effective)), 4, 8))
    grams, counts = spatial.block_grams(test.columns.layout.blocks(per_side))
    adjacent = np.zeros((p, p))
    half = len(counts) // 2
    order = np.arange(len(counts))
    for k in range(n_resamples):
        if k % 2 == 0:
            order = generator.permutation(len(counts))
        chosen = order[:half] if k % 2 == 0 else order[half:]
        share = float(counts[chosen].sum() / counts.sum())
        part = SpatialIndependenceTest(
            test.columns,
            alpha=test.alpha,
            noise_relative_error=0.0,
            gram=grams[chosen].sum(axis=0) / counts[chosen].sum(),
            share=share,
            score=spatial,
        )
        adjacent += _run_pc(part, tiers).adjacent
    return np.asarray(adjacent / n_resamples)


def _edges(
    test: SpatialIndependenceTest, marks: _Marks, frequency: Floats, tiers: Mapping[str, int]
) -> list[GraphEdge]:
    names = test.columns.names
    edges = []
    for i, j in zip(*np.nonzero(np.triu(marks.adjacent)), strict=True):
        first, second = int(i), int(j)
        tier = [tiers.get(names[k]) for k in (first, second)]
        if None not in tier and tier[0] != tier[1]:
            if tier[0] > tier[1]:  # type: ignore[operator]  # None was excluded above
                first, second = second, first
            ends = ("tail", "arrow")
        else:
            heads = (bool(marks.arrow[second, first]), bool(marks.arrow[first, second]))
            if heads == (True, False):
                first, second = second, first
            ends = {
                (True, True): ("arrow", "arrow"),
                (False, False): ("circle", "circle"),
            }.get(heads, ("circle", "arrow"))
        edges.append(_edge(test, first, second, ends, float(frequency[i, j])))
    return edges


def _without_arithmetic(
    edges: list[GraphEdge], table: PatchTable, notes: list[str]
) -> list[GraphEdge]:
    """Return the edges with those between descriptors of the same pixels left open."""
    checked, said = [], []
    for edge in edges:
        channel = shared_pixels(table, edge.source, edge.target)
        if channel:
            said.append(f"{edge.source} and {edge.target}")
            reason = (
                f"both are computed from the same pixels of {channel}: arithmetic may link them"
            )
            edge = replace(edge, presence="undecided", reason=reason)
        checked.append(edge)
    if said:
        notes.append(
            f"{', '.join(said)} are descriptors of the same pixels: a link between them may be "
            "arithmetic, and is left undecided."
        )
    return checked


def _edge(
    test: SpatialIndependenceTest, first: int, second: int, ends: tuple[str, str], frequency: float
) -> GraphEdge:
    pair = (min(first, second), max(first, second))
    results = [result for key, result in test.results.items() if key[:2] == pair]
    open_tests = [result for result in results if result.verdict == "undecided"]
    # a link put back by `_with_cancelled` passed an independence test; its evidence is the other
    kept = [result for result in results if result.verdict != "independent"]
    weakest = max(kept, key=lambda result: result.p_value_envelope)
    reason = open_tests[0].reason if open_tests else ""
    if not reason and frequency < MIN_FREQUENCY:
        reason = f"fewer than {MIN_FREQUENCY:.0%} of the half-samples show it"
    names = test.columns.names
    return GraphEdge(
        names[first],
        names[second],
        *ends,
        presence="undecided" if reason else "present",
        frequency=frequency,
        partial_correlation=weakest.partial_correlation,
        p_value=weakest.p_value,
        reason=reason,
    )


def _without_determined(columns: Columns, table: PatchTable) -> tuple[Columns, list[str]]:
    """Leave out columns that the others determine: they make every test of them meaningless."""
    notes = list(columns.warnings)
    names = list(columns.names)
    while len(names) > 2:
        index = [columns.index(name) for name in names]
        gram = columns.values[:, index].T @ columns.values[:, index] / len(columns.values)
        left = 1.0 / (np.diag(np.linalg.pinv(gram, hermitian=True)) * np.diag(gram))
        worst = int(np.argmin(left))
        if left[worst] > 1.0 - NEAR_DETERMINISTIC and np.linalg.cond(gram) < 1e10:
            break
        worst = worst if np.linalg.cond(gram) < 1e10 else len(names) - 1
        notes.append(
            f"column {names[worst]!r} is all but determined by the others and was left out."
        )
        del names[worst]
    if len(names) == len(columns.names):
        return columns, notes
    kept = prepare_columns(table, names=names, drop=True, layout=columns.layout)
    return kept, notes


def _without_pure_noise(columns: Columns, table: PatchTable, notes: list[str]) -> Columns:
    """Leave out columns that hardly vary beyond their errors: none can be held fixed in a test.

    One such column beside a true cause, by chance, would leave every link of the two untestable.
    """
    variance = np.mean(columns.values**2, axis=0)
    share = 1.0 - np.diag(columns.noise) / np.maximum(variance, 1e-300)
    kept = [name for name, true in zip(columns.names, share, strict=True) if true > MIN_RELIABILITY]
    if len(kept) == len(columns.names) or len(kept) < 2:
        return columns
    for name, true in zip(columns.names, share, strict=True):
        if name not in kept:
            notes.append(
                f"column {name!r} was left out: only {max(true, 0.0):.0%} of its variance is not "
                "measurement noise, so nothing can be said of its links."
            )
    return prepare_columns(table, names=kept, drop=True, layout=columns.layout)


def _typical_detectable(test: SpatialIndependenceTest) -> float:
    values = [r.detectable for r in test.results.values() if np.isfinite(r.detectable)]
    return float(np.median(values)) if values else float("nan")
