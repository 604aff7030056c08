"""Levels, neighbours, sensitivity and dose response against regressions and closed forms."""

import math
from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.interpolate import CubicSpline

from physlearn.causal.columns import prepare_columns
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
from physlearn.causal.effect_estimates.modifiers import effects_by_level, levels_differ
from physlearn.causal.effect_estimates.neighbours import neighbour_matrix, neighbour_means
from physlearn.causal.effect_estimates.sensitivity import sensitivity
from physlearn.causal.effect_estimates.smooth_confounders import score_of
from physlearn.causal.effect_estimates.spill_over import (
    scaled_spill_over,
    spill_over_slopes,
    with_neighbours,
)
from physlearn.causal.spatial_layout import SpatialLayout
from physlearn.records import PatchTable


def table_of(grid, edge, noise=None, **columns):
    frame = pd.DataFrame(columns)
    covariance = None if noise is None else np.diag([noise.get(name, 0.0) for name in frame])[None]
    return PatchTable.from_frame(frame, grid(edge), 1.0, measurement_covariance=covariance)


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
    assert math.isnan(member.dowhy_estimate)  # nobody asked for it


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
    assert curve.linear_p_value == 1 / 4001  # none of 4000 curves drawn bends as much
    assert (curve.mean[np.argmin(np.abs(curve.values - 3.2))]) == pytest.approx(0, abs=0.1)
    plain_reference = dose_response(table, nx.DiGraph([("a", "b")]), "a", "b", rng=0)
    assert plain_reference.reference == pytest.approx(np.median(a + 3.0))


def test_intervals_of_effects_are_those_of_the_t_law():
    for sd in (0.0, 1.0, 2.0):
        member = EffectMember((), 3.0, sd, 7.0, 9.0)
        half = sd * stats.t(7.0).ppf(0.9)
        assert member.interval(0.8) == pytest.approx((3.0 - half, 3.0 + half))


def test_instruments_that_agree_are_not_told_and_neither_is_a_third_of_an_error(grid):
    rng = np.random.default_rng(14)
    z, w, h, e = rng.normal(size=(4, 400))
    x = z + 0.8 * w + h
    table = table_of(grid, 20, x=x, y=x - h + 0.3 * e, z=z, w=w)
    columns, notes = prepare_columns(table), []
    one, _ = member_of(
        table, score_of(columns), columns, "x", "y", (0.0, 1.0),
        Estimand("instrument", (), ("z", "w")), EffectOptions(), notes,
    )  # fmt: skip
    assert notes == []
    assert abs(one.mean - 1.0) < 4 * one.sd
    alone = [
        member_of(
            table, score_of(columns), columns, "x", "y", (0.0, 1.0),
            Estimand("instrument", (), (name,)), EffectOptions(), notes,
        )[0]
        for name in ("z", "w")
    ]  # fmt: skip
    assert one.sd == min(member.sd for member in alone)
