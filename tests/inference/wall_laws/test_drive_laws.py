"""Creep, depinning and linear laws through measured velocities."""

import numpy as np
import pytest
from scipy import stats

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.wall_laws.drive_laws import fit_drive_law
from physlearn.inference.wall_laws.wall_drive import Scales, scale_draws

FIELDS = np.linspace(0.5, 1.5, 6)


def creep(exponent, fields=FIELDS):
    return 3.0 * np.exp(-((2.0 / fields) ** exponent))


@pytest.mark.parametrize(("law", "relative"), [("creep", 0.01), ("depinning", 0.01)])
def test_exponents_are_covered(law, relative, oracle):
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(40):
        exponent = rng.uniform(0.3, 1.2)
        threshold = rng.uniform(0.3, 0.9)
        speed = (
            creep(exponent) if law == "creep"
            else 1.5 * np.maximum(FIELDS / threshold - 1, 0) ** exponent
        )  # fmt: skip
        sd = relative * np.maximum(speed, 0.05)
        fit = fit_drive_law(FIELDS, speed + sd * rng.standard_normal(6), sd, law, rng=rng)
        low, high = fit.interval(f"{law}_exponent")
        inside.append(low <= exponent <= high)
    p = stats.binomtest(int(np.sum(inside)), len(inside), 0.9).pvalue
    oracle(f"{law}: 90 % intervals hold the exponent", p=p)


def test_the_creep_posterior_is_that_of_a_direct_sum():
    speed, sd = creep(0.6), 0.03 * creep(0.6)
    fit = fit_drive_law(FIELDS, speed, sd, "creep", rng=1, n_draws=20000)
    steep, bend = np.meshgrid(np.linspace(0.02, 6, 700), np.linspace(0.021, 2.999, 500))
    ratio = np.log(FIELDS) - np.log(FIELDS).mean()
    shape = np.exp(steep[..., None] * -np.expm1(-bend[..., None] * ratio) / bend[..., None]) / sd
    along, square = shape @ (speed / sd), (shape**2).sum(-1)
    mass = np.exp(0.5 * along**2 / square - (0.5 * along**2 / square).max()) / np.sqrt(square)
    mass /= mass.sum()
    mean = (mass * bend).sum()
    spread = np.sqrt((mass * (bend - mean) ** 2).sum())
    drawn = fit["creep_exponent"]
    assert drawn.mean() == pytest.approx(mean, abs=5 * spread / np.sqrt(20000))
    assert drawn.std() == pytest.approx(spread, rel=0.03)


def test_a_linear_law_is_weighted_least_squares():
    covariance = 0.01 * (np.eye(6) + 0.3)
    speed = 2.0 * FIELDS + 0.01
    fit = fit_drive_law(FIELDS, speed, covariance, "linear", rng=1, n_draws=40000)
    inverse = np.linalg.inv(covariance)
    information = FIELDS @ inverse @ FIELDS
    expected = FIELDS @ inverse @ speed / information
    assert fit["drive_mobility"].mean() == pytest.approx(
        expected, abs=5 / np.sqrt(4e4 * information)
    )
    assert fit["drive_mobility"].std() == pytest.approx(information**-0.5, rel=0.02)


def test_the_tail_probability_is_that_of_the_weighted_squares():
    sd = np.full(6, 0.01)
    speed = 2.0 * FIELDS + 0.01 * np.array([1.5, -1.0, 2.0, -1.5, 1.0, -2.0])
    fit = fit_drive_law(FIELDS, speed, sd, "linear", rng=1)
    best = (FIELDS @ speed) / (FIELDS @ FIELDS)
    expected = stats.chi2.sf((((speed - best * FIELDS) / sd) ** 2).sum(), 5)
    assert fit.diagnostics["p"] == pytest.approx(expected, rel=1e-6)


def test_what_is_known_of_the_tension_is_the_error_of_the_mobility():
    rng = np.random.default_rng(1)
    sharp = {"drive_mobility": rng.normal(3.0, 1e-4, 20000),
             "curvature_mobility": rng.normal(1.0, 1e-4, 20000)}  # fmt: skip
    found = scale_draws(sharp, Scales(tension=(2.0, 0.2)), "drive_mobility", rng)
    assert found["tension"].std() == pytest.approx(0.2, rel=0.03)
    assert (1 / found["mobility"]).std() == pytest.approx(0.2, rel=0.03)
    assert (found["mobility"] * found["tension"]).std() < 2e-4


def test_two_fields_cannot_test_an_exponent_unless_it_is_known():
    fields = FIELDS[:2]
    with pytest.raises(NotIdentified, match=r"2 drive level.* cannot test a creep exponent"):
        fit_drive_law(fields, creep(0.5, fields), [0.01, 0.01])
    fit = fit_drive_law(
        fields, creep(0.5, fields), 0.01 * creep(0.5, fields), exponent=(0.5, 0.02), rng=1
    )
    assert fit["creep_exponent"].mean() == pytest.approx(0.5, abs=0.02)
    assert any("cannot test it" in text for text in fit.warnings)


@pytest.mark.parametrize(("law", "known"), [
    ("creep", (0.5, 0.02)), ("creep", (0.8, 0.05)), ("depinning", (0.6, 0.03)),
])  # fmt: skip
def test_two_fields_leave_a_known_exponent_as_it_was_given(law, known):
    # two speeds fix two numbers and cannot pull the third, wherever it lies
    fields = FIELDS[:2]
    fit = fit_drive_law(
        fields, creep(0.5, fields), 0.001 * creep(0.5, fields), law, exponent=known, rng=1,
        n_draws=20000,
    )  # fmt: skip
    drawn = fit[f"{law}_exponent"]
    assert drawn.mean() == pytest.approx(known[0], abs=0.3 * known[1])
    assert drawn.std() == pytest.approx(known[1], rel=0.1)


def test_the_wrong_law_is_flagged_and_the_right_one_is_not():
    speed = creep(1.0)
    wrong = fit_drive_law(FIELDS, speed, 0.002 * speed, "linear", rng=1)
    right = fit_drive_law(FIELDS, speed, 0.002 * speed, "creep", rng=1)
    assert any("does not fit" in text for text in wrong.warnings)
    assert not any("does not fit" in text for text in right.warnings)


def test_negative_drives_are_mirrored_and_zero_says_nothing():
    fields = np.concatenate([-FIELDS, [0.0]])
    speed = np.concatenate([-creep(0.5), [0.0]])
    sd = np.concatenate([0.01 * creep(0.5), [0.01]])
    one = fit_drive_law(fields, speed, sd, rng=1)
    two = fit_drive_law(FIELDS, creep(0.5), 0.01 * creep(0.5), rng=1)
    assert one["creep_exponent"].mean() == pytest.approx(two["creep_exponent"].mean(), rel=1e-6)
    assert any("zero drive" in text for text in one.warnings)


def test_bad_input_gets_one_sentence():
    with pytest.raises(InputError, match="covariance must be positive"):
        fit_drive_law(FIELDS, creep(0.5), np.zeros(6))
    with pytest.raises(InputError, match="law must be"):
        fit_drive_law(FIELDS, creep(0.5), np.ones(6), "square")
    with pytest.raises(NotIdentified, match="moves"):
        fit_drive_law(FIELDS, 0.1 * np.ones(6), np.ones(6))


def test_a_spike_at_a_threshold_just_below_a_drive_does_not_take_the_posterior():
    rng = np.random.default_rng(1)
    speed = 1.5 * np.maximum(FIELDS / 0.784 - 1, 0) ** 0.232
    sd = 0.03 * np.maximum(speed, 0.05)
    for _ in range(3):
        fit = fit_drive_law(FIELDS, speed + sd * rng.standard_normal(6), sd, "depinning", rng=rng)
        low, high = fit.interval("depinning_field")
        assert high - low > 0.05  # between the drives .7 and .9 nothing fixes it further
