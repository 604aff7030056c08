"""Domains of both signs as runs: against scipy's labels and counts over pixels."""

import numpy as np
import pytest
from scipy import ndimage

from physlearn.datasets.walls import domain_kernels as kernels


def runs_of(positive, seen, compiled=True):
    """Return the runs, labels and touching domains of a picture."""
    n_rows, n_columns = positive.shape
    rows = np.empty(n_rows + 1, np.int32)
    starts, signs = np.empty(positive.size, np.int32), np.empty(positive.size, np.int8)
    find, label = kernels.find_runs, kernels.label_runs
    find, label = (find, label) if compiled else (find.py_func, label.py_func)
    n = find(positive, seen, rows, starts, signs)
    labels, touching = np.empty(n, np.int32), np.zeros(n, bool)
    count = label(rows, starts[:n], signs[:n], n_columns, labels, touching)
    return rows, starts[:n], signs[:n], labels, touching, count


def spread(rows, starts, values, n_columns):
    """Return the pixels of runs that hold values."""
    picture = np.empty((len(rows) - 1, n_columns), values.dtype)
    for i in range(len(rows) - 1):
        for k in range(rows[i], rows[i + 1]):
            end = starts[k + 1] if k + 1 < rows[i + 1] else n_columns
            picture[i, starts[k] : end] = values[k]
    return picture


@pytest.fixture(params=range(4))
def picture(request):
    rng = np.random.default_rng(request.param)
    smooth = ndimage.gaussian_filter(
        rng.standard_normal((40, 37)), (0.0, 0.6, 1.2, 3.0)[request.param]
    )
    seen = ndimage.gaussian_filter(rng.standard_normal((40, 37)), 3.0) > -0.1
    return smooth > 0, seen | (request.param == 3)


def same_partition(one, two):
    """Tell whether two label pictures name the same sets of pixels."""
    pairs = np.unique(np.stack([one, two]), axis=1)
    return len(np.unique(pairs[0])) == pairs.shape[1] == len(np.unique(pairs[1]))


def test_labels_are_those_of_scipy(picture):
    positive, seen = picture
    rows, starts, _signs, labels, touching, _ = runs_of(positive, seen)
    found = spread(rows, starts, labels, positive.shape[1])
    up, _ = ndimage.label(positive & seen)
    down, _ = ndimage.label(~positive & seen, np.ones((3, 3)))
    assert same_partition(found[positive & seen], up[positive & seen])
    assert same_partition(found[~positive & seen], down[~positive & seen])
    inside = ndimage.binary_erosion(seen)  # what lies beyond the picture counts as not seen
    at_edge = np.unique(found[seen & ~inside])
    every = np.unique(found[seen])
    np.testing.assert_array_equal(touching[every], np.isin(every, at_edge))


def test_borders_are_the_edges_between_opposite_pixels(picture):
    positive, seen = picture
    rows, starts, signs, labels, _, _ = runs_of(positive, seen)
    pairs, points = np.empty((positive.size * 2, 2), np.int32), np.empty((positive.size * 2, 2))
    n = kernels.list_borders(rows, starts, signs, labels, positive.shape[1], pairs, points)
    found = {tuple(point) for point in points[:n].tolist()}
    both = seen[:, 1:] & seen[:, :-1] & (positive[:, 1:] != positive[:, :-1])
    expected = {(j + 0.5, float(i)) for i, j in np.argwhere(both)}
    both = seen[1:] & seen[:-1] & (positive[1:] != positive[:-1])
    expected |= {(float(j), i + 0.5) for i, j in np.argwhere(both)}
    assert found == expected
    assert len(found) == n
    picture_of = spread(rows, starts, labels, positive.shape[1])
    for (a, b), (x, y) in zip(pairs[:n], points[:n], strict=True):
        ends = {(int(np.floor(y)), int(np.floor(x))), (int(np.ceil(y)), int(np.ceil(x)))}
        assert {int(picture_of[end]) for end in ends} == {int(a), int(b)}


def test_overlaps_are_counts_of_pixels(picture):
    positive, seen = picture
    moved = np.roll(positive, (2, 3), (0, 1))
    one, two = runs_of(positive, seen), runs_of(moved, seen)
    counts = np.zeros((one[5] + 1, two[5] + 1), np.int64)
    kernels.overlap_runs(
        one[0], one[1], np.where(one[2] < 2, one[3], -1).astype(np.int32), two[0], two[1],
        np.where(two[2] < 2, two[3], -1).astype(np.int32), positive.shape[1], counts,
    )  # fmt: skip
    a = spread(*one[:2], one[3], positive.shape[1])[seen]
    b = spread(*two[:2], two[3], positive.shape[1])[seen]
    expected = np.zeros_like(counts)
    np.add.at(expected, (a, b), 1)
    expected[:, -1], expected[-1, :] = expected.sum(axis=1), expected.sum(axis=0)
    expected[-1, -1] = 0
    np.testing.assert_array_equal(counts, expected)


def test_kernels_equal_their_plain_form(picture):
    positive, seen = picture
    for one, two in zip(
        runs_of(positive, seen), runs_of(positive, seen, compiled=False), strict=True
    ):
        np.testing.assert_array_equal(one, two)
    rng = np.random.default_rng(5)
    pixels = rng.standard_normal((20, 18))
    pixels[3, 4] = np.nan
    smooth, taps = rng.standard_normal((10, 9)), np.array([1.0, 0.5])
    found = [np.zeros(pixels.shape, bool) for _ in range(2)]
    kernels.fine_domains(pixels, smooth, 0.5, taps, found[0])
    kernels.fine_domains.py_func(pixels, smooth, 0.5, taps, found[1])
    np.testing.assert_array_equal(*found)
    far = np.repeat(np.repeat(np.abs(smooth) > 0.5, 2, 0), 2, 1)
    np.testing.assert_array_equal(found[0][far], np.repeat(np.repeat(smooth > 0, 2, 0), 2, 1)[far])
