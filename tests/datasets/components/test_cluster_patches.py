"""Classes without labels: their number, whatever the overlap and however alike neighbours are."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from sklearn.metrics import adjusted_rand_score

from physlearn.checks import InputError
from physlearn.datasets import cluster_patches, make_patch_scene
from physlearn.datasets.descriptors.polar_fourier import polar_fourier
from physlearn.records import PatchTable


def on_grid(values, n, size=1.0, **options):
    y, x = np.mgrid[:n, :n].reshape(2, -1) * 1.0
    return PatchTable.from_frame(pd.DataFrame(values), np.stack([x, y], axis=1), size, **options)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_planted_number_of_heaps_is_found(k):
    random = np.random.default_rng(k)
    means = 6.0 * np.linalg.qr(random.normal(size=(5, 5)))[0][:k]
    labels = random.integers(k, size=500)
    found = cluster_patches(means[labels] + random.normal(size=(500, 5)), rng=0)
    assert found.n_clusters == k
    if k > 1:
        assert adjusted_rand_score(labels, found.labels) > 0.95
    assert np.allclose(found.probabilities.sum(axis=1), 1.0)


def spread_of_sums(rows, chosen):
    """Return the sd of the sum of labels less probabilities, where a mixture was fitted.

    Labels scatter about the true probabilities p, and independently the parameters (share, means,
    variances of two round heaps) about theirs by the inverse information.
    """
    share, means = 0.3, np.array([[0.0, 0.0], [2.0, 2.0]])
    away = rows[None] - means[:, None]
    square = (away**2).sum(axis=2)
    p = 1 / (1 + (1 - share) / share * np.exp((square[1] - square[0]) / 2))
    belongs = np.stack([1 - p, p])
    parts = np.concatenate([away, (square / 2 - 1)[:, :, None]], axis=2)  # mean x, y, variance
    score = (belongs[:, :, None] * parts).transpose(1, 0, 2).reshape(len(rows), 6)
    score = np.column_stack([score, (p - share) / (share * (1 - share))])
    logit = np.column_stack([-parts[0], parts[1], np.full(len(rows), 1 / (share * (1 - share)))])
    slope = ((p * (1 - p))[chosen, None] * logit[chosen]).sum(axis=0)
    information = score.T @ score
    return np.sqrt((p * (1 - p))[chosen].sum() + slope @ np.linalg.solve(information, slope))


@pytest.mark.parametrize("seed", range(4))
def test_probabilities_are_calibrated(seed, oracle):
    random = np.random.default_rng(seed)
    labels = random.random(4000) < 0.3
    rows = random.normal(size=(4000, 2)) + 2.0 * labels[:, None]
    found = cluster_patches(rows, 2, rng=0)
    p = found.probabilities[:, 1]  # 0 is the most frequent
    z = (labels - p).sum() / spread_of_sums(rows, np.ones(4000, bool))
    oracle("share of the smaller class", z=z)
    unsure = (p > 0.2) & (p < 0.8)
    z = (labels - p)[unsure].sum() / spread_of_sums(rows, unsure)
    oracle("share among unsure patches", z=z)


def test_smooth_fields_without_classes_are_one_class():
    # counted as independent, 676 patches of smooth fields look like many classes
    naive, aware = [], []
    for seed in range(1):
        field = np.random.default_rng(seed).normal(size=(3, 26, 26))
        field = ndimage.gaussian_filter(field, (0, 2, 2), mode="wrap")
        values = (field / field.std(axis=(1, 2), keepdims=True)).reshape(3, -1).T
        aware.append(cluster_patches(on_grid(values, 26), rng=0).n_clusters)
        naive.append(cluster_patches(values, rng=0).n_clusters)
    assert aware == [1]
    assert min(naive) > 2


@pytest.mark.parametrize("k", [1, 2])
def test_overlap_makes_no_classes_and_hides_none(k):
    random = np.random.default_rng(k)
    noise = ndimage.uniform_filter(random.normal(size=(3, 42, 42)), (0, 2, 2))[:, 1:41, 1:41] * 2
    domain = ndimage.gaussian_filter(random.normal(size=(40, 40)), 4, mode="wrap") > 0
    values = noise.reshape(3, -1).T + (2.5 * domain.reshape(-1, 1) if k == 2 else 0.0)
    found = cluster_patches(on_grid(values, 40, 2.0, overlap=0.5), rng=0)
    assert found.n_clusters == k
    assert found.effective_patches <= 400.5


def test_turned_and_shifted_motifs_fall_into_their_classes():
    scene = make_patch_scene("motifs", n_patches=300, rng=3)
    described = polar_fourier(
        scene.image, centers=scene.centers, size=scene.patch_px, noise="counts"
    )
    table = PatchTable.from_frame(
        pd.DataFrame(described.values), scene.centers, float(scene.patch_px),
        measurement_covariance=described.covariance,
    )  # fmt: skip
    found = cluster_patches(table, rng=0)
    assert found.n_clusters == 4
    assert adjusted_rand_score(scene.labels, found.labels) >= 0.95


def test_repeated_rows_do_not_break_it():
    random = np.random.default_rng(0)
    rows = np.repeat(random.normal(size=(20, 3)), 10, axis=0)
    found = cluster_patches(rows, rng=0)
    assert any("repeat another one exactly" in each for each in found.warnings)


def test_fewer_patches_than_columns_still_gives_classes():
    random = np.random.default_rng(0)
    rows = random.normal(size=(30, 80))
    rows[15:] += 1.5
    found = cluster_patches(rows, 2, rng=0)
    assert adjusted_rand_score(np.arange(30) >= 15, found.labels) > 0.8
    assert any("fewer patches (30) than columns (80)" in each for each in found.warnings)


def test_too_many_classes_get_a_sentence():
    with pytest.raises(InputError, match="n_clusters must not exceed half of the 20 patches"):
        cluster_patches(np.random.default_rng(0).normal(size=(20, 2)), 11, rng=0)


def test_same_seed_same_classes():
    rows = np.random.default_rng(0).normal(size=(100, 3))
    first, second = (cluster_patches(rows, 3, rng=5) for _ in range(2))
    assert np.array_equal(first.labels, second.labels)


@pytest.mark.parametrize("seed", [0, (0, 5)])  # the second takes ten classes for real
def test_frames_of_one_place_are_not_counted_as_new_patches(seed):
    random = np.random.default_rng(seed)
    still = random.normal(size=(144, 2))
    values = np.concatenate([still + 0.1 * random.normal(size=(144, 2)) for _ in range(10)])
    y, x = np.mgrid[:12, :12].reshape(2, -1) * 1.0
    frames = pd.DataFrame({"frame": np.repeat(np.arange(10.0), 144)})
    film = PatchTable.from_frame(
        pd.DataFrame(values), np.tile(np.stack([x, y], axis=1), (10, 1)), 1.0, covariates=frames
    )
    found = cluster_patches(film, rng=0)
    assert found.n_clusters == 1
    assert found.effective_patches < 200  # 144 places
    assert cluster_patches(values, rng=0).effective_patches == 1440
