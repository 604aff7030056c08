"""A causal graph with open questions: what was found, how firmly, and what it may mean."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import networkx as nx
import pandas as pd

from physlearn.causal.graph_search.graph_export import (
    agreement_table,
    dot_text,
    dowhy_graph,
    legend,
    write_gml,
)
from physlearn.causal.json_files import read_json, write_json
from physlearn.checks import InputError, check_choice
from physlearn.records.storage import html_table, short_repr

MARKS = ("tail", "arrow", "circle")
PRESENCES = ("present", "undecided")
FORMAT = "physlearn-causal-graph-1"


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """One edge. A circle is a mark that the data do not settle.

    Attributes
    ----------
    source, target
        Column names.
    mark_source, mark_target
        "tail", "arrow" or "circle": tail-arrow reads "source causes target".
    presence
        "present" or "undecided".
    frequency
        Share of half-samples (spatial blocks) with this adjacency. Not a probability.
    partial_correlation, p_value
        Of the test that came closest to removing the edge. The correlation is NaN where noise
        leaves too little variance of a column to divide by.
    reason
        Why it is undecided.
    direction_frequency
        Of the half-samples with this adjacency, the share that points from source to target.
    posterior, direction_posterior
        Probability that the two are linked, and that source causes target given the link; of a
        posterior over graphs, which holds only without hidden common causes.
    agreement, direction_agreement
        Share of the methods of an ensemble with the link, and of those that direct it from source
        to target.

    Examples
    --------
    >>> GraphEdge("strain", "response").is_cause_claim
    True
    >>> GraphEdge("strain", "response", "circle", "arrow").is_cause_claim
    False
    """

    source: str
    target: str
    mark_source: str = "tail"
    mark_target: str = "arrow"
    presence: str = "present"
    frequency: float = math.nan
    partial_correlation: float = math.nan
    p_value: float = math.nan
    reason: str = ""
    direction_frequency: float = math.nan
    posterior: float = math.nan
    direction_posterior: float = math.nan
    agreement: float = math.nan
    direction_agreement: float = math.nan

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        for name in ("mark_source", "mark_target"):
            check_choice(name, getattr(self, name), MARKS)
        check_choice("presence", self.presence, PRESENCES)
        if self.source == self.target:
            raise InputError(f"an edge must join two columns; got {self.source!r} twice.")

    @property
    def is_cause_claim(self) -> bool:
        """Whether the edge says that its source causes its target."""
        return (self.presence, self.mark_source, self.mark_target) == ("present", "tail", "arrow")


@dataclass(frozen=True, slots=True, eq=False)
class CausalGraph:
    """Edges between the columns of a patch table, with what stays open.

    Attributes
    ----------
    columns
        The nodes.
    edges
        `GraphEdge` records, one a pair at most.
    tiers
        Column -> tier, where known.
    method
        How it was found.
    alpha
        Level of the tests.
    n_patches, n_resamples
        Size of the table, and number of half-samples behind `frequency`.
    detectable
        Smallest partial correlation found with 80 % power by the least sensitive of the tests that
        took an edge out: no edge means less than that.
    seed
        Of the half-samples.
    warnings
        What the reader must know.
    methods
        Of an ensemble: the graph of each method by its name.

    Examples
    --------
    >>> graph = CausalGraph.from_edges([("composition", "response")])
    >>> graph.causes_of("response")
    ['composition']
    >>> sorted(graph.graph.edges(keys=False))
    [('composition', 'response')]
    """

    columns: tuple[str, ...]
    edges: tuple[GraphEdge, ...]
    tiers: Mapping[str, int] = field(default_factory=dict)
    method: str = "given"
    alpha: float = math.nan
    n_patches: int = 0
    n_resamples: int = 0
    detectable: float = math.nan
    seed: int | None = None
    warnings: tuple[str, ...] = ()
    methods: Mapping[str, CausalGraph] = field(default_factory=dict)

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "edges", tuple(self.edges))
        object.__setattr__(self, "warnings", tuple(self.warnings))
        object.__setattr__(self, "tiers", MappingProxyType(dict(self.tiers)))
        object.__setattr__(self, "methods", MappingProxyType(dict(self.methods)))
        seen: set[frozenset[str]] = set()
        for edge in self.edges:
            pair = frozenset((edge.source, edge.target))
            if not pair <= set(self.columns):
                raise InputError(f"edges must join columns of the graph; got {sorted(pair)}.")
            if pair in seen:
                raise InputError(f"a pair of columns may have one edge; {sorted(pair)} has two.")
            seen.add(pair)

    @classmethod
    def from_edges(
        cls,
        edges: Sequence[tuple[str, str]],
        *,
        columns: Sequence[str] = (),
        tiers: Mapping[str, int] | None = None,
    ) -> CausalGraph:
        """Return a graph that somebody knows: (cause, effect) pairs."""
        names = dict.fromkeys([*columns, *(name for edge in edges for name in edge)])
        directed = nx.DiGraph(list(edges))
        if not nx.is_directed_acyclic_graph(directed):
            raise InputError(f"edges must hold no cycle; found {nx.find_cycle(directed)}.")
        return cls(tuple(names), tuple(GraphEdge(*edge) for edge in edges), tiers=tiers or {})

    @property
    def graph(self) -> nx.MultiDiGraph:
        """The same as a networkx graph with edge attributes."""
        result = nx.MultiDiGraph(method=self.method)
        for name in self.columns:
            result.add_node(name, **({"tier": self.tiers[name]} if name in self.tiers else {}))
        for edge in self.edges:
            attributes = asdict(edge)
            result.add_edge(attributes.pop("source"), attributes.pop("target"), **attributes)
        return result

    def edge_between(self, first: str, second: str) -> GraphEdge | None:
        """Return the edge between two columns, in either order, or None."""
        pair = {first, second}
        return next((e for e in self.edges if {e.source, e.target} == pair), None)

    def causes_of(self, column: str) -> list[str]:
        """Return the columns that an edge, present and directed, claims as direct causes.

        Raises
        ------
        InputError
            For a name that is no node of the graph.
        """
        if column not in self.columns:
            raise InputError(
                f"column must be a node of the graph ({', '.join(self.columns)}); got {column!r}."
            )
        return [e.source for e in self.edges if e.target == column and e.is_cause_claim]

    def summary(self) -> pd.DataFrame:
        """Return one row an edge."""
        names = list(GraphEdge.__dataclass_fields__)
        return pd.DataFrame([asdict(edge) for edge in self.edges], columns=names)

    def claims(self) -> list[str]:
        """Return what the graph says, one plain sentence an edge, and what no edge means."""
        sentences = [_claim(edge) for edge in self.edges]
        if not math.isnan(self.detectable):
            sentences.append(
                "Where no edge stands, a direct linear influence with a partial correlation above "
                f"about {min(self.detectable, 1):.2f} would have been found in 80 % of cases."
            )
        return sentences

    def legend(self) -> list[str]:
        """Return what the marks that occur in the graph mean, one sentence each.

        Examples
        --------
        >>> CausalGraph.from_edges([("a", "b")]).legend()
        ['a -> b: a causes b, unless a hidden cause drives both.']
        """
        return legend(self.graph, hidden_causes=self.method.startswith("FCI"))

    def agreement(self) -> pd.DataFrame:
        """Return one row a pair of columns that any method of an ensemble links.

        Columns: first, second, the number of methods with the link, of those that direct it
        either way, and the marks of each method ("->", "o->", "<->", "o-o", "" for no link).

        Raises
        ------
        InputError
            When the graph is not one of an ensemble.
        """
        if not self.methods:
            raise InputError('only discover_graph(..., method="ensemble") has several methods.')
        return agreement_table(self.columns, self.methods)

    def to_dot(self) -> str:
        """Return DOT text (Graphviz): marks as arrow shapes, frequency as width, undecided dashed.

        Examples
        --------
        >>> "arrowhead=normal" in CausalGraph.from_edges([("a", "b")]).to_dot()
        True
        """
        return dot_text(self.graph)

    def to_gml(self, path: str | os.PathLike[str]) -> None:
        """Write GML (Gephi, Cytoscape, networkx) with the attributes of every edge."""
        write_gml(self.graph, path)

    def to_dowhy(self) -> nx.DiGraph:
        """Return the directed graph that `dowhy.CausalModel(graph=...)` takes.

        Undecided links are kept: one too many costs width, one too few a bias. A circle at the
        cause's end adds an unobserved common cause beside the link, two arrowheads are one alone.

        Raises
        ------
        NotIdentified
            When a link has an open direction at both ends, or the links hold a cycle.

        Examples
        --------
        >>> list(CausalGraph.from_edges([("a", "b")]).to_dowhy().edges)
        [('a', 'b')]
        """
        return dowhy_graph(self.graph)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the graph as JSON text, and write it to `path` if given."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "columns": list(self.columns),
            "tiers": dict(self.tiers),
            "edges": [_without_nan(asdict(edge)) for edge in self.edges],
            **_without_nan({name: getattr(self, name) for name in _SCALARS}),
            "warnings": list(self.warnings),
            "methods": {name: json.loads(part.to_json()) for name, part in self.methods.items()},
        }
        return write_json(content, path)

    @classmethod
    def from_json(cls, source: str | os.PathLike[str]) -> CausalGraph:
        """Read JSON text, or the file at a path, that `to_json` wrote."""
        content = read_json(source, "a causal graph")
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError(f"source must be JSON of format {FORMAT!r}.")
        missing = [name for name in ("columns", "edges", "tiers", "warnings", *_SCALARS)
                   if name not in content]  # fmt: skip
        if missing:
            raise InputError(f"source must hold a whole causal graph; it has no {missing[0]!r}.")
        try:
            return cls._of_content(content)
        except InputError:
            raise
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            raise InputError(
                f"source must hold a whole causal graph; its content is damaged ({error})."
            ) from None

    @classmethod
    def _of_content(cls, content: Mapping[str, Any]) -> CausalGraph:
        edges = tuple(_edge_from(edge) for edge in content["edges"])
        scalars = {name: content[name] for name in _SCALARS}
        for name in ("alpha", "detectable"):
            scalars[name] = math.nan if scalars[name] is None else scalars[name]
        return cls(
            tuple(content["columns"]),
            edges,
            content["tiers"],
            warnings=tuple(content["warnings"]),
            methods={
                name: cls.from_json(json.dumps(part))
                for name, part in content.get("methods", {}).items()
            },
            **scalars,
        )


_SCALARS = ("method", "alpha", "n_patches", "n_resamples", "detectable", "seed")


def _without_nan(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in record.items()
    }


def _edge_from(record: Mapping[str, Any]) -> GraphEdge:
    values: dict[str, Any] = {k: math.nan if v is None else v for k, v in record.items()}
    return GraphEdge(**values)


def _claim(edge: GraphEdge) -> str:
    evidence = []
    if not math.isnan(edge.partial_correlation):
        evidence.append(f"weakest partial correlation {edge.partial_correlation:+.2f}")
    if not math.isnan(edge.frequency):
        evidence.append(f"in {edge.frequency:.0%} of half-samples")
    tail = f" ({', '.join(evidence)})." if evidence else "."
    if edge.presence == "undecided":
        why = f": {edge.reason}" if edge.reason else ""
        return f"Undecided whether {edge.source} and {edge.target} are directly linked{why}" + tail
    marks = (edge.mark_source, edge.mark_target)
    if marks == ("tail", "arrow"):
        text = f"{edge.source} causes {edge.target}, unless a hidden cause drives both"
    elif marks == ("circle", "arrow"):
        text = (
            f"{edge.source} causes {edge.target} or a hidden cause drives both; "
            f"{edge.target} does not cause {edge.source}"
        )
    elif marks == ("arrow", "arrow"):
        text = f"a hidden cause drives {edge.source} and {edge.target}"
    else:
        text = f"{edge.source} and {edge.target} are directly linked; the direction is open"
    return text + tail
