"""The planted worlds of the causal benchmark are what they say: independences, effects, graphs."""

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def left_over(column, *basis):
    design = np.stack([np.ones_like(column), *basis], axis=1)
    return column - design @ np.linalg.lstsq(design, column, rcond=None)[0]


def causes_of(world, size):
    """Return what x and y may take from the true conditioning fields: powers, neighbours, place."""
    factor = np.linspace(0, 1, size)[None].repeat(size, axis=0).ravel()
    basis = []
    for z in world.true[:, 2:].T:
        near = gaussian_filter(z.reshape(size, size), 1.5).ravel()
        basis += [part * factor**k for part in (z, z**2, z**3, near) for k in range(4)]
    return basis


@pytest.mark.parametrize("effect", [0.0, 0.3])
@pytest.mark.parametrize("n_given", [0, 1, 3])
def test_the_planted_partial_correlation_is_the_one_that_is_said(effect, n_given):
    from benchmarks.causal.worlds import CASES, make_world

    found = np.array([
        make_world(case, 32, 1.0, n_given, effect, seed).partial_effect
        for case in CASES for seed in range(6)
    ])  # fmt: skip
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - effect) < 4.0 * error + 0.003
    assert error < 0.01


def test_true_columns_are_independent_given_the_true_conditioning_fields():
    """Without the help of the planted residuals: x and y less all that z can give them."""
    from benchmarks.causal.worlds import CASES, make_world

    size = 48
    for case in CASES:
        found = []
        for seed in range(6):
            world = make_world(case, size, 0.0, 2, 0.0, seed)
            x, y = (left_over(c, *causes_of(world, size)) for c in world.true[:, :2].T)
            found.append(np.corrcoef(x, y)[0, 1])
        # fields without correlation: six partial correlations of standard error 1 / size each
        assert abs(np.mean(found)) < 4.0 / size / np.sqrt(6), case


def test_columns_of_other_kinds_hold_their_levels():
    from benchmarks.causal.worlds import make_world

    levels = {
        name: {column: set(table[column]) for column in table}
        for name in ("binary x and y", "binary z", "count y, ordinal z")
        for table in [make_world(name, 32, 1.0, 2, 0.2, 0).table.frame]
    }
    both = levels["binary x and y"]
    assert both["x"] == both["y"] == levels["binary z"]["z1"] == {0.0, 1.0}
    assert levels["count y, ordinal z"]["z2"] == {0.0, 1.0, 2.0, 3.0}
    counts = levels["count y, ordinal z"]["y"]
    assert min(counts) == 0.0
    assert len(counts) > 4
    assert len(levels["binary z"]["x"]) == 32 * 32


def test_columns_as_they_come_are_confounded():
    from benchmarks.causal.worlds import make_world

    frame = make_world("clean", 64, 0.0, 1, 0.0, 0).table.frame
    assert frame["x"].corr(frame["y"]) > 0.3


@pytest.mark.parametrize(
    ("case", "snr"), [("noise SNR 4", 4.0), ("noise SNR 10", 10.0), ("coloured noise SNR 10", 10.0)]
)
def test_noise_has_the_covariance_that_the_table_tells(case, snr):
    from benchmarks.causal.worlds import PAD, make_world

    assert PAD > 0
    world = make_world(case, 96, 1.0, 1, 0.0, 1)
    noise = world.table.frame.to_numpy() - world.true
    said = world.table.measurement_covariance[0]
    # about 96^2 independent errors (a tenth of them where the noise is coloured)
    np.testing.assert_allclose(np.cov(noise.T), said, atol=0.12 * said.max())
    np.testing.assert_allclose(world.true.var(axis=0) / np.diag(said), snr, rtol=1e-6)


def test_shared_noise_is_shared_and_unknown_noise_is_not_told():
    from benchmarks.causal.worlds import make_world

    shared = make_world("noise shared by channels", 32, 1.0, 1, 0.0, 0).table.measurement_covariance
    sd = np.sqrt(np.diag(shared[0]))
    np.testing.assert_allclose((shared[0] / np.outer(sd, sd))[0, 1:], 0.5)
    unknown = make_world("unknown noise SNR 10", 32, 1.0, 1, 0.0, 0)
    assert unknown.table.measurement_covariance is None
    assert unknown.repeats == ()
    clean = make_world("clean", 32, 1.0, 1, 0.0, 0)
    assert not clean.table.measurement_covariance.any()
    again = make_world("repeat scan SNR 10", 32, 1.0, 1, 0.0, 0)
    assert again.table.measurement_covariance is None
    difference = again.table.frame.to_numpy() - again.repeats[0].frame.to_numpy()
    # two scans differ by twice the noise: 1 / 10 of the variance, within 10 % for 1,024 patches
    wanted = 2.0 * again.true.var(axis=0) / 10.0
    np.testing.assert_allclose(difference.var(axis=0), wanted, rtol=0.2)


def test_a_field_has_its_variance_and_its_correlation_length():
    from benchmarks.causal.worlds import WHITE, gaussian_field

    rng = np.random.default_rng(0)
    fields = np.stack([gaussian_field((48, 48), 2.0, rng) for _ in range(60)])
    assert abs(fields.var() - 1.0) < 0.05
    at_two = np.mean(fields[:, 2:] * fields[:, :-2])
    assert abs(at_two - (1.0 - WHITE) * np.exp(-0.5)) < 0.05


def test_one_seed_one_world_and_another_seed_another():
    from benchmarks.causal.graph_worlds import draw_table, random_graph
    from benchmarks.causal.kept_out_worlds import KEPT_OUT_CASES, make_kept_out_world
    from benchmarks.causal.worlds import CASES, make_world

    for make, cases in ((make_world, CASES), (make_kept_out_world, KEPT_OUT_CASES)):
        for case in cases:
            first, again, other = (make(case, 24, 1.0, 1, 0.1, seed) for seed in (0, 0, 1))
            np.testing.assert_array_equal(first.table.frame, again.table.frame)
            assert not np.allclose(first.table.frame, other.table.frame)
    graphs = [random_graph(12, 18, seed) for seed in (0, 0, 1)]
    assert set(graphs[0].edges) == set(graphs[1].edges) != set(graphs[2].edges)
    tables = [draw_table(graphs[0], 16, 1.0, seed).table.frame for seed in (0, 0, 1)]
    np.testing.assert_array_equal(tables[0], tables[1])
    assert not np.allclose(tables[0], tables[2])


def test_kept_out_worlds_plant_the_effect_that_is_said():
    from benchmarks.causal.kept_out_worlds import KEPT_OUT_CASES, make_kept_out_world

    for effect in (0.0, 0.3):
        found = np.array([
            make_kept_out_world(case, 32, 1.0, 1, effect, seed).partial_effect
            for case in KEPT_OUT_CASES for seed in range(2)
        ])  # fmt: skip
        error = found.std(ddof=1) / np.sqrt(len(found))
        assert abs(found.mean() - effect) < 4.0 * error + 0.005
        assert error < 0.03


def test_graphs_have_their_size_hold_no_cycle_and_keep_their_tiers():
    from benchmarks.causal.graph_worlds import physical_graph, random_graph

    for graph in (physical_graph(), *(random_graph(12, 18, seed) for seed in range(20))):
        assert (len(graph), graph.number_of_edges()) == (12, 18)
        assert nx.is_directed_acyclic_graph(graph)
        tiers = nx.get_node_attributes(graph, "tier")
        assert set(tiers.values()) == {0, 1, 2}
        assert all(tiers[cause] <= tiers[effect] for cause, effect in graph.edges)


def test_a_table_of_a_graph_has_its_links_and_no_others():
    """Given the causes of both, columns without a link are uncorrelated; with one they are not."""
    from benchmarks.causal.graph_worlds import draw_table, physical_graph

    graph = physical_graph()
    order = list(nx.lexicographical_topological_sort(graph))
    frame = draw_table(graph, 64, 0.0, 0).table.frame
    largest, smallest = 0.0, 1.0
    for k, late in enumerate(order):
        causes = set(graph.predecessors(late))
        for early in order[:k]:
            basis = [frame[name].to_numpy() for name in causes - {early}]
            pair = [left_over(frame[name].to_numpy(), *basis) for name in (early, late)]
            found = abs(np.corrcoef(*pair)[0, 1])
            if early in causes:
                smallest = min(smallest, found)
            else:
                largest = max(largest, found)
    # 48 pairs of 4,096 independent patches
    assert largest < 4.5 / 64
    assert smallest > 0.15


def test_binary_columns_are_binary_and_noise_leaves_them_alone():
    from benchmarks.causal.graph_worlds import NOISY, draw_table, random_graph

    graph = random_graph(12, 18, 3)
    binary = list(graph.nodes)[1::3]
    table = draw_table(graph, 24, 1.0, 3, imaging=NOISY, binary=binary).table
    noise = np.diag(table.measurement_covariance[0])
    for k, name in enumerate(table.columns):
        values = set(table.frame[name].unique())
        assert (values <= {0.0, 1.0}) == (name in binary)
        assert (noise[k] == 0.0) == (name in binary)


def test_least_squares_finds_the_effects_where_nothing_is_hidden():
    from benchmarks.causal.effect_peers import PEERS
    from benchmarks.causal.effect_worlds import (
        confounded_world,
        coverage_world,
        randomised_world,
    )

    worlds = [
        *(coverage_world(48, 0.0, seed) for seed in range(8)),
        *(confounded_world(48, 0.0, seed, measured=True) for seed in range(8)),
        *(randomised_world(48, 0.0, seed) for seed in range(8)),
    ]
    z = []
    for world in worlds:
        low, high = PEERS["least squares"](world.table.frame, world.oracle, 0.6827)
        z.append((0.5 * (low + high) - world.effect) / (0.5 * (high - low)))
    # independent patches: errors in units of their standard error are standard normal
    assert stats.kstest(z, "norm").pvalue > 0.01
    hidden = confounded_world(48, 0.0, 0, measured=False)
    assert "u" not in hidden.table.columns
    assert PEERS["least squares"](hidden.table.frame, (), 0.9)[0] > 0.1


def test_the_counterfactual_truth_follows_from_the_slopes():
    from benchmarks.causal.counterfactuals import (
        SLOPES,
        TOTAL,
        make_counterfactual_world,
        slopes_by_least_squares,
    )

    assert SLOPES["a", "y"] + SLOPES["a", "m"] * SLOPES["m", "y"] == TOTAL
    world = make_counterfactual_world(64, 0.0, None, 0)
    assert world.truth(5, world.clear["a"][5]) == world.clear["y"][5]
    found = slopes_by_least_squares(world.table)
    for link, slope in found.items():
        assert abs(slope - SLOPES[link]) < 4.0 / 64


def test_the_power_bound_knows_the_textbook_case():
    """White clean fields: n patches and a slope with standard error 1 / sqrt(n)."""
    from benchmarks.causal.information import power_bound

    slope = 0.05 / np.sqrt(1.0 - 0.05**2)
    wanted = stats.norm.sf(1.96 - slope * 32) + stats.norm.cdf(-1.96 - slope * 32)
    assert power_bound("clean", 32, 0.0, 1, 0.05) == pytest.approx(wanted, abs=2e-3)
    assert power_bound("clean", 32, 2.0, 3, 0.0) == pytest.approx(0.05, abs=1e-3)
    noisy = [power_bound(f"noise SNR {snr}", 32, 2.0, 1, 0.1) for snr in (4, 10, 20)]
    assert noisy == sorted(noisy)


def test_upper_bounds_and_scores():
    from benchmarks.causal.graph_peers import Found, score
    from benchmarks.causal.independence import upper_bound

    assert upper_bound(0, 100) == pytest.approx(1.0 - 0.05**0.01)
    assert stats.binom.cdf(100, 2000, upper_bound(100, 2000)) == pytest.approx(0.05)
    truth = nx.DiGraph([("a", "b"), ("b", "c"), ("c", "d")])
    pairs = [frozenset(pair) for pair in ("ab", "bc", "cd", "ad")]
    found = Found({pairs[0], pairs[1], pairs[3]}, {pairs[2]}, {("a", "b"), ("c", "b"), ("a", "d")})
    said = score(found, truth)
    assert (said.right, said.false, said.undecided, said.true_links) == (2, 1, 1, 3)
    assert (said.directions, said.right_directions) == (2, 1)
    assert said.recall == pytest.approx(2 / 3)


def test_a_cell_is_measured_and_its_tables_are_written(tmp_path):
    from benchmarks.causal.independence import Cell, measure, table_lines

    row = measure(Cell("clean", 64, 1.0, 1, True), 4, 2, quick=True)
    small = measure(Cell("clean", 24, 1.0, 1, True), 6, 3, quick=True)
    assert (row["n"], small["n"]) == (4, 6)
    assert 0.0 <= small["type_1"] <= small["bound"] <= 1.0
    assert set(row["peers"]) == {
        "Fisher z (causal-learn)", "effective sample size", "spatial filter",
    }  # fmt: skip
    assert small["peers"] == {}  # they stand beside a few cells of each case only
    both = {"a": {"checks": [row]}, "b": {"checks": [small]}, "broken": {"failed": "no"}}
    lines = table_lines(both)
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1


def test_public_graphs_are_read_and_absent_files_are_named(public_file, monkeypatch):
    from benchmarks.causal.real_data import public, read_graph, table_without_places

    path = public_file("causal_sachs/sachs.2005.ground.truth.graph.txt")
    graph = read_graph(path.read_text())
    assert (len(graph), graph.number_of_edges()) == (11, 20)
    assert graph.has_edge("raf", "mek")
    import pandas as pd

    table = table_without_places(
        pd.DataFrame({"a": np.arange(50) % 3, "b": np.arange(50) % 2}), "discrete"
    )
    assert len(np.unique(table.centers, axis=0)) == 50
    assert table.metadata["rows_independent"] is True
    assert table.metadata["kinds"] == {"a": "categorical"}

    def refuse(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr("physlearn.datasets.registry.fetch", refuse)
    with pytest.raises(FileNotFoundError, match="PHYSLEARN_DATA_DIR"):
        public("causal_sachs/sachs.2005.continuous.txt")


def test_graphs_are_pooled_and_their_tables_are_written():
    from benchmarks.causal.graph_peers import Score
    from benchmarks.causal.graphs import scores_row, table_lines

    scores = [Score(18, 17, 0, 1, 10, 10), Score(18, 16, 2, 0, 10, 9)]
    row = scores_row("ours", scores, [0.1, 0.3])
    assert (row["false"], row["undecided"], row["direction_precision"]) == (1.0, 0.5, 0.95)
    assert row["recall"] == pytest.approx(33 / 36)
    part = {"what": "w", "measured": "m", "goal": None, "met": None, "imaging": "clean"}
    parts = [{**part, "graphs": 10, "kept": 100, "right": n} for n in (100, 92)]
    cases = {
        "physical graph, clean": {"checks": [{**row, "met": [True, True, False]}]},
        "mixed columns": {"checks": [{"what": "peer", "absent": "no module"}]},
        "frequencies, clean, a": {"checks": parts[:1]},
        "frequencies, clean, b": {"checks": parts[1:]},
    }
    text = "\n".join(table_lines(cases))
    assert "192 of 200 are true: precision 0.960" in text
    # 192 of 200: P(at least 192 | bound) = 5 %
    bound = float(text.split("bound >= ")[1].split(" ")[0])
    assert stats.binom.sf(191, 200, bound) == pytest.approx(0.05, abs=0.005)
    first = [line for line in text.splitlines() if line.startswith("|")][:4]
    assert len({line.count("|") for line in first}) == 1


def test_a_peer_that_takes_too_long_is_given_up(monkeypatch):
    from benchmarks.causal import graph_peers

    def endless(data, names, kind):
        while True:
            pass

    monkeypatch.setitem(graph_peers.PEERS, "endless", endless)
    monkeypatch.setattr(graph_peers, "LIMIT", 0.05)
    with pytest.raises(TimeoutError, match="CPU s"):
        graph_peers.found_by_peer("endless", np.zeros((3, 2)), ["a", "b"])
