"""Repeated scans hold the noise, shift, sharing and derived channel that they declare."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import ChannelSceneSettings, make_channel_scene

NAMES = ("height", "amplitude", "phase", "deflection", "idle")


def residual(scene, scan=0):
    return np.stack(
        [(scene.scans[scan][name] - scene.truth[name]).values / scene.noise_sd[name]
         for name in NAMES]
    )  # fmt: skip


def test_noise_and_its_sharing_are_as_declared(oracle):
    scene = make_channel_scene(ChannelSceneSettings(noise_sharing=0.4), rng=1)
    noise = residual(scene).reshape(5, -1)
    n = noise.shape[1]
    oracle("noise sd", z=float((noise.var(axis=1).mean() - 1) * np.sqrt(n * 5 / 2 / 1.64)))
    shared = np.corrcoef(noise)[np.triu_indices(5, 1)]
    assert np.all(np.abs(shared - 0.4) < 5 / np.sqrt(n))


def test_correlated_noise_keeps_its_deviation():
    scene = make_channel_scene(ChannelSceneSettings(noise_correlation_px=1.5), rng=1)
    noise = residual(scene)
    assert noise.std() == pytest.approx(1.0, abs=0.02)
    lag = (noise[:, :, 1:] * noise[:, :, :-1]).mean()
    assert lag == pytest.approx(np.exp(-1 / (4 * 1.5**2)), abs=0.02)


def test_second_scan_is_shifted_by_what_is_said():
    quiet = ChannelSceneSettings(noise=0.0, shift_px=(3.0, -2.0))
    scene = make_channel_scene(quiet, rng=1)
    assert scene.shifts.tolist() == [[0.0, 0.0], [3.0, -2.0]]
    first, second = (scan["height"].values for scan in scene.scans)
    assert np.allclose(second[:-2, 3:], first[2:, :-3], atol=1e-6)


def test_deflection_is_the_slope_of_the_height():
    scene = make_channel_scene(ChannelSceneSettings(noise=0.0), rng=1)
    slope = np.gradient(scene.truth["height"].values, axis=1)[:, 1:-1]
    deflection = scene.truth["deflection"].values[:, 1:-1]
    assert np.corrcoef(slope.ravel(), deflection.ravel())[0, 1] > 1 - 1e-9
    assert not scene.truth["idle"].values.any()


def test_spoilt_rows_jump():
    scene = make_channel_scene(ChannelSceneSettings(spoilt_rows=4, noise=0.1), rng=1)
    away = np.abs((scene.scans[0]["height"] - scene.truth["height"]).mean("x").values)
    assert set(np.flatnonzero(away > 1.0)) == set(scene.spoilt_rows[0])


def test_fixed_pattern_is_common_to_both_scans():
    scene = make_channel_scene(ChannelSceneSettings(noise=0.1, fixed_pattern=0.5), rng=1)
    first, second = residual(scene), residual(scene, 1)
    assert (first * second)[:4].mean() == pytest.approx((0.5 / 0.1) ** 2, rel=0.05)


@pytest.mark.parametrize(
    "changes",
    [{"shape": (8, 8)}, {"noise_sharing": 1.0}, {"blur_px": {"no_such": 1.0}}, {"n_scans": 0}],
)
def test_wrong_settings_are_refused(changes):
    with pytest.raises(InputError):
        ChannelSceneSettings(**changes)
