"""Curves, smooth bands, levels, neighbours and sensitivity, against sums and closed forms."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from physlearn.causal.columns import prepare_columns, trend_basis
from physlearn.causal.effect_estimates.held_curves import noise_free_terms, with_curves
from physlearn.causal.effect_estimates.neighbours import neighbour_means
from physlearn.causal.effect_estimates.smooth_band import (
    FILTERS,
    require_rough_cause,
    rough_band,
    whitened,
    without_smooth_part,
)
from physlearn.causal.spatial_layout import SpatialLayout
from physlearn.checks import NotIdentified
from physlearn.records import PatchTable


def table_of(grid, edge, noise=None, **columns):
    frame = pd.DataFrame(columns)
    covariance = None if noise is None else np.diag([noise.get(name, 0.0) for name in frame])[None]
    return PatchTable.from_frame(frame, grid(edge), 1.0, measurement_covariance=covariance)


def projector(columns):
    q = np.linalg.qr(columns)[0]
    return q @ q.T


# ---------------------------------------------------------------- what is held fixed along curves


def span_of(terms, lines):
    return projector(np.column_stack([np.ones(len(terms)), lines, terms]))


def test_curves_of_two_columns_span_squares_and_the_product():
    values = np.random.default_rng(0).normal(size=(60, 2))
    trend = np.full((60, 1), 60**-0.5)
    terms = noise_free_terms(values, trend, 0)
    a, b = values.T
    known = np.column_stack([a**2, b**2, a * b])
    np.testing.assert_allclose(span_of(terms, values), span_of(known, values), atol=1e-8)


def test_finer_curves_hold_cubes_splines_and_steps():
    z = np.random.default_rng(0).normal(size=(200, 1))
    trend = np.full((200, 1), 200**-0.5)
    smooth, rough = (span_of(noise_free_terms(z, trend, d), z) for d in (1, 2))
    for power in (2, 3):
        assert np.abs(smooth @ z[:, 0] ** power - z[:, 0] ** power).max() < 1e-8 * z.max() ** power
    for share in np.arange(1, 16) / 16:  # a step at each sixteenth of the patches
        step = (z[:, 0] > np.quantile(z, share)) * 1.0
        assert np.abs(rough @ step - step).max() < 1e-6
        assert np.abs(smooth @ step - step).max() > 0.1


def test_a_column_of_few_values_is_held_level_by_level():
    rng = np.random.default_rng(1)
    z = np.concatenate([np.repeat([0.0, 1.0, 2.0], [20, 20, 20]), np.full(4, 5.0)])
    trend = np.full((64, 1), 64**-0.5)
    for detail in (0, 1, 2):
        terms = noise_free_terms(z[:, None], trend, detail)
        # of three levels with five patches or more: one function beyond the line and the rest
        known = np.column_stack([z == 1, z == 2])
        both = span_of(known * 1.0, z[:, None])
        np.testing.assert_allclose(span_of(terms, z[:, None]), both, atol=1e-8)
    for n_levels, by_level in ((12, True), (13, False)):
        z = rng.permutation(np.arange(260) % n_levels).astype(float)
        terms = noise_free_terms(z[:, None], np.full((260, 1), 260**-0.5), 0)
        assert terms.shape[1] == (n_levels - 2 if by_level else 1)


def test_products_end_at_six_columns():
    rng = np.random.default_rng(2)
    trend = np.full((300, 1), 300**-0.5)
    for q in (6, 7):
        terms = noise_free_terms(rng.normal(size=(300, q)), trend, 0)
        assert terms.shape[1] == (q + q * (q - 1) // 2 if q == 6 else q)


def test_curves_beside_columns_free_of_noise_and_with_known_noise(grid):
    """With noise s of z: E[(z + e)^2] - s = z^2, and the square's error with z itself is 2 z s."""
    rng = np.random.default_rng(3)
    z, x, y = rng.normal(size=(3, 576))
    free = table_of(grid, 24, x=x, z=z, y=y)
    columns = prepare_columns(free)
    raw = free.frame.to_numpy()
    bent, held = with_curves(columns, raw, trend_basis(free), (0, 2), (1,), detail=0)
    assert held == (1, 3)
    assert not bent.noise.any()
    assert bent.values.shape == (576, 4)
    np.testing.assert_allclose((bent.values[:, 3] ** 2).mean(), 1.0, atol=0.02)
    noise = 0.1
    measured = z + np.sqrt(noise) * rng.normal(size=576)
    noisy = table_of(grid, 24, {"z": noise}, x=x, z=measured, y=y)
    columns = prepare_columns(noisy)
    for detail, n_curves in ((0, 1), (1, 2), (2, 4)):
        bent, held = with_curves(
            columns, noisy.frame.to_numpy(), trend_basis(noisy), (0, 2), (1,), detail=detail
        )
        assert held == (1, *range(3, 3 + n_curves))
        np.testing.assert_allclose(bent.noise, bent.noise.T, atol=1e-12)
        assert bent.noise.shape == (3 + n_curves, 3 + n_curves)
        assert bent.noise[1, 1] == pytest.approx(columns.noise[1, 1])
        # the errors of a Gaussian's square: 4 z^2 s + 2 s^2, of variance 2 (1 + s)^2 in all
        share = (4 * noise + 2 * noise**2) / (2 * (1 + noise) ** 2)
        assert bent.noise[3, 3] == pytest.approx(share, rel=0.35)
        assert np.abs(bent.noise[0]).max() < 1e-12  # the cause's own column is free of it
        np.testing.assert_allclose((bent.values[:, 3:] ** 2).mean(axis=0), 1.0, rtol=1e-6)


# --------------------------------------------------------------------- beyond a smooth hidden field


@pytest.fixture(scope="module")
def band(grid):
    layout = SpatialLayout(grid(28))
    return layout, rough_band(layout, 8.0)


def test_splines_of_the_smooth_band_sum_to_one_and_hold_cubics(band):
    layout, smooth = band
    splines = smooth.splines.toarray()
    assert splines.shape[1] == smooth.rank
    np.testing.assert_allclose(splines.sum(axis=1), 1.0, atol=0.06)  # but those left out
    # knots every 6 patches: round(27 / 6) = 4 pieces, 7 splines an axis, less those at corners
    assert smooth.rank <= 49
    x, y = layout.centers.T
    for field in (x, y**2, x * y, x**3 - y**3, np.sin(x / 6) * np.cos(y / 7)):
        fit = splines @ np.linalg.lstsq(splines, field, rcond=None)[0]
        assert np.std(field - fit) < 0.003 * np.std(field)


def test_gains_are_the_variance_that_white_noise_keeps(band):
    """E |(1 - S) F^k e|^2 = trace, here over all patches, there by signs drawn at random."""
    layout, smooth = band
    rest = np.eye(layout.n) - projector(smooth.splines.toarray())
    for (share, times), gain in smooth.gains.items():
        one = np.eye(layout.n) - share * smooth.neighbours.toarray()
        kept = np.linalg.matrix_power(one, times) @ rest
        assert gain == pytest.approx((kept**2).sum(), rel=0.05)
    assert smooth.gains[FILTERS[0]] == pytest.approx(layout.n - smooth.rank, rel=0.03)
    assert list(smooth.gains) == list(FILTERS)


def test_what_is_smooth_is_taken_out_and_white_noise_keeps_its_variance(band, grid):
    layout, smooth = band
    rng = np.random.default_rng(5)
    x, y = layout.centers.T
    hidden = 5 * np.cos(x / 9 + y / 11)
    a, b = rng.normal(size=(2, layout.n))
    columns = prepare_columns(table_of(grid, 28, {"a": 0.1}, a=a + hidden, b=b), layout=layout)
    rough = without_smooth_part(columns, smooth)
    rest = np.eye(layout.n) - projector(smooth.splines.toarray())
    for k, white in enumerate((a, b)):
        kept = rest @ white
        assert abs(np.corrcoef(rough.values[:, k], kept)[0, 1]) > 1 - 1e-4
        per_patch = (rough.values[:, k] ** 2).sum() / (layout.n - columns.n_trend)
        assert per_patch * columns.scale[k] ** 2 == pytest.approx(1.0, abs=4 * np.sqrt(2 / 700))
    # white already: no share of the neighbours whitens it further
    plain = whitened(rough, smooth, np.array([0.0, 1.0]))
    spectrum = layout.autocovariance(plain.values[:, 1])
    assert layout.pair_counts @ spectrum**2 <= 1.001 * (
        layout.pair_counts @ layout.autocovariance(rough.values[:, 1]) ** 2
    )
    # what varies over a few patches is flattened by the filter that is taken
    blurred = neighbour_means(layout) @ b + b
    soft = replace(rough, values=np.column_stack([rough.values[:, 0], rest @ blurred]))
    flat = whitened(soft, smooth, np.array([0.0, 1.0]))

    def colour(field):
        found = layout.autocovariance(field)
        return layout.pair_counts @ found**2 / found[layout.zero_lag] ** 2

    assert colour(flat.values[:, 1]) < 0.8 * colour(soft.values[:, 1])


def test_a_cause_needs_a_tenth_of_its_true_variance_beyond_the_band(band, grid):
    layout, _ = band
    rng = np.random.default_rng(6)
    white = rng.normal(size=(layout.n, 1))
    columns = prepare_columns(table_of(grid, 28, {"a": 0.2}, a=white[:, 0]), layout=layout)
    own = np.ones(1)
    noise = 0.2 / columns.scale[0] ** 2
    # true variance before: 1 - noise; of a share s of the amplitude s^2 - noise after
    for share, serves in ((0.0997, False), (0.1003, True)):
        size = math.sqrt(noise + share * (1 - noise))
        after = replace(columns, values=size * columns.values)
        if serves:
            require_rough_cause(columns, after, 0, own, own)
        else:
            with pytest.raises(NotIdentified, match="as smoothly as the hidden field"):
                require_rough_cause(columns, after, 0, own, own)


def test_a_band_that_takes_too_much_is_refused(grid):
    with pytest.raises(NotIdentified, match="what is left is too little"):
        rough_band(SpatialLayout(grid(22)), 8.0)  # 484 patches
    with pytest.raises(NotIdentified, match=r"takes .* of the 1024 patches"):
        rough_band(SpatialLayout(grid(32)), 1.5)


def test_a_function_that_is_all_but_a_line_is_left_out():
    for offset, left in ((1.0, 1), (200.0, 0)):  # (o + u)^2 is 2 o u but for u^2
        u = np.random.default_rng(0).uniform(-1, 1, (300, 1))
        terms = noise_free_terms(offset + u, np.full((300, 1), 300**-0.5), 0)
        assert terms.shape == (300, left)


def test_noisy_columns_bend_by_their_own_powers_as_far_as_their_levels_go(grid):
    rng = np.random.default_rng(12)
    z, x, y = rng.normal(size=(3, 400))
    for column, powers in ((z, (2, 3, 4, 5)), (rng.integers(0, 3, 400) - 1.0, (2,)),
                           (rng.integers(0, 4, 400) - 1.0, (2, 3)),
                           (rng.integers(0, 2, 400) * 1.0, ())):  # fmt: skip
        table = table_of(grid, 20, {"z": 0.05}, x=x, z=column, y=y)
        columns, trend = prepare_columns(table), trend_basis(table)
        for detail, most in ((0, 2), (1, 3), (2, 5)):
            bent, held = with_curves(
                columns, table.frame.to_numpy(), trend, (0, 2), (1,), detail=detail
            )
            kept = [p for p in powers if p <= most]
            assert len(held) == 1 + len(kept)
            design = np.column_stack([trend, bent.values[:, list(held)]])
            for power in kept:
                target = column**power
                fit = design @ np.linalg.lstsq(design, target, rcond=None)[0]
                assert np.abs(target - fit).max() < 1e-6 * np.abs(target).max()
