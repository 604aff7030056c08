import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.causal import spatial_independence
from physlearn.causal.columns import prepare_columns
from physlearn.causal.independence.channel_dictionary import (
    LEAN,
    NARROW,
    Grid,
    error_ceiling,
)
from physlearn.causal.independence.channel_moments import channel_moments
from physlearn.causal.independence.channel_noise import ChannelNoise
from physlearn.causal.independence.channel_score import Scorer
from physlearn.causal.independence.channel_test import ChannelIndependenceTest
from physlearn.checks import InputError
from physlearn.records import PatchTable

WORLDS = {
    "clean": {},
    "blurred": {"blur": 0.7},
    "misregistered": {"offset": 0.3},
    "noisy": {"snr": 10.0},
    "non-linear": {"square": 0.5},
    "over the field": {"scale": (0.3, 2.0)},
    "neighbours": {"near": 0.8},
    "holes": {"keep": 0.9, "blur": 0.5},
    "all": {"blur": 0.7, "offset": 0.3, "snr": 10.0, "square": 0.25, "scale": (0.6, 1.5)},
}


def verdicts(imaged, edge, n, **world):
    n_given = world.get("n_given", 1)
    found = []
    for seed in range(n):
        columns = prepare_columns(imaged(edge, seed, **world)[0])
        found.append(ChannelIndependenceTest(columns)(0, 1, range(2, 2 + n_given)).verdict)
    return found


@pytest.mark.parametrize("name", WORLDS)
def test_independence_is_kept_however_the_channels_were_imaged(imaged, name):
    found = verdicts(imaged, 32, 40, **WORLDS[name])
    false = found.count("dependent")
    assert stats.binomtest(false, 40, 0.07, alternative="greater").pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("length", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("n_given", [1, 3])
@pytest.mark.parametrize("name", WORLDS)
def test_type_one_error(imaged, name, n_given, length):
    world = WORLDS[name] | {"n_given": n_given, "length": length}
    false = verdicts(imaged, 64, 300, **world).count("dependent")
    # the upper bound of an error of 5 % at 300 worlds is .077; the benchmark takes 2,000
    assert stats.binomtest(false, 300, 0.07, alternative="greater").pvalue > 1e-3


def test_the_linear_test_lies_where_the_channel_test_does_not(imaged):
    """The planted nulls are hard: a blurred conditioning column leaves linear dependence."""
    for world in ({"blur": 0.7}, {"square": 0.5}):
        tables = [imaged(40, seed, **world)[0] for seed in range(25)]
        linear = [spatial_independence(t, "x", "y", ["z1"], test="linear") for t in tables]
        ours = [spatial_independence(t, "x", "y", ["z1"]) for t in tables]
        lies = sum(r.verdict == "dependent" for r in linear)
        assert stats.binomtest(lies, 25, 0.05, alternative="greater").pvalue < 0.01
        false = sum(r.verdict == "dependent" for r in ours)
        assert stats.binomtest(false, 25, 0.05, alternative="greater").pvalue > 0.01
        assert {r.test for r in ours} == {"channel"}


@pytest.mark.parametrize("world", [{"square": 0.5}, {"square": 1.0}, {"square": 0.5, "length": 0}])
def test_a_curved_response_to_a_blurred_column_is_no_dependence(imaged, world):
    """The square of a blurred column is not its blurred square: products of neighbours mend it."""
    found = verdicts(imaged, 40, 60, blur=0.7, **world)
    assert stats.binomtest(found.count("dependent"), 60, 0.05, alternative="greater").pvalue > 0.01


def test_what_a_curved_response_to_a_blurred_column_leaves_is_decided(imaged):
    absent = verdicts(imaged, 40, 20, blur=0.7, square=0.5)
    # binomial(20, .9): 15 or more with probability .989
    assert absent.count("independent") >= 15
    for effect in (0.3, -0.3):
        here = verdicts(imaged, 48, 8, blur=0.7, square=0.5, effect=effect)
        # binomial(8, .95): 6 or more with probability .994
        assert here.count("dependent") >= 6


@pytest.mark.parametrize("snr", [None, 10.0])
def test_columns_held_fixed_that_act_together_feign_no_dependence(imaged, snr):
    """The square of a sum of columns holds their products, which no column shows alone."""
    world = {"square": 0.5, "snr": snr}
    found = verdicts(imaged, 48, 30, n_given=2, **world)
    found += verdicts(imaged, 64, 10, n_given=3, **world)
    assert stats.binomtest(found.count("dependent"), 40, 0.07, alternative="greater").pvalue > 1e-3
    here = verdicts(imaged, 64, 8, n_given=2, effect=0.4, **world)
    # binomial(8, .95): 6 or more with probability .994
    assert here.count("dependent") >= 6


@pytest.mark.parametrize(
    "world", [{}, {"snr": 10.0}, {"blur": 0.7}, {"n_given": 3}], ids=["clean", "noisy", "blur", "3"]
)
def test_what_can_be_decided_is_decided(imaged, world):
    here = verdicts(imaged, 64, 8, effect=0.3, **world)
    absent = verdicts(imaged, 64, 8, **world)
    # binomial(8, .95): 6 or more with probability .994
    assert here.count("dependent") >= 6
    assert absent.count("independent") >= 6


def test_unknown_errors_leave_it_open_and_a_repeat_scan_decides(imaged):
    once = [imaged(48, seed, snr=5.0, told=False, scans=2) for seed in range(8)]
    blind = [spatial_independence(first, "x", "y", ["z1"]) for first, _ in once]
    told = [spatial_independence(a, "x", "y", ["z1"], repeats=[b]) for a, b in once]
    assert sum(r.verdict == "dependent" for r in blind) <= 1
    assert any("scan the same patches again" in r.reason for r in blind)
    assert sum(r.verdict == "undecided" for r in blind) >= 4
    assert sum(r.verdict == "independent" for r in told) >= 6


def test_unknown_errors_do_not_hide_independence(imaged):
    """Without errors, though nobody says so, what the column explains stays explained."""
    found = [
        spatial_independence(imaged(48, seed, told=False)[0], "x", "y", ["z1"]).verdict
        for seed in range(8)
    ]
    assert found.count("independent") >= 6


def test_errors_of_columns_that_are_not_held_fixed_need_not_be_known(imaged):
    table = imaged(40, 0, n_given=0, effect=0.5, snr=5.0, told=False)[0]
    assert spatial_independence(table, "x", "y").verdict == "dependent"


def test_a_hidden_smooth_common_cause_is_dependence(imaged):
    rng = np.random.default_rng(0)
    table = imaged(48, 0, n_given=1)[0]
    row, column = np.mgrid[:48, :48].reshape(2, -1) / 48
    hidden = sum(
        rng.normal() * np.cos(2 * np.pi * (a * row + b * column) + 6 * rng.random())
        for a in range(1, 5) for b in range(1, 5)
    )  # fmt: skip
    frame = table.frame.assign(x=table.frame.x + hidden, y=table.frame.y + hidden)
    seen = PatchTable.from_frame(
        frame, table.centers, 1.0, measurement_covariance=np.zeros((1, 3, 3))
    )
    assert spatial_independence(seen, "x", "y", ["z1"]).verdict == "dependent"


def test_a_small_field_says_that_it_is_too_small(imaged):
    result = spatial_independence(
        imaged(24, 0, n_given=4)[0], "x", "y", [f"z{k}" for k in (1, 2, 3, 4)]
    )
    assert result.verdict == "undecided"
    assert "larger field" in result.reason


def test_conditioning_columns_that_determine_one_another_are_undecided(imaged):
    table = imaged(32, 0, n_given=2)[0]
    frame = table.frame.assign(z3=table.frame.z1 + table.frame.z2)
    twin = PatchTable.from_frame(frame, table.centers, 1.0)
    test = ChannelIndependenceTest(prepare_columns(twin))
    assert "determine one another" in test(0, 1, [2, 3, 4]).reason


def test_a_column_that_the_others_determine_is_undecided(imaged):
    table = imaged(32, 0, n_given=2)[0]
    frame = table.frame.assign(x=table.frame.z1 + table.frame.z2)
    sum_of_two = PatchTable.from_frame(
        frame, table.centers, 1.0, measurement_covariance=np.zeros((1, 4, 4))
    )
    result = spatial_independence(sum_of_two, "x", "y", ["z1", "z2"])
    assert (result.test, result.verdict) == ("channel", "undecided")
    assert "nothing is left of" in result.reason


def test_the_answer_does_not_depend_on_order_or_units(imaged):
    table = imaged(32, 1, snr=10.0)[0]
    scaled = PatchTable.from_frame(
        1e-6 * table.frame + 3.0, 1e3 * table.centers, 1e3,
        measurement_covariance=1e-12 * table.measurement_covariance,
    )  # fmt: skip
    first = spatial_independence(table, "x", "y", ["z1"], test="channel")
    turned = spatial_independence(table, "y", "x", ["z1"], test="channel")
    again = spatial_independence(scaled, "x", "y", ["z1"], test="channel")
    assert turned.p_value == pytest.approx(first.p_value, rel=1e-3)
    assert again.p_value == pytest.approx(first.p_value, rel=1e-3)
    mixed = np.random.default_rng(0).permutation(table.n_patches)
    shuffled = spatial_independence(table.take(mixed), "x", "y", ["z1"], test="channel")
    assert shuffled.p_value == pytest.approx(first.p_value, rel=1e-3)


def test_part_of_the_blocks_is_a_noisier_answer(imaged):
    test = ChannelIndependenceTest(prepare_columns(imaged(48, 3, effect=0.5)[0]))
    whole = test(0, 1, [2])
    same = test.on_blocks(np.ones(test.n_blocks, dtype=bool))(0, 1, [2])
    half = test.on_blocks(np.arange(test.n_blocks) % 2 == 0)(0, 1, [2])
    assert same.verdict == half.verdict == whole.verdict == "dependent"
    assert same.partial_correlation == pytest.approx(whole.partial_correlation, abs=0.02)
    assert half.n_effective == pytest.approx(0.5 * whole.n_effective, rel=0.1)
    assert half.detectable > 1.3 * same.detectable
    with pytest.raises(InputError, match="at least one of"):
        test.on_blocks(np.zeros(test.n_blocks, dtype=bool))
    with pytest.raises(InputError, match="one True or False for each"):
        test.on_blocks(np.ones(3, dtype=bool))


def test_positions_without_a_grid_are_refused():
    rng = np.random.default_rng(0)
    table = PatchTable.from_frame(
        pd.DataFrame(rng.normal(size=(400, 2)), columns=["a", "b"]), rng.random((400, 2)), 0.01
    )
    with pytest.raises(InputError, match="one rectangular grid"):
        ChannelIndependenceTest(prepare_columns(table))


def test_the_quick_jackknife_is_the_slow_one(imaged):
    """Leaving a block out and fitting again gives what the second-order formula says."""
    columns = prepare_columns(imaged(32, 2, snr=10.0)[0])
    grid = Grid.of(columns.layout.cells)
    noise = ChannelNoise(columns.noise_by_patch, columns.error_lags, columns.error_correlation)
    scorer = Scorer(channel_moments(columns.values, grid, noise, LEAN))
    moments, given = scorer.moments, (2,)
    fit = scorer.inverse(given)
    first, second = scorer.residual(0, given), scorer.residual(1, given)
    parts = first.centers[:, 1] - first.products @ second.coefficients
    value = float(scorer.share @ parts)
    quick = scorer._without_a_block(fit, first, second, value, parts)
    slow = []
    x, y = 0, moments.size
    for b in range(len(moments.counts)):
        left = np.delete(np.arange(len(moments.counts)), b)
        share = moments.counts[left] / moments.counts[left].sum()
        mean = np.tensordot(share, moments.blocks[left].astype(float), axes=1)
        inner = mean[np.ix_(fit.index, fit.index)]
        cx, cy = (np.linalg.solve(inner + fit.lift, mean[fit.index, k]) for k in (x, y))
        slow.append(
            mean[x, y] - cx @ mean[fit.index, y] - cy @ mean[fit.index, x] + cx @ inner @ cy
        )
    assert np.std(quick) == pytest.approx(np.std(slow), rel=0.05)
    assert np.corrcoef(quick, slow)[0, 1] > 0.995
    bias, slow_bias = np.mean(quick) - value, np.mean(slow) - value
    assert bias == pytest.approx(slow_bias, abs=0.05 * np.std(slow))


def test_answers_do_not_depend_on_what_was_asked_before(imaged):
    """The first question has moments of its own; those of all columns give the same answer."""
    columns = prepare_columns(imaged(32, 5, n_given=2, effect=0.5, snr=10.0)[0])
    questions = [(0, 1, (2, 3)), (0, 2, (1,)), (1, 3, ()), (0, 1, (2,))]
    test = ChannelIndependenceTest(columns)
    for question in questions:
        alone, after = ChannelIndependenceTest(columns)(*question), test(*question)
        assert alone.verdict == after.verdict
        assert alone.p_value == pytest.approx(after.p_value, abs=1e-9)
        assert alone.partial_correlation == pytest.approx(after.partial_correlation, abs=1e-9)


def test_the_floor_of_a_spectrum_bounds_white_errors(imaged):
    """White errors of variance .25, and the truth's own white part of .2, below a smooth field.

    The floor is a fit of 6 terms to the logarithms of the 4,095 modes' bin means, so a term
    of it has a relative error of about sqrt(2 * 36 / 4095) = .13 at the ends of the waves (the
    sum over i of 2 i + 1 for 6 Legendre terms is 36), and the least of it lies within three of
    those.
    """
    rng = np.random.default_rng(0)
    smooth = imaged(64, 0, length=3.0)[0].frame.z1.to_numpy().reshape(64, 64)
    grid = Grid.of(np.stack(np.mgrid[:64, :64], axis=-1).reshape(-1, 2))
    found = error_ceiling(smooth + 0.5 * rng.standard_normal((64, 64)), grid.waves)
    assert found == pytest.approx(0.45, rel=3 * 0.13)


def test_dictionaries_name_the_column_itself_first():
    assert NARROW.bases[0].shifts[0] == (0, 0)
    assert 0 not in NARROW.of_neighbours
    assert NARROW.size == sum(len(base.shifts) for base in NARROW.bases)
