"""Other tools of causal discovery on the same columns, as they come; and how a graph is scored."""

from __future__ import annotations

import contextlib
import importlib
import io
import signal
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import networkx as nx
import numpy as np

from benchmarks.causal.worlds import Floats
from physlearn.causal import CausalGraph

__all__ = [
    "LIMIT", "PEERS", "Found", "Score", "found_by_peer", "found_of", "score",
]  # fmt: skip

Pair = frozenset[str]
LIMIT = 900.0
"""CPU seconds after which a peer is given up."""


@dataclass(frozen=True)
class Found:
    """Links that a method claims, those it leaves open, and directions (cause, effect)."""

    links: set[Pair]
    undecided: set[Pair] = field(default_factory=set)
    directed: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True)
class Score:
    """Counts over one graph; a link left undecided is a missed one."""

    true_links: int
    right: int
    false: int
    undecided: int
    directions: int
    right_directions: int

    @property
    def recall(self) -> float:
        """Share of the true links that were found."""
        return self.right / max(self.true_links, 1)

    @property
    def precision(self) -> float:
        """Share of the claimed links that are true."""
        return self.right / max(self.right + self.false, 1)


def score(found: Found, truth: nx.DiGraph) -> Score:
    """Return the counts; directions are judged on links that are true."""
    links = {frozenset(edge) for edge in truth.edges}
    judged = [pair for pair in found.directed if frozenset(pair) in links & found.links]
    return Score(
        len(links), len(found.links & links), len(found.links - links), len(found.undecided),
        len(judged), sum(truth.has_edge(*pair) for pair in judged),
    )  # fmt: skip


def found_of(graph: CausalGraph) -> Found:
    """Return what a `CausalGraph` claims: an arrowhead at one end only is a direction."""
    firm = [edge for edge in graph.edges if edge.presence == "present"]
    directed = set()
    for edge in firm:
        if (edge.mark_source, edge.mark_target) in (("tail", "arrow"), ("circle", "arrow")):
            directed.add((edge.source, edge.target))
        if (edge.mark_source, edge.mark_target) in (("arrow", "tail"), ("arrow", "circle")):
            directed.add((edge.target, edge.source))
    return Found(
        {frozenset((edge.source, edge.target)) for edge in firm},
        {frozenset((e.source, e.target)) for e in graph.edges if e.presence != "present"},
        directed,
    )


def _from_ends(ends: Floats, names: list[str]) -> Found:
    """Read causal-learn's matrix: ends[j, i] = 1 and ends[i, j] = -1 stand for i -> j."""
    links, directed = set(), set()
    for i in range(len(names)):
        for j in range(len(names)):
            if i < j and (ends[i, j] or ends[j, i]):
                links.add(frozenset((names[i], names[j])))
            if ends[j, i] == 1 and ends[i, j] in (-1, 2):
                directed.add((names[i], names[j]))
    return Found(links, directed=directed)


def pc(data: Floats, names: list[str], kind: str) -> Found:
    """Return causal-learn's PC."""
    run = importlib.import_module("causallearn.search.ConstraintBased.PC").pc
    test = "gsq" if kind == "discrete" else "fisherz"
    return _from_ends(run(data, 0.05, test, show_progress=False).G.graph, names)


def fci(data: Floats, names: list[str], kind: str) -> Found:
    """Return causal-learn's FCI."""
    run = importlib.import_module("causallearn.search.ConstraintBased.FCI").fci
    test = "gsq" if kind == "discrete" else "fisherz"
    return _from_ends(run(data, test, 0.05, show_progress=False)[0].graph, names)


def ges(data: Floats, names: list[str], kind: str) -> Found:
    """Return causal-learn's GES."""
    run = importlib.import_module("causallearn.search.ScoreBased.GES").ges
    rule = "local_score_BDeu" if kind == "discrete" else "local_score_BIC"
    return _from_ends(run(data, rule)["G"].graph, names)


def _from_slopes(slopes: Floats, names: list[str]) -> Found:
    pairs = {(names[j], names[i]) for i, j in zip(*np.nonzero(np.abs(slopes) > 0), strict=True)}
    return Found({frozenset(pair) for pair in pairs}, directed=pairs)


def direct_lingam(data: Floats, names: list[str], kind: str) -> Found:
    """Return causal-learn's DirectLiNGAM, every slope that its adaptive lasso keeps."""
    del kind
    lingam = importlib.import_module("causallearn.search.FCMBased.lingam")
    model = lingam.DirectLiNGAM()
    model.fit(data)
    return _from_slopes(model.adjacency_matrix_, names)


def lingam_package(data: Floats, names: list[str], kind: str) -> Found:
    """Return DirectLiNGAM of the package lingam."""
    del kind
    model = importlib.import_module("lingam").DirectLiNGAM()
    model.fit(data)
    return _from_slopes(model.adjacency_matrix_, names)


def tigramite_pc(data: Floats, names: list[str], kind: str) -> Found:
    """Return tigramite's PC-stable with partial correlation, columns taken as no time series."""
    del kind
    frames = importlib.import_module("tigramite.data_processing")
    test = importlib.import_module("tigramite.independence_tests.parcorr").ParCorr()
    search = importlib.import_module("tigramite.pcmci").PCMCI(
        dataframe=frames.DataFrame(data, var_names=names), cond_ind_test=test, verbosity=0
    )
    graph = search.run_pcalg_non_timeseries_data(pc_alpha=0.05)["graph"][:, :, 0]
    links, directed = set(), set()
    for i, j in zip(*np.nonzero(graph != ""), strict=True):
        links.add(frozenset((names[i], names[j])))
        if graph[i, j] == "-->":
            directed.add((names[i], names[j]))
    return Found(links, directed=directed)


PEERS: dict[str, Callable[[Floats, list[str], str], Found]] = {
    "causal-learn PC": pc,
    "causal-learn GES": ges,
    "causal-learn FCI": fci,
    "causal-learn DirectLiNGAM": direct_lingam,
    "tigramite PC-stable, ParCorr": tigramite_pc,
    "lingam DirectLiNGAM": lingam_package,
}


def found_by_peer(
    name: str, data: Floats, columns: Iterable[str], kind: str = "continuous"
) -> tuple[Found, float]:
    """Return what a peer finds and its CPU seconds.

    Raises
    ------
    ImportError
        Where it, or what it needs, is not installed.
    TimeoutError
        After `LIMIT` CPU seconds.
    """

    def stop(*_: object) -> None:
        raise TimeoutError(f"not done after {LIMIT:g} CPU s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        return _timed(name, data, list(columns), kind)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


def _timed(name: str, data: Floats, columns: list[str], kind: str) -> tuple[Found, float]:
    begun = time.process_time()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        found = PEERS[name](np.asarray(data, dtype=float), columns, kind)
    return found, time.process_time() - begun
