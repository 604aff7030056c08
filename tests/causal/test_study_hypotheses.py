import numpy as np
import pandas as pd
import pytest

from physlearn.causal import (
    Action,
    CausalGraph,
    GraphEdge,
    discover_graph,
    exposures,
    hypotheses_from_graph,
    hypotheses_from_undecided,
)
from physlearn.checks import InputError, NotIdentified
from physlearn.records import PatchTable

GRAPH = CausalGraph.from_edges(
    [("composition", "strain"), ("composition", "response"), ("strain", "response")],
    columns=["composition", "strain", "response"],
)


def test_exposures_reach_apart_and_stay_in_the_table(planted):
    table = planted(16, 0, 0).table
    acts = exposures(table, "composition", dose_per_unit=10.0, n_sites=4, dose_rate=2.0)
    to = np.percentile(table.frame["composition"], 5)
    places = np.array([[a.number("x"), a.number("y")] for a in acts])
    apart = np.linalg.norm(places[:, None] - places[None, :], axis=2)[np.triu_indices(4, 1)]
    assert apart.min() >= 16.0
    changes = [abs(table.frame["composition"].iloc[int(a.number("patch"))] - to) for a in acts]
    assert changes[0] == pytest.approx(np.abs(table.frame["composition"] - to).max())
    assert changes == sorted(changes, reverse=True)
    assert changes[-1] < 0.7 * changes[0]
    for act in acts:
        value = table.frame["composition"].iloc[int(act.number("patch"))]
        assert act.dose == pytest.approx(10.0 * abs(value - to))
        assert act.duration_s == pytest.approx(act.dose / 2)
        assert act.irreversible
    with pytest.raises(InputError, match="no column"):
        exposures(table, "colour", dose_per_unit=1.0)
    with pytest.raises(InputError, match="n_sites"):
        exposures(table, "composition", dose_per_unit=1.0, n_sites=0)
    with pytest.raises(InputError, match="dose_per_unit"):
        exposures(table, "composition", dose_per_unit=0.0)


def test_exposures_lie_all_over_a_table_whose_values_tie(grid):
    values = np.random.default_rng(0).integers(0, 4, 400) / 4  # four kinds, 100 patches of each
    table = PatchTable.from_frame(pd.DataFrame({"composition": values}), grid(20), 1.0)
    acts = exposures(table, "composition", dose_per_unit=1.0, n_sites=12)
    places = np.array([[a.number("x"), a.number("y")] for a in acts])
    quarters = (places > 9.5) @ [1, 2]
    assert np.bincount(quarters, minlength=4).min() >= 2  # of 12, three each if they were even
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)[np.triu_indices(12, 1)]
    assert apart.min() >= 2.0
    doses = [a.dose for a in acts]
    assert doses == sorted(doses, reverse=True)
    again = exposures(table, "composition", dose_per_unit=1.0, n_sites=12)
    assert [a.args for a in again] == [a.args for a in acts]


def test_predictions_are_total_effects_under_each_hypothesis(planted):
    scene = planted(32, 0, 0)
    table = scene.table
    rivals = {h.name: h for h in hypotheses_from_graph(table, GRAPH, "response")}
    assert list(rivals) == [
        "composition and strain drive response",
        "only composition drives response",
        "only strain drives response",
        "hidden common cause",
    ]
    act = exposures(table, "composition", dose_per_unit=1.0, n_sites=1).actions[0]
    patch = int(act.number("patch"))
    change = act.number("to") - table.frame["composition"].iloc[patch]
    slope = {name: h.mean_sd(act, 0)[0] / change for name, h in rivals.items()}
    assert slope["composition and strain drive response"] == pytest.approx(0.85, abs=0.1)
    # only through the strain: regression of response on strain alone, times 0.5
    assert slope["only strain drives response"] < 0.6
    assert slope["hidden common cause"] == 0.0
    # the data tell one cause from two, but no cause from a hidden one
    weights = {name: h.weight for name, h in rivals.items()}
    assert weights["composition and strain drive response"] == weights["hidden common cause"]
    assert weights["only strain drives response"] < 0.1
    image = Action("image", {"x_min": 0, "y_min": 0, "x_max": 9, "y_max": 9}, 1.0, 1.0, 1.0)
    assert rivals["hidden common cause"].mean_sd(image, 0) is None


@pytest.mark.parametrize("seed", range(6))
def test_a_smooth_cause_is_not_lost_beside_a_white_one(fields, grid, seed):
    """Every hypothesis is about the same outcome, so each must count the same amount of data."""
    rng = np.random.default_rng(seed)
    white, smooth = fields(24, 0, 1, rng)[0], fields(24, 2, 1, rng)[0]
    outcome = 0.7 * white + 0.4 * smooth + 0.7 * rng.standard_normal(576)
    frame = pd.DataFrame({"white": white, "smooth": smooth, "outcome": outcome})
    table = PatchTable.from_frame(frame, grid(24), 1.0)
    graph = CausalGraph.from_edges([("white", "outcome"), ("smooth", "outcome")])
    rivals = hypotheses_from_graph(table, graph, "outcome")
    weights = {rival.name: rival.weight for rival in rivals}
    both = weights.pop("white and smooth drive outcome")
    assert both == weights.pop("hidden common cause")
    assert both > 4 * max(weights.values())


def test_support_of_a_changed_patch(planted):
    table = planted(16, 0, 0).table
    rival = hypotheses_from_graph(table, GRAPH, "response")[0]
    args = {"x": 0.0, "y": 0.0, "patch": 3, "column": "composition"}
    assert rival.supports(Action("expose_site", {**args, "to": 0.0}, 1.0, 1.0, 1.0, True))
    assert not rival.supports(Action("expose_site", {**args, "to": 99.0}, 1.0, 1.0, 1.0, True))


def test_no_link_is_no_hypothesis(planted):
    table = planted(16, 0, 0).table
    with pytest.raises(NotIdentified, match="no link into composition"):
        hypotheses_from_graph(table, GRAPH, "composition")
    with pytest.raises(InputError, match="no node"):
        hypotheses_from_graph(table, GRAPH, "colour")


def test_open_links_are_settled_by_the_right_act(planted):
    table = planted(16, 0, 0).table
    graph = CausalGraph(
        ("composition", "strain", "response"),
        (
            GraphEdge("composition", "strain", presence="undecided", frequency=0.4,
                      partial_correlation=0.3, reason="fewer than 50% of the half-samples show it"),
            GraphEdge("strain", "response", presence="undecided", frequency=0.3,
                      partial_correlation=0.2, reason="the noise hides partial correlations"),
        ),
        detectable=0.28,
    )  # fmt: skip
    pairs = hypotheses_from_undecided(table, graph)
    assert len({h.question for h in pairs}) == 2
    image = Action("image", {"x_min": 0, "y_min": 0, "x_max": 128, "y_max": 128}, 1.0, 1.0, 1.0)
    again = Action("scan_again", {"n_repeats": 3}, 1.0, 1.0, 1.0)
    assert pairs[0].mean_sd(image, 0) == pytest.approx((0.3, 0.1))  # the area of the table
    assert pairs[0].mean_sd(again, 0) is None
    assert pairs[2].mean_sd(again, 0) == pytest.approx((0.2, 0.05))
    assert pairs[3].mean_sd(again, 0) == pytest.approx((0.0, 0.05))
    assert pairs[2].mean_sd(image, 0) is None


def test_from_a_discovered_graph(planted):
    table = planted(24, 1, 0, snr=10.0).table
    graph = discover_graph(table, n_resamples=10, rng=0)
    names = [h.name for h in hypotheses_from_graph(table, graph, "response")]
    assert "hidden common cause" in names
    assert any("composition" in name for name in names)
