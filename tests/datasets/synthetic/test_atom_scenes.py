"""The named benchmark pictures hold what they say, the same for the same seed."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import list_benchmark_scenes, make_benchmark_scene

NAMES = list_benchmark_scenes()["name"].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_picture_truth_and_seed_fit(name):
    first = make_benchmark_scene(name, columns_along_edge=8, rng=3)
    again = make_benchmark_scene(name, columns_along_edge=8, rng=3)
    other = make_benchmark_scene(name, columns_along_edge=8, rng=4)
    assert np.array_equal(first.image, again.image)
    assert first.image.shape != other.image.shape or not np.array_equal(first.image, other.image)
    assert first.seen.shape == first.truth.positions.shape == (first.truth.n, 2)
    assert first.peaks.shape == (first.truth.n,)
    assert np.isfinite(first.image.values).all()


@pytest.mark.parametrize("name", ["isolated", "two_species", "graphene", "gain"])
def test_mean_and_variance_are_those_that_the_bound_uses(name, oracle):
    scene = make_benchmark_scene(name, peak=100.0, columns_along_edge=8, rng=1)
    offset = 100.0 if name == "gain" else 0.0
    j, i = np.mgrid[: scene.image.shape[0], : scene.image.shape[1]]
    mean = np.full(scene.image.shape, scene.background)
    for (x, y), peak in zip(scene.seen, scene.peaks, strict=True):
        mean += peak * np.exp(-0.5 * ((i - x) ** 2 + (j - y) ** 2) / scene.width_px**2)
    variance = scene.noise_offset + scene.noise_gain * mean
    square = (scene.image.values - offset - mean) ** 2 / variance
    # a Poisson value's squared deviation has variance 2 + 1 / mean in units of its own variance
    spread = np.sqrt(np.sum(2 + scene.noise_gain**3 * mean / variance**2))
    oracle(f"pixel variance of {name}", z=float((square.sum() - square.size) / spread))


def test_weak_columns_have_a_fifth_and_haze_lies_on_top():
    scene = make_benchmark_scene("two_species", peak=50.0, columns_along_edge=8, rng=1)
    assert sorted(set(scene.peaks.tolist())) == [10.0, 50.0]
    haze = make_benchmark_scene("haze", columns_along_edge=8, rng=1)
    plain = make_benchmark_scene("isolated", columns_along_edge=8, rng=1)
    assert np.quantile(haze.image, 0.05) > np.quantile(plain.image, 0.05) + 5


def test_seen_follows_the_moving_sample():
    scene = make_benchmark_scene("drift", columns_along_edge=10, rng=1)
    moved = scene.seen - scene.truth.positions
    top, bottom = np.argmin(scene.seen[:, 1]), np.argmax(scene.seen[:, 1])
    assert moved[bottom, 0] - moved[top, 0] > 4.0


@pytest.mark.parametrize(
    ("name", "changes"),
    [("no_such", {}), ("isolated", {"peak": 0.0}), ("isolated", {"columns_along_edge": 3})],
)
def test_wrong_requests_are_refused(name, changes):
    with pytest.raises(InputError):
        make_benchmark_scene(name, **changes)
