import numpy as np
import pandas as pd
import pytest

from physlearn.causal.graph_search.lagged_tables import lagged_tables
from physlearn.causal.graph_search.lagged_transport import interpolation
from physlearn.causal.spatial_layout import SpatialLayout
from physlearn.checks import InputError, NotIdentified
from physlearn.records import PatchTable


def _centers(edge, free=0.0):
    row, column = np.mgrid[:edge, :edge].reshape(2, -1).astype(float)
    centers = 2.0 * np.stack([column, row], axis=1)
    return centers + free * np.random.default_rng(0).uniform(-0.5, 0.5, centers.shape)


def _table(values, centers, covariance=None):
    return PatchTable.from_frame(
        pd.DataFrame(values, columns=["a", "b"]),
        centers,
        2.0,
        unit="nm",
        measurement_covariance=covariance,
    )


@pytest.mark.parametrize("free", [0.0, 1.0])
def test_a_plane_is_interpolated_exactly_and_patches_give_back_themselves(free):
    centers = _centers(8, free)
    places = np.random.default_rng(1).uniform(3, 11, (50, 2))
    plane = centers @ np.array([[1.0, 0.3], [-0.5, 2.0]]) + 4.0
    there = interpolation(SpatialLayout(centers), places)
    assert there.inside.all()
    expected = places @ np.array([[1.0, 0.3], [-0.5, 2.0]]) + 4.0
    np.testing.assert_allclose(there.apply(plane), expected, atol=1e-9)
    noise = np.random.default_rng(2).normal(size=(64, 3))
    itself = interpolation(SpatialLayout(centers), centers)
    np.testing.assert_allclose(itself.apply(noise), noise, atol=1e-9)


def test_noise_of_an_interpolated_value_is_that_of_its_weighted_sum():
    centers = _centers(10)
    layout = SpatialLayout(centers)
    there = interpolation(layout, centers[44:45] + np.array([0.8, 1.0]))
    base = np.array([[[1.0, 0.3], [0.3, 2.0]]])
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal([0, 0], base[0], size=(4000, 100))
    sums = np.einsum("mk,dmkp->dp", there.weight, draws[:, there.index])
    told = there.noise(base, centers, None)
    # a variance of 4000 draws is known to 2.2 %
    np.testing.assert_allclose(np.cov(sums.T), told[0], rtol=0.09, atol=0.03)
    # errors that all patches share are not averaged away
    np.testing.assert_allclose(there.noise(base, centers, 1e6), base, rtol=1e-6)


def test_matter_is_found_where_it_was_two_frames_back():
    rng = np.random.default_rng(0)
    pattern = rng.normal(size=(20, 20, 2))
    centers = _centers(12)
    # the pattern moves by one patch to the right, then by one down
    frames = [pattern[4:16, 4:16], pattern[4:16, 3:15], pattern[3:15, 3:15]]
    tables = [_table(frame.reshape(-1, 2), centers) for frame in frames]
    moved = np.array([[2.0, 0.0], [0.0, 2.0]])
    lagged = lagged_tables(tables, max_lag=2, transport=moved)
    (table,) = lagged.tables
    assert table.n_patches == 11 * 11
    assert table.columns == ["a[t-2]", "b[t-2]", "a[t-1]", "b[t-1]", "a[t]", "b[t]"]
    now = table.frame[["a[t]", "b[t]"]].to_numpy()
    for lag in (1, 2):
        then = table.frame[[f"a[t-{lag}]", f"b[t-{lag}]"]].to_numpy()
        np.testing.assert_allclose(then, now, atol=1e-12)
    by_patch = np.repeat(moved[:, None], 144, axis=1)
    again = lagged_tables(tables, max_lag=2, transport=by_patch).tables[0]
    np.testing.assert_allclose(again.frame, table.frame)


def test_errors_of_two_frames_are_independent_and_patches_keep_their_own():
    rng = np.random.default_rng(0)
    centers = _centers(8)
    covariance = np.array([[[1.0, 0.5], [0.5, 2.0]]]) * np.arange(1, 65)[:, None, None]
    tables = [_table(rng.normal(size=(64, 2)), centers, covariance) for _ in range(2)]
    told = lagged_tables(tables).tables[0].measurement_covariance
    np.testing.assert_allclose(told[:, :2, :2], covariance)
    np.testing.assert_allclose(told[:, 2:, 2:], covariance)
    assert not told[:, :2, 2:].any()


def test_frames_that_do_not_belong_together_are_named():
    rng = np.random.default_rng(0)
    table = _table(rng.normal(size=(64, 2)), _centers(8))
    moved = _table(rng.normal(size=(64, 2)), _centers(8) + 0.3)
    with pytest.raises(InputError, match="table 1 differ"):
        lagged_tables([table, moved])
    with pytest.raises(InputError, match="at least 3 for max_lag=2; got 2"):
        lagged_tables([table, table], max_lag=2)
    with pytest.raises(InputError, match="max_lag must be a whole number"):
        lagged_tables([table, table], max_lag=0)
    with pytest.raises(InputError, match="transport must hold"):
        lagged_tables([table, table], transport=[[1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(NotIdentified, match="leaves 8 patches of frame 1"):
        lagged_tables([table, table], transport=[[14.0, 0.0]])
    other = PatchTable.from_frame(table.frame.rename(columns={"a": "c"}), _centers(8), 2.0)
    with pytest.raises(InputError, match="table 1 has c, b"):
        lagged_tables([table, other])
