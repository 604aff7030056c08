"""What many patches would have shown had some of their columns been different."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.causal.counterfactual_models.answer_records import Counterfactuals
from physlearn.causal.counterfactual_models.propagation import (
    GraphAnswer,
    Question,
    answer_by_graph,
    changed_state,
)
from physlearn.causal.counterfactual_models.structural_model import (
    NodeModel,
    StructuralModel,
    fit_structural_model,
)
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.members import (
    HIDDEN,
    members,
    missed_edge_warning,
    weak_link_warnings,
    with_missed_edge,
)
from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.causal.support import support_flags
from physlearn.checks import InputError, NotIdentified, check_array

if TYPE_CHECKING:
    from physlearn.records import PatchTable

SAME_ANSWER = 0.1
"""Answers of two graphs that differ by less than this share of their spread are one."""


def counterfactuals(
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    *,
    do: Mapping[str, ArrayLike],
    outcome: str,
    patches: ArrayLike | None = None,
    categorical: Sequence[str] = (),
    level: float | None = None,
    form: str = "auto",
    rng: int | np.random.Generator | None = None,
) -> Counterfactuals:
    """Return the outcome of many patches had some of their columns been set to other values.

    Abduction, action, prediction: each patch keeps the part of its own that its causes do not
    explain. Uncertainty is told apart: graphs still possible, fitted coefficients, and the
    patch's own measurement. To ask several questions, fit once with `fit_structural_model`.

    Parameters
    ----------
    table
        Patches, shape (n_patches, n_columns).
    graph
        From `discover_graph`, or a `networkx.DiGraph` that you know.
    do
        Column -> a value in the column's unit, or one for each patch asked for, in that order;
        where these are not as many as the table holds, one for each patch of the table too.
    outcome
        Column whose value is asked for.
    patches
        Rows of the table, or a mask; all when None.
    categorical
        Columns whose numbers are codes of levels; those of two values always are.
    level
        For an outcome of levels: the level whose chance is asked (of two, the larger by default).
    form
        "auto", "linear", "quadratic", "cubic" or "spline".
    rng
        Seed of resamples and noise draws.

    Returns
    -------
    Counterfactuals
        In the outcome's unit, for its noise-free value; a chance for an outcome of levels.

    Raises
    ------
    InputError
        For unknown columns, patches that are not in the table, an empty `do`, values that are
        not finite or no level, or the outcome among the columns set.
    NotIdentified
        For fewer than 30 patches.

    Notes
    -----
    Pearl, Causality (2nd ed., Cambridge 2009), section 7.1. Linear mechanisms are answered in
    closed form; dowhy.gcm gives the same to rounding (tested).

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> a = rng.normal(size=256)
    >>> frame = pd.DataFrame({"a": a, "b": 2 * a + 0.1 * rng.normal(size=256)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> answer = counterfactuals(table, nx.DiGraph([("a", "b")]), do={"a": a + 1}, outcome="b",
    ...     rng=0)
    >>> bool(np.all(np.abs(answer.change - 2) < 0.05))
    True
    """
    model = fit_structural_model(table, graph, categorical=categorical, form=form, rng=rng)
    return model.answer(do=do, outcome=outcome, patches=patches, level=level)


def answer_question(
    model: StructuralModel,
    *,
    do: Mapping[str, ArrayLike],
    outcome: str,
    patches: ArrayLike | None = None,
    level: float | None = None,
) -> Counterfactuals:
    """Return the answers of a fitted model; the arguments are those of `counterfactuals`."""
    rows = check_patches(patches, model.table.n_patches)
    values = _checked_do(model, do, outcome, rows)
    place = _checked_level(model, outcome, level)
    question = Question(model.data, rows, values, outcome, place, model.seed)
    factual = model.data.raw[outcome][rows]
    unit = model.data.units[outcome]
    if place is not None:
        factual = (factual == model.data.levels[outcome][place]) * 1.0
        unit = "1"
    notes = list(model.warnings)
    answers: list[GraphAnswer] = []
    graphs: list[str] = []
    unlike = np.zeros(len(rows), dtype=bool)
    reason = ""
    try:
        for mechanisms in _different_mechanisms(model, question, notes):
            answers.append(_by_graph(question, mechanisms, factual))
            graphs.append(_in_words(mechanisms, outcome))
            unlike |= ~_supported(question, mechanisms)
    except NotIdentified as refusal:
        answers, reason = [], str(refusal)
    for name in values:
        notes += (w for w in weak_link_warnings(model.graph, name, outcome) if w not in notes)
    if unlike.any() and answers:
        notes.append(
            f"for {int(unlike.sum())} of {len(rows)} patches no patch like the changed one was "
            "seen: the answer is an extrapolation."
        )
    level_value = None if place is None else model.data.levels[outcome][place]
    asked = _Asked(rows, values, outcome, unit, factual, level_value, model.seed)
    return _joined(asked, answers, graphs, unlike, reason, notes)


def check_patches(patches: ArrayLike | None, n_patches: int) -> Integers:
    """Return row numbers (n,) of patches given by number, by a mask, or all for None."""
    if patches is None:
        return np.arange(n_patches)
    given = np.atleast_1d(np.asarray(patches))
    if given.dtype == bool:
        if given.shape != (n_patches,):
            raise InputError(
                f"patches as a mask must have shape ({n_patches},); got {given.shape}."
            )
        given = np.flatnonzero(given)
    rows = check_array("patches", given, ndim=1, dtype=np.int64)
    if rows.min() < 0 or rows.max() >= n_patches:
        bad = int(rows[(rows < 0) | (rows >= n_patches)][0])
        raise InputError(f"patches must lie in 0 to {n_patches - 1}; got {bad}.")
    return np.asarray(rows)


def check_do(do: Mapping[str, ArrayLike], rows: Integers, n_patches: int) -> dict[str, Floats]:
    """Return the values (n,) of each column set, given as one, one a row, or one a patch.

    As many values as rows are those of the rows, in their order, also where these are a table's.
    """
    n = len(rows)
    if do is not None and not isinstance(do, Mapping):
        raise InputError(
            f"do must be a mapping from column to value, for example {{'composition': 0.3}}; got "
            f"{type(do).__name__} {do!r:.60}."
        )
    if not do:
        raise InputError("do must set at least one column, for example {'composition': 0.3}.")
    result = {}
    for name, value in do.items():
        if np.asarray(value).dtype == bool:
            raise InputError(f"do[{name!r}] must be a finite number; got {value!r}.")
        array = check_array(f"do[{name!r}]", value)
        if array.shape not in ((), (n,), (n_patches,)):
            raise InputError(
                f"do[{name!r}] must be one number, one a patch of the table ({n_patches}) or one a "
                f"patch asked for ({n}); got shape {array.shape}."
            )
        if array.shape == (n_patches,) and n != n_patches:
            array = array[rows]
        result[str(name)] = np.broadcast_to(array, (n,)).astype(np.float64)
    return result


def _checked_do(
    model: StructuralModel, do: Mapping[str, ArrayLike], outcome: str, rows: Integers
) -> dict[str, Floats]:
    values = check_do(do, rows, model.table.n_patches)
    graph = model.graph
    nodes = graph.columns if isinstance(graph, CausalGraph) else tuple(graph.nodes)
    for name in (*values, outcome):
        if name not in model.table.columns or name not in nodes:
            raise InputError(f"{name!r} is not both a column of the table and a node of the graph.")
        if name not in model.data.names:
            raise InputError(f"column {name!r} does not vary on its own; nothing can be read.")
    if outcome in values:
        raise InputError(f"do sets the outcome {outcome!r} itself; ask for another column.")
    for name, array in values.items():
        if name in model.data.levels:
            strange = array[~np.isin(array, model.data.levels[name])]
            if len(strange):
                known = ", ".join(f"{v:g}" for v in model.data.levels[name])
                raise InputError(
                    f"do[{name!r}] must be a level of the column ({known}); got {strange[0]:g}."
                )
    return values


def _checked_level(model: StructuralModel, outcome: str, level: float | None) -> int | None:
    levels = model.data.levels.get(outcome)
    if levels is None:
        if level is not None:
            raise InputError(
                f"level is for outcomes of levels; {outcome!r} is continuous: name it in "
                "categorical if its numbers are codes."
            )
        return None
    if level is None and len(levels) == 2:
        return 1
    if level not in levels:
        known = ", ".join(f"{v:g}" for v in levels)
        raise InputError(
            f"level must be one of the levels of {outcome!r} ({known}); got {level!r}."
        )
    return levels.index(level)


def _different_mechanisms(
    model: StructuralModel, question: Question, notes: list[str]
) -> list[tuple[NodeModel, ...]]:
    """Return the mechanisms of each possible graph that differs on the way to the outcome."""
    found: dict[tuple[tuple[str, tuple[str, ...]], ...], tuple[NodeModel, ...]] = {}
    for member in _completed(model.graph, question, notes):
        wanted = tuple(_on_the_way(member, question))
        if wanted not in found:
            found[wanted] = tuple(model.mechanism(*one) for one in wanted)
    return list(found.values())


def _completed(
    graph: CausalGraph | nx.DiGraph, question: Question, notes: list[str]
) -> list[nx.DiGraph]:
    """Return the possible graphs, and beside them those with a link that was missed."""
    result = []
    for found in members(graph, question.outcome, *question.do):
        member = found
        for name in question.do:
            member = with_missed_edge(graph, member, name, question.outcome)
        note = missed_edge_warning(", ".join(question.do), question.outcome)
        if member is not found and note not in notes:
            notes.append(note)
        result += [found] if member is found else [found, member]
    return result


def _on_the_way(member: nx.DiGraph, question: Question) -> list[tuple[str, tuple[str, ...]]]:
    """Return node and parents, in causal order, between the change and the outcome."""
    names = question.data.names
    upstream = nx.ancestors(member, question.outcome) | {question.outcome}
    # what is set no longer listens to its causes: paths through it end there
    cut = nx.DiGraph(member)
    cut.remove_edges_from(list(member.in_edges(question.do)))
    reached: set[str] = set()
    for name in question.do:
        reached |= nx.descendants(cut, name) & upstream
    reached &= nx.ancestors(cut, question.outcome) | {question.outcome}
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
        unmeasured = [p for p in parents if p not in names]
        if unmeasured:
            raise NotIdentified(f"{unmeasured[0]} is a cause of {node} but no column measures it.")
        result.append((node, tuple(sorted(parents, key=names.index))))
    return result


def _by_graph(
    question: Question, mechanisms: tuple[NodeModel, ...], factual: Floats
) -> GraphAnswer:
    if question.level is not None and not mechanisms:
        zero = np.zeros(len(factual))
        return GraphAnswer(factual, factual, factual, zero, zero, zero, factual[None])
    return answer_by_graph(question, mechanisms)


def _in_words(mechanisms: tuple[NodeModel, ...], outcome: str) -> str:
    if not mechanisms:
        return f"nothing that was set reaches {outcome}"
    return "; ".join(f"{m.node} of {', '.join(m.parents)}: {m.form}" for m in mechanisms)


def _together(question: Question, mechanisms: tuple[NodeModel, ...]) -> list[str]:
    """Return the causes that must have been seen together: those set, and those kept."""
    moved = {m.node for m in mechanisms}
    causes = {*question.do, *(p for m in mechanisms for p in m.parents if p not in moved)}
    return sorted(causes, key=question.data.names.index)


def _supported(question: Question, mechanisms: tuple[NodeModel, ...]) -> NDArray[np.bool_]:
    """Return whether what is set, and what that moves on the way, lies among the patches seen."""
    data, rows = question.data, question.patches
    fits = support_flags(data, rows, question.do, _together(question, mechanisms))
    state = changed_state(question, mechanisms)
    for mechanism in mechanisms:
        changed = {name: state[name] for name in mechanism.parents if name in state}
        if set(changed) - set(question.do):
            fits &= support_flags(data, rows, changed, mechanism.parents)
    return fits


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """The question as the record tells it again."""

    patches: Integers
    do: dict[str, Floats]
    outcome: str
    unit: str
    factual: Floats
    level: float | None
    seed: int


def _joined(
    asked: _Asked,
    answers: list[GraphAnswer],
    graphs: list[str],
    unlike: NDArray[np.bool_],
    reason: str,
    notes: list[str],
) -> Counterfactuals:
    """Return the answers of all possible graphs as one record."""
    n = len(asked.patches)
    nothing = np.full(n, math.nan)
    mean = low = high = sd = sd_graph = parameters = noise = sd_change = nothing
    means = np.empty((0, n))
    identified = np.zeros(n, dtype=bool)
    if answers:
        means = np.stack([a.mean for a in answers])
        parameters = np.stack([a.sd_parameters for a in answers]).max(axis=0)
        noise = np.stack([a.sd_noise for a in answers]).max(axis=0)
        sd_change = np.stack([a.sd_change_noise for a in answers]).max(axis=0)
        low = np.stack([a.low for a in answers]).min(axis=0)
        high = np.stack([a.high for a in answers]).max(axis=0)
        spread = np.hypot(parameters, noise)
        sd_graph = means.std(axis=0)
        sd = np.hypot(spread, sd_graph)
        far = np.ptp(means, axis=0)
        identified = far <= SAME_ANSWER * spread
        mean = np.where(identified, means[0], math.nan)
        if not identified.all():
            reason = (
                f"the graph leaves {len(means)} answers open, up to {float(far.max()):.3g} apart."
            )
    names = " | ".join(graphs) if 0 < len(graphs) < 3 else f"{len(graphs)} possible graphs"
    return Counterfactuals(
        source="structural", model=names, patches=asked.patches, do=asked.do,
        outcome=asked.outcome, unit=asked.unit, mean=mean, low=low, high=high,
        factual=asked.factual, sd=sd, sd_graph=sd_graph, sd_parameters=parameters,
        sd_noise=noise, sd_change_noise=sd_change, identified=identified, reason=reason,
        out_of_support=unlike, graph_means=means,
        parameter_draws=tuple(a.parameter_draws for a in answers), graphs=tuple(graphs),
        level=asked.level, seed=asked.seed, warnings=tuple(notes),
    )  # fmt: skip
