"""Pictures are scanned while time runs: drift shears them, and rows have times."""

import numpy as np
import pytest
import xarray as xr

from physlearn.causal.actions import Action
from physlearn.causal.twins.digital_twin import DigitalTwin
from physlearn.causal.twins.instrument import Instrument
from physlearn.causal.twins.scan_picture import analyse_picture
from physlearn.causal.twins.wall_sample import WallSample
from physlearn.checks import InputError

STILL = WallSample(family="clean", n_points=65, height=32.0)
AREA = {"x_min": 0.0, "y_min": -16.0, "x_max": 64.0, "y_max": 16.0}
LOOK = Action("image", AREA, 1.0, 8.0, 1.0)


def height_of(picture):
    """Return where each column passes zero, by the sum of a tanh profile."""
    pixel = float(picture["y"][1] - picture["y"][0])
    return 0.5 * pixel * picture.to_numpy().sum(axis=0)


def test_a_still_wall_is_where_it_is_and_rows_have_times():
    twin = DigitalTwin(STILL, rng=1)
    twin.do(LOOK)
    picture = twin.pictures[0]
    assert height_of(picture) == pytest.approx(np.zeros(64), abs=1e-9)
    assert picture["row_time_s"].to_numpy()[[0, -1]] == pytest.approx([0.125, 8.0])
    assert picture["y"].attrs["units"] == "nm"


def test_drift_stretches_and_moves_the_picture():
    # the sample rises by 0.5 nm/s: row at y is scanned at t = 8 (y + 16) / 32 s and shows the
    # wall where y - 0.5 t = 0, so y = (0.5 x 4) / (1 - 0.125)
    twin = DigitalTwin(STILL, Instrument(drift_y_per_s=0.5, picture_rows=512), rng=1)
    twin.do(LOOK)
    numbers = twin.pictures[0].to_numpy()[:, 0]
    y = twin.pictures[0]["y"].to_numpy()
    crossing = np.interp(0.0, -numbers, y)
    assert crossing == pytest.approx(2.0 / 0.875, abs=0.05)


def test_a_moving_wall_is_bent_by_the_row_times():
    twin = DigitalTwin(
        WallSample(family="clean", n_points=65, height=32.0, force_per_volt=0.5),
        Instrument(picture_rows=512), rng=1,
    )  # fmt: skip
    twin.do(Action("change_bias", {"bias_V": 1.0}, 0.0, 1e-6, 1.0))
    twin.do(LOOK)  # the wall stands at 0.5 t when its row is scanned: y = 0.5 x 8 (y + 16) / 32
    crossing = np.interp(0.0, -twin.pictures[0].to_numpy()[:, 0], twin.pictures[0]["y"].to_numpy())
    assert crossing == pytest.approx(2.0 / 0.875, abs=0.05)


def test_blur_noise_and_focus():
    sharp = DigitalTwin(STILL, rng=1)
    sharp.do(LOOK)
    blurred = DigitalTwin(STILL, Instrument(blur_per_focus_nm=0.03), rng=1)
    blurred.do(Action("change_focus", {"focus_nm": -100.0}, 0.0, 1.0, 1.0))
    blurred.do(LOOK)
    steep = [np.abs(np.diff(twin.pictures[0], axis=0)).max() for twin in (sharp, blurred)]
    assert steep[1] < 0.5 * steep[0]
    noisy = DigitalTwin(STILL, Instrument(pixel_noise_sd=0.2), rng=1)
    noisy.do(LOOK)
    rest = noisy.pictures[0].to_numpy() - sharp.pictures[0].to_numpy()
    assert rest.std() == pytest.approx(0.2, abs=4 * 0.2 / np.sqrt(2 * rest.size))


def test_a_tip_that_changes_during_a_scan_leaves_a_step_in_the_rows():
    twin = DigitalTwin(
        STILL, Instrument(tip_change_probability=1.0, largest_gain_change=2.0), rng=3
    )
    twin.do(LOOK)
    still = DigitalTwin(STILL, rng=3)
    still.do(LOOK)
    gain = (twin.pictures[0] / still.pictures[0]).to_numpy()[:, 0]
    steps = np.flatnonzero(np.abs(np.diff(gain)) > 1e-9)
    assert len(steps) == 1
    assert gain[0] == pytest.approx(1.0)
    assert gain[-1] == pytest.approx(twin.reveal()["tip_gain"])


def test_roughness_of_a_wavy_boundary_is_that_of_the_wave():
    y, x = np.arange(0.0, 40.0, 0.05), np.arange(0.0, 64.0)
    wave = 20.0 + 3.0 * np.sin(2 * np.pi * x / 32.0)
    picture = xr.DataArray(
        (y[:, None] < wave).astype(float), dims=("y", "x"), coords={"y": y, "x": x}
    )
    assert analyse_picture(picture, "roughness") == pytest.approx(3.0 / np.sqrt(2), rel=0.01)
    assert analyse_picture(picture, "mean") == pytest.approx(0.5, abs=0.01)
    with pytest.raises(InputError, match="quantity must be"):
        analyse_picture(picture, "beauty")
    with pytest.raises(InputError, match="boundary"):
        analyse_picture(picture * 0.0, "roughness")
