import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm, poisson

from physlearn.causal.columns import prepare_columns
from physlearn.causal.independence.mixed_columns import column_kind, column_kinds, mixed_column
from physlearn.causal.independence.mixed_test import MixedIndependenceTest, MixedOptions
from physlearn.checks import InputError
from physlearn.records import PatchTable


def fields(edge, length, rng, count):
    """Return Gaussian fields of unit variance, a fifth of it white, on edge x edge patches."""
    white = rng.normal(size=(count, 2 * edge, 2 * edge))
    wave = 2 * np.pi * np.fft.fftfreq(2 * edge)
    power = np.exp(-0.5 * length**2 * (wave[:, None] ** 2 + wave**2))
    smooth = np.fft.ifft2(np.sqrt(power / power.mean()) * np.fft.fft2(white)).real
    smooth = smooth[:, :edge, :edge].reshape(count, -1)
    return np.sqrt(0.8) * smooth + np.sqrt(0.2) * rng.normal(size=smooth.shape)


def binary_and_bent(t, ex, ey, z):
    return 1.0 * (0.8 * t + ex > 0.5), 0.7 * (t**2 - 1) + 0.5 * t + ey, z


def ordinal_given(t, ex, ey, z):
    levels = [np.digitize(k, [-1.0, 0.0, 1.0]) for k in z]
    t = sum(levels) / len(levels) - 1.5
    return np.digitize(t + ex, [-0.7, 0.3, 1.0]), t**2 + ey, levels


def two_counts(t, ex, ey, z):
    x, y = (poisson.ppf(norm.cdf(e), np.exp(0.5 * t + 0.3)) for e in (ex, ey))
    return x, y, z


def all_levels(t, ex, ey, z):
    levels = [np.digitize(k, [-0.5, 0.7]) for k in z]
    t = sum(levels) - len(levels)
    return np.digitize(0.6 * t + ex, [-0.5, 0.5]), 1.0 * (0.6 * t + ey > 0), levels


def bent_by_the_same(t, ex, ey, z):
    return t**2 + ex, t**2 + 0.5 * np.sin(2 * t) + ey, z


def world(make, n, n_given, effect, seed, length=0.0):
    rng = np.random.default_rng(seed)
    edge = round(np.sqrt(n))
    drawn = fields(edge, length, rng, 2 + n_given) if length else rng.normal(size=(2 + n_given, n))
    own, other, z = drawn[0], drawn[1], list(drawn[2:])
    other = effect * own + np.sqrt(1 - effect**2) * other
    x, y, z = make(sum(z) / np.sqrt(n_given), own, other, z)
    frame = pd.DataFrame({"x": x, "y": y, **{f"z{k}": v for k, v in enumerate(z)}}, dtype=float)
    clear = np.zeros((1, n_given + 2, n_given + 2))
    if not length:
        return PatchTable.from_rows(frame, measurement_covariance=clear)
    row, column = np.mgrid[:edge, :edge].reshape(2, -1)
    return PatchTable.from_frame(
        frame, np.stack([column, row], 1), 1.0, measurement_covariance=clear
    )


def answer(table, **options):
    test = MixedIndependenceTest(table, prepare_columns(table), **options)
    return test(0, 1, range(2, len(table.columns)))


CASES = [
    (binary_and_bent, 400, 1, 0.0), (ordinal_given, 900, 2, 0.0), (two_counts, 400, 1, 0.0),
    (all_levels, 900, 3, 0.0), (bent_by_the_same, 900, 2, 0.0), (binary_and_bent, 900, 1, 2.0),
    (two_counts, 900, 1, 2.0),
]  # fmt: skip


@pytest.mark.parametrize(("make", "n", "n_given", "length"), CASES)
def test_true_independence_is_rejected_no_more_often_than_the_level(make, n, n_given, length):
    verdicts = [answer(world(make, n, n_given, 0.0, s, length)).verdict for s in range(60)]
    # a level of .07, the goal, gives more than this in one of ten thousand runs
    assert binomtest(verdicts.count("dependent"), 60, 0.07, "greater").pvalue > 1e-4


@pytest.mark.parametrize(("make", "n", "n_given", "length"), CASES)
def test_a_partial_effect_is_found(make, n, n_given, length):
    effect = 0.3 if not length else 0.45
    results = [answer(world(make, n, n_given, effect, s, length)) for s in range(12)]
    found = [r.verdict for r in results].count("dependent")
    assert binomtest(found, 12, 0.8, "less").pvalue > 1e-3
    assert {r.test for r in results} == {"mixed"}


def test_dependence_without_correlation_is_found():
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, 900))
    frame = pd.DataFrame({"x": x, "y": x**2 + z + rng.normal(size=900), "z": z})
    result = answer(PatchTable.from_rows(frame))
    assert result.verdict == "dependent"
    assert abs(result.partial_correlation) < 0.2


def test_dependence_that_changes_sign_with_the_given_column_is_found():
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=(2, 900))
    frame = pd.DataFrame({"x": x, "y": 0.5 * x * z + rng.normal(size=900), "z": z})
    assert answer(PatchTable.from_rows(frame)).verdict == "dependent"


@pytest.mark.parametrize("n_given", [0, 1])
def test_strong_dependence_on_rare_levels_is_found(n_given):
    """y tells the two rare outer levels of x from the middle one; the directions do not agree."""
    rng = np.random.default_rng(6)
    x = rng.choice([0.0, 1.0, 2.0], 1000, p=[0.05, 0.9, 0.05])
    y = 1.0 * ((x != 1) ^ (rng.random(1000) < 0.02))
    given = {"z": rng.integers(0, 2, 1000).astype(float)} if n_given else {}
    result = answer(PatchTable.from_rows(pd.DataFrame({"x": x, "y": y, **given})))
    assert result.verdict == "dependent"
    assert result.p_value < 1e-20


def two_rare(t, ex, ey, z):
    return 1.0 * (0.6 * t + ex > 1.8), np.digitize(0.6 * t + ey, [-2.0, 1.4, 2.2]), z


def rare_counts(t, ex, ey, z):
    x, y = (poisson.ppf(norm.cdf(e), 0.2 * np.exp(0.4 * t)) for e in (ex, ey))
    return x, y, z


@pytest.mark.parametrize("make", [two_rare, rare_counts])
def test_rare_levels_and_counts_are_called_dependent_no_more_often_than_the_level(make):
    verdicts = [answer(world(make, 400, 1, 0.0, seed)).verdict for seed in range(80)]
    assert binomtest(verdicts.count("dependent"), 80, 0.07, "greater").pvalue > 1e-4


def test_levels_alone_give_the_cochran_mantel_haenszel_statistic():
    from statsmodels.stats.contingency_tables import StratifiedTable

    frame = world(all_levels, 900, 1, 0.3, 5).frame
    frame["x"] = 1.0 * (frame.x > 0)
    table = PatchTable.from_rows(frame)
    test = MixedIndependenceTest(table, prepare_columns(table))
    test(0, 1, [2])
    score = test.score_of((0, 1, (2,)))
    statistic = score.parts.sum(axis=0)[0] ** 2 / score.covariance[0, 0]
    strata = [pd.crosstab(part.x, part.y).to_numpy() for _, part in frame.groupby("z0")]
    assert statistic == pytest.approx(StratifiedTable(strata).test_null_odds().statistic, rel=1e-6)


def test_rare_events_that_never_meet_are_undecided():
    x, y = np.zeros((2, 2000))
    x[:12], y[100:113] = 1.0, 1.0
    result = answer(PatchTable.from_rows(pd.DataFrame({"x": x, "y": y})))
    assert result.verdict == "undecided"
    assert "expected together in about 0.1 rows" in result.reason


def test_a_column_that_others_determine_and_too_few_rows_say_so():
    rng = np.random.default_rng(0)
    a, b = (rng.random((2, 400)) > 0.5).astype(float)
    frame = pd.DataFrame({"x": rng.normal(size=400), "either": np.maximum(a, b), "a": a, "b": b})
    assert "determine it" in answer(PatchTable.from_rows(frame)).reason
    few = pd.DataFrame(rng.normal(size=(60, 5)), columns=list("vwxyz"))
    assert "too many for 60 effective rows" in answer(PatchTable.from_rows(few)).reason


def test_blocks_of_rows_add_up_to_the_table():
    table = world(two_counts, 900, 1, 0.3, 7)
    test = MixedIndependenceTest(table, prepare_columns(table))
    whole = test(0, 1, [2])
    again = test.on_blocks(np.ones(test.n_blocks, bool))(0, 1, [2])
    assert again.p_value == pytest.approx(whole.p_value)
    chosen = np.arange(test.n_blocks) % 2 == 0
    half = test.on_blocks(chosen)(0, 1, [2])
    assert half.n_effective == pytest.approx(450, rel=0.2)
    assert half.partial_correlation == pytest.approx(whole.partial_correlation, abs=0.15)


def test_known_errors_of_the_column_held_fixed_are_taken_out():
    rng = np.random.default_rng(11)
    z = rng.normal(size=1600)
    frame = pd.DataFrame(
        {"x": z + rng.normal(size=1600), "y": 1.0 * (z + rng.normal(size=1600) > 0)}
    )
    frame["z"] = z + 0.5 * rng.normal(size=1600)
    plain = PatchTable.from_rows(frame)
    told = PatchTable.from_rows(frame, measurement_covariance=np.diag([0.0, 0.0, 0.25])[None])
    sure = PatchTable.from_rows(frame, measurement_covariance=np.zeros((1, 3, 3)))
    assert answer(sure).verdict == "dependent"  # what the errors leave of z
    assert answer(told).verdict != "dependent"
    assert answer(plain).verdict == "undecided"
    assert "scan the same patches again" in answer(plain).reason


@pytest.mark.parametrize("told", [True, False])
def test_errors_leave_no_dependence_of_curved_responses(told):
    verdicts = []
    for seed in range(40):
        z, u, v, error = np.random.default_rng(seed).normal(size=(4, 900))
        frame = pd.DataFrame({"x": z**2 + u, "y": 1.0 * (z**2 + v > 1), "z": z + error / 3})
        covariance = np.diag([0.0, 0.0, 1 / 9])[None] if told else None
        table = PatchTable.from_rows(frame, measurement_covariance=covariance)
        verdicts.append(answer(table).verdict)
    assert binomtest(verdicts.count("dependent"), 40, 0.07, "greater").pvalue > 1e-3


def test_errors_of_unknown_size_feign_no_dependence_of_another_sign():
    """Errors of z leave part of its influence, which is positive; this dependence is negative."""
    rng = np.random.default_rng(0)
    z, u, v = rng.normal(size=(3, 900))
    frame = pd.DataFrame({"x": 1.0 * (z + u > 0), "y": z - 0.8 * u + v, "z": z})
    assert answer(PatchTable.from_rows(frame)).verdict == "dependent"


def test_kinds_are_read_from_values_and_can_be_told():
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 2, 300), rng.integers(0, 4, 300), rng.poisson(20, 300),
               rng.normal(size=300)]  # fmt: skip
    assert [column_kind(c) for c in columns] == ["binary", "ordinal", "count", "continuous"]
    frame = pd.DataFrame(dict(zip("bonc", columns, strict=True)), dtype=float)
    table = PatchTable.from_rows(frame, metadata={"kinds": {"o": "categorical"}})
    options = MixedOptions(kinds={"n": "continuous"})
    test = MixedIndependenceTest(table, prepare_columns(table), options=options)
    assert list(test.kinds.values()) == ["binary", "categorical", "continuous", "continuous"]
    with pytest.raises(InputError, match="says binary, but the column holds 4"):
        column_kinds(frame.to_numpy(), list("bonc"), {"o": "binary"})
    with pytest.raises(InputError, match="not all are whole numbers"):
        column_kinds(frame.to_numpy(), list("bonc"), {"c": "count"})


@pytest.mark.parametrize("scale", [1.0, 0.5, -1.0, 1e-9, 0.1])
@pytest.mark.parametrize("origin", [0.0, 0.3])
def test_kinds_do_not_depend_on_units(scale, origin):
    levels = np.random.default_rng(0).integers(0, 3, 300)
    assert column_kind(scale * (levels + origin)) == "ordinal"
    assert column_kind(scale * np.random.default_rng(0).normal(size=12)) == "continuous"


def test_rare_levels_are_joined_to_a_neighbour():
    values = np.repeat([0.0, 1.0, 2.0, 3.0], [100, 100, 4, 96])
    column = mixed_column(values, "ordinal")
    assert np.bincount(column.codes).tolist() == [100, 100, 100]
    np.testing.assert_allclose(column.scores.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(column.scores.T @ column.scores / 300, np.eye(2), atol=1e-12)


def test_rows_without_places_stay_so_and_each_counts_as_one(tmp_path):
    rng = np.random.default_rng(0)
    table = PatchTable.from_rows(pd.DataFrame(rng.normal(size=(400, 2)), columns=["a", "b"]))
    table.save(tmp_path / "rows.nc")
    again = PatchTable.load(tmp_path / "rows.nc")
    np.testing.assert_array_equal(again.centers, table.centers)
    assert len(np.unique(table.centers, axis=0)) == 400
    assert answer(again.take(np.arange(300))).n_effective == 300


def test_covariates_are_taken_out_with_and_without_places():
    rng = np.random.default_rng(0)
    dose = rng.normal(size=900)
    frame = pd.DataFrame({"a": 1.0 * (dose + rng.normal(size=900) > 0)})
    frame["b"] = dose + rng.normal(size=900)
    row, column = np.mgrid[:30, :30].reshape(2, -1)
    for make in (
        PatchTable.from_rows,
        lambda frame, **k: PatchTable.from_frame(frame, np.stack([column, row], 1), 1.0, **k),
    ):
        assert answer(make(frame)).verdict == "dependent"
        told = make(frame, covariates=pd.DataFrame({"dose": dose}))
        assert answer(told).verdict != "dependent"
