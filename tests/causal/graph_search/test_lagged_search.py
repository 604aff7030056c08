"""Videos of fields: a drives b, b drives c, one frame later; d runs alone; all have a memory."""

import numpy as np
import pandas as pd
import pytest

from physlearn.causal.graph_search.knowledge import Knowledge
from physlearn.causal.graph_search.lagged_search import discover_lagged_graph, node_constraints
from physlearn.checks import InputError
from physlearn.records import PatchTable

LINKS = np.array(
    [[0.6, 0.0, 0.0, 0.0], [0.35, 0.5, 0.0, 0.0], [0.0, 0.35, 0.5, 0.0], [0.0, 0.0, 0.0, 0.7]]
)
MEMORY = np.diag([0.9, 0.9, 0.8, 0.3])
NAMES = ["a", "b", "c", "d"]
TRUE = {
    (f"{NAMES[j]}[t-1]", f"{NAMES[i]}[t]") for i in range(4) for j in range(4) if LINKS[i, j] != 0
}


@pytest.fixture
def video(fields, grid):
    """Return frames cut out of a larger field that moves by whole patches."""

    def make(seed, *, n_frames=8, edge=16, length=1.5, links=LINKS, move=(0, 0), snr=None):
        rng = np.random.default_rng(seed)
        wide = 2 * edge
        state = np.zeros((4, wide, wide))
        seen = []
        for step in range(10 + n_frames):
            state = np.roll(state, move[::-1], axis=(1, 2))
            fresh = np.sqrt(0.8) * fields(wide, length, 4, rng).reshape(state.shape)
            fresh += np.sqrt(0.2) * rng.standard_normal(state.shape)
            state = np.einsum("ij,jrc->irc", links, state) + fresh
            if step >= 10:
                seen.append(state[:, :edge, :edge].reshape(4, -1).T)
        variance = np.zeros(4) if snr is None else np.var(np.concatenate(seen), axis=0) / snr
        noisy = [frame + rng.standard_normal(frame.shape) * np.sqrt(variance) for frame in seen]
        return [
            PatchTable.from_frame(
                pd.DataFrame(frame, columns=NAMES),
                2.0 * grid(edge),
                2.0,
                unit="nm",
                measurement_covariance=np.diag(variance)[None],
            )
            for frame in noisy
        ]

    return make


def _lagged(graph):
    return {(e.source, e.target) for e in graph.edges if e.is_cause_claim}


def _within(graph):
    return [e for e in graph.edges if e.source.endswith("[t]")]


@pytest.mark.parametrize("snr", [None, 5.0])
def test_planted_links_are_found_and_false_ones_keep_their_level(video, snr):
    hit = false = within = 0
    for seed in range(15):
        graph = discover_lagged_graph(video(seed, snr=snr))
        hit += len(_lagged(graph) & TRUE)
        false += len(_lagged(graph) - TRUE)
        within += sum(e.presence == "present" for e in _within(graph))
        assert all(e.target.endswith("[t]") for e in graph.edges)
        assert all(e.mark_source == e.mark_target == "circle" for e in _within(graph))
    assert hit >= 0.95 * 15 * len(TRUE)
    # 5 % of 150 lagged and 90 pairs within a frame, 4 sd above
    assert false <= 7.5 + 4 * np.sqrt(150 * 0.05 * 0.95)
    assert within <= 4.5 + 4 * np.sqrt(90 * 0.05 * 0.95)


def test_a_long_memory_in_smooth_fields_makes_no_links(video):
    claims = set()
    false = 0
    for seed in range(15):
        graph = discover_lagged_graph(video(seed, n_frames=10, length=3.0, links=MEMORY))
        claims |= _lagged(graph)
        false += sum(a[0] != b[0] for a, b in _lagged(graph))
    assert {(f"{name}[t-1]", f"{name}[t]") for name in NAMES} <= claims
    assert false <= 9 + 4 * np.sqrt(180 * 0.05 * 0.95)


def test_motion_that_is_told_brings_back_the_links_and_untold_is_seen(video):
    hit = false = 0
    for seed in range(6):
        tables = video(seed, move=(1, 0))
        told = discover_lagged_graph(tables, transport=np.tile([2.0, 0.0], (7, 1)))
        hit += len(_lagged(told) & TRUE)
        false += len(_lagged(told) - TRUE)
        untold = discover_lagged_graph(tables)
        assert not _lagged(untold)
        assert "the patterns move by about (2" in " ".join(untold.warnings)
        assert all("give transport" in e.reason for e in untold.edges)
        # zeros say that the matter rests: no link is left open for the motion
        rests = discover_lagged_graph(tables, transport=np.zeros((7, 2)))
        assert not any("give transport" in e.reason for e in rests.edges)
    assert hit >= 0.9 * 6 * len(TRUE)
    assert false <= 3 + 4 * np.sqrt(60 * 0.05 * 0.95)


def test_free_positions_two_frames_and_half_samples_work(video):
    rng = np.random.default_rng(0)
    tables = video(3, n_frames=5, length=0.0)
    moved = tables[0].centers + rng.uniform(-0.6, 0.6, tables[0].centers.shape)
    free = [
        PatchTable.from_frame(
            t.frame, moved, 2.0, unit="nm", measurement_covariance=np.zeros((1, 4, 4))
        )
        for t in tables
    ]
    assert len(_lagged(discover_lagged_graph(free)) & TRUE) >= 5
    graph = discover_lagged_graph(tables, n_resamples=6, rng=1)
    edge = graph.edge_between("a[t-1]", "b[t]")
    assert edge.frequency == 1.0
    assert graph.n_resamples == 6
    two = discover_lagged_graph(video(0, n_frames=2, edge=32))
    assert _lagged(two) & TRUE == TRUE


def test_tiers_and_knowledge_are_kept_and_time_is_strict(video):
    tables = video(1)
    tiers = {"a": 2, "b": 1, "c": 1, "d": 0}
    graph = discover_lagged_graph(tables, tiers=tiers)
    # a is told to be the latest: it may drive nobody else
    assert not any(s.startswith("a") and t[0] != "a" for s, t in _lagged(graph))
    known = Knowledge(required=[("d[t-1]", "c[t]")], forbidden=[("b", "c")])
    graph = discover_lagged_graph(tables, knowledge=known)
    assert ("d[t-1]", "c[t]") in _lagged(graph)
    assert ("b[t-1]", "c[t]") not in _lagged(graph)
    with pytest.raises(InputError, match="nothing points back in time"):
        discover_lagged_graph(tables, knowledge=Knowledge(required=[("a[t]", "b[t-1]")]))
    with pytest.raises(InputError, match="the tiers put a after b"):
        discover_lagged_graph(
            tables, tiers=tiers, knowledge=Knowledge(required=[("a[t-1]", "b[t]")])
        )
    constraints = node_constraints(["a", "b"], [], 2, {}, None)
    lag = [2, 2, 1, 1, 0, 0]
    for i in range(6):
        for j in range(6):
            assert constraints.never_ancestor[i, j] == (lag[i] < lag[j])


def test_a_frozen_column_stands_once_and_bad_options_are_named(video):
    tables = video(2)
    frozen = [
        PatchTable.from_frame(
            t.frame.assign(e=tables[0].frame["d"] ** 2), t.centers, 2.0, unit="nm"
        )
        for t in tables
    ]
    graph = discover_lagged_graph(frozen)
    assert "e[t-1]" in graph.columns
    assert "e[t]" not in graph.columns
    assert any("e are the same in every frame" in note for note in graph.warnings)
    with pytest.raises(InputError, match="alpha must lie"):
        discover_lagged_graph(tables, alpha=0.7)
    with pytest.raises(InputError, match="got 0"):
        discover_lagged_graph([])
    with pytest.raises(InputError, match=r"tables must be a list .* got one PatchTable"):
        discover_lagged_graph(tables[0])
    with pytest.raises(InputError, match=r"with their frame .* 'd' is none"):
        discover_lagged_graph(tables, knowledge=Knowledge(required=[("d", "e")]))
