"""What a patch would have shown had one of its columns been different."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from physlearn.causal.columns import Columns, prepare_columns, require_table
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.mechanisms import (
    N_DRAWS,
    Mechanism,
    check_reliability,
    gcm_counterfactual,
    mechanism_slopes,
    resampled_grams,
    slope_draws,
)
from physlearn.causal.members import (
    HIDDEN,
    members,
    missed_edge_warning,
    weak_link_warnings,
    with_missed_edge,
)
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import SpatialScore
from physlearn.causal.support import in_support
from physlearn.checks import CREDIBLE_MASS, InputError, NotIdentified, as_generator

if TYPE_CHECKING:
    from physlearn.records import PatchTable


@dataclass(frozen=True, slots=True, eq=False)
class Counterfactual:
    """The outcome of one patch under a change that was not made.

    Attributes
    ----------
    patch, do, outcome
        The question.
    mean
        In the outcome's unit; NaN when not identified.
    sd
        From the coefficients (spatial block resampling) and the measurement noise of the patch.
    factual
        What was measured.
    draws
        One array of draws per group of graphs still possible, in the outcome's unit.
    identified, reason
        Whether graph and data fix one number, and why not.
    out_of_support
        Whether the changed patch is unlike all patches that were seen.
    unit
        Of the outcome.
    range
        Smallest and largest mean over the possible graphs.
    warnings
        What the reader must know.

    Examples
    --------
    >>> draws = np.linspace(0.9, 1.1, 101)
    >>> answer = Counterfactual(
    ...     3, {"strain": 0.0}, "response", 1.0, 0.06, 1.4, (draws,), True, "", False, "V")
    >>> [round(bound, 2) for bound in answer.interval()]
    [0.91, 1.09]
    """

    patch: int
    do: Mapping[str, float]
    outcome: str
    mean: float
    sd: float
    factual: float
    draws: tuple[Floats, ...]
    identified: bool
    reason: str
    out_of_support: bool
    unit: str
    range: tuple[float, float] = (math.nan, math.nan)
    seed: int | None = None
    warnings: tuple[str, ...] = ()

    def interval(self, mass: float = CREDIBLE_MASS) -> tuple[float, float]:
        """Return the equal-tailed interval; over all possible graphs when only a range is known."""
        if not self.draws:
            return math.nan, math.nan
        tails = [(1 - mass) / 2, (1 + mass) / 2]
        bounds = np.array([np.quantile(draws, tails) for draws in self.draws])
        return float(bounds[:, 0].min()), float(bounds[:, 1].max())

    def summary(self) -> dict[str, Any]:
        """Return the numbers for machines."""
        low, high = self.interval()
        return {
            "patch": self.patch, "do": dict(self.do), "outcome": self.outcome,
            "factual": self.factual, "mean": self.mean, "sd": self.sd, "q05": low, "q95": high,
            "unit": self.unit, "identified": self.identified, "reason": self.reason,
            "out_of_support": self.out_of_support,
        }  # fmt: skip


def counterfactual(
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    *,
    patch: int,
    do: Mapping[str, float],
    outcome: str,
    rng: int | np.random.Generator | None = None,
) -> Counterfactual:
    """Return the outcome of one patch had some of its columns been set to other values.

    Abduction, action and prediction with dowhy.gcm on linear mechanisms with additive noise:
    the patch keeps its own unexplained part. Coefficients are corrected for the known
    measurement noise; their spread comes from resampling spatial blocks.

    Parameters
    ----------
    table
        Patches, shape (n_patches, n_columns).
    graph
        From `discover_graph`, or a `networkx.DiGraph` that you know.
    patch
        Row of the table.
    do
        Column -> value in the column's unit.
    outcome
        Column whose value is asked for.
    rng
        Seed of the resamples.

    Returns
    -------
    Counterfactual
        In the outcome's unit, for its noise-free value.

    Raises
    ------
    InputError
        For unknown columns, a patch that is not in the table, an empty `do`, a value that is
        not finite, or the outcome among the columns set.
    NotIdentified
        For fewer than 30 patches.

    Notes
    -----
    Pearl, Causality (2nd ed., Cambridge 2009), section 7.1; dowhy.gcm: Bloebaum et al.,
    JMLR 25(147) (2024).

    Examples
    --------
    >>> import networkx as nx, numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> a = rng.normal(size=256)
    >>> frame = pd.DataFrame({"a": a, "b": 2 * a + rng.normal(size=256)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> answer = counterfactual(
    ...     table, nx.DiGraph([("a", "b")]), patch=3, do={"a": a[3] + 1}, outcome="b", rng=0)
    >>> 1.8 < answer.mean - answer.factual < 2.2
    True
    """
    require_table(table)
    nodes = list(graph.columns) if isinstance(graph, CausalGraph) else list(graph.nodes)
    values = _checked_question(table, nodes, patch, do, outcome)
    columns = prepare_columns(table, names=[n for n in nodes if n in table.columns], drop=True)
    missing = [name for name in (*values, outcome) if name not in columns.names]
    if missing:
        raise InputError(f"column {missing[0]!r} does not vary on its own; nothing can be read.")
    generator, seed = as_generator(rng)
    question = _Question(table, columns, int(patch), values, outcome, generator)
    warnings = list(columns.warnings)
    unanswered = Counterfactual(
        question.patch,
        values,
        outcome,
        mean=math.nan,
        sd=math.nan,
        factual=float(table.frame[outcome].iloc[question.patch]),
        draws=(),
        identified=False,
        reason="",
        out_of_support=False,
        unit=table.units.get(outcome, "1"),
        seed=seed,
    )
    try:
        means, draws, unlike = _answers(question, graph, warnings)
    except NotIdentified as refusal:
        return replace(unanswered, reason=str(refusal), warnings=tuple(warnings))
    if unlike:
        warnings.append("no patch like the changed one was seen: the answer is an extrapolation.")
    for name in values:
        warnings += (w for w in weak_link_warnings(graph, name, outcome) if w not in warnings)
    low, high = min(means), max(means)
    spread = max(float(d.std()) for d in draws)
    answered = replace(
        unanswered,
        draws=tuple(draws),
        out_of_support=unlike,
        range=(low, high),
        warnings=tuple(warnings),
    )
    if len(means) > 1 and high - low > 0.1 * spread:
        reason = f"the graph leaves {len(means)} answers open, from {low:.3g} to {high:.3g}."
        return replace(answered, reason=reason)
    return replace(answered, mean=means[0], sd=spread, identified=True)


@dataclass(frozen=True, slots=True)
class _Question:
    table: PatchTable
    columns: Columns
    patch: int
    do: dict[str, float]
    outcome: str
    generator: np.random.Generator


def _checked_question(
    table: PatchTable, nodes: list[str], patch: int, do: Mapping[str, float], outcome: str
) -> dict[str, float]:
    if isinstance(patch, bool) or not isinstance(patch, int | np.integer):
        raise InputError(f"patch must be a row number; got {patch!r}.")
    if not 0 <= patch < table.n_patches:
        raise InputError(f"patch must lie in 0 to {table.n_patches - 1}; got {patch}.")
    if not do:
        raise InputError("do must set at least one column, for example {'composition': 0.3}.")
    for name in (*do, outcome):
        if name not in table.columns or name not in nodes:
            raise InputError(f"{name!r} is not both a column of the table and a node of the graph.")
    if outcome in do:
        raise InputError(f"do sets the outcome {outcome!r} itself; ask for another column.")
    for name, value in do.items():
        number = isinstance(value, int | float | np.integer | np.floating)
        if isinstance(value, bool) or not number or not math.isfinite(value):
            raise InputError(f"do[{name!r}] must be a finite number; got {value!r}.")
    return {name: float(value) for name, value in do.items()}


def _answers(
    question: _Question, graph: CausalGraph | nx.DiGraph, warnings: list[str]
) -> tuple[list[float], list[Floats], bool]:
    """Return mean and draws for each different set of mechanisms, and the support flag."""
    columns = question.columns
    spatial = SpatialScore(columns.values, columns.layout, columns.noise, n_trend=columns.n_trend)
    grams = resampled_grams(spatial, question.generator)
    noise = _patch_noise(question)
    means: list[float] = []
    draws: list[Floats] = []
    unlike = False
    seen: set[tuple[Mechanism, ...]] = set()
    for member in _completed(question, graph, warnings):
        mechanisms = _mechanisms(question, member)
        if mechanisms in seen:
            continue
        seen.add(mechanisms)
        check_reliability(spatial, mechanisms, columns.names)
        means.append(_by_gcm(question, spatial, mechanisms))
        draws.append(_draws(question, spatial, mechanisms, grams, noise))
        unlike = unlike or _out_of_support(question, mechanisms)
    return means, draws, unlike


def _completed(
    question: _Question, graph: CausalGraph | nx.DiGraph, warnings: list[str]
) -> list[nx.DiGraph]:
    """Return the possible graphs, and beside them those with a link that was missed."""
    result = []
    for found in members(graph, question.outcome, *question.do):
        member = found
        for name in question.do:
            member = with_missed_edge(graph, member, name, question.outcome)
        note = missed_edge_warning(", ".join(question.do), question.outcome)
        if member is not found and note not in warnings:
            warnings.append(note)
        result += [found] if member is found else [found, member]
    return result


def _mechanisms(question: _Question, member: nx.DiGraph) -> tuple[Mechanism, ...]:
    """Return, in causal order, the mechanisms through which the change reaches the outcome."""
    upstream = nx.ancestors(member, question.outcome) | {question.outcome}
    reached: set[str] = set()
    for name in question.do:
        reached |= nx.descendants(member, name) & upstream
    reached -= set(question.do)
    result = []
    for node in nx.lexicographical_topological_sort(member):
        if node not in reached:
            continue
        parents = [p for p in member.predecessors(node) if not p.startswith(HIDDEN)]
        for hidden in (p for p in member.predecessors(node) if p.startswith(HIDDEN)):
            # the partner is not in the member where nothing leads from it to what was asked
            shared = (set(member.successors(hidden)) - {node}) & nx.ancestors(member, node)
            if shared:
                raise NotIdentified(
                    f"{min(shared)} and {node} may share a hidden cause; measure it, or set "
                    f"{min(shared)} on purpose."
                )
        unmeasured = [p for p in parents if p not in question.columns.names]
        if unmeasured:
            raise NotIdentified(f"{unmeasured[0]} is a cause of {node} but no column measures it.")
        index = question.columns.index
        result.append(Mechanism(index(node), tuple(sorted(index(p) for p in parents))))
    return tuple(result)


def _by_gcm(question: _Question, spatial: SpatialScore, mechanisms: tuple[Mechanism, ...]) -> float:
    """Return the answer by dowhy.gcm: abduction, action, prediction."""
    import pandas as pd

    columns = question.columns
    names = columns.names
    graph = nx.DiGraph()
    graph.add_nodes_from([*question.do, question.outcome])
    for mechanism in mechanisms:
        graph.add_edges_from((names[p], names[mechanism.node]) for p in mechanism.parents)
    nodes = list(graph.nodes)
    frame = pd.DataFrame(columns.values, columns=list(names))[nodes]
    raw = question.table.frame.iloc[question.patch]
    standard = {}
    for name, value in question.do.items():
        k = columns.index(name)
        change = (value - float(raw[name])) / columns.scale[k]
        standard[name] = float(columns.values[question.patch, k] + change)
    by_node = {names[m.node]: m for m in mechanisms}
    slopes = {}
    for node in (n for n in nodes if graph.in_degree(n)):
        # sorted: the order in which dowhy hands over the parents
        parents = tuple(columns.index(p) for p in sorted(graph.predecessors(node)))
        mechanism = Mechanism(by_node[node].node, parents)
        slopes[node] = mechanism_slopes(spatial.gram, spatial.noise, mechanism)
    answer = gcm_counterfactual(frame, graph, slopes, standard, question.patch)[question.outcome]
    k = columns.index(question.outcome)
    change = answer - float(columns.values[question.patch, k])
    return float(raw[question.outcome]) + change * float(columns.scale[k])


def _patch_noise(question: _Question) -> Floats:
    """Return draws (N_DRAWS, p) of the measurement error of this patch, standardised."""
    columns, table = question.columns, question.table
    p = len(columns.names)
    if table.measurement_covariance is None:
        return np.zeros((N_DRAWS, p))
    covariance = table.measurement_covariance
    own = covariance[question.patch if len(covariance) > 1 else 0]
    index = [table.columns.index(name) for name in columns.names]
    own = own[np.ix_(index, index)] / np.outer(columns.scale, columns.scale)
    return question.generator.multivariate_normal(np.zeros(p), own, size=N_DRAWS, method="eigh")


def _draws(
    question: _Question,
    spatial: SpatialScore,
    mechanisms: tuple[Mechanism, ...],
    grams: Floats,
    noise: Floats,
) -> Floats:
    """Return draws of the answer: resampled slopes, and the noise of this patch's row."""
    columns = question.columns
    raw = question.table.frame.iloc[question.patch]
    change = np.zeros((N_DRAWS, len(columns.names)))
    for name, value in question.do.items():
        k = columns.index(name)
        change[:, k] = (value - float(raw[name])) / columns.scale[k] + noise[:, k]
    for mechanism in mechanisms:
        parents = list(mechanism.parents)
        slopes = slope_draws(spatial, mechanism, grams)
        change[:, mechanism.node] = (slopes * change[:, parents]).sum(axis=1)
    k = columns.index(question.outcome)
    answer = float(raw[question.outcome]) + (change[:, k] - noise[:, k]) * columns.scale[k]
    return np.asarray(answer, dtype=np.float64)


def _out_of_support(question: _Question, mechanisms: tuple[Mechanism, ...]) -> bool:
    """Whether the changed causes lie outside what was seen, alone or together."""
    columns = question.columns
    moved = {m.node for m in mechanisms}
    causes = {columns.index(name) for name in question.do}
    causes |= {p for m in mechanisms for p in m.parents} - moved
    return not in_support(question.table, columns, question.patch, question.do, sorted(causes))
