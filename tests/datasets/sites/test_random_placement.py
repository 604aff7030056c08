"""Lines, clusters and pairs: planted ones are seen, and chance alone is rejected at its rate."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, kstest

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import defect_clusters, dopant_pairs, vacancy_lines
from physlearn.datasets.sites import placement_kernels as kernels
from physlearn.datasets.sites.site_states import SiteStates
from physlearn.lattice_models import square_lattice, triangular_lattice
from physlearn.records import LatticeSnapshots

VECTORS = 10.0 * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])


def sites_with(defects, n=20):
    """Return n x n sites of a triangular lattice with the given ones vacant."""
    index = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), -1).reshape(-1, 2)
    state = np.zeros(n * n, dtype=np.int64)
    state[defects] = 1
    zeros = np.zeros((n * n, 4))
    return SiteStates(
        index @ VECTORS, "pixel", index, np.zeros(n * n, dtype=np.int64), VECTORS, np.zeros((1, 2)),
        np.where(state == 0, 0, -1), 1.0 - state, 0.1 * np.ones(n * n), zeros, zeros, state,
        np.empty(0, dtype=np.int64), np.empty(0), pd.DataFrame(),
    )  # fmt: skip


def test_a_planted_line_is_found_along_its_direction():
    rng = np.random.default_rng(1)
    line = 20 * 7 + np.arange(4, 10)
    sites = sites_with(np.union1d(line, rng.choice(400, 12, replace=False)))
    table = vacancy_lines(sites, rng=2)
    longest = table[table["length"] == 0].set_index("direction")
    assert longest.loc["(0, 1)", "observed"] >= 6
    assert longest.loc["(0, 1)", "p"] <= 0.002
    assert longest.loc["(0, 1)", "angle_deg"] == pytest.approx(60.0)
    assert longest.loc["(1, 0)", "p"] > 0.01
    long_runs = table[(table["direction"] == "all") & (table["length"] == 4)].iloc[0]
    assert long_runs["observed"] >= 1
    assert long_runs["low"] <= long_runs["expected"] <= long_runs["high"] + 0.5


def test_a_planted_cluster_is_found():
    cluster = [20 * a + b for a in (5, 6, 7) for b in (5, 6, 7)]
    rng = np.random.default_rng(3)
    sites = sites_with(np.union1d(cluster, rng.choice(400, 3, replace=False)))
    table = defect_clusters(sites, rng=4).set_index("statistic")
    assert table.loc["largest cluster", "observed"] >= 9
    assert table.loc["largest cluster", "p_more"] <= 0.002
    assert table.loc["pairs in shell 0", "ratio"] > 3
    assert table.loc["mean nearest distance", "p_less"] < 0.01


@pytest.mark.parametrize("measure", ["pairs", "lines", "clusters"])
def test_chance_is_rejected_at_its_rate(measure, oracle):
    n_tests, level = 200, 0.05
    p = []
    graph = triangular_lattice((20, 20), 2, periodic=False)
    for seed in range(n_tests):
        chosen = np.random.default_rng((7, seed)).choice(400, 24, replace=False)
        if measure == "pairs":
            states = np.full((1, 400), -1)
            states[0, chosen] = 1
            table = dopant_pairs(LatticeSnapshots(states, graph), n_permutations=99, rng=seed)
            p.append(table["p_more"][0])
        elif measure == "lines":
            table = vacancy_lines(sites_with(chosen), n_permutations=99, rng=seed)
            p.append(table.query("direction == 'all' and length == 2")["p"].iloc[0])
        else:
            table = defect_clusters(sites_with(chosen), n_permutations=99, rng=seed)
            p.append(table.set_index("statistic").loc["mean nearest distance", "p_less"])
    rejected = int((np.array(p) <= level).sum())
    # discrete statistics may be rejected more rarely, never more often
    oracle(f"type I of {measure} by permutation", p=float(binom.sf(rejected - 1, n_tests, level)))
    if measure == "clusters":
        # a continuous statistic: p is uniform
        oracle("p of the nearest distance is uniform", p=float(kstest(p, "uniform").pvalue))


def test_pairs_of_several_snapshots_stay_in_their_snapshots():
    graph = square_lattice((6, 6), 1, periodic=False)
    states = np.full((2, 36), -1)
    states[0, [0, 1, 2]] = 1
    states[1, [0, 2, 35]] = 1
    table = dopant_pairs(LatticeSnapshots(states, graph), n_permutations=499, rng=1)
    assert table["observed"][0] == 2
    # 60 bonds of 630 pairs of sites, 3 pairs of dopants in each snapshot
    assert table["expected"][0] == pytest.approx(2 * 3 * 60 / 630, abs=0.1)
    # unobserved sites hold nothing
    observed = np.ones((2, 36), dtype=bool)
    observed[0, 1] = False
    hidden = LatticeSnapshots(states, graph, observed=observed)
    assert dopant_pairs(hidden, n_permutations=99, rng=1)["observed"][0] == 0


def test_kernels_equal_their_python():
    rng = np.random.default_rng(5)
    draws = np.array([rng.choice(30, 9, replace=False) for _ in range(6)])
    edges = rng.integers(0, 30, (50, 2))
    edges = edges[edges[:, 0] != edges[:, 1]]
    shell = rng.integers(0, 2, len(edges))
    ones = np.ones(len(edges), dtype=np.int64)
    following = np.stack([np.append(np.arange(1, 30), -1), np.full(30, -1)])
    for name, arguments in (
        ("count_pairs", (draws, 30, edges, shell, ones, 2)),
        ("count_runs", (draws, following, 5)),
        ("count_clusters", (draws, 30, edges, 4)),
    ):
        kernel = getattr(kernels, name)
        one, two = kernel(*arguments), kernel.py_func(*arguments)
        if isinstance(one, tuple):
            assert all(map(np.array_equal, one, two))
        else:
            assert np.array_equal(one, two)


def test_bad_input_is_refused():
    sites = sites_with([3])
    with pytest.raises(NotIdentified, match="two or more"):
        vacancy_lines(sites)
    with pytest.raises(InputError, match="kind"):
        vacancy_lines(sites, kind="hole")
    with pytest.raises(InputError, match="sublattice"):
        defect_clusters(sites_with([1, 2]), sublattice=4)
    snapshots = LatticeSnapshots(np.full((1, 16), -1), square_lattice((4, 4), 1))
    with pytest.raises(InputError, match="state"):
        dopant_pairs(snapshots, state=3)
    with pytest.raises(NotIdentified, match="no pairs"):
        dopant_pairs(snapshots)
