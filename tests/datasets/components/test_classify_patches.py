"""Classes from five labels each: right, and as sure as they are right."""

import numpy as np
import pandas as pd
import pytest

from physlearn.checks import InputError
from physlearn.datasets import classify_patches, make_patch_scene
from physlearn.datasets.descriptors.polar_fourier import polar_fourier
from physlearn.records import PatchTable

LABELS_A_CLASS = 5


def described(kind, n=300):
    scene = make_patch_scene(kind, n_patches=n, rng=2)
    found = polar_fourier(scene.image, centers=scene.centers, size=scene.patch_px, noise="counts")
    table = PatchTable.from_frame(
        pd.DataFrame(found.values), scene.centers, float(scene.patch_px),
        measurement_covariance=found.covariance,
    )  # fmt: skip
    return table, np.asarray(scene.labels)


def some_labels(truth, seed, count=LABELS_A_CLASS):
    random = np.random.default_rng(seed)
    labels = np.full(len(truth), -1)
    for k in np.unique(truth):
        labels[random.choice(np.flatnonzero(truth == k), count, replace=False)] = k
    return labels


@pytest.fixture(scope="module")
def motifs():
    return described("motifs")


@pytest.fixture(scope="module")
def grains():
    return described("grains")


def test_five_labels_of_each_motif_are_enough(motifs):
    table, truth = motifs
    for seed in range(4):
        labels = some_labels(truth, seed)
        found = classify_patches(table, labels, rng=0)
        unseen = labels < 0
        assert (found.labels[unseen] == truth[unseen].astype(str)).mean() >= 0.9
        assert found.accuracy >= 0.9


@pytest.mark.parametrize(("count", "bound"), [(5, 0.12), (25, 0.06)])
def test_is_as_sure_as_it_is_right_where_classes_overlap(grains, count, bound, oracle):
    # disorder of two levels: nobody tells all patches apart
    table, truth = grains
    right, sure = [], []
    for seed in range(6):
        labels = some_labels(truth, seed, count)
        found = classify_patches(table, labels, rng=0)
        unseen = labels < 0
        right.append((found.labels[unseen] == truth[unseen].astype(str)).mean())
        sure.append(found.probabilities[unseen].max(axis=1).mean())
    assert 0.6 < np.mean(right) < 0.95
    oracle("confidence less accuracy", error=np.mean(sure) - np.mean(right), bound=bound)


def test_left_out_accuracy_is_that_of_unseen_patches(oracle):
    expected, seen = [], []
    for seed in range(10):
        random = np.random.default_rng(seed)
        truth = random.integers(2, size=200)
        rows = random.normal(size=(200, 3)) + 1.2 * truth[:, None]
        labels = some_labels(truth, seed, 12)
        found = classify_patches(rows, labels, rng=0)
        unseen = labels < 0
        expected.append(found.accuracy)
        seen.append((found.labels[unseen] == truth[unseen].astype(str)).mean())
    gap = np.array(expected) - seen
    oracle("left-out accuracy", z=gap.mean() / (gap.std(ddof=1) / np.sqrt(len(gap))))


def test_labels_that_mean_nothing_are_said_so():
    random = np.random.default_rng(0)
    found = classify_patches(
        random.normal(size=(200, 4)), some_labels(random.integers(2, size=200), 0, 10), rng=0
    )
    assert any("no better than by chance" in each for each in found.warnings)
    assert found.probabilities.max(axis=1).mean() < 0.75


def test_a_patch_like_none_is_marked():
    random = np.random.default_rng(0)
    truth = np.repeat([0, 1], 100)
    rows = random.normal(size=(200, 3)) + 6.0 * truth[:, None]
    rows[50] = [-15.0, 15.0, -15.0]
    found = classify_patches(rows, some_labels(truth, 1), rng=0)
    assert found.unlike[50]
    assert found.unlike.sum() < 6


def test_a_labelled_patch_keeps_its_label_and_hears_the_others():
    random = np.random.default_rng(0)
    truth = np.repeat(["matrix", "defect"], 60)
    rows = random.normal(size=(120, 2)) + 5.0 * (truth == "defect")[:, None]
    labels = np.full(120, None, dtype=object)
    labels[:6], labels[60:66] = "matrix", "defect"
    labels[3] = "defect"  # a slip of the hand
    found = classify_patches(rows, labels, rng=0)
    assert found.labels[3] == "defect"
    assert found.probabilities[3, found.classes.index("matrix")] > 0.5
    frame = found.to_pandas()
    assert list(frame.columns) == ["class", "p_defect", "p_matrix", "unlike"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 0], "labels must name 30 patches"),
        ([0] * 10 + [-1] * 20, "at least two classes"),
        ([0] * 10 + [1] + [-1] * 19, "at least two patches of each class"),
    ],
)
def test_bad_labels_get_a_sentence(labels, message):
    rows = np.random.default_rng(0).normal(size=(30, 3))
    with pytest.raises(InputError, match=message):
        classify_patches(rows, labels, rng=0)
