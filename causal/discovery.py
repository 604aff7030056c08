"""Which columns of a patch table are directly linked, and which way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from physlearn.causal.columns import (
    NEAR_DETERMINISTIC,
    Columns,
    prepare_columns,
    require_table,
    table_tiers,
)
from physlearn.causal.graph_search.consensus import agreement, consensus
from physlearn.causal.graph_search.edge_frequency import (
    MIN_FREQUENCY,
    STEADY,
    EdgeFrequency,
    false_edge_bound,
    no_frequency,
    open_unsteady,
)
from physlearn.causal.graph_search.edges import entry, graph_edges
from physlearn.causal.graph_search.knowledge import Constraints, Knowledge, constraints_of
from physlearn.causal.graph_search.marks import Found
from physlearn.causal.graph_search.methods import (
    METHODS,
    STEADY_MARKS,
    TESTED,
    Search,
    choose_method,
    ensemble_methods,
)
from physlearn.causal.graphs import CausalGraph, GraphEdge
from physlearn.causal.independence.choose_test import choose_test
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import MIN_RELIABILITY
from physlearn.causal.table_notes import graph_notes, shared_pixels, without_derived
from physlearn.checks import InputError, NotIdentified, as_generator, check_choice

if TYPE_CHECKING:
    from physlearn.causal.graph_search.skeleton import IndependenceTest
    from physlearn.records import PatchTable

ROUNDING = 1e-10
"""Below this share of its variance the rest of a column, given others, is rounding."""


def discover_graph(
    table: PatchTable,
    *,
    method: str = "auto",
    tiers: Mapping[str, int] | None = None,
    knowledge: Knowledge | None = None,
    test: str = "auto",
    alpha: float = 0.05,
    n_resamples: int = 50,
    stability: float | None = None,
    rng: int | np.random.Generator | None = None,
) -> CausalGraph:
    """Find the direct links between the columns of a patch table, and which way they point.

    Constraint-based searches ("pc", "fci") ask a spatial test which pairs of columns stay dependent
    whatever else is held fixed: correlated neighbours count once and known measurement noise is
    taken out. Searches by score ("ges", "boss", "exact") see the noise-free covariance and the
    effective number of patches. Tiers and knowledge are kept strictly by every method. Where only
    the pattern of dependences directs a link, the cause's end stays a circle: a hidden common cause
    gives the same pattern.

    Parameters
    ----------
    table
        Patches, shape (n_patches, n_columns). At least 30 patches and 2 columns.
    method
        "pc"; "fci" (hidden common causes shown as such); "ges", "boss" (best score, no hidden
        causes); "exact" (probabilities of links from the posterior over all graphs of at most 15
        columns, no hidden causes); "lingam" (directions from shapes that are not Gaussian, no
        hidden causes); "ensemble" (what several methods agree on); "auto" takes one and says why.
    tiers
        Column -> 0, 1, 2...: a later tier never causes an earlier. Those given here win over the
        table's own.
    knowledge
        Required and forbidden links.
    test
        Which independence test is asked; "auto" chooses by the table.
    alpha
        Level of one test.
    n_resamples
        Number of half-samples of spatial blocks, in complementary pairs, for `frequency`;
        0 for none. In an ensemble those of PC.
    stability
        Share of half-samples, above 0.5, from which on a link stands; the bound on the expected
        number of false links among them is among the warnings. None for 0.5 without a bound.
    rng
        Seed of the half-samples and searches.

    Returns
    -------
    CausalGraph
        Links found in too few of the half-samples, that a test leaves open, or between descriptors
        of the same pixels of one channel (arithmetic may link them), are "undecided", with the
        reason. An ensemble holds the graph of each method in `methods`.

    Raises
    ------
    InputError
        For options out of range, unknown tiers, knowledge that contradicts itself, the tiers or
        the columns left, or too many columns for "exact".
    NotIdentified
        For fewer than 30 patches, fewer patches than columns, or fewer than 2 columns that vary.

    Notes
    -----
    PC and FCI: Spirtes, Glymour and Scheines, Causation, Prediction, and Search (MIT Press,
    2000); causal-learn: Zheng et al., JMLR 25(60) (2024). Half-samples in complementary pairs:
    Shah and Samworth, doi:10.1111/j.1467-9868.2011.01034.x.

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
    check_choice("method", method, ("auto", *METHODS, "ensemble"))
    if not isinstance(alpha, int | float | np.floating) or not 0 < alpha < 0.5:
        raise InputError(f"alpha must lie between 0 and 0.5; got {alpha!r}.")
    is_whole = isinstance(n_resamples, int | np.integer) and not isinstance(n_resamples, bool)
    if not is_whole or n_resamples < 0:
        raise InputError(f"n_resamples must be a whole number of at least 0; got {n_resamples!r}.")
    if stability is not None and (not 0.5 < stability <= 1 or n_resamples < 2):
        raise InputError(
            "stability must be a share of half-samples above 0.5 and up to 1, with n_resamples of "
            f"at least 2; got {stability!r} with n_resamples={n_resamples}."
        )
    generator, seed = as_generator(rng)
    known_tiers = table_tiers(table, tiers)
    constraints_of(list(table.columns), known_tiers, knowledge)  # contradictions, before any work
    notes: list[str] = []
    columns = _columns_to_link(table, notes)
    known_tiers = {name: known_tiers[name] for name in columns.names if name in known_tiers}
    constraints = _constraints_left(columns, known_tiers, knowledge, notes)
    asked = choose_test(table, columns, alpha=alpha, test=test)
    search = Search(asked, constraints, np.random.SeedSequence(int(generator.integers(2**63))))
    if method == "auto":
        method, why = choose_method(constraints)
        notes.append(why)
    parts: dict[str, Found] = {}
    if method == "ensemble":
        parts = {name: search.run(name) for name in ensemble_methods(len(columns.names))}
        found = consensus(parts, constraints)
    else:
        found = search.run(method)
    frequency = search.frequency("pc" if parts or method == "lingam" else method, n_resamples)
    notes += found.notes
    if method in STEADY_MARKS:
        found.ends, n_unsteady = open_unsteady(found.ends, frequency, constraints)
        if n_unsteady:
            notes.append(
                f"{n_unsteady} arrowhead(s) that fewer than {STEADY:.0%} of the half-samples show "
                "were left open."
            )
    if stability is not None and frequency.n_resamples:
        notes.append(_stability_note(frequency, stability))
    threshold = MIN_FREQUENCY if stability is None else stability
    edges = graph_edges(
        found, frequency, asked, constraints, threshold=threshold, tested=method in TESTED
    )
    detectable = _typical_detectable(asked)
    notes += graph_notes(table, known_tiers, columns.names, detectable)
    edges = _without_arithmetic(edges, table, knowledge, notes)
    whole = CausalGraph(
        columns.names,
        tuple(edges),
        tiers=known_tiers,
        method=METHODS.get(method, f"what {', '.join(parts)} agree on"),
        alpha=alpha,
        n_patches=table.n_patches,
        n_resamples=frequency.n_resamples,
        detectable=detectable,
        seed=seed,
        warnings=tuple(notes),
    )
    return _with_parts(whole, parts, asked, constraints) if parts else whole


def _with_parts(
    whole: CausalGraph, parts: Mapping[str, Found], test: IndependenceTest, constraints: Constraints
) -> CausalGraph:
    """Return the graph of an ensemble with the graph of each method, and how many agree."""
    unseen = no_frequency(len(constraints.names))
    linked, forward = agreement(parts)
    edges = []
    for edge in whole.edges:
        i, j = (constraints.names.index(name) for name in (edge.source, edge.target))
        exact = parts.get("exact")
        linked_posterior = None if exact is None else exact.adjacency_posterior
        direction_posterior = None if exact is None else exact.direction_posterior
        edges.append(
            replace(
                edge,
                agreement=float(linked[i, j]),
                direction_agreement=float(forward[i, j]),
                posterior=entry(linked_posterior, i, j),
                direction_posterior=entry(direction_posterior, i, j),
            )
        )
    methods = {}
    for name, found in parts.items():
        found_edges = graph_edges(found, unseen, test, constraints, tested=name in TESTED)
        methods[name] = replace(
            whole,
            edges=tuple(found_edges),
            method=METHODS[name],
            n_resamples=0,
            warnings=tuple(found.notes),
        )
    return replace(whole, edges=tuple(edges), methods=methods)


def _stability_note(frequency: EdgeFrequency, threshold: float) -> str:
    bound = false_edge_bound(frequency, threshold)
    return (
        f"stability selection: of the links in at least {threshold:.0%} of the half-samples at "
        f"most {bound:.1f} are expected to be false (Shah and Samworth, {frequency.n_links:.1f} "
        "links in a half-sample)."
    )


def _columns_to_link(table: PatchTable, notes: list[str]) -> Columns:
    """Return the columns that a search can use; `notes` gets what was left out and why."""
    if table.n_patches < len(table.columns):
        raise NotIdentified(
            f"the table holds {table.n_patches} patches and {len(table.columns)} columns: with "
            "fewer patches than columns every column is a sum of others; use more patches or "
            "fewer columns."
        )
    columns = prepare_columns(table, names=without_derived(table, notes), drop=True)
    if len(columns.names) < 2:
        raise NotIdentified(
            f"only column {columns.names[0]!r} varies; a graph needs at least 2 columns."
        )
    columns, said = _without_determined(columns, table)
    notes += said
    return _without_pure_noise(columns, table, notes)


def _constraints_left(
    columns: Columns, tiers: Mapping[str, int], knowledge: Knowledge | None, notes: list[str]
) -> Constraints:
    """Return the constraints on the columns left; a required link needs both of its columns."""
    given = knowledge or Knowledge()
    for cause, effect in given.required:
        for name in (cause, effect):
            if name not in columns.names:
                why = next((note for note in notes if f"{name!r}" in note), "it was left out.")
                raise InputError(f"knowledge requires {cause} -> {effect}, but {why}")
    forbidden = [edge for edge in given.forbidden if set(edge) <= set(columns.names)]
    return constraints_of(columns.names, tiers, Knowledge(given.required, forbidden))


def _without_arithmetic(
    edges: list[GraphEdge], table: PatchTable, knowledge: Knowledge | None, notes: list[str]
) -> list[GraphEdge]:
    """Return the edges with those between descriptors of the same pixels left open.

    A required link stands whatever the evidence.
    """
    checked, said = [], []
    required = () if knowledge is None else knowledge.required
    for edge in edges:
        channel = shared_pixels(table, edge.source, edge.target)
        if channel and (edge.source, edge.target) not in required:
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


def _without_determined(columns: Columns, table: PatchTable) -> tuple[Columns, list[str]]:
    """Leave out columns that the others determine: they make every test of them meaningless."""
    notes = list(columns.warnings)
    names = list(columns.names)
    while len(names) > 2:
        index = [columns.index(name) for name in names]
        gram = columns.values[:, index].T @ columns.values[:, index] / len(columns.values)
        worst, others = _exact_relation(gram)
        if not others:
            left = 1.0 / (np.diag(np.linalg.pinv(gram, hermitian=True)) * np.diag(gram))
            worst = int(np.argmin(left))
            if left[worst] > 1.0 - NEAR_DETERMINISTIC:
                break
        by = f" ({', '.join(names[k] for k in others)})" if others else ""
        notes.append(
            f"column {names[worst]!r} is all but determined by the others{by} and was left out."
        )
        del names[worst]
    if len(names) == len(columns.names):
        return columns, notes
    kept = prepare_columns(table, names=names, drop=True, layout=columns.layout)
    return kept, notes


def _exact_relation(gram: Floats) -> tuple[int, list[int]]:
    """Return the first column that earlier ones determine exactly, and which; no others if none.

    The earlier columns determine none of themselves, so that their weights are unique.
    """
    size = np.sqrt(np.diag(gram))
    correlation = gram / np.outer(size, size)
    for k in range(1, len(gram)):
        weights = np.linalg.solve(correlation[:k, :k], correlation[:k, k])
        if 1.0 - float(weights @ correlation[:k, k]) < ROUNDING:
            return k, [int(i) for i in np.flatnonzero(np.abs(weights) > np.sqrt(ROUNDING))]
    return 0, []


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


def _typical_detectable(test: IndependenceTest) -> float:
    values = [r.detectable for r in test.results.values() if np.isfinite(r.detectable)]
    return float(np.median(values)) if values else float("nan")
