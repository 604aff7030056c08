"""Scores, splines, projections, residuals and p values of columns of any kind, by hand."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from physlearn.causal.independence.basis_projection import orthonormal, project
from physlearn.causal.independence.mixed_columns import (
    column_kind,
    column_kinds,
    mixed_column,
    natural_splines,
)
from physlearn.causal.independence.mixed_residuals import residuals_of
from physlearn.checks import InputError

NONE = np.zeros((0, 0))


def bare(n):
    return np.zeros((n, 0))


# ------------------------------------------------------------------------------ columns as scores


def test_kinds_at_their_edges():
    assert column_kind(np.repeat(np.arange(12.0), 3)) == "ordinal"
    assert column_kind(np.repeat(np.arange(13.0), 3)) == "count"
    assert column_kind(np.repeat(np.arange(13.0) - 1, 3)) == "continuous"
    assert column_kind(np.repeat(np.arange(13.0), 3) + 0.5) == "continuous"
    assert column_kind(np.repeat(np.arange(12.0), 2)) == "continuous"  # too few of each
    assert column_kind(np.repeat(np.arange(13.0), 2)) == "continuous"
    assert column_kind(np.repeat([0.0, 0.1, 0.3], 9)) == "ordinal"
    assert column_kind(np.repeat([0.0, 0.1, 0.25], 9)) == "continuous"
    assert column_kind(np.repeat([0.0, 1.0, 30.0], 9)) == "ordinal"
    assert column_kind(np.repeat([0.0, 1.0, 31.0], 9)) == "count"
    values = np.stack([np.repeat(np.arange(14.0), 20), np.tile([0.0, 1.0], 140)], axis=1)
    assert column_kinds(values, ["a", "b"], {"a": "ordinal"}) == {"a": "ordinal", "b": "binary"}
    with pytest.raises(InputError, match="says ordinal"):
        column_kinds(np.repeat(np.arange(14.0), 18)[:, None], ["a"], {"a": "ordinal"})
    with pytest.raises(InputError, match="says binary"):
        column_kinds(values, ["a", "b"], {"a": "binary"})
    for wrong in (-values, values + 0.5):
        with pytest.raises(InputError, match="whole numbers from 0"):
            column_kinds(wrong, ["a", "b"], {"a": "count"})
    assert column_kinds(values, ["a", "b"], {"b": "categorical"})["b"] == "binary"


@pytest.mark.parametrize("kind", ["ordinal", "categorical"])
@pytest.mark.parametrize("n_levels", [2, 3, 5, 7])
def test_scores_of_levels_are_orthonormal_over_the_rows(kind, n_levels):
    rng = np.random.default_rng(n_levels)
    codes = np.concatenate([np.repeat(np.arange(n_levels), 12), rng.integers(0, n_levels, 150)])
    column = mixed_column(3.0 + 0.5 * codes, kind)
    n_scores = n_levels - 1 if kind == "categorical" or n_levels <= 5 else 3
    assert column.scores.shape == (len(codes), n_scores)
    np.testing.assert_allclose(column.scores.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(
        column.scores.T @ column.scores / len(codes), np.eye(n_scores), atol=1e-9
    )
    np.testing.assert_array_equal(column.codes, codes)
    np.testing.assert_allclose(column.scores, column.contrasts[codes])
    assert column.rarest == pytest.approx(np.bincount(codes).min() / len(codes))
    assert column.ordered == (kind == "ordinal" or n_levels == 2)
    if n_levels == 2:
        share = codes.mean()
        assert column.step == pytest.approx(1 / np.sqrt(share * (1 - share)))
        assert column.kind == "binary"
    else:
        assert column.step == 0.0
    if kind == "ordinal":  # the first is the value itself, the second its bend
        assert np.corrcoef(column.scores[:, 0], codes)[0, 1] == pytest.approx(1.0)
        for k in range(n_scores):
            fit = np.polynomial.polynomial.polyfit(codes, column.scores[:, k], k + 1)
            left = column.scores[:, k] - np.polynomial.polynomial.polyval(codes, fit)
            assert np.abs(left).max() < 1e-8
            assert fit[-1] > 0


def test_rare_levels_go_to_the_rarer_neighbour_in_order_and_to_the_rarest_without():
    values = np.repeat([0.0, 1.0, 2.0, 3.0], [50, 9, 30, 40])
    ordered = mixed_column(values, "ordinal")
    assert np.bincount(ordered.codes).tolist() == [50, 39, 40]
    # the joint level lies where its rows lie on average: 1 and 2 at 69 / 39
    places = np.array([0.0, 69 / 39, 3.0])
    first = ordered.contrasts[:, 0]
    assert np.ptp(np.diff(first) / np.diff(places)) < 1e-9
    free = mixed_column(np.repeat([0.0, 1.0, 2.0, 3.0], [50, 9, 60, 40]), "categorical")
    assert np.bincount(free.codes).tolist() == [50, 60, 49]
    kept = mixed_column(np.repeat([0.0, 1.0, 2.0], [50, 10, 60]), "ordinal")
    assert kept.n_levels == 3
    assert mixed_column(np.repeat([0.0, 1.0], [50, 3]), "ordinal").n_levels == 2


def test_heavy_tails_are_ranked_and_light_ones_standardised():
    rng = np.random.default_rng(0)
    light = rng.normal(3.0, 2.0, 500)
    np.testing.assert_allclose(
        mixed_column(light, "continuous").scores[:, 0], (light - light.mean()) / light.std()
    )
    heavy = np.exp(2 * light)
    ranked = mixed_column(heavy, "continuous").scores[:, 0]
    normal = stats.norm.ppf(stats.rankdata(heavy) / 501)
    assert np.corrcoef(ranked, normal)[0, 1] == pytest.approx(1.0)
    assert (ranked.mean(), ranked.std()) == pytest.approx((0.0, 1.0), abs=1e-9)
    counts = rng.poisson(3.0, 500).astype(float)
    assert mixed_column(counts, "count").counts is counts
    assert mixed_column(counts, "continuous").counts is None
    column = mixed_column(light, "continuous")
    assert (column.n_levels, column.step, column.rarest) == (0, 0.0, 1.0)


def test_splines_are_natural_orthonormal_and_begin_with_the_line():
    values = np.sort(np.random.default_rng(1).normal(size=400))
    for n in (3, 5, 8):
        basis = natural_splines(values, n)
        assert basis.shape == (400, n)
        # the last is nearly a sum of the others, so that the ridge of 1e-9 shows
        apart = {3: 1e-6, 5: 1e-4, 8: 2e-3}[n]
        np.testing.assert_allclose(basis.T @ basis / 400, np.eye(n), atol=apart)
        np.testing.assert_allclose(basis.mean(axis=0), 0, atol=1e-9)
        assert np.corrcoef(basis[:, 0], values)[0, 1] == pytest.approx(1.0)
        low, high = np.quantile(values, [0.03, 0.97])
        for outside in (values < low, values > high):  # straight beyond the outer knots
            line = np.polynomial.polynomial.polyfit(values[outside], basis[outside], 1)
            fitted = np.polynomial.polynomial.polyval(values[outside], line).T
            np.testing.assert_allclose(basis[outside], fitted, atol=1e-6)
        second = np.diff(basis[:, 1:], axis=0) / np.diff(values)[:, None]
        assert (np.ptp(second, axis=0) > 0.1).all()  # and bent between
    assert natural_splines(np.repeat([0.0, 1.0], 20), 1).shape[1] == 1


# ---------------------------------------------------------------------- what a regression takes out


def columns(seed=2, n=600):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    return (
        mixed_column(a, "continuous"), mixed_column(b, "continuous"),
        mixed_column(rng.integers(0, 3, n).astype(float), "ordinal"),
        mixed_column(rng.integers(0, 2, n).astype(float), "binary"),
    )  # fmt: skip


def test_a_projection_is_the_least_squares_fit_on_its_functions():
    a, b, three, two = columns()
    y = np.random.default_rng(3).normal(size=(600, 2))
    for given in ([], [a], [a, b], [three], [three, two], [a, three]):
        found, needed = project(given, bare(600), 600.0)
        cells = np.eye(len(found.size))[found.cells]
        design = np.column_stack([cells, found.functions])
        fit = design @ np.linalg.lstsq(design, y, rcond=None)[0]
        np.testing.assert_allclose(found.fitted(y), fit, atol=1e-8)
        np.testing.assert_allclose(found.residuals(y), y - fit, atol=1e-8)
        np.testing.assert_allclose(
            found.functions.T @ found.functions, np.eye(found.functions.shape[1]), atol=1e-8
        )
        np.testing.assert_allclose(cells.T @ found.functions, 0, atol=1e-8)
        hat = np.einsum("ij,ji->i", design, np.linalg.pinv(design))
        np.testing.assert_allclose(found.leverage, hat, atol=1e-8)
        assert found.leverage.sum() == pytest.approx(found.n_functions)
        assert found.n_functions <= needed
        assert found.bends.shape == (600, len(given))
    assert project([three, two], bare(600), 600.0)[0].saturated
    assert not project([a, three], bare(600), 600.0)[0].saturated
    cells = project([three, two], bare(600), 600.0)[0]
    assert len(cells.size) == 6 and cells.functions.shape[1] == 0
    means = [y[cells.cells == k].mean(axis=0) for k in range(6)]
    np.testing.assert_allclose(cells.fitted(y), np.array(means)[cells.cells])


def test_products_of_two_columns_held_fixed_are_taken_out():
    a, b, three, _ = columns()
    joint = project([a, b], bare(600), 600.0)[0]
    both = a.scores[:, 0] * b.scores[:, 0]
    assert joint.residuals(both[:, None]).std() < 0.05
    assert project([a], bare(600), 600.0)[0].residuals(both[:, None]).std() > 0.8
    mixed = project([a, three], bare(600), 600.0)[0]
    both = a.scores[:, 0] * three.scores[:, 0]
    assert mixed.residuals(both[:, None]).std() < 1e-8


def test_levels_of_too_many_cells_are_held_one_by_one():
    rng = np.random.default_rng(4)
    many = [mixed_column(rng.integers(0, 8, 600).astype(float), "categorical") for _ in range(2)]
    joint = project(many, bare(600), 640.0)[0]
    assert len(joint.size) == 64 and joint.saturated
    apart, needed = project(many, bare(600), 400.0)
    assert len(apart.size) == 8 and not apart.saturated
    # 8 cells, 7 contrasts, the product of both orders; further products as the rows allow
    assert apart.n_functions >= 16
    codes = many[1].codes
    left = apart.residuals(np.eye(8)[codes])
    assert np.abs(left).max() < 1e-8
    none, needed = project(many, bare(600), 150.0)
    assert none is None and needed == 16
    smooth = [mixed_column(rng.normal(size=600), "continuous") for _ in range(2)]
    # three splines of each, their three low products, and the mean
    assert project(smooth, bare(600), 99.0) == (None, 10)
    assert project(smooth, bare(600), 100.0)[0] is not None


def test_location_terms_are_always_taken_out():
    rng = np.random.default_rng(5)
    trend = rng.normal(size=(300, 2))
    found, needed = project([], trend, 300.0)
    assert needed == 3 and found.n_functions == 3
    assert np.abs(found.residuals(trend)).max() < 1e-9


def test_an_orthonormal_basis_leaves_out_what_is_double_or_nil():
    rng = np.random.default_rng(6)
    block = rng.normal(size=(50, 3))
    double = np.column_stack([block, block[:, 0] * 1e-6, np.zeros(50), block[:, 1] + block[:, 2]])
    basis = orthonormal(double)
    assert basis.shape == (50, 3)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-8)
    np.testing.assert_allclose(basis @ (basis.T @ block), block, atol=1e-6)


# ----------------------------------------------------------------- residuals and their own moments


def ridge(design, target, link_loss, penalty):
    """The penalised fit by a general minimiser."""
    share = target.mean()
    constant = np.log(share / (1 - share)) if link_loss == "logistic" else np.log(share)

    def loss(w):
        eta = constant + design @ w
        fit = np.logaddexp(0, eta) if link_loss == "logistic" else np.exp(eta)
        return float(np.sum(fit - target * eta) + 0.5 * penalty @ w**2)

    w = minimize(loss, np.zeros(design.shape[1]), method="BFGS", options={"gtol": 1e-7}).x
    eta = constant + design @ w
    return 1 / (1 + np.exp(-eta)) if link_loss == "logistic" else np.exp(eta)


def test_two_values_have_the_moments_of_their_fitted_chance():
    rng = np.random.default_rng(7)
    z = rng.normal(size=500)
    y = (rng.random(500) < 1 / (1 + np.exp(-2 * z))).astype(float)
    column = mixed_column(y, "binary")
    projection = project([mixed_column(z, "continuous")], bare(500), 500.0)[0]
    found = residuals_of(column, projection)
    design = np.column_stack([np.ones(500), projection.functions * np.sqrt(500)])
    penalty = np.append(0.1, np.ones(design.shape[1] - 1))
    chance = ridge(design, y, "logistic", penalty)
    whole = np.column_stack([np.ones(500), projection.functions, chance])
    fit = whole @ np.linalg.lstsq(whole, y, rcond=None)[0]
    np.testing.assert_allclose(found.values[:, 0], (y - fit) * column.step, atol=2e-4)
    p = np.clip(fit, 1e-4, 1.0)
    q = np.clip(1 - fit, 1e-4, 1.0)
    p, q = p / (p + q), q / (p + q)
    np.testing.assert_allclose(found.covariance[:, 0, 0], p * q * column.step**2, atol=2e-3)
    np.testing.assert_allclose(found.third, p * q * (q - p) * column.step**3, atol=5e-3)
    np.testing.assert_allclose(found.cubes[:, 0], p * q * (p**2 + q**2) * column.step**3, atol=5e-3)
    assert found.n_functions == projection.n_functions + 1


def test_levels_in_cells_have_the_moments_of_their_shares():
    _, _, three, two = columns()
    projection = project([two], bare(600), 600.0)[0]
    found = residuals_of(three, projection)
    for cell in (0, 1):
        here = two.codes == cell
        share = np.bincount(three.codes[here], minlength=3) / here.sum()
        mean = share @ three.contrasts
        np.testing.assert_allclose(found.values[here], three.scores[here] - mean, atol=1e-9)
        away = three.contrasts - mean
        covariance = np.einsum("l,lj,lk->jk", share, away, away)
        np.testing.assert_allclose(
            found.covariance[here], np.broadcast_to(covariance, (here.sum(), 2, 2)), atol=1e-9
        )
        np.testing.assert_allclose(found.third[here], share @ away[:, 0] ** 3, atol=1e-9)
        np.testing.assert_allclose(
            found.cubes[here],
            np.broadcast_to(share @ np.abs(away) ** 3, (here.sum(), 2)),
            atol=1e-9,
        )


def test_counts_are_fitted_by_poisson_and_squares_of_residuals_follow():
    rng = np.random.default_rng(8)
    z = rng.normal(size=500)
    y = rng.poisson(np.exp(0.3 * z + 1.0)).astype(float)
    column = mixed_column(y, "count")
    assert column.counts is not None
    projection = project([mixed_column(z, "continuous")], bare(500), 500.0)[0]
    found = residuals_of(column, projection)
    design = np.column_stack([np.ones(500), projection.functions * np.sqrt(500)])
    penalty = np.append(0.1, np.ones(design.shape[1] - 1))
    mean = ridge(design, y, "poisson", penalty)
    whole = np.column_stack([np.ones(500), projection.functions, mean])
    hat = whole @ np.linalg.pinv(whole)
    left = column.scores[:, 0] - hat @ column.scores[:, 0]
    np.testing.assert_allclose(found.values[:, 0], left, atol=2e-3)
    square = np.clip(left / left.std(), -4, 4) ** 2
    np.testing.assert_allclose(found.values[:, 1], (square - hat @ square) / np.sqrt(2), atol=2e-2)
    np.testing.assert_allclose(found.covariance, found.values[:, :, None] * found.values[:, None])
    np.testing.assert_allclose(found.third, projection.fitted(found.values[:, :1] ** 3)[:, 0])
    assert found.n_functions == projection.n_functions + 1


def test_of_three_levels_a_rare_one_is_joined_and_of_two_none():
    for counts, left in (((50, 9, 60), 2), ((50, 10, 60), 3), ((50, 9), 2)):
        values = np.repeat(np.arange(float(len(counts))), counts)
        for kind in ("ordinal", "categorical"):
            assert mixed_column(values, kind).n_levels == left
