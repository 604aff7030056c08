"""Curves, smooth bands, levels, neighbours and sensitivity, against sums and closed forms."""

import math
from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.interpolate import CubicSpline

from physlearn.causal.columns import prepare_columns, trend_basis
from physlearn.causal.effect_estimates.dose_response import dose_response
from physlearn.causal.effect_estimates.effect_members import member_of
from physlearn.causal.effect_estimates.effect_records import (
    Effect,
    EffectMember,
    EffectOptions,
    Estimand,
    LevelEffect,
    SpillOver,
)
from physlearn.causal.effect_estimates.held_curves import noise_free_terms, with_curves
from physlearn.causal.effect_estimates.modifiers import effects_by_level, levels_differ
from physlearn.causal.effect_estimates.neighbours import neighbour_matrix, neighbour_means
from physlearn.causal.effect_estimates.sensitivity import sensitivity
from physlearn.causal.effect_estimates.smooth_band import (
    FILTERS,
    require_rough_cause,
    rough_band,
    whitened,
    without_smooth_part,
)
from physlearn.causal.effect_estimates.smooth_confounders import score_of
from physlearn.causal.effect_estimates.spill_over import (
    scaled_spill_over,
    spill_over_slopes,
    with_neighbours,
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
    # true variance before: 1 - 0.2; of a share s of the amplitude s^2 - 0.2 after
    for true, serves in ((0.07, False), (0.09, True)):
        size = math.sqrt(0.2 / columns.scale[0] ** 2 + true)
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


# -------------------------------------------------------------------------- levels and neighbours


def test_levels_differ_weighs_levels_by_their_errors():
    means, sds = np.array([0.0, 1.0, 3.0]), np.array([1.0, 0.5, 2.0])
    levels = [LevelEffect("m", k, k, 9, m, s, 30.0 + k) for k, (m, s) in
              enumerate(zip(means, sds, strict=True))]  # fmt: skip
    weight = 1 / sds**2
    center = (weight * means).sum() / weight.sum()
    value = (weight * (means - center) ** 2).sum() / 2
    assert levels_differ(levels) == pytest.approx(stats.f.sf(value, 2, 30.0), rel=1e-9)
    unknown = LevelEffect("m", 9, 9, 0, math.nan, math.nan, math.nan, "too few")
    assert levels_differ([*levels, unknown]) == levels_differ(levels)
    assert levels_differ(levels[::-1]) == pytest.approx(levels_differ(levels))


def test_levels_hold_their_own_slopes_in_the_outcomes_unit(grid):
    rng = np.random.default_rng(7)
    x, e = rng.normal(size=(2, 576))
    x *= 3.0
    m = np.repeat([0.0, 1.0, 2.0], 192)
    u = rng.normal(size=576)
    slopes = np.array([1.0, -2.0, 4.0])
    table = table_of(grid, 24, x=x, y=slopes[m.astype(int)] * x + u + 0.01 * e, m=m, u=u)
    options = EffectOptions(n_levels=3)
    found = effects_by_level(table, "x", "y", ("u", "m"), (1.0, 3.0), "m", options)
    assert [(one.low, one.high, one.n_patches) for one in found] == [
        (0.0, 0.0, 192), (1.0, 1.0, 192), (2.0, 2.0, 192)
    ]  # fmt: skip
    np.testing.assert_allclose([one.mean for one in found], 2 * slopes, atol=0.02)
    back = effects_by_level(table, "x", "y", ("u", "m"), (3.0, 1.0), "m", options)
    np.testing.assert_allclose([one.mean for one in back], -2 * slopes, atol=0.02)
    np.testing.assert_allclose([one.sd for one in back], [one.sd for one in found])
    cut = effects_by_level(table, "x", "y", (), (0.0, 1.0), "u", EffectOptions(n_levels=4))
    assert [one.n_patches for one in cut] == [144] * 4
    edges = [cut[0].low, *(one.high for one in cut)]
    np.testing.assert_allclose(edges, np.quantile(u, [0, 0.25, 0.5, 0.75, 1]))


def test_a_scaled_spill_over_scales_its_means_and_the_size_of_its_errors():
    found = SpillOver(0.5, 0.1, 0.4, 0.2, 0.9, 0.3, 50.0, 3.8)
    twice = scaled_spill_over(found, -2.0)
    assert (twice.direct, twice.spill_over, twice.total) == pytest.approx((-1.0, -0.8, -1.8))
    assert (twice.direct_sd, twice.spill_over_sd, twice.total_sd) == pytest.approx((0.2, 0.4, 0.6))
    assert (twice.freedom, twice.n_neighbours) == (50.0, 3.8)


def test_neighbours_by_hand(grid):
    layout = SpatialLayout(grid(3) * 7.0)
    count = neighbour_matrix(layout).toarray()
    assert count.sum(axis=1).tolist() == [2, 3, 2, 3, 4, 3, 2, 3, 2]
    assert (count == count.T).all()
    assert neighbour_matrix(layout, 1.4).toarray().sum(axis=1).tolist() == [
        3,
        5,
        3,
        5,
        8,
        5,
        3,
        5,
        3,
    ]
    np.testing.assert_allclose(neighbour_means(layout).toarray().sum(axis=1), 1.0)


def test_spill_over_slopes_are_those_of_one_regression(grid):
    """On cause, neighbours' mean, what is held fixed, and its neighbours' mean."""
    rng = np.random.default_rng(8)
    x, u, e = rng.normal(size=(3, 400))
    means = neighbour_means(SpatialLayout(grid(20)))
    y = 0.5 * x + 0.4 * (means @ x) + 0.3 * u + 0.2 * e
    noise = 0.04
    columns = prepare_columns(
        table_of(grid, 20, {"x": noise}, x=x, u=u, y=y), names=["x", "u", "y"]
    )
    joined, n_neighbours = with_neighbours(columns, (0, 1), 2, 1.0)
    assert n_neighbours == pytest.approx(4 * 19 / 20)
    count = neighbour_matrix(columns.layout).toarray().sum(axis=1)
    own = noise / columns.scale[0] ** 2
    np.testing.assert_allclose(
        np.diag(joined.noise), [own, 0, 0, own * np.mean(1 / count), 0], rtol=1e-9
    )
    around = means @ columns.values[:, :2]
    np.testing.assert_allclose(joined.values[:, 3:], around - around.mean(axis=0), atol=1e-12)
    free = replace(columns, noise=np.zeros((3, 3)))
    found = spill_over_slopes(free, 0, 2, (1,), 1.0)
    design = np.column_stack([free.values[:, 0], around - around.mean(axis=0), free.values[:, 1]])
    fit = np.linalg.lstsq(design, free.values[:, 2], rcond=None)[0]
    assert (found.direct, found.spill_over) == pytest.approx((fit[0], fit[1]), rel=1e-6)
    assert found.total == pytest.approx(fit[0] + fit[1], rel=1e-6)
    left = free.values[:, 2] - design @ fit
    covariance = np.linalg.inv(design.T @ design) * left.var()
    plain = np.sqrt([covariance[0, 0], covariance[1, 1], covariance[:2, :2].sum()])
    told = np.array([found.direct_sd, found.spill_over_sd, found.total_sd])
    assert np.all((told > 0.95 * plain) & (told < 1.5 * plain))


def test_a_member_is_the_slope_times_the_contrast_in_units(grid):
    rng = np.random.default_rng(9)
    x, u, e = rng.normal(size=(3, 400))
    x, y = 3.0 * (x + u), 2.0 * (x + u) + u + 0.1 * e
    table = table_of(grid, 20, x=x, u=u, y=y)
    columns = prepare_columns(table)
    arguments = (table, score_of(columns), columns, "x", "y")
    notes = []
    member, held = member_of(
        *arguments, (1.0, 4.0), Estimand("back-door", ("u",)), EffectOptions(), notes
    )
    assert member.mean == pytest.approx(2.0, abs=0.05)
    assert held.slope.mean * columns.scale[2] / columns.scale[0] * 3 == pytest.approx(member.mean)
    turned, _ = member_of(
        *arguments, (4.0, 1.0), Estimand("back-door", ("u",)), EffectOptions(), notes
    )
    assert turned.mean == pytest.approx(-member.mean)
    assert turned.sd == pytest.approx(member.sd)
    assert turned.residual_ratio == pytest.approx(member.residual_ratio)
    # 0.1 of the outcome's own for 3 of the cause's, over a contrast of 3
    assert member.residual_ratio == pytest.approx(0.1, rel=0.1)
    nothing, _ = member_of(*arguments, (0.0, 1.0), Estimand("none"), EffectOptions(), notes)
    assert (nothing.mean, nothing.sd, nothing.adjustment_set) == (0.0, 0.0, None)
    assert notes == []


def test_instruments_that_disagree_are_told_and_the_surest_is_taken(grid):
    rng = np.random.default_rng(10)
    z, w, h, e = rng.normal(size=(4, 400))
    x = z + 0.4 * w + h
    y = x + 0.5 * w - h + 0.3 * e  # w also acts by itself
    table = table_of(grid, 20, x=x, y=y, z=z, w=w)
    columns = prepare_columns(table)
    notes = []
    member, _ = member_of(
        table, score_of(columns), columns, "x", "y", (0.0, 1.0),
        Estimand("instrument", (), ("z", "w")), EffectOptions(), notes,
    )  # fmt: skip
    assert abs(member.mean - 1.0) < 0.3
    assert any("instruments disagree" in note for note in notes)


# ------------------------------------------------------------------------------------- sensitivity


def test_sensitivity_by_hand():
    """Cinelli and Hazlett (2020), equations 11 and 12; VanderWeele and Ding (2017)."""
    member = EffectMember(("u",), -2.0, 0.2, 1e9, 1e9, residual_ratio=4.0)
    effect = Effect(
        "a", "b", (0, 1), -2.0, 0.2, True, "", ("u",), "nm", members=(member,),
        strategy="back-door", outcome_sd=5.0, benchmarks={"u": (0.5, 0.02), "v": (1.0, 0.3)},
    )  # fmt: skip
    found = sensitivity(effect)
    f = 0.5
    assert found.partial_r2 == pytest.approx(f**2 / (1 + f**2))
    assert found.robustness_value == pytest.approx((np.sqrt(f**4 + 4 * f**2) - f**2) / 2)
    nearest = 2.0 - 0.2 * stats.norm.ppf(0.95)
    f = nearest / 4.0
    assert found.robustness_value_interval == pytest.approx(
        (np.sqrt(f**4 + 4 * f**2) - f**2) / 2, rel=1e-6
    )
    risk = np.exp(0.91 * 2.0 / 5.0)
    assert found.e_value == pytest.approx(risk + np.sqrt(risk * (risk - 1)))
    risk = np.exp(0.91 * nearest / 5.0)
    assert found.e_value_interval == pytest.approx(risk + np.sqrt(risk * (risk - 1)), rel=1e-6)
    np.testing.assert_allclose(found.shares, np.linspace(0, 0.8, 41))
    # the bias of shares 0.2 (cause) and 0.4 (outcome) is 4 sqrt(0.4 * 0.2 / 0.8)
    assert found.contour[20, 10] == pytest.approx(-(2.0 - 4 * np.sqrt(0.1)))
    assert found.left_by_benchmark == pytest.approx({"u": -(2.0 - 4 * np.sqrt(0.02))})
    weak = sensitivity(replace(effect, mean=0.1, members=(replace(member, mean=0.1),)))
    assert weak.robustness_value_interval == 0.0
    assert weak.e_value_interval == 1.0


# ----------------------------------------------------------------------------------- dose response


def test_a_curve_is_the_regression_on_natural_splines(grid):
    """Natural cubics through five quantiles: straight beyond the outer two, smooth between."""
    rng = np.random.default_rng(11)
    a, e = rng.normal(size=(2, 576))
    u = rng.normal(size=576)
    table = table_of(grid, 24, a=a + 3.0, b=np.sin(2 * a) + 0.5 * e + u, u=u)
    curve = dose_response(table, nx.DiGraph([("a", "b")]), "a", "b", reference=3.2, rng=0)
    knots = np.quantile(a + 3.0, np.linspace(0.02, 0.98, 5))

    def natural(x):
        parts = []
        for k in range(5):
            spline = CubicSpline(knots, np.eye(5)[k], bc_type="natural")
            low = spline(knots[0]) + spline(knots[0], 1) * (x - knots[0])
            high = spline(knots[-1]) + spline(knots[-1], 1) * (x - knots[-1])
            parts.append(np.where(x < knots[0], low, np.where(x > knots[-1], high, spline(x))))
        return np.stack(parts, axis=1)

    centers = grid(24)
    design = np.column_stack([natural(a + 3.0), centers])
    fit = np.linalg.lstsq(design, table.frame["b"].to_numpy(), rcond=None)[0]
    expected = (natural(curve.values) - natural(np.array([3.2]))) @ fit[:5]
    np.testing.assert_allclose(curve.mean, expected, atol=1e-6)
    assert curve.values[0] == pytest.approx(np.percentile(a + 3.0, 2))
    assert curve.values[-1] == pytest.approx(np.percentile(a + 3.0, 98))
    assert len(curve.values) == 41
    # errors: those of least squares, a little more for patches that look alike by chance
    left = table.frame["b"].to_numpy() - design @ fit
    covariance = np.linalg.pinv(design.T @ design) * left.var()
    rows = np.column_stack([natural(curve.values) - natural(np.array([3.2])), np.zeros((41, 2))])
    plain = np.sqrt(np.einsum("ij,jk,ik->i", rows, covariance, rows))
    far = np.abs(curve.values - 3.2) > 0.3
    ratio = curve.sd[far] / plain[far]
    assert ratio.min() > 0.97 and ratio.max() < 1.6
    assert np.all(curve.band_high - curve.mean >= curve.high - curve.mean - 1e-12)
    half = (curve.high - curve.mean)[far] / curve.sd[far]
    assert np.ptp(half) < 1e-9 and 1.645 < half[0] < 1.70
    step = curve.values[1] - curve.values[0]
    near = np.abs((a + 3.0)[:, None] - curve.values) <= step
    np.testing.assert_array_equal(curve.support, near.sum(axis=0))
    assert curve.linear_p_value < 0.01
    assert (curve.mean[np.argmin(np.abs(curve.values - 3.2))]) == pytest.approx(0, abs=0.1)
    plain_reference = dose_response(table, nx.DiGraph([("a", "b")]), "a", "b", rng=0)
    assert plain_reference.reference == pytest.approx(np.median(a + 3.0))
