"""Dark columns, masks, saturated detectors, row offsets, empty and strange pictures."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from physlearn.checks import InputError
from physlearn.datasets import FindAtomsOptions, ImagingSettings, find_atoms, image_columns
from physlearn.datasets.columns.usable_pixels import saturated_pixels

SITES = 14.0 * np.argwhere(np.ones((14, 14))).astype(float) + 14.0
SHAPE = (212, 212)


def counts(peak=100.0, background=10.0, rng=1):
    settings = ImagingSettings(width_px=2.5, background_counts=background)
    return image_columns(SITES, peak, SHAPE, settings, rng=rng).image.values


def z_scores(atoms, sites=SITES):
    distance, near = cKDTree(atoms.positions).query(sites)
    assert (distance < 1.5).all()
    sd = np.sqrt(atoms.position_covariance[near][:, [0, 1], [0, 1]])
    return (atoms.positions[near] - sites) / sd


def honest(z):
    return abs(z.std() - 1.0) < 4 / np.sqrt(2 * z.size) + 0.05


def test_dark_columns_mirror_bright_ones():
    image = counts()
    bright = find_atoms(image, noise="gaussian")
    dark = find_atoms(500.0 - image, noise="gaussian", options=FindAtomsOptions(polarity="dark"))
    assert dark.metadata["polarity"] == "dark"
    distance, near = cKDTree(dark.positions).query(bright.positions)
    assert dark.n == bright.n
    assert distance.max() < 0.01
    np.testing.assert_allclose(dark.intensity[near], bright.intensity, rtol=0.02)


def test_dead_rows_are_left_out():
    image = counts()
    mask = np.ones(SHAPE, dtype=bool)
    mask[[40, 41, 90, 150]] = False
    image[~mask] = 0.0
    atoms = find_atoms(image, noise="poisson", mask=mask)
    assert atoms.n == len(SITES)
    assert honest(z_scores(atoms))


def test_saturated_pixels_are_found_and_said():
    image = np.minimum(counts(), 85.0)
    atoms = find_atoms(image, noise="poisson")
    assert any("saturated" in text for text in atoms.warnings)
    assert atoms.n == len(SITES)
    # the tops are gone: without the mask the amplitudes would be 15 % low
    volume = np.median(atoms.intensity) / (2 * np.pi * 100.0 * 2.5**2)
    assert volume == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize("mean", [0.2, 3.0, 100.0])
def test_noise_is_not_saturation(mean):
    noise = np.random.default_rng(2).poisson(mean, (200, 200)).astype(float)
    assert not saturated_pixels(noise).any()


def test_row_offsets_are_fitted_with_the_columns():
    rng = np.random.default_rng(3)
    rows = np.cumsum(rng.normal(0, 8.0, SHAPE[0]))
    settings = ImagingSettings(width_px=2.5, poisson=False, read_noise=5.0)
    clean = image_columns(SITES, 100.0, SHAPE, settings, rng=4).image.values
    image = clean + (rows - rows.mean())[:, None]
    atoms = find_atoms(image, options=FindAtomsOptions(row_levels=True))
    assert atoms.metadata["noise_model"] == "gaussian"
    assert atoms.metadata["noise_offset"] == pytest.approx(25.0, rel=0.1)
    assert atoms.n == len(SITES)
    assert honest(z_scores(atoms))
    assert find_atoms(image).metadata["noise_offset"] > 100.0


def test_zero_background_and_negative_values():
    atoms = find_atoms(counts(background=0.0), noise="poisson")
    assert atoms.n == len(SITES)
    assert honest(z_scores(atoms))
    shifted = find_atoms(counts() - 200.0)
    assert shifted.n == len(SITES)
    assert honest(z_scores(shifted))


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.ones((5, 5), dtype=bool), "shape"),
        (np.ones(SHAPE), "boolean"),
        (np.zeros(SHAPE, dtype=bool), "must count"),
    ],
)
def test_bad_masks(mask, words):
    with pytest.raises(InputError, match=words):
        find_atoms(counts(), mask=mask)


def test_bad_options():
    with pytest.raises(InputError, match="polarity"):
        FindAtomsOptions(polarity="blue")
    with pytest.raises(InputError, match="false_discovery_rate"):
        FindAtomsOptions(false_discovery_rate=0.7)
