import math

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.causal.counterfactual_models.structural_answers import check_do, counterfactuals
from physlearn.causal.counterfactual_models.structural_model import fit_structural_model
from physlearn.causal.graphs import CausalGraph, GraphEdge
from physlearn.causal.mechanisms import gcm_counterfactual
from physlearn.checks import InputError
from physlearn.records import PatchTable


def least_squares(table, outcome, parents):
    frame = table.frame
    terms = np.column_stack([frame[parents], np.ones(len(frame)), table.centers])
    return np.linalg.lstsq(terms, frame[outcome], rcond=None)[0][: len(parents)]


def test_lines_are_answered_in_closed_form(chain):
    world = chain("linear", 16, 1.0, 0, None)
    frame = world.table.frame
    (to_b,) = least_squares(world.table, "b", ["a"])
    direct, by_b = least_squares(world.table, "c", ["a", "b"])
    answer = counterfactuals(world.table, world.graph, do={"a": 0.7}, outcome="c", form="linear",
                             rng=0)  # fmt: skip
    wanted = frame["c"] + (0.7 - frame["a"]) * (direct + by_b * to_b)
    assert np.allclose(answer.mean, wanted, atol=1e-9)
    both = counterfactuals(world.table, world.graph, do={"a": 0.7, "b": frame["b"]}, outcome="c",
                           form="linear", rng=0)  # fmt: skip
    assert np.allclose(both.mean, frame["c"] + (0.7 - frame["a"]) * direct, atol=1e-9)
    assert np.all(answer.sd_graph == 0)
    assert np.all(answer.sd_noise == 0)
    assert np.allclose(answer.sd, answer.sd_parameters)


def test_dowhy_gives_the_same_to_rounding(chain):
    world = chain("linear", 12, 1.0, 3, 10.0)
    model = fit_structural_model(world.table, world.graph, form="linear", rng=0)
    answer = model.answer(do={"a": 0.7}, outcome="c")
    columns = model.data.columns
    values = pd.DataFrame(columns.values, columns=list(columns.names))
    slopes = {}
    for node, parents in (("b", ["a"]), ("c", ["a", "b"])):
        scale = columns.scale[columns.index(node)]
        slopes[node] = model.mechanism(node, parents).coefficients / scale
    for row in (0, 40, 101):
        k = columns.index("a")
        moved = (0.7 - world.table.frame["a"].iloc[row]) / columns.scale[k]
        do = {"a": float(values["a"].iloc[row] + moved)}
        found = gcm_counterfactual(values, world.graph, slopes, do, row)["c"]
        change = (found - values["c"].iloc[row]) * columns.scale[columns.index("c")]
        assert answer.change[row] == pytest.approx(change, abs=1e-9)


def covered(chain, form, length, snr, n_worlds):
    shares = []
    for seed in range(n_worlds):
        world = chain(form, 24, length, seed, snr)
        answer = counterfactuals(world.table, world.graph, do={"a": 0.7}, outcome="c",
                                 patches=np.arange(0, 576, 7), rng=seed)  # fmt: skip
        truth = world.truth(0.7)[::7]
        inside = (answer.low < truth) & (truth < answer.high)
        shares.append(float(inside[~answer.out_of_support].mean()))
    return np.array(shares)


@pytest.mark.parametrize(
    ("form", "length", "snr"),
    [("linear", 2.0, 10.0), ("quadratic", 2.0, 10.0), ("saturating", 2.0, 10.0),
     ("linear", 0.0, None), ("quadratic", 2.0, None)],
)  # fmt: skip
def test_intervals_hold_the_truth(chain, form, length, snr):
    shares = covered(chain, form, length, snr, 16 if form == "saturating" else 40)
    error = shares.std(ddof=1) / math.sqrt(len(shares))
    # wider than asked for is the saturating curve's: splines pay for their freedom
    assert shares.mean() > 0.90 - 3 * error
    assert shares.mean() < 0.95 + 3 * error


def test_a_line_fails_where_the_truth_is_curved(chain):
    world = chain("quadratic", 32, 1.0, 5, None)
    ask = {"do": {"a": 2.0}, "outcome": "c", "rng": 0}
    truth = world.truth(2.0)
    straight = counterfactuals(world.table, world.graph, form="linear", **ask)
    curved = counterfactuals(world.table, world.graph, **ask)
    assert "quadratic" in curved.graphs[0]
    assert np.sqrt(np.mean((curved.mean - truth) ** 2)) < 0.1
    assert np.sqrt(np.mean((straight.mean - truth) ** 2)) > 0.5


def test_curves_are_not_flattened_by_known_noise(chain):
    biases = {"cubic": [], "told nothing": []}
    for seed in range(12):
        world = chain("quadratic", 32, 1.0, seed, 4.0)
        naive = PatchTable.from_frame(world.table.frame, world.table.centers, 8.0, unit="nm")
        truth = world.truth(1.5).mean()
        for name, table in (("cubic", world.table), ("told nothing", naive)):
            answer = counterfactuals(table, world.graph, do={"a": 1.5}, outcome="c",
                                     form="quadratic", rng=seed)  # fmt: skip
            biases[name].append(answer.mean.mean() - truth)
    corrected, plain = (np.array(biases[name]) for name in ("cubic", "told nothing"))
    assert abs(corrected.mean()) < 4 * corrected.std(ddof=1) / math.sqrt(12)
    assert abs(plain.mean()) > 2 * abs(corrected.mean())


def test_curves_are_rarely_seen_where_there_are_none(chain):
    curved = 0
    for seed in range(40):
        world = chain("linear", 16, 1.0, 100 + seed, None)
        model = fit_structural_model(world.table, world.graph, rng=seed)
        curved += model.mechanism("c", ["a", "b"]).form != "linear"
    assert stats.binomtest(curved, 40, 0.07, alternative="greater").pvalue > 0.01


def test_a_column_of_levels_as_a_cause(levels):
    shares = []
    for seed in range(25):
        world = levels("number", 20, seed)
        answer = counterfactuals(world.table, world.graph, do={"phase": 2.0}, outcome="y",
                                 categorical=["phase"], rng=seed)  # fmt: skip
        truth = world.truth(2.0)
        shares.append(np.mean((answer.low <= truth) & (truth <= answer.high)))
        # patches that are in that phase keep what they showed
        same = world.table.frame["phase"].to_numpy() == 2.0
        assert np.allclose(answer.mean[same], answer.factual[same])
    error = np.std(shares, ddof=1) / 5
    assert abs(np.mean(shares) - 0.9) < 3.5 * error
    # codes taken as numbers on a line are far off
    line = counterfactuals(world.table, world.graph, do={"phase": 2.0}, outcome="y", rng=0,
                           form="linear")  # fmt: skip
    assert abs(line.mean.mean() - truth.mean()) > 5 * abs(answer.mean.mean() - truth.mean())


@pytest.mark.parametrize(("kind", "level"), [("two", 1.0), ("three", 2.0)])
def test_chances_of_a_level_are_those_of_the_planted_world(levels, kind, level):
    gaps, scores, expected = [], [], []
    for seed in range(6):
        world = levels(kind, 24, seed)
        answer = counterfactuals(world.table, world.graph, do={"phase": 2.0}, outcome="y",
                                 categorical=["phase", "y"], level=level, rng=seed)  # fmt: skip
        happened = (world.truth(2.0) == level) * 1.0
        gaps.append(np.mean(answer.mean - happened))
        scores.append(np.mean((answer.mean - happened) ** 2))
        expected.append(np.mean(answer.mean * (1 - answer.mean)))
    # calibrated chances: the mean, and the squared error they promise themselves
    assert abs(np.mean(gaps)) < 4 * np.std(gaps, ddof=1) / math.sqrt(6)
    difference = np.array(scores) - np.array(expected)
    assert abs(difference.mean()) < 4 * difference.std(ddof=1) / math.sqrt(6) + 0.003


def test_three_parts_of_the_uncertainty(chain):
    world = chain("linear", 20, 1.0, 2, 10.0)
    frame = world.table.frame
    answer = counterfactuals(world.table, world.graph, do={"a": frame["a"] + 1}, outcome="c", rng=0)
    # every patch moves by the same total effect: noise of a, and of c itself
    slope = float(answer.change[0])
    variance = np.diag(world.table.measurement_covariance[0])
    assert answer.sd_noise[0] == pytest.approx(np.sqrt(variance[2] + slope**2 * variance[0]))
    assert answer.sd_change_noise[0] == pytest.approx(slope * np.sqrt(variance[0]))
    # an open direction is uncertainty of the graph
    edges = (
        GraphEdge("a", "b", "circle", "circle"), GraphEdge("a", "c"), GraphEdge("b", "c"),
    )  # fmt: skip
    opened = counterfactuals(world.table, CausalGraph(("a", "b", "c"), edges), do={"a": 1.0},
                             outcome="c", rng=0)  # fmt: skip
    # either b follows a, or the change of a leaves b as it was
    assert len(opened.graphs) == 2
    assert np.allclose(opened.sd_graph, np.abs(np.diff(opened.graph_means, axis=0))[0] / 2)
    far = np.abs(np.diff(opened.graph_means, axis=0))[0] > 1
    assert not opened.identified[far].any()
    assert np.isnan(opened.mean[far]).all()
    assert "open" in opened.reason
    assert (opened.high - opened.low >= answer.high - answer.low - 1e-9).mean() > 0.5


def test_parameters_spread_as_they_do_from_world_to_world(chain):
    """The promised spread of the effect is that of estimates over repeated worlds."""
    effects, promised = [], []
    for seed in range(60):
        world = chain("linear", 16, 1.0, 500 + seed, None)
        answer = counterfactuals(world.table, world.graph, do={"a": world.table.frame["a"] + 1},
                                 outcome="c", patches=[0], form="linear", rng=0)  # fmt: skip
        effects.append(answer.change[0])
        promised.append(answer.sd_parameters[0])
    ratio = np.mean(promised) / np.std(effects, ddof=1)
    # spread of a standard deviation from 60 worlds; intervals widen by up to 15 % for few blocks
    assert 1 - 3 / math.sqrt(120) < ratio < 1.15 + 3 / math.sqrt(120)


def test_support_of_single_patches(chain, levels):
    world = chain("linear", 16, 0.0, 1, None)
    answer = counterfactuals(world.table, world.graph, do={"a": np.r_[0.1, 40.0]}, outcome="c",
                             patches=[3, 4], rng=0)  # fmt: skip
    assert answer.out_of_support.tolist() == [False, True]
    assert any("1 of 2 patches" in note for note in answer.warnings)
    assert "no patch like the changed one" in answer.sentence()
    coded = levels("number", 20, 0)
    frame = coded.table.frame.copy()
    frame["phase"] = np.where(frame["a"] > 0.3, 2.0, np.minimum(frame["phase"], 1.0))
    apart = PatchTable.from_frame(frame, coded.table.centers, 8.0, unit="nm")
    low = np.flatnonzero(frame["a"] < -1.0)
    unseen = counterfactuals(apart, coded.graph, do={"phase": 2.0}, outcome="y", patches=low,
                             categorical=["phase"], rng=0)  # fmt: skip
    # phase 2 was seen, but never at such a low value of the other cause
    assert unseen.out_of_support.all()


def test_asking_again_gives_the_same_and_fits_nothing_anew(chain, capsys, recwarn):
    world = chain("quadratic", 16, 1.0, 4, 10.0)
    model = fit_structural_model(world.table, world.graph, rng=7)
    n_fitted = len(model.fitted)
    first = model.answer(do={"a": 0.5}, outcome="c", patches=[1, 5])
    again = model.answer(do={"a": 0.5}, outcome="c", patches=[1, 5])
    anew = counterfactuals(world.table, world.graph, do={"a": 0.5}, outcome="c", patches=[1, 5],
                           rng=7)  # fmt: skip
    assert len(model.fitted) == n_fitted == 2
    assert first.low.tolist() == again.low.tolist() == anew.low.tolist()
    assert len(first.summary()) == 2
    assert len(model.describe()) == 2
    output = capsys.readouterr()
    assert output.out == output.err == ""
    assert len(recwarn) == 0


def test_hidden_and_unmeasured_causes_are_refused(chain):
    world = chain("linear", 12, 0.0, 0, None)
    bow = nx.DiGraph([("u", "b"), ("u", "c"), ("b", "c")])
    refused = counterfactuals(world.table, bow, do={"b": 1.0}, outcome="c", rng=0)
    assert not refused.identified.any()
    assert np.isnan(refused.mean).all()
    assert refused.reason == "u is a cause of c but no column measures it."
    assert refused.reason in refused.sentence()
    edges = (GraphEdge("b", "c"), GraphEdge("a", "c", "arrow", "arrow"), GraphEdge("a", "b"))
    hidden = counterfactuals(world.table, CausalGraph(("a", "b", "c"), edges), do={"a": 1.0},
                             outcome="c", rng=0)  # fmt: skip
    assert not hidden.identified.any()


def test_a_change_that_reaches_nothing_changes_nothing(chain, levels):
    world = chain("linear", 12, 0.0, 0, None)
    answer = counterfactuals(world.table, world.graph, do={"c": 5.0}, outcome="a", rng=0)
    assert np.array_equal(answer.mean, answer.factual)
    assert np.all(answer.sd == 0)
    coded = levels("two", 16, 0)
    still = counterfactuals(coded.table, nx.DiGraph([("a", "phase"), ("y", "phase")]),
                            do={"a": 1.0}, outcome="y", rng=0)  # fmt: skip
    assert np.array_equal(still.mean, coded.table.frame["y"])


def test_bad_questions(chain, levels):
    world = chain("linear", 12, 0.0, 0, None)
    model = fit_structural_model(world.table, world.graph, rng=0)
    good = {"do": {"a": 0.5}, "outcome": "c"}
    for change, words in (
        ({"patches": [144]}, "0 to 143"),
        ({"patches": np.ones(3, bool)}, "mask"),
        ({"patches": [0.5]}, "whole numbers"),
        ({"do": {}}, "at least one"),
        ({"do": {"a": np.zeros(3)}}, "one a patch of"),
        ({"do": {"a": math.nan}}, "finite"),
        ({"do": {"a": "x"}}, "real numbers"),
        ({"do": {"a": True}}, "finite number"),
        ({"do": {"colour": 1.0}}, "'colour'"),
        ({"do": {"c": 1.0}}, "outcome"),
        ({"outcome": "d"}, "'d'"),
        ({"level": 1.0}, "continuous"),
    ):
        with pytest.raises(InputError, match=words) as error:
            model.answer(**{**good, **change})
        assert "\n" not in str(error.value)
    coded = levels("three", 12, 0)
    ask = {"outcome": "y", "rng": 0, "categorical": ["phase", "y"]}
    with pytest.raises(InputError, match="must be a level"):
        counterfactuals(coded.table, coded.graph, do={"phase": 7.0}, level=1.0, **ask)
    with pytest.raises(InputError, match=r"level must be one of .* \(0, 1, 2\); got None"):
        counterfactuals(coded.table, coded.graph, do={"phase": 1.0}, **ask)
    with pytest.raises(InputError, match="'colour' is none"):
        fit_structural_model(coded.table, coded.graph, categorical=["colour"])
    with pytest.raises(InputError, match="144 different values"):
        fit_structural_model(coded.table, coded.graph, categorical=["a"])
    with pytest.raises(InputError, match="list of columns"):
        fit_structural_model(coded.table, coded.graph, categorical="phase")
    with pytest.raises(InputError, match="form must be"):
        fit_structural_model(coded.table, coded.graph, form="wavy")
    with pytest.raises(InputError, match="networkx"):
        fit_structural_model(coded.table, [("a", "y")])
    with pytest.raises(InputError, match="nodes"):
        fit_structural_model(coded.table, nx.DiGraph([("p", "q")]))
    with pytest.raises(InputError, match="must be a PatchTable"):
        counterfactuals(coded.table.frame, coded.graph, do={"a": 1.0}, outcome="y")


def test_a_rare_level_is_named(levels):
    coded = levels("two", 12, 0)
    frame = coded.table.frame.copy()
    frame["y"] = (np.arange(144) < 3) * 1.0
    rare = PatchTable.from_frame(frame, coded.table.centers, 8.0)
    answer = counterfactuals(rare, coded.graph, do={"a": 1.0}, outcome="y", rng=0)
    assert "level 1 of y stands in 3 patches" in answer.reason
    assert not answer.identified.any()


def test_patches_chosen_by_their_result_are_named(chain):
    world = chain("linear", 16, 0.0, 0, None)
    chosen = world.table.take(
        world.table.frame["c"].to_numpy() > -1, selection="strong ones", chosen_by_result=True
    )
    answer = counterfactuals(chosen, world.graph, do={"a": 1.0}, outcome="c", rng=0)
    assert any("chosen by what they show (strong ones)" in note for note in answer.warnings)


def test_values_are_those_of_the_patches_asked_for_in_their_order(chain):
    world = chain("linear", 16, 0.0, 1, None)
    a = world.table.frame["a"].to_numpy()
    rows = np.arange(len(a))[::-1]
    answer = counterfactuals(world.table, world.graph, do={"a": a[rows] + 1}, outcome="c",
                             patches=rows, rng=0)  # fmt: skip
    np.testing.assert_allclose(answer.do["a"], a[rows] + 1)
    assert np.ptp(answer.change) < 1e-9
    part = counterfactuals(world.table, world.graph, do={"a": a + 1}, outcome="c",
                           patches=rows[:9], rng=0)  # fmt: skip
    np.testing.assert_allclose(part.change, answer.change[:9])


def test_a_value_in_a_wide_gap_was_not_seen(grid):
    rng = np.random.default_rng(0)
    a = rng.choice([-5.0, 5.0], 256) + 0.3 * rng.standard_normal(256)
    frame = pd.DataFrame({"a": a, "b": np.sign(a) + 0.1 * rng.standard_normal(256)})
    table = PatchTable.from_frame(frame, grid(16), 8.0, unit="nm")
    answer = counterfactuals(table, nx.DiGraph([("a", "b")]), do={"a": np.r_[0.0, 5.0]},
                             outcome="b", patches=[0, 1], rng=0)  # fmt: skip
    assert answer.out_of_support.tolist() == [True, False]


def test_a_column_moved_beyond_what_was_seen_is_an_extrapolation(grid):
    """The cause is set to what was seen; what it moves goes where no patch has been."""
    rng = np.random.default_rng(0)
    a, u = rng.uniform(-1, 1, (2, 1024))
    frame = pd.DataFrame({"a": a, "m": a + 2 * u, "y": 0.0 * a})
    frame["y"] = np.minimum(frame["m"], 2.4) + 0.05 * rng.normal(size=1024)
    table = PatchTable.from_frame(frame, grid(32), 1.0)
    graph = nx.DiGraph([("a", "m"), ("m", "y")])
    answer = counterfactuals(table, graph, do={"a": 0.9}, outcome="y", rng=0)
    moved = 2 * u + 0.9
    beyond = moved > frame["m"].max()
    assert beyond.any()
    assert answer.out_of_support[beyond].mean() > 0.9
    # nor is a value seen that lies farther out than 99 % of them
    outer = np.abs(moved) > np.quantile(np.abs(frame["m"]), 0.99)
    assert np.mean(answer.out_of_support == outer) > 0.97


def test_do_is_a_mapping():
    with pytest.raises(InputError, match=r"do must be a mapping .* got list \['a'\]"):
        check_do(["a"], np.array([0]), 4)
