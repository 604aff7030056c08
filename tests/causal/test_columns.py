import numpy as np
import pandas as pd
import pytest

from physlearn.causal import (
    CausalGraph,
    counterfactual,
    discover_graph,
    estimate_effect,
    spatial_independence,
)
from physlearn.causal.columns import prepare_columns, table_tiers
from physlearn.checks import InputError, NotIdentified
from physlearn.records import PatchTable


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(144, 2)), columns=["a", "b"])


def test_constant_and_repeated_columns_are_named(frame, grid):
    frame["flat"], frame["twin"] = 2.0, -3 * frame["a"] + 1
    table = PatchTable.from_frame(frame, grid(12), 1.0)
    columns = prepare_columns(table, drop=True)
    assert columns.names == ("a", "b")
    assert any("'flat' is constant" in note for note in columns.warnings)
    assert any("'twin' repeats column 'a'" in note for note in columns.warnings)
    with pytest.raises(InputError, match="flat"):
        prepare_columns(table)


def test_a_plane_and_the_covariates_are_taken_out(frame, grid):
    drift = np.random.default_rng(1).normal(size=144)
    frame["a"] += 5 * grid(12)[:, 0] - 2 * grid(12)[:, 1] + 4 * drift
    covariates = pd.DataFrame({"drift": drift, "row": grid(12)[:, 1], "file": "one.tif"})
    table = PatchTable.from_frame(frame, grid(12), 1.0, covariates=covariates)
    columns = prepare_columns(table)
    for nuisance in (drift, *grid(12).T):
        assert columns.values[:, 0] @ (nuisance - nuisance.mean()) == pytest.approx(0, abs=1e-8)
    assert columns.n_trend == 4  # the row repeats y
    frame["plane"] = grid(12)[:, 0]
    with pytest.raises(InputError, match="'plane' is a plane"):
        prepare_columns(PatchTable.from_frame(frame, grid(12), 1.0))


def test_noise_is_in_standard_units(frame, grid):
    covariance = np.array([[[0.25, 0.1], [0.1, 0.5]]])
    table = PatchTable.from_frame(frame * [2, 4], grid(12), 1.0, measurement_covariance=covariance)
    columns = prepare_columns(table)
    assert columns.noise * np.outer(columns.scale, columns.scale) == pytest.approx(covariance[0])
    assert columns.noise_known


def test_nothing_left(frame, grid):
    flat = PatchTable.from_frame(0 * frame, grid(12), 1.0)
    with pytest.raises(NotIdentified, match="no column"):
        prepare_columns(flat, drop=True)


def test_tiers_given_win(frame, grid):
    table = PatchTable.from_frame(frame, grid(12), 1.0, tiers={"a": 0, "b": 1})
    assert table_tiers(table, {"b": 2}) == {"a": 0, "b": 2}
    for bad in ({"c": 0}, {"a": -1}, {"a": True}, {"a": 0.5}):
        with pytest.raises(InputError, match="tiers"):
            table_tiers(table, bad)
    with pytest.raises(InputError, match=r"tiers must be a mapping .* got list"):
        table_tiers(table, ["a"])


def test_a_plain_table_is_refused_with_the_recipe():
    frame = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) % 7})
    graph = CausalGraph.from_edges([("a", "b")])
    for ask in (
        lambda: discover_graph(frame),
        lambda: estimate_effect(frame, graph, "a", "b"),
        lambda: counterfactual(frame, graph, patch=0, do={"a": 1.0}, outcome="b"),
        lambda: spatial_independence(frame, "a", "b"),
    ):
        with pytest.raises(InputError, match=r"got DataFrame; make one .*from_frame"):
            ask()
