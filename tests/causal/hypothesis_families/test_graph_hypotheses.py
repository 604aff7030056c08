"""What a `do` shows in every graph that fits: planted effects and hidden causes are the truth."""

import numpy as np
import pandas as pd
import pytest

from physlearn.causal import Action, CausalGraph, GraphEdge
from physlearn.causal.hypothesis_families.graph_hypotheses import hypotheses_from_members
from physlearn.checks import InputError, NotIdentified
from physlearn.records import PatchTable

EDGE = 32
Y, X = np.mgrid[:EDGE, :EDGE].reshape(2, -1)


def _table(**columns):
    frame = pd.DataFrame(columns)
    return PatchTable.from_frame(frame, np.stack([X, Y], 1), 1.0)


def _set(column, to, patch=0):
    args = {"x": 0.0, "y": 0.0, "patch": patch, "column": column, "to": to}
    return Action("expose_site", args, 1.0, 1.0, 1.0, irreversible=True)


@pytest.fixture(scope="module")
def chain():
    """a -> b -> c with slopes 2 and -1.5."""
    rng = np.random.default_rng(4)
    a = rng.normal(size=EDGE**2)
    b = 2 * a + rng.normal(size=EDGE**2)
    return _table(a=a, b=b, c=-1.5 * b + rng.normal(size=EDGE**2))


def test_the_mechanism_of_the_column_that_is_set_is_dropped(chain):
    graph = CausalGraph(
        ("a", "b", "c"), (GraphEdge("a", "b", "circle", "circle"), GraphEdge("b", "c"))
    )
    found = hypotheses_from_members(chain, graph, "c", ["a", "b"], noise_sd=0.5, rng=0)
    # a -> b: setting a moves c by -3; b -> a or hidden: setting a does nothing; b acts in all
    assert [h.name for h in found] == ["a and b set c", "b sets c"]
    by_name = {h.name: h for h in found}
    frame = chain.frame
    for name, slope in (("a and b set c", -3.0), ("b sets c", 0.0)):
        mean, sd = by_name[name].mean_sd(_set("a", frame["a"][7] + 1.0, 7), 0)
        # slope errors of 1024 rows are below .1
        assert mean == pytest.approx(slope, abs=0.4)
        assert sd >= 0.5
        assert by_name[name].mean_sd(_set("b", frame["b"][7] + 1.0, 7), 0)[0] == pytest.approx(
            -1.5, abs=4 / np.sqrt(EDGE**2)
        )
    # three graphs fit (forward, backward, hidden), two of them say the same of c
    assert by_name["a and b set c"].weight == pytest.approx(1 / 3)


def test_a_hidden_cause_alone_predicts_nothing_and_beside_a_link_leaves_the_slope_open():
    rng = np.random.default_rng(5)
    hidden = rng.normal(size=EDGE**2)
    a = hidden + rng.normal(size=EDGE**2)
    b = hidden + rng.normal(size=EDGE**2)
    table = _table(a=a, b=b)
    graph = CausalGraph(("a", "b"), (GraphEdge("a", "b", "circle", "arrow"),))
    found = hypotheses_from_members(table, graph, "b", ["a"], noise_sd=0.5, rng=0)
    by_name = {h.name: h for h in found}
    assert list(by_name) == ["a sets b", "hidden cause only", "a sets b beside a hidden cause"]
    act = _set("a", table.frame["a"][3] + 2.0, 3)
    # the regression slope is 1 / 2 although nothing is caused
    assert by_name["a sets b"].mean_sd(act, 0)[0] == pytest.approx(1.0, abs=0.25)
    assert by_name["hidden cause only"].mean_sd(act, 0) == (0.0, 0.5)
    open_slope = by_name["a sets b beside a hidden cause"]
    drawn = open_slope.joint([act], np.random.default_rng(0), 2000)[:, 0] / 2.0
    # what is left of b over a is sqrt(1.5 / 2): the largest bias of a hidden cause
    assert drawn.std() == pytest.approx(np.sqrt(0.75), rel=0.15)
    assert (drawn < 0).mean() > 0.1
    assert "hidden" in by_name["hidden cause only"].description


def test_acts_that_set_no_column_show_nothing(chain):
    graph = CausalGraph(("a", "b"), (GraphEdge("a", "b", "circle", "arrow"),))
    law = hypotheses_from_members(chain, graph, "b", ["a"], noise_sd=0.5, rng=0)[0]
    assert law.mean_sd(Action("wait", {"wait_s": 1.0}, 0, 1, 1), 0) is None
    with pytest.raises(InputError, match="patch must lie in 0 to 1023; got 1024"):
        law.mean_sd(_set("a", 1.0, 1024), 0)


def test_what_cannot_be_is_refused(chain):
    settled = CausalGraph(("a", "b"), (GraphEdge("a", "b"),))
    with pytest.raises(NotIdentified, match="nothing is open"):
        hypotheses_from_members(chain, settled, "b", ["a"], noise_sd=0.5)
    with pytest.raises(InputError, match="'z' must be a column of table and graph"):
        hypotheses_from_members(chain, settled, "b", ["z"], noise_sd=0.5)
    with pytest.raises(InputError, match="others than the outcome 'b'"):
        hypotheses_from_members(chain, settled, "b", ["b"], noise_sd=0.5)
    with pytest.raises(InputError, match="noise_sd must be above 0"):
        hypotheses_from_members(chain, settled, "b", ["a"], noise_sd=0)
