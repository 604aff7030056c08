import numpy as np
import pytest

from physlearn.causal.spatial_layout import SpatialLayout
from physlearn.checks import InputError


def test_autocovariance_on_a_grid_with_holes_is_the_mean_over_pairs(grid):
    rng = np.random.default_rng(0)
    centers = grid(9)[rng.random(81) < 0.8]
    field = rng.normal(size=len(centers))
    layout = SpatialLayout(centers)
    assert layout.cells is not None
    found = layout.autocovariance(field)
    # oracle: every ordered pair, by hand
    difference = centers[None, :, :] - centers[:, None, :]
    products = field[:, None] * field[None, :]
    lags = [(r, c) for r in range(-2, 3) for c in range(3)]
    for (row, column), value, pairs in zip(lags, found, layout.pair_counts, strict=True):
        chosen = (difference[:, :, 1] == row) & (difference[:, :, 0] == column)
        assert value == pytest.approx(products[chosen].mean())
        assert pairs == chosen.sum() * (1 if column == 0 else 2)
    assert found[layout.zero_lag] == pytest.approx((field**2).mean())


def test_free_centres_and_grid_agree_on_the_variance_of_a_mean_product(grid, fields):
    rng = np.random.default_rng(1)
    u, v = fields(24, 1.5, 2, rng)
    exact = SpatialLayout(grid(24))
    moved = SpatialLayout(
        grid(24) + rng.uniform(-0.05, 0.05, (576, 2)) @ np.array([[1, 0.9], [0.9, 1]])
    )
    turned = SpatialLayout(grid(24) @ np.array([[0.8, -0.6], [0.6, 0.8]]))
    sums = [
        float(k.pair_counts @ (k.autocovariance(u) * k.autocovariance(v)))
        for k in (exact, moved, turned)
    ]
    assert moved.cells is None
    assert turned.cells is not None
    assert sums[1] == pytest.approx(sums[0], rel=0.15)
    assert sums[2] == pytest.approx(sums[0], rel=0.15)


@pytest.mark.parametrize(("angle", "jitter"), [(0.3, 0.0), (-0.7, 0.005), (0.0, 0.005), (1.2, 0)])
def test_a_turned_or_inexact_grid_is_a_grid(grid, angle, jitter):
    rng = np.random.default_rng(0)
    kept = rng.random(28 * 28) < 0.85
    plane = grid(28) * [1.0, 1.4]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centers = (plane @ turn.T + jitter * rng.normal(size=plane.shape))[kept]
    layout = SpatialLayout(centers)
    assert layout.cells is not None
    steps = np.array(layout.steps)
    assert np.sort(steps) == pytest.approx([1.0, 1.4], rel=1e-3)
    # neighbours of one cell's distance are so in the plane
    design = np.column_stack([layout.cells, np.ones(len(centers))])
    fitted = design @ np.linalg.lstsq(design, centers, rcond=None)[0]
    assert np.abs(fitted - centers).max() < 0.05
    assert len(np.unique(layout.cells, axis=0)) == len(centers)


def test_scattered_and_sheared_places_are_no_rectangular_grid(grid):
    rng = np.random.default_rng(0)
    assert SpatialLayout(rng.random((400, 2))).cells is None
    assert SpatialLayout(grid(20) @ np.array([[1.0, 0.0], [0.37, 0.9]])).cells is None
    # lines without a second step
    assert SpatialLayout(np.stack([np.arange(30.0), 0.3 * np.arange(30.0)], 1)).n == 30


def test_blocks_and_shifts_keep_patches(grid):
    layout = SpatialLayout(grid(12))
    blocks = layout.blocks(4)
    assert np.bincount(blocks).tolist() == [9] * 16
    moved = layout.shifted(np.random.default_rng(0))
    assert sorted(moved) == list(range(144))
    assert np.count_nonzero(moved == np.arange(144)) == 0


def test_bad_centres_are_refused(grid):
    with pytest.raises(InputError, match="at least 4"):
        SpatialLayout(grid(12)[:3])
    with pytest.raises(InputError, match="coincide"):
        SpatialLayout(np.array([[0.0, 0.1], [0.0, 0.1], [1.3, 2.2], [0.7, 3.1], [2.2, 1.1]]))
    with pytest.raises(InputError, match="centers"):
        SpatialLayout(np.full((9, 2), np.nan))
