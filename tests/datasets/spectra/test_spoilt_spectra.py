"""Spikes and spoilt pixels found; the robust spectrum against the mean."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import (
    find_spoilt_spectra,
    make_spectra,
    read_channels,
    robust_spectrum,
    score_spectra,
)
from physlearn.datasets.spectra.spoilt import spoilt_points


@pytest.mark.parametrize("kind", ["loops", "resonance", "edges", "tunnelling"])
def test_spoilt_pixels_are_found_and_sound_ones_are_not(kind):
    scene = make_spectra(kind, (40, 40), rng=5)
    found = find_spoilt_spectra(scene.spectra)
    points = found.spoilt_points.to_numpy()
    assert points.any(axis=2)[scene.spoilt].mean() > 0.99
    # a sharp peak that moves from pixel to pixel can look like a spike
    assert points[~scene.spoilt].mean() < 0.01
    assert not found.spoilt.to_numpy()[~scene.spoilt].any()


@pytest.mark.parametrize("share", [0.01, 0.1])
@pytest.mark.parametrize("height", [1.0, 5.0])
def test_a_state_in_few_pixels_is_no_spike(height, share):
    rng = np.random.default_rng(1)
    bias = np.linspace(-1.0, 1.0, 64)
    spectra = 0.5 + bias**2 + rng.normal(0, 0.03, (400, 64))
    holds = np.arange(400) < share * 400
    state = height * np.exp(-((bias - 0.2) ** 2) / 2 / 0.05**2)
    spectra[holds] += state
    # bursts of spikes, as tall as the state, in other pixels
    for row in range(200, 300):
        first, length = rng.integers(0, 56), rng.integers(1, 8)
        spectra[row, first : first + length] += height * rng.uniform(0.3, 1.5, length)
    data = xr.DataArray(spectra.reshape(20, 20, 64), {"bias": bias}, ("y", "x", "bias"))
    found = find_spoilt_spectra(data).spoilt_points.to_numpy().reshape(400, 64)
    assert not found[holds].any()
    assert found[200:300].any(axis=1).mean() > 0.9
    scores = score_spectra(data).spectral_score_1.to_numpy().ravel()
    sound = np.r_[0:200, 300:400]
    step = scores[sound][holds[sound]].mean() - scores[sound][~holds[sound]].mean()
    # a component has a mean square of 1: the score is the state's root mean square
    assert step == pytest.approx(np.sqrt((state**2).mean()), rel=0.05)


def test_one_pixels_smooth_feature_is_kept_and_its_burst_is_not():
    rng = np.random.default_rng(2)
    bias = np.linspace(-1.0, 1.0, 64)
    spectra = 0.5 + bias**2 + rng.normal(0, 0.03, (100, 64))
    spectra[3] += 3.0 * np.exp(-((bias - 0.2) ** 2) / 2 / 0.1**2)
    spectra[4, 30:42] += rng.uniform(0.3, 3.0, 12)
    points = spoilt_points(spectra)
    assert not points[3].any()
    assert points[4, 30:42].mean() > 0.6


def test_dead_constant_and_noisy_pixels_have_their_reason():
    scene = make_spectra("loops", (12, 12), spoilt_share=0.0, rng=1)
    spectra = scene.spectra.copy()
    spectra[0, 0] = np.nan
    spectra[0, 1] = 1.0
    spectra[0, 2] += 40.0 * np.random.default_rng(1).normal(size=64)
    reason = find_spoilt_spectra(spectra).reason
    assert reason[0, :4].to_numpy().tolist() == [1, 1, 3, 0]


def test_the_median_spectrum_has_its_error(oracle):
    z = []
    for seed in range(40):
        scene = make_spectra("loops", (20, 20), smooth_px=0.0, rng=seed)
        clean = make_spectra(
            "loops", (1, 1), smooth_px=0.0, noise=1e-9, spoilt_share=0.0, rng=seed
        ).spectra.to_numpy()[0, 0]
        found = robust_spectrum(scene.spectra)
        z.append(((found["median"] - clean) / found.median_sd).to_numpy())
        mean = ((found["mean"] - clean) / 0.05 * 20).to_numpy()
        assert np.abs(mean).max() > 100
    # 2560 points; the spread is read off a few order statistics, and varies by a tenth
    oracle("z sd", error=np.std(z) - 1.0, bound=0.1)


def test_recorded_loops_have_a_median_and_no_mean(public_file):
    loops = read_channels(public_file("beps_pto_loops/BEPS_PTO_50x50.h5"))["Piezoresponse"]
    found = robust_spectrum(loops)
    assert float(abs(found["median"]).max()) < 6e-5
    assert float(abs(found["mean"]).max()) > 2.5e-4
    spoilt = find_spoilt_spectra(loops)
    spikes = float(spoilt.spoilt_points.any("Voltage").mean())
    assert 0.2 < spikes < 0.75
    # half of the loops hold nothing: spikes are what stands out of a loop, not what is large
    assert float(spoilt.spoilt.mean()) < 0.3


def test_bad_input_gets_one_sentence():
    scene = make_spectra("loops", (4, 4), rng=1)
    with pytest.raises(InputError, match="most_spikes"):
        find_spoilt_spectra(scene.spectra, most_spikes=0.0)
    with pytest.raises(InputError, match="must be real"):
        robust_spectrum(scene.spectra + 0j)
    with pytest.raises(InputError, match="at least 4 sound values"):
        robust_spectrum(scene.spectra.where(scene.spectra.voltage > 0))
