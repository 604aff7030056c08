"""Twins of tables: mechanisms are followed, and a planner tells causes from companions."""

import numpy as np
import pandas as pd
import pytest

from physlearn.causal import (
    Action,
    CausalGraph,
    DigitalTwin,
    Instrument,
    Planner,
    SafetyEnvelope,
    TableSample,
    exposures,
    hypotheses_from_graph,
    run_campaign,
)
from physlearn.checks import InputError
from physlearn.records import PatchTable

EDGE = 24


def confounded_table(seed, effect, errors=0.1):
    """Return a table in which a and b are linked, by a mechanism or by a hidden common cause."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:EDGE, :EDGE].reshape(2, -1)
    hidden, own = rng.standard_normal((2, EDGE * EDGE))
    a = hidden + 0.5 * own
    b = effect * a + (0.0 if effect else 0.8) * hidden + 0.3 * rng.standard_normal(EDGE * EDGE)
    noise = errors * rng.standard_normal((2, EDGE * EDGE))
    frame = pd.DataFrame({"a": a + noise[0], "b": b + noise[1]})
    return PatchTable.from_frame(
        frame, np.stack([x, y], 1).astype(float), 1.0, tiers={"a": 0, "b": 2},
        measurement_covariance=np.eye(2)[None] * errors**2,
    )  # fmt: skip


def set_to(column, to, x=3.0, y=4.0):
    args = {"x": x, "y": y, "column": column, "to": to}
    return Action("expose_site", args, 1.0, 1.0, 1.0, irreversible=True)


def test_changes_follow_all_ways_and_stop_at_what_was_set():
    table = confounded_table(1, 0.5)
    frame = table.frame.assign(c=0.0)
    table = PatchTable.from_frame(frame, table.centers, 1.0)
    ways = {("a", "b"): 2.0, ("b", "c"): 3.0, ("a", "c"): lambda values: values**2}
    twin = DigitalTwin(TableSample(table, ways, "c"), rng=1)
    twin.do(set_to("a", 1.0))
    assert twin.do(set_to("a", 2.0)).readout == pytest.approx(2.0 * 3.0 + 4.0 - 1.0)
    twin.do(set_to("b", 0.0))
    # b was set, so that only the direct way is left
    assert twin.do(set_to("a", 3.0)).readout == pytest.approx(9.0 - 4.0)
    # and no other patch has moved
    columns = twin.reveal()["columns"]
    untouched = np.arange(EDGE * EDGE) != 4 * EDGE + 3
    assert np.array_equal(columns["b"][untouched], frame["b"].to_numpy()[untouched])


def test_pictures_measure_the_patches_anew():
    table = confounded_table(1, 0.5)
    twin = DigitalTwin(TableSample(table, {}, "b"), rng=1)
    area = dict(zip(("x_min", "y_min", "x_max", "y_max"), twin.field_of_view, strict=True))
    twin.do(Action("image", area, 1.0, 1.0, 1.0))
    apart = (twin.tables[0].frame - table.frame).to_numpy()
    assert apart.std() == pytest.approx(0.1, abs=4 * 0.1 / np.sqrt(2 * apart.size))
    assert twin.tables[0].tiers == table.tiers


@pytest.mark.parametrize(
    ("effect", "expected"), [(0.8, "a drives b"), (0.0, "hidden common cause")]
)
def test_a_planner_tells_a_cause_from_a_companion(effect, expected):
    right = 0
    for seed in range(4):
        table = confounded_table(seed, effect)
        # observation alone gives both worlds the same graph: only the twin knows
        graph = CausalGraph.from_edges([("a", "b")])
        acts = exposures(table, "a", dose_per_unit=10.0)
        view = (-1.0, -1.0, float(EDGE), float(EDGE))
        envelope = SafetyEnvelope(500.0, view, max_irreversible=5)
        planner = Planner(hypotheses_from_graph(table, graph, "b"), acts, envelope, 20.0, rng=seed)
        hidden = TableSample(table, {("a", "b"): effect} if effect else {}, "b")
        made = Instrument(readout_noise_sd=float(np.hypot(0.1, 0.1)))
        campaign = run_campaign(planner, DigitalTwin(hidden, made, envelope=envelope, rng=seed))
        weights = campaign.steps[-1].weights
        right += campaign.verdict == "claim" and max(weights, key=weights.get) == expected
    assert right == 4


def test_wrong_makings_are_refused():
    table = confounded_table(1, 0.5)
    with pytest.raises(InputError, match="no column"):
        TableSample(table, {("a", "z"): 1.0}, "b")
    with pytest.raises(InputError, match="cycle"):
        TableSample(table, {("a", "b"): 1.0, ("b", "a"): 1.0}, "b")
    with pytest.raises(InputError, match="finite number"):
        TableSample(table, {("a", "b"): np.nan}, "b")
    with pytest.raises(InputError, match="PatchTable"):
        TableSample("table", {}, "b")
    with pytest.raises(InputError, match="must name a column"):
        DigitalTwin(TableSample(table, {}, "b"), rng=1).do(set_to("z", 1.0))
