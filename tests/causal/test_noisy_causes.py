"""Effects and counterfactuals where half of what is seen is noise: against closed forms."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from physlearn.causal import counterfactual, estimate_effect
from physlearn.causal.patch_counterfactual import Counterfactual
from physlearn.records import PatchTable

EDGE = 24
N = EDGE * EDGE
SLOPE = 0.8
LINK = nx.DiGraph([("a", "b")])


def noisy_pair(grid, seed, noise_of_a=0.5, noise_of_b=0.3):
    """A white cause, b = 0.8 a + 0.6 of its own, and noise of known variance in each."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(N)
    b = SLOPE * a + 0.6 * rng.standard_normal(N)
    variance = np.array([noise_of_a, noise_of_b])
    seen = np.stack([a, b], 1) + rng.standard_normal((N, 2)) * np.sqrt(variance)
    return PatchTable.from_frame(
        pd.DataFrame(seen, columns=["a", "b"]),
        grid(EDGE),
        1.0,
        measurement_covariance=np.diag(variance)[None],
    )


def slope_by_hand(table, noise_of_a=0.5):
    """Covariance over what of the variance is not noise; a plane was taken out of both."""
    design = np.column_stack([np.ones(N), table.centers])
    values = table.frame.to_numpy()
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    gram = left.T @ left / (N - 3)
    return gram[0, 1] / (gram[0, 0] - noise_of_a)


def test_the_error_of_a_noisy_slope_is_fullers(grid):
    """Fuller (1987), known variance of the cause's noise u; v = b's own part and noise - slope u.

    var(slope) = (var(seen a) var(v) + cov(seen a, v)^2) / (n var(a)^2), with cov = -slope var(u).
    """
    seen_variance, left = 1.5, 0.36 + 0.3 + SLOPE**2 * 0.5
    fuller = np.sqrt((seen_variance * left + (SLOPE * 0.5) ** 2) / N)
    effects = [
        estimate_effect(noisy_pair(grid, seed), LINK, "a", "b", contrast=(0, 1), rng=0)
        for seed in range(8)
    ]
    # over 8 fields the mean error is known to 2 %: the noisy variance below would give 0.67
    assert np.mean([effect.sd for effect in effects]) == pytest.approx(fuller, rel=0.08)
    z = [(effect.mean - SLOPE) / effect.sd for effect in effects]
    assert abs(np.mean(z)) < 4 / np.sqrt(8)


def test_the_answer_of_a_counterfactual_is_not_flattened_by_noise(grid):
    table = noisy_pair(grid, 3)
    seen = table.frame.iloc[10]
    answer = counterfactual(table, LINK, patch=10, do={"a": seen["a"] + 2.0}, outcome="b", rng=0)
    slope = slope_by_hand(table)
    assert answer.mean == pytest.approx(seen["b"] + 2.0 * slope, rel=1e-6)
    low, high = answer.interval()
    assert low < answer.mean < high
    # 400 draws: their median is known to 1.25 sd / 20
    assert np.median(answer.draws[0]) == pytest.approx(answer.mean, abs=0.25 * answer.sd)


def test_a_counterfactual_carries_the_noise_of_both_its_columns(grid):
    """Set to what was measured of it the cause has still changed: by its own unknown error."""
    table = noisy_pair(grid, 4)
    seen = float(table.frame["a"].iloc[10])
    answer = counterfactual(table, LINK, patch=10, do={"a": seen}, outcome="b", rng=0)
    expected = np.sqrt(0.3 + slope_by_hand(table) ** 2 * 0.5)
    # 400 draws: 3.5 %
    assert answer.sd == pytest.approx(expected, rel=0.15)


def test_an_interval_over_several_graphs_holds_all_of_them():
    tails = np.linspace(-1.0, 1.0, 201)
    answer = Counterfactual(
        0, {"a": 1.0}, "b", np.nan, np.nan, 0.0, (tails, 5.0 + tails), False, "open", False, "V"
    )
    assert answer.interval() == pytest.approx((-0.9, 5.9))
    assert answer.interval(0.5) == pytest.approx((-0.5, 5.5))


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_support_does_not_depend_on_the_unit(planted, factor):
    table = planted(16, 0, 0).table
    frame = table.frame.assign(composition=factor * table.frame["composition"])
    scaled = PatchTable.from_frame(frame, table.centers, 8.0)
    graph = nx.DiGraph(
        [("composition", "strain"), ("composition", "response"), ("strain", "response")]
    )
    told = [
        counterfactual(
            scaled, graph, patch=3, outcome="response", rng=0,
            do={"composition": factor * value, "strain": strain},
        ).out_of_support
        for value, strain in ((0.1, 0.0), (2.2, -1.8), (1.9, 1.0))
    ]  # fmt: skip
    assert told == [False, True, False]


def test_a_placebo_asks_for_either_sign_and_knows_units(planted):
    table = planted(16, 1, 5).table
    graph = nx.DiGraph([("composition", "distractor")])
    ask = ("composition", "distractor")

    def placebo(composition, distractor):
        frame = pd.DataFrame(
            {"composition": composition * table.frame["composition"],
             "distractor": distractor * table.frame["distractor"]}
        )  # fmt: skip
        given = PatchTable.from_frame(frame, table.centers, 8.0)
        return estimate_effect(given, graph, *ask, contrast=(0, 1), rng=0)

    plain, turned, other_unit = placebo(1, 1), placebo(1, -1), placebo(1000, 2)
    for name in ("placebo_mean", "placebo_sd"):
        expected = plain.refutations[name] * 2 / 1000
        assert other_unit.refutations[name] == pytest.approx(expected, rel=1e-6)
    assert turned.mean == pytest.approx(-plain.mean)
    p_values = {round(e.refutations["placebo_p_value"], 12) for e in (plain, turned, other_unit)}
    assert len(p_values) == 1
    assert p_values.pop() < 0.05


def test_correlated_patches_count_less_than_their_number(planted, grid):
    """Dutilleul's number from the planted autocorrelation, which cause and outcome share."""
    length = 3
    apart = np.linalg.norm(grid(EDGE)[:, None] - grid(EDGE)[None], axis=2)
    correlation = 0.8 * np.exp(-0.5 * (apart / length) ** 2) + 0.2 * (apart == 0)
    expected = N**2 / (correlation**2).sum()
    assert expected < 0.1 * N
    graph = nx.DiGraph([("composition", "distractor")])
    found = [
        estimate_effect(
            planted(EDGE, length, seed).table, graph, "composition", "distractor", rng=0
        ).n_effective
        for seed in range(8)
    ]
    # its scatter over fields is 20 %, and the plane that is taken out leaves shorter waves
    assert 0.7 * expected < np.median(found) < 1.8 * expected
