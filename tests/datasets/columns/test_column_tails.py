"""Columns with a second, wider Gaussian common to the picture."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from physlearn import InputError
from physlearn.datasets import ImagingSettings, find_atoms, image_columns
from physlearn.datasets.columns.column_options import FindAtomsOptions

WIDTH, COLUMNS = 2.5, 16
TWO = FindAtomsOptions(shape="two_widths")


def tailed(seed, share, tail_widths, spacing):
    generator = np.random.default_rng(seed)
    sites = 18.0 + spacing * WIDTH * np.argwhere(np.ones((COLUMNS, COLUMNS)))
    sites += generator.uniform(-0.4, 0.4, sites.shape)
    peaks = np.where(generator.random(len(sites)) < 0.1, 300.0, 100.0)
    edge = int(sites.max() + 18)
    settings = ImagingSettings(
        width_px=WIDTH, tail_share=share, tail_widths=tail_widths, background_counts=10
    )
    return image_columns(sites, peaks, (edge, edge), settings, rng=seed)


@pytest.mark.parametrize(("share", "tail_widths", "spacing"), [(0.2, 2.5, 6), (0.3, 2.0, 9)])
def test_tails_are_found(oracle, share, tail_widths, spacing):
    scores, light = [], []
    false = 0
    for seed in range(2):
        scene = tailed(seed, share, tail_widths, spacing)
        atoms = find_atoms(scene.image, options=TWO)
        distance, k = cKDTree(atoms.positions).query(scene.truth.positions)
        assert distance.max() < 2
        false += atoms.n - len(scene.peaks)
        sd = np.sqrt(np.diagonal(atoms.position_covariance, axis1=1, axis2=2))
        scores.append(((atoms.positions[k] - scene.truth.positions) / sd[k]).ravel())
        light.append((atoms.intensity[k] - scene.truth.intensity) / atoms.intensity_sd[k])
        height = share / tail_widths**2 / (1 - share)
        found = atoms.metadata
        oracle(
            "tail's height",
            z=(found["column_tail_height"] - height) / (2 * found["column_tail_height_sd"]),
        )
        oracle("tail's widths", error=abs(found["column_tail_widths"] / tail_widths - 1), bound=0.1)
    # one Gaussian leaves 10 to 22 false columns in each of the denser pictures
    assert false <= 4
    z, intensity_z = np.concatenate(scores), np.concatenate(light)
    # a column's tail moves with it and says where it is, which the error bars do not count
    assert 0.85 < z.std() < 1.05 + 4 / np.sqrt(2 * len(z))
    # one Gaussian: 13 to 20 % of the light is missing, mean z -7 to -10
    assert abs(intensity_z.mean()) < 0.35
    assert 0.75 < intensity_z.std() < 1.1


def test_round_columns_stay_round():
    scene = tailed(3, 0.0, 2.0, 8)
    plain, tried = find_atoms(scene.image), find_atoms(scene.image, options=TWO)
    assert "column_tail_height" not in tried.metadata
    assert any("no common tail" in warning for warning in tried.warnings)
    assert tried.n == plain.n
    # a false column, known to a pixel, may move further: sweeps stop where the whole picture does
    planted = cKDTree(scene.truth.positions).query(plain.positions)[0] < 2
    assert planted.sum() == COLUMNS**2
    sd = np.sqrt(np.diagonal(plain.position_covariance, axis1=1, axis2=2))
    assert np.abs((tried.positions - plain.positions) / sd)[planted].max() < 0.2


def test_shape_is_a_known_word():
    with pytest.raises(InputError, match="shape"):
        FindAtomsOptions(shape="square")


def test_pixels_that_are_not_square_are_named():
    scene = tailed(1, 0.0, 2.0, 8)
    image = scene.image.assign_coords(x=scene.image.x * 0.5)
    image.x.attrs["units"] = image.y.attrs["units"] = "nm"
    assert any("square pixels" in warning for warning in find_atoms(image).warnings)
    assert not any("square pixels" in warning for warning in find_atoms(scene.image).warnings)
