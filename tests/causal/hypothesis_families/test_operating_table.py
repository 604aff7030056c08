"""Operating tables against sequential tests of theory, and their own rules."""

import numpy as np
import pytest

from physlearn.causal import Action, ActionLibrary, Hypothesis, SafetyEnvelope, SeverityOptions
from physlearn.causal.hypothesis_families.drawn_hypotheses import hypothesis_from_draws
from physlearn.causal.hypothesis_families.operating_table import OperatingOptions, operating_table
from physlearn.checks import InputError

ENVELOPE = SafetyEnvelope(1000.0, (0, 0, 1, 1), bias_limits_volt=(-9, 9))
PLAIN = OperatingOptions(severity=None)
N_RUNS = 60


def _acts(biases, dose=0.5):
    return [Action("change_bias", {"bias_V": float(b)}, dose, 1.0, 2.0) for b in biases]


def _point(name, slope, sd=1.0):
    return Hypothesis(name, 1.0, lambda a, rng, n: (slope * a.number("bias_V"), sd))


def _line(name, mean, sd, power=1, noise_sd=0.2):
    sizes = np.random.default_rng(1).normal(mean, sd, 1000)
    return hypothesis_from_draws(
        name, {"size": sizes}, lambda a, p: p["size"] * a.number("bias_V") ** power,
        noise_sd=noise_sd,
    )  # fmt: skip


@pytest.fixture(scope="module")
def walk():
    """Two values one noise sd apart, one act: a sequential probability ratio test."""
    return operating_table(
        [_point("flat", 0.0), _point("steep", 1.0)], _acts([1.0]), ENVELOPE, 400.0,
        options=PLAIN, n_runs=N_RUNS, rng=3,
    )  # fmt: skip


def _walk_lengths():
    """Shots until the log odds pass log 19, and whether they pass on the right side."""
    rng = np.random.default_rng(0)
    steps = 0.5 + rng.normal(size=(20_000, 200))
    odds = np.cumsum(steps, axis=1)
    out = np.abs(odds) > np.log(19.0)
    length = out.argmax(axis=1)
    return length + 1, odds[np.arange(len(odds)), length] < 0


def test_shots_and_wrong_claims_are_those_of_walds_test(walk):
    lengths, wrong = _walk_lengths()
    assert wrong.mean() < 0.05
    for _, row in walk.iterrows():
        # the sample median lies between quantiles .5 +- 4 / (2 sqrt(n)) of the walk
        half = 2.0 / np.sqrt(N_RUNS)
        low, high = np.quantile(lengths, [0.5 - half, 0.5 + half])
        assert low <= row["shots"] <= high
        tolerance = 4 * np.sqrt(wrong.mean() * (1 - wrong.mean()) / N_RUNS)
        assert abs(row["wrong_rate"] - wrong.mean()) <= tolerance
        assert row["claim_rate"] + row["wrong_rate"] == pytest.approx(1.0)
        assert row["wrong_low"] <= row["wrong_rate"] <= row["wrong_high"]
        assert row["told_apart"] == "yes"


def test_dose_cost_and_names_follow_the_shots(walk):
    assert walk["truth"].tolist() == ["flat", "steep"]
    assert walk["against"].tolist() == ["steep", "flat"]
    np.testing.assert_allclose(walk["dose"], 0.5 * walk["shots"])
    np.testing.assert_allclose(walk["cost"], 2.0 * walk["shots"])
    # two Gaussians one sd apart, by a numerical integral
    y = np.linspace(-8, 9, 20_001)
    p = np.exp(-0.5 * y**2) / np.sqrt(2 * np.pi)
    q = np.exp(-0.5 * (y - 1) ** 2) / np.sqrt(2 * np.pi)
    mixed = 0.5 * (p + q)
    inside = 0.5 * (p * np.log(p / mixed) + q * np.log(q / mixed))
    assert walk["best_act_nats"].iloc[0] == pytest.approx(np.trapezoid(inside, y), rel=0.02)


def test_hypotheses_that_say_the_same_are_never_told_apart():
    table = operating_table(
        [_point("one", 1.0), _point("other", 1.0), _point("flat", 0.0, 0.1)], _acts([1.0, 2.0]),
        ENVELOPE, 400.0, options=PLAIN, n_runs=10, rng=1,
    ).set_index(["truth", "against"])  # fmt: skip
    assert len(table) == 3 + 6
    assert table.loc[("one", "other"), "told_apart"] == "no"
    assert table.loc[("one", "other"), "not_separable_rate"] == 1.0
    assert table.loc[("one", "other"), "best_act_nats"] < 1e-6
    assert table.loc[("one", "flat"), "told_apart"] == "yes"
    assert table.loc[("one", "all"), "claim_rate"] == 0.0
    assert table.loc[("flat", "all"), "claim_rate"] == 1.0


def test_a_budget_too_small_abstains_within_it():
    table = operating_table(
        [_point("flat", 0.0), _point("steep", 0.3)], _acts([1.0]), ENVELOPE, 8.0,
        options=PLAIN, n_runs=20, rng=1,
    )  # fmt: skip
    assert (table["shots_q90"] <= 4).all()
    assert (table["cost"] <= 8.0).all()
    # log odds reach 2.94 in 4 shots of drift .045 and sd .3 in about 1 of 10^5
    assert (table["abstain_rate"] == 1.0).all()


def test_acts_that_fail_cost_shots():
    acts = _acts([1.0])
    hypotheses = [_point("flat", 0.0), _point("steep", 1.0)]
    tables = [
        operating_table(
            hypotheses, ActionLibrary(acts, attempts), ENVELOPE, 400.0, options=PLAIN,
            n_runs=30, rng=2,
        )
        for attempts in ({}, {"change_bias": (50, 150)})
    ]  # fmt: skip
    # a quarter works: four times the shots, medians of 30 runs
    ratio = tables[1]["shots"].mean() / tables[0]["shots"].mean()
    assert 2.0 < ratio < 7.0


def test_severity_adds_truths_outside_the_list():
    told = []
    table = operating_table(
        [_line("linear", 1.0, 0.2), _line("square", 0.4, 0.1, power=2)],
        _acts(np.linspace(0.25, 3, 12)), ENVELOPE, 80.0,
        options=OperatingOptions(severity=SeverityOptions(smooth_deviation=2.0)), n_runs=4, rng=1,
        progress=lambda done, total: told.append((done, total)),
    ).set_index("truth")  # fmt: skip
    assert table.index.tolist() == ["linear", "square", "none of these"]
    assert told == [(k, 12) for k in range(1, 13)]
    assert (table["claim_rate"][:2] >= 0.75).all()
    assert (table["wrong_rate"] <= 0.25).all()
    assert (table["shots"] >= 3).all()
    assert table.loc["none of these", "told_apart"] == ""
    assert np.isnan(table.loc["none of these", "leads_rate"])


def test_it_stops_when_told_and_keeps_what_is_done():
    count = iter(range(100))
    table = operating_table(
        [_point("flat", 0.0), _point("steep", 1.0)], _acts([1.0]), ENVELOPE, 400.0,
        options=PLAIN, n_runs=5, rng=3, stop=lambda: next(count) >= 6,
    )  # fmt: skip
    assert table["n_runs"].tolist() == [5, 2]

    def interrupted(done, total):
        if done == 3:
            raise KeyboardInterrupt

    table = operating_table(
        [_point("flat", 0.0), _point("steep", 1.0)], _acts([1.0]), ENVELOPE, 400.0,
        options=PLAIN, n_runs=5, rng=3, progress=interrupted,
    )  # fmt: skip
    assert table["n_runs"].tolist() == [3]


def test_the_same_seed_gives_the_same_table(walk):
    again = operating_table(
        [_point("flat", 0.0), _point("steep", 1.0)], _acts([1.0]), ENVELOPE, 400.0,
        options=PLAIN, n_runs=5, rng=3,
    )  # fmt: skip
    once_more = operating_table(
        [_point("flat", 0.0), _point("steep", 1.0)], _acts([1.0]), ENVELOPE, 400.0,
        options=PLAIN, n_runs=5, rng=3,
    )  # fmt: skip
    assert again.equals(once_more)


def test_what_cannot_be_is_refused():
    pair = [_point("flat", 0.0), _point("steep", 1.0)]
    with pytest.raises(InputError, match="options must be OperatingOptions; got dict"):
        operating_table(pair, _acts([1.0]), ENVELOPE, 10.0, options={})
    with pytest.raises(InputError, match="n_runs"):
        operating_table(pair, _acts([1.0]), ENVELOPE, 10.0, n_runs=0)
    with pytest.raises(InputError, match="severity must be SeverityOptions or None"):
        OperatingOptions(severity=1.0)
    with pytest.raises(InputError, match="pairs must be True or False"):
        OperatingOptions(pairs=1)
    silent = hypothesis_from_draws(
        "s", {"a": np.ones(5)}, lambda a, p: None if a.number("bias_V") > 1 else p["a"],
        noise_sd=1.0,
    )  # fmt: skip
    other = hypothesis_from_draws(
        "t", {"a": np.zeros(5)}, lambda a, p: None if a.number("bias_V") > 1 else p["a"],
        noise_sd=1.0,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"act 1 \(change_bias\) shows nothing. Leave it out"):
        operating_table([silent, other], _acts([1.0, 2.0]), ENVELOPE, 10.0, options=PLAIN)
    with pytest.raises(InputError, match="must each be a row of records"):
        operating_table(other, _acts([1.0]), ENVELOPE, 10.0)
    with pytest.raises(InputError, match="must each be a row of records"):
        operating_table([silent, other], _acts([1.0])[0], ENVELOPE, 10.0)
