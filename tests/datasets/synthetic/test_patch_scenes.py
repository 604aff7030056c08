"""Scenes of patches hold the motifs, turns, offsets, noise and disorder that they declare."""

import numpy as np
import pytest
from scipy import ndimage

from physlearn.checks import InputError
from physlearn.datasets import PatchSceneSettings, make_patch_scene


@pytest.mark.parametrize("kind", ["motifs", "grains", "crystal"])
def test_same_seed_same_picture_and_shapes_fit(kind):
    first, again = (make_patch_scene(kind, n_patches=20, rng=3) for _ in range(2))
    assert np.array_equal(first.image, again.image)
    assert first.stack().shape == (20, 24, 24)
    assert first.stack(margin=4).shape == (20, 32, 32)
    assert np.array_equal(first.stack(margin=4)[:, 4:-4, 4:-4], first.stack())
    assert len(first.columns) == len(first.column_patch)


@pytest.mark.parametrize("kind", ["motifs", "grains", "crystal"])
def test_counts_scatter_as_poisson_about_the_mean(kind, oracle):
    scene = make_patch_scene(kind, n_patches=100, rng=1)
    square = (scene.image.values - scene.mean) ** 2 / scene.mean
    spread = np.sqrt(np.sum(2 + 1 / scene.mean))
    oracle(f"pixel variance of {kind}", z=float((square.sum() - square.size) / spread))


def test_motifs_hold_equal_light_at_their_offsets():
    settings = PatchSceneSettings(brightness_spread=0.0, width_px=1.2, spacing_px=6.0)
    scene = make_patch_scene("motifs", n_patches=16, settings=settings, rng=2)
    background = settings.background_share * settings.peak_counts
    for patch, center in enumerate(scene.centers):
        low = np.round(center - 15.5).astype(int)
        light = scene.mean[low[1] : low[1] + 32, low[0] : low[0] + 32] - background
        # five columns of the full peak or as much in more columns
        assert light.sum() == pytest.approx(5 * 2 * np.pi * 20 * 1.2**2, rel=1e-3)
        y, x = ndimage.center_of_mass(light)
        assert np.allclose([x, y], 15.5 + scene.offsets[patch], atol=0.02)
    assert np.allclose(np.hypot(*scene.offsets.T), 1.5)


def test_disordered_columns_are_shifted_as_declared(oracle):
    settings = PatchSceneSettings(disorder=(0.02, 0.1))
    scene = make_patch_scene("crystal", n_patches=400, settings=settings, rng=1)
    for label, share in enumerate(settings.disorder):
        variance = (scene.displacement[scene.labels == label] ** 2).mean() / 2
        truth = (share * settings.spacing_px) ** 2
        oracle(f"disorder of label {label}", error=abs(variance / truth - 1), bound=0.1)


def test_ordered_and_disordered_patches_overlap():
    settings = PatchSceneSettings(disorder=(0.05, 0.06))
    scene = make_patch_scene("grains", n_patches=200, settings=settings, rng=1)
    ordered, disordered = (scene.displacement[scene.labels == label] for label in (0, 1))
    assert ordered.max() > disordered.min()


@pytest.mark.parametrize(
    "changes",
    [{"motifs": ("hexagon",)}, {"motifs": ("hexagon", "no_such")}, {"disorder": (0.1, 0.05)},
     {"patch_px": 4}, {"peak_counts": 0.0}],
)  # fmt: skip
def test_wrong_settings_are_refused(changes):
    with pytest.raises(InputError):
        PatchSceneSettings(**changes)


def test_wrong_kind_and_number_are_refused():
    with pytest.raises(InputError):
        make_patch_scene("no_such")
    with pytest.raises(InputError):
        make_patch_scene(n_patches=2)
