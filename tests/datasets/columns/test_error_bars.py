"""Error bars of single columns and of differences between overlapping ones, end to end."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from physlearn.datasets import ImagingSettings, find_atoms, image_columns


def scores(distance, n, seed, resampling=0.0):
    """Return z of positions and of neighbours' differences, honeycomb of 2.5 px wide columns."""
    rng = np.random.default_rng(seed)
    base = np.array([[0, 0], [1, 0], [1.5, np.sqrt(3) / 2], [2.5, np.sqrt(3) / 2]]) * distance
    i, j = np.meshgrid(np.arange(n), np.arange(n))
    cells = np.c_[i.ravel() * 3 * distance, j.ravel() * np.sqrt(3) * distance]
    places = (cells[:, None] + base).reshape(-1, 2) + 1.4 * distance
    places += rng.normal(0, 0.03 * distance, places.shape)
    shape = tuple(int(places[:, k].max() + 1.4 * distance) for k in (1, 0))
    settings = ImagingSettings(resampling_px=resampling)
    scene = image_columns(places, 100.0, shape, settings, rng=rng)
    atoms = find_atoms(scene.image, noise="gain" if resampling else "poisson")
    gap, near = cKDTree(atoms.positions).query(places)
    inner = (places > 2.5 * distance).all(axis=1)
    inner &= (places < np.array(shape[::-1]) - 2.5 * distance).all(axis=1)
    keep = np.flatnonzero(inner & (gap < 0.4 * distance))
    assert len(keep) > 0.99 * inner.sum()
    error = atoms.positions[near] - places
    single = error[keep] / np.sqrt(atoms.position_covariance[near[keep]][:, [0, 1], [0, 1]])
    pairs = keep[cKDTree(places[keep]).query_pairs(1.3 * distance, output_type="ndarray")]
    matrix = atoms.covariance.tocsr()
    both = []
    for axis in (0, 1):
        one, two = 4 * near[pairs[:, 0]] + axis, 4 * near[pairs[:, 1]] + axis
        variance = matrix.diagonal()[one] + matrix.diagonal()[two] - 2 * matrix[one, two]
        both.append((error[pairs[:, 0], axis] - error[pairs[:, 1], axis]) / np.sqrt(variance))
    return single.ravel(), np.concatenate(both)


@pytest.mark.parametrize("resampling", [0.0, 0.8])
def test_overlapping_columns_and_their_differences(resampling, oracle):
    single, both = scores(9.5, 8, 3, resampling)
    word = f"honeycomb at 3.8 widths, resampled by {resampling} px"
    # neighbours' errors correlate by up to .3: about two thirds of the scores count
    oracle(f"z sd of positions, {word}", z=(single.std() - 1) * np.sqrt(2 * 0.65 * single.size))
    oracle(f"z sd of differences, {word}", z=(both.std() - 1) * np.sqrt(2 * 0.4 * both.size))


@pytest.mark.slow
def test_error_bars_within_five_percent_on_many_overlapping_columns(oracle):
    parts = [scores(8.0, 12, seed) for seed in range(10, 18)]
    single, both = (np.concatenate(part) for part in zip(*parts, strict=True))
    assert len(single) > 4000
    oracle("z sd of positions, honeycomb at 3.2 widths", error=abs(single.std() - 1), bound=0.05)
    oracle("z sd of differences, honeycomb at 3.2 widths", error=abs(both.std() - 1), bound=0.05)
