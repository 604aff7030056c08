from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from physlearn.causal import spatial_independence
from physlearn.causal.columns import prepare_columns
from physlearn.causal.spatial_test import SpatialIndependenceTest, SpatialScore
from physlearn.checks import InputError, NotIdentified
from physlearn.records import PatchTable


def null_table(fields, grid, edge, length, seed, *, snr=None, effect=0.0, keep=1.0):
    """x and y are driven by z; `effect` of x's own part on y; noise in all with known size."""
    rng = np.random.default_rng(seed)
    z, u, v = fields(edge, length, 3, rng)
    clean = np.stack([0.8 * z + 0.6 * u, 0.8 * z + 0.6 * v + effect * 0.6 * u, z], axis=1)
    covariance = None
    if snr is not None:
        clean = clean + rng.standard_normal(clean.shape) / np.sqrt(snr)
        covariance = np.eye(3)[None] / snr
    chosen = rng.random(edge**2) < keep
    return PatchTable.from_frame(
        pd.DataFrame(clean[chosen], columns=["x", "y", "z"]),
        grid(edge)[chosen],
        1.0,
        measurement_covariance=covariance,
    )


def rejections(fields, grid, edge, length, n, **options):
    tables = [null_table(fields, grid, edge, length, seed, **options) for seed in range(n)]
    return sum(
        spatial_independence(t, "x", "y", ["z"], test="linear").p_value < 0.05 for t in tables
    )


@pytest.mark.parametrize(
    ("edge", "length", "options"),
    [
        (24, 0, {}),
        (24, 1, {"snr": 4.0}),
        (24, 2, {"snr": 10.0}),
        (24, 3, {"keep": 0.8}),
        (16, 2, {}),
    ],
)
def test_true_independence_is_seldom_rejected(fields, grid, edge, length, options):
    found = rejections(fields, grid, edge, length, 300, **options)
    assert stats.binomtest(found, 300, 0.07, alternative="greater").pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("edge", [16, 24, 32])
@pytest.mark.parametrize("length", [0, 1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"snr": 4.0}, {"snr": 10.0, "keep": 0.8}])
def test_type_one_error_over_planted_nulls(fields, grid, edge, length, options):
    found = rejections(fields, grid, edge, length, 2000, **options)
    # for information with -s: the table of the design notes
    assert found / 2000 <= 0.07


def test_plain_correlation_lies_on_the_same_tables(fields, grid):
    """The planted nulls are hard: counting neighbours as independent rejects a third of them."""
    found = 0
    for seed in range(100):
        frame = null_table(fields, grid, 24, 2, seed).frame
        x, y, z = (frame[name] - frame[name].mean() for name in "xyz")
        rx, ry = x - (x @ z) / (z @ z) * z, y - (y @ z) / (z @ z) * z
        found += stats.pearsonr(rx, ry).pvalue < 0.05
    assert found > 33


def test_noise_in_the_conditioning_column_lies_unless_it_is_known(fields, grid):
    blind = known = open_ = 0
    for seed in range(60):
        table = null_table(fields, grid, 24, 1, seed, snr=4.0)
        sure = replace(table, measurement_covariance=np.zeros((1, 3, 3)))
        unaware = PatchTable.from_frame(table.frame, table.centers, 1.0)
        blind += spatial_independence(sure, "x", "y", ["z"], test="linear").verdict == "dependent"
        open_ += (
            spatial_independence(unaware, "x", "y", ["z"], test="linear").verdict != "dependent"
        )
        known += spatial_independence(table, "x", "y", ["z"], test="linear").verdict == "dependent"
    assert blind > 40
    assert known <= 4
    assert open_ >= 56


def test_errors_of_unknown_size_feign_no_dependence_of_another_sign(fields, grid):
    """Errors of z leave part of its influence, which is positive; this dependence is negative."""
    rng = np.random.default_rng(0)
    z, u, v = fields(20, 1, 3, rng)
    frame = pd.DataFrame({"x": z + u, "y": z + v - 0.9 * u, "z": z})
    found = spatial_independence(
        PatchTable.from_frame(frame, grid(20), 1.0), "x", "y", ["z"], test="linear"
    )
    assert found.verdict == "dependent"
    frame = frame.assign(y=u + v)
    unrelated = PatchTable.from_frame(frame.assign(z=rng.normal(size=400)), grid(20), 1.0)
    assert spatial_independence(unrelated, "x", "y", test="linear").verdict == "dependent"
    found = spatial_independence(unrelated, "x", "y", ["z"], test="linear")
    assert found.verdict == "dependent"


@pytest.mark.parametrize(("length", "least"), [(0, 57), (1, 57), (2, 42)])
def test_power(fields, grid, length, least):
    found = rejections(fields, grid, 24, length, 60, effect=0.5)
    assert found >= least


def test_the_effective_sample_size_of_white_fields_is_their_number(fields, grid):
    table = null_table(fields, grid, 24, 0, 3)
    result = spatial_independence(table, "x", "y", ["z"], test="linear")
    assert 0.8 * 576 < result.n_effective <= 577


def test_standard_error_matches_the_spread_over_fields(fields, grid):
    values, errors = [], []
    for seed in range(300):
        columns = prepare_columns(null_table(fields, grid, 24, 1.5, seed, snr=10.0))
        score = SpatialScore(columns.values, columns.layout, columns.noise).score(0, 1, (2,))
        values.append(score.value)
        errors.append(score.error)
    assert np.mean(values) == pytest.approx(0, abs=4 * np.std(values) / np.sqrt(300))
    assert np.std(values) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.17)


def test_the_corrected_score_is_the_partial_covariance_of_the_clean_columns(fields, grid):
    """With the noise covariance taken out of exact moments the Schur complement is left."""
    table = null_table(fields, grid, 24, 0, 5, snr=10.0)
    columns = prepare_columns(table)
    spatial = SpatialScore(columns.values, columns.layout, columns.noise)
    true = spatial.gram - columns.noise
    schur = true[0, 1] - true[0, 2] * true[2, 1] / true[2, 2]
    assert spatial.score(0, 1, (2,)).value == pytest.approx(schur)


def test_a_buried_conditioning_column_is_undecided(fields, grid):
    table = null_table(fields, grid, 24, 1, 0, snr=0.1)
    result = spatial_independence(table, "x", "y", ["z"], test="linear")
    assert result.verdict == "undecided"
    assert "repeat the scan" in result.reason


def test_p_values_of_white_fields_are_the_textbooks(fields, grid):
    """The two-sided t test of x in the regression of y on x, z and a plane, at both signs."""
    ratios = []
    for seed in range(24):
        table = null_table(fields, grid, 24, 0, seed)
        design = np.column_stack([table.frame[["x", "z"]], np.ones(576), table.centers])
        textbook = sm.OLS(table.frame["y"], design).fit().pvalues.iloc[0]
        ours = spatial_independence(table, "x", "y", ["z"], test="linear")
        turned = PatchTable.from_frame(table.frame * [-1.0, 1.0, 1.0], table.centers, 1.0)
        assert spatial_independence(
            turned, "x", "y", ["z"], test="linear"
        ).p_value == pytest.approx(ours.p_value)
        ratios.append(np.log(ours.p_value / textbook))
    # the error comes from the fields' own lags, which scatter by a few per cent; one-sided is -0.69
    assert abs(np.median(ratios)) < 0.15


def test_results_do_not_depend_on_order_or_units(fields, grid):
    table = null_table(fields, grid, 16, 1, 1)
    scaled = PatchTable.from_frame(1e-6 * table.frame + 3.0, 1e3 * table.centers, 1.0)
    first = spatial_independence(table, "x", "y", ["z"], test="linear")
    turned = spatial_independence(table, "y", "x", ["z"], test="linear")
    assert turned.p_value == pytest.approx(first.p_value)
    assert turned.verdict == first.verdict
    assert spatial_independence(scaled, "x", "y", ["z"], test="linear").p_value == pytest.approx(
        first.p_value
    )


def test_bad_questions(fields, grid):
    table = null_table(fields, grid, 16, 0, 1)
    with pytest.raises(InputError, match="'w' is no column"):
        spatial_independence(table, "x", "w")
    with pytest.raises(InputError, match="named twice"):
        spatial_independence(table, "x", "y", ["x"])
    with pytest.raises(InputError, match="given must be a list"):
        spatial_independence(table, "x", "y", "z")
    for alpha in (2, -1, 0, float("nan"), "a"):
        with pytest.raises(InputError, match="alpha must"):
            spatial_independence(table, "x", "y", alpha=alpha)
    with pytest.raises(InputError, match="noise_relative_error must"):
        spatial_independence(table, "x", "y", noise_relative_error=-0.1)
    few = PatchTable.from_frame(table.frame[:20], table.centers[:20], 1.0)
    with pytest.raises(NotIdentified, match="20 patches"):
        spatial_independence(few, "x", "y")
    columns = prepare_columns(table)
    assert SpatialIndependenceTest(columns)(0, 1).verdict == "dependent"


def test_few_effective_patches_are_no_evidence(fields, grid):
    """At 6 x 6 smooth patches and three columns held fixed a quarter was falsely dependent."""
    found = []
    for seed in range(60):
        made = fields(6, 3, 5, np.random.default_rng(seed))
        driven = made[:3].sum(axis=0)
        frame = pd.DataFrame(np.vstack([driven + made[3], driven + made[4], made[:3]]).T)
        frame.columns = pd.Index(["x", "y", "a", "b", "c"])
        table = PatchTable.from_frame(
            frame, grid(6), 1.0, measurement_covariance=np.zeros((1, 5, 5))
        )
        found.append(spatial_independence(table, "x", "y", list("abc"), test="linear"))
    false = sum(r.verdict == "dependent" for r in found)
    assert stats.binomtest(false, 60, 0.07, alternative="greater").pvalue > 1e-3
    assert any("effective patches" in r.reason for r in found)
