"""Sums of products, p values, errors of what is held fixed, scans and gaps, by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.causal.columns import prepare_columns
from physlearn.causal.independence import mixed_cache
from physlearn.causal.independence.basis_projection import project
from physlearn.causal.independence.missing_values import _pooled
from physlearn.causal.independence.mixed_columns import (
    mixed_column,
)
from physlearn.causal.independence.mixed_errors import feigned_products, outlasting_p
from physlearn.causal.independence.mixed_residuals import residuals_of
from physlearn.causal.independence.mixed_score import (
    MixedScore,
    direction_p,
    mixed_score,
    shape_p,
)
from physlearn.causal.independence.mixed_test import MixedIndependenceTest
from physlearn.causal.independence.repeat_scans import _correlations, _pattern
from physlearn.causal.spatial_test import IndependenceResult
from physlearn.records import PatchTable

NONE = np.zeros((0, 0))


def bare(n):
    return np.zeros((n, 0))


# -------------------------------------------------------------------------------- sums and p values


def score_of_two(seed=9, inflation=1.0, jump=0.0):
    """Two columns given a third, and everything that goes into their score."""
    rng = np.random.default_rng(seed)
    x, y, z = rng.normal(size=(3, 400))
    projection = project([mixed_column(z, "continuous")], bare(400), 400.0)[0]
    first, second = (residuals_of(mixed_column(v, "continuous"), projection) for v in (x, y))
    blocks = np.arange(400) // 50
    found = mixed_score(first, second, projection, np.full((2, 2), inflation), blocks, jump)
    return first, second, projection, found


@pytest.mark.parametrize("inflation", [1.0, 2.5])
def test_sums_of_products_with_their_covariance_row_by_row(inflation):
    first, second, projection, found = score_of_two(inflation=inflation)
    products = np.einsum("ni,nj->nij", first.values, second.values).reshape(400, 4)
    weighted = projection.bends * products[:, :1]
    sums = np.column_stack([products, weighted])
    np.testing.assert_allclose(found.parts, sums.reshape(8, 50, 5).sum(axis=1), rtol=1e-9)
    gain = 1 / (1 - projection.leverage)
    covariance = np.zeros((5, 5))
    for n in range(400):
        own = np.kron(first.covariance[n], second.covariance[n])
        turn = np.vstack([np.eye(4), projection.bends[n, 0] * np.eye(4)[:1]])
        covariance += gain[n] * turn @ own @ turn.T
    np.testing.assert_allclose(found.covariance, inflation * covariance, rtol=1e-8)
    third = (first.third * second.third * gain).sum() * inflation**2
    assert found.skew == pytest.approx(third / found.covariance[0, 0] ** 1.5)
    cubes = [
        (first.cubes[:, i] * second.cubes[:, j] * gain).sum() for i in range(2) for j in range(2)
    ]
    cubes.append(
        (first.cubes[:, 0] * second.cubes[:, 0] * gain * np.abs(projection.bends[:, 0]) ** 3).sum()
    )
    heavy = np.array(cubes) * inflation**2 / np.diag(found.covariance) ** 1.5
    np.testing.assert_allclose(found.heavy, heavy, rtol=1e-8)
    assert found.n_effective == pytest.approx(400 / inflation)
    used = max(first.n_functions, second.n_functions)
    assert found.freedom == pytest.approx(400 / inflation - used - 1)
    spread = np.sqrt((first.values[:, 0] ** 2).sum() * (second.values[:, 0] ** 2).sum())
    assert found.scale == pytest.approx(spread)


def plain(covariance=4.0, skew=0.0, jump=0.0, freedom=20.0, d=1, heavy=0.01):
    return MixedScore(
        np.zeros((2, d)), np.eye(d) * covariance, skew, jump, 10.0, freedom, 50.0, np.full(d, heavy)
    )


def test_the_direction_follows_a_t_law_or_pearsons_third():
    t = stats.t(20.0)
    assert direction_p(plain(), np.array([5.0])) == pytest.approx(2 * t.sf(2.5))
    assert direction_p(plain(), np.array([-5.0])) == pytest.approx(2 * t.sf(2.5))
    assert direction_p(plain(), np.array([5.0]), slack=1.0) == pytest.approx(2 * t.sf(2.0))
    assert direction_p(plain(jump=1.0), np.array([5.0])) == pytest.approx(2 * t.sf(2.25))
    assert direction_p(plain(), np.array([0.5]), slack=1.0) == pytest.approx(1.0)
    assert direction_p(plain(), np.array([2.5]), 0.25) == pytest.approx(2 * stats.t(5.0).sf(2.5))
    assert direction_p(plain(freedom=4.0), np.array([2.5]), 0.25) == pytest.approx(
        2 * stats.t(3.0).sf(2.5)
    )
    assert direction_p(plain(0.0), np.array([2.5])) == 1.0
    long = direction_p(plain(skew=1.0), np.array([8.0]))
    assert long == pytest.approx(2 * stats.pearson3(1.0).sf(4.0))
    assert long > 2 * t.sf(4.0)
    assert direction_p(plain(skew=1.0), np.array([-8.0])) == pytest.approx(2 * t.sf(4.0))
    assert direction_p(plain(skew=-1.0), np.array([-8.0])) == pytest.approx(long)
    part = direction_p(plain(skew=1.0, freedom=1e6), np.array([4.0]), 0.25)
    assert part == pytest.approx(2 * stats.pearson3(2.0).sf(4.0))
    assert direction_p(plain(skew=50.0), np.array([8.0])) == pytest.approx(
        2 * stats.pearson3(8.0).sf(4.0)
    )


def test_the_shape_follows_hotellings_law():
    rng = np.random.default_rng(10)
    root = rng.normal(size=(3, 3)) + 2 * np.eye(3)
    covariance, sums = root @ root.T, np.array([2.0, -3.0, 1.0])
    score = MixedScore(np.zeros((2, 3)), covariance, 0.0, 0.0, 1.0, 60.0, 99.0, np.zeros(3))
    squares = sums @ np.linalg.solve(covariance, sums)
    expected = stats.f.sf(squares * (60 - 3 + 1) / (3 * 60), 3, 58)
    assert shape_p(score, sums) == pytest.approx(expected)
    half = stats.f.sf(2 * squares * (30 - 3 + 1) / (3 * 30), 3, 28)
    assert shape_p(score, sums, 0.5) == pytest.approx(half)
    # of 17 degrees of freedom two products have room; heavy ones and those of no size stay out
    few = MixedScore(np.zeros((2, 3)), covariance, 0.0, 0.0, 1.0, 17.0, 99.0, np.zeros(3))
    squares = sums[:2] @ np.linalg.solve(covariance[:2, :2], sums[:2])
    assert shape_p(few, sums) == pytest.approx(stats.f.sf(squares * 16 / 34, 2, 16))
    heavy = MixedScore(
        np.zeros((2, 3)), covariance, 0.0, 0.0, 1.0, 60.0, 99.0, np.array([0.0, 0.6, 0.49])
    )
    kept = [0, 2]
    squares = sums[kept] @ np.linalg.solve(covariance[np.ix_(kept, kept)], sums[kept])
    assert shape_p(heavy, sums) == pytest.approx(stats.f.sf(squares * 59 / 120, 2, 59))
    assert np.isnan(shape_p(plain(heavy=0.6), np.array([1.0])))


# --------------------------------------------------------------------- errors of what is held fixed


def test_errors_leave_the_covariance_of_the_error_model():
    """w = z + e: given w two linear columns keep b_x b_y (1 - s) s with s the share of z."""
    rng = np.random.default_rng(11)
    n, noise = 200_000, 0.3
    z, ex, ey = rng.normal(size=(3, n))
    w = z + np.sqrt(noise) * rng.normal(size=n)
    x, y = z + ex, -z + 0.5 * ey
    made = [mixed_column(v, "continuous") for v in (x, y)]
    scaled = (w - w.mean()) / w.std()
    projection = project([mixed_column(w, "continuous")], bare(n), float(n))[0]
    left = [residuals_of(column, projection) for column in made]
    errors = np.array([[noise / w.var()]])
    found = feigned_products(made, left, projection, scaled[:, None], errors, float(n))
    share = 1 / (1 + noise)
    exact = -share * noise / np.sqrt(2.0 * 1.25)  # of z given w: variance noise / (1 + noise)
    assert found.products[0] == pytest.approx(exact, rel=0.03)
    seen = (left[0].values[:, 0] * left[1].values[:, 0]).mean()
    assert found.products[0] == pytest.approx(seen, rel=0.05)
    spread = (left[0].values[:, 0] ** 2).mean() * (left[1].values[:, 0] ** 2).mean()
    assert found.products[3] == pytest.approx(exact**2 / spread, rel=0.06)
    assert len(found.products) == 5 and found.products[4] == 0.0
    assert found.curved == 0.0
    # a curved part of both: of degree two the share 1 - s^2 of it is lost
    bent = [mixed_column(0.5 * z**2 + e, "continuous") for e in (ex, ey)]
    left = [residuals_of(column, projection) for column in bent]
    found = feigned_products(bent, left, projection, scaled[:, None], errors, float(n))
    explained = 0.25 * 2 * share**2 / 1.5
    assert found.curved == pytest.approx(explained * (1 - share**2) / share**2, rel=0.05)


def test_a_dependence_must_outlast_every_size_of_errors():
    score = MixedScore(
        np.array([[10.0], [10.0]]), np.eye(1) * 16.0, 0.0, 0.0, 1.0, 1e6, 99.0, np.zeros(1)
    )

    def with_errors(*products, curved=0.0):
        return [SimpleNamespace(products=np.array([p]), curved=curved) for p in products]

    at = stats.norm.sf
    # 20 less 100 times .08 is 12, three of its errors: twice the smaller of two p values
    assert outlasting_p(score, with_errors(0.08), 100, 1.0) == pytest.approx(4 * at(3.0), rel=1e-3)
    assert outlasting_p(score, with_errors(0.0, 0.08), 100, 1.0) == pytest.approx(
        4 * at(3), rel=1e-3
    )
    assert outlasting_p(score, with_errors(0.25), 100, 1.0) == pytest.approx(
        2 * stats.chi2(1).sf(25 / 16), rel=1e-3
    )
    slack = outlasting_p(score, with_errors(0.08, curved=0.04), 100, 1.0)
    assert slack == pytest.approx(4 * at(2.0), rel=1e-3)


# -------------------------------------------------------------------------- scans, gaps, and caches


def test_errors_that_agree_between_neighbours_are_counted_pair_by_pair():
    rng = np.random.default_rng(12)
    rows, across = np.mgrid[:24, :20].reshape(2, -1)
    kept = rng.random(480) < 0.9
    cells = np.stack([rows, across], axis=1)[kept]
    white = rng.normal(size=(2, 25, 21, 2))
    mixed = white[:, 1:, 1:] + 0.7 * white[:, :-1, :-1]  # agree along one diagonal
    mixed[..., 1] = white[:, 1:, 1:, 1]
    residuals = mixed[:, cells[:, 0], cells[:, 1]]
    lags, correlation = _correlations(residuals, cells)
    told = {tuple(lag): c for lag, c in zip(lags.tolist(), correlation, strict=True)}
    np.testing.assert_allclose(told[0, 0], [1.0, 1.0])
    for lag in ((1, 1), (-1, -1)):
        value, pairs = np.zeros(2), 0
        number = {tuple(cell): k for k, cell in enumerate(cells.tolist())}
        for (a, b), k in number.items():
            other = number.get((a + lag[0], b + lag[1]))
            if other is not None:
                value += (residuals[:, k] * residuals[:, other]).sum(axis=0)
                pairs += 1
        value = value / pairs / (residuals**2).sum(axis=(0, 1)) * len(cells)
        assert told[lag][0] == pytest.approx(value[0])
        assert told[lag][0] == pytest.approx(0.7 / 1.49, abs=0.15)
        assert told[lag][1] == 0.0
    assert np.abs(lags).max(axis=0)[0] <= 6


def test_error_bars_of_scans_keep_their_pattern_of_mean_one():
    one = np.stack([np.diag([1.0, 4.0]), np.diag([3.0, 4.0])])
    two = np.stack([np.diag([1.0, 4.0]), np.diag([3.0, 12.0])])
    tables = [SimpleNamespace(measurement_covariance=c) for c in (one, two)]
    found = _pattern(tables, 2)
    np.testing.assert_allclose(np.diagonal(found, axis1=1, axis2=2), [[0.5, 4 / 6], [1.5, 8 / 6]])
    np.testing.assert_allclose(found[:, 0, 1], np.sqrt([0.5 * 4 / 6, 1.5 * 8 / 6]))
    for none in (None, one[:1]):
        tables[1] = SimpleNamespace(measurement_covariance=none)
        np.testing.assert_allclose(_pattern(tables, 2), np.ones((1, 2, 2)))


def test_results_of_drawn_tables_are_joined_by_rubins_rules():
    told = [IndependenceResult("dependent", p, p, r, 103.0, 0.2) for p, r in
            ((1e-6, 0.5), (1e-4, 0.4), (1e-5, 0.3))]  # fmt: skip
    found = _pooled(told, 0.05)
    z = np.arctanh([0.5, 0.4, 0.3])
    within, between = 0.01, 4 / 3 * z.var(ddof=1)
    score = stats.norm.isf(1e-5 / 2) * np.sqrt(within / (within + between))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(score))
    assert found.partial_correlation == pytest.approx(np.tanh(z.mean()))
    assert found.n_effective == pytest.approx(1 / (within + between) + 3)
    assert found.detectable == pytest.approx(0.2 * np.sqrt((within + between) / within))
    assert found.verdict == "dependent"
    apart = [IndependenceResult("dependent", p, p, r, 103.0, 0.2) for p, r in
             ((1e-3, 0.5), (0.02, -0.4), (0.01, 0.3))]  # fmt: skip
    assert _pooled(apart, 0.05).verdict == "undecided"


def test_a_full_cache_forgets_the_oldest(monkeypatch):
    monkeypatch.setattr(mixed_cache, "CACHE_BYTES", 100.0)
    cache = mixed_cache.ByteCache()
    for k in range(3):
        cache.put(k, k * 10, 50.0)
    assert [cache.get(k) for k in range(3)] == [None, 10, 20]
    cache.put(3, 30, 500.0)  # larger than all: kept alone
    assert [cache.get(k) for k in range(4)] == [None, None, None, 30]
    cache.put(4, 40, 10.0)
    assert [cache.get(3), cache.get(4)] == [None, 40]


def test_known_errors_that_matter_leave_the_direction_alone_to_decide():
    """Half of a standard error is where they begin to; beyond, half of the correction is slack."""
    frame = pd.DataFrame(np.random.default_rng(13).normal(size=(400, 3)), columns=list("xyz"))
    table = PatchTable.from_rows(frame, measurement_covariance=np.zeros((1, 3, 3)))
    test = MixedIndependenceTest(table, prepare_columns(table))
    key, t = (0, 1, (2,)), stats.t(20.0)
    for bias, noisy in ((0.9, False), (1.1, True)):
        test._feigned[key] = SimpleNamespace(products=np.array([bias / 400]), curved=0.0)
        found = test.verdict(key, plain(), np.array([7.0]), 1.0)
        left = (7.0 - bias) / 2.0
        straight = 2 * t.sf(left)
        if noisy:
            assert found.p_value == pytest.approx(straight)
            assert found.p_value_envelope == pytest.approx(2 * t.sf(left - 0.5 * bias / 2.0))
            assert found.detectable == pytest.approx((2.8 * 2.0 + 0.5 * bias) / 10.0)
        else:
            shape = stats.f.sf(left**2, 1, 20.0)
            assert found.p_value == pytest.approx(min(1.0, 2 * min(straight, shape)))
            assert found.p_value_envelope == found.p_value
            assert found.detectable == pytest.approx(0.56)
        assert found.partial_correlation == pytest.approx(left * 2.0 / 10.0)
