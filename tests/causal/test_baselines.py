"""Baselines of the field: right about associations, wrong about causes."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.cross_decomposition import CCA

from physlearn.causal import discover_graph, estimate_effect, spatial_independence
from physlearn.causal.baselines import canonical_correlation, unmix_and_correlate
from physlearn.checks import InputError, NotIdentified
from physlearn.records import PatchTable

EDGE = 32


def confounded(fields, grid, seed, length=1):
    """Composition drives a phase's abundance and the response; the abundance does nothing."""
    rng = np.random.default_rng(seed)
    f = fields(EDGE, length, 3, rng)
    composition = f[0]
    abundance = 0.8 * composition + 0.6 * f[1]
    response = 0.8 * composition + 0.6 * f[2]
    share = np.clip(0.5 + 0.12 * abundance, 0.02, 0.98)
    spectra = np.array([[1.0, 0.2, 0.7, 0.1], [0.1, 0.9, 0.3, 0.8]])
    cube = np.outer(spectra[0], share) + np.outer(spectra[1], 1 - share)
    cube = np.maximum(cube + 0.01 * rng.standard_normal(cube.shape), 0).reshape(4, EDGE, EDGE)
    frame = pd.DataFrame({"composition": composition, "abundance": abundance, "response": response})
    table = PatchTable.from_frame(
        frame, grid(EDGE), 1.0, unit="nm",
        tiers={"composition": 0, "abundance": 1, "response": 2},
    )  # fmt: skip
    return table, cube


@pytest.mark.parametrize("method", ["nmf", "pca"])
def test_unmixing_finds_the_abundances(fields, grid, method):
    table, cube = confounded(fields, grid, 1)
    n_components = 2 if method == "nmf" else 1
    found = unmix_and_correlate(
        cube, table.frame["response"].to_numpy().reshape(EDGE, EDGE), n_components, method=method,
        rng=0,
    )  # fmt: skip
    truth = table.frame["abundance"].to_numpy()
    like = [abs(np.corrcoef(part.ravel(), truth)[0, 1]) for part in found.abundances]
    assert max(like) > 0.98
    assert found.share_explained > 0.9
    assert "no cause" in found.warnings[0]


def test_baselines_call_the_spurious_link_and_the_causal_route_does_not(fields, grid):
    unmixed = canonical = edges = effects = 0
    n = 8
    for seed in range(n):
        table, cube = confounded(fields, grid, seed)
        response = table.frame["response"].to_numpy().reshape(EDGE, EDGE)
        links = unmix_and_correlate(cube, response, 2, rng=0).links
        unmixed += bool((links.p_value <= 0.05).any())
        measured = table.frame.assign(
            abundance=unmix_and_correlate(cube, response, 1, method="pca", rng=0)
            .abundances[0].ravel()
        )  # fmt: skip
        table = PatchTable.from_frame(measured, table.centers, 1.0, unit="nm", tiers=table.tiers)
        canonical += (
            canonical_correlation(
                table, ["abundance"], ["response"], n_permutations=39, rng=seed
            ).p_value
            <= 0.05
        )
        verdict = spatial_independence(table, "abundance", "response", ["composition"]).verdict
        edges += verdict == "dependent"
        graph = nx.DiGraph(
            [("composition", "abundance"), ("composition", "response"), ("abundance", "response")]
        )
        low, high = estimate_effect(table, graph, "abundance", "response", rng=0).interval(0.95)
        effects += not low < 0 < high
    assert (unmixed, canonical) == (n, n)
    assert edges <= 1
    assert effects <= 2


def test_the_graph_has_no_edge_where_the_baselines_see_a_link(fields, grid):
    table, _ = confounded(fields, grid, 3)
    graph = discover_graph(table, n_resamples=0, rng=0)
    linked = {frozenset((edge.source, edge.target)) for edge in graph.edges}
    assert frozenset(("abundance", "response")) not in linked
    assert frozenset(("composition", "response")) in linked


def test_canonical_correlation_is_that_of_scikit_learn(fields, grid):
    f = fields(16, 0, 5, np.random.default_rng(2)).T
    f[:, 3] += f[:, 0]
    table = PatchTable.from_frame(pd.DataFrame(f, columns=list("abcde")), grid(16), 1.0)
    found = canonical_correlation(table, list("abc"), list("de"), n_permutations=19, rng=0)
    places = np.column_stack([np.ones(256), table.centers])
    values = f - places @ np.linalg.lstsq(places, f, rcond=None)[0]
    one, two = CCA(n_components=1).fit_transform(values[:, :3], values[:, 3:])
    assert abs(found.correlation - abs(np.corrcoef(one[:, 0], two[:, 0])[0, 1])) < 1e-4
    assert max(found.first_weights, key=lambda k: abs(found.first_weights[k])) == "a"
    assert max(found.second_weights, key=lambda k: abs(found.second_weights[k])) == "d"


def shares(fields, grid, length, n):
    counts = np.zeros(2)
    for seed in range(n):
        f = fields(24, length, 4, np.random.default_rng(seed)).T
        table = PatchTable.from_frame(pd.DataFrame(f, columns=list("abcd")), grid(24), 1.0)
        found = canonical_correlation(table, list("ab"), list("cd"), n_permutations=39, rng=seed)
        counts += [found.p_value_by_patch <= 0.05, found.p_value <= 0.05]
    return counts


@pytest.mark.parametrize("length", [0, 2])
def test_permuting_patches_lies_where_shifting_fields_does_not(fields, grid, length):
    n = 40
    by_patch, by_shift = shares(fields, grid, length, n)
    assert stats.binomtest(int(by_shift), n, 0.07, alternative="greater").pvalue > 1e-3
    assert (by_patch > 0.5 * n) == (length > 0)


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_level_of_shifted_fields(fields, grid, length):
    n = 400
    _, by_shift = shares(fields, grid, length, n)
    assert stats.binomtest(int(by_shift), n, 0.07, alternative="greater").pvalue > 1e-3


def test_bad_input_is_refused(fields, grid):
    table, cube = confounded(fields, grid, 1)
    response = np.ones((EDGE, EDGE))
    with pytest.raises(InputError, match="response must vary"):
        unmix_and_correlate(cube, response, 2)
    with pytest.raises(InputError, match="nothing negative"):
        unmix_and_correlate(cube - 1.0, cube[0], 2)
    with pytest.raises(InputError, match="n_components"):
        unmix_and_correlate(cube, cube[0], 9)
    with pytest.raises(InputError, match="response must have shape"):
        unmix_and_correlate(cube, response[:3], 2)
    with pytest.raises(InputError, match="stands in both"):
        canonical_correlation(table, ["abundance"], ["abundance"])
    with pytest.raises(InputError, match="at least one column"):
        canonical_correlation(table, [], ["abundance"])
    frame = table.frame.assign(total=table.frame["composition"] + table.frame["abundance"])
    whole = PatchTable.from_frame(frame, table.centers, 1.0)
    with pytest.raises(NotIdentified, match="determine one another"):
        canonical_correlation(whole, ["composition", "abundance", "total"], ["response"])


def test_one_name_is_no_list_of_columns(grid):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(64, 2)), columns=["a", "bc"])
    table = PatchTable.from_frame(frame, grid(8), 1.0)
    with pytest.raises(InputError, match="second_columns must be a list of columns; got 'bc'"):
        canonical_correlation(table, ["a"], "bc")
