"""Aligned patches: poses and their errors against planted ones, pixels comparable afterwards."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from physlearn.checks import InputError
from physlearn.datasets import align_patches, cluster_patches, find_components, make_patch_scene
from physlearn.datasets.components.alignment import own_center

SPOTS = np.array([[4.0, 0.0], [-2.0, 3.5], [-2.5, -3.0], [0.5, 1.0]])


def motif(angle=0.0, shift=(0.0, 0.0), edge=24):
    y, x = np.mgrid[:edge, :edge] - 0.5 * (edge - 1)
    c, s = np.cos(angle), np.sin(angle)
    spots = SPOTS @ np.array([[c, s], [-s, c]]) + shift
    return sum(np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 1.6**2)) for u, v in spots)


@pytest.fixture(scope="module")
def posed():
    random = np.random.default_rng(0)
    angle = random.uniform(-np.pi, np.pi, 1500)
    shift = random.uniform(-1.5, 1.5, (1500, 2))
    clean = np.stack([motif(a, s) for a, s in zip(angle, shift, strict=True)])
    return clean, angle, shift


def test_poses_are_exact_without_noise(posed, oracle):
    clean, angle, shift = posed
    found = align_patches(clean[:100], references=motif(), noise=1.0)
    turned = (found.angle - angle[:100] + np.pi) % (2 * np.pi) - np.pi
    oracle("angle", error=np.abs(turned).max(), bound=0.01)
    oracle("shift", error=np.abs(found.shift - shift[:100]).max(), bound=0.03)
    assert np.allclose(found.brightness, 1.0, atol=0.02)


@pytest.mark.parametrize("given", [0.08, None])
def test_errors_of_poses_are_right(posed, given, oracle):
    clean, angle, shift = posed
    noisy = 3.0 + 2.0 * (clean + 0.08 * np.random.default_rng(1).normal(size=clean.shape))
    found = align_patches(noisy, references=motif(), noise=None if given is None else 2 * given)
    wrong = np.column_stack(
        [found.shift - shift, (found.angle - angle + np.pi) % (2 * np.pi) - np.pi]
    )
    z = wrong / np.sqrt(np.einsum("nii->ni", found.covariance))
    for k, name in enumerate(("x", "y", "angle")):
        oracle(f"{name} z sd", z=(z[:, k].std() - 1) * np.sqrt(2 * len(z)))
        oracle(f"{name} z mean", z=z[:, k].mean() * np.sqrt(len(z)))
    root = np.linalg.cholesky(np.linalg.inv(found.covariance))
    whole = np.einsum("nij,ni->nj", root, wrong)
    oracle("all together", z=((whole**2).sum(axis=1).mean() - 3) / np.sqrt(6 / len(z)))
    assert np.allclose(found.offset, 3.0, atol=0.4)
    assert np.allclose(found.brightness.mean(), 2.0, atol=0.02)


def test_shifts_only(posed, oracle):
    random = np.random.default_rng(2)
    shift = random.uniform(-1.5, 1.5, (300, 2))
    rows = np.stack([motif(0.0, s) for s in shift]) + 0.05 * random.normal(size=(300, 24, 24))
    found = align_patches(rows, references=motif(), rotate=False, noise=0.05)
    assert not found.angle.any()
    z = (found.shift - shift) / np.sqrt(found.covariance[:, [0, 1], [0, 1]])
    oracle("z sd", z=(z.std() - 1) * np.sqrt(2 * z.size))


def test_one_motif_in_all_poses_is_one_pattern_once_aligned(posed):
    clean, _, _ = posed
    noisy = clean[:200] + 0.1 * np.random.default_rng(3).normal(size=(200, 24, 24))
    found = align_patches(noisy, rng=0)
    share = find_components(found.vectors(), n_components=1, rng=0).held_out
    raw = find_components(noisy[:, found.disc], n_components=10, rng=0).held_out
    # before: many patterns, of turning; after: nothing is left but noise
    assert raw["error"].iloc[-1] < 0.7
    assert share["error"].iloc[-1] > 0.9
    assert found.correlation.mean() > 0.9


def test_pixels_of_four_motifs_tell_them_apart_once_aligned():
    scene = make_patch_scene("motifs", n_patches=160, rng=4)
    stack = scene.stack().astype(float)
    raw = cluster_patches(stack.reshape(160, -1), 4, rng=0)
    found = align_patches(stack, n_references=4, rng=0)
    aligned = cluster_patches(found.vectors(), 4, rng=0)
    assert adjusted_rand_score(scene.labels, raw.labels) < 0.6
    assert adjusted_rand_score(scene.labels, aligned.labels) >= 0.95
    assert adjusted_rand_score(scene.labels, found.reference) >= 0.9


def test_center_of_a_reference_is_found_from_turned_patches():
    random = np.random.default_rng(0)
    angle = random.uniform(-np.pi, np.pi, 4000)
    c, s = np.cos(angle), np.sin(angle)
    center = np.array([0.7, -0.3])
    seen = -np.column_stack([c * center[0] - s * center[1], s * center[0] + c * center[1]])
    poses = np.column_stack([seen, angle])
    assert np.allclose(own_center(poses), center, atol=1e-9)


def test_picture_with_centers_is_the_stack():
    scene = make_patch_scene("motifs", n_patches=30, rng=4)
    given = align_patches(scene.stack().astype(float), rng=0)
    taken = align_patches(scene.image, scene.centers, scene.patch_px, rng=0)
    assert np.array_equal(given.shift, taken.shift)


@pytest.mark.parametrize(
    ("pixels", "options", "message"),
    [
        (np.zeros((5, 24, 20)), {}, "must be squares"),
        (np.full((5, 24, 24), np.nan), {}, "NaN"),
        (np.zeros((24, 24)), {}, "must be a stack"),
        (np.zeros((5, 24, 24)), {"n_references": 6}, "must not exceed the 5 patches"),
        (np.zeros((5, 24, 24)), {"references": np.zeros((3, 9))}, "references must have shape"),
    ],
)
def test_bad_patches_get_a_sentence(pixels, options, message):
    with pytest.raises(InputError, match=message):
        align_patches(pixels, rng=0, **options)
