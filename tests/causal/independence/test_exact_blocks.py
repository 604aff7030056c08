"""Blocks, scores, verdicts and the choice of a test of channels, by slow sums."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter

from physlearn.causal.columns import prepare_columns
from physlearn.causal.independence.channel_dictionary import (
    LEAN,
    Grid,
    block_rows,
)
from physlearn.causal.independence.channel_moments import (
    block_count,
    channel_moments,
)
from physlearn.causal.independence.channel_noise import ChannelNoise
from physlearn.causal.independence.channel_score import ChannelScore, Scorer, p_of
from physlearn.causal.independence.channel_test import ChannelIndependenceTest, ChannelOptions
from physlearn.causal.independence.choose_test import KindsTest, default_test
from physlearn.causal.independence.unknown_errors import UnknownErrors
from physlearn.causal.spatial_score import SpatialScore
from physlearn.records import PatchTable

NO_NOISE = ChannelNoise(np.zeros((1, 3, 3)), np.zeros((1, 2), int), np.ones((1, 1)))


def square(rows, columns=None):
    return np.stack(
        np.meshgrid(np.arange(rows), np.arange(columns or rows), indexing="ij"), -1
    ).reshape(-1, 2)


# ---------------------------------------------------------------------- blocks and scores


@pytest.mark.parametrize(
    ("shape", "margin", "expected"),
    [((29, 29), 2, (5, 5)), ((30, 30), 2, (6, 6)), ((43, 43), 2, (6, 6)), ((44, 44), 2, (7, 7)),
     ((104, 29), 2, (14, 4)), ((1004, 6), 2, (28, 2))],
)  # fmt: skip
def test_blocks_are_five_to_seven_a_side(shape, margin, expected):
    assert block_count(shape, margin) == expected


def test_blocks_part_the_inner_patches():
    grid = Grid.of(square(23, 17))
    order, cuts = block_rows(grid, 2, (3, 2))
    assert sorted(order.tolist()) == [r * 17 + c for r in range(2, 21) for c in range(2, 15)]
    assert len(cuts) == 7 and cuts[0] == 0 and cuts[-1] == 19 * 13
    for a, b in pairwise(cuts):
        row, column = np.divmod(order[a:b], 17)
        assert np.ptp(row) <= 7 and np.ptp(column) <= 7
        assert b - a == (np.ptp(row) + 1) * (np.ptp(column) + 1)
    # a block of which less than half is there goes, with its patches
    kept = np.array([not (r < 9 and c < 9 and (r + c) % 5) for r, c in square(23, 17)])
    order, cuts = block_rows(Grid.of(square(23, 17)[kept]), 2, (3, 2))
    assert len(cuts) == 6


@pytest.fixture(scope="module")
def moments():
    rng = np.random.default_rng(6)
    z, x, y = rng.normal(size=(3, 1024))
    values = np.stack([z, z + x, -z + y], axis=1)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    grid = Grid.of(square(32))
    return values, channel_moments(values, grid, NO_NOISE, LEAN)


def test_scores_are_products_of_regression_residuals(moments):
    _, held = moments
    features, size = held.features.astype(float), held.size
    scorer = Scorer(held)
    given = (0,)
    own = np.concatenate([features[:size], features[3 * size :]])
    left = []
    for column in (1, 2):
        target = features[column * size]
        left.append(target - own.T @ np.linalg.lstsq(own.T, target, rcond=None)[0])
        found = scorer.residual(column, given)
        assert found.observed == pytest.approx((left[-1] ** 2).mean(), rel=1e-3)
        assert found.true == pytest.approx(found.observed)
    score = scorer.score(1, 2, given)
    whole = (left[0] * left[1]).mean()
    blocks = np.repeat(np.arange(len(held.counts)), held.counts.astype(int))
    parts = np.bincount(blocks, left[0] * left[1]) / held.counts
    np.testing.assert_allclose(score.parts, parts, atol=2e-3)
    # without a block: the same regression on the others
    without = []
    for b in range(len(held.counts)):
        kept = blocks != b
        rest = [
            features[c * size, kept]
            - own[:, kept].T
            @ np.linalg.lstsq(own[:, kept].T, features[c * size, kept], rcond=None)[0]
            for c in (1, 2)
        ]
        without.append((rest[0] * rest[1]).mean())
    n = len(without)
    without = np.array(without)
    corrected = n * whole - (n - 1) * without.mean()
    assert score.value == pytest.approx(corrected, abs=3e-3)
    jackknife = (n - 1) / n * ((without - without.mean()) ** 2).sum()
    assert score.error**2 >= 0.9 * jackknife
    spatial = (left[0] ** 2).mean() * (left[1] ** 2).mean()
    left_over = score.n_effective - min(len(own), score.n_effective / 2)
    inflated = 1 + 2 * len(own) / (held.counts.sum() * held.band)
    largest = max(jackknife, spatial / left_over) * inflated
    assert score.error**2 == pytest.approx(largest, rel=0.1)
    assert score.scale == pytest.approx(np.sqrt(spatial), rel=1e-3)
    assert (score.freedom, score.noise_part) == (n - 1, 0.0)


def test_effective_patches_count_pairs_by_both_autocorrelations(moments):
    _, held = moments
    scorer = Scorer(held)
    field = gaussian_filter(np.random.default_rng(7).normal(size=(32, 32)), 1.0)
    used = np.zeros(1024, bool)
    used[held.order] = True
    field = np.where(used.reshape(32, 32), field, 0.0)
    found = scorer._lags.autocorrelation(field)
    total, own = 0.0, field.ravel()[used] @ field.ravel()[used] / used.sum()
    for a in range(-8, 9):
        for b in range(-8, 9):
            one = (slice(max(a, 0), 32 + min(a, 0)), slice(max(b, 0), 32 + min(b, 0)))
            two = (slice(max(-a, 0), 32 - max(a, 0)), slice(max(-b, 0), 32 - max(b, 0)))
            mask = used.reshape(32, 32)
            pairs = (mask[one] & mask[two]).sum()
            mean = (field[one] * field[two])[mask[one] & mask[two]].sum() / pairs / own
            total += pairs * mean**2
            if b >= 0:
                assert found[8 + a, b] == pytest.approx(mean, abs=1e-9)
    effective = used.sum() ** 2 / total
    assert scorer._lags.effective(found, found) == pytest.approx(effective, rel=1e-6)
    none = np.zeros_like(found)
    assert scorer._lags.effective(none, none) == pytest.approx(used.sum() / 0.3)


def told(value, error=1.0, scale=10.0, noise=0.0, freedom=8, mended=0.0):
    return ChannelScore(value, error, freedom, noise, scale, 200.0, np.zeros(9), mended)


@pytest.fixture(scope="module")
def channel_test():
    frame = np.random.default_rng(8).normal(size=(1024, 3))
    import pandas as pd

    table = PatchTable.from_frame(
        pd.DataFrame(frame, columns=list("abc")), square(32)[:, ::-1].astype(float), 1.0,
        measurement_covariance=np.zeros((1, 3, 3)),
    )  # fmt: skip
    return ChannelIndependenceTest(prepare_columns(table), options=ChannelOptions())


def test_p_values_and_verdicts_of_scores(channel_test):
    t = stats.t(8)
    assert p_of(told(0.0), 3.0) == pytest.approx(2 * t.sf(3.0))
    assert p_of(told(0.0, error=2.0), 3.0) == pytest.approx(2 * t.sf(1.5))
    assert p_of(told(0.0), -1.0) == pytest.approx(1.0)
    sure = channel_test._verdict(told(5.0))
    assert sure.p_value == pytest.approx(2 * t.sf(4.9))  # less a hundredth of the scale
    assert (sure.verdict, sure.partial_correlation) == ("dependent", 0.5)
    assert sure.detectable == pytest.approx(0.28)
    assert channel_test._verdict(told(0.5)).verdict == "independent"
    wide = channel_test._verdict(told(0.5, error=1.1))
    assert wide.verdict == "undecided" and "could not be seen" in wide.reason
    noisy = channel_test._verdict(told(3.0, noise=-6.0))
    assert noisy.verdict == "undecided" and "wrong by 20%" in noisy.reason
    assert noisy.p_value_envelope == pytest.approx(2 * t.sf(3.0 - 0.1 - 1.2))
    assert noisy.detectable == pytest.approx((2.8 + 1.2) / 10)
    assert channel_test._verdict(told(-30.0)).partial_correlation == -1.0
    curved = channel_test._beyond_curvature(told(5.0, mended=-8.0), sure)
    assert curved.verdict == "undecided"
    assert curved.p_value_envelope == pytest.approx(2 * t.sf(0.9))
    assert channel_test._beyond_curvature(told(5.0, mended=2.0), sure) is sure


def test_a_part_of_the_blocks_is_the_mean_of_its_parts(channel_test):
    key = (0, 1, (2,))
    whole = channel_test(*key)
    score = channel_test._scores[key]
    counts = channel_test._scorer(channel_test._first(1)).moments.counts
    chosen = np.arange(len(counts)) % 3 == 0
    part = channel_test.on_blocks(chosen)(1, 0, [2])
    mean = counts[chosen] @ score.parts[chosen] / counts[chosen].sum()
    share = counts[chosen].sum() / counts.sum()
    assert part.partial_correlation == pytest.approx(mean / score.scale)
    assert part.n_effective == pytest.approx(whole.n_effective * share)
    assert part.detectable == pytest.approx(2.8 * score.error / np.sqrt(share) / score.scale)
    excess = abs(mean) - 0.01 * score.scale
    p = 2 * stats.t(score.freedom).sf(max(excess, 0) / (score.error / np.sqrt(share)))
    assert part.p_value == pytest.approx(p)


# ---------------------------------------------------------------------- choices and ceilings


def plain_table(rows, columns, overlap=0.0, noise=0.0, keep=None):
    import pandas as pd

    places = square(rows, columns)[:, ::-1].astype(float)
    if keep is not None:
        places = places[keep]
    frame = pd.DataFrame(np.random.default_rng(9).normal(size=(len(places), 2)), columns=["a", "b"])
    return PatchTable.from_frame(
        frame, places, 1.0, overlap=overlap, measurement_covariance=noise * np.eye(2)[None]
    )


def test_the_channel_test_needs_thirty_rows_seven_tenths_full_and_errors_of_their_own():
    def chosen(table):
        return default_test(table, prepare_columns(table))[0]

    assert chosen(plain_table(30, 30)) == "channel"
    assert chosen(plain_table(29, 40)) == chosen(plain_table(40, 29)) == "linear"
    rng = np.random.default_rng(10)
    for share, kind in ((0.72, "channel"), (0.68, "linear")):
        keep = np.zeros(1600, bool)
        keep[rng.permutation(1600)[: int(share * 1600)]] = True
        assert chosen(plain_table(40, 40, keep=keep)) == kind
    assert chosen(plain_table(30, 30, overlap=0.5)) == "channel"
    assert chosen(plain_table(30, 30, noise=0.1)) == "channel"
    assert chosen(plain_table(30, 30, overlap=0.5, noise=0.1)) == "linear"


class Counted:
    """A test that keeps the blocks that it was asked for."""

    def __init__(self, n_blocks, seen):
        self.n_blocks, self.seen = n_blocks, seen
        self.columns, self.alpha, self.results = None, 0.05, {}

    def on_blocks(self, chosen):
        self.seen.append(chosen.tolist())
        return self


def test_each_test_of_a_pair_gets_its_own_blocks_and_one_at_least():
    seen = []
    both = KindsTest(Counted(2, seen), Counted(3, seen), frozenset())
    both.on_blocks(np.array([False, True, True, False, True]))
    both.on_blocks(np.array([False, False, True, False, False]))
    both.on_blocks(np.array([True, False, False, False, False]))
    assert seen == [
        [False, True], [True, False, True], [True, False], [True, False, False],
        [True, False], [True, False, False],
    ]  # fmt: skip


def test_unknown_errors_hold_what_neither_columns_nor_neighbours_repeat():
    table = plain_table(32, 32)
    layout = prepare_columns(table).layout
    rng = np.random.default_rng(11)
    smooth = gaussian_filter(rng.normal(size=(32, 32)), 2.0).ravel()
    smooth = (smooth - smooth.mean()) / smooth.std()
    white = rng.normal(size=1024)
    values = np.stack([smooth, white, white + 0.5 * rng.normal(size=1024)], axis=1)
    values -= values.mean(axis=0)
    score = SpatialScore(values, layout, np.zeros((3, 3)), n_trend=1)
    errors = UnknownErrors(score, (True, True, False))
    assert errors.of([0, 1, 2]) == [0, 1]
    one, two, both = errors.largest((0, 1, 2))
    near = layout.nearest_autocovariance(smooth)
    assert one[0, 0] == pytest.approx(score.gram[0, 0] - near, rel=1e-6)
    left = 1 / np.linalg.inv(score.gram)[1, 1]
    # all that the others do not predict, of which .85 are as many as leave something to test
    assert two[1, 1] == pytest.approx(0.85 * left, rel=1e-3)
    assert both[1, 1] == pytest.approx(two[1, 1], rel=1e-3)
    assert both[0, 0] == pytest.approx(0.85 * one[0, 0], rel=1e-3)
    alone = SpatialScore(values[:, 1:2], layout, np.zeros((1, 1)), n_trend=1)
    (most,) = UnknownErrors(alone, (True,)).largest((0,))
    assert most[0, 0] == pytest.approx(0.85 * alone.gram[0, 0], rel=1e-3)
