"""One pass over a square picture gives what the list of bonds gives."""

from __future__ import annotations

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.inference.large_squares import square_counts
from physlearn.inference.large_squares.square_counts import count_square
from physlearn.inference.large_squares.square_kernels import count_kinds
from physlearn.inference.lattices.lattice_data import gather_snapshots
from physlearn.inference.lattices.lattice_family import lattice_family
from physlearn.inference.posteriors.local_sandwich import picture_sandwich
from physlearn.inference.posteriors.site_features import rows_of_data
from physlearn.lattice_models import square_lattice
from physlearn.records import LatticeSnapshots


def random_picture(shape, seed):
    return np.where(np.random.default_rng(seed).random(shape) < 0.6, 1, -1).astype(np.int8)


@pytest.mark.parametrize("strip", [4_000_000, 100])
@pytest.mark.parametrize("boundary", ["rim", "periodic"])
@pytest.mark.parametrize("n_shells", [1, 2, 3])
def test_counts_give_score_and_sandwich_of_the_graph(n_shells, boundary, strip, monkeypatch):
    monkeypatch.setattr(square_counts, "STRIP_SITES", strip)
    picture = random_picture((20, 17), n_shells)
    graph = square_lattice(picture.shape, n_shells, periodic=boundary == "periodic")
    data = gather_snapshots(
        LatticeSnapshots(picture.reshape(1, -1), graph),
        lattice_family("ising", (-1, 1), n_shells),
    )
    counts = count_square(picture, n_shells, boundary=boundary)
    theta = np.random.default_rng(5).normal(0.0, 0.2, n_shells + 1)
    (rows,) = rows_of_data(data)
    assert counts.n_drawn == data.n_terms
    for ours, theirs in zip(counts.rows().score(theta), rows.score(theta), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    pairs = zip(counts.sandwich(theta), picture_sandwich(data, theta), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_memory_maps_and_strips_do_not_change_the_counts(tmp_path, monkeypatch):
    picture = random_picture((50, 40), 3)
    np.save(tmp_path / "picture.npy", picture)
    whole = count_square(picture, 2)
    monkeypatch.setattr(square_counts, "STRIP_SITES", 130)
    mapped = count_square(np.load(tmp_path / "picture.npy", mmap_mode="r"), 2)
    np.testing.assert_array_equal(mapped.pairs, whole.pairs)
    assert mapped.fingerprint == whole.fingerprint
    assert count_square(-picture, 2).fingerprint != whole.fingerprint


def test_kernel_equals_its_plain_form():
    kinds = np.random.default_rng(1).integers(-1, 10, (12, 9)).astype(np.int16)
    steps = np.array([(0, 1), (1, 0)])
    found = []
    for count in (count_kinds, count_kinds.py_func):
        single, pairs = np.zeros(10, np.int64), np.zeros((10, 10), np.int64)
        count(kinds, steps, 1, 11, 1, 8, single, pairs)
        found.append((single, pairs))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    assert found[0][0].sum() == np.sum(kinds[1:11, 1:8] >= 0)


def test_refusals_say_where():
    picture = random_picture((20, 20), 1)
    picture[7, 3] = 5
    with pytest.raises(InputError, match="found 5 at row 7, column 3"):
        count_square(picture)
    with pytest.raises(InputError, match="at most 3"):
        count_square(random_picture((20, 20), 1), 4)
    with pytest.raises(InputError, match="at least 3 each"):
        count_square(np.ones((2, 9)))
    with pytest.raises(InputError, match="boundary"):
        count_square(np.ones((9, 9)), boundary="open")
