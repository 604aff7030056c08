"""The scoreboard against columns whose errors and faults are planted."""

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import make_benchmark_scene, scene_bounds, score_positions
from physlearn.records import AtomicConfiguration


@pytest.fixture(scope="module")
def scene():
    return make_benchmark_scene("isolated", columns_along_edge=12, rng=1)


@pytest.fixture(scope="module")
def bounds(scene):
    return scene_bounds(scene)


def test_errors_at_the_bound_score_one(scene, bounds, oracle):
    rng = np.random.default_rng(2)
    off = bounds.position_sd * rng.normal(size=scene.seen.shape)
    covariance = np.einsum("ni,ij->nij", (1.25 * bounds.position_sd) ** 2, np.eye(2))
    found = AtomicConfiguration(scene.seen + off, position_covariance=covariance)
    score = score_positions(found, scene, bounds=bounds)
    n = score.n_z
    assert n == 2 * scene.truth.n
    oracle("error over bound", z=float((score.error_over_bound - 1) * np.sqrt(2 * n)))
    oracle("z sd", z=float((score.z_sd - 0.8) / 0.8 * np.sqrt(2 * n)))
    assert (score.recall, score.false_columns) == (1.0, 0)


def test_missed_false_and_doubled_columns_are_counted(scene, bounds):
    found = np.concatenate([scene.seen[10:], scene.seen[:1] + 30.0, scene.seen[20:21] + 0.4])
    found[:-2] += 0.01
    score = score_positions(found, scene, bounds=bounds)
    assert score.false_columns == 2
    assert score.recall == pytest.approx(1 - 10 / scene.truth.n)
    assert np.isnan(score.z_sd)


def test_nothing_found_is_a_score(scene, bounds):
    score = score_positions(np.empty((0, 2)), scene, bounds=bounds)
    assert score.recall == 0
    assert score.false_share == 0
    assert np.isnan(score.rmse_px)


def test_dim_columns_are_not_scored(scene):
    dim = make_benchmark_scene("two_species", peak=5.0, columns_along_edge=8, rng=1)
    score = score_positions(dim.seen, dim)
    assert 0 < score.n_scored < score.n_true
    assert score.to_dict()["n_scored"] == score.n_scored


def test_wrong_shape_is_refused(scene, bounds):
    with pytest.raises(InputError):
        score_positions(np.zeros((4, 3)), scene, bounds=bounds)
