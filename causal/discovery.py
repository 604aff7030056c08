"""Which columns of a patch table are directly linked, and which way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from physlearn.causal.columns import require_table, table_tiers
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
from physlearn.causal.graph_search.fitting_marks import open_until_fits
from physlearn.causal.graph_search.knowledge import Constraints, Knowledge, constraints_of
from physlearn.causal.graph_search.linkable_columns import columns_to_link, constraints_left
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
from physlearn.causal.independence.choose_test import choose_test, discrete_columns
from physlearn.causal.table_notes import graph_notes, shared_pixels
from physlearn.checks import InputError, as_generator, check_choice

if TYPE_CHECKING:
    from physlearn.causal.graph_search.skeleton import IndependenceTest
    from physlearn.executors import ExecutorLike
    from physlearn.records import PatchTable


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
    executor: ExecutorLike | None = None,
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
    executor
        Where the half-samples are searched: "threads:4", "processes:4", "dask:ADDRESS" or an
        executor; None for one after the other. The graph depends on none of this.
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
    _check_options(method, alpha, n_resamples, stability)
    generator, seed = as_generator(rng)
    known_tiers = table_tiers(table, tiers)
    constraints_of(list(table.columns), known_tiers, knowledge)  # contradictions, before any work
    notes: list[str] = []
    columns = columns_to_link(table, notes)
    known_tiers = {name: known_tiers[name] for name in columns.names if name in known_tiers}
    constraints = constraints_left(columns, known_tiers, knowledge, notes)
    asked = choose_test(table, columns, alpha=alpha, test=test)
    search = Search(asked, constraints, np.random.SeedSequence(int(generator.integers(2**63))))
    if method == "auto":
        placed = not table.metadata.get("rows_independent", False)
        continuous = placed and not discrete_columns(table, columns)
        method, why = choose_method(search, continuous=continuous)
        notes.append(why)
    parts: dict[str, Found] = {}
    if method == "ensemble":
        parts = {name: search.run(name) for name in ensemble_methods(len(columns.names))}
        found = consensus(parts, constraints)
    else:
        found = search.run(method)
    in_parts = "pc" if parts or method == "lingam" else method
    frequency = search.frequency(in_parts, n_resamples, executor)
    notes += found.notes
    notes += _open_marks(found, frequency, constraints, steady=method in STEADY_MARKS)
    if stability is not None and frequency.n_resamples:
        notes.append(_stability_note(frequency, stability))
    threshold = MIN_FREQUENCY if stability is None else stability
    edges = graph_edges(
        found, frequency, asked, constraints, threshold=threshold, tested=method in TESTED
    )
    detectable = search.detectable(method, found.ends)
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


def _check_options(method: str, alpha: float, n_resamples: int, stability: float | None) -> None:
    check_choice("method", method, ("auto", *METHODS, "ensemble"))
    if not isinstance(alpha, int | float | np.floating) or not 0 < alpha < 0.5:
        raise InputError(f"alpha must lie between 0 and 0.5; got {alpha!r}.")
    is_whole = isinstance(n_resamples, int | np.integer) and not isinstance(n_resamples, bool)
    if not is_whole or n_resamples < 0:
        raise InputError(f"n_resamples must be a whole number of at least 0; got {n_resamples!r}.")
    if stability is None:
        return
    is_share = isinstance(stability, int | float | np.floating) and 0.5 < stability <= 1
    if not is_share or n_resamples < 2:
        raise InputError(
            "stability must be a share of half-samples above 0.5 and up to 1, with n_resamples of "
            f"at least 2; got {stability!r} with n_resamples={n_resamples}."
        )


def _open_marks(
    found: Found, frequency: EdgeFrequency, constraints: Constraints, *, steady: bool
) -> list[str]:
    """Open, in place, arrowheads that half-samples or any graph deny; return what to say."""
    notes = []
    if steady:
        found.ends, n_unsteady = open_unsteady(found.ends, frequency, constraints)
        if n_unsteady:
            notes.append(
                f"{n_unsteady} arrowhead(s) that fewer than {STEADY:.0%} of the half-samples show "
                "were left open."
            )
    found.ends, said = open_until_fits(found.ends, frequency, constraints)
    return notes + said


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
