"""Reports of calibration by hand: tables, scores, verdicts, power, bands, truths, identities."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.calibration.calibration import check_calibration
from physlearn.inference.calibration.calibration_report import CalibrationReport, holm
from physlearn.inference.calibration.function_identity import function_identity
from physlearn.inference.calibration.truths import draws_by_label, flat_truth, truth_source
from physlearn.inference.calibration.uniformity import ecdf_bands, ecdf_p_value
from physlearn.inference.posteriors.priors import Prior
from physlearn.results import fit_from_draws


def report_of(pits, truths=None, means=None, sds=None, status=None, names=("x",), messages=None):
    """A report of these ranks; all finished unless told."""
    pits = np.asarray(pits, float).reshape(-1, len(names))
    n = len(pits)
    one = np.ones_like(pits)
    status = np.zeros(n, np.int8) if status is None else np.asarray(status, np.int8)
    every = len(status)
    messages = messages or ("",) * every
    return CalibrationReport(
        names, one * 0 if truths is None else truths, one * 0 if means is None else means,
        one if sds is None else sds, np.round(pits * 100), pits, np.full(n, 100), status,
        np.zeros(every, bool), np.zeros(every), messages, 1,
    )  # fmt: skip


def even(n):
    return (np.arange(n) + 0.5) / n


def test_the_table_counts_what_each_interval_holds():
    pits = np.concatenate([np.full(55, 0.5), np.full(30, 0.2), np.full(10, 0.93), np.full(5, 0.99)])
    table = report_of(pits).table.set_index("interval")
    # half widths .25, .40 and .45 about the middle
    assert table["held"].tolist() == [55, 85, 95, 0]
    for name, mass, held in (("50 %", 0.5, 55), ("80 %", 0.8, 85), ("90 %", 0.9, 95)):
        row = table.loc[name]
        assert (row["expected"], row["coverage"], row["n"]) == (mass, held / 100, 100)
        assert row["p"] == pytest.approx(stats.binomtest(held, 100, mass).pvalue)
        # Clopper and Pearson's limits, 95 %
        assert row["low"] == pytest.approx(stats.beta.ppf(0.025, held, 101 - held))
        assert row["high"] == pytest.approx(stats.beta.ppf(0.975, held + 1, 100 - held))
    assert table.loc["ranks", "p"] == pytest.approx(ecdf_p_value(pits))
    np.testing.assert_allclose(table["p_holm"], holm(table["p"].to_numpy()))
    assert (table["passes"] == (table["p_holm"] >= 0.01)).all()


def test_scores_are_moments_of_what_is_off():
    rng = np.random.default_rng(1)
    truths, means = rng.normal(2.0, 3.0, (50, 2)), rng.normal(2.0, 3.0, (50, 2))
    sds = rng.uniform(0.5, 1.5, (50, 2))
    found = report_of(rng.random((50, 2)), truths, means, sds, names=("a", "b")).scores
    z = (means - truths) / sds
    np.testing.assert_allclose(found["z_mean"], z.mean(axis=0))
    np.testing.assert_allclose(found["z_sd"], z.std(axis=0))
    np.testing.assert_allclose(found["rmse"], np.sqrt(((means - truths) ** 2).mean(axis=0)))
    np.testing.assert_allclose(found["posterior_sd"], np.sqrt((sds**2).mean(axis=0)))
    np.testing.assert_allclose(found["prior_sd"], truths.std(axis=0))
    left = (sds**2).mean(axis=0) / truths.var(axis=0)
    np.testing.assert_allclose(found["contraction"], 1 - left)


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (lambda z: z + 0.5, "estimates are too low"), (lambda z: z - 0.5, "estimates are too high"),
        (lambda z: 1.6 * z, "intervals are too narrow"),
        (lambda z: z / 1.6, "intervals are too wide"),
        (lambda z: 1.6 * z + 1, "estimates are too low and intervals are too narrow"),
    ],
)  # fmt: skip
def test_departures_are_named_by_the_normal_scores_of_the_ranks(turn, words):
    report = report_of(stats.norm.cdf(turn(stats.norm.ppf(even(200)))))
    assert not report.calibrated
    assert words in report.verdict
    held = np.mean(np.abs(report.pits - 0.5) < 0.45)
    assert f"the 90 % intervals hold {100 * held:.1f} %" in report.verdict


def test_a_reason_is_given_from_a_thousandth_on():
    """The middle and the spread of 100 normal scores, just on either side of p = .001."""
    n = 100
    z = stats.norm.ppf(even(n))
    z = z / np.sqrt(np.sum((z - z.mean()) ** 2))
    for tail, reason in ((stats.chi2.isf, "too narrow"), (stats.chi2.ppf, "too wide")):
        for p, told in ((0.9e-3, True), (1.1e-3, False)):
            report = report_of(stats.norm.cdf(z * np.sqrt(tail(p, n - 1))))
            assert (reason in report._departure("x", 1e-3)) == told
    z *= np.sqrt(n - 1)
    for p, told in ((0.9e-3, True), (1.1e-3, False)):
        report = report_of(stats.norm.cdf(z - z.mean() + stats.norm.isf(p / 2) / np.sqrt(n)))
        assert ("too low" in report._departure("x", 1e-3)) == told
    skew = report_of(np.concatenate([np.full(50, 0.45), np.full(50, 0.55)]))
    assert "the ranks are not uniform" not in skew._departure("x", 1e-3)  # but too wide


@pytest.mark.parametrize(
    "n", [1, 2, 3, 4, 5, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 60, 200, 1000]
)
def test_the_power_that_is_stated_is_that_of_the_binomial_test(n):
    said = report_of(even(n))._power_sentence()
    level = 0.01 / 4  # over the four rows of the table
    # rejected are counts whose lower tail is less than half of the level
    rejected = [k for k in range(n + 1) if stats.binom.cdf(k, n, 0.9) < level / 2]
    shares = [p for p in np.arange(0, 901) / 1000
              if rejected and stats.binom.cdf(rejected[-1], n, p) >= 0.9]  # fmt: skip
    if not shares:
        assert "too few" in said
    else:
        told = float(said.split("hold ")[1].split(" %")[0]) / 100
        assert told == pytest.approx(max(shares), abs=0.006)


def test_half_of_the_replicates_must_finish():
    for unfinished, known in ((99, True), (100, False)):
        status = np.append(np.zeros(100), np.full(unfinished, 2))
        report = report_of(even(100), status=status, messages=("",) * 100 + ("bad",) * unfinished)
        assert report.calibrated == known
        assert (report.n_finished, report.n_failed, report.n_refused) == (100, unfinished, 0)
        assert f"0 of {100 + unfinished} replicates were refused" in report.verdict
        assert ("Not known to be calibrated" in report.verdict) == (not known)
        assert "(first: bad)" in report.verdict


def test_holms_correction_against_every_order():
    p = np.array([0.02, 0.001, 0.3, 0.02, 0.8])
    ordered = np.sort(p)
    exact = [max(min(1.0, (5 - j) * ordered[j]) for j in range(np.sum(ordered <= v) - 0)
                 if ordered[j] <= v) for v in p]  # fmt: skip
    np.testing.assert_allclose(holm(p), exact)


# ---------------------------------------------------------------------- uniform ranks


def test_a_single_number_lies_in_either_half():
    assert ecdf_p_value([1.0]) == pytest.approx(1.0)
    assert ecdf_p_value([0.0, 1.0]) == pytest.approx(1.0)


def chance_within(n, points, low, high):
    """All counts of n numbers in the cells between points, one by one."""
    cells = np.diff(np.concatenate([[0.0], points, [1.0]]))
    total = 0.0
    held = {0: 1.0}
    before = 0.0
    for k, point in enumerate(points):
        share = cells[k] / (1 - before)
        new = {}
        for count, chance in held.items():
            for more in range(n - count + 1):
                if low[k] <= count + more <= high[k]:
                    part = chance * stats.binom.pmf(more, n - count, share)
                    new[count + more] = new.get(count + more, 0.0) + part
        held, before = new, point
    total = sum(held.values())
    return total


@pytest.mark.parametrize(("n", "mass"), [(7, 0.9), (12, 0.8)])
def test_bands_are_the_tightest_that_hold_the_mass(n, mass):
    points, low, high = ecdf_bands(n, mass)
    low, high = np.rint(low * n).astype(int), np.rint(high * n).astype(int)
    assert chance_within(n, points, low, high) >= mass

    def tails(k, z):
        return min(1.0, 2 * min(stats.binom.cdf(k, n, z), stats.binom.sf(k - 1, n, z)))

    # the counts within are those of the largest tails: without the least of them too few are held
    inside = [(tails(k, z), i, k) for i, z in enumerate(points) for k in range(low[i], high[i] + 1)]
    outside = [tails(k, z) for i, z in enumerate(points)
               for k in (*range(low[i]), *range(high[i] + 1, n + 1))]  # fmt: skip
    least = min(inside)[0]
    assert max(outside) <= least + 1e-9
    fewer_low, fewer_high = low.copy(), high.copy()
    for tail, i, k in inside:
        if tail <= least * (1 + 1e-6):
            if k == low[i]:
                fewer_low[i] = k + 1
            if k == high[i]:
                fewer_high[i] = k - 1
    assert chance_within(n, points, fewer_low, fewer_high) < mass


# ---------------------------------------------------------------------- truths and their streams


def noise_itself(theta, rng):
    return theta, rng.normal()


def draws_of_nothing(data, rng):
    seen.append((*data, rng.normal()))
    return rng.normal(size=50)


seen: list[tuple[float, float, float]] = []


def test_truths_noise_and_fits_have_streams_of_their_own():
    seen.clear()
    check_calibration(noise_itself, draws_of_nothing, lambda rng: rng.normal(), 40, rng=3)
    found = np.array(seen)
    assert found.shape == (40, 3)
    assert len(np.unique(found)) == 120
    assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 4 / np.sqrt(40)
    first = found.copy()
    seen.clear()
    check_calibration(noise_itself, draws_of_nothing, lambda rng: rng.normal(), 10, rng=3)
    np.testing.assert_array_equal(np.array(seen), first[:10])  # each by its own number alone


def test_ranks_count_draws_below_and_ties_by_lot():
    draws = np.concatenate([np.full(30, -1.0), np.full(20, 0.0), np.full(50, 1.0)])
    report = check_calibration(
        lambda theta, rng: None, lambda data, rng: draws, lambda rng: 0.0, 400, rng=1
    )
    ranks = report.ranks[:, 0]
    assert set(ranks) <= set(range(30, 51))
    assert abs(ranks.mean() - 40) < 4 * np.sqrt((21**2 - 1) / 12 / 400)
    inside = report.pits[:, 0] * 101 - ranks
    assert inside.min() >= 0 and inside.max() <= 1 and inside.std() > 0.2
    assert (report.means == draws.mean()).all() and (report.n_draws == 100).all()
    np.testing.assert_allclose(report.sds, draws.std())


@pytest.mark.parametrize("n", [19, 20])
def test_twenty_draws_are_the_fewest(n):
    report = check_calibration(
        lambda theta, rng: None, lambda data, rng: rng.normal(size=n), lambda rng: rng.normal(), 5,
        rng=1,
    )  # fmt: skip
    assert report.n_finished == (5 if n == 20 else 0)
    if n == 19:
        assert (
            report.messages[0] == "ValueError: fit returned 19 draws, not 20 or more finite draws"
        )
        assert report.truths.shape == (0, 0)


def test_priors_give_tables_of_their_own_laws():
    rng = np.random.default_rng(2)
    source = truth_source({"a": 2.0, "b": ([1.0, -1.0], 0.5), "c": (3.0, [0.1, 0.2])}, 4000, rng)
    assert {k: v.shape for k, v in source.table.items()} == {
        "a": (4000,), "b": (4000, 2), "c": (4000, 2)
    }  # fmt: skip
    for name, mean, sd in (("a", 0.0, 2.0), ("b", [1.0, -1.0], 0.5), ("c", 3.0, [0.1, 0.2])):
        found = source.table[name]
        assert np.all(np.abs(found.mean(axis=0) - mean) < 4 * np.asarray(sd) / np.sqrt(4000))
        assert np.all(np.abs(found.std(axis=0) / sd - 1) < 4 / np.sqrt(8000))
    theta = source.draw(7, rng)
    assert theta["a"] == source.table["a"][7]
    np.testing.assert_array_equal(theta["b"], source.table["b"][7])
    lattice = truth_source(
        Prior.gaussian(("field", "couplings[1]", "couplings[2]"), [0.3, 0.2, 0.1]), 100, rng
    )
    assert {k: v.shape for k, v in lattice.table.items()} == {
        "field": (100,),
        "couplings": (100, 2),
    }
    assert lattice.table["couplings"].std(axis=0) == pytest.approx([0.2, 0.1], rel=0.3)


def test_elements_are_labelled_from_one_in_order():
    truth = flat_truth({"a": 1.0, "m": np.arange(6.0).reshape(2, 3), "v": [7.0]})
    assert list(truth.values) == [
        "a", "m[1, 1]", "m[1, 2]", "m[1, 3]", "m[2, 1]", "m[2, 2]", "m[2, 3]", "v[1]"
    ]  # fmt: skip
    assert list(truth.values.values()) == [1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0]
    draws = np.random.default_rng(3).normal(size=(30, 2, 3))
    found = draws_by_label(
        {"m": draws, "a": draws[:, 0, :1], "v": draws[:, 0, :1], "more": 3}, truth
    )
    np.testing.assert_array_equal(found["m[2, 1]"], draws[:, 1, 0])
    np.testing.assert_array_equal(found["a"], draws[:, 0, 0])
    assert "more" not in found
    fit = fit_from_draws(
        {"a": draws[:, 0, 0]}, model="m", likelihood="l", approximation="a", seed=0, data=b""
    )
    np.testing.assert_array_equal(draws_by_label(fit, truth)["a"], draws[:, 0, 0])
    with pytest.raises(InputError, match="as many draws"):
        draws_by_label({"m": draws, "a": draws[:20, 0, 0]}, truth)
    with pytest.raises(InputError, match="shape"):
        draws_by_label({"m": draws[:, :, :2]}, truth)
    with pytest.raises(InputError, match="shape"):
        draws_by_label({"a": 3.0}, truth)


# ---------------------------------------------------------------------- identities


def shifted(data, by=1.0, *, times=2.0):
    return times * data + by


def test_functions_are_told_apart_by_code_defaults_closures_and_what_is_bound():
    def closing(value):
        return lambda data: data + value

    def deep(levels):
        found = (1.0,)
        for _ in range(levels):
            found = (found,)
        return found

    same = [
        (closing(1.0), closing(1.0)), (partial(shifted, by=2.0), partial(shifted, by=2.0)),
        (partial(shifted, by=[1, 2]), partial(shifted, by=[1, 2])),
        (partial(shifted, by=np.arange(3)), partial(shifted, by=np.arange(3))),
        (partial(shifted, by=frozenset("ab")), partial(shifted, by=frozenset("ba"))),
        (partial(shifted, by={"a": 1, "b": 2}), partial(shifted, by={"b": 2, "a": 1})),
        (partial(shifted, times=1, by=2), partial(shifted, by=2, times=1)),
    ]  # fmt: skip
    other = [
        (closing(1.0), closing(2.0)), (partial(shifted, by=2.0), partial(shifted, by=3.0)),
        (partial(shifted, by=2.0), partial(shifted, times=2.0)),
        (partial(shifted, by=[1, 2]), partial(shifted, by=[2, 1])),
        (partial(shifted, by=np.arange(3)), partial(shifted, by=np.arange(3.0))),
        (partial(shifted, by={"a": 1}), partial(shifted, by={"a": 2})),
        (partial(shifted, 1.0), partial(shifted, 1.0, 2.0)), (shifted, partial(shifted)),
        (partial(shifted, by=deep(3)), partial(shifted, by=deep(4))),
        (lambda data: data + 1, lambda data: data - 1),
    ]  # fmt: skip
    assert all(function_identity(a) == function_identity(b) for a, b in same)
    assert all(function_identity(a) != function_identity(b) for a, b in other)
    assert function_identity(partial(partial(shifted, 1), 2)).split(" ")[0].endswith(".shifted")


# ---------------------------------------------------------------------- the picture


def test_the_picture_shows_counts_differences_and_bands():
    rng = np.random.default_rng(4)
    figure = report_of(rng.random((130, 2)), names=("a", "b")).plot()
    left, right = figure.axes[0::2], figure.axes[1::2]
    assert [ax.get_xlabel() != "" for ax in figure.axes] == [False, False, True, True]
    for ax in left:
        (stairs,) = [p for p in ax.patches if hasattr(p, "get_data")]
        values, edges, _ = stairs.get_data()
        assert values.sum() == 130 and len(edges) == 7  # 20 a bin
        assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > values.max()
        low, high = stats.binom.interval(1 - 0.01 / 6, 130, 1 / 6)
        levels = sorted(line.get_ydata()[0] for line in ax.lines)
        np.testing.assert_allclose(levels, [low, 130 / 6, high])
    for ax in right:
        line = ax.lines[-1]
        z, apart = line.get_data()
        assert (z[0], z[-1], apart[0], apart[-1]) == pytest.approx((0, 1, 0, 0))
        assert np.abs(apart).max() < 0.2
        assert np.all(np.diff(z) >= 0)
    shown = {
        ax.patches[-1].get_facecolor()[:3]
        for pits in (even(100), even(100) / 2)
        for ax in report_of(pits).plot().axes[:1]
    }
    assert len(shown) == 2  # what fails has a colour of its own
    empty = report_of(np.zeros((0, 1)), status=[2, 2]).plot()
    assert "2 failed" in empty.get_suptitle()
    none = [p for p in empty.axes[0].patches if hasattr(p, "get_data")]
    assert none[0].get_data().values.sum() == 0
    assert not empty.axes[1].lines
