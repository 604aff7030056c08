"""Halves of one picture, and two pictures of one field, agree within the error bars or not."""

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    ImagingSettings,
    check_consistency,
    image_columns,
    read_image,
)

SITES = 12.0 * np.argwhere(np.ones((26, 26))).astype(float) + 12.0
SHAPE = (328, 328)


def picture(rng, *, shift=0.0, **settings):
    imaging = ImagingSettings(width_px=2.2, **settings)
    return image_columns(SITES + shift, 100.0, SHAPE, imaging, rng=rng).image


@pytest.mark.parametrize("method", ["thin", "rows", "repeat"])
def test_right_error_bars_pass(method, oracle):
    second = picture(2, shift=0.4) if method == "repeat" else None
    check = check_consistency(picture(1), second=second, method=method, rng=3)
    assert check.n_both >= len(SITES) - 2
    assert check.judged
    assert check.passed
    for sd, error in zip(check.z_sd, check.z_sd_error, strict=True):
        oracle(f"z sd of {method}", z=(sd - check.expected_z_sd) / error)
    assert np.isclose(error, 1 / np.sqrt(2 * len(SITES)), rtol=0.4)


def test_row_jitter_shows_between_rows_and_repeats_along_x_only():
    for check in (
        check_consistency(picture(1, jitter_px=0.3), method="rows"),
        check_consistency(picture(1, jitter_px=0.3), second=picture(2, jitter_px=0.3)),
    ):
        assert check.passed is False
        assert check.z_sd[0] > 1.3
        assert abs(check.z_sd[1] - 1) < 0.2


def test_smeared_pixels_are_reported_and_not_judged():
    check = check_consistency(picture(1, resampling_px=1.0), method="rows")
    assert not check.judged
    assert check.passed is None
    assert "not independent" in check.reason
    assert check.noise_correlation[1] > 0.3


def test_auto_takes_what_can_be_judged():
    assert check_consistency(picture(1), second=picture(2)).method == "repeat"
    assert check_consistency(picture(1)).method == "rows"


def test_a_mask_of_the_user_stays_masked():
    mask = np.ones(SHAPE, dtype=bool)
    mask[:, :164] = False
    check = check_consistency(picture(1), method="rows", mask=mask)
    assert check.n_both < 0.6 * len(SITES)


def test_bad_input_gets_one_sentence():
    with pytest.raises(InputError, match="whole numbers"):
        check_consistency(picture(1, gain=1.3), method="thin")
    with pytest.raises(InputError, match="give second"):
        check_consistency(picture(1), method="repeat")
    with pytest.raises(NotIdentified, match="both halves"):
        check_consistency(np.random.default_rng(0).poisson(10.0, (64, 64)).astype(float),
                          noise="poisson", method="thin", rng=1)  # fmt: skip


@pytest.mark.slow
def test_real_picture_rows_are_judged_and_not_passed(public_file):
    """A real scan displaces its rows: halves differ by more than their errors, and it is said."""
    image = read_image(public_file("stem_mos2_scilink/MoS2_stem_Exp-000-2.npy"))
    check = check_consistency(image, method="rows")
    assert check.judged
    assert check.passed is False
    assert "not passed" in check.reason
    excess = (np.array(check.z_sd) - check.expected_z_sd) / np.array(check.z_sd_error)
    assert excess.max() > 4
    for sd, error in zip(check.z_sd, check.z_sd_error, strict=True):
        assert f"{sd:.2f} +- {error:.2f}" in check.reason
        assert 0 < error < 0.1
    # even and odd rows hold half of the counts each: what one of them misses is counted
    assert check.n_both > 20
    assert check.n_only_first + check.n_only_second > 0


@pytest.mark.parametrize("axis", ["x", "y"])
def test_only_noise_that_rows_share_narrows_what_rows_should_show(axis):
    places = 12.0 * np.argwhere(np.ones((13, 13))).astype(float) + 12.0
    made = image_columns(places, 100.0, (172, 172), ImagingSettings(width_px=2.2), rng=1)
    white = np.random.default_rng(2).normal(0, 6.0, (173, 173))
    # a moving mean over two pixels with weights 1 and .08: neighbours along one axis correlate
    beside = white[1:, :-1] if axis == "y" else white[:-1, 1:]
    values = made.mean + white[:-1, :-1] + 0.08 * beside
    check = check_consistency(values, method="rows")
    along_y = 0.08 if axis == "y" else 0.0
    assert check.noise_correlation["xy".index(axis)] == pytest.approx(0.08, abs=0.03)
    assert check.expected_z_sd == pytest.approx(np.sqrt(1 - 2 * along_y), abs=0.035)
