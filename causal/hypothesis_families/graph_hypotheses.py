"""Hypotheses from a causal graph with open ends: what a `do` shows in every graph that fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from physlearn.causal.actions import Action, strict_number
from physlearn.causal.effects import estimate_effect
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.hypotheses import Hypothesis
from physlearn.causal.hypothesis_families.drawn_hypotheses import (
    Asked,
    Draws,
    hypothesis_from_draws,
)
from physlearn.causal.members import HIDDEN, members
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError, NotIdentified, as_generator, check_count

if TYPE_CHECKING:
    from physlearn.records import PatchTable

__all__ = ["hypotheses_from_members"]

DISTINCT = 1e-9
Answer = tuple[float, float, float]
"""Mean, standard error, and how far a hidden cause may move the slope (0: not at all)."""


def hypotheses_from_members(
    table: PatchTable,
    graph: CausalGraph,
    outcome: str,
    columns: Sequence[str],
    *,
    noise_sd: float,
    max_hypotheses: int = 8,
    n_draws: int = 2000,
    rng: int | np.random.Generator | None = None,
) -> tuple[Hypothesis, ...]:
    """Return what setting columns on purpose would show, in every graph that the found one allows.

    A circle at the end of a link leaves room for a hidden common cause: `members` lists the
    graphs with and without. In each, an act that sets a column of a patch (`expose_site`,
    `expose_patch` or any other with the arguments column, patch and to) drops that column's own
    mechanism, so that only its directed paths to the outcome count. Where a hidden cause
    acts on both beside such a path, the slope is known only as far as the hidden cause may bend it.
    Graphs that predict the same make one hypothesis.

    Parameters
    ----------
    table
        Patches.
    graph
        From `discover_graph`.
    outcome
        Column that is read out: its change in that patch.
    columns
        Columns that acts may set.
    noise_sd
        Of the difference of two readings of the outcome, in its unit.
    max_hypotheses
        More are refused: direct the graph's links first.
    n_draws
        Draws of the slopes.
    rng
        Seed of the draws.

    Returns
    -------
    tuple of Hypothesis
        Weights: share of the member graphs, which the same data cannot tell apart.

    Raises
    ------
    InputError
        For unknown columns.
    NotIdentified
        When no link is open (one hypothesis is left), too many are, or an effect cannot be read
        from the table at all.

    Notes
    -----
    Pearl (2009), Causality, section 3.2, for the dropped mechanism; effects by `estimate_effect`.
    Under a hidden common cause the slope is that without it, plus Gaussian draws whose standard
    deviation is the largest bias of a hidden cause that explains all that is left of both
    (Cinelli & Hazlett, doi:10.1111/rssb.12348, at strengths of 1).

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.causal.graphs import GraphEdge
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> a = rng.normal(size=256)
    >>> frame = pd.DataFrame({"a": a, "b": 2 * a + rng.normal(size=256)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0)
    >>> graph = CausalGraph(("a", "b"), (GraphEdge("a", "b", "circle", "arrow"),))
    >>> for hypothesis in hypotheses_from_members(table, graph, "b", ["a"], noise_sd=1.0, rng=0):
    ...     print(hypothesis.name)
    a sets b
    hidden cause only
    a sets b beside a hidden cause
    """
    strict_number("noise_sd", noise_sd, above=0)
    check_count("max_hypotheses", max_hypotheses, 2)
    names = tuple(columns)
    for name in (outcome, *names):
        if name not in graph.columns or name not in table.columns:
            raise InputError(
                f"{name!r} must be a column of table and graph; the graph has {graph.columns}."
            )
    if not names or outcome in names:
        raise InputError(f"columns must name others than the outcome {outcome!r}; got {names}.")
    generator, _ = as_generator(rng)
    groups = _groups(table, graph, outcome, names)
    if len(groups) < 2:
        raise NotIdentified("every graph that fits predicts the same: nothing is open.")
    if len(groups) > max_hypotheses:
        raise NotIdentified(
            f"{len(groups)} different predictions fit the graph, above {max_hypotheses}: give "
            "fewer columns, or settle links first."
        )
    total = sum(len(found) for _, found in groups)
    asked_of = f"what setting {', '.join(names)} does to {outcome}"
    unit = table.units.get(outcome, "1")
    told: list[Hypothesis] = []
    values = {name: table.frame[name].to_numpy(dtype=np.float64) for name in names}
    for answers, found in groups:
        draws = {name: _slopes(answers[name], generator, n_draws) for name in names}
        label = _label(answers, found, names, outcome)
        asked = Asked(asked_of, f"change of {outcome}", unit, _edges_of(found[0]))
        again = sum(other.name.split(" (")[0] == label for other in told)
        told.append(
            hypothesis_from_draws(
                f"{label} ({again + 1})" if again else label, draws, _change(values),
                noise_sd=noise_sd, weight=len(found) / total, asked=asked,
            )
        )  # fmt: skip
    return tuple(told)


def _groups(
    table: PatchTable, graph: CausalGraph, outcome: str, names: tuple[str, ...]
) -> list[tuple[dict[str, Answer], list[nx.DiGraph]]]:
    """Return the member graphs by what they predict."""
    known: dict[tuple[str, frozenset[tuple[str, str]]], Answer] = {}
    result: list[tuple[dict[str, Answer], list[nx.DiGraph]]] = []
    for member in members(graph, outcome, *names):
        answers = {}
        for name in names:
            key = name, frozenset(member.edges)
            if key not in known:
                known[key] = _effect(table, member, name, outcome)
            answers[name] = known[key]
        for other, found in result:
            if all(_same(answers[name], other[name]) for name in names):
                found.append(member)
                break
        else:
            result.append((answers, [member]))
    return result


def _effect(table: PatchTable, member: nx.DiGraph, cause: str, outcome: str) -> Answer:
    """Return the total effect of one unit of the cause in one directed graph."""
    if cause not in member or not nx.has_path(member, cause, outcome):
        return 0.0, 0.0, 0.0
    effect = estimate_effect(table, member, cause, outcome, contrast=(0.0, 1.0), rng=0)
    if effect.identified:
        return effect.mean, effect.sd, 0.0
    # a hidden cause beside the path: the slope as it would be without, bent by what it may do
    seen = member.subgraph([n for n in member if not str(n).startswith(HIDDEN)])
    effect = estimate_effect(table, nx.DiGraph(seen), cause, outcome, contrast=(0.0, 1.0), rng=0)
    if not effect.identified:
        raise NotIdentified(f"the effect of {cause} on {outcome} can't be read: {effect.reason}")
    ratio = effect.members[0].residual_ratio
    if not math.isfinite(ratio):
        spread = table.frame[[cause, outcome]].std()
        ratio = float(spread[outcome] / spread[cause])
    return effect.mean, effect.sd, ratio


def _same(first: Answer, second: Answer) -> bool:
    return all(abs(a - b) <= DISTINCT * (1 + abs(a)) for a, b in zip(first, second, strict=True))


def _slopes(answer: Answer, rng: np.random.Generator, n: int) -> Floats:
    mean, sd, bend = answer
    return mean + math.hypot(sd, bend) * rng.standard_normal(n)


def _label(
    answers: dict[str, Answer],
    found: Sequence[nx.DiGraph],
    names: tuple[str, ...],
    outcome: str,
) -> str:
    moving = [name for name in names if answers[name] != (0.0, 0.0, 0.0)]
    hidden = any(str(node).startswith(HIDDEN) for node in found[0])
    if not moving:
        return "hidden cause only" if hidden else f"nothing sets {outcome}"
    text = f"{' and '.join(moving)} set{'s' if len(moving) == 1 else ''} {outcome}"
    bent = any(answers[name][2] > 0 for name in moving)
    return f"{text} beside a hidden cause" if bent else text


def _edges_of(member: nx.DiGraph) -> str:
    shown = [
        f"{a} -> {b}" for a, b in sorted(member.edges) if not str(a).startswith(HIDDEN)
    ] + [
        str(node).removeprefix(HIDDEN).replace("|", " <- hidden -> ")
        for node in sorted(member) if str(node).startswith(HIDDEN)
    ]  # fmt: skip
    return "; ".join(shown)


def _change(values: dict[str, Floats]) -> Callable[[Action, Draws], Floats | None]:
    def expected(action: Action, members_: Draws) -> Floats | None:
        column = action.args.get("column")
        if column not in values or "to" not in action.args or "patch" not in action.args:
            return None
        own, patch = values[str(column)], int(action.number("patch"))
        if not 0 <= patch < len(own):
            raise InputError(f"patch must lie in 0 to {len(own) - 1}; got {patch}.")
        return np.asarray(members_[str(column)] * (action.number("to") - own[patch]))

    return expected
