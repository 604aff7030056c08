"""Noise and signal where the corrections are large: narrow pictures, many parts, two channels."""

import numpy as np
import pytest
import xarray as xr

from physlearn.datasets import measure_channel_noise
from physlearn.datasets.channels import repeats, signal_test
from physlearn.datasets.channels.noise_estimate import picture_noise
from physlearn.datasets.channels.scan_gain import scan_gain
from physlearn.datasets.scan.register_images import Registration


def test_noise_of_narrow_pictures_is_not_lost_with_the_lines_means(oracle):
    """Each line of 24 pixels loses 1/24 of its noise with its own mean; here 60 pictures."""
    rng = np.random.default_rng(1)
    found = np.array([picture_noise(rng.normal(size=(512, 24))).variance for _ in range(60)])
    oracle("noise of 24 columns", z=(found.mean() - 1.0) / (found.std() / np.sqrt(60)))
    assert found.std() / np.sqrt(60) < 1 / 24 / 4


def test_many_parts_have_one_chance_of_a_false_alarm(monkeypatch, oracle):
    """Pictures of more lines than fit are judged in parts, of which the best one counts."""
    monkeypatch.setattr(signal_test, "MOST_LINES", 12)
    rng = np.random.default_rng(2)
    number = 200
    p = np.array(
        [signal_test.pixel_signal_test(rng.normal(size=(72, 12)))[1] for _ in range(number)]
    )
    for rate in (0.01, 0.05):
        z = ((p < rate).sum() - number * rate) / np.sqrt(number * rate * (1 - rate))
        # fewer false alarms than promised are no fault
        oracle(f"false alarms of six parts {rate}", z=max(z, 0.0))
    # one part with a scene among five without is still found
    y, x = np.mgrid[:72, :12]
    scene = 4.0 * np.sin(x + y / 3.0) * (y < 12)
    assert signal_test.pixel_signal_test(scene + rng.normal(size=y.shape))[1] < 0.05


def test_pixels_far_above_a_stated_noise_are_a_signal_whatever_their_neighbours():
    """A coarse map of a patchy sample: white from pixel to pixel, and five times its noise."""
    rng = np.random.default_rng(3)
    patchy = 3.0 * rng.normal(size=(24, 24))
    noise = 0.6 * rng.normal(size=(24, 24))

    def told(values, **attrs):
        return measure_channel_noise(xr.DataArray(values, dims=("y", "x"), attrs=attrs))

    assert told(patchy + noise, noise_sd=0.6).has_signal
    # without a stated noise nobody can tell them from noise, and noise as stated is none
    assert not told(patchy + noise).has_signal
    assert not any(told(0.6 * rng.normal(size=(24, 24)), noise_sd=0.6).has_signal
                   for _ in range(50))  # fmt: skip
    # nor where the statement is too low by a third
    assert not any(told(0.6 * rng.normal(size=(24, 24)), noise_sd=0.45).has_signal
                   for _ in range(20))  # fmt: skip
    assert not told(rng.poisson(9.0, (24, 24)).astype(float), counts="known").has_signal
    uneven = rng.poisson(rng.choice([3.0, 30.0], (24, 24))).astype(float)
    assert told(uneven, counts="known").has_signal


def registered(shift, sd):
    return Registration(
        np.array([shift, 0.0]), np.eye(2), np.zeros(2), np.diag([sd**2, sd**2]),
        np.empty((0, 2)), 0.9, "nm",
    )  # fmt: skip


@pytest.mark.parametrize(("apart", "told"), [(4.5, False), (-4.5, False), (5.5, True), (-6, True)])
def test_channels_that_disagree_are_judged_by_both_their_errors(monkeypatch, apart, told):
    """Errors 0.3 and 0.4: the difference of two shifts has 0.5."""
    picture = xr.DataArray(np.zeros((32, 32)), dims=("y", "x"))
    pair = {"a": picture, "b": picture}
    answers = {0.3: registered(1.0, 0.3), 0.4: registered(1.0 + 0.5 * apart, 0.4)}
    monkeypatch.setattr(repeats, "_candidates", lambda *_: dict.fromkeys(pair, (picture, picture)))
    order = iter(answers.values())
    monkeypatch.setattr(repeats, "_registered", lambda *_: next(order))
    notes = []
    best, found = repeats.register_scan(pair, pair, None, "rigid", 4.0, notes)
    assert (best, found) == ("a", answers[0.3])
    assert bool(notes) == told


def test_the_error_of_a_gain_between_scans_is_its_scatter(oracle):
    """One scene, noise in both scans, 80 pairs: z of the planted gain."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:64, :64]
    scene = np.sin(x / 5) * np.cos(y / 6) + 0.5 * np.sin((x + 2 * y) / 9)
    z = []
    for _ in range(80):
        found = scan_gain(*(g * scene + rng.normal(0, 0.4, scene.shape) for g in (1.0, 1.3)))
        z.append((found.gain - 1.3) / found.sd)
    oracle("gain between scans, mean", z=np.mean(z) * np.sqrt(80) / np.std(z))
    # blocks of one scene share its waves: the spread is known to a tenth
    oracle("gain between scans, spread", error=np.std(z) - 1.0, bound=0.35)
