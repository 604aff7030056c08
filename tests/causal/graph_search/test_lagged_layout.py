import numpy as np
import pytest

from physlearn.causal.graph_search.lagged_layout import TREND_TERMS, SpaceTimeLayout
from physlearn.causal.spatial_layout import SpatialLayout


def _centers(free):
    row, column = np.mgrid[:6, :7].reshape(2, -1).astype(float)
    centers = np.stack([column, row], axis=1)
    return centers + free * np.random.default_rng(0).uniform(-0.2, 0.2, centers.shape)


@pytest.mark.parametrize("free", [0, 1])
def test_pairs_at_lag_zero_are_the_rows_and_their_product_is_the_variance(free):
    layout = SpatialLayout(_centers(free))
    kept = [np.arange(42), np.arange(3, 42), np.arange(40)]
    lags = SpaceTimeLayout(layout, kept)
    assert lags.n == 42 + 39 + 40
    assert lags.pair_counts[lags.zero_lag] == lags.n
    field = np.random.default_rng(1).normal(size=lags.n)
    covariance = lags.autocovariance(field)
    variance = float(field @ field) / lags.n
    # what the planes took out is put back on top of the plain mean of squares, 24 % at most
    zero = covariance[lags.zero_lag]
    assert variance <= zero * (1 + 1e-12)
    assert zero <= variance * (1 + 0.2 * TREND_TERMS + 1e-12)


def test_lags_are_those_of_a_plain_double_loop():
    layout = SpatialLayout(_centers(0))
    lags = SpaceTimeLayout(layout, [np.arange(42), np.arange(5, 42), np.arange(42)])
    field = np.random.default_rng(2).normal(size=lags.n)
    sums = lags._sums(field).ravel() * lags._weight.repeat(5, axis=0).ravel()
    cells = layout.cells[lags.patch]
    step = cells[None, :] - cells[:, None]
    time = lags.frame[None, :] - lags.frame[:, None]
    near = (np.abs(step[..., 0]) <= 2) & (np.abs(step[..., 1]) <= 2)
    assert lags.pair_counts.sum() == near.sum()
    for lag in (-1, 0, 2):
        chosen = near & (time == lag)
        n_space = len(sums) // 5
        mine = sums[(lag + 2) * n_space : (lag + 3) * n_space].sum()
        # lags to the left stand for those to the right, at the opposite time
        other = near & (time == -lag)
        products = np.outer(field, field)
        right = (products * (chosen & (step[..., 1] > 0))).sum() * 2
        right += (products * (chosen & (step[..., 1] == 0))).sum()
        assert mine == pytest.approx(right)
        assert chosen.sum() == other.sum()


def test_a_frozen_pattern_counts_once_however_many_frames_show_it():
    rng = np.random.default_rng(3)
    layout = SpatialLayout(_centers(0))
    lags = SpaceTimeLayout(layout, [np.arange(42)] * 6)

    def count(first, second):
        """Return the effective number of rows of the product of two fields."""
        one, two = lags.autocovariance(first), lags.autocovariance(second)
        variance = lags.pair_counts @ (one * two)
        return lags.n**2 * one[lags.zero_lag] * two[lags.zero_lag] / variance

    frozen = [count(*np.tile(rng.normal(size=(2, 42)), 6)) for _ in range(20)]
    fresh = [count(*rng.normal(size=(2, 252))) for _ in range(20)]
    # 42 and 252 patches; the spread of one count is about a third, that of a median a tenth
    assert 30 < np.median(frozen) < 55
    assert 180 < np.median(fresh) < 330


def test_all_frames_of_a_place_are_in_one_block():
    layout = SpatialLayout(_centers(1))
    lags = SpaceTimeLayout(layout, [np.arange(42)] * 3)
    blocks = lags.blocks(3)
    np.testing.assert_array_equal(blocks[:42], blocks[42:84])
    assert len(np.unique(blocks)) == blocks.max() + 1 == 9


@pytest.mark.parametrize("free", [0, 1])
def test_what_the_next_frame_repeats_is_no_error(free):
    layout = SpatialLayout(_centers(free))
    lags = SpaceTimeLayout(layout, [np.arange(42)] * 6)
    rng = np.random.default_rng(0)
    frozen, fresh = np.tile(rng.normal(size=42), 6), rng.normal(size=252)
    assert lags.nearest_autocovariance(frozen) == pytest.approx(np.mean(frozen**2), rel=0.3)
    assert abs(lags.nearest_autocovariance(fresh)) < 0.3
