import math
from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.ndimage import gaussian_filter

from physlearn.causal import (
    CausalGraph,
    GraphEdge,
    counterfactual,
    discover_graph,
    estimate_effect,
)
from physlearn.causal.effect_estimates.effect_records import EffectOptions
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


def test_without_noise_the_number_is_the_regression_and_dowhys(planted):
    table = planted(16, 1, 0).table
    effect = estimate_effect(
        table, TRUE_GRAPH, "strain", "response", contrast=(0, 2), rng=0,
        options=EffectOptions(check_with_dowhy=True),
    )  # fmt: skip
    design = np.column_stack([table.frame[["strain", "composition"]], np.ones(256), table.centers])
    slope = sm.OLS(table.frame["response"], design).fit().params.iloc[0]
    assert effect.adjustment_set == ("composition",)
    assert effect.mean == pytest.approx(2 * slope)
    assert effect.members[0].dowhy_estimate == pytest.approx(2 * slope)
    assert effect.unit == "V"


@pytest.mark.parametrize(("length", "snr"), [(0, None), (2, None), (1, 10.0)])
def test_intervals_hold_the_truth(planted, length, snr):
    held = total = 0
    for seed in range(40):
        scene = planted(24, length, seed, snr)
        cause = ("composition", "strain")[seed % 2]
        effect = estimate_effect(scene.table, TRUE_GRAPH, cause, "response", contrast=(0, 1), rng=0)
        low, high = effect.interval()
        held += low < scene.truth[cause] < high
        total += 1
    # 0.90 within the binomial scatter over 40 independent fields
    assert stats.binomtest(held, total, 0.90).pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 1, 2, 3])
@pytest.mark.parametrize("snr", [None, 10.0])
def test_coverage(planted, length, snr):
    held = 0
    for seed in range(500):
        scene = planted(24, length, seed, snr)
        effect = estimate_effect(
            scene.table, TRUE_GRAPH, "strain", "response", contrast=(0, 1), rng=0
        )
        low, high = effect.interval()
        held += low < 0.5 < high
    assert 0.85 < held / 500 < 0.95


def test_ignoring_noise_is_biased_and_knowing_it_is_not(planted):
    blind, known = [], []
    for seed in range(20):
        table = planted(24, 0, seed, snr=3.0).table
        unaware = PatchTable.from_frame(table.frame, table.centers, 8.0)
        for store, given in ((blind, unaware), (known, table)):
            effect = estimate_effect(
                given, TRUE_GRAPH, "strain", "response", contrast=(0, 1), rng=0
            )
            store.append(effect.mean)
    error = np.std(known) / math.sqrt(20)
    assert abs(np.mean(known) - 0.5) < 4 * error
    assert np.mean(blind) < 0.5 - 4 * np.std(blind) / math.sqrt(20)


def test_default_contrast_and_placebo(planted):
    scene = planted(24, 1, 0)
    effect = estimate_effect(scene.table, TRUE_GRAPH, "composition", "response", rng=0)
    low, high = np.percentile(scene.table.frame["composition"], [10, 90])
    assert effect.contrast == pytest.approx((low, high))
    assert effect.refutations["placebo_p_value"] < 0.02
    assert abs(effect.refutations["placebo_mean"]) < 0.15 * effect.mean
    none = estimate_effect(
        scene.table, nx.DiGraph([("disorder", "response")]), "disorder", "response", rng=0
    )
    assert none.refutations["placebo_p_value"] > 0.02
    assert none.interval()[0] < 0 < none.interval()[1]


def test_a_hidden_common_cause_is_refused(planted):
    table = planted(16, 0, 0).table
    graph = nx.DiGraph([("u", "strain"), ("u", "response"), ("strain", "response")])
    effect = estimate_effect(table, graph, "strain", "response", rng=0)
    assert not effect.identified
    assert "no column measures" in effect.reason
    assert math.isnan(effect.mean)
    assert all(math.isnan(bound) for bound in effect.interval())


def test_an_effect_says_what_its_search_takes_for_granted(planted):
    table = planted(24, 0, 0).table
    graph = discover_graph(table, n_resamples=0, rng=0)
    effect = estimate_effect(table, graph, "strain", "response", contrast=(0, 1), rng=0)
    told = effect.summary()["assumptions"]
    assert any("no hidden cause drives both strain and response" in text for text in told)
    assert any(graph.method in text for text in told)
    known = estimate_effect(table, TRUE_GRAPH, "strain", "response", contrast=(0, 1), rng=0)
    assert not any("hidden" in text for text in known.assumptions)


def test_a_link_that_may_be_a_hidden_cause_is_refused(planted):
    table = planted(24, 0, 0).table
    pair = replace(
        table, frame=table.frame[["strain", "response"]], units={}, measurement_covariance=None,
        tiers={"strain": 1, "response": 2},
    )  # fmt: skip
    graph = discover_graph(pair, method="fci", n_resamples=0, rng=0)
    edge = graph.edge_between("strain", "response")
    marks = {edge.source: edge.mark_source, edge.target: edge.mark_target}
    assert marks == {"strain": "circle", "response": "arrow"}
    effect = estimate_effect(pair, graph, "strain", "response", rng=0)
    assert not effect.identified
    assert effect.would_identify == ("what drives both strain and response",)
    assert "set strain on purpose" in effect.reason


def test_too_few_patches_that_count_have_no_error_to_tell():
    """Fields of 8 x 8 patches that vary over three: 64 patches count as a handful."""
    rows, columns = np.mgrid[:8, :8].reshape(2, -1)
    answered, refused = [], []
    for seed in range(20):
        wide = np.random.default_rng(seed).normal(size=(2, 24, 24))
        a, b = gaussian_filter(wide, (0, 3, 3))[:, 8:16, 8:16].reshape(2, -1)
        table = PatchTable.from_frame(
            pd.DataFrame({"a": a, "b": a + b}), np.stack([columns, rows], 1), 1.0,
            measurement_covariance=np.zeros((1, 2, 2)),
        )  # fmt: skip
        effect = estimate_effect(table, nx.DiGraph([("a", "b")]), "a", "b", rng=0)
        (answered if effect.identified else refused).append(effect)
    assert answered
    assert all(effect.n_effective > 6 for effect in answered)
    assert refused
    assert all("more than 6 are needed with 0 column(s)" in effect.reason for effect in refused)


def test_an_open_graph_gives_a_range(planted):
    table = planted(24, 0, 0).table
    graph = CausalGraph(
        ("strain", "response"), (GraphEdge("strain", "response", presence="undecided"),)
    )
    effect = estimate_effect(table, graph, "strain", "response", contrast=(0, 1), rng=0)
    assert not effect.identified
    assert effect.range[0] == 0.0
    assert effect.range[1] > 0.5
    assert effect.interval()[0] <= 0 < effect.range[1] < effect.interval()[1]
    hidden = CausalGraph(
        ("strain", "response"), (GraphEdge("strain", "response", "circle", "arrow"),)
    )
    # both at once fit the marks, too, and then nothing bounds the effect
    either = estimate_effect(table, hidden, "strain", "response", contrast=(0, 1), rng=0)
    assert not either.identified
    assert np.isnan(either.range).all()
    assert "may share a cause" in either.reason


def test_a_missing_link_is_not_reported_as_exactly_nothing(planted):
    scene = planted(24, 1, 1, snr=10.0)
    edges = tuple(GraphEdge(*edge) for edge in TRUE_GRAPH.edges)
    # alpha marks a graph that tests found: there a link may have been missed
    graph = CausalGraph(tuple(TRUE_GRAPH.nodes), edges, tiers=scene.table.tiers, alpha=0.05)
    effect = estimate_effect(scene.table, graph, "distractor", "response", contrast=(0, 1), rng=0)
    assert not effect.identified
    assert 0.0 in effect.range
    low, high = effect.interval()
    assert low < 0 or high > 0
    assert any("shows no path" in note for note in effect.warnings)
    back = estimate_effect(scene.table, graph, "response", "composition", rng=0)
    assert (back.mean, back.sd) == (0.0, 0.0)


def test_too_much_noise_is_refused(planted):
    effect = estimate_effect(
        planted(16, 0, 0, snr=0.1).table, TRUE_GRAPH, "strain", "response", rng=0
    )
    assert not effect.identified
    assert "repeat the scan" in effect.reason


def test_columns_that_determine_one_another_are_refused(planted):
    scene = planted(12, 0, 0)
    frame = scene.table.frame.assign(
        sum=scene.table.frame["composition"] + scene.table.frame["strain"]
    )
    table = PatchTable.from_frame(frame, scene.table.centers, 8.0)
    causes = ("composition", "strain", "sum")
    graph = nx.DiGraph(
        [(name, "response") for name in causes] + [("composition", "sum"), ("strain", "sum")]
    )
    effect = estimate_effect(table, graph, "sum", "response", rng=0)
    assert not effect.identified
    assert "determine one another" in effect.reason
    answer = counterfactual(table, graph, patch=0, do={"sum": 0.0}, outcome="response", rng=0)
    assert not answer.identified
    assert "determine one another" in answer.reason


def test_bad_questions(planted):
    table = planted(12, 0, 0).table
    for question, words in (
        (("strain", "strain"), "different columns"),
        (("stain", "response"), "no column"),
        (("disorder", "response"), "no node"),
    ):
        with pytest.raises(InputError, match=words):
            estimate_effect(table, TRUE_GRAPH, *question)
    with pytest.raises(InputError, match=r"graph must be a CausalGraph .* got list"):
        estimate_effect(table, [("strain", "response")], "strain", "response")
    effect = estimate_effect(table, TRUE_GRAPH, "strain", "response", rng=0)
    with pytest.raises(InputError, match="mass must lie between 0 and 1; got 90"):
        effect.interval(90)
    for contrast in ((0, 0), (0, math.nan), (1,)):
        with pytest.raises(InputError, match="contrast"):
            estimate_effect(table, TRUE_GRAPH, "strain", "response", contrast=contrast)
    flat = PatchTable.from_frame(
        pd.DataFrame({"strain": np.ones(144), "response": table.frame["response"]}),
        table.centers, 8.0,
    )  # fmt: skip
    with pytest.raises(InputError, match="does not vary"):
        estimate_effect(flat, nx.DiGraph([("strain", "response")]), "strain", "response")


def test_an_open_link_does_not_matter_when_one_adjustment_serves_all(planted):
    """Whether composition moves the strain is open; holding it fixed is right either way."""
    table = planted(24, 0, 0).table
    graph = CausalGraph(
        ("composition", "strain", "response"),
        (
            GraphEdge("composition", "strain", presence="undecided"),
            GraphEdge("composition", "response"),
            GraphEdge("strain", "response"),
        ),
    )
    effect = estimate_effect(table, graph, "strain", "response", contrast=(0, 1), rng=0)
    assert effect.identified
    assert effect.adjustment_set == ("composition",)
    assert abs(effect.mean - 0.5) < 4 * effect.sd
    assert effect.sd < 0.1


def test_a_missed_link_between_causes_does_not_confound(planted):
    """The graph lost composition -> strain; holding the response's other cause fixed saves it."""
    table = planted(24, 0, 0).table
    graph = nx.DiGraph([("composition", "response"), ("strain", "response")])
    effect = estimate_effect(table, graph, "strain", "response", contrast=(0, 1), rng=0)
    assert effect.adjustment_set == ("composition",)
    low, high = effect.interval(0.999)
    assert low < 0.5 < high


def test_a_column_that_may_carry_the_influence_is_not_held_fixed(planted):
    """The same graph with tiers: the strain comes after the composition, and may be its way."""
    table = planted(24, 0, 0).table
    graph = CausalGraph.from_edges(
        [("composition", "response"), ("strain", "response")], tiers=table.tiers
    )
    effect = estimate_effect(table, graph, "composition", "response", contrast=(0, 1), rng=0)
    assert effect.adjustment_set == ()
    low, high = effect.interval(0.999)
    assert low < 0.85 < high


def test_two_paths_that_share_their_first_link(grid):
    rng = np.random.default_rng(2)
    a = rng.normal(size=400)
    middle = a + rng.normal(size=400)
    left, right = middle + rng.normal(size=400), 0.5 * middle + rng.normal(size=400)
    outcome = left + right + 0.1 * rng.normal(size=400)
    frame = pd.DataFrame({"a": a, "middle": middle, "left": left, "right": right, "out": outcome})
    table = PatchTable.from_frame(frame, grid(20), 1.0)
    graph = nx.DiGraph(
        [
            ("a", "middle"),
            ("middle", "left"),
            ("middle", "right"),
            ("left", "out"),
            ("right", "out"),
        ]
    )
    effect = estimate_effect(table, graph, "a", "out", contrast=(0, 1), rng=0)
    # the whole influence is 1 x (1 + 0.5), with nothing to hold fixed
    assert effect.adjustment_set == ()
    assert abs(effect.mean - 1.5) < 4 * effect.sd


def test_an_effect_of_a_link_near_the_limit_is_called_overstated(grid):
    """Of weak links those are found that chance made strong, and the same patches say so again."""
    weak, firm = [], []
    for slope, store in ((0.1, weak), (0.6, firm)):
        for seed in range(40):
            rng = np.random.default_rng(seed)
            a = rng.normal(size=256)
            frame = pd.DataFrame({"a": a, "b": slope * a + rng.normal(size=256)})
            table = PatchTable.from_frame(frame, grid(16), 1.0, tiers={"a": 0, "b": 2})
            graph = discover_graph(table, method="pc", n_resamples=0, rng=0)
            if graph.edge_between("a", "b") is not None:
                effect = estimate_effect(table, graph, "a", "b", contrast=(0, 1), rng=0)
                warned = any("overstated" in note for note in effect.warnings)
                store.append((effect.mean / slope, warned))
    assert 5 < len(weak) < 35
    assert np.mean([ratio for ratio, _ in weak]) > 1.3
    assert all(warned for _, warned in weak)
    assert len(firm) == 40
    assert np.mean([ratio for ratio, _ in firm]) == pytest.approx(1.0, abs=0.05)
    assert not any(warned for _, warned in firm)


@pytest.mark.parametrize(("correlation", "warned"), [(0.41, True), (0.43, False), (-0.41, True)])
def test_the_warning_of_a_weak_link_reaches_effect_and_counterfactual(planted, correlation, warned):
    table = planted(12, 0, 0).table
    edge = GraphEdge("composition", "response", partial_correlation=correlation)
    graph = CausalGraph(("composition", "response"), (edge,), alpha=0.05, detectable=0.28)
    effect = estimate_effect(table, graph, "composition", "response", rng=0)
    answer = counterfactual(
        table, graph, patch=0, do={"composition": 0.0}, outcome="response", rng=0
    )
    for notes in (effect.warnings, answer.warnings):
        assert warned == any("new field" in note for note in notes)
    given = CausalGraph(("composition", "response"), (edge,))
    effect = estimate_effect(table, given, "composition", "response", rng=0)
    assert not any("new field" in note for note in effect.warnings)
