"""What is said of walls: numbers, directions, and what no law tells; and plans from walls."""

import numpy as np
import pandas as pd
import pytest

from physlearn.checks import NotIdentified
from physlearn.datasets.wall_motion.wall_advance import WallAdvance
from physlearn.datasets.wall_motion.wall_roughness import WallRoughness
from physlearn.findings import Findings, run_steps
from physlearn.records import WallTrack
from physlearn.results import fit_from_draws
from physlearn.steps_plan import PLAN_STEPS
from physlearn.wall_words import forecast_text, roughness_text, wall_answers, walls_followed

MISFIT = "the wall law does not fit: the walls scatter 3.1 times their errors"


def law(name, mean, sd=0.01, *, warnings=(), verdict=""):
    draws = np.random.default_rng(1).normal(mean, sd, 4000)
    if name == "curvature_mobility":
        draws = np.abs(draws)
    return fit_from_draws(
        {name: draws}, model="v", likelihood="l", approximation="a", seed=1, data=b"",
        units={name: "um/s"}, warnings=warnings, verdicts={name: verdict} if verdict else {},
    )  # fmt: skip


def track(n_frames=4, walls=(0,), drive=None, drive_unit="", lives=None):
    rows = [
        {"frame": frame, "wall": wall, "time": float(frame), "x": float(point), "y": 0.0,
         "normal_x": 0.0, "normal_y": 1.0, "normal_error": 0.1, "error_correlation_length": 1.0,
         "arc_length": float(point), "curvature": 0.0, "normal_velocity": np.nan}
        for wall in walls for frame in range((lives or {}).get(wall, n_frames))
        for point in range(3)
    ]  # fmt: skip
    return WallTrack(
        pd.DataFrame(rows), np.arange(float(n_frames)), unit="um", time_unit="s", drive=drive,
        drive_unit=drive_unit,
    )  # fmt: skip


def answer(findings, question):
    return next(one for one in wall_answers(findings) if question in one.question)


@pytest.mark.parametrize(
    ("name", "sign", "sentence"),
    [
        ("drive_velocity", 1, "The bright domain grows: P\u00a0>\u00a00.999."),
        ("drive_velocity", -1, "The bright domain shrinks: P\u00a0>\u00a00.999."),
        ("drive_mobility", 1, "The drive grows the bright domain: P\u00a0>\u00a00.999."),
        ("drive_mobility", -1, "The drive shrinks the bright domain: P\u00a0>\u00a00.999."),
        ("curvature_mobility", 1, "Walls pull straight."),
    ],
)
def test_a_law_is_told_with_its_direction(name, sign, sentence):
    (told,) = wall_answers(Findings("a", 1, wall_fit=law(name, 0.3 * sign)))
    assert (told.state, told.sentence) == ("settled", sentence)
    assert ("−0.30" in told.detail) == (sign < 0)


def test_a_sign_that_the_model_forbids_is_no_finding():
    (told,) = wall_answers(Findings("a", 1, wall_fit=law("curvature_mobility", 0.002)))
    assert told.state == "open"
    assert "as small as 0" in told.sentence
    assert "P" not in told.sentence


def test_an_undecided_drive_is_told_with_its_probability():
    (told,) = wall_answers(Findings("a", 1, wall_fit=law("drive_mobility", -0.005)))
    assert told.state == "open"
    assert "whether the drive shrinks the bright domain: P\u00a0=\u00a00.6" in told.sentence


@pytest.mark.parametrize(
    ("film", "state", "words"),
    [((0.1, 0.3), "settled", "Over this film the bright domain grows: its walls move at"),
     ((-0.5, -0.4), "settled", "Over this film the bright domain shrinks: its walls move at"),
     ((-0.1, 0.2), "open", "These data can’t tell whether the bright domain grows or shrinks:")],
)  # fmt: skip
def test_the_speed_is_told_whatever_law_was_fitted(film, state, words):
    low, high = film
    advance = WallAdvance(
        (low + high) / 2, low - 1.0, high + 1.0, 15, "um/s", 0.7, 2.9, low, high, ("a warning",)
    )
    for fit in (None, law("drive_mobility", 0.3, warnings=(MISFIT,))):
        told = answer(Findings("a", 1, wall_advance=advance, wall_fit=fit), "advance on the whole")
        assert told.state == state
        assert told.sentence.startswith(words)
        ends = f"[{low:.2f} to {high:.2f}] µm/s".replace("-", "−")
        assert ends in told.sentence
        assert f"[{low - 1:.1f} to {high + 1:.1f}]".replace("-", "−") in told.detail
        assert "a warning" in told.detail


def test_a_speed_without_a_films_own_interval_is_the_steady_one():
    advance = WallAdvance(-0.25, -0.3, -0.2, 15, "pixel/frame")
    told = answer(Findings("a", 1, wall_advance=advance), "advance on the whole")
    assert told.sentence == (
        "The bright domain shrinks: its walls move at −0.25 [−0.30 to −0.20] px/frame."
    )


def test_a_law_that_does_not_fit_does_not_deny_what_was_seen():
    shares = pd.DataFrame({"normalised": [0.331, 0.40, 0.462]})
    film = Findings(
        "a", 1, track=track(), domain_shares=shares, wall_advance=WallAdvance(
            0.4, 0.1, 0.7, 3, "um/s"), wall_fit=law("drive_velocity", -0.3, warnings=(MISFIT,)),
    )  # fmt: skip
    told = list(wall_answers(film))
    assert "0.331 → 0.462" in told[0].detail
    assert [one.state for one in told] == ["settled", "settled", "open"]
    assert "the wall law does not fit this film" in told[2].sentence
    assert not any("whether" in one.sentence for one in told)


def test_walls_that_live_on_and_pieces_are_counted():
    film = track(6, walls=(0, 3, 4), lives={3: 3, 4: 2})
    assert walls_followed(film) == (
        "2 walls followed over at least 3 of the 6 frames, and 1 short-lived piece"
    )


def score(law_error, still, steady, covered):
    return pd.DataFrame({
        "frame": [7, 8, 8, 8], "wall": [0, 0, 1, 2], "rmse": [9.0, *[law_error] * 3],
        "persistence_rmse": [9.0, *[still] * 3], "steady_rmse": [9.0, *[steady] * 3],
        "covered": covered,
    })  # fmt: skip


def test_a_forecast_is_told_in_the_order_of_its_numbers():
    film = Findings("a", 1, track=track(), wall_forecast=score(0.1, 0.2, 0.3, [1, 1, 1, 0]))
    text = forecast_text(film)
    assert "The last 2 frames were held out" in text
    assert "the walls are off by 0.1\u00a0µm; standing still would have been off by" in text
    assert text.index("0.1\u00a0") < text.index("0.2\u00a0") < text.index("0.3\u00a0")
    assert "75% of the points lie in the 90 % intervals." in text
    assert "do not forecast" not in text
    assert not [one for one in wall_answers(film) if "foreseen" in one.question]


def test_a_forecast_worse_than_standing_still_is_a_headline():
    film = Findings("a", 1, track=track(), wall_forecast=score(0.2, 0.1, 0.3, [1, 0, 0, 0]))
    told = answer(film, "foreseen")
    assert (told.state, "worse than walls that stand still" in told.sentence) == ("open", True)
    assert "off by 0.2\u00a0µm; standing still would have been off by 0.1\u00a0µm" in told.detail
    assert "do not forecast with it" in forecast_text(film)


@pytest.mark.parametrize("laws", [[0.21], [0.3, 0.1, 0.22], [0.2, 0.25]])
def test_a_forecast_worse_by_chance_is_no_verdict_on_the_law(laws):
    table = pd.DataFrame({
        "frame": 8, "wall": range(len(laws)), "rmse": laws, "persistence_rmse": 0.2,
        "steady_rmse": 0.3, "covered": 1.0,
    })  # fmt: skip
    film = Findings("a", 1, track=track(), wall_forecast=table)
    told = answer(film, "foreseen")
    assert told.state == "open"
    assert told.sentence.startswith("These data can’t tell")
    assert "may be chance" in forecast_text(film)
    assert "do not forecast" not in forecast_text(film)


def test_walls_that_agree_decide_between_two_forecasts():
    table = pd.DataFrame({
        "frame": 8, "wall": range(4), "rmse": [0.30, 0.33, 0.28, 0.31],
        "persistence_rmse": [0.2, 0.21, 0.19, 0.2], "steady_rmse": 0.3, "covered": 1.0,
    })  # fmt: skip
    film = Findings("a", 1, track=track(), wall_forecast=table)
    assert answer(film, "foreseen").sentence.startswith("Not with this law")


def test_rough_smooth_and_untold_walls_are_counted_apart():
    table = pd.DataFrame({
        "wall": [3, 5, 8, 9], "exponent": [0.66, 2.0, 0.0, 0.0], "low": [0.5, 1.7, 0.0, 0.0],
        "high": [0.8, 2.3, 0.0, 0.0], "refused": ["", "", "too few points", "turns back"],
    })  # fmt: skip
    rough = WallRoughness(table, 8.0, 100.0, "um")
    text = roughness_text(Findings("a", 1, wall_roughness=rough))
    assert "wall 3: 0.66 [0.50 to 0.80]." in text
    assert "1 wall is smooth" in text
    assert text.endswith("For 2 others it cannot be told.")


def planned(drive, unit, fit):
    film = Findings("a", 1, track=track(drive=drive, drive_unit=unit), wall_fit=fit)
    run_steps(PLAN_STEPS, film)
    return film


def test_no_bias_is_planned_beyond_what_was_applied():
    film = planned([5.0, 5.0, 5.0, 5.0], "V", law("drive_mobility", 0.3))
    steps = [step.action.number("bias_V") for step in film.plan.steps]
    assert steps
    assert all(0 < bias <= 5.0 for bias in steps)
    assert film.plan.envelope.bias_limits_volt == (0.0, 5.0)
    small = planned([-20.0, 20.0, -20.0, 20.0], "mV", law("drive_mobility", 0.3))
    assert all(abs(step.action.number("bias_V")) <= 0.0200001 for step in small.plan.steps)
    assert small.plan.envelope.bias_limits_volt == pytest.approx((-0.02, 0.02))
    # the velocity that is expected is that of the drive in its own unit
    for step in small.plan.steps:
        (foreseen,) = [e.mean for e in step.expect if e.hypothesis == "proportional"]
        assert foreseen == pytest.approx(0.3 * 1000 * step.action.number("bias_V"), rel=0.05)


def test_a_driven_film_gets_the_same_plan_in_every_unit_of_its_drive():
    plans = {
        unit: planned(list(np.array([-5.0, 5.0, -5.0, 5.0]) / size), unit,
                      law("drive_mobility", 0.3 * size, sd=0.01 * size)).plan
        for unit, size in (("V", 1.0), ("mV", 1e-3), ("kV", 1e3))
    }  # fmt: skip
    volts = {u: [step.action.number("bias_V") for step in p.steps] for u, p in plans.items()}
    assert volts["V"]
    for unit in ("mV", "kV"):
        assert volts[unit] == pytest.approx(volts["V"])
        assert plans[unit].envelope.bias_limits_volt == pytest.approx((-5.0, 5.0))
        for one, other in zip(plans["V"].steps, plans[unit].steps, strict=True):
            expected = {e.hypothesis: e.mean for e in one.expect}
            assert {e.hypothesis: e.mean for e in other.expect} == pytest.approx(expected)
            assert "threshold" in expected


@pytest.mark.parametrize(
    ("drive", "unit", "fit", "reason"),
    [
        ([2.0, 3.0, 4.0, 5.0], "V", law("drive_mobility", 0.3), "differ only beyond the drives"),
        ([5.0] * 4, "V", law("drive_mobility", 0.3, warnings=(MISFIT,)), "does not fit this film"),
        ([5.0] * 4, "V", None, "no law of these walls was found"),
        (None, "", law("drive_velocity", 0.3), "no drive was given"),
        ([5.0] * 4, "V", law("drive_mobility", 0.3, verdict="model inadequate: too narrow"),
         "does not fit this film"),
        ([5.0] * 4, "", law("drive_mobility", 0.3), "its unit is not known; name its column"),
        ([300.0] * 4, "K", law("drive_mobility", 0.3), "its unit is K; name its column"),
        ([5.0] * 4, "kV", law("drive_mobility", 0.3), "its unit is kV; name its column"),
    ],
)  # fmt: skip
def test_a_plan_that_would_go_too_far_is_refused(drive, unit, fit, reason):
    film = planned(drive, unit, fit)
    assert film.plan is None
    assert reason in film.notes[-1].reason


def test_a_refusal_is_a_finding_and_no_error():
    with pytest.raises(NotIdentified, match="tell apart"):
        PLAN_STEPS[0].run(Findings("a", 1))
