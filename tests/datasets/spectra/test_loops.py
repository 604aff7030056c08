"""Hysteresis loops against planted truth, under spikes, scale and offset; and recorded loops."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import describe_loops, make_spectra, read_channels, robust_spectrum
from physlearn.datasets.spectra.loop_sweep import sweep_directions, sweep_step
from physlearn.datasets.spectra.loops import LOOP_COLUMNS


def z_scores(found, scene):
    """Return z of every column, by name, where it was measured."""
    return {
        name: ((found[name] - scene.truth[name]) / found[f"{name}_sd"]).to_numpy()
        for name in LOOP_COLUMNS
    }


@pytest.mark.parametrize(("noise", "edge", "bound"), [(0.05, 70, 0.05), (0.15, 36, 0.12)])
def test_errors_are_those_of_planted_noise_with_a_quarter_spoilt(noise, edge, bound, oracle):
    scene = make_spectra("loops", (edge, edge), noise=noise, spoilt_share=0.25, rng=3)
    found = describe_loops(scene.spectra)
    for name, z in z_scores(found, scene).items():
        good = np.isfinite(z)
        assert good.mean() > 0.88, name
        oracle(f"{name} z sd", error=z[good].std() - 1.0, bound=bound)
        spoilt = good & scene.spoilt
        oracle(f"{name} of spoilt pixels z sd", error=z[spoilt].std() - 1.0, bound=2 * bound)
        assert np.abs(z[good]).max() < 7.0


def test_correlations_between_columns_are_those_of_the_errors(oracle):
    scene = make_spectra("loops", (40, 40), spoilt_share=0.0, rng=4)
    found = describe_loops(scene.spectra)
    z = np.stack([each.ravel() for each in z_scores(found, scene).values()], axis=1)
    good = np.isfinite(z).all(axis=1)
    assert good.mean() > 0.99
    z, covariance = z[good], found.covariance.to_numpy().reshape(-1, 8, 8)[good]
    sd = np.sqrt(np.einsum("nii->ni", covariance))
    stated = (covariance / sd[:, :, None] / sd[:, None, :]).mean(axis=0)
    oracle("correlation", error=np.abs(np.corrcoef(z.T) - stated).max(), bound=0.1)


def test_scale_and_offset_of_the_response_move_what_they_should():
    scene = make_spectra("loops", (6, 6), spoilt_share=0.0, rng=5)
    plain = describe_loops(scene.spectra)
    moved = describe_loops(3e-5 * scene.spectra + 2e-4)
    for name in ("coercive_voltage_rising", "coercive_voltage_falling", "imprint"):
        np.testing.assert_allclose(moved[name], plain[name], rtol=1e-4)
        np.testing.assert_allclose(moved[f"{name}_sd"], plain[f"{name}_sd"], rtol=1e-2)
    for name in ("switchable_response", "loop_area", "remanent_response"):
        np.testing.assert_allclose(moved[name], 3e-5 * plain[name], rtol=1e-3)
    inverted = describe_loops(-scene.spectra)
    np.testing.assert_allclose(inverted.switchable_response, -plain.switchable_response, rtol=1e-4)


def test_the_zero_level_is_where_the_response_changes_sign():
    scene = make_spectra("loops", (5, 5), noise=0.01, spoilt_share=0.0, rng=6)
    found = describe_loops(scene.spectra, level="zero")
    up, truth = found.coercive_voltage_rising, scene.truth
    a, v = truth.switchable_response / 2, truth.coercive_voltage_rising
    # above the middle of the two states the branch crosses zero before its step
    clear = (np.abs(truth.vertical_offset) > 0.08).to_numpy()
    assert clear.sum() > 5
    before = (np.sign(v - up) == np.sign(truth.vertical_offset * a)).to_numpy()
    assert before[clear].all()
    far = describe_loops(scene.spectra + 50.0, level="zero")
    assert np.isnan(far.coercive_voltage_rising).all()
    assert np.isfinite(far.switchable_response).all()


def test_noise_alone_is_no_loop_and_a_missing_step_hides_what_needs_it():
    scene = make_spectra("loops", (10, 10), spoilt_share=0.0, rng=7)
    noise = scene.spectra.copy(data=np.random.default_rng(1).normal(size=scene.spectra.shape))
    assert np.isin(describe_loops(noise).reason.to_numpy(), (2, 3)).mean() > 0.95
    holed = scene.spectra.copy()
    rising = sweep_directions(holed.voltage.to_numpy())
    holed[:, :, np.flatnonzero(rising & (holed.voltage.to_numpy() > 0.5))] = np.nan
    found = describe_loops(holed)
    assert np.isnan(found.coercive_voltage_rising).all()
    assert np.isfinite(found.coercive_voltage_falling).all()
    assert np.isfinite(found.switchable_response).all()


def test_correlated_noise_widens_the_errors(oracle):
    scene = make_spectra("loops", (50, 50), noise=1e-6, spoilt_share=0.0, rng=8)
    noise = np.random.default_rng(2).normal(size=scene.spectra.shape)
    for k in range(1, noise.shape[-1]):
        noise[..., k] = 0.6 * noise[..., k - 1] + 0.8 * noise[..., k]
    found = describe_loops(scene.spectra + 0.05 * noise)
    assert found.attrs["error_correlation"] == pytest.approx(0.6, abs=0.1)
    for name, z in z_scores(found, scene).items():
        oracle(f"{name} z sd", error=np.nanstd(z) - 1.0, bound=0.2)


def test_bad_input_gets_one_sentence():
    scene = make_spectra("loops", (3, 3), rng=1)
    one_way = scene.spectra.isel(voltage=slice(0, 16))
    with pytest.raises(InputError, match="one branch is no loop"):
        describe_loops(one_way)
    with pytest.raises(InputError, match="must be real"):
        describe_loops(scene.spectra + 0j)
    with pytest.raises(InputError, match="DataArray"):
        describe_loops(scene.spectra.to_numpy())
    with pytest.raises(InputError, match="level must be one of"):
        describe_loops(scene.spectra, level="top")
    empty = scene.spectra.where(False)
    assert (describe_loops(empty).reason == 1).all()


def test_recorded_loops_cross_zero_where_the_median_does(public_file):
    loops = read_channels(public_file("beps_pto_loops/BEPS_PTO_50x50.h5"))["Piezoresponse"]
    both = robust_spectrum(loops)
    robust = describe_loops(both["median"], level="zero")
    assert float(robust.coercive_voltage_rising) == pytest.approx(5.5, abs=0.3)
    assert float(robust.coercive_voltage_falling) == pytest.approx(-3.0, abs=0.3)
    useless = describe_loops(both["mean"], level="zero")
    assert abs(float(useless.coercive_voltage_rising) - 5.5) > 1.5
    assert float(useless.switchable_response) > 4 * float(robust.switchable_response)
    pixels = describe_loops(loops, level="zero")
    assert float((pixels.reason == 0).mean()) > 0.7
    assert float(pixels.coercive_voltage_rising.median()) == pytest.approx(5.3, abs=0.5)
    assert float(pixels.coercive_voltage_falling.median()) == pytest.approx(-3.0, abs=0.5)


def plain_loops(n, up=3.0, down=-2.0, noise=0.05, seed=1, hold=1):
    """Return n equal loops of a triangle of 1 V steps from 0 up, each voltage held, with noise."""
    voltage = np.concatenate([np.arange(9), np.arange(7, -9, -1), np.arange(-7, 0)]) * 1.0
    rising = np.repeat(np.r_[np.ones(9), np.zeros(16), np.ones(7)] > 0, hold)
    voltage = np.repeat(voltage, hold)
    loop = np.tanh((voltage - np.where(rising, up, down)) / 0.7)
    loop = loop + np.random.default_rng(seed).normal(0, noise, (n, len(voltage)))
    return xr.DataArray(loop, {"voltage": voltage}, ("pixel", "voltage")), rising


def test_branches_on_one_another_are_no_loop():
    spectra, _ = plain_loops(300, up=1.0, down=1.0)
    # before, a sixth were measured: the steps at one voltage hid the area, and the switch decided
    assert (describe_loops(spectra).reason == 2).mean() > 0.99


def test_one_branch_is_no_loop():
    spectra, rising = plain_loops(100)
    found = describe_loops(spectra.where(xr.DataArray(rising, dims="voltage")))
    assert (found.reason == 6).all()
    assert np.isnan(found.switchable_response).all()


def test_open_loops_of_another_shape_are_not_called_closed():
    spectra, _ = plain_loops(200)
    found = describe_loops(spectra + 0.02 * spectra.voltage**2)
    # the opening is 40 noise sd
    assert (found.reason == 5).mean() > 0.95
    assert "V^2" in found.attrs["warnings"][0]
    assert describe_loops(spectra).attrs["warnings"] == ()
    closed, _ = plain_loops(200, up=1.0, down=1.0, seed=2)
    assert (describe_loops(closed + 0.02 * closed.voltage**2).reason == 5).mean() < 0.01


@pytest.mark.parametrize("hold", [2, 6])
def test_a_voltage_read_back_with_jitter_keeps_its_directions(hold, oracle):
    spectra, rising = plain_loops(400, hold=hold)
    jitter = np.random.default_rng(3).normal(0, 0.02, spectra.shape[1])
    read = spectra.assign_coords(voltage=spectra.voltage + jitter)
    voltage = read.voltage.to_numpy()
    wrong = sweep_directions(voltage) != rising
    # a point on a turning plateau may belong to either way: both states are the same there
    assert (np.abs(np.abs(voltage[wrong]) - 8.0) < 0.2).all()
    found = describe_loops(read)
    assert (found.reason == 0).mean() > 0.97
    for name, truth in (("rising", 3.0), ("falling", -2.0)):
        error = found[f"coercive_voltage_{name}"] - truth
        oracle(f"{name} error", error=float(np.abs(error).max()), bound=0.35)
    assert sweep_step(voltage) == pytest.approx(1.0, abs=0.05)


def test_small_turns_of_a_sweep_are_turns():
    # cycles that grow, in even steps, and a sweep that is slow at its ends
    growing = np.concatenate([np.arange(0, 3), np.arange(1, -3, -1), np.arange(-1, 9)]) * 1.0
    directions = sweep_directions(growing)
    assert directions.tolist() == [True] * 3 + [False] * 4 + [True] * 10
    phase = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    assert (sweep_directions(np.sin(phase))[1:] == (np.diff(np.sin(phase)) > 0)).all()


def test_pauses_of_the_sweep_go_with_the_next_move():
    voltage = np.array([0, 0, 1, 1, 0, -1, -1, 0], float)
    assert sweep_directions(voltage).tolist() == [True, True, True, True, False, False, False, True]


def test_one_loop_and_a_list_of_pixels_give_the_same():
    scene = make_spectra("loops", (3, 4), spoilt_share=0.0, rng=9)
    listed = scene.spectra.stack(pixel=("y", "x")).transpose("pixel", "voltage")
    listed = xr.DataArray(
        listed.to_numpy(), {"voltage": scene.spectra.voltage}, ("pixel", "voltage")
    )
    whole, single = describe_loops(listed), describe_loops(scene.spectra[0, 0])
    assert whole.imprint.dims == ("pixel",)
    assert single.imprint.dims == ()
    assert float(single.imprint) == pytest.approx(float(whole.imprint[0]), abs=1e-6)
