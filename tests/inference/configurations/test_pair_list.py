"""Lists of pairs against all distances, and kernels against their plain form."""

from __future__ import annotations

import numpy as np
import pytest

from physlearn.inference.configurations import pair_list_kernels
from physlearn.inference.configurations.pair_list import close_pairs


def all_pairs(positions, reach, box):
    """Every pair by brute force."""
    i, j = np.triu_indices(len(positions), 1)
    away = positions[j] - positions[i]
    if box is not None:
        away -= np.round(away / box) * box
    near = np.linalg.norm(away, axis=1) < reach
    return np.stack([i[near], j[near]], axis=1), away[near]


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("reach", [0.4, 1.3, 2.4])
def test_every_pair_is_listed_once(dimension, periodic, reach):
    lengths = np.array([5.0, 6.0, 7.0])[:dimension]
    positions = np.random.default_rng(1).uniform(0, lengths, (120, dimension))
    box = lengths if periodic else None
    pairs, vectors, distance = close_pairs(positions, reach, box)
    wanted, away = all_pairs(positions, reach, box)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    np.testing.assert_array_equal(pairs[order], wanted)
    np.testing.assert_allclose(vectors[order], away, atol=1e-12)
    np.testing.assert_allclose(distance, np.linalg.norm(vectors, axis=1))


def test_particles_on_one_spot_or_far_apart_are_listed():
    assert len(close_pairs(np.zeros((5, 2)), 1.0, None)[0]) == 10
    assert len(close_pairs(np.array([[0.0, 0.0], [1e6, 1e6]]), 1.0, None)[0]) == 0


def test_compiled_list_equals_plain(monkeypatch):
    positions = np.random.default_rng(2).uniform(0, 4, (40, 2))
    found = close_pairs(positions, 1.0, np.array([4.0, 4.0]))
    plain = pair_list_kernels.list_close_pairs.py_func
    monkeypatch.setattr("physlearn.inference.configurations.pair_list.list_close_pairs", plain)
    for one, two in zip(found, close_pairs(positions, 1.0, np.array([4.0, 4.0])), strict=True):
        np.testing.assert_array_equal(one, two)
