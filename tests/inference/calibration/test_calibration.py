"""Calibration studies of estimators known to be right, too narrow, too wide, biased, or moody."""

import multiprocessing
import signal
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from normal_means import EXACT_SD, PRIOR, fit, moody, same, simulate
from scipy import stats

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.calibration.calibration import check_calibration
from physlearn.inference.calibration.calibration_report import CalibrationReport
from physlearn.inference.calibration.uniformity import ecdf_p_value
from physlearn.inference.posteriors.priors import Prior
from physlearn.results import fit_from_draws


def test_a_right_estimator_passes_and_the_table_says_what_was_counted(oracle):
    report = check_calibration(simulate, fit, PRIOR, 1000, rng=3)
    assert report.calibrated
    assert "Calibrated as far as 1000 replicates" in report.verdict
    table = report.table.set_index("interval")
    for mass, name in ((0.5, "50 %"), (0.8, "80 %"), (0.9, "90 %")):
        row = table.loc[name]
        assert row["held"] == np.sum(np.abs(report.pits[:, 0] - 0.5) < mass / 2)
        assert row["p"] == stats.binomtest(int(row["held"]), 1000, mass).pvalue
        assert row["low"] < mass < row["high"]
    score = report.scores.iloc[0]
    oracle("contraction", error=score["contraction"] - (1 - EXACT_SD**2), bound=0.02)
    oracle("rmse", z=(score["rmse"] / EXACT_SD - 1) * np.sqrt(2000))
    oracle("sd of z", z=(score["z_sd"] - 1) * np.sqrt(2000))


def test_a_right_estimator_is_seldom_called_wrong(oracle):
    """One per cent over the table: of 200 studies about two, and no more than chance allows."""
    wrong = sum(
        not check_calibration(simulate, fit, PRIOR, 60, rng=seed).calibrated for seed in range(200)
    )
    oracle("false alarms", p=stats.binomtest(wrong, 200, 0.01, "greater").pvalue)


@pytest.mark.parametrize(
    ("options", "words", "n"),
    [
        ({"width": 0.7}, "too narrow", 200), ({"width": 1.6}, "too wide", 200),
        ({"shift": 0.5}, "estimates are too high", 200),
        ({"shift": -0.5}, "estimates are too low", 200),
        ({"width": 1 / 1.15}, "too narrow", 1000),
    ],
)  # fmt: skip
def test_wrong_estimators_are_found_and_named(options, words, n):
    found = [
        check_calibration(simulate, partial(fit, **options), PRIOR, n, rng=seed)
        for seed in range(10)
    ]
    assert sum(not report.calibrated for report in found) >= 8  # power
    assert any(words in report.verdict for report in found)


def test_the_verdict_states_its_power(oracle):
    """What it says would have been found with 90 % chance is found about as often."""
    report = check_calibration(simulate, fit, PRIOR, 400, rng=3)
    (share,) = [
        float(report.verdict.split("hold ")[1].split(" %")[0]) / 100
        for _ in [0] if "or less would have been found" in report.verdict
    ]  # fmt: skip
    # intervals whose 90 % hold that share: their width follows from the normal
    width = stats.norm.ppf((1 + share) / 2) / stats.norm.ppf(0.95)
    caught = sum(
        not check_calibration(simulate, partial(fit, width=width), PRIOR, 400, rng=s).calibrated
        for s in range(40)
    )
    oracle("caught", p=stats.binomtest(caught, 40, 0.9, "less").pvalue)


def test_few_draws_with_ties_still_give_uniform_ranks(oracle):
    """A flip of a coin: truth and draws tie; the lot decides."""

    def coin(rng):
        return float(rng.random() < 0.3)

    def guess(_data, rng):
        return (rng.random(25) < 0.3).astype(float)

    report = check_calibration(lambda theta, rng: None, guess, coin, 2000, rng=5)
    assert report.names == ("theta",)
    oracle("ranks", p=stats.kstest(report.pits[:, 0], "uniform").pvalue)


def test_refusals_and_failures_are_counted_beside_every_coverage():
    report = check_calibration(simulate, moody, PRIOR, 200, rng=6)
    assert report.n_refused > 10
    assert report.n_failed > 10
    assert report.n_finished + report.n_refused + report.n_failed == 200
    assert (report.table["refused"] == report.n_refused).all()
    assert (report.table["failed"] == report.n_failed).all()
    assert "refused" in report.verdict
    assert any(m.startswith("NotIdentified: the mean is too large") for m in report.messages)
    assert any(m.startswith("ZeroDivisionError: a mistake") for m in report.messages)


def test_an_estimator_that_refuses_most_is_not_called_calibrated():
    def picky(data, rng):
        if abs(data.mean()) > 0.05:
            raise NotIdentified("the mean is too large.")
        return fit(data, rng)

    report = check_calibration(simulate, picky, PRIOR, 300, rng=1)
    assert report.n_finished < 60
    assert not report.calibrated
    assert "Calibrated as far as" not in report.verdict


def as_fit(data, rng):
    draws = fit(data, rng)["mean"]
    return fit_from_draws(
        {"mean": draws, "pair": np.stack([draws, -draws], axis=1)}, model="m", likelihood="l",
        approximation="a", seed=1, data=[data], warnings=["rough"] if data.mean() > 0 else [],
    )  # fmt: skip


def pair_prior(rng):
    mean = rng.normal()
    return {"mean": mean, "pair": np.array([mean, -mean])}


def test_fits_and_variables_of_several_numbers():
    report = check_calibration(simulate, as_fit, pair_prior, 30, rng=7)
    assert report.names == ("mean", "pair[1]", "pair[2]")
    assert np.array_equal(report.truths[:, 1], -report.truths[:, 2])
    assert 5 < report.flagged.sum() < 25
    assert (report.table["flagged"] == report.flagged.sum()).all()
    only = check_calibration(simulate, as_fit, pair_prior, 30, variables=["pair[2]"], rng=7)
    assert only.names == ("pair[2]",)
    assert np.array_equal(only.means[:, 0], report.means[:, 2])
    whole = check_calibration(simulate, as_fit, pair_prior, 30, variables=["pair"], rng=7)
    assert whole.names == ("pair[1]", "pair[2]")


def nothing_learnt(data, rng):
    return data(rng)


def repeat_prior(draw):
    """Data that hold the prior, so that its draws can be told from the truths' distribution."""
    return lambda theta, rng: draw


def test_priors_of_every_form(oracle):
    import pymc

    forms = {
        "sd": ({"x": 0.5}, lambda rng: {"x": rng.normal(0, 0.5, 200)}),
        "mean and sd": (
            {"x": ([1.0, 2.0], [0.1, 3.0])},
            lambda rng: {"x": rng.normal([1.0, 2.0], [0.1, 3.0], (200, 2))},
        ),
        "pymc": (
            {"x": pymc.Uniform.dist(-1.0, 2.0), "y": 1.0},
            lambda rng: {"x": rng.uniform(-1, 2, 200), "y": rng.normal(0, 1, 200)},
        ),
        "lattice": (
            Prior.gaussian(("field", "couplings[1]", "couplings[2]"), [0.3, 0.2, 0.1]),
            lambda rng: {
                "field": rng.normal(0, 0.3, 200), "couplings": rng.normal(0, [0.2, 0.1], (200, 2)),
            },
        ),
        "function": (
            lambda rng: rng.exponential(size=2), lambda rng: rng.exponential(size=(200, 2)),
        ),
    }  # fmt: skip
    for name, (prior, draw) in forms.items():
        report = check_calibration(repeat_prior(draw), nothing_learnt, prior, 300, rng=8)
        for label, pits in zip(report.names, report.pits.T, strict=True):
            oracle(f"{name} {label}", p=ecdf_p_value(pits))


def test_workers_change_nothing():
    alone = check_calibration(simulate, moody, PRIOR, 40, rng=9)
    with ThreadPoolExecutor(3) as threads:
        assert same(alone, check_calibration(simulate, moody, PRIOR, 40, rng=9, executor=threads))
    with ThreadPoolExecutor(1) as threads:
        assert same(alone, check_calibration(simulate, moody, PRIOR, 40, rng=9, executor=threads))


def test_processes_change_nothing():
    # lambdas and test modules cannot be sent to a fresh interpreter; a forked one knows them
    context = multiprocessing.get_context("fork")
    alone = check_calibration(simulate, fit, PRIOR, 12, rng=9)
    with ProcessPoolExecutor(2, mp_context=context) as processes:
        found = check_calibration(
            partial(simulate), partial(fit), PRIOR, 12, rng=9, executor=processes
        )
    assert same(alone, found)


def test_progress_counts_to_the_end():
    seen = []
    check_calibration(
        simulate, fit, PRIOR, 25, rng=1, progress=lambda done, every: seen.append((done, every))
    )
    assert seen[-1] == (25, 25)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_without_a_checkpoint_what_is_done_is_returned():
    def slow(data, rng):
        time.sleep(0.25)
        return fit(data, rng)

    def stop(done, every):
        if done == 6:
            signal.raise_signal(signal.SIGINT)

    report = check_calibration(simulate, slow, PRIOR, 400, rng=2, progress=stop)
    assert 6 <= report.n_finished < 400
    assert "Stopped after" in report.verdict


def never(theta, rng):
    raise RuntimeError("no pictures today")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_replicates": 0}, "n_replicates"), ({"n_replicates": 2.5}, "n_replicates"),
        ({"simulate": 3}, "simulate must be a function"), ({"fit": None}, "fit must be a function"),
        ({"prior": 1.0}, "prior must be"), ({"prior": {}}, "empty"),
        ({"prior": {"mean": -1.0}}, "prior\\['mean'\\]"),
        ({"prior": {"mean": "wide"}}, "prior\\['mean'\\]"),
        ({"prior": {"mean": (0.0, 0.0)}}, "above 0"),
        ({"prior": lambda rng: {"mean": np.nan}}, "finite"),
        ({"prior": lambda rng: {"mean": "much"}}, "finite"),
        ({"prior": {"mean": 1.0, "other": 1.0}}, "'other' is not among"),
        ({"variables": "mean"}, "list"), ({"variables": []}, "at least one"),
        ({"variables": ["median"]}, "names of the truth"),
        ({"fit": lambda data, rng: rng.normal(size=100)}, "mapping of draws"),
        ({"fit": lambda data, rng: {"mean": rng.normal(size=(100, 3))}}, "shape"),
        ({"fit": lambda data, rng: {"mean": rng.normal(size=5)}}, "all of the first 10"),
        ({"fit": lambda data, rng: {"mean": np.full(100, np.nan)}}, "NaN"),
        ({"simulate": never}, "no pictures today"), ({"rng": -1}, "rng"),
        ({"checkpoint": "no/such/folder/c.npz"}, "folder"),
    ],
)  # fmt: skip
def test_wrong_input_gets_one_sentence(change, words):
    given = {"simulate": simulate, "fit": fit, "prior": PRIOR, "n_replicates": 20, "rng": 1}
    with pytest.raises(InputError, match=words) as caught:
        check_calibration(**(given | change))
    assert str(caught.value).count(". ") <= 2


def test_an_estimator_that_always_refuses():
    def refuse(data, rng):
        raise NotIdentified("never")

    report = check_calibration(simulate, refuse, PRIOR, 12, rng=1)
    assert not report.calibrated
    assert "None of 12 replicates" in report.verdict
    assert len(report.table) == 0
    assert "p_holm" in report.table


def test_round_trip(tmp_path):
    report = check_calibration(simulate, moody, PRIOR, 60, rng=6)
    report.save(tmp_path / "r.npz")
    loaded = CalibrationReport.load(tmp_path / "r.npz")
    assert same(report, loaded)
    assert loaded.verdict == report.verdict
    assert loaded.seed == report.seed
    (tmp_path / "x.npz").write_bytes(b"no")
    with pytest.raises(InputError, match="calibration report"):
        CalibrationReport.load(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", a=1)
    with pytest.raises(InputError, match="calibration report"):
        CalibrationReport.load(tmp_path / "y.npz")
    with pytest.raises(FileNotFoundError):
        CalibrationReport.load(tmp_path / "z.npz")


def test_a_report_prints_its_verdict_and_tables_only():
    report = check_calibration(simulate, fit, PRIOR, 60, rng=1)
    text = str(report)
    assert text.startswith(report.verdict)
    assert "coverage" in text and "z_mean" in text
    assert len(text) < 3000


def test_reports_of_several_machines_join():
    parts = [check_calibration(simulate, moody, PRIOR, 30, rng=seed) for seed in (1, 2)]
    both = CalibrationReport.joined(parts)
    assert np.array_equal(both.pits, np.concatenate([part.pits for part in parts]))
    assert both.messages == parts[0].messages + parts[1].messages
    assert both.n_refused == parts[0].n_refused + parts[1].n_refused
    assert (both.table["n"] == both.n_finished).all()
    with pytest.raises(InputError, match="same study"):
        CalibrationReport.joined([parts[0], parts[0]])
    with pytest.raises(InputError, match="same variables"):
        CalibrationReport.joined([parts[0], check_calibration(simulate, as_fit, pair_prior, 5)])
    with pytest.raises(InputError, match="at least one"):
        CalibrationReport.joined([])


def test_nobody_changes_a_report():
    report = check_calibration(simulate, fit, PRIOR, 20, rng=1)
    with pytest.raises(ValueError, match="read-only"):
        report.pits[0] = 0.5
    with pytest.raises(AttributeError):
        report.seed = 2


def test_plot_draws_counts_and_differences():
    report = check_calibration(simulate, as_fit, pair_prior, 100, rng=7)
    figure = report.plot()
    assert len(figure.axes) == 6
    histogram = figure.axes[0].patches
    steps = [patch for patch in histogram if hasattr(patch, "get_data")]
    assert steps[0].get_data().values.sum() == 100
    figure.canvas.draw()
