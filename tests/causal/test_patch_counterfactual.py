import math

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.causal import CausalGraph, GraphEdge, counterfactual
from physlearn.checks import InputError
from physlearn.records import PatchTable

TRUE_GRAPH = nx.DiGraph(
    [
        ("composition", "strain"),
        ("composition", "response"),
        ("strain", "response"),
        ("composition", "distractor"),
    ]
)


def closed_form(table, patch, value):
    """Two least-squares fits, by hand: the change goes directly and by way of the strain."""
    frame = table.frame
    common = np.column_stack([np.ones(len(frame)), table.centers])
    to_strain = np.linalg.lstsq(
        np.column_stack([frame["composition"], common]), frame["strain"], rcond=None
    )[0][0]
    direct = np.linalg.lstsq(
        np.column_stack([frame[["composition", "strain"]], common]), frame["response"], rcond=None
    )[0]
    change = value - frame["composition"].iloc[patch]
    return frame["response"].iloc[patch] + change * (direct[0] + direct[1] * to_strain)


def test_dowhy_and_the_closed_form_agree(planted):
    table = planted(16, 1, 0).table
    for patch, value in ((0, 0.0), (100, 1.5)):
        answer = counterfactual(
            table, TRUE_GRAPH, patch=patch, do={"composition": value}, outcome="response", rng=0
        )
        assert answer.mean == pytest.approx(closed_form(table, patch, value), abs=1e-9)
        assert answer.factual == table.frame["response"].iloc[patch]
        assert answer.draws[0].mean() == pytest.approx(answer.mean, abs=4 * answer.sd / 20)


def test_setting_a_parent_too_blocks_its_path(planted):
    table = planted(16, 0, 0).table
    factual = float(table.frame["strain"].iloc[5])
    both = counterfactual(
        table, TRUE_GRAPH, patch=5, do={"composition": 1.0, "strain": factual},
        outcome="response", rng=0,
    )  # fmt: skip
    alone = counterfactual(
        table, TRUE_GRAPH, patch=5, do={"composition": 1.0}, outcome="response", rng=0
    )
    change = 1.0 - float(table.frame["composition"].iloc[5])
    # by way of the strain: .5 x .5, each slope of 256 patches known to about .8 / 16 of its unit
    error = math.hypot(0.5 * 0.8 / 16, 0.5 * 0.6 / 0.8 / 16)
    assert abs((alone.mean - both.mean) / change - 0.25) < 4 * error
    nothing = counterfactual(
        table, TRUE_GRAPH, patch=5, do={"strain": factual}, outcome="response", rng=0
    )
    assert nothing.mean == pytest.approx(nothing.factual)


@pytest.mark.parametrize(("length", "snr"), [(0, None), (2, None), (1, 10.0)])
def test_intervals_hold_the_truth(planted, length, snr):
    held = 0
    for seed in range(60):
        scene = planted(24, length, seed, snr)
        clean = scene.clean.iloc[40]
        truth = clean["response"] + 0.85 * (clean["composition"] + 1 - clean["composition"])
        answer = counterfactual(
            scene.table, TRUE_GRAPH, patch=40, do={"composition": clean["composition"] + 1},
            outcome="response", rng=0,
        )  # fmt: skip
        low, high = answer.interval()
        held += low < truth < high
    assert stats.binomtest(held, 60, 0.90).pvalue > 1e-3


def test_support(planted):
    table = planted(16, 0, 0).table
    ask = {"patch": 3, "outcome": "response", "rng": 0}
    near = counterfactual(table, TRUE_GRAPH, do={"composition": 0.1}, **ask)
    far = counterfactual(table, TRUE_GRAPH, do={"composition": 40.0}, **ask)
    # each value was seen, but never together
    odd = counterfactual(table, TRUE_GRAPH, do={"composition": 2.2, "strain": -1.8}, **ask)
    assert not near.out_of_support
    assert far.out_of_support
    assert odd.out_of_support
    assert any("extrapolation" in note for note in far.warnings)


def test_open_and_hidden_graphs(planted):
    table = planted(16, 0, 0).table
    ask = {"patch": 3, "do": {"strain": 1.0}, "outcome": "response", "rng": 0}
    undecided = CausalGraph(
        ("strain", "response"), (GraphEdge("strain", "response", presence="undecided"),)
    )
    answer = counterfactual(table, undecided, **ask)
    assert not answer.identified
    assert min(answer.range) == pytest.approx(answer.factual) or max(answer.range) == pytest.approx(
        answer.factual
    )
    hidden = CausalGraph(
        ("composition", "strain", "response"),
        (
            GraphEdge("composition", "strain", "arrow", "arrow"),
            GraphEdge("composition", "response"),
            GraphEdge("strain", "response"),
        ),
    )
    # the hidden cause of composition and strain is blocked by the composition
    assert counterfactual(table, hidden, **ask).identified
    bow = nx.DiGraph([("u", "strain"), ("u", "response"), ("strain", "response")])
    refused = counterfactual(table, bow, **ask)
    assert not refused.identified
    assert "no column measures" in refused.reason
    assert math.isnan(refused.mean)


def test_silent_and_repeatable(planted, capsys, recwarn):
    table = planted(12, 0, 0, snr=10.0).table
    ask = {"patch": 3, "do": {"composition": 0.5}, "outcome": "response", "rng": 4}
    first = counterfactual(table, TRUE_GRAPH, **ask)
    assert counterfactual(table, TRUE_GRAPH, **ask).interval() == first.interval()
    output = capsys.readouterr()
    assert output.out == output.err == ""
    assert len(recwarn) == 0


def test_bad_questions(planted):
    table = planted(12, 0, 0).table
    good = {"patch": 3, "do": {"composition": 0.5}, "outcome": "response"}
    for change, words in (
        ({"patch": 144}, "0 to 143"),
        ({"patch": -1}, "0 to 143"),
        ({"patch": True}, "row number"),
        ({"patch": 1.5}, "row number"),
        ({"do": {}}, "at least one"),
        ({"do": {"composition": math.nan}}, "finite"),
        ({"do": {"composition": "0.3"}}, "finite"),
        ({"do": {"composition": True}}, "finite"),
        ({"do": {"colour": 1.0}}, "'colour'"),
        ({"do": {"response": 1.0}}, "outcome"),
        ({"outcome": "disorder"}, "'disorder'"),
    ):
        with pytest.raises(InputError, match=words):
            counterfactual(table, TRUE_GRAPH, **{**good, **change})
    flat = PatchTable.from_frame(
        pd.DataFrame({"a": np.ones(144), "b": table.frame["response"]}), table.centers, 8.0
    )
    with pytest.raises(InputError, match="does not vary"):
        counterfactual(flat, nx.DiGraph([("a", "b")]), patch=0, do={"a": 1.0}, outcome="b")


def test_hidden_cause_shared_with_a_column_that_leads_nowhere(planted):
    table = planted(16, 1, 0).table
    forward = [
        GraphEdge(a, b, "tail", "arrow", partial_correlation=0.5) for a, b in TRUE_GRAPH.edges
    ]
    aside = GraphEdge("response", "distractor", "arrow", "arrow", partial_correlation=0.1)
    graph = CausalGraph(tuple(table.columns), (*forward, aside))
    ask = {"patch": 0, "do": {"composition": 0.0}, "outcome": "response", "rng": 0}
    assert counterfactual(table, graph, **ask).mean == pytest.approx(
        counterfactual(table, TRUE_GRAPH, **ask).mean, abs=1e-9
    )
