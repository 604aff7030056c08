"""Gain, zero level and read noise: told where an empty region tells them, refused elsewhere."""

import numpy as np
import pytest

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import find_atoms, measure_detector


def scene(seed, *, vacuum=70, gain=3.0, offset=50.0, read_noise=4.0, background=15.0, peak=90.0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:196, :252]
    mean = background + peak * np.exp(-((x % 14 - 7) ** 2 + (y % 14 - 7) ** 2) / (2 * 2.5**2))
    counts = rng.poisson(np.where(x < vacuum, 0.0, mean))
    return offset + gain * counts + rng.normal(0, read_noise, x.shape)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_detector_comes_back(seed, oracle):
    picture = scene(seed)
    detector = measure_detector(picture, find_atoms(picture, noise="gain"))
    oracle(f"detector gain, seed {seed}", error=abs(detector.gain - 3), bound=0.25)
    oracle(f"detector zero level, seed {seed}", z=(detector.offset - 50.0) / detector.offset_sd)
    oracle(f"detector read noise, seed {seed}", error=abs(detector.read_noise - 4), bound=0.15)
    assert 0.15 < detector.empty_share < 0.32
    assert "vacuum" in detector.sentences[0]


def test_without_an_empty_region_only_the_gain_is_told():
    picture = scene(3, vacuum=0)
    detector = measure_detector(picture, find_atoms(picture, noise="gain"))
    assert detector.offset is None
    assert detector.read_noise is None
    assert detector.gain == pytest.approx(3.0, abs=0.3)
    assert "no empty region" in detector.sentences[0]


def test_a_named_region_is_taken():
    picture = scene(4)
    empty = np.zeros(picture.shape, dtype=bool)
    empty[20:100, 5:50] = True
    detector = measure_detector(picture, find_atoms(picture, noise="gain"), empty=empty)
    assert detector.offset == pytest.approx(50.0, abs=0.4)
    with pytest.raises(InputError, match="at least"):
        measure_detector(
            picture, find_atoms(picture, noise="gain"), empty=np.zeros(picture.shape, dtype=bool)
        )


def test_one_variance_shows_no_gain():
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:196, :196]
    picture = 90 * np.exp(-((x % 14 - 7) ** 2 + (y % 14 - 7) ** 2) / (2 * 2.5**2))
    picture = picture + rng.normal(0, 8.0, x.shape)
    with pytest.raises(NotIdentified, match="gain cannot be told"):
        measure_detector(picture, find_atoms(picture, noise="gain"))
    with pytest.raises(InputError, match="noise='gain'"):
        measure_detector(picture, find_atoms(picture, noise="gaussian"))
