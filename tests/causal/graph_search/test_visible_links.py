import pytest

from physlearn.causal.graph_search.visible_links import admits_hidden_causes, is_visible
from physlearn.causal.graphs import CausalGraph, GraphEdge


def graph_of(*edges):
    """Return a graph of links written as "a o-> b"; "?" at the end leaves the link open."""
    marks = {"-": "tail", "o": "circle", "<": "arrow", ">": "arrow"}
    made = []
    for text in edges:
        first, link, second = text.rstrip("?").split()
        presence = "undecided" if text.endswith("?") else "present"
        made.append(GraphEdge(first, second, marks[link[0]], marks[link[-1]], presence))
    names = dict.fromkeys(name for e in made for name in (e.source, e.target))
    return CausalGraph(tuple(names), tuple(made), method="FCI", alpha=0.05)


@pytest.mark.parametrize(
    ("edges", "visible"),
    [
        (("x --> y",), False),
        # a cause of x that is not linked to y would be linked to it if a hidden cause drove both
        (("w o-> x", "x --> y"), True),
        (("w <-> x", "x --> y"), True),
        (("w o-o x", "x --> y"), False),
        (("w o-> x?", "x --> y"), False),
        # linked to y it tells nothing, and so does a link to y that is itself open
        (("w o-> x", "w o-> y", "x --> y"), False),
        (("w o-> x", "w o-> y?", "x --> y"), False),
        # unless a path of common effects that cause y leads on to such a column
        (("v o-> w", "w <-> x", "w --> y", "x --> y"), True),
        (("v o-o w", "w <-> x", "w --> y", "x --> y"), False),
        (("v o-> w", "w o-> x", "w --> y", "x --> y"), False),
        (("v o-> w", "w <-> x", "w o-> y", "x --> y"), False),
    ],
)
def test_zhangs_visible_arrows(edges, visible):
    assert is_visible(graph_of(*edges), "x", "y") is visible


def test_only_fci_admits_hidden_causes():
    assert admits_hidden_causes(graph_of("x --> y"))
    assert not admits_hidden_causes(CausalGraph.from_edges([("x", "y")]))
